"""Each finding of the data report, provoked in the tiny shop, and the report on the reference data."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from replenish.errors import DataError
from replenish.history.data_report import DataReport, data_report, error_report, sentence
from replenish.records import DemandHistory, Finding
from replenish.settings import Settings
from replenish.sources.folder import load_tables, tables_from_frames
from tests.conftest import make_tiny_frames

Frames = dict[str, pd.DataFrame]


def report_on(frames: Frames, as_of: str | None = None) -> DataReport:
    day = None if as_of is None else pd.Timestamp(as_of)
    return data_report(tables_from_frames(frames), Settings(), as_of=day)


def found(report: DataReport, words: str) -> Finding:
    (finding,) = [f for f in report.findings if words in f.what]
    return finding


def is_silent(report: DataReport, words: str) -> bool:
    return not any(words in f.what for f in report.findings)


def test_clean_shop_has_only_information(tiny_frames: Frames) -> None:
    report = report_on(tiny_frames)
    assert report.exit_code == 0
    assert {f.grade for f in report.findings} == {"information"}
    sales = found(report, "item-days with")
    assert sentence(sales) == "120 item-days with 845 sales, 2023-06-01 to 2023-06-30 (30 days)"
    assert found(report, "rows, 2023-06-01 to 2023-06-30").table == "wholesale"
    assert sentence(found(report, "returns, worth")).startswith("1 of 846 returns, worth about 0.")


def test_days_without_sales(tiny_frames: Frames) -> None:
    sales = tiny_frames["sales"]
    closed = sales["date"].isin(pd.to_datetime(["2023-06-10", "2023-06-11"]))
    few = (sales["date"] == pd.Timestamp("2023-06-20")) & (sales.index != sales.index[sales["date"] == "2023-06-20"][0])
    tiny_frames["sales"] = sales[~closed & ~few]
    report = report_on(tiny_frames)
    assert report.exit_code == 1
    gap = found(report, "days without any sale")
    assert (gap.count, gap.total, gap.examples) == (2, 30, ("2023-06-10", "2023-06-11"))
    assert found(report, "less than 5% of the usual sales").examples == ("2023-06-20",)


def test_announced_closures_are_no_gap(tiny_frames: Frames) -> None:
    tiny_frames["sales"] = tiny_frames["sales"][tiny_frames["sales"]["date"] != pd.Timestamp("2023-06-10")]
    tiny_frames["events"] = pd.DataFrame(
        {"date": ["2023-06-10"], "event": ["repair"], "kind": ["closure"], "known_at": ["2023-06-01"]}
    )
    report = report_on(tiny_frames)
    assert is_silent(report, "days without any sale")
    assert found(report, "days announced as closed").examples == ("2023-06-10",)


def test_repeated_transactions(tiny_frames: Frames) -> None:
    tiny_frames["sales"] = pd.concat([tiny_frames["sales"], tiny_frames["sales"].iloc[[1]]])
    assert found(report_on(tiny_frames), "more than once").count == 1


def test_item_day_with_more_returned_than_sold(tiny_frames: Frames) -> None:
    sales = tiny_frames["sales"]
    back = (sales["item_code"] == "M2") & (sales["date"] == pd.Timestamp("2023-06-05"))
    tiny_frames["sales"] = sales.assign(sale_type=sales["sale_type"].mask(back, "return"))
    assert found(report_on(tiny_frames), "more returned than sold").examples == ("item M2, 2023-06-05: -1",)


def test_bulk_sale(tiny_frames: Frames) -> None:
    tiny_frames["sales"].loc[0, "quantity"] = 160.0
    finding = found(report_on(tiny_frames), "usual largest sale")
    assert (finding.grade, finding.count, finding.examples) == ("warning", 1, ("item L1, 2023-06-01: 160",))


def test_suspicious_prices(tiny_frames: Frames) -> None:
    wrong = tiny_frames["sales"]["date"] == pd.Timestamp("2023-06-07")
    tiny_frames["sales"].loc[wrong & (tiny_frames["sales"]["item_code"] == "M2"), "unit_price"] = 200.0
    tiny_frames["wholesale"].loc[[0, 4], "wholesale_price"] = [0.01, 35.0]
    report = report_on(tiny_frames)
    assert found(report, "whose full price is 5 times").examples == ("item M2, 2023-06-07: 200",)
    assert found(report, "wholesale prices below 0.05").examples == ("item L1, 2023-06-01: 0.01",)
    assert found(report, "wholesale prices 5 times").examples == ("item L1, 2023-06-02: 35",)
    assert found(report, "without a valid wholesale price of the same day").examples == ("item L1, 2023-06-01",)


def test_items_without_cost(tiny_frames: Frames) -> None:
    tiny_frames["wholesale"] = tiny_frames["wholesale"].query("item_code != 'M1'")
    finding = found(report_on(tiny_frames), "sold items without any cost")
    assert (finding.grade, finding.count, finding.total, finding.examples) == ("warning", 1, 4, ("Enoki",))


def test_wholesale_prices_that_end_early(tiny_frames: Frames) -> None:
    wholesale = tiny_frames["wholesale"]
    tiny_frames["wholesale"] = wholesale[wholesale["date"] <= pd.Timestamp("2023-06-27")]
    assert found(report_on(tiny_frames), "after the last wholesale price (2023-06-27)").count == 3


def test_loss_rates(tiny_frames: Frames) -> None:
    more = [(f"N{i}", f"new {i}", "leafy", "kg", 0.0943) for i in range(5)]
    extra = pd.DataFrame(more, columns=tiny_frames["items"].columns)
    tiny_frames["items"] = pd.concat([tiny_frames["items"], extra], ignore_index=True)
    tiny_frames["items"].loc[[0, 1], "loss_rate"] = [float("nan"), 0.0]
    report = report_on(tiny_frames)
    assert found(report, "items without a loss rate").examples == ("Spinach",)
    assert found(report, "loss rate of 0").examples == ("Lettuce",)
    assert sentence(found(report, "same loss rate")).startswith(
        "5 of 9 items with exactly the same loss rate of 9.43 %"
    )
    assert found(report, "items never sold").count == 5


def test_units(tiny_frames: Frames) -> None:
    tiny_frames["items"] = tiny_frames["items"].assign(
        unit=["pack", "kg", "kg", "kg"], unit_source=["counts", "default", "default", "default"]
    )
    tiny_frames["sales"].loc[0, "quantity"] = 0.75
    report = report_on(tiny_frames)
    # Shiitake sells 4 × 0.25 kg a day: whole kilograms every day, yet it is weighed.
    assert found(report, "items in kg with whole quantities only").examples == ("Enoki",)
    assert found(report, "fraction of a pack").examples == ("item L1, 2023-06-01: 5.25",)
    assert found(report, "was guessed from whole quantities").examples == ("Spinach",)


def test_only_what_was_known_counts(tiny_frames: Frames) -> None:
    tiny_frames["wholesale"].loc[119, "wholesale_price"] = 0.01
    assert is_silent(report_on(tiny_frames, "2023-06-29"), "wholesale prices below")
    assert found(report_on(tiny_frames, "2023-07-04"), "days between the last sales (2023-06-30)").count == 4
    with pytest.raises(DataError, match=r"none up to 2023-05-31 \(the first: 2023-06-01\)"):
        report_on(tiny_frames, "2023-05-31")


def test_sold_out_days_and_days_on_offer(tiny_frames: Frames) -> None:
    panel = pd.DataFrame(
        {
            "item_code": ["L1", "L1", "L2"],
            "date": pd.to_datetime(["2023-06-01", "2023-06-02", "2023-06-01"]),
            "transactions": [10, 9, 0],
            "offered": [1.0, 1.0, 0.9],
            "sold_out_probability": [0.0, 0.9, 0.0],
        }
    )
    note = Finding("information", "wholesale", "something noticed", 1, 3)
    nothing = pd.DataFrame()
    history = DemandHistory("main", pd.Timestamp("2023-06-02"), nothing, panel, nothing, nothing, nothing, (note,))
    report = data_report(tables_from_frames(tiny_frames), Settings(), [history])
    sold_out = found(report, "probably sold out")
    assert (sold_out.count, sold_out.total, sold_out.examples) == (1, 2, ("item L1, 2023-06-02",))
    offered = found(report, "on offer")
    assert sentence(offered) == "3 item-days on offer (store main), 1 of them without a sale"
    assert note in report.findings


def test_errors_become_a_report() -> None:
    report = error_report(DataError(["sales: the table has no rows.", "/x: no folder."], "Do something."), "/x")
    assert report.exit_code == 3
    assert [(f.grade, f.table, sentence(f)) for f in report.findings] == [
        ("error", "sales", "sales: the table has no rows."),
        ("error", "", "/x: no folder."),
    ]


def test_json_holds_everything(tiny_frames: Frames) -> None:
    report = report_on(tiny_frames)
    body = json.loads(report.to_json())
    assert body["exit_code"] == 0
    assert len(body["fingerprint"]) == 64
    assert len(body["findings"]) == len(report.findings)
    assert set(body["findings"][0]) == {"grade", "table", "what", "count", "total", "examples", "advice"}


@pytest.mark.real
def test_quirks_of_the_reference_data_are_found(real_folder: Path) -> None:
    report = data_report(load_tables(real_folder), Settings())
    assert report.exit_code == 1
    assert found(report, "days without any sale").count == 10
    assert found(report, "usual largest sale").examples[0] == "item 102900011034354, 2022-06-09: 160"
    assert found(report, "more returned than sold").count == 4
    assert found(report, "wholesale prices below 0.05").count >= 27
    assert sentence(found(report, "same loss rate of 9.43 %")).startswith("85 of 251")
    assert found(report, "loss rate of 0").count == 22
    assert found(report, "items never sold").count == 5
    assert found(report, "guessed from whole quantities").count == 12


def two_stores(frames: Frames) -> Frames:
    """The shop twice, as stores A and B."""
    return {
        name: pd.concat([frame.assign(store="A"), frame.assign(store="B")], ignore_index=True)
        for name, frame in frames.items()
    }


def test_a_store_without_any_wholesale_price_is_an_error_of_that_store(tiny_frames: Frames) -> None:
    frames = two_stores(tiny_frames)
    frames["wholesale"] = frames["wholesale"][frames["wholesale"]["store"] == "A"]
    report = report_on(frames)
    without = found(report, "store B has none at all")
    assert (without.grade, without.count, without.table) == ("error", 4, "wholesale")
    assert is_silent(report, "store A has none")
    assert report.exit_code == 3


def test_items_that_share_their_name(tiny_frames: Frames) -> None:
    assert is_silent(report_on(tiny_frames), "share their name")
    tiny_frames["items"].loc[1, "item_name"] = "Spinach"
    shared = found(report_on(tiny_frames), "share their name")
    assert (shared.grade, shared.count, shared.examples) == ("warning", 2, ("Spinach (L1)", "Spinach (L2)"))
    assert is_silent(report_on(two_stores(make_tiny_frames())), "share their name")
