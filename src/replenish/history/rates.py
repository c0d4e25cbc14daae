"""What an item sells on a usual day, how much that varies, and how busy a day was.

A day's transactions come at a rate r: the item's usual one times how busy the day was, Gamma distributed around it. A
day that sold out shows only a part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

DAYS_BEFORE, DAYS_AFTER, LEAST_DAYS = 28, 7, 3
LEAST_USUAL = 0.3  # transactions a day
LEAST_SPREAD, MOST_SPREAD = 0.04, 25.0  # variance of an item's rate ÷ its square at least, ÷ itself at most
RATE_STEPS = 4
LEAST_OBSERVED = 0.05
TRAFFIC_DAYS = 20.0  # a usual day counts as that many transactions in telling how busy a day was
MOST_BUSY = 5.0
# What the other items sold tells how busy a day was with an error of its own: in simulated shops true demand goes with
# the power 0.63 to 0.88 of it.
BUSY_POWER = 0.8


@dataclass(frozen=True)
class Shelf:
    """Rows of the panel as numbers: item, `windows`, category × date, date, weekday, whether on offer, transactions.

    `counted`: counts tell whether the day sold out.
    """

    item: NDArray[np.int64]
    window: tuple[NDArray[np.int64], NDArray[np.int64]]
    category_day: NDArray[np.int64]
    day: NDArray[np.int64]
    weekday: NDArray[np.int64]
    on_offer: Array
    n: Array
    counted: NDArray[np.bool_]

    def around(self, *values: Array) -> Array:
        """Sums over each row's window, without the row, values × rows."""
        given, (first, end) = np.stack(values), self.window
        sums = np.zeros((len(values), len(self.n) + 1))
        np.cumsum(given, axis=1, out=sums[:, 1:])
        return np.asarray(sums[:, end] - sums[:, first] - given)

    @cached_property
    def counts_around(self) -> Array:
        """Of the rows on offer: transactions, their squares and number, summed as in `around`."""
        there = (self.on_offer > 0).astype(float)
        return self.around(self.n * there, self.n**2 * there, there)

    def window_of(self, some: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The windows of `some` rows among those rows, the row itself in its own."""
        before = np.r_[0, np.cumsum(some)]
        return before[self.window[0][some]], before[self.window[1][some]]

    def weekday_factor(self, busy: Array) -> Array:
        """How busy the weekday of each row is as a rule (geometric mean): orders go by that, not by the day itself."""
        there = (self.on_offer > 0).astype(float)
        count = np.maximum(np.bincount(self.weekday, there, 7), 1.0)
        return np.asarray(np.exp(np.bincount(self.weekday, there * np.log(busy), 7) / count)[self.weekday])

    @classmethod
    def of(cls, panel: pd.DataFrame, told: Array | None = None) -> Shelf:
        """The rows of a panel in which the rows of an item follow each other by date; `told`: see `told_by_counts`."""
        item = pd.factorize(panel["item_code"])[0]
        day = pd.factorize(panel["date"])[0]
        category = pd.factorize(panel["category"])[0]
        offered = panel["offered"].fillna(0.0).to_numpy(dtype=float) * ~panel["closed"].to_numpy(dtype=bool)
        n, on_offer = panel["transactions"].to_numpy(dtype=float), np.where(offered > 0.5, offered, 0.0)
        counted = np.zeros(len(n), dtype=bool) if told is None else np.isfinite(told)
        after = np.where(counted, 0, DAYS_AFTER)
        weekday = panel["date"].dt.day_of_week.to_numpy(dtype=np.int64)
        return cls(
            item, windows(item, after), category * (day.max(initial=0) + 1) + day, day, weekday, on_offer, n, counted
        )


def windows(item: NDArray[np.int64], after: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row and row after the last of the window of each row, rows of an `item` following each other.

    The 28 rows before it and `after` rows after it; where an item has fewer before, more after, up to 28 in all.
    """
    row = np.arange(len(item))
    starts = np.flatnonzero(np.diff(item, prepend=-1))
    length = np.diff(np.r_[starts, len(item)])
    first, end = np.repeat(starts, length), np.repeat(starts + length, length)
    last = np.maximum(row + after, first + DAYS_BEFORE)
    return np.maximum(first, row - DAYS_BEFORE), np.minimum(end, last + 1)


@dataclass(frozen=True)
class Days:
    """Of each row: how `busy` the day was, the share of it `seen` by the last sale, its `chance` of a stock-out."""

    busy: Array
    seen: Array
    chance: Array

    @property
    def observed(self) -> Array:
        """Share of a day that could show, as far as it is known whether it sold out."""
        return np.asarray(np.maximum(1 - self.chance * (1 - self.seen), LEAST_OBSERVED))


def usual_rates(shelf: Shelf, days: Days, likely: Array | None = None) -> tuple[Array, Array, Array]:
    """Mean of a day's rate, variance of what it may be, and the `likely` variance to go on from, per row.

    The variance is that of `rate_variance` and of the mean, which a new item's few days leave uncertain. For days told
    by counts it is that of the counts: what they hid came out 1 % of all demand too high otherwise. Units: transactions
    a usual day. `likely`: that of an earlier call, where there was one.
    """
    mean, by_moments = usual_transactions(shelf, days.observed * days.busy)
    likely = rate_variance(shelf, days, mean, by_moments if likely is None else likely)
    of_mean = (np.maximum(likely, LEAST_SPREAD * mean**2) + mean) / np.maximum(shelf.counts_around[2], 1.0)
    return mean, np.where(shelf.counted, by_moments, likely + of_mean), likely


def within_reason(variance: Array, mean: Array) -> Array:
    """The variance of rates, no less and no more than rates of this mean may have."""
    return np.asarray(np.clip(variance, LEAST_SPREAD * mean**2, MOST_SPREAD * mean))


def usual_transactions(shelf: Shelf, exposure: Array) -> tuple[Array, Array]:
    """Mean and variance of an item's daily rate over the rows around each row (`windows`).

    The four weeks before; what came after tells about a new item's first days, and, for a day of which no count tells
    whether it sold out, about an item on its way up or down.

    `exposure`: the share of a usual day that a row could show, which a stock-out shortens and a busy day lengthens.
    The mean is Σn ÷ Σexposure: right also where selling out ends the count (a stopped Poisson process). Variance by the
    method of moments: what the counts vary beyond Poisson. Rows with fewer than 3 around them: their own count.
    """
    e = exposure * shelf.on_offer
    (sn, snn, rows), (se, sne, see) = shelf.counts_around, shelf.around(e, shelf.n * e, e * e)
    enough = (rows >= LEAST_DAYS) & (se > LEAST_OBSERVED)
    mean = np.maximum(np.where(enough, sn / np.where(enough, se, 1.0), shelf.n), LEAST_USUAL)
    variance = (snn - 2 * mean * sne + mean**2 * see - mean * se) / np.where(enough, see, 1.0)
    return mean, np.where(enough, variance, 2 * mean)


def rate_variance(shelf: Shelf, days: Days, usual: Array, variance: Array) -> Array:
    """Variance of an item's daily rate around `usual`, from what each day's rate is likely to have been.

    Mean over the rows around of E[(r − usual)²], r ~ Gamma given the day's count, by expectation–maximisation from
    `variance` on. The counts alone vary too little: a busy day that sells out early shows less than it would have sold.
    """
    there, rows = (shelf.on_offer > 0).astype(float), shelf.counts_around[2]
    for _ in range(RATE_STEPS):
        spread = within_reason(variance, usual)
        known, rate = usual**2 / spread + shelf.n, usual / (spread * days.busy)
        cut, whole = rate + days.seen, rate + 1.0
        first = known / days.busy * (days.chance / cut + (1 - days.chance) / whole)
        second = known * (known + 1) / days.busy**2 * (days.chance / cut**2 + (1 - days.chance) / whole**2)
        sr, srr = shelf.around(first * there, second * there)
        variance = np.where(rows >= LEAST_DAYS, (srr - 2 * usual * sr) / np.maximum(rows, 1.0) + usual**2, variance)
    return variance


def how_busy(n: Array, shelf: Shelf, expected: Array, moved: Array) -> Array:
    """How busy the day was beside a usual one, from the other items of the category, those from the whole shop's.

    `moved`: transactions of each row that rivals are known to have had instead, which make no day busy.
    """
    there = shelf.on_offer > 0
    count, usual = n * there, expected * shelf.on_offer

    def others(group: NDArray[np.int64]) -> tuple[Array, Array]:
        came = np.bincount(group, count - moved)[group] - count
        return np.maximum(came, 0.0), np.bincount(group, usual)[group] - usual

    (came, due), (near, near_due) = others(shelf.day), others(shelf.category_day)
    shop = (came + TRAFFIC_DAYS) / (due + TRAFFIC_DAYS)
    seen = np.clip((near + TRAFFIC_DAYS * shop) / (near_due + TRAFFIC_DAYS), 1 / MOST_BUSY, MOST_BUSY)
    return np.asarray(seen**BUSY_POWER)
