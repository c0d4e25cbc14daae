"""A planner's locks as a table to fill in: one row per item, one column per kind of lock."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast, get_args

import pandas as pd

from replenish.errors import ConfigError
from replenish.records import Override, OverrideKind, Plan
from replenish.sources.transactions import wrong_form

VALUE_KINDS: tuple[OverrideKind, ...] = ("price", "order", "min_order", "max_order")
FLAG_KINDS: tuple[OverrideKind, ...] = ("must_list", "never_list")
LOCK_COLUMNS: dict[OverrideKind, str] = {kind: f"lock_{kind}" for kind in get_args(OverrideKind)}
SHOWN = ["item_code", "item_name", "category", "unit", "order_quantity", "price"]


def lock_table(plan: Plan) -> pd.DataFrame:
    """The plan's items, listed ones first, with its locks filled in.

    Key item_code. Columns: item_name, category, unit, order_quantity and price of the first planned day (empty for
    items that are not listed), then per kind of lock `lock_<kind>`: a value (empty: no lock) or a flag.
    """
    items = pd.concat([plan.lines, plan.candidates], ignore_index=True)
    table = items.reindex(columns=SHOWN).drop_duplicates("item_code", ignore_index=True)
    for kind, column in LOCK_COLUMNS.items():
        held = {o.item_code: o.value for o in plan.overrides if o.kind == kind}
        codes = table["item_code"]
        table[column] = codes.isin(list(held)) if kind in FLAG_KINDS else codes.map(held).astype("float64")
    return table


def read_locks(table: pd.DataFrame, author: str, reason: str, before: Iterable[Override] = ()) -> tuple[Override, ...]:
    """The locks of a filled-in table, in its order, after those of `before` on items the table does not have.

    A lock that is among `before` with the same value keeps its author and reason; a new or changed one gets `author`
    and `reason`. Raises one `ConfigError` that names every fault: a price that is not above zero, a negative
    quantity, an item both forced and banned, a least order above the most, a new lock without author or reason.
    """
    earlier = tuple(before)
    known = {(o.item_code, o.kind, o.value): o for o in earlier}
    wanted = [lock for row in table.to_dict("records") for lock in _row_locks(row)]
    faults = [fault for row in table.to_dict("records") for fault in _row_faults(row)]
    if any(lock not in known for lock in wanted) and not (author.strip() and reason.strip()):
        faults.append("A new lock needs an author and a reason: fill in both.")
    if faults:
        raise ConfigError("\n".join(faults))
    elsewhere = [o for o in earlier if o.item_code not in set(table["item_code"])]
    given = [known.get(lock) or Override(*lock, author=author.strip(), reason=reason.strip()) for lock in wanted]
    return (*elsewhere, *given)


def _row_locks(row: dict[Any, Any]) -> list[tuple[str, OverrideKind, float | None]]:
    code = str(row["item_code"])
    values = [(code, kind, float(row[LOCK_COLUMNS[kind]])) for kind in VALUE_KINDS if pd.notna(row[LOCK_COLUMNS[kind]])]
    flags: list[tuple[str, OverrideKind, float | None]] = [
        (code, kind, None) for kind in FLAG_KINDS if row[LOCK_COLUMNS[kind]]
    ]
    return [*values, *flags]


def _row_faults(row: dict[Any, Any]) -> list[str]:
    name = row["item_name"]
    values = {kind: row[LOCK_COLUMNS[kind]] for kind in VALUE_KINDS}
    faults = [f"{name}: a locked {k} of {v:g} is negative." for k, v in values.items() if k != "price" and v < 0]
    if values["price"] <= 0:
        faults.append(f"{name}: a locked price of {values['price']:g} is not above zero.")
    if values["min_order"] > values["max_order"]:
        faults.append(f"{name}: the least order {values['min_order']:g} is above the most {values['max_order']:g}.")
    if all(row[LOCK_COLUMNS[kind]] for kind in FLAG_KINDS):
        faults.append(f"{name}: an item cannot be forced and banned at once.")
    return faults


def read_lock_file(path: str | Path) -> tuple[Override, ...]:
    """The locks of a CSV file with the columns item_code, kind and, as needed, value, author, reason, date, store.

    Raises one `ConfigError` that names every fault: a missing column, an unknown kind, a value that is no number.
    """
    try:
        wrong = wrong_form(Path(path))
        if wrong:
            raise ConfigError(wrong)
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ConfigError(f"{path} cannot be read as a CSV of locks: {error}.") from None
    missing = [c for c in ("item_code", "kind") if c not in table]
    if missing:
        raise ConfigError(f"{path}: column(s) missing: {', '.join(missing)}.")
    value = pd.to_numeric(table.get("value", pd.Series("", index=table.index)).replace("", None), errors="coerce")
    faults = [
        f"{path}, row {k + 2}: unknown kind of lock “{kind}”; use one of {', '.join(get_args(OverrideKind))}"
        for k, kind in enumerate(table["kind"])
        if kind not in get_args(OverrideKind)
    ]
    faults += [
        f"{path}, row {k + 2}: a lock of kind {kind} needs a number as value"
        for k, kind in enumerate(table["kind"])
        if kind in VALUE_KINDS and pd.isna(value[k])
    ]
    if faults:
        raise ConfigError("\n".join(faults))
    text = {
        c: table[c] if c in table else pd.Series("", index=table.index) for c in ("author", "reason", "date", "store")
    }
    return tuple(
        Override(
            str(row.item_code), cast(OverrideKind, row.kind), None if pd.isna(value[k]) else float(value[k]),
            text["author"][k], text["reason"][k], text["date"][k] or None, text["store"][k] or None,
        )
        for k, row in enumerate(table.itertuples())
    )  # fmt: skip
