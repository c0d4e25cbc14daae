"""One item, one day: worked by hand, and units that balance whatever happens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from replenish.optimise.ageing import DayDecision, aged_day
from replenish.optimise.outcome import ItemTerms, Outcome, day_outcome
from tests.optimise.worlds import terms


def _day(order: float, demand: float, price: float, cost: float, what: ItemTerms) -> Outcome:
    return day_outcome(np.array(order), np.array(demand), price, np.array(cost), what)


def _numbers(out: Outcome) -> dict[str, float]:
    return {name: float(getattr(out, name)) for name in Outcome.__dataclass_fields__}


def test_more_than_is_asked_for_is_cleared_and_wasted() -> None:
    # Usable 0.9 · 20 = 18; S₀ = min(18, 10) = 10; M = min(8, 0.5 · 10) = 5; S = 10 − 0.4 · 5 = 8; W = 18 − 8 − 5 = 5.
    # Profit = 4 · 8 + 0.6 · 4 · 5 − 2 · 20 − 0.5 · 5 = 32 + 12 − 40 − 2.5 = 1.5.
    what = terms(4.0, loss_rate=0.1, clearance_share=0.5, discount=0.4, cannibalisation=0.4, disposal_cost=0.5)
    found = _numbers(_day(20, 10, 4.0, 2.0, what))
    wanted = {"sales": 8, "clearance": 5, "waste": 5, "carried_on": 0, "lost": 0, "profit": 1.5}
    assert found == pytest.approx(wanted)


def test_less_than_is_asked_for_is_sold_out() -> None:
    # Usable 0.9 · 10 = 9 of 12 wanted: 9 sold, 3 lost, nothing left. Profit = 4 · 9 − 2 · 10 = 16, goodwill not in it.
    what = terms(4.0, loss_rate=0.1, clearance_share=0.5, discount=0.4, cannibalisation=0.4, goodwill=1.0)
    found = _numbers(_day(10, 12, 4.0, 2.0, what))
    assert found == pytest.approx({"sales": 9, "clearance": 0, "waste": 0, "carried_on": 0, "lost": 3, "profit": 16.0})


def test_clearance_takes_no_more_than_is_left() -> None:
    # Usable 11, S₀ = 10, one unit left, M = min(1, 5) = 1; S = 10 − 0.4 = 9.6; W = 11 − 9.6 − 1 = 0.4.
    found = _numbers(_day(11, 10, 4.0, 2.0, terms(4.0, clearance_share=0.5, discount=0.5, cannibalisation=0.4)))
    assert (found["sales"], found["clearance"], found["waste"]) == pytest.approx((9.6, 1.0, 0.4))
    # 4 · 9.6 + 2 · 1 − 22 = 18.4: with φ = 0.4 and half price, clearing one unit earns 2 − 1.6 = 0.4.
    assert found["profit"] == pytest.approx(18.4)


def test_what_keeps_is_carried_on_and_not_cleared() -> None:
    # Usable 8 + 3 carried over = 11, 6 sold, 5 carried on at 1.6 each: 4 · 6 − 2 · 8 + 1.6 · 5 = 16.
    what = terms(4.0, clearance_share=0.5, discount=0.5, keeps=True, carried_over=3.0, carry_value=1.6)
    found = _numbers(_day(8, 6, 4.0, 2.0, what))
    assert found == pytest.approx({"sales": 6, "clearance": 0, "waste": 0, "carried_on": 5, "lost": 0, "profit": 16.0})


def test_what_is_in_its_last_day_is_cleared_or_wasted_though_the_item_keeps() -> None:
    # Usable 8 + 3 carried over, 6 sold of the fresh 8: 2 fresh are carried on at 1.6; of the 3 old, m·D = 0.25 · 6 =
    # 1.5 go at half price, of whose buyers 0.4 · 1.5 = 0.6 would have paid 4: S = 5.4, W = 3 − 0.6 · 1.5 = 2.1.
    what = terms(
        4.0, clearance_share=0.25, discount=0.5, cannibalisation=0.4, keeps=True, carried_over=3.0, expiring=3.0,
        carry_value=1.6, disposal_cost=1.0,
    )  # fmt: skip
    found = _numbers(_day(8, 6, 4.0, 2.0, what))
    # 4 · 5.4 + 2 · 1.5 − 16 − 2.1 + 1.6 · 2 = 9.7.
    wanted = {"sales": 5.4, "clearance": 1.5, "waste": 2.1, "carried_on": 2.0, "lost": 0.0, "profit": 9.7}
    assert found == pytest.approx(wanted)


shares = st.floats(0, 0.95)
amounts = st.floats(0, 500)


@given(
    order=amounts, demand=amounts, price=st.floats(0.1, 100), cost=st.floats(0, 50), loss=shares, m=shares, d=shares,
    phi=st.floats(0, 1), over=amounts, keeps=st.booleans(),
)  # fmt: skip
def test_units_balance_and_nothing_is_negative(
    order: float, demand: float, price: float, cost: float, loss: float, m: float, d: float, phi: float, over: float,
    keeps: bool,
) -> None:  # fmt: skip
    what: Any = terms(
        price, loss_rate=loss, clearance_share=m, discount=d, cannibalisation=phi, carried_over=over, keeps=keeps
    )
    found = _numbers(_day(order, demand, price, cost, what))
    usable = (1 - loss) * order + over
    used = found["sales"] + found["clearance"] + found["waste"] + found["carried_on"]
    assert used == pytest.approx(usable, abs=1e-6)
    assert min(found[k] for k in ("sales", "clearance", "waste", "carried_on", "lost")) >= -1e-9
    # Everybody who wanted the full price was served, bought on clearance, or went home without.
    served = found["sales"] + phi * found["clearance"]
    assert served + found["lost"] == pytest.approx(demand, abs=1e-6)


def test_orders_and_scenarios_broadcast() -> None:
    orders, demand, cost = np.array([[2.0, 5.0, 9.0]]), np.array([[3.0], [6.0]]), np.array([[1.0], [1.0]])
    out = day_outcome(orders, demand, 2.0, cost, terms())
    assert out.profit.tolist() == [[2, 1, -3], [2, 5, 3]]


@given(
    demand=st.lists(amounts, min_size=1, max_size=6), order=amounts, m=shares, phi=st.floats(0, 1), over=amounts,
)  # fmt: skip
def test_two_days_of_life_are_the_ageing_day(
    demand: list[float], order: float, m: float, phi: float, over: float
) -> None:
    what = terms(
        3.0, loss_rate=0.1, clearance_share=m, discount=0.4, cannibalisation=phi, disposal_cost=0.5, carried_over=over,
        keeps=True, carry_value=0.7, expiring=over,
    )  # fmt: skip
    wanted, cost = np.array(demand), np.full(len(demand), 1.5)
    day = day_outcome(np.array(order), wanted, 2.5, cost, what)
    aged, _ = aged_day([np.full_like(wanted, over)], DayDecision(order, 2.5), wanted, cost, what, 2)
    for name in Outcome.__dataclass_fields__:
        np.testing.assert_allclose(getattr(day, name), getattr(aged, name), atol=1e-7, err_msg=name)
