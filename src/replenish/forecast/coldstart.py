"""New and returning items: their own few days, pulled towards how items of their category usually start."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from replenish.forecast.features import PanelMatrix

Array = NDArray[np.float64]
LAUNCH_DAYS = 14
PRIOR_DAYS = 3.0
YOUNG_DAYS = 10


def launch_money(m: PanelMatrix, until: int) -> dict[tuple[str, str], float]:
    """Mean daily money demand of an item in its first 14 taught days, by (category, unit); empty groups left out."""
    taught = np.cumsum(m.weight[:until] > 0, axis=0)
    money = m.neutral[:until] * m.price_factor(m.price[:until]) * m.price[:until]
    young = (m.weight[:until] > 0) & (taught <= LAUNCH_DAYS) & np.isfinite(money)
    out = {}
    for key in set(zip(m.category, m.unit, strict=True)):
        mine = (m.category == key[0]) & (m.unit == key[1])
        if young[:, mine].sum() > 0:
            out[(str(key[0]), str(key[1]))] = float(money[:, mine][young[:, mine]].mean())
    return out


def cold_start(
    m: PanelMatrix, forecast: Array, launch: dict[tuple[str, str], float], day: int
) -> tuple[Array, NDArray[np.bool_]]:
    """Forecasts [unit, shape items] with young items pulled to their category's launch level, and which are young.

    `forecast`: demand at the reference price, NaN where an item has no history at all. An item with n taught days in
    the last year keeps n / (n + 3) of its own forecast.
    """
    taught = (m.weight[max(0, day - 364) : day + 1] > 0).sum(0)
    price = m.price[day]
    groups = zip(m.category, m.unit, strict=True)
    prior = np.array([launch.get((str(c), str(u)), np.nan) for c, u in groups]) / price
    young = taught < YOUNG_DAYS
    share = np.where(np.isfinite(forecast), taught / (taught + PRIOR_DAYS), 0.0)
    mixed = share * np.nan_to_num(forecast) + (1 - share) * prior
    return np.where(young & np.isfinite(mixed), mixed, forecast), young
