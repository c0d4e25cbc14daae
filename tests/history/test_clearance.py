"""Clearance habits by hand: share m, discount δ, the share φ taken from full price, shrinkage to the category."""

from __future__ import annotations

import pandas as pd
import pytest

from replenish.history.clearance import clearance_habits

LAST = pd.Timestamp("2024-03-31")


def evenings(item: str, category: str, full: float, cleared: float, price: float, low: float, days: int = 20):
    """`days` days up to the last one that sold `full` at `price` and then `cleared` at `low`."""
    return pd.DataFrame({
        "item_code": item, "category": category, "date": pd.date_range(end=LAST, periods=days), "sold": full + cleared,
        "full_price_sold": full, "clearance_sold": cleared, "full_price": price, "discounted_price": low,
        "clearance_day": cleared > 0,
    })  # fmt: skip


def habits(*parts: pd.DataFrame, share: float = 0.4) -> pd.DataFrame:
    return clearance_habits(pd.concat(parts, ignore_index=True), LAST, share).set_index("item_code")


def test_share_and_discount_of_a_single_item():
    """8 at full price and 5 cleared, of which 40 % would have paid full: demand 10, m = ½; 10.00 → 6.00, δ = 0.4."""
    found = habits(evenings("A", "leafy", 8, 5, 10, 6))
    assert found.loc["A", "clearance_share"] == pytest.approx(0.5)
    assert found.loc["A", "discount"] == pytest.approx(0.4)
    assert found.loc["A", "clearance_days"] == 20
    assert habits(evenings("A", "leafy", 8, 5, 10, 6), share=0.0).loc["A", "clearance_share"] == pytest.approx(5 / 8)


def test_items_are_shrunk_to_their_category_by_twenty_days():
    """A: m = 0.5, δ = 0.4. C: m = 0.1, δ = 0.2. Category: m = 120/400 = 0.3, δ = (40 + 4)/120.

    20 own days against 20 pseudo-days: m halfway, 0.4 and 0.2. δ of A: (40 + 60·44/120) / (100 + 60).
    """
    found = habits(evenings("A", "leafy", 8, 5, 10, 6), evenings("C", "leafy", 9.6, 1, 10, 8))
    assert found["clearance_share"].tolist() == pytest.approx([0.4, 0.2])
    assert found["discount"].tolist() == pytest.approx([62 / 160, 26 / 80])


def test_item_that_never_cleared_takes_its_category_and_a_category_that_never_did_gets_zero():
    found = habits(evenings("A", "leafy", 8, 5, 10, 6), evenings("B", "leafy", 8, 0, 10, 0),
                   evenings("R", "roots", 8, 0, 10, 0))  # fmt: skip
    assert found.loc["B", "clearance_share"] == pytest.approx(0.5)
    assert found.loc["B", "discount"] == pytest.approx(0.4)
    assert found.loc["R", ["clearance_share", "discount", "clearance_days"]].tolist() == [0, 0, 0]


def test_days_discounted_from_the_opening_and_old_days_are_no_evening_clearance():
    all_day = evenings("A", "leafy", 1, 9, 10, 5)
    old = evenings("A", "leafy", 8, 5, 10, 6).assign(date=LAST - pd.Timedelta(days=400))
    no_price = evenings("A", "leafy", 8, 5, 10, 6).assign(full_price=float("nan"))
    assert habits(all_day, old, no_price).loc["A", "clearance_share"] == 0
