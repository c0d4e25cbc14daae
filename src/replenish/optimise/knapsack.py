"""One category by itself, solved by labels: a multiple-choice knapsack with a price index and a cover row.

With a price ρ on the cover row what is left is a knapsack of the index alone, whose every completion a table tells
(`completion`): a choice is worth that relaxation less its losses, less ρ per unit of cover to spare or γ − ρ per unit
short. Labels (gain, index weight, cover) are extended item by item and kept while they can lose less than a guess; of
two labels the one with no less weight, no more gain and no more gain with its cover paid for goes (core algorithms:
Pisinger 1995). Where labels get too many the most promising stay, and what the others could reach bounds the choices
lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from replenish.compiled import compiled
from replenish.optimise.completion import ROUNDING, Steps, best_by_step, best_offers, in_steps, tables, with_each
from replenish.optimise.dominance import undominated_labels

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
FIRST_LOSS = 0.001  # of the relaxation: how far below it a choice is first looked for
GROWTH = 2.0
MOST_LABELS = 5_000
FEW_LABELS = 500  # … where any good choice will do
INDEX_STEPS = 30  # of the search for the price of the index
COVER_STEPS = 10  # … of cover
COARSE = 1_500  # steps of weight while ρ is sought
FEWEST_STEPS, MOST_STEPS = 200, 20_000


@dataclass(frozen=True)
class Group:
    """The offers of one item: column numbers, gain, index weight, cover; `must`: one of them has to be taken."""

    columns: Whole
    gain: Array
    weight: Array
    cover: Array
    must: bool


@dataclass(frozen=True)
class Rows:
    """The category's rows: Σ weight ≤ capacity; cover below `required` costs `penalty` a unit (inf: not allowed).

    `cover_price` is a guess of ρ, such as the relaxation's dual."""

    capacity: float
    required: float = 0.0
    penalty: float = 0.0
    cover_price: float = 0.0


@dataclass(frozen=True)
class Choice:
    """The best choice found (column numbers) and a bound on the gain of every choice; −inf: there is no choice.

    `found`: whether there is one; `with_offer`: bounds on the gain of the choices that have the offer, by group in the
    order of its offers."""

    columns: Whole
    bound: float
    found: bool
    with_offer: tuple[Array, ...] = ()


def best_choice(groups: Sequence[Group], rows: Rows, money: float) -> Choice:
    """max Σ gain − penalty·short over at most one offer per group, to within `money` unless labels get too many."""
    given = _options(groups)
    room = rows.capacity - float(given.least.sum())
    if room < -ROUNDING:
        return _none(groups)
    room = min(max(room, 0.0), float((np.maximum.reduceat(given.weight, given.edges[:-1]) - given.least).sum()))
    rho = _cover_price(given, rows, room)
    mu, loss = _index_price(given, rows.capacity, rho)
    near = FIRST_LOSS * sum(float(np.abs(g.gain).max()) for g in groups)
    order = np.argsort(np.add.reduceat(loss <= near, given.edges[:-1], dtype=np.int64), kind="stable")
    count = int(np.clip(room * len(groups) * mu / max(money, ROUNDING), FEWEST_STEPS, MOST_STEPS))
    labels = _labels(_options([groups[i] for i in order]), rows, rho, room, count, money / max(len(groups), 1))
    columns, found, least = _least_loss(labels, money)
    if np.isinf(least):
        return _none(groups)
    bounds, edges = labels.relaxed - np.maximum(labels.losses, least), labels.options.edges
    place = np.argsort(order)
    by_group = (bounds[edges[k] : edges[k] + len(g.gain)] for k, g in zip(place, groups, strict=True))
    return Choice(columns, labels.relaxed - least, found, tuple(by_group))


def _none(groups: Sequence[Group]) -> Choice:
    return Choice(np.empty(0, dtype=np.int64), -np.inf, False, tuple(np.full(len(g.gain), -np.inf) for g in groups))


