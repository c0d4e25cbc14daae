"""Loss rates as the counts tell them: what came in, less what was sold and what was still there at the close."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.history.places import Places
from replenish.records import Finding, arrived

Array = NDArray[np.float64]
PRIOR_DAYS = 7.0  # usual days of the item that its stated rate counts as
MIN_ITEM_DAYS = 30  # of the whole shop, from which on rates may be off together
ROUNDING = 0.5  # packs a day
LARGEST_RATE = 0.9
WORTH_SAYING = 0.02  # difference to the stated rate


def learned_losses(
    panel: pd.DataFrame, items: pd.DataFrame, stock: pd.DataFrame | None, orders: pd.DataFrame | None, days: int
) -> tuple[pd.DataFrame, Finding | None]:
    """The items with `loss_rate` as the last `days` days tell it, and a finding on those that differ by 2 points.

    On a day that begins without stock, loss = what came − sold − left. Items whose count is zero every evening tell
    nothing: those are written off before they are counted. An item's rate is its losses over what came, shrunk to its
    stated rate as if that had been seen on seven days more; stated rates that are off together, over 30 item-days and
    more, are first scaled by what the shop lost over what it should have lost. Of packs, which are lost whole, half a
    pack a day tells nothing. As stated without counts and orders, or with 0 `days`.
    """
    if stock is None or orders is None or not len(stock) or not len(orders) or not days:
        return items, None
    lost, came, seen = _by_item(panel, items, stock, orders, days)
    stated = items["loss_rate"].to_numpy(dtype=float)
    overall = max(float(lost.sum()), 0.0) / max(float(came.sum()), 1e-9)
    prior = np.where(np.isnan(stated), np.nanmean(stated) if np.isfinite(stated).any() else overall, stated)
    should = float((prior * came).sum()) / max(float(came.sum()), 1e-9)
    if seen.sum() >= MIN_ITEM_DAYS and should > 0:
        prior = prior * overall / should
    whole = (items["unit"] == "pack").to_numpy() & (np.abs(lost - prior * came) <= ROUNDING * seen)
    lost = np.where(whole, prior * came, lost)
    usual = PRIOR_DAYS * came / np.maximum(seen, 1)
    rate = np.clip((lost + usual * prior) / np.where(seen > 0, came + usual, 1.0), 0.0, LARGEST_RATE)
    learned = np.where(seen > 0, rate, np.where(np.isnan(stated), stated, np.clip(prior, 0.0, LARGEST_RATE)))
    return items.assign(loss_rate=learned), _finding(items, stated, learned, days)


def _by_item(
    panel: pd.DataFrame, items: pd.DataFrame, stock: pd.DataFrame, orders: pd.DataFrame, days: int
) -> tuple[Array, Array, Array]:
    """Units lost and units that came on the days that tell, and how many days these are, in the order of the items."""
    places, sold = Places.of(panel), panel["sold"].to_numpy(dtype=float)
    came = places.values(orders.assign(came=arrived(orders)), "came")
    left, before = places.values(stock, "on_hand"), places.values(stock, "on_hand", later=1)
    row = items["item_code"].to_numpy()
    number = pd.Index(row).get_indexer(places.codes)[places.item]
    fresh_only = items["shelf_life_days"].fillna(1).to_numpy(dtype=float)[number] <= 1
    recent = places.day > places.day.max() - days if len(panel) else np.zeros(0, dtype=bool)
    n = len(items)
    counted = np.bincount(number[recent & (left > 0)], minlength=n)[number] > 0
    tells = recent & counted & (came > 0) & np.isfinite(left) & (fresh_only | (before == 0))
    mine = number[tells]
    lost, brought, seen = (
        np.bincount(mine, weights=w[tells], minlength=n).astype(float)
        for w in (came - sold - left, came, np.ones(len(came)))
    )
    return lost, brought, seen


def _finding(items: pd.DataFrame, stated: Array, learned: Array, days: int) -> Finding | None:
    off = np.flatnonzero(np.abs(learned - stated) > WORTH_SAYING)
    if not len(off):
        return None
    worst = off[np.argsort(-np.abs(learned - stated)[off], kind="stable")][:3]
    codes = items["item_code"].to_numpy()
    examples = tuple(f"item {codes[k]}: stated {stated[k]:.1%}, counted {learned[k]:.1%}" for k in worst)
    return Finding(
        "warning", "items", f"loss rate {WORTH_SAYING * 100:.0f} points or more off the counts of the last {days} days",
        len(off), len(items), examples,
        "Plans use the counted rates; correct items.loss_rate, or set history.loss_days = 0 to plan with the stated.",
    )  # fmt: skip
