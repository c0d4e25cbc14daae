"""Bands by pooled, scale-normalised conformal residuals (split conformal: Vovk; Lei et al. 2018), per volume third.

Items little seen of late (new, returning, seldom on the shelf) have residuals of their own. The scale of a score moves
with what is forecast, how far ahead, and how unsettled demand was at the origin (`unrest`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]
QUANTILES = (0.025, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.975)
QUANTILE_NAMES = tuple(f"q{f'{q:.3f}'[2:].removesuffix('0')}" for q in QUANTILES)
MIN_POOL = 100
OUTER = (0.1, 0.9)
VARIANCE_ROUNDS = 8
LITTLE_SEEN = 3  # the class of scores after the three thirds


class Cells(NamedTuple):
    """Past item-days of one horizon, flat arrays: sold, forecast [unit], forecast in money, unrest at the origin.

    `little_seen`: whether the item had been seen little at the origin (`coldstart.Starts`).
    """

    actual: Array
    forecast: Array
    money: Array
    unrest: Array
    little_seen: NDArray[np.bool_]


@dataclass(frozen=True)
class Bands:
    """σ(f) = √(linear·f + square·f²)·horizon·unrest in units of the item, quantiles of (actual − f)/σ per class.

    `edges`: two money volumes (forecast × price) that divide the thirds; `quantiles`: 4 × len(QUANTILES), a row for
    each third and one for items seen little, whatever their volume; `horizon`: factor on σ per horizon (first is 1).
    `unrest` is given per forecast. `sides`: horizons × 2, how much wider scores below and above 0 are than one day
    ahead: further ahead, sales fall short of a forecast hardly more than one day ahead, but exceed it by more.
    """

    linear: float
    square: float
    edges: tuple[float, float]
    quantiles: Array
    horizon: Array
    sides: Array

    def sigma(self, forecast: Array, unrest: Array, horizon: int = 1) -> Array:
        """Scale of the forecast error [unit], same shape as `forecast` and `unrest` (that at the origin)."""
        factor = self.horizon[min(horizon, len(self.horizon)) - 1]
        return np.asarray(np.sqrt(self.linear * forecast + self.square * forecast**2) * factor * unrest)

    def quantile_table(
        self, forecast: Array, money: Array, unrest: Array, little_seen: NDArray[np.bool_], horizon: int = 1
    ) -> Array:
        """Quantiles per item (items × len(QUANTILES)), non-negative and not crossing; arguments as in `Cells`."""
        below, above = self.sides[min(horizon, len(self.sides)) - 1]
        reach = self.quantiles[_classes(money, self.edges, little_seen)]
        table = forecast[:, None] + self.sigma(forecast, unrest)[:, None] * np.where(reach < 0, below, above) * reach
        return np.maximum.accumulate(np.maximum(table, 0.0), axis=1)


def fit_bands(cells: list[Cells]) -> Bands:
    """Bands from past cells of each horizon from 1 on.

    Scale and thirds come from one step ahead; scores of all horizons are pooled, each divided by its horizon's spread
    on its side of 0.
    """
    actual, forecast, money, unrest, _ = cells[0]
    linear, square = _variance((actual - forecast) / unrest, forecast)
    edges = (float(np.quantile(money, 1 / 3)), float(np.quantile(money, 2 / 3))) if len(money) else (0.0, 0.0)
    one = Bands(linear, square, edges, np.zeros((LITTLE_SEEN + 1, len(QUANTILES))), np.ones(1), np.ones((1, 2)))
    scores = [(c.actual - c.forecast) / np.maximum(one.sigma(c.forecast, c.unrest), 1e-9) for c in cells]
    growth = _growth(np.array([_spread(s) for s in scores]))
    sides = _sides(scores, growth)
    pooled = np.concatenate(
        [s / np.where(s < 0, below, above) for s, (below, above) in zip(scores, sides, strict=True)]
    )
    third = np.concatenate([np.digitize(c.money, edges) for c in cells])
    rows = _quantile_rows(pooled, third, np.concatenate([c.little_seen for c in cells]))
    return Bands(linear, square, edges, rows, growth, sides)


def _classes(money: Array, edges: tuple[float, float], little_seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Which row of the quantiles each forecast takes: its volume third, or `LITTLE_SEEN`."""
    return np.where(little_seen, LITTLE_SEEN, np.digitize(money, edges))


