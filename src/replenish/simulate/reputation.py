"""How shoppers take the shop's last four weeks: its prices against the market's, and its empty shelves."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from replenish.simulate.market import DayResult, Offers
from replenish.simulate.world import Array, World

MEMORY_DAYS = 28
EMPTY_BEFORE = 18.0


@dataclass
class Reputation:
    """The last four weeks as shoppers remember them.

    `index`: the shop's prices ÷ the market's (cost plus the usual markup), weighted by normal price × basket × visits;
    `empty`: share of the shelves, so weighted, that stood empty before 18:00. `usual`: both before the season, so that
    a shop that goes on as before keeps its shoppers.
    """

    world: World
    weight: Array
    index: deque[float] = field(default_factory=lambda: deque(maxlen=MEMORY_DAYS))
    empty: deque[float] = field(default_factory=lambda: deque(maxlen=MEMORY_DAYS))
    usual: tuple[float, float] = (1.0, 0.0)

    @classmethod
    def opening(cls, world: World) -> Reputation:
        """A shop nobody has a memory of."""
        visits = world.items["category"].map(world.visits).to_numpy(dtype=np.float64)
        appeal = np.exp(world.column("quality"))
        return cls(world, world.column("normal_price") * world.column("basket") * visits * appeal)

    def note(self, wholesale: Array, offers: Offers, result: DayResult) -> None:
        """One more day in memory."""
        at = offers.offered
        rivals = wholesale[at] / (1 - self.world.column("loss_rate")[at]) * self.world.column("markup")[at]
        self.index.append(float(np.average(offers.price[at] / rivals, weights=self.weight[at])))
        early = np.nan_to_num(result.sold_out_hour[at], nan=99.0) < EMPTY_BEFORE
        self.empty.append(float(np.average(early, weights=self.weight[at])))

    def settled(self) -> Reputation:
        """The same memory, from now on the usual one."""
        return replace(self, usual=(float(np.mean(self.index)), float(np.mean(self.empty))))

    @property
    def last_index(self) -> float:
        """The price index of the last day."""
        return self.index[-1]

    def attraction(self) -> float:
        """Factor on the expected number of shoppers (see `world.Traffic`)."""
        traffic, (index, empty) = self.world.traffic, self.usual
        dearer = float(np.mean(self.index)) / index
        emptier = float(np.mean(self.empty)) - empty
        return float(dearer**-traffic.price_reaction * np.exp(-traffic.empty_reaction * emptier))
