"""The panel as matrices (days × items) with price taken out, and covariates of a target date seen from an origin."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.forecast.surroundings import Surroundings
from replenish.history.holidays import calendar_features
from replenish.history.places import day_numbers
from replenish.pricing.assortment import Assortment, assortment_factor
from replenish.pricing.substitution import purchases_per_unit, substitute_groups
from replenish.records import DemandHistory, PriceResponse

Array = NDArray[np.float64]
OFFERED_ENOUGH = 0.5
SHARE_DAYS = 56
SHARE_PRIOR_DAYS = 14.0


@dataclass(frozen=True)
class PanelMatrix:
    """One store's panel, arrays of shape days × items.

    `neutral`: sales (with what a stock-out hid and with clearance) with the price taken out, q·p^(−β); multiply by
    p⁰^β for sales at a full price p⁰, and by `demand_share` (per item: full-price demand per unit of sales, as known on
    the last day) for demand. `weight`: 0–1, how far the day may teach (offered, open, not cut short). `sold`,
    `offered` (probability as seen today), `offered_then` (as seen that evening), `price` (last full price up to the
    day) and `cost` (last valid wholesale price), NaN before the first. `elasticity`, `category`, `unit`: per item.
    `traffic`: transactions per day. `around`: what is known beside sales. `assortment`: what else
    was on the shelf; where it `freed` demand, `neutral` is that with all of the catalogue there (`with_assortment`).
    """

    dates: pd.DatetimeIndex
    item_codes: tuple[str, ...]
    category: NDArray[np.str_]
    unit: NDArray[np.str_]
    elasticity: Array
    demand_share: Array
    neutral: Array
    weight: Array
    sold: Array
    offered: Array
    offered_then: Array
    price: Array
    cost: Array
    traffic: Array
    calendar: pd.DataFrame
    country: str
    around: Surroundings = field(default_factory=Surroundings)
    assortment: Assortment | None = None

    def price_factor(self, price: Array) -> Array:
        """p^β per item, to turn price-neutral demand into demand at `price` [money/unit, shape … × items]."""
        return np.asarray(np.power(price, self.elasticity))

    def recent_assortment(self) -> Array:
        """Sales on last week's shelf ÷ what `neutral` stands for, per item."""
        some = self.assortment
        return some.factor(some.recent) if some is not None and some.freed else np.ones(len(self.item_codes))


def panel_matrix(
    history: DemandHistory, response: PriceResponse, country: str, events: pd.DataFrame | None
) -> PanelMatrix:
    """The history as matrices over all its days and items; the price of a day without a full price is the last one.

    Days before an item's first full price teach nothing: their demand cannot be freed from the price.
    """
    panel = history.panel
    dates = pd.DatetimeIndex(history.calendar["date"])
    codes = tuple(sorted(panel["item_code"].unique()))
    by_item = panel.drop_duplicates("item_code").set_index("item_code").loc[list(codes)]
    beta = response.items.set_index("item_code")["elasticity"].reindex(list(codes)).to_numpy(dtype=float)

    day = dates.get_indexer(pd.DatetimeIndex(panel["date"]))
    item = pd.Index(codes).get_indexer(pd.Index(panel["item_code"]))

    def wide(column: str) -> Array:
        out = np.full((len(dates), len(codes)), np.nan)
        out[day, item] = panel[column].to_numpy(dtype=float)
        return out

    price, paid = wide("reference_price"), wide("full_price")
    paid = np.where(np.isnan(paid), price, paid)
    offered = np.nan_to_num(wide("offered"))
    weight = np.where(offered >= OFFERED_ENOUGH, offered, 0.0) * np.nan_to_num(wide("demand_weight"))
    weight *= 1.0 - history.calendar["closed"].to_numpy(dtype=float)[:, None]
    neutral = np.nan_to_num(wide("sold") + wide("hidden")) * np.power(paid, -beta)
    weight[~np.isfinite(neutral)] = 0.0
    return PanelMatrix(
        dates, codes, by_item["category"].to_numpy(dtype=str), by_item["unit"].to_numpy(dtype=str), beta,
        demand_share(panel, history.as_of).reindex(list(codes)).fillna(1.0).to_numpy(),
        np.nan_to_num(neutral), weight, np.nan_to_num(wide("sold")), offered, np.nan_to_num(wide("offered_then")),
        price, wide("wholesale_price"), history.calendar["store_transactions"].to_numpy(dtype=float),
        future_calendar(history.calendar["date"].min(), history.as_of, country, events), country,
    )  # fmt: skip


