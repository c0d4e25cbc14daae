"""What the last day of sales missed its forecast by, store-wide and by category, carried over to the next days.

A busy or a quiet day is often followed by another of its kind: over 2021 and 2022 half of what the store surprised with
came again on the day after where both were working days or both days off, but little from one kind to the other; of
what a category surprised with beside the store, a fifth. On the second and third day it was somewhat less. Surprises
are those of the smoothing member, which needs no days kept aside to have honest errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replenish.forecast.features import PanelMatrix

Array = NDArray[np.float64]
REACH_DAYS = 3
LIMIT = 0.4  # on the logarithm: days off by more than half are lockdowns and wrong data, and do not go on
ANSWER_LIMIT = 0.7
MOST_OF_FORECAST = 3.0  # single bulk sales count up to three times what was forecast
PRIOR_DAYS = 30.0
SHARES = ("alike", "other", "category")
"""Of the store's surprise on days of the origin's kind and on others, and of a category's beside the store."""


@dataclass(frozen=True)
class Surprise:
    """Log of sold ÷ forecast in money, after every day: `store` (days), `category` beside the store (days × items).

    0 where nothing was seen, at most ±0.4. `working`: which days are working days, some weeks past the last day too.
    """

    store: Array
    category: Array
    working: NDArray[np.bool_]

    def alike(self, origins: NDArray[np.int64], horizon: int) -> NDArray[np.bool_]:
        """Whether the day `horizon` days after each origin (day number) is a working day or a day off like it."""
        return np.asarray(self.working[origins] == self.working[origins + horizon])


def surprises(m: PanelMatrix, ahead: Array) -> Surprise:
    """The surprise of every day of the panel; `ahead`: price-neutral one-step forecasts of it, days × items."""
    money = np.nan_to_num(m.price_factor(m.price) * m.price)
    seen = (m.weight > 0) & (np.nan_to_num(ahead) > 0)
    expected = np.where(seen, ahead * money, 0.0)
    sold = np.where(seen, np.minimum(m.neutral, MOST_OF_FORECAST * np.nan_to_num(ahead)) * money, 0.0)
    store = _log_ratio(sold.sum(1), expected.sum(1))
    groups, position = _groups(m)
    category = _log_ratio(sold @ groups, expected @ groups)
    beside = np.where(category == 0, 0.0, category - store[:, None])[:, position]
    working = m.calendar["is_workday"].to_numpy(dtype=bool)
    return Surprise(np.clip(store, -LIMIT, LIMIT), np.clip(beside, -LIMIT, LIMIT), working)


def _groups(m: PanelMatrix) -> tuple[Array, NDArray[np.int64]]:
    """Items × categories (0 or 1), and the number of each item's category."""
    names, position = np.unique(m.category, return_inverse=True)
    return np.eye(len(names))[position], position


def _log_ratio(sold: Array, expected: Array) -> Array:
    known = (sold > 0) & (expected > 0)
    return np.asarray(np.log(np.where(known, sold, 1.0) / np.where(known, expected, 1.0)))


def carry_over(
    m: PanelMatrix, seen: Surprise, targets: NDArray[np.int64], actual: dict[int, Array], forecast: dict[int, Array]
) -> Array:
    """How much of a surprise comes again: horizons up to 3 × `SHARES`, each between 0 and 1.

    Least squares over past days and categories of the log of sold ÷ forecast on the surprise at the origin, as if 30
    days more (of each kind) had shown none. `actual`, `forecast`: horizon → targets × items [unit]; `targets`: day
    numbers.
    """
    groups, position = _groups(m)
    first = np.array([np.flatnonzero(position == k)[0] for k in range(groups.shape[1])])
    out = []
    for h in sorted(forecast)[:REACH_DAYS]:
        usable = (m.weight[targets] > 0) & (np.nan_to_num(forecast[h]) > 0)
        worth = np.nan_to_num(m.price[targets - h])
        expected = np.where(usable, forecast[h] * worth, 0.0)
        sold = np.where(usable, np.minimum(actual[h], MOST_OF_FORECAST * np.nan_to_num(forecast[h])) * worth, 0.0)
        answer = np.clip(_log_ratio(sold @ groups, expected @ groups), -ANSWER_LIMIT, ANSWER_LIMIT).ravel()
        origins = targets - h
        category = seen.category[origins][:, first]
        store = np.broadcast_to(seen.store[origins][:, None], category.shape)
        alike = seen.alike(origins, h)[:, None]
        design = np.column_stack([part.ravel() for part in (store * alike, store * ~alike, category)])
        square = design.T @ design
        days = np.maximum([alike.sum(), (~alike).sum(), len(targets)], 1)
        prior = np.diag(PRIOR_DAYS / days * np.maximum(np.diag(square), 1e-9))
        out.append(np.clip(np.linalg.solve(square + prior, design.T @ answer), 0.0, 1.0))
    return np.array(out)


def carried(seen: Surprise, shares: Array, origins: NDArray[np.int64], horizon: int) -> Array:
    """Factor on the forecasts made at the `origins` (day numbers), origins × items; `shares`: those of `carry_over`."""
    if horizon > len(shares):
        return np.ones((len(origins), seen.category.shape[1]))
    alike, other, category = shares[horizon - 1]
    store = np.where(seen.alike(origins, horizon), alike, other) * seen.store[origins]
    return np.asarray(np.exp(store[:, None] + category * seen.category[origins]))
