"""Labels that no other beats: swept by rising weight, those so far form a staircase on which gain falls and paid rises.

A label is beaten by one that weighs no more and has no less of both; it is enough to look at the one step of the
staircase with the least gain that is no less, which has the most paid among those (Kung, Luccio & Preparata 1975).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from replenish.compiled import compiled

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


def undominated_labels(weight: Array, gain: Array, paid: Array) -> Whole:
    """Numbers of the labels for which no other has no more weight, no less gain and no less paid, rising; of equal
    labels the first stays."""
    return np.flatnonzero(_swept(np.argsort(weight), weight, gain, paid))


@compiled
def _swept(order: Whole, weight: Array, gain: Array, paid: Array) -> NDArray[np.bool_]:
    """Which labels no other beats; `order`: by weight, those of one weight in any order."""
    keep = np.zeros(len(order), dtype=np.bool_)
    owner, stairs, size = np.empty(len(order), dtype=np.int64), np.empty((2, len(order))), 0  # gain, paid of each step
    for label in order:
        start = _no_less(stairs[0], size, gain[label])
        if start > 0 and stairs[1, start - 1] >= paid[label]:
            above = owner[start - 1]
            equal = gain[above] == gain[label] and paid[above] == paid[label] and weight[above] == weight[label]
            if equal and label < above:
                owner[start - 1], keep[above], keep[label] = label, False, True
            continue
        if start > 0 and stairs[0, start - 1] == gain[label]:
            start -= 1
        end = start
        while end < size and stairs[1, end] <= paid[label]:
            if weight[owner[end]] == weight[label]:  # the order between the two was chance
                keep[owner[end]] = False
            end += 1
        _move(owner, start + 1 - end, end, size)
        for row in range(2):
            _move(stairs[row], start + 1 - end, end, size)
        owner[start], stairs[0, start], stairs[1, start], keep[label] = label, gain[label], paid[label], True
        size += start + 1 - end
    return keep


@compiled
def _no_less(falling: Array, size: int, least: float) -> int:
    """How many of the first `size` values are at least this; halved without branches, which processors guess wrong."""
    first = 0
    while size > 0:
        half = (size + 1) // 2
        first += half if falling[first + half - 1] >= least else 0
        size -= half
    return first


@compiled
def _move(values: NDArray[Any], by: int, start: int, end: int) -> None:
    """Moves the values from `start` to `end` by so many places in the array."""
    if by > 0:
        for k in range(end - 1, start - 1, -1):
            values[k + by] = values[k]
    elif by < 0:
        for k in range(start, end):
            values[k + by] = values[k]
