"""Batched Theta method: smoothing with half the linear trend, for all items of a store at once.

Assimakopoulos & Nikolopoulos (2000) in the form of Hyndman & Billah (2003): the level of simple exponential smoothing
plus ½·b·(h − 1 + (1 − (1 − α)^n) / α), where b is the least-squares slope of the n de-seasonalised observations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from replenish.forecast.features import PanelMatrix, rolling_sum
from replenish.forecast.smoothing import Smoothing, deseasonalised, on_weekday, smoothing_constants, weekday_index

Array = NDArray[np.float64]
SLOPE_DAYS = 365
MIN_SLOPE_DAYS = 28


def trend_slopes(m: PanelMatrix, weekday: Array, window: int = SLOPE_DAYS, since: int = 0) -> Array:
    """Least-squares slope [demand per day] over the taught days of the last `window` days.

    Of every day from day number `since` on (days × items). `weekday`: indices, 7 × items. 0 with fewer than 28 taught
    days: their slope would be noise.
    """
    weight = (m.weight > 0).astype(float)
    x = np.where(weight > 0, deseasonalised(m, weekday), 0.0)
    # Counted from the middle of the panel: sums of squared days keep their digits.
    t = np.arange(len(m.dates), dtype=float)[:, None] - len(m.dates) / 2
    n, st, stt, sx, stx = (rolling_sum(v, window, since) for v in (weight, weight * t, weight * t**2, x, x * t))
    spread = n * stt - st**2
    known = (n >= MIN_SLOPE_DAYS) & (spread > 0)
    return np.where(known, (n * stx - st * sx) / np.where(known, spread, 1.0), 0.0)


def theta_forecasts(
    m: PanelMatrix, fitted: Smoothing, levels: Array, origins: Mapping[int, NDArray[np.int64]]
) -> dict[int, Array]:
    """Price-neutral forecasts per horizon, each origins × items, not below 0; NaN before the first day that teaches.

    `levels`: those of `smoothed_levels`; `origins`: horizon → day numbers.
    """
    weekday, alpha = weekday_index(m, fitted), smoothing_constants(m, fitted)
    since = min(int(days.min()) for days in origins.values())
    slope, taught = trend_slopes(m, weekday, since=since), np.cumsum(m.weight > 0, axis=0)
    out = {}
    for horizon, days in origins.items():
        lag = (1 - (1 - alpha) ** taught[days]) / alpha
        ahead = levels[days] + 0.5 * slope[days - since] * (horizon - 1 + lag)
        out[horizon] = on_weekday(m, weekday, np.maximum(ahead, 0.0), days, horizon)
    return out
