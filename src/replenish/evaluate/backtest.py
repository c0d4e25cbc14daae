"""Rolling origins: what would have been forecast on past evenings, beside what happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from numbers import Integral

import numpy as np
import pandas as pd

from replenish.errors import ConfigError, DataError
from replenish.forecast.features import OFFERED_ENOUGH
from replenish.forecast.intervals import QUANTILE_NAMES
from replenish.history.category import category_tables
from replenish.history.cleaning import valid_costs
from replenish.history.stockouts import SOLD_OUT
from replenish.planning import (
    Progress,
    Prospect,
    build_history,
    category_prospect,
    category_settings,
    fit_models,
    look_ahead,
    one_store,
    silent,
)  # fmt: skip
from replenish.records import FittedModels, Tables
from replenish.settings import Settings

MEMBERS = ("smoothing", "theta", "tsb", "boosting", "arima")
BLEND = "blend"
MEAN_7 = "mean_7"
BENCHMARK_DAYS = 7
SCALE_DAYS = 365
MIN_CHANGES = 14  # a scale from fewer day-to-day changes is none: one new item decided the mean of 8,600 rows
LEVELS = ("item", "category")
HINDSIGHT_DAYS = 28  # whether an item was on offer is clearer some weeks later
KEY = ["store", "item_code", "date"]
COLUMNS = (
    "model", "origin", "date", "horizon", "store", "item_code", "actual", "sold_out", "offered", "price_assumed",
    "price_actual", "mean", *QUANTILE_NAMES, "category", "unit", "demand", "hidden", "sales_ratio", "cost_assumed",
    "cost_log_sd", "cost_actual", "naive_mae", "naive_mse",
)  # fmt: skip


def backtest(
    tables: Tables,
    first: date | pd.Timestamp | str,
    last: date | pd.Timestamp | str,
    step: int = 7,
    horizon: int = 7,
    settings: Settings | None = None,
    members: Iterable[str] | None = None,
    store: str | None = None,
    seed: int = 0,
    refit_days: int = 28,
    progress: Progress = silent,
    level: str = "item",
) -> pd.DataFrame:
    """Forecasts from every origin `first`, `first + step`, … up to `last`, beside what was sold.

    Key (model, origin, store, item_code, date); an origin is the evening of the last known day. Columns: horizon
    [days], actual (net sales, not below 0) [unit], sold_out, offered (probability, seen later), price_assumed (last
    full price at the origin, which the forecast is for), price_actual (the day's full price, empty without one)
    [money/unit], mean and q025 … q975 of *sales* had nothing sold out [unit], category, unit, demand (full-price demand
    as seen later: without most of the clearance sales, with what a stock-out hid) [unit], hidden (what a stock-out hid,
    as estimated later from the time of the last sale; empty where that is not known of a day that sold out) [unit],
    sales_ratio, cost_assumed (wholesale price forecast), cost_log_sd (its error), cost_actual (empty where the item was
    not bought) [money/unit], naive_mae and naive_mse (error of “as on the last day on offer” over the year up to the
    origin, the scale of MASE and RMSSE; empty with fewer than 14 changes from day to day).

    Plans need full-price demand, forecast are sales with their clearance: what is forecast of demand is multiplied by
    `sales_ratio`, the item's sales per unit of demand as known at the origin, so mean ÷ sales_ratio is the demand.
    Sales of days that sold out are less than what is forecast; actual + hidden is the same quantity as the mean
    (`leaderboard(rows, against="demand")`).

    Models: `blend` (the forecast plans are made from), its members with mean and median only, and `mean_7`, the mean
    of the days on offer in the week up to the origin. `members` says which take part (smoothing, theta, tsb, boosting,
    arima; default: as in the settings). `arima` forecasts the composites of categories, with which items are
    reconciled: it has rows of its own at `level` category only, and shows in those of the blend. At `level` category,
    items are the composites “category (unit)” of `history.category`: kilograms and packs are never added up, and sales
    stand for demand (nothing is hidden). Items: those sold in the candidate days up to the origin. Models are fitted on
    what was known at an origin and reused until they are `refit_days` old. Target days after the end of the data are
    left out.

    Raises `ConfigError` (arguments), `DataError` (days outside the data) and `ForecastError` (too little history).
    """
    chosen = _settings(settings or Settings(), members, horizon, step, refit_days)
    if level not in LEVELS:
        raise ConfigError(f"Unknown level {level}: choose from {', '.join(LEVELS)}.")
    name = one_store(tables, store)
    mine = tables.for_store(name)
    origins = _origins(mine, _day(first, "first"), _day(last, "last"), step)
    rolling = _item_prospects if level == "item" else _category_prospects
    ahead = rolling(mine, origins, horizon, chosen, seed, refit_days, progress)
    forecasts = pd.concat([origin_rows(prospect) for prospect in ahead], ignore_index=True)
    progress("what happened")
    observed = _observed(mine, forecasts["date"].max(), chosen, level)
    rows = forecasts.assign(store=name).merge(observed, on=KEY, how="inner", validate="m:1")
    return rows[list(COLUMNS)]


def _day(value: object, which: str) -> pd.Timestamp:
    """The day of the `which` (first or last) origin; `ConfigError` for what is none."""
    try:
        day = pd.Timestamp(value) if isinstance(value, str | date | np.datetime64) else pd.NaT
    except ValueError:
        day = pd.NaT
    if pd.isna(day):
        raise ConfigError(f"The {which} origin of a backtest is a day such as 2024-05-31, not “{value}”.")
    return day.tz_localize(None).normalize()


def _settings(settings: Settings, members: Iterable[str] | None, horizon: int, step: int, refit_days: int) -> Settings:
    """The settings with the members asked for, planning from the day after the origin, and far enough ahead."""
    given = {"horizon": horizon, "step": step, "refit_days": refit_days}
    wrong = [f"{name} {days}" for name, days in given.items() if not (isinstance(days, Integral) and days >= 1)]
    if wrong:
        raise ConfigError(f"A backtest counts in whole days, at least 1; got {', '.join(wrong)}.")
    longest = max(horizon, settings.forecast.horizon_days)
    chosen = settings.override(shop__lead_time_days=1, forecast__horizon_days=longest)
    if members is None:
        return chosen
    wanted = _members(members)
    return chosen.override(**{f"forecast__{name}": name in wanted for name in MEMBERS if name != "smoothing"})


def _members(members: Iterable[str]) -> set[str]:
    """The members asked for (one may be given by its name alone); `ConfigError` when they cannot make a forecast."""
    wanted = {members} if isinstance(members, str) else set(members)
    if wanted - set(MEMBERS):
        unknown = ", ".join(sorted(map(str, wanted - set(MEMBERS))))
        raise ConfigError(f"Unknown member(s) {unknown}: choose from {', '.join(MEMBERS)}.")
    if "smoothing" not in wanted:
        raise ConfigError("The member smoothing cannot be left out: the others fall back on it.")
    return wanted


def _origins(tables: Tables, first: pd.Timestamp, last: pd.Timestamp, step: int) -> pd.DatetimeIndex:
    """The origins, every `step` days; each has at least one day of data before and after it."""
    if first > last:
        raise ConfigError(f"The first origin, {first:%Y-%m-%d}, is after the last, {last:%Y-%m-%d}: swap them.")
    start, end = tables.daily_sales["date"].min(), tables.daily_sales["date"].max()
    origins = pd.date_range(first, last, freq=pd.Timedelta(days=step), unit="us")
    usable = origins[(origins > start) & (origins < end)]
    if usable.empty or len(usable) < len(origins):
        raise DataError(
            f"daily_sales: {len(origins) - len(usable)} of {len(origins)} origins from {first:%Y-%m-%d} to "
            f"{last:%Y-%m-%d} have no data before or after them; the data reaches from {start:%Y-%m-%d} to "
            f"{end:%Y-%m-%d}.", "Choose other days.",
        )  # fmt: skip
    return pd.DatetimeIndex(usable)


def _item_prospects(
    tables: Tables, origins: pd.DatetimeIndex, horizon: int, settings: Settings, seed: int, refit_days: int,
    progress: Progress,
) -> Iterator[Prospect]:  # fmt: skip
    """What each origin forecasts, from what was known that evening and models that are at most `refit_days` old."""
    models: FittedModels | None = None
    for stage, origin in _stages(origins):
        if _too_old(models, origin, refit_days):
            progress(f"{stage}, fitting")
            models = fit_models(tables, origin, settings, seed=seed)
        progress(stage)
        yield look_ahead(tables, origin, horizon, settings, models, seed)


def _category_prospects(
    tables: Tables, origins: pd.DatetimeIndex, horizon: int, settings: Settings, seed: int, refit_days: int,
    progress: Progress,
) -> Iterator[Prospect]:  # fmt: skip
    """The same for the composites of categories as they were known at each origin; closed days are no origin."""
    models: FittedModels | None = None
    chosen, store = category_settings(settings, 0), tables.stores[0]
    of_open_days = origins[origins.isin(tables.daily_sales["date"])]
    if of_open_days.empty:
        raise DataError(
            f"daily_sales: no sales on any of the {len(origins)} origins (first: {origins[0]:%Y-%m-%d}); categories "
            "are forecast from open days.", "Choose other days.",
        )  # fmt: skip
    for stage, origin in _stages(of_open_days):
        composites = category_tables(tables, origin, chosen.history)
        if models is None or _too_old(models, origin, refit_days):
            progress(f"{stage}, fitting")
            models = fit_models(tables, origin, chosen, store, seed)
        progress(stage)
        yield category_prospect(tables, composites, origin, horizon, chosen, models, seed)


def _stages(origins: pd.DatetimeIndex) -> Iterator[tuple[str, pd.Timestamp]]:
    for number, origin in enumerate(origins, start=1):
        yield f"origin {origin:%Y-%m-%d} ({number} of {len(origins)})", origin


def _too_old(models: FittedModels | None, origin: pd.Timestamp, refit_days: int) -> bool:
    return models is None or (origin - models.fitted_as_of).days >= refit_days


def origin_rows(ahead: Prospect) -> pd.DataFrame:
    """The forecasts of one origin, key (model, item_code, date): every model below the other."""
    table = ahead.forecast.table
    columns = ["item_code", "date", "horizon", "category", "unit"]
    shared = table[columns].assign(
        origin=ahead.history.as_of, price_assumed=table["reference_price"],
        sales_ratio=1 / table["demand_share"],
    )  # fmt: skip
    costs = ahead.costs.table.rename(columns={"unit_cost": "cost_assumed", "log_sd": "cost_log_sd"})
    shared = shared.merge(costs, on=["item_code", "date"], validate="1:1")
    shared = shared.join(_item_facts(ahead), on="item_code")
    ratio = shared["sales_ratio"]
    bands = {q: table[q] * ratio for q in QUANTILE_NAMES}
    blend = shared.assign(model=BLEND, mean=table["mean"] * ratio, **bands)
    members = ahead.forecast.members
    points = shared.merge(members, on=["item_code", "date"], validate="1:1")
    names = [c for c in members.columns if c not in ("item_code", "date")]
    points[names] = points[names].mul(points["sales_ratio"], axis=0)
    single = [points.assign(model=name, mean=points[name], q50=points[name]) for name in [*names, MEAN_7]]
    return pd.concat([blend, *single], ignore_index=True).drop(columns=[*names, MEAN_7])


def _item_facts(ahead: Prospect) -> pd.DataFrame:
    """Benchmark and scales as known at the origin, key item_code: mean_7, naive_mae, naive_mse [unit, unit²]."""
    panel = ahead.history.panel
    age = (ahead.history.as_of - panel["date"]).dt.days
    on_offer = panel[(panel["offered_then"] >= OFFERED_ENOUGH) & (age < SCALE_DAYS)]
    change = on_offer.groupby("item_code")["sold"].diff()
    by_item = pd.DataFrame({"naive_mae": change.abs(), "naive_mse": change**2}).groupby(on_offer["item_code"])
    scales = by_item.mean().where(by_item.count() >= MIN_CHANGES)
    week = on_offer[age.loc[on_offer.index] < BENCHMARK_DAYS]
    return scales.join(week.groupby("item_code")["sold"].mean().rename(MEAN_7))


def _observed(tables: Tables, until: pd.Timestamp, settings: Settings, level: str) -> pd.DataFrame:
    """What happened, for scoring only, as seen some weeks after the last target day; key (store, item_code, date)."""
    days = tables.daily_sales["date"]
    end = days[days <= until + pd.Timedelta(days=HINDSIGHT_DAYS)].max()
    seen = tables if level == "item" else category_tables(tables, end, settings.history)
    history = build_history(seen, end, settings)
    panel = history.panel
    rows = panel[["item_code", "date", "offered", "demand"]].assign(
        store=history.store,
        actual=panel["sold"],
        sold_out=panel["sold_out_probability"] > SOLD_OUT,
        hidden=panel["hidden"].where(panel["demand_weight"] > 0),
        price_actual=panel["full_price"],
    )
    bought = valid_costs(seen.wholesale, settings.history)[0].rename(columns={"wholesale_price": "cost_actual"})
    return rows.merge(bought[[*KEY, "cost_actual"]], how="left", on=KEY, validate="1:1")
