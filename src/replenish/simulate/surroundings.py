"""Weather, rivals' prices and swings of traffic: what moves shoppers beside the shop, and what a shop can know of it.

A world without `Effects` has the same weather and rivals, but nobody minds them. All have random streams of their own,
so that a world's other draws stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.simulate.conditions import Conditions, autoregression
from replenish.simulate.market import Market
from replenish.simulate.practice import usual_price
from replenish.simulate.world import Array, World

AHEAD_DAYS = 3
"""The weather is forecast for so many days."""
WET_AFTER_WET, WET_AFTER_DRY = 0.6, 0.2
WET_SHARE = WET_AFTER_DRY / (1 - WET_AFTER_WET + WET_AFTER_DRY)
RAIN_RIGHT = (0.9, 0.8, 0.7)
"""Chance that rain or none is foretold rightly, by days ahead."""
TEMPERATURE_ERROR = 1.5  # °C a day ahead, growing with the root of the days
WARMTH_LIKED = {"leafy": 1.0, "eggplant": 1.0, "mushroom": -1.0, "root and aquatic": -1.0}
"""Which categories warm days move, and where to."""
WARM_STEP = 5.0  # °C
SWING_PERSISTENCE = 0.8
CAMPAIGN_CHANCE, CAMPAIGN_DAYS, CAMPAIGN_DEPTH = 1 / 14, 7, 0.15
RIVAL_MARKUP = 1.47
RIVAL_STEP = 0.1
RIVAL = "the rival"


@dataclass(frozen=True)
class Around:
    """Paths over the days of the conditions and `AHEAD_DAYS` more.

    `rain` [mm], `temperature` [°C, highest]; `rain_told`, `temperature_told` (days × `AHEAD_DAYS`): the forecasts made
    each evening for the days after it; `rival` (days × categories): log of the rival's prices against the market's;
    `rival_price` (days × items) [money/unit]; `swing`: log of a factor on shoppers.
    """

    rain: Array
    temperature: Array
    rain_told: Array
    temperature_told: Array
    rival: Array
    rival_price: Array
    swing: Array


def with_surroundings(world: World, conditions: Conditions, seed: int) -> tuple[Conditions, Around]:
    """The conditions as weather, rivals and swings make them (see `world.Effects`), and these themselves."""
    around = draw_around(world, conditions, seed)
    effects, days = world.effects, len(conditions.dates)
    wet = around.rain[:days] > 0
    shoppers = np.where(wet, 1 - effects.rain, 1.0) / (1 - effects.rain * WET_SHARE)
    shoppers *= np.exp(effects.swing * around.swing[:days])
    warm = (around.temperature[:days] - usual_temperature(conditions.dates)) / WARM_STEP
    liked = np.array([WARMTH_LIKED.get(c, 0.0) for c in world.categories])
    pull = (1 + effects.warmth) ** (warm[:, None] * liked)
    taken = np.log(1 - effects.rival) / np.log(1 - RIVAL_STEP)
    pull = pull * np.exp(taken * around.rival[:days])
    return replace(conditions, shoppers=conditions.shoppers * shoppers, pull=conditions.pull * pull), around


def draw_around(world: World, conditions: Conditions, seed: int) -> Around:
    """The paths drawn with `seed`; independent of anything the shop decides."""
    n = len(conditions.dates) + AHEAD_DAYS
    streams = np.random.default_rng([world.seed, seed, 12]).spawn(6)
    dates = pd.date_range(conditions.dates[0], periods=n)
    rain = _rain(n, streams[0])
    warm = autoregression(n, 1, 4.0, 0.75, streams[1])[:, 0]
    temperature = usual_temperature(dates) + warm
    rival = _rival(n, len(world.categories), streams[2])
    return Around(
        rain,
        temperature,
        _rain_told(rain, streams[3]),
        _ahead(temperature) + streams[4].normal(0, TEMPERATURE_ERROR, (n, AHEAD_DAYS)) * np.sqrt(_days_ahead()),
        rival,
        _rival_prices(world, conditions, rival, streams[5]),
        _swing(n, np.random.default_rng([world.seed, seed, 13])),
    )


def usual_temperature(dates: pd.DatetimeIndex) -> Array:
    """The season's usual highest temperature [°C]."""
    return np.asarray(18 - 11 * np.cos(2 * np.pi * (dates.day_of_year.to_numpy() - 20) / 365.25))


def _days_ahead() -> Array:
    return np.arange(1.0, AHEAD_DAYS + 1)


def _ahead(path: Array) -> Array:
    """The path of the days after each day, days × `AHEAD_DAYS`; the last one repeated at the end."""
    later = np.arange(len(path))[:, None] + np.arange(1, AHEAD_DAYS + 1)
    return np.asarray(path[np.minimum(later, len(path) - 1)])


