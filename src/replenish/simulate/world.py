"""A world: everything about the simulated market and its shop that does not change from day to day."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.errors import ConfigError
from replenish.schemas import ITEMS
from replenish.simulate.catalogue import CATALOGUE, Kind
from replenish.simulate.practice import Practice, usual_price

Array = NDArray[np.float64]

OPEN_HOUR = 9
CLOSE_HOUR = 22


@dataclass(frozen=True)
class Traffic:
    """How many shoppers come, and when.

    The expected number of a day is `shoppers_per_day` × weekday × season × holiday × episode × exp(AR(1) of standard
    deviation `shock_sd` and daily persistence `shock_persistence`, plus independent noise `noise_sd`). `hourly`:
    weights of the opening hours; `season_year`, `season_half_year`: (size in logs, month of the peak);
    `festival_build_up`: rise on the eve of the Spring Festival; `episodes_per_year`: lockdown-like episodes. In a
    season (`season.py`) shoppers also react to the shop: × (price index of the last four weeks ÷ the usual one) to the
    power −`price_reaction` × exp(−`empty_reaction` × rise in the share of shelves empty before 18:00).
    """

    shoppers_per_day: float = 660.0
    weekday: tuple[float, ...] = (0.90, 0.88, 0.90, 0.87, 0.97, 1.27, 1.22)
    hourly: tuple[float, ...] = (8.5, 13.9, 10.9, 5.6, 4.1, 4.8, 7.1, 9.4, 10.5, 10.2, 7.1, 5.9, 2.1)
    season_year: tuple[float, float] = (0.04, 8.5)
    season_half_year: tuple[float, float] = (0.16, 2.0)
    shock_sd: float = 0.24
    shock_persistence: float = 0.96
    noise_sd: float = 0.08
    festival_build_up: float = 0.70
    holiday: float = 0.15
    episodes_per_year: float = 0.5
    price_reaction: float = 0.5
    empty_reaction: float = 0.3


@dataclass(frozen=True)
class Choice:
    """How a shopper standing before a category's shelf chooses: nested logit, mixed over `segments`.

    Utility of an item: appeal − `price_weight` × segment multiplier × price ÷ normal price − `staleness` × days of age;
    the items of a category form a nest of dissimilarity `nest` (1 = plain logit) against buying nothing.
    `segments`: (share of shoppers, multiplier of the price weight). `inside` is the share of those before the shelf who
    buy when the usual assortment is there at normal prices. In utility: `quality_sd` between items, `popularity_sd` and
    `popularity_persistence` of each item's AR(1), `whim_sd` from day to day, `season` at the peak of items that have
    one. `pull_sd`, `pull_persistence`: AR(1) of visits to a category's shelf (log). Purchases: gamma of shape
    `basket_shape` in kg; a second pack with chance `second_pack`.
    """

    price_weight: float = 0.80
    segments: tuple[tuple[float, float], ...] = ((0.3, 1.8), (0.5, 0.8), (0.2, 0.3))
    nest: float = 0.75
    inside: float = 0.36
    staleness: float = 0.25
    quality_sd: float = 0.72
    popularity_sd: float = 0.34
    popularity_persistence: float = 0.96
    whim_sd: float = 0.12
    season: float = 0.25
    pull_sd: float = 0.15
    pull_persistence: float = 0.85
    basket_shape: float = 5.0
    second_pack: float = 0.02


@dataclass(frozen=True)
class Supply:
    """How wholesale prices and supply move.

    ln cost = ln normal cost + yearly cycle + category factor + item deviation − `harvest_cost` × harvest; the harvest
    (AR(1), unit variance) also raises appeal by `harvest_appeal`: good quality comes when it is cheap. Steps have
    Student tails of `tail_degrees`; a share `unchanged` of the quotations repeats the day before. Core and occasional
    items come and go in spells of the given mean lengths [days], seasonal ones in windows of `seasonal_days` (range).
    """

    cycle: float = 0.16
    category_sd: float = 0.10
    category_persistence: float = 0.985
    item_sd: float = 0.32
    item_persistence: float = 0.975
    tail_degrees: float = 2.5
    unchanged: float = 0.22
    harvest_cost: float = 0.12
    harvest_appeal: float = 0.10
    harvest_persistence: float = 0.97
    seasonal_days: tuple[int, int] = (90, 190)
    on_spell_days: float = 28.0
    off_spell_days: float = 45.0
    core_spell_days: float = 55.0
    core_gap_days: float = 12.0


@dataclass(frozen=True)
class Upheaval:
    """What goes wrong in a season of this world; the defaults change nothing.

    From `first_day` to `last_day` of the season (counted from 1) wholesale prices of `categories` (all when empty) are
    × `cost_factor`, a share `scarce` of their items cannot be bought and the others lose `quality` in utility: dear
    goods of a bad harvest. Over the first four weeks the price weight of all shoppers grows to × `price_weight`
    (utilities at normal prices stay as they are).
    """

    first_day: int = 8
    last_day: int = 17
    categories: tuple[str, ...] = ()
    cost_factor: float = 1.0
    scarce: float = 0.0
    quality: float = 0.0
    price_weight: float = 1.0


@dataclass(frozen=True)
class Effects:
    """How strongly a season feels what further data tell; the defaults: as the world is, and nobody minds the rest.

    `rain`: share of the shoppers a rainy day keeps away; `warmth`: share by which 5 °C more than usual raise visits to
    the shelves of what is eaten on warm days (and lower those of the contrary); `rival`: share of a category's visits
    that a rival 10 % cheaper takes; `swing`: standard deviation of a swing of the number of shoppers (log, daily
    persistence 0.8); `cost_moves`: factor on the spread of items' own wholesale prices; `safety`: factor on the safety
    the shop orders with, so that it sells out less or more often.
    """

    rain: float = 0.0
    warmth: float = 0.0
    rival: float = 0.0
    swing: float = 0.0
    cost_moves: float = 1.0
    safety: float = 1.0


EFFECTS = {
    "none": Effects(),
    "weak": Effects(rain=0.05, warmth=0.02, rival=0.02, swing=0.05, cost_moves=0.5, safety=1.2),
    "medium": Effects(rain=0.10, warmth=0.05, rival=0.05, swing=0.10),
    "strong": Effects(rain=0.20, warmth=0.10, rival=0.10, swing=0.20, cost_moves=2.0, safety=0.85),
}
"""The strengths at which the value of data is measured; assumed, not estimated."""


@dataclass(frozen=True)
class World:
    """A named market and shop. `items`: one row per item, canonical columns and the hidden ones, in market order.

    Hidden columns: normal_cost, normal_price [money/unit], markup, quality, basket (mean purchase [unit]), supply, peak
    (day of the year, empty without), window_days, safety, true_loss_rate. `outside`: utility of buying nothing, per
    category. `visits`: shelf visits per shopper and category. `season_start`: first day of its seasons. No item keeps
    longer than `longest_life` [days]. True loss rates are the known ones × a lognormal factor of mean `loss_factor` and
    log standard deviation `loss_sd`; 1 and 0: the shop knows them. `effects`: of what lies around the shop.
    """

    name: str
    seed: int
    items: pd.DataFrame
    visits: dict[str, float]
    outside: dict[str, float]
    traffic: Traffic = field(default_factory=Traffic)
    choice: Choice = field(default_factory=Choice)
    supply: Supply = field(default_factory=Supply)
    practice: Practice = field(default_factory=Practice)
    upheaval: Upheaval = field(default_factory=Upheaval)
    season_start: str = "2024-06-03"
    longest_life: int = 3
    loss_factor: float = 1.0
    loss_sd: float = 0.0
    effects: Effects = field(default_factory=Effects)

    @property
    def categories(self) -> list[str]:
        """Category names in market order."""
        return list(self.visits)

    def column(self, name: str) -> Array:
        """A numeric column of `items` as an array in market order."""
        return self._columns[name]

    def members(self, category: str) -> NDArray[np.int64]:
        """Positions of the category's items in market order."""
        return self._members[category]

    @cached_property
    def is_pack(self) -> NDArray[np.bool_]:
        """Which items are counted in packs."""
        return np.asarray(self.items["unit"] == "pack")

    @cached_property
    def _columns(self) -> dict[str, Array]:
        numeric = self.items.select_dtypes("number")
        return {str(c): numeric[c].to_numpy(dtype=np.float64) for c in numeric.columns}

    @cached_property
    def _members(self) -> dict[str, NDArray[np.int64]]:
        category = self.items["category"].to_numpy()
        return {c: np.flatnonzero(category == c) for c in self.visits}

    def items_table(self) -> pd.DataFrame:
        """The canonical `items` table: what the shop itself knows about its items."""
        known = [c for c in ITEMS.names if c in self.items.columns]
        return self.items[known].copy()


