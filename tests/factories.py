"""A hand-made plan of a greengrocer: 33 lines with Chinese names in six categories, for one or more days."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from replenish.records import Override, Plan
from replenish.schemas import PLAN_CANDIDATES, PLAN_LINES, check_table
from replenish.settings import Settings

ITEMS: dict[str, list[tuple[str, str, float]]] = {
    "花叶类": [
        ("上海青", "kg", 8.0),
        ("云南生菜(份)", "pack", 4.5),
        ("云南油麦菜(份)", "pack", 4.2),
        ("奶白菜", "kg", 5.8),
        ("小青菜(1)", "kg", 5.2),
        ("木耳菜", "kg", 6.0),
        ("竹叶菜", "kg", 4.0),
        ("红薯尖", "kg", 5.6),
        ("苋菜", "kg", 4.4),
        ("菠菜(份)", "pack", 5.5),
        ("娃娃菜", "pack", 6.8),
    ],
    "花菜类": [("西兰花", "kg", 12.0), ("枝江青梗散花", "kg", 11.6)],
    "水生根茎类": [("净藕(1)", "kg", 16.0), ("高瓜(1)", "kg", 18.0), ("菱角", "kg", 14.0), ("洪湖藕带", "kg", 26.0)],
    "茄类": [("紫茄子(2)", "kg", 6.0), ("长线茄", "kg", 12.0), ("青茄子(1)", "kg", 5.6)],
    "辣椒类": [
        ("螺丝椒(份)", "pack", 5.2),
        ("小米椒(份)", "pack", 5.8),
        ("芜湖青椒(1)", "kg", 5.2),
        ("姜蒜小米椒组合装(小份)", "pack", 4.7),
        ("小皱皮(份)", "pack", 2.8),
        ("七彩椒(2)", "kg", 18.0),
        ("红椒(2)", "kg", 17.6),
    ],
    "食用菌": [
        ("双孢菇(盒)", "pack", 5.5),
        ("金针菇(盒)", "pack", 2.0),
        ("西峡花菇(1)", "kg", 24.0),
        ("海鲜菇(包)", "pack", 2.9),
        ("虫草花(份)", "pack", 3.6),
        ("蟹味菇与白玉菇双拼(盒)", "pack", 5.0),
    ],
}
UNLISTED = [("圆茄子(2)", "茄类"), ("鲜木耳(份)", "食用菌"), ("外地茼蒿", "花叶类")]
LEVELS = {"q05": 0.35, "q10": 0.48, "q25": 0.72, "q50": 0.97, "q75": 1.25, "q90": 1.56, "q95": 1.78}


def make_plan(
    days: int = 1, first_date: str = "2023-07-01", overrides: tuple[Override, ...] = (), seed: int = 0, **summary: Any
) -> Plan:
    """A plausible plan; `summary` keys replace or extend the usual ones."""
    dates = pd.date_range(first_date, periods=days)
    lines = pd.concat([_lines(day, seed) for day in dates], ignore_index=True)
    lines = _with_overrides(lines, overrides)
    return Plan(
        store="main",
        lines=check_table(lines, PLAN_LINES)[PLAN_LINES.names],
        candidates=_candidates(dates),
        summary=_summary(lines, dates) | summary,
        cover=_cover(lines),
        forecast=_forecast(lines),
        price_curve=_price_curve(lines),
        overrides=overrides,
        settings=Settings().model_dump(mode="json"),
        seed=seed,
        fingerprint="f" * 64,
    )


def without(plan: Plan, **changes: Any) -> Plan:
    """The plan with fields replaced."""
    return replace(plan, **changes)


def _lines(day: pd.Timestamp, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng([seed, day.toordinal()])
    rows = []
    for category, items in ITEMS.items():
        for name, unit, reference in items:
            rows.append(_line(day, category, name, unit, reference, rng))
    codes = [f"1029000{n:08d}" for n in range(len(rows))]
    return pd.DataFrame(rows).assign(item_code=codes)


def _line(
    day: pd.Timestamp, category: str, name: str, unit: str, reference: float, rng: np.random.Generator
) -> dict[str, Any]:
    demand = float(rng.gamma(4, 3)) + 2.5
    price = round(reference * float(rng.choice([0.95, 1.0, 1.0, 1.05])), 1)
    cost, loss = reference * float(rng.uniform(0.5, 0.62)), float(rng.uniform(0.02, 0.15))
    order = float(np.ceil(demand * 1.2)) if unit == "pack" else round(demand * 1.2 / 0.5) * 0.5
    usable = order * (1 - loss)
    sales = min(demand * 0.93, usable)
    clearance = (usable - sales) * 0.5
    waste = usable - sales - clearance
    profit = price * sales + 0.6 * price * clearance - cost * order
    return {
        "store": "main",
        "date": day,
        "item_name": name,
        "category": category,
        "unit": unit,
        "order_quantity": order,
        "price": price,
        "unit_cost": round(cost, 2),
        "reference_price": reference,
        "loss_rate": round(loss, 4),
        "carried_over": 0.0,
        "expected_demand": demand,
        "expected_sales": sales,
        "expected_clearance_sales": clearance,
        "clearance_price": round(0.6 * price, 2),
        "expected_waste": waste,
        "expected_profit": profit,
        "profit_q10": profit - 0.35 * abs(profit) - 3,
        "profit_q90": profit + 0.3 * abs(profit) + 2,
        "sell_out_probability": float(rng.uniform(0.08, 0.4)),
        "reason": "Top rung: a higher price would break the price index of the category; order at its 74 % quantile.",
    }


def _with_overrides(lines: pd.DataFrame, overrides: tuple[Override, ...]) -> pd.DataFrame:
    """Locks applied the way a planner sees them in the answer: the locked value stands in the line."""
    out = lines.copy()
    for lock in overrides:
        mine = out["item_code"] == lock.item_code
        if lock.kind == "never_list":
            out = out[~mine]
        elif lock.kind in ("price", "order"):
            out.loc[mine, "price" if lock.kind == "price" else "order_quantity"] = lock.value
    return out.reset_index(drop=True)


def _candidates(dates: pd.DatetimeIndex) -> pd.DataFrame:
    reasons = "Listing it would cost 1.4 a day: its demand (0.9 kg) is below the minimum display of 2.5 kg."
    rows = [
        {"store": "main", "date": day, "item_code": f"9{n:03d}", "item_name": name, "category": category}
        for day in dates
        for n, (name, category) in enumerate(UNLISTED)
    ]
    return check_table(pd.DataFrame(rows).assign(reason=reasons), PLAN_CANDIDATES)


def _cover(lines: pd.DataFrame) -> pd.DataFrame:
    value = lines.assign(
        demand_value=lines["reference_price"] * lines["expected_demand"] * 1.15,
        served_value=lines["price"] * lines["expected_sales"],
    )
    cover = value.groupby(["date", "category"], as_index=False)[["demand_value", "served_value"]].sum()
    cover["cover"] = cover["served_value"] / cover["demand_value"]
    cover["required"] = 0.75
    return cover.assign(shortfall=((0.75 - cover["cover"]).clip(lower=0) * cover["demand_value"]))


def _forecast(lines: pd.DataFrame) -> pd.DataFrame:
    keep = ["item_code", "date", "item_name", "category", "unit", "reference_price"]
    out = lines[keep].assign(mean=lines["expected_demand"], listed=True)
    return out.assign(**{level: lines["expected_demand"] * factor for level, factor in LEVELS.items()})


def _price_curve(lines: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for ratio in (0.9, 0.95, 1.0, 1.05):
        price = (lines["reference_price"] * ratio).round(2)
        demand = lines["expected_demand"] * ratio**-0.6
        profit = lines["expected_profit"] * (1 + 1.2 * (ratio - 1))
        parts.append(
            lines[["item_code", "date"]].assign(
                price=price,
                price_ratio=ratio,
                expected_demand=demand,
                order_quantity=demand.round(),
                expected_sales=demand * 0.93,
                expected_profit=profit,
                objective=profit - 0.4,
                chosen=abs(price - lines["price"]) < lines["reference_price"] * 0.025,
            )
        )
    return pd.concat(parts, ignore_index=True)


def _summary(lines: pd.DataFrame, dates: pd.DatetimeIndex) -> dict[str, Any]:
    profit = float(lines["expected_profit"].sum())
    return {
        "dates": [f"{d:%Y-%m-%d}" for d in dates],
        "as_of": f"{dates[0] - pd.Timedelta(days=1):%Y-%m-%d}",
        "items_listed": len(lines),
        "candidates": len(lines) + len(UNLISTED),
        "order_cost": float((lines["order_quantity"] * lines["unit_cost"]).sum()),
        "revenue": float((lines["price"] * lines["expected_sales"]).sum()),
        "waste_value": float((lines["unit_cost"] * lines["expected_waste"]).sum()),
        "promised": profit * 1.04,
        "expected": profit,
        "expected_se": profit * 0.05,
        "range_80": [profit * 0.7, profit * 1.3],
        "shop_definition": profit * 1.2,
        "solver": "HiGHS 1.15.1",
        "status": "optimal",
        "gap": 0.0008,
        "bound": profit * 1.0408,
        "objective": profit * 1.04,
        "solve_seconds": 3.2,
        "rules": [
            {"rule": "shelf_count", "limit": 33, "value": 33, "binding": True, "note": "one place more is worth 2.1"},
            {"rule": "price_index 茄类", "limit": 0.0, "value": 0.0, "binding": True, "note": "1 % is worth 0.8"},
            {"rule": "category_cover 花菜类", "limit": 0.75, "value": 0.81, "binding": False, "note": ""},
        ],
        "price_index": dict.fromkeys(ITEMS, 0.0),
        "on_top_rung": 30,
        "baseline": {
            "name": "cost-plus",
            "expected": profit * 0.75,
            "gain": profit * 0.25,
            "gain_se": profit * 0.04,
            "gain_interval": [profit * 0.18, profit * 0.32],
        },
        "notes": ["Prices of 3 items could not be judged: no full price for 91 days."],
    }
