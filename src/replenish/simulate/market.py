"""One day of the market: shoppers meet the shelf, items run out, others take their place, the rest is discounted.

Shoppers choose by random utility (see `shoppers.py`). Stock-outs therefore censor sales and move demand to rivals by
themselves; nothing here knows of the demand model that the optimiser assumes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.errors import DataError
from replenish.simulate.conditions import Conditions
from replenish.simulate.practice import ClearanceHabit, draw_clearance
from replenish.simulate.shoppers import (
    NOTHING,
    ShelfVisits,
    choice_shares,
    choose,
    draw_arrivals,
    draw_segments,
    draw_visits,
)
from replenish.simulate.world import CLOSE_HOUR, OPEN_HOUR, Array, World

GRAM = 1e-3
PRICE_STEP = 0.01


@dataclass(frozen=True)
class Offers:
    """What is on the shelf in the morning, per item in market order; stock 0 means not on offer.

    `price`: full price [money/unit], NaN allowed where nothing is on offer; `stock`: on hand [unit]; `age`: mean age of
    the stock [days], 0 when fresh.
    """

    price: Array
    stock: Array
    age: Array

    @classmethod
    def from_frame(cls, world: World, frame: pd.DataFrame) -> Offers:
        """Offers from columns item_code, price, stock_on_hand and, optionally, age_days; `DataError` if unusable."""
        unknown = sorted(set(frame["item_code"]) - set(world.items["item_code"]))
        if unknown or frame["item_code"].duplicated().any():
            raise DataError(f"offers: unknown or repeated items ({', '.join(unknown[:5]) or 'repeated codes'}).")
        table = frame.set_index("item_code").reindex(world.items["item_code"])
        if "age_days" not in table:
            table["age_days"] = 0.0
        return cls(
            table["price"].to_numpy(dtype=np.float64),
            table["stock_on_hand"].fillna(0.0).to_numpy(dtype=np.float64),
            table["age_days"].fillna(0.0).to_numpy(dtype=np.float64),
        ).checked()

    @property
    def offered(self) -> NDArray[np.bool_]:
        """Which items are on offer."""
        return self.stock > 0

    def checked(self) -> Offers:
        """Itself; `DataError` when stock is negative or something on offer has no positive price."""
        bad = (self.stock < 0) | ((self.stock > 0) & ~(self.price > 0))
        if bad.any():
            raise DataError(f"offers: {bad.sum()} of {len(bad)} items have negative stock or no price above 0.")
        return self


@dataclass(frozen=True)
class DayResult:
    """What happened on one day.

    `sales`: one row per purchase in order of time: shopper, hour [h], item (market position), quantity [unit],
    unit_price, discounted. Per item in market order: `demand` (would have sold had all on offer lasted all day at full
    price, the same shoppers) [unit], `sold`, `sold_full_price`, `left`, `lost` (wanted first and given up for nothing)
    [unit], `sold_out_hour`, `clearance_hour` [h, NaN when none], `first_choices` (number of visits behind `demand`).
    """

    sales: pd.DataFrame
    demand: Array
    first_choices: Array
    sold: Array
    sold_full_price: Array
    left: Array
    lost: Array
    sold_out_hour: Array
    clearance_hour: Array


@dataclass(frozen=True)
class Market:
    """The market of a world under given conditions; every day can be played again with other offers.

    The same day and seed bring the same shoppers whatever is offered. `day` is a row of `conditions`.
    """

    world: World
    conditions: Conditions
    seed: int

    def play_day(self, day: int, offers: Offers, attraction: float = 1.0) -> DayResult:
        """The day's sales and truth; `attraction` multiplies the expected number of shoppers."""
        offers.checked()
        habit = self.clearance(day)
        shelves = []
        for category, visits in self.visits(day, attraction):
            at = self.world.members(category)
            shelf = self._shelf(day, category, at, visits, offers)
            shelves.append((at, visits, play_shelf(shelf, visits, habit.for_items(at))))
        return _gather(len(self.world.items), shelves)

    def expected_demand(self, day: int, price: Array, offered: NDArray[np.bool_], age: Array | None = None) -> Array:
        """Expected uncensored demand per item [unit] at full prices, given the day's conditions."""
        demand = np.zeros(len(self.world.items))
        for k, category in enumerate(self.world.categories):
            at = self.world.members(category)
            utility = np.where(offered[at], self._appeal(day, at, age), -np.inf)
            demand[at] = self._visits_expected(day, k) * self._shares(day, category, at, utility, price[at][None, :])[0]
        return demand * self.world.column("basket")

    def elasticities(
        self, day: int, price: Array, offered: NDArray[np.bool_], age: Array | None = None, step: float = 0.01
    ) -> tuple[Array, Array]:
        """True elasticities of expected demand per item: to its own price alone, and to all prices of its category.

        Central differences of ±`step`; NaN where not offered.
        """
        own, common = np.full((2, len(self.world.items)), np.nan)
        for category in self.world.categories:
            at = self.world.members(category)[offered[self.world.members(category)]]
            if not len(at):
                continue
            moves = np.vstack([np.eye(len(at)), np.ones(len(at))])
            utility = self._appeal(day, at, age)
            up, down = (self._shares(day, category, at, utility, price[at] * (1 + s * moves)) for s in (step, -step))
            response = np.log(up / down) / np.log((1 + step) / (1 - step))
            own[at], common[at] = np.diag(response[:-1]), response[-1]
        return own, common

    def category_demand(self, day: int, category: str, at: NDArray[np.int64], price: Array) -> Array:
        """Expected demand [unit] of the category's items `at`, all on offer and fresh, at rows of prices (rows × J)."""
        k = self.world.categories.index(category)
        shares = self._shares(day, category, at, self.conditions.appeal[day, at], price)
        return shares * self._visits_expected(day, k) * self.world.column("basket")[at]

    def clearance(self, day: int) -> ClearanceHabit:
        """The shop's luck with clearance on that day."""
        hourly = np.array(self.world.traffic.hourly)
        return draw_clearance(self.world.practice, hourly, OPEN_HOUR, len(self.world.items), self._rng(day, 0))

    def _rng(self, day: int, stream: int) -> np.random.Generator:
        ordinal = self.conditions.dates[day].toordinal()
        return np.random.default_rng([self.world.seed, self.seed, 30 + stream, ordinal])

    def visits(self, day: int, attraction: float) -> Iterator[tuple[str, ShelfVisits]]:
        """The visits to every category's shelf on that day."""
        arrivals, rng = self._arrivals(day, attraction)
        segment = draw_segments(self.world.choice, len(arrivals), rng)
        for k, category in enumerate(self.world.categories):
            pull = float(self.conditions.pull[day, k])
            yield category, draw_visits(self.world, category, arrivals, segment, pull, self._rng(day, 2 + k))

    def customers(self, day: int, attraction: float = 1.0) -> int:
        """How many shoppers come through the door that day."""
        return len(self._arrivals(day, attraction)[0])

    def _arrivals(self, day: int, attraction: float) -> tuple[Array, np.random.Generator]:
        """The day's arrivals, and the stream they were drawn from as they leave it."""
        rng = self._rng(day, 1)
        return draw_arrivals(self.world, float(self.conditions.shoppers[day]) * attraction, rng), rng

    def _visits_expected(self, day: int, category: int) -> float:
        per_shopper = self.world.visits[self.world.categories[category]] * self.conditions.pull[day, category]
        return float(self.conditions.shoppers[day] * per_shopper)

    def _appeal(self, day: int, at: NDArray[np.int64], age: Array | None) -> Array:
        fresh: Array = self.conditions.appeal[day, at]
        return fresh if age is None else fresh - self.world.choice.staleness * age[at]

    def _shelf(self, day: int, category: str, at: NDArray[np.int64], visits: ShelfVisits, offers: Offers) -> Shelf:
        factor = self.price_factor(day)
        weight = self.world.choice.price_weight * visits.price_multiplier * factor
        price = np.where(offers.offered[at], offers.price[at], 0.0)
        normal = self.world.column("normal_price")[at]
        # A heavier weight of price leaves the utility at the normal price as it is.
        relative = price / normal - (factor - 1) / factor
        utility = self._appeal(day, at, offers.age) + visits.taste - weight[:, None] * relative
        return Shelf(utility, weight, self.world.outside[category], price, normal, np.round(offers.stock[at], 3))

    def price_factor(self, day: int) -> float:
        """Factor on the weight of price in all utilities that day."""
        weights = self.conditions.price_weight
        return 1.0 if weights is None else float(weights[day])

    def _shares(self, day: int, category: str, at: NDArray[np.int64], appeal: Array, price: Array) -> Array:
        """Choice probabilities at rows of prices, shape (rows × items), averaged over the segments."""
        choice = self.world.choice
        share, multiplier = np.array(choice.segments).T
        known = np.where(np.isfinite(appeal), price, 0.0) / self.world.column("normal_price")[at]
        weight = choice.price_weight * multiplier[:, None, None]
        factor = self.price_factor(day)
        utility = appeal - weight * (factor * known - (factor - 1))
        return choice_shares(utility, self.world.outside[category], choice.nest, share)


