"""Solving the menu model: relaxation, first plan, categories apart, the rest; bounds are for the full menu."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import numpy as np

from replenish.errors import InfeasiblePlanError, SolverError
from replenish.optimise.greedy import greedy_plan
from replenish.optimise.linear import linear_form, solve_linear
from replenish.optimise.menu import undominated
from replenish.optimise.model import Problem, build_model, rule_columns
from replenish.optimise.search import Search, relative_gap, shortfall
from replenish.records import Solution
from replenish.settings import SolverSettings

RULE_WORDS = {
    "shelf_count_min": "the least number of listed items (rules.n_min)",
    "shelf_count_max": "the most listed items (rules.n_max)",
    "category_cover": "the category cover (rules.cover with rules.hard_cover)",
    "price_index": "the price index cap (rules.price_index_cap)",
    "budget": "the budget (rules.budget)",
    "shelf_space": "the shelf space (rules.shelf_space)",
    "price_changes": "the most price changes (rules.max_price_changes)",
    "supplier_minimum": "the least order of a supplier (rules.min_supplier_order)",
    "must_list": "the planner's must-list locks",
}
ANY_PLAN = 1e9  # relative gap at which the first plan found will do


def solve_menu(problem: Problem, settings: SolverSettings, start: Sequence[int] = ()) -> Solution:
    """Best offers for the problem, with the bound proven for the full menu.

    Steps: drop dominated offers (exact); linear relaxation; a first plan over the offers with the best reduced gains;
    a tighter bound and better plans category by category (`decompose`); if the gap asked for is still open, drop every
    offer whose reduced gain rules it out (exact) and solve over what is left. `start`: rows of the menu a plan is
    started from, for instance the plan before a rule was changed. Bounds are valid up to the solver's tolerance of
    1e-6. Status: "optimal" (within the gap asked for), "time limit" (best plan so far with its true gap), or "greedy"
    when HiGHS gave no plan and one was put together by the relaxation's prices.

    Raises `InfeasiblePlanError` naming the rules that collide, `SolverError` when there is no usable answer.
    """
    begin = time.perf_counter()
    offers = undominated(problem.menu, rule_columns(problem), problem.risk_weight)
    known = [m for m in start if m in problem.menu.offers.index]
    if offers.empty or _without_offers(problem):
        _raise_infeasible(problem, settings)
    rows = sorted({*offers.index, *known})
    search = Search(problem, problem.menu.offers.loc[rows], settings)
    if known and search.feasible(known):
        search.take(known)
    failure = _run(search, known)
    if search.best is None:
        found = greedy_plan(search)
        if found is None:
            raise failure or SolverError(
                f"HiGHS found no plan within {settings.time_limit_s:g} s. Raise solver.time_limit_s or loosen a rule."
            )
        search.take(found)
        return _solution(search, "greedy", begin)
    return _solution(search, "optimal" if search.done else "time limit", begin)


def _run(search: Search, start: Sequence[int]) -> SolverError | None:
    """All steps, until the gap is reached; what HiGHS failed with, if it did. Infeasible problems are raised."""
    try:
        relaxed = search.relax()
        if relaxed.status == "infeasible":
            _raise_infeasible(search.problem, search.settings)
        if relaxed.status == "optimal":
            search.first_plan(start)
        if not search.done and not search.late:
            search.by_category()
        if not search.done and not search.late:
            final = search.remaining()
            if final.status == "infeasible" and search.best is None:
                _raise_infeasible(search.problem, search.settings)
    except SolverError as failure:
        return failure
    return None


def _solution(search: Search, status: str, begin: float) -> Solution:
    problem, best = search.problem, search.best
    if best is None:
        raise SolverError("There is no plan to tell.")
    bound = max(search.bound, best.objective)
    if not np.isfinite(bound):  # without a relaxation: every item at its best, rules forgotten
        bound = max(float(search.offers.groupby("item_code")["value"].max().clip(lower=0).sum()), best.objective)
    gap = relative_gap(best.objective, bound)
    solver = "greedy by the relaxation's prices" if status == "greedy" else "HiGHS"
    seconds = time.perf_counter() - begin
    short = shortfall(problem, best.chosen)
    return Solution(best.chosen, best.objective, bound, gap, status, solver, seconds, short)


def _without_offers(problem: Problem) -> list[str]:
    """Items the planner wants on the shelf that no offer exists for."""
    offered = set(problem.menu.offers["item_code"])
    return [i for i in problem.must_list if i not in offered] if problem.active("must_list") else []


def _raise_infeasible(problem: Problem, settings: SolverSettings) -> NoReturn:
    rules = colliding_rules(problem, settings)
    count = problem.menu.offers["item_code"].nunique()
    reasons = problem.menu.left_out
    if not rules:
        words = "; ".join(sorted(set(reasons.values()))) or "there are no candidates"
        raise InfeasiblePlanError(
            f"No item can be offered: {words}. Check the candidates' prices and costs, or the planner's locks.", rules
        )
    missing = [f"{i} ({reasons.get(i, 'not among the candidates')})" for i in _without_offers(problem)]
    detail = f" Must-list items without any admissible offer: {', '.join(missing)}." if missing else ""
    raise InfeasiblePlanError(
        f"No plan satisfies all rules. These collide: {'; '.join(RULE_WORDS[r] for r in rules)}. "
        f"{count} items can be offered.{detail} Loosen one of these rules.",
        rules,
    )


def colliding_rules(problem: Problem, settings: SolverSettings) -> tuple[str, ...]:
    """A smallest set of rules that cannot hold together (deletion filter: Chinneck 2008, section 6.2).

    Rules are dropped one by one; a rule whose dropping leaves the problem infeasible is not needed for the collision.
    Empty when the rules are not to blame.
    """
    if _without_offers(problem):
        return ("must_list",)
    active = [name for name in RULE_WORDS if problem.active(name)]
    if _feasible(problem, settings):
        return ()
    needed = list(active)
    for name in active:
        fewer = replace(problem, relaxed=problem.relaxed | (set(active) - set(needed)) | {name})
        if not _feasible(fewer, settings):
            needed.remove(name)
    return tuple(needed)


def _feasible(problem: Problem, settings: SolverSettings) -> bool:
    if problem.menu.offers.empty:
        return not problem.active("shelf_count_min")
    model = linear_form(build_model(problem, problem.menu.offers))
    return solve_linear(model, settings.threads, settings.time_limit_s, ANY_PLAN).status != "infeasible"
