"""Days that sold out: found from the silence after the last sale, and the demand they hid (design, section 4)."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln

from replenish.settings import HistorySettings

PROFILE_DAYS = 365
PRIOR_SOLD_OUT = 0.05  # share of item-days the reference shop sells out before closing; the least assumed of any shop
MOST_SOLD_OUT = 0.3
PRIOR_DAYS = 28
# Shoppers come in clusters, and days differ in their rhythm: the smaller, the more (∞: independent arrivals).
CONCENTRATIONS = (np.inf, 100.0, 60.0, 40.0, 25.0, 15.0, 10.0, 7.0, 5.0, 4.0, 3.0)
# Chances of ordinary days are uniform. Those of sold-out days are mostly small: only the days above ¼ are compared.
BULK, MIDDLE = 0.25, 0.5
UNEVEN = 1.03  # chance may put a little more of them below the middle
MIN_BULK_DAYS = 200
REPEATS = 2
WORTH_REPEATING = 0.01  # hidden transactions as a share of all that bend what is usual
USUAL_WEIGHT = 30.0  # the usual profile counts as that many transactions beside those of the category that day
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
    wide = _cumulative(profile)
    row = wide.index.get_indexer(_profile_key(category, date))
    table = np.hstack([np.zeros((len(wide), 1)), wide.to_numpy()])
    position = np.clip(hour.fillna(0).to_numpy() * 2, 0, 47.999)
    low = position.astype(int)
    value = table[row, low] + (position - low) * (table[row, low + 1] - table[row, low])
    return np.where((row >= 0) & hour.notna().to_numpy(), value, np.nan)


def _cumulative_by_day(intraday: pd.DataFrame) -> pd.DataFrame:
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


def _cumulative(profile: pd.DataFrame) -> pd.DataFrame:
    """The profile as a table: (category, weekday) × half hours."""
    return profile.pivot_table(index=["category", "weekday"], columns="half_hour", values="cumulative")


def _profile_key(category: pd.Series, date: pd.Series) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([category, date.dt.day_of_week])


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


def learn_stockouts(
    panel: pd.DataFrame,
    intraday: pd.DataFrame,
    as_of: pd.Timestamp,
    settings: HistorySettings,
    empty: NDArray[np.bool_] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hourly profile of whole days and the stock-outs told by it (`find_stockouts`).

    Sold-out days bend the observed profile towards the morning and lower what is usual, and so hide themselves. What
    they hid is therefore added to both, and the search repeated (expectation–maximisation, `REPEATS` rounds).
    """
    profile, days = hourly_profile(intraday, as_of), _cumulative_by_day(intraday)
    found = find_stockouts(panel, profile, settings, empty, days)
    for _ in range(REPEATS):
        hidden = (found["hidden"] * panel["transactions"] / panel["sold"]).where(found["hidden"] > 0, 0.0).to_numpy()
        if profile.empty or hidden.sum() <= WORTH_REPEATING * panel["transactions"].sum():
            break
        whole = _with_hidden(intraday, panel, profile, hidden)
        profile, days = hourly_profile(whole, as_of), _cumulative_by_day(whole)
        found = find_stockouts(panel, profile, settings, empty, days, hidden)
    return profile, found


