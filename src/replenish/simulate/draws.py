"""Many draws of one category's day at once: the market of `market.py`, vectorised over draws of its shoppers.

Visits are played in order of time, the first of every draw, then the second …, exactly as one day is (see
`market.play_shelf`); a test plays the same shoppers through both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from replenish.simulate.market import GRAM, Market, discount_price
from replenish.simulate.practice import ClearanceHabit, draw_clearance
from replenish.simulate.shoppers import SMALLEST_PURCHASE_KG, ShelfVisits, draw_arrivals, draw_segments, draw_visits
from replenish.simulate.world import OPEN_HOUR, Array

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Stretch:
    """Visits between two clearance hours, V visits (padded) × R draws (× J items); `clears`: the shop looks first.

    `utility`: appeal and taste without price and age, −inf where there is no visit; `weight` of price; `wanted` [unit].
    """

    clear_number: int | None
    utility: NDArray[np.float32]
    weight: NDArray[np.float32]
    wanted: NDArray[np.float32]


@dataclass(frozen=True)
class Draws:
    """R draws of one category's day, items `at` (market positions, J); `luck` (hours × R × J), `discount` (R × J)."""

    market: Market
    day: int
    category: str
    at: Whole
    stretches: tuple[Stretch, ...]
    luck: Array
    discount: Array
    trade_left: Array

    @property
    def n(self) -> int:
        """Number of draws."""
        return len(self.discount)


@dataclass(frozen=True)
class Trade:
    """What the draws came to, R draws × J items: `sold`, `left` [unit], `revenue` [money]."""

    sold: Array
    left: Array
    revenue: Array


def draw_category(market: Market, day: int, category: str, at: Whole, attraction: float, n: int, seed: int) -> Draws:
    """`n` draws of the category's shoppers on that day, for the items at market positions `at`."""
    world, conditions = market.world, market.conditions
    k = world.categories.index(category)
    rng = np.random.default_rng([world.seed, market.seed, 60, conditions.dates[day].toordinal(), seed, k])
    crowds = [draw_arrivals(world, float(conditions.shoppers[day]) * attraction, rng) for _ in range(n)]
    arrivals = np.concatenate(crowds)
    segment = draw_segments(world.choice, len(arrivals), rng)
    everyone = draw_visits(world, category, arrivals, segment, float(conditions.pull[day, k]), rng)
    ends = np.searchsorted(everyone.shopper, np.cumsum([len(crowd) for crowd in crowds]))
    visits = [_visits_between(everyone, a, b) for a, b in pairwise([0, *ends.tolist()])]
    hourly = np.array(world.traffic.hourly)
    habits = [draw_clearance(world.practice, hourly, OPEN_HOUR, len(at), rng) for _ in range(n)]
    return _put_together(market, day, category, at, visits, habits)


def _visits_between(visits: ShelfVisits, first: int, end: int) -> ShelfVisits:
    at = slice(first, end)
    return ShelfVisits(
        visits.hour[at], visits.shopper[at], visits.price_multiplier[at], visits.taste[at], visits.wanted[at]
    )


def true_category(market: Market, day: int, category: str, at: Whole, attraction: float) -> Draws:
    """The one draw that comes true: the shoppers the market will play that day."""
    visits = dict(market.visits(day, attraction))[category]
    return _put_together(market, day, category, at, [visits], [market.clearance(day).for_items(at)])


def _put_together(
    market: Market, day: int, category: str, at: Whole, visits: list[ShelfVisits], habits: list[ClearanceHabit]
) -> Draws:
    columns = np.searchsorted(market.world.members(category), at)
    days = [(v.hour, v.price_multiplier, v.taste[:, columns], v.wanted[:, columns]) for v in visits]
    luck, discount = np.stack([h.luck for h in habits], axis=1), np.stack([h.discount for h in habits])
    stretches = _stretches(market, day, days, market.conditions.appeal[day, at])
    return Draws(market, day, category, at, stretches, luck, discount, habits[0].trade_left)