def with_assortment(m: PanelMatrix, history: DemandHistory, share: pd.Series, counted: bool) -> PanelMatrix:
    """The matrix with what is known of the assortment; `share`: category → share that moves, τ.

    `counted`: the shop counts its stock. Then what missing rivals brought is taken out of `neutral`. Where their
    absence has to be guessed from silences, that adds more noise than it takes away (docs/forecasting.md).
    """
    panel = history.panel
    served = (panel["sold"] / (panel["sold"] + panel["hidden"])).fillna(1.0)
    item = pd.Index(m.item_codes).get_indexer(pd.Index(panel["item_code"]))
    availability = np.zeros(m.sold.shape)
    availability[day_numbers(panel["date"], m.dates[0]), item] = np.nan_to_num(panel["offered"] * served)
    groups = substitute_groups(history.items).reindex(list(m.item_codes)).to_numpy(dtype=str)
    tau = pd.Series(m.category).map(share).fillna(float(share.mean())).to_numpy(dtype=float)
    is_open = ~history.calendar["closed"].to_numpy(dtype=bool)
    per_unit = purchases_per_unit(panel).reindex(list(m.item_codes)).to_numpy(dtype=float)
    value = np.nan_to_num(m.neutral * m.price_factor(m.price) * per_unit)
    group = np.unique(groups, return_inverse=True)[1]
    factor, assortment = assortment_factor(value, availability, m.weight, is_open, tau, group)
    if not counted:
        return replace(m, assortment=replace(assortment, freed=False))
    return replace(m, neutral=m.neutral / factor, assortment=assortment)


def demand_share(panel: pd.DataFrame, as_of: pd.Timestamp) -> pd.Series:
    """Full-price demand per unit of sales over the last eight weeks, key item_code, shrunk to the category's.

    Clearance sales are counted as demand only by the share they take from full price; how much is cleared is a habit of
    the shop and changes from day to day, so that total sales are easier to forecast than full-price demand itself.
    """
    recent = panel[(panel["date"] > as_of - pd.Timedelta(days=SHARE_DAYS)) & (panel["sold"] > 0)]
    recent = recent.assign(total=recent["sold"] + recent["hidden"])
    sums = recent.groupby(["category", "item_code"])[["demand", "total"]].sum().reset_index("category")
    mean = sums[["demand", "total"]].div(recent.groupby("item_code")["date"].count(), axis=0)
    usual = mean.groupby(sums["category"]).sum()
    prior = SHARE_PRIOR_DAYS * mean["total"]
    share = (sums["demand"] + prior * sums["category"].map(usual["demand"] / usual["total"])) / (sums["total"] + prior)
    return share.fillna(1.0)


def future_calendar(
    first: pd.Timestamp, as_of: pd.Timestamp, country: str, events: pd.DataFrame | None
) -> pd.DataFrame:
    """Calendar features from `first` to 40 days past `as_of`, key date (index)."""
    return calendar_features(first, as_of + pd.Timedelta(days=40), country, events).set_index("date")


def rolling_mean(values: Array, weight: Array, window: int) -> Array:
    """Weighted mean over the last `window` days up to and including each day; NaN where no weight fell in it."""
    used = np.where(weight > 0, values, 0.0)
    total, mass = rolling_sum(used * weight, window), rolling_sum(weight, window)
    return np.where(mass > 1e-9, total / np.maximum(mass, 1e-9), np.nan)


def rolling_sum(values: Array, window: int) -> Array:
    """Sum over the last `window` days up to and including each day, days × items."""
    running = np.cumsum(np.vstack([np.zeros((1, values.shape[1])), values]), axis=0)
    start = np.maximum(np.arange(1, len(running)) - window, 0)
    return np.asarray(running[1:] - running[start])


