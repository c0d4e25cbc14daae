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
from typing import Any, Protocol

import numpy as np
import pandas as pd

from replenish.errors import DataError
from replenish.records import Tables
from replenish.schemas import DEFAULT_STORE, ITEMS, check_table
from replenish.simulate.conditions import Conditions, draw_conditions, with_upheaval
from replenish.simulate.history import (
    Chronicle,
    Shop,
    canonical_frames,
    item_day_rows,
    sales_table,
    stock_rows,
    till_rows,
)
from replenish.simulate.market import DayResult, Market, Offers
from replenish.simulate.practice import Decision, Evening, Policy, ShopRule
from replenish.simulate.reputation import Reputation
from replenish.simulate.world import Array, World, draw_world
from replenish.sources.folder import tables_from_frames
from replenish.sources.rollup import roll_up

WARM_UP_DAYS = 35
REPUTATION_DAYS = 28
# A unit kept overnight saves a purchase tomorrow, but is older and may stay unsold (as in `optimise.candidates`).
STOCK_VALUE = 0.8
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Season:
    """One season to be played: `days` days of a named world drawn with `seed`, after `history_days` days of practice.

    What the policies may see beside sales without times: `sale_times`, `stock_counts` (with the orders), and
    `costs_known`: tomorrow's wholesale prices already in the evening. `start`: first day, if not the world's own.
    """

    world: str
    seed: int = 0
    days: int = 28
    history_days: int = 365
    sale_times: bool = True
    stock_counts: bool = True
    costs_known: bool = False
    start: str | None = None


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
        """The last known day."""
        return self.day - pd.Timedelta(days=1)

    @cached_property
    def tables(self) -> Tables:
        """The shop's tables up to today; put together when first asked for."""
        return self.read_tables()


class SeasonPolicy(Protocol):
    """Decides every evening of a season about the next day."""

    def __call__(self, view: View) -> Planned:
        """The decision for `view.day`."""
        ...


@dataclass(frozen=True)
class Stage:
    """What is the same for every policy of a season: the market, and the shop and its tables on the last evening."""

    season: Season
    market: Market
    shop: Shop
    tables: Tables
    reputation: Reputation

    @property
    def world(self) -> World:
        """The world the season plays in."""
        return self.market.world

    @property
    def first(self) -> int:
        """Row of the conditions that is the first day of the season."""
        return WARM_UP_DAYS + self.season.history_days

    @property
    def item_codes(self) -> list[str]:
        """Item codes in market order."""
        return [str(code) for code in self.world.items["item_code"]]


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


# ---------------------------------------------------------------- before the season


def set_stage(season: Season) -> Stage:
    """The shop run by its own practice up to the evening before the season's first day."""
    drawn = draw_world(season.world, season.seed)
    world = replace(drawn, season_start=season.start or drawn.season_start)
    start = pd.Timestamp(world.season_start)
    span = (start - pd.Timedelta(days=season.history_days + WARM_UP_DAYS), start + pd.Timedelta(days=season.days))
    conditions = with_upheaval(world, draw_conditions(world, *span, season.seed), season.seed)
    market = Market(world, conditions, season.seed)
    shop, chronicle = Shop.opening(world, conditions, season.costs_known), Chronicle()
    reputation = Reputation.opening(world)
    rule = ShopRule(world, season.seed)
    last = WARM_UP_DAYS + season.history_days
    for day in range(last):
        played = play_day(market, shop, day, rule(shop.evening(day)))
        if played is not None:
            chronicle.sales.append(till_rows(market, day, played.result))
            rows = item_day_rows(market, day, played.decision, played.offers, played.result, played.waste)
            chronicle.item_days.append(rows)
            if day >= last - REPUTATION_DAYS:
                reputation.note(conditions.wholesale[day], played.offers, played.result)
    kept = Chronicle(*(_from(rows, conditions.dates[WARM_UP_DAYS]) for rows in (chronicle.sales, chronicle.item_days)))
    tables = _opening_tables(season, world, conditions, kept, last)
    return Stage(season, market, shop, tables, reputation.settled())


