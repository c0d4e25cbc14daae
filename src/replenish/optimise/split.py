"""The gain over cost-plus split into assortment, price and orders: three numbers that add up to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from replenish.optimise.judge import Line

Array = NDArray[np.float64]
DECISIONS = ("assortment", "price", "orders")


def split_gain(profit_of: Callable[[frozenset[str]], Array]) -> dict[str, Array]:
    """Decision → its part of the gain in every scenario [money]; the parts add up to profit_of(all) − profit_of(none).

    `profit_of(taken)`: profit per scenario when these decisions are the plan's and the others cost-plus. What replacing
    a decision adds depends on what was replaced before it, so it is averaged over all orders of replacement:
    φ_d = Σ_{S ∌ d} |S|!(2−|S|)!/3! · (profit(S ∪ d) − profit(S)) (Shapley 1953).
    """
    n = len(DECISIONS)
    sets = [frozenset(s) for size in range(n + 1) for s in combinations(DECISIONS, size)]
    profit = {s: profit_of(s) for s in sets}
    parts = {}
    for decision in DECISIONS:
        without = [s for s in sets if decision not in s]
        weights = [factorial(len(s)) * factorial(n - 1 - len(s)) / factorial(n) for s in without]
        steps = [profit[s | {decision}] - profit[s] for s in without]
        parts[decision] = np.sum([w * step for w, step in zip(weights, steps, strict=True)], axis=0)
    return parts


def mixed_lines(
    plan: Sequence[Line], baseline: Sequence[Line], usual: Sequence[Line], taken: frozenset[str]
) -> list[Line]:
    """The lines when the decisions `taken` are the plan's and the others cost-plus.

    Assortment: the items of `plan` or of `baseline`. Price and order of an item: those of its line in `plan` or of its
    cost-plus line (in `baseline`, else in `usual`). An item that only one of the two sides decides on keeps that
    side's price and order.
    """
    mine = {line.candidate.item_code: line for line in plan}
    theirs = {line.candidate.item_code: line for line in [*usual, *baseline]}
    out = []
    for line in plan if "assortment" in taken else baseline:
        code = line.candidate.item_code
        own, other = mine.get(code, line), theirs.get(code, line)
        price = own.price if "price" in taken else other.price
        order = own.order_quantity if "orders" in taken else other.order_quantity
        out.append(Line(line.candidate, price, order))
    return out