VISITS = {
    "leafy": 1.40,
    "pepper": 0.72,
    "mushroom": 0.62,
    "root and aquatic": 0.21,
    "cauliflower and broccoli": 0.26,
    "eggplant": 0.20,
}

LOSS_RATE = {
    "leafy": 0.115,
    "pepper": 0.085,
    "mushroom": 0.07,
    "root and aquatic": 0.11,
    "cauliflower and broccoli": 0.12,
    "eggplant": 0.065,
}

PRESETS: dict[str, Callable[[World], World]] = {
    "reference-like": lambda world: world,
    "calm": lambda world: replace(
        world,
        traffic=replace(world.traffic, shock_sd=0.05, noise_sd=0.05),
        choice=replace(world.choice, popularity_sd=0.15, whim_sd=0.05, pull_sd=0.05),
        supply=replace(world.supply, item_sd=0.10, category_sd=0.05),
    ),
    "volatile": lambda world: replace(
        world,
        traffic=replace(world.traffic, shock_sd=0.32, noise_sd=0.18),
        choice=replace(world.choice, popularity_sd=0.45, whim_sd=0.25, pull_sd=0.25),
        supply=replace(world.supply, item_sd=0.42, category_sd=0.16),
    ),
    "price-sensitive": lambda world: replace(world, choice=replace(world.choice, price_weight=1.8)),
    "short-life": lambda world: replace(world, longest_life=1, choice=replace(world.choice, staleness=0.5)),
    "new-year": lambda world: replace(world, season_start="2024-01-24"),
    "supply-shock": lambda world: replace(
        world, upheaval=Upheaval(categories=("leafy", "pepper"), cost_factor=1.6, scarce=0.25, quality=0.3)
    ),
    "wrong-loss": lambda world: replace(world, loss_factor=1.4, loss_sd=0.4),
    "drift": lambda world: replace(world, upheaval=Upheaval(price_weight=2.2)),
}