# ---------------------------------------------------------------- one shelf


@dataclass(frozen=True)
class Shelf:
    """One category's shelf in the morning: n visits × J items.

    `utility` (n × J) at full prices, tastes included; `price_weight` (n); `outside`: utility of buying nothing;
    per item `price`, `normal_price` [money/unit], `stock` [unit].
    """

    utility: Array
    price_weight: Array
    outside: float
    price: Array
    normal_price: Array
    stock: Array


@dataclass(frozen=True)
class ShelfDay:
    """What the visits (n) did, and per item (J) what became of the stock.

    `item`: column taken or `NOTHING`; `quantity` [unit]; `first_item`: what the visit would have taken had nothing run
    out, at full prices; `left` [unit]; `sold_out_hour`, `clearance_hour` [h, NaN when none].
    """

    item: NDArray[np.int64]
    quantity: Array
    unit_price: Array
    discounted: NDArray[np.bool_]
    first_item: NDArray[np.int64]
    left: Array
    sold_out_hour: Array
    clearance_hour: Array


@dataclass(frozen=True)
class Served:
    """`item` and `quantity` [unit] per visit, and per item the visit that emptied it (n when it lasted)."""

    item: NDArray[np.int64]
    quantity: Array
    emptied_by: NDArray[np.int64]


