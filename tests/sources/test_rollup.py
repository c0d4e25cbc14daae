"""The roll-up against answers worked by hand, and the faults of raw transactions."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from replenish.errors import DataError
from replenish.schemas import DAILY_SALES, INTRADAY_SALES, ITEMS, check_table
from replenish.sources.rollup import check_sales, read_transactions, roll_up

COLUMNS = ["date", "time", "item_code", "quantity", "unit_price", "sale_type", "discounted"]


def make_items(codes: tuple[str, ...] = ("A", "B"), store: str = "main") -> pd.DataFrame:
    rows = [(store, c, f"name {c}", "leafy" if c == "A" else "roots", "kg", 0.1) for c in codes]
    frame = pd.DataFrame(rows, columns=["store", "item_code", "item_name", "category", "unit", "loss_rate"])
    return check_table(frame, ITEMS)


def make_sales(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


ONE_DAY = make_sales(
    ("2023-06-01", "09:00:00.5", "A", 2.0, 5.0, "sale", False),
    ("2023-06-01", "09:29:59.9", "A", 1.0, 8.0, "sale", False),
    ("2023-06-01", "12:00:00.0", "A", -1.0, 5.0, "return", False),
    ("2023-06-01", "20:30:00.0", "A", 4.0, 3.0, "sale", True),
)


def test_one_item_day_worked_by_hand() -> None:
    rolled = roll_up(ONE_DAY, make_items())
    day = rolled.daily.iloc[0]
    assert len(rolled.daily) == 1
    assert rolled.rows == 4
    assert (day["quantity"], day["revenue"]) == (6.0, 10 + 8 - 5 + 12)
    assert (day["transactions"], day["returns"], day["return_quantity"]) == (3, 1, 1.0)
    # Full price net of the return: (2·5 + 1·8 − 1·5) ÷ (2 + 1 − 1) = 6.5.
    assert (day["full_price_quantity"], day["full_price"]) == (2.0, 6.5)
    assert (day["discounted_quantity"], day["discounted_price"], day["discounted_transactions"]) == (4.0, 3.0, 1)
    assert (day["last_sale_hour"], day["largest_sale"]) == (20.5, 4.0)
    assert day["first_sale_hour"] == pytest.approx(9 + 0.5 / 3600)


def test_intraday_counts_full_price_sales_by_half_hour_without_returns() -> None:
    late = make_sales(("2023-06-01", "20:30:00.0", "A", 4.0, 5.0, "sale", False))
    intraday = roll_up(pd.concat([ONE_DAY, late]), make_items()).intraday
    assert intraday[["category", "half_hour", "transactions"]].to_numpy().tolist() == [
        ["leafy", 18, 2],
        ["leafy", 41, 1],
    ]


def test_rolled_tables_have_their_declared_form() -> None:
    rolled = roll_up(ONE_DAY, make_items())
    pd.testing.assert_frame_equal(check_table(rolled.daily, DAILY_SALES), rolled.daily)
    pd.testing.assert_frame_equal(check_table(rolled.intraday, INTRADAY_SALES), rolled.intraday)


def test_returns_count_negatively_whatever_their_sign() -> None:
    positive = ONE_DAY.assign(quantity=ONE_DAY["quantity"].abs())
    pd.testing.assert_frame_equal(roll_up(positive, make_items()).daily, roll_up(ONE_DAY, make_items()).daily)


def test_full_price_of_a_day_with_everything_returned_is_that_of_the_sales() -> None:
    sold = ("2023-06-01", "09:00", "A", 1.0, 5.0, "sale", False)
    back = ("2023-06-01", "10:00", "A", -1.0, 5.0, "return", False)
    day = roll_up(make_sales(sold, back), make_items()).daily.iloc[0]
    assert (day["full_price_quantity"], day["full_price"]) == (0.0, 5.0)
    assert pd.isna(roll_up(make_sales(back), make_items()).daily.iloc[0]["full_price"])


def test_rows_without_time_stand_for_their_transactions() -> None:
    sales = make_sales(("2023-06-01", None, "A", 30.0, 5.0, "sale", False)).assign(transactions=80)
    rolled = roll_up(sales, make_items())
    day = rolled.daily.iloc[0]
    assert day["transactions"] == 80
    assert day[["first_sale_hour", "last_sale_hour", "largest_sale"]].isna().all()
    assert rolled.intraday.empty


def test_frame_arrow_csv_and_parquet_give_the_same(tmp_path: Path) -> None:
    ONE_DAY.to_csv(tmp_path / "sales.csv", index=False, encoding="utf-8-sig")
    ONE_DAY.iloc[:2].to_parquet(tmp_path / "a.parquet")
    ONE_DAY.iloc[2:].to_parquet(tmp_path / "b [x]'.parquet")
    expected = roll_up(ONE_DAY, make_items()).daily
    for source in (
        pa.Table.from_pandas(ONE_DAY),
        tmp_path / "sales.csv",
        [tmp_path / "a.parquet", tmp_path / "b [x]'.parquet"],
    ):
        pd.testing.assert_frame_equal(roll_up(source, make_items()).daily, expected)


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(40)), data=st.data())
def test_sums_do_not_depend_on_row_order(order: list[int], data: st.DataObject) -> None:
    numbers = st.floats(0.001, 1000, allow_nan=False)
    values = data.draw(st.lists(st.tuples(numbers, numbers), min_size=40, max_size=40))
    rows = [("2023-06-01", None, "A", q, p, "sale", i % 3 == 0) for i, (q, p) in enumerate(values)]
    first = roll_up(make_sales(*rows), make_items()).daily
    second = roll_up(make_sales(*(rows[i] for i in order)), make_items()).daily
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_repeated_transactions_are_reported_and_kept() -> None:
    sales = pd.concat([ONE_DAY, ONE_DAY.iloc[[0]]], ignore_index=True)
    rolled = roll_up(sales, make_items())
    (finding,) = rolled.findings
    assert (finding.grade, finding.count, finding.total) == ("warning", 1, 5)
    assert finding.examples == ("item A, 2023-06-01 09:00:00",)
    assert rolled.daily.iloc[0]["transactions"] == 4


def test_coarse_times_and_different_receipts_are_no_repetition() -> None:
    coarse = ONE_DAY.iloc[[3, 3]]
    receipts = ONE_DAY.iloc[[0, 0]].assign(receipt=["r1", "r2"])
    assert roll_up(coarse, make_items()).findings == ()
    assert roll_up(receipts, make_items()).findings == ()


def clocked(day: str, rows: int, seed: int = 0) -> pd.DataFrame:
    """Sales of a day, one in each of `rows` minutes from 9 o'clock, with quantities of their own."""
    return make_sales(
        *((day, f"{9 + n // 60:02d}:{n % 60:02d}", "A", 0.1 + 0.01 * n + seed, 5.0, "sale", False) for n in range(rows))
    )