WORLD_WORDS = {
    "reference-like": "moments like the reference shop's, the world all others vary",
    "calm": "traffic, tastes and wholesale prices move little",
    "volatile": "traffic, tastes and wholesale prices move much",
    "price-sensitive": "price weighs more than twice as much in what shoppers choose",
    "short-life": "nothing keeps until the next day, and freshness counts twice as much",
    "new-year": "the season holds the Spring Festival: a build-up, a closed day, few shoppers after it",
    "supply-shock": "for ten days leafy vegetables and peppers cost 60 % more and are poor, a quarter cannot be had",
    "wrong-loss": "true loss rates are about 40 % above those the shop knows, and differ from item to item",
    "drift": "elasticity drifts: over four weeks price comes to weigh 2.2 times as much",
}
"""What each world of `PRESETS` is."""


def worlds_in_words(names: Iterable[str] = tuple(PRESETS)) -> str:
    """The named worlds as a Markdown list."""
    return "\n".join(f"- {name}: {WORLD_WORDS[name]}." for name in names)


def draw_world(name: str = "reference-like", seed: int = 0) -> World:
    """The world of that name drawn with `seed`, the same for the same arguments; `ConfigError` for unknown names."""
    if name not in PRESETS:
        raise ConfigError(f"Unknown world “{name}”. Worlds are: {', '.join(PRESETS)}.")
    rng = np.random.default_rng([seed, 1])
    bare = World(name, seed, pd.DataFrame(), VISITS, {})
    world = PRESETS[name](bare)
    items = pd.concat([_draw_category(c, world, rng) for c in VISITS], ignore_index=True)
    items.insert(0, "item_code", [f"P{k:03d}" for k in range(1, len(items) + 1)])
    items["shelf_life_days"] = items["shelf_life_days"].clip(upper=world.longest_life)
    items["true_loss_rate"] = _true_loss_rates(world, items["loss_rate"].to_numpy())
    drawn = replace(world, items=items)
    return replace(drawn, outside={c: _outside(drawn, c) for c in VISITS})


