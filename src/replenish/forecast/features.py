"""The panel as matrices (days × items) with price taken out, and covariates of a target date seen from an origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.history.holidays import calendar_features
from replenish.records import DemandHistory, PriceResponse

Array = NDArray[np.float64]
OFFERED_ENOUGH = 0.5


@dataclass(frozen=True)
class PanelMatrix:
    """One store's panel, arrays of shape days × items.

    `neutral`: demand with the price taken out, q·p^(−β) (multiply by p⁰^β for demand at a price p⁰). `weight`: 0–1, how
    far the day may teach (offered, open, not cut short). `sold`, `offered` (probability as seen today), `offered_then`
    (as seen that evening), `price` (last full price up to the day) and `cost` (last valid wholesale price), NaN before
    the first. `elasticity`, `category`, `unit`: per item. `traffic`: transactions per day.
    """

    dates: pd.DatetimeIndex
    item_codes: tuple[str, ...]
    category: NDArray[np.str_]
    unit: NDArray[np.str_]
    elasticity: Array
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

    def price_factor(self, price: Array) -> Array:
        """p^β per item, to turn price-neutral demand into demand at `price` [money/unit, shape … × items]."""
        return np.asarray(np.power(price, self.elasticity))


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

    price = wide("reference_price")
    paid = np.where(np.isnan(wide("full_price")), price, wide("full_price"))
    offered = np.nan_to_num(wide("offered"))
    weight = np.where(offered >= OFFERED_ENOUGH, offered, 0.0) * np.nan_to_num(wide("demand_weight"))
    weight *= 1.0 - history.calendar["closed"].to_numpy(dtype=float)[:, None]
    neutral = np.nan_to_num(wide("demand")) * np.power(paid, -beta)
    weight[~np.isfinite(neutral)] = 0.0
    return PanelMatrix(
        dates, codes, by_item["category"].to_numpy(dtype=str), by_item["unit"].to_numpy(dtype=str), beta,
        np.nan_to_num(neutral), weight, np.nan_to_num(wide("sold")), offered, np.nan_to_num(wide("offered_then")),
        price, wide("wholesale_price"), history.calendar["store_transactions"].to_numpy(dtype=float),
        future_calendar(history.calendar["date"].min(), history.as_of, country, events), country,
    )  # fmt: skip


def future_calendar(
    first: pd.Timestamp, as_of: pd.Timestamp, country: str, events: pd.DataFrame | None
) -> pd.DataFrame:
    """Calendar features from `first` to 40 days past `as_of`, key date (index)."""
    return calendar_features(first, as_of + pd.Timedelta(days=40), country, events).set_index("date")


def rolling_mean(values: Array, weight: Array, window: int) -> Array:
    """Weighted mean over the last `window` days up to and including each day; NaN where no weight fell in it."""
    used = np.where(weight > 0, values, 0.0)
    total, mass = _rolling_sum(used * weight, window), _rolling_sum(weight, window)
    return np.where(mass > 1e-9, total / np.maximum(mass, 1e-9), np.nan)


def _rolling_sum(values: Array, window: int) -> Array:
    running = np.cumsum(np.vstack([np.zeros((1, values.shape[1])), values]), axis=0)
    start = np.maximum(np.arange(1, len(running)) - window, 0)
    return np.asarray(running[1:] - running[start])


def state_features(m: PanelMatrix, level: Array) -> dict[str, Array]:
    """What is known at the close of each day, each days × items; levels are price-neutral demand.

    `level` is the smoothing member's level. Ratios are against the 28-day mean, so that items share one scale.
    """
    priced, costed = np.isfinite(m.price).astype(float), np.isfinite(m.cost).astype(float)
    week, month = rolling_mean(m.neutral, m.weight, 7), rolling_mean(m.neutral, m.weight, 28)
    base = base_level(m, level)
    last = pd.DataFrame(np.where(m.weight > 0, m.neutral, np.nan)).ffill().to_numpy()
    sold_day = np.where(m.sold > 0, np.arange(len(m.dates))[:, None], -np.inf)
    since_sale = np.arange(len(m.dates))[:, None] - np.maximum.accumulate(sold_day, axis=0)
    ones = np.ones_like(m.weight)
    return {
        "log_base": np.log(base),
        "week_ratio": week / base,
        "month_ratio": month / base,
        "last_ratio": last / base,
        "days_since_sale": np.clip(since_sale, 0, 60),
        "offered_share": rolling_mean(m.offered_then, ones, 28),
        "taught_days": _rolling_sum((m.weight > 0).astype(float), 365),
        "price_change": m.price / rolling_mean(m.price, priced, 28),
        "cost_change": m.cost / rolling_mean(m.cost, costed, 14),
        "markup": m.price / m.cost,
        **_traffic_features(m),
    }


def base_level(m: PanelMatrix, level: Array) -> Array:
    """Scale of an item at each day: the smoothing level, with the item's long mean where that is zero (always > 0)."""
    year = rolling_mean(m.neutral, m.weight, 365)
    floor = np.nan_to_num(year, nan=0.0) * 0.05
    return np.maximum(np.maximum(np.nan_to_num(level), floor), 1e-3)


