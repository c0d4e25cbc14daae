"""Menu → transfers → menu: the plan of a day when what it leaves unserved moves to other items.

What moves depends on the plan, and the plan on what moves. Each round solves the menu under the last plan's transfers;
a plan has settled when it is optimal, to the gap asked for, under its own. Its bound is proven given those transfers.

Each item deciding for itself would order too much: it would count as lost what rivals sell instead (with substitution
newsvendors who decide apart overstock: Netessine & Rudi, Operations Research 2003). So the menu also charges every unit
served with what the others' spare stock would have earned of it, at the margin of the last plan; what that plan is
charged is given back as a constant, so that the objective is the profit of all items together.

The answer of a round becomes the next plan only as far as it betters the last one (see `steps`).

The gap of a plan is to what its own transfers would allow. They tell of each item left out what would come to it if it
alone came in, which two that come in together cannot both have; so where much is left out (no cover asked for, few
places) the gap can stay open by per cents with no better plan to be found. Such a plan is called “not settled”.

At the end single items are exchanged for others (or listed, or left out) where that is worth more with the transfers
the exchange itself brings about (see `swaps`), and the rounds go on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from replenish.optimise.judge import Line
from replenish.optimise.menu import SAME, Candidate, Menu
from replenish.optimise.model import Problem
from replenish.optimise.search import objective_of, relative_gap, shortfall
from replenish.optimise.steps import bettered
from replenish.optimise.swaps import MenuOf, Shelf, Swap, exchanged, holds, shelf, swaps
from replenish.optimise.transfers import charged, with_transfers
from replenish.pricing.substitution import Switching
from replenish.records import Scenarios, Solution

Array = NDArray[np.float64]
Pose = Callable[[Scenarios, Sequence[Line]], Problem]
Solve = Callable[[Problem, Sequence[int], float], Solution]
MOST_ROUNDS = 5
FIRST_GAP = 0.03  # of the plan before anything has moved, which only starts the rounds
MOST_CUTS = 2  # of orders the menu does not have
MOST_SWEEPS = 2  # through all exchanges
ROUNDS_AFTER = 2  # of an exchange
LEAST_GAIN = 5e-4  # of the objective: what an exchange is taken up for
NOT_SETTLED = "not settled"


@dataclass(frozen=True)
class Settled:
    """The best plan found; `scenarios` carry what moves under it, `problem` is the menu under them.

    `rounds`: how many there were when it was found; `swaps`: exchanges taken up on the way to it; `own`: whether the
    transfers are those of the plan itself.
    """

    problem: Problem
    solution: Solution
    scenarios: Scenarios
    rounds: int
    swaps: int = 0
    own: bool = True


@dataclass(frozen=True)
class Task:
    """A day to settle. `pose` makes its problem from scenarios, with the offers of some lines in its menu;
    `solve(problem, start, gap)` solves that to a relative gap; `menu_of` gives the offers of one item; `late`: whether
    the time for exchanges is up."""

    scenarios: Scenarios
    candidates: Mapping[str, Candidate]
    switching: Switching
    pose: Pose
    solve: Solve
    menu_of: MenuOf
    gap: float
    late: Callable[[], bool] = lambda: False


def settle(task: Task, before: Sequence[Line] = ()) -> Settled:
    """At most five rounds, then exchanges; of the plans judged under their own transfers the best, with its true gap.

    A plan whose gap stays open is called “not settled” (the transfers of the next plan would undo it); it is still
    feasible and judged right. `before`: the plan under other locks or limits, whose transfers and offers the rounds
    begin with.
    """
    problem = task.pose(with_transfers(task.scenarios, before, task.switching) if before else task.scenarios, before)
    answer = task.solve(problem, offer_rows(problem.menu, before), max(task.gap, FIRST_GAP))
    best = _rounds(task, chosen_lines(problem, answer, task.candidates), MOST_ROUNDS)
    for number in range(1, MOST_SWEEPS + 1):
        lines = _swapped(task, best) if best.own and not task.late() else None
        if lines is None:
            break
        after = _rounds(task, lines, ROUNDS_AFTER)
        if not after.own or after.solution.objective <= best.solution.objective:
            break
        best = replace(after, rounds=best.rounds + after.rounds, swaps=number)
    return best


def _rounds(task: Task, lines: Sequence[Line], most: int) -> Settled:
    """Rounds of transfers and menu that start from these lines."""
    best: Settled | None = None
    for number in range(1, most + 1):
        lines, moved, problem, rows = _posed(task, lines)
        answer = task.solve(problem, rows, task.gap)
        if len(rows) == len(lines) and holds(problem, rows):
            own = _under_own_transfers(problem, rows, answer, task.gap)
            if best is None or own.objective > best.solution.objective:
                best = Settled(problem, own, moved, number)
            if own.gap <= task.gap:
                break
            lines = _onward(task, problem, lines, rows, answer)
            if not lines:
                break
        else:
            lines = chosen_lines(problem, answer, task.candidates)
    return best or _cut_to_menu(task, lines, most)


def _cut_to_menu(task: Task, lines: Sequence[Line], rounds: int) -> Settled:
    """The lines under their own transfers when no round ended with such a plan.

    Where they cannot be cut to their own menu, the plan is one of the menu before it, and its gap holds for that.
    """
    lines, moved, problem, rows = _posed(task, lines)
    answer = task.solve(problem, rows, task.gap)
    if len(rows) == len(lines) and holds(problem, rows):
        return Settled(problem, _under_own_transfers(problem, rows, answer, task.gap), moved, rounds)
    return Settled(problem, replace(answer, status=NOT_SETTLED), moved, rounds, own=False)


def _posed(task: Task, lines: Sequence[Line]) -> tuple[Sequence[Line], Scenarios, Problem, tuple[int, ...]]:
    """The lines, the scenarios and the problem they pose, and their rows in its menu.

    Orders beyond the menu, for shoppers that do not come, are cut to its largest; that changes what moves again.
    """
    for cut in range(MOST_CUTS + 1):
        moved, problem, rows = _moved(task, lines)
        if len(rows) == len(lines) or cut == MOST_CUTS:
            break
        lines = _cut(problem.menu, lines)
    return lines, moved, problem, rows


def _moved(task: Task, lines: Sequence[Line]) -> tuple[Scenarios, Problem, tuple[int, ...]]:
    """The scenarios with what these lines make move, the problem they pose, and the lines' rows in its menu."""
    moved = with_transfers(task.scenarios, lines, task.switching)
    problem = replace(task.pose(moved, lines), offset=charged(moved, lines))
    return moved, problem, offer_rows(problem.menu, lines)


