"""A simulated past: a policy runs the shop day by day; the tills' tables and the truth behind them are written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.schemas import TABLES, check_table
from replenish.simulate.conditions import Conditions, draw_conditions
from replenish.simulate.market import DayResult, Market, Offers
from replenish.simulate.practice import Decision, Evening, Policy, ShopRule
from replenish.simulate.stockroom import Stockroom
from replenish.simulate.world import Array, World

RETURN_CHANCE = 0.0005
SECONDS_BETWEEN_SCANS = 3


@dataclass(frozen=True)
class Ledger:
    """What the shop has written down so far: days × items, rows filled as the days go by (see `Evening`)."""

    sold: Array
    offered: NDArray[np.bool_]
    sold_out_hour: Array

    @classmethod
    def empty(cls, days: int, items: int) -> Ledger:
        """A ledger of unwritten pages."""
        shape = (days, items)
        return cls(np.zeros(shape), np.zeros(shape, dtype=bool), np.full(shape, np.nan))


@dataclass
class Shop:
    """The shop as it stands in the evening: stock, last prices and the ledger."""

    world: World
    conditions: Conditions
    stockroom: Stockroom
    ledger: Ledger
    last_price: Array
    costs_known: bool = True

    @classmethod
    def opening(cls, world: World, conditions: Conditions, costs_known: bool = True) -> Shop:
        """A shop before its first day; `costs_known`: it prices its goods when they arrive, else the evening before."""
        n = len(world.items)
        life = world.items["shelf_life_days"].to_numpy(dtype=np.int64)
        ledger = Ledger.empty(len(conditions.dates), n)
        return cls(world, conditions, Stockroom(life), ledger, np.full(n, np.nan), costs_known)

    def evening(self, day: int) -> Evening:
        """What is known before `day`: the list of what can be bought, at the coming or else at today's prices."""
        quoted = day if self.costs_known else max(day - 1, 0)
        return Evening(
            day,
            self.conditions.dates[: day + 1].day_of_week.to_numpy(dtype=np.int64),
            self.ledger.sold[:day],
            self.ledger.offered[:day],
            self.ledger.sold_out_hour[:day],
            self.last_price,
            self.stockroom.on_hand,
            self.conditions.on_market[day],
            self.conditions.wholesale[quoted],
        )

    def stock_up(self, decision: Decision) -> Offers:
        """The order arrives, loses its share, and the shelf is laid out; stock without a price stays in the back."""
        usable = np.round(decision.order * (1 - self.world.column("true_loss_rate")), 3)
        self.stockroom.receive(np.where(self.world.is_pack, np.round(usable), usable))
        self.last_price = np.where(np.isnan(decision.price), self.last_price, decision.price)
        stock = np.where(np.isnan(decision.price), 0.0, self.stockroom.on_hand)
        return Offers(decision.price, stock, self.stockroom.mean_age)

    def close(self, day: int, offers: Offers, result: DayResult) -> Array:
        """The day is written down; waste per item [unit]."""
        self.ledger.sold[day] = result.sold
        self.ledger.offered[day] = offers.offered
        self.ledger.sold_out_hour[day] = result.sold_out_hour
        self.stockroom.sell(result.sold)
        return self.stockroom.close_day()


Columns = dict[str, NDArray[Any]]
"""Columns of one day's rows by name; all of the same length."""


@dataclass
class Chronicle:
    """Rows collected day by day, put together at the end."""

    sales: list[Columns] = field(default_factory=list)
    item_days: list[Columns] = field(default_factory=list)


def put_together(days: Sequence[Columns]) -> pd.DataFrame:
    """The rows of several days as one table."""
    return pd.DataFrame({name: np.concatenate([columns[name] for columns in days]) for name in days[0]})


