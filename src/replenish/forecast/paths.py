"""Joint sample paths of demand over items and days: the forecast's quantiles, tied as past forecasts' errors were.

A path follows one past evening: what the forecasts made then missed by, category by category, one day ahead and two and
so on. So the days of a path err together as the days after that evening did, and the items of a category with it.
What is left to an item follows a first-order autoregression over the days. Only the order of the paths is taken from
there; their values are the quantiles of the forecast (Schefzik, Thorarinsdottir & Gneiting 2013).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.errors import ForecastError
from replenish.forecast.intervals import QUANTILE_NAMES, QUANTILES, quantile_values
from replenish.records import DemandForecast, JointErrors

Array = NDArray[np.float64]
FACTOR_KEYS = ["origin", "horizon"]
FACTOR_COLUMNS = [*FACTOR_KEYS, "category", "error"]


@dataclass(frozen=True)
class DemandPaths:
    """`demand` [unit]: paths × dates × items, each path equally likely; demand at the reference price if offered."""

    dates: pd.DatetimeIndex
    item_codes: tuple[str, ...]
    demand: Array


def joint_errors(scores: Mapping[int, Array], category: NDArray[np.str_], targets: pd.DatetimeIndex) -> JointErrors:
    """What past forecasts missed together; `scores`: horizon (1, 2, …) → targets × items, NaN where nothing was seen.

    An evening counts when all horizons after it are among the `targets`, which follow each other day by day. A category
    that was not seen on a day takes the store's mean, a store that was closed 0.
    """
    names = sorted({str(c) for c in category})
    means = {h: _category_means(s, category, names) for h, s in scores.items()}
    own = {h: s - means[h][:, np.searchsorted(names, category)] for h, s in scores.items()}
    last = max(scores)
    evenings = len(targets) - last + 1
    parts = [
        pd.DataFrame({
            "origin": targets[:evenings] - pd.Timedelta(days=1), "horizon": h, "category": name,
            "error": means[h][h - 1 : h - 1 + evenings, k],
        })
        for h in sorted(scores)
        for k, name in enumerate(names)
        if evenings > 0
    ]  # fmt: skip
    factors = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=FACTOR_COLUMNS)
    return JointErrors(factors, _persistence(own), _spread(own[1]))


def _category_means(scores: Array, category: NDArray[np.str_], names: list[str]) -> Array:
    seen = np.isfinite(scores)
    filled = np.where(seen, scores, 0.0)
    store = filled.sum(1) / np.maximum(seen.sum(1), 1)
    groups = (category[:, None] == np.array(names)[None, :]).astype(float)
    count = seen @ groups
    return np.asarray(np.where(count > 0, filled @ groups / np.maximum(count, 1), store[:, None]))


def _persistence(own: Mapping[int, Array]) -> float:
    """Correlation of an item's own part on two days that follow each other, forecast on one evening; at least 0."""
    pairs = [(own[h][:-1].ravel(), own[h + 1][1:].ravel()) for h in own if h + 1 in own]
    if not pairs:
        return 0.0
    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    both = np.isfinite(first) & np.isfinite(second)
    a, b = first[both], second[both]
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float(np.clip((a * b).sum() / size, 0.0, 0.99)) if size > 0 else 0.0


def _spread(own: Array) -> float:
    """Standard deviation of the items' own parts; 1 without any."""
    seen = own[np.isfinite(own)]
    return float(seen.std()) or 1.0 if len(seen) else 1.0


def sample_paths(forecast: DemandForecast, n: int, seed: int = 0) -> DemandPaths:
    """`n` joint paths of the forecast's items over its dates; the same seed gives the same paths.

    Raises `ForecastError` when the forecast lacks the joint errors of the past, or `n` is below 1.
    """
    joint = forecast.joint
    if joint is None or n < 1:
        raise ForecastError("Paths need a forecast with its joint errors (`forecast_demand`), and at least one path.")
    table = forecast.table.sort_values(["date", "item_code"])
    dates, codes = pd.DatetimeIndex(table["date"].unique()), tuple(table["item_code"].unique())
    shape = (len(dates), len(codes))
    category = table["category"].to_numpy()[: len(codes)]
    horizons = table["horizon"].to_numpy().reshape(shape)[:, 0]
    rng = np.random.default_rng(seed)
    scores = _factor_draws(joint, horizons, category, n, rng) + joint.spread * _own_draws(
        joint, horizons, shape, n, rng
    )
    rank = scores.argsort(axis=0).argsort(axis=0)
    level = (rank + rng.random(rank.shape)) / n
    quantiles = table[list(QUANTILE_NAMES)].to_numpy(dtype=float).reshape(*shape, len(QUANTILES))
    return DemandPaths(dates, codes, quantile_values(quantiles, level))


def _factor_draws(
    joint: JointErrors, horizons: NDArray[np.int64], category: NDArray[np.str_], n: int, rng: np.random.Generator
) -> Array:
    """What whole past evenings missed by, paths × dates × items; 0 without past evenings or for an unknown category."""
    evenings = joint.factors["origin"].nunique()
    if not evenings:
        return np.zeros((n, len(horizons), len(category)))
    drawn = rng.permutation(np.resize(rng.permutation(evenings), n))
    table = joint.factors.pivot_table(index=FACTOR_KEYS, columns="category", values="error")
    values = table.reindex(columns=category).fillna(0.0)
    by_day = [values.xs(h, level="horizon").to_numpy()[drawn] for h in horizons]
    return np.stack(by_day, axis=1)


def _own_draws(
    joint: JointErrors, horizons: NDArray[np.int64], shape: tuple[int, int], n: int, rng: np.random.Generator
) -> Array:
    """Standard normal autoregressions over the dates, paths × dates × items."""
    out = rng.standard_normal((n, *shape))
    for k in range(1, shape[0]):
        tie = joint.persistence ** int(horizons[k] - horizons[k - 1])
        out[:, k] = tie * out[:, k - 1] + np.sqrt(1 - tie**2) * out[:, k]
    return out
