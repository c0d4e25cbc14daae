"""Panel regressions with fixed effects (pyfixest), and what is done with an estimate and a prior."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# pyfixest's parallel demeaning ends at slightly different points each time; a tight tolerance and rounding make the
# same input give the same estimates to the last digit, and so the same plan.
EFFECTS_TOLERANCE = 1e-12
WEAK_F = 10.0  # Staiger & Stock (1997)
MIN_FIT_ROWS = 30  # rows that share their effects with others


def coefficient(
    rows: pd.DataFrame, formula: str, effects: Sequence[str], name: str, clusters: Sequence[str]
) -> tuple[float, float]:
    """Coefficient of `name` and its standard error clustered by `clusters`; NaN when it cannot be estimated.

    A regressor or outcome that does not vary within the effects (columns `effects`) is not estimable.
    """
    data = without_singletons(rows, effects)
    if len(data) < MIN_FIT_ROWS or any(data[c].nunique() < 2 for c in clusters):
        return np.nan, np.nan
    try:
        with _fixest() as fixest:
            fit = fixest.feols(formula, data=data, vcov={"CRV1": "+".join(clusters)}, fixef_tol=EFFECTS_TOLERANCE)
        beta, se = float(fit.coef()[name]), float(fit.se()[name])
    except (ValueError, ArithmeticError, np.linalg.LinAlgError, LookupError):
        return np.nan, np.nan
    return (beta, se) if np.isfinite([beta, se]).all() and se > 0 else (np.nan, np.nan)


def residuals(rows: pd.DataFrame, columns: Sequence[str], effects: Sequence[str]) -> NDArray[np.float64]:
    """Columns less their fixed effects (Frisch–Waugh–Lovell), shape rows × columns."""
    with _fixest() as fixest:
        fits = [
            fixest.feols(f"{c} ~ 1 | {' + '.join(effects)}", data=rows, fixef_rm="none", fixef_tol=EFFECTS_TOLERANCE)
            for c in columns
        ]
    return np.column_stack([fit.resid() for fit in fits])


def without_singletons(rows: pd.DataFrame, effects: Sequence[str]) -> pd.DataFrame:
    """Rows that share every effect with another row; the others tell nothing about a coefficient."""
    while len(rows):
        alone = np.any([rows.groupby(e)[e].transform("size") == 1 for e in effects], axis=0)
        if not alone.any():
            break
        rows = rows[~alone]
    return rows


def normal_update(estimate: float, se: float, prior: float, prior_sd: float) -> tuple[float, float, float]:
    """Posterior mean, sd and weight of the prior for a normal estimate with a normal prior."""
    weight = se**2 / (se**2 + prior_sd**2)
    return weight * prior + (1 - weight) * estimate, float(np.sqrt(weight) * prior_sd), float(weight)


@contextmanager
def _fixest() -> Iterator[ModuleType]:
    """pyfixest without what it does to the process: logging set up on first use, a warning per dropped singleton."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield import_module("pyfixest")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