def test_days_that_are_there_twice_are_refused_and_named() -> None:
    once, twice = clocked("2023-06-01", 60), clocked("2023-06-02", 60)
    with pytest.raises(DataError) as caught:
        roll_up(pd.concat([once, twice, twice]), make_items())
    assert str(caught.value).startswith(
        "sales: 60 of 120 rows of 1 day(s) repeat another row in all columns: these days are there twice "
        "(store main: 2023-06-02). Remove the second copy"
    )
    month = pd.concat([clocked(f"2023-06-{day:02d}", 30, day) for day in range(1, 11)])
    with pytest.raises(DataError, match="store main: 10 days from 2023-06-01 to 2023-06-10"):
        roll_up(pd.concat([month, month]), make_items())


def test_many_repetitions_on_a_day_are_a_warning_few_are_chance() -> None:
    day = clocked("2023-06-01", 60)
    (finding,) = roll_up(pd.concat([day, day.iloc[:20]]), make_items()).findings
    assert (finding.grade, finding.count, finding.total) == ("warning", 20, 80)
    assert finding.examples == ("store main, 2023-06-01: 20 of 80",)
    assert roll_up(pd.concat([day, day.iloc[:10]]), make_items()).findings == ()


def test_without_a_clock_only_a_day_with_every_row_twice_is_one_copy_too_many() -> None:
    day = clocked("2023-06-01", 60).assign(time=None, quantity=[0.1 * (n % 30) + 0.1 for n in range(60)])
    mixed = pd.concat([day, day.iloc[:1]])
    assert roll_up(mixed, make_items()).findings == ()
    with pytest.raises(DataError, match="these days are there twice"):
        roll_up(pd.concat([mixed, mixed]), make_items())


def test_item_codes_that_became_numbers_are_found() -> None:
    items = make_items(("1029", "B"))
    sales = make_sales(("2023-06-01", "09:00", 1029.0, 1.0, 5.0, "sale", False))
    assert roll_up(sales, items).daily["item_code"].tolist() == ["1029"]


def test_one_store_without_store_column_takes_the_store_of_the_items() -> None:
    assert roll_up(ONE_DAY, make_items(store="north")).daily["store"].unique().tolist() == ["north"]


def test_transactions_come_back_typed_and_in_order() -> None:
    frame = read_transactions(ONE_DAY, make_items())
    assert frame["quantity"].tolist() == ONE_DAY["quantity"].tolist()
    assert frame["time"].iloc[0] == "09:00:00.5"
    assert str(frame["date"].dtype) == "datetime64[us]"


# ---------------------------------------------------------------- faults


