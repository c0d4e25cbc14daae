"""Order files have exactly the declared columns, open in Excel with Chinese names, and are whole or not there."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import load_workbook

from replenish.errors import ConfigError, StorageError
from replenish.publish import DECIMALS, order_bytes, order_name, write_order
from replenish.schemas import PLAN_LINES, check_table
from tests.factories import make_plan, without

WRITTEN = {c.name: DECIMALS[c.unit] for c in PLAN_LINES.columns if c.unit in DECIMALS}


def test_csv_has_the_columns_and_values_of_the_lines(tmp_path: Path) -> None:
    plan = make_plan(days=2)
    path = write_order(plan, tmp_path / "order.csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    back = pd.read_csv(path, encoding="utf-8-sig", dtype={"item_code": str, "store": str})
    assert list(back.columns) == PLAN_LINES.names
    pd.testing.assert_frame_equal(check_table(back, PLAN_LINES), plan.lines.round(WRITTEN))


def test_excel_has_the_columns_and_values_of_the_lines(tmp_path: Path) -> None:
    plan = make_plan()
    path = write_order(plan, tmp_path / "new" / "folder" / "order.XLSX")
    back = pd.read_excel(path, sheet_name="Order", engine="openpyxl", dtype={"item_code": str, "store": str})
    assert list(back.columns) == PLAN_LINES.names
    pd.testing.assert_frame_equal(check_table(back, PLAN_LINES), plan.lines.round(WRITTEN))


def test_numbers_are_written_without_rounding_errors_of_the_computer() -> None:
    plan = make_plan()
    lines = plan.lines.copy()
    lines.loc[0, ["unit_cost", "order_quantity", "expected_profit"]] = [2.5600000000000005, 0.30000000000000004, 1 / 3]
    rule = {"rule": "budget", "limit": 500.0, "value": 2.5600000000000005, "binding": False}
    odd = without(plan, lines=lines, summary=plan.summary | {"revenue": 0.1 + 0.2, "rules": [rule]})
    text = order_bytes(odd, "csv").decode("utf-8-sig")
    assert ",0.3," in text
    assert ",2.56," in text
    assert "000000" not in text.splitlines()[1].replace("102900000000000", "")
    book = load_workbook(io.BytesIO(order_bytes(odd, "xlsx")))
    assert book["Order"]["I2"].value == 2.56
    figures = dict(book["Summary"].iter_rows(min_row=2, max_col=2, values_only=True))
    assert figures["revenue"] == 0.3
    assert figures["rule budget"].startswith("2.56 of 500;")


def test_excel_is_made_for_people() -> None:
    book = load_workbook(io.BytesIO(order_bytes(make_plan(), "xlsx")))
    order = book["Order"]
    assert book.sheetnames == ["Order", "Summary", "Not listed"]
    assert order.freeze_panes == "F2"
    assert order["A1"].font.bold
    cells = {c.value: order.cell(2, c.column) for c in order[1]}
    assert cells["price"].number_format == "#,##0.00"
    assert cells["sell_out_probability"].number_format == "0.0%"
    assert cells["date"].number_format == "yyyy-mm-dd"
    assert order.column_dimensions["D"].width >= len("姜蒜小米椒组合装(小份)") * 1.5


def test_excel_tells_figures_rules_cover_and_what_is_not_listed() -> None:
    plan = make_plan()
    book = load_workbook(io.BytesIO(order_bytes(plan, "xlsx")))
    figures = {row[0]: row[1] for row in book["Summary"].iter_rows(values_only=True) if row[0]}
    assert figures["expected"] == pytest.approx(plan.summary["expected"])
    assert figures["rule shelf_count"] == "33 of 33; binds. one place more is worth 2.1"
    assert figures["dates"] == "2023-07-01"
    cover = [row for row in book["Summary"].iter_rows(values_only=True) if row[1] in set(plan.cover["category"])]
    assert len(cover) == 6
    assert [row[3] for row in book["Not listed"].iter_rows(min_row=2, values_only=True)] == list(
        plan.candidates["item_name"]
    )


def test_a_name_that_looks_like_a_formula_stays_a_name() -> None:
    plan = make_plan()
    lines = plan.lines.copy()
    lines.loc[0, "item_name"] = "=1+1"
    book = load_workbook(io.BytesIO(order_bytes(without(plan, lines=lines), "xlsx")))
    assert book["Order"]["D2"].data_type == "s"


@pytest.mark.parametrize(
    ("store", "name"),
    [
        ("north", "order-north-2023-07-01-0123abcd.csv"),
        ("../../etc/x", "order-__.._etc_x-2023-07-01-0123abcd.csv"),
        ("蔬菜店 3", "order-蔬菜店 3-2023-07-01-0123abcd.csv"),
    ],
)
def test_a_store_name_cannot_leave_the_folder(store: str, name: str) -> None:
    assert order_name(store, "2023-07-01", "csv", "0123abcdef") == name


@pytest.mark.parametrize("name", ["order.pdf", "order"])
def test_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"ends with \.csv or \.xlsx"):
        write_order(make_plan(), tmp_path / name)
    with pytest.raises(ConfigError, match="Unknown order file format"):
        order_bytes(make_plan(), "pdf")


@pytest.mark.parametrize("name", ["order.csv", "order.xlsx"])
def test_a_full_disk_says_so_and_leaves_the_old_file(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_order(make_plan(), tmp_path / name)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"the disk is full\. Free some space .* Nothing was written"):
        write_order(make_plan(seed=1), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        write_order(make_plan(), tmp_path / "file" / "order.csv")
