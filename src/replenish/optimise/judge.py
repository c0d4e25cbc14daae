"""Judging a set of lines on scenarios the optimiser never saw: expected profit, its error, one day's range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.optimise.menu import Candidate
from replenish.optimise.outcome import Outcome, day_outcome
from replenish.records import Scenarios

Array = NDArray[np.float64]
BOOTSTRAP = 1000


@dataclass(frozen=True)
class Line:
    """One decision: candidate, shelf price, order [unit]."""

    candidate: Candidate
    price: float
    order_quantity: float


@dataclass(frozen=True)
class Judgement:
    """Lines judged on scenarios: `lines` key item_code with expectations; `profit` and `shop_profit` per scenario.

    `shop_profit` is the shop's own definition, which does not see unsold stock: revenue − cost/(1−ℓ) of what was sold.
    """

    lines: pd.DataFrame
    profit: Array
    shop_profit: Array
    drawn_days: NDArray[np.datetime64]

    def expected(self) -> float:
        """Mean profit of the day over the scenarios [money]."""
        return float(self.profit.mean())

    def range_80(self) -> tuple[float, float]:
        """10 and 90 % quantiles of one day's profit [money]."""
        low, high = np.quantile(self.profit, [0.1, 0.9])
        return float(low), float(high)


def judge(lines: Sequence[Line], scenarios: Scenarios, outcomes: Mapping[str, Outcome] | None = None) -> Judgement:
    """Every line played against every scenario; `outcomes`: by item code, of lines already played (ageing stock)."""
    played = outcomes or {}
    rows, profit, shop = [], np.zeros(scenarios.n), np.zeros(scenarios.n)
    for line in lines:
        k = scenarios.item_codes.index(line.candidate.item_code)
        terms = line.candidate.terms
        demand = scenarios.demand_at(k, line.price / terms.reference_price)
        order = np.array(line.order_quantity)
        mine = played.get(line.candidate.item_code)
        out = mine or day_outcome(order, demand, line.price, scenarios.cost[:, k], terms)
        rows.append(_expectations(line, demand, out))
        profit += out.profit
        shop += _shop_profit(line, out, scenarios.cost[:, k])
    return Judgement(pd.DataFrame(rows), profit, shop, scenarios.drawn_days)


def day_profit(lines: Sequence[Line], scenarios: Scenarios) -> Array:
    """Profit of the lines together in every scenario [money]."""
    profit = np.zeros(scenarios.n)
    for line in lines:
        k, terms = scenarios.item_codes.index(line.candidate.item_code), line.candidate.terms
        demand = scenarios.demand_at(k, line.price / terms.reference_price)
        order = np.array(line.order_quantity)
        profit += day_outcome(order, demand, line.price, scenarios.cost[:, k], terms).profit
    return profit


def _expectations(line: Line, demand: Array, out: Outcome) -> dict[str, object]:
    low, high = np.quantile(out.profit, [0.1, 0.9])
    return {
        "item_code": line.candidate.item_code,
        "price": line.price,
        "order_quantity": line.order_quantity,
        "expected_demand": demand.mean(),
        "expected_sales": out.sales.mean(),
        "expected_clearance_sales": out.clearance.mean(),
        "expected_waste": out.waste.mean(),
        "carried_on": out.carried_on.mean(),
        "expected_profit": out.profit.mean(),
        "profit_q10": low,
        "profit_q90": high,
        "sell_out_probability": float((out.lost > 1e-9).mean()),
        "revenue": (line.price * (out.sales + (1 - line.candidate.terms.discount) * out.clearance)).mean(),
    }


def _shop_profit(line: Line, out: Outcome, cost: Array) -> Array:
    terms = line.candidate.terms
    sold_cost = cost / (1 - terms.loss_rate) * (out.sales + out.clearance)
    return line.price * out.sales + (1 - terms.discount) * line.price * out.clearance - sold_cost


def standard_error(values: Array, drawn_days: NDArray[np.datetime64], seed: int = 0) -> float:
    """Standard error of a mean over scenarios, by resampling the past days behind them (cluster bootstrap).

    Few days understate it by √((n−1)/n), which is put right; one day alone tells nothing (NaN).
    """
    days, position = np.unique(drawn_days, return_inverse=True)
    sums = np.bincount(position, weights=values, minlength=len(days))
    if len(days) < 2:
        return float("nan")
    counts = np.bincount(position, minlength=len(days)).astype(float)
    picked = np.random.default_rng(seed).integers(0, len(days), (BOOTSTRAP, len(days)))
    spread = (sums[picked].sum(1) / counts[picked].sum(1)).std(ddof=1)
    return float(spread * np.sqrt(len(days) / (len(days) - 1)))
