"""Labels that no other beats: swept by rising weight, those so far form a staircase on which gain falls and paid rises.

A label is beaten by one that weighs no more and has no less of both; it is enough to look at the one step of the
staircase with the least gain that is no less, which has the most paid among those (Kung, Luccio & Preparata 1975).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


def undominated_labels(weight: Array, gain: Array, paid: Array) -> Whole:
    """Numbers of the labels for which no other has no more weight, no less gain and no less paid, rising; of equal
    labels the first stays."""
    return np.flatnonzero(_swept(np.argsort(weight), weight, gain, paid))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _swept(order: Whole, weight: Array, gain: Array, paid: Array) -> NDArray[np.bool_]:
    """Which labels are on the staircase once all of their weight have been; `order`: by weight."""
    keep, stairs = np.zeros(len(order), dtype=np.bool_), np.empty(len(order), dtype=np.int64)
    start, size = 0, 0
    while start < len(order):
        end = start
        while end < len(order) and weight[order[end]] == weight[order[start]]:
            size = _put(stairs, size, order[end], weight, gain, paid)
            end += 1
        for label in order[start:end]:
            step = _no_less(stairs, size, gain[label], gain) - 1
            keep[label] = step >= 0 and stairs[step] == label
        start = end
    return keep


@njit(cache=True)  # type: ignore[untyped-decorator]
def _no_less(stairs: Whole, size: int, least: float, gain: Array) -> int:
    """Number of steps with at least this gain."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if gain[stairs[middle]] >= least:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True)  # type: ignore[untyped-decorator]
def _put(stairs: Whole, size: int, label: int, weight: Array, gain: Array, paid: Array) -> int:
    """The label put on the staircase in place of the steps it beats, unless it is beaten; the size after it."""
    start = _no_less(stairs, size, gain[label], gain)
    if start > 0:
        above = stairs[start - 1]
        if paid[above] > paid[label] or (paid[above] == paid[label] and gain[above] > gain[label]):
            return size
        if paid[above] == paid[label]:  # equal in both: of one weight the first stays
            if weight[above] == weight[label]:
                stairs[start - 1] = min(above, label)
            return size
        start -= gain[above] == gain[label]
    end = start
    while end < size and paid[stairs[end]] <= paid[label]:
        end += 1
    if end == start:
        stairs[start + 1 : size + 1] = stairs[start:size].copy()
    else:
        stairs[start + 1 : start + 1 + size - end] = stairs[end:size].copy()
    stairs[start] = label
    return size + 1 - (end - start)
