"""The shoppers of one day: when they come, which shelves they visit and their tastes; and how they choose.

A shopper's tastes are drawn for every item of the world, on offer or not, so that two decisions of the shop on the same
day meet the same people (common random numbers).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replenish.simulate.world import CLOSE_HOUR, OPEN_HOUR, Array, Choice, World

NOTHING = -1
SMALLEST_PURCHASE_KG = 0.02


@dataclass(frozen=True)
class ShelfVisits:
    """Visits to one category's shelf in order of time; n visits × J items of the category (world order).

    `hour`: time of day [h]; `shopper`: who; `price_multiplier`: of the shopper's segment; `taste`: what the shopper
    adds to each item's utility, relative to buying nothing; `wanted`: quantity wanted of the item, if chosen [unit].
    """

    hour: Array
    shopper: NDArray[np.int64]
    price_multiplier: Array
    taste: Array
    wanted: Array


def draw_arrivals(world: World, expected: float, rng: np.random.Generator) -> Array:
    """Arrival times of the day's shoppers [h], sorted; their number is Poisson with mean `expected`."""
    weight = np.array(world.traffic.hourly)
    hours = rng.choice(np.arange(OPEN_HOUR, CLOSE_HOUR), size=rng.poisson(expected), p=weight / weight.sum())
    return np.sort(hours + rng.random(len(hours)))


def draw_visits(
    world: World, category: str, arrivals: Array, segment: Array, pull: float | Array, rng: np.random.Generator,
    at: NDArray[np.int64] | None = None,
) -> ShelfVisits:  # fmt: skip
    """The visits to one category's shelf; `segment`: price multiplier of every shopper.

    `pull`: factor on visits, one of all or of every shopper; `at`: market positions of the items that matter, all of
    the category by default.
    """
    choice, at = world.choice, world.members(category) if at is None else at
    count = rng.poisson(world.visits[category] * pull, len(arrivals))
    shopper = np.repeat(np.arange(len(arrivals)), count)
    n = len(shopper)
    taste = choice.nest * _gumbel(rng, (n, len(at)))
    taste += (choice.nest * log_stable(choice.nest, n, rng) - _gumbel(rng, (n,)))[:, None]
    return ShelfVisits(arrivals[shopper], shopper, segment[shopper], taste, _wanted(world, at, n, rng))


def draw_segments(choice: Choice, n: int, rng: np.random.Generator) -> Array:
    """Price multipliers of n shoppers, drawn from the segments."""
    share, multiplier = np.array(choice.segments).T
    return np.asarray(rng.choice(multiplier, size=n, p=share))


def _gumbel(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(-np.log(rng.standard_exponential(shape)))


def log_stable(index: float, n: int, rng: np.random.Generator) -> Array:
    """Logarithm of n positive stable variables S with E[exp(−tS)] = exp(−t^index) (Kanter 1975); 0 for index 1.

    With e Gumbel, index·(e + ln S) is Gumbel again: the error a nest's items share (Cardell 1997).
    """
    if index == 1.0:
        return np.zeros(n)
    angle = np.pi * rng.random(n)
    power = (1 - index) / index
    exponential = rng.standard_exponential(n)
    return np.asarray(
        np.log(np.sin(index * angle))
        - np.log(np.sin(angle)) / index
        + power * (np.log(np.sin((1 - index) * angle)) - np.log(exponential))
    )


def _wanted(world: World, at: NDArray[np.int64], n: int, rng: np.random.Generator) -> Array:
    """Quantities wanted, shape (n × items): kilograms to the gram, gamma around the item's basket; packs one or two."""
    choice = world.choice
    appetite = rng.standard_gamma(choice.basket_shape, n) / choice.basket_shape
    packs = 1.0 + (rng.random(n) < choice.second_pack)
    kilograms = np.round(np.maximum(appetite[:, None] * world.column("basket")[at], SMALLEST_PURCHASE_KG), 3)
    return np.where(world.is_pack[at], packs[:, None], kilograms)


def choose(utility: Array, outside: float, open_items: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Item of greatest utility per visit (column number), or `NOTHING` when none beats buying nothing.

    Shapes: `utility` (n × J) with tastes included, `open_items` (J): what the shelf still holds.
    """
    if not open_items.any() or not len(utility):
        return np.full(len(utility), NOTHING)
    seen = utility if open_items.all() else np.where(open_items[None, :], utility, -np.inf)
    best = seen.argmax(axis=1)
    return np.where(seen[np.arange(len(seen)), best] > outside, best, NOTHING)


def choice_shares(utility: Array, outside: float, nest: float, weight: Array | None = None) -> Array:
    """Nested-logit probability of each item, shape of `utility` (… × J); −inf marks items that are not there.

    P(j) = P(inside)·exp(V_j/λ)/Σ exp(V_k/λ), P(inside) = exp(λI)/(exp(V_0) + exp(λI)), I = ln Σ exp(V_k/λ)
    (Train, Discrete Choice Methods, section 4.2). `weight` (shape … without items) averages over leading axis 0.
    """
    top = np.max(utility, axis=-1, keepdims=True, initial=-700.0)
    size = np.exp((utility - top) / nest)
    total = size.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        inclusive = top + nest * np.log(total)
    inside = 1 / (1 + np.exp(outside - inclusive))
    shares = np.divide(inside * size, total, out=np.zeros_like(size), where=total > 0)
    return shares if weight is None else np.tensordot(weight, shares, axes=(0, 0))