def spoil(column: str, value: object) -> pd.DataFrame:
    sales = ONE_DAY.copy()
    sales[column] = sales[column].astype("object")
    sales.loc[1, column] = value
    return sales


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("unit_price", -1.0, "1 of 4 rows have unit_price ≤ 0 (“-1.0”) (first: item A, 2023-06-01)."),
        (
            "unit_price",
            "dear",
            "1 of 4 rows have a unit_price that is not a number (“dear”) (first: item A, 2023-06-01).",
        ),
        ("unit_price", None, "1 of 4 rows have no unit_price (first: item A, 2023-06-01)."),
        ("quantity", 0.0, "1 of 4 rows have a sale with quantity ≤ 0 (“0.0”) (first: item A, 2023-06-01)."),
        ("quantity", "inf", "1 of 4 rows have a quantity that is not a number (“inf”)"),
        ("quantity", "nan", "1 of 4 rows have a quantity that is not a number (“nan”)"),
        (
            "quantity",
            1033748718.4,
            "1 of 4 rows have a quantity beyond the largest allowed, 1,000,000,000 (“1033748718.4”) "
            "(first: item A, 2023-06-01).",
        ),
        ("quantity", "-1e12", "1 of 4 rows have a quantity beyond the largest allowed, 1,000,000,000 (“-1e12”)"),
        ("unit_price", 1e12, "1 of 4 rows have a unit_price beyond the largest allowed, 1,000,000,000"),
        (
            "date",
            "2023-13-01",
            "1 of 4 rows have a date that is not a date (“2023-13-01”) (first: item A, 2023-13-01).",
        ),
        ("date", None, "1 of 4 rows have no date (first: item A)."),
        ("time", "noon", "1 of 4 rows have a time that is not a time (“noon”)"),
        (
            "item_code",
            "Z",
            "1 of 4 rows have an item_code that `items` does not know (“Z”) (first: item Z, 2023-06-01).",
        ),
        ("item_code", " ", "1 of 4 rows have no item_code (first: 2023-06-01)."),
        ("sale_type", "gift", "1 of 4 rows have a sale_type other than sale or return (“gift”)"),
        ("discounted", "maybe", "1 of 4 rows have a discounted that is not a flag (“maybe”)"),
    ],
)
def test_fault_is_named_with_count_and_example(column: str, value: object, message: str) -> None:
    with pytest.raises(DataError) as error:
        roll_up(spoil(column, value), make_items())
    assert f"sales: {message}" in str(error.value)
    assert len(error.value.faults) == 1


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (-1, "negative transactions"),
        (1.5, "transactions that are not whole"),
        (10**12, "a transactions beyond the largest allowed, 1,000,000,000"),
    ],
)
def test_faulty_number_of_transactions(value: float, what: str) -> None:
    with pytest.raises(DataError, match=f"4 of 4 rows have {what}"):
        roll_up(ONE_DAY.assign(transactions=value), make_items())


def test_all_faults_come_together() -> None:
    sales = spoil("unit_price", -1.0)
    sales.loc[0, "item_code"] = "Z"
    sales.loc[2, "quantity"] = None
    with pytest.raises(DataError) as error:
        roll_up(sales, make_items())
    assert len(error.value.faults) == 3
    assert str(error.value).endswith("Correct the source and run again.")


def test_unknown_store() -> None:
    with pytest.raises(DataError, match="4 of 4 rows have a store that `items` does not know \\(“south”\\)"):
        roll_up(ONE_DAY.assign(store="south"), make_items(store="north"))


def test_missing_columns_and_empty_table() -> None:
    with pytest.raises(DataError, match=r"sales: column\(s\) missing: quantity, unit_price. The table has: date, time"):
        roll_up(ONE_DAY.drop(columns=["quantity", "unit_price"]), make_items())
    with pytest.raises(DataError, match="sales: the table has no rows"):
        roll_up(ONE_DAY.iloc[:0], make_items())


def test_without_items_only_the_rows_are_judged() -> None:
    check_sales(spoil("item_code", "Z"), None)
    with pytest.raises(DataError, match="unit_price ≤ 0"):
        check_sales(spoil("unit_price", 0.0), None)


def test_unreadable_files(tmp_path: Path) -> None:
    broken = tmp_path / "sales.parquet"
    broken.write_bytes(b"not parquet")
    with pytest.raises(DataError, match=r"sales.parquet: the sales cannot be read"):
        roll_up(broken, make_items())
    with pytest.raises(DataError, match="the file does not exist"):
        roll_up(tmp_path / "nothing.csv", make_items())
    foreign = tmp_path / "sales.csv"
    foreign.write_bytes(ONE_DAY.assign(item_code="青椒").to_csv(index=False).encode("gbk"))
    with pytest.raises(DataError, match="is not UTF-8 text"):
        roll_up(foreign, make_items())
