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

import numpy as np
from numpy.typing import NDArray

from replenish.optimise.completion import ROUNDING, Steps, best_by_step, best_offers, in_steps, tables, with_each

Array = NDArray[np.float64]
FIRST_LOSS = 0.001  # of the relaxation: how far below it a choice is first looked for
GROWTH = 2.0
MOST_LABELS = 5_000
INDEX_STEPS = 30  # of the search for the price of the index
COVER_STEPS = 10  # … of cover
COARSE = 1_500  # steps of weight while ρ is sought
FEWEST_STEPS, MOST_STEPS = 200, 20_000
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
    options = [_with_nothing(g) for g in groups]
    room = rows.capacity - sum(float(o.weight.min()) for o in options)
    if room < -ROUNDING:
        return _none(groups)
    room = min(max(room, 0.0), sum(float(np.ptp(o.weight)) for o in options))
    rho = _cover_price(options, rows, room)
    mu, loss = _index_price(options, rows.capacity, rho)
    near = FIRST_LOSS * sum(float(np.abs(g.gain).max()) for g in groups)
    order = sorted(range(len(options)), key=lambda i: int((loss[i] <= near).sum()))
    count = int(np.clip(room * len(options) * mu / max(money, ROUNDING), FEWEST_STEPS, MOST_STEPS))
    labels = _labels([options[i] for i in order], rows, rho, room, count, money / max(len(groups), 1))
    columns, least = _least_loss(labels, money)
    if np.isinf(least):
        return _none(groups)
    bounds = {i: labels.relaxed - np.maximum(loss, least) for i, loss in zip(order, labels.losses, strict=True)}
    return Choice(columns, labels.relaxed - least, tuple(bounds[i][: len(g.gain)] for i, g in enumerate(groups)))


def _none(groups: Sequence[Group]) -> Choice:
    return Choice(np.empty(0, dtype=np.int64), -np.inf, tuple(np.full(len(g.gain), -np.inf) for g in groups))


def _least_loss(labels: _Labels, money: float) -> tuple[NDArray[np.int64], float]:
    """The choice found (column numbers) and what every choice loses at least; infinite when there is none."""
    allowed, excluded = max(FIRST_LOSS * abs(labels.relaxed), money), 0.0  # no choice loses less than `excluded`
    while np.isfinite(labels.relaxed) and allowed <= 10 * abs(labels.relaxed) + 1e6:
        columns, lost, dropped = labels.within(allowed)
        if min(lost, dropped) <= allowed:
            return columns, max(min(lost, dropped) - money, excluded)
        excluded, allowed = max(allowed - money, excluded), allowed * GROWTH
    return np.empty(0, dtype=np.int64), np.inf


def _with_nothing(group: Group) -> Group:
    """The group with the choice of nothing (column −1), unless one of its offers must be taken."""
    if group.must:
        return group
    gain, weight, cover = (np.append(a, 0.0) for a in (group.gain, group.weight, group.cover))
    return Group(np.append(group.columns, -1), gain, weight, cover, must=False)


def _cover_price(options: Sequence[Group], rows: Rows, room: float) -> float:
    """The price ρ of cover at which the relaxation is least, over coarse steps of weight; any price is valid."""
    steps = in_steps([o.weight for o in options], room, COARSE)

    def at(rho: float) -> tuple[float, float]:
        """The relaxation at this price, and the cover it has to spare."""
        values = [o.gain + rho * o.cover for o in options]
        after = tables(steps, best_by_step(steps, values))
        taken = best_offers(steps, values, after)
        spare = sum(float(o.cover[m]) for o, m in zip(options, taken, strict=True)) - rows.required
        return float(after[0][-1]) - rho * rows.required, spare

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


def _index_price(options: Sequence[Group], capacity: float, rho: float) -> tuple[float, list[Array]]:
    """The price μ of the index row in the linear relaxation, and what every offer loses there against the best."""
    gain, weight = (_table([getattr(o, name) for o in options]) for name in ("gain", "weight"))
    gain += rho * _table([o.cover for o in options])
    gain[_table([np.ones(len(o.gain)) for o in options]) == 0] = -np.inf
    mu, _ = _row_price(gain, weight, capacity)
    values = [o.gain + rho * o.cover - mu * o.weight for o in options]
    return mu, [v.max() - v for v in values]


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
    for _ in range(INDEX_STEPS):
        if right[1] - left[1] <= 0:
            break
        middle = (left[0] - right[0] + right[1] * high - left[1] * low) / (right[1] - left[1])
        here = at(middle)
        if here[0] <= left[0] + left[1] * (middle - low) + 1e-9 * abs(left[0]):
            return middle, here[2]
        low, left, high, right = (middle, here, high, right) if here[1] < 0 else (low, left, middle, here)
    return high, right[2]


