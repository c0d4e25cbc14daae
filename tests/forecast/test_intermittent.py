"""TSB smoothing by hand, and which items are intermittent."""

from __future__ import annotations

import numpy as np
import pytest

from replenish.forecast.intermittent import ALPHA_CHANCE, ALPHA_QUANTITY, intermittent, tsb_forecasts, tsb_levels
from replenish.forecast.smoothing import Smoothing
from tests.forecast.shop import matrix, poisoned


def plain(m) -> Smoothing:  # type: ignore[no-untyped-def]
    return Smoothing(m.item_codes, np.full(len(m.item_codes), 0.1), np.ones((7, len(m.item_codes))))


def test_first_days_by_hand():
    """4, nothing, 8, not on offer: chance 1, ½, ⅔, ⅔; quantity 4, 4, (4 + 8) ÷ 2, 6."""
    m = matrix(np.array([[4.0], [0.0], [8.0], [99.0]]), elasticity=-1e-12, weight=np.array([[1.0], [1], [1], [0]]))
    np.testing.assert_allclose(tsb_levels(m, plain(m))[:, 0], [4, 2, 4, 4])


def test_later_days_by_hand():
    """Forty days of 5, then nothing, then 15: the chance falls to 0.9, both rise by a tenth of the surprise."""
    m = matrix(np.r_[np.full(40, 5.0), 0.0, 15.0][:, None], elasticity=-1e-12)
    levels = tsb_levels(m, plain(m))[-3:, 0]
    assert (ALPHA_CHANCE, ALPHA_QUANTITY) == (0.1, 0.1)
    np.testing.assert_allclose(levels, [5, 0.9 * 5, (0.9 + 0.1 * 0.1) * (5 + 0.1 * 10)])


def test_a_dead_item_is_forgotten():
    """Croston's method would go on forecasting 5."""
    m = matrix(np.r_[np.full(40, 5.0), np.zeros(40)][:, None], elasticity=-1e-12)
    assert tsb_forecasts(m, plain(m), {3: np.array([79])})[3].item() == pytest.approx(5 * 0.9**40)


def test_items_that_sell_every_other_day_are_intermittent():
    demand = np.ones((120, 3))
    demand[::2, 1] = 0
    demand[::10, 2] = 0
    m = matrix(demand)
    assert intermittent(m, 120).tolist() == [False, True, False]
    np.testing.assert_array_equal(intermittent(m, 60), intermittent(poisoned(m, 59), 60))


def test_never_taught_items_have_no_forecast_and_are_not_intermittent():
    m = matrix(np.ones((30, 1)), weight=np.zeros((30, 1)))
    assert np.isnan(tsb_levels(m, plain(m))).all()
    assert not intermittent(m, 30).any()
