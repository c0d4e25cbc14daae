"""The most that items can still be worth, for every weight they may have: one table per item, over steps of weight.

Weights count from the least of their item and are rounded down to whole steps, so that every table bounds the truth
from above (knapsack by dynamic programming: Kellerer, Pferschy & Pisinger, Knapsack Problems, 2004). Offers of one
item in the same step, such as all orders at one price, share a rung and enter a table as the best of them. Offers, and
rungs, of all items stand one after the other in one array; `edges` are where items begin in it, and its end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replenish.compiled import compiled

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
ROUNDING = 1e-9


@dataclass(frozen=True)
class Steps:
    """Weights in steps of `width`; `room` of them fit all items together.

    By offer: the `rung` it stands on; by rung: its `step`; where the offers (`edges`) and rungs (`first`) of each item
    begin."""

    width: float
    room: int
    rung: Whole
    step: Whole
    edges: Whole
    first: Whole


def in_steps(weight: Array, edges: Whole, room: float, most: int) -> Steps:
    """Weights by offer in at most so many steps; `room`: weight that fits beyond the least of every item.

    What weighs more than there is room for is one step too heavy, however little the room.
    """
    count = most if room > ROUNDING else 0
    width = room / count if count else 1.0
    item = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    above = weight - np.minimum.reduceat(weight, edges[:-1])[item]
    own = np.minimum(np.floor(above / width + ROUNDING), count + 1.0).astype(np.int64)
    order = np.lexsort((own, item))
    new = np.append(True, (np.diff(own[order]) != 0) | (np.diff(item[order]) != 0))
    rung = np.empty(len(own), dtype=np.int64)
    rung[order] = np.cumsum(new) - 1
    first = np.searchsorted(item[order][new], np.arange(len(edges)))
    return Steps(width, count, rung, own[order][new], edges, first)


def best_by_step(steps: Steps, values: Array) -> Array:
    """By rung, the most an offer on it is worth; `values` by offer."""
    best = np.full(len(steps.step), -np.inf)
    np.maximum.at(best, steps.rung, values)
    return best


def tables(steps: Steps, best: Array, backwards: bool = True) -> Array:
    """Most worth of the items from each place on by room left in steps (−∞: they do not fit); last: no items.

    Not `backwards`: of the items before each place; first: no items. `best`: see `best_by_step`.
    """
    return np.asarray(_tables(steps.first, steps.step, best, steps.room, backwards))


@compiled
def _tables(first: Whole, step: Whole, best: Array, room: int, backwards: bool) -> Array:
    items = len(first) - 1
    out = np.full((items + 1, room + 1), -np.inf)
    out[items if backwards else 0] = 0.0
    for place in range(items):
        k = items - 1 - place if backwards else place
        others, mine = (out[k + 1], out[k]) if backwards else (out[k], out[k + 1])
        for j in range(first[k], first[k + 1]):
            for left in range(room + 1 - step[j]):
                mine[left + step[j]] = max(mine[left + step[j]], others[left] + best[j])
    return out


def best_offers(steps: Steps, values: Array, after: Array) -> Whole:
    """The offer taken of each item where the whole is worth most; `after`: the `tables` of these values."""
    return np.asarray(_best_offers(steps.edges, steps.step[steps.rung], values, after))


@compiled
def _best_offers(edges: Whole, own: Whole, values: Array, after: Array) -> Whole:
    left, out = after.shape[1] - 1, edges[:-1].copy()
    for k in range(len(out)):
        most = -np.inf
        for m in range(edges[k], edges[k + 1]):
            if own[m] <= left and values[m] + after[k + 1, left - own[m]] > most:
                out[k], most = m, values[m] + after[k + 1, left - own[m]]
        left = max(left - own[out[k]], 0)
    return out


def with_each(steps: Steps, values: Array, best: Array, after: Array) -> Array:
    """By offer, the most that all items together can be worth when it is taken."""
    before, others = tables(steps, best, backwards=False), np.full(len(steps.step), -np.inf)
    for k in range(len(steps.first) - 1):
        for j in range(steps.first[k], steps.first[k + 1]):
            size = steps.room + 1 - int(steps.step[j])
            if size > 0:
                others[j] = (before[k, :size] + after[k + 1, :size][::-1]).max()
    return np.asarray(values + others[steps.rung])
