"""Items that keep, over several days: what every run of consecutive offers is worth, and the best path through them.

With LIFO the freshest stock sells first, so what a day earns depends on its own offer and those of the life − 1 days
before it and on nothing earlier: older stock is gone, and older orders do not touch fresher batches. A path over the
days is therefore worth the sum of its windows of `life` offers, and the best path for any prices of the rules is found
exactly by dynamic programming over the last life − 1 offers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.optimise.ageing import DayDecision
from replenish.optimise.menu import Candidate
from replenish.records import Scenarios

Array = NDArray[np.float64]
NOT_LISTED = -1
MAX_WINDOWS = 8_000  # windows per item and day; with life L this leaves MAX_WINDOWS^(1/L) offers a day
LEAST_ORDERS = 6  # orders a price has at least, at the expense of the number of prices
MARGIN = 3  # orders kept below and above the promising ones
CHUNK = 50  # scenarios at once: windows × scenarios of numbers stay in the processor's cache


@dataclass(frozen=True)
class Option:
    """One choice of a day: row of the day's menu, or `NOT_LISTED`."""

    row: int
    decision: DayDecision


@dataclass(frozen=True)
class Windows:
    """One item over the days. `options`: per day; `value`, `cover`: per day an array with one axis per day of the
    window, oldest first: expected objective [money] and cover value [money] of the day given the window."""

    item_code: str
    life: int
    options: tuple[tuple[Option, ...], ...]
    value: tuple[Array, ...]
    cover: tuple[Array, ...]

    def window(self, path: Sequence[int], day: int) -> tuple[int, ...]:
        """Index into the arrays of `day` for a path of option numbers; days before the first have one option."""
        return tuple(path[k] if k >= 0 else 0 for k in range(day - self.life + 1, day + 1))

    def path_value(self, path: Sequence[int]) -> float:
        """Expected objective of a path of option numbers over all days [money]."""
        return float(sum(self.value[t][self.window(path, t)] for t in range(len(path))))