def under_effects(world: World, effects: Effects) -> World:
    """The world feeling its surroundings as stated; the default effects leave it as it is."""
    supply = replace(world.supply, item_sd=world.supply.item_sd * effects.cost_moves)
    items = world.items.assign(safety=world.items["safety"] * effects.safety)
    return replace(world, effects=effects, supply=supply, items=items)


def _draw_category(category: str, world: World, rng: np.random.Generator) -> pd.DataFrame:
    kinds = [named for kind in CATALOGUE[category] for named in _suppliers(kind, rng)]
    n = len(kinds)
    pack = np.array([k.basket is None for k in kinds])
    normal_cost = np.array([k.cost for k in kinds]) * np.exp(rng.normal(0, 0.12, n))
    loss_rate = _loss_rates(LOSS_RATE[category], n, rng)
    markup = np.exp(rng.normal(np.log(1.47), 0.14, n))
    usual = np.array([k.supply == "core" for k in kinds])
    return pd.DataFrame(
        {
            "item_name": [k.name for k in kinds],
            "category": category,
            "unit": np.where(pack, "pack", "kg"),
            "loss_rate": loss_rate,
            "order_multiple": np.where(pack, 1.0, 0.5),
            "shelf_life_days": [k.shelf_life_days for k in kinds],
            "normal_cost": normal_cost,
            "normal_price": usual_price(normal_cost / (1 - loss_rate) * markup),
            "markup": markup,
            "quality": rng.normal(0, world.choice.quality_sd, n) + 0.45 * usual,
            "basket": [1 + world.choice.second_pack if k.basket is None else k.basket for k in kinds],
            "supply": [k.supply for k in kinds],
            "peak": [np.nan if k.peak is None else 30.4 * (k.peak - 0.5) for k in kinds],
            "window_days": rng.integers(*world.supply.seasonal_days, size=n),
            "safety": world.practice.safety * np.exp(rng.normal(0, world.practice.safety_sd, n)),
        }
    )


def _suppliers(kind: Kind, rng: np.random.Generator) -> list[Kind]:
    """The kind itself, or for about one in three two suppliers of it; the second comes and goes."""
    if rng.random() > 0.34:
        return [kind]
    second = kind._replace(name=f"{kind.name} (2)", cost=kind.cost * float(np.exp(rng.normal(0, 0.1))))
    return [kind._replace(name=f"{kind.name} (1)"), second._replace(supply="occasional")]


def _loss_rates(usual: float, n: int, rng: np.random.Generator) -> Array:
    """Loss rates [share]: about a third of the items carry the category's usual figure, as nobody measured theirs."""
    own = np.clip(rng.gamma(6.0, usual / 6.0, n), 0.0, 0.35)
    return np.asarray(np.where(rng.random(n) < 0.33, usual, own).round(4))


def _true_loss_rates(world: World, known: Array) -> Array:
    """Loss rates as they are [share], where the shop's figures are wrong; at most 0.5."""
    noise = np.random.default_rng([world.seed, 2]).normal(-(world.loss_sd**2) / 2, world.loss_sd, len(known))
    return np.asarray(np.minimum(known * world.loss_factor * np.exp(noise), 0.5))


def availability(world: World) -> Array:
    """Long-run share of days each item can be bought, from its kind of supply."""
    supply = world.supply
    on_off = supply.on_spell_days / (supply.on_spell_days + supply.off_spell_days)
    share = {"core": supply.core_spell_days / (supply.core_spell_days + supply.core_gap_days), "occasional": on_off}
    kinds = world.items["supply"]
    return np.where(kinds == "seasonal", world.column("window_days") / 365.0, kinds.map(share).astype(float))


def _outside(world: World, category: str) -> float:
    """Utility of buying nothing that makes the share `inside` buy at normal prices and usual availability."""
    at = world.members(category)
    choice = world.choice
    utility = world.column("quality")[at] - choice.price_weight
    inclusive = choice.nest * np.log(np.sum(availability(world)[at] * np.exp(utility / choice.nest)))
    return float(inclusive + np.log(1 / choice.inside - 1))