def _labels(options: Sequence[Group], rows: Rows, rho: float, room: float, count: int, step: float) -> _Labels:
    """The search over options in this order, weights in `count` steps."""
    steps = in_steps([o.weight for o in options], room, count)
    values = [o.gain + rho * o.cover for o in options]
    best = best_by_step(steps, values)
    after = tables(steps, best)
    whole = float(after[0][-1])
    losses = [whole - v for v in with_each(steps, values, best, after)] if np.isfinite(whole) else []
    return _Labels(options, rows, rho, room, step, steps, after, losses, whole - rho * rows.required)


@dataclass(frozen=True)
class _Labels:
    """The search for the choice of least loss against `relaxed`, the relaxation at ρ.

    `room`: weight that fits beyond the least of every item; `step`: gains are told apart in steps of this much money;
    `after`: `tables` of the options; `losses`: what every choice with an offer loses at least, by item and offer.
    """

    options: Sequence[Group]
    rows: Rows
    rho: float
    room: float
    step: float
    steps: Steps
    after: Sequence[Array]
    losses: Sequence[Array]
    relaxed: float

    def within(self, allowed: float) -> tuple[NDArray[np.int64], float, float]:
        """The choice of least loss (infinite if none loses at most `allowed`) and what a choice lost on the way, where
        there were too many labels, would lose at least."""
        near = [np.flatnonzero(loss <= allowed + ROUNDING) for loss in self.losses]
        parts = [
            np.stack([o.gain[n], o.weight[n] - o.weight.min(), o.cover[n]])
            for o, n in zip(self.options, near, strict=True)
        ]  # fmt: skip
        if any(p.shape[1] == 0 for p in parts):
            return np.empty(0, dtype=np.int64), np.inf, np.inf
        scarce, ample = (_after([f(p[2]) for p in parts]) for f in (np.min, np.max))
        label, trail, dropped = np.zeros((3, 1)), [], np.inf  # gain, weight, cover
        for k, part in enumerate(parts):
            label = (label[:, :, None] + part[:, None, :]).reshape(3, -1)
            loss = self._least(label, k + 1, scarce[k + 1], ample[k + 1])
            kept = np.flatnonzero(loss <= allowed + ROUNDING)
            kept = kept[self._undominated(label[:, kept])]
            if len(kept) > MOST_LABELS:
                by_loss = kept[np.argsort(loss[kept], kind="stable")]
                dropped = min(dropped, float(loss[by_loss[MOST_LABELS]]))
                kept = np.sort(by_loss[:MOST_LABELS])
            label, loss = label[:, kept], loss[kept]
            trail.append((kept // part.shape[1], kept % part.shape[1]))
        if len(loss) == 0:
            return np.empty(0, dtype=np.int64), np.inf, dropped
        at = int(loss.argmin())
        lost, columns = float(loss[at]), []
        for k in reversed(range(len(parts))):
            columns.append(self.options[k].columns[near[k][trail[k][1][at]]])
            at = int(trail[k][0][at])
        return np.array([c for c in columns if c >= 0], dtype=np.int64), lost, dropped

    def _least(self, label: Array, place: int, scarce: float, ample: float) -> Array:
        """Least total loss of labels, given the tables from `place` on and the least and most cover still to come."""
        gain, weight, cover = label
        left = self.room - weight + ROUNDING
        rest = self.after[place][np.clip(np.floor(left / self.steps.width), 0, self.steps.room).astype(np.int64)]
        worth = np.where(left < 0, -np.inf, gain + rest + self.rho * (cover - self.rows.required))
        spare = np.maximum(cover + scarce - self.rows.required, 0.0)
        short = np.maximum(self.rows.required - cover - ample, 0.0)
        if np.isinf(self.rows.penalty):
            priced = np.where(short > ROUNDING, np.inf, 0.0)
        else:
            priced = (self.rows.penalty - self.rho) * short
        return np.asarray(self.relaxed - worth + self.rho * spare + priced)

    def _undominated(self, label: Array) -> NDArray[np.int64]:
        """Labels that no other beats in weight, gain, and gain with cover paid for (gains in whole steps)."""
        gain, weight, cover = label
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
