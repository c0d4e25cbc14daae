"""Batched TSB smoothing of intermittent demand, for all items of a store at once.

Teunter, Syntetos & Babai (2011): the chance that a day sells and the quantity of a day that does are smoothed apart,
the chance on every day (Croston's method, which moves only on days that sell, never learns that an item has died).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from replenish.forecast.features import PanelMatrix, rolling_sum
from replenish.forecast.smoothing import Smoothing, deseasonalised, on_weekday, weekday_index

Array = NDArray[np.float64]
ALPHA_CHANCE = 0.1
ALPHA_QUANTITY = 0.1
# Longest mean interval between days that sell at which demand counts as smooth (Syntetos, Boylan & Croston 2005).
SMOOTH_INTERVAL = 1.32
INTERVAL_DAYS = 112


def tsb_levels(m: PanelMatrix, fitted: Smoothing) -> Array:
    """Chance × quantity after every day (days × items), price-neutral, without weekday; NaN before the first taught.

    The first days are averaged, as in `smoothing`: 1, ½, ⅓ … until the constants are larger.
    """
    x = deseasonalised(m, weekday_index(m, fitted))
    items = len(m.item_codes)
    chance, quantity, seen, sales = np.full(items, np.nan), np.zeros(items), np.zeros(items), np.zeros(items)
    out = np.empty_like(x)
    for t in range(len(x)):
        w = m.weight[t]
        sold = (w > 0) & (x[t] > 0)
        seen, sales = seen + w, sales + np.where(sold, w, 0.0)
        step = np.maximum(ALPHA_CHANCE * w, w / np.maximum(seen, 1e-9))
        chance = np.where(np.isnan(chance) & (w > 0), sold, chance + step * (sold - chance))
        step = np.where(sold, np.maximum(ALPHA_QUANTITY * w, w / np.maximum(sales, 1e-9)), 0.0)
        quantity = quantity + step * (x[t] - quantity)
        out[t] = chance * quantity
    return out


def tsb_forecasts(m: PanelMatrix, fitted: Smoothing, origins: Mapping[int, NDArray[np.int64]]) -> dict[int, Array]:
    """Price-neutral forecasts per horizon, each origins × items; `origins`: horizon → day numbers."""
    levels, weekday = tsb_levels(m, fitted), weekday_index(m, fitted)
    return {h: on_weekday(m, weekday, levels[days], days, h) for h, days in origins.items()}


def intermittent(m: PanelMatrix, until: int) -> NDArray[np.bool_]:
    """Items whose taught days of the last 16 weeks before day number `until` sold less than every 1.32nd time."""
    taught = m.weight[:until] > 0
    days = rolling_sum(taught.astype(float), INTERVAL_DAYS)[-1]
    sold = rolling_sum((taught & (m.neutral[:until] > 0)).astype(float), INTERVAL_DAYS)[-1]
    return np.asarray(days > SMOOTH_INTERVAL * sold)
