"""Days linked by stock that keeps, judged: plan and baselines played day after day on fresh scenarios, stock ageing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.optimise.ageing import DayDecision, aged_day
from replenish.optimise.assemble import DayPlan
from replenish.optimise.baseline import cost_plus_lines, shop_habits
from replenish.optimise.judge import Judgement, Line, judge
from replenish.optimise.menu import Candidate
from replenish.optimise.sweep import Day
from replenish.optimise.week import WeekSolution
from replenish.records import DemandHistory, Scenarios
from replenish.settings import Settings

Array = NDArray[np.float64]
Decide = Callable[[int, tuple[Candidate, ...]], Sequence[Line]]
OFF_SHELF = DayDecision(0.0, float("nan"))


def play(days: Sequence[Day], fresh: Sequence[Scenarios], decide: Decide) -> list[Judgement]:
    """The lines of `decide(day number, candidates)` judged day after day.

    Row s of every day's scenarios is one future. The candidates handed to `decide` carry the stock they are expected
    to have that morning (`terms.carried_over`); stock at hand before the first day counts as yesterday's batch.
    """
    keepers = {c.item_code: c for c in days[0].candidates if c.shelf_life_days > 1}
    stock = {code: [np.full(fresh[0].n, c.terms.carried_over)] for code, c in keepers.items()}
    out = []
    for t, (day, draws) in enumerate(zip(days, fresh, strict=True)):
        today = with_stock(day.candidates, {code: _expected(batches) for code, batches in stock.items()})
        lines = decide(t, today)
        by_code = {line.candidate.item_code: line for line in lines}
        outcomes = {}
        for c in today:
            if c.item_code in stock:
                line = by_code.get(c.item_code)
                decision = DayDecision(line.order_quantity, line.price) if line else OFF_SHELF
                k = draws.item_codes.index(c.item_code)
                demand = draws.demand_at(k, decision.price / c.terms.reference_price) if line else np.zeros(draws.n)
                outcomes[c.item_code], stock[c.item_code] = aged_day(
                    stock[c.item_code], decision, demand, draws.cost[:, k], c.terms, c.shelf_life_days
                )
        out.append(judge(lines, draws, outcomes))
    return out


def _expected(batches: Sequence[Array]) -> float:
    return float(sum(b.mean() for b in batches))


def with_stock(candidates: Sequence[Candidate], carried: Mapping[str, float]) -> tuple[Candidate, ...]:
    """The candidates with their expected stock at hand [unit]."""
    return tuple(
        replace(c, terms=replace(c.terms, carried_over=carried[c.item_code])) if c.item_code in carried else c
        for c in candidates
    )


def judge_week(
    dates: Sequence[pd.Timestamp], days: Sequence[Day], week: WeekSolution, fresh: Sequence[Scenarios],
    history: DemandHistory, settings: Settings, notes: tuple[str, ...],
) -> list[DayPlan]:  # fmt: skip
    """The solved days and the two cost-plus baselines, each played with its own ageing stock."""
    shown: list[tuple[Candidate, ...]] = []
    habits = shop_habits(history)

    def planned(t: int, today: tuple[Candidate, ...]) -> Sequence[Line]:
        shown.append(today)
        by_code = {c.item_code: c for c in today}
        chosen = week.problems[t].menu.offers.loc[list(week.solutions[t].chosen)]
        decided = zip(chosen["item_code"], chosen["price"], chosen["order_quantity"], strict=True)
        return [Line(by_code[code], float(price), float(order)) for code, price, order in decided]

    def cost_plus(which: int) -> Decide:
        def lines(t: int, today: tuple[Candidate, ...]) -> Sequence[Line]:
            count = max(len(week.solutions[t].chosen), 1)
            return cost_plus_lines(today, days[t].scenarios, habits, settings.rules, count)[which]

        return lines

    mine, best, practice = (play(days, fresh, decide) for decide in (planned, cost_plus(0), cost_plus(1)))
    return [
        DayPlan(
            dates[t], week.problems[t], week.solutions[t], {c.item_code: c for c in shown[t]}, days[t].scenarios,
            fresh[t], _promised(week, t), mine[t], best[t], practice[t], notes, week,
        )
        for t in range(len(days))
    ]  # fmt: skip


def _promised(week: WeekSolution, t: int) -> float:
    """Expected profit of the day on the optimiser's own scenarios [money]."""
    return float(week.problems[t].menu.offers.loc[list(week.solutions[t].chosen), "profit"].sum())
