"""No plan satisfies all rules: which of them collide, and the least change of each that would do, with its profit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy import sparse

from replenish.errors import InfeasiblePlanError, SolverError
from replenish.optimise.linear import LinearModel, linear_form, solve_linear
from replenish.optimise.menu import undominated
from replenish.optimise.model import LIMIT_SETTING, Problem, build_model, rule_columns
from replenish.records import Override, Solution
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
LEAST_GAP = 1e-3  # relative gap to which the least change is found
PROFIT_GAP = 0.01  # … and the plan it allows
MOST_SECONDS = 5.0  # for each of these two answers
MOST_LOCKS = 20
# Digits a new limit is given with, rounded to the side of more room.
DIGITS = {"category_cover": 3, "budget": 2, "shelf_space": 2}
INDEX_STEP, SUPPLIER_STEP = 0.001, 0.01  # of the price index; of the least order asked for

Plan = Callable[[Problem, SolverSettings], Solution | None]


@dataclass(frozen=True)
class Relaxation:
    """One change that makes a plan possible, all other rules kept.

    `change`: in the planner's words, such as “n_min 27 → 24”; `profit`: expected profit of the best plan found under it
    (to 1 %, or within 5 s; NaN when none was found in that time) [money].
    """

    rule: str
    change: str
    profit: float


def infeasible_error(problem: Problem, settings: SolverSettings, plan: Plan) -> InfeasiblePlanError:
    """The error that names the rules that collide, and every single change that would do with its profit.

    `plan(problem, settings)`: the best plan, None when there is none.
    """
    rules = colliding_rules(problem, settings)
    reasons = problem.menu.left_out
    if not rules or (problem.menu.offers.empty and not without_offers(problem)):
        words = "; ".join(sorted(set(reasons.values()))) or "there are no candidates"
        return InfeasiblePlanError(
            f"No item can be offered: {words}. Check the candidates' prices and costs, or the planner's locks.", rules
        )
    count = problem.menu.offers["item_code"].nunique()
    missing = [f"{i} ({reasons.get(i, 'not among the candidates')})" for i in without_offers(problem)]
    detail = f" Must-list items without any admissible offer: {', '.join(missing)}." if missing else ""
    would_do = relaxations(problem, rules, settings, plan)
    advice = "; ".join(
        f"{r.change} would do{'' if np.isnan(r.profit) else f' (profit {r.profit:.0f})'}" for r in would_do
    )
    return InfeasiblePlanError(
        f"No plan satisfies all rules. These collide: {'; '.join(RULE_WORDS[r] for r in rules)}. "
        f"{count} items can be offered.{detail} "
        + (f"{advice}." if would_do else "No change of one of them alone would do: loosen several."),
        rules,
        [asdict(r) for r in would_do],
    )


def without_offers(problem: Problem) -> list[str]:
    """Items the planner wants on the shelf that no offer exists for."""
    if not problem.active("must_list"):
        return []
    offered = set(problem.menu.offers["item_code"].unique())
    return [i for i in problem.must_list if i not in offered]


def colliding_rules(problem: Problem, settings: SolverSettings) -> tuple[str, ...]:
    """A smallest set of rules that cannot hold together (deletion filter: Chinneck 2008, section 6.2).

    Rules are dropped one by one; a rule whose dropping leaves the problem infeasible is not needed for the collision.
    Empty when the rules are not to blame.
    """
    if without_offers(problem):
        return ("must_list",)
    active = [name for name in RULE_WORDS if problem.active(name)]
    if feasible(problem, settings):
        return ()
    needed = list(active)
    for name in active:
        fewer = replace(problem, relaxed=problem.relaxed | (set(active) - set(needed)) | {name})
        if not feasible(fewer, settings):
            needed.remove(name)
    return tuple(needed)


def relaxations(
    problem: Problem, rules: tuple[str, ...], settings: SolverSettings, plan: Plan
) -> tuple[Relaxation, ...]:
    """For each of the rules the least change that makes a plan possible, others kept; rules where none does are absent.

    Limits that stand alone on their row get an elastic slack, which is minimised; the price index and the supplier's
    minimum, whose limits multiply decisions, are loosened in steps of 0.1 points and of 1 % (bisection). For must-list
    locks: every item whose lock alone is in the way.
    """
    seconds = min(settings.time_limit_s, MOST_SECONDS)
    quick = settings.model_copy(update={"gap": max(settings.gap, PROFIT_GAP), "time_limit_s": seconds})
    loosened = [(r, words, loose) for r in rules for words, loose in _loosened(problem, r, settings)]
    out = []
    for rule, words, loose in loosened:
        try:
            answer = plan(loose, quick)
        except SolverError:
            out.append(Relaxation(rule, words, float("nan")))
            continue
        if answer is not None and answer.chosen:  # an empty shelf is no plan worth proposing
            profit = float(problem.menu.offers.loc[list(answer.chosen), "profit"].sum())
            out.append(Relaxation(rule, words, profit))
    return tuple(sorted(out, key=lambda r: -np.nan_to_num(r.profit, nan=-np.inf)))


def _loosened(problem: Problem, rule: str, settings: SolverSettings) -> list[tuple[str, Problem]]:
    """The problem with the rule loosened just enough, and how that is said."""
    if rule == "must_list":
        return [
            (f"no must-list lock on {item}", fewer)
            for item in problem.must_list
            if feasible(fewer := _without_must(problem, item), settings)
        ]
    if rule in ("price_index", "supplier_minimum"):
        limit = _least_step(problem, rule, settings)
    else:
        limit = _least_slack(problem, rule, settings)
    if limit is None:
        return []
    name = LIMIT_SETTING[rule]
    return [(f"{name} {float(getattr(problem.rules, name)):g} → {limit:g}", _with_limit(problem, rule, limit))]


def _without_must(problem: Problem, item: str) -> Problem:
    return replace(problem, must_list=tuple(i for i in problem.must_list if i != item))


def _with_limit(problem: Problem, rule: str, limit: float) -> Problem:
    return replace(problem, rules=problem.rules.model_copy(update={LIMIT_SETTING[rule]: limit}))


def _least_slack(problem: Problem, rule: str, settings: SolverSettings) -> float | None:
    """The limit nearest to the rule's own at which there is a plan, the other rules kept; None when there is none."""
    scale = problem.menu.category_value if rule == "category_cover" else {}
    model = elastic(_model(problem), rule, scale)
    answer = solve_linear(model, settings.threads, min(settings.time_limit_s, MOST_SECONDS), LEAST_GAP)
    if not answer.found:
        return None
    limit, slack = float(getattr(problem.rules, LIMIT_SETTING[rule])), float(answer.values[-1])
    scaled = 10.0 ** DIGITS.get(rule, 0)
    if rule in ("shelf_count_min", "category_cover"):
        return max(float(np.floor((limit - slack) * scaled + 1e-6)) / scaled, 0.0)
    return float(np.ceil((limit + slack) * scaled - 1e-6)) / scaled


