"""What a rule is worth, by hand on the shelf of apple and peppers; a change within the gap is called so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from replenish.optimise.model import LIMIT_SETTING, Problem
from replenish.optimise.rule_values import NOT_DISTINGUISHABLE, SHARES, STEPS, rule_values
from replenish.optimise.solve import solve_menu
from replenish.records import Override
from tests.optimise.worlds import EXACT, candidate, problem


def _values(p: Problem) -> dict[str, float]:
    table = rule_values(p, solve_menu(p, EXACT), EXACT).query("category == ''")
    return dict(zip(table["rule"], table["change"], strict=True))


def _by_rule(p: Problem) -> pd.DataFrame:
    """The table by rule and item, such as “list_item apple”."""
    table = rule_values(p, solve_menu(p, EXACT), EXACT)
    return table.set_index((table["rule"] + " " + table["item_code"]).str.strip())


def test_every_rule_with_a_limit_has_a_step() -> None:
    assert STEPS.keys() | SHARES.keys() == LIMIT_SETTING.keys()


@pytest.mark.parametrize(
    ("changes", "rule", "worth"),
    [
        # Dear apples earn 12, dear red peppers 7, green ones 4: the second place is worth 7.
        ({"n_max": 1}, "shelf_count_max", 7.0),
        # Without new tags 10 + 6 + 4; the first goes to the apple: 12.
        ({"max_price_changes": 0}, "price_changes", 2.0),
        # Hard cover 0.9 of 20: 9 apples at 2. With 0.89 it is still nine of them, dear ones sell no more than eight.
        ({"cover": 0.9, "hard_cover": True}, "category_cover", 0.0),
        # … but 0.8 of 20 is sold by eight dear apples, which earn 12 in the place of 10 (0.81 needs 16.2 of them); dear
        # red (9.6) and green peppers (8) cover 17.6 either way.
        ({"cover": 0.81, "hard_cover": True}, "category_cover", 2.0),
        # A hundredth of a budget of 8 buys nothing: packs cost 1.
        ({"budget": 8.0}, "budget", 0.0),
        # A step of the index of 1 % lets nothing of 25 % in.
        ({"price_index_cap": 0.0}, "price_index", 0.0),
        ({"shelf_space": 1.99}, "shelf_space", 7.0),
    ],
)
def test_worth_of_one_step(changes: dict[str, Any], rule: str, worth: float) -> None:
    assert _values(problem(**changes))[rule] == pytest.approx(worth)


def test_least_count_locks_and_left_out_items() -> None:
    # Twenty red peppers for six buyers lose 8: a shelf that must show two lists the apple (10) and them.
    loss = [candidate("apple"), candidate("red", "pepper", multiple=20.0)]
    assert _values(problem(items=loss, n_min=2)) == pytest.approx({"shelf_count_min": 8.0})
    # One place, held for green (4): without the lock the apple takes it (12). Apple and red cannot be listed beside it.
    p = problem([Override("green", "must_list")], n_max=1)
    table = _by_rule(p)
    assert table["change"].to_dict() == pytest.approx(
        {
            "shelf_count_max": 12.0,
            "must_list green": 8.0,
            "list_item apple": float("nan"),
            "list_item red": float("nan"),
        },
        nan_ok=True,
    )
    assert table["verdict"].tolist() == ["worth it", "worth it", "impossible", "impossible"]
    # One place with the apple (12): red in it costs 5, green 8.
    p = problem(n_max=1)
    table = _by_rule(p)
    assert table.loc[["list_item red", "list_item green"], "change"].tolist() == pytest.approx([-5.0, -8.0])
    assert table.loc["list_item red", "verdict"] == "costs"


def test_one_category_alone() -> None:
    # Hard cover 0.81: eight dear apples (16 of 20) would do in fruit alone, worth 2; pepper has cover to spare.
    # A cap of 24 % is one point short of dear apples and dear red peppers (2.5 for 2).
    p = problem(cover=0.81, hard_cover=True)
    alone = rule_values(p, solve_menu(p, EXACT), EXACT).query("category != ''").set_index(["rule", "category"])
    assert alone["change"].to_dict() == pytest.approx(
        {("category_cover", "fruit"): 2.0, ("category_cover", "pepper"): 0.0}
    )
    p = problem(price_index_cap=0.24)
    found = rule_values(p, solve_menu(p, EXACT), EXACT).set_index(["rule", "category"])["change"]
    assert found["price_index", "fruit"] == pytest.approx(2.0)
    assert found["price_index", ""] == pytest.approx(2.0 + found["price_index", "pepper"])


def test_a_change_within_the_proven_gap_is_called_so() -> None:
    p = problem(n_max=1)
    exact = solve_menu(p, EXACT)
    table = rule_values(p, replace(exact, bound=exact.objective + 7.5), EXACT).set_index("rule")
    row = table.loc["shelf_count_max"]
    assert row["verdict"] == NOT_DISTINGUISHABLE  # 7 might be nothing: the old plan was proven to 7.5 only
    assert [row["change"], row["low"], row["high"]] == pytest.approx([7.0, -0.5, 7.0])
