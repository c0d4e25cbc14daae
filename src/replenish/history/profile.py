"""The usual day: which share of its transactions has come by when, and by when on a very day."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PROFILE_DAYS = 365
USUAL_WEIGHT = 30.0  # the usual profile counts as that many transactions beside those of the category that day


def hourly_profile(intraday: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Cumulative share of the day's transactions at the end of each half hour, from the year up to `as_of`.

    Key (category, weekday, half_hour); column `cumulative` in [0, 1]; every group has all 48 half hours.
    """
    recent = intraday[intraday["date"] > as_of - pd.Timedelta(days=PROFILE_DAYS)]
    if recent.empty:
        return pd.DataFrame(columns=["category", "weekday", "half_hour", "cumulative"])
    counts = recent.assign(weekday=recent["date"].dt.day_of_week).pivot_table(
        index=["category", "weekday"], columns="half_hour", values="transactions", aggfunc="sum", fill_value=0
    )
    counts = counts.reindex(columns=range(48), fill_value=0)
    share = counts.cumsum(axis=1).div(counts.sum(axis=1), axis=0)
    long = share.reset_index().melt(["category", "weekday"], var_name="half_hour", value_name="cumulative")
    return long.astype({"half_hour": "int64"}).sort_values(["category", "weekday", "half_hour"], ignore_index=True)


def profile_at(profile: pd.DataFrame, category: pd.Series, date: pd.Series, hour: pd.Series) -> NDArray[np.float64]:
    """F(t): usual share of the day's transactions up to `hour`, interpolated; NaN where hour or profile is missing."""
    if profile.empty:
        return np.full(len(hour), np.nan)
    wide = _cumulative(profile)
    row = wide.index.get_indexer(_profile_key(category, date))
    table = np.hstack([np.zeros((len(wide), 1)), wide.to_numpy()])
    position = np.clip(hour.fillna(0).to_numpy() * 2, 0, 47.999)
    low = position.astype(int)
    value = table[row, low] + (position - low) * (table[row, low + 1] - table[row, low])
    return np.where((row >= 0) & hour.notna().to_numpy(), value, np.nan)


def cumulative_by_day(intraday: pd.DataFrame) -> pd.DataFrame:
    """Cumulative transactions of every (category, date) × the ends of the 48 half hours."""
    counts = intraday.pivot_table(
        index=["category", "date"], columns="half_hour", values="transactions", aggfunc="sum", fill_value=0
    )
    return counts.reindex(columns=range(48), fill_value=0).cumsum(axis=1)


def day_share(
    share: NDArray[np.float64], days: pd.DataFrame, panel: pd.DataFrame, hidden: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """F(t) of each row's own day: the usual `share` and the category's other items that day, as (KF + C(t)) ÷ (K + C).

    A shower at five ends the day early for every item, a stock-out for one. K is `USUAL_WEIGHT`; days without other
    sales keep the usual share. `hidden`: transactions of the row that `days` counts beyond its own.
    """
    out = share.copy()
    rows = days.index.get_indexer(pd.MultiIndex.from_frame(panel[["category", "date"]]))
    at = np.isfinite(share) & (rows >= 0)
    table, own = days.to_numpy(dtype=float)[rows[at]], panel["transactions"].to_numpy(dtype=float)[at]
    position = np.clip(panel["last_sale_hour"].to_numpy(dtype=float)[at] * 2, 0, 47.999)
    low, row = position.astype(int), np.arange(len(position))
    before = np.where(low > 0, table[row, low - 1], 0.0)
    so_far = before + (position - low) * (table[row, low] - before)
    others, all_others = np.maximum(so_far - own, 0.0), table[:, -1] - own
    if hidden is not None:
        all_others = all_others - hidden[at]
    all_others = np.maximum(all_others, others)
    out[at] = (USUAL_WEIGHT * share[at] + others) / (USUAL_WEIGHT + all_others)
    return out


def with_hidden(
    intraday: pd.DataFrame, panel: pd.DataFrame, profile: pd.DataFrame, hidden: NDArray[np.float64]
) -> pd.DataFrame:
    """`intraday` with the `hidden` transactions of each panel row spread over the rest of its day as usual."""
    at = hidden > 0
    rows, hidden = panel[at], hidden[at]
    wide = _cumulative(profile)
    table = wide.to_numpy()[wide.index.get_indexer(_profile_key(rows["category"], rows["date"]))]
    seen = profile_at(profile, rows["category"], rows["date"], rows["last_sale_hour"])[:, None]
    rest = np.diff(np.maximum(table, seen), axis=1, prepend=seen) * (hidden / np.maximum(1 - seen[:, 0], 1e-9))[:, None]
    added = pd.DataFrame(rest, index=pd.MultiIndex.from_frame(rows[["category", "date"]]), columns=wide.columns)
    long = added.groupby(level=[0, 1]).sum().reset_index()
    long = long.melt(["category", "date"], var_name="half_hour", value_name="transactions")
    return pd.concat([intraday[list(long.columns)], long], ignore_index=True)


def _cumulative(profile: pd.DataFrame) -> pd.DataFrame:
    """The profile as a table: (category, weekday) × half hours."""
    return profile.pivot_table(index=["category", "weekday"], columns="half_hour", values="cumulative")


def _profile_key(category: pd.Series, date: pd.Series) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([category, date.dt.day_of_week])
