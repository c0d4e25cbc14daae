"""Panel regressions with fixed effects (demeaned by pyfixest), and what is done with an estimate and a prior.

By Frisch, Waugh and Lovell a coefficient is that of the columns less their effects. So they are demeaned once for all
regressions that share them; the rest is a ratio of sums and its clustered error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

# Demeaning in parallel ends at slightly different points each time; a tight tolerance and rounding make the same input
# give the same estimates to the last digit, and so the same plan.
EFFECTS_TOLERANCE = 1e-12
MOST_STEPS = 100_000
WEAK_F = 10.0  # Staiger & Stock (1997)
MIN_FIT_ROWS = 30  # rows that share their effects with others
LEAST_VARIATION = 1e-9  # of the variance: what an effect explains to the last digit does not vary


@dataclass(frozen=True)
class Within:
    """Columns of a panel less their fixed effects; `varies`: whether anything is left of a column.

    `clusters`: cluster number of each row, one array a way; `lost`: degrees of freedom spent on effects.
    """

    columns: Mapping[str, Array]
    varies: Mapping[str, bool]
    clusters: tuple[Numbers, ...]
    lost: int

    def coefficient(self, outcome: str, regressor: str, instrument: str | None = None) -> tuple[float, float]:
        """Coefficient of `regressor` and its clustered standard error; NaN when it cannot be estimated.

        Least squares, or with an instrument z two-stage least squares: β = z'y ÷ z'x, V = Σ (Σ_cluster z·u)² ÷ (z'x)²,
        with several ways of clustering each less what two of them share (Cameron, Gelbach & Miller 2011), times
        (N − 1) ÷ (N − k) · G ÷ (G − 1), G being the fewest clusters, as in R's fixest. A regressor, instrument or
        outcome that does not vary within the effects is not estimable.
        """
        moving = instrument or regressor
        if not (self.columns and self.varies[outcome] and self.varies[regressor] and self.varies[moving]):
            return np.nan, np.nan
        y, x, z = self.columns[outcome], self.columns[regressor], self.columns[moving]
        n, fewest = len(y), min(int(way.max()) + 1 for way in self.clusters)
        zx, spent = float(z @ x), 1 + self.lost
        if fewest < 2 or zx == 0 or n <= spent:
            return np.nan, np.nan
        beta = float(z @ y) / zx
        sums = [float((np.bincount(way, z * (y - beta * x)) ** 2).sum()) for way in self.clusters]
        scale = (n - 1) / (n - spent) * fewest / (fewest - 1)
        variance = scale * (sum(sums[:2]) - sum(sums[2:])) / zx**2
        return (beta, float(np.sqrt(variance))) if np.isfinite(beta) and variance > 0 else (np.nan, np.nan)


def within(rows: pd.DataFrame, columns: Sequence[str], effects: Sequence[str], clusters: Sequence[str]) -> Within:
    """The columns less their effects, on the rows that share every effect with another; one or two ways of clusters."""
    data = without_singletons(rows, effects)
    if len(data) < MIN_FIT_ROWS:
        return Within({}, {}, (), 0)
    ways = [pd.factorize(data[name])[0] for name in clusters]
    groups = [pd.factorize(data[name])[0] for name in effects]
    if len(ways) == 2:
        ways.append(pd.factorize(ways[0] * (ways[1].max() + 1) + ways[1])[0])
    values = data[list(columns)].to_numpy(dtype=float)
    cleared = _demeaned(values, groups)
    varies = (cleared**2).sum(0) > LEAST_VARIATION * ((values - values.mean(0)) ** 2).sum(0)
    return Within(
        dict(zip(columns, cleared.T, strict=True)), dict(zip(columns, varies.tolist(), strict=True)), tuple(ways),
        _effects_lost(groups, ways),
    )  # fmt: skip


def residuals(rows: pd.DataFrame, columns: Sequence[str], effects: Sequence[str]) -> Array:
    """Columns less their fixed effects (Frisch–Waugh–Lovell), shape rows × columns."""
    return _demeaned(rows[list(columns)].to_numpy(dtype=float), [pd.factorize(rows[name])[0] for name in effects])


def _demeaned(values: Array, groups: Sequence[Numbers]) -> Array:
    from pyfixest.core import demean

    levels = np.column_stack(groups).astype(np.uint64)
    cleared, _ = demean(np.ascontiguousarray(values), levels, np.ones(len(values)), EFFECTS_TOLERANCE, MOST_STEPS)
    return np.asarray(cleared)


def _effects_lost(groups: Sequence[Numbers], ways: Sequence[Numbers]) -> int:
    """Degrees of freedom the effects cost; those that do not vary within the clusters of a way cost one together."""
    levels = np.array([int(group.max()) + 1 for group in groups])
    nested = np.array([any(_inside(group, way) for way in ways) for group in groups])
    return int(levels[~nested].sum() + nested.sum() - (len(levels) - 1))


def _inside(group: Numbers, way: Numbers) -> bool:
    """Whether every level of the effect lies in one cluster."""
    pairs = pd.unique(group * (int(way.max()) + 1) + way)
    return len(pairs) == int(group.max()) + 1


def without_singletons(rows: pd.DataFrame, effects: Sequence[str]) -> pd.DataFrame:
    """Rows that share every effect with another row; the others tell nothing about a coefficient."""
    while len(rows):
        groups = [pd.factorize(rows[e])[0] for e in effects]
        alone = np.any([np.bincount(group)[group] == 1 for group in groups], axis=0)
        if not alone.any():
            break
        rows = rows[~alone]
    return rows


def normal_update(estimate: float, se: float, prior: float, prior_sd: float) -> tuple[float, float, float]:
    """Posterior mean, sd and weight of the prior for a normal estimate with a normal prior."""
    weight = se**2 / (se**2 + prior_sd**2)
    return weight * prior + (1 - weight) * estimate, float(np.sqrt(weight) * prior_sd), float(weight)
