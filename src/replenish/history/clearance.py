"""The shop's evening clearance: how deep it cuts and how much it then sells (design, section 4, m and δ)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

HABIT_DAYS = 365
SHRINK_DAYS = 20.0
MIN_FULL_PRICE_SHARE = 0.2
COLUMNS = ("item_code", "category", "full_price", "discounted_price", "full_price_sold", "clearance_sold")


def clearance_habits(panel: pd.DataFrame, as_of: pd.Timestamp, cannibalisation: float) -> pd.DataFrame:
    """Clearance habits per item, shrunk to category: key item_code; clearance_share (m), discount (δ), clearance_days.

    m = clearance sold ÷ full-price demand over the days that ended with stock on discount, full-price demand being what
    sold at full price plus the share `cannibalisation` (φ) of clearance; δ = 1 − price on clearance ÷ full price of the
    same day. Days discounted almost from the opening are not evening clearance and are left out.
    Items of categories that never cleared get m = 0.
    """
    recent = (panel["date"] > as_of - pd.Timedelta(days=HABIT_DAYS)) & panel["clearance_day"]
    enough = panel["full_price_sold"] > MIN_FULL_PRICE_SHARE * panel["sold"]
    told = panel["discounted_price"].notna() & panel["full_price"].notna()
    cleared = panel.loc[recent & enough & told, list(COLUMNS)]
    depth = (1 - cleared["discounted_price"] / cleared["full_price"]).clip(0.0, 0.9)
    demand = cleared["full_price_sold"] + cannibalisation * cleared["clearance_sold"]
    rows = pd.DataFrame({
        "clearance_sold": cleared["clearance_sold"], "demand": demand, "saved": depth * cleared["clearance_sold"],
        "clearance_days": 1.0,
    })  # fmt: skip
    items = panel[["item_code", "category"]].drop_duplicates("item_code").set_index("item_code")
    return _shrink(items, rows.groupby(cleared["item_code"]).sum(), rows.groupby(cleared["category"]).sum())


def _shrink(items: pd.DataFrame, by_item: pd.DataFrame, by_category: pd.DataFrame) -> pd.DataFrame:
    """Ratio estimates with the category's average day as `SHRINK_DAYS` pseudo-days of every item."""
    names = ["clearance_sold", "demand", "saved", "clearance_days"]
    sold, demand, saved, days = by_item.reindex(items.index)[names].fillna(0.0).to_numpy().T
    group_sold, group_demand, group_saved, _ = by_category.reindex(items["category"])[names].fillna(0.0).to_numpy().T
    pseudo = np.maximum(SHRINK_DAYS * _ratio(demand, days, 1.0), 1e-6)
    usual = pseudo * _ratio(group_sold, group_demand)
    discount = _ratio(saved + usual * _ratio(group_saved, group_sold), sold + usual)
    share = (sold + usual) / (demand + pseudo)
    columns = {"clearance_share": share, "discount": discount, "clearance_days": days}
    return pd.DataFrame(columns, index=items.index).reset_index()


def _ratio(part: Array, whole: Array, otherwise: float = 0.0) -> Array:
    """Part ÷ whole, `otherwise` where there is no whole."""
    return np.divide(part, whole, out=np.full_like(whole, otherwise), where=whole > 0)
