"""Benchmarks no shop can be: the clairvoyant knows the market and all that happened in it up to the evening, not the
luck of the day (`luck.py`); perfect foresight knows even that, down to who will come.

Each evening and category: prices by pairwise ascent on the true expected demand, orders from true demand draws, then a
local search over order, listing and price played in the market itself, started from the best of this and every other
policy's plan; the best of all on the full number of draws is taken. Category price indices stay at or below practice's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from replenish.errors import ConfigError
from replenish.simulate.accounts import BASELINE
from replenish.simulate.draws import Draws, draw_category, play_draws, true_category
from replenish.simulate.history import Shop
from replenish.simulate.luck import foreseen
from replenish.simulate.market import Market
from replenish.simulate.practice import Decision
from replenish.simulate.reputation import Reputation
from replenish.simulate.season import STOCK_VALUE, Books, Planned, View, decisions
from replenish.simulate.stage import Stage
from replenish.simulate.world import Array

FINAL_DRAWS = 500
SEARCH_DRAWS = 100
FINALISTS = 2
WORTH_A_STEP = 0.01  # items of a smaller share of the category's spending are left as they are
SCALES = (0.7, 0.8, 0.9, 1.0, 1.1)
SWEEPS = 6
WORTH_A_SWEEP = 0.002  # the search ends when a sweep over orders and prices gains less [share]
PRICE_STEP = 0.04
PAIRS = 8
PRICE_MOVES = 40
WIDEST = 0.2  # largest distance of a price from practice's [share]
INDEX_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Plan:
    """One category's plan: `price` and `order` per item (J); order 0 without stock is not listed."""

    price: Array
    order: Array


@dataclass(frozen=True)
class Shelf:
    """One category on one evening, as it is: items `at` (J), practice's prices, what is carried over and its age.

    `expected`: the market as the evening leads to expect it, in which prices are sought; `demand` in it at practice's
    prices when all is there [unit].
    """

    draws: Draws
    expected: Market
    usual_price: Array
    true_loss: Array
    is_pack: Array
    multiple: Array
    can_order: Array
    carried: Array
    expiring: Array
    mean_age: Array
    demand: Array

    @property
    def weight(self) -> Array:
        """Value of the demand at practice's prices (J) [money]."""
        return self.demand * self.usual_price

    @property
    def cost(self) -> Array:
        """Wholesale prices expected tomorrow (J) [money/unit]."""
        return self.draws.cost

    def stock(self, order: Array) -> Array:
        """Stock in the morning for an order [unit]."""
        usable = np.round(order * (1 - self.true_loss), 3)
        return self.carried + np.where(self.is_pack, np.round(usable), usable)

    def profit(self, plan: Plan, first: int | None = None) -> float:
        """Mean profit over the (first) draws, kept stock valued as in the books [money]."""
        stock = self.stock(plan.order)
        age = np.divide(self.mean_age * self.carried, stock, out=np.zeros_like(stock), where=stock > 0)
        trade = play_draws(self.draws, plan.price, stock, age, first)
        kept = trade.left - np.minimum(trade.left, np.where(self.expiring < 0, stock, self.expiring))
        value = STOCK_VALUE * self.cost * kept
        spent = self.cost * (plan.order + STOCK_VALUE * self.carried)
        return float((trade.revenue + value).sum(1).mean() - spent.sum())

    def index(self, plan: Plan) -> float:
        """Price index of what is listed against practice's prices, weighted by demand at them; 1: as dear.

        The larger of two: by all demand, as seasons are judged, and by what the stock can serve of it, lest a token of
        something cheap pay for dear prices of everything else.
        """
        stock, ratio = self.stock(plan.order), plan.price / self.usual_price
        served = np.minimum(self.demand, stock)
        weights = (self.usual_price * np.where(stock > 0, self.demand, 0.0), self.usual_price * served)
        return max(float((weight * ratio).sum() / max(weight.sum(), 1e-9)) for weight in weights)


