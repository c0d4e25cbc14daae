"""Solving the menu model with HiGHS: LP, reduced-cost fixing, small MIP; the proven gap is to the full menu's bound."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from replenish.errors import InfeasiblePlanError, SolverError
from replenish.optimise.menu import undominated
from replenish.optimise.model import Problem, build_model, rule_columns
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
    "must_list": "the planner's must-list locks",
}
FIRST_COLUMNS = 12  # offers per item, best reduced cost first, in the MIP that finds the first good plan
FIRST_SHARE = 0.3


@dataclass(frozen=True)
class _Answer:
    """One solver call: status words, objective and bound (NaN when there is none) and values by offer row."""

    status: str
    objective: float
    bound: float
    values: dict[int, float]
    reduced_cost: dict[int, float]


def solve_menu(problem: Problem, settings: SolverSettings) -> Solution:
    """Best offers for the problem, with the bound proven for the full menu.

    Steps: drop dominated offers (exact); LP relaxation; MIP over the offers with the best reduced costs for a first
    plan; fix every offer whose reduced cost exceeds the LP-to-plan difference (exact); MIP over what is left.

    Raises `InfeasiblePlanError` naming the rules that collide, `SolverError` when HiGHS gives no usable answer.
    """
    start = time.perf_counter()
    offers = undominated(problem.menu, rule_columns(problem))
    if offers.empty or any(i not in set(offers["item_code"]) for i in problem.must_list):
        _raise_infeasible(problem, offers, settings)
    relaxed = _solve(problem, offers, settings, settings.time_limit_s, relaxed=True)
    if relaxed.status == "infeasible":
        _raise_infeasible(problem, offers, settings)
    first = _first_plan(problem, offers, relaxed, settings)
    left = offers
    if first is not None:
        cost = pd.Series(relaxed.reduced_cost).reindex(offers.index).to_numpy()
        slack = relaxed.objective - first.objective
        left = offers[(-cost <= slack + 1e-9) | offers.index.isin([m for m, v in first.values.items() if v > 0.5])]
        if _gap(first.objective, relaxed.objective) <= settings.gap:
            return _solution(problem, first, relaxed.objective, "optimal", start)
    remaining = max(settings.time_limit_s - (time.perf_counter() - start), 1.0)
    final = _solve(problem, left, settings, remaining)
    return _best(problem, first, final, relaxed, settings, offers, start)


def _best(
    problem: Problem, first: _Answer | None, final: _Answer, relaxed: _Answer, settings: SolverSettings,
    offers: pd.DataFrame, start: float,
) -> Solution:  # fmt: skip
    """The better of the two plans with the bound that holds for the full menu."""
    plans = [a for a in (first, final) if a is not None and a.values]
    if not plans:
        if final.status == "infeasible":
            _raise_infeasible(problem, offers, settings)
        raise SolverError(
            f"HiGHS found no plan within {settings.time_limit_s:g} s (status {final.status}). "
            "Raise solver.time_limit_s or loosen a rule."
        )
    best = max(plans, key=lambda a: a.objective)
    # Offers fixed to zero could not have beaten the first plan, so its objective bounds their part of the menu.
    bound = min(relaxed.objective, max(final.bound, best.objective)) if np.isfinite(final.bound) else relaxed.objective
    status = "optimal" if _gap(best.objective, bound) <= settings.gap + 1e-9 else "time limit"
    return _solution(problem, best, bound, status, start)


def _first_plan(problem: Problem, offers: pd.DataFrame, relaxed: _Answer, settings: SolverSettings) -> _Answer | None:
    cost = pd.Series(relaxed.reduced_cost).reindex(offers.index)
    rank = (-cost).groupby(offers["item_code"]).rank(method="first")
    answer = _solve(problem, offers[rank <= FIRST_COLUMNS], settings, settings.time_limit_s * FIRST_SHARE)
    return answer if answer.values else None


def _gap(objective: float, bound: float) -> float:
    return max(bound - objective, 0.0) / max(abs(objective), 1e-9)


def _solution(problem: Problem, answer: _Answer, bound: float, status: str, start: float) -> Solution:
    chosen = tuple(sorted(m for m, v in answer.values.items() if v > 0.5))
    offers = problem.menu.offers.loc[list(chosen)]
    served = offers.groupby("category")["cover_value"].sum()
    required = {g: problem.rules.cover * v for g, v in problem.menu.category_value.items()}
    short = {g: max(0.0, need - float(served.get(g, 0.0))) for g, need in required.items()}
    gap = _gap(answer.objective, bound)
    seconds = time.perf_counter() - start
    return Solution(chosen, answer.objective, bound, gap, status, "HiGHS", seconds, short)


def _solve(
    problem: Problem, offers: pd.DataFrame, settings: SolverSettings, time_limit_s: float, relaxed: bool = False
) -> _Answer:
    """One HiGHS call through Pyomo; never trusts an answer whose status it does not know."""
    from pyomo.contrib.solver.common.factory import SolverFactory

    model = build_model(problem, offers, relaxed)
    solver = SolverFactory("highs")
    result = solver.solve(
        model, load_solutions=False, raise_exception_on_nonoptimal_result=False, threads=settings.threads,
        time_limit=time_limit_s, rel_gap=settings.gap / 2,
    )  # fmt: skip
    return _read(model, result, relaxed)


def _read(model: Any, result: Any, relaxed: bool) -> _Answer:
    from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition

    ended = result.termination_condition
    nothing = _Answer("", np.nan, np.nan, {}, {})
    impossible = (TerminationCondition.provenInfeasible, TerminationCondition.infeasibleOrUnbounded)
    if ended in impossible:
        return replace(nothing, status="infeasible")
    known = (TerminationCondition.convergenceCriteriaSatisfied, TerminationCondition.maxTimeLimit)
    if ended not in known:
        raise SolverError(f"HiGHS stopped with status {ended.name}; the plan was not made. Run again or report this.")
    bound = float(result.objective_bound) if result.objective_bound is not None else np.nan
    if result.solution_status not in (SolutionStatus.optimal, SolutionStatus.feasible):
        return replace(nothing, status=ended.name, bound=bound)
    found = result.solution_loader.get_vars()
    values = {int(m): float(found[model.x[m]]) for m in model.OFFERS}
    reduced = {}
    if relaxed:
        costs = result.solution_loader.get_reduced_costs()
        reduced = {int(m): float(costs[model.x[m]]) for m in model.OFFERS}
    return _Answer(ended.name, float(result.incumbent_objective), bound, values, reduced)


def _raise_infeasible(problem: Problem, offers: pd.DataFrame, settings: SolverSettings) -> None:
    rules = colliding_rules(problem, settings)
    missing = [i for i in problem.must_list if i not in set(offers["item_code"])]
    words = [RULE_WORDS[r] for r in rules]
    detail = f" Must-list items without any admissible offer: {', '.join(missing)}." if missing else ""
    raise InfeasiblePlanError(
        f"No plan satisfies all rules. These collide: {'; '.join(words) or 'no item can be offered'}. "
        f"{offers['item_code'].nunique() if len(offers) else 0} items can be offered.{detail} Loosen one of these rules.",
        rules,
    )


def colliding_rules(problem: Problem, settings: SolverSettings) -> tuple[str, ...]:
    """A smallest set of rules that cannot hold together (deletion filter: Chinneck 2008, section 6.2).

    Rules are dropped one by one; a rule whose dropping leaves the problem infeasible is not needed for the collision.
    """
    offered = set(problem.menu.offers["item_code"])
    if any(i not in offered for i in problem.must_list):
        return ("must_list",)
    active = [name for name in RULE_WORDS if problem.active(name)]
    needed = list(active)
    for name in active:
        fewer = replace(problem, relaxed=frozenset(active) - (set(needed) - {name}))
        if not _feasible(fewer, settings):
            needed.remove(name)
    return tuple(needed)


def _feasible(problem: Problem, settings: SolverSettings) -> bool:
    if problem.menu.offers.empty:
        return not problem.active("shelf_count_min")
    answer = _solve(problem, problem.menu.offers, settings, settings.time_limit_s)
    return answer.status != "infeasible"
