"""Blend of the members, weighted by their error on past origins."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
STEPS = 10
EQUAL_SHARE = 1 / 3  # of the weights, given to all members alike


def blend_weights(
    actual: Array,
    weight: Array,
    members: dict[str, Array],
    groups: NDArray[np.str_],
    only: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Weights per group (rows) and member (columns, summing to 1) with the least weighted absolute error.

    `actual`, `weight` and each member: cells × items; `groups`: per item; `only`: member → the one group in which it
    has a weight. Weights are tried in steps of a tenth on the cells every member has. To a group's error that of all
    groups is added (shrinkage): weights of small groups found on their own were worse than everybody's on days they had
    not seen. A member that is there in no cell has no weight. The best are then pulled a third of the way to equal ones
    (Stock & Watson 2004): the best member of last year is not always that of the next month.
    """
    names = list(members)
    grid = _simplex(len(names))
    there = np.array([bool(np.isfinite(v).any()) for v in members.values()])
    there |= not there.any()
    seen = (weight > 0) & np.logical_and.reduce([np.isfinite(members[k]) for k in np.array(names)[there]])
    columns = np.nan_to_num(np.stack([members[name][seen] for name in names]))
    labels, group = np.unique(np.broadcast_to(groups, seen.shape)[seen], return_inverse=True)
    losses = np.stack([_losses(actual[seen] - point @ columns, weight[seen], group, len(labels)) for point in grid])
    pooled = losses.sum(1)
    own = {str(label): losses[:, k] for k, label in enumerate(labels)}
    rows = {}
    for label in map(str, np.unique(groups)):
        takes_part = there & np.array([only.get(name, label) == label for name in names])
        loss = np.where((grid[:, ~takes_part] == 0).all(1), own.get(label, 0.0) + pooled, np.inf)
        rows[label] = (1 - EQUAL_SHARE) * grid[loss.argmin()] + EQUAL_SHARE * takes_part / takes_part.sum()
    return pd.DataFrame(rows, index=pd.Index(names)).T.rename_axis("category")


def _simplex(members: int) -> Array:
    """All weights in steps of a tenth that sum to 1 (points × members), the first member's weight first."""
    points = [p for p in product(range(STEPS, -1, -1), repeat=members) if sum(p) == STEPS]
    return np.array(points, dtype=float) / STEPS


def _losses(error: Array, weight: Array, group: NDArray[np.int64], groups: int) -> Array:
    return np.asarray(np.bincount(group, weight * np.abs(error), minlength=groups), dtype=float)


def combine(members: dict[str, Array], weights: pd.DataFrame) -> Array:
    """Members (… × items) mixed by `weights` (items × members); a missing member leaves its share to the others."""
    values = np.stack([members[name] for name in weights.columns])
    share = weights.to_numpy().T.reshape(len(values), *([1] * (values.ndim - 2)), -1)
    known = np.isfinite(values)
    total = (share * known).sum(0)
    mixed = (share * np.where(known, values, 0.0)).sum(0) / np.where(total > 0, total, 1.0)
    # Where all members with a weight are missing, the first one that is there stands alone.
    first = np.take_along_axis(values, known.argmax(0)[None], axis=0)[0]
    return np.asarray(np.where(total > 0, mixed, first))
