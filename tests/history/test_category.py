"""Composite items: sums per unit, weighted prices, no impossible cost inside an average."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from replenish.history.category import category_tables
from replenish.history.cleaning import build_history
from replenish.schemas import DAILY_SALES, ITEMS
from replenish.settings import Settings
from replenish.sources.folder import tables_from_frames

Frames = dict[str, pd.DataFrame]
DAY = pd.Timestamp("2023-06-30")


def test_kilograms_and_packs_are_never_added_up(tiny_frames: Frames):
    composites = category_tables(tables_from_frames(tiny_frames), DAY)
    assert composites.items.set_index("item_code")["unit"].to_dict() == {
        "leafy (kg)": "kg", "mushrooms (kg)": "kg", "mushrooms (pack)": "pack",
    }  # fmt: skip
    assert composites.items.columns.tolist() == ITEMS.names
    assert composites.daily_sales.columns.tolist() == DAILY_SALES.names


def test_a_composite_day_by_hand(tiny_frames: Frames):
    """Thursday 8 June: 10 · 0.5 kg spinach at 6.00 (cost 3.50) and 6 · 0.4 kg lettuce at 5.00 (cost 3.00).

    The basket of 1–8 June: 8 · 5 kg spinach and 1 kg more on Friday, 8 · 2.4 = 19.2 kg lettuce.
    """
    composites = category_tables(tables_from_frames(tiny_frames), DAY)
    sales = composites.daily_sales
    day = sales[(sales["item_code"] == "leafy (kg)") & (sales["date"] == pd.Timestamp("2023-06-08"))].iloc[0]
    assert day["quantity"] == pytest.approx(7.4)
    assert day["transactions"] == 16
    assert day["full_price"] == pytest.approx((41 * 6 + 19.2 * 5) / 60.2)
    costs = composites.wholesale.set_index(["item_code", "date"])["wholesale_price"]
    assert costs["leafy (kg)", pd.Timestamp("2023-06-08")] == pytest.approx((41 * 3.5 + 19.2 * 3) / 60.2)


def test_a_composite_is_never_called_sold_out(tiny_frames: Frames):
    """Spinach and lettuce end early one day; the category still had something to sell."""
    sales = tiny_frames["sales"]
    late = (sales["date"] == pd.Timestamp("2023-06-21")) & (sales["time"] >= "12")
    tiny_frames["sales"] = sales[~late]
    tables = tables_from_frames(tiny_frames)
    history = build_history(category_tables(tables, DAY), DAY, Settings(), "main")
    assert history.panel["silence_p"].isna().all()
    assert (history.panel["demand_weight"] == 1).all()


def test_loss_rate_is_weighted_by_what_the_goods_cost(tiny_frames: Frames):
    tables = tables_from_frames(tiny_frames)
    loss = category_tables(tables, DAY).items.set_index("item_code")["loss_rate"]
    fridays = 5
    spinach, lettuce = (30 * 5 + fridays) * 3.5, (30 * 2.4 - 0.4) * 3.0
    assert loss["leafy (kg)"] == pytest.approx((0.1 * spinach + 0.05 * lettuce) / (spinach + lettuce))


def test_an_impossible_cost_does_not_enter_the_average(tiny_frames: Frames):
    costs = tiny_frames["wholesale"]
    costs.loc[(costs["item_code"] == "L1") & (costs["date"] == pd.Timestamp("2023-06-08")), "wholesale_price"] = 0.01
    composites = category_tables(tables_from_frames(tiny_frames), DAY)
    day = composites.wholesale.set_index(["item_code", "date"])["wholesale_price"]
    assert day["leafy (kg)", pd.Timestamp("2023-06-08")] == pytest.approx((41 * 3.5 + 19.2 * 3) / 60.2), "last valid"


def test_only_what_was_known_counts_and_the_fingerprint_tells_the_day(tiny_frames: Frames):
    tables = tables_from_frames(tiny_frames)
    early = category_tables(tables, pd.Timestamp("2023-06-20"))
    assert early.daily_sales["date"].max() == pd.Timestamp("2023-06-20")
    assert early.wholesale["date"].max() == pd.Timestamp("2023-06-20")
    assert early.fingerprint not in (tables.fingerprint, category_tables(tables, DAY).fingerprint)


def test_the_evening_may_be_text_or_a_date_whatever_the_hour(tiny_frames: Frames):
    tables = tables_from_frames(tiny_frames)
    expected = category_tables(tables, pd.Timestamp("2023-06-20"))
    for evening in ("2023-06-20", date(2023, 6, 20), pd.Timestamp("2023-06-20 18:00")):
        found = category_tables(tables, evening)
        assert found.fingerprint == expected.fingerprint
        pd.testing.assert_frame_equal(found.daily_sales, expected.daily_sales)
