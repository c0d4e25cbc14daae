"""What a plan is asked for with: the planner's locks, checked, and the stock on hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from replenish.errors import ConfigError, DataError
from replenish.optimise.stock import no_stock
from replenish.planning.batches import stock_by_age
from replenish.planning.prospect import Prospect
from replenish.records import Override, Tables

ORDER_KINDS = ("order", "min_order", "max_order")
# A slipped decimal point makes ten times as much or a tenth; leaflets, dearth and feasts stay within these.
PRICE_ROOM = 3.0
ORDER_ROOM = 5.0
USUAL_PRICES = (0.01, 0.99)  # quantiles of the daily full prices: one typing error among them makes no range
LARGEST_QUANTILE = "q975"
WHOLE = 1e-9


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
    """The locks of this store; `ConfigError` lists every lock on an unknown item or without a usable value.

    Usable: orders of packs are whole, prices and orders are not far outside what the item has seen (`LockRange`).
    """
    mine = tuple(o for o in locks if o.store in (None, ahead.history.store))
    candidates = set(ahead.forecast.table["item_code"])
    faults = []
    for lock in mine:
        needs_value = lock.kind in ("price", *ORDER_KINDS)
        valid = lock.value is not None and np.isfinite(lock.value) and lock.value >= 0
        if lock.item_code not in candidates:
            faults.append(f"lock on item {lock.item_code}: it is not among the candidates of the day")
        elif needs_value and not (valid and (lock.kind != "price" or (lock.value or 0) > 0)):
            faults.append(f"lock on item {lock.item_code}: {lock.kind} needs a positive number, got {lock.value}")
        elif needs_value:
            faults += _unlikely(lock, lock_range(ahead, lock.item_code))
    faults += _contradictions(mine)
    if faults:
        raise ConfigError("\n".join(faults))
    return mine


@dataclass(frozen=True)
class LockRange:
    """What a lock on an item may ask for: prices [money/unit] and the largest order [unit].

    An item that was never sold at full price may have any price.
    """

    name: str
    unit: str
    lowest_price: float
    highest_price: float
    largest_order: float


def lock_range(ahead: Prospect, item_code: str) -> LockRange:
    """The prices the item was sold at, and its largest likely demand of the planned days, with generous room."""
    items = ahead.history.items
    item = items[items["item_code"] == item_code].to_dict("records")[0]
    panel = ahead.history.panel
    seen = panel.loc[panel["item_code"] == item_code, "full_price"].dropna()
    ends = seen.quantile(list(USUAL_PRICES)).to_numpy() if len(seen) else (0.0, np.inf)
    low, high = ends[0] / PRICE_ROOM, ends[1] * PRICE_ROOM
    table = ahead.forecast.table
    demand = float(table.loc[table["item_code"] == item_code, LARGEST_QUANTILE].max())
    loss, least = item["loss_rate"], (item["min_display"], item["order_multiple"], 1.0)
    likely = [demand / (1 - (0.0 if pd.isna(loss) else loss)), *(x for x in least if not pd.isna(x))]
    return LockRange(str(item["item_name"]), str(item["unit"]), float(low), float(high), ORDER_ROOM * max(likely))


def _unlikely(lock: Override, limits: LockRange) -> list[str]:
    """What is wrong with the value of a lock, with what would be right."""
    value, what = lock.value or 0.0, f"lock on item {lock.item_code} ({limits.name}): {lock.kind} {lock.value:g}"
    if lock.kind == "price":
        if limits.lowest_price <= value <= limits.highest_price:
            return []
        allowed = f"between {limits.lowest_price:.2f} and {limits.highest_price:.2f}"
        why = f"{PRICE_ROOM:g} times below and above the full prices it was sold at"
        return [f"{what} is far from its prices; choose one {allowed} ({why})"]
    if limits.unit == "pack" and abs(value - round(value)) > WHOLE:
        return [f"{what} is not a whole number of packs; choose {np.floor(value):g} or {np.ceil(value):g}"]
    if lock.kind != "max_order" and value > limits.largest_order:
        most = f"{np.floor(limits.largest_order):g}"
        why = f"{ORDER_ROOM:g} times its largest likely demand"
        return [f"{what} is far above what it can sell; choose at most {most} ({why})"]
    return []


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
