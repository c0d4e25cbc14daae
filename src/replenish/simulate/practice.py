"""The shop's own practice: what it orders, what it charges and what it clears in the evening."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from replenish.simulate.world import Array, World

ENDINGS = np.array([0.0, 0.5, 0.8, 0.9, 1.0])
WHOLE_FROM = 8.0


@dataclass(frozen=True)
class Practice:
    """The shop's own rule: weekday mean × safety ÷ (1 − loss) in multiples, cost-plus prices, evening clearance.

    Orders: `weekday_share` is the weight of the same weekday's mean over `memory_weeks` against the last week's level;
    `sold_out_raise` lifts days that sold out; no order below `smallest_order` [unit]; `safety_sd` differs between
    items, `order_noise_sd` between days (logs). Prices move with chance `price_patience` a day once cost-plus is more
    than `price_gap` (log) away, else with chance `price_whim`. Clearance: `clear_hours` are the hours at which the
    shop looks at its shelf; `clear_chance` the chance, at each, that an item is put on discount, × `overstock_factor`
    when more is left than the rest of the day usually sells. `discount_quantiles` are the minimum, quartiles and
    maximum of the discount.
    """

    safety: float = 1.28
    safety_sd: float = 0.06
    order_noise_sd: float = 0.05
    memory_weeks: int = 3
    weekday_share: float = 0.25
    sold_out_raise: float = 1.25
    smallest_order: float = 0.8
    price_gap: float = 0.12
    price_patience: float = 0.30
    price_whim: float = 0.02
    clear_hours: tuple[int, ...] = (9, 18, 19, 20, 21)
    clear_chance: tuple[float, ...] = (0.014, 0.025, 0.05, 0.07, 0.05)
    overstock_factor: float = 1.6
    discount_quantiles: tuple[float, ...] = (0.05, 0.12, 0.28, 0.37, 0.60)


def usual_price(price: Array) -> Array:
    """The nearest price with a usual ending, at least 0.5 [money/unit]: x.0, x.5, x.8, x.9; from 8 on whole money."""
    candidates = np.floor(price)[..., None] + ENDINGS
    nearest = np.abs(candidates - price[..., None]).argmin(axis=-1)
    ended = np.take_along_axis(candidates, nearest[..., None], axis=-1)[..., 0]
    return np.asarray(np.maximum(np.where(price >= WHOLE_FROM, np.round(price), ended), 0.5).round(2))


@dataclass(frozen=True)
class Evening:
    """What a policy of the simulated shop may know when it decides about the next day, `day`.

    Days × items, rows before `day`: `sold` [unit], `offered`, `sold_out_hour` [h, NaN when it lasted].
    Per item: `last_price` (full price, NaN before the first) [money/unit], `carried_over` [unit], `on_market`,
    `wholesale` [money/unit] as known when the price is set: the coming day's in a shop that prices its goods when they
    arrive, today's in one that decides in the evening. `weekday`: of every day up to and including `day`.
    """

    day: int
    weekday: NDArray[np.int64]
    sold: Array
    offered: NDArray[np.bool_]
    sold_out_hour: Array
    last_price: Array
    carried_over: Array
    on_market: NDArray[np.bool_]
    wholesale: Array


@dataclass(frozen=True)
class Decision:
    """Per item: `order` (bought, before loss) [unit] and full `price` [money/unit]; NaN price: not offered."""

    order: Array
    price: Array


class Policy(Protocol):
    """Decides every evening about the next day; sees only what a shop sees."""

    def __call__(self, evening: Evening) -> Decision:
        """The decision for day `evening.day`."""
        ...


class ShopRule:
    """The shop's own rule, with its habits drawn from `seed`; see `Practice` for the parameters."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed, self.practice = world, seed, world.practice

    def __call__(self, evening: Evening) -> Decision:
        """Orders from the weekday mean × safety, cost-plus prices that move only when cost has moved."""
        rng = np.random.default_rng([self.world.seed, self.seed, 20, evening.day])
        price = self._prices(evening, rng)
        return Decision(
            self._orders(evening, rng), np.where(evening.on_market | (evening.carried_over > 0), price, np.nan)
        )

    def _orders(self, evening: Evening, rng: np.random.Generator) -> Array:
        items, practice = self.world, self.practice
        mean = self._usual_sales(evening)
        stock_aim = mean * items.column("safety") * np.exp(rng.normal(0, practice.order_noise_sd, len(mean)))
        aim = np.maximum(stock_aim, practice.smallest_order) - evening.carried_over
        multiple = items.column("order_multiple")
        bought = np.ceil(np.maximum(aim, 0.0) / (1 - items.column("loss_rate")) / multiple) * multiple
        return np.where(evening.on_market, bought, 0.0)

    def _usual_sales(self, evening: Evening) -> Array:
        """Mean sales of the same weekday and of the last days on offer, raised where the item had sold out [unit]."""
        recent = slice(max(0, evening.day - 7 * self.practice.memory_weeks), evening.day)
        raised = np.isfinite(evening.sold_out_hour[recent])
        seen = evening.sold[recent] * np.where(raised, self.practice.sold_out_raise, 1.0)
        offered = evening.offered[recent]
        same = offered & (evening.weekday[recent] == evening.weekday[evening.day])[:, None]
        last_week = offered & (np.arange(len(offered)) >= len(offered) - 7)[:, None]
        launch = 2.0 * self.practice.smallest_order
        level = _mean(seen, last_week, _mean(seen, offered, launch))
        share = self.practice.weekday_share
        return share * _mean(seen, same, level) + (1 - share) * level * self._weekday_factor(evening)

    def _weekday_factor(self, evening: Evening) -> float:
        """What the shop's experience says of that weekday against the mean of a week."""
        usual = np.array(self.world.traffic.weekday)
        return float(usual[evening.weekday[evening.day]] / usual.mean())

    def _prices(self, evening: Evening, rng: np.random.Generator) -> Array:
        practice, world = self.practice, self.world
        n = len(evening.wholesale)
        target = evening.wholesale / (1 - world.column("loss_rate")) * world.column("markup")
        apart = np.abs(np.log(target / evening.last_price)) > practice.price_gap
        moved = rng.random(n) < np.where(apart, practice.price_patience, practice.price_whim)
        whim = np.where(apart, 0.0, rng.normal(0, 0.1, n))
        fresh = usual_price(target * np.exp(whim))
        return np.where(np.isnan(evening.last_price) | moved, fresh, evening.last_price)


