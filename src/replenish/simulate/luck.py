"""The luck of a day: how it could still turn out for one who knows the market and all that happened up to the evening.

Tomorrow's crowd, tastes and wholesale prices follow the same processes as in `conditions.py`; the part of them that
nobody can know the evening before is drawn anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from replenish.errors import ConfigError
from replenish.simulate.conditions import Conditions, Luck, fat_tailed
from replenish.simulate.market import Market
from replenish.simulate.world import Array


@dataclass(frozen=True)
class Turns:
    """R ways one category's day may turn out: `shoppers`, `pull` (R), `appeal`, `wholesale` (R × J) of its items."""

    shoppers: Array
    pull: Array
    appeal: Array
    wholesale: Array


def foreseen(market: Market, day: int) -> Market:
    """The market with that day as the evening before led to expect it: without its luck."""
    real, luck = market.conditions, _luck(market.conditions)
    expected = replace(
        real,
        shoppers=_with_row(real.shoppers, day, real.shoppers[day] * np.exp(-luck.shoppers[day])),
        pull=_with_row(real.pull, day, real.pull[day] * np.exp(-luck.pull[day])),
        appeal=_with_row(real.appeal, day, real.appeal[day] - luck.appeal[day]),
        wholesale=_with_row(real.wholesale, day, real.wholesale[day] * np.exp(-luck.wholesale[day])),
    )
    return replace(market, conditions=expected)


def _luck(conditions: Conditions) -> Luck:
    if conditions.luck is None:
        raise ConfigError("These conditions do not say what of them was luck; draw them with `draw_conditions`.")
    return conditions.luck


def _with_row(path: Array, day: int, row: Array | float) -> Array:
    changed = path.copy()
    changed[day] = row
    return changed


def draw_turns(
    market: Market, day: int, category: str, at: NDArray[np.int64], n: int, rng: np.random.Generator
) -> Turns:
    """`n` turns the day may take for the category's items at market positions `at` (J)."""
    world, plain = market.world, foreseen(market, day).conditions
    k, traffic, choice = world.categories.index(category), world.traffic, world.choice
    crowd = _step(traffic.shock_sd, traffic.shock_persistence) * rng.standard_normal(n)
    crowd += rng.normal(0, traffic.noise_sd, n)
    pull = _step(choice.pull_sd, choice.pull_persistence) * rng.standard_normal(n)
    harvest = _step(1.0, world.supply.harvest_persistence) * rng.standard_normal((n, len(at)))
    liked = _step(choice.popularity_sd, choice.popularity_persistence) * rng.standard_normal((n, len(at)))
    liked += rng.normal(0, choice.whim_sd, (n, len(at))) + world.supply.harvest_appeal * harvest
    return Turns(
        plain.shoppers[day] * np.exp(crowd),
        plain.pull[day, k] * np.exp(pull),
        plain.appeal[day, at] + liked,
        plain.wholesale[day, at] * np.exp(_dearer(market, day, at, harvest, rng)),
    )


def _dearer(market: Market, day: int, at: NDArray[np.int64], harvest: Array, rng: np.random.Generator) -> Array:
    """Logs of the quotations against those expected, as `conditions._wholesale` moves them."""
    supply = market.world.supply
    own = _step(supply.item_sd, supply.item_persistence) * fat_tailed(supply.tail_degrees, harvest.shape, rng)
    shared = _step(supply.category_sd, supply.category_persistence) * rng.standard_normal((len(harvest), 1))
    moved = own + shared - supply.harvest_cost * harvest
    return np.where(rng.random(harvest.shape) < supply.unchanged, _luck(market.conditions).stale[day, at], moved)


def _step(sd: float, persistence: float) -> float:
    """Standard deviation of a day's step of a stationary AR(1) of standard deviation `sd`."""
    return float(sd * np.sqrt(1 - persistence**2))
