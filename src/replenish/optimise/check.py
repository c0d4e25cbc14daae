"""Independent check of a plan: every rule, balance and profit recomputed from the plan's own table, without Pyomo."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from replenish.records import Override, Plan, Scenarios, Tables
from replenish.settings import Settings

TOLERANCE = 1e-6
MONEY_TOLERANCE = 1e-6


def check_plan(
    plan: Plan, tables: Tables, scenarios: Mapping[str, Scenarios] | None = None, settings: Settings | None = None
) -> list[str]:
    """Everything wrong with the plan, one sentence each; empty when it holds.

    Recomputed: keys, known items, minimum display and order multiples, shelf count, budget, shelf space, price changes,
    price index, hard cover, locks, unit balance (usable = sold + cleared + wasted + carried on), the plan's total, and,
    with `scenarios` (ISO date → the fresh scenarios the plan was judged on), every expectation of every line.
    """
    chosen = settings or Settings.model_validate(plan.settings)
    faults = _keys(plan, tables)
    if faults:
        return faults
    lines = plan.lines.merge(
        tables.items[["store", "item_code", "order_multiple", "min_display", "shelf_space", "shelf_life_days"]],
        on=["store", "item_code"], validate="m:1",
    )  # fmt: skip
    for text in sorted({*plan.summary["dates"], *lines["date"].dt.strftime("%Y-%m-%d")}):
        date = pd.Timestamp(text)
        day = lines[lines["date"] == date]
        today = [o for o in plan.overrides if o.date is None or pd.Timestamp(o.date) == date]
        found = _orders(day, chosen, today) + _day_rules(day, date, plan, chosen) + _locks(day, today)
        faults += [f"{text}: {fault}" for fault in found]
    faults += _balances(lines) + _total(plan)
    if scenarios is not None:
        faults += _replay(lines, plan, scenarios, chosen)
    return faults


def _keys(plan: Plan, tables: Tables) -> list[str]:
    keys = ["store", "date", "item_code"]
    faults = []
    twice = int(plan.lines.duplicated(keys).sum())
    if twice:
        faults.append(f"{twice} lines repeat a (store, date, item)")
    known = set(zip(tables.items["store"], tables.items["item_code"], strict=True))
    unknown = [c for s, c in zip(plan.lines["store"], plan.lines["item_code"], strict=True) if (s, c) not in known]
    if unknown:
        faults.append(f"{len(unknown)} lines name unknown items (first: {unknown[0]})")
    numbers = plan.lines.select_dtypes("number")
    if not np.isfinite(numbers.to_numpy()).all():
        faults.append("lines hold values that are not finite numbers")
    return faults


def _orders(lines: pd.DataFrame, settings: Settings, locks: Sequence[Override]) -> list[str]:
    """Minimum display and whole multiples; a fixed order of the planner overrules both."""
    rules = settings.rules
    usual = np.where(lines["unit"] == "pack", 1.0, rules.order_multiple)
    multiple = lines["order_multiple"].fillna(pd.Series(usual, index=lines.index))
    display = lines["min_display"].fillna(rules.min_display)
    free = ~lines["item_code"].isin([o.item_code for o in locks if o.kind == "order"])
    steps = lines["order_quantity"] / multiple
    broken = (steps - steps.round()).abs() > TOLERANCE
    low = lines["order_quantity"] < display - TOLERANCE
    out = [f"item {c}: order is not a whole multiple" for c in lines.loc[broken & free, "item_code"]]
    return out + [f"item {c}: order below the minimum display" for c in lines.loc[low & free, "item_code"]]


def _day_rules(day: pd.DataFrame, date: pd.Timestamp, plan: Plan, settings: Settings) -> list[str]:
    rules, out = settings.rules, []
    if len(day) < rules.n_min:
        out.append(f"{len(day)} items listed, at least {rules.n_min} asked for")
    if rules.n_max is not None and len(day) > rules.n_max:
        out.append(f"{len(day)} items listed, at most {rules.n_max} allowed")
    limits = (
        ("budget", rules.budget, float((day["order_quantity"] * day["unit_cost"]).sum())),
        ("shelf space", rules.shelf_space, float(day["shelf_space"].fillna(1.0).sum())),
        ("price changes", rules.max_price_changes, float((day["price"] - day["reference_price"]).abs().gt(1e-9).sum())),
    )
    out += [
        f"{name} {value:.2f} over {limit:g}"
        for name, limit, value in limits
        if limit is not None and value > limit + TOLERANCE * max(1.0, limit)
    ]
    return out + _index_faults(day, plan, settings) + _cover_faults(date, plan, settings)


def _index_faults(day: pd.DataFrame, plan: Plan, settings: Settings) -> list[str]:
    cap = settings.rules.price_index_cap
    if cap is None:
        return []
    weights = plan.forecast.set_index(["item_code", "date"])["index_weight"]
    keys = pd.MultiIndex.from_frame(day[["item_code", "date"]])
    weight = weights.reindex(keys).to_numpy()
    rise = pd.Series(weight * (day["price"] / day["reference_price"] - 1 - cap).to_numpy(), index=day["category"])
    total, base = rise.groupby(level=0).sum(), pd.Series(weight, index=day["category"]).groupby(level=0).sum()
    over = total[total > MONEY_TOLERANCE * base.clip(lower=1.0)]
    return [f"price index of {g} rises more than {cap:.1%}" for g in over.index]


def _cover_faults(date: pd.Timestamp, plan: Plan, settings: Settings) -> list[str]:
    if not settings.rules.hard_cover:
        return []
    table = plan.cover[plan.cover["date"] == date]
    short = table[table["served_value"] < table["required"] * table["demand_value"] * (1 - TOLERANCE)]
    return [f"cover of {g} below the required share" for g in short["category"]]


def _balances(lines: pd.DataFrame) -> list[str]:
    """Usable units = sold + cleared + wasted + carried on."""
    usable = (1 - lines["loss_rate"]) * lines["order_quantity"] + lines["carried_over"]
    used = lines["expected_sales"] + lines["expected_clearance_sales"] + lines["expected_waste"]
    keeps = lines["shelf_life_days"] > 1
    gap = usable - used
    bad = (gap.abs() > 1e-6 * usable.clip(lower=1.0)) & ~keeps | (gap < -1e-6 * usable.clip(lower=1.0))
    return [f"item {c}: units do not balance" for c in lines.loc[bad, "item_code"]]


def _total(plan: Plan) -> list[str]:
    """The expected profit is the sum of the lines."""
    total, lines = float(plan.summary["expected"]), float(plan.lines["expected_profit"].sum())
    if abs(total - lines) <= MONEY_TOLERANCE * max(1.0, abs(total)):
        return []
    return [f"the plan's expected profit is {total:.2f}, its lines add up to {lines:.2f}"]


def _locks(day: pd.DataFrame, locks: Sequence[Override]) -> list[str]:
    out = []
    for lock in locks:
        rows = day[day["item_code"] == lock.item_code]
        value = lock.value if lock.value is not None else np.nan
        broken = {
            "price": (rows["price"] - value).abs().gt(TOLERANCE).any(),
            "order": (rows["order_quantity"] - value).abs().gt(TOLERANCE).any(),
            "min_order": (rows["order_quantity"] < value - TOLERANCE).any(),
            "max_order": (rows["order_quantity"] > value + TOLERANCE).any(),
            "must_list": rows.empty,
            "never_list": not rows.empty,
        }[lock.kind]
        if broken:
            out.append(f"item {lock.item_code}: the planner's {lock.kind} lock is not kept")
    return out


def _replay(lines: pd.DataFrame, plan: Plan, scenarios: Mapping[str, Scenarios], settings: Settings) -> list[str]:
    """Every expectation of every line again, written out scenario-wise from the formulas of the design."""
    terms = plan.forecast.set_index(["item_code", "date"])[["clearance_share", "disposal_cost", "carry_value"]]
    habits = {key: {str(k): float(v) for k, v in row.items()} for key, row in terms.to_dict("index").items()}
    out = []
    for row in lines.to_dict("records"):
        draws = scenarios[f"{row['date']:%Y-%m-%d}"]
        habit = habits[row["item_code"], row["date"]]
        found = _expectations(row, habit, draws, settings.history.clearance_cannibalisation)
        out += [
            f"item {row['item_code']}: {name} is {row[name]:.4f} in the plan and {value:.4f} recomputed"
            for name, value in found.items()
            if abs(value - row[name]) > MONEY_TOLERANCE * max(1.0, abs(value))
        ]
    return out


def _expectations(
    row: Mapping[Hashable, Any], habit: Mapping[str, float], draws: Scenarios, phi: float
) -> dict[str, float]:
    """Recomputed values of one line by column name; `phi`: share of clearance taken from full price."""
    k = draws.item_codes.index(row["item_code"])
    ratio = row["price"] / row["reference_price"]
    demand = draws.demand_at(k, ratio)
    stock = (1 - row["loss_rate"]) * row["order_quantity"] + row["carried_over"]
    served = np.minimum(stock, demand)
    keeps = row["shelf_life_days"] > 1
    cleared = np.zeros_like(served) if keeps else np.minimum(stock - served, habit["clearance_share"] * demand)
    full = served - phi * cleared
    left = stock - full - cleared
    waste = np.zeros_like(left) if keeps else left
    profit = row["price"] * full + row["clearance_price"] * cleared - draws.cost[:, k] * row["order_quantity"]
    profit = profit - habit["disposal_cost"] * waste + habit["carry_value"] * (left - waste)
    return {
        "expected_demand": float(demand.mean()),
        "expected_sales": float(full.mean()),
        "expected_clearance_sales": float(cleared.mean()),
        "expected_waste": float(waste.mean()),
        "expected_profit": float(profit.mean()),
        "profit_q10": float(np.quantile(profit, 0.1)),
        "profit_q90": float(np.quantile(profit, 0.9)),
        "sell_out_probability": float((demand > stock + 1e-9).mean()),
    }
