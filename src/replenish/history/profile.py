"""The usual day: which share of its transactions has come by when, and by when on a very day."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.history.places import day_numbers

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

HALF_HOURS = 48
PROFILE_DAYS = 365
USUAL_WEIGHT = 30.0  # the usual profile counts as that many transactions beside those of the category that day


@dataclass(frozen=True)
class Rhythm:
    """Full-price sales by category (sorted), day (from `first` on) and half hour: `counts`, categories × days × 48.

    `seen`: whether anything was noted of the category that day (categories × days).
    """

    categories: pd.Index
    first: pd.Timestamp
    counts: Array
    seen: NDArray[np.bool_]

    @classmethod
    def of(cls, intraday: pd.DataFrame) -> Rhythm:
        """The rhythm of the table `intraday_sales` of one store."""
        group, categories = pd.factorize(intraday["category"], sort=True)
        first = pd.Timestamp(intraday["date"].min()) if len(intraday) else pd.Timestamp(0)
        day = day_numbers(intraday["date"], first)
        counts = np.zeros((len(categories), int(day.max(initial=-1)) + 1, HALF_HOURS))
        np.add.at(counts, (group, day, intraday["half_hour"].to_numpy()), intraday["transactions"].to_numpy())
        seen = np.zeros(counts.shape[:2], dtype=bool)
        seen[group, day] = True
        return cls(pd.Index(categories), first, counts, seen)

    @property
    def weekday(self) -> Numbers:
        """Weekday (0 = Monday) of every day."""
        return (self.first.day_of_week + np.arange(self.counts.shape[1])) % 7


def morning_transactions(intraday: pd.DataFrame) -> pd.DataFrame:
    """Key (category, date): full-price `transactions` before noon, from `intraday_sales`; days without are absent."""
    early = intraday[intraday["half_hour"] < HALF_HOURS // 2]
    return early.groupby(["category", "date"], observed=True)["transactions"].sum().reset_index()


@dataclass(frozen=True)
class UsualDay:
    """Cumulative share of the day's transactions at the end of each half hour: categories × 7 × 48; NaN: never seen."""

    categories: pd.Index
    share: Array

    def table(self) -> pd.DataFrame:
        """Key (category, weekday, half_hour); column `cumulative` in [0, 1]; every group has all 48 half hours."""
        group, weekday = np.nonzero(np.isfinite(self.share[:, :, 0]))
        return pd.DataFrame({
            "category": np.repeat(self.categories.take(group), HALF_HOURS),
            "weekday": np.repeat(weekday, HALF_HOURS).astype("int32"),
            "half_hour": np.tile(np.arange(HALF_HOURS), len(group)),
            "cumulative": self.share[group, weekday].ravel(),
        })  # fmt: skip


def usual_day(rhythm: Rhythm, as_of: pd.Timestamp) -> UsualDay:
    """The usual day of each category and weekday, from the year up to `as_of`."""
    age = (as_of - rhythm.first).days - np.arange(rhythm.counts.shape[1])
    total = np.full((len(rhythm.categories), 7, HALF_HOURS), np.nan)
    for weekday in range(7):
        days = np.flatnonzero((rhythm.weekday == weekday) & (age < PROFILE_DAYS))
        known = rhythm.seen[:, days].any(axis=1)
        total[known, weekday] = rhythm.counts[known][:, days].sum(axis=1)
    running = np.cumsum(total, axis=2)
    return UsualDay(rhythm.categories, running / running[:, :, -1:])