def _from(frames: list[pd.DataFrame], first: pd.Timestamp) -> list[pd.DataFrame]:
    return [frame for frame in frames if frame["date"].iloc[0] >= first]


def _opening_tables(season: Season, world: World, conditions: Conditions, chronicle: Chronicle, last: int) -> Tables:
    past = first_days(conditions, last)
    frames = canonical_frames(world, past, chronicle, WARM_UP_DAYS)
    frames["items"] = check_table(world.items_table(), ITEMS)
    told = frames["wholesale"]
    codes = world.items["item_code"].to_numpy()
    listed = _quotations(conditions, codes, last - 1, np.zeros(len(codes), dtype=bool))
    both = pd.concat([told, listed]).drop_duplicates(["date", "item_code"], ignore_index=True)
    name = f"season of {season.world}, seed {season.seed}"
    return tables_from_frames(_known(season, frames | {"wholesale": both}), name)


def first_days(conditions: Conditions, days: int) -> Conditions:
    """The first `days` days of the conditions."""
    names = ("dates", "shoppers", "pull", "appeal", "wholesale", "on_market")
    return replace(conditions, **{name: getattr(conditions, name)[:days] for name in names})


def _known(season: Season, frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables the shop of this season has."""
    sales = frames["sales"] if season.sale_times else frames["sales"].drop(columns="time")
    kept = {name: frame for name, frame in frames.items() if season.stock_counts or name not in ("stock", "orders")}
    return kept | {"sales": sales}


def _quotations(conditions: Conditions, codes: np.ndarray, day: int, on_shelf: np.ndarray) -> pd.DataFrame:
    """Wholesale prices of `day`: of what was on the market or on the shelf, and of tomorrow's list."""
    at = conditions.on_market[day] | on_shelf | conditions.on_market[day + 1]
    prices = conditions.wholesale[day, at]
    return pd.DataFrame({"date": conditions.dates[day], "item_code": codes[at], "wholesale_price": prices})


# ---------------------------------------------------------------- one day


@dataclass(frozen=True)
class PlayedDay:
    """One day as it went; `waste` per item [unit]."""

    decision: Decision
    offers: Offers
    result: DayResult
    waste: Array


def play_day(market: Market, shop: Shop, day: int, decision: Decision, attraction: float = 1.0) -> PlayedDay | None:
    """The market plays the day on what the shop decided; None on a day the shop is closed."""
    if market.conditions.shoppers[day] == 0:
        shop.stockroom.close_day()
        return None
    checked = _checked(decision)
    offers = shop.stock_up(checked)
    result = market.play_day(day, offers, attraction)
    return PlayedDay(checked, offers, result, shop.close(day, offers, result))


def _checked(decision: Decision) -> Decision:
    """The decision; `DataError` when something is ordered without a price or an order is negative."""
    bad = (decision.order < 0) | ((decision.order > 0) & ~(decision.price > 0)) | ~np.isfinite(decision.order)
    if bad.any():
        raise DataError(
            f"policy: {int(bad.sum())} of {len(bad)} items have a negative order or an order without price."
        )
    return decision


# ---------------------------------------------------------------- the season


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
        truth = item_day_rows(stage.market, day, played.decision, played.offers, played.result, played.waste)
        tills = Chronicle([till_rows(stage.market, day, played.result)])
        codes = stage.world.items["item_code"].to_numpy()
        frames = {
            "sales": sales_table(stage.world, tills),
            "wholesale": _quotations(stage.market.conditions, codes, day, played.offers.offered),
            "stock": stock_rows(truth),
            "orders": truth[["date", "item_code"]].assign(ordered=truth["order_quantity"]),
        }
        self.parts.append(_known(stage.season, frames))

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
    full = rows.assign(store=DEFAULT_STORE).reindex(columns=table.columns).astype(table.dtypes.to_dict())
    return pd.concat([table, full], ignore_index=True)


def play_season(stage: Stage, policy: SeasonPolicy, progress: Progress | None = None) -> Books:
    """The season run by `policy`: every evening it sees the past, the market plays the day, the books are kept."""
    shop, reputation = deepcopy(stage.shop), deepcopy(stage.reputation)
    market, books = stage.market, Bookkeeping(stage)
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
