"""The shop's evening clearance: how deep it cuts and how much it then sells (design, section 4, m and δ)."""

from __future__ import annotations

import numpy as np
import pandas as pd

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
    own = by_item.reindex(items.index).fillna(0.0)
    group = by_category.reindex(items["category"]).fillna(0.0).set_axis(items.index)
    m_group = group["clearance_sold"] / group["demand"].where(group["demand"] > 0)
    d_group = group["saved"] / group["clearance_sold"].where(group["clearance_sold"] > 0)
    per_day = own["demand"] / own["clearance_days"].where(own["clearance_days"] > 0)
    pseudo = (SHRINK_DAYS * per_day.fillna(1.0)).clip(lower=1e-6)
    m = (own["clearance_sold"] + pseudo * m_group.fillna(0.0)) / (own["demand"] + pseudo)
    sold = pseudo * m_group.fillna(0.0)
    d = (own["saved"] + sold * d_group.fillna(0.0)) / (own["clearance_sold"] + sold).replace(0.0, np.nan)
    out = pd.DataFrame({"clearance_share": m, "discount": d.fillna(0.0), "clearance_days": own["clearance_days"]})
    return out.reset_index()
