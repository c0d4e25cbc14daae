"""The history from the tables: nothing invented, nothing from the future, every repair reported."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from replenish.errors import DataError
from replenish.history.cleaning import build_history, sold_recently, valid_costs
from replenish.records import DemandHistory
from replenish.settings import HistorySettings, Settings
from replenish.sources.folder import tables_from_frames
from tests.small_shop import poisoned

Frames = dict[str, pd.DataFrame]
SETTINGS = Settings()
LAST = pd.Timestamp("2023-06-30")


def history_of(frames: Frames, as_of: str = "2023-06-30", settings: Settings = SETTINGS) -> DemandHistory:
    tables = tables_from_frames(frames)
    return build_history(tables, pd.Timestamp(as_of), settings, tables.stores[0])


def row(history: DemandHistory, item: str, day: str) -> pd.Series:
    panel = history.panel
    return panel[(panel["item_code"] == item) & (panel["date"] == pd.Timestamp(day))].iloc[0]


def test_one_row_per_item_and_day_since_its_first_sale(tiny_frames: Frames):
    sales = tiny_frames["sales"]
    tiny_frames["sales"] = sales[(sales["item_code"] != "M2") | (sales["date"] > pd.Timestamp("2023-06-20"))]
    panel = history_of(tiny_frames).panel
    assert not panel.duplicated(["item_code", "date"]).any()
    assert panel.groupby("item_code").size().to_dict() == {"L1": 30, "L2": 30, "M1": 30, "M2": 10}


def test_returns_are_netted_and_clearance_is_kept_apart(tiny_frames: Frames):
    history = history_of(tiny_frames)
    returned = row(history, "L2", "2023-06-15")
    assert returned["sold"] == pytest.approx(6 * 0.4 - 0.4)
    friday = row(history, "L1", "2023-06-09")
    assert (friday["full_price_sold"], friday["clearance_sold"], friday["clearance_day"]) == (5.0, 1.0, True)
    assert friday["demand"] - friday["hidden"] == pytest.approx(5.0 + 0.4 * 1.0)


def test_a_day_with_more_returned_than_sold_counts_zero(tiny_frames: Frames):
    sales = tiny_frames["sales"]
    sales.loc[sales["sale_type"] == "return", "quantity"] = -9.0
    history = history_of(tiny_frames)
    assert row(history, "L2", "2023-06-15")[["sold", "demand"]].tolist() == [0, 0]


def test_closed_days_are_no_offer_and_teach_nothing(tiny_frames: Frames):
    sales = tiny_frames["sales"]
    shut = pd.Timestamp("2023-06-14")
    quiet = sales["date"] == pd.Timestamp("2023-06-20")
    keep_one = quiet & ~sales.index.isin([sales.index[quiet][0]])
    tiny_frames["sales"] = sales[(sales["date"] != shut) & ~keep_one]
    history = history_of(tiny_frames)
    closed = history.calendar.set_index("date")["closed"]
    assert closed[closed].index.strftime("%m-%d").tolist() == ["06-14", "06-20"], "28 sales a day: 1 is below 5 %"
    rows = history.panel[history.panel["closed"]]
    assert len(rows) == 8
    assert (rows[["offered", "offered_then"]] == 0).all(axis=None)


def test_impossible_costs_are_left_out_and_reported(tiny_frames: Frames):
    costs = tiny_frames["wholesale"]
    costs.loc[(costs["item_code"] == "L1") & (costs["date"] == pd.Timestamp("2023-06-10")), "wholesale_price"] = 0.01
    costs.loc[(costs["item_code"] == "L2") & (costs["date"] == pd.Timestamp("2023-06-11")), "wholesale_price"] = 99.0
    history = history_of(tiny_frames)
    assert row(history, "L1", "2023-06-10")["wholesale_price"] == 3.5
    assert not row(history, "L1", "2023-06-10")["has_cost"]
    assert row(history, "L2", "2023-06-11")["wholesale_price"] == 3.0
    (found,) = [f for f in history.findings if f.table == "wholesale"]
    assert (found.count, found.total, found.grade) == (2, 120, "warning")
    assert found.examples == ("item L1, 2023-06-10: 0.01", "item L2, 2023-06-11: 99")


def test_costs_that_move_by_less_than_five_times_are_believed():
    dates = pd.date_range("2024-01-01", periods=4)
    prices = pd.DataFrame({"item_code": "A", "date": dates, "wholesale_price": [2.0, 2.0, 9.9, 2.0]})
    kept, finding = valid_costs(prices, HistorySettings())
    assert len(kept) == 4
    assert finding is None


def test_cost_from_before_the_first_sale_is_known_and_an_item_without_cost_has_none(tiny_frames: Frames):
    sales, costs = tiny_frames["sales"], tiny_frames["wholesale"]
    tiny_frames["sales"] = sales[(sales["item_code"] != "M1") | (sales["date"] > pd.Timestamp("2023-06-10"))]
    early = costs["date"] < pd.Timestamp("2023-06-05")
    tiny_frames["wholesale"] = costs[(costs["item_code"] != "M2") & ((costs["item_code"] != "M1") | early)]
    panel = history_of(tiny_frames).panel
    assert (panel.loc[panel["item_code"] == "M1", "wholesale_price"] == 1.8).all()
    assert panel.loc[panel["item_code"] == "M2", "wholesale_price"].isna().all()


def test_reference_price_is_the_last_full_price(tiny_frames: Frames):
    sales = tiny_frames["sales"]
    gone = (sales["item_code"] == "L1") & (sales["date"] == pd.Timestamp("2023-06-17"))
    tiny_frames["sales"] = sales[~gone]
    history = history_of(tiny_frames)
    assert row(history, "L1", "2023-06-15")["reference_price"] == 6.0
    assert row(history, "L1", "2023-06-16")["reference_price"] == 6.6
    gap = row(history, "L1", "2023-06-17")
    assert np.isnan(gap["full_price"])
    assert gap["reference_price"] == 6.6
    assert gap["demand"] == 0


def test_window_and_candidates(tiny_frames: Frames):
    history = history_of(tiny_frames, settings=SETTINGS.override(history__window_days=28))
    assert history.calendar["date"].min() == pd.Timestamp("2023-06-03")
    assert sold_recently(history.panel, LAST, 7).tolist() == ["L1", "L2", "M1", "M2"]
    panel = history.panel[(history.panel["item_code"] != "M2") | (history.panel["date"] <= LAST - pd.Timedelta(days=7))]
    assert "M2" not in sold_recently(panel, LAST, 7)


def test_a_store_without_sales_up_to_the_day_is_an_error(tiny_frames: Frames):
    with pytest.raises(DataError, match="no sales up to 2023-05-31"):
        history_of(tiny_frames, "2023-05-31")


def test_without_times_and_stock_the_report_says_that_sales_stand_for_demand(tiny_frames: Frames):
    tiny_frames["sales"] = tiny_frames["sales"].drop(columns="time")
    history = history_of(tiny_frames)
    (found,) = [f for f in history.findings if f.table == "sales"]
    assert "sales stand for demand" in found.what
    codes = ["L1", "L2"]
    stock = pd.MultiIndex.from_product([pd.date_range("2023-06-01", LAST), codes], names=["date", "item_code"])
    tiny_frames["stock"] = stock.to_frame(index=False).assign(on_hand=lambda x: (x["date"].dt.day != 13).astype(float))
    history = history_of(tiny_frames)
    (found,) = [f for f in history.findings if f.table == "sales"]
    assert "found from the stock" in found.what
    assert row(history, "L1", "2023-06-13")["demand_weight"] == 0
    assert row(history, "L1", "2023-06-12")["demand_weight"] == 1


# ---------------------------------------------------------------- nothing from the future


def test_nothing_after_the_day_matters(tiny_frames: Frames):
    tables = tables_from_frames(tiny_frames)
    day = "2023-06-20"
    clean = build_history(tables, pd.Timestamp(day), SETTINGS, "main")
    dirty = build_history(poisoned(tables, day), pd.Timestamp(day), SETTINGS, "main")
    for name in ("panel", "calendar", "profile", "clearance"):
        pd.testing.assert_frame_equal(getattr(clean, name), getattr(dirty, name))
    assert clean.findings == dirty.findings


def test_announcements_count_from_the_day_they_were_known(tiny_frames: Frames):
    tiny_frames["events"] = pd.DataFrame(
        {"date": ["2023-06-19"], "event": ["fair"], "kind": ["holiday"], "known_at": ["2023-06-25"]}
    )
    for as_of, known in (("2023-06-24", False), ("2023-06-25", True)):
        calendar = history_of(tiny_frames, as_of).calendar.set_index("date")
        assert bool(calendar.loc[pd.Timestamp("2023-06-19"), "is_holiday"]) is known
