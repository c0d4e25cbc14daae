"""Demand that moves to other items of the group when one is not listed or runs out (an attraction model: Luce 1959).

Shoppers of an item that is missing choose again among what is on the shelf of its group (`substitute_group`, else the
category) and leaving it. Items attract by their purchases: kilograms and packs are never added up.

    T_j = Σ_{i≠j} (1 − A_i) · N_i · V_j / (Σ_{k≠i, listed or j} V_k + O_i) ÷ n_j,   O_i = (Σ_{k≠i} V_k) · (1 − τ) / τ

n purchases per unit, N = n·D purchases of first choice at the reference price with every item on the shelf (forecasts
are brought there from the shelf they were learnt on, see `assortment`), V = E[N], A planned availability (0 not listed,
else the share of its demand that is served). τ is the share that moves when the item alone is missing of the full
shelf. The less is left on the shelf, the fewer stay. A fixed share of all that is missing (Kök & Fisher 2007) would
send the shoppers of ten missing items to the one that is left: with random shelves in simulated shops it errs by 20 to
150 % of a category's sales (root mean square), this by 5 to 13 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.pricing.fixed_effects import WEAK_F, normal_update, within
from replenish.records import DemandHistory, PriceResponse
from replenish.settings import PricingSettings

Array = NDArray[np.float64]
EFFECTS = ("day", "group_month", "group_weekday")
CLUSTERS = ("day", "group_month")  # of the errors; levels of a month hang together
WINDOW = 29  # days around a day that tell an item's level
MIN_LEVEL_DAYS = 8
MISSED_DAYS = 60  # as long as an item counts as one of the catalogue (`assortment.CATALOGUE_DAYS`)
MIN_ITEMS = 4
MIN_GROUP_DAYS = 120
GOOD_OFFER = 0.9
LARGEST_SHARE = 0.95
SMALLEST_SHARE = 0.02  # from which the estimate's steps start; also keeps what leaves finite
LARGEST_MISSING = 1.0  # a shelf with more missing than there is another shop
GAUSS_NEWTON_STEPS = 4
PURCHASE_DAYS = 180
PRIOR_PURCHASES = 5.0


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

    ln(purchases of the items that were there ÷ their level) = ln(1 + f(τ)) + date, group × month and group × weekday
    effects, f = x ÷ (1 + a·(1 − τ)/τ), x = level missing ÷ level there, a = level of all but the missing item ÷ level
    there (1 when one is missing; where several are, it is their mean item), by Gauss–Newton steps. Where times of sales
    are known and groups are whole categories, purchases are those at full price before noon, when shelves are full:
    later, shoppers who switch meet rivals sold out, and less seems to move than does. Otherwise they are those of the
    whole day's demand; days that sell out are busy days, so f is instrumented by its part from items not on offer,
    which was settled before the day began. The estimate is combined with the prior (`transfer_share`, `transfer_sd`); a
    first-stage F below 10 or fewer than 120 group-days keep the prior.
    """
    prior, spread = settings.transfer_share, settings.transfer_sd
    rows = group_days(history.panel, history.items)
    if len(history.mornings) and rows["group"].isin(history.mornings["category"]).all():
        rows = in_the_morning(rows, history.mornings)
    if len(rows) < MIN_GROUP_DAYS or rows["group"].nunique() < 2:
        return TransferShare(prior, spread, np.nan, np.nan, np.nan, len(rows), "prior: too few observations")
    estimate, se, f_stat = prior, np.nan, np.nan
    for _ in range(GAUSS_NEWTON_STEPS):
        estimate, se, f_stat = _step(rows, float(np.clip(np.nan_to_num(estimate), SMALLEST_SHARE, LARGEST_SHARE)))
    if not (np.isfinite([estimate, se]).all() and f_stat >= WEAK_F):
        return TransferShare(prior, spread, estimate, se, f_stat, len(rows), "prior: weak instrument")
    mean, sd, _ = normal_update(estimate, se, prior, spread)
    return TransferShare(float(np.clip(mean, 0.0, LARGEST_SHARE)), sd, estimate, se, f_stat, len(rows), "iv")


