"""How likely each sale is to empty the shelf, and so the chance that a day on which it fell silent sold out.

The hazard per sale grows with how much of a usual day was sold before; supply differs between items and comes in
spells. It is estimated together with the chances of the days themselves (expectation–maximisation).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

STEPS = 10  # hazard ↔ chances of the days
START_SHARE = 0.05  # share of days that sell out, to begin with
# Sales of a day so far as a multiple of the item's usual day: the hazard is constant within each class.
CLASSES = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, np.inf])
EDGES, WIDTHS = CLASSES[:-1], np.diff(CLASSES)
LARGEST_HAZARD = 0.65
PRIOR_SALES = 20.0  # the hazard to begin with counts as that many sales of every class
# The shop's hazard counts as that many sold-out days of every item, the item's as that many of the days around a day.
ITEM_DAYS, SPELL_DAYS = 10.0, 10.0


@dataclass(frozen=True)
class SilentDays:
    """Days with a time of the last sale, those of an item following each other.

    Transactions `n`, `usual` ones of such a day, chance of the silence without a stock-out (`quiet`), what counts
    `told` (1, 0, NaN), `item`, and `window`: first of the days around each, itself among them, and the one after them.
    """

    n: Array
    usual: Array
    quiet: Array
    told: Array
    item: Numbers
    window: tuple[Numbers, Numbers]

    @cached_property
    def part(self) -> Array:
        """Sales as a multiple of usual ones."""
        return self.n / self.usual

    @cached_property
    def place(self) -> Numbers:
        """Class of the last sale, its upper end included: the sale before it was still in the class."""
        return np.asarray(np.digitize(self.part, CLASSES, right=True) - 1)

    def by_class(self, values: Array) -> Array:
        """Sum of `values` over the days whose last sale was in each class."""
        return np.asarray(np.bincount(self.place, values, len(EDGES)), dtype=float)

    def by_item(self, values: Array) -> Array:
        """Sum of `values` over all days of the item, per day."""
        return np.asarray(np.bincount(self.item, values)[self.item], dtype=float)

    def around(self, values: Array) -> Array:
        """Sum of `values` over the days around each."""
        sums, (first, end) = np.r_[0.0, np.cumsum(values)], self.window
        return np.asarray(sums[end] - sums[first])

    def passed(self, factor: Array) -> Array:
        """Sales that passed each class, every day's times its `factor`."""
        ended, inside = self.by_class(factor * self.usual), self.by_class(factor * self.n)
        beyond = np.cumsum(ended[:0:-1])[::-1]
        return np.asarray(inside - EDGES * ended + np.r_[WIDTHS[:-1] * beyond, 0.0])

    def met(self, hazard: Array) -> Array:
        """Stock-outs to be expected of each day's sales, by the `hazard` per sale of each class."""
        before = np.r_[0.0, np.cumsum(hazard[:-1] * WIDTHS[:-1])]
        return np.asarray((before[self.place] + hazard[self.place] * (self.part - EDGES[self.place])) * self.usual)


def chances(days: SilentDays, hazard: Array | None) -> tuple[Array, Array]:
    """Chance that the last sale emptied the shelf, and the hazard per sale by `CLASSES` (start: `hazard`).

    Odds of day i: hazard of its last sale ÷ chance of the silence. Hazard of a class: expected stock-outs ÷ sales in
    it (Kaplan–Meier with uncertain events), times a factor for how short supply was: that of the days around, shrunk to
    the item's, and that to 1.
    """
    per_sale = START_SHARE * len(days.n) / days.n.sum()
    hazard = np.full(len(EDGES), per_sale) if hazard is None else hazard
    factor, quiet, is_told = np.ones(len(days.n)), np.maximum(days.quiet, 1e-12), np.isfinite(days.told)
    for _ in range(STEPS):
        h = np.clip(factor * hazard[days.place], 0.0, LARGEST_HAZARD)
        odds = h / (1 - h)
        chance = np.where(is_told, days.told, odds / (odds + quiet))
        met = days.met(hazard)
        of_item = (days.by_item(chance) + ITEM_DAYS) / (days.by_item(met) + ITEM_DAYS)
        factor = (days.around(chance) + SPELL_DAYS * of_item) / (days.around(met) + SPELL_DAYS)
        emptied, at_risk = days.by_class(chance) + PRIOR_SALES * per_sale, days.passed(factor) + PRIOR_SALES
        hazard = np.clip(emptied / at_risk, 0.0, LARGEST_HAZARD)
    return chance, hazard