WEEKDAYS_BACK = 4
SHORT, LONG = 7, 28


def state_features(m: PanelMatrix, level: Array) -> dict[str, Array]:
    """What is known at the close of each day, each days × items; levels are price-neutral demand.

    `level` is the smoothing member's level. Ratios are against `base_level`, so that items share one scale.
    """
    base = base_level(m, level)
    taught = (m.weight > 0).astype(float)
    state = {f"mean_{k}": rolling_mean(m.neutral, m.weight, k) / base for k in (3, SHORT, LONG, 56, 364)}
    last, last_but_one = _last_two(m)
    sold_day = np.where(m.sold > 0, np.arange(len(m.dates))[:, None], -np.inf)
    since_sale = np.arange(len(m.dates))[:, None] - np.maximum.accumulate(sold_day, axis=0)
    return state | {
        "log_base": np.log(base),
        "level": np.nan_to_num(level) / base,
        "last": last / base,
        "last_but_one": last_but_one / base,
        "days_since_sale": np.clip(since_sale, 0, 60),
        "offered_share": rolling_mean(m.offered_then, np.ones_like(m.weight), LONG),
        **{f"taught_{k}": rolling_sum(taught, k) for k in (SHORT, LONG, 365)},
        **_price_features(m),
        **_store_features(m),
        **m.around.state(m.price, m.cost, m.category),
    }


def _last_two(m: PanelMatrix) -> tuple[Array, Array]:
    """The last taught observation at every day and the one before it, days × items; NaN before there are any."""
    day = np.arange(len(m.dates))[:, None]
    last = np.maximum.accumulate(np.where(m.weight > 0, day, -1), axis=0)
    before = np.where(last > 0, np.take_along_axis(last, np.maximum(last - 1, 0), axis=0), -1)
    single = [np.take_along_axis(m.neutral, np.maximum(k, 0), axis=0) for k in (last, before)]
    return np.where(last >= 0, single[0], np.nan), np.where(before >= 0, single[1], np.nan)


def base_level(m: PanelMatrix, level: Array) -> Array:
    """Scale of an item at each day: its mean over the taught days of the last two weeks, else the smoothing level.

    Never below a twentieth of its yearly mean: always > 0.
    """
    recent, year = rolling_mean(m.neutral, m.weight, 14), rolling_mean(m.neutral, m.weight, 365)
    floor = np.nan_to_num(year, nan=0.0) * 0.05
    return np.maximum(np.maximum(np.where(np.isfinite(recent), recent, np.nan_to_num(level)), floor), 1e-3)


def _price_features(m: PanelMatrix) -> dict[str, Array]:
    """Where price and cost stand against their own past; the price of the target day is never among them."""
    priced, costed = np.isfinite(m.price).astype(float), np.isfinite(m.cost).astype(float)
    week_ago = np.vstack([np.full((SHORT, m.price.shape[1]), np.nan), m.price[:-SHORT]])[: len(m.price)]
    return {
        "price": np.log(m.price),
        "price_change": m.price / rolling_mean(m.price, priced, LONG),
        "price_change_week": m.price / week_ago,
        "cost_change": m.cost / rolling_mean(m.cost, costed, 14),
        "markup": m.price / m.cost,
    }


def _store_features(m: PanelMatrix) -> dict[str, Array]:
    """Store transactions, category value and number of items sold lately, against the last four weeks.

    Closed days are left out.
    """
    traffic, is_open = m.traffic[:, None], (m.traffic > 0).astype(float)[:, None]
    shape = np.ones((1, len(m.item_codes)))
    sold = (m.sold > 0).astype(float)
    value = np.nan_to_num(m.sold * m.price)
    names, position = np.unique(m.category, return_inverse=True)
    groups = np.eye(len(names))[position]
    out = {f"traffic_{k}": _relative(traffic, is_open, k) * shape for k in (1, 3, SHORT)}
    out |= {f"category_{k}": _relative((value @ groups)[:, position], is_open * shape, k) for k in (1, 3, SHORT)}
    out["items_sold"] = _relative(sold.sum(1, keepdims=True), is_open, 1) * shape
    out["category_items_sold"] = _relative((sold @ groups)[:, position], is_open * shape, 1)
    return out


