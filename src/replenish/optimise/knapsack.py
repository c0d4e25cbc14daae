"""One category by itself, solved exactly by labels: a multiple-choice knapsack with a price index and a cover row.

With a price μ on the index row and ρ on the cover row every offer has a loss against the best of its item; a choice is
worth the relaxation less its losses, less μ times the unused index, less ρ per unit of cover to spare or γ − ρ per unit
short. Labels (loss, index weight, cover) are extended item by item and kept while they can lose less than a guess; of
two labels the one with no less weight, no more gain and no more gain with its cover paid for goes (core algorithms:
Pisinger 1995).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FIRST_LOSS = 0.001  # of the relaxation: how far below it a choice is first looked for
GROWTH = 2.0
MOST_LABELS = 20_000
STEPS = 30  # of the search for μ
COVER_STEPS = 8  # … for ρ
CHUNK = 256  # labels compared at once
EARLIER = np.triu(np.ones((CHUNK, CHUNK), dtype=bool), 1)


@dataclass(frozen=True)
class Group:
    """The offers of one item: column numbers, gain, index weight, cover; `must`: one of them has to be taken."""

    columns: NDArray[np.int64]
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

    `with_offer`: bounds on the gain of the choices that have the offer, by group in the order of its offers."""

    columns: NDArray[np.int64]
    bound: float
    with_offer: tuple[Array, ...] = ()


def best_choice(groups: Sequence[Group], rows: Rows, money: float) -> Choice:
    """max Σ gain − penalty·short over at most one offer per group, to within `money`."""
    if sum(0.0 if not g.must else float(g.weight.min()) for g in groups) + _lowest(groups) > rows.capacity + 1e-9:
        return _none(groups)
    options = [_with_nothing(g) for g in groups]
    mu, rho = _prices(options, rows)
    priced = [o.gain + rho * o.cover for o in options]
    value = [p - mu * o.weight for p, o in zip(priced, options, strict=True)]
    relaxed = mu * rows.capacity - rho * rows.required + sum(float(v.max()) for v in value)
    losses = [v.max() - v for v in value]
    labels = _Labels(options, losses, rows, mu, rho, money / max(len(groups), 1))
    columns, least = _least_loss(labels, relaxed, money)
    if np.isinf(least):
        return _none(groups)
    bounds = tuple(relaxed - np.maximum(loss[: len(g.gain)], least) for loss, g in zip(losses, groups, strict=True))
    return Choice(columns, relaxed - least, bounds)


def _none(groups: Sequence[Group]) -> Choice:
    return Choice(np.empty(0, dtype=np.int64), -np.inf, tuple(np.full(len(g.gain), -np.inf) for g in groups))


def _least_loss(labels: _Labels, relaxed: float, money: float) -> tuple[NDArray[np.int64], float]:
    """The choice found (column numbers) and what every choice loses at least; infinite when there is none."""
    allowed, excluded = max(FIRST_LOSS * abs(relaxed), money), 0.0  # no choice loses less than `excluded`
    while True:
        found = labels.within(allowed)
        if found is None:
            return np.empty(0, dtype=np.int64), excluded
        columns, lost = found
        if lost <= allowed:
            return columns, max(lost - money, excluded)
        if allowed > 10 * abs(relaxed) + 1e6:
            return np.empty(0, dtype=np.int64), np.inf
        excluded, allowed = max(allowed - money, excluded), allowed * GROWTH


def _lowest(groups: Sequence[Group]) -> float:
    return sum(min(float(g.weight.min()), 0.0) for g in groups if not g.must)


def _with_nothing(group: Group) -> Group:
    """The group with the choice of nothing (column −1), unless one of its offers must be taken."""
    if group.must:
        return group
    gain, weight, cover = (np.append(a, 0.0) for a in (group.gain, group.weight, group.cover))
    return Group(np.append(group.columns, -1), gain, weight, cover, must=False)


