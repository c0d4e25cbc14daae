"""Every rule of the model shown holding and broken; a rule without a test here fails the suite."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo
import pytest

from replenish.optimise import constraints
from replenish.optimise.menu import build_menu
from replenish.optimise.model import Problem, build_model, worst_scenarios
from replenish.optimise.solve import solve_menu
from replenish.records import Override
from tests.optimise.worlds import EXACT, candidate, problem, rules, scenarios


def _model(chosen: Iterable[tuple[str, float, float]], problem: Problem, **short: float) -> Any:
    """The model with the offers (item, price, order) taken and nothing else."""
    model = build_model(problem, problem.menu.offers)
    keys = problem.menu.offers.set_index(["item_code", "price", "order_quantity"]).index
    wanted = set(chosen)
    assert wanted <= set(keys)
    for m, key in zip(problem.menu.offers.index, keys, strict=True):
        model.x[m].set_value(1 if key in wanted else 0)
    for category in model.CATEGORIES:
        model.short[category].set_value(short.get(str(category), 0.0), skip_validation=True)
    return model


def _broken(model: Any) -> list[str]:
    """Names of the constraints and bounds the values break."""
    rows = [c for c in model.component_data_objects(pyo.Constraint) if c.slack() < -1e-9]
    bounds = [v for v in model.component_data_objects(pyo.Var) if v.ub is not None and pyo.value(v) > v.ub + 1e-9]
    return [c.name for c in [*rows, *bounds]]


APPLE, APPLE_DEAR = ("apple", 2.0, 10.0), ("apple", 2.5, 8.0)
RED, RED_DEAR, GREEN, GREEN_CHEAP = ("red", 2.0, 6.0), ("red", 2.5, 4.0), ("green", 2.0, 4.0), ("green", 1.6, 4.0)


def test_every_rule_has_a_test() -> None:
    own = [n for n, f in inspect.getmembers(constraints, inspect.isfunction) if f.__module__ == constraints.__name__]
    rules = [name for name in own if not name.startswith("_")]
    assert len(rules) == 13
    missing = [name for name in rules if f"test_{name}" not in globals()]
    assert not missing, f"no test for {missing}"


def test_offers_per_item() -> None:
    assert _broken(_model([APPLE], problem())) == []
    assert _broken(_model([APPLE, APPLE_DEAR], problem())) == ["offers_per_item[apple]"]


def test_shelf_count_min() -> None:
    rule = problem(n_min=2)
    assert _broken(_model([APPLE, RED], rule)) == []
    assert _broken(_model([APPLE], rule)) == ["shelf_count_min"]


def test_shelf_count_max() -> None:
    rule = problem(n_max=1)
    assert _broken(_model([APPLE], rule)) == []
    assert _broken(_model([APPLE, RED], rule)) == ["shelf_count_max"]


def test_category_cover() -> None:
    # Pepper demand is worth 2 · 6 + 2 · 4 = 20, of which 0.75, 15, are asked for; red serves 12, so 3 are short.
    soft = problem(cover=0.75)
    assert _broken(_model([APPLE, RED, GREEN], soft)) == []
    assert _broken(_model([APPLE, RED], soft)) == ["category_cover[pepper]"]
    assert _broken(_model([APPLE, RED], soft, pepper=3.0)) == []
    assert _broken(_model([APPLE, RED], soft, pepper=2.9)) == ["category_cover[pepper]"]
    # With hard cover the shortfall is not there to be bought.
    hard = problem(cover=0.75, hard_cover=True)
    assert _broken(_model([APPLE, RED, GREEN], hard)) == []
    assert _broken(_model([APPLE, RED], hard, pepper=3.0)) == ["short[pepper]"]


def test_category_cover_of_a_category_nobody_can_serve() -> None:
    rule = problem([Override("red", "never_list"), Override("green", "never_list")], cover=0.75, hard_cover=True)
    assert _broken(_model([APPLE], rule)) == ["category_cover[pepper]"]


def test_price_index() -> None:
    # Red at 2.5: 12 · 0.25 = +3. Green at 1.6: 8 · (−0.2) = −1.6. Together +1.4 over 20 is 7 %.
    none, some = problem(price_index_cap=0.0), problem(price_index_cap=0.07)
    assert _broken(_model([APPLE, RED, GREEN_CHEAP], none)) == []
    assert _broken(_model([RED_DEAR, GREEN_CHEAP], none)) == ["price_index[pepper]"]
    assert _broken(_model([RED_DEAR, GREEN_CHEAP], some)) == []
    assert _broken(_model([RED_DEAR, GREEN], some)) == ["price_index[pepper]"]
    # An item that is not listed gives no room.
    assert _broken(_model([RED_DEAR], some)) == ["price_index[pepper]"]


def test_budget() -> None:
    assert _broken(_model([APPLE, RED], problem(budget=16.0))) == []
    assert _broken(_model([APPLE, RED], problem(budget=15.9))) == ["budget"]


def test_shelf_space() -> None:
    assert _broken(_model([APPLE, RED], problem(shelf_space=2.0))) == []
    assert _broken(_model([APPLE, RED], problem(shelf_space=1.5))) == ["shelf_space"]


def test_price_changes() -> None:
    rule = problem(max_price_changes=1)
    assert _broken(_model([APPLE, RED, GREEN_CHEAP], rule)) == []
    assert _broken(_model([APPLE, RED_DEAR, GREEN_CHEAP], rule)) == ["price_changes"]
    assert _broken(_model([APPLE, RED], problem(max_price_changes=0))) == []


def test_must_list() -> None:
    rule = problem([Override("green", "must_list")])
    assert _broken(_model([GREEN_CHEAP], rule)) == []
    assert _broken(_model([APPLE], rule)) == ["must_list[green]"]


def _supplied() -> Problem:
    """The shop where both peppers come from one supplier of whom at least 8 of money must be bought, if anything."""
    plain = problem(min_supplier_order=8.0)
    offers = plain.menu.offers.assign(supplier=["" if c == "apple" else "farm" for c in plain.menu.offers["item_code"]])
    return replace(plain, menu=replace(plain.menu, offers=offers))


def test_supplier_minimum() -> None:
    both, red, none = (_model(chosen, _supplied()) for chosen in ([RED, GREEN], [RED], [APPLE]))
    for model in (both, red):
        model.used["farm"].set_value(1)
    none.used["farm"].set_value(0)
    assert _broken(both) == []  # 6 + 4 at a cost of 1
    assert _broken(red) == ["supplier_minimum[farm]"]
    assert _broken(none) == []


def test_supplier_used() -> None:
    model = _model([RED, GREEN], _supplied())
    model.used["farm"].set_value(1)
    assert _broken(model) == []
    model.used["farm"].set_value(0)
    assert _broken(model) == ["supplier_used[green]", "supplier_used[red]"]


def _risky() -> Problem:
    """One apple, 10 sold on a good day and 2 on a bad one; half of the days count as the worst, with weight 0.5."""
    items = [candidate("apple")]
    chosen = rules(risk_weight=0.5, risk_level=0.5)
    menu = build_menu(items, scenarios({"apple": [10.0, 2.0]}, {"apple": 1.0}), chosen)
    return Problem(menu, chosen)


def test_tail_value() -> None:
    # Ten apples earn 20 − 10 on the good day and 4 − 10 on the bad one: mean 2, worst half −6.
    model = build_model(_risky(), _risky().menu.offers, tails=[np.array([0.0, 1.0])])
    for m, order in _risky().menu.offers["order_quantity"].items():
        model.x[m].set_value(int(order == 10))
    model.short["fruit"].set_value(0.0)
    model.tail.set_value(-6.0)
    assert _broken(model) == []
    model.tail.set_value(-5.9)
    assert _broken(model) == ["tail_value[1]"]
    model.tail.set_value(2.1)
    assert _broken(model) == ["tail_value[0]", "tail_value[1]"]
    model.tail.set_value(-6.0)
    assert pyo.value(model.objective) == pytest.approx(0.5 * 2 - 0.5 * 6)


def test_weights_of_the_worst_scenarios() -> None:
    # A third of seven scenarios: the worst two count 3/7 each, the third worst has the rest, 1/7.
    weights = worst_scenarios(np.array([5.0, 1.0, 9.0, 3.0, 2.0, 8.0, 7.0]), 2 / 3)
    np.testing.assert_allclose(weights, [0, 3 / 7, 0, 1 / 7, 3 / 7, 0, 0])


def test_risk_prefers_the_careful_order() -> None:
    # n apples (2 ≤ n ≤ 10) earn n on the good day and 4 − n on the bad one: always 2 on average, but worse and worse
    # on the bad day. With any weight on it two apples are best, without all orders are equal.
    answer = solve_menu(_risky(), EXACT)
    assert _risky().menu.offers.loc[list(answer.chosen), "order_quantity"].tolist() == [2.0]
    assert answer.objective == pytest.approx(2.0)


def test_total_value() -> None:
    # Apple earns 2 · 10 − 10 = 10, red 2 · 6 − 6 = 6; 3 of pepper cover are short at 0.5 each: 16 − 1.5 = 14.5.
    model = _model([APPLE, RED], problem(cover=0.75, cover_penalty=0.5), pepper=3.0)
    assert pyo.value(model.objective) == pytest.approx(14.5)


def test_rules_switched_off_are_not_in_the_model() -> None:
    free = build_model(problem(), problem().menu.offers)
    assert {c.name for c in free.component_objects(pyo.Constraint)} == {"offers_per_item"}
    everything = Problem(
        problem().menu,
        problem(n_min=1, n_max=2, cover=0.5, price_index_cap=0.0, budget=9, shelf_space=3, max_price_changes=1).rules,
        relaxed=frozenset({"budget", "price_index"}),
    )
    names = {c.name for c in build_model(everything, everything.menu.offers).component_objects(pyo.Constraint)}
    assert names == {
        "offers_per_item", "shelf_count_min", "shelf_count_max", "category_cover", "shelf_space", "price_changes",
    }  # fmt: skip


def test_model_over_part_of_the_menu() -> None:
    whole = problem(cover=0.75, price_index_cap=0.0)
    part: pd.DataFrame = whole.menu.offers[whole.menu.offers["item_code"] == "apple"]
    model = build_model(whole, part, relaxed=True)
    assert list(model.ITEMS) == ["apple"]
    assert list(model.price_index) == ["fruit"]  # no pepper offer, no pepper prices
    assert list(model.category_cover) == ["fruit", "pepper"]  # but its cover is still short
    assert model.x[part.index[0]].domain is pyo.NonNegativeReals
