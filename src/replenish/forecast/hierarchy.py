"""Items brought into line with their category: a share of the category's deviation is given back to its items.

Top-down by proportions keeps forecasts non-negative; the share ω is the one with the least item error on past days
(Wickramasuriya, Athanasopoulos & Hyndman 2019 give the general problem). Sums are of money, never kilograms and packs.
Composites of a category and unit, the other way round, meet the sum of their items half-way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from replenish.forecast.intervals import QUANTILE_NAMES
from replenish.history.category import composite_code
from replenish.records import DemandForecast

Array = NDArray[np.float64]
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
MAX_FACTOR = 1.5
ITEMS_SHARE = 0.5


def category_factor(items: Array, worth: Array, offered: Array, category: NDArray, values: dict[str, Array]) -> Array:
    """Category forecast ÷ sum of its items' forecasts, cells × items (1 where there is no category forecast).

    `items`: item forecasts [unit]; `worth`: price [money/unit]; `offered`: chance of being on the shelf, all
    cells × items; `values`: category → cells [money]. Limited to a factor of 1.5 either way.
    """
    factor = np.ones_like(items)
    money = np.nan_to_num(items * worth * offered)
    for name, target in values.items():
        mine = category == name
        total = money[:, mine].sum(1)
        usable = (total > 0) & np.isfinite(target)
        ratio = np.where(usable, target / np.where(usable, total, 1.0), 1.0)
        factor[:, mine] = np.clip(ratio, 1 / MAX_FACTOR, MAX_FACTOR)[:, None]
    return factor


def best_share(actual: Array, weight: Array, items: Array, factor: Array) -> float:
    """The ω in 0 … 1 for which items·factor^ω has the least weighted absolute error on past days."""
    seen = (weight > 0) & np.isfinite(items)
    losses = [np.where(seen, weight * np.abs(actual - items * factor**share), 0.0).sum() for share in SHARES]
    return SHARES[int(np.argmin(losses))]


def with_item_sums(composites: DemandForecast, items: DemandForecast) -> DemandForecast:
    """The forecast of `composites`, each moved half-way to the sum of its items' forecasts × chance of being offered.

    Two roads to one number err apart, and their mean errs less than either. Mean, σ and quantiles move by one factor,
    at most 1.5 either way; a composite without items that were forecast stays. Kilograms and packs are composites of
    their own, so that only like is added to like.
    """
    rows = items.table.assign(
        item_code=composite_code(items.table), total=items.table["mean"] * items.table["offered_share"]
    )
    total = rows.groupby(["item_code", "date"])["total"].sum()
    table = composites.table.copy()
    own = table["mean"].to_numpy()
    sums = total.reindex(table.set_index(["item_code", "date"]).index).to_numpy()
    usable = (own > 0) & (np.nan_to_num(sums) > 0)
    ratio = np.where(usable, sums / np.where(usable, own, 1.0), 1.0)
    factor = np.clip(1 - ITEMS_SHARE + ITEMS_SHARE * ratio, 1 / MAX_FACTOR, MAX_FACTOR)
    columns = ["mean", "sigma", *QUANTILE_NAMES]
    table[columns] = table[columns].mul(factor, axis=0)
    return replace(composites, table=table)
