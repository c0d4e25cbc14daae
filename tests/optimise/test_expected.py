"""Expectations of many offers at once: the means of the day played scenario by scenario."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from replenish.optimise.expected import Demand, expected_outcomes
from replenish.optimise.outcome import SOLD_OUT, Outcome, day_outcome
from tests.optimise.worlds import terms

shares = st.floats(0, 0.95)
amounts = st.floats(0, 500)


@given(
    demand=st.lists(amounts, min_size=1, max_size=12), order=st.lists(amounts, min_size=1, max_size=4), loss=shares,
    m=shares, over=amounts, keeps=st.booleans(), old=st.sampled_from((0.0, 0.3, 1.0)), passed_on=shares,
)  # fmt: skip
def test_expectations_are_the_means_over_the_scenarios(
    demand: list[float], order: list[float], loss: float, m: float, over: float, keeps: bool, old: float,
    passed_on: float,
) -> None:  # fmt: skip
    what = terms(
        3.0, loss_rate=loss, clearance_share=m, discount=0.4, cannibalisation=0.4, disposal_cost=0.5, carried_over=over,
        keeps=keeps, carry_value=0.7, expiring=old * over,
    )  # fmt: skip
    price, n = np.array([2.5, 4.0]), len(demand)
    total = np.array([demand, demand]) * np.array([[1.0], [0.7]])
    first, cost = (1 - passed_on) * total, np.linspace(1.0, 2.0, n)
    missed, met = np.linspace(0.0, 0.9, n), np.linspace(0.4, 0.1, n)
    orders, rung = np.array([*order, *order]), np.repeat([0, 1], len(order))
    found = expected_outcomes(orders, rung, Demand(price, total, first, missed, met), float(cost.mean()), what)

    every = day_outcome(orders[:, None], total[rung], price[rung][:, None], cost, what)
    for name in Outcome.__dataclass_fields__:
        wanted = getattr(every, name).mean(1)
        np.testing.assert_allclose(getattr(found.outcome, name), wanted, atol=1e-6, err_msg=name)
    usable = ((1 - loss) * orders + over)[:, None]
    np.testing.assert_allclose(found.sold_out, (total[rung] > usable + SOLD_OUT).mean(1))
    here = np.minimum(first[rung], usable)
    np.testing.assert_allclose(found.forgone, (missed * (first[rung] - here) + met * here).mean(1), atol=1e-6)
    np.testing.assert_allclose(found.value, found.outcome.profit - found.forgone)
