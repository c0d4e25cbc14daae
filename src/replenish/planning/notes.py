"""What a planner must know of a plan that its figures do not say: locks that did not do what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from replenish.optimise.assemble import DayPlan
from replenish.planning.days import on_day
from replenish.records import Override, Plan
from replenish.units import quantity_text

WHOLE = 1e-6


def with_notes(plan: Plan, notes: Sequence[str]) -> Plan:
    """The plan with further notes, before those it has: what the planner can mend comes first."""
    told = [n for n in dict.fromkeys(notes) if n not in plan.summary["notes"]]
    return replace(plan, summary=plan.summary | {"notes": [*told, *plan.summary["notes"]]})


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
