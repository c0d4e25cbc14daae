"""What rules, locks and decisions are worth: the plan of `replan` solved again with one of them moved."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from replenish.optimise.assemble import DayPlan
from replenish.optimise.line_values import COLUMNS as LINE_COLUMNS, line_values as _line_values
from replenish.optimise.rounds import chosen_lines, offer_rows
from replenish.optimise.rule_values import COLUMNS as VALUE_COLUMNS, compare, rule_values as _rule_values
from replenish.optimise.solve import plan_if_any
from replenish.planning.days import Kept, day_problem, on_day, plan_days
from replenish.planning.inputs import checked_locks, stock_at_close
from replenish.planning.prospect import Progress, Prospect, silent
from replenish.records import Override, Solution, Tables
from replenish.settings import Settings


def rule_values(
    tables: Tables,
    ahead: Prospect,
    settings: Settings | None = None,
    overrides: Sequence[Override] | None = None,
    seed: int = 0,
    progress: Progress = silent,
    kept: Kept | None = None,
) -> pd.DataFrame:
    """What one step of every rule, every lock, and each of the best items left out, is worth to the plan of `replan`.

    Every figure is a day solved again, which takes a while. Columns: date, item_name, and those of
    `optimise.rule_values.rule_values`; rule “lock”: the item's lock taken away. Of days linked by stock that keeps the
    figures of a day are given the other days' choices of items that keep, and locks are not valued. Errors as in
    `replan`.
    """
    chosen = settings or Settings()
    locks = checked_locks(tuple(overrides or ()), ahead)
    plans = plan_days(ahead, stock_at_close(tables, ahead), chosen, locks, seed, progress, kept)
    progress("worth of the rules")
    values = [
        part.assign(date=p.date)
        for p in plans
        for part in (
            _rule_values(p.problem, _bounded(p, chosen), chosen.solver),
            _lock_values(p, locks if p.week is None else (), chosen),
        )
    ]
    return _named(values, ahead, ["date", "rule", "category", "item_code", "item_name", *VALUE_COLUMNS[3:]])


def line_values(
    tables: Tables,
    ahead: Prospect,
    items: Collection[str] = (),
    settings: Settings | None = None,
    overrides: Sequence[Override] | None = None,
    seed: int = 0,
    progress: Progress = silent,
    kept: Kept | None = None,
) -> pd.DataFrame:
    """What the next prices and orders of listed items, and leaving them out, would cost the plan of `replan`.

    `items`: only these item codes. Columns: date, item_name, and those of `optimise.line_values.line_values`. Errors
    as in `rule_values`.
    """
    chosen = settings or Settings()
    locks = checked_locks(tuple(overrides or ()), ahead)
    plans = plan_days(ahead, stock_at_close(tables, ahead), chosen, locks, seed, progress, kept)
    progress("worth of the lines")
    currency, values = chosen.shop.currency, []
    for p in plans:
        units = {code: c.unit for code, c in p.candidates.items()}
        steps = _line_values(p.problem, _bounded(p, chosen), chosen.solver, items, units, currency)
        values.append(steps.assign(date=p.date))
    return _named(values, ahead, ["date", "item_code", "item_name", *LINE_COLUMNS[1:]])


def _bounded(plan: DayPlan, settings: Settings) -> Solution:
    """The day's solution with a bound on its own problem: linked days are solved again, given the others."""
    if plan.week is None:
        return plan.solution
    return plan_if_any(plan.problem, settings.solver, plan.solution.chosen) or plan.solution


def _lock_values(plan: DayPlan, locks: Sequence[Override], settings: Settings) -> pd.DataFrame:
    """The day solved without each lock in turn; must-list locks are among the rules."""
    today, rows = on_day(plan.date, tuple(locks)), []
    lines = chosen_lines(plan.problem, plan.solution, plan.candidates)
    for lock in today:
        if lock.kind == "must_list":
            continue
        others = [o for o in today if o is not lock]
        free = day_problem(list(plan.candidates.values()), plan.scenarios, settings, others)
        answer = plan_if_any(free, settings.solver, offer_rows(free.menu, lines))
        step = {"rule": "lock", "category": "", "item_code": lock.item_code, "step": f"without {lock.words}"}
        rows.append(step | compare(plan.solution, answer))
    return pd.DataFrame(rows, columns=VALUE_COLUMNS)


def _named(values: Sequence[pd.DataFrame], ahead: Prospect, columns: list[str]) -> pd.DataFrame:
    """The tables together, with the items' names."""
    names = ahead.history.items.set_index("item_code")["item_name"]
    table = pd.concat([v for v in values if len(v)] or list(values[:1]), ignore_index=True)
    return table.assign(item_name=table["item_code"].map(names).fillna(""))[columns]
