"""What happens to the market whatever the shop does: shoppers, supply, wholesale prices and tastes of every day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.simulate.world import Array, Traffic, World


@dataclass(frozen=True)
class Luck:
    """What of each day nobody could know the evening before, as logs (of utility: as it is); shapes as in `Conditions`.

    `stale`: yesterday's quotation against the one expected today, which some quotations repeat.
    """

    shoppers: Array
    pull: Array
    appeal: Array
    wholesale: Array
    stale: Array


@dataclass(frozen=True)
class Conditions:
    """Exogenous paths. Shapes: `shoppers` (days), `pull` (days × categories), the others (days × items).

    `shoppers`: expected number, 0 on closed days; `pull`: factor on visits to a category's shelf; `appeal`: utility;
    `wholesale` [money/unit]; `on_market`: can be bought that day. `price_weight` (days): factor on the weight of price
    in all shoppers' utility. `luck`: the share of it all that comes as a surprise.
    """

    dates: pd.DatetimeIndex
    shoppers: Array
    pull: Array
    appeal: Array
    wholesale: Array
    on_market: NDArray[np.bool_]
    price_weight: Array | None = None
    luck: Luck | None = None

    def position(self, day: date | pd.Timestamp | str) -> int:
        """Row of `day`; `ValueError` outside the span."""
        return self.dates.to_list().index(pd.Timestamp(day))


def draw_conditions(
    world: World, first: date | pd.Timestamp | str, last: date | pd.Timestamp | str, seed: int
) -> Conditions:
    """The paths from `first` to `last` (both included), drawn with `seed`; independent of anything the shop decides.

    Every path has a stream of its own, so a later `last` leaves the days before it as they were.
    """
    dates = pd.date_range(first, last, freq="D")
    streams = np.random.default_rng([world.seed, seed, 10]).spawn(6)
    harvest = autoregression(len(dates), len(world.items), 1.0, world.supply.harvest_persistence, streams[0])
    shoppers, crowd = expected_shoppers(world.traffic, dates, streams[1])
    pull = autoregression(
        len(dates), len(world.categories), world.choice.pull_sd, world.choice.pull_persistence, streams[2]
    )
    appeal, liked = _appeal(world, dates, harvest, streams[3])
    wholesale, dearer, stale = _wholesale(world, dates, harvest, streams[4])
    luck = Luck(crowd, surprise(pull, world.choice.pull_persistence), liked, dearer, stale)
    on_market = _on_market(world, dates, streams[5])
    return Conditions(dates, shoppers, np.exp(pull), appeal, wholesale, on_market, luck=luck)


def with_upheaval(world: World, conditions: Conditions, seed: int) -> Conditions:
    """The conditions with what goes wrong in the world's season (see `Upheaval`)."""
    plan = world.upheaval
    season_day = (conditions.dates - pd.Timestamp(world.season_start)).days.to_numpy() + 1
    hit_days = (season_day >= plan.first_day) & (season_day <= plan.last_day)
    hit_items = world.items["category"].isin(plan.categories or world.categories).to_numpy()
    luck = np.random.default_rng([world.seed, seed, 11]).random(len(world.items))
    hit = hit_days[:, None] & hit_items
    return replace(
        conditions,
        wholesale=np.where(hit, (conditions.wholesale * plan.cost_factor).round(2), conditions.wholesale),
        on_market=conditions.on_market & ~(hit & (luck < plan.scarce)),
        appeal=conditions.appeal - plan.quality * hit,
        price_weight=1 + (plan.price_weight - 1) * np.clip(season_day / 28, 0, 1),
    )


def autoregression(
    days: int,
    columns: int,
    sd: float,
    persistence: float,
    rng: np.random.Generator,
    innovations: Array | None = None,
) -> Array:
    """Stationary AR(1) paths, shape (days × columns), of standard deviation `sd` and daily `persistence`."""
    paths = np.empty((days, columns))
    paths[0] = sd * rng.standard_normal(columns)
    steps = rng.standard_normal((days, columns)) if innovations is None else innovations
    scale = sd * np.sqrt(1 - persistence**2)
    for t in range(1, days):
        paths[t] = persistence * paths[t - 1] + scale * steps[t]
    return paths


