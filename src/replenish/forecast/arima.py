"""Demand of categories by ARIMA with regressors (statsmodels): weekday Fourier terms, holidays; convergence checked.

A member of the composites' blend alone: single items are too restless for it (docs/forecasting.md).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
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
class ArimaFit:
    """Parameters of one series: `order`, `parameters` (statsmodels order); without parameters see `note`."""

    item_code: str
    order: tuple[int, int, int]
    parameters: tuple[float, ...]
    note: str = ""


def log_demand(m: PanelMatrix) -> Array:
    """Logarithm of price-neutral demand, days × items; NaN on days that do not teach and on those without demand."""
    seen = (m.weight > 0) & (m.neutral > 0)
    return np.log(np.where(seen, m.neutral, np.nan))


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


def fit_series(item_code: str, values: Array, exog: Array) -> ArimaFit:
    """Fitted parameters of one series, or a note why there are none; never raises on a bad series.

    `values` (days): `log_demand`; `exog` (days × regressors).
    """
    known = values[np.isfinite(values)]
    if len(known) < MIN_DAYS or known.std() < 1e-9:
        return ArimaFit(item_code, ORDERS[0], (), "too few or constant observations")
    for order in ORDERS:
        try:
            with _calm():
                parameters = _most_likely(values, exog, order)
        except (ValueError, np.linalg.LinAlgError) as error:
            return ArimaFit(item_code, order, (), f"not estimated: {error}")
        if parameters is not None and np.isfinite(parameters).all():
            return ArimaFit(item_code, order, tuple(float(v) for v in parameters))
    return ArimaFit(item_code, ORDERS[-1], (), "did not converge")


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


def fit_arima(m: PanelMatrix, until: int) -> list[ArimaFit]:
    """One fit per series of the panel on the last two years before day number `until`."""
    days = np.arange(max(until - TRAIN_DAYS, 0), until)
    values, exog = log_demand(m)[days], regressors(m.calendar, m.dates[days]).to_numpy()
    return [fit_series(code, values[:, k], exog) for k, code in enumerate(m.item_codes)]


def arima_forecasts(m: PanelMatrix, fits: list[ArimaFit], origins: Mapping[int, NDArray[np.int64]]) -> dict[int, Array]:
    """Price-neutral forecasts per horizon, each origins × items; `origins`: horizon → day numbers.

    NaN for items without a fit and from origins more than two years before the end of the panel.
    """
    out = {h: np.full((len(days), len(m.item_codes)), np.nan) for h, days in origins.items()}
    first = max(len(m.dates) - TRAIN_DAYS, 0)
    for item, result in _filtered(m, fits, first, max(origins)):
        ahead = _ahead(result, max(origins))
        for h, days in origins.items():
            out[h][:, item] = np.where(days >= first, ahead[h - 1][np.maximum(days + h - first, 0)], np.nan)
    return out


def _filtered(m: PanelMatrix, fits: list[ArimaFit], first: int, further: int) -> Iterator[tuple[int, Any]]:
    """Items with a fit (position in the panel) and their values from day number `first` on through the Kalman filter
    of statsmodels, with `further` days after them of which nothing is known.

    The filter's own results: those of the model add tests and errors that take longer than the filter.
    """
    days = pd.date_range(m.dates[first], m.dates[-1] + pd.Timedelta(days=further), unit="us")
    values = np.vstack([log_demand(m)[first:], np.full((further, len(m.item_codes)), np.nan)])
    exog, place = regressors(m.calendar, days).to_numpy(), {code: k for k, code in enumerate(m.item_codes)}
    for fit in fits:
        if fit.parameters and fit.item_code in place:
            item = place[fit.item_code]
            with _calm():
                model = _model(values[:, item], exog, fit.order)
                yield item, model.filter(np.array(fit.parameters), return_ssm=True)


def _ahead(result: Any, horizon: int) -> Array:
    """Forecasts h = 1 … `horizon` days ahead for every day of the filter (horizons × days), by the state space form.

    Row h − 1, column t: exp(d_t + Z·Tʰ·a + ½·Z·V·Zᵀ), a being the filtered state of day t − h and V its variance h
    days on: P → T·P·Tᵀ + Q each day. The first h columns are NaN.
    """
    transition, design = result.transition[:, :, 0], result.design[:, :, 0].reshape(-1)
    noise = (result.selection[:, :, 0] @ result.state_cov[:, :, 0] @ result.selection[:, :, 0].T)[:, :, None]
    intercept = np.broadcast_to(result.obs_intercept, (1, result.nobs))[0]
    state, spread = result.filtered_state, result.filtered_state_cov
    out = np.full((horizon, result.nobs), np.nan)
    for h in range(1, horizon + 1):
        state = transition @ state
        spread = np.einsum("ij,jkt,lk->ilt", transition, spread, transition) + noise
        variance = np.einsum("i,ijt,j->t", design, spread, design)
        out[h - 1, h:] = np.exp(intercept[h:] + (design @ state + 0.5 * variance)[: result.nobs - h])
    return out
