"""No plan: the rules that collide are named, and the least change of each that would do, by hand."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from replenish.errors import InfeasiblePlanError, SolverError
from replenish.optimise.infeasible import RULE_WORDS, colliding_rules, relaxations, with_locks_named
from replenish.optimise.model import Problem
from replenish.optimise.solve import plan_if_any, solve_menu
from replenish.records import Override
from tests.optimise.worlds import EXACT, menu_of, problem, rules


@pytest.mark.parametrize(
    ("locks", "changes", "names"),
    [
        ((), {"n_min": 4}, ("shelf_count_min",)),
        ((), {"n_min": 3, "budget": 2.5}, ("shelf_count_min", "budget")),
        ((), {"n_min": 2, "shelf_space": 1.0, "budget": 100}, ("shelf_count_min", "shelf_space")),
        (("apple", "red"), {"n_max": 1, "budget": 100}, ("shelf_count_max", "must_list")),
        ((), {"cover": 0.9, "hard_cover": True, "budget": 17.0, "n_max": 3}, ("category_cover", "budget")),
        ((), {"cover": 0.9, "hard_cover": True, "n_max": 2, "budget": 50}, ("shelf_count_max", "category_cover")),
    ],
)
def test_colliding_rules_are_named(locks: tuple[str, ...], changes: dict[str, Any], names: tuple[str, ...]) -> None:
    p = problem([Override(code, "must_list") for code in locks], **changes)
    with pytest.raises(InfeasiblePlanError) as caught:
        solve_menu(p, EXACT)
    assert caught.value.rules == names
    for name in names:
        assert RULE_WORDS[name] in str(caught.value)
    assert "3 items can be offered" in str(caught.value)
    assert caught.value.exit_code == 4


def test_locked_price_against_the_index() -> None:
    p = problem([Override("apple", "price", 2.5), Override("apple", "must_list")], price_index_cap=0.0, n_max=3)
    with pytest.raises(InfeasiblePlanError) as caught:
        solve_menu(p, EXACT)
    assert caught.value.rules == ("price_index", "must_list")


def test_must_list_without_an_offer_says_why() -> None:
    p = problem([Override("apple", "must_list"), Override("apple", "max_order", 0.5)], n_min=1)
    with pytest.raises(InfeasiblePlanError, match=r"apple \(no order fits the planner's bounds\)") as caught:
        solve_menu(p, EXACT)
    assert caught.value.rules == ("must_list",)


def test_hard_cover_of_a_category_that_cannot_be_offered() -> None:
    p = problem([Override("red", "never_list"), Override("green", "never_list")], cover=0.5, hard_cover=True)
    with pytest.raises(InfeasiblePlanError) as caught:
        solve_menu(p, EXACT)
    assert caught.value.rules == ("category_cover",)


def test_empty_menu_blames_no_rule() -> None:
    p = problem([Override(code, "never_list") for code in ("apple", "red", "green")], cover=0.5, n_max=2)
    with pytest.raises(
        InfeasiblePlanError, match="No item can be offered: kept off the shelf by the planner"
    ) as caught:
        solve_menu(p, EXACT)
    assert caught.value.rules == ()


def test_rules_already_relaxed_are_not_blamed() -> None:
    p = problem(n_min=4, budget=0.5)
    p = Problem(p.menu, p.rules, relaxed=frozenset({"budget"}))
    assert colliding_rules(p, EXACT) == ("shelf_count_min",)


# ---------------------------------------------------------------- what would do


def _would_do(p: Problem) -> dict[str, float]:
    """change → profit."""
    return {r.change: r.profit for r in relaxations(p, colliding_rules(p, EXACT), EXACT, plan_if_any)}


@pytest.mark.parametrize(
    ("locks", "changes", "would_do"),
    [
        # Three items can be offered: 12 + 7 + 4.2 at 2.5 (green has 1.6 and 2: 4).
        ((), {"n_min": 4}, {"n_min 4 → 3": 23.0}),
        # Two units of money buy two dear items: 1.5 each. Three items need three: 4.5 − 1 (green costs 1, sells at 2).
        ((), {"n_min": 3, "budget": 2.0}, {"n_min 3 → 2": 3.0, "budget 2 → 3": 1.5 + 1.5 + 1.0}),
        # Each item takes one place: one place holds the apple, two hold apple and red.
        ((), {"n_min": 2, "shelf_space": 1.0}, {"n_min 2 → 1": 12.0, "shelf_space 1 → 2": 19.0}),
        # Without one of the locks the other item is listed alone.
        (("apple", "red"), {"n_max": 1}, {
            "n_max 1 → 2": 19.0, "no must-list lock on red": 12.0, "no must-list lock on apple": 7.0,
        }),
        # 0.9 of a demand value of 20 takes 9 apples and 9 peppers, 18 of money: 9 + 6 + 3 = 18. With 17 it is 8 of one:
        # cover 16 of 20. Then 8 apples, 5 red and 4 green ones, dear but the green: 12 + 7 + 4.
        ((), {"cover": 0.9, "hard_cover": True, "budget": 17.0}, {"budget 17 → 18": 18.0, "cover 0.9 → 0.8": 23.0}),
        # Both peppers are needed for 0.9; red alone covers 0.6.
        ((), {"cover": 0.9, "hard_cover": True, "n_max": 2}, {"n_max 2 → 3": 20.0, "cover 0.9 → 0.6": 18.0}),
    ],
)  # fmt: skip
def test_the_least_change_of_each_rule(locks: tuple[str, ...], changes: dict[str, Any], would_do: Any) -> None:
    p = problem([Override(code, "must_list") for code in locks], **changes)
    assert _would_do(p) == pytest.approx(would_do)


def test_locked_prices_against_index_and_price_tags() -> None:
    locks = [Override("apple", "price", 2.5), Override("apple", "must_list")]
    # The apple alone raises the index of fruit by 25 %. With it red may be dear too: 12 + 7 + 4; without it 6 + 4.
    p = problem(locks, price_index_cap=0.0)
    assert _would_do(p) == pytest.approx({"price_index_cap 0 → 0.25": 23.0, "no must-list lock on apple": 10.0})
    # Two locked new prices, one new tag allowed.
    locks += [Override("red", "price", 2.5), Override("red", "must_list")]
    p = problem(locks, max_price_changes=1)
    assert _would_do(p) == pytest.approx({
        "max_price_changes 1 → 2": 23.0, "no must-list lock on red": 16.0, "no must-list lock on apple": 11.0,
    })  # fmt: skip


def test_a_supplier_asks_for_less() -> None:
    offers = [{"item_code": "a", "category": "g", "value": 3.0, "profit": 3.0, "spend": 4.0, "supplier": "s"}]
    p = Problem(menu_of(offers, {"g": 1.0}), rules(n_min=1, min_supplier_order=5.0))
    assert colliding_rules(p, EXACT) == ("shelf_count_min", "supplier_minimum")
    assert _would_do(p) == {"min_supplier_order 5 → 4": 3.0}  # a shelf of none is no plan worth proposing


def test_the_error_says_what_would_do_or_that_no_single_change_does() -> None:
    with pytest.raises(InfeasiblePlanError, match=r"n_min 4 → 3 would do \(profit 23\)\.$") as error:
        solve_menu(problem(n_min=4), EXACT)
    told = ({"rule": "shelf_count_min", "change": "n_min 4 → 3", "profit": pytest.approx(23)},)
    assert error.value.relaxations == told
    assert pickle.loads(pickle.dumps(error.value)).relaxations == told  # as it comes from the solver's process
    # The apple has no order within its bounds; without its lock the cover of both categories is still out of reach.
    locks = [Override("red", "never_list"), Override("green", "never_list"), Override("apple", "must_list")]
    with pytest.raises(InfeasiblePlanError, match="No change of one of them alone would do"):
        solve_menu(problem([*locks, Override("apple", "max_order", 0.5)], cover=0.5, hard_cover=True), EXACT)


def test_the_lock_in_the_way_is_named() -> None:
    # Apples locked at 2.5 with no room in the index, and listed by force: either lock away, and there is a plan. The
    # lock on red is in nobody's way.
    locks = [
        Override("apple", "price", 2.5, "李", "supplier's campaign"), Override("apple", "must_list"),
        Override("red", "order", 3.0, "王"),
    ]  # fmt: skip

    def pose(given: list[Override]) -> Problem:
        return problem(given, price_index_cap=0.0)

    with pytest.raises(InfeasiblePlanError) as error:
        solve_menu(pose(locks), EXACT)
    named = with_locks_named(error.value, locks, pose, EXACT)
    assert "Without any one of these locks there is a plan: item apple: 李’s price lock at 2.5" in str(named)
    assert "(supplier's campaign); item apple: the must-list lock." in str(named)
    assert "王" not in str(named)
    assert named.rules == error.value.rules == ("price_index", "must_list")


def test_a_change_whose_best_plan_is_not_found_in_time_is_still_told() -> None:
    def late(*_: object) -> None:
        raise SolverError("no plan in time")

    found = relaxations(problem(n_min=4), ("shelf_count_min",), EXACT, late)
    assert [(r.change, np.isnan(r.profit)) for r in found] == [("n_min 4 → 3", True)]


def test_nothing_on_offer_is_no_matter_of_the_rules() -> None:
    banned = [Override(code, "never_list") for code in ("apple", "red", "green")]
    with pytest.raises(InfeasiblePlanError, match="No item can be offered: kept off the shelf by the planner"):
        solve_menu(problem(banned, n_min=2), EXACT)
