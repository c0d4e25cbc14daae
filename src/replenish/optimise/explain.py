"""Why each line is what it is, in the planner's words, and which rules bind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from replenish.optimise.menu import Candidate, Menu
from replenish.optimise.model import Problem
from replenish.records import Solution
from replenish.units import quantity_text


def line_reasons(problem: Problem, solution: Solution, candidates: dict[str, Candidate]) -> dict[str, str]:
    """item_code → reason: why the item is listed, what one step more or less of order does, where the price stands."""
    menu = problem.menu
    chosen = menu.offers.loc[list(solution.chosen)]
    best_out = _best_left_out(menu, set(chosen["item_code"]))
    worth = {str(row["item_code"]): row for row in marginal_values(problem, solution).to_dict("records")}
    out = {}
    for row in chosen.itertuples():
        candidate, value = candidates[str(row.item_code)], worth[str(row.item_code)]
        parts = [
            _listing_reason(value, best_out),
            _order_reason(problem, value, row, candidate),
            _price_reason(row, candidate),
        ]
        out[str(row.item_code)] = " ".join(p for p in parts if p)
    return out


def marginal_values(problem: Problem, solution: Solution) -> pd.DataFrame:
    """What taking each listed item off the shelf, all else kept, would cost; key item_code.

    Columns: category, own (the offer's own value [money]), cover (γ × the shortfall its absence would add [money]),
    needed (the rule its absence would break: least listed items, hard cover, price index, must-list; else empty),
    missing (demand value its category lacks to its cover without it [money]).
    """
    rules, offers = problem.rules, problem.menu.offers.loc[list(solution.chosen)]
    served = offers.groupby("category")["cover_value"].transform("sum").to_numpy(dtype=float)
    rise = offers["index_coefficient"] - float(rules.price_index_cap or 0.0) * offers["index_weight"]
    total = rise.groupby(offers["category"]).transform("sum").to_numpy(dtype=float)
    required = rules.cover * offers["category"].map(problem.menu.category_value).to_numpy(dtype=float)
    without = np.maximum(required - (served - offers["cover_value"].to_numpy(dtype=float)), 0.0)
    added = without - np.maximum(required - served, 0.0)
    cover, hard = problem.active("category_cover"), rules.hard_cover
    breaks = {
        "must_list": offers["item_code"].isin(problem.must_list).to_numpy(),
        "shelf_count_min": np.full(len(offers), problem.active("shelf_count_min") and len(offers) <= rules.n_min),
        "category_cover": (without > 1e-6) & cover & hard,
        "price_index": (total - rise.to_numpy(dtype=float) > 1e-6) & problem.active("price_index"),
    }
    needed = np.full(len(offers), "", dtype=object)
    for name in reversed(breaks):
        needed[breaks[name]] = name
    penalty = rules.cover_penalty if cover and not hard else 0.0
    return pd.DataFrame({
        "item_code": offers["item_code"].to_numpy(), "category": offers["category"].to_numpy(),
        "own": offers["value"].to_numpy(dtype=float), "cover": penalty * added, "needed": needed, "missing": without,
    })  # fmt: skip


def left_out_reasons(problem: Problem, solution: Solution) -> dict[str, str]:
    """item_code → why the item is not on the shelf."""
    menu = problem.menu
    listed = set(menu.offers.loc[list(solution.chosen), "item_code"])
    out = dict(menu.left_out)
    best = menu.offers.groupby("item_code")["value"].max()
    worth = marginal_values(problem, solution)
    free = worth[worth["needed"] == ""]
    weakest = float((free["own"] + free["cover"]).min()) if len(free) else np.nan
    full = problem.active("shelf_count_max") and len(listed) >= (problem.rules.n_max or 0)
    for code, value in zip(best.index, best.to_numpy(dtype=float), strict=True):
        if code not in listed:
            out[str(code)] = _left_out(float(value), weakest, len(listed) if full else None)
    return out


def _left_out(value: float, weakest: float, places: int | None) -> str:
    """`places`: how many shelf places are taken when all are, else none; `weakest`: least worth of a listed item that
    no rule needs, with what it adds to cover."""
    if value < 0:
        return f"would lose {-value:.1f} a day at its best price and order"
    if places is not None and weakest >= value:
        taken = f"the {places} shelf places earn" if places != 1 else "the only shelf place earns"
        least = f"the least of those freely chosen, cover included: {weakest:.1f}"
        return f"worth {value:.1f} a day by itself; {taken} more with others ({least})"
    return f"worth {value:.1f} a day by itself at best, but not together with the other rules"


def _best_left_out(menu: Menu, listed: set[str]) -> float:
    rest = menu.offers[~menu.offers["item_code"].isin(listed)]
    return float(rest["value"].max()) if len(rest) else np.nan


NEEDED_WORDS = {
    "must_list": "the planner wants it on the shelf",
    "shelf_count_min": "one of the least number of items the shelf must show",
    "category_cover": "its category would fall below the required cover without it",
    "price_index": "its lower price makes room for dearer items of its category",
}


def _listing_reason(value: dict[Any, Any], best_out: float) -> str:
    """Worth by itself against the best item left out; a line that does not pay by itself says what it is there for."""
    own, cover, needed = float(value["own"]), float(value["cover"]), str(value["needed"])
    if own >= 0 and not (np.isfinite(best_out) and own < best_out):
        other = f" (best item left out: {best_out:.1f})" if np.isfinite(best_out) else ""
        return f"Worth {own:.1f} a day by itself{other}."
    if cover > 0.05 and own + cover >= 0:
        return f"Listed for its category's cover: worth {own:.1f} a day by itself, {cover:+.1f} through cover."
    if needed:
        more = f" and {cover:+.1f} through cover" if cover > 0.05 else ""
        return f"Listed because {NEEDED_WORDS[needed]}: worth {own:.1f} a day by itself{more}."
    more = f", {cover:+.1f} through cover" if cover > 0.05 else ""
    return f"Worth {own:.1f} a day by itself{more}; together with the other rules no exchange pays more."


def _order_reason(problem: Problem, value: dict[Any, Any], row: Any, c: Candidate) -> str:
    """Objective change of one order step up and down at the same price, its effect on the category's cover included.

    All other lines stay as they are: `line_values` solves the day again instead, and tells other figures.
    """
    offers = problem.menu.offers
    same = offers[(offers["item_code"] == row.item_code) & np.isclose(offers["price"], row.price)]
    soft = problem.active("category_cover") and not problem.rules.hard_cover
    penalty = problem.rules.cover_penalty if soft else 0.0

    def worth(offer_value: Any, cover_value: Any) -> Any:
        return offer_value - penalty * np.maximum(value["missing"] - cover_value, 0.0)

    values = worth(same["value"], same["cover_value"]).set_axis(same["order_quantity"]).sort_index()
    now = worth(row.value, row.cover_value)
    at = int(np.argmin(np.abs(values.index.to_numpy() - row.order_quantity)))
    steps = []
    for name, k in (("more", at + 1), ("less", at - 1)):
        if 0 <= k < len(values):
            size = abs(values.index[k] - row.order_quantity)
            steps.append(f"{quantity_text(size, c.unit)} {name} {round(values.iloc[k] - now, 2) + 0.0:+.2f}")
    display = ", the minimum display" if row.order_quantity <= c.min_display + c.order_multiple - 1e-9 else ""
    change = f", all else kept: {', '.join(steps)}" if steps else ""
    return f"Order {quantity_text(row.order_quantity, c.unit)}{display}{change}."


def _price_reason(row: Any, c: Candidate) -> str:
    rungs = c.ladder.rungs
    change = row.price / c.terms.reference_price - 1
    moved = "unchanged" if abs(change) < 1e-9 else f"{change:+.0%} on {c.terms.reference_price:g}"
    where = ""
    if len(rungs) > 1:
        where = "top rung" if row.price >= rungs[-1] - 1e-9 else "bottom rung" if row.price <= rungs[0] + 1e-9 else ""
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
    if problem.active("supplier_minimum"):
        least = float(rules.min_supplier_order or 0.0)
        spent = offers[offers["supplier"] != ""].groupby("supplier")["spend"].sum()
        out += [_row(f"order of supplier {s}", least, float(v), v < 1.01 * least) for s, v in spent.items()]
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
            out.append(
                _row(f"cover of {category}", rules.cover, cover, short > 1e-6 or cover < rules.cover + 0.01, note)
            )
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
    ).rename(
        columns={
            "demand": "expected_demand",
            "sales": "expected_sales",
            "profit": "expected_profit",
            "value": "objective",
        }
    )
    wanted = ["item_code", "price", "price_ratio", "expected_demand", "order_quantity", "expected_sales",
              "expected_profit", "objective", "chosen"]  # fmt: skip
    return curve[wanted].sort_values(["item_code", "price"], ignore_index=True)
