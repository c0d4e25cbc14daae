"""Why each line is what it is, in the planner's words, and which rules bind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from replenish.optimise.menu import Candidate, Menu
from replenish.optimise.model import Problem
from replenish.records import Solution


def line_reasons(problem: Problem, solution: Solution, candidates: dict[str, Candidate]) -> dict[str, str]:
    """item_code → reason: what the item is worth, what one step more or less of order does, where the price stands."""
    menu = problem.menu
    chosen = menu.offers.loc[list(solution.chosen)]
    best_out = _best_left_out(menu, set(chosen["item_code"]))
    out = {}
    for row in chosen.itertuples():
        candidate = candidates[str(row.item_code)]
        parts = [_listing_reason(row, best_out), _order_reason(menu, row, candidate), _price_reason(row, candidate)]
        out[str(row.item_code)] = " ".join(p for p in parts if p)
    return out


def left_out_reasons(problem: Problem, solution: Solution) -> dict[str, str]:
    """item_code → why the item is not on the shelf."""
    menu = problem.menu
    listed = set(menu.offers.loc[list(solution.chosen), "item_code"])
    out = dict(menu.left_out)
    best = menu.offers.groupby("item_code")["value"].max()
    weakest = float(menu.offers.loc[list(solution.chosen), "value"].min()) if solution.chosen else np.nan
    for code, value in best.items():
        if code not in listed:
            out[str(code)] = _left_out(float(value), weakest, problem)
    return out


def _left_out(value: float, weakest: float, problem: Problem) -> str:
    if value < 0:
        return f"would lose {-value:.1f} a day at its best price and order"
    if problem.rules.n_max is not None:
        return f"worth {value:.1f} a day; the {problem.rules.n_max} shelf places earn more with others (least: {weakest:.1f})"
    return f"worth {value:.1f} a day at best, but not together with the other rules"


def _best_left_out(menu: Menu, listed: set[str]) -> float:
    rest = menu.offers[~menu.offers["item_code"].isin(listed)]
    return float(rest["value"].max()) if len(rest) else np.nan


def _listing_reason(row: Any, best_out: float) -> str:
    other = f" (best item left out: {best_out:.1f})" if np.isfinite(best_out) else ""
    return f"Worth {row.value:.1f} a day{other}."


def _order_reason(menu: Menu, row: Any, c: Candidate) -> str:
    """Objective change of one order step up and down at the same price."""
    same = menu.offers[(menu.offers["item_code"] == row.item_code) & np.isclose(menu.offers["price"], row.price)]
    values = same.set_index("order_quantity")["value"].sort_index()
    at = int(np.argmin(np.abs(values.index.to_numpy() - row.order_quantity)))
    steps = []
    for name, k in (("more", at + 1), ("less", at - 1)):
        if 0 <= k < len(values):
            size = abs(values.index[k] - row.order_quantity)
            steps.append(f"{size:g} {c.unit} {name} {values.iloc[k] - row.value:+.1f}")
    display = ", the minimum display" if row.order_quantity <= c.min_display + c.order_multiple - 1e-9 else ""
    return f"Order {row.order_quantity:g} {c.unit}{display}: {', '.join(steps)}." if steps else ""


def _price_reason(row: Any, c: Candidate) -> str:
    rungs = c.ladder.rungs
    change = row.price / c.terms.reference_price - 1
    moved = "unchanged" if abs(change) < 1e-9 else f"{change:+.0%} on {c.terms.reference_price:g}"
    where = "top rung" if rungs and row.price >= rungs[-1] - 1e-9 else "bottom rung" if rungs and row.price <= rungs[0] + 1e-9 else ""
    flag = f" ({c.ladder.flag})" if c.ladder.flag else ""
    return f"Price {moved}{', ' + where if where else ''}{flag}."


def rule_report(problem: Problem, solution: Solution) -> list[dict[str, Any]]:
    """Every active rule with its limit, the plan's value and whether it binds; plain JSON."""
    rules, offers = problem.rules, problem.menu.offers.loc[list(solution.chosen)]
    count = len(offers)
    out = []
    if problem.active("shelf_count_min"):
        out.append(_row("least listed items", rules.n_min, count, count <= rules.n_min))
    if problem.active("shelf_count_max"):
        out.append(_row("most listed items", float(rules.n_max or 0), count, count >= (rules.n_max or 0)))
    sums = (("budget", "budget", "spend"), ("shelf_space", "shelf space", "shelf_space"),
            ("max_price_changes", "price changes", "price_changed"))  # fmt: skip
    for name, words, column in sums:
        limit = getattr(rules, name)
        if limit is not None:
            # A sum of lumpy offers hardly ever meets its limit exactly: within 1 % counts as binding.
            value = float(offers[column].sum())
            out.append(_row(words, limit, value, value >= 0.99 * limit))
    return out + _category_rules(problem, solution)


def _category_rules(problem: Problem, solution: Solution) -> list[dict[str, Any]]:
    rules, offers = problem.rules, problem.menu.offers.loc[list(solution.chosen)]
    out = []
    rises = category_price_index(offers)
    for category, value in problem.menu.category_value.items():
        mine = offers[offers["category"] == category]
        if problem.active("category_cover") and value > 0:
            cover = float(mine["cover_value"].sum()) / value
            short = solution.shortfall.get(category, 0.0)
            note = f"short by {short:.1f} of demand value" if short > 1e-6 else ""
            out.append(_row(f"cover of {category}", rules.cover, cover, short > 1e-6 or cover < rules.cover + 0.01, note))
        if problem.active("price_index") and category in rises:
            limit = float(rules.price_index_cap or 0.0)
            out.append(_row(f"price index of {category}", limit, rises[category], rises[category] > limit - 0.005))
    return out


def _row(rule: str, limit: float, value: float, binding: bool, note: str = "") -> dict[str, Any]:
    return {"rule": rule, "limit": float(limit), "value": float(value), "binding": bool(binding), "note": note}


def category_price_index(offers: pd.DataFrame) -> dict[str, float]:
    """Rise of each category's price index over its listed items, value-weighted: Σ w (p/p⁰ − 1) ÷ Σ w."""
    total = offers.groupby("category")[["index_coefficient", "index_weight"]].sum()
    total = total[total["index_weight"] > 0]
    return {str(k): float(v) for k, v in (total["index_coefficient"] / total["index_weight"]).items()}


def price_curve(menu: Menu, solution: Solution) -> pd.DataFrame:
    """Best order at every rung of every candidate, the chosen order at the chosen rung; key (item_code, price)."""
    offers = menu.offers.assign(chosen=menu.offers.index.isin(solution.chosen))
    ranked = offers.sort_values(["chosen", "value"], ascending=False)
    best = ranked.drop_duplicates(["item_code", "price"])
    curve = best.assign(
        price_ratio=1 + best["index_coefficient"] / best["index_weight"].where(best["index_weight"] > 0)
    ).rename(columns={"demand": "expected_demand", "sales": "expected_sales", "profit": "expected_profit", "value": "objective"})
    wanted = ["item_code", "price", "price_ratio", "expected_demand", "order_quantity", "expected_sales",
              "expected_profit", "objective", "chosen"]  # fmt: skip
    return curve[wanted].sort_values(["item_code", "price"], ignore_index=True)