def _with_hidden(
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


def find_stockouts(
    panel: pd.DataFrame,
    profile: pd.DataFrame,
    settings: HistorySettings,
    empty: NDArray[np.bool_] | None = None,
    days: pd.DataFrame | None = None,
    hidden_before: NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """Stock-outs of each panel row and demand: silence_p, sold_out_probability, hidden, demand, demand_weight.

    `hidden`: what the stock-out kept from being sold; `demand`: full-price demand with it [unit].

    `silence_p` is the chance of so early an end without a stock-out (`silence_chance`; NaN where it cannot be told),
    with the clustering of arrivals that this shop's ordinary days show (`arrival_concentration`). `empty`:
    rows known to have ended without stock: their demand is recovered from the time of the last sale, however few the
    sales; where no times tell how early, they teach nothing. `days` (`_cumulative_by_day`): the
    category's rhythm on that very day, to which the usual one gives way (`day_share`). `hidden_before`: transactions
    that an earlier search found hidden, per row; they count towards what is usual for the item.

    The limits of the settings hold where 5 % of days sell out; a shop that sells out more often (`sold_out_share`) has
    them raised by the ratio of the odds, so that a day at the limit is as likely to have sold out.
    """
    n = panel["transactions"].to_numpy(dtype=float)
    share = profile_at(profile, panel["category"], panel["date"], panel["last_sale_hour"])
    if days is not None:
        share = day_share(share, days, panel, hidden_before)
    testable = (n >= settings.stockout_min_sales) & ~panel["clearance_day"].to_numpy() & np.isfinite(share)
    silence = np.full(len(panel), np.nan)
    ordinary = testable if empty is None else testable & ~empty
    concentration = arrival_concentration(share[ordinary], n[ordinary])
    silence[testable] = silence_chance(share[testable], n[testable], concentration)
    prior = sold_out_share(silence[ordinary])
    raised = prior / (1 - prior) * (1 - PRIOR_SOLD_OUT) / PRIOR_SOLD_OUT
    silent = testable & (silence < raised * settings.stockout_training_p)
    usual = _usual_transactions(panel, silent, hidden_before)
    rate, quiet = _posterior(n, share, usual)
    if np.isfinite(concentration):
        quiet = np.maximum(quiet, np.nan_to_num(silence, nan=1.0))
    sold_out = np.where(silent, prior / (prior + (1 - prior) * quiet), 0.0)
    sold = _full_price_demand(panel, settings)
    hidden = rate * (1 - np.nan_to_num(share, nan=1.0)) * sold / np.maximum(n, 1)
    recover = silent & (silence < raised * settings.stockout_recover_p)
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
    """Largest concentration with which ordinary days look ordinary, judged where stock-outs hardly reach.

    Of the days with a chance above ¼ two thirds should lie above ½; with too large a concentration fewer do.
    Independent arrivals with too few days to tell.
    """
    if len(n) < MIN_BULK_DAYS:
        return CONCENTRATIONS[0]

    def is_even(concentration: float) -> bool:
        chance = silence_chance(share, n, concentration)
        upper = chance[chance > BULK]
        return bool((upper <= MIDDLE).sum() <= UNEVEN * (MIDDLE - BULK) / (1 - BULK) * len(upper))

    return CONCENTRATIONS[min(bisect_left(CONCENTRATIONS, True, key=is_even), len(CONCENTRATIONS) - 1)]


def sold_out_share(silence: NDArray[np.float64]) -> float:
    """Share of tested days that sold out: what the days with a chance above ½, half of all ordinary ones, leave over.

    (Storey 2002, false discovery rates.) Between `PRIOR_SOLD_OUT`, also with too few days to tell, and `MOST_SOLD_OUT`.
    """
    if len(silence) < MIN_BULK_DAYS:
        return PRIOR_SOLD_OUT
    return float(np.clip(1 - (silence > MIDDLE).mean() / (1 - MIDDLE), PRIOR_SOLD_OUT, MOST_SOLD_OUT))


def _full_price_demand(panel: pd.DataFrame, settings: HistorySettings) -> NDArray[np.float64]:
    """Full-price sales plus the clearance sales that took their place (φ of the design, section 4) [unit]."""
    lost_to_clearance = settings.clearance_cannibalisation * panel["clearance_sold"]
    return (panel["full_price_sold"] + lost_to_clearance).to_numpy(dtype=float)


def _usual_transactions(
    panel: pd.DataFrame, silent: NDArray[np.bool_], hidden: NDArray[np.float64] | None
) -> pd.DataFrame:
    """Mean and variance of the item's daily transactions over its last days, shifted by a day.

    Days with a stock-out count with what they hid, where that is known: without them only the quiet days would.
    """
    known = np.zeros(len(panel)) if hidden is None else hidden
    n = (panel["transactions"] + known).where((~silent | (known > 0)) & (panel["transactions"] > 0))
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
