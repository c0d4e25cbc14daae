"""What happens to one item on one day: sales, clearance, waste and profit (design, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SOLD_OUT = 1e-9  # more than this unserved: sold out [unit]


@dataclass(frozen=True)
class ItemTerms:
    """What one item's day hangs on besides demand and order; money per unit, shares 0–1.

    `clearance_share` m, `discount` δ and `cannibalisation` φ are the clearance habits; `keeps` tells that unsold stock
    is kept for the next day (shelf life) and then worth `carry_value` instead of being wasted; so much of the stock
    `carried_over` as is `expiring` is in its last day all the same [unit]. `goodwill` is the objective's cost of a lost
    sale.
    """

    reference_price: float
    loss_rate: float
    clearance_share: float
    discount: float
    cannibalisation: float
    disposal_cost: float
    goodwill: float
    carried_over: float = 0.0
    keeps: bool = False
    carry_value: float = 0.0
    expiring: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """Per scenario (and order): units sold at full price, on clearance, wasted, carried on, lost; profit [money]."""

    sales: Array
    clearance: Array
    waste: Array
    carried_on: Array
    lost: Array
    profit: Array


def day_outcome(order: Array, demand: Array, price: float | Array, cost: Array, terms: ItemTerms) -> Outcome:
    """Outcome for `order` (bought, before loss) and full-price `demand` and `cost` per unit bought; shapes broadcast.

    u = (1−ℓ)q + carried over; S₀ = min(u, D); M = min(u − S₀, m·D); full-price sales S = S₀ − φM, because a share φ of
    those who buy on clearance would have paid the full price; left = u − S − M is waste W. Stock with shelf life left
    is not put on clearance but carried on, K. Of an item that keeps, what is in its last day, E, is left first, as
    shoppers take the freshest: with R = u − S₀ and O = min(E, R), M = min(O, m·D), W = O − (1−φ)M, K = R − O (as in
    `ageing.aged_day`). Profit = pS + (1−δ)pM − cq − disposal·W + carry value·K.
    """
    usable = (1 - terms.loss_rate) * order + terms.carried_over
    served = np.minimum(usable, demand)
    rest = usable - served
    last_day = np.minimum(rest, terms.expiring) if terms.keeps else rest
    clearance = np.minimum(last_day, terms.clearance_share * demand)
    return accounts(order, demand, served, rest, last_day, clearance, price, cost, terms)


def accounts(
    order: Array, demand: Array, served: Array, rest: Array, last_day: Array, clearance: Array, price: float | Array,
    cost: Array, terms: ItemTerms,
) -> Outcome:  # fmt: skip
    """What follows from units served, left (`rest`), in their last day and cleared; linear, so it holds for means."""
    sales = served - terms.cannibalisation * clearance
    waste, kept = last_day - (1 - terms.cannibalisation) * clearance, rest - last_day
    revenue = price * sales + (1 - terms.discount) * price * clearance
    profit = revenue - cost * order - terms.disposal_cost * waste + terms.carry_value * kept
    return Outcome(sales, clearance, waste, kept, np.maximum(demand - served, 0.0), profit)
