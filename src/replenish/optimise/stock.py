"""Stock carried over from the day before, and how much of it is in its last day.

A table with index item_code and columns `on_hand` and `expiring` [unit]: stock at the close of the evening before, and
the part of it that cannot be kept beyond the planned day.
"""

from __future__ import annotations

import pandas as pd


def no_stock() -> pd.DataFrame:
    """Nothing carried over."""
    return pd.DataFrame({"on_hand": pd.Series(dtype=float), "expiring": pd.Series(dtype=float)})


def from_yesterday(on_hand: pd.Series, items: pd.DataFrame) -> pd.DataFrame:
    """Stock that came in yesterday; `on_hand` by item code [unit], `items`: the table, for their shelf life."""
    life = items.set_index("item_code")["shelf_life_days"].reindex(on_hand.index).fillna(1)
    return pd.DataFrame({"on_hand": on_hand, "expiring": on_hand.where(life <= 2, 0.0)})
