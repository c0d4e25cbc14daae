"""Blend of the members, weighted by their error on past origins."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
GRID = np.linspace(0.0, 1.0, 11)


def blend_weights(actual: Array, weight: Array, members: dict[str, Array], groups: NDArray[np.str_]) -> pd.DataFrame:
    """Weights per group (rows) and member (columns, summing to 1) with the least weighted absolute error.

    `actual`, `weight` and each member: cells × items; `groups`: per item. Two members are weighed on a grid; a member
    that is missing everywhere gets 0. The pooled error counts as one more group of the same size (shrinkage).
    """
    names = list(members)
    if len(names) == 1:
        return pd.DataFrame({names[0]: 1.0}, index=pd.Index(np.unique(groups), name="category"))
    first, second = members[names[0]], members[names[1]]
    seen = (weight > 0) & np.isfinite(first) & np.isfinite(second)
    losses = np.stack([np.where(seen, weight * np.abs(actual - combine(first, second, g)), 0.0).sum(0) for g in GRID])
    pooled = losses.sum(1) / max(len(np.unique(groups)), 1)
    rows = {}
    for group in np.unique(groups):
        best = GRID[(losses[:, groups == group].sum(1) + pooled).argmin()]
        rows[str(group)] = {names[0]: 1 - best, names[1]: best}
    return pd.DataFrame(rows).T.rename_axis("category")


def combine(first: Array, second: Array, share: Array | float) -> Array:
    """(1 − share)·first + share·second; where one is missing the other stands alone."""
    mixed = (1 - share) * first + share * second
    return np.where(np.isfinite(mixed), mixed, np.where(np.isfinite(first), first, second))