@dataclass(frozen=True)
class LastSales:
    """When each row's last sale was, in the terms of a rhythm: category (−1: not in it), its day, weekday, half hour.

    `part`: how much of the half hour had passed; `known`: whether the time is known; `own`: the row's transactions,
    `own_full_price`: those the rhythm counts.
    """

    category: Numbers
    day: Numbers
    weekday: Numbers
    half_hour: Numbers
    part: Array
    known: NDArray[np.bool_]
    own: Array
    own_full_price: Array

    @classmethod
    def of(cls, panel: pd.DataFrame, categories: pd.Index, first: pd.Timestamp) -> LastSales:
        """Of a panel with the columns category, date, last_sale_hour, transactions, full_price_transactions."""
        hour = panel["last_sale_hour"].to_numpy(dtype=float)
        position = np.clip(np.nan_to_num(hour) * 2, 0, HALF_HOURS - 0.001)
        half_hour, day = position.astype(np.int64), day_numbers(panel["date"], first)
        return cls(
            categories.get_indexer(pd.Index(panel["category"])), day, (first.day_of_week + day) % 7, half_hour,
            position - half_hour, np.isfinite(hour),
            *(panel[name].to_numpy(dtype=float) for name in ("transactions", "full_price_transactions")),
        )  # fmt: skip

    def within(self, rhythm: Rhythm) -> NDArray[np.bool_]:
        """Rows whose category and day the rhythm holds."""
        return np.asarray((self.category >= 0) & (self.day >= 0) & (self.day < rhythm.counts.shape[1]))

    def read(self, cumulative: Array, rows: NDArray[np.bool_], second: Numbers) -> Array:
        """What a cumulative table (categories × `second` key × 48) says of the time of the last sale, per row."""
        group, key, at = self.category[rows], second[rows], self.half_hour[rows]
        before = np.where(at > 0, cumulative[group, key, np.maximum(at - 1, 0)], 0.0)
        return np.asarray(before + self.part[rows] * (cumulative[group, key, at] - before))


def usual_share(usual: UsualDay, last: LastSales) -> Array:
    """F(t): usual share of the day's transactions up to each row's last sale; NaN where time or profile is missing."""
    share, there = np.full(len(last.known), np.nan), last.known & (last.category >= 0)
    share[there] = last.read(usual.share, there, last.weekday)
    return share


def day_share(share: Array, rhythm: Rhythm, last: LastSales, hidden: Array | None = None) -> Array:
    """F(t) of each row's own day: the usual `share` and the category's other items that day, as (KF + C(t)) ÷ (K + C).

    A shower at five ends the day early for every item, a stock-out for one. K is `USUAL_WEIGHT`; days without other
    sales keep the usual share. `hidden`: transactions of the row that the rhythm counts beyond its own.
    """
    out = share.copy()
    at = np.isfinite(share) & last.within(rhythm)
    at[at] = rhythm.seen[last.category[at], last.day[at]]
    running = np.cumsum(rhythm.counts, axis=2)
    own = last.own_full_price[at]
    others = np.maximum(last.read(running, at, last.day) - own, 0.0)
    all_others = running[last.category[at], last.day[at], -1] - own
    if hidden is not None:
        all_others = all_others - hidden[at]
    all_others = np.maximum(all_others, others)
    out[at] = (USUAL_WEIGHT * share[at] + others) / (USUAL_WEIGHT + all_others)
    return out


def with_hidden(rhythm: Rhythm, usual: UsualDay, last: LastSales, hidden: Array) -> Rhythm:
    """The rhythm with the `hidden` transactions of each row spread over the rest of its day as usual."""
    at = (hidden > 0) & last.within(rhythm)
    seen = usual_share(usual, last)[at][:, None]
    table = usual.share[last.category[at], last.weekday[at]]
    scale = hidden[at][:, None] / np.maximum(1 - seen, 1e-9)
    rest = np.diff(np.maximum(table, seen), axis=1, prepend=seen) * scale
    half_hour = (last.category[at] * rhythm.counts.shape[1] + last.day[at])[:, None] * HALF_HOURS + np.arange(
        HALF_HOURS
    )
    added = np.bincount(half_hour.ravel(), rest.ravel(), rhythm.counts.size)
    return replace(rhythm, counts=rhythm.counts + added.reshape(rhythm.counts.shape))
