"""Demand that moves between items, added up again from the plan's own tables (part of `check.check_plan`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.records import Plan, Scenarios

Array = NDArray[np.float64]
TOLERANCE = 1e-6  # of an item's mean demand


def transfer_faults(plan: Plan, scenarios: Mapping[str, Scenarios]) -> list[str]:
    """Listed items whose scenarios hold other transfers than the formula gives, one sentence each.

    T_j = Σ_{i≠j} (1 − A_i) · N_i · V_j / (Σ_{k≠i, listed} V_k + O_i) ÷ n_j within the group (see
    `pricing.substitution`), written out item by item. Plans without the columns `substitute_group`, `transfer_share`
    and `purchases_per_unit` in their forecast are not looked at.
    """
    if not {"substitute_group", "transfer_share", "purchases_per_unit"} <= set(plan.forecast):
        return []
    out = []
    for date, table in plan.forecast.groupby("date"):
        draws, lines = scenarios[f"{date:%Y-%m-%d}"], plan.lines[plan.lines["date"] == date]
        listed = lines.set_index("item_code")
        facts = table.set_index("item_code")
        moved = _moved(facts, listed, replace(draws, transfers=None))
        for code in listed.index:
            k = draws.item_codes.index(code)
            held = np.zeros(draws.n) if draws.transfers is None else draws.transfers[:, k]
            if np.abs(held - moved[code]).max() > TOLERANCE * max(1.0, float(draws.demand[:, k].mean())):
                out.append(f"{date:%Y-%m-%d}: item {code}: demand from other items is not what the formula gives")
    return out


def _moved(facts: pd.DataFrame, listed: pd.DataFrame, draws: Scenarios) -> dict[str, Array]:
    """Demand that reaches each listed item [unit at the reference price], by scenario; `draws` without transfers."""
    demand = {code: draws.demand[:, draws.item_codes.index(code)] for code in facts.index}
    per_unit = facts["purchases_per_unit"].to_dict()
    value = {code: per_unit[code] * float(demand[code].mean()) for code in facts.index}
    out: dict[str, Array] = {}
    for j in listed.index:
        total = np.zeros(draws.n)
        group = facts.index[facts["substitute_group"] == facts.loc[j, "substitute_group"]]
        for i in group:
            if i == j:
                continue
            share = max(float(facts.loc[i, "transfer_share"]), 1e-9)
            leaving = (1 - share) / share * sum(value[k] for k in group if k != i)
            rivals = sum(value[k] for k in group if k != i and k in listed.index)
            served = _served(listed.loc[i], i, draws) if i in listed.index else 0.0
            purchases = (1 - served) * demand[i] * per_unit[i]
            total = total + purchases * value[j] / (rivals + leaving) / per_unit[j]
        out[str(j)] = total
    return out


def _served(line: pd.Series, code: str, draws: Scenarios) -> Array:
    """Share of the first-choice demand at the shelf price that the line's stock serves, by scenario."""
    wanted = draws.demand_at(draws.item_codes.index(code), line["price"] / line["reference_price"])
    stock = (1 - line["loss_rate"]) * line["order_quantity"] + line["carried_over"]
    return np.where(wanted > 0, np.minimum(1.0, stock / np.where(wanted > 0, wanted, 1.0)), 1.0)
