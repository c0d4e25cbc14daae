"""Why this price and this order: the day solved again with one line's price or order moved by one step."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.optimise.menu import undominated
from replenish.optimise.model import Problem, over_rows, rule_columns
from replenish.optimise.rule_values import compare
from replenish.optimise.solve import plan_if_any
from replenish.records import Solution
from replenish.settings import SolverSettings
from replenish.units import quantity_text

COLUMNS = ["item_code", "decision", "step", "change", "low", "high", "verdict"]


def line_values(
    problem: Problem, solution: Solution, settings: SolverSettings, items: Collection[str] = (),
    units: Mapping[str, str] = MappingProxyType({}), currency: str = "",
) -> pd.DataFrame:  # fmt: skip
    """What the next rungs, one order step more and less, and leaving the item out would cost, all else free to follow.

    One row per step and listed item (`items`: only these); `units` by item code and `currency` are for the words.
    Columns: item_code, decision (price, order, listing), step (in words), and change, low, high, verdict as in
    `rule_values`: negative is what the step costs [money]. With another price the order is free; with another order
    the price stays. Each solve starts from the plan; under transfers the values are given those of the plan.
    """
    offers = problem.menu.offers
    chosen = offers.loc[list(solution.chosen)]
    useful = undominated(problem.menu, rule_columns(problem), problem.risk_weight).index
    rows = []
    for line in chosen.itertuples():
        if items and line.item_code not in items:
            continue
        start = [m for m in solution.chosen if m != line.Index]
        # What the other items need not offer is the same for every step.
        slim = over_rows(problem, offers.index.isin(useful) | (offers["item_code"] == line.item_code).to_numpy())
        for decision, step, moved in _steps(slim, line, units.get(str(line.item_code), ""), currency):
            answer = plan_if_any(moved, settings, start)
            rows.append({"item_code": line.item_code, "decision": decision, "step": step} | compare(solution, answer))
    return pd.DataFrame(rows, columns=COLUMNS)


def _steps(problem: Problem, line: Any, unit: str, currency: str) -> Iterator[tuple[str, str, Problem]]:
    offers = problem.menu.offers
    mine = (offers["item_code"] == line.item_code).to_numpy()
    here = mine & np.isclose(offers["price"], line.price)
    for price in _neighbours(offers.loc[mine, "price"], line.price):
        wanted = mine & np.isclose(offers["price"], price)
        money = f"{price:g} {currency} a {unit}" if unit else f"{price:g}"
        yield "price", f"at {money}", _only(problem, line.item_code, mine, wanted)
    for order in _neighbours(offers.loc[here, "order_quantity"], line.order_quantity):
        wanted = here & np.isclose(offers["order_quantity"], order)
        yield (
            "order",
            f"order {quantity_text(order, unit) if unit else f'{order:g}'}",
            _only(problem, line.item_code, mine, wanted),
        )
    if line.item_code not in problem.must_list:
        yield "listing", "not listed", over_rows(problem, ~mine)


def _neighbours(values: pd.Series, now: float) -> list[float]:
    """The next smaller and the next larger of the values, where there are such."""
    lower, higher = values[values < now - 1e-9], values[values > now + 1e-9]
    return [float(f) for f in (lower.max(), higher.min()) if np.isfinite(f)]


def _only(problem: Problem, item: str, mine: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> Problem:
    """The problem in which the item is listed with one of the wanted offers."""
    must = tuple(sorted({*problem.must_list, item}))
    return replace(over_rows(problem, ~mine | wanted), must_list=must)
