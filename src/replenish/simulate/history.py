"""A simulated past: a policy runs the shop day by day; the tills' tables and the truth behind them are written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.schemas import ITEMS, ORDERS, SALES, STOCK, WHOLESALE, check_table
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


@dataclass
class Chronicle:
    """Rows collected day by day, put together at the end."""

    sales: list[pd.DataFrame] = field(default_factory=list)
    item_days: list[pd.DataFrame] = field(default_factory=list)


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


def till_rows(market: Market, day: int, result: DayResult) -> pd.DataFrame:
    """The day's transactions; a shopper's items follow each other in the till by a few seconds, a few come back."""
    sales = result.sales
    place_in_basket = sales.groupby("shopper").cumcount().to_numpy()
    second = (sales["hour"].to_numpy() * 3600).astype(np.int64) + SECONDS_BETWEEN_SCANS * place_in_basket
    rows = pd.DataFrame(
        {
            "date": market.conditions.dates[day],
            "second": second,
            "item": sales["item"],
            "quantity": sales["quantity"],
            "unit_price": sales["unit_price"],
            "sale_type": "sale",
            "discounted": sales["discounted"],
        }
    )
    rng = np.random.default_rng([market.world.seed, market.seed, 40, market.conditions.dates[day].toordinal()])
    returned = rows[rng.random(len(rows)) < RETURN_CHANCE]
    returned = returned.assign(sale_type="return", quantity=-returned["quantity"], second=returned["second"] + 600)
    return pd.concat([rows, returned]).sort_values(["second", "item"], kind="stable") if len(returned) else rows


def item_day_rows(
    market: Market, day: int, decision: Decision, offers: Offers, result: DayResult, waste: Array
) -> pd.DataFrame:
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
    rows = pd.DataFrame({name: values[offered] for name, values in columns.items()})
    rows.insert(0, "date", market.conditions.dates[day])
    rows.insert(1, "item_code", market.world.items["item_code"].to_numpy()[offered])
    return rows


# ---------------------------------------------------------------- tables


def canonical_frames(world: World, conditions: Conditions, chronicle: Chronicle, skip: int) -> dict[str, pd.DataFrame]:
    """The canonical tables of the days after the first `skip` days of the conditions."""
    item_days = pd.concat(chronicle.item_days, ignore_index=True)
    wholesale = _wholesale_table(world, conditions, item_days, skip)
    items = world.items_table()
    frames = {
        "items": (items[items["item_code"].isin(wholesale["item_code"])], ITEMS),
        "sales": (sales_table(world, chronicle), SALES),
        "wholesale": (wholesale, WHOLESALE),
        "stock": (item_days[["date", "item_code", "left", "waste"]].pipe(stock_rows), STOCK),
        "orders": (item_days.rename(columns={"order_quantity": "ordered"})[["date", "item_code", "ordered"]], ORDERS),
    }
    return {name: check_table(frame, table)[list(frame.columns)] for name, (frame, table) in frames.items()}


def stock_rows(item_days: pd.DataFrame) -> pd.DataFrame:
    """Stock at close that is still good tomorrow."""
    kept = (item_days["left"] - item_days["waste"]).clip(lower=0.0).round(3)
    return item_days[["date", "item_code"]].assign(on_hand=kept)


def sales_table(world: World, chronicle: Chronicle) -> pd.DataFrame:
    """The canonical `sales` table of the days collected."""
    sales = pd.concat(chronicle.sales, ignore_index=True)
    clock = pd.to_datetime(sales["second"], unit="s").dt.strftime("%H:%M:%S")
    codes = world.items["item_code"].to_numpy()
    sales.insert(1, "time", clock)
    sales.insert(2, "item_code", codes[sales["item"].to_numpy()])
    return sales.drop(columns=["second", "item"])


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
    return {"item_days": pd.concat(chronicle.item_days, ignore_index=True), "days": days}