def simulate_history(
    world: World,
    first: date | str,
    last: date | str,
    policy: Policy | None = None,
    seed: int = 0,
    warm_up_days: int = 35,
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The canonical tables of a past from `first` to `last` (items, sales, wholesale, stock, orders) and its truth.

    `policy` (default: the shop's own rule) runs the shop; `warm_up_days` before `first` are played and not written.
    Truth `item_days`, key (date, item_code), one row per item on offer: price, order_quantity, on_hand, demand (would
    have sold had everything on offer lasted all day at full price; the same shoppers), expected_demand, first_choices,
    sold, sold_full_price, lost, left, waste [unit], sold_out_hour, clearance_hour [h], own_elasticity,
    category_elasticity. Truth `days`, key date: expected_shoppers, closed. Same arguments, same tables.
    """
    conditions = draw_conditions(world, pd.Timestamp(first) - pd.Timedelta(days=warm_up_days), last, seed)
    market = Market(world, conditions, seed)
    decide = policy or ShopRule(world, seed)
    shop, chronicle = Shop.opening(world, conditions), Chronicle()
    for day in range(len(conditions.dates)):
        if conditions.shoppers[day] == 0:
            shop.stockroom.close_day()
            continue
        decision = decide(shop.evening(day))
        offers = shop.stock_up(decision)
        result = market.play_day(day, offers)
        waste = shop.close(day, offers, result)
        if day >= warm_up_days:
            chronicle.sales.append(till_rows(market, day, result))
            chronicle.item_days.append(item_day_rows(market, day, decision, offers, result, waste))
    return canonical_frames(world, conditions, chronicle, warm_up_days), _truth(conditions, chronicle, warm_up_days)


# ---------------------------------------------------------------- rows of one day


def till_rows(market: Market, day: int, result: DayResult) -> Columns:
    """The day's transactions; a shopper's items follow each other in the till by a few seconds, a few come back.

    Columns: date, second (of the day), item (market position), quantity [unit, negative where it came back],
    unit_price, returned, discounted.
    """
    sales = result.sales
    second = (sales["hour"].to_numpy() * 3600).astype(np.int64)
    second += SECONDS_BETWEEN_SCANS * _place_in_basket(sales["shopper"].to_numpy())
    n, date_of_day = len(sales), market.conditions.dates[day]
    rows = {
        "date": np.full(n, date_of_day.to_datetime64()),
        "second": second,
        **{name: sales[name].to_numpy() for name in ("item", "quantity", "unit_price")},
        "returned": np.zeros(n, dtype=bool),
        "discounted": sales["discounted"].to_numpy(),
    }
    rng = np.random.default_rng([market.world.seed, market.seed, 40, date_of_day.toordinal()])
    back = np.flatnonzero(rng.random(n) < RETURN_CHANCE)
    return _with_returns(rows, back) if len(back) else rows


def _place_in_basket(shopper: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows of the same shopper come before each row."""
    together = np.argsort(shopper, kind="stable")
    position, ordered = np.arange(len(shopper)), shopper[together]
    begins = np.r_[True, ordered[1:] != ordered[:-1]][: len(shopper)]
    place = np.empty_like(position)
    place[together] = position - np.maximum.accumulate(np.where(begins, position, 0))
    return place


def _with_returns(rows: Columns, back: NDArray[np.int64]) -> Columns:
    """The day's rows with those numbered `back` returned ten minutes later, in order of time."""
    again = {name: values[back] for name, values in rows.items()}
    again |= {"second": again["second"] + 600, "quantity": -again["quantity"], "returned": ~again["returned"]}
    every = {name: np.concatenate([values, again[name]]) for name, values in rows.items()}
    in_time = np.lexsort((every["item"], every["second"]))
    return {name: values[in_time] for name, values in every.items()}


def shelf_rows(
    market: Market, day: int, decision: Decision, offers: Offers, result: DayResult, waste: Array
) -> Columns:
    """What became of the items on offer that day, one row each: date, item_code, order_quantity, left, waste [unit]."""
    offered = offers.offered
    columns = {"order_quantity": decision.order, "left": result.left, "waste": waste}
    return {
        "date": np.full(int(offered.sum()), market.conditions.dates[day].to_datetime64()),
        "item_code": market.world.items["item_code"].to_numpy()[offered],
        **{name: values[offered] for name, values in columns.items()},
    }


def item_day_rows(
    market: Market, day: int, decision: Decision, offers: Offers, result: DayResult, waste: Array
) -> Columns:
    """The truth of one day, one row per item on offer (see `simulate_history`)."""
    offered = offers.offered
    own, common = market.elasticities(day, offers.price, offered, offers.age)
    columns = {
        "price": offers.price,
        "order_quantity": decision.order,
        "on_hand": offers.stock,
        "demand": result.demand,
        "expected_demand": market.expected_demand(day, offers.price, offered, offers.age),
        "first_choices": result.first_choices,
        "sold": result.sold,
        "sold_full_price": result.sold_full_price,
        "lost": result.lost,
        "left": result.left,
        "waste": waste,
        "sold_out_hour": result.sold_out_hour,
        "clearance_hour": result.clearance_hour,
        "own_elasticity": own,
        "category_elasticity": common,
    }
    key = shelf_rows(market, day, decision, offers, result, waste)
    rows = {name: values[offered] for name, values in columns.items()}
    return {"date": key["date"], "item_code": key["item_code"], **rows}


# ---------------------------------------------------------------- tables


def canonical_frames(world: World, conditions: Conditions, chronicle: Chronicle, skip: int) -> dict[str, pd.DataFrame]:
    """The canonical tables of the days after the first `skip` days of the conditions, checked."""
    frames = written_frames(world, conditions, chronicle, skip)
    return {name: check_table(frame, TABLES[name])[list(frame.columns)] for name, frame in frames.items()}


def written_frames(world: World, conditions: Conditions, chronicle: Chronicle, skip: int) -> dict[str, pd.DataFrame]:
    """The tables of `canonical_frames` as written down, to be checked by who reads them."""
    item_days = put_together(chronicle.item_days)
    wholesale = _wholesale_table(world, conditions, item_days, skip)
    items = world.items_table()
    return {
        "items": items[items["item_code"].isin(wholesale["item_code"])],
        "sales": sales_table(world, chronicle.sales),
        "wholesale": wholesale,
        "stock": stock_rows(item_days),
        "orders": item_days.rename(columns={"order_quantity": "ordered"})[["date", "item_code", "ordered"]],
    }


def stock_rows(item_days: pd.DataFrame) -> pd.DataFrame:
    """Stock at close that is still good tomorrow."""
    kept = (item_days["left"] - item_days["waste"]).clip(lower=0.0).round(3)
    return item_days[["date", "item_code"]].assign(on_hand=kept)


def sales_table(world: World, days: Sequence[Columns]) -> pd.DataFrame:
    """The canonical `sales` table of the tills' rows of these days."""
    rows = put_together(days)
    return pd.DataFrame({
        "date": rows["date"], "time": _clock(rows["second"].to_numpy()),
        "item_code": world.items["item_code"].array.take(rows["item"].to_numpy()), "quantity": rows["quantity"],
        "unit_price": rows["unit_price"], "sale_type": np.where(rows["returned"], "return", "sale"),
        "discounted": rows["discounted"],
    })  # fmt: skip


def _clock(second: NDArray[np.int64]) -> NDArray[np.str_]:
    """Seconds of the day as HH:MM:SS."""
    text = np.datetime_as_string(second.astype("datetime64[s]")).astype("U19")
    return np.ascontiguousarray(text.view("U1").reshape(len(text), 19)[:, 11:]).view("U8").ravel()


def _wholesale_table(world: World, conditions: Conditions, item_days: pd.DataFrame, skip: int) -> pd.DataFrame:
    """Quotations of every item on the market, also on days the shop was closed, or still on its shelf."""
    dates, codes = conditions.dates[skip:], world.items["item_code"].to_numpy()
    quoted = conditions.on_market[skip:].copy()
    day = dates.get_indexer(pd.DatetimeIndex(item_days["date"]))
    quoted[day, pd.Index(codes).get_indexer(pd.Index(item_days["item_code"]))] = True
    day, item = np.nonzero(quoted)
    price = conditions.wholesale[skip:][day, item]
    return pd.DataFrame({"date": dates[day], "item_code": codes[item], "wholesale_price": price})


def _truth(conditions: Conditions, chronicle: Chronicle, skip: int) -> dict[str, pd.DataFrame]:
    shoppers = conditions.shoppers[skip:]
    days = pd.DataFrame({"date": conditions.dates[skip:], "expected_shoppers": shoppers, "closed": shoppers == 0})
    return {"item_days": put_together(chronicle.item_days), "days": days}
