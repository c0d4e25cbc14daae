"""The panel as matrices (days × items) with price taken out, and covariates of a target date seen from an origin."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.forecast.outliers import highest_usual
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
    `excess`: how many times its limit a day was that is far above the item's usual ones (`outliers.py`), else 1;
    `neutral` and `sold` stand for the limit then, and the day teaches by as much less.
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
    excess: Array | None = None

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
    neutral = np.nan_to_num(neutral)
    excess = np.maximum(neutral / highest_usual(neutral, weight > 0), 1.0)
    return PanelMatrix(
        dates, codes, by_item["category"].to_numpy(dtype=str), by_item["unit"].to_numpy(dtype=str), beta,
        demand_share(panel, history.as_of).reindex(list(codes)).fillna(1.0).to_numpy(),
        neutral / excess, weight / excess, np.nan_to_num(wide("sold")) / excess, offered,
        np.nan_to_num(wide("offered_then")),
        price, wide("wholesale_price"), history.calendar["store_transactions"].to_numpy(dtype=float),
        future_calendar(history.calendar["date"].min(), history.as_of, country, events), country, excess=excess,
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


def rolling_mean(values: Array, weight: Array, window: int, since: int = 0) -> Array:
    """Weighted mean over the last `window` days up to and including each day from day number `since` on.

    NaN where no weight fell in it.
    """
    first = _first_needed(window, since)
    values, weight, since = values[first:], weight[first:], since - first
    used = np.where(weight > 0, values, 0.0)
    total, mass = rolling_sum(used * weight, window, since), rolling_sum(weight, window, since)
    return np.where(mass > 1e-9, total / np.maximum(mass, 1e-9), np.nan)


def rolling_sum(values: Array, window: int, since: int = 0) -> Array:
    """Sum over the last `window` days up to and including each day from day number `since` on, days × items.

    Only the days in those windows are touched: of a long panel with many items, one evening costs little.
    """
    first = _first_needed(window, since)
    running = np.cumsum(np.vstack([np.zeros((1, values.shape[1])), values[first:]]), axis=0)
    ends = running[since - first + 1 :]
    start = np.maximum(np.arange(len(running) - len(ends), len(running)) - window, 0)
    return np.asarray(ends - running[start])


def _first_needed(window: int, since: int) -> int:
    """The first day in the last `window` days up to and including `since`."""
    return max(since + 1 - window, 0)


WEEKDAYS_BACK = 4
SHORT, LONG = 7, 28
LONGEST_GAP = 60


@dataclass(frozen=True)
class State:
    """What is known at the close of each day from day number `since` on, days × items (see `state_features`).

    `base`: the scale of each item (`base_level`) [unit, price-neutral]; `features`: name → values.
    """

    since: int
    base: Array
    features: dict[str, Array]

    def base_at(self, days: NDArray[np.int64]) -> Array:
        """`base` on these days (day numbers of the panel), len(days) × items."""
        return np.asarray(self.base[days - self.since])

    def at(self, name: str, days: NDArray[np.int64]) -> Array:
        """One feature on these days (day numbers of the panel), len(days) × items."""
        return np.asarray(self.features[name][days - self.since])


def state_features(m: PanelMatrix, level: Array, since: int = 0) -> State:
    """What is known at the close of each day from day number `since` on; levels are price-neutral demand.

    `level` is the smoothing member's level (all days × items). Ratios are against `base_level`, so that items share one
    scale.
    """
    base = base_level(m, level, since)
    taught = (m.weight > 0).astype(float)
    means = {f"mean_{k}": rolling_mean(m.neutral, m.weight, k, since) / base for k in (3, SHORT, LONG, 56, 364)}
    last, last_but_one = _last_two(m, since)
    features = means | {
        "log_base": np.log(base),
        "level": np.nan_to_num(level[since:]) / base,
        "last": last / base,
        "last_but_one": last_but_one / base,
        "days_since_sale": _days_since_sale(m, since),
        "offered_share": rolling_mean(m.offered_then, np.ones_like(m.weight), LONG, since),
        **{f"taught_{k}": rolling_sum(taught, k, since) for k in (SHORT, LONG, 365)},
        **_price_features(m, since),
        **_store_features(m, since),
        **m.around.state(m.price, m.cost, m.category, since),
    }
    return State(since, base, features)


def _last_two(m: PanelMatrix, since: int = 0) -> tuple[Array, Array]:
    """The last taught observation at every day from `since` on and the one before it; NaN before there are any."""
    day = np.arange(len(m.dates), dtype=np.int32)[:, None]
    ever = np.maximum.accumulate(np.where(m.weight > 0, day, np.int32(-1)), axis=0)
    last = ever[since:]
    before = np.where(last > 0, np.take_along_axis(ever, np.maximum(last - 1, 0), axis=0), -1)
    single = [np.take_along_axis(m.neutral, np.maximum(k, 0), axis=0) for k in (last, before)]
    return np.where(last >= 0, single[0], np.nan), np.where(before >= 0, single[1], np.nan)


def _days_since_sale(m: PanelMatrix, since: int) -> Array:
    """Days since the last sale, at most `LONGEST_GAP`, on every day from `since` on."""
    first = _first_needed(LONGEST_GAP, since)
    day = np.arange(first, len(m.dates), dtype=float)[:, None]
    sold_day = np.maximum.accumulate(np.where(m.sold[first:] > 0, day, -np.inf), axis=0)
    return np.asarray(np.minimum(day - sold_day, LONGEST_GAP)[since - first :])


def base_level(m: PanelMatrix, level: Array, since: int = 0) -> Array:
    """Scale of an item at each day from `since` on: its mean over the taught days of the last two weeks, else `level`.

    Never below a twentieth of its yearly mean: always > 0.
    """
    recent, year = (rolling_mean(m.neutral, m.weight, days, since) for days in (14, 365))
    floor = np.nan_to_num(year, nan=0.0) * 0.05
    return np.maximum(np.maximum(np.where(np.isfinite(recent), recent, np.nan_to_num(level[since:])), floor), 1e-3)


def _price_features(m: PanelMatrix, since: int) -> dict[str, Array]:
    """Where price and cost stand against their own past; the price of the target day is never among them."""
    first = _first_needed(LONG, since)
    price, cost, since = m.price[first:], m.cost[first:], since - first
    priced, costed = np.isfinite(price).astype(float), np.isfinite(cost).astype(float)
    week_ago = np.vstack([np.full((SHORT, price.shape[1]), np.nan), price[:-SHORT]])[: len(price)]
    now, cost_now = price[since:], cost[since:]
    return {
        "price": np.log(now),
        "price_change": now / rolling_mean(price, priced, LONG, since),
        "price_change_week": now / week_ago[since:],
        "cost_change": cost_now / rolling_mean(cost, costed, 14, since),
        "markup": now / cost_now,
    }


def _store_features(m: PanelMatrix, since: int) -> dict[str, Array]:
    """Store transactions, category value and number of items sold lately, against the last four weeks.

    Closed days are left out.
    """
    first = _first_needed(LONG, since)
    traffic = m.traffic[first:, None]
    is_open, shape = (traffic > 0).astype(float), np.ones((1, len(m.item_codes)))
    sold, value = (m.sold[first:] > 0).astype(float), np.nan_to_num(m.sold[first:] * m.price[first:])
    names, position = np.unique(m.category, return_inverse=True)
    groups = np.eye(len(names))[position]

    def lately(values: Array, days: int) -> Array:
        return _relative(values, is_open, days, since - first)

    out = {f"traffic_{k}": lately(traffic, k) * shape for k in (1, 3, SHORT)}
    out |= {f"category_{k}": lately(value @ groups, k)[:, position] for k in (1, 3, SHORT)}
    out["items_sold"] = lately(sold.sum(1, keepdims=True), 1) * shape
    out["category_items_sold"] = lately(sold @ groups, 1)[:, position]
    return out


def _relative(values: Array, is_open: Array, days: int, since: int) -> Array:
    """Mean of the last `days` days against that of the last four weeks; NaN without either. `is_open`: days × 1."""
    weight = np.broadcast_to(is_open, values.shape)
    usual = rolling_mean(values, weight, LONG, since)
    return rolling_mean(values, weight, days, since) / np.where(usual > 0, usual, np.nan)


CALENDAR = ("weekday", "month", "is_holiday", "is_workday", "days_to_holiday", "days_since_holiday")


def target_features(
    m: PanelMatrix,
    state: State,
    origins: NDArray[np.int64],
    horizon: int,
    categories: tuple[str, ...],
    cells: NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """Rows (origin × item) of covariates: state at the origin, calendar of the *target* date, horizon, item traits.

    `origins`: day numbers; the target date is `horizon` days later and may lie past the history. `categories`: those
    known when the model was fitted, in its order; items of a later category have none (NaN). `cells`: which of the
    origins × items are wanted (default: all). Columns are float32.
    """
    wanted = np.ones((len(origins), len(m.item_codes)), dtype=bool) if cells is None else cells
    origin, item = np.nonzero(wanted)
    targets = m.dates[origins] + pd.Timedelta(days=horizon)
    columns = {k: v[origins[origin] - state.since, item] for k, v in state.features.items()}
    days = m.calendar.reindex(targets)
    columns |= {k: days[k].to_numpy(dtype=float)[origin] for k in CALENDAR}
    columns["horizon"] = np.full(len(origin), float(horizon))
    columns |= {k: v[wanted] for k, v in _same_weekday(m, state, origins, horizon).items()}
    columns["weekday_traffic"] = _weekday_traffic(m, origins, horizon)[origin]
    columns |= {k: v[origin] for k, v in m.around.target(m.dates[origins], horizon).items()}
    number = {name: float(k) for k, name in enumerate(categories)}
    columns["category"] = np.array([number.get(str(c), np.nan) for c in m.category])[item]
    columns["pack"] = (m.unit == "pack").astype(float)[item]
    # Single precision: running sums leave 1 ± 1e-15 where a price stood still, which trees would take for a change.
    return pd.DataFrame({name: values.astype(np.float32) for name, values in columns.items()})


def _weeks_back(origins: NDArray[np.int64], horizon: int) -> NDArray[np.int64]:
    """Day numbers of the last four days of the target's weekday known at each origin; negative before the data."""
    back = np.array([7 * ((horizon + 6) // 7 + k) - horizon for k in range(WEEKDAYS_BACK)])
    return np.asarray(origins[:, None] - back[None, :])


def _same_weekday(m: PanelMatrix, state: State, origins: NDArray[np.int64], horizon: int) -> dict[str, Array]:
    """Demand on the last two days of the target's weekday and the mean of the last four, against the base level."""
    rows = _weeks_back(origins, horizon)
    weight = m.weight[np.maximum(rows, 0)] * (rows >= 0)[:, :, None]
    demand = m.neutral[np.maximum(rows, 0)]
    base = state.base_at(origins)
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
