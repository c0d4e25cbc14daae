"""The textbook scenario model: prices, orders and sales in every scenario as variables, given to HiGHS as it is."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from benchmarks.optimiser.instances import Instance
from replenish.optimise.linear import LinearModel
from replenish.records import Scenarios


class _Builder:
    """Columns and rows collected one group at a time."""

    def __init__(self) -> None:
        self.gain: list[float] = []
        self.upper: list[float] = []
        self.whole: list[bool] = []
        self.entries: tuple[list[int], list[int], list[float]] = ([], [], [])
        self.low: list[float] = []
        self.high: list[float] = []

    def column(self, gain: float, upper: float, whole: bool = False) -> int:
        self.gain.append(gain)
        self.upper.append(upper)
        self.whole.append(whole)
        return len(self.gain) - 1

    def row(self, terms: list[tuple[int, float]], low: float, high: float) -> None:
        rows, columns, values = self.entries
        for column, value in terms:
            rows.append(len(self.low))
            columns.append(column)
            values.append(value)
        self.low.append(low)
        self.high.append(high)

    def model(self) -> LinearModel:
        rows, columns, values = self.entries
        matrix = sparse.csc_array((values, (rows, columns)), shape=(len(self.low), len(self.gain)))
        return LinearModel(
            (), (), np.array(self.gain), matrix, np.array(self.low), np.array(self.high), np.zeros(len(self.gain)),
            np.array(self.upper), np.array(self.whole),
        )  # fmt: skip


def textbook_model(instance: Instance, scenarios: Scenarios, largest: dict[tuple[str, float], float]) -> LinearModel:
    """Chosen price x_ir, order multiples n_ir, sales and clearance by scenario; the rules as in the menu model.

    `largest`: by item and price the largest order of the menu, so that both models choose among the same orders.
    """
    b, rules, n = _Builder(), instance.rules, scenarios.n
    listed: list[tuple[int, float]] = []
    spent: list[tuple[int, float]] = []
    index: dict[str, list[tuple[int, float]]] = {}
    cover: dict[str, list[tuple[int, float]]] = {}
    worth: dict[str, float] = {}
    for k, c in enumerate(instance.candidates):
        t, base, cost = c.terms, float(scenarios.demand[:, k].mean()), float(scenarios.cost[:, k].mean())
        weight = t.reference_price * base
        worth[c.category] = worth.get(c.category, 0.0) + weight
        prices = []
        for price in c.ladder.rungs:
            demand = scenarios.demand_at(k, price / t.reference_price)
            top = largest[c.item_code, price] / c.order_multiple
            x = b.column(-t.goodwill * float(demand.mean()), 1.0, whole=True)
            order = b.column(-cost * c.order_multiple, top, whole=True)
            prices.append((x, 1.0))
            b.row([(order, 1.0), (x, -top)], -np.inf, 0.0)
            b.row([(order, 1.0), (x, -np.ceil(c.min_display / c.order_multiple))], 0.0, np.inf)
            usable = (1 - t.loss_rate) * c.order_multiple
            served = []
            clearing = (1 - t.discount) * price - t.cannibalisation * price
            for d in demand:
                sale = b.column((price + t.goodwill) / n, float(d))
                clear = b.column(clearing / n, float(t.clearance_share * d))
                b.row([(sale, 1.0), (x, -float(d))], -np.inf, 0.0)
                b.row([(clear, 1.0), (x, -float(t.clearance_share * d))], -np.inf, 0.0)
                b.row([(sale, 1.0), (clear, 1.0), (order, -usable)], -np.inf, 0.0)
                served.append((sale, -t.reference_price / n))
            value = b.column(0.0, weight)
            b.row([(value, 1.0), *served], -np.inf, 0.0)
            cover.setdefault(c.category, []).append((value, 1.0))
            index.setdefault(c.category, []).append((x, weight * (price / t.reference_price - 1)))
            spent.append((order, cost * c.order_multiple))
        b.row(prices, -np.inf, 1.0)
        listed += prices
    for category, terms in cover.items():
        short = b.column(-rules.cover_penalty, np.inf)
        b.row([*terms, (short, 1.0)], rules.cover * worth[category], np.inf)
        b.row(index[category], -np.inf, 0.0)
    b.row(listed, rules.n_min, float(rules.n_max or len(listed)))
    if rules.budget is not None:
        b.row(spent, -np.inf, rules.budget)
    return b.model()
