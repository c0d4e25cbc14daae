"""Demand that moves to other items of the group when one is not listed or runs out (Kök & Fisher 2007).

A share τ of the demand an item cannot serve goes to the other items of its group (`substitute_group`, else the
category) that are on the shelf, by their value: kilograms and packs are never added up.

    T_j = Σ_{i≠j} τ · (1 − A_i) · D_i · (p⁰_i / p⁰_j) · V_j / Σ_{k≠i, listed or j} V_k

D first-choice demand at the reference price p⁰ with every item on the shelf (forecasts are brought there from the shelf
they were learnt on, see `assortment`), V = p⁰·E[D], A planned availability (0 not listed, else the share of its demand
that is served).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.pricing.fixed_effects import WEAK_F, normal_update, within
from replenish.records import DemandHistory, PriceResponse
from replenish.settings import PricingSettings

Array = NDArray[np.float64]
EFFECTS = ("day", "group_month", "group_weekday")
DAYS = ("day",)  # errors are clustered by day
WINDOW = 29  # days around a day that tell an item's level
MIN_LEVEL_DAYS = 8
MIN_ITEMS = 4
MIN_GROUP_DAYS = 120
GOOD_OFFER = 0.9
LARGEST_SHARE = 0.95
LARGEST_MISSING = 1.0  # a shelf with more missing than there is another shop
GAUSS_NEWTON_STEPS = 3


@dataclass(frozen=True)
class TransferShare:
    """Posterior of τ: `share` with standard deviation `sd`; the `estimate` behind it, its error, and how it came."""

    share: float
    sd: float
    estimate: float
    se: float
    first_stage_f: float
    observations: int
    method: str


def estimate_transfer_share(history: DemandHistory, settings: PricingSettings) -> TransferShare:
    """τ from days on which items of a group were missing: what the others sold beyond their level.

    ln(sales of the items that were there ÷ their level) = ln(1 + τ·x) + date, group × month and group × weekday
    effects, x = level missing ÷ level there, by Gauss–Newton steps. Where times of sales are known and groups are whole
    categories, sales are the transactions before noon, when shelves are full: later, shoppers who switch meet rivals
    sold out, and less seems to move than does. Otherwise sales are the demand of the whole day; days that sell out are
    busy days, so x is instrumented by its part from items not on offer, which was settled before the day began. The
    estimate is combined with the prior (`transfer_share`, `transfer_sd`); a first-stage F below 10 or fewer than 120
    group-days keep the prior.

    In four simulated shops with a true share of 0.43 to 0.53, mornings find 0.30 to 0.43 where whole days find 0.13 to
    0.37.
    """
    prior, spread = settings.transfer_share, settings.transfer_sd
    rows = group_days(history.panel, history.items)
    if len(history.mornings) and rows["group"].isin(history.mornings["category"]).all():
        rows = in_the_morning(rows, history.mornings)
    if len(rows) < MIN_GROUP_DAYS or rows["group"].nunique() < 2:
        return TransferShare(prior, spread, np.nan, np.nan, np.nan, len(rows), "prior: too few observations")
    estimate, se, f_stat = prior, np.nan, np.nan
    for _ in range(GAUSS_NEWTON_STEPS):
        estimate, se, f_stat = _step(rows, float(np.clip(np.nan_to_num(estimate), 0.0, LARGEST_SHARE)))
    if not (np.isfinite([estimate, se]).all() and f_stat >= WEAK_F):
        return TransferShare(prior, spread, estimate, se, f_stat, len(rows), "prior: weak instrument")
    mean, sd, _ = normal_update(estimate, se, prior, spread)
    return TransferShare(float(np.clip(mean, 0.0, LARGEST_SHARE)), sd, estimate, se, f_stat, len(rows), "iv")


def _step(rows: pd.DataFrame, share: float) -> tuple[float, float, float]:
    """Estimate, error and first-stage F of ln(1 + τx) made linear around τ = `share`."""
    slope = rows["missing"] / (1 + share * rows["missing"])
    curve = np.log1p(share * rows["missing"]) - share * slope
    linear = rows.assign(
        outcome=rows["log_ratio"] - _beyond_usual(curve, rows),
        passed_on=_beyond_usual(slope, rows),
        by_offer=_beyond_usual(rows["missing_by_offer"], rows),
    )
    cleared = within(linear, ["outcome", "passed_on", "by_offer"], EFFECTS, DAYS)
    estimate, se = cleared.coefficient("outcome", "passed_on", "by_offer")
    first, error = cleared.coefficient("passed_on", "by_offer")
    return estimate, se, (first / error) ** 2


def group_days(panel: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Key (group, date): `log_ratio`, `missing`, `missing_by_offer` (see `estimate_transfer_share`) and effect names.

    An item's level is the mean value of its demand, at its median reference price, on the other days within two weeks
    on which it was on offer. Days of a group with fewer than four items, or with very much missing, are left out.
    """
    rows = panel[~panel["closed"]].reset_index(drop=True)
    rows = rows.assign(group=rows["item_code"].map(substitute_groups(items)), **_levels(rows))
    rows = rows[rows["level"].gt(0)]
    there = rows["good"]
    served = (rows["sold"] / rows["demand"].where(rows["demand"] > 0)).clip(upper=1.0).fillna(1.0)
    parts = pd.DataFrame({
        "group": rows["group"], "date": rows["date"],
        "value": rows["value"].where(there, 0.0), "level": rows["level"].where(there, 0.0), "count": there.astype(int),
        "missing": rows["level"] * (1 - rows["offered"] * served),
        "missing_by_offer": rows["level"] * (1 - rows["offered"]),
    })  # fmt: skip
    total = parts.groupby(["group", "date"], as_index=False).sum()
    total = total[(total["count"] >= MIN_ITEMS) & (total["value"] > 0)]
    for name in ("missing", "missing_by_offer"):
        total[name] = total[name] / total["level"]
    total = total[total["missing_by_offer"] <= LARGEST_MISSING]
    month, weekday = total["date"].dt.strftime("%Y%m"), total["date"].dt.day_of_week.astype("str")
    return total.assign(
        log_ratio=np.log(total["value"] / total["level"]),
        day=total["date"].dt.strftime("%Y%m%d"),
        group_month=total["group"] + month,
        group_weekday=total["group"] + weekday,
    )


