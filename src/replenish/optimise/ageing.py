"""Stock that keeps for some days: what happens to one item over several days, each batch with its own age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from replenish.optimise.outcome import ItemTerms, Outcome

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DayDecision:
    """One day of one item: order [unit] and shelf price, or not listed (`price` NaN, `order` 0)."""

    order: float
    price: float

    @property
    def listed(self) -> bool:
        """Whether the item stands on the shelf that day."""
        return bool(np.isfinite(self.price))


def aged_day(
    stock: Sequence[Array], day: DayDecision, demand: Array, cost: Array, terms: ItemTerms, life: int
) -> tuple[Outcome, list[Array]]:
    """Outcome of one day per scenario, and the stock of the next morning, youngest batch first.

    `stock`: what was left of yesterday's batch, the one before …, at most life − 1 batches [unit], youngest first.
    LIFO: shoppers take the freshest first, so batch a serves min(B_a, what the fresher ones left of demand D). The
    batch in its last day (age life − 1) is put on clearance: M = min(E, m·D) of its unsold E; a share φ of the
    clearance buyers would have paid the full price, the units they leave are of the same batch: waste
    W = E − (1−φ)M. Loss, prices and profit as in `day_outcome`, which this is with life 1. An item that is not listed
    sells nothing, its stock grows older, and its day is worth 0.
    """
    fresh = np.full_like(demand, (1 - terms.loss_rate) * day.order)
    wanted = demand if day.listed else np.zeros_like(demand)
    price = day.price if day.listed else 0.0
    lost, left = wanted, []
    for batch in (fresh, *stock):
        sold = np.minimum(batch, lost)
        lost = lost - sold
        left.append(batch - sold)
    oldest = left[-1] if len(left) == life else np.zeros_like(demand)
    clearance = np.minimum(oldest, terms.clearance_share * wanted)
    kept = left[:-1] if len(left) == life else left
    sales = wanted - lost - terms.cannibalisation * clearance
    waste = oldest - (1 - terms.cannibalisation) * clearance
    carried = np.sum(kept, axis=0) if kept else np.zeros_like(demand)
    revenue = price * sales + (1 - terms.discount) * price * clearance
    profit = revenue - cost * day.order - terms.disposal_cost * waste + terms.carry_value * carried
    profit = profit if day.listed else np.zeros_like(demand)
    return Outcome(sales, clearance, waste, carried, lost, profit), kept


def aged_path(
    days: Sequence[DayDecision], demand: Sequence[Array], cost: Sequence[Array], terms: Sequence[ItemTerms], life: int
) -> list[Outcome]:
    """Outcomes of consecutive days per scenario (`aged_day`); arrays of shape scenarios, one per day.

    Stock before the first day (`terms[0].carried_over`) counts as yesterday's batch. Only the carry value of the last
    day counts: what is kept until then is sold, cleared or wasted on the days themselves.
    """
    stock = [np.full_like(demand[0], terms[0].carried_over)] if life > 1 else []
    out = []
    for t, day in enumerate(days):
        today = terms[t] if t == len(days) - 1 else replace(terms[t], carry_value=0.0)
        result, stock = aged_day(stock, day, demand[t], cost[t], today, life)
        out.append(result)
    return out