def surprise(paths: Array, persistence: float) -> Array:
    """What AR(1) paths (days × columns) do each day beyond what the day before had led to expect."""
    return paths - persistence * np.vstack([np.zeros_like(paths[:1]), paths[:-1]])


# ---------------------------------------------------------------- shoppers


def expected_shoppers(traffic: Traffic, dates: pd.DatetimeIndex, rng: np.random.Generator) -> tuple[Array, Array]:
    """Expected number of shoppers per day, 0 when the shop is closed, and the surprise in it (log)."""
    n, streams = len(dates), rng.spawn(3)
    year = 2 * np.pi * (dates.day_of_year.to_numpy() - 1) / 365.25
    season = sum(
        size * np.cos(k * (year - 2 * np.pi * (peak - 0.5) / 12))
        for k, (size, peak) in ((1, traffic.season_year), (2, traffic.season_half_year))
    )
    shock = autoregression(n, 1, traffic.shock_sd, traffic.shock_persistence, streams[0])
    noise = streams[1].normal(0, traffic.noise_sd, n)
    weekday = np.array(traffic.weekday)[dates.day_of_week]
    usual = traffic.shoppers_per_day * weekday * np.exp(season + shock[:, 0] + noise)
    episode, news = episode_factor(traffic, n, streams[2])
    luck = surprise(shock, traffic.shock_persistence)[:, 0] + noise + news
    return usual * holiday_factor(traffic, dates) * episode, luck


def holiday_factor(traffic: Traffic, dates: pd.DatetimeIndex) -> Array:
    """Factor of Chinese holidays: more shoppers on days off, a build-up before the Spring Festival, closed on it."""
    import holidays

    years = range(int(dates.year.min()), int(dates.year.max()) + 2)
    official = holidays.country_holidays("CN", years=years, language="en_US")
    named = pd.Series(dict(official.items()))
    named.index = pd.DatetimeIndex(named.index)
    off = named.index[~named.str.contains("Spring Festival")]
    factor = np.where(dates.isin(off) & (dates.day_of_week < 5), 1 + traffic.holiday, 1.0)
    festivals = named.index[named == "Chinese New Year (Spring Festival)"]
    for new_year in {int(d.year): d for d in sorted(festivals, reverse=True)}.values():
        days_to = (new_year - dates).days.to_numpy()
        build_up = traffic.festival_build_up * (1 - (days_to - 1) / 10.0)
        factor = np.where((days_to >= 1) & (days_to <= 10), factor * (1 + build_up), factor)
        factor = np.where(days_to == 0, 0.0, factor)
        factor = np.where((days_to < 0) & (days_to >= -5), factor * 0.75, factor)
    return np.asarray(factor, dtype=np.float64)