def in_the_morning(rows: pd.DataFrame, mornings: pd.DataFrame) -> pd.DataFrame:
    """The group-days of `group_days` told by transactions before noon, when only what is not on offer is missing.

    `mornings` as in `records.DemandHistory`. What a purchase comes to is taken up by the group's month and weekday.
    """
    early = mornings.rename(columns={"category": "group", "transactions": "early"})
    told = rows.merge(early, on=["group", "date"])
    told = told[told["early"] > 0].reset_index(drop=True)
    return told.assign(log_ratio=np.log(told["early"] / told["level"]), missing=told["missing_by_offer"])


def _levels(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Value of demand, whether the day tells the level (on offer), and the level from the days around it."""
    price = rows.groupby("item_code")["reference_price"].transform("median")
    value = rows["demand"] * price
    good = rows["offered"] >= GOOD_OFFER
    own = rows.assign(value=value.where(good, 0.0), days=good.astype(float)).groupby("item_code")[["value", "days"]]
    around = own.rolling(WINDOW, center=True, min_periods=1).sum().droplevel(0).sort_index()
    days = around["days"] - good
    level = ((around["value"] - value.where(good, 0.0)) / days).where(days >= MIN_LEVEL_DAYS)
    return {"value": value, "good": good, "level": level}


def _beyond_usual(missing: pd.Series, rows: pd.DataFrame) -> pd.Series:
    """Less its mean over the days around: the levels hold what moved on those days already."""
    by_group = pd.DataFrame({"group": rows["group"], "missing": missing}).groupby("group")["missing"]
    around = by_group.rolling(WINDOW, center=True, min_periods=1)
    count = around.count().droplevel(0).sort_index()
    others = (around.sum().droplevel(0).sort_index() - missing) / (count - 1).clip(lower=1)
    return missing - others


def substitute_groups(items: pd.DataFrame) -> pd.Series:
    """item_code → the group within which its shoppers look for another item: `substitute_group`, else the category."""
    table = items.drop_duplicates("item_code").set_index("item_code")
    given = table["substitute_group"] if "substitute_group" in table else pd.Series(np.nan, table.index)
    return given.astype("object").fillna(table["category"]).astype("str")


@dataclass(frozen=True)
class Switching:
    """How demand moves between the items of one day; k items in the order of the scenarios.

    `group`: group number of each item; `price`: reference price; `share`: τ of each item.
    """

    group: NDArray[np.int64]
    price: Array
    share: Array

    def transfers(self, demand: Array, listed: NDArray[np.bool_], availability: Array) -> Array:
        """Demand that reaches each item from the others of its group [unit at the reference price], n × k.

        `demand`: first-choice demand (n × k); `listed` (k); `availability`: planned share served, n × k, 0 where not
        listed. For an item that is not listed: what would reach it if it alone were listed in addition.
        """
        value = self.price * demand.mean(0)
        moved = self.share * (1 - availability) * demand * self.price
        out = np.zeros_like(demand)
        for number in np.unique(self.group):
            mine = np.flatnonzero(self.group == number)
            out[:, mine] = moved[:, mine] @ _destinations(value[mine], listed[mine])
        return np.asarray(out / self.price)

    def elsewhere(self, demand: Array, listed: NDArray[np.bool_], spare: Array, margin: Array) -> tuple[Array, Array]:
        """Of a unit of first-choice demand that an item does not serve: the share others serve, what they earn of it.

        Both n × k, the latter in money/unit of the item. `spare`: 1 where an item has stock left (n × k); `margin`:
        what one more sale of it is worth [money/unit, k]. Shares and worth follow the demand as in `transfers`.
        """
        value = self.price * demand.mean(0)
        share, worth = np.zeros_like(demand), np.zeros_like(demand)
        for number in np.unique(self.group):
            mine = np.flatnonzero(self.group == number)
            to = _destinations(value[mine], listed[mine]).T
            share[:, mine] = self.share[mine] * (spare[:, mine] @ to)
            worth[:, mine] = self.share[mine] * self.price[mine] * ((spare * (margin / self.price))[:, mine] @ to)
        return share, worth


def switching_between(
    history: DemandHistory, item_codes: Sequence[str], prices: Mapping[str, float], response: PriceResponse
) -> Switching:
    """How demand moves between these items; `prices`: item_code → reference price [money/unit]."""
    codes = list(item_codes)
    groups = substitute_groups(history.items).reindex(codes)
    share = response.categories.set_index("category")["transfer_share"]
    category = history.items.set_index("item_code")["category"].reindex(codes)
    return Switching(
        np.unique(groups.to_numpy(dtype=str), return_inverse=True)[1],
        np.array([prices[c] for c in codes]),
        category.map(share).fillna(float(share.mean())).to_numpy(dtype=float),
    )


def _destinations(value: Array, listed: NDArray[np.bool_]) -> Array:
    """k × k: share of what leaves item i (row) that reaches item j (column), by value among the listed and j."""
    there = np.where(listed, value, 0.0)
    rivals = there.sum() - there[:, None] + np.where(listed, 0.0, value)[None, :]
    share = np.divide(value[None, :], rivals, out=np.zeros((len(value), len(value))), where=rivals > 0)
    np.fill_diagonal(share, 0.0)
    return np.asarray(share)
