"""Many draws of one category's day: the market of `market.py`, compiled, over many turns the day may take.

Visits are played in order of time, exactly as one day is (see `market.play_shelf`); a test plays the same shoppers
through both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from replenish.compiled import compiled
from replenish.simulate.luck import draw_turns
from replenish.simulate.market import GRAM, Market, discount_price
from replenish.simulate.practice import ClearanceHabit, draw_clearance
from replenish.simulate.shoppers import ShelfVisits, draw_arrivals, draw_segments, draw_visits
from replenish.simulate.world import OPEN_HOUR, Array

Whole = NDArray[np.int64]
Single = NDArray[np.float32]


@dataclass(frozen=True)
class Draws:
    """R draws of one category's day, items `at` (market positions, J), V visits in all, draw after draw.

    `cost`: wholesale price expected over the draws (J) [money/unit]. Per visit: `utility` (V × J) without price and
    age, `weight` of price (V), `wanted` (V × J) [unit]. `edges` (R × stretches + 1): the visits between two clearance
    hours; `clears` (stretches): number of the clearance hour each starts with, or −1. Of the shop's clearance: `luck`
    (hours × R × J), `discount` (R × J), `trade_left` (hours).
    """

    market: Market
    day: int
    category: str
    at: Whole
    cost: Array
    utility: Single
    weight: Single
    wanted: Single
    edges: Whole
    clears: Whole
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
    """`n` draws of the category's day as the evening before leaves it open: crowd, tastes, prices and shoppers."""
    world = market.world
    k = world.categories.index(category)
    rng = np.random.default_rng([world.seed, market.seed, 60, market.conditions.dates[day].toordinal(), seed, k])
    turns = draw_turns(market, day, category, at, n, rng)
    crowds = [draw_arrivals(world, float(expected) * attraction, rng) for expected in turns.shoppers]
    sizes = np.array([len(crowd) for crowd in crowds])
    arrivals = np.concatenate(crowds)
    segment = draw_segments(world.choice, len(arrivals), rng)
    visits = draw_visits(world, category, arrivals, segment, np.repeat(turns.pull, sizes), rng, at)
    ends = np.searchsorted(visits.shopper, np.concatenate([[0], np.cumsum(sizes)]))
    hourly = np.array(world.traffic.hourly)
    habits = [draw_clearance(world.practice, hourly, OPEN_HOUR, len(at), rng) for _ in range(n)]
    appeal = np.repeat(turns.appeal, np.diff(ends), axis=0)
    return _put_together(market, day, category, at, turns.wholesale.mean(0), visits, ends, appeal, habits)


def true_category(market: Market, day: int, category: str, at: Whole, attraction: float) -> Draws:
    """The one draw that comes true: the shoppers the market will play that day."""
    whole, conditions = dict(market.visits(day, attraction))[category], market.conditions
    columns = np.searchsorted(market.world.members(category), at)
    visits = replace(whole, taste=whole.taste[:, columns], wanted=whole.wanted[:, columns])
    appeal = np.tile(conditions.appeal[day, at], (len(visits.hour), 1))
    habits = [market.clearance(day).for_items(at)]
    ends = np.array([0, len(visits.hour)])
    return _put_together(market, day, category, at, conditions.wholesale[day, at], visits, ends, appeal, habits)


def _put_together(
    market: Market, day: int, category: str, at: Whole, cost: Array, visits: ShelfVisits, ends: Whole, appeal: Array,
    habits: list[ClearanceHabit],
) -> Draws:  # fmt: skip
    hours = market.world.practice.clear_hours
    opens = sorted({OPEN_HOUR, *hours})
    weight = market.world.choice.price_weight * market.price_factor(day) * visits.price_multiplier
    edges = [a + np.searchsorted(visits.hour[a:b], [*opens, 24]) for a, b in pairwise(ends)]
    return Draws(
        market, day, category, at, cost,
        (visits.taste + appeal).astype(np.float32), weight.astype(np.float32), visits.wanted.astype(np.float32),
        np.array(edges, dtype=np.int64),
        np.array([hours.index(hour) if hour in hours else -1 for hour in opens]),
        np.stack([h.luck for h in habits], axis=1), np.stack([h.discount for h in habits]),
        np.asarray(habits[0].trade_left, dtype=np.float64),
    )  # fmt: skip


def play_draws(draws: Draws, price: Array, stock: Array, age: Array, first: int | None = None) -> Trade:
    """The category's day in the first `first` draws (all by default); per item (J): full price, stock and its age."""
    world, use = draws.market.world, slice(0, first)
    factor, normal = draws.market.price_factor(draws.day), world.column("normal_price")[draws.at]
    asked = np.where(stock > 0, price, 1.0)
    discounted = discount_price(asked, draws.discount[use])
    lasting = world.choice.staleness * age
    # A heavier weight of price leaves the utility at the normal price as it is.
    relative = np.stack([np.broadcast_to(asked, discounted.shape), discounted]) / normal - (factor - 1) / factor
    left, revenue = _play(
        draws.edges[use], draws.clears, draws.utility, draws.weight, draws.wanted, lasting, relative,
        asked, discounted, world.outside[draws.category], np.round(stock, 3),
        draws.luck[:, use], draws.trade_left, np.array(world.practice.clear_chance), world.practice.overstock_factor,
    )  # fmt: skip
    return Trade(np.asarray(np.round(stock - left, 3), dtype=np.float64), left, revenue)


@compiled
def _play(
    edges: Whole, clears: Whole, utility: Single, weight: Single, wanted: Single, lasting: Array, relative: Array,
    asked: Array, discounted: Array, outside: float, stock: Array, luck: Array, trade_left: Array, clear_chance: Array,
    overstock_factor: float,
) -> tuple[Array, Array]:  # fmt: skip
    """Draw after draw, visit after visit; arrays as in `Draws`, prices `relative` (full, discounted × R × J)."""
    draws, columns = discounted.shape
    left, revenue = np.empty((draws, columns)), np.zeros((draws, columns))
    for r in range(draws):
        left[r] = stock
        clear = np.zeros(columns, dtype=np.int64)
        for s in range(len(clears)):
            number = clears[s]
            if number >= 0:
                for j in range(columns):
                    rest = (stock[j] - left[r, j]) * trade_left[number] / max(1 - trade_left[number], 0.1)
                    chance = clear_chance[number] * (overstock_factor if left[r, j] > rest else 1.0)
                    if left[r, j] > 0 and luck[number, r, j] < chance:
                        clear[j] = 1
            for v in range(edges[r, s], edges[r, s + 1]):
                best, most = -1, outside
                for j in range(columns):
                    if left[r, j] > GRAM / 2:
                        seen = utility[v, j] - weight[v] * relative[clear[j], r, j] - lasting[j]
                        if seen > most:
                            best, most = j, seen
                if best >= 0:
                    amount = min(wanted[v, best], left[r, best])
                    left[r, best] -= amount
                    revenue[r, best] += amount * (discounted[r, best] if clear[best] else asked[best])
                    if left[r, best] <= GRAM / 2:
                        left[r, best] = 0.0
    return left, revenue