def episode_factor(traffic: Traffic, days: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Factor of lockdown-like episodes: a day of stocking up (× 2.5), then about a week of few shoppers (× 0.3).

    With it, as a log, what comes as a surprise: the first day.
    """
    factor, news = np.ones(days), np.zeros(days)
    luck = rng.random((days, 2))
    for start in np.flatnonzero(luck[:, 0] < traffic.episodes_per_year / 365.0):
        length = 4 + int(6 * luck[start, 1])
        news[start] = np.log(2.5 / factor[start])
        factor[start] = 2.5
        factor[start + 1 : start + 1 + length] = 0.3
    return factor, news


# ---------------------------------------------------------------- tastes, prices, supply


def _appeal(world: World, dates: pd.DatetimeIndex, harvest: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Utility apart from price and age: quality, season, popularity (AR(1)), a daily whim, the harvest's quality.

    And the surprise in it.
    """
    choice, shape, streams = world.choice, harvest.shape, rng.spawn(2)
    popularity = autoregression(shape[0], shape[1], choice.popularity_sd, choice.popularity_persistence, streams[0])
    whim = streams[1].normal(0, choice.whim_sd, shape)
    season = choice.season * seasonal_wave(world, dates)
    appeal = world.column("quality") + season + popularity + whim + world.supply.harvest_appeal * harvest
    better = world.supply.harvest_appeal * surprise(harvest, world.supply.harvest_persistence)
    return appeal, surprise(popularity, choice.popularity_persistence) + whim + better


def seasonal_wave(world: World, dates: pd.DatetimeIndex) -> Array:
    """Cosine of the year, +1 at the item's peak day and 0 for items without one; shape (days × items)."""
    angle = 2 * np.pi * (dates.day_of_year.to_numpy()[:, None] - world.column("peak")[None, :]) / 365.25
    return np.nan_to_num(np.cos(angle), nan=0.0)


def _wholesale(
    world: World, dates: pd.DatetimeIndex, harvest: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Wholesale prices [money/unit], to the cent; steps have fat tails and some days repeat the day before.

    And as logs: the surprise in them, and yesterday's quotation against the one expected.
    """
    supply, (days, n), streams = world.supply, harvest.shape, rng.spawn(4)
    fat = fat_tailed(supply.tail_degrees, (days, n), streams[0])
    own = autoregression(days, n, supply.item_sd, supply.item_persistence, streams[1], fat)
    shared = autoregression(days, len(world.categories), supply.category_sd, supply.category_persistence, streams[2])
    of_category = world.items["category"].map({c: k for k, c in enumerate(world.categories)}).to_numpy()
    winter = np.cos(2 * np.pi * (dates.day_of_year.to_numpy() - 30) / 365.25)[:, None]
    smooth = own + shared[:, of_category] + supply.cycle * winter - supply.harvest_cost * harvest
    quoted = np.maximum(world.column("normal_cost") * np.exp(smooth), 0.1).round(2)
    wholesale = _repeat_some(quoted, streams[3].random((days, n)) < supply.unchanged)
    step = surprise(own, supply.item_persistence) + surprise(shared, supply.category_persistence)[:, of_category]
    step -= supply.harvest_cost * surprise(harvest, supply.harvest_persistence)
    expected = world.column("normal_cost") * np.exp(smooth - step)
    return wholesale, np.log(wholesale / expected), np.log(np.vstack([wholesale[:1], wholesale[:-1]]) / expected)


def fat_tailed(degrees: float, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Student draws of `degrees` (above 2) scaled to unit variance."""
    return np.asarray(rng.standard_t(degrees, shape) * np.sqrt((degrees - 2) / degrees))


def _repeat_some(quoted: Array, repeated: NDArray[np.bool_]) -> Array:
    """Rows marked `repeated` take the last quotation before them."""
    source = np.where(repeated, 0, np.arange(len(quoted))[:, None])
    return np.take_along_axis(quoted, np.maximum.accumulate(source, axis=0), axis=0)


def _on_market(world: World, dates: pd.DatetimeIndex, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which items are supplied on which day: core ones but for short gaps, seasonal windows, occasional spells."""
    supply, n, streams = world.supply, len(world.items), rng.spawn(2)
    kind = world.items["supply"].to_numpy()
    core = _spells(len(dates), n, supply.core_spell_days, supply.core_gap_days, streams[0])
    occasional = _spells(len(dates), n, supply.on_spell_days, supply.off_spell_days, streams[1])
    return np.where(kind == "core", core, np.where(kind == "seasonal", _in_season(world, dates) & core, occasional))


def _spells(days: int, columns: int, on_days: float, off_days: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """On/off paths with geometric spells of the given mean lengths [days], started in the long run."""
    luck = rng.random((days, columns))
    state = luck[0] < on_days / (on_days + off_days)
    path = np.empty((days, columns), dtype=bool)
    path[0] = state
    for t in range(1, days):
        state = np.where(state, luck[t] >= 1 / on_days, luck[t] < 1 / off_days)
        path[t] = state
    return path


def _in_season(world: World, dates: pd.DatetimeIndex) -> NDArray[np.bool_]:
    gap = (dates.day_of_year.to_numpy()[:, None] - world.column("peak")[None, :] + 182.6) % 365.25 - 182.6
    return np.asarray(np.abs(gap) <= world.column("window_days") / 2)