def _least_loss(labels: _Labels, money: float) -> tuple[Whole, bool, float]:
    """The choice found (column numbers), whether there is one, and what every choice loses at least; infinite when no
    choice is possible."""
    allowed, excluded = max(FIRST_LOSS * abs(labels.relaxed), money), 0.0  # no choice loses less than `excluded`
    while np.isfinite(labels.relaxed) and allowed <= 10 * abs(labels.relaxed) + 1e6:
        columns, lost, dropped = labels.within(allowed, MOST_LABELS)
        if min(lost, dropped) <= allowed:
            least = max(min(lost, dropped) - money, excluded)
            return (columns, True, least) if np.isfinite(lost) else (*_any_choice(labels, allowed * GROWTH), least)
        excluded, allowed = max(allowed - money, excluded), allowed * GROWTH
    return np.empty(0, dtype=np.int64), False, np.inf


def _any_choice(labels: _Labels, allowed: float) -> tuple[Whole, bool]:
    """A good choice where those that lose less than `allowed` were all lost among too many labels."""
    while allowed <= 10 * abs(labels.relaxed) + 1e6:
        columns, lost, _ = labels.within(allowed, FEW_LABELS)
        if np.isfinite(lost):
            return columns, True
        allowed *= GROWTH
    return np.empty(0, dtype=np.int64), False


@dataclass(frozen=True)
class _Options:
    """The offers of all items one after the other, as in `Group`, each item's with the choice of nothing (column −1)
    last unless one of them must be taken; `edges`: where items begin, and the end; `least`: weight by item."""

    columns: Whole
    gain: Array
    weight: Array
    cover: Array
    edges: Whole
    least: Array


def _options(groups: Sequence[Group]) -> _Options:
    size = [len(g.gain) + (not g.must) for g in groups]
    edges = np.append(0, np.cumsum(size))
    given = np.concatenate([np.arange(len(g.gain)) + first for g, first in zip(groups, edges[:-1], strict=True)])
    columns = np.full(edges[-1], -1)
    gain, weight, cover = np.zeros((3, edges[-1]))
    columns[given] = np.concatenate([g.columns for g in groups])
    gain[given] = np.concatenate([g.gain for g in groups])
    weight[given] = np.concatenate([g.weight for g in groups])
    cover[given] = np.concatenate([g.cover for g in groups])
    return _Options(columns, gain, weight, cover, edges, np.minimum.reduceat(weight, edges[:-1]))


def _cover_price(given: _Options, rows: Rows, room: float) -> float:
    """The price ρ of cover at which the relaxation is least, over coarse steps of weight; any price is valid."""
    steps = in_steps(given.weight, given.edges, room, COARSE)

    def at(rho: float) -> tuple[float, float]:
        """The relaxation at this price, and the cover it has to spare."""
        values = given.gain + rho * given.cover
        after = tables(steps, best_by_step(steps, values))
        spare = float(given.cover[best_offers(steps, values, after)].sum()) - rows.required
        return float(after[0, -1]) - rho * rows.required, spare

    low, high = 0.0, min(rows.penalty, 2 * rows.cover_price + 1.0)
    if high <= 0 or at(low)[1] >= 0:
        return low
    if at(high)[1] <= 0:
        return high
    tried = []
    for _ in range(COVER_STEPS):
        middle = (low + high) / 2
        value, spare = at(middle)
        tried.append((value, middle))
        low, high = (low, middle) if spare >= 0 else (middle, high)
    return min(tried)[1]


def _index_price(given: _Options, capacity: float, rho: float) -> tuple[float, Array]:
    """The price μ of the index row in the linear relaxation, and what every offer loses there against the best."""
    gain, first = given.gain + rho * given.cover, given.edges[:-1]
    mu = _row_price(gain, given.weight, given.edges, capacity)
    value = gain - mu * given.weight
    return mu, np.repeat(np.maximum.reduceat(value, first), np.diff(given.edges)) - value


