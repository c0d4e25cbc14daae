"""How old the stock at the close is: batches followed from what came in, what was sold and what was counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.records import Tables, arrived

Array = NDArray[np.float64]


def stock_by_age(tables: Tables, as_of: pd.Timestamp, items: pd.DataFrame) -> tuple[pd.Index, Array]:
    """Stock counted at the close of `as_of` of items that keep: item codes, and units by age (items × days).

    `tables` of one store; `items` with shelf_life_days; column a holds what came in a days before. Shoppers take the
    freshest first. What arrived is told by the orders (less the known loss) or, without them, by the counts: on hand +
    sold − on hand the evening before. A count below the books takes from the oldest, one above them is fresh.
    """
    facts = items.set_index("item_code")
    keep = facts.index[facts["shelf_life_days"].fillna(1) > 1]
    oldest = int(facts["shelf_life_days"].reindex(keep).max()) if len(keep) else 1
    days = pd.date_range(as_of - pd.Timedelta(days=oldest - 1), as_of)
    counted = _wide(tables.stock, "on_hand", keep, days)
    sold = _wide(tables.daily_sales, "quantity", keep, days)
    received = _received(tables, facts["loss_rate"].reindex(keep).fillna(0.0).to_numpy(), keep, days)
    batches = np.zeros((len(keep), oldest))
    batches[:, 0] = counted[:, 0]
    for t in range(1, len(days)):
        came = np.maximum(counted[:, t] + sold[:, t] - counted[:, t - 1], 0.0)
        batches = np.column_stack([np.where(np.isnan(received[:, t]), came, received[:, t]), batches[:, :-1]])
        batches = _taken(batches, sold[:, t])
        excess = batches.sum(1) - counted[:, t]
        batches = _taken(batches[:, ::-1], np.maximum(excess, 0.0))[:, ::-1].copy()
        batches[:, 0] += np.maximum(-excess, 0.0)
    return keep, batches


def _taken(batches: Array, amount: Array) -> Array:
    """The batches less an amount, taken from the first columns first."""
    before = batches.cumsum(1) - batches
    return np.asarray(batches - np.clip(amount[:, None] - before, 0.0, batches))


def _wide(table: pd.DataFrame | None, column: str, codes: pd.Index, days: pd.DatetimeIndex) -> Array:
    """A column as items × days; 0 where there is no row."""
    if table is None:
        return np.zeros((len(codes), len(days)))
    day = days.get_indexer(pd.DatetimeIndex(table["date"]))
    rows = np.flatnonzero(day >= 0)
    item = codes.get_indexer(pd.Index(table["item_code"].take(rows)))
    known, amount = item >= 0, table[column].to_numpy(dtype=float)[rows]
    wide = np.zeros((len(codes), len(days)))
    np.add.at(wide, (item[known], day[rows][known]), np.nan_to_num(amount[known]))
    return wide


def _received(tables: Tables, loss: Array, codes: pd.Index, days: pd.DatetimeIndex) -> Array:
    """Usable units that came in by the orders, items × days; all NaN without a table of orders."""
    orders = tables.orders
    if orders is None or orders.empty:
        return np.full((len(codes), len(days)), np.nan)
    return _wide(orders.assign(arrived=arrived(orders)), "arrived", codes, days) * (1 - loss[:, None])