def _step(rows: pd.DataFrame, share: float) -> tuple[float, float, float]:
    """Estimate, error and first-stage F of ln(1 + f(τ)) made linear around τ = `share`."""
    flow, slope = _inflow(rows["missing"], rows["rest"], share)
    _, by_offer = _inflow(rows["missing_by_offer"], rows["rest"], share)
    slope = slope / (1 + flow)
    linear = rows.assign(
        outcome=rows["log_ratio"] - _beyond_usual(np.log1p(flow) - share * slope, rows),
        passed_on=_beyond_usual(slope, rows),
        by_offer=_beyond_usual(by_offer, rows),
    )
    cleared = within(linear, ["outcome", "passed_on", "by_offer"], EFFECTS, CLUSTERS)
    estimate, se = cleared.coefficient("outcome", "passed_on", "by_offer")
    first, error = cleared.coefficient("passed_on", "by_offer")
    return estimate, se, (first / error) ** 2


def _inflow(missing: pd.Series, rest: pd.Series, share: float) -> tuple[pd.Series, pd.Series]:
    """f(τ) and its derivative (see `estimate_transfer_share`)."""
    leave = 1 + rest * (1 - share) / share
    return missing / leave, missing * rest / (share * leave) ** 2


def group_days(panel: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Key (group, date): `log_ratio`, `missing`, `missing_by_offer`, `rest`, effects (`estimate_transfer_share`).

    An item's level is the mean of its purchases on the other days within two weeks on which it was on offer. Days of a
    group with fewer than four items, or with very much missing, are left out.
    """
    rows = panel[~panel["closed"]].reset_index(drop=True)
    per_unit = rows["item_code"].map(purchases_per_unit(panel))
    rows = rows.assign(group=rows["item_code"].map(substitute_groups(items)), **_levels(rows, per_unit))
    rows = rows[rows["level"].gt(0)]
    there = rows["good"]
    served = (rows["sold"] / rows["demand"].where(rows["demand"] > 0)).clip(upper=1.0).fillna(1.0)
    parts = pd.DataFrame({
        "group": rows["group"], "date": rows["date"],
        "value": rows["value"].where(there, 0.0), "level": rows["level"].where(there, 0.0), "count": there.astype(int),
        "missing": rows["level"] * (1 - rows["offered"] * served),
        "missing_by_offer": rows["level"] * (1 - rows["offered"]), "whole": rows["level"],
        "squares": rows["level"] ** 2 * (1 - rows["offered"]),
    })  # fmt: skip
    total = parts.groupby(["group", "date"], as_index=False).sum()
    total = total[(total["count"] >= MIN_ITEMS) & (total["value"] > 0)]
    mean_item = (total["squares"] / total["missing_by_offer"].where(total["missing_by_offer"] > 0)).fillna(0.0)
    total["rest"] = (total["whole"] - mean_item) / total["level"]
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


def _levels(rows: pd.DataFrame, per_unit: pd.Series) -> dict[str, pd.Series]:
    """Purchases, whether the day tells the level (on offer), and the level from the days around it.

    Of an item that is gone for weeks, the last or next level known, up to two months away: its shoppers are missed as
    long as it is gone, and if they were not, the others' levels around the gap would pass for their own.
    """
    value = rows["demand"] * per_unit
    good = rows["offered"] >= GOOD_OFFER
    own = rows.assign(value=value.where(good, 0.0), days=good.astype(float)).groupby("item_code")[["value", "days"]]
    around = own.rolling(WINDOW, center=True, min_periods=1).sum().droplevel(0).sort_index()
    days = around["days"] - good
    known = ((around["value"] - value.where(good, 0.0)) / days).where(days >= MIN_LEVEL_DAYS)
    by_item = known.groupby(rows["item_code"])
    level = known.fillna(by_item.ffill(limit=MISSED_DAYS)).fillna(by_item.bfill(limit=MISSED_DAYS))
    return {"value": value, "good": good, "level": level}


def purchases_per_unit(panel: pd.DataFrame) -> pd.Series:
    """item_code → purchases per unit sold in the last half year, a few days' worth pulled to those of its category.

    Where nobody tells one purchase from another (one row of sales per item and day), the reference price stands for it.
    """
    if "transactions" not in panel or panel["transactions"].max() <= 1:
        return panel.groupby("item_code")["reference_price"].median()
    item, codes = pd.factorize(panel["item_code"], sort=True)
    recent = (panel["date"] > panel["date"].max() - pd.Timedelta(days=PURCHASE_DAYS)).to_numpy()
    sold = panel.loc[recent, ["transactions", "sold"]].groupby(item[recent]).sum()
    sums = sold.reindex(range(len(codes)), fill_value=0.0).set_axis(pd.Index(codes, name="item_code"))
    first = panel[["category", "unit"]].take(np.unique(item, return_index=True)[1])
    kind = first["category"].to_numpy() + " " + first["unit"].to_numpy()
    usual = sums.groupby(kind)[["transactions", "sold"]].transform("sum")
    unit = (usual["sold"] / usual["transactions"].where(usual["transactions"] > 0)).fillna(1.0).clip(lower=1e-6)
    per_unit: pd.Series = (sums["transactions"] + PRIOR_PURCHASES) / (sums["sold"] + PRIOR_PURCHASES * unit)
    return per_unit


def outside(value: Array, share: Array) -> Array:
    """O: what shoppers of a missing item weigh the rest of the full shelf against; items along the last axis.

    `value`: purchases V of the group's items; `share`: τ of each.
    """
    rest = value.sum(-1, keepdims=True) - value
    return np.asarray(rest * (1 - share) / np.maximum(share, 1e-9))


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

    `group`: group number of each item; `weight`: purchases per unit of each item; `share`: τ of each item.
    """

    group: NDArray[np.int64]
    weight: Array
    share: Array

    def transfers(self, demand: Array, listed: NDArray[np.bool_], availability: Array) -> Array:
        """Demand that reaches each item from the others of its group [unit at the reference price], n × k.

        `demand`: first-choice demand (n × k); `listed` (k); `availability`: planned share served, n × k, 0 where not
        listed. For an item that is not listed: what would reach it if it alone were listed in addition.
        """
        value = self.weight * demand.mean(0)
        moved = (1 - availability) * demand * self.weight
        out = np.zeros_like(demand)
        for number in np.unique(self.group):
            mine = np.flatnonzero(self.group == number)
            out[:, mine] = moved[:, mine] @ _destinations(value[mine], listed[mine], self.share[mine])
        return np.asarray(out / self.weight)

    def elsewhere(self, demand: Array, listed: NDArray[np.bool_], spare: Array, margin: Array) -> tuple[Array, Array]:
        """Of a unit of first-choice demand that an item does not serve: the share others serve, what they earn of it.

        Both n × k, the latter in money/unit of the item. `spare`: 1 where an item has stock left (n × k); `margin`:
        what one more sale of it is worth [money/unit, k]. Shares and worth follow the demand as in `transfers`.
        """
        value = self.weight * demand.mean(0)
        share, worth = np.zeros_like(demand), np.zeros_like(demand)
        for number in np.unique(self.group):
            mine = np.flatnonzero(self.group == number)
            to = _destinations(value[mine], listed[mine], self.share[mine]).T
            share[:, mine] = spare[:, mine] @ to
            worth[:, mine] = self.weight[mine] * ((spare * (margin / self.weight))[:, mine] @ to)
        return share, worth


def switching_between(history: DemandHistory, item_codes: Sequence[str], response: PriceResponse) -> Switching:
    """How demand moves between these items."""
    codes = list(item_codes)
    groups = substitute_groups(history.items).reindex(codes)
    share = response.categories.set_index("category")["transfer_share"]
    category = history.items.set_index("item_code")["category"].reindex(codes)
    return Switching(
        np.unique(groups.to_numpy(dtype=str), return_inverse=True)[1],
        purchases_per_unit(history.panel).reindex(codes).to_numpy(dtype=float),
        category.map(share).fillna(float(share.mean())).to_numpy(dtype=float),
    )


def _destinations(value: Array, listed: NDArray[np.bool_], share: Array) -> Array:
    """k × k: share of what leaves item i (row) that reaches item j (column); by purchases, O_i among the rivals."""
    there = np.where(listed, value, 0.0)
    rivals = there.sum() - there[:, None] + np.where(listed, 0.0, value)[None, :] + outside(value, share)[:, None]
    to = np.divide(value[None, :], rivals, out=np.zeros((len(value), len(value))), where=rivals > 0)
    np.fill_diagonal(to, 0.0)
    return np.asarray(to)
