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
    is kept for the next day (shelf life) and then worth `carry_value` instead of being wasted; `goodwill` is the
    objective's cost of a lost sale.
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


@dataclass(frozen=True)
class Outcome:
    """Per scenario (and order): units sold at full price, on clearance, wasted, carried on, lost; profit [money]."""

    sales: Array
    clearance: Array
    waste: Array
    carried_on: Array
    lost: Array
    profit: Array


def day_outcome(order: Array, demand: Array, price: float, cost: Array, terms: ItemTerms) -> Outcome:
    """Outcome for `order` (bought, before loss) and full-price `demand` and `cost` per unit bought; shapes broadcast.

    u = (1−ℓ)q + carried over; S₀ = min(u, D); M = min(u − S₀, m·D); full-price sales S = S₀ − φM, because a share φ of
    those who buy on clearance would have paid the full price; left = u − S − M is waste W. Stock with shelf life left
    is not put on clearance but carried on, K. Profit = pS + (1−δ)pM − cq − disposal·W + carry value·K.
    """
    usable = (1 - terms.loss_rate) * order + terms.carried_over
    served = np.minimum(usable, demand)
    rest = usable - served
    clearance = np.zeros_like(rest) if terms.keeps else np.minimum(rest, terms.clearance_share * demand)
    return _accounts(order, demand, usable, served, clearance, price, cost, terms)


def expected_outcome(
    order: Array, demand: Array, price: float, unit_cost: float, terms: ItemTerms
) -> tuple[Outcome, Array]:
    """Means of `day_outcome` over the scenarios for every order, and the share of scenarios that sell out.

    `demand` (scenarios) rises; `unit_cost` is the mean cost. Sums over scenarios below a threshold are running sums of
    demand: D ≤ u is served in full, and of these D ≤ u/(1+m) leave more than clearance takes. So an order costs a
    search instead of a pass over the scenarios.
    """
    n, running = len(demand), np.append(0.0, np.cumsum(demand))
    usable = (1 - terms.loss_rate) * order + terms.carried_over
    full = np.searchsorted(demand, usable, side="right")
    served = (running[full] + (n - full) * usable) / n
    clearance = np.zeros_like(served)
    if not terms.keeps:
        much = np.searchsorted(demand, usable / (1 + terms.clearance_share), side="right")
        little = (full - much) * usable - (running[full] - running[much])
        clearance = np.maximum(terms.clearance_share * running[much] + little, 0.0) / n
    sold_out = (n - np.searchsorted(demand, usable + SOLD_OUT, side="right")) / n
    mean = np.asarray(running[-1] / n)
    return _accounts(order, mean, usable, served, clearance, price, np.asarray(unit_cost), terms), sold_out


def _accounts(
    order: Array, demand: Array, usable: Array, served: Array, clearance: Array, price: float, cost: Array,
    terms: ItemTerms,
) -> Outcome:  # fmt: skip
    """What follows from served and cleared units; linear in them, so that it holds for means as well."""
    sales = served - terms.cannibalisation * clearance
    left = usable - sales - clearance
    waste, kept = (np.zeros_like(left), left) if terms.keeps else (left, np.zeros_like(left))
    revenue = price * sales + (1 - terms.discount) * price * clearance
    profit = revenue - cost * order - terms.disposal_cost * waste + terms.carry_value * kept
    return Outcome(sales, clearance, waste, kept, np.maximum(demand - served, 0.0), profit)
