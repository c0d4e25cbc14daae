"""The closed loop: a policy runs the simulated shop day by day and sees only what a shop would see; the books are kept.

Every policy of a season meets the same shoppers, wholesale prices and past (common random numbers).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from replenish.records import Tables
from replenish.schemas import DEFAULT_STORE
from replenish.simulate.history import Shop, put_together, sales_table, shelf_rows, till_rows
from replenish.simulate.market import Market
from replenish.simulate.practice import Decision, Evening, Policy
from replenish.simulate.reputation import Reputation
from replenish.simulate.stage import (
    PlayedDay,
    Stage,
    counted_stock,
    known_frames,
    noted_around,
    play_day,
    quotations,
)
from replenish.simulate.world import Array
from replenish.sources.rollup import roll_up

# A unit kept overnight saves a purchase tomorrow, but is older and may stay unsold (as in `optimise.candidates`).
STOCK_VALUE = 0.8
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Planned:
    """What a policy decides for the next day; `promised` and `expected`: the day's profit it counts on [money]."""

    decision: Decision
    promised: float = np.nan
    expected: float = np.nan


@dataclass(frozen=True)
class View:
    """What a policy may know in the evening: `evening` as arrays, `tables` up to today; it decides about `day`."""

    evening: Evening
    day: pd.Timestamp
    read_tables: Callable[[], Tables]

    @property
    def as_of(self) -> pd.Timestamp:
        """The last day the shop was open."""
        return min(self.day - pd.Timedelta(days=1), pd.Timestamp(self.tables.daily_sales["date"].max()))

    @cached_property
    def tables(self) -> Tables:
        """The shop's tables up to today; put together when first asked for."""
        return self.read_tables()


class SeasonPolicy(Protocol):
    """Decides every evening of a season about the next day."""

    def __call__(self, view: View) -> Planned:
        """The decision for `view.day`."""
        ...


@runtime_checkable
class Seer(Protocol):
    """A policy that looks behind the scenes, as no shop can: a benchmark."""

    def see(self, shop: Shop, reputation: Reputation) -> None:
        """Takes the shop and its reputation as they will be on every evening of the season."""
        ...


@dataclass(frozen=True)
class Books:
    """What a season came to.

    `item_days` key (date, item_code): price, unit_cost (paid), order_quantity, on_hand, demand, sold, sold_full_price,
    lost, left, waste, kept [unit], revenue, profit, full_value (what sold at full price is worth at it) [money],
    sold_out_hour [h]. `days` key date: attraction (factor on shoppers), price_index (against the market),
    profit, promised, expected [money], seconds (of the policy). Profit = revenue − purchases − disposal + change of the
    stock's value (0.8 × today's wholesale price).
    """

    item_days: pd.DataFrame
    days: pd.DataFrame


def decisions(books: Books, codes: list[str]) -> dict[pd.Timestamp, Decision]:
    """What was decided in a season, by day; arrays in the order of `codes`."""
    days = {}
    for day, rows in books.item_days.groupby("date"):
        table = rows.set_index("item_code")[["order_quantity", "price"]].reindex(codes)
        order, price = table.to_numpy(dtype=float).T
        days[pd.Timestamp(str(day))] = Decision(np.nan_to_num(order), price)
    return days


@dataclass
class Bookkeeping:
    """The books and the tables of a season while it is played."""

    stage: Stage
    item_days: list[pd.DataFrame] = field(default_factory=list)
    days: list[dict[str, object]] = field(default_factory=list)
    parts: list[dict[str, pd.DataFrame]] = field(default_factory=list)
    grown: Tables | None = None

    def note(self, day: int, played: PlayedDay, opening_stock: Array, facts: dict[str, object]) -> None:
        """Writes one day down, for the books and for the shop's own tables."""
        stage = self.stage
        rows = book_rows(stage.market, day, played, opening_stock)
        self.item_days.append(rows)
        self.days.append({"date": stage.market.conditions.dates[day], "profit": rows["profit"].sum(), **facts})
        shelf = put_together(
            [shelf_rows(stage.market, day, played.decision, played.offers, played.result, played.waste)]
        )
        codes = stage.world.items["item_code"].to_numpy()
        frames = {
            "sales": sales_table(stage.world, [till_rows(stage.market, day, played.result)]),
            "wholesale": quotations(stage.market.conditions, codes, day, played.offers.offered),
            "stock": counted_stock(shelf),
            "orders": shelf[["date", "item_code"]].assign(ordered=shelf["order_quantity"]),
        }
        if stage.around is not None:
            frames |= noted_around(stage.market, stage.around, [day], float(str(facts["attraction"])))
        self.parts.append(known_frames(stage.season, frames))

    def tables(self) -> Tables:
        """The shop's tables up to the last day noted; days noted since the last time are added."""
        known = self.grown or self.stage.tables
        self.grown = extended(known, self.parts) if self.parts else known
        self.parts = []
        return self.grown

    def closed(self) -> Books:
        """The books of the whole season."""
        return Books(pd.concat(self.item_days, ignore_index=True), pd.DataFrame(self.days))