def _mean(values: Array, mask: NDArray[np.bool_], default: Array | float) -> Array:
    """Column means over the rows of `mask`, `default` where there is none."""
    count = mask.sum(axis=0)
    total = np.where(mask, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), default)


@dataclass(frozen=True)
class ClearanceHabit:
    """When and how deep the shop discounts what is left; one day's luck drawn in advance, so decisions share it.

    `luck` (hours × items) uniform, `discount` per item [share], `trade_left`: share of a day's trade still to come at
    each clearance hour.
    """

    practice: Practice
    luck: Array
    discount: Array
    trade_left: Array

    def for_items(self, at: NDArray[np.int64]) -> ClearanceHabit:
        """The habit for the items at these positions."""
        return replace(self, luck=self.luck[:, at], discount=self.discount[at])

    def start(self, hour: int, sold: Array, left: Array) -> NDArray[np.bool_]:
        """Items put on discount at `hour`, given what was sold and what is left so far [unit]."""
        k = self.practice.clear_hours.index(hour)
        done = 1 - self.trade_left[k]
        usual_rest = sold * self.trade_left[k] / max(done, 0.1)
        factor = np.where(left > usual_rest, self.practice.overstock_factor, 1.0)
        return np.asarray((left > 0) & (self.luck[k] < self.practice.clear_chance[k] * factor))


def draw_clearance(
    practice: Practice, hourly: Array, open_hour: int, n: int, rng: np.random.Generator
) -> ClearanceHabit:
    """One day's clearance habit for n items; `hourly`: weights of the trade per opening hour."""
    knots = np.linspace(0, 1, len(practice.discount_quantiles))
    discount = np.interp(rng.random(n), knots, practice.discount_quantiles)
    share = hourly / hourly.sum()
    trade_left = np.array([share[h - open_hour :].sum() for h in practice.clear_hours])
    return ClearanceHabit(practice, rng.random((len(practice.clear_hours), n)), np.round(discount, 2), trade_left)
