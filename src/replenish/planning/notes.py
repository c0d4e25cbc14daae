"""What a planner must know of a plan that its figures do not say: doubtful data behind it, locks that did nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.history.data_report import BULK_FACTOR, bulk_sales
from replenish.optimise.assemble import DayPlan
from replenish.planning.days import on_day
from replenish.planning.prospect import Prospect
from replenish.records import Override, Plan, Tables
from replenish.units import quantity_text

WHOLE = 1e-6
EXAMPLES = 3
RECENT_DAYS = 28  # smoothing has forgotten most of what is older
STALE_COST_DAYS = 7  # candidates were sold within a week, and what is sold has been bought


def with_notes(plan: Plan, notes: Sequence[str]) -> Plan:
    """The plan with further notes, before those it has: what the planner can mend comes first."""
    told = [n for n in dict.fromkeys(notes) if n not in plan.summary["notes"]]
    return replace(plan, summary=plan.summary | {"notes": [*told, *plan.summary["notes"]]})


def data_notes(tables: Tables, ahead: Prospect) -> list[str]:
    """Doubtful data that the plan rests on: bulk sales of the last weeks and stale wholesale prices of candidates.

    Days so far above the usual that the forecast hardly goes by them are told in its own notes.
    """
    return [*_bulk_notes(tables, ahead), *_cost_notes(ahead)]


def _bulk_notes(tables: Tables, ahead: Prospect) -> list[str]:
    known, items = tables.for_store(ahead.history.store).up_to(ahead.history.as_of), _candidates(ahead)
    bulk = bulk_sales(known.daily_sales[known.daily_sales["item_code"].isin(items.index)])
    recent = bulk[bulk["date"] > ahead.history.as_of - pd.Timedelta(days=RECENT_DAYS)]
    recent = recent[~_told_by_the_forecast(ahead, recent)]
    return [
        f"{items.loc[row['item_code'], 'item_name']}: a single sale of "
        f"{quantity_text(row['largest_sale'], items.loc[row['item_code'], 'unit'])} on {row['date']:%Y-%m-%d}, more "
        f"than {BULK_FACTOR:g} times the usual largest one, raises the forecast. If it is a typing error or an order "
        "that will not come again, correct it in the source and plan again."
        for row in recent.sort_values("largest_sale", ascending=False).head(EXAMPLES).to_dict("records")
    ]


def _told_by_the_forecast(ahead: Prospect, rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows (item_code, date) are days that the forecast hardly goes by."""
    matrix = ahead.matrix
    if matrix.excess is None:
        return np.zeros(len(rows), dtype=bool)
    day = matrix.dates.get_indexer(pd.DatetimeIndex(rows["date"]))
    item = pd.Index(matrix.item_codes).get_indexer(pd.Index(rows["item_code"]))
    return np.asarray((day >= 0) & (item >= 0) & (matrix.excess[day, item] > 1))


def _cost_notes(ahead: Prospect) -> list[str]:
    panel, items, as_of = ahead.history.panel, _candidates(ahead), ahead.history.as_of
    last = panel[panel["has_cost"] & panel["item_code"].isin(items.index)].groupby("item_code")["date"].max()
    age = (as_of - last[last < as_of - pd.Timedelta(days=STALE_COST_DAYS)]).dt.days.sort_values(ascending=False)
    if age.empty:
        return []
    oldest = ", ".join(f"{items.loc[code, 'item_name']} {last[code]:%Y-%m-%d}" for code in age.index[:EXAMPLES])
    return [
        f"wholesale prices of {len(age)} of {len(items)} candidates are more than {STALE_COST_DAYS} days old "
        f"(the oldest {age.iloc[0]} days; last: {oldest}): costs, orders and profit rest on them. Add the latest "
        "ones."
    ]


def _candidates(ahead: Prospect) -> pd.DataFrame:
    """Name and unit of the candidates; key item_code."""
    return ahead.forecast.table.drop_duplicates("item_code").set_index("item_code")[["item_name", "unit"]]


def gain_notes(summary: dict[str, Any]) -> list[str]:
    """That the plan earns less than simple prices and orders, where that is beyond the error."""
    base = summary["baseline"]
    low, high = base["gain_interval"]
    if not high < 0:
        return []
    return [
        f"the plan earns less than {base['name']} would: {base['gain']:,.0f}, between {low:,.0f} and {high:,.0f}. Its "
        "rules and locks cost more than its prices and its assortment bring; see what each is worth."
    ]


def lock_notes(plan: Plan, days: Sequence[DayPlan]) -> list[str]:
    """Locked items that are not listed, with the reason and the cure, and locked orders that suppliers do not pack."""
    return [note for day in days for lock in on_day(day.date, plan.overrides) for note in _lock_note(lock, plan, day)]


def _lock_note(lock: Override, plan: Plan, day: DayPlan) -> list[str]:
    """`never_list` and an order of nothing are kept by the item's absence."""
    if lock.kind == "never_list" or (lock.kind in ("order", "max_order") and not lock.value):
        return []
    where = f" on {day.date:%Y-%m-%d}" if len(plan.summary["dates"]) > 1 else ""
    left_out = plan.candidates[(plan.candidates["item_code"] == lock.item_code) & (plan.candidates["date"] == day.date)]
    if len(left_out):
        name, reason = left_out["item_name"].iloc[0], left_out["reason"].iloc[0]
        cure = "" if lock.kind == "must_list" else " To have it on the shelf, lock it as must-list too."
        return [f"{name} is not listed{where}, so that {lock.words} does nothing: {reason}.{cure}"]
    if lock.kind != "order":
        return []
    candidate, order = day.candidates[lock.item_code], float(lock.value or 0.0)
    steps = order / candidate.order_multiple
    if abs(steps - round(steps)) <= WHOLE:
        return []
    name = plan.forecast.loc[plan.forecast["item_code"] == lock.item_code, "item_name"].iloc[0]
    fitting = " or ".join(f"{n * candidate.order_multiple:g}" for n in (np.floor(steps), np.ceil(steps)) if n > 0)
    multiple = quantity_text(candidate.order_multiple, candidate.unit)
    return [
        f"{name}: {lock.words}{where} is kept, but its orders come in multiples of {multiple} ({fitting} would fit)."
    ]
