"""The shop's history as demand: returns netted, closed days found, one row per item and day it was around."""

from __future__ import annotations

import numpy as np
import pandas as pd

from replenish.errors import DataError
from replenish.history.clearance import clearance_habits
from replenish.history.holidays import calendar_features
from replenish.history.offered import from_stock, offered_probability, usual_sales
from replenish.history.stockouts import learn_stockouts, told_by_counts
from replenish.records import DemandHistory, Finding, Tables
from replenish.settings import HistorySettings, Settings

CLOSED_WINDOW = 28
COST_WINDOW = 15  # rows of the item, centred
COST_OUTLIER_FACTOR = 5.0


def build_history(tables: Tables, as_of: pd.Timestamp, settings: Settings, store: str) -> DemandHistory:
    """Demand history of one store from what was known on the evening of `as_of` (see `records.DemandHistory`)."""
    day = pd.Timestamp(as_of)
    known = tables.for_store(store).up_to(day)
    first = day - pd.Timedelta(days=settings.history.window_days - 1)
    sales = known.daily_sales[known.daily_sales["date"] >= first]
    if sales.empty:
        raise DataError(f"daily_sales: store {store} has no sales up to {day:%Y-%m-%d}.", "Choose a later date.")
    calendar = _calendar(sales, day, settings, known.events)
    costs, cost_finding = valid_costs(known.wholesale, settings.history)
    panel = _grid(sales, known.items, calendar)
    panel = _add_prices(panel, costs)
    panel = panel.join(_offered(panel, calendar, known))
    told = told_by_counts(panel, known.items, known.stock, known.orders)
    profile, found = learn_stockouts(panel, known.intraday_sales, day, settings.history, told)
    panel = panel.join(found)
    notes = [
        f for f in (cost_finding, _negative_days(sales), _untold_stockouts(profile, panel, known)) if f is not None
    ]
    habits = clearance_habits(panel, day, settings.history.clearance_cannibalisation)
    return DemandHistory(store, day, known.items, panel, calendar, profile, habits, tuple(notes))


def _calendar(sales: pd.DataFrame, day: pd.Timestamp, settings: Settings, events: pd.DataFrame | None) -> pd.DataFrame:
    """Key date: closed (bool), store transactions and the holiday features of every day up to `as_of`."""
    dates = pd.date_range(sales["date"].min(), day, unit="us", name="date")
    count = sales.groupby("date")["transactions"].sum().reindex(dates, fill_value=0)
    usual = count.where(count > 0).rolling(CLOSED_WINDOW, min_periods=1, center=False).median()
    closed = (count == 0) | (count < settings.history.closed_share * usual)
    if events is not None and len(events):
        closed |= dates.isin(events.loc[events["kind"] == "closure", "date"]) & (count == 0)
    features = calendar_features(dates[0], day, settings.shop.country, events).set_index("date")
    return features.assign(closed=closed, store_transactions=count).reset_index()


def valid_costs(wholesale: pd.DataFrame, settings: HistorySettings) -> tuple[pd.DataFrame, Finding | None]:
    """Wholesale rows that can be true, and a finding on the others.

    Impossible: below `invalid_cost_below`, or off the item's own prices around that day by more than a factor of 5.
    """
    wholesale = wholesale.sort_values(["item_code", "date"], ignore_index=True)
    by_item = wholesale.groupby("item_code")["wholesale_price"]
    usual = by_item.transform(lambda x: x.rolling(COST_WINDOW, min_periods=1, center=True).median())
    price = wholesale["wholesale_price"]
    bad = (price < settings.invalid_cost_below) | (price > COST_OUTLIER_FACTOR * usual)
    bad |= price < usual / COST_OUTLIER_FACTOR
    if not bad.any():
        return wholesale, None
    shown = wholesale[bad].head(3)
    examples = tuple(f"item {r.item_code}, {r.date:%Y-%m-%d}: {r.wholesale_price:g}" for r in shown.itertuples())
    finding = Finding(
        "warning", "wholesale", "impossible wholesale price, left out", int(bad.sum()), len(wholesale), examples,
        "The last valid price is used instead; correct the source.",
    )  # fmt: skip
    return wholesale[~bad], finding