def extended(tables: Tables, parts: list[dict[str, pd.DataFrame]]) -> Tables:
    """The tables with the frames of further days added; the season makes them itself and does not check them again."""
    frames = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
    sales = frames.pop("sales")
    more = dict(frames)
    if len(sales):
        rolled = roll_up(sales, tables.items)
        more |= {"daily_sales": rolled.daily, "intraday_sales": rolled.intraday}
    grown: dict[str, Any] = {name: _joined(getattr(tables, name), frame) for name, frame in more.items()}
    # A list of quotations comes every evening; what was quoted before stays.
    grown["wholesale"] = grown["wholesale"].drop_duplicates(["date", "item_code"], ignore_index=True)
    days = f"{tables.source}, to {grown['wholesale']['date'].max():%Y-%m-%d}"
    return replace(tables, fingerprint=hashlib.sha256(days.encode()).hexdigest(), **grown)


def _joined(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The table with the rows added in its columns and types; columns they do not have are empty."""
    full = rows.assign(store=DEFAULT_STORE).reindex(columns=table.columns)
    other = {name: dtype for name, dtype in table.dtypes.items() if full[name].dtype != dtype}
    return pd.concat([table, full.astype(other)], ignore_index=True)


def play_season(stage: Stage, policy: SeasonPolicy, progress: Progress | None = None) -> Books:
    """The season run by `policy`: every evening it sees the past, the market plays the day, the books are kept."""
    shop, reputation = deepcopy(stage.shop), deepcopy(stage.reputation)
    market, books = stage.market, Bookkeeping(stage)
    if isinstance(policy, Seer):
        policy.see(shop, reputation)
    for day in range(stage.first, stage.first + stage.season.days):
        if market.conditions.shoppers[day] == 0:
            shop.stockroom.close_day()
            continue
        started = time.perf_counter()
        planned = policy(View(shop.evening(day), market.conditions.dates[day], books.tables))
        seconds = time.perf_counter() - started
        opening_stock, attraction = shop.stockroom.on_hand, reputation.attraction()
        played = play_day(market, shop, day, planned.decision, attraction)
        if played is None:
            continue
        reputation.note(market.conditions.wholesale[day], played.offers, played.result)
        facts: dict[str, object] = {"attraction": attraction, "price_index": reputation.last_index}
        facts |= {"promised": planned.promised, "expected": planned.expected, "seconds": seconds}
        books.note(day, played, opening_stock, facts)
        if progress is not None:
            progress(f"{market.conditions.dates[day]:%Y-%m-%d}")
    return books.closed()


def book_rows(market: Market, day: int, played: PlayedDay, opening_stock: Array) -> pd.DataFrame:
    """One day's books, one row per item that was ordered, on the shelf or thrown away (see `Books`)."""
    world, result, offers = market.world, played.result, played.offers
    n = len(world.items)
    cost = market.conditions.wholesale[day]
    sales = result.sales
    revenue = np.bincount(sales["item"], weights=(sales["quantity"] * sales["unit_price"]).to_numpy(), minlength=n)
    usable = np.where(offers.offered, offers.stock, opening_stock)
    kept = np.maximum(usable - result.sold - played.waste, 0.0)
    disposal = world.column("disposal_cost") if "disposal_cost" in world.items else np.zeros(n)
    profit = revenue - cost * played.decision.order - disposal * played.waste
    profit += STOCK_VALUE * cost * (kept - opening_stock)
    columns = {
        "price": offers.price, "unit_cost": cost, "order_quantity": played.decision.order, "on_hand": offers.stock,
        "demand": result.demand, "sold": result.sold, "sold_full_price": result.sold_full_price, "lost": result.lost,
        "left": result.left, "waste": played.waste, "kept": kept, "revenue": revenue, "profit": profit,
        "sold_out_hour": result.sold_out_hour,
    }  # fmt: skip
    told = offers.offered | (played.decision.order > 0) | (opening_stock > 0)
    rows = pd.DataFrame({name: np.asarray(values)[told] for name, values in columns.items()})
    rows.insert(0, "date", market.conditions.dates[day])
    rows.insert(1, "item_code", world.items["item_code"].to_numpy()[told])
    rows.insert(2, "category", world.items["category"].to_numpy()[told])
    rows.insert(3, "normal_price", world.column("normal_price")[told])
    return rows


class Practice:
    """A policy of plain arrays (`practice.Policy`, such as the shop's own rule) as the policy of a season."""

    def __init__(self, rule: Policy) -> None:
        self.rule = rule

    def __call__(self, view: View) -> Planned:
        """The rule's decision; it promises nothing."""
        return Planned(self.rule(view.evening))
