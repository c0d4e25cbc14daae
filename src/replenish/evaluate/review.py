"""A stored plan beside what happened: promised against realised, per line, in total and per planner's override."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from replenish.errors import ConfigError, DataError
from replenish.history.cleaning import build_history
from replenish.history.stockouts import SOLD_OUT
from replenish.optimise.candidates import filled_loss_rates
from replenish.records import DemandHistory, Plan, Review, Run, Tables
from replenish.settings import settings_of_run

KEY = ["date", "item_code"]
PRICE_TOLERANCE = 0.005  # [money/unit]; prices are charged to the cent
PLANNED = ["store", *KEY, "item_name", "category", "unit", "order_quantity", "carried_over", "price", "unit_cost",
           "loss_rate", "expected_demand", "expected_sales", "expected_waste", "expected_profit", "profit_q10",
           "profit_q90", "reason"]  # fmt: skip
NOTHING_SOLD = {"sold": 0.0, "clearance_sold": 0.0, "demand": 0.0, "revenue": 0.0, "disposal_cost": 0.0}


def review(run_or_plan: Run | Plan, tables: Tables, changes: pd.DataFrame | None = None) -> Review:
    """What the plan promised and what happened on its days (see `records.Review`).

    Without counts, unsold stock is not seen, so that the realised profit is known between two bounds: `profit_low`, the
    order of the plan was bought and what was not sold is waste; `profit_high`, nothing was left over. Where the tables
    `orders` and `stock` tell what was ordered and what was left, the bounds meet. Both use the day's wholesale price.
    `changes` (from `RunStore.changes`) tells what was solved before the overrides, and lets their gain be estimated.

    Raises `DataError` when the tables do not reach the planned days, `ConfigError` for a plan of whole categories.
    """
    plan = run_or_plan.plan if isinstance(run_or_plan, Run) else run_or_plan
    _refuse_composites(plan, tables)
    days = _known_days(plan, tables)
    history = build_history(tables, days[-1], settings_of_run(plan.settings, "settings of the run"), plan.store)
    lines = _judged(_beside(plan, _happened(tables, history, days), _counted(tables, plan.store), days))
    overrides = _override_lines(plan, lines, changes)
    return Review(lines, overrides, _summary(plan, lines, overrides, days), tables.fingerprint)


def _refuse_composites(plan: Plan, tables: Tables) -> None:
    unknown = sorted(set(plan.lines["item_code"]) - set(tables.for_store(plan.store).items["item_code"]))
    if unknown:
        raise ConfigError(
            f"The plan has {len(unknown)} items that the data of store {plan.store} does not know (first: "
            f"{unknown[0]}). Plans of whole categories cannot be reviewed; for others, choose the folder the plan was "
            "made from."
        )


def _known_days(plan: Plan, tables: Tables) -> pd.DatetimeIndex:
    """The planned days that the sales reach."""
    planned = pd.DatetimeIndex(plan.summary["dates"]).as_unit("us")
    end = tables.for_store(plan.store).daily_sales["date"].max()
    days = planned[planned <= end]
    if days.empty:
        raise DataError(
            f"daily_sales: the data of store {plan.store} ends on {end:%Y-%m-%d}, before the planned day "
            f"{planned[0]:%Y-%m-%d}.", "Add the sales of that day and review again.",
        )  # fmt: skip
    return pd.DatetimeIndex(days)


def _happened(tables: Tables, history: DemandHistory, days: pd.DatetimeIndex) -> pd.DataFrame:
    """What was sold on those days and on what terms, key (date, item_code)."""
    sales = tables.for_store(history.store).daily_sales[[*KEY, "revenue"]]
    columns = ["sold", "clearance_sold", "full_price", "wholesale_price", "sold_out_probability", "demand"]
    panel = history.panel[history.panel["date"].isin(days)]
    loss, _ = filled_loss_rates(history.items, pd.Series(panel["item_code"].unique()))
    items = history.items.set_index("item_code")
    facts = pd.DataFrame({"real_loss_rate": loss, "disposal_cost": items["disposal_cost"]})
    facts = facts.assign(sold_name=items["item_name"])
    rows = panel[[*KEY, "category", "unit", *columns]].merge(sales, how="left", on=KEY, validate="1:1")
    rows = rows.rename(columns={"full_price": "price_charged", "category": "sold_category", "unit": "sold_unit"})
    return rows.join(facts, on="item_code")


def _counted(tables: Tables, store: str) -> pd.DataFrame:
    """What was really ordered and what was left at close, key (date, item_code); empty columns without such tables."""
    mine = tables.for_store(store)
    wanted = {"ordered": (mine.orders, "ordered"), "counted_left": (mine.stock, "on_hand")}
    parts = [
        frame.set_index(KEY)[column].rename(name) if frame is not None else pd.Series(dtype=float, name=name)
        for name, (frame, column) in wanted.items()
    ]
    known = [part for part in parts if len(part)]
    table = pd.concat(known, axis=1).reset_index() if known else pd.DataFrame(columns=KEY)
    return table.reindex(columns=[*KEY, *wanted])


def _beside(plan: Plan, happened: pd.DataFrame, counted: pd.DataFrame, days: pd.DatetimeIndex) -> pd.DataFrame:
    """Planned lines and sold items in one table, key (date, item_code), with `status`."""
    planned = plan.lines.loc[plan.lines["date"].isin(days), PLANNED]
    both = planned.merge(happened, how="outer", on=KEY, validate="1:1", indicator=True).fillna(NOTHING_SOLD)
    both = both[(both["_merge"] != "right_only") | (both["sold"] > 0)]
    is_planned, is_sold = both["_merge"] != "right_only", both["sold"] > 0
    status = np.where(is_planned & is_sold, "planned and sold", "planned, not sold")
    filled = both.assign(
        store=plan.store,
        status=np.where(is_planned, status, "sold, not planned"),
        item_name=both["item_name"].fillna(both["sold_name"]),
        category=both["category"].fillna(both["sold_category"]),
        unit=both["unit"].fillna(both["sold_unit"]),
        wholesale_price=both["wholesale_price"].fillna(both["unit_cost"]),
        real_loss_rate=both["real_loss_rate"].fillna(both["loss_rate"]),
    )
    rows = filled.drop(columns=["_merge", "sold_name", "sold_category", "sold_unit"])
    known = counted.astype({"date": rows["date"].dtype, "ordered": "float64", "counted_left": "float64"})
    return rows.merge(known, how="left", on=KEY, validate="1:1")


def _judged(rows: pd.DataFrame) -> pd.DataFrame:
    """Adds what the sales say about each line: margin, profit bounds, unsold, lost sales, band."""
    sold, loss, cost = rows["sold"], rows["real_loss_rate"], rows["wholesale_price"]
    order = rows["ordered"].fillna(rows["order_quantity"])
    usable = (1 - loss) * rows["order_quantity"] + rows["carried_over"]
    needed = (sold - rows["carried_over"]).clip(lower=0.0) / (1 - loss)
    unsold = rows["counted_left"].fillna(((1 - loss) * order + rows["carried_over"] - sold).clip(lower=0.0))
    bought = rows["ordered"].fillna(order.clip(lower=needed))
    known = rows["ordered"].notna() & rows["counted_left"].notna()
    profit_low = rows["revenue"] - cost * bought - rows["disposal_cost"] * unsold
    out = rows.assign(
        usable=usable,
        unsold=unsold,
        lost_sales=(rows["demand"] - sold).clip(lower=0.0),
        shop_margin=rows["revenue"] - cost / (1 - loss) * sold,
        profit_low=profit_low,
        profit_high=profit_low.where(known, rows["revenue"] - cost * needed),
        price_as_planned=(rows["price_charged"] - rows["price"]).abs() <= PRICE_TOLERANCE,
        order_followed=(sold > 0) & (sold <= usable + 1e-9),
    )
    return out.assign(band=_band(out))


def _band(rows: pd.DataFrame) -> np.ndarray:
    """Where the realised profit lies against the planned band: below, inside, above, or open (the bounds straddle)."""
    low, high = rows["profit_low"], rows["profit_high"]
    places = [high < rows["profit_q10"], low > rows["profit_q90"],
              (low >= rows["profit_q10"]) & (high <= rows["profit_q90"]), low.isna()]  # fmt: skip
    return np.select(places, ["below", "above", "inside", ""], "open")


def _override_lines(plan: Plan, lines: pd.DataFrame, changes: pd.DataFrame | None) -> pd.DataFrame:
    """The overrides that touched a line of these days, with what came of it; `gain` [money] where it can be told."""
    locks = pd.DataFrame(
        [(o.item_code, o.author, o.reason, o.kind, o.value, o.date) for o in plan.overrides],
        columns=["item_code", "author", "reason", "kind", "value", "on"],
    ).astype({"item_code": "str", "value": "float64"})
    kept = ["item_name", "status", "order_quantity", "price", "expected_profit", "profit_low", "profit_high"]
    rows = locks.merge(lines.drop(columns="reason"), on="item_code", how="inner", validate="m:m")
    rows = rows[rows["on"].isna() | (pd.to_datetime(rows["on"]) == rows["date"])]
    rows = rows.assign(gain=_gain(rows, changes, plan)) if len(rows) else rows.assign(gain=pd.Series(dtype=float))
    return rows[["author", "reason", "kind", "value", *KEY, *kept, "gain"]].reset_index(drop=True)


def _gain(rows: pd.DataFrame, changes: pd.DataFrame | None, plan: Plan) -> pd.Series:
    """Profit of what was locked less that of what was solved before, on the day's demand; NaN where it cannot be told.

    At another price the day's demand is moved by the elasticity the plan went by. An item the solver had left out
    would have earned nothing (what its buyers would have taken instead is not seen).
    """
    if changes is None or changes.empty:
        return pd.Series(np.nan, index=rows.index)
    solved = changes.assign(date=pd.to_datetime(changes["date"]).astype("datetime64[us]"))
    solved = solved[[*KEY, "solved_order_quantity", "solved_price"]]
    found = rows[KEY].merge(solved, how="left", on=KEY, validate="m:1").set_index(rows.index)
    same_price = (found["solved_price"] - rows["price"]).abs() <= PRICE_TOLERANCE
    ratio = (found["solved_price"] / rows["price"]).where(~same_price, 1.0)
    moved = (ratio ** _elasticity(rows, plan)).where(~same_price, 1.0)
    before = _worth(rows, found["solved_order_quantity"], ratio, moved)
    # Without a run before the overrides every line counts as changed and nothing is known of what was solved.
    told_before = bool(changes["solved_price"].notna().any()) or len(changes) < len(plan.lines)
    left_out = (rows["kind"] == "must_list") & found["solved_price"].isna() if told_before else rows["kind"].isna()
    gain = _worth(rows, rows["order_quantity"]) - before.where(~left_out, 0.0)
    return gain.where(rows["sold"] > 0)


def _elasticity(rows: pd.DataFrame, plan: Plan) -> pd.Series:
    """The price elasticity the plan's curve of the line goes by; NaN where the curve has only the reference price."""
    if plan.price_curve.empty or plan.forecast.empty:
        return pd.Series(np.nan, index=rows.index)
    base = plan.forecast.assign(base=plan.forecast["index_weight"] / plan.forecast["reference_price"])
    curve = plan.price_curve.merge(base[[*KEY, "base"]], on=KEY, validate="m:1")
    away = curve[(curve["price_ratio"] - 1).abs() > 1e-6]
    slope = np.log(away["expected_demand"] / away["base"]) / np.log(away["price_ratio"])
    mean = slope.groupby([away["date"], away["item_code"]]).mean().rename("slope").reset_index()
    mean = mean.assign(date=pd.to_datetime(mean["date"]).astype(rows["date"].dtype))
    return rows[KEY].merge(mean, how="left", on=KEY, validate="m:1").set_index(rows.index)["slope"]


