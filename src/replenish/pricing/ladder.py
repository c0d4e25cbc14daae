"""The price ladder: the few shelf prices considered for an item, and why no others (design, section 4).

Precedence: lock > cost floor > support > daily cap. A rung outside the support exists only to keep the cost floor.
The last full price always belongs to the support: shoppers have just been seen paying it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.records import DemandHistory
from replenish.settings import PricingSettings

MIN_ENDING_SHARE = 0.02
SUPPORT_MIN_DAYS = 5
CENT = 0.01


@dataclass(frozen=True)
class Ladder:
    """Rungs of one item [money/unit], rising; `flag` tells what had to give; no rungs and a flag: cannot be priced."""

    item_code: str
    rungs: tuple[float, ...]
    support: tuple[float, float]
    cost_floor: float
    flag: str = ""


def price_endings(panel: pd.DataFrame) -> NDArray[np.float64]:
    """The shop's usual decimals of a price (0.0, 0.5, 0.8 …), those on at least 2 % of its priced item-days."""
    prices = panel["full_price"].dropna()
    tidy = prices[(prices * 10 - (prices * 10).round()).abs() < 1e-6]
    shares = (tidy % 1).round(1).mod(1.0).value_counts(normalize=True)
    usual = shares.index[shares >= MIN_ENDING_SHARE].to_numpy(dtype=float)
    return np.sort(usual) if len(usual) else np.array([0.0, 0.5])


def price_support(history: DemandHistory, settings: PricingSettings) -> pd.DataFrame:
    """Key item_code: low, high [money/unit] quantiles of the daily full prices; NaN without enough priced days.

    Columns markup_low, markup_high: the same quantiles of price ÷ cost over the item's category, for items without
    prices of their own.
    """
    panel = history.panel
    recent = panel[
        (panel["date"] > history.as_of - pd.Timedelta(days=settings.support_days)) & panel["full_price"].notna()
    ]
    ends = [settings.support_low, settings.support_high]
    own = _quantiles(recent.groupby("item_code")["full_price"], ends, ["low", "high"])
    days = recent.groupby("item_code").size()
    own = own.where(days.ge(SUPPORT_MIN_DAYS), np.nan)
    markup = recent.assign(markup=recent["full_price"] / recent["wholesale_price"])
    group = _quantiles(markup.groupby("category")["markup"], ends, ["markup_low", "markup_high"])
    items = panel[["item_code", "category"]].drop_duplicates("item_code").set_index("item_code")
    return items.join(own).join(group, on="category")


def _quantiles(grouped: Any, ends: list[float], names: list[str]) -> pd.DataFrame:
    return pd.DataFrame({name: grouped.quantile(end) for name, end in zip(names, ends, strict=True)})


def build_ladder(
    item_code: str,
    reference_price: float,
    unit_cost: float,
    loss_rate: float,
    support: Mapping[str, float],
    endings: NDArray[np.float64],
    settings: PricingSettings,
) -> Ladder:
    """Rungs of one item; prices and costs in money/unit.

    `support`: low, high, markup_low, markup_high of the item (`price_support`).
    """
    floor = settings.min_markup * unit_cost / (1 - loss_rate)
    low, high, flag = _support_ends(support, unit_cost)
    if not np.isfinite([low, high]).all():
        return Ladder(item_code, (), (np.nan, np.nan), floor, "no full price of its own or of its category to go by")
    bottom, top = low, high
    if np.isfinite(reference_price):
        low, high = min(low, reference_price), max(high, reference_price)
        bottom = max(low, reference_price * (1 - settings.max_change))
        top = min(high, reference_price * (1 + settings.max_change))
    if floor > top + 1e-9:
        rung = _next_ending(floor, endings)
        what = "above the supported prices" if rung > high + 1e-9 else "by more than a day's change"
        return Ladder(item_code, (rung,), (low, high), floor, f"price raised {what} to keep the cost floor")
    bottom = max(bottom, floor)
    rungs = _rungs(bottom, top, reference_price, endings, settings.max_rungs)
    return Ladder(item_code, rungs, (low, high), floor, flag)


def _support_ends(support: Mapping[str, float], unit_cost: float) -> tuple[float, float, str]:
    if np.isfinite(support["low"]) and np.isfinite(support["high"]):
        return float(support["low"]), float(support["high"]), ""
    ends = unit_cost * float(support["markup_low"]), unit_cost * float(support["markup_high"])
    return (*ends, "priced by the markups of its category")


def _rungs(bottom: float, top: float, last: float, endings: NDArray[np.float64], most: int) -> tuple[float, ...]:
    """At most `most` usual prices in [bottom, top], evenly spread, always with the last price when it is inside.

    Where no usual price lies between the ends, prices in tenths take their place.

    The last price is kept to the last decimal, so that choosing it is no price change.
    """
    whole = np.arange(np.floor(bottom), np.floor(top) + 1)
    grid = np.unique(np.round(whole[:, None] + endings[None, :], 2))
    grid = grid[(grid >= bottom - 1e-9) & (grid <= top + 1e-9) & (grid > 0)]
    inside = bool(np.isfinite(last)) and bottom - 1e-9 <= last <= top + 1e-9
    if inside:
        grid = grid[np.abs(grid - last) >= CENT]
    elif len(grid) == 0:
        grid = np.round(np.arange(np.ceil(bottom * 10 - 1e-9), np.floor(top * 10 + 1e-9) + 1) / 10, 1)
    if not inside and len(grid) == 0:
        # Down to the cent, unless that would fall below the cost floor.
        cut = np.floor(top / CENT + 1e-9) * CENT
        grid = np.array([np.round(cut, 2) if cut >= bottom - 1e-9 else top])
    spare = most - int(inside)
    if len(grid) > spare:
        grid = grid[np.unique(np.linspace(0, len(grid) - 1, spare).round().astype(int))] if spare else grid[:0]
    return tuple(sorted([*grid.tolist(), *([float(last)] if inside else [])]))


def _next_ending(price: float, endings: NDArray[np.float64]) -> float:
    """The lowest usual price at or above `price`."""
    grid = (np.floor(price) + np.array([0.0, 1.0])[:, None] + endings[None, :]).ravel()
    return float(np.round(np.min(grid[grid >= price - 1e-9]), 2))
