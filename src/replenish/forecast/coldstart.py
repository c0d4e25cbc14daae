"""New and returning items: their own few days, pulled towards how items of their category usually start."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from replenish.forecast.features import PanelMatrix

Array = NDArray[np.float64]
LAUNCH_DAYS = 14
PRIOR_DAYS = 1.0
YOUNG_DAYS = 10
NEW_AFTER_DAYS = 28  # items first taught earlier were there before the data began
ANY = ""


def launch_money(m: PanelMatrix, until: int) -> dict[tuple[str, str], float]:
    """Mean daily money demand of an item in its first 14 taught days, by (category, unit).

    Wider groups, for those that never saw a launch: (category, "") and ("", ""). Items that were there in the first
    four weeks of the data were not launched then and are left out, unless there are no others.
    """
    taught = np.cumsum(m.weight[:until] > 0, axis=0)
    launched = taught[min(NEW_AFTER_DAYS, until) - 1] == 0
    money = m.neutral[:until] * m.price_factor(m.price[:until]) * m.price[:until]
    young = (m.weight[:until] > 0) & (taught <= LAUNCH_DAYS) & np.isfinite(money)
    if young[:, launched].any():
        young = young & launched
    groups = sorted({(str(c), str(u)) for c, u in zip(m.category, m.unit, strict=True)})
    out = {}
    for category, unit in [*groups, *sorted({(c, ANY) for c, _ in groups}), (ANY, ANY)]:
        mine = ((m.category == category) | (category == ANY)) & ((m.unit == unit) | (unit == ANY))
        if young[:, mine].any():
            out[(category, unit)] = float(money[:, mine][young[:, mine]].mean())
    return out


def _prior_money(launch: dict[tuple[str, str], float], category: str, unit: str) -> float:
    """Launch money of the narrowest group that has one; NaN without any."""
    found = [launch[key] for key in ((category, unit), (category, ANY), (ANY, ANY)) if key in launch]
    return found[0] if found else float("nan")


def cold_start(
    m: PanelMatrix, forecast: Array, launch: dict[tuple[str, str], float], day: int
) -> tuple[Array, NDArray[np.bool_]]:
    """Forecasts [unit, shape items] with young items pulled to their category's launch level, and which are young.

    `forecast`: demand at the reference price, NaN where an item has no history at all. An item with n taught days in
    the last year keeps n / (n + 1) of its own forecast.
    """
    taught = (m.weight[max(0, day - 364) : day + 1] > 0).sum(0)
    price = m.price[day]
    groups = zip(m.category, m.unit, strict=True)
    prior = np.array([_prior_money(launch, str(c), str(u)) for c, u in groups]) / price
    young = taught < YOUNG_DAYS
    share = np.where(np.isfinite(forecast), taught / (taught + PRIOR_DAYS), 0.0)
    mixed = share * np.nan_to_num(forecast) + (1 - share) * prior
    return np.where(young & np.isfinite(mixed), mixed, forecast), young