def _grid(sales: pd.DataFrame, items: pd.DataFrame, calendar: pd.DataFrame) -> pd.DataFrame:
    """One row per item and day from its first sale on, sorted by item and day."""
    start = sales.groupby("item_code")["date"].min().rename("start").reset_index()
    grid = start.merge(calendar[["date", "closed"]], how="cross")
    grid = grid[grid["date"] >= grid["start"]].drop(columns="start")
    grid = grid.merge(items[["item_code", "category", "unit"]], on="item_code", validate="m:1")
    wanted = ["quantity", "transactions", "full_price_quantity", "full_price", "discounted_quantity",
              "discounted_price", "last_sale_hour"]  # fmt: skip
    grid = grid.merge(sales[["item_code", "date", *wanted]], how="left", on=["item_code", "date"], validate="1:1")
    grid = grid.sort_values(["item_code", "date"], ignore_index=True)
    amounts = grid[["quantity", "full_price_quantity", "discounted_quantity"]].fillna(0.0).clip(lower=0.0)
    grid["sold"], grid["full_price_sold"], grid["clearance_sold"] = amounts.to_numpy().T
    grid["transactions"] = grid["transactions"].fillna(0).astype("int64")
    grid["clearance_day"] = grid["clearance_sold"] > 0
    return grid.drop(columns=["quantity", "full_price_quantity", "discounted_quantity"])


def _add_prices(panel: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Adds reference_price (last full price) and wholesale_price (last valid), both up to and including the day.

    `has_cost`: the item has a wholesale row of that very day. A row from before the item's first sale counts too.
    """
    costed = costs[["item_code", "date", "wholesale_price"]].assign(costed_on=costs["date"])
    by_day = panel.reset_index(names="row").sort_values(["date", "row"])
    known = pd.merge_asof(by_day, costed.sort_values("date"), on="date", by="item_code").set_index("row").sort_index()
    return panel.assign(
        wholesale_price=known["wholesale_price"].to_numpy(),
        has_cost=(known["costed_on"] == known["date"]).to_numpy(),
        reference_price=panel.groupby("item_code")["full_price"].ffill(),
    )


def _offered(panel: pd.DataFrame, calendar: pd.DataFrame, known: Tables) -> pd.DataFrame:
    """Probability of having been on offer, as seen today (`offered`) and as seen that evening (`offered_then`).

    Stock and orders, where given, overrule the sales pattern; a sale proves the offer; closed days are 0.
    """
    codes, item = np.unique(panel["item_code"].to_numpy(dtype=str), return_inverse=True)
    day = pd.DatetimeIndex(calendar["date"]).get_indexer(pd.DatetimeIndex(panel["date"]))
    grids = np.zeros((3, len(calendar), len(codes)))
    grids[:, day, item] = np.stack([panel["sold"] > 0, panel["has_cost"], np.ones(len(panel))])
    observed = 1.0 - calendar["closed"].to_numpy(dtype=float)
    usual = np.full(grids[0].shape, np.nan)
    usual[day, item] = usual_sales(panel)
    now, then = offered_probability(grids[0], grids[1], grids[2], observed, usual)
    guessed = pd.DataFrame({"offered": now[day, item], "offered_then": then[day, item]}, index=panel.index)
    told = from_stock(panel, known.items, known.stock, known.orders)
    sold, is_open = panel["sold"] > 0, ~panel["closed"]
    return guessed.apply(lambda guess: told.fillna(guess).where(~sold, 1.0).where(is_open, 0.0))


def _negative_days(sales: pd.DataFrame) -> Finding | None:
    bad = sales["quantity"] < 0
    if not bad.any():
        return None
    examples = tuple(f"item {r.item_code}, {r.date:%Y-%m-%d}: {r.quantity:g}" for r in sales[bad].head(3).itertuples())
    what = "item-day with more returned than sold, counted as zero demand"
    return Finding("information", "daily_sales", what, int(bad.sum()), len(sales), examples)


def _untold_stockouts(profile: pd.DataFrame, panel: pd.DataFrame, known: Tables) -> Finding | None:
    if not profile.empty and panel["last_sale_hour"].notna().any():
        return None
    days = int((panel["sold"] > 0).sum())
    if known.stock is not None and len(known.stock):
        what = "no transaction times: sold-out days are found from the stock, their demand is not recovered"
        return Finding("information", "sales", what, days, len(panel), (), "Import transaction times.")
    what = "no transaction times and no stock: stock-outs cannot be found, sales stand for demand"
    return Finding("warning", "sales", what, days, len(panel), (), "Import transaction times.")


def sold_recently(panel: pd.DataFrame, as_of: pd.Timestamp, days: int) -> np.ndarray:
    """Item codes with a sale in the `days` days up to `as_of`: the candidates of a plan."""
    recent = panel[(panel["date"] > as_of - pd.Timedelta(days=days)) & (panel["sold"] > 0)]
    return np.sort(recent["item_code"].unique())
