"""ARIMA of composites: a fallback with a note for series that cannot be fitted, and sensible forecasts otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.statespace.sarimax import SARIMAX

from replenish.forecast.arima import (
    TRAIN_DAYS,
    ArimaFit,
    arima_forecasts,
    fit_arima,
    fit_series,
    log_demand,
    regressors,
)  # fmt: skip
from replenish.forecast.features import PanelMatrix, future_calendar
from tests.forecast.shop import matrix, noisy_demand, poisoned

DAYS = pd.date_range("2022-01-03", periods=200, unit="us", freq="D")
CALENDAR = future_calendar(DAYS[0], DAYS[-1], "CN", None)
LEAFY = "leafy (kg)"


def composite(days: int, items: int = 4, until: int | None = None) -> PanelMatrix:
    """A shop whose one series is the sum of some items' demand; `until`: its first days only."""
    return matrix(noisy_demand(days, items)[:until].sum(1, keepdims=True))


def exog_of(m: PanelMatrix, dates: pd.DatetimeIndex | None = None) -> np.ndarray:
    return regressors(m.calendar, m.dates if dates is None else dates).to_numpy()


@pytest.mark.parametrize(
    "values",
    [np.full(200, 3.0), np.full(200, np.nan), np.r_[np.full(150, np.nan), np.arange(50.0)], np.arange(200.0)[:20]],
    ids=["constant", "all missing", "mostly missing", "short"],
)
def test_series_that_cannot_be_fitted_leave_a_note(values: np.ndarray):
    fit = fit_series(LEAFY, values, regressors(CALENDAR, DAYS[: len(values)]).to_numpy())
    assert fit.parameters == ()
    assert "too few or constant" in fit.note


def test_a_half_year_without_holidays_is_fitted_all_the_same():
    """Regressors that never moved must not become holes in the design matrix."""
    rng = np.random.default_rng(0)
    plain = CALENDAR.assign(is_holiday=False, days_to_holiday=14, days_since_holiday=14)
    fit = fit_series(LEAFY, 5 + rng.normal(0, 0.2, 200), regressors(plain, DAYS).to_numpy())
    assert fit.note == ""
    assert np.isfinite(fit.parameters).all()


def test_days_that_do_not_teach_or_sell_nothing_are_missing():
    weight = np.array([[1.0, 1.0], [0.0, 1.0], [0.5, 1.0]])
    m = matrix(np.array([[2.0, 3.0], [5.0, 0.0], [1.0, 1.0]]), price=1.0, weight=weight)
    np.testing.assert_allclose(log_demand(m), np.log([[2, 3], [np.nan, np.nan], [1, 1]]))


def test_forecasts_follow_the_weekday_and_see_nothing_later():
    m = composite(210, 6)
    fits = fit_arima(m, 180)
    assert fits[0].parameters, fits[0].note
    assert fits == fit_arima(poisoned(m, 179), 180)
    last = np.array([209])
    ahead = {(209 + h) % 7: q.item() for h, q in arima_forecasts(m, fits, dict.fromkeys(range(1, 8), last)).items()}
    assert ahead[5] > 1.2 * ahead[0], "Saturday and Monday (day 0 is one), drawn as 1.25 against 0.85"
    past = arima_forecasts(m, fits, {1: np.arange(179, 209)})[1]
    actual = m.neutral[180:]
    assert np.abs(past - actual).sum() / actual.sum() < 0.25, "noise of six items: about 0.2"


def test_fitting_in_turn_ends_where_a_joint_search_over_all_parameters_does():
    """Twelve parameters at once by L-BFGS of statsmodels: the same likelihood, and the same regressors to 0.001."""
    m = composite(210, 6)
    values = np.where(np.arange(210) % 40 != 13, log_demand(m)[:, 0], np.nan)
    fit = fit_series(LEAFY, values, exog_of(m))
    joint = SARIMAX(values, exog=exog_of(m), order=fit.order).fit(disp=False, maxiter=200)
    assert joint.model.loglike(np.array(fit.parameters)) == pytest.approx(joint.llf, abs=0.01)
    slopes = exog_of(m).shape[1]
    np.testing.assert_allclose(fit.parameters[:slopes], joint.params[:slopes], atol=1e-3)


def by_statsmodels(m: PanelMatrix, fit: ArimaFit) -> Any:
    """Results of the fitted model with all that statsmodels makes of it."""
    return SARIMAX(log_demand(m)[:, 0], exog=exog_of(m), order=fit.order).filter(np.array(fit.parameters))


@pytest.mark.parametrize("until", [200, 193])
def test_forecasts_are_those_of_statsmodels(until: int):
    """From the last evening, and from one a week earlier of a panel that knows the days after it."""
    whole, known = composite(200), composite(200, until=until)
    fits = fit_arima(whole, 190)
    found = arima_forecasts(whole, fits, {h: np.array([until - 1]) for h in range(1, 8)})
    days = pd.date_range(known.dates[-1] + pd.Timedelta(days=1), periods=7, unit="us")
    expected = by_statsmodels(known, fits[0]).get_forecast(7, exog=exog_of(known, days))
    values = np.exp(expected.predicted_mean + 0.5 * expected.var_pred_mean)
    np.testing.assert_allclose([q.item() for q in found.values()], values, rtol=1e-9)


def test_past_forecasts_of_a_day_do_not_know_the_days_in_between():
    m = composite(150)
    fits = fit_arima(m, 120)
    origins = {h: np.arange(120, 150) - h for h in (1, 2, 3)}
    clean, dirty = (arima_forecasts(x, fits, origins) for x in (m, poisoned(m, 140)))
    for h in origins:
        np.testing.assert_allclose(clean[h][: 20 + h], dirty[h][: 20 + h])
        assert not np.allclose(clean[h][21 + h :], dirty[h][21 + h :])


def test_series_without_a_fit_and_days_before_the_filter_have_no_forecast():
    m = composite(TRAIN_DAYS + 30)
    fits = fit_arima(m, TRAIN_DAYS)
    found = arima_forecasts(m, fits, {1: np.array([29, 30, 31])})[1]
    np.testing.assert_array_equal(np.isfinite(found), [[False], [True], [True]])
    without = [ArimaFit(m.item_codes[0], (1, 1, 1), (), "did not converge"), replace(fits[0], item_code="sold no more")]
    assert np.isnan(arima_forecasts(m, without, {1: np.array([31])})[1]).all()
