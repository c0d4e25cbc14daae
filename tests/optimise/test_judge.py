"""Judging by hand: expectations of a line, the shop's own definition of profit, and the standard error of a mean."""

from __future__ import annotations

import numpy as np
import pytest

from replenish.optimise.judge import Line, judge, standard_error
from tests.optimise.worlds import candidate, scenarios

TWO_DAYS = np.array(["2023-06-01", "2023-06-02"] * 2, dtype="datetime64[D]")


def test_line_judged_by_hand() -> None:
    # Order 6, loss 0, cost 1, price 2; demand 4 or 8. Profit 2 or 6; sold 4 or 6; sold out in one of two.
    # The shop sees revenue − cost of what was sold: 4 or 6.
    item = candidate("apple")
    found = judge([Line(item, 2.0, 6.0)], scenarios({"apple": [4, 8]}, {"apple": 1.0}))
    row = found.lines.iloc[0]
    assert (row["expected_sales"], row["expected_waste"], row["expected_profit"]) == (5, 1, 4)
    assert (row["expected_demand"], row["revenue"], row["sell_out_probability"]) == (6, 10, 0.5)
    assert (row["profit_q10"], row["profit_q90"]) == pytest.approx((2.4, 5.6))
    assert found.profit.tolist() == [2, 6]
    assert found.shop_profit.tolist() == [4, 6]
    assert found.expected() == 4
    assert found.range_80() == pytest.approx((2.4, 5.6))


def test_shop_definition_pays_the_loss_of_what_was_sold() -> None:
    # Loss 20 %: order 10 gives 8. All sold at 2: 16 − 1/0.8 · 8 = 6, and really 16 − 10 = 6. Only 4 sold: 8 − 5 = 3
    # for the shop, which does not see the rest, and really 8 − 10 = −2.
    item = candidate("apple", loss_rate=0.2)
    found = judge([Line(item, 2.0, 10.0)], scenarios({"apple": [8, 4]}, {"apple": 1.0}))
    assert found.shop_profit == pytest.approx([6, 3])
    assert found.profit == pytest.approx([6, -2])


def test_nothing_listed() -> None:
    found = judge([], scenarios({"apple": [4, 8]}, {"apple": 1.0}))
    assert found.expected() == 0
    assert found.lines.empty


def test_standard_error_of_two_days_by_hand() -> None:
    # Day means 10 and 20: the mean of two days has the standard error √(((−5)² + 5²)/(2 − 1))/√2 = 5.
    values = np.array([9.0, 20.0, 11.0, 20.0])
    assert standard_error(values, TWO_DAYS) == pytest.approx(5.0, rel=0.1)
    # More scenarios of the same two days do not make the days more.
    assert standard_error(np.tile(values, 50), np.tile(TWO_DAYS, 50)) == pytest.approx(5.0, rel=0.1)
    assert standard_error(np.full(4, 7.0), TWO_DAYS) == 0.0


def test_standard_error_of_many_days_is_the_textbook_one() -> None:
    values = np.random.default_rng(1).normal(100, 30, 120)
    days = np.datetime64("2023-01-01") + np.arange(120)
    assert standard_error(values, days) == pytest.approx(values.std(ddof=1) / np.sqrt(120), rel=0.08)
    assert standard_error(values, days, seed=5) == standard_error(values, days, seed=5)


def test_one_day_tells_nothing_about_its_error() -> None:
    assert np.isnan(standard_error(np.array([1.0, 2.0]), TWO_DAYS[[0, 0]]))
