"""Exponential smoothing against statsmodels and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from replenish.forecast.smoothing import Smoothing, _levels, fit_smoothing, smoothed_levels, smoothing_forecast
from tests.forecast.shop import matrix, noisy_demand, poisoned


@pytest.mark.parametrize("alpha", [0.1, 0.4])
def test_same_levels_as_statsmodels(alpha: float):
    """Complete series, no weekday effect, after the first 1/α days: from then on the step is α."""
    from statsmodels.tsa.holtwinters import SimpleExpSmoothing

    m = matrix(noisy_demand(120, 1), elasticity=-1e-12)
    levels = _levels(m, np.ones((7, 1)), np.array([alpha]), 120)[:, 0]
    start = int(np.ceil(1 / alpha))
    model = SimpleExpSmoothing(m.neutral[start:, 0], initialization_method="known", initial_level=levels[start - 1])
    expected = model.fit(smoothing_level=alpha, optimized=False)
    np.testing.assert_allclose(levels[start:-1], expected.fittedvalues[1:])


def test_first_days_are_averaged_and_days_that_do_not_teach_change_nothing():
    demand = np.array([[4.0], [8.0], [99.0], [6.0]])
    weight = np.array([[1.0], [1.0], [0.0], [1.0]])
    m = matrix(demand, elasticity=-1e-12, weight=weight)
    levels = _levels(m, np.ones((7, 1)), np.array([0.1]), 4)[:, 0]
    np.testing.assert_allclose(levels, [4, 6, 6, 6])


def test_forecast_is_level_times_index_of_the_target_weekday():
    m = matrix(np.full((28, 1), 10.0), elasticity=-1e-12)
    week = np.array([[0.5, 1, 1, 1, 1, 1, 1.5]]).T
    fitted = Smoothing(m.item_codes, np.array([0.1]), week)
    levels = np.full((28, 1), 10.0)
    sunday = np.array([27])
    assert smoothing_forecast(m, fitted, levels, sunday, 1).item() == pytest.approx(5)
    assert smoothing_forecast(m, fitted, levels, sunday, 7).item() == pytest.approx(15)


def test_weekday_index_of_an_exact_pattern():
    week = np.array([0.5, 1, 1, 1, 1, 1, 1.5])
    m = matrix(10 * np.resize(week, 364)[:, None] * np.ones((1, 2)))
    np.testing.assert_allclose(fit_smoothing(m, 364).weekday, np.column_stack([week, week]), atol=1e-9)


def test_fit_uses_nothing_from_the_day_on_and_levels_nothing_later():
    m = matrix(noisy_demand(150, 3))
    clean, dirty = fit_smoothing(m, 100), fit_smoothing(poisoned(m, 99), 100)
    np.testing.assert_array_equal(clean.weekday, dirty.weekday)
    np.testing.assert_array_equal(clean.alpha, dirty.alpha)
    np.testing.assert_array_equal(smoothed_levels(m, clean)[:100], smoothed_levels(poisoned(m, 99), clean)[:100])


def test_degenerate_items_do_not_break_the_others():
    demand = noisy_demand(90, 4)
    weight = np.ones((90, 4))
    demand[:, 1], weight[:, 2] = 0, 0
    weight[:89, 3] = 0
    m = matrix(demand, weight=weight)
    fitted = fit_smoothing(m, 90)
    ahead = smoothing_forecast(m, fitted, smoothed_levels(m, fitted), np.array([89]), 1)[0]
    assert np.isfinite(fitted.weekday).all()
    assert ahead[0] > 0
    assert ahead[1] == 0
    assert np.isnan(ahead[2]), "never taught"
    assert ahead[3] > 0, "one observation"


def test_an_item_unknown_to_the_fit_takes_the_usual_index():
    m = matrix(noisy_demand(90, 3))
    fitted = fit_smoothing(m, 90)
    known = Smoothing(fitted.item_codes[:2], fitted.alpha[:2], fitted.weekday[:, :2])
    ahead = smoothing_forecast(m, known, smoothed_levels(m, known), np.array([89]), 1)
    assert np.isfinite(ahead).all()
