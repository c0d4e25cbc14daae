"""Independent check of a plan: every rule, balance and profit recomputed from the plan's own table, without Pyomo."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from replenish.optimise.check_transfers import transfer_faults
from replenish.records import Override, Plan, Scenarios, Tables
from replenish.settings import Settings, settings_of_run

TOLERANCE = 1e-6
MONEY_TOLERANCE = 1e-6
ITEM_COLUMNS = ["order_multiple", "min_display", "shelf_space", "shelf_life_days", "supplier"]


def check_plan(
    plan: Plan, tables: Tables, scenarios: Mapping[str, Scenarios] | None = None, settings: Settings | None = None
) -> list[str]:
    """Everything wrong with the plan, one sentence each; empty when it holds.

    Recomputed: keys, known items, minimum display and order multiples, shelf count, budget, shelf space, price changes,
    supplier minimum, price index, hard cover, locks, unit balance (usable = sold + cleared + wasted + carried on), the
    plan's total, and, with `scenarios` (ISO date → the fresh scenarios the plan was judged on), the demand that moves
    between items and every expectation of every line.
    """
    chosen = settings or settings_of_run(plan.settings, "settings of the plan")
    faults = _keys(plan, tables)
    if faults:
        return faults
    lines = plan.lines.merge(
        tables.items[["store", "item_code", *ITEM_COLUMNS]], on=["store", "item_code"], validate="m:1",
    )  # fmt: skip
    for text in sorted({*plan.summary["dates"], *lines["date"].dt.strftime("%Y-%m-%d")}):
        date = pd.Timestamp(text)
        day = lines[lines["date"] == date]
        today = [o for o in plan.overrides if o.date is None or pd.Timestamp(o.date) == date]
        tags = lines[lines["date"] < date].sort_values("date").drop_duplicates("item_code", keep="last")
        day = day.assign(price_tag=day["item_code"].map(tags.set_index("item_code")["price"]).astype(float))
        found = _orders(day, chosen, today) + _day_rules(day, date, plan, chosen) + _locks(day, today)
        faults += [f"{text}: {fault}" for fault in found]
    faults += _balances(lines) + _total(plan)
    if scenarios is not None:
        faults += _replay(lines, plan, scenarios, chosen) + transfer_faults(plan, scenarios)
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
    tags = day["price_tag"].fillna(day["reference_price"])  # the last shelf price of the days before
    if len(day) < rules.n_min:
        out.append(f"{len(day)} items listed, at least {rules.n_min} asked for")
    if rules.n_max is not None and len(day) > rules.n_max:
        out.append(f"{len(day)} items listed, at most {rules.n_max} allowed")
    limits = (
        ("budget", rules.budget, float((day["order_quantity"] * day["unit_cost"]).sum())),
        ("shelf space", rules.shelf_space, float(day["shelf_space"].fillna(1.0).sum())),
        ("price changes", rules.max_price_changes, float((day["price"] - tags).abs().gt(1e-9).sum())),
    )
    out += [
        f"{name} {value:.2f} over {limit:g}"
        for name, limit, value in limits
        if limit is not None and value > limit + TOLERANCE * max(1.0, limit)
    ]
    return (
        out + _supplier_faults(day, settings) + _index_faults(day, plan, settings) + _cover_faults(date, plan, settings)
    )


def _supplier_faults(day: pd.DataFrame, settings: Settings) -> list[str]:
    least = settings.rules.min_supplier_order
    if least is None:
        return []
    spent = (day["order_quantity"] * day["unit_cost"]).groupby(day["supplier"]).sum()  # items without one are left out
    low = spent[spent < least - TOLERANCE * max(1.0, least)]
    return [f"order of supplier {name} {value:.2f} below {least:g}" for name, value in low.items()]


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
    terms = plan.forecast.set_index(["item_code", "date"])[
        ["clearance_share", "disposal_cost", "carry_value", "expiring"]
    ]
    habits = {key: {str(k): float(v) for k, v in row.items()} for key, row in terms.to_dict("index").items()}
    dates = [pd.Timestamp(d) for d in plan.summary["dates"]]
    phi = settings.history.clearance_cannibalisation
    out = []
    for row, found in _recomputed(lines, dates, habits, scenarios, phi, bool(plan.summary.get("linked_days"))):
        out += [
            f"item {row['item_code']}: {name} is {row[name]:.4f} in the plan and {value:.4f} recomputed"
            for name, value in found.items()
            if abs(value - row[name]) > MONEY_TOLERANCE * max(1.0, abs(value))
        ]
    return out


Row = Mapping[Hashable, Any]


def _recomputed(
    lines: pd.DataFrame, dates: Sequence[pd.Timestamp], habits: Mapping[Any, Mapping[str, float]],
    scenarios: Mapping[str, Scenarios], phi: float, linked: bool,
) -> Iterator[tuple[Row, dict[str, float]]]:  # fmt: skip
    """Every line with its recomputed values by column name; `phi`: share of clearance taken from full price.

    `linked`: stock that keeps is followed from day to day, batch by batch; otherwise each line stands for itself.
    """
    for _, mine in lines.groupby("item_code"):
        by_date = {row["date"]: row for row in mine.to_dict("records")}
        batches: list[Any] | None = None
        for number, date in enumerate(dates):
            row = by_date.get(date)
            if row is None:
                # Off the shelf stock grows older unsold.
                batches = None if batches is None else [0.0, *batches][: int(mine["shelf_life_days"].iloc[0]) - 1]
                continue
            draws, habit = scenarios[f"{date:%Y-%m-%d}"], habits[row["item_code"], date]
            if not linked or row["shelf_life_days"] == 1:
                yield row, _expectations(row, habit, draws, phi)
                continue
            if batches is None:  # stock from before the first day is as old as its day's number in the plan
                batches = ([0.0] * number + [row["carried_over"]])[: row["shelf_life_days"] - 1]
            found, batches = _aged(row, habit, draws, phi, batches)
            yield row, found


def _expectations(row: Row, habit: Mapping[str, float], draws: Scenarios, phi: float) -> dict[str, float]:
    """Recomputed values of one line by itself."""
    demand, cost = _draws(row, draws)
    stock = (1 - row["loss_rate"]) * row["order_quantity"] + row["carried_over"]
    served = np.minimum(stock, demand)
    # The freshest sell first: what is in its last day is left first.
    old = np.minimum(habit["expiring"] if row["shelf_life_days"] > 1 else stock, stock - served)
    cleared = np.minimum(old, habit["clearance_share"] * demand)
    full = served - phi * cleared
    waste = old - cleared + phi * cleared
    return _means(row, habit, demand, full, cleared, waste, stock - served - old, cost, demand - stock)


def _aged(
    row: Row, habit: Mapping[str, float], draws: Scenarios, phi: float, batches: Sequence[Any]
) -> tuple[dict[str, float], list[Any]]:
    """Recomputed values of a line whose stock keeps, and the batches of the next morning, youngest first."""
    demand, cost = _draws(row, draws)
    on_hand = [(1 - row["loss_rate"]) * row["order_quantity"], *batches]
    # The freshest sell first: a batch loses what demand reaches beyond all fresher ones.
    above = np.cumsum([np.zeros(draws.n), *[b + np.zeros(draws.n) for b in on_hand]], axis=0)
    left = [b - np.clip(demand - above[k], 0.0, b) for k, b in enumerate(on_hand)]
    last_day = left[row["shelf_life_days"] - 1] if len(left) == row["shelf_life_days"] else np.zeros(draws.n)
    cleared = np.minimum(last_day, habit["clearance_share"] * demand)
    kept = left[: row["shelf_life_days"] - 1]
    full = np.minimum(above[-1], demand) - phi * cleared
    waste = last_day - cleared + phi * cleared
    found = _means(row, habit, demand, full, cleared, waste, sum(kept), cost, demand - above[-1])
    return found | {"carried_over": float(above[-1].mean() - on_hand[0])}, kept


def _draws(row: Row, draws: Scenarios) -> tuple[Any, Any]:
    """Full-price demand at the line's price and cost per unit, by scenario."""
    k = draws.item_codes.index(row["item_code"])
    return draws.demand_at(k, row["price"] / row["reference_price"]), draws.cost[:, k]


def _means(
    row: Row, habit: Mapping[str, float], demand: Any, full: Any, cleared: Any, waste: Any, kept: Any, cost: Any,
    short: Any,
) -> dict[str, float]:  # fmt: skip
    profit = row["price"] * full + row["clearance_price"] * cleared - cost * row["order_quantity"]
    profit = profit - habit["disposal_cost"] * waste + habit["carry_value"] * kept
    return {
        "expected_demand": float(demand.mean()),
        "expected_sales": float(full.mean()),
        "expected_clearance_sales": float(cleared.mean()),
        "expected_waste": float(waste.mean()),
        "expected_profit": float(profit.mean()),
        "profit_q10": float(np.quantile(profit, 0.1)),
        "profit_q90": float(np.quantile(profit, 0.9)),
        "sell_out_probability": float((short > 1e-9).mean()),
    }
