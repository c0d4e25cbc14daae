"""Category demand by ARIMA with regressors (statsmodels): weekday Fourier terms, holidays; convergence checked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from replenish.forecast.features import PanelMatrix

Array = NDArray[np.float64]
TRAIN_DAYS = 730
MIN_DAYS = 90
# Differenced, so no constant: a constant beside regressors often does not converge.
ORDERS = ((1, 1, 1), (0, 1, 1))
AR_START, MA_START = 0.0, -0.5
MOST_ROUNDS, LEAST_GAIN = 20, 1e-3  # of the log-likelihood


@dataclass(frozen=True)
class CategoryArima:
    """Parameters of one category: `order`, `parameters` (statsmodels order); without parameters see `note`."""

    category: str
    order: tuple[int, int, int]
    parameters: tuple[float, ...]
    note: str = ""


def category_values(m: PanelMatrix) -> pd.DataFrame:
    """Log of daily category demand in money of each item's own price (days × categories); NaN on closed days.

    Money, since kilograms and packs cannot be added.
    """
    paid = m.neutral * m.price_factor(m.price) * m.price
    worth = np.where(np.isfinite(paid), paid, 0.0)
    is_open = m.traffic > 0
    out = {}
    for category in sorted(set(m.category)):
        total = worth[:, m.category == category].sum(1)
        out[category] = np.log(np.where(is_open & (total > 0), total, np.nan))
    return pd.DataFrame(out, index=pd.DatetimeIndex(m.dates, freq="D"))


def regressors(calendar: pd.DataFrame, dates: pd.DatetimeIndex) -> pd.DataFrame:
    """Weekday Fourier terms (three harmonics) and holiday flags of the dates."""
    days = calendar.reindex(dates)
    angle = 2 * np.pi * days["weekday"].to_numpy(dtype=float) / 7
    columns = {f"{name}{k}": f(k * angle) for k in (1, 2, 3) for name, f in (("sin", np.sin), ("cos", np.cos))}
    columns["holiday"] = days["is_holiday"].to_numpy(dtype=float)
    columns["eve"] = (days["days_to_holiday"] == 1).to_numpy(dtype=float)
    columns["after"] = (days["days_since_holiday"] == 1).to_numpy(dtype=float)
    return pd.DataFrame(columns, index=dates)


@contextmanager
def _calm() -> Iterator[None]:
    """No warnings (convergence is checked); one thread: matrices are tiny, waiting threads cost 90 % of the time."""
    with warnings.catch_warnings(), _thread_pools().limit(limits=1):
        warnings.simplefilter("ignore")
        yield


@cache
def _thread_pools() -> ThreadpoolController:
    """The thread pools statsmodels computes with, looked for once: that takes longer than filtering a series."""
    import_module("statsmodels.tsa.statespace.sarimax")
    return ThreadpoolController()


def _model(values: Array, exog: Array | None, order: tuple[int, int, int], **how: bool):  # type: ignore[no-untyped-def]
    """The model of daily values; as arrays, since indexed tables take statsmodels longer than the filter."""
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    return SARIMAX(values, exog=exog, order=order, **how)


def fit_category(category: str, series: pd.Series, calendar: pd.DataFrame) -> CategoryArima:
    """Fitted parameters of one category, or a note why there are none; never raises on a bad series."""
    recent = series.iloc[-TRAIN_DAYS:]
    if recent.notna().sum() < MIN_DAYS or recent.std() < 1e-9:
        return CategoryArima(category, ORDERS[0], (), "too few or constant observations")
    exog = regressors(calendar, pd.DatetimeIndex(recent.index)).to_numpy()
    for order in ORDERS:
        try:
            with _calm():
                parameters = _most_likely(recent.to_numpy(), exog, order)
        except (ValueError, np.linalg.LinAlgError) as error:
            return CategoryArima(category, order, (), f"not estimated: {error}")
        if parameters is not None and np.isfinite(parameters).all():
            return CategoryArima(category, order, tuple(float(v) for v in parameters))
    return CategoryArima(category, ORDERS[-1], (), "did not converge")


def _most_likely(values: Array, exog: Array, order: tuple[int, int, int]) -> Array | None:
    """Maximum-likelihood parameters in statsmodels order: regressors, AR, MA, variance; None without convergence.

    `values` (days) and `exog` (days × regressors).

    In turn until the likelihood stands still: the regressors given the rest (generalised least squares, which the
    Kalman filter does in one pass with them as states), and AR and MA given those (L-BFGS). The information of the two
    is block-diagonal, so two or three rounds end where a joint search over all 13 parameters does, in a fifth of the
    time. A regressor that never moved (no holiday yet) keeps its coefficient 0.
    """
    given = _model(values, exog, order, mle_regression=False, concentrate_scale=True)
    arma, likelihood, converged = np.array([AR_START] * order[0] + [MA_START] * order[2]), -np.inf, False
    for _ in range(MOST_ROUNDS):
        slopes = given.filter(arma, return_ssm=True).filtered_state[-exog.shape[1] :, -1]
        rest = _model(values - exog @ slopes, None, order, concentrate_scale=True)
        fit = rest.fit(start_params=arma, disp=False, maxiter=100, cov_type="none")
        arma, gain, likelihood = fit.params, fit.llf - likelihood, fit.llf
        converged |= bool(fit.mle_retvals["converged"])
        if gain < LEAST_GAIN:
            return np.r_[slopes, arma, fit.scale] if converged else None
    return None


def fit_arima(m: PanelMatrix, until: int) -> list[CategoryArima]:
    """One fit per category on the days before day number `until`."""
    values = category_values(m).iloc[:until]
    return [fit_category(str(c), values[c], m.calendar) for c in values]


def _filtered(m: PanelMatrix, fits: list[CategoryArima], further: int = 0) -> Iterator[tuple[str, Any]]:
    """Categories with a fit, and each one's values through the Kalman filter of statsmodels, with `further` days after
    them of which nothing is known.

    The filter's own results: those of the model add tests and errors that take longer than the filter.
    """
    recent = category_values(m).iloc[-TRAIN_DAYS:]
    days = pd.date_range(recent.index[0], periods=len(recent) + further, freq="D", unit="us")
    values, exog = recent.reindex(days), regressors(m.calendar, days).to_numpy()
    for fit in fits:
        if fit.parameters and fit.category in values:
            with _calm():
                model = _model(values[fit.category].to_numpy(), exog, fit.order)
                yield fit.category, model.filter(np.array(fit.parameters), return_ssm=True)


def past_values(
    m: PanelMatrix, fits: list[CategoryArima], targets: NDArray[np.int64], horizon: int
) -> dict[int, dict[str, Array]]:
    """Forecast money value of each category on the `targets` (day numbers), each made 1 … `horizon` days before.

    Horizon → category → targets; NaN where the origin lies before the data of the fit. Categories without fit are
    left out.
    """
    out: dict[int, dict[str, Array]] = {h: {} for h in range(1, horizon + 1)}
    for category, result in _filtered(m, fits):
        ahead = _ahead(result, horizon)
        place = targets - (len(m.dates) - ahead.shape[1])
        for h in out:
            out[h][category] = np.where(place >= h, ahead[h - 1][np.maximum(place, 0)], np.nan)
    return out


def _ahead(result: Any, horizon: int) -> Array:
    """Forecast values h = 1 … `horizon` days ahead of every observed day (horizons × days), by the state space form.

    Row h − 1, column t: exp(d_t + Z·Tʰ·a + ½·v_h), a being the filtered state of day t − h and v_h the variance of an
    h-step forecast once the filter has settled. The first h columns are NaN.
    """
    transition, design = result.transition[:, :, 0], result.design[:, :, 0].reshape(-1)
    noise = result.selection[:, :, 0] @ result.state_cov[:, :, 0] @ result.selection[:, :, 0].T
    intercept = np.broadcast_to(result.obs_intercept, (1, result.nobs))[0]
    state, spread = result.filtered_state, result.filtered_state_cov[:, :, -1]
    out = np.full((horizon, result.nobs), np.nan)
    for h in range(1, horizon + 1):
        state, spread = transition @ state, transition @ spread @ transition.T + noise
        variance = design @ spread @ design
        out[h - 1, h:] = np.exp(intercept[h:] + (design @ state)[: result.nobs - h] + 0.5 * variance)
    return out


def future_values(m: PanelMatrix, fits: list[CategoryArima], horizon: int) -> pd.DataFrame:
    """Forecast money value of each category for the `horizon` days after the panel; categories without fit left out."""
    dates = pd.date_range(m.dates[-1] + pd.Timedelta(days=1), periods=horizon, unit="us")
    out = {}
    for category, result in _filtered(m, fits, horizon):
        mean, variance = result.forecasts[0, -horizon:], result.forecasts_error_cov[0, 0, -horizon:]
        out[category] = np.exp(mean + 0.5 * variance)
    return pd.DataFrame(out, index=dates)
