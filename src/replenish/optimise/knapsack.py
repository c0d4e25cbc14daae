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
GROWTH = 2.5
MOST_LABELS = 10_000
STEPS = 30  # of the search for μ
COVER_STEPS = 14  # … for ρ
CHUNK = 512  # labels compared at once


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
    """The best choice found (column numbers) and a bound on the gain of every choice; −inf: there is no choice."""

    columns: NDArray[np.int64]
    bound: float


def best_choice(groups: Sequence[Group], rows: Rows, money: float) -> Choice:
    """max Σ gain − penalty·short over at most one offer per group, to within `money`."""
    if sum(0.0 if not g.must else float(g.weight.min()) for g in groups) + _lowest(groups) > rows.capacity + 1e-9:
        return Choice(np.empty(0, dtype=np.int64), -np.inf)
    options = [_with_nothing(g) for g in groups]
    mu, rho = _prices(options, rows)
    priced = [o.gain + rho * o.cover for o in options]
    value = [p - mu * o.weight for p, o in zip(priced, options, strict=True)]
    relaxed = mu * rows.capacity - rho * rows.required + sum(float(v.max()) for v in value)
    labels = _Labels(options, [v.max() - v for v in value], rows, mu, rho, money / max(len(groups), 1))
    allowed, excluded = max(FIRST_LOSS * abs(relaxed), money), 0.0  # no choice loses less than `excluded`
    while True:
        found = labels.within(allowed)
        if found is None:
            return Choice(np.empty(0, dtype=np.int64), relaxed - excluded)
        columns, lost = found
        if lost <= allowed:
            return Choice(columns, relaxed - max(lost - money, excluded))
        if allowed > 10 * abs(relaxed) + 1e6:
            return Choice(np.empty(0, dtype=np.int64), -np.inf)
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
    weight = [o.weight for o in options]

    def spare(rho: float) -> tuple[float, float]:
        """Cover to spare at this price, and the price of the index row that goes with it."""
        priced = [o.gain + rho * o.cover for o in options]
        mu = _row_price(priced, weight, rows.capacity)
        best = [int((p - mu * w).argmax()) for p, w in zip(priced, weight, strict=True)]
        return sum(float(o.cover[b]) for o, b in zip(options, best, strict=True)) - rows.required, mu

    high = min(rows.penalty, 2 * rows.cover_price + 1.0)
    if high <= 0:
        return spare(0.0)[1], 0.0
    low = 0.0
    for _ in range(COVER_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if spare(middle)[0] >= 0 else (middle, high)
    return spare(high)[1], high


def _row_price(gain: Sequence[Array], weight: Sequence[Array], capacity: float) -> float:
    """The price μ ≥ 0 of the row at which the relaxation is least (its slope in μ is the unused row)."""

    def unused(price: float) -> float:
        return capacity - sum(float(w[int((g - price * w).argmax())]) for g, w in zip(gain, weight, strict=True))

    if unused(0.0) >= 0:
        return 0.0
    low, high = 0.0, 1.0
    while unused(high) < 0 and high < 1e9:
        low, high = high, 2 * high
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if unused(middle) < 0 else (low, middle)
    return high


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
        kept = np.empty((2, 0))
        out = []
        for start in range(0, len(order), CHUNK):
            part = levels[:, start : start + CHUNK]
            free = ~_beaten(kept, part)
            part, numbers = part[:, free], order[start : start + CHUNK][free]
            # Within the chunk earlier labels weigh no more; a label equal to an earlier one goes.
            better = (part[0][:, None] >= part[0]) & (part[1][:, None] >= part[1])
            stays = ~np.triu(better, 1).any(axis=0)
            kept = np.concatenate([kept, part[:, stays]], axis=1)
            out.append(numbers[stays])
        return np.sort(np.concatenate(out)) if out else np.empty(0, dtype=np.int64)


def _beaten(kept: Array, part: Array) -> NDArray[np.bool_]:
    """Which columns of `part` have a column of `kept` that is no less in both rows."""
    if kept.shape[1] == 0:
        return np.zeros(part.shape[1], dtype=bool)
    order = np.argsort(-kept[0], kind="stable")
    best = np.maximum.accumulate(kept[1][order])
    count = np.searchsorted(-kept[0][order], -part[0], side="right")  # kept labels with at least as much gain
    return np.asarray((count > 0) & (best[np.maximum(count - 1, 0)] >= part[1]))


def _after(values: Sequence[float]) -> Array:
    """Sums of the values from each position on; the last entry is 0."""
    return np.append(np.cumsum(np.array(values, dtype=float)[::-1])[::-1], 0.0)
