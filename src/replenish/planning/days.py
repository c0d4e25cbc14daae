"""The planned days: scenarios → menu → rules → optimiser → judgement, one at a time or linked by stock that keeps."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from replenish.errors import InfeasiblePlanError
from replenish.forecast.intervals import QUANTILE_NAMES
from replenish.optimise.assemble import DayPlan, SolvedDay, judge_day
from replenish.optimise.baseline import ShopHabits, shop_habits
from replenish.optimise.candidates import build_candidates
from replenish.optimise.infeasible import with_locks_named
from replenish.optimise.judge import Line
from replenish.optimise.menu import Candidate, Columns, build_menu, item_menu
from replenish.optimise.model import Problem
from replenish.optimise.play import judge_week
from replenish.optimise.rounds import NOT_SETTLED, Task, offer_rows, settle
from replenish.optimise.scenarios import ResidualPool, draw_scenarios
from replenish.optimise.solve import solve_menu
from replenish.optimise.stock import from_yesterday, no_stock
from replenish.optimise.sweep import Day
from replenish.optimise.transfers import with_transfers
from replenish.optimise.week import only_last_carries, solve_week
from replenish.planning.prospect import Progress, Prospect, joint_residuals, silent
from replenish.pricing.substitution import Switching, switching_between
from replenish.records import Override, Scenarios, Solution
from replenish.settings import Settings

CENT = 0.01
SWAP_SHARE = 0.5  # of the day's time limit, after which no exchange of items is looked for
ONE_BY_ONE = (
    "with a weight on risk (rules.risk_weight) days are planned one after the other: what keeps overnight counts at "
    "its carry value, not by the plan of the next day"
)
UNMOVED = (
    "days linked by stock that keeps are planned without the demand that moves between items "
    "(pricing.substitution), so that listed items may sell more than stated"
)


def plan_days(
    ahead: Prospect,
    carried: pd.DataFrame,
    settings: Settings,
    locks: tuple[Override, ...] = (),
    seed: int = 0,
    progress: Progress = silent,
    kept: Kept | None = None,
) -> list[DayPlan]:
    """The planned days; several days with items that keep are planned together, stock ageing (`optimise.week`).

    `carried`: stock on hand before the first day (see `optimise.stock`). `kept`: of earlier plans of the same prospect;
    days that are not linked start from it, and the last question's answer is given again.
    """
    question = (settings, locks, tuple(carried.itertuples()), seed)
    if kept is None:
        return _planned(ahead, carried, settings, locks, seed, progress, None)
    if question not in kept.answer:
        kept.answer = {question: _planned(ahead, carried, settings, locks, seed, progress, kept)}
    return kept.answer[question]


def _planned(
    ahead: Prospect, carried: pd.DataFrame, settings: Settings, locks: tuple[Override, ...], seed: int,
    progress: Progress, kept: Kept | None,
) -> list[DayPlan]:  # fmt: skip
    pool = joint_residuals(ahead)
    if len(ahead.dates) > 1 and stock_links(ahead, settings):
        progress(f"optimise {len(ahead.dates)} days together")
        try:
            return _plan_week(ahead, pool, carried, settings, locks, seed)
        except InfeasiblePlanError as reason:
            # Day by day the colliding rules can be named; if they do not collide there, that plan is the answer.
            plans = _days_in_turn(ahead, pool, carried, settings, locks, seed, progress, kept)
            note = f"planned one day after the other: {reason}"
            return [replace(p, notes=(*p.notes, note)) for p in plans]
    return _days_in_turn(ahead, pool, carried, settings, locks, seed, progress, kept)


@dataclass(frozen=True)
class Groundwork:
    """What a day's plan rests on besides the planner's locks and limits.

    `habits`: how the shop decides; `switching`: how demand moves between items, none when it is left out of account.
    """

    date: pd.Timestamp
    candidates: tuple[Candidate, ...]
    scenarios: Scenarios
    fresh: Scenarios
    habits: ShopHabits
    switching: Switching | None
    notes: tuple[str, ...]


class Kept:
    """What planning a day again need not do again: its groundwork, the lines of its first plan to start from, and the
    plans that answered the last question (settings, locks, stock, seed)."""

    def __init__(self) -> None:
        self.groundwork: dict[Hashable, Groundwork] = {}
        self.lines: dict[Hashable, Sequence[Line]] = {}
        self.answer: dict[Hashable, list[DayPlan]] = {}


def plan_day(
    ahead: Prospect, pool: ResidualPool, day: pd.Timestamp, carried: pd.DataFrame, settings: Settings,
    locks: tuple[Override, ...], seed: int, kept: Kept | None = None, price_tags: Mapping[str, float] | None = None,
) -> DayPlan:  # fmt: skip
    """One day: joint scenarios, menu of offers, optimiser, judgement on fresh scenarios.

    `price_tags`: item_code → shelf price of the planned day before, where it was listed.
    """
    keep = kept or Kept()
    key = _ground_key(day, carried, settings, seed)
    if key not in keep.groundwork:
        keep.groundwork[key] = lay_groundwork(ahead, pool, day, carried, settings, seed)
    ground, today = _tagged(keep.groundwork[key], price_tags or {}), on_day(day, locks)
    try:
        solved = solve_day(ground, settings, today, keep.lines.get(key, ()))
    except InfeasiblePlanError as error:

        def pose(others: list[Override]) -> Problem:
            return day_problem(ground.candidates, ground.scenarios, settings, others)

        raise with_locks_named(error, today, pose, settings.solver) from None
    keep.lines.setdefault(key, solved.lines)
    return judge_day(solved, ground.habits, settings)


def _tagged(ground: Groundwork, price_tags: Mapping[str, float]) -> Groundwork:
    """The groundwork with price changes counted against these prices, where there are any."""
    if not price_tags:
        return ground
    tagged = tuple(replace(c, price_tag=price_tags.get(c.item_code)) for c in ground.candidates)
    return replace(ground, candidates=tagged)


def _ground_key(day: pd.Timestamp, carried: pd.DataFrame, settings: Settings, seed: int) -> Hashable:
    """Everything `lay_groundwork` reads besides the prospect."""
    rules = settings.rules
    grid = (rules.order_multiple, rules.min_display, rules.goodwill)
    return (day, tuple(carried.itertuples()), settings.history, settings.pricing, settings.scenarios, grid, seed)


def lay_groundwork(
    ahead: Prospect, pool: ResidualPool, day: pd.Timestamp, carried: pd.DataFrame, settings: Settings, seed: int
) -> Groundwork:
    """Candidates, scenarios and habits of one day; `carried` as in `plan_days`."""
    moves = settings.pricing.substitution
    scenarios, fresh = _both_draws(on_full_shelf(ahead) if moves else ahead, pool, day, settings, seed)
    candidates, notes = build_candidates(ahead.history, ahead.forecast, ahead.costs, day, carried, settings)
    response = ahead.models.price_response
    switching = switching_between(ahead.history, scenarios.item_codes, response) if moves else None
    return Groundwork(day, tuple(candidates), scenarios, fresh, shop_habits(ahead.history), switching, notes)


def on_full_shelf(ahead: Prospect) -> Prospect:
    """The prospect with demand as it would be if every candidate were on the shelf, and nothing else."""
    assortment, codes = ahead.matrix.assortment, list(ahead.matrix.item_codes)
    if assortment is None:
        return ahead
    table = ahead.forecast.table
    there = np.isin(codes, table["item_code"].unique()).astype(float)
    factor = table["item_code"].map(pd.Series(assortment.against_recent(there), index=codes)).to_numpy()
    columns = ["mean", "sigma", *QUANTILE_NAMES]
    full = table.assign(**{name: table[name] * factor for name in columns})
    return replace(ahead, forecast=replace(ahead.forecast, table=full))


def held_to(ground: Groundwork, prices: Mapping[str, float], below: float = 0.0) -> Groundwork:
    """The groundwork with the price index held against these prices (item_code → money/unit), not the reference prices.

    `below`: share by which the index is to stay below them. Each price, and that much less to the cent, is a rung of
    its item's ladder too, so that the index never keeps an item off the shelf, not even the only one of its category.
    """

    def held(c: Candidate) -> Candidate:
        price = prices.get(c.item_code)
        if price is None or not c.ladder.rungs:
            return c
        just_below = math.floor(round(price * (1 - below) / CENT, 6)) * CENT
        rungs = tuple(sorted({*c.ladder.rungs, price, round(max(just_below, CENT), 2)}))
        return replace(c, index_price=price, ladder=replace(c.ladder, rungs=rungs))

    return replace(ground, candidates=tuple(held(c) for c in ground.candidates))


def solve_day(
    ground: Groundwork, settings: Settings, locks: Sequence[Override], before: Sequence[Line] = ()
) -> SolvedDay:
    """The day decided under these locks and limits, started from the lines `before`."""
    begun, switching, notes = time.perf_counter(), ground.switching, ground.notes

    def pose(given: Scenarios, lines: Sequence[Line] = ()) -> Problem:
        return day_problem(ground.candidates, given, settings, locks, lines)

    def solve(problem: Problem, start: Sequence[int], gap: float) -> Solution:
        """The rounds share the time limit of the day; a round never gets less than a second."""
        left = max(settings.solver.time_limit_s - (time.perf_counter() - begun), 1.0)
        return solve_menu(problem, settings.solver.model_copy(update={"gap": gap, "time_limit_s": left}), start)

    by_code = {c.item_code: c for c in ground.candidates}
    if switching is None:
        problem = pose(ground.scenarios)
        solution = solve(problem, offer_rows(problem.menu, before), settings.solver.gap)
        return SolvedDay(ground.date, problem, solution, by_code, ground.scenarios, ground.fresh, notes)

    def menu_of(candidate: Candidate, given: Scenarios) -> Columns:
        return item_menu(candidate, given, settings.rules, locks)

    def late() -> bool:
        return time.perf_counter() - begun > SWAP_SHARE * settings.solver.time_limit_s

    task = Task(ground.scenarios, by_code, switching, pose, solve, menu_of, settings.solver.gap, late)
    found = settle(task, before)
    if found.solution.status == NOT_SETTLED:
        notes = (*notes, "orders and the demand that moves between items did not settle: the gap stays open as stated")
    return SolvedDay(
        ground.date, found.problem, found.solution, by_code, found.scenarios, ground.fresh, notes,
        partial(with_transfers, switching=switching), switching,
    )  # fmt: skip


def day_problem(
    candidates: Sequence[Candidate], scenarios: Scenarios, settings: Settings, locks: Sequence[Override],
    lines: Sequence[Line] = (),
) -> Problem:  # fmt: skip
    """What the optimiser decides on for one day: the menu under the day's locks, and the rules; `lines`: whose offers
    the menu is to have."""
    known = {x.candidate.item_code: (x.price, x.order_quantity) for x in lines}
    menu = build_menu(candidates, scenarios, settings.rules, locks, known)
    return Problem(menu, settings.rules, tuple(sorted({o.item_code for o in locks if o.kind == "must_list"})))


def _days_in_turn(
    ahead: Prospect, pool: ResidualPool, carried: pd.DataFrame, settings: Settings, locks: tuple[Override, ...],
    seed: int, progress: Progress, kept: Kept | None,
) -> list[DayPlan]:  # fmt: skip
    """One day after the other; what a day is expected to leave over is carried to the next, and so are price tags."""
    plans, tags = [], dict[str, float]()
    apart = len(ahead.dates) > 1 and settings.rules.risk_weight > 0 and _keeping(ahead)
    for day in ahead.dates:
        progress(f"optimise {day:%Y-%m-%d}")
        plans.append(plan_day(ahead, pool, day, carried, settings, locks, seed, kept, tags))
        carried = from_yesterday(plans[-1].carried_on, ahead.history.items)
        listed = plans[-1].judgement.lines
        tags |= dict(zip(listed["item_code"], listed["price"], strict=True)) if len(listed) else {}
    return [replace(p, notes=(*p.notes, ONE_BY_ONE)) for p in plans] if apart else plans


def stock_links(ahead: Prospect, settings: Settings) -> bool:
    """Whether stock that keeps links the days; with a weight on risk days are planned one after the other."""
    return settings.rules.risk_weight == 0 and _keeping(ahead)


def _keeping(ahead: Prospect) -> bool:
    """Whether any planned item keeps for more than a day."""
    life = ahead.history.items.set_index("item_code")["shelf_life_days"]
    return bool(life.reindex(ahead.forecast.table["item_code"].unique()).gt(1).any())


def _plan_week(
    ahead: Prospect,
    pool: ResidualPool,
    carried: pd.DataFrame,
    settings: Settings,
    locks: tuple[Override, ...],
    seed: int,
) -> list[DayPlan]:
    """All days together; what is left of an item that keeps is worth its carry value after the last day only."""
    days, fresh, notes = [], [], tuple[str, ...]()
    unmoved = (UNMOVED,) if settings.pricing.substitution else ()
    for day in ahead.dates:
        drawn, unseen = _both_draws(ahead, pool, day, settings, seed)
        stock = carried if day == ahead.dates[0] else no_stock()
        candidates, notes = build_candidates(ahead.history, ahead.forecast, ahead.costs, day, stock, settings)
        days.append(Day(day_problem(candidates, drawn, settings, on_day(day, locks)), tuple(candidates), drawn))
        fresh.append(unseen)
    week = solve_week(days, settings.solver)
    return judge_week(
        list(ahead.dates), only_last_carries(days), week, fresh, ahead.history, settings, (*notes, *unmoved)
    )


def on_day(day: pd.Timestamp, locks: tuple[Override, ...]) -> list[Override]:
    """The locks of that day: those for it and those for every day."""
    return [o for o in locks if o.date is None or pd.Timestamp(o.date) == day]


def _both_draws(
    ahead: Prospect, pool: ResidualPool, day: pd.Timestamp, settings: Settings, seed: int
) -> tuple[Scenarios, Scenarios]:
    """Scenarios of a day for the plan, and fresh ones for its judge."""
    draw = (ahead.forecast, ahead.costs, ahead.models.price_response, pool, day)
    scenarios = draw_scenarios(*draw, settings.scenarios.count, "plan", seed)
    return scenarios, draw_scenarios(*draw, settings.scenarios.fresh, "fresh", seed + 1)
