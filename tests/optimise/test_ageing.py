"""Stock of several ages: by hand over two and three days, and in agreement with the one-day formula."""

from __future__ import annotations

import numpy as np
import pytest

from replenish.optimise.ageing import DayDecision, aged_day, aged_path
from replenish.optimise.outcome import day_outcome
from tests.optimise.worlds import terms

OFF = DayDecision(0.0, float("nan"))


def _demand(*values: float) -> list[np.ndarray]:
    return [np.array([v]) for v in values]


def test_freshest_sells_first_and_the_oldest_is_cleared() -> None:
    # Life 2. Day 1: 10 for 6 buyers, 4 stay. Day 2: 5 fresh and 4 old for 7 buyers: 5 fresh and 2 old are sold, of the
    # 2 left 0.2 · 7 = 1.4 go at half price; 0.5 of those 1.4 would have paid in full: waste 2 − 0.7 = 1.3.
    item = terms(clearance_share=0.2, discount=0.5, cannibalisation=0.5, disposal_cost=1.0, carry_value=0.8)
    days = [DayDecision(10.0, 2.0), DayDecision(5.0, 2.0)]
    one, two = aged_path(days, _demand(6, 7), _demand(1, 1), [item, item], 2)
    assert (one.sales[0], one.carried_on[0], one.waste[0], one.lost[0]) == (6.0, 4.0, 0.0, 0.0)
    assert one.profit[0] == pytest.approx(6 * 2 - 10)  # what is kept is not yet money
    assert two.sales[0] == pytest.approx(7 - 0.7)
    assert two.clearance[0] == pytest.approx(1.4)
    assert two.waste[0] == pytest.approx(1.3)
    assert two.carried_on[0] == 0.0
    assert two.profit[0] == pytest.approx(2 * 6.3 + 1 * 1.4 - 5 - 1.3)


def test_three_days_of_age_and_a_day_off_the_shelf() -> None:
    # Life 3: of 10 bought on day 1 none is sold on day 2 (off the shelf); on day 3 the 4 left are in their last day.
    item = terms(carry_value=0.5)
    days = [DayDecision(10.0, 2.0), OFF, DayDecision(3.0, 2.0)]
    one, two, three = aged_path(days, _demand(6, 9, 5), _demand(1, 1, 1), [item] * 3, 3)
    assert two.profit[0] == 0
    assert (two.sales[0], two.carried_on[0], two.lost[0]) == (0.0, 4.0, 0.0)
    assert (three.sales[0], three.waste[0], three.carried_on[0]) == (5.0, 2.0, 0.0)
    assert one.carried_on[0] == 4.0


def test_only_the_last_day_counts_what_is_kept() -> None:
    item = terms(carry_value=0.5, carried_over=2.0)
    days = [DayDecision(10.0, 2.0), DayDecision(10.0, 2.0)]
    one, two = aged_path(days, _demand(6, 6), _demand(1, 1), [item, item], 2)
    assert (one.waste[0], one.carried_on[0]) == (2.0, 4.0)  # the stock from before is a day old and wasted tonight
    assert one.profit[0] == pytest.approx(12 - 10)
    assert (two.waste[0], two.carried_on[0]) == (4.0, 4.0)
    assert two.profit[0] == pytest.approx(12 - 10 + 0.5 * 4)


def test_one_day_of_life_is_the_one_day_formula() -> None:
    rng = np.random.default_rng(1)
    item = terms(loss_rate=0.1, clearance_share=0.2, discount=0.4, cannibalisation=0.4, disposal_cost=0.3)
    demand, cost = rng.gamma(2, 4, 50), rng.uniform(0.5, 1.5, 50)
    found, left = aged_day([], DayDecision(9.0, 2.3), demand, cost, item, 1)
    expected = day_outcome(np.array(9.0), demand, 2.3, cost, item)
    assert left == []
    for name in ("sales", "clearance", "waste", "carried_on", "lost", "profit"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-12)
