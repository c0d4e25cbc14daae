"""Rolling origins see nothing of what came later, and what happened stands beside each forecast."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from replenish.errors import ConfigError, DataError
from replenish.evaluate.backtest import COLUMNS, backtest
from replenish.records import Tables
from replenish.sources.folder import tables_from_frames
from tests.evaluate.worlds import long_frames, quick_settings

ORIGINS = ["2023-06-10", "2023-06-17", "2023-06-24"]
KEY = ["model", "origin", "store", "item_code", "date"]
FORECAST = ["horizon", "price_assumed", "mean", "q05", "q50", "q95", "naive_mae", "naive_mse"]


@pytest.fixture(scope="module")
def tables() -> Tables:
    return tables_from_frames(long_frames())


@pytest.fixture(scope="module")
def rows(tables: Tables) -> pd.DataFrame:
    return backtest(tables, ORIGINS[0], ORIGINS[-1], step=7, horizon=3, settings=quick_settings())


def test_one_row_per_model_origin_item_and_day(rows: pd.DataFrame) -> None:
    assert tuple(rows.columns) == COLUMNS
    assert not rows.duplicated(KEY).any()
    assert len(rows) == 5 * 3 * 4 * 3  # models × origins × items × days
    assert set(rows["model"]) == {"blend", "smoothing", "theta", "tsb", "mean_7"}
    assert sorted(rows["origin"].unique()) == [pd.Timestamp(o) for o in ORIGINS]
    assert ((rows["date"] - rows["origin"]).dt.days == rows["horizon"]).all()


def test_only_the_blend_has_bands(rows: pd.DataFrame) -> None:
    blend = rows["model"] == "blend"
    assert rows.loc[blend, ["q05", "q50", "q95"]].notna().all(axis=None)
    assert rows.loc[~blend, ["q05", "q95"]].isna().all(axis=None)
    assert (rows.loc[~blend, "q50"] == rows.loc[~blend, "mean"]).all()


def test_what_happened_and_the_benchmark_by_hand(rows: pd.DataFrame) -> None:
    """Spinach: 10 sales of 0.5 kg, on 11 June (Sunday) half as much again. The week up to Saturday 10 June sold
    5 kg on four days, 5 + 1 on clearance on Friday, 7.5 on Saturday and Sunday: 41 ÷ 7."""
    mine = rows[(rows["item_code"] == "L1") & (rows["origin"] == "2023-06-10") & (rows["model"] == "mean_7")]
    first = mine.set_index("horizon").loc[1]
    assert first["actual"] == pytest.approx(7.5)
    assert first["mean"] == pytest.approx((4 * 5 + 6 + 7.5 + 7.5) / 7)
    assert (first["price_assumed"], first["price_actual"]) == pytest.approx((6.0, 6.0))
    assert not first["sold_out"]


def test_prices_sales_and_demand_of_a_clearance_friday() -> None:
    """Spinach costs 6.60 instead of 6.00 from 16 June on, a Friday: 5 kg at full price and 1 kg on clearance, of which
    0.4 would have paid the full price."""
    tables = tables_from_frames(long_frames())
    plain = quick_settings().override(history__stockout_max_factor=1.0)
    rows = backtest(tables, "2023-06-15", "2023-06-15", horizon=1, settings=plain)
    spinach = rows[rows["item_code"] == "L1"]
    assert spinach["price_assumed"].tolist() == pytest.approx([6.0] * len(spinach))
    assert spinach["price_actual"].tolist() == pytest.approx([6.6] * len(spinach))
    assert spinach["actual"].tolist() == pytest.approx([6.0] * len(spinach))
    assert spinach["demand"].tolist() == pytest.approx([5.4] * len(spinach))


def test_observations_after_an_origin_change_nothing_it_forecast(rows: pd.DataFrame) -> None:
    origin = pd.Timestamp(ORIGINS[1])
    frames = long_frames()
    later = frames["sales"]["date"] > origin
    frames["sales"].loc[later, ["quantity", "unit_price"]] = [77.0, 99.0]
    frames["wholesale"].loc[frames["wholesale"]["date"] > origin, "wholesale_price"] = 55.0
    poisoned = backtest(
        tables_from_frames(frames), ORIGINS[0], ORIGINS[1], step=7, horizon=3, settings=quick_settings()
    )
    clean = rows[rows["origin"] <= origin]
    pd.testing.assert_frame_equal(
        poisoned.set_index(KEY)[FORECAST], clean.set_index(KEY)[FORECAST], check_exact=True, check_index_type=False
    )
    assert (poisoned.loc[poisoned["date"] > origin, "actual"] > 100).all()


def test_models_are_fitted_again_when_they_are_too_old(tables: Tables) -> None:
    stages: list[str] = []
    backtest(
        tables, ORIGINS[0], ORIGINS[-1], horizon=1, settings=quick_settings(), refit_days=14, progress=stages.append
    )
    assert [s for s in stages if "fitting" in s] == [
        "origin 2023-06-10 (1 of 3), fitting",
        "origin 2023-06-24 (3 of 3), fitting",
    ]


def test_target_days_after_the_data_are_left_out(tables: Tables) -> None:
    rows = backtest(tables, "2023-06-28", "2023-06-28", horizon=7, settings=quick_settings())
    assert rows["date"].max() == pd.Timestamp("2023-06-30")
    assert set(rows["horizon"]) == {1, 2}


def test_members_choose_what_takes_part(tables: Tables) -> None:
    rows = backtest(tables, ORIGINS[0], ORIGINS[0], horizon=1, settings=quick_settings(forecast__arima=True),
                    members=["smoothing"])  # fmt: skip
    assert set(rows["model"]) == {"blend", "smoothing", "mean_7"}


def test_arima_forecasts_categories_and_items_through_them() -> None:
    """A category has it among its members; items have no rows of it and are reconciled with categories that do."""
    tables, found = tables_from_frames(long_frames(6)), {}
    for members in (["smoothing"], ["smoothing", "arima"]):
        for level in ("item", "category"):
            found[level, len(members)] = backtest(tables, ORIGINS[0], ORIGINS[0], horizon=1, level=level,
                                                  settings=quick_settings(), members=members)  # fmt: skip
    assert {key: set(rows["model"]) - {"blend", "mean_7"} for key, rows in found.items()} == {
        ("item", 1): {"smoothing"}, ("category", 1): {"smoothing"},
        ("item", 2): {"smoothing"}, ("category", 2): {"smoothing", "arima"},
    }  # fmt: skip
    assert found["category", 2].loc[lambda rows: rows["model"] == "arima", "mean"].gt(0).all()
    for level in ("item", "category"):
        plain, moved = (found[level, k].query("model == 'blend'")["mean"].to_numpy() for k in (1, 2))
        assert (np.abs(moved / plain - 1) > 1e-6).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"members": ["prophet"]}, r"Unknown member\(s\) prophet: choose from smoothing, theta, tsb, boosting, arima"),
        ({"members": "prophet"}, r"Unknown member\(s\) prophet: choose from smoothing"),
        ({"members": ["boosting"]}, "smoothing cannot be left out"),
        ({"members": "arima"}, "smoothing cannot be left out"),
        ({"level": "shop"}, "Unknown level shop: choose from item, category"),
        ({"step": 0}, "whole days, at least 1; got step 0"),
        ({"refit_days": -5}, "whole days, at least 1; got refit_days -5"),
        ({"horizon": 1.5, "step": -1}, "whole days, at least 1; got horizon 1.5, step -1"),
        ({"store": "east"}, "Store “east” is not in the data"),
    ],
)
def test_wrong_arguments_are_refused(tables: Tables, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        backtest(tables, ORIGINS[0], ORIGINS[0], **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("foo", ORIGINS[0], r"The first origin of a backtest is a day such as 2024-05-31, not “foo”\."),
        (None, ORIGINS[0], "The first origin of a backtest is a day such as 2024-05-31, not “None”"),
        (ORIGINS[0], 20230610, "The last origin of a backtest is a day such as 2024-05-31, not “20230610”"),
        (ORIGINS[1], ORIGINS[0], "The first origin, 2023-06-17, is after the last, 2023-06-10"),
    ],
)
def test_origins_that_are_no_days_are_refused(tables: Tables, first: object, last: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        backtest(tables, first, last)  # type: ignore[arg-type]


def test_an_origin_is_an_evening_whatever_the_hour(tables: Tables) -> None:
    early, late = (
        backtest(tables, first, last, horizon=1, settings=quick_settings(), members="smoothing")
        for first, last in (("2023-06-10", "2023-06-10"), (pd.Timestamp("2023-06-10 18:30"), date(2023, 6, 10)))
    )
    pd.testing.assert_frame_equal(early, late)
    assert set(early["model"]) == {"blend", "smoothing", "mean_7"}


def test_categories_need_an_origin_on_an_open_day() -> None:
    frames = long_frames()
    frames["sales"] = frames["sales"][frames["sales"]["date"] != ORIGINS[1]]
    with pytest.raises(DataError, match=r"no sales on any of the 1 origins \(first: 2023-06-17\)"):
        backtest(tables_from_frames(frames), ORIGINS[1], ORIGINS[1], settings=quick_settings(), level="category")


def test_what_stock_outs_hid_stands_beside_sales_and_is_empty_where_nobody_can_know() -> None:
    """Counts say that spinach sold out on 11 June. Times of sales tell what it hid; without them nobody knows."""
    stock = pd.DataFrame(
        {"date": pd.to_datetime(["2023-06-09", "2023-06-11"]), "item_code": "L1", "on_hand": [3.0, 0.0]}
    )
    frames = long_frames() | {"stock": stock}
    untimed = frames | {"sales": frames["sales"].drop(columns="time")}
    told, untold = (
        backtest(
            tables_from_frames(f), ORIGINS[0], ORIGINS[0], horizon=2, settings=quick_settings(), members="smoothing"
        )
        .query("item_code == 'L1' and model == 'blend'")
        .set_index("horizon")
        for f in (frames, untimed)
    )
    assert told["sold_out"].tolist() == untold["sold_out"].tolist() == [True, False]
    assert told.loc[1, "hidden"] == pytest.approx(told.loc[1, "demand"] - told.loc[1, "actual"])
    assert np.isnan(untold.loc[1, "hidden"])
    assert untold.loc[2, "hidden"] == 0.0


def test_origins_outside_the_data_are_named(tables: Tables) -> None:
    with pytest.raises(DataError, match="1 of 2 origins from 2023-06-24 to 2023-07-01 have no data"):
        backtest(tables, "2023-06-24", "2023-07-01", step=7)


def test_categories_are_forecast_by_unit() -> None:
    """Leafy items and mushrooms in kg, mushrooms in packs: what was sold of the composites is the sum of the items."""
    tables = tables_from_frames(long_frames())
    settings = quick_settings()
    items, rows = (
        backtest(tables, ORIGINS[0], ORIGINS[1], horizon=2, settings=settings, level=level)
        for level in ("item", "category")
    )
    names = items["category"] + " (" + items["unit"] + ")"
    summed = items[items["model"] == "mean_7"].groupby([names, "origin", "date"])["actual"].sum()
    found = rows[rows["model"] == "blend"].set_index(["item_code", "origin", "date"])["actual"]
    assert set(rows["item_code"]) == set(names)
    assert rows["hidden"].eq(0.0).all()
    pd.testing.assert_series_equal(found.sort_index(), summed.sort_index(), check_names=False)
    bands = rows.loc[rows["model"] == "blend", ["q10", "q50", "q90"]]
    assert bands.notna().all(axis=None)
    assert (bands["q10"] <= bands["q90"]).all()
