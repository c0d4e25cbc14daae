"""Part of the way from one plan to another: the changes that are worth something with what they make move.

The answer of a round is best for the transfers of the plan before it. Taken whole it can be worse than that plan: it
lists at once what was promised the shoppers of the same missing items, or drops at once what each was to take the
other's shoppers. So its changes are valued with the transfers they bring about, a group at a time, then an item at a
time, and only those are made that better the plan. The objective never falls from round to round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from replenish.optimise.judge import Line
from replenish.optimise.swaps import TOLERANCE, Shelf, lines_of, objective, row_sums, sum_limits, worth

Array = NDArray[np.float64]
PASSES = 3  # through the items that would change
Change = tuple[str, Line | None]  # item_code, and its line in the other plan (none: not listed there)


def bettered(plan: Shelf, other: Sequence[Line], rows: Sequence[int]) -> list[Line]:
    """The plan's lines after those changes towards the `other` plan that better it; `rows`: its rows in the menu.

    The rules that add up hold after every change; hard cover, suppliers' minimums and worst scenarios are left to who
    takes the lines.
    """
    walk = _Walk(plan, other, rows)
    for group in plan.draws:
        walk.take([change for change in walk.changes if plan.group[change[0]] == group])
    for _ in range(PASSES):
        taken = [walk.take([change]) for change in list(walk.changes)]
        if not any(taken):
            break
    return list(walk.lines.values())


class _Walk:
    """The lines on the way, by item, the worth of each group, and the changes not made yet."""

    def __init__(self, plan: Shelf, other: Sequence[Line], rows: Sequence[int]) -> None:
        self.plan, self.lines = plan, {x.candidate.item_code: x for x in plan.lines}
        there = {x.candidate.item_code: x for x in other}
        self.sums = _sums_by_line(plan, plan.rows) | _sums_by_line(plan, rows)
        self.changes = list(_differences(self.lines, there))
        self.parts = {g: worth(plan, g, lines_of(plan, g)) for g in plan.draws}
        self.value = objective(plan.problem, self.parts.values())

    def take(self, changes: Sequence[Change]) -> bool:
        """Makes these changes of one group if they better the plan and keep to the rules; whether they did."""
        if not changes:
            return False
        after = dict(self.lines)
        for code, line in changes:
            after.pop(code, None)
            if line is not None:
                after[code] = line
        if not self._allowed(after.values()):
            return False
        group = self.plan.group[changes[0][0]]
        part = worth(self.plan, group, [x for code, x in after.items() if self.plan.group[code] == group])
        parts = self.parts | {group: part}
        value = objective(self.plan.problem, parts.values())
        if value <= self.value + TOLERANCE * max(1.0, abs(self.value)):
            return False
        self.lines, self.parts, self.value = after, parts, value
        self.changes = [change for change in self.changes if change not in changes]
        return True

    def _allowed(self, lines: object) -> bool:
        chosen = list(lines)  # type: ignore[call-overload]
        problem = self.plan.problem
        codes = {x.candidate.item_code for x in chosen}
        if not set(problem.must_list) <= codes:
            return False
        if problem.active("shelf_count_min") and len(chosen) < problem.rules.n_min:
            return False
        total = sum((self.sums[_key(x)] for x in chosen), np.zeros(len(sum_limits(problem))))
        return bool((total <= sum_limits(problem) + TOLERANCE).all())


def _differences(mine: Mapping[str, Line], other: Mapping[str, Line]) -> Iterator[Change]:
    for code in sorted({*mine, *other}):
        one, two = mine.get(code), other.get(code)
        if one is None or two is None or _key(one) != _key(two):
            yield code, two


def _key(line: Line) -> tuple[str, float, float]:
    return line.candidate.item_code, round(line.price, 6), round(line.order_quantity, 6)


def _sums_by_line(plan: Shelf, rows: Sequence[int]) -> dict[tuple[str, float, float], Array]:
    """What offers of the menu add to the rules that add up, by item, price and order."""
    chosen = plan.problem.menu.offers.loc[list(rows)]
    keys = zip(chosen["item_code"], chosen["price"].round(6), chosen["order_quantity"].round(6), strict=True)
    return dict(zip(keys, row_sums(plan.problem, rows), strict=True))