def _worth(
    rows: pd.DataFrame, order: pd.Series, price_ratio: pd.Series | float = 1.0, demand_ratio: pd.Series | float = 1.0
) -> pd.Series:
    """Profit of an order at the day's demand, sold at the price that was earned on average [money].

    `price_ratio`, `demand_ratio`: against the price charged and the demand it met.
    """
    wanted = rows[["demand", "sold"]].max(axis=1) * demand_ratio
    usable = (1 - rows["real_loss_rate"]) * order + rows["carried_over"]
    sold = np.minimum(usable, wanted)
    earned = price_ratio * rows["revenue"] / rows["sold"].where(rows["sold"] > 0)
    return earned * sold - rows["wholesale_price"] * order - rows["disposal_cost"] * (usable - sold)


def _summary(plan: Plan, lines: pd.DataFrame, overrides: pd.DataFrame, days: pd.DatetimeIndex) -> dict[str, Any]:
    """Totals as plain JSON (see `records.Review`)."""
    planned = lines[lines["status"] != "sold, not planned"]
    other = lines[lines["status"] == "sold, not planned"]
    promised = {name: plan.summary.get(name) for name in ("promised", "expected", "range_80", "shop_definition")}
    realised = {name: _total(planned, name) for name in ("revenue", "shop_margin", "profit_low", "profit_high")}
    return {
        "store": plan.store,
        "dates": [f"{d:%Y-%m-%d}" for d in days],
        "days_without_sales_yet": len(plan.summary["dates"]) - len(days),
        "plan": promised | {"expected_of_these_days": _total(planned, "expected_profit")},
        "realised": realised,
        "realised_beside_the_plan": {name: _total(other, name) for name in ("revenue", "shop_margin")},
        "status": {str(k): int(v) for k, v in lines["status"].value_counts().items()},
        "band": {str(k): int(v) for k, v in planned["band"].value_counts().items()},
        "price_as_planned": int(planned["price_as_planned"].sum()),
        "price_charged_known": int(planned["price_charged"].notna().sum()),
        "order_followed": int(planned["order_followed"].sum()),
        "expected_waste_value": _total(planned.assign(value=planned["expected_waste"] * planned["unit_cost"]), "value"),
        "unsold_value": _total(planned.assign(value=planned["unsold"] * planned["wholesale_price"]), "value"),
        "unsold_counted": int(planned["counted_left"].notna().sum()),
        "lost_sales_value": _total(lines.assign(value=lines["lost_sales"] * lines["price_charged"]), "value"),
        "sold_out": int((lines["sold_out_probability"] > SOLD_OUT).sum()),
        "forecast": _forecast_errors(planned[planned["sold"] > 0]),
        "overrides": _by_author(overrides),
    }


def _total(rows: pd.DataFrame, name: str) -> float:
    return float(rows[name].sum())


def _forecast_errors(rows: pd.DataFrame) -> dict[str, float | None]:
    """Bias and WAPE of the expected demand over lines that sold, valued at the planned price (kg and packs differ)."""
    demand = float((rows["price"] * rows["demand"]).sum())
    if demand <= 0:
        return {"bias": None, "wape": None}
    error = rows["price"] * (rows["expected_demand"] - rows["demand"])
    return {"bias": float(error.sum()) / demand, "wape": float(error.abs().sum()) / demand}


def _by_author(overrides: pd.DataFrame) -> list[dict[str, Any]]:
    """Per author and reason: lines touched, on how many the gain can be told, and its sum [money]."""
    groups = overrides.groupby(["author", "reason"], sort=True)
    return [
        {"author": author, "reason": reason, "lines": len(rows), "judged": int(rows["gain"].count()),
         "gain": float(rows["gain"].sum()) if rows["gain"].count() else None,
         "profit_low": _total(rows, "profit_low"), "profit_high": _total(rows, "profit_high")}
        for (author, reason), rows in groups
    ]  # fmt: skip
