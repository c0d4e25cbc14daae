"""What the plan is held against, on the same scenarios: cost-plus prices with the best and with the usual orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.optimise.judge import Line
from replenish.optimise.menu import Candidate, best_order
from replenish.records import DemandHistory, Scenarios
from replenish.settings import RuleSettings

MARKUP_DAYS = 28
SAFETY_DAYS = 365
MIN_TRANSACTIONS = 6
DEFAULT_SELL_OUT = 0.08
# The early end of sales proves few stock-outs, so that what is found is a lower bound; shops sell out on about 5 %.
LEAST_SELL_OUT = 0.05


def usual_markups(history: DemandHistory) -> pd.Series:
    """Median full price ÷ wholesale price of each item over its last 28 priced days; key item_code."""
    priced = history.panel[history.panel["full_price"].notna()]
    recent = priced.groupby("item_code").tail(MARKUP_DAYS)
    return (recent["full_price"] / recent["wholesale_price"]).groupby(recent["item_code"]).median()


def sell_out_share(history: DemandHistory) -> float:
    """Share of busy item-days of the last year that sold out before closing, at least 5 %: what its safety stock is."""
    panel = history.panel
    recent = panel[(panel["date"] > history.as_of - pd.Timedelta(days=SAFETY_DAYS)) & panel["silence_p"].notna()]
    busy = recent[recent["transactions"] >= MIN_TRANSACTIONS]
    return max(float(busy["sold_out_probability"].mean()), LEAST_SELL_OUT) if len(busy) else DEFAULT_SELL_OUT


@dataclass(frozen=True)
class ShopHabits:
    """How the shop decides: `markups` on cost by item code, `safety`: share of days its orders cover demand."""

    markups: dict[str, float]
    safety: float


def shop_habits(history: DemandHistory) -> ShopHabits:
    """The shop's usual markups and how seldom it sells out."""
    return ShopHabits({str(i): float(m) for i, m in usual_markups(history).items()}, 1.0 - sell_out_share(history))


def cost_plus_lines(
    candidates: Sequence[Candidate], scenarios: Scenarios, habits: ShopHabits, rules: RuleSettings, count: int
) -> tuple[list[Line], list[Line]]:
    """Two baselines over the `count` best-selling candidates, both priced at cost times the item's usual markup.

    First: orders that earn most at those prices (newsvendor, with the plan's own goodwill). Second: the shop's
    practice, orders that cover demand up to the share of days on which the shop does not sell out. Both in whole
    multiples, at least the minimum display.
    """
    best, practice = [], []
    for c in _best_sellers(candidates, scenarios, count):
        price = _cost_plus_price(c, scenarios, habits.markups.get(c.item_code, np.nan))
        practice.append(stocked_line(c, scenarios, price, habits.safety))
        best.append(Line(c, price, best_order(c, scenarios, price, rules)))
    return best, practice


def _best_sellers(candidates: Sequence[Candidate], scenarios: Scenarios, count: int) -> list[Candidate]:
    """The `count` candidates with the most demand value at their last price."""
    worth = {
        c.item_code: c.terms.reference_price * float(d)
        for c, d in zip(candidates, _means(candidates, scenarios), strict=True)
    }
    priced = [c for c in candidates if c.ladder.rungs]
    return sorted(priced, key=lambda c: -worth[c.item_code])[:count]


def _means(candidates: Sequence[Candidate], scenarios: Scenarios) -> list[float]:
    return [float(scenarios.demand[:, scenarios.item_codes.index(c.item_code)].mean()) for c in candidates]


def _cost_plus_price(c: Candidate, scenarios: Scenarios, markup: float) -> float:
    """Expected cost times the usual markup, to ten cents; the last price for an item without a markup."""
    k = scenarios.item_codes.index(c.item_code)
    if not np.isfinite(markup):
        return c.terms.reference_price
    return max(float(np.round(scenarios.cost[:, k].mean() * markup, 1)), 0.1)


def stocked_line(c: Candidate, scenarios: Scenarios, price: float, safety: float) -> Line:
    """The item at `price` with an order that covers demand with probability `safety`."""
    k = scenarios.item_codes.index(c.item_code)
    demand = scenarios.demand_at(k, price / c.terms.reference_price)
    return Line(c, price, _order(c, demand, safety))


def _order(c: Candidate, demand: NDArray[np.float64], safety: float) -> float:
    wanted = max(float(np.quantile(demand, safety)) - c.terms.carried_over, 0.0) / (1 - c.terms.loss_rate)
    units = np.ceil(max(wanted, c.min_display) / c.order_multiple - 1e-9)
    return float(units * c.order_multiple)
