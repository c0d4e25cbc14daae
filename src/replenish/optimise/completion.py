"""The most that items can still be worth, for every weight they may have: one table per item, over steps of weight.

Weights count from the least of their item and are rounded down to whole steps, so that every table bounds the truth
from above (knapsack by dynamic programming: Kellerer, Pferschy & Pisinger, Knapsack Problems, 2004). Offers of one
item in the same step, such as all orders at one price, enter a table as the best of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
ROUNDING = 1e-9


@dataclass(frozen=True)
class Ladder:
    """The offers of one item by weight: the step of each, the steps there are, offers sorted by step and where each
    step begins among them."""

    own: Whole
    steps: Whole
    order: Whole
    first: Whole


@dataclass(frozen=True)
class Steps:
    """Weights in steps of `width`; `room` of them fit all items together."""

    width: float
    room: int
    items: tuple[Ladder, ...]


def in_steps(weights: Sequence[Array], room: float, most: int) -> Steps:
    """Weights in at most so many steps; `room`: weight that fits beyond the least of every item."""
    count = most if room > 0 else 0
    width = room / count if count else 1.0
    return Steps(width, count, tuple(_ladder(w, width) for w in weights))


def _ladder(weight: Array, width: float) -> Ladder:
    own = np.floor((weight - weight.min()) / width + ROUNDING).astype(np.int64)
    order = np.argsort(own, kind="stable")
    steps, first = np.unique(own[order], return_index=True)
    return Ladder(own, steps, order, first)


def best_by_step(steps: Steps, values: Sequence[Array]) -> list[Array]:
    """By item, the most an offer is worth in each of its steps; `values` by offer."""
    return [np.maximum.reduceat(v[i.order], i.first) for i, v in zip(steps.items, values, strict=True)]


def tables(steps: Steps, best: Sequence[Array], backwards: bool = True) -> list[Array]:
    """Most worth of the items from each place on by room left in steps (−∞: they do not fit); last: no items.

    Not `backwards`: of the items before each place; first: no items. `best`: see `best_by_step`.
    """
    out = [np.zeros(steps.room + 1)]
    for k in reversed(range(len(best))) if backwards else range(len(best)):
        new = np.full(steps.room + 1, -np.inf)
        for step, value in zip(steps.items[k].steps.tolist(), best[k].tolist(), strict=True):
            if step <= steps.room:
                np.maximum(new[step:], out[-1][: steps.room + 1 - step] + value, out=new[step:])
        out.append(new)
    return out[::-1] if backwards else out


def best_offers(steps: Steps, values: Sequence[Array], after: Sequence[Array]) -> list[int]:
    """The offer taken of each item where the whole is worth most; `after`: the `tables` of these values."""
    left, out = steps.room, []
    for item, value, rest in zip(steps.items, values, after[1:], strict=True):
        worth = np.where(item.own <= left, value + rest[np.maximum(left - item.own, 0)], -np.inf)
        out.append(int(worth.argmax()))
        left = max(left - int(item.own[out[-1]]), 0)
    return out


def with_each(steps: Steps, values: Sequence[Array], best: Sequence[Array], after: Sequence[Array]) -> list[Array]:
    """By item and offer, the most that all items together can be worth when this offer is taken."""
    before, out = tables(steps, best, backwards=False), []
    for k, (item, value) in enumerate(zip(steps.items, values, strict=True)):
        others = np.full(len(item.steps), -np.inf)
        for j, step in enumerate(item.steps.tolist()):
            if step <= steps.room:
                size = steps.room + 1 - step
                others[j] = (before[k][:size] + after[k + 1][:size][::-1]).max()
        out.append(value + others[np.searchsorted(item.steps, item.own)])
    return out
