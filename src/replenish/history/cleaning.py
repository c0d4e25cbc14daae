"""The shop's history as demand: returns netted, closed days found, one row per item and day it was around."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from replenish.errors import DataError
from replenish.history.clearance import clearance_habits
from replenish.history.holidays import calendar_features
from replenish.history.losses import learned_losses
from replenish.history.offered import from_stock, offered_probability, usual_sales
from replenish.history.places import Places, day_numbers
from replenish.history.profile import morning_transactions
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
    items, loss_finding = learned_losses(panel, known.items, known.stock, known.orders, settings.history.loss_days)
    told = told_by_counts(panel, items, known.stock, known.orders)
    profile, found = learn_stockouts(panel, known.intraday_sales, day, settings.history, told)
    panel = panel.join(found)
    findings = (cost_finding, loss_finding, _untold_stockouts(profile, panel, known))
    notes = [f for f in findings if f is not None]
    habits = clearance_habits(panel, day, settings.history.clearance_cannibalisation)
    mornings = morning_transactions(known.intraday_sales)
    return DemandHistory(store, day, items, panel, calendar, profile, habits, tuple(notes), mornings)


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
    if wholesale.empty:
        return wholesale, None
    price = wholesale["wholesale_price"]
    usual = _usual_costs(price.to_numpy(dtype=float), pd.factorize(wholesale["item_code"])[0])
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


def _usual_costs(price: NDArray[np.float64], item: NDArray[np.int64]) -> NDArray[np.float64]:
    """Median price of the `COST_WINDOW` rows of the item around each row; the rows of an item follow each other."""
    half = COST_WINDOW // 2
    windows = sliding_window_view(np.pad(price, half, constant_values=np.nan), COST_WINDOW)
    mine = sliding_window_view(np.pad(item, half, constant_values=-1), COST_WINDOW) == item[:, None]
    rising = np.sort(np.where(mine, windows, np.nan), axis=1)  # NaN comes last
    count = np.maximum(np.isfinite(rising).sum(1), 1)
    row = np.arange(len(price))
    return np.asarray((rising[row, (count - 1) // 2] + rising[row, count // 2]) / 2)


def _grid(sales: pd.DataFrame, items: pd.DataFrame, calendar: pd.DataFrame) -> pd.DataFrame:
    """One row per item and day from its first sale on, sorted by item and day."""
    first = calendar["date"].iloc[0]
    start = sales.groupby("item_code")["date"].min()
    since = day_numbers(start, first)
    days = len(calendar) - since
    offset = np.cumsum(days) - days
    item = np.repeat(np.arange(len(since)), days)
    day = np.arange(len(item)) - (offset - since)[item]
    named = items.set_index("item_code")[["category", "unit"]].loc[start.index]
    place = start.index.get_indexer(pd.Index(sales["item_code"]))
    sold_on = (offset - since)[place] + day_numbers(sales["date"], first)

    def wide(column: str) -> NDArray[np.float64]:
        out = np.full(len(item), np.nan)
        out[sold_on] = sales[column].to_numpy(dtype=float)
        return out

    def amount(column: str) -> NDArray[np.float64]:
        return np.maximum(np.nan_to_num(wide(column)), 0.0)

    cleared = amount("discounted_quantity")
    return pd.DataFrame({
        "item_code": start.index.take(item), "date": calendar["date"].to_numpy()[day],
        "closed": calendar["closed"].to_numpy()[day], "category": named["category"].array.take(item),
        "unit": named["unit"].array.take(item), "transactions": np.nan_to_num(wide("transactions")).astype(np.int64),
        "full_price_transactions": np.nan_to_num(wide("transactions") - wide("discounted_transactions")),
        "full_price": wide("full_price"), "discounted_price": wide("discounted_price"),
        "last_sale_hour": wide("last_sale_hour"), "sold": amount("quantity"),
        "full_price_sold": amount("full_price_quantity"), "clearance_sold": cleared, "clearance_day": cleared > 0,
    })  # fmt: skip


def _add_prices(panel: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Adds reference_price (last full price) and wholesale_price (last valid), both up to and including the day.

    `has_cost`: the item has a wholesale row of that very day. A row from before the item's first sale counts too.
    `costs`: sorted by item and date, as `valid_costs` leaves them.
    """
    places = Places.of(panel)
    costs = costs[costs["item_code"].isin(places.codes)]
    day = day_numbers(costs["date"], places.first)
    # Item and day in one number that grows with both: bisection finds the last row up to a day.
    before = min(int(day.min(initial=0)), 0)
    span = max(int(places.day.max(initial=0)), int(day.max(initial=0))) + 1 - before
    key = places.codes.get_indexer(pd.Index(costs["item_code"])) * span + day - before
    wanted = places.item * span + places.day - before
    at = np.searchsorted(key, wanted, side="right")
    last, price = np.r_[-1, key][at], np.r_[np.nan, costs["wholesale_price"]][at]
    return panel.assign(
        wholesale_price=np.where(last // span == places.item, price, np.nan),
        has_cost=last == wanted,
        reference_price=panel["full_price"].groupby(places.item).ffill(),
    )


def _offered(panel: pd.DataFrame, calendar: pd.DataFrame, known: Tables) -> pd.DataFrame:
    """Probability of having been on offer, as seen today (`offered`) and as seen that evening (`offered_then`).

    Stock and orders, where given, overrule the sales pattern; a sale proves the offer; closed days are 0.
    """
    places = Places.of(panel)
    item, day = places.item, places.day + (places.first - calendar["date"].iloc[0]).days
    grids = np.zeros((3, len(calendar), len(places.codes)))
    grids[:, day, item] = np.stack([panel["sold"] > 0, panel["has_cost"], np.ones(len(panel))])
    observed = 1.0 - calendar["closed"].to_numpy(dtype=float)
    usual = np.full(grids[0].shape, np.nan)
    usual[day, item] = usual_sales(panel)
    now, then = offered_probability(grids[0], grids[1], grids[2], observed, usual)
    told = from_stock(panel, known.items, known.stock, known.orders).to_numpy()
    sold, is_open = panel["sold"].to_numpy() > 0, ~panel["closed"].to_numpy(dtype=bool)

    def settled(guess: NDArray[np.float64]) -> NDArray[np.float64]:
        probability = np.where(np.isnan(told), guess[day, item], told)
        return np.where(is_open, np.where(sold, 1.0, probability), 0.0)

    return pd.DataFrame({"offered": settled(now), "offered_then": settled(then)}, index=panel.index)


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
