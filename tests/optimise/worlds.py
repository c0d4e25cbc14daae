"""Hand-made worlds: one apple, two peppers and a shelf, with demand, cost and price response given in the open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from replenish.optimise.menu import Candidate, Menu, build_menu
from replenish.optimise.model import Problem
from replenish.optimise.outcome import ItemTerms
from replenish.pricing.ladder import Ladder
from replenish.records import Override, Scenarios, Solution
from replenish.settings import RuleSettings, SolverSettings

EXACT = SolverSettings(gap=0.0, time_limit_s=60, threads=1)
# Every rule off; a test switches on the one it is about.
FREE: dict[str, Any] = {
    "n_min": 0, "n_max": None, "cover": 0.0, "price_index_cap": None, "goodwill": 0.0, "min_display": 1.0,
    "max_fill_quantile": 1.0,
}  # fmt: skip


def rules(**changes: Any) -> RuleSettings:
    """Settings with every rule off but the given ones."""
    return RuleSettings(**(FREE | changes))


def terms(reference_price: float = 2.0, **changes: Any) -> ItemTerms:
    """An item without loss, clearance, disposal cost or goodwill."""
    plain = {"loss_rate": 0.0, "clearance_share": 0.0, "discount": 0.0, "cannibalisation": 0.0, "disposal_cost": 0.0}
    return ItemTerms(**({"reference_price": reference_price, "goodwill": 0.0} | plain | changes))


def candidate(
    code: str, category: str = "fruit", rungs: tuple[float, ...] = (2.0,), reference: float = 2.0, unit: str = "pack",
    multiple: float = 1.0, display: float = 1.0, space: float = 1.0, flag: str = "", **changes: Any,
) -> Candidate:  # fmt: skip
    """A candidate with its ladder as given."""
    ladder = Ladder(code, rungs, (min(rungs, default=0.0), max(rungs, default=0.0)), 0.0, flag)
    return Candidate(code, category, unit, terms(reference, **changes), ladder, multiple, display, space)


def scenarios(demand: dict[str, Sequence[float]], cost: dict[str, float], elasticity: float = -1.0) -> Scenarios:
    """Demand per item in every scenario, one cost per item, one elasticity for all."""
    codes = tuple(demand)
    table = np.column_stack([np.asarray(demand[c], dtype=float) for c in codes])
    n = len(table)
    days = np.datetime64("2023-06-01") + np.arange(n)
    return Scenarios(
        codes, table, np.full(table.shape, elasticity), np.full(len(codes), elasticity),
        np.tile([cost[c] for c in codes], (n, 1)), days,
    )  # fmt: skip


def shop() -> tuple[list[Candidate], Scenarios]:
    """One apple, a red and a green pepper; demand is the same in both scenarios, so that all can be done by hand.

    At the reference price of 2 and with 1 of cost: apple sells 10, red 6, green 4; at 2.5 (ratio 1.25, elasticity −1)
    8, 4.8 and 3.2.
    """
    items = [
        candidate("apple", "fruit", (2.0, 2.5)),
        candidate("red", "pepper", (2.0, 2.5)),
        candidate("green", "pepper", (1.6, 2.0)),
    ]
    demand = {"apple": [10.0, 10.0], "red": [6.0, 6.0], "green": [4.0, 4.0]}
    return items, scenarios(demand, dict.fromkeys(demand, 1.0))


def problem(locks: Sequence[Override] = (), items: Sequence[Candidate] | None = None, **changes: Any) -> Problem:
    """The shop with the given rules and locks."""
    everything, draws = shop()
    chosen = rules(**changes)
    menu = build_menu(list(items or everything), draws, chosen, locks)
    return Problem(menu, chosen, tuple(sorted(o.item_code for o in locks if o.kind == "must_list")))


def chosen_lines(problem: Problem, solution: Solution) -> dict[str, tuple[float, float]]:
    """item_code → (price, order)."""
    rows = problem.menu.offers.loc[list(solution.chosen)]
    return {r.item_code: (r.price, r.order_quantity) for r in rows.itertuples()}


def menu_of(offers: list[dict[str, Any]], category_value: dict[str, float]) -> Menu:
    """A menu written down offer by offer; columns left out are 0."""
    usual = {
        "price": 2.0, "order_quantity": 1.0, "value": 0.0, "profit": 0.0, "demand": 1.0, "sales": 1.0, "clearance": 0.0,
        "waste": 0.0, "carried_on": 0.0, "sell_out": 0.0, "spend": 0.0, "cover_value": 0.0, "index_coefficient": 0.0,
        "index_weight": 0.0, "price_changed": 0.0, "shelf_space": 1.0, "supplier": "",
    }  # fmt: skip
    return Menu(pd.DataFrame([usual | o for o in offers]), category_value, {})
