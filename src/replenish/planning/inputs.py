"""What a plan is asked for with: the planner's locks, checked, and the stock on hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from replenish.errors import ConfigError, DataError
from replenish.optimise.stock import no_stock
from replenish.planning.batches import stock_by_age
from replenish.planning.prospect import Prospect
from replenish.records import Override, Tables


def stock_at_close(tables: Tables, ahead: Prospect) -> pd.DataFrame:
    """Stock at the close of `as_of` that may still be sold on the first planned day (see `optimise.stock`).

    Of items that keep; what is too old by then is left out. Empty without a stock table.
    """
    own, as_of, items = tables.for_store(ahead.history.store), ahead.history.as_of, ahead.history.items
    if own.stock is None:
        return no_stock()
    codes, by_age = stock_by_age(own.up_to(as_of), as_of, items)
    life = items.set_index("item_code")["shelf_life_days"].reindex(codes).to_numpy()
    left = life[:, None] - 1 - (ahead.dates[0] - as_of).days - np.arange(by_age.shape[1])[None, :]
    units = [np.where(kept, by_age, 0.0).sum(1) for kept in (left >= 0, left == 0)]
    table = pd.DataFrame(dict(zip(("on_hand", "expiring"), units, strict=True)), index=codes)
    return table[table["on_hand"] > 0]


def check_costs(ahead: Prospect) -> None:
    """`DataError` when no candidate of the store ever had a valid wholesale price."""
    if not np.isfinite(ahead.costs.table["unit_cost"]).any():
        raise DataError(
            f"wholesale: none of the {len(ahead.forecast.table['item_code'].unique())} candidates of store "
            f"{ahead.history.store} has a valid wholesale price up to {ahead.history.as_of:%Y-%m-%d}.",
            "Add the wholesale prices of this store and run again.",
        )


def checked_locks(locks: tuple[Override, ...], ahead: Prospect) -> tuple[Override, ...]:
    """The locks of this store; `ConfigError` lists every lock on an unknown item or without a usable value."""
    mine = tuple(o for o in locks if o.store in (None, ahead.history.store))
    candidates = set(ahead.forecast.table["item_code"])
    faults = []
    for lock in mine:
        needs_value = lock.kind in ("price", "order", "min_order", "max_order")
        valid = lock.value is not None and np.isfinite(lock.value) and lock.value >= 0
        if lock.item_code not in candidates:
            faults.append(f"lock on item {lock.item_code}: it is not among the candidates of the day")
        elif needs_value and not (valid and (lock.kind != "price" or (lock.value or 0) > 0)):
            faults.append(f"lock on item {lock.item_code}: {lock.kind} needs a positive number, got {lock.value}")
    faults += _contradictions(mine)
    if faults:
        raise ConfigError("\n".join(faults))
    return mine


def _contradictions(locks: tuple[Override, ...]) -> list[str]:
    """Locks on one item and day that cannot hold together whatever the rules."""
    faults = []
    by_item: dict[tuple[str, str | None], dict[str, Override]] = {}
    for lock in locks:
        held = by_item.setdefault((lock.item_code, lock.date), {})
        other = held.setdefault(lock.kind, lock)
        if other.value != lock.value:
            faults.append(f"locks on item {lock.item_code} contradict each other: {other.words}, {lock.words}")
    for (item, _), held in by_item.items():
        for low, high in (("min_order", "max_order"), ("min_order", "order"), ("order", "max_order")):
            if low in held and high in held and (held[low].value or 0.0) > (held[high].value or 0.0):
                faults.append(f"locks on item {item} contradict each other: {held[low].words}, {held[high].words}")
    return faults
