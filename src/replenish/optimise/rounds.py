"""Menu → transfers → menu: the plan of a day when what it leaves unserved moves to other items.

What moves depends on the plan, and the plan on what moves. Each round solves the menu under the last plan's transfers;
a plan has settled when it is optimal, to the gap asked for, under its own. Its bound is proven given those transfers.

Each item deciding for itself would order too much: it would count as lost what rivals sell instead (with substitution
newsvendors who decide apart overstock: Netessine & Rudi, Operations Research 2003). So the menu also charges every unit
served with what the others' spare stock would have earned of it, at the margin of the last plan; what that plan is
charged is given back as a constant, so that the objective is the profit of all items together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from replenish.optimise.judge import Line
from replenish.optimise.menu import Candidate, Menu
from replenish.optimise.model import Problem
from replenish.optimise.search import objective_of, relative_gap, shortfall
from replenish.pricing.substitution import Switching
from replenish.records import Scenarios, Solution

Array = NDArray[np.float64]
Pose = Callable[[Scenarios], Problem]
Solve = Callable[[Problem, Sequence[int], float], Solution]
MOST_ROUNDS = 5
FIRST_GAP = 0.005  # of the plan before anything has moved, which only starts the rounds
NOT_SETTLED = "not settled"


@dataclass(frozen=True)
class Settled:
    """The best plan found; `scenarios` carry what moves under it, `problem` is the menu under them."""

    problem: Problem
    solution: Solution
    scenarios: Scenarios
    rounds: int


def settle(
    scenarios: Scenarios, candidates: Sequence[Candidate], switching: Switching, pose: Pose, solve: Solve, gap: float,
    before: Sequence[Line] = (),
) -> Settled:  # fmt: skip
    """At most five rounds; of the plans judged under their own transfers the best, with its true gap.

    `pose` makes the problem of a day from scenarios; `solve(problem, start, gap)` solves it to a relative gap. A plan
    whose gap stays open is called “not settled” (the transfers of the next plan would undo it); it is still feasible
    and judged right. `before`: the plan under other locks or limits, whose transfers and offers the rounds begin with.
    """
    by_code = {c.item_code: c for c in candidates}
    problem = pose(with_transfers(scenarios, before, switching) if before else scenarios)
    answer = solve(problem, offer_rows(problem.menu, before), max(gap, FIRST_GAP))
    best: Settled | None = None
    for number in range(1, MOST_ROUNDS + 1):
        lines = chosen_lines(problem, answer, by_code)
        moved = with_transfers(scenarios, lines, switching)
        problem = replace(pose(moved), offset=_charged(moved, lines))
        rows = offer_rows(problem.menu, lines)
        answer = solve(problem, rows, gap)
        if len(rows) == len(lines):
            own = _under_own_transfers(problem, rows, answer, gap)
            if best is None or own.objective > best.solution.objective:
                best = Settled(problem, own, moved, number)
            if own.gap <= gap:
                break
    # No plan's offers were in its own menu: the last one is feasible, but its gap holds for the transfers before it.
    return best or Settled(problem, replace(answer, status=NOT_SETTLED), moved, MOST_ROUNDS)


def chosen_lines(problem: Problem, solution: Solution, candidates: Mapping[str, Candidate]) -> list[Line]:
    """The chosen offers as lines."""
    chosen = problem.menu.offers.loc[list(solution.chosen)]
    decided = zip(chosen["item_code"], chosen["price"], chosen["order_quantity"], strict=True)
    return [Line(candidates[code], float(price), float(order)) for code, price, order in decided]


def with_transfers(scenarios: Scenarios, lines: Sequence[Line], switching: Switching) -> Scenarios:
    """The scenarios with the demand these lines leave to, or take from, other items of their group.

    An item's availability is the share of its first-choice demand that its stock serves, scenario by scenario. What it
    does not serve is worth its price elsewhere, less the worth of keeping the unit, where a rival has stock left.
    """
    plain = replace(scenarios, transfers=None, found_elsewhere=None, worth_elsewhere=None)
    listed, margin = np.zeros(len(plain.item_codes), dtype=bool), np.zeros(len(plain.item_codes))
    served, spare = np.zeros_like(plain.demand), np.zeros_like(plain.demand)
    for line in lines:
        k, terms = plain.item_codes.index(line.candidate.item_code), line.candidate.terms
        demand, usable = plain.demand_at(k, line.price / terms.reference_price), _usable(line)
        listed[k], margin[k] = True, line.price - (terms.carry_value if terms.keeps else 0.0)
        served[:, k] = np.minimum(1.0, np.divide(usable, demand, out=np.ones_like(demand), where=demand > 0))
    moved = replace(plain, transfers=switching.transfers(plain.demand, listed, served))
    for line in lines:
        k = plain.item_codes.index(line.candidate.item_code)
        spare[:, k] = moved.demand_at(k, line.price / line.candidate.terms.reference_price) < _usable(line)
    found, worth = switching.elsewhere(plain.demand, listed, spare, margin)
    return replace(moved, found_elsewhere=found, worth_elsewhere=worth)


def _usable(line: Line) -> float:
    """Stock of the line that can be sold [unit]."""
    return (1 - line.candidate.terms.loss_rate) * line.order_quantity + line.candidate.terms.carried_over


def _charged(moved: Scenarios, lines: Sequence[Line]) -> float:
    """What the lines were charged for serving shoppers whom others would have served too [money]."""
    if moved.worth_elsewhere is None:
        return 0.0
    total = 0.0
    for line in lines:
        k, ratio = moved.item_codes.index(line.candidate.item_code), line.price / line.candidate.terms.reference_price
        served = np.minimum(moved.first_choice_at(k, ratio), _usable(line))
        total += float((moved.worth_elsewhere[:, k] * served).mean())
    return total


def offer_rows(menu: Menu, lines: Sequence[Line]) -> tuple[int, ...]:
    """Row numbers of the lines' offers in another menu, without those it lacks (banned, or beyond its grid)."""
    offers = menu.offers
    key = zip(offers["item_code"], offers["price"].round(6), offers["order_quantity"].round(6), strict=True)
    at = {k: int(row) for k, row in zip(key, offers.index, strict=True)}
    rows = [at.get((x.candidate.item_code, round(x.price, 6), round(x.order_quantity, 6))) for x in lines]
    return tuple(sorted(r for r in rows if r is not None))


def _under_own_transfers(problem: Problem, rows: tuple[int, ...], answer: Solution, gap: float) -> Solution:
    """The plan `rows` as a solution of the problem that its own transfers pose; `answer` solved that and bounds it."""
    objective = objective_of(problem, rows) + problem.offset
    bound = max(answer.bound, objective)
    open_gap = relative_gap(objective, bound)
    status = answer.status if open_gap <= max(gap, answer.gap) else NOT_SETTLED
    short = shortfall(problem, rows)
    return replace(answer, chosen=rows, objective=objective, bound=bound, gap=open_gap, status=status, shortfall=short)
