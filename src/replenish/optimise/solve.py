"""Solving the menu model: relaxation, categories apart, what is left open; bounds are for the full menu."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from replenish.errors import SolverError
from replenish.optimise.greedy import greedy_plan
from replenish.optimise.infeasible import infeasible_error, without_offers
from replenish.optimise.menu import undominated
from replenish.optimise.model import Problem, rule_columns
from replenish.optimise.search import Search, relative_gap, shortfall
from replenish.records import Solution
from replenish.settings import SolverSettings


def solve_menu(problem: Problem, settings: SolverSettings, start: Sequence[int] = ()) -> Solution:
    """Best offers for the problem, with the bound proven for the full menu.

    Steps: drop dominated offers (exact); linear relaxation; a tighter bound and plans category by category
    (`decompose`), or, where these give no plan, one over the offers with the best reduced gains; if the gap asked for
    is still open, drop every offer whose plans are bounded below the best one, by the relaxation or by any
    of the categories' bounds (exact), and solve over what is left. `start`: rows of the menu a plan is started from,
    for instance the plan before a rule was changed. Bounds are valid up to the solver's tolerance of
    1e-6. Status: "optimal" (within the gap asked for), "time limit" (best plan so far with its true gap), or "greedy"
    when HiGHS gave no plan and one was put together by the relaxation's prices.

    Raises `InfeasiblePlanError` naming the rules that collide and what would do, `SolverError` when there is no usable
    answer.
    """
    answer = plan_if_any(problem, settings, start)
    if answer is None:
        raise infeasible_error(problem, settings, plan_if_any)
    return answer


def plan_if_any(problem: Problem, settings: SolverSettings, start: Sequence[int] = ()) -> Solution | None:
    """As `solve_menu`, but None when no plan satisfies all rules."""
    begin = time.perf_counter()
    offers = undominated(problem.menu, rule_columns(problem), problem.risk_weight)
    known = [m for m in start if m in problem.menu.offers.index]
    if offers.empty or without_offers(problem):
        return None
    rows = sorted({*offers.index, *known})
    search = Search(problem, problem.menu.offers.loc[rows], settings)
    if known and search.feasible(known):
        search.take(known)
    try:
        possible, failure = _run(search, known), None
    except SolverError as reason:
        possible, failure = True, reason
    if not possible:
        return None
    if search.best is None:
        found = greedy_plan(search)
        if found is None:
            raise failure or SolverError(
                f"HiGHS found no plan within {settings.time_limit_s:g} s. Raise solver.time_limit_s or loosen a rule."
            )
        search.take(found)
        return _solution(search, "greedy", begin)
    return _solution(search, "optimal" if search.done else "time limit", begin)


def _run(search: Search, start: Sequence[int]) -> bool:
    """All steps, until the gap is reached; False when no plan satisfies all rules."""
    relaxed = search.relax()
    if relaxed.status == "infeasible":
        return False
    if relaxed.status == "optimal" and not search.done and not search.late:
        search.by_category()
    if search.best is None and not search.late:
        search.first_plan(start)
    if not search.done and not search.late:
        final = search.remaining()
        return final.status != "infeasible" or search.best is not None
    return True


def _solution(search: Search, status: str, begin: float) -> Solution:
    problem, best = search.problem, search.best
    if best is None:
        raise SolverError("There is no plan to tell.")
    bound = max(search.bound, best.objective)
    if not np.isfinite(bound):  # without a relaxation: every item at its best, rules forgotten
        bound = max(float(search.offers.groupby("item_code")["value"].max().clip(lower=0).sum()), best.objective)
    objective, bound = best.objective + problem.offset, bound + problem.offset
    gap = relative_gap(objective, bound)
    solver = "greedy by the relaxation's prices" if status == "greedy" else "HiGHS"
    seconds = time.perf_counter() - begin
    short = shortfall(problem, best.chosen)
    return Solution(best.chosen, objective, bound, gap, status, solver, seconds, short)