def day_options(offers: pd.DataFrame, c: Candidate, must: bool) -> tuple[Option, ...]:
    """The choices of one day: off the shelf (unless it must be listed), and of every price the most promising orders.

    `offers`: the item's rows of the day's menu. A window of `life` days leaves MAX_WINDOWS^(1/life) choices a day. The
    orders kept reach from a little below the best one if what is left were worth nothing to a little above the best
    one if it were worth its carry value, evenly thinned.
    """
    most = max(int(MAX_WINDOWS ** (1 / c.shelf_life_days)), 4) - 1
    rungs = _spread(np.sort(offers["price"].unique()), max(most // LEAST_ORDERS, 1)) if len(offers) else np.empty(0)
    listed = [o for price in rungs for o in _orders(offers[offers["price"] == price], c, most // len(rungs))]
    none = [] if must and listed else [Option(NOT_LISTED, DayDecision(0.0, float("nan")))]
    return (*none, *listed)


def _orders(offers: pd.DataFrame, c: Candidate, most: int) -> list[Option]:
    value = offers["value"].to_numpy(dtype=float)
    spent = value - c.terms.carry_value * offers["carried_on"].to_numpy(dtype=float)
    low, high = max(int(spent.argmax()) - MARGIN, 0), min(int(value.argmax()) + MARGIN, len(offers) - 1)
    kept = offers.iloc[_spread(np.arange(low, high + 1), most)]
    return [
        Option(int(row), DayDecision(float(order), float(price)))
        for row, order, price in zip(kept.index, kept["order_quantity"], kept["price"], strict=True)
    ]


def _spread(values: NDArray[Any], most: int) -> NDArray[Any]:
    """At most `most` of the values, first and last among them."""
    if len(values) <= most:
        return values
    return values[np.unique(np.linspace(0, len(values) - 1, most).round().astype(int))] if most > 1 else values[-1:]


def item_windows(
    candidates: Sequence[Candidate], scenarios: Sequence[Scenarios], options: Sequence[tuple[Option, ...]]
) -> Windows:
    """Values of all windows of one item; sequences are by day, row s of every day's scenarios is one future."""
    first = candidates[0]
    life, k = first.shelf_life_days, [s.item_codes.index(first.item_code) for s in scenarios]
    demand = [_demands(c, s, j, o) for c, s, j, o in zip(candidates, scenarios, k, options, strict=True)]
    sums = [_Sums() for _ in candidates]
    n = scenarios[0].n
    for start in range(0, n, CHUNK):
        part = [d[:, start : start + CHUNK] for d in demand]
        _add_scenarios(sums, part, candidates, options)
    value, cover = [], []
    for t, c in enumerate(candidates):
        cost = float(scenarios[t].cost[:, k[t]].mean())
        base = float(scenarios[t].demand[:, k[t]].mean())
        last = t == len(candidates) - 1
        worth, served = _means(sums[t], n, demand[t].mean(1), c, options[t], cost, last)
        value.append(_full(worth, life))
        cover.append(_full(c.terms.reference_price * np.minimum(served, base), life))
    return Windows(first.item_code, life, tuple(options), tuple(value), tuple(cover))


@dataclass
class _Sums:
    """Sums over scenarios by window: lost demand, clearance sales, stock in its last day, stock kept [unit]."""

    lost: Array | float = 0.0
    clearance: Array | float = 0.0
    oldest: Array | float = 0.0
    kept: Array | float = 0.0


def _demands(c: Candidate, scenarios: Scenarios, k: int, options: Sequence[Option]) -> Array:
    """Full-price demand of every option (options × scenarios); none when the item is not listed."""
    by_price = {
        o.decision.price: scenarios.demand_at(k, o.decision.price / c.terms.reference_price)
        for o in options
        if o.decision.listed
    }
    return np.stack([by_price[o.decision.price] if o.decision.listed else np.zeros(scenarios.n) for o in options])


def _add_scenarios(
    sums: Sequence[_Sums], demand: Sequence[Array], candidates: Sequence[Candidate],
    options: Sequence[tuple[Option, ...]],
) -> None:  # fmt: skip
    """Play a chunk of scenarios; arrays have one axis per day of the window, then the scenarios."""
    life = candidates[0].shelf_life_days
    stock = [np.full((1, demand[0].shape[1]), candidates[0].terms.carried_over)]
    for t, c in enumerate(candidates):
        fresh = np.array([(1 - c.terms.loss_rate) * o.decision.order for o in options[t]])[:, None]
        lost = np.maximum(demand[t] - fresh, 0.0)
        left = [np.maximum(fresh - demand[t], 0.0)]
        for batch in stock:
            older = batch[..., None, :]
            sold = np.minimum(older, lost[None])
            lost = lost[None] - sold
            left.append(older - sold)
        total = sums[t]
        total.lost = total.lost + lost.sum(-1)
        if len(left) == life:
            oldest = left.pop()
            total.oldest = total.oldest + oldest.sum(-1)
            total.clearance = total.clearance + np.minimum(oldest, c.terms.clearance_share * demand[t]).sum(-1)
        total.kept = total.kept + sum(_lead(b.sum(-1), lost.ndim - 1) for b in left)
        stock = left


def _lead(array: Array, axes: int) -> Array:
    """The array with axes of length 1 in front, `axes` in all."""
    return array.reshape((1,) * (axes - array.ndim) + array.shape)


def _full(array: Array, life: int) -> Array:
    return _lead(np.asarray(array, dtype=float), life)


def _means(
    sums: _Sums, n: int, demand: Array, c: Candidate, options: Sequence[Option], cost: float, last: bool
) -> tuple[Array, Array]:
    """Expected objective [money] and demand served at full price [unit] of every window of a day."""
    terms = c.terms
    listed = np.array([o.decision.listed for o in options])
    price = np.array([o.decision.price if o.decision.listed else 0.0 for o in options])
    order = np.array([o.decision.order for o in options])
    lost, cleared, oldest = (np.asarray(x) / n for x in (sums.lost, sums.clearance, sums.oldest))
    served = demand - lost
    revenue = price * (served - terms.cannibalisation * cleared) + (1 - terms.discount) * price * cleared
    waste = oldest - (1 - terms.cannibalisation) * cleared
    kept = terms.carry_value * np.asarray(sums.kept) / n if last else 0.0
    value = revenue - cost * order - terms.disposal_cost * waste - terms.goodwill * lost + kept
    return np.where(listed, value, 0.0), served


def best_path(rewards: Sequence[Array]) -> tuple[tuple[int, ...], float]:
    """The path of options with the largest sum of window rewards, exactly (Viterbi over the last life − 1 options)."""
    best = np.zeros(rewards[0].shape[:-1])
    choices = []
    for reward in rewards:
        total = best[..., None] + reward
        choices.append(total.argmax(axis=0))
        best = total.max(axis=0)
    worth = float(best.max())
    state = tuple(int(k) for k in np.unravel_index(int(best.argmax()), best.shape))
    path = list(state)
    for choice in reversed(choices[len(state) :]):
        path.insert(0, int(choice[tuple(path[: len(state)])]))
    return tuple(path[-len(rewards) :]), worth
