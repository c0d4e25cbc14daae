"""The gain split by hand: each decision replaced after every other, averaged; the parts add up."""

from __future__ import annotations

import numpy as np
import pytest

from replenish.optimise.judge import Line, day_profit, judge
from replenish.optimise.split import mixed_lines, split_gain
from tests.optimise.worlds import candidate, scenarios

APPLE, PEAR, PLUM = candidate("apple"), candidate("pear"), candidate("plum")
BASELINE = [Line(APPLE, 2.0, 10.0), Line(PLUM, 2.0, 1.0)]
PLAN = [Line(APPLE, 2.5, 8.0), Line(PEAR, 2.5, 4.0)]
USUAL = [Line(APPLE, 9.0, 9.0), Line(PEAR, 2.0, 5.0)]


def _lines(*taken: str) -> list[tuple[str, float, float]]:
    lines = mixed_lines(PLAN, BASELINE, USUAL, frozenset(taken))
    return [(x.candidate.item_code, x.price, x.order_quantity) for x in lines]


def test_lines_of_mixed_decisions() -> None:
    assert _lines() == [("apple", 2.0, 10.0), ("plum", 2.0, 1.0)]
    assert _lines("assortment", "price", "orders") == [("apple", 2.5, 8.0), ("pear", 2.5, 4.0)]
    # The plum is not in the plan and keeps its price and order; the pear alone takes those of the usual rule.
    assert _lines("price") == [("apple", 2.5, 10.0), ("plum", 2.0, 1.0)]
    assert _lines("orders") == [("apple", 2.0, 8.0), ("plum", 2.0, 1.0)]
    assert _lines("assortment") == [("apple", 2.0, 10.0), ("pear", 2.0, 5.0)]
    assert _lines("assortment", "price") == [("apple", 2.5, 10.0), ("pear", 2.5, 5.0)]


def test_split_by_hand() -> None:
    # Demand at 2: 10 apples, 5 pears, 1 plum; at 2.5: 8 and 4. Each costs 1. Profits by decisions taken:
    # none 10 + 1 = 11; price 8·2.5 − 10 + 1 = 11; orders 16 − 8 + 1 = 9; price, orders 12 + 1 = 13;
    # assortment 10 + 5 = 15; with price 10 + (4·2.5 − 5) = 15; with orders 8 + 4 = 12; all 12 + 6 = 18.
    draws = scenarios({"apple": [10.0] * 2, "pear": [5.0] * 2, "plum": [1.0] * 2}, dict.fromkeys(
        ("apple", "pear", "plum"), 1.0))  # fmt: skip
    parts = split_gain(lambda taken: day_profit(mixed_lines(PLAN, BASELINE, USUAL, taken), draws))
    # Assortment: 4 first, 4 after price, 3 after orders, 5 last: (2·4 + 4 + 3 + 2·5)/6.
    assert parts["assortment"] == pytest.approx(25 / 6)
    # Price: 0 first, 0 after assortment, 4 after orders, 6 last.
    # Orders: −2 first, −3 after assortment, 2 after price, 3 last.
    assert parts["price"] == pytest.approx((2 * 0 + 0 + 4 + 2 * 6) / 6)
    assert parts["orders"] == pytest.approx((2 * -2 - 3 + 2 + 2 * 3) / 6)
    gain = judge(PLAN, draws).profit - judge(BASELINE, draws).profit
    np.testing.assert_allclose(sum(parts.values()), gain)
    assert gain == pytest.approx(18 - 11)