def _prices(options: Sequence[Group], rows: Rows) -> tuple[float, float]:
    """Prices of the index and the cover row at which the relaxation is least, the second to a few bisections.

    Any prices are valid; good ones leave few labels.
    """
    gain, weight, cover = (_table([getattr(o, name) for o in options]) for name in ("gain", "weight", "cover"))
    gain[_table([np.ones(len(o.gain)) for o in options]) == 0] = -np.inf

    def spare(rho: float) -> tuple[float, float]:
        """Cover to spare at this price, and the price of the index row that goes with it."""
        mu, best = _row_price(gain + rho * cover, weight, rows.capacity)
        return float(np.take_along_axis(cover, best, 1).sum()) - rows.required, mu

    high = min(rows.penalty, 2 * rows.cover_price + 1.0)
    if high <= 0:
        return spare(0.0)[1], 0.0
    low = 0.0
    for _ in range(COVER_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if spare(middle)[0] >= 0 else (middle, high)
    return spare(high)[1], high


def _table(values: Sequence[Array]) -> Array:
    """One row per item, filled up with zeros."""
    return np.stack([np.pad(v, (0, max(map(len, values)) - len(v))) for v in values])


def _row_price(gain: Array, weight: Array, capacity: float) -> tuple[float, NDArray[np.int64]]:
    """The price μ ≥ 0 of the row at which the relaxation is least, and the offers taken there (items × 1).

    The relaxation is convex and made of straight lines: the next price tried is where the lines at both ends meet
    (Kelley 1960), and where it lies on them it is least.
    """

    def at(price: float) -> tuple[float, float, NDArray[np.int64]]:
        value = gain - price * weight
        best = value.argmax(axis=1)[:, None]
        unused = capacity - float(np.take_along_axis(weight, best, 1).sum())
        return price * capacity + float(np.take_along_axis(value, best, 1).sum()), unused, best

    low, left = 0.0, at(0.0)
    if left[1] >= 0:
        return 0.0, left[2]
    high, right = 1.0, at(1.0)
    while right[1] < 0 and high < 1e9:
        low, left, high = high, right, 2 * high
        right = at(high)
    for _ in range(STEPS):
        if right[1] - left[1] <= 0:
            break
        middle = (left[0] - right[0] + right[1] * high - left[1] * low) / (right[1] - left[1])
        here = at(middle)
        if here[0] <= left[0] + left[1] * (middle - low) + 1e-9 * abs(left[0]):
            return middle, here[2]
        low, left, high, right = (middle, here, high, right) if here[1] < 0 else (low, left, middle, here)
    return high, right[2]


@dataclass(frozen=True)
class _Labels:
    """The search for the choice of least loss; `step`: gains are told apart in steps of this much money."""

    options: Sequence[Group]
    losses: Sequence[Array]
    rows: Rows
    mu: float
    rho: float
    step: float

    def within(self, allowed: float) -> tuple[NDArray[np.int64], float] | None:
        """The choice of least loss if that is at most `allowed` (else infinite loss); none with too many labels."""
        near = [loss <= allowed for loss in self.losses]
        order = sorted(range(len(near)), key=lambda i: int(near[i].sum()))
        cost = [self.losses[i][near[i]] for i in order]
        weight = [self.options[i].weight[near[i]] for i in order]
        cover = [self.options[i].cover[near[i]] for i in order]
        least, most = (_after([f(w) for w in weight]) for f in (np.min, np.max))
        scarce, ample = (_after([f(c) for c in cover]) for f in (np.min, np.max))
        label = np.zeros((3, 1))  # loss, weight, cover
        trail = []
        for k in range(len(order)):
            part = np.stack([cost[k], weight[k], cover[k]])
            label = (label[:, :, None] + part[:, None, :]).reshape(3, -1)
            ends = (least[k + 1], most[k + 1], scarce[k + 1], ample[k + 1])
            kept = np.flatnonzero(self._lower_bound(label, *ends) <= allowed + 1e-12)
            kept = kept[self._undominated(label[:, kept])]
            if len(kept) > MOST_LABELS:
                return None
            label = label[:, kept]
            trail.append((kept // len(cost[k]), kept % len(cost[k])))
        if label.shape[1] == 0:
            return np.empty(0, dtype=np.int64), np.inf
        total = self._lower_bound(label, 0.0, 0.0, 0.0, 0.0)
        at = int(total.argmin())
        lost, columns = float(total[at]), []
        for k in reversed(range(len(order))):
            columns.append(self.options[order[k]].columns[near[order[k]]][trail[k][1][at]])
            at = int(trail[k][0][at])
        return np.array([c for c in columns if c >= 0], dtype=np.int64), lost

    def _lower_bound(self, label: Array, least: float, most: float, scarce: float, ample: float) -> Array:
        """Least total loss of a label, given the least and most weight and cover that the items left can add."""
        loss, weight, cover = label
        unused = np.maximum(self.rows.capacity - weight - most, 0.0)
        spare = np.maximum(cover + scarce - self.rows.required, 0.0)
        short = np.maximum(self.rows.required - cover - ample, 0.0)
        if np.isinf(self.rows.penalty):
            priced = np.where(short > 1e-9, np.inf, 0.0)
        else:
            priced = (self.rows.penalty - self.rho) * short
        total = loss + self.mu * unused + self.rho * spare + priced
        return np.where(weight + least > self.rows.capacity + 1e-9, np.inf, total)

    def _undominated(self, label: Array) -> NDArray[np.int64]:
        """Labels that no other beats in weight, gain, and gain with cover paid for (gains in whole steps)."""
        loss, weight, cover = label
        gain = self.mu * weight - self.rho * cover - loss
        paid = cover if np.isinf(self.rows.penalty) else gain + self.rows.penalty * cover
        levels = np.stack([np.floor(gain / self.step), np.floor(paid / self.step)])
        order = np.lexsort((-levels[1], -levels[0], weight))
        levels = levels[:, order]
        best = np.empty((2, 0))  # of the labels kept, those no other beats in both levels
        out = []
        for start in range(0, len(order), CHUNK):
            part = levels[:, start : start + CHUNK]
            free = ~_beaten(best, part)
            part, numbers = part[:, free], order[start : start + CHUNK][free]
            # Within the chunk earlier labels weigh no more; a label equal to an earlier one goes.
            better = (part[0][:, None] >= part[0]) & (part[1][:, None] >= part[1])
            stays = ~(better & EARLIER[: len(numbers), : len(numbers)]).any(axis=0)
            best = _staircase(np.concatenate([best, part[:, stays]], axis=1))
            out.append(numbers[stays])
        return np.sort(np.concatenate(out)) if out else np.empty(0, dtype=np.int64)


def _staircase(levels: Array) -> Array:
    """The columns no other is at least equal to in both rows; the first row falls, the second rises."""
    levels = levels[:, np.lexsort((-levels[1], -levels[0]))]
    before = np.append(-np.inf, np.maximum.accumulate(levels[1])[:-1])
    return levels[:, levels[1] > before]


def _beaten(best: Array, part: Array) -> NDArray[np.bool_]:
    """Which columns of `part` have a column of the staircase `best` that is no less in both rows."""
    if best.shape[1] == 0:
        return np.zeros(part.shape[1], dtype=bool)
    count = np.searchsorted(-best[0], -part[0], side="right")  # steps with at least as much gain
    return np.asarray((count > 0) & (best[1][np.maximum(count - 1, 0)] >= part[1]))


def _after(values: Sequence[float]) -> Array:
    """Sums of the values from each position on; the last entry is 0."""
    return np.append(np.cumsum(np.array(values, dtype=float)[::-1])[::-1], 0.0)