def _stretches(market: Market, day: int, days: Sequence[tuple[Array, ...]], appeal: Array) -> tuple[Stretch, ...]:
    hours = market.world.practice.clear_hours
    edges = sorted({OPEN_HOUR, 24, *hours})
    weight = market.world.choice.price_weight * market.price_factor(day)
    out = []
    for start, end in pairwise(edges):
        spans = [slice(*np.searchsorted(hour, [start, end])) for hour, *_ in days]
        longest = max(span.stop - span.start for span in spans)
        shape = (longest, len(days), len(appeal))
        utility = np.full(shape, -np.inf, dtype=np.float32)
        weights, wanted = np.zeros(shape[:2], dtype=np.float32), np.full(shape, SMALLEST_PURCHASE_KG, dtype=np.float32)
        for r, (span, (_, multiplier, taste, amount)) in enumerate(zip(spans, days, strict=True)):
            count = span.stop - span.start
            utility[:count, r], wanted[:count, r] = taste[span] + appeal, amount[span]
            weights[:count, r] = weight * multiplier[span]
        out.append(Stretch(hours.index(start) if start in hours else None, utility, weights, wanted))
    return tuple(out)


def play_draws(draws: Draws, price: Array, stock: Array, age: Array, first: int | None = None) -> Trade:
    """The category's day in the first `first` draws (all by default); per item (J): full price, stock and its age."""
    world, use = draws.market.world, slice(0, first)
    factor = draws.market.price_factor(draws.day)
    normal = world.column("normal_price")[draws.at]
    offered = stock > 0
    asked = np.where(offered, price, 1.0)
    discounted = discount_price(asked, draws.discount[use])
    outside = world.outside[draws.category]
    left = np.tile(np.round(stock, 3), (len(discounted), 1))
    clear, revenue = np.zeros(left.shape, dtype=bool), np.zeros(left.shape)
    lasting = -world.choice.staleness * age
    for stretch in draws.stretches:
        if stretch.clear_number is not None:
            clear |= _cleared(draws, stretch.clear_number, stock, left, use)
        now = np.where(clear, discounted, asked)
        relative = (now / normal - (factor - 1) / factor).astype(np.float32)
        _serve(stretch, use, lasting, relative, outside, left, revenue, now)
    return Trade(np.round(stock - left, 3), left, revenue)


def _cleared(draws: Draws, number: int, stock: Array, left: Array, use: slice) -> NDArray[np.bool_]:
    """Where the shop starts a discount at its clearance hour (as `ClearanceHabit.start`)."""
    practice, trade_left = draws.market.world.practice, draws.trade_left[number]
    usual_rest = (stock - left) * trade_left / max(1 - trade_left, 0.1)
    factor = np.where(left > usual_rest, practice.overstock_factor, 1.0)
    return np.asarray((left > 0) & (draws.luck[number, use] < practice.clear_chance[number] * factor))


def _serve(
    stretch: Stretch, use: slice, lasting: Array, relative: NDArray[np.float32], outside: float, left: Array,
    revenue: Array, price: Array,
) -> None:  # fmt: skip
    """Visits one after the other, all draws at once; changes `left` and `revenue`."""
    rows = np.arange(len(left))
    closed = np.where(left > GRAM / 2, 0.0, -np.inf).astype(np.float32) + lasting.astype(np.float32)
    for utility, weight, wanted in zip(
        stretch.utility[:, use], stretch.weight[:, use], stretch.wanted[:, use], strict=True
    ):
        seen = utility - weight[:, None] * relative + closed
        best = seen.argmax(axis=1)
        taken = seen[rows, best] > outside
        row, item = rows[taken], best[taken]
        amount = np.minimum(wanted[row, item], left[row, item])
        left[row, item] -= amount
        revenue[row, item] += amount * price[row, item]
        gone = left[row, item] <= GRAM / 2
        if gone.any():
            closed[row[gone], item[gone]] = -np.inf
            left[row[gone], item[gone]] = 0.0
