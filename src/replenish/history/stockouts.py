"""Days that sold out: found from the silence after the last sale, and the demand they hid (design, section 4)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln

from replenish.settings import HistorySettings

PROFILE_DAYS = 365
PRIOR_SOLD_OUT = 0.05  # share of item-days the reference shop sells out before closing
PRIOR_DAYS = 28
# Shoppers come in clusters, and days differ in their rhythm: the smaller, the more (∞: independent arrivals).
CONCENTRATIONS = (np.inf, 100.0, 60.0, 40.0, 25.0, 15.0, 10.0, 7.0)
BULK = 0.25  # this share of ordinary days must have a chance of at most this
MIN_BULK_DAYS = 200
# A recovered day teaches, but less than an observed one; leaving such days out would teach only the quiet days.
KNOWN_FACTOR = 4.0  # most that recovered demand may be of the sales where the shelf is known to have been empty
RECOVERED_WEIGHT = 0.5


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
    wide = profile.pivot_table(index=["category", "weekday"], columns="half_hour", values="cumulative")
    row = wide.index.get_indexer(pd.MultiIndex.from_arrays([category, date.dt.day_of_week]))
    table = np.hstack([np.zeros((len(wide), 1)), wide.to_numpy()])
    position = np.clip(hour.fillna(0).to_numpy() * 2, 0, 47.999)
    low = position.astype(int)
    value = table[row, low] + (position - low) * (table[row, low + 1] - table[row, low])
    return np.where((row >= 0) & hour.notna().to_numpy(), value, np.nan)


def empty_at_close(panel: pd.DataFrame, stock: pd.DataFrame | None) -> NDArray[np.bool_]:
    """Rows of the panel that sold at full price until the counted stock was zero; all false without counts.

    An item whose count is zero every evening is not counted but written off, which tells nothing.
    """
    if stock is None or not len(stock):
        return np.zeros(len(panel), dtype=bool)
    counted = stock[stock.groupby("item_code")["on_hand"].transform("max") > 0]
    found = panel[["item_code", "date"]].merge(
        counted[["item_code", "date", "on_hand"]], how="left", on=["item_code", "date"], validate="m:1"
    )
    empty = found["on_hand"].eq(0).to_numpy(dtype=bool)
    return np.asarray(empty & (panel["sold"] > 0).to_numpy() & ~panel["clearance_day"].to_numpy())


def find_stockouts(
    panel: pd.DataFrame, profile: pd.DataFrame, settings: HistorySettings, empty: NDArray[np.bool_] | None = None
) -> pd.DataFrame:
    """Stock-outs of each panel row and demand: silence_p, sold_out_probability, hidden, demand, demand_weight.

    `hidden`: what the stock-out kept from being sold; `demand`: full-price demand with it [unit].

    `silence_p` is the chance of so early an end without a stock-out (`silence_chance`; NaN where it cannot be told),
    with the clustering of arrivals that this shop's ordinary days show (`arrival_concentration`). `empty`:
    rows known to have ended without stock: their demand is recovered from the time of the last sale, however few the
    sales; where no times tell how early, they teach nothing.
    """
    n = panel["transactions"].to_numpy(dtype=float)
    share = profile_at(profile, panel["category"], panel["date"], panel["last_sale_hour"])
    testable = (n >= settings.stockout_min_sales) & ~panel["clearance_day"].to_numpy() & np.isfinite(share)
    silence = np.full(len(panel), np.nan)
    ordinary = testable if empty is None else testable & ~empty
    concentration = arrival_concentration(share[ordinary], n[ordinary])
    silence[testable] = silence_chance(share[testable], n[testable], concentration)
    silent = testable & (silence < settings.stockout_training_p)
    usual = _usual_transactions(panel, silent)
    rate, quiet = _posterior(n, share, usual)
    if np.isfinite(concentration):
        quiet = np.maximum(quiet, np.nan_to_num(silence, nan=1.0))
    sold_out = np.where(silent, PRIOR_SOLD_OUT / (PRIOR_SOLD_OUT + (1 - PRIOR_SOLD_OUT) * quiet), 0.0)
    sold = _full_price_demand(panel, settings)
    hidden = rate * (1 - np.nan_to_num(share, nan=1.0)) * sold / np.maximum(n, 1)
    recover = silent & (silence < settings.stockout_recover_p)
    guessed = np.where(recover, np.minimum(sold_out * hidden, (settings.stockout_max_factor - 1) * sold), 0.0)
    weight = np.where(recover, RECOVERED_WEIGHT, np.where(silent, 0.0, 1.0))
    columns = {"silence_p": silence, "sold_out_probability": sold_out, "hidden": guessed, "demand": sold + guessed,
               "demand_weight": weight}  # fmt: skip
    found = pd.DataFrame(columns, index=panel.index)
    return found if empty is None else _with_counts(found, empty, np.isfinite(share), sold, hidden)


def _with_counts(
    found: pd.DataFrame, empty: NDArray[np.bool_], timed: NDArray[np.bool_], sold: NDArray, hidden: NDArray
) -> pd.DataFrame:
    """The stock-outs with what the counts tell: `empty` rows are sold out for certain, whatever their times say.

    Where a time tells how early, the hidden demand is added and the day counts in full: to count it less because it
    sold out would be to expect too little.
    """
    known = np.where(empty & timed, np.minimum(hidden, (KNOWN_FACTOR - 1) * sold), found["hidden"])
    return found.assign(
        sold_out_probability=np.where(empty, 1.0, found["sold_out_probability"]),
        hidden=known,
        demand=sold + known,
        demand_weight=np.where(empty, np.where(timed, 1.0, 0.0), found["demand_weight"]),
    )


def silence_chance(share: NDArray[np.float64], n: NDArray[np.float64], concentration: float) -> NDArray[np.float64]:
    """Chance that all n sales of an ordinary day fall before the time by which `share` F of a usual day's do.

    F(t)^n for independent arrivals; with clustered ones F varies from day to day like Beta(sF, s(1 − F)) with the
    concentration s, which gives Γ(sF + n) Γ(s) ÷ (Γ(sF) Γ(s + n)) (beta-binomial).
    """
    part = np.clip(share, 1e-9, 1.0)
    if np.isinf(concentration):
        return np.asarray(np.power(part, n))
    a = concentration * part
    log_chance = gammaln(a + n) - gammaln(a) - gammaln(concentration + n) + gammaln(concentration)
    return np.asarray(np.exp(np.minimum(log_chance, 0.0)))


def arrival_concentration(share: NDArray[np.float64], n: NDArray[np.float64]) -> float:
    """Largest concentration with which ordinary days look ordinary: a quarter of them have a chance of at most ¼.

    Sold-out days (`PRIOR_SOLD_OUT`) may come on top. Independent arrivals with too few days to tell.
    """
    if len(n) < MIN_BULK_DAYS:
        return CONCENTRATIONS[0]
    for concentration in CONCENTRATIONS:
        if (silence_chance(share, n, concentration) <= BULK).mean() <= BULK + PRIOR_SOLD_OUT:
            return concentration
    return CONCENTRATIONS[-1]


def _full_price_demand(panel: pd.DataFrame, settings: HistorySettings) -> NDArray[np.float64]:
    """Full-price sales plus the clearance sales that took their place (φ of the design, section 4) [unit]."""
    lost_to_clearance = settings.clearance_cannibalisation * panel["clearance_sold"]
    return (panel["full_price_sold"] + lost_to_clearance).to_numpy(dtype=float)


def _usual_transactions(panel: pd.DataFrame, silent: NDArray[np.bool_]) -> pd.DataFrame:
    """Mean and variance of the item's daily transactions over its last days without a stock-out, shifted by a day."""
    n = panel["transactions"].where(~silent & (panel["transactions"] > 0))
    rolling = n.groupby(panel["item_code"]).rolling(PRIOR_DAYS, min_periods=3)
    out = pd.DataFrame({"mean": rolling.mean(), "var": rolling.var()}).droplevel(0).reindex(panel.index)
    return out.groupby(panel["item_code"]).shift(1)


def _posterior(n: NDArray[np.float64], share: NDArray[np.float64], usual: pd.DataFrame) -> tuple[NDArray, NDArray]:
    """Gamma–Poisson: E[full-day transactions | n by t] and the chance of silence after t if not sold out.

    Prior Gamma(a, b) matches the item's mean and over-dispersion; posterior Gamma(a + n, b + F(t)).
    """
    mean = usual["mean"].fillna(pd.Series(n, index=usual.index)).clip(lower=1.0).to_numpy()
    extra = (usual["var"].fillna(usual["mean"] * 3).to_numpy()) - mean
    b = mean / np.clip(np.nan_to_num(extra, nan=1.0), 0.25 * mean, 25 * mean)
    a = mean * b
    seen = np.nan_to_num(share, nan=1.0)
    rate = (a + n) / (b + seen)
    quiet = np.power((b + seen) / (b + 1.0), a + n)
    return rate, quiet