def serve(utility: Array, outside: float, wanted: Array, stock: Array) -> Served:
    """Visits in order of time take what they like best of what is left; whoever empties an item takes the rest of it.

    Shapes: `utility`, `wanted` (n × J), `stock` (J). Exact: all choose as if nothing ran out; the earliest item to run
    out is closed from then on and those who came for it later choose again, until no item runs out.
    """
    n, columns = utility.shape
    open_items = stock > 0
    item = choose(utility, outside, open_items)
    emptied_by = np.full(columns, n)
    while True:
        taken = _asked_for(item, wanted)
        # Only items asked for to the last can run out: of the others the order of the visits says nothing.
        short = np.flatnonzero(open_items & (_totals(item, taken, columns) >= stock - GRAM / 2))
        if not len(short):
            break
        first = [_emptied_at(item == k, taken, float(stock[k])) for k in short]
        gone = int(short[np.argmin(first)])
        emptied_by[gone], open_items[gone] = min(first), False
        late = np.flatnonzero(item == gone)
        late = late[late > emptied_by[gone]]
        item[late] = choose(utility[late], outside, open_items)
    for k in np.flatnonzero(emptied_by < n):
        visit = emptied_by[k]
        taken[visit] = stock[k] - taken[:visit][item[:visit] == k].sum()
    return Served(item, np.round(taken, 3), emptied_by)


def _asked_for(item: NDArray[np.int64], wanted: Array) -> Array:
    """What each visit wants of the item it chose [unit]; 0 where it chose nothing."""
    return np.where(item == NOTHING, 0.0, wanted[np.arange(len(item)), item])


def _emptied_at(mine: NDArray[np.bool_], asked: Array, stock: float) -> int:
    """The visit whose wish takes the last of an item that is asked for to the last; `mine`: visits that chose it."""
    visits = np.flatnonzero(mine)
    return int(visits[(asked[visits].cumsum() >= stock - GRAM / 2).argmax()])


