"""Theta against statsmodels and by hand."""

from __future__ import annotations

import numpy as np

from replenish.forecast.smoothing import Smoothing, smoothed_levels
from replenish.forecast.theta import theta_forecasts, trend_slopes
from tests.forecast.shop import matrix

ORIGINS = {h: np.array([299]) for h in (1, 3, 7)}


def test_same_forecasts_as_statsmodels():
    """300 complete days of level that wanders, with the α statsmodels finds; by then the first days are forgotten."""
    from statsmodels.tsa.forecasting.theta import ThetaModel

    rng = np.random.default_rng(3)
    demand = 200 + np.cumsum(rng.normal([0.5, -0.5], 3, (300, 2)), axis=0) + rng.normal(0, 3, (300, 2))
    fits = [ThetaModel(demand[:, k], period=7, deseasonalize=False).fit() for k in (0, 1)]
    alpha = np.array([fit.params["alpha"] for fit in fits])
    assert (alpha > 0.2).all()
    m = matrix(demand, elasticity=-1e-12)
    fitted = Smoothing(m.item_codes, alpha, np.ones((7, 2)))
    ours = theta_forecasts(m, fitted, smoothed_levels(m, fitted), ORIGINS)
    for k, fit in enumerate(fits):
        np.testing.assert_allclose([ours[h][0, k] for h in ORIGINS], fit.forecast(7).to_numpy()[[0, 2, 6]], rtol=1e-6)
    assert abs(ours[7][0, 0] - ours[1][0, 0]) > 0.5, "there is a trend to follow"


def test_slopes_by_hand():
    """2 a day more; the second item was off the shelf every other day; the third was hardly ever seen."""
    weight = np.ones((60, 3))
    weight[::2, 1], weight[:50, 2] = 0, 0
    m = matrix(10 + 2.0 * np.arange(60)[:, None] * np.ones((1, 3)), elasticity=-1e-12, weight=weight)
    slopes = trend_slopes(m, np.ones((7, 3)))
    np.testing.assert_allclose(slopes[-1], [2, 2, 0], atol=1e-9)
    assert slopes[20, 0] == 0, "21 days are too few"


def test_a_falling_trend_stops_at_zero_and_an_unknown_item_stays_unknown():
    weight = np.ones((60, 2))
    weight[:, 1] = 0
    m = matrix(np.maximum(118 - 2.0 * np.arange(60), 0)[:, None] * np.ones((1, 2)), elasticity=-1e-12, weight=weight)
    fitted = Smoothing(m.item_codes, np.full(2, 0.5), np.ones((7, 2)))
    ahead = theta_forecasts(m, fitted, smoothed_levels(m, fitted), {7: np.array([59])})[7][0]
    assert ahead[0] == 0
    assert np.isnan(ahead[1])
