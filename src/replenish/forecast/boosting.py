"""One global LightGBM for all items: direct, horizon as a feature, covariates of the target date."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.forecast.features import LONG, PanelMatrix, State, state_features, target_features
from replenish.settings import ForecastSettings

if TYPE_CHECKING:
    import lightgbm as lgb

Array = NDArray[np.float64]
# Each target day is seen from every horizon, so rows say much the same: 60,000 of the reference case's 110,000 give the
# same error (WAPE over seven days 0.358 both, 15 origins in 2022, two seeds) in half the time; 40,000 lose 0.7 %.
MAX_ROWS = 60_000
MIN_ROWS = 2_000
MAX_RATIO = 10.0
# Few leaves, many rows a leaf: item-days are noisy (WAPE about 0.33). Poisson loss on demand ÷ base level with the base
# as weight is Poisson loss on demand; squared, Tweedie and absolute loss were no better (docs/forecasting.md).
PARAMETERS = {
    "objective": "poisson",
    "learning_rate": 0.14,
    "num_leaves": 31,
    "min_data_in_leaf": 150,
    "feature_fraction": 0.6,
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
ROUNDS = 75
# Two ensembles, averaged on the logarithm: one takes the best of all splits, the other the best of one split a feature
# drawn at random (extremely randomised trees: Geurts et al. 2006). A day's rows share the day's luck, which the best
# splits learn by heart; but where prices move, they say more.
ENSEMBLES: tuple[dict[str, bool], ...] = ({}, {"extra_trees": True})
CATEGORICAL = ["category"]
FIRST_LINE = re.compile("^(?=tree$)", re.MULTILINE)


def known_categories(m: PanelMatrix) -> tuple[str, ...]:
    """The categories of the items, sorted: their place is their number in the model."""
    return tuple(sorted({str(c) for c in m.category}))


@dataclass(frozen=True)
class Covariates:
    """What the member learns from, once for a panel: smoothing level (days × items) and state at each evening.

    Everything at day t is known on the evening of t.
    """

    level: Array
    state: State


def covariates(m: PanelMatrix, level: Array, since: int = 0) -> Covariates:
    """The covariates from day number `since` on; `level`: the smoothing member's, all days × items."""
    return Covariates(level, state_features(m, level, since))


def fit_boosting(m: PanelMatrix, known: Covariates, until: int, settings: ForecastSettings, seed: int) -> str:
    """Text of the LightGBM models, learnt from target days before day number `until`; empty with too few rows for it.

    Target: price-neutral demand ÷ the item's base level at the origin. Rows: item-days that may teach, each seen from
    every horizon, of items that taught in the week up to the origin (the others are no candidates of a plan).
    Weights: teaching weight × recency × base level at the price of the origin, so that errors count in units sold.
    """
    import lightgbm as lgb

    wanted = _training_cells(m, known, until, settings, seed)
    if sum(int(cells.sum()) for cells in wanted.values()) < MIN_ROWS:
        return ""
    parts = [_training_rows(m, known, until, h, cells, settings) for h, cells in wanted.items()]
    rows = pd.concat(parts, ignore_index=True)
    data = lgb.Dataset(
        rows.drop(columns=["target", "row_weight"]), rows["target"], weight=rows["row_weight"],
        categorical_feature=CATEGORICAL, free_raw_data=True,
    )  # fmt: skip
    fits = [lgb.train(PARAMETERS | {"seed": seed} | kind, data, num_boost_round=ROUNDS) for kind in ENSEMBLES]
    return "".join(fit.model_to_string() for fit in fits)


def boosters(models: str) -> list[lgb.Booster]:
    """The models of such a text: the forecast is the base level × e to the mean of their raw scores."""
    import lightgbm as lgb

    return [lgb.Booster(model_str=text) for text in FIRST_LINE.split(models) if text]


def _training_cells(
    m: PanelMatrix, known: Covariates, until: int, settings: ForecastSettings, seed: int
) -> dict[int, NDArray[np.bool_]]:
    """Which origins × items teach at each horizon; a random part of them where there are more than `MAX_ROWS`.

    Drawn before any row is built: memory must not grow with what is not used.
    """
    cells = {}
    for horizon in range(1, settings.horizon_days + 1):
        origins = _training_origins(until, horizon, settings)
        weight = m.weight[origins + horizon] * np.nan_to_num(
            known.state.base_at(origins) * m.price_factor(m.price[origins])
        )
        cells[horizon] = (known.state.at("taught_7", origins) > 0) & (weight > 0) & np.isfinite(known.level[origins])
    share = MAX_ROWS / max(sum(int(c.sum()) for c in cells.values()), 1)
    if share >= 1:
        return cells
    rng = np.random.default_rng(seed)
    return {h: c & (rng.random(c.shape) < share) for h, c in cells.items()}


def _training_origins(until: int, horizon: int, settings: ForecastSettings) -> NDArray[np.int64]:
    return np.arange(max(LONG, until - settings.boosting_days), until - horizon)


def _training_rows(
    m: PanelMatrix, known: Covariates, until: int, horizon: int, cells: NDArray[np.bool_], settings: ForecastSettings
) -> pd.DataFrame:
    origins = _training_origins(until, horizon, settings)
    base = known.state.base_at(origins)
    recency = np.power(0.5, (until - 1 - origins - horizon) / settings.half_life_days)[:, None]
    weight = m.weight[origins + horizon] * recency * np.nan_to_num(base * m.price_factor(m.price[origins]))
    rows = target_features(m, known.state, origins, horizon, known_categories(m), cells)
    ratio = np.minimum(m.neutral[origins + horizon] / base, MAX_RATIO)
    return rows.assign(target=ratio[cells], row_weight=weight[cells])


def boosting_forecast(
    m: PanelMatrix,
    known: Covariates,
    models: str,
    categories: tuple[str, ...],
    origins: Mapping[int, NDArray[np.int64]],
) -> dict[int, Array]:
    """Price-neutral forecasts per horizon, each origins × items; NaN where the item has no level yet.

    `models`: text of `fit_boosting`. `origins`: horizon → day numbers. `categories`: those of the panel the models were
    fitted on (`known_categories`).
    """
    fitted = boosters(models)
    out = {}
    for horizon, days in origins.items():
        cells = np.isfinite(known.level[days])
        out[horizon] = np.full(cells.shape, np.nan)
        if cells.any():
            rows = target_features(m, known.state, days, horizon, categories, cells)
            # A shop may have got a table, or lost one, since the models were fitted.
            seen = rows.reindex(columns=fitted[0].feature_name())
            scores = [np.asarray(one.predict(seen, raw_score=True, num_threads=1)) for one in fitted]
            out[horizon][cells] = np.exp(np.mean(scores, axis=0)) * known.state.base_at(days)[cells]
    return out
