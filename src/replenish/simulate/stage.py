"""The stage of a season: a world, its market, and the shop run by its own practice up to the evening before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from replenish.errors import DataError
from replenish.records import FittedModels, Tables
from replenish.simulate.conditions import Conditions, draw_conditions, with_upheaval
from replenish.simulate.history import Chronicle, Columns, Shop, put_together, shelf_rows, till_rows, written_frames
from replenish.simulate.market import DayResult, Market, Offers
from replenish.simulate.practice import Decision, ShopRule
from replenish.simulate.reputation import Reputation
from replenish.simulate.surroundings import Around, surroundings_frames, with_surroundings
from replenish.simulate.world import EFFECTS, Array, World, draw_world, under_effects
from replenish.sources.folder import tables_from_frames

WARM_UP_DAYS = 35
REPUTATION_DAYS = 28


@dataclass(frozen=True)
class Season:
    """One season to be played: `days` days of a named world drawn with `seed`, after `history_days` days of practice.

    What the policies may see beside sales without times: `sale_times`, `stock_counts` (with the orders), `costs_known`:
    tomorrow's wholesale prices already in the evening, `weather` (forecasts), `rivals` (their prices), `customers`
    (counted at the door). `lead_days` after the evening it is ordered an order arrives. `effects`: how strongly
    shoppers feel what lies around the shop, a name in `world.EFFECTS`. `start`: first day, if not the world's own.
    """

    world: str
    seed: int = 0
    days: int = 28
    history_days: int = 365
    sale_times: bool = True
    stock_counts: bool = True
    costs_known: bool = False
    weather: bool = False
    rivals: bool = False
    customers: bool = False
    lead_days: int = 1
    effects: str = "none"
    start: str | None = None

    @property
    def looks_around(self) -> bool:
        """Whether weather, rivals and the like matter in this season at all."""
        return self.effects != "none" or self.weather or self.rivals or self.customers


@dataclass(frozen=True)
class Stage:
    """What is the same for every policy of a season: the market, and the shop and its tables on the last evening.

    `fitted`: models of that evening by the settings they hang on, so that policies that fit alike fit once.
    """

    season: Season
    market: Market
    shop: Shop
    tables: Tables
    reputation: Reputation
    around: Around | None = None
    fitted: dict[str, FittedModels] = field(default_factory=dict)

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


@dataclass(frozen=True)
class Past:
    """The shop run by its own practice up to the evening before a season, and everything written down of it.

    Seasons that differ in what the shop knows may share one.
    """

    market: Market
    shop: Shop
    reputation: Reputation
    chronicle: Chronicle
    around: Around | None


def set_stage(season: Season) -> Stage:
    """The shop run by its own practice up to the evening before the season's first day."""
    return open_stage(play_past(season), season)


def play_past(season: Season) -> Past:
    """Practice runs the shop of the season's world up to the evening before its first day."""
    drawn = under_effects(draw_world(season.world, season.seed), EFFECTS[season.effects])
    world = replace(drawn, season_start=season.start or drawn.season_start)
    conditions, around = _conditions(season, world)
    market = Market(world, conditions, season.seed)
    shop, chronicle = Shop.opening(world, conditions, season.costs_known), Chronicle()
    reputation = Reputation.opening(world)
    rule = ShopRule(world, season.seed)
    last = WARM_UP_DAYS + season.history_days
    for day in range(last):
        played = play_day(market, shop, day, rule(shop.evening(day)))
        if played is not None:
            chronicle.sales.append(till_rows(market, day, played.result))
            rows = shelf_rows(market, day, played.decision, played.offers, played.result, played.waste)
            chronicle.item_days.append(rows)
            if day >= last - REPUTATION_DAYS:
                reputation.note(conditions.wholesale[day], played.offers, played.result)
    kept = Chronicle(*(_from(rows, conditions.dates[WARM_UP_DAYS]) for rows in (chronicle.sales, chronicle.item_days)))
    return Past(market, shop, reputation.settled(), kept, around)


def _conditions(season: Season, world: World) -> tuple[Conditions, Around | None]:
    """The conditions of the past and the season, with all that goes wrong and all around it."""
    start = pd.Timestamp(world.season_start)
    span = (start - pd.Timedelta(days=season.history_days + WARM_UP_DAYS), start + pd.Timedelta(days=season.days))
    conditions = with_upheaval(world, draw_conditions(world, *span, season.seed), season.seed)
    return with_surroundings(world, conditions, season.seed) if season.looks_around else (conditions, None)


def open_stage(past: Past, season: Season) -> Stage:
    """The stage of a season after that past: its shop knows what the season says, from its first evening on."""
    shop = replace(past.shop, costs_known=season.costs_known)
    tables = _opening_tables(season, past, WARM_UP_DAYS + season.history_days)
    return Stage(season, past.market, shop, tables, past.reputation, past.around)


def _from(days: list[Columns], first: pd.Timestamp) -> list[Columns]:
    return [rows for rows in days if rows["date"][0] >= first.to_datetime64()]


def _opening_tables(season: Season, past: Past, last: int) -> Tables:
    world, conditions = past.market.world, past.market.conditions
    frames = written_frames(world, first_days(conditions, last), past.chronicle, WARM_UP_DAYS)
    frames["items"] = world.items_table()
    told = frames["wholesale"]
    codes = world.items["item_code"].to_numpy()
    listed = quotations(conditions, codes, last - 1, np.zeros(len(codes), dtype=bool))
    both = pd.concat([told, listed]).drop_duplicates(["date", "item_code"], ignore_index=True)
    name = f"season of {world.name}, seed {season.seed}"
    stock = counted_stock(put_together(past.chronicle.item_days))
    noted = {} if past.around is None else noted_around(past.market, past.around, range(WARM_UP_DAYS, last))
    return tables_from_frames(known_frames(season, frames | {"wholesale": both, "stock": stock} | noted), name)


def noted_around(
    market: Market, around: Around, days: Sequence[int], attraction: float = 1.0
) -> dict[str, pd.DataFrame]:
    """What can be noted of weather, rivals and customers on those days the shop was open."""
    open_days = [day for day in days if market.conditions.shoppers[day] > 0]
    return surroundings_frames(market, around, open_days, [attraction] * len(open_days))


def counted_stock(item_days: pd.DataFrame) -> pd.DataFrame:
    """Stock counted at close, before what is too old is thrown away (canonical `stock`)."""
    return item_days[["date", "item_code"]].assign(on_hand=item_days["left"])


def first_days(conditions: Conditions, days: int) -> Conditions:
    """The first `days` days of the conditions."""
    names = ("dates", "shoppers", "pull", "appeal", "wholesale", "on_market")
    return replace(conditions, **{name: getattr(conditions, name)[:days] for name in names})


def known_frames(season: Season, frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables the shop of this season has."""
    sales = frames["sales"] if season.sale_times else frames["sales"].drop(columns="time")
    has = {"stock": season.stock_counts, "orders": season.stock_counts, "weather": season.weather,
           "competitor_prices": season.rivals, "customers": season.customers}  # fmt: skip
    return {name: frame for name, frame in frames.items() if has.get(name, True)} | {"sales": sales}


def quotations(conditions: Conditions, codes: np.ndarray, day: int, on_shelf: np.ndarray) -> pd.DataFrame:
    """Wholesale prices of `day`: of what was on the market or on the shelf, and of tomorrow's list."""
    at = conditions.on_market[day] | on_shelf | conditions.on_market[day + 1]
    prices = conditions.wholesale[day, at]
    return pd.DataFrame({"date": conditions.dates[day], "item_code": codes[at], "wholesale_price": prices})