def _traffic_features(m: PanelMatrix) -> dict[str, Array]:
    """Store transactions of the last day, three days and week against the last four weeks (closed days left out)."""
    traffic, is_open = m.traffic[:, None], (m.traffic > 0).astype(float)[:, None]
    month = rolling_mean(traffic, is_open, 28)
    shape = np.ones((1, len(m.item_codes)))
    return {f"traffic_{k}": rolling_mean(traffic, is_open, k) / month * shape for k in (1, 3, 7)}


CALENDAR = ("weekday", "month", "is_holiday", "is_workday", "days_to_holiday", "days_since_holiday")


def target_features(
    m: PanelMatrix, state: dict[str, Array], origins: NDArray[np.int64], horizon: int, categories: tuple[str, ...]
) -> pd.DataFrame:
    """Rows (origin × item) of covariates: state at the origin, calendar of the *target* date, horizon, item traits.

    `origins`: day numbers; the target date is `horizon` days later and may lie past the history. `categories`: those
    known when the model was fitted, in its order; items of a later category have none (NaN).
    """
    items = len(m.item_codes)
    targets = m.dates[origins] + pd.Timedelta(days=horizon)
    columns = {k: v[origins].ravel() for k, v in state.items()}
    days = m.calendar.reindex(targets)
    columns |= {k: np.repeat(days[k].to_numpy(dtype=float), items) for k in CALENDAR}
    columns["day_of_year"] = np.repeat(targets.day_of_year.to_numpy(dtype=float), items)
    columns["horizon"] = np.full(len(origins) * items, float(horizon))
    columns["weekday_ratio"] = _weekday_ratio(m, state, origins, horizon).ravel()
    number = {name: float(k) for k, name in enumerate(categories)}
    columns["category"] = np.tile([number.get(str(c), np.nan) for c in m.category], len(origins))
    columns["pack"] = np.tile((m.unit == "pack").astype(float), len(origins))
    return pd.DataFrame(columns)


def _weekday_ratio(m: PanelMatrix, state: dict[str, Array], origins: NDArray[np.int64], horizon: int) -> Array:
    """Mean of the last four same-weekday days known at the origin, against the item's base level."""
    back = np.array([7 * ((horizon + 6) // 7 + k) - horizon for k in range(4)])
    rows = origins[:, None] - back[None, :]
    valid = (rows >= 0)[:, :, None]
    weight = m.weight[np.maximum(rows, 0)] * valid
    total = (m.neutral[np.maximum(rows, 0)] * weight).sum(1)
    mass = weight.sum(1)
    return np.where(mass > 0, total / np.maximum(mass, 1e-9), np.nan) / np.exp(state["log_base"][origins])
