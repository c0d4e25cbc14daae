"""Reasons carry the right numbers: what a line is worth, what it is there for, what one step of order does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from replenish.optimise.explain import left_out_reasons, line_reasons, marginal_values, price_curve, rule_report
from replenish.optimise.menu import Candidate
from replenish.optimise.model import Problem
from replenish.optimise.solve import solve_menu
from replenish.records import Override
from tests.optimise.worlds import EXACT, candidate, problem, shop


def _reasons(p: Problem, items: list[Candidate] | None = None) -> dict[str, str]:
    by_code = {c.item_code: c for c in items or shop()[0]}
    return line_reasons(p, solve_menu(p, EXACT), by_code)


def test_worth_order_and_price() -> None:
    # Dear apples: 8 · 2.5 − 8 = 12. Nine: −1. Seven: 17.5 − 7 = 10.5, −1.5. Red, left out, is worth 4.8 · 2.5 − 5 = 7.
    assert _reasons(problem(n_max=1)) == {
        "apple": "Worth 12.0 a day by itself (best item left out: 7.0). Order 8 packs, all else kept: 1 pack "
        "less -1.50. Price +25% on 2, top rung."
    }


def test_everything_listed_leaves_nothing_to_compare() -> None:
    text = _reasons(problem(price_index_cap=0.0))
    assert (
        text["red"]
        == "Worth 6.0 a day by itself. Order 6 packs, all else kept: 1 pack less -1.00. Price unchanged, bottom rung."
    )
    assert text["green"].endswith("Price unchanged, top rung.")


def test_line_that_loses_money_says_it_is_there_for_cover() -> None:
    # Red peppers come in boxes of 14, six are sold: 12 − 14 = −2. Peppers are worth 20, 15 of it asked for, and green
    # serves 8: without red 7 are short, at γ = 0.5 worth 3.5, so that red is worth −2 + 3.5 = 1.5.
    items = [candidate("apple"), candidate("red", "pepper", multiple=14.0), candidate("green", "pepper")]
    p = problem(items=items, cover=0.75, cover_penalty=0.5)
    answer = solve_menu(p, EXACT)
    worth = marginal_values(p, answer).set_index("item_code")
    assert worth.loc["red", ["own", "cover", "needed"]].tolist() == [-2.0, 3.5, ""]
    # Apple: without it 15 of fruit are short: 7.5. Green: red alone serves 12, 3 short: 1.5.
    assert worth["cover"].to_dict() == {"apple": 7.5, "red": 3.5, "green": 1.5}
    assert _reasons(p, items)["red"].startswith(
        "Listed for its category's cover: worth -2.0 a day by itself, +3.5 through cover. Order 14 packs, the minimum "
        "display. Price unchanged."
    )
    # The objective agrees: the same plan without red is 1.5 worse.
    without = problem([Override("red", "never_list")], items, cover=0.75, cover_penalty=0.5)
    assert answer.objective - solve_menu(without, EXACT).objective == pytest.approx(1.5)


def test_hard_cover_and_other_rules_are_named() -> None:
    items = [candidate("apple"), candidate("red", "pepper", multiple=20.0)]
    text = _reasons(problem(items=items, cover=0.75, hard_cover=True), items)["red"]
    assert text.startswith(
        "Listed because its category would fall below the required cover without it: worth -8.0 a day by itself."
    )
    text = _reasons(problem(items=items, n_min=2), items)["red"]
    assert text.startswith("Listed because one of the least number of items the shelf must show: worth -8.0 a day")
    text = _reasons(problem([Override("red", "must_list")], items), items)["red"]
    assert text.startswith("Listed because the planner wants it on the shelf: worth -8.0 a day")


def test_price_cut_that_makes_room_in_the_index() -> None:
    # Red at 2.2 raises the index by 12 · 0.1 = 1.2, for which green at 1.6 gives 8 · 0.2 = 1.6 of room. The best plan
    # does without both: dear red earns 6 as before (5.45 of 6 sold), green loses 0.1. The plan with both says so.
    items = [candidate("red", "pepper", (2.0, 2.2)), candidate("green", "pepper", (1.6,), multiple=8.1)]
    p = problem(items=items, price_index_cap=0.0)
    answer = solve_menu(p, EXACT)
    assert set(p.menu.offers.loc[list(answer.chosen), "item_code"]) == {"red"}
    dear = p.menu.offers.query("(item_code == 'red' and price == 2.2) or item_code == 'green'")
    chosen = dear.drop_duplicates("item_code")
    worth = marginal_values(p, replace(answer, chosen=tuple(chosen.index))).set_index("item_code")
    assert worth["needed"].to_dict() == {"red": "", "green": "price_index"}


def test_left_out_items_tell_why() -> None:
    items = [candidate("apple"), candidate("red", "pepper", multiple=20.0), candidate("green", "pepper")]
    full = problem([Override("green", "never_list")], items, n_max=1)
    assert left_out_reasons(full, solve_menu(full, EXACT)) == {
        "green": "kept off the shelf by the planner",
        "red": "would lose 8.0 a day at its best price and order",
    }
    places = problem(n_max=1)
    freely = "(the least of those freely chosen, cover included: 12.0)"
    taken = f"the only shelf place earns more with others {freely}"
    assert left_out_reasons(places, solve_menu(places, EXACT)) == {
        "red": f"worth 7.0 a day by itself; {taken}",
        "green": f"worth 4.0 a day by itself; {taken}",
    }
    money = problem(budget=8.0, n_max=3)
    assert left_out_reasons(money, solve_menu(money, EXACT))["green"].endswith("not together with the other rules")


def _rule(report: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(r for r in report if r["rule"] == name)


def test_rule_report_by_hand() -> None:
    p = problem(n_max=3, n_min=1, cover=0.75, price_index_cap=0.0, budget=20.0, shelf_space=9, max_price_changes=2)
    report = rule_report(p, solve_menu(p, EXACT))
    assert _rule(report, "most listed items") == {
        "rule": "most listed items", "limit": 3.0, "value": 3.0, "binding": True, "note": "",
    }  # fmt: skip
    assert _rule(report, "least listed items")["binding"] is False
    assert (_rule(report, "budget")["value"], _rule(report, "budget")["binding"]) == (20.0, True)
    assert _rule(report, "shelf space")["value"] == 3.0
    assert _rule(report, "price changes")["value"] == 0.0
    assert _rule(report, "cover of pepper")["value"] == 1.0
    assert _rule(report, "price index of fruit") == {
        "rule": "price index of fruit", "limit": 0.0, "value": 0.0, "binding": True, "note": "",
    }  # fmt: skip


def test_price_curve_has_the_best_order_at_every_price() -> None:
    p = problem(n_max=1)
    curve = price_curve(p.menu, solve_menu(p, EXACT)).set_index(["item_code", "price"])
    assert len(curve) == 6
    assert curve.loc[("apple", 2.5), ["order_quantity", "expected_profit", "chosen"]].tolist() == [8.0, 12.0, True]
    assert curve.loc[("apple", 2.0), ["order_quantity", "expected_profit", "chosen"]].tolist() == [10.0, 10.0, False]
    assert curve.loc[("apple", 2.5), "price_ratio"] == 1.25
