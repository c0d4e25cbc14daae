"""The contest's data: attachments with Chinese headers, and the Parquet rebuild with its gap."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from replenish.errors import DataError
from replenish.settings import load_settings
from replenish.sources.contest import RULES_TOML, read_contest
from replenish.sources.folder import load_tables, tables_from_frames

SALES_HEADER = ["销售日期", "扫码销售时间", "单品编码", "销量(千克)", "销售单价(元/千克)", "销售类型", "是否打折销售"]
ATTACHMENTS = {
    1: [
        ["单品编码", "单品名称", "分类编码", "分类名称"],
        ["0101", "菠菜", "11", "花叶类"],
        ["0102", "金针菇(盒)", "12", "食用菌"],
    ],
    2: [
        SALES_HEADER,
        [pd.Timestamp("2023-06-01"), "09:15:07.924", "0101", 0.396, 7.6, "销售", "否"],
        [pd.Timestamp("2023-06-01"), "10:15:07.924", "0102", 2, 3.0, "销售", "是"],
        [pd.Timestamp("2023-06-02"), "11:15:07.924", "0101", -0.1, 7.6, "退货", "否"],
        [pd.Timestamp("2023-06-02"), "11:20:07.924", "0101", 0.5, 7.6, "销售", "否"],
    ],
    3: [
        ["日期", "单品编码", "批发价格(元/千克)"],
        [pd.Timestamp("2023-06-01"), "0101", 3.88],
        [pd.Timestamp("2023-06-01"), "0102", 2.0],
    ],
    4: [["单品编码", "单品名称", "损耗率(%)"], ["0101", "菠菜", 9.43], ["0102", "金针菇(盒)", 0.45]],
}


def write_excel(path: Path, rows: list[list[object]]) -> None:
    book = openpyxl.Workbook()
    hidden = book.active
    hidden.title = "another"
    hidden.append(["小分类编码", "平均损耗率(%)"])
    sheet = book.create_sheet("Sheet1")
    for row in rows:
        sheet.append(row)
    book.save(path)


@pytest.fixture
def attachments(tmp_path: Path) -> Path:
    for number, rows in ATTACHMENTS.items():
        write_excel(tmp_path / f"附件{number}.xlsx", rows)
    return tmp_path


def check_small_shop(directory: Path) -> None:
    data = read_contest(directory)
    items = data.frames["items"].set_index("item_code")
    assert items["loss_rate"].to_dict() == {"0101": 0.0943, "0102": 0.0045}
    assert items["unit"].to_dict() == {"0101": "kg", "0102": "pack"}
    assert items["category"].to_dict() == {"0101": "花叶类", "0102": "食用菌"}
    daily = tables_from_frames(data.frames).daily_sales
    assert daily["quantity"].tolist() == [0.396, 2.0, 0.4]
    assert daily["returns"].tolist() == [0, 0, 1]
    assert daily["discounted_transactions"].tolist() == [0, 1, 0]


def test_attachments_in_excel(attachments: Path) -> None:
    check_small_shop(attachments)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_attachments_in_csv(tmp_path: Path, encoding: str) -> None:
    for number, rows in ATTACHMENTS.items():
        table = pd.DataFrame(rows[1:], columns=[str(h).replace("(", "（").replace(")", "）") for h in rows[0]])
        table.to_csv(tmp_path / f"附件{number}.csv", index=False, encoding=encoding)
    check_small_shop(tmp_path)


def test_attachments_in_subfolder(attachments: Path) -> None:
    (attachments / "original").mkdir()
    for n in (1, 3, 4):
        shutil.move(attachments / f"附件{n}.xlsx", attachments / "original")
    check_small_shop(attachments)


def test_units_guessed_from_whole_counts(attachments: Path) -> None:
    whole = [[pd.Timestamp("2023-06-01"), f"1{n}:00:00.1", "0101", 1, 7.6, "销售", "否"] for n in range(3)]
    write_excel(attachments / "附件2.xlsx", [SALES_HEADER, *whole])
    data = read_contest(attachments)
    items = data.frames["items"].set_index("item_code")
    assert items.loc["0101", ["unit", "unit_source"]].tolist() == ["pack", "counts"]
    assert [(f.count, f.examples) for f in data.findings if "guessed" in f.what] == [(1, ("菠菜",))]
    # Two whole sales may be chance.
    write_excel(attachments / "附件2.xlsx", [SALES_HEADER, *whole[:2]])
    assert read_contest(attachments).frames["items"]["unit"].tolist() == ["kg", "pack"]


def test_missing_attachments_are_named(attachments: Path) -> None:
    (attachments / "附件2.xlsx").unlink()
    (attachments / "附件4.xlsx").unlink()
    with pytest.raises(DataError, match=r"missing 附件2.xlsx \(sales\), 附件4.xlsx \(loss rates\)"):
        read_contest(attachments)
    with pytest.raises(DataError, match="the folder does not exist"):
        read_contest(attachments / "nowhere")


def test_unreadable_excel_and_missing_columns_come_together(attachments: Path) -> None:
    (attachments / "附件1.xlsx").write_bytes(b"not a workbook")
    write_excel(attachments / "附件3.xlsx", [["日期", "单品编码"], [pd.Timestamp("2023-06-01"), "0101"]])
    with pytest.raises(DataError) as error:
        read_contest(attachments)
    assert "附件1.xlsx: the file cannot be read as an Excel workbook" in error.value.faults[0]
    assert "附件3.xlsx: column(s) missing: 批发价格(元/千克)." in error.value.faults[1]


def test_unreadable_cells_are_found_by_the_checks(attachments: Path) -> None:
    row = [pd.Timestamp("2023-06-01"), "09:15:07.924", "0101", 1.0, 7.6, "赠送", "否"]
    write_excel(attachments / "附件2.xlsx", [SALES_HEADER, row])
    with pytest.raises(DataError, match="a sale_type other than sale or return \\(“赠送”\\)"):
        tables_from_frames(read_contest(attachments).frames)


# ---------------------------------------------------------------- reference data


@pytest.mark.real
def test_rebuild_gives_every_item_day_of_the_original(real_data: Path, real_folder: Path) -> None:
    daily = load_tables(real_folder).daily_sales
    truth = pd.read_parquet(real_data / "daily.parquet")
    truth = truth.assign(item_code=truth["item_code"].astype("str"), date=truth["date"].astype("datetime64[us]"))
    both = daily.merge(truth, on=["date", "item_code"], how="outer", validate="1:1", indicator=True)
    assert len(both) == 46_599
    assert (both["_merge"] == "both").all()
    for ours, theirs in {
        "quantity": "net_kg",
        "revenue": "net_revenue",
        "full_price_quantity": "full_price_net_kg",
        "discounted_quantity": "discounted_net_kg",
        "transactions": "n_sales",
        "discounted_transactions": "n_discounted_sales",
    }.items():
        np.testing.assert_allclose(both[ours], both[theirs], rtol=0, atol=1e-9, err_msg=ours)
    # The source rounds its mean full price to four digits, gives none where as much came back as was sold, and takes
    # the price of the return where nothing was sold (three item-days; a return is no offer, so they stay empty here).
    known = both.dropna(subset="full_price_avg").query("transactions > 0")
    assert len(known) == 46_080 - 3
    np.testing.assert_allclose(known["full_price"], known["full_price_avg"], rtol=0, atol=5.1e-5)


@pytest.mark.real
def test_gap_is_filled_without_counting_days_twice(real_data: Path) -> None:
    data = read_contest(real_data)
    sales = data.frames["sales"]
    filled = sales[sales["time"].isna()]
    assert filled["item_code"].unique().tolist() == ["102900011016701"]
    assert filled["date"].nunique() == 814
    timed = sales[(sales["item_code"] == "102900011016701") & sales["time"].notna()]
    assert timed["date"].nunique() == 44
    assert not set(timed["date"]) & set(filled["date"])
    # On this day the source does not say which price was the full one; 4.765 kg at 9.0, the rest at 7.9–9.0.
    day = filled[filled["date"] == "2021-09-25"].set_index("discounted")
    assert day.loc[False, ["quantity", "unit_price", "transactions"]].tolist() == [4.765, 9.0, 13]
    assert day.loc[True, "unit_price"] == pytest.approx((421.8098 - 9 * 4.765) / 47.307)


@pytest.mark.real
def test_units_of_the_reference_shop(real_data: Path) -> None:
    items = read_contest(real_data).frames["items"]
    assert items["unit"].value_counts().to_dict() == {"kg": 152, "pack": 99}
    named = items.set_index("item_name")["unit_source"]
    assert named[["云南生菜(份)", "娃娃菜", "西兰花"]].tolist() == ["name", "counts", "default"]


@pytest.mark.real
def test_attachments_made_of_reference_data_agree_with_the_rebuild(real_data: Path, tmp_path: Path) -> None:
    """The published attachments 1, 3 and 4 with a week of attachment 2 give that week's item-days."""
    for n in (1, 3, 4):
        shutil.copy(real_data / "original" / f"附件{n}.xlsx", tmp_path)
    sales = pd.read_parquet(real_data / "sales.parquet").query("'2023-06-24' <= date")
    words = {"sale": "销售", "return": "退货"}
    rows = zip(
        sales["date"], sales["time"], sales["item_code"].astype(str), sales["quantity_kg"], sales["unit_price"],
        sales["sale_type"].map(words), sales["discounted"].map({True: "是", False: "否"}), strict=True,
    )  # fmt: skip
    write_excel(tmp_path / "附件2.xlsx", [SALES_HEADER, *map(list, rows)])
    daily = tables_from_frames(read_contest(tmp_path).frames).daily_sales
    truth = pd.read_parquet(real_data / "daily.parquet").query("'2023-06-24' <= date")
    assert len(daily) == len(truth)
    assert daily["revenue"].sum() == pytest.approx(truth["net_revenue"].sum())


@pytest.mark.real
def test_contest_rules_are_read_with_the_folder(real_folder: Path) -> None:
    rules = load_settings(data=real_folder, environ={}).rules
    assert (rules.n_min, rules.n_max, rules.min_display) == (27, 33, 2.5)
    assert "27 to 33" in RULES_TOML