def _growth(spread: Array) -> Array:
    """Spread of each horizon against the first, never shrinking."""
    return np.asarray(np.maximum.accumulate(spread / spread[0] if spread[0] > 0 else np.ones(len(spread))))


def _sides(scores: list[Array], growth: Array) -> Array:
    """Growth of the 10 % and of the 90 % quantile (horizons × 2); that of the spread with too few scores."""
    if min(len(s) for s in scores) < MIN_POOL:
        return np.column_stack([growth, growth])
    reach = np.abs([np.quantile(s, OUTER) for s in scores])
    return np.column_stack([_growth(side) for side in reach.T])


def _quantile_rows(scores: Array, third: NDArray[np.int64], little_seen: NDArray[np.bool_]) -> Array:
    """Conformal quantiles of each class (4 × quantiles), of all scores where a class has too few.

    Thirds learn from items seen little, too: without them the bands of the others would be too narrow, and plans, which
    choose by them, would promise too much (docs/forecasting.md).
    """
    parts = [*(scores[third == k] for k in range(LITTLE_SEEN)), scores[little_seen]]
    return np.stack([_conformal(part if len(part) >= MIN_POOL else scores) for part in parts])


def _spread(scores: Array) -> float:
    """Mean absolute score (few bulk sales decide a mean square); 0 without scores."""
    return float(np.mean(np.abs(scores))) if len(scores) else 0.0


def _variance(error: Array, forecast: Array) -> tuple[float, float]:
    """Variance coefficients on f and f² by iterated non-negative weighted least squares of squared errors.

    Squared errors are capped at 16 times the fitted variance, so that single bulk sales do not set the scale.
    """
    f = np.maximum(forecast, 1e-3)
    design = np.column_stack([f, f**2])
    coefficients = np.array([1.0, 0.1])
    for _ in range(VARIANCE_ROUNDS):
        fitted = np.maximum(design @ coefficients, 1e-9)
        target = np.minimum(error**2, 16 * fitted)
        coefficients, _ = nnls(design / fitted[:, None], target / fitted)
    linear, square = (float(v) for v in coefficients)
    return (linear, square) if linear + square > 0 else (1.0, 0.0)


def _conformal(scores: Array) -> Array:
    """Finite-sample conformal quantiles: level q uses the ⌈q(n+1)⌉-th score above the median, its mirror below."""
    ordered = np.sort(scores)
    n = len(ordered)
    rank = [np.ceil(q * (n + 1)) if q >= 0.5 else np.floor(q * (n + 1)) for q in QUANTILES]
    return np.asarray(ordered[np.clip(np.array(rank, dtype=int) - 1, 0, n - 1)])


def quantile_values(quantiles: Array, level: Array) -> Array:
    """The value at each `level` (draws × …) of distributions given by their `quantiles` (… × len(QUANTILES)).

    Lines between the quantiles, from 0 on below the lowest, an exponential tail through the last two above the highest.
    """
    out = np.empty_like(level)
    highest, rest = QUANTILES[-1], 1 - QUANTILES[-1]
    for place in np.ndindex(*quantiles.shape[:-1]):
        given, u = quantiles[place], level[:, *place]
        inside = np.interp(u, (0.0, *QUANTILES), (0.0, *given))
        slope = (given[-1] - given[-2]) / np.log((1 - QUANTILES[-2]) / rest)
        tail = given[-1] + slope * np.log(rest / np.maximum(1 - u, 1e-12))
        out[:, *place] = np.where(u > highest, tail, inside)
    return out
