"""Category ARIMA: a fallback with a note for every series that cannot be fitted, and sensible forecasts otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.statespace.sarimax import SARIMAX

from replenish.forecast.arima import (
    MIN_DAYS,
    CategoryArima,
    category_values,
    fit_arima,
    fit_category,
    future_values,
    past_values,
    regressors,
)  # fmt: skip
from replenish.forecast.features import PanelMatrix, future_calendar
from tests.forecast.shop import matrix, noisy_demand, poisoned

DAYS = pd.date_range("2022-01-03", periods=200, unit="us", freq="D")
CALENDAR = future_calendar(DAYS[0], DAYS[-1], "CN", None)


@pytest.mark.parametrize(
    "values",
    [np.full(200, 3.0), np.full(200, np.nan), np.r_[np.full(150, np.nan), np.arange(50.0)], np.arange(200.0)[:20]],
    ids=["constant", "all missing", "mostly missing", "short"],
)
def test_series_that_cannot_be_fitted_leave_a_note(values: np.ndarray):
    fit = fit_category("leafy", pd.Series(values, index=DAYS[: len(values)]), CALENDAR)
    assert fit.parameters == ()
    assert "too few or constant" in fit.note


def test_a_half_year_without_holidays_is_fitted_all_the_same():
    """Regressors that never moved must not become holes in the design matrix."""
    rng = np.random.default_rng(0)
    plain = CALENDAR.assign(is_holiday=False, days_to_holiday=14, days_since_holiday=14)
    fit = fit_category("leafy", pd.Series(5 + rng.normal(0, 0.2, 200), index=DAYS), plain)
    assert fit.note == ""
    assert np.isfinite(fit.parameters).all()


def test_category_values_are_money_and_missing_on_closed_days():
    m = matrix(np.array([[2.0, 3.0], [0.0, 0.0], [1.0, 1.0]]), price=np.array([[5.0, 10.0]]))
    m.traffic[1] = 0
    values = category_values(m)["leafy"]
    np.testing.assert_allclose(values, [np.log(2 * 5 + 3 * 10), np.nan, np.log(15)])


def test_forecasts_follow_the_weekday_and_see_nothing_later():
    m = matrix(noisy_demand(210, 6))
    fits = fit_arima(m, 180)
    (fit,) = fits
    assert fit.parameters, fit.note
    assert fits == fit_arima(poisoned(m, 179), 180)
    ahead = future_values(m, fits, 7)["leafy"]
    assert ahead.index[0] == m.dates[-1] + pd.Timedelta(days=1)
    saturday, monday = ahead[ahead.index.day_of_week == 5].item(), ahead[ahead.index.day_of_week == 0].item()
    assert saturday > 1.2 * monday, "drawn as 1.25 against 0.85"
    targets = np.arange(180, 210)
    past = past_values(m, fits, targets, 1)[1]["leafy"]
    actual = np.exp(category_values(m)["leafy"].iloc[-30:])
    assert np.abs(past - actual).sum() / actual.sum() < 0.25, "noise of six items: about 0.2"


def test_fitting_in_turn_ends_where_a_joint_search_over_all_parameters_does():
    """Twelve parameters at once by L-BFGS of statsmodels: the same likelihood, and the same regressors to 0.001."""
    m = matrix(noisy_demand(210, 6))
    series = category_values(m)["leafy"].where(np.arange(210) % 40 != 13)
    fit = fit_category("leafy", series, m.calendar)
    exog = regressors(m.calendar, pd.DatetimeIndex(series.index))
    joint = SARIMAX(series, exog=exog, order=fit.order, freq="D").fit(disp=False, maxiter=200)
    assert joint.model.loglike(np.array(fit.parameters)) == pytest.approx(joint.llf, abs=0.01)
    slopes = exog.shape[1]
    np.testing.assert_allclose(fit.parameters[:slopes], joint.params.iloc[:slopes], atol=1e-3)


def by_statsmodels(m: PanelMatrix, fit: CategoryArima) -> Any:
    """Results of the fitted model with all that statsmodels makes of it."""
    series = category_values(m)["leafy"]
    exog = regressors(m.calendar, pd.DatetimeIndex(series.index))
    return SARIMAX(series, exog=exog, order=fit.order, freq="D").filter(np.array(fit.parameters))


def test_forecasts_are_those_of_statsmodels():
    m = matrix(noisy_demand(200, 4))
    (fit,) = fits = fit_arima(m, 200)
    ahead = future_values(m, fits, 7)["leafy"]
    expected = by_statsmodels(m, fit).get_forecast(7, exog=regressors(m.calendar, pd.DatetimeIndex(ahead.index)))
    np.testing.assert_allclose(ahead, np.exp(expected.predicted_mean + 0.5 * expected.var_pred_mean), rtol=1e-9)


def test_past_forecasts_are_those_of_statsmodels():
    """One step ahead the in-sample prediction, seven steps ahead the forecast of a panel that ends a week earlier.

    Equal but for the variance in the mean of a lognormal, which is that of the last day: 1e-5.
    """
    m = matrix(noisy_demand(200, 4))
    fits = fit_arima(m, 180)
    past = past_values(m, fits, np.arange(190, 200), 7)
    one = by_statsmodels(m, fits[0]).get_prediction(start=190)
    np.testing.assert_allclose(past[1]["leafy"], np.exp(one.predicted_mean + 0.5 * one.var_pred_mean), rtol=1e-4)
    earlier = matrix(noisy_demand(200, 4)[:193])
    ahead = future_values(earlier, fits, 7)["leafy"]
    np.testing.assert_allclose([past[h]["leafy"][2 + h] for h in range(1, 8)], ahead, rtol=1e-4)


def test_past_forecasts_of_a_day_do_not_know_the_days_in_between():
    m = matrix(noisy_demand(150, 4))
    fits = fit_arima(m, 120)
    targets = np.arange(120, 150)
    clean, dirty = (past_values(x, fits, targets, 3) for x in (m, poisoned(m, 140)))
    for h in (1, 2, 3):
        np.testing.assert_allclose(clean[h]["leafy"][: 20 + h], dirty[h]["leafy"][: 20 + h])
    assert MIN_DAYS <= 120
