"""Declared tables: conversion, defaults, all faults together, the generated dictionary."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, strategies as st

from replenish.errors import DataError
from replenish.schemas import (
    CUSTOMERS,
    DERIVED,
    EVENTS,
    ITEMS,
    PANDAS_DTYPE,
    SALES,
    TABLES,
    WEATHER,
    WHOLESALE,
    Table,
    check_table,
    data_dictionary,
)


def make_items(**changes: list[object]) -> pd.DataFrame:
    columns: dict[str, list[object]] = {
        "item_code": ["P17", "P18"],
        "item_name": ["Pepper", "Pea"],
        "category": ["fruit", "pods"],
        "unit": ["kg", "pack"],
        "loss_rate": [0.1, 0.0],
    }
    return pd.DataFrame(columns | changes)


def make_wholesale(*prices: object) -> pd.DataFrame:
    days = pd.date_range("2024-05-01", periods=len(prices))
    return pd.DataFrame({"date": days, "item_code": "P17", "wholesale_price": list(prices)})


def faults_of(frame: pd.DataFrame, table: Table) -> tuple[str, ...]:
    with pytest.raises(DataError) as error:
        check_table(frame, table)
    return error.value.faults


def test_defaults_are_filled_and_types_are_declared() -> None:
    items = check_table(make_items(), ITEMS)
    assert items["store"].unique().tolist() == ["main"]
    assert items["shelf_life_days"].tolist() == [1, 1]
    assert items["disposal_cost"].tolist() == [0.0, 0.0]
    assert items["order_multiple"].isna().all()
    required = [c for c in ITEMS.columns if not c.nullable]
    assert {c.name: str(items[c.name].dtype) for c in required} == {c.name: PANDAS_DTYPE[c.kind] for c in required}


def test_input_is_left_alone_and_further_columns_come_last() -> None:
    raw = make_items(colour=["red", "green"])
    before = raw.copy()
    checked = check_table(raw, ITEMS)
    pd.testing.assert_frame_equal(raw, before)
    assert list(checked.columns) == [*ITEMS.names, "colour"]


def test_checking_twice_changes_nothing() -> None:
    once = check_table(make_items(), ITEMS)
    pd.testing.assert_frame_equal(check_table(once, ITEMS), once)


def test_codes_read_as_numbers_lose_the_point() -> None:
    assert check_table(make_items(item_code=[1017.0, 1018.0]), ITEMS)["item_code"].tolist() == ["1017", "1018"]
    assert check_table(make_items(item_code=[" 007 ", "8"]), ITEMS)["item_code"].tolist() == ["007", "8"]


def test_example_of_the_design() -> None:
    """The message names what, where, how many and what next."""
    prices = [1.0] * 1239 + [-1.0]
    frame = make_wholesale(*prices)
    with pytest.raises(DataError) as error:
        check_table(frame, WHOLESALE)
    text = "wholesale: 1 of 1,240 rows have a wholesale_price outside ≥ 0 (“-1.0”) (first: 2027-09-22, item P17)."
    assert str(error.value) == f"{text}\nCorrect the source and run again."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"item_code": ["P17", None]}, "items: 1 of 2 rows have no item_code"),
        ({"item_code": ["P17", "P17"]}, "items: 1 of 2 rows have a key (store, item_code) that is there before"),
        (
            {"loss_rate": [0.1, 1.5]},
            "items: 1 of 2 rows have a loss_rate outside ≥ 0, ≤ 0.95 (“1.5”) (first: item P18)",
        ),
        ({"loss_rate": ["0.1", "9,4"]}, "items: 1 of 2 rows have a loss_rate that is not a number (“9,4”)"),
        ({"unit": ["kg", "bunch"]}, "items: 1 of 2 rows have a unit outside `kg` or `pack` (“bunch”)"),
        ({"shelf_life_days": [1, 1.5]}, "items: 1 of 2 rows have a shelf_life_days that is not a whole number"),
        ({"shelf_life_days": [1, 0]}, "items: 1 of 2 rows have a shelf_life_days outside ≥ 1"),
    ],
)
def test_fault_of_a_column(changes: dict[str, list[object]], message: str) -> None:
    (fault,) = faults_of(make_items(**changes), ITEMS)
    assert fault.startswith(message)


def test_all_faults_of_a_table_come_together() -> None:
    assert len(faults_of(make_items(item_name=["Pepper", " "], unit=["kg", "l"], loss_rate=["x", 2]), ITEMS)) == 4


def test_missing_columns_and_empty_tables() -> None:
    with pytest.raises(DataError, match=r"items: column\(s\) missing: category, unit\. The table has: item_code"):
        check_table(make_items().drop(columns=["category", "unit"]), ITEMS)
    with pytest.raises(DataError, match="items: the table has no rows"):
        check_table(make_items().iloc[:0], ITEMS)
    assert check_table(make_items().iloc[:0], ITEMS, allow_empty=True).empty


def test_missing_loss_rate_may_be_empty_but_not_absent() -> None:
    assert check_table(make_items(loss_rate=[None, 0.1]), ITEMS)["loss_rate"].isna().sum() == 1
    with pytest.raises(DataError, match="loss_rate"):
        check_table(make_items().drop(columns="loss_rate"), ITEMS)


@pytest.mark.parametrize(
    "text",
    ["2024-05-01", "2024/5/1", " 2024-05-01 07:30", "2024-05-01T07:30:00+08:00", pd.Timestamp("2024-05-01 07:30")],
)
def test_dates_lose_their_time(text: object) -> None:
    checked = check_table(make_wholesale(1.0, 2.0).assign(date=[text, "2024-05-02"]), WHOLESALE)
    assert checked["date"].tolist() == [pd.Timestamp("2024-05-01"), pd.Timestamp("2024-05-02")]
    assert str(checked["date"].dtype) == "datetime64[us]"


@pytest.mark.parametrize("text", ["2024-05-32", "05/01/2024", "01.05.2024", 20240501, "2024-05", "May"])
def test_ambiguous_and_impossible_dates_are_faults(text: object) -> None:
    (fault,) = faults_of(make_wholesale(1.0, 2.0).assign(date=["2024-05-02", text]), WHOLESALE)
    assert fault.startswith(f"wholesale: 1 of 2 rows have a date that is not a date (“{text}”)")


def test_columns_of_numbers_are_no_dates() -> None:
    (fault,) = faults_of(make_wholesale(1.0, 2.0).assign(date=[20240501, 20240502]), WHOLESALE)
    assert "2 of 2 rows have a date that is not a date" in fault


@pytest.mark.parametrize(("word", "flag"), [("true", True), ("No", False), (1, True), ("0", False), (True, True)])
def test_words_for_flags(word: object, flag: bool) -> None:
    sale = {"date": ["2024-05-01"], "item_code": ["P17"], "quantity": [1.0], "unit_price": [2.0], "discounted": [word]}
    assert check_table(pd.DataFrame(sale), SALES)["discounted"].tolist() == [flag]


def test_key_of_announcements_holds_every_forecast_of_a_day() -> None:
    rows = {"date": ["2024-05-03"] * 2, "known_at": ["2024-05-01", "2024-05-02"], "rain": [0.0, 2.0]}
    assert len(check_table(pd.DataFrame(rows), WEATHER)) == 2
    event = {"date": ["2024-05-03"], "event": ["fair"], "kind": ["party"], "known_at": ["2024-05-01"]}
    assert "a kind outside `closure` or `holiday`" in faults_of(pd.DataFrame(event), EVENTS)[0]


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30))
def test_counts_stay_whole(counts: list[int]) -> None:
    days = pd.date_range("2024-05-01", periods=len(counts))
    checked = check_table(pd.DataFrame({"date": days, "customers": [str(c) for c in counts]}), CUSTOMERS)
    assert checked["customers"].tolist() == counts
    assert str(checked["customers"].dtype) == "int64"


def test_dictionary_names_every_table_and_column() -> None:
    text = data_dictionary()
    for table in (*TABLES.values(), *DERIVED.values()):
        assert f"### `{table.name}`" in text
        assert all(f"| `{c.name}` |" in text for c in table.columns)


def test_keys_are_declared_columns() -> None:
    for table in (*TABLES.values(), *DERIVED.values()):
        assert set(table.key) <= set(table.names)
        assert len(set(table.names)) == len(table.names)
