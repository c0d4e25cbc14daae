"""What each rule costs, and what a left-out item would: the day solved again with the rule moved by one step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from replenish.optimise.model import LIMIT_SETTING, Problem
from replenish.optimise.search import TOLERANCE
from replenish.optimise.solve import plan_if_any
from replenish.records import Solution
from replenish.settings import SolverSettings

# One step of more room: the change of the limit, in its own unit or as a share of it, and how it is said.
STEPS = {
    "shelf_count_min": (-1, "one listed item fewer"),
    "shelf_count_max": (1, "one shelf place more"),
    "category_cover": (-0.01, "one point of cover less"),
    "price_index": (0.01, "one point of price index more"),
    "price_changes": (1, "one price change more"),
}
SHARES = {
    "budget": (0.01, "1 % more budget"),
    "shelf_space": (0.01, "1 % more shelf space"),
    "supplier_minimum": (-0.01, "1 % less to a supplier"),
}
BEST_LEFT_OUT = 3
NOT_DISTINGUISHABLE = "not distinguishable"
COLUMNS = ["rule", "category", "item_code", "step", "change", "low", "high", "verdict"]


def rule_values(problem: Problem, solution: Solution, settings: SolverSettings) -> pd.DataFrame:
    """Change of the objective when a rule is given one step more room, by solving again; one row per step.

    Columns: rule (its name, or “list_item” for the best items left out, forced onto the shelf), category (of a step of
    its cover or price index alone, else empty), item_code (of a must-list lock or left-out item, else empty), step (in
    words), change (objective of the new plan less that of
    the old [money]), low and high (what the true change lies between, by the proven bounds of both), verdict:
    “worth it”, “costs”, “not distinguishable” from nothing because the interval holds 0, or “impossible” when no
    plan has the item. Each solve starts from the plan. Under transfers the values are given the transfers of the
    plan. Problem and solution are left as they are.
    """
    rows = []
    for rule, item, step, moved in (*_loosened(problem), *_listed(problem, solution)):
        answer = plan_if_any(moved, settings, solution.chosen)
        rows.append({"rule": rule, "category": "", "item_code": item, "step": step} | compare(solution, answer))
    for rule, category, step, moved in _loosened_in_one_category(problem):
        answer = plan_if_any(moved, settings, solution.chosen)
        rows.append({"rule": rule, "category": category, "item_code": "", "step": step} | compare(solution, answer))
    return pd.DataFrame(rows, columns=COLUMNS)


def _loosened_in_one_category(problem: Problem) -> Iterator[tuple[str, str, str, Problem]]:
    """The problem with the cover, and with the price index, of one category alone given one step more room."""
    menu, rules = problem.menu, problem.rules
    if len(menu.category_value) < 2:
        return
    for category, value in menu.category_value.items():
        if problem.active("category_cover"):
            less = max(rules.cover + STEPS["category_cover"][0], 0.0) / rules.cover * value
            wider = replace(menu, category_value=menu.category_value | {category: less})
            yield (
                "category_cover",
                category,
                f"{STEPS['category_cover'][1]} in {category}",
                replace(problem, menu=wider),
            )
        if problem.active("price_index"):
            mine = (menu.offers["category"] == category).to_numpy()
            room = STEPS["price_index"][0] * menu.offers["index_weight"].to_numpy() * mine
            offers = menu.offers.assign(index_coefficient=menu.offers["index_coefficient"] - room)
            step = f"{STEPS['price_index'][1]} in {category}"
            yield "price_index", category, step, replace(problem, menu=replace(menu, offers=offers))


def _loosened(problem: Problem) -> Iterator[tuple[str, str, str, Problem]]:
    """The problem with each active rule given one step more room; must-list locks one by one."""
    for rule, setting in LIMIT_SETTING.items():
        if not problem.active(rule):
            continue
        limit = getattr(problem.rules, setting)
        change, words = STEPS[rule] if rule in STEPS else SHARES[rule]
        wider = limit + change if rule in STEPS else limit * (1 + change)
        wider = max(wider, 0) if rule in ("shelf_count_min", "category_cover") else wider
        yield rule, "", words, replace(problem, rules=problem.rules.model_copy(update={setting: wider}))
    if problem.active("must_list"):
        for item in problem.must_list:
            rest = tuple(i for i in problem.must_list if i != item)
            yield "must_list", item, "no must-list lock", replace(problem, must_list=rest)


def _listed(problem: Problem, solution: Solution) -> Iterator[tuple[str, str, str, Problem]]:
    """The problem with each of the best items left out forced onto the shelf."""
    offers = problem.menu.offers
    listed = set(offers.loc[list(solution.chosen), "item_code"])
    best = offers[~offers["item_code"].isin(listed)].groupby("item_code")["value"].max()
    for item in best.sort_values(ascending=False, kind="stable").index[:BEST_LEFT_OUT]:
        must = tuple(sorted({*problem.must_list, str(item)}))
        yield "list_item", str(item), "listed, whatever it displaces", replace(problem, must_list=must)


def compare(before: Solution, after: Solution | None) -> dict[str, object]:
    """Change of the objective, and what the bounds of both solutions prove about it."""
    if after is None:
        return {"change": float("nan"), "low": float("nan"), "high": float("nan"), "verdict": "impossible"}
    low, high = after.objective - before.bound, after.bound - before.objective
    noise = TOLERANCE * max(1.0, abs(before.objective))
    verdict = "worth it" if low > noise else "costs" if high < -noise else NOT_DISTINGUISHABLE
    return {"change": after.objective - before.objective, "low": low, "high": high, "verdict": verdict}
