"""What another price or order of a line costs, by hand on the shelf of apple and peppers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from replenish.optimise.line_values import line_values
from replenish.optimise.menu import build_menu
from replenish.optimise.model import Problem
from replenish.optimise.solve import solve_menu
from replenish.records import Override
from tests.optimise.worlds import EXACT, candidate, problem, rules, scenarios


def _steps(p: Problem, *items: str) -> dict[tuple[str, str], Any]:
    table = line_values(p, solve_menu(p, EXACT), EXACT, items)
    return {(row["item_code"], row["step"]): row["change"] for row in table.to_dict("records")}


def test_next_prices_and_orders_and_leaving_it_out() -> None:
    # Eight apples at 2.5 earn 12; at 2 ten earn 10; a ninth at 2.5 costs 1, seven lose 1.5 of margin.
    assert _steps(problem(), "apple") == pytest.approx(
        {("apple", "at 2"): -2.0, ("apple", "order 7"): -1.5, ("apple", "not listed"): -12.0}
    )


def test_steps_are_said_with_their_units() -> None:
    p = problem()
    table = line_values(p, solve_menu(p, EXACT), EXACT, ["apple"], {"apple": "pack"}, "RMB")
    assert list(table["step"]) == ["at 2 RMB a pack", "order 7 packs", "not listed"]


def test_other_lines_follow() -> None:
    # One price tag may change. The apple has it (+2); at its old price the red pepper takes it: it sells 4.8 at 2.5,
    # so five earn 12 − 5 = 7 instead of 6. Keeping the apple's price costs 2 − 1.
    found = _steps(problem(max_price_changes=1), "apple")
    assert found["apple", "at 2"] == pytest.approx(-1.0)


def test_an_item_that_must_be_listed_is_not_left_out() -> None:
    p = problem([Override("apple", "must_list")])
    assert ("apple", "not listed") not in _steps(p)
    assert {code for code, _ in _steps(p)} == {"apple", "red", "green"}


def test_with_a_weight_on_bad_days() -> None:
    # Two apples for 2 or 10 buyers are worth 2 either way; three earn 3 or 1: mean 2, worst half 1.
    chosen = rules(risk_weight=0.5, risk_level=0.5)
    items, draws = [candidate("apple", display=2.0)], scenarios({"apple": [10.0, 2.0]}, {"apple": 1.0})
    found = _steps(Problem(build_menu(items, draws, chosen), chosen))
    assert found["apple", "order 3"] == pytest.approx(0.5 * np.mean([3, 1]) + 0.5 * 1 - 2)
