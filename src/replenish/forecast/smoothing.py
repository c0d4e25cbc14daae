"""Batched simple exponential smoothing with weekday indices, for all items of a store at once; also the fallback."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replenish.forecast.features import PanelMatrix

Array = NDArray[np.float64]
ALPHAS = (0.03, 0.06, 0.1, 0.15, 0.25, 0.4)
INDEX_DAYS = 365
INDEX_PRIOR_WEEKS = 26.0
ERROR_PRIOR_DAYS = 60.0
LEAST_INDEX = 0.05


@dataclass(frozen=True)
class Smoothing:
    """Fitted parameters: `alpha` per item, `weekday` index (7 × items, mean about 1)."""

    item_codes: tuple[str, ...]
    alpha: Array
    weekday: Array


def fit_smoothing(m: PanelMatrix, until: int) -> Smoothing:
    """Weekday indices and smoothing constants from the first `until` days of the panel.

    The index of an item is shrunk to its category's; α minimises the one-step squared error relative to the item's own
    scale, with the category's mean error as `ERROR_PRIOR_DAYS` pseudo-days.
    """
    weekday = _weekday_index(m, until)
    errors = np.stack([_one_step_error(m, weekday, alpha, until) for alpha in ALPHAS])
    days = (m.weight[:until] > 0).sum(0)
    pooled = errors.copy()
    for category in np.unique(m.category):
        mine = m.category == category
        mean = (errors[:, mine] * days[mine]).sum(1) / max(days[mine].sum(), 1)
        pooled[:, mine] = (errors[:, mine] * days[mine] + ERROR_PRIOR_DAYS * mean[:, None]) / (
            days[mine] + ERROR_PRIOR_DAYS
        )
    return Smoothing(m.item_codes, np.array(ALPHAS)[pooled.argmin(0)], weekday)


def _weekday_index(m: PanelMatrix, until: int) -> Array:
    """Index of each weekday (7 × items): demand relative to the item's mean, shrunk to the category's."""
    start = max(0, until - INDEX_DAYS)
    z, w, days = m.neutral[start:until], m.weight[start:until], m.dates[start:until].day_of_week.to_numpy()
    mean = (z * w).sum(0) / np.maximum(w.sum(0), 1e-9)
    total = np.stack([(z * w)[days == d].sum(0) for d in range(7)]) / np.maximum(mean, 1e-9)
    mass = np.stack([w[days == d].sum(0) for d in range(7)])
    index = np.ones((7, len(m.item_codes)))
    for category in np.unique(m.category):
        mine = m.category == category
        group = total[:, mine].sum(1) / np.maximum(mass[:, mine].sum(1), 1e-9)
        group = np.where(group > 0, group, 1.0) / max(group[group > 0].mean() if (group > 0).any() else 1.0, 1e-9)
        index[:, mine] = (total[:, mine] + INDEX_PRIOR_WEEKS * group[:, None]) / (mass[:, mine] + INDEX_PRIOR_WEEKS)
    return np.asarray(index / index.mean(0))


def _one_step_error(m: PanelMatrix, weekday: Array, alpha: float, until: int) -> Array:
    """Mean squared one-step error relative to the item's mean squared demand, shape items."""
    level = _levels(m, weekday, np.full(len(m.item_codes), alpha), until)
    ahead = np.vstack([np.full((1, level.shape[1]), np.nan), level[:-1]]) * weekday[m.dates[:until].day_of_week]
    w = np.where(np.isfinite(ahead), m.weight[:until], 0.0)
    error = (w * (m.neutral[:until] - np.nan_to_num(ahead)) ** 2).sum(0)
    return np.asarray(error / np.maximum((w * m.neutral[:until] ** 2).sum(0), 1e-9))


def _levels(m: PanelMatrix, weekday: Array, alpha: Array, until: int) -> Array:
    """Level after each day, days × items: l ← l + α·w·(z / s − l); NaN before the first day that teaches."""
    x = deseasonalised(m, weekday)
    level = np.full(len(m.item_codes), np.nan)
    seen = np.zeros(len(m.item_codes))
    out = np.empty((until, len(m.item_codes)))
    for t in range(until):
        w = m.weight[t]
        seen = seen + w
        # The first days are averaged, so that a level does not hang on one lucky day.
        step = np.where(w > 0, np.maximum(alpha * w, w / np.maximum(seen, 1e-9)), 0.0)
        level = np.where(np.isnan(level) & (w > 0), x[t], level + step * (x[t] - level))
        out[t] = level
    return out


def smoothed_levels(m: PanelMatrix, fitted: Smoothing) -> Array:
    """Level of every item after every day (days × items), price-neutral, without weekday; unknown items get means."""
    return _levels(m, weekday_index(m, fitted), smoothing_constants(m, fitted), len(m.dates))


def smoothing_constants(m: PanelMatrix, fitted: Smoothing) -> Array:
    """α of every item of the panel; items unknown to the fit get the median."""
    position = _positions(m, fitted)
    return np.where(position >= 0, fitted.alpha[position], np.median(fitted.alpha))


def weekday_index(m: PanelMatrix, fitted: Smoothing) -> Array:
    """Weekday indices (7 × items) of every item of the panel; items unknown to the fit get the mean."""
    position = _positions(m, fitted)
    return np.where(position >= 0, fitted.weekday[:, position], fitted.weekday.mean(1, keepdims=True))


def _positions(m: PanelMatrix, fitted: Smoothing) -> NDArray[np.int64]:
    known = {code: k for k, code in enumerate(fitted.item_codes)}
    return np.array([known.get(code, -1) for code in m.item_codes])


def deseasonalised(m: PanelMatrix, weekday: Array) -> Array:
    """Price-neutral demand with the weekday taken out, days × items; `weekday`: 7 × items."""
    return np.asarray(m.neutral / np.maximum(weekday[m.dates.day_of_week], LEAST_INDEX))


def on_weekday(m: PanelMatrix, weekday: Array, values: Array, origins: NDArray[np.int64], horizon: int) -> Array:
    """`values` (origins × items, without weekday) times the index of the weekday `horizon` days after each origin."""
    return np.asarray(values * weekday[(m.dates[origins].day_of_week.to_numpy() + horizon) % 7])


def smoothing_forecast(
    m: PanelMatrix, fitted: Smoothing, levels: Array, origins: NDArray[np.int64], horizon: int
) -> Array:
    """Price-neutral forecasts, origins × items: level at the origin times the index of the target weekday."""
    return on_weekday(m, weekday_index(m, fitted), levels[origins], origins, horizon)


def one_step(m: PanelMatrix, fitted: Smoothing, levels: Array) -> Array:
    """Price-neutral forecast of every day of the panel from the evening before, days × items; NaN on the first."""
    before = np.vstack([np.full((1, levels.shape[1]), np.nan), levels[:-1]])
    return np.asarray(before * weekday_index(m, fitted)[m.dates.day_of_week])
