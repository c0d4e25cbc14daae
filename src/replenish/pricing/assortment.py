"""Assortment out, then in again: demand as it would be with every item on the shelf, and back to any shelf.

What an item sells depends on which rivals stand beside it: shoppers of a missing rival move to the others of its group
by their purchases, or leave (`substitution`). Levels learnt on one assortment are wrong on another, so
demand is freed from the assortment before it is forecast, as it is freed from the price:

    q_j = D_j · (1 + f_j),   f_j = Σ_{i≠j} (1 − A_i) · V_i / (Σ_{k≠i} A_k·V_k + O_i)

D demand with all items of the catalogue on the shelf, A availability (0 not on offer … 1 all day), V an item's
purchases, O_i as in `substitution`. Into an item that sold out itself came, while it was there, only
max(0, A_j − A_i) ÷ A_j in place of 1 − A_i: past sales are freed by that. Items not sold for two months are no part of
the catalogue: nobody looks for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.pricing.substitution import outside

Array = NDArray[np.float64]
CATALOGUE_DAYS = 60
RECENT_DAYS = 7
LEVEL_DAYS = 28
PASSES = 2  # an item's level is freed from the inflow the first pass finds
LARGEST_INFLOW = 1.0  # what more than doubles an item's demand is another shop


def inflow(value: Array, availability: Array, share: Array, group: NDArray[np.int64]) -> Array:
    """f: what reaches each item, there all day, from missing rivals, as a share of its own demand; days × items.

    `value` [purchases] and `availability` (0–1): days × items; `share` τ and `group` number: per item.
    """
    out = np.zeros_like(value)
    for mine, moved in _moved(value, availability, share, group):
        missing = (1 - availability[:, mine]) * moved
        out[:, mine] = missing.sum(1, keepdims=True) - missing
    return np.asarray(np.minimum(out, LARGEST_INFLOW))


def inflow_while_there(value: Array, availability: Array, share: Array, group: NDArray[np.int64]) -> Array:
    """As `inflow`, into items that were there for the first part A of the day only.

    Of a rival that sold out later nothing came; of one that sold out earlier, the part (A_j − A_i) ÷ A_j.
    """
    out = np.zeros_like(value)
    for mine, moved in _moved(value, availability, share, group):
        there = availability[:, mine]
        for k, item in enumerate(mine):
            own = there[:, [k]]
            overlap = np.divide(np.maximum(own - there, 0.0), own, out=np.zeros_like(there), where=own > 0)
            out[:, item] = (overlap * moved).sum(1)
    return np.asarray(np.minimum(out, LARGEST_INFLOW))


def _moved(
    value: Array, availability: Array, share: Array, group: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], Array]]:
    """Groups: their items, and of each what others get of it when it is missing, as a share of their own demand."""
    there = value * availability
    for number in np.unique(group):
        mine = np.flatnonzero(group == number)
        others = there[:, mine].sum(1, keepdims=True) - there[:, mine]
        rivals = others + outside(value[:, mine], share[mine])
        yield mine, np.divide(value[:, mine], rivals, out=np.zeros_like(rivals), where=others > 1e-9)


@dataclass(frozen=True)
class Assortment:
    """How items of one shelf share shoppers on the last known day, per item.

    `value`: its purchases a day, 0 outside the catalogue; `recent`: availability over the last week; `share`: τ;
    `group`: number of its group; `freed`: whether past demand was freed from it.
    """

    value: Array
    recent: Array
    share: Array
    group: NDArray[np.int64]
    freed: bool = True

    def factor(self, availability: Array) -> Array:
        """Sales at this availability ÷ sales with the whole catalogue on the shelf, per item."""
        return np.asarray(1 + inflow(self.value[None, :], availability[None, :], self.share, self.group)[0])

    def against_recent(self, availability: Array) -> Array:
        """Sales at this availability ÷ sales at last week's, per item."""
        return np.asarray(self.factor(availability) / self.factor(self.recent))


def assortment_factor(
    value: Array, availability: Array, weight: Array, open_days: NDArray[np.bool_], share: Array,
    group: NDArray[np.int64],
) -> tuple[Array, Assortment]:  # fmt: skip
    """1 + f of every day (days × items), 1 on closed days, and the assortment of the last day.

    `value` [purchases]: demand at the reference price, as sold; `weight`: how far a day teaches. The catalogue is that
    of the last day throughout, so that no item's level jumps when a rival enters or leaves it.
    """
    taught = weight > 0
    here = taught[-CATALOGUE_DAYS:].any(0)
    factor = np.ones_like(value)
    for _ in range(PASSES):
        level = _level(value / factor, taught) * here
        factor = np.where(open_days[:, None], 1 + inflow_while_there(level, availability, share, group), 1.0)
    recent = availability[open_days][-RECENT_DAYS:].mean(0) if open_days.any() else availability[-1]
    return factor, Assortment(level[-1], recent, share, group)


def _level(value: Array, taught: NDArray[np.bool_]) -> Array:
    """Mean over the taught days among the last four weeks, else the last one known; 0 before the first."""
    seen = pd.DataFrame(np.where(taught, value, np.nan))
    return np.asarray(np.nan_to_num(seen.rolling(LEVEL_DAYS, min_periods=1).mean().ffill().to_numpy()))