def _relative(values: Array, is_open: Array, days: int) -> Array:
    """Mean of the last `days` days against that of the last four weeks; NaN without either."""
    usual = rolling_mean(values, is_open, LONG)
    return rolling_mean(values, is_open, days) / np.where(usual > 0, usual, np.nan)


CALENDAR = ("weekday", "month", "is_holiday", "is_workday", "days_to_holiday", "days_since_holiday")


def target_features(
    m: PanelMatrix,
    state: dict[str, Array],
    origins: NDArray[np.int64],
    horizon: int,
    categories: tuple[str, ...],
    cells: NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """Rows (origin × item) of covariates: state at the origin, calendar of the *target* date, horizon, item traits.

    `origins`: day numbers; the target date is `horizon` days later and may lie past the history. `categories`: those
    known when the model was fitted, in its order; items of a later category have none (NaN). `cells`: which of the
    origins × items are wanted (default: all).
    """
    wanted = np.ones((len(origins), len(m.item_codes)), dtype=bool) if cells is None else cells
    origin, item = np.nonzero(wanted)
    targets = m.dates[origins] + pd.Timedelta(days=horizon)
    columns = {k: v[origins[origin], item] for k, v in state.items()}
    days = m.calendar.reindex(targets)
    columns |= {k: days[k].to_numpy(dtype=float)[origin] for k in CALENDAR}
    columns["horizon"] = np.full(len(origin), float(horizon))
    columns |= {k: v[wanted] for k, v in _same_weekday(m, state, origins, horizon).items()}
    columns["weekday_traffic"] = _weekday_traffic(m, origins, horizon)[origin]
    columns |= {k: v[origin] for k, v in m.around.target(m.dates[origins], horizon).items()}
    number = {name: float(k) for k, name in enumerate(categories)}
    columns["category"] = np.array([number.get(str(c), np.nan) for c in m.category])[item]
    columns["pack"] = (m.unit == "pack").astype(float)[item]
    return pd.DataFrame(columns)


def _weeks_back(origins: NDArray[np.int64], horizon: int) -> NDArray[np.int64]:
    """Day numbers of the last four days of the target's weekday known at each origin; negative before the data."""
    back = np.array([7 * ((horizon + 6) // 7 + k) - horizon for k in range(WEEKDAYS_BACK)])
    return np.asarray(origins[:, None] - back[None, :])


def _same_weekday(
    m: PanelMatrix, state: dict[str, Array], origins: NDArray[np.int64], horizon: int
) -> dict[str, Array]:
    """Demand on the last two days of the target's weekday and the mean of the last four, against the base level."""
    rows = _weeks_back(origins, horizon)
    weight = m.weight[np.maximum(rows, 0)] * (rows >= 0)[:, :, None]
    demand = m.neutral[np.maximum(rows, 0)]
    base = np.exp(state["log_base"][origins])
    mass = weight.sum(1)
    mean = np.where(mass > 0, (demand * weight).sum(1) / np.maximum(mass, 1e-9), np.nan)
    single = np.where(weight > 0, demand, np.nan)
    return {"weekday_1": single[:, 0] / base, "weekday_2": single[:, 1] / base, "weekday_ratio": mean / base}


def _weekday_traffic(m: PanelMatrix, origins: NDArray[np.int64], horizon: int) -> Array:
    """Mean over the last four days of the target's weekday of store transactions against the week they ended."""
    is_open = (m.traffic > 0).astype(float)
    week = rolling_mean(m.traffic[:, None], is_open[:, None], SHORT)[:, 0]
    rows = _weeks_back(origins, horizon)
    known = (rows >= 0) & (is_open[np.maximum(rows, 0)] > 0)
    ratio = np.where(known, m.traffic[np.maximum(rows, 0)] / week[np.maximum(rows, 0)], 0.0)
    count = known.sum(1)
    return np.where(count > 0, ratio.sum(1) / np.maximum(count, 1), np.nan)