def _rain(n: int, rng: np.random.Generator) -> Array:
    luck, amount = rng.random(n), 1 + rng.gamma(1.0, 8.0, n)
    wet = np.zeros(n, dtype=bool)
    wet[0] = luck[0] < WET_SHARE
    for t in range(1, n):
        wet[t] = luck[t] < (WET_AFTER_WET if wet[t - 1] else WET_AFTER_DRY)
    return np.where(wet, amount, 0.0).round(1)


def _rain_told(rain: Array, rng: np.random.Generator) -> Array:
    """Forecasts of rain, wrong as often as `RAIN_RIGHT` leaves, in the amount by a lognormal factor."""
    coming = _ahead(rain)
    right = rng.random(coming.shape) < np.array(RAIN_RIGHT)
    factor, alarm = np.exp(rng.normal(0, 0.4, coming.shape)), 1 + rng.gamma(1.0, 4.0, coming.shape)
    told = np.where(coming > 0, np.where(right, coming * factor, 0.0), np.where(right, 0.0, alarm))
    return np.asarray(told.round(1))


def _swing(n: int, rng: np.random.Generator) -> Array:
    return autoregression(n, 1, 1.0, SWING_PERSISTENCE, rng)[:, 0]


def _rival(n: int, categories: int, rng: np.random.Generator) -> Array:
    """Campaigns of a week at about 15 % off a category, and small moves between them."""
    small = autoregression(n, categories, 0.03, 0.9, rng)
    luck, left = rng.random((n, categories)), np.zeros(categories, dtype=int)
    path = np.zeros((n, categories))
    for t in range(n):
        left = np.where(left > 0, left - 1, np.where(luck[t] < CAMPAIGN_CHANCE, CAMPAIGN_DAYS, 0))
        path[t] = np.where(left > 0, -CAMPAIGN_DEPTH, 0.0)
    return path + small


def _rival_prices(world: World, conditions: Conditions, rival: Array, rng: np.random.Generator) -> Array:
    """The rival's prices: its cost of the last week at a markup of its own, with usual endings [money/unit]."""
    cost = pd.DataFrame(conditions.wholesale).rolling(7, min_periods=1).mean().to_numpy()
    own = rng.normal(0, 0.08, len(world.items))
    of_category = world.items["category"].map({c: k for k, c in enumerate(world.categories)}).to_numpy()
    deviation = rival[: len(cost)][:, of_category] + own
    return usual_price(cost / (1 - world.column("loss_rate")) * RIVAL_MARKUP * np.exp(deviation))


# ---------------------------------------------------------------- what the shop gets to know


def surroundings_frames(
    market: Market, around: Around, days: Sequence[int], attraction: Sequence[float]
) -> dict[str, pd.DataFrame]:
    """Canonical `weather`, `competitor_prices` and `customers` as noted on the evenings of these days.

    `attraction`: the shop's own factor on shoppers on each of them.
    """
    at = np.asarray(days, dtype=np.int64)
    return {
        "weather": _weather(market.conditions.dates, around, at),
        "competitor_prices": _competitor_prices(market, around, at),
        "customers": _customers(market, at, attraction),
    }


def _weather(dates: pd.DatetimeIndex, around: Around, days: NDArray[np.int64]) -> pd.DataFrame:
    """The day's record and the forecasts of the days after it, known on its evening."""
    parts = []
    for h in range(AHEAD_DAYS + 1):
        rain = around.rain[days] if h == 0 else around.rain_told[days, h - 1]
        warm = around.temperature[days] if h == 0 else around.temperature_told[days, h - 1]
        known_at = dates[days]
        parts.append(
            pd.DataFrame(
                {
                    "date": known_at + pd.Timedelta(days=h),
                    "known_at": known_at,
                    "temperature_max": warm.round(1),
                    "rain": rain,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _competitor_prices(market: Market, around: Around, days: NDArray[np.int64]) -> pd.DataFrame:
    day, item = np.nonzero(market.conditions.on_market[days])
    codes = market.world.items["item_code"].to_numpy()
    return pd.DataFrame(
        {
            "date": market.conditions.dates[days[day]],
            "item_code": codes[item],
            "competitor": RIVAL,
            "price": around.rival_price[days[day], item],
        }
    )


def _customers(market: Market, days: NDArray[np.int64], attraction: Sequence[float]) -> pd.DataFrame:
    counted = [market.customers(int(day), factor) for day, factor in zip(days, attraction, strict=True)]
    return pd.DataFrame({"date": market.conditions.dates[days], "customers": np.array(counted, dtype=np.int64)})
