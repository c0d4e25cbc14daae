"""A longer lead time: what is ordered tonight is on the shelf the day after tomorrow; tomorrow's goods are under way.

The shop plans with the same policy, but from what is known a day earlier; what tomorrow will leave over it can only
guess from what it has, what is under way and what the last week sold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.simulate.practice import Decision, Evening, ShopRule
from replenish.simulate.season import Planned, SeasonPolicy, View
from replenish.simulate.stage import Stage
from replenish.simulate.world import Array

LEVEL_DAYS = 7


@dataclass(frozen=True)
class EarlyView(View):
    """The view of a day that is decided about two evenings before it."""

    @property
    def as_of(self) -> pd.Timestamp:
        """The last known day."""
        return self.day - pd.Timedelta(days=2)


class TwoDayLead:
    """A policy whose orders take two days; its prices are set with the order.

    The first day's goods, and those of a day after a closed one, were ordered by the shop's own rule.
    """

    def __init__(self, stage: Stage, policy: SeasonPolicy) -> None:
        self.stage, self.policy = stage, policy
        self.rule = ShopRule(stage.world, stage.season.seed)
        self.under_way: dict[int, Planned] = {}

    def __call__(self, view: View) -> Planned:
        """What was decided about `view.day` an evening ago; decides about the day after it."""
        day, conditions = view.evening.day, self.stage.market.conditions
        due = self.under_way.pop(day, None) or Planned(self.rule(view.evening))
        if conditions.shoppers[day + 1] > 0:
            early = an_evening_early(view.evening, due.decision, self.stage)
            after = view.day + pd.Timedelta(days=1)
            self.under_way[day + 1] = self.policy(EarlyView(early, after, view.read_tables))
        return replace(due, decision=selling_what_is_left(due.decision, view.evening))


def an_evening_early(evening: Evening, due: Decision, stage: Stage) -> Evening:
    """The evening as it is for the day after tomorrow: tomorrow, with `due` on its shelves, has not happened yet."""
    n, coming = len(due.order), evening.day + 1
    conditions = stage.market.conditions
    return replace(
        evening,
        day=coming,
        weekday=np.append(evening.weekday, conditions.dates[coming].day_of_week),
        sold=np.vstack([evening.sold, np.zeros(n)]),
        offered=np.vstack([evening.offered, np.zeros(n, dtype=bool)]),
        sold_out_hour=np.vstack([evening.sold_out_hour, np.full(n, np.nan)]),
        last_price=np.where(np.isnan(due.price), evening.last_price, due.price),
        carried_over=expected_rest(evening, due.order * (1 - stage.world.column("loss_rate")), _life(stage)),
        on_market=conditions.on_market[coming],
    )


def _life(stage: Stage) -> NDArray[np.int64]:
    return stage.world.items["shelf_life_days"].to_numpy(dtype=np.int64)


def expected_rest(evening: Evening, usable: Array, life: NDArray[np.int64]) -> Array:
    """What tomorrow should leave over that is still good the day after, per item [unit].

    `usable`: what arrives for tomorrow, after loss; `life` [days]. Tomorrow should sell what a day of the last week
    sold, the freshest first; stock of an earlier day that keeps for two days or less is thrown away by then.
    """
    offered = evening.offered[-LEVEL_DAYS:]
    usual = (evening.sold[-LEVEL_DAYS:] * offered).sum(0) / np.maximum(offered.sum(0), 1)
    keeping = np.where(life > 2, usable + evening.carried_over, np.where(life > 1, usable, 0.0))
    return np.asarray(np.maximum(keeping - usual, 0.0))


def selling_what_is_left(decision: Decision, evening: Evening) -> Decision:
    """The decision with a price, the last one, for stock it did not expect."""
    left = np.isnan(decision.price) & (evening.carried_over > 0) & np.isfinite(evening.last_price)
    return replace(decision, price=np.where(left, evening.last_price, decision.price))