class Clairvoyant:
    """The clairvoyant policy; `foresight`: the draws are the shoppers that will come. `books`: the others' seasons."""

    def __init__(self, stage: Stage, books: Mapping[str, Books], foresight: bool = False) -> None:
        if BASELINE not in books:
            raise ConfigError(f"The clairvoyant needs the season of “{BASELINE}”: its prices are the yardstick.")
        self.stage, self.foresight = stage, foresight
        self.starts = {name: decisions(kept, stage.item_codes) for name, kept in books.items()}

    def see(self, shop: Shop, reputation: Reputation) -> None:
        """Takes the shop and its reputation as they will be."""
        self.shop, self.reputation = shop, reputation

    def __call__(self, view: View) -> Planned:
        """The best plan found, category by category."""
        day = view.evening.day
        order, price = np.zeros(len(self.stage.item_codes)), np.full(len(self.stage.item_codes), np.nan)
        total = 0.0
        for category in self.stage.world.categories:
            shelf = self.shelf(category, view)
            if shelf is None:
                continue
            starts = [self._start(name, view.day, shelf) for name in self.starts]
            plan, profit = search(shelf, day, category, [s for s in starts if s is not None])
            at, total = shelf.draws.at, total + profit
            order[at] = plan.order
            price[at] = np.where(shelf.stock(plan.order) > 0, plan.price, np.nan)
        return Planned(Decision(order, price), total, total)

    def shelf(self, category: str, view: View) -> Shelf | None:
        """The category as it really is; None when nothing can be sold."""
        world, market, day = self.stage.world, self.stage.market, view.evening.day
        members, usual = world.members(category), self.starts[BASELINE][view.day].price
        on_market, carried = market.conditions.on_market[day], self.shop.stockroom.on_hand
        price = np.where(np.isnan(usual), view.evening.last_price, usual)
        at = members[(on_market | (carried > 0))[members] & np.isfinite(price[members])]
        if not len(at):
            return None
        attraction = self.reputation.attraction()
        if self.foresight:
            expected, draws = market, true_category(market, day, category, at, attraction)
        else:
            expected = foreseen(market, day)
            draws = draw_category(market, day, category, at, attraction, FINAL_DRAWS, 0)
        layers, life = self.shop.stockroom.layers[at], self.shop.stockroom.shelf_life_days[at]
        old = np.arange(layers.shape[1])[None, :] + 1 >= life[:, None]
        demand = expected.category_demand(day, category, at, price[at][None, :])[0]
        return Shelf(
            draws, expected, price[at], world.column("true_loss_rate")[at],
            world.is_pack[at], world.column("order_multiple")[at], on_market[at].astype(float), carried[at],
            np.where(life > 1, np.where(old, layers, 0.0).sum(1), -1.0), self.shop.stockroom.mean_age[at],
            demand,
        )  # fmt: skip

    def _start(self, name: str, day: pd.Timestamp, shelf: Shelf) -> Plan | None:
        """Another policy's plan of that day, as far as it can be had here."""
        decided = self.starts[name].get(day)
        if decided is None:
            return None
        at = shelf.draws.at
        price = np.where(np.isnan(decided.price[at]), shelf.usual_price, decided.price[at])
        return Plan(price, decided.order[at] * shelf.can_order)


# ---------------------------------------------------------------- search


def search(shelf: Shelf, day: int, category: str, starts: list[Plan]) -> tuple[Plan, float]:
    """The best plan found for one category, and its mean profit over all draws [money]."""
    prices = _best_prices(shelf, day, category)
    scaled = _scaled_orders(shelf, prices)
    allowed = [p for p in [scaled, *starts] if shelf.index(p) <= 1 + INDEX_TOLERANCE]
    ranked = sorted(allowed, key=lambda plan: -shelf.profit(plan, SEARCH_DRAWS))
    climbed = _climb(shelf, ranked[0])
    worth = [(shelf.profit(plan), plan) for plan in [climbed, *ranked[:FINALISTS]]]
    profit, plan = max(worth, key=lambda pair: pair[0])
    return plan, profit


def _best_prices(shelf: Shelf, day: int, category: str) -> Array:
    """Prices of most expected margin at the same index: one item dearer, another cheaper, the best pair each time."""
    market, at = shelf.expected, shelf.draws.at
    floor, ceiling = shelf.usual_price * (1 - WIDEST), shelf.usual_price * (1 + WIDEST)
    unit_cost = shelf.cost / (1 - shelf.true_loss)

    def margin(prices: Array) -> Array:
        return np.asarray(((prices - unit_cost) * market.category_demand(day, category, at, prices)).sum(1))

    price = shelf.usual_price.copy()
    worth = float(margin(price[None, :])[0])
    for _ in range(PRICE_MOVES):
        up = PRICE_STEP * shelf.weight[:, None] / shelf.weight[None, :]
        i, j = np.nonzero((up < 2 * PRICE_STEP) & ~np.eye(len(price), dtype=bool))
        if not len(i):
            break
        rows = np.tile(price, (len(i), 1))
        k = np.arange(len(i))
        rows[k, i] += PRICE_STEP * shelf.usual_price[i]
        rows[k, j] -= up[i, j] * shelf.usual_price[j]
        inside = ((rows >= floor) & (rows <= ceiling)).all(1)
        if not inside.any():
            break
        values = np.where(inside, margin(rows), -np.inf)
        best = int(values.argmax())
        if values[best] <= worth + 1e-6:
            break
        price, worth = rows[best], float(values[best])
    return np.floor(price * 10) / 10


