"""Solving the menu model with HiGHS: LP, reduced-cost fixing, small MIP; the proven gap is to the full menu's bound."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

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
FIRST_COLUMNS = 3  # offers per item, best reduced cost first, in the MIP that finds the first good plan
FIRST_SHARE = 0.3
TOLERANCE = 1e-6  # the solver's feasibility and optimality tolerances, in money
ANY_PLAN = 1e9  # relative gap at which the first plan found will do


GAP_MARGIN = 0.95  # HiGHS stops a little inside the gap asked for, so that rounding never leaves the plan outside it
_POOL = {"threads": 0}  # threads of HiGHS's pool in this process; 0: not started by us


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
    plan; drop every offer whose reduced cost exceeds the LP-to-plan difference (exact); MIP over what is left.
    The bound is valid up to the solver's tolerance of 1e-6; the LP gives one only when it was solved to its end.

    Raises `InfeasiblePlanError` naming the rules that collide, `SolverError` when HiGHS gives no usable answer.
    """
    start = time.perf_counter()
    offers = undominated(problem.menu, rule_columns(problem))
    if offers.empty or _without_offers(problem):
        _raise_infeasible(problem, settings)
    relaxed = _solve(problem, offers, settings, settings.time_limit_s, relaxed=True)
    if relaxed.status == "infeasible":
        _raise_infeasible(problem, settings)
    first = _first_plan(problem, offers, relaxed, settings) if relaxed.reduced_cost else None
    left = offers
    if first is not None:
        if _gap(first.objective, relaxed.bound) <= settings.gap:
            return _solution(problem, first, relaxed.bound, "optimal", start)
        cost = pd.Series(relaxed.reduced_cost).reindex(offers.index).to_numpy()
        slack = relaxed.objective - first.objective + TOLERANCE * max(1.0, abs(relaxed.objective))
        left = offers[(-cost <= slack) | offers.index.isin(_chosen(first))]
    remaining = max(settings.time_limit_s - (time.perf_counter() - start), 1.0)
    final = _solve(problem, left, settings, remaining)
    return _best(problem, first, final, relaxed, settings, start)


def _best(
    problem: Problem, first: _Answer | None, final: _Answer, relaxed: _Answer, settings: SolverSettings, start: float
) -> Solution:
    """The better of the two plans with the bound that holds for the full menu."""
    plans = [a for a in (first, final) if a is not None and a.values]
    if not plans:
        if final.status == "infeasible":
            _raise_infeasible(problem, settings)
        raise SolverError(
            f"HiGHS found no plan within {settings.time_limit_s:g} s (status {final.status}). "
            "Raise solver.time_limit_s or loosen a rule."
        )
    best = max(plans, key=lambda a: a.objective)
    # A plan with a dropped offer cannot beat the first plan, so its objective bounds that part of the menu.
    bounds = [relaxed.bound, max(final.bound, best.objective) if np.isfinite(final.bound) else np.inf]
    bound = float(np.nanmin(bounds))
    status = "optimal" if _gap(best.objective, bound) <= settings.gap else "time limit"
    return _solution(problem, best, bound, status, start)


def _first_plan(problem: Problem, offers: pd.DataFrame, relaxed: _Answer, settings: SolverSettings) -> _Answer | None:
    cost = pd.Series(relaxed.reduced_cost).reindex(offers.index)
    rank = (-cost).groupby(offers["item_code"]).rank(method="first")
    answer = _solve(problem, offers[rank <= FIRST_COLUMNS], settings, settings.time_limit_s * FIRST_SHARE)
    return answer if answer.values else None


def _chosen(answer: _Answer) -> list[int]:
    return sorted(m for m, v in answer.values.items() if v > 0.5)


def _gap(objective: float, bound: float) -> float:
    """Relative gap; a difference within the solver's tolerance is none."""
    open_money = bound - objective
    if open_money <= TOLERANCE * max(1.0, abs(objective)):
        return 0.0
    return open_money / max(abs(objective), TOLERANCE)


def shortfall(problem: Problem, chosen: Sequence[int]) -> dict[str, float]:
    """Demand value each category is short of its cover [money]; empty when cover is no rule."""
    if not problem.active("category_cover"):
        return {}
    served = problem.menu.offers.loc[list(chosen)].groupby("category")["cover_value"].sum()
    required = {g: problem.rules.cover * v for g, v in problem.menu.category_value.items()}
    return {g: max(0.0, need - float(served.get(g, 0.0))) for g, need in required.items()}


def _solution(problem: Problem, answer: _Answer, bound: float, status: str, start: float) -> Solution:
    """The answer with its objective added up again from the chosen offers, free of the solver's tolerances."""
    chosen = tuple(_chosen(answer))
    short = shortfall(problem, chosen)
    penalty = 0.0 if problem.rules.hard_cover else problem.rules.cover_penalty * sum(short.values())
    objective = float(problem.menu.offers.loc[list(chosen), "value"].sum()) - penalty
    bound = max(bound, objective)
    seconds = time.perf_counter() - start
    return Solution(chosen, objective, bound, _gap(objective, bound), status, "HiGHS", seconds, short)


def _solve(
    problem: Problem, offers: pd.DataFrame, settings: SolverSettings, time_limit_s: float, relaxed: bool = False,
    gap: float | None = None,
) -> _Answer:  # fmt: skip
    """One HiGHS call through Pyomo; never trusts an answer whose status it does not know."""
    from pyomo.contrib.solver.common.factory import SolverFactory

    _set_threads(settings.threads)
    model = build_model(problem, offers, relaxed)
    solver = SolverFactory("highs")
    result = solver.solve(
        model, load_solutions=False, raise_exception_on_nonoptimal_result=False, threads=settings.threads,
        time_limit=time_limit_s, rel_gap=GAP_MARGIN * settings.gap if gap is None else gap,
    )  # fmt: skip
    return _read(model, result, relaxed)


def _set_threads(threads: int) -> None:
    """Makes HiGHS's thread pool fit: it keeps the first number a process used and fails without a status on another."""
    import highspy

    if _POOL["threads"] != threads:
        highspy.Highs.resetGlobalScheduler(True)
        _POOL["threads"] = threads


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
    known_bound = result.objective_bound is not None and not relaxed
    bound = float(result.objective_bound) if known_bound else np.nan
    finished = ended == TerminationCondition.convergenceCriteriaSatisfied
    if result.solution_status not in (SolutionStatus.optimal, SolutionStatus.feasible):
        return replace(nothing, status=ended.name, bound=bound)
    found = result.solution_loader.get_vars()
    values = {int(m): float(found[model.x[m]]) for m in model.OFFERS}
    reduced = {}
    if relaxed:
        # An LP stopped early has a value, but that value bounds nothing and its duals price nothing.
        bound = float(result.incumbent_objective) if finished else np.nan
        costs = result.solution_loader.get_reduced_costs() if finished else {}
        reduced = {int(m): float(costs[model.x[m]]) for m in model.OFFERS} if finished else {}
    return _Answer(ended.name, float(result.incumbent_objective), bound, values, reduced)


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
    answer = _solve(problem, problem.menu.offers, settings, settings.time_limit_s, gap=ANY_PLAN)
    return answer.status != "infeasible"