def _row_price(gain: Array, weight: Array, edges: Whole, capacity: float) -> float:
    """The price μ ≥ 0 of the row at which the relaxation is least.

    The relaxation is convex and made of straight lines: the next price tried is where the lines at both ends meet
    (Kelley 1960), and where it lies on them it is least.
    """

    def at(price: float) -> tuple[float, float]:
        value = gain - price * weight
        best = _best_of_each(value, edges)
        unused = capacity - float(weight[best].sum())
        return price * capacity + float(value[best].sum()), unused

    low, left = 0.0, at(0.0)
    if left[1] >= 0:
        return 0.0
    high, right = 1.0, at(1.0)
    while right[1] < 0 and high < 1e9:
        low, left, high = high, right, 2 * high
        right = at(high)
    for _ in range(INDEX_STEPS):
        if right[1] - left[1] <= 0:
            break
        middle = (left[0] - right[0] + right[1] * high - left[1] * low) / (right[1] - left[1])
        here = at(middle)
        if here[0] <= left[0] + left[1] * (middle - low) + 1e-9 * abs(left[0]):
            return middle
        low, left, high, right = (middle, here, high, right) if here[1] < 0 else (low, left, middle, here)
    return high


@compiled
def _best_of_each(value: Array, edges: Whole) -> Whole:
    """The offer worth most of every item."""
    out = edges[:-1].copy()
    for k in range(len(out)):
        for m in range(edges[k], edges[k + 1]):
            if value[m] > value[out[k]]:
                out[k] = m
    return out


def _labels(options: _Options, rows: Rows, rho: float, room: float, count: int, step: float) -> _Labels:
    """The search over options in this order, weights in `count` steps."""
    steps = in_steps(options.weight, options.edges, room, count)
    values = options.gain + rho * options.cover
    best = best_by_step(steps, values)
    after = tables(steps, best)
    whole = float(after[0, -1])
    losses = whole - with_each(steps, values, best, after) if np.isfinite(whole) else np.empty(0)
    return _Labels(options, rows, rho, room, step, steps, after, losses, whole - rho * rows.required)


class _Terms(NamedTuple):
    """What the least loss of a label hangs on, as in `Steps`, `Rows` and `_Labels`."""

    width: float
    room: float
    required: float
    penalty: float
    rho: float
    relaxed: float


@compiled
def _extended(
    label: Array, offers: Array, here: tuple[int, int], rest: Array, coming: Array, terms: _Terms, allowed: float
) -> tuple[Whole, Array, Array]:
    """Every label with every offer of one item (those from `here[0]` to `here[1]`) that loses at most `allowed`: its
    number (number of the label · offers + offer), the label and its least loss.

    `rest`: the table of the items after it, `coming`: the least and the most cover of these.
    """
    many, size = here[1] - here[0], 0
    number, out = np.empty(label.shape[1] * many, dtype=np.int64), np.empty((4, label.shape[1] * many))
    for k in range(label.shape[1]):
        for m in range(many):
            at = here[0] + m
            gain, weight, cover = label[0, k] + offers[0, at], label[1, k] + offers[1, at], label[2, k] + offers[2, at]
            loss = _least(gain, weight, cover, rest, coming, terms)
            number[size] = k * many + m
            out[0, size], out[1, size], out[2, size], out[3, size] = gain, weight, cover, loss
            size += loss <= allowed  # those that lose more are written over
    return number[:size].copy(), out[:3, :size].copy(), out[3, :size].copy()


@compiled
def _least(gain: float, weight: float, cover: float, rest: Array, coming: Array, terms: _Terms) -> float:
    """Least total loss of a label; infinite when it has too much weight, or too little cover where that must hold."""
    left = terms.room - weight + ROUNDING
    step = min(_positive(left / terms.width), len(rest) - 1.0)
    worth = gain + rest[int(step)] + terms.rho * (cover - terms.required)
    spare = _positive(cover + coming[0] - terms.required)
    short = _positive(terms.required - cover - coming[1])
    hard = np.isinf(terms.penalty)
    priced = 0.0 if hard else (terms.penalty - terms.rho) * short
    loss = terms.relaxed - worth + terms.rho * spare + priced
    return float(np.inf if (left < 0) | (hard & (short > ROUNDING)) else loss)