def _cut(menu: Menu, lines: Sequence[Line]) -> list[Line]:
    """The lines with orders that the menu has: the nearest at their price; without those it has no offer for."""
    by_price = menu.offers.assign(price=menu.offers["price"].round(6)).groupby(["item_code", "price"])
    orders = {key: rows.to_numpy() for key, rows in by_price["order_quantity"]}
    out = []
    for line in lines:
        some = orders.get((line.candidate.item_code, round(line.price, 6)))
        if some is not None:
            out.append(replace(line, order_quantity=float(some[np.abs(some - line.order_quantity).argmin()])))
    return out


def _onward(
    task: Task, problem: Problem, lines: Sequence[Line], rows: Sequence[int], answer: Solution
) -> Sequence[Line]:
    """The lines bettered by the answer's changes; none when none of them betters the lines."""
    plan = shelf(problem, tuple(rows), lines, task.scenarios, task.candidates, task.switching, task.menu_of)
    after = bettered(plan, chosen_lines(problem, answer, task.candidates), answer.chosen)
    return [] if {*map(id, after)} == {*map(id, lines)} else after


def _swapped(task: Task, best: Settled) -> list[Line] | None:
    """The plan after the exchanges that are worth most, one in a group, or after the best alone; none that is better.

    Each is judged as a whole under its own transfers, worst scenarios and every rule included.
    """
    lines = chosen_lines(best.problem, best.solution, task.candidates)
    plan = shelf(
        best.problem, best.solution.chosen, lines, task.scenarios, task.candidates, task.switching, task.menu_of
    )
    found = [s for s in swaps(plan, task.late) if s.gain > LEAST_GAIN * abs(best.solution.objective)]
    for taken in (_apart(plan, found), found[:1])[: len(found)]:
        after = lines
        for swap in taken:
            after = exchanged(after, swap.leaver, swap.entrant)
        _, problem, rows = _moved(task, after)
        better = objective_of(problem, rows) + problem.offset > best.solution.objective
        if better and len(rows) == len(after) and holds(problem, rows):
            return after
    return None


def _apart(plan: Shelf, found: Sequence[Swap]) -> list[Swap]:
    """The swaps that are worth most, no two of them in one group."""
    taken, touched = [], set[int]()
    for swap in found:
        groups = {plan.group[x.candidate.item_code] for x in (swap.leaver, swap.entrant) if x is not None}
        if not groups & touched:
            taken.append(swap)
            touched |= groups
    return taken


def chosen_lines(problem: Problem, solution: Solution, candidates: Mapping[str, Candidate]) -> list[Line]:
    """The chosen offers as lines."""
    chosen = problem.menu.offers.loc[list(solution.chosen)]
    decided = zip(chosen["item_code"], chosen["price"], chosen["order_quantity"], strict=True)
    return [Line(candidates[code], float(price), float(order)) for code, price, order in decided]


def offer_rows(menu: Menu, lines: Sequence[Line]) -> tuple[int, ...]:
    """Row numbers of the lines' offers in another menu, without those it lacks (banned, or beyond its grid)."""
    offers = menu.offers
    code, price, order = (offers[name].to_numpy() for name in ("item_code", "price", "order_quantity"))
    found = [
        np.flatnonzero(
            (code == x.candidate.item_code)
            & (np.abs(price - x.price) < SAME)
            & (np.abs(order - x.order_quantity) < SAME)
        )
        for x in lines
    ]
    return tuple(sorted(int(offers.index[rows[0]]) for rows in found if len(rows)))


def _under_own_transfers(problem: Problem, rows: tuple[int, ...], answer: Solution, gap: float) -> Solution:
    """The plan `rows` as a solution of the problem that its own transfers pose; `answer` solved that and bounds it."""
    objective = objective_of(problem, rows) + problem.offset
    bound = max(answer.bound, objective)
    open_gap = relative_gap(objective, bound)
    status = answer.status if open_gap <= max(gap, answer.gap) else NOT_SETTLED
    short = shortfall(problem, rows)
    return replace(answer, chosen=rows, objective=objective, bound=bound, gap=open_gap, status=status, shortfall=short)