def _scaled_orders(shelf: Shelf, price: Array) -> Plan:
    """Orders at the newsvendor's quantile of each item's demand when nothing runs out, scaled for the best profit."""
    plenty = np.full(len(price), 1e6)
    demand = play_draws(shelf.draws, price, plenty, np.zeros(len(price)), SEARCH_DRAWS).sold
    unit_cost = shelf.cost / (1 - shelf.true_loss)
    gain = np.maximum(price - unit_cost, 0.0)
    loss = np.where(shelf.expiring >= 0, (1 - STOCK_VALUE) * unit_cost, unit_cost)
    ratio = np.clip(gain / (gain + loss), 0.0, 0.97)
    wanted = np.array([np.quantile(demand[:, j], ratio[j]) for j in range(len(price))])
    plans = [Plan(price, _order(shelf, scale * wanted)) for scale in SCALES]
    return max(plans, key=lambda plan: shelf.profit(plan, SEARCH_DRAWS))


def _order(shelf: Shelf, stock: Array) -> Array:
    """The order in whole multiples that comes nearest to a stock [unit]."""
    bought = np.maximum(stock - shelf.carried, 0.0) / (1 - shelf.true_loss)
    return np.round(bought / shelf.multiple) * shelf.multiple * shelf.can_order


def _climb(shelf: Shelf, plan: Plan) -> Plan:
    """Sweeps over orders, listings and prices as long as profit rises."""
    worth = shelf.profit(plan, SEARCH_DRAWS)
    for _ in range(SWEEPS):
        before = worth
        plan, worth = _climb_orders(shelf, plan, worth)
        plan, worth = _climb_prices(shelf, plan, worth)
        if worth < before + WORTH_A_SWEEP * abs(before):
            break
    return plan


def _better(shelf: Shelf, plan: Plan, worth: float, tried: Plan) -> tuple[Plan, float]:
    """The plan tried and its profit if it is allowed and earns more, else the plan and its own."""
    if shelf.index(tried) > 1 + INDEX_TOLERANCE:
        return plan, worth
    value = shelf.profit(tried, SEARCH_DRAWS)
    return (tried, value) if value > worth else (plan, worth)


def _climb_orders(shelf: Shelf, plan: Plan, worth: float) -> tuple[Plan, float]:
    """One sweep over the items: a step more, else a step less, else none at all."""
    spent = shelf.cost * plan.order
    for j in np.argsort(-plan.order):
        step = max(shelf.multiple[j], np.round(0.08 * plan.order[j] / shelf.multiple[j]) * shelf.multiple[j])
        if not shelf.can_order[j] or spent[j] < WORTH_A_STEP * spent.sum():
            continue
        for change in (step, -step, -plan.order[j]):
            order = plan.order.copy()
            order[j] = max(order[j] + change, 0.0)
            before = worth
            plan, worth = _better(shelf, plan, worth, Plan(plan.price, order))
            if worth > before:
                break
    return plan, worth


def _climb_prices(shelf: Shelf, plan: Plan, worth: float) -> tuple[Plan, float]:
    """The most promising pairs of one item dearer and another cheaper that leave the index as it is.

    What each move is worth alone says which pairs to try.
    """
    there = np.flatnonzero((shelf.stock(plan.order) > 0) & (shelf.weight > WORTH_A_STEP * shelf.weight.sum()))
    if not len(there):
        return plan, worth
    by = np.clip(PRICE_STEP * shelf.weight[there].mean() / shelf.weight[there], 0.0, 3 * PRICE_STEP)
    dearer = [_moved(shelf, plan.price, j, d) for j, d in zip(there, by, strict=True)]
    cheaper = [_moved(shelf, plan.price, j, -d) for j, d in zip(there, by, strict=True)]
    gain, loss = (
        np.array([shelf.profit(Plan(price, plan.order), SEARCH_DRAWS) - worth for price in prices])
        for prices in (dearer, cheaper)
    )
    together = gain[:, None] + loss[None, :]
    np.fill_diagonal(together, -np.inf)
    for pair in np.argsort(-together, axis=None)[:PAIRS]:
        up, down = divmod(int(pair), len(there))
        if together[up, down] <= 0:
            break
        price = _moved(shelf, _moved(shelf, plan.price, there[up], by[up]), there[down], -by[down])
        plan, worth = _better(shelf, plan, worth, Plan(price, plan.order))
    return plan, worth


def _moved(shelf: Shelf, price: Array, item: np.int64, by: float) -> Array:
    """The prices with one moved by a share of its usual price, to the tenth and not too far from the usual one."""
    usual, moved = shelf.usual_price[item], price.copy()
    moved[item] = np.round(np.clip(price[item] + by * usual, (1 - WIDEST) * usual, (1 + WIDEST) * usual), 1)
    return moved
