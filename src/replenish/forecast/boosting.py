"""One global LightGBM for all items: direct, horizon as a feature, covariates of the target date."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.forecast.features import PanelMatrix, base_level, state_features, target_features
from replenish.settings import ForecastSettings

Array = NDArray[np.float64]
MAX_ROWS = 80_000
MIN_ROWS = 2_000
MAX_RATIO = 8.0
# Few leaves, many rows a leaf: item-days are noisy (WAPE about 0.33), so shallow trees with slow learning.
PARAMETERS = {
    "objective": "tweedie",
    "tweedie_variance_power": 1.3,
    "learning_rate": 0.07,
    "num_leaves": 31,
    "min_data_in_leaf": 150,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 63,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    # One thread: 2–3 s either way, and its spinning threads slow everything else on a small machine.
    "num_threads": 1,
}
ROUNDS = 160
CATEGORICAL = ["category"]


def known_categories(m: PanelMatrix) -> tuple[str, ...]:
    """The categories of the items, sorted: their place is their number in the model."""
    return tuple(sorted({str(c) for c in m.category}))


def fit_boosting(m: PanelMatrix, level: Array, until: int, settings: ForecastSettings, seed: int) -> str:
    """LightGBM model text, learnt from target days before day number `until`; empty with too few rows to learn from.

    Target: price-neutral demand ÷ the item's base level at the origin. Rows: item-days that may teach, each seen from
    every horizon; weights: teaching weight × recency × scale, so that large items count, but less than in proportion.
    """
    import lightgbm as lgb

    state = state_features(m, level)
    base = base_level(m, level)
    parts = [_training_rows(m, state, base, level, until, h, settings) for h in range(1, settings.horizon_days + 1)]
    rows = pd.concat(parts, ignore_index=True)
    if len(rows) < MIN_ROWS:
        return ""
    if len(rows) > MAX_ROWS:
        rows = rows.sample(MAX_ROWS, random_state=seed)
    data = lgb.Dataset(
        rows.drop(columns=["target", "row_weight"]), rows["target"], weight=rows["row_weight"],
        categorical_feature=CATEGORICAL, free_raw_data=True,
    )  # fmt: skip
    parameters = PARAMETERS | {"seed": seed}
    return str(lgb.train(parameters, data, num_boost_round=ROUNDS).model_to_string())


def _training_rows(
    m: PanelMatrix,
    state: dict[str, Array],
    base: Array,
    level: Array,
    until: int,
    horizon: int,
    settings: ForecastSettings,
) -> pd.DataFrame:
    first = max(28, until - settings.boosting_days)
    origins = np.arange(first, until - horizon)
    rows = target_features(m, state, origins, horizon, known_categories(m))
    weight = m.weight[origins + horizon].ravel()
    scale = base[origins].ravel()
    age = (until - 1 - origins - horizon)[:, None] * np.ones((1, len(m.item_codes)))
    recency = np.power(0.5, age.ravel() / settings.half_life_days)
    rows["target"] = np.minimum(m.neutral[origins + horizon].ravel() / scale, MAX_RATIO)
    money = scale * (m.price_factor(m.price[origins]) * m.price[origins]).ravel()
    rows["row_weight"] = weight * recency * np.sqrt(np.nan_to_num(money))
    return rows[(weight > 0) & np.isfinite(level[origins]).ravel() & (rows["row_weight"] > 0)]


def boosting_forecast(
    m: PanelMatrix,
    level: Array,
    model: str,
    categories: tuple[str, ...],
    origins: NDArray[np.int64],
    horizons: Sequence[int],
) -> dict[int, Array]:
    """Price-neutral forecasts per horizon, each origins × items; NaN where the item has no level yet.

    `categories`: those of the panel the model was fitted on (`known_categories`).
    """
    import lightgbm as lgb

    booster = lgb.Booster(model_str=model)
    state, base = state_features(m, level), base_level(m, level)[origins]
    known = np.isfinite(level[origins])
    out = {}
    for horizon in horizons:
        rows = target_features(m, state, origins, horizon, categories)
        ratio = np.asarray(booster.predict(rows, num_threads=1))
        out[horizon] = np.where(known, ratio.reshape(base.shape) * base, np.nan)
    return out