@compiled
def _positive(value: float) -> float:
    """The value or 0. Unlike with `max` there is no branch, which processors would often guess wrong here."""
    return value if value > 0.0 else 0.0


@dataclass(frozen=True)
class _Labels:
    """The search for the choice of least loss against `relaxed`, the relaxation at ρ.

    `room`: weight that fits beyond the least of every item; `step`: gains are told apart in steps of this much money;
    `after`: `tables` of the options; `losses`: what every choice with an offer loses at least, by offer.
    """

    options: _Options
    rows: Rows
    rho: float
    room: float
    step: float
    steps: Steps
    after: Array
    losses: Array
    relaxed: float

    def within(self, allowed: float, most: int) -> tuple[Whole, float, float]:
        """The choice of least loss (infinite if none loses at most `allowed`) and what a choice lost on the way, where
        there were more than `most` labels, would lose at least."""
        near = np.flatnonzero(self.losses <= allowed + ROUNDING)
        edges = np.searchsorted(near, self.options.edges)
        if (np.diff(edges) == 0).any():
            return np.empty(0, dtype=np.int64), np.inf, np.inf
        offers, coming = self._offers(near), self._coming(self.options.cover[near], edges)
        rows = self.rows
        terms = _Terms(self.steps.width, self.room, rows.required, rows.penalty, self.rho, self.relaxed)
        label, loss, trail, dropped = np.zeros((3, 1)), np.zeros(1), [], np.inf  # gain, weight, cover
        for k in range(len(edges) - 1):
            here, rest = (int(edges[k]), int(edges[k + 1])), self.after[k + 1]
            number, label, loss = _extended(label, offers, here, rest, coming[:, k + 1], terms, allowed + ROUNDING)
            kept = self._undominated(label)
            if len(kept) > most:
                by_loss = kept[np.argsort(loss[kept], kind="stable")]
                dropped = min(dropped, float(loss[by_loss[most]]))
                kept = np.sort(by_loss[:most])
            label, loss = label.take(kept, axis=1), loss[kept]
            trail.append(divmod(number[kept], here[1] - here[0]))
        if len(loss) == 0:
            return np.empty(0, dtype=np.int64), np.inf, dropped
        at = int(loss.argmin())
        lost, taken = float(loss[at]), []
        for k in reversed(range(len(trail))):
            before, offer = trail[k]
            taken.append(near[edges[k] + offer[at]])
            at = int(before[at])
        columns = self.options.columns[taken]
        return columns[columns >= 0], lost, dropped

    def _offers(self, near: Whole) -> Array:
        """Gain, weight beyond the least of the item, and cover of these offers (3 × offers)."""
        item = np.searchsorted(self.options.edges, near, side="right") - 1
        weight = self.options.weight[near] - self.options.least[item]
        return np.stack([self.options.gain[near], weight, self.options.cover[near]])

    def _coming(self, cover: Array, edges: Whole) -> Array:
        """The least and the most cover still to come from each item on (2 × items + 1); the last entry is 0."""
        each = np.stack([f.reduceat(cover, edges[:-1]) for f in (np.minimum, np.maximum)])
        return np.append(np.cumsum(each[:, ::-1], axis=1)[:, ::-1], np.zeros((2, 1)), axis=1)

    def _undominated(self, label: Array) -> Whole:
        """Labels that no other beats in weight, gain, and gain with cover paid for (gains in whole steps)."""
        gain, weight, cover = label
        paid = cover if np.isinf(self.rows.penalty) else gain + self.rows.penalty * cover
        return undominated_labels(weight, np.floor(gain / self.step), np.floor(paid / self.step))