def play_shelf(shelf: Shelf, visits: ShelfVisits, habit: ClearanceHabit) -> ShelfDay:
    """The category's day: from each of the shop's clearance hours on, some of what is left is sold at a discount."""
    n, columns = shelf.utility.shape
    item, quantity = np.full(n, NOTHING), np.zeros(n)
    unit_price, discounted = np.zeros(n), np.zeros(n, dtype=bool)
    left, price = shelf.stock.copy(), shelf.price.copy()
    sold_out_hour, clearance_hour = np.full((2, columns), np.nan)
    for start, end in _stretches(habit.practice.clear_hours):
        if start in habit.practice.clear_hours:
            begun = habit.start(start, shelf.stock - left, left) & np.isnan(clearance_hour)
            clearance_hour[begun] = start
            price[begun] = discount_price(shelf.price, habit.discount)[begun]
        rows = slice(*np.searchsorted(visits.hour, [start, end]))
        cheaper = (shelf.price - price) / shelf.normal_price
        utility = shelf.utility[rows] + shelf.price_weight[rows, None] * cheaper
        served = serve(utility, shelf.outside, visits.wanted[rows], left)
        emptied = np.flatnonzero(served.emptied_by < len(utility))
        sold_out_hour[emptied] = visits.hour[rows][served.emptied_by[emptied]]
        left = np.round(left - _totals(served.item, served.quantity, columns), 3)
        item[rows], quantity[rows] = served.item, served.quantity
        # Visits that chose nothing read the last item's price here; with quantity 0 they never become purchases.
        unit_price[rows], discounted[rows] = price[served.item], np.isfinite(clearance_hour)[served.item]
    first_item = choose(shelf.utility, shelf.outside, shelf.stock > 0)
    return ShelfDay(item, quantity, unit_price, discounted, first_item, left, sold_out_hour, clearance_hour)


def discount_price(price: Array, discount: Array) -> Array:
    """Discounted price, to the tenth, at least one step [money/unit]."""
    return np.maximum(np.round(price * (1 - discount), 1), PRICE_STEP)


def _stretches(hours: tuple[int, ...]) -> list[tuple[int, int]]:
    """The day cut at the clearance hours: (start, end) [h]."""
    edges = sorted({OPEN_HOUR, CLOSE_HOUR, *hours})
    return list(pairwise(edges))


def _totals(item: NDArray[np.int64], amount: Array, columns: int) -> Array:
    """Sums of `amount` per item; visits that chose nothing are left out."""
    chosen = item != NOTHING
    return np.bincount(item[chosen], weights=amount[chosen], minlength=columns).astype(np.float64)


# ---------------------------------------------------------------- the whole shop


def _gather(n_items: int, shelves: list[tuple[NDArray[np.int64], ShelfVisits, ShelfDay]]) -> DayResult:
    """The shelves of one day put together in market order."""
    names = [f.name for f in fields(DayResult) if f.name != "sales"]
    totals = {name: np.zeros(n_items) for name in names}
    for at, visits, day in shelves:
        for name, values in _shelf_truth(visits, day, len(at)).items():
            totals[name][at] = values
    parts = [_purchases(at, visits, day) for at, visits, day in shelves]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    in_time = np.argsort(columns["hour"], kind="stable")
    return DayResult(pd.DataFrame({name: values[in_time] for name, values in columns.items()}), **totals)


def _shelf_truth(visits: ShelfVisits, day: ShelfDay, columns: int) -> dict[str, Array]:
    first = day.first_item
    first_wanted = np.where(first == NOTHING, 0.0, np.take_along_axis(visits.wanted, first[:, None], axis=1)[:, 0])
    given_up = np.where(day.item == NOTHING, first_wanted, 0.0)
    return {
        "demand": np.round(_totals(first, first_wanted, columns), 3),
        "first_choices": _totals(first, np.ones(len(first)), columns),
        "sold": np.round(_totals(day.item, day.quantity, columns), 3),
        "sold_full_price": np.round(_totals(day.item, np.where(day.discounted, 0.0, day.quantity), columns), 3),
        "left": day.left,
        "lost": np.round(_totals(first, given_up, columns), 3),
        "sold_out_hour": day.sold_out_hour,
        "clearance_hour": day.clearance_hour,
    }


def _purchases(at: NDArray[np.int64], visits: ShelfVisits, day: ShelfDay) -> dict[str, NDArray[Any]]:
    bought = np.flatnonzero((day.item != NOTHING) & (day.quantity > 0))
    return {
        "shopper": visits.shopper[bought],
        "hour": visits.hour[bought],
        "item": at[day.item[bought]],
        "quantity": day.quantity[bought],
        "unit_price": day.unit_price[bought],
        "discounted": day.discounted[bought],
    }
