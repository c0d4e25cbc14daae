"""Expectations of an item's day over all scenarios, for many prices and orders at once (compiled)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from replenish.compiled import compiled
from replenish.optimise.outcome import SOLD_OUT, ItemTerms, Outcome, accounts

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Demand:
    """What is asked for at some prices, R prices × n scenarios [unit], and what the objective takes off for it.

    `total` with what others pass on, `first` without. `missed` and `met` (n): money taken off for each unit of `first`
    that stock does not serve, and that it serves [money/unit].
    """

    price: Array
    total: Array
    first: Array
    missed: Array
    met: Array


@dataclass(frozen=True)
class Expected:
    """Means over the scenarios by offer: `outcome`, share `sold_out`, and what is `forgone` [money]."""

    outcome: Outcome
    sold_out: Array
    forgone: Array

    @property
    def value(self) -> Array:
        """Expected objective [money]."""
        return np.asarray(self.outcome.profit - self.forgone)


def expected_outcomes(orders: Array, rung: Whole, demand: Demand, unit_cost: float, terms: ItemTerms) -> Expected:
    """Means of `day_outcome` for every offer: an order (before loss) at the price of number `rung`; `unit_cost`: mean
    cost, on which everything else hangs linearly."""
    usable = (1 - terms.loss_rate) * orders + terms.carried_over
    oldest = np.full_like(usable, terms.expiring) if terms.keeps else usable
    served, last_day, clearance, sold_out, forgone = _means(
        usable, oldest, rung, demand.total, demand.first, demand.missed, demand.met, terms.clearance_share
    )
    wanted, price, cost = demand.total.mean(axis=1)[rung], demand.price[rung], np.asarray(unit_cost)
    out = accounts(orders, wanted, served, usable - served, last_day, clearance, price, cost, terms)
    return Expected(out, sold_out, forgone)


# Sums may be taken in any order, so that several scenarios are added at once; nothing here is infinite or NaN.
@partial(compiled, fastmath=("reassoc", "contract", "nsz", "nnan"))
def _means(
    usable: Array, oldest: Array, rung: Whole, total: Array, first: Array, missed: Array, met: Array, share: float
) -> tuple[Array, Array, Array, Array, Array]:
    """Means over the scenarios of units served, left of stock in its last day and cleared, of selling out, and of what
    is taken off the objective [money], by offer; `oldest`: of its stock, what is in its last day."""
    n, out = total.shape[1], np.empty((5, len(usable)))
    for m in range(len(usable)):
        u, old, demand, own = usable[m], oldest[m], total[rung[m]], first[rung[m]]
        served, last_day, clearance, sold_out, forgone = 0.0, 0.0, 0.0, 0.0, 0.0
        for s in range(n):
            sold = min(u, demand[s])
            left = min(u - sold, old)
            here = min(own[s], u)
            served += sold
            last_day += left
            clearance += min(left, share * demand[s])
            sold_out += 1.0 if demand[s] > u + SOLD_OUT else 0.0
            forgone += missed[s] * (own[s] - here) + met[s] * here
        out[:, m] = served, last_day, clearance, sold_out, forgone
    out /= n
    return out[0], out[1], out[2], out[3], out[4]
