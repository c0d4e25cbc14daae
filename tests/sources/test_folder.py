"""Canonical folders: reading, checking across tables, fingerprints, writing as a whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pandas as pd
import pytest

from replenish.errors import ConfigError, DataError
from replenish.sources.folder import load_tables, load_transactions, tables_from_frames, write_tables

Frames = dict[str, pd.DataFrame]


def faults_of(frames: Frames) -> tuple[str, ...]:
    with pytest.raises(DataError) as error:
        tables_from_frames(frames)
    return error.value.faults


def two_stores(frames: Frames) -> Frames:
    return {name: pd.concat([f.assign(store=s) for s in ("north", "south")]) for name, f in frames.items()}


def test_tiny_folder_is_read_and_rolled_up(tiny_folder: Path) -> None:
    tables = load_tables(tiny_folder)
    assert tables.stores == ["main"]
    assert len(tables.items) == 4
    assert len(tables.daily_sales) == 120
    spinach = tables.daily_sales.set_index(["item_code", "date"]).loc[("L1", pd.Timestamp("2023-06-30"))]
    assert (spinach["full_price_quantity"], spinach["full_price"], spinach["discounted_quantity"]) == (5.0, 6.6, 1.0)
    assert tables.findings == ()
    assert tables.source == str(tiny_folder)


def test_transactions_of_a_folder(tiny_folder: Path, tiny_frames: Frames) -> None:
    sales = load_transactions(tiny_folder)
    assert len(sales) == len(tiny_frames["sales"])
    assert sales["quantity"].sum() == pytest.approx(tiny_frames["sales"]["quantity"].sum())


def test_leading_zeros_of_codes_stay(tiny_frames: Frames, tmp_path: Path) -> None:
    frames = {name: f.assign(item_code="00" + f["item_code"].str[1:]) for name, f in tiny_frames.items()}
    frames = {name: f[~f["item_code"].duplicated() | (name == "sales")] for name, f in frames.items()}
    frames["wholesale"] = frames["wholesale"].drop_duplicates(["date", "item_code"])
    folder = write_tables(tmp_path / "shop", frames, "csv")
    assert set(load_tables(folder).daily_sales["item_code"]) == {"001", "002"}


# ---------------------------------------------------------------- fingerprint


def test_fingerprint_depends_on_content_only(tiny_frames: Frames, tmp_path: Path) -> None:
    shuffled = {name: f.sample(frac=1, random_state=1) for name, f in tiny_frames.items()}
    csv = write_tables(tmp_path / "a", tiny_frames, "csv")
    parquet = write_tables(tmp_path / "b", shuffled, "parquet")
    prints = {
        load_tables(csv).fingerprint,
        load_tables(parquet).fingerprint,
        tables_from_frames(tiny_frames).fingerprint,
    }
    assert len(prints) == 1
    assert len(prints.pop()) == 64


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [("items", "loss_rate", 0.2), ("sales", "unit_price", 9.0), ("wholesale", "wholesale_price", 9.0)],
)
def test_fingerprint_changes_with_any_table(tiny_frames: Frames, table: str, column: str, value: float) -> None:
    before = tables_from_frames(tiny_frames).fingerprint
    tiny_frames[table].loc[0, column] = value
    assert tables_from_frames(tiny_frames).fingerprint != before


# ---------------------------------------------------------------- stores


def test_one_store_of_several(tiny_frames: Frames) -> None:
    tables = tables_from_frames(two_stores(tiny_frames), store="south")
    assert tables.stores == ["south"]
    assert set(tables.daily_sales["store"]) == {"south"}


def test_unknown_store_is_a_usage_error(tiny_frames: Frames) -> None:
    with pytest.raises(ConfigError, match=r"Unknown store “west”. The data has: north, south"):
        tables_from_frames(two_stores(tiny_frames), store="west")


def test_store_without_sales(tiny_frames: Frames) -> None:
    frames = two_stores(tiny_frames)
    frames["sales"] = frames["sales"].query("store == 'north'")
    with pytest.raises(DataError, match="the store “south” has no sales"):
        tables_from_frames(frames, store="south")


def test_table_without_store_belongs_to_the_only_store(tiny_frames: Frames) -> None:
    tiny_frames["items"] = tiny_frames["items"].assign(store="north")
    tables = tables_from_frames(tiny_frames)
    assert set(tables.wholesale["store"]) == set(tables.daily_sales["store"]) == {"north"}


# ---------------------------------------------------------------- bad input


def test_missing_folder_and_files(tmp_path: Path, tiny_folder: Path) -> None:
    with pytest.raises(DataError, match="nowhere: the folder does not exist"):
        load_tables(tmp_path / "nowhere")
    (tiny_folder / "items.csv").unlink()
    (tiny_folder / "wholesale.csv").unlink()
    with pytest.raises(DataError) as error:
        load_tables(tiny_folder)
    assert [f.rsplit(": ")[1] for f in error.value.faults] == [
        "the file items.csv or items.parquet is missing.",
        "the file wholesale.csv or wholesale.parquet is missing.",
    ]


def test_table_in_both_formats(tiny_folder: Path, tiny_frames: Frames) -> None:
    tiny_frames["items"].to_parquet(tiny_folder / "items.parquet")
    with pytest.raises(DataError, match=r"items is there as items.parquet and as items.csv; which one counts"):
        load_tables(tiny_folder)


@pytest.mark.parametrize("table", ["items", "sales", "wholesale"])
def test_wrong_encoding(tiny_folder: Path, table: str) -> None:
    path = tiny_folder / f"{table}.csv"
    path.write_bytes(path.read_text().replace("L1", "菠菜").encode("gbk"))
    with pytest.raises(DataError, match=f"{table}.csv: the file is not UTF-8 text"):
        load_tables(tiny_folder)


def test_unreadable_and_empty_files(tiny_folder: Path) -> None:
    (tiny_folder / "items.csv").unlink()
    (tiny_folder / "items.parquet").write_bytes(b"PAR1 and then nothing")
    (tiny_folder / "wholesale.csv").write_bytes(b"")
    with pytest.raises(DataError) as error:
        load_tables(tiny_folder)
    assert "items.parquet: the file cannot be read as parquet" in error.value.faults[0]
    assert "wholesale.csv: the file is empty" in error.value.faults[1]


def test_ragged_csv(tiny_folder: Path) -> None:
    path = tiny_folder / "wholesale.csv"
    path.write_text(path.read_text() + "1,2,3,4,5,6\n")
    with pytest.raises(DataError, match=r"wholesale.csv: the file cannot be read as csv"):
        load_tables(tiny_folder)


def test_missing_tables_and_unknown_names(tiny_frames: Frames) -> None:
    with pytest.raises(DataError, match="table\\(s\\) missing: wholesale"):
        tables_from_frames({name: f for name, f in tiny_frames.items() if name != "wholesale"})
    with pytest.raises(DataError, match="Unknown table\\(s\\): prices"):
        tables_from_frames({**tiny_frames, "prices": tiny_frames["items"]})


def test_all_faults_of_all_tables_come_together(tiny_frames: Frames) -> None:
    tiny_frames["items"] = tiny_frames["items"].drop(columns="category")
    tiny_frames["sales"].loc[3, "unit_price"] = -2.0
    tiny_frames["wholesale"].loc[5, "wholesale_price"] = -1.0
    faults = faults_of(tiny_frames)
    assert [f.split(":")[0] for f in faults] == ["items", "wholesale", "sales"]


def test_duplicate_keys(tiny_frames: Frames) -> None:
    tiny_frames["wholesale"] = pd.concat([tiny_frames["wholesale"], tiny_frames["wholesale"].iloc[[7]]])
    (fault,) = faults_of(tiny_frames)
    assert "wholesale: 1 of 121 rows have a key (store, date, item_code) that is there before" in fault


def test_item_row_without_item(tiny_frames: Frames) -> None:
    """A category heading without an item (as spreadsheets have them) is an error."""
    tiny_frames["items"].loc[4] = [None, None, "roots", "kg", 0.1]
    faults = faults_of(tiny_frames)
    assert any(f.startswith("items: 1 of 5 rows have no item_code") for f in faults)


def test_category_whose_items_were_never_sold(tiny_frames: Frames) -> None:
    tiny_frames["items"].loc[4] = ["R1", "Carrot", "roots", "kg", 0.1]
    (finding,) = tables_from_frames(tiny_frames).findings
    assert (finding.grade, finding.count, finding.total, finding.examples) == ("warning", 1, 3, ("roots",))


def test_wholesale_of_unknown_items_is_a_warning(tiny_frames: Frames) -> None:
    extra = pd.DataFrame({"date": ["2023-06-01"], "item_code": ["X9"], "wholesale_price": [1.0]})
    tiny_frames["wholesale"] = pd.concat([tiny_frames["wholesale"], extra])
    (finding,) = tables_from_frames(tiny_frames).findings
    assert (finding.grade, finding.table, finding.count, finding.examples) == ("warning", "wholesale", 1, ("X9",))


def test_optional_table_may_be_empty(tiny_frames: Frames) -> None:
    tiny_frames["events"] = pd.DataFrame(columns=["date", "event", "kind", "known_at"])
    events = tables_from_frames(tiny_frames).events
    assert events is not None
    assert events.empty


# ---------------------------------------------------------------- writing


def test_full_disk_leaves_nothing(tiny_frames: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def fill_up(frame: pd.DataFrame, path: Path, **_: object) -> None:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        path.write_bytes(b"half")
        written.append(path)

    monkeypatch.setattr(pd.DataFrame, "to_parquet", fill_up)
    with pytest.raises(OSError, match="No space left"):
        write_tables(tmp_path / "shop", tiny_frames)
    assert list(tmp_path.iterdir()) == []


def test_overwriting_needs_force_and_keeps_settings(tiny_frames: Frames, tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "shop", tiny_frames, "csv", texts={"replenish.toml": "# mine\n"})
    with pytest.raises(ConfigError, match="holds tables already"):
        write_tables(folder, tiny_frames)
    write_tables(folder, tiny_frames, "parquet", force=True, texts={"replenish.toml": "# new\n"})
    assert sorted(p.name for p in folder.iterdir()) == [
        "items.parquet",
        "replenish.toml",
        "sales.parquet",
        "wholesale.parquet",
    ]
    assert (folder / "replenish.toml").read_text() == "# mine\n"
    assert [p.name for p in tmp_path.iterdir()] == ["shop"]


def test_failed_overwriting_leaves_the_old_folder(
    tiny_frames: Frames, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_tables(tiny_folder, tiny_frames, "csv", force=True)
    assert len(load_tables(tiny_folder).items) == 4


def test_foreign_files_are_never_overwritten(tiny_frames: Frames, tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(ConfigError, match=r"holds other files \(thesis.doc\)"):
        write_tables(tmp_path, tiny_frames, force=True)
    with pytest.raises(ConfigError, match="is a file, not a folder"):
        write_tables(tmp_path / "thesis.doc", tiny_frames, force=True)
