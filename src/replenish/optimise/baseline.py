"""What the plan is held against: the shop's practice, cost-plus prices with the shop's own safety, on the same scenarios."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.optimise.judge import Line
from replenish.optimise.menu import Candidate
from replenish.records import DemandHistory, Scenarios
from replenish.settings import RuleSettings

MARKUP_DAYS = 28
SAFETY_DAYS = 365
MIN_TRANSACTIONS = 6
DEFAULT_SELL_OUT = 0.08


def usual_markups(history: DemandHistory) -> pd.Series:
    """Median full price ÷ wholesale price of each item over its last 28 priced days; key item_code."""
    priced = history.panel[history.panel["full_price"].notna()]
    recent = priced.groupby("item_code").tail(MARKUP_DAYS)
    return (recent["full_price"] / recent["wholesale_price"]).groupby(recent["item_code"]).median()


def sell_out_share(history: DemandHistory) -> float:
    """Share of busy item-days of the last year that sold out before closing: what the shop's safety stock amounts to."""
    panel = history.panel
    recent = panel[(panel["date"] > history.as_of - pd.Timedelta(days=SAFETY_DAYS)) & panel["silence_p"].notna()]
    busy = recent[recent["transactions"] >= MIN_TRANSACTIONS]
    return float(busy["sold_out_probability"].mean()) if len(busy) else DEFAULT_SELL_OUT


def cost_plus_lines(
    candidates: Sequence[Candidate], scenarios: Scenarios, history: DemandHistory, rules: RuleSettings, count: int
) -> list[Line]:
    """The shop's practice: the `count` best-selling candidates, priced at cost times their usual markup.

    Orders cover demand up to the share of days on which the shop does not sell out, in whole multiples, at least the
    minimum display.
    """
    markups = usual_markups(history)
    safety = 1.0 - sell_out_share(history)
    worth = {}
    for c in candidates:
        k = scenarios.item_codes.index(c.item_code)
        if c.ladder.rungs:
            worth[c.item_code] = c.terms.reference_price * float(scenarios.demand[:, k].mean())
    best = sorted(worth, key=lambda code: -worth[code])[:count]
    chosen = [c for c in candidates if c.item_code in set(best)]
    return [_line(c, scenarios, float(markups.get(c.item_code, np.nan)), safety) for c in chosen]


def _line(c: Candidate, scenarios: Scenarios, markup: float, safety: float) -> Line:
    k = scenarios.item_codes.index(c.item_code)
    cost = float(scenarios.cost[:, k].mean())
    price = float(np.round(cost * markup, 1)) if np.isfinite(markup) else c.terms.reference_price
    price = max(price, 0.1)
    demand = scenarios.demand_at(k, price / c.terms.reference_price)
    return Line(c, price, _order(c, demand, safety))


def _order(c: Candidate, demand: NDArray[np.float64], safety: float) -> float:
    wanted = max(float(np.quantile(demand, safety)) - c.terms.carried_over, 0.0) / (1 - c.terms.loss_rate)
    units = np.ceil(max(wanted, c.min_display) / c.order_multiple - 1e-9)
    return float(units * c.order_multiple)