def elastic(model: LinearModel, rule: str, scale: dict[str, float]) -> LinearModel:
    """The model whose only aim is the least slack by which the rule's rows are missed (one slack for all of them).

    The slack, in units of the limit, is the last column; `scale`: what one unit of it is on the row of that index.
    """
    column = np.zeros(len(model.rows))
    for k, (name, index) in enumerate(model.rows):
        if name == rule:
            column[k] = scale.get(index, 1.0) * (1.0 if np.isfinite(model.low[k]) else -1.0)
    return replace(
        model, columns=(*model.columns, ("slack", rule)), gain=np.append(np.zeros(len(model.gain)), -1.0),
        matrix=sparse.csc_array(sparse.hstack([model.matrix, sparse.csc_array(column[:, None])])),
        lower=np.append(model.lower, 0.0), upper=np.append(model.upper, np.inf), whole=np.append(model.whole, False),
    )  # fmt: skip


def _least_step(problem: Problem, rule: str, settings: SolverSettings) -> float | None:
    """As `_least_slack`, by bisection over steps of the limit: what a smaller step forbids a larger one may allow."""
    start = float(getattr(problem.rules, LIMIT_SETTING[rule]))
    if rule == "price_index":
        rise = problem.menu.offers["index_coefficient"] / problem.menu.offers["index_weight"].where(lambda w: w > 0)
        most = int(np.ceil(max(float(rise.max()) - start, 0.0) / INDEX_STEP)) + 1
        limits = start + INDEX_STEP * np.arange(most + 1)
    else:
        limits = start * (1 - SUPPLIER_STEP * np.arange(round(1 / SUPPLIER_STEP) + 1))
    limits = np.round(limits, 6)
    if not feasible(_with_limit(problem, rule, float(limits[-1])), settings):
        return None
    low, high = 0, len(limits) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if feasible(_with_limit(problem, rule, float(limits[middle])), settings):
            high = middle
        else:
            low = middle
    return float(limits[high])


def with_locks_named(
    error: InfeasiblePlanError, locks: Sequence[Override], pose: Callable[[list[Override]], Problem],
    settings: SolverSettings,
) -> InfeasiblePlanError:  # fmt: skip
    """The error with every lock named that alone stands in the way of a plan: item, author, value and reason.

    `pose(locks)`: the problem under these locks. Of more than 20 locks none is tried.
    """
    if len(locks) > MOST_LOCKS:
        return error
    quick = settings.model_copy(update={"time_limit_s": min(settings.time_limit_s, MOST_SECONDS)})
    blamed = [k for k in locks if feasible(pose([o for o in locks if o is not k]), quick)]
    if not blamed:
        return error
    words = "; ".join(f"item {k.item_code}: {k.words}" for k in blamed)
    one = "this lock" if len(blamed) == 1 else "any one of these locks"
    return InfeasiblePlanError(
        f"{error.message} Without {one} there is a plan: {words}.", error.rules, error.relaxations
    )


def feasible(problem: Problem, settings: SolverSettings) -> bool:
    """Whether some plan satisfies all rules; taken for true when that is not settled within the time limit."""
    if without_offers(problem):
        return False
    if problem.menu.offers.empty:
        return not problem.active("shelf_count_min")
    answer = solve_linear(_model(problem), settings.threads, settings.time_limit_s, ANY_PLAN)
    return answer.status != "infeasible"


def _model(problem: Problem) -> LinearModel:
    """The model over the offers no other makes needless: leaving those out makes nothing infeasible."""
    return linear_form(build_model(problem, undominated(problem.menu, rule_columns(problem), problem.risk_weight)))
