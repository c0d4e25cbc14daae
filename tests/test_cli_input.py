"""`init`, `import` and `validate` as a shop would call them: messages, exit codes, and what is on the disk after."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine

import replenish.history.cleaning
from replenish.cli import main
from replenish.settings import Settings, load_settings
from replenish.sources.folder import load_tables, write_tables

Frames = dict[str, pd.DataFrame]
Captured = pytest.CaptureFixture[str]


def run(*arguments: object) -> int:
    """The exit code of a command line."""
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    return int(left.value.code or 0)


# ---------------------------------------------------------------- init


def test_init_writes_all_settings_once(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "replenish.toml"
    assert run("init", "--output", path) == 0
    assert load_settings(path, environ={}) == Settings()
    path.write_text("# mine")
    assert run("init", "--output", path) == 2
    assert path.read_text() == "# mine"
    assert "exists already and was left alone" in capsys.readouterr().err


# ---------------------------------------------------------------- import


def test_import_sql_writes_a_folder(tmp_path: Path, tiny_frames: Frames, capsys: Captured) -> None:
    url = make_database(tmp_path, tiny_frames)
    assert run("import", "sql", url, "--output", tmp_path / "shop", "--format", "csv") == 0
    assert "Next: replenish validate --data" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "shop").iterdir()) == ["items.csv", "sales.csv", "wholesale.csv"]
    assert len(load_tables(tmp_path / "shop").daily_sales) == 120


def test_import_answers_in_json(tmp_path: Path, tiny_frames: Frames, capsys: Captured) -> None:
    url = make_database(tmp_path, tiny_frames)
    assert run("import", "sql", url, "--output", tmp_path / "shop", "--json") == 0
    body = json.loads(capsys.readouterr().out)
    assert body["rows"] == {"items": 4, "sales": 846, "wholesale": 120}
    assert body["fingerprint"] == load_tables(tmp_path / "shop").fingerprint


def test_import_of_faulty_tables_writes_nothing(tmp_path: Path, tiny_frames: Frames, capsys: Captured) -> None:
    tiny_frames["sales"].loc[0, "unit_price"] = -1.0
    url = make_database(tmp_path, tiny_frames)
    assert run("import", "sql", url, "--output", tmp_path / "shop") == 3
    assert "unit_price ≤ 0" in capsys.readouterr().err
    assert not (tmp_path / "shop").exists()


def make_database(folder: Path, frames: Frames) -> str:
    url = f"sqlite:///{folder / 'shop.db'}"
    engine = create_engine(url)
    for name, frame in frames.items():
        frame.to_sql(name, engine, index=False)
    engine.dispose()
    return url


@pytest.mark.real
def test_import_contest_then_validate(real_data: Path, tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "shop"
    start = time.perf_counter()
    assert run("import", "contest", real_data, "--output", folder) == 0
    assert time.perf_counter() - start < 60
    assert "814 item-days whose transactions are missing" in " ".join(capsys.readouterr().out.split())
    assert (folder / "replenish.toml").is_file()
    assert run("validate", "--data", folder, "--date", "2023-07-01", "--json") == 1
    body = json.loads(capsys.readouterr().out)
    assert any("on offer" in f["what"] for f in body["findings"])


# ---------------------------------------------------------------- validate


def test_validate_prints_a_report(tiny_folder: Path, capsys: Captured) -> None:
    assert run("validate", "--data", tiny_folder) in (0, 1)
    out = capsys.readouterr().out
    assert "items in 2 categories (3 in kg, 1 in pack)" in " ".join(out.split())
    assert "0 error(s)" in out


def test_validate_of_a_day_with_settings_from_the_command_line(tiny_folder: Path, capsys: Captured) -> None:
    options = (
        "--date",
        "2023-07-04",
        "--set",
        "history.invalid_cost_below=2",
        "--set",
        "shop.lead_time_days=2",
        "--json",
    )
    assert run("validate", "--data", tiny_folder, *options) == 1
    findings = {f["what"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["wholesale prices below 2"]["count"] == 30
    assert findings["days between the last sales (2023-06-30) and the evening the plan is made"]["count"] == 2


def test_validate_grades_errors_in_json_too(tiny_folder: Path, capsys: Captured) -> None:
    (tiny_folder / "items.csv").unlink()
    assert run("validate", "--data", tiny_folder, "--json") == 3
    body = json.loads(capsys.readouterr().out)
    assert (body["exit_code"], body["findings"][0]["grade"]) == (3, "error")


def two_stores(frames: Frames) -> Frames:
    """The shop twice, as stores A and B."""
    return {n: pd.concat([f.assign(store="A"), f.assign(store="B")], ignore_index=True) for n, f in frames.items()}


def test_what_is_wrong_with_one_store_hides_no_other(tmp_path: Path, tiny_frames: Frames, capsys: Captured) -> None:
    frames = two_stores(tiny_frames)
    frames["wholesale"] = frames["wholesale"][frames["wholesale"]["store"] == "A"]
    late = (frames["sales"]["store"] == "A") & (frames["sales"]["date"] < pd.Timestamp("2023-06-20"))
    folder = write_tables(tmp_path / "two", frames | {"sales": frames["sales"][~late]})
    assert run("validate", "--data", folder, "--json") == 3
    told = [f["what"] for f in json.loads(capsys.readouterr().out)["findings"]]
    assert any("store B has none at all" in what for what in told)
    assert any("on offer (store A)" in what for what in told)
    assert run("validate", "--data", folder, "--json", "--date", "2023-06-20") == 3
    told = [f["what"] for f in json.loads(capsys.readouterr().out)["findings"]]
    assert any("store A has no sales up to 2023-06-19" in what for what in told)
    assert any("on offer (store B)" in what for what in told)


def test_a_fault_of_the_program_is_no_warning(
    tiny_folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("window shape")

    monkeypatch.setattr(replenish.history.cleaning, "build_history", broken)
    assert run("validate", "--data", tiny_folder) == 5
    err = capsys.readouterr().err
    assert "ValueError: window shape" in err
    assert "a fault of the program, not of your data" in err


# ---------------------------------------------------------------- bad input: message, exit code, nothing written


def spoil(folder: Path, table: str, old: str, new: str) -> None:
    path = folder / f"{table}.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        ("items", "loss_rate", "loss", "items: column(s) missing: loss_rate."),
        ("items", "0.05", "little", "items: 1 of 4 rows have a loss_rate that is not a number (“little”)"),
        ("items", "L2,Lettuce", "L1,Lettuce", "items: 1 of 4 rows have a key (store, item_code) that is there before"),
        ("items", "kg", "bunch", "items: 1 of 4 rows have a unit outside `kg` or `pack` (“bunch”)"),
        ("items", "L1,Spinach,leafy", ",,leafy", "items: 1 of 4 rows have no item_code"),
        ("sales", "L1,0.5,6.0", "L1,0.5,-6.0", "sales: 1 of 846 rows have unit_price ≤ 0 (“-6.0”) (first: item L1"),
        ("sales", "L1,0.5", "L1,some", "sales: 1 of 846 rows have a quantity that is not a number (“some”)"),
        ("sales", "L1,0.5", "L1,1033748718.4", "sales: 1 of 846 rows have a quantity beyond the largest allowed, "
         "1,000,000,000 (“1033748718.4”) (first: item L1, 2023-06-01)."),
        ("sales", "L1,0.5", "L9,0.5", "sales: 1 of 846 rows have an item_code that `items` does not know (“L9”)"),
        ("wholesale", "L1,3.5", "L1,-3.5", "wholesale: 1 of 120 rows have a wholesale_price outside ≥ 0 (“-3.5”)"),
        ("items", "0.05", "11.5", "outside ≥ 0, ≤ 0.95 (“11.5”) (first: item L2). It is a share: 11.5 % is 0.115."),
        ("items", "item_name", "Item_Name", "items: column(s) missing: item_name. The table has: item_code, Item_Name"),
        ("items", "item_name", "Item_Name", "Headings are in small letters: write “Item_Name” as item_name."),
        ("sales", "quantity", "Quantity ", "sales: column(s) missing: quantity. The table has"),
        ("sales", "time", "Time", "sales: column(s) written otherwise. The table has"),
        ("sales", "time", "Time", "Headings are in small letters: write “Time” as time."),
        ("sales", "2023-06-01", "01.06.2023", "a date that is not a date (“01.06.2023”) (first: item L1, 01.06.2023). "
         "Write dates as YYYY-MM-DD."),
        ("sales", "2023-06-01", "20230601", "Write dates as YYYY-MM-DD."),
        ("wholesale", "2023-06-01", "20230601", "Write dates as YYYY-MM-DD."),
        ("wholesale", "2023-06-01", "yesterday", "1 of 120 rows have a date that is not a date (“yesterday”)"),
    ],
)  # fmt: skip
def test_faulty_tables(tiny_folder: Path, capsys: Captured, table: str, old: str, new: str, message: str) -> None:
    spoil(tiny_folder, table, old, new)
    assert run("validate", "--data", tiny_folder, "--json") == 3
    faults = [f["what"] for f in json.loads(capsys.readouterr().out)["findings"]]
    assert any(message in fault for fault in faults), faults


def test_empty_table(tiny_folder: Path, capsys: Captured) -> None:
    header = (tiny_folder / "sales.csv").read_text().splitlines()[0]
    (tiny_folder / "sales.csv").write_text(header + "\n")
    assert run("validate", "--data", tiny_folder) == 3
    assert "sales: the table has no rows." in capsys.readouterr().out


@pytest.mark.parametrize("table", ["items", "sales"])
def test_files_of_another_form(tiny_folder: Path, capsys: Captured, table: str) -> None:
    path = tiny_folder / f"{table}.csv"
    text = path.read_text()
    for sign, name in ((";", "“;”"), ("\t", "tabs")):
        path.write_text(text.replace(",", sign))
        assert run("validate", "--data", tiny_folder, "--json") == 3
        told = [f["what"] for f in json.loads(capsys.readouterr().out)["findings"]]
        assert f"{path}: its columns are separated by {name}. Save it with commas, as “CSV UTF-8”." in told
    path.write_text("")
    assert run("validate", "--data", tiny_folder, "--json") == 3
    assert f"{path}: the file is empty." in capsys.readouterr().out


def test_missing_folder(tmp_path: Path, capsys: Captured) -> None:
    assert run("validate", "--data", tmp_path / "nowhere", "--json") == 3
    assert "nowhere: the folder does not exist." in capsys.readouterr().out


def test_wrong_encoding(tiny_folder: Path, capsys: Captured) -> None:
    path = tiny_folder / "items.csv"
    path.write_bytes(path.read_text().replace("Spinach", "菠菜").encode("gbk"))
    assert run("validate", "--data", tiny_folder, "--json") == 3
    assert "items.csv: the file is not UTF-8 text" in capsys.readouterr().out


def test_unreadable_excel(tmp_path: Path, capsys: Captured) -> None:
    for n in range(1, 5):
        (tmp_path / f"附件{n}.xlsx").write_bytes(b"broken")
    assert run("import", "contest", tmp_path, "--output", tmp_path / "shop") == 3
    assert "附件1.xlsx: the file cannot be read as an Excel workbook" in capsys.readouterr().err
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "rules.n_maximum=3"), "unknown setting “rules.n_maximum”. [rules] has: n_min"),
        (("--set", "rules=3"), "write it as section.key=value"),
        (("--set", "rules.n_max=many"), "rules.n_max = 'many'"),
        (("--config", "nowhere.toml"), "Settings file nowhere.toml does not exist"),
        (("--store", "west"), "Unknown store “west”. The data has: main."),
        (("--date", "tomorrow"), "'tomorrow' does not match the format"),
        (("--unknown",), "No such option: --unknown"),
    ],
)
def test_usage_errors(tiny_folder: Path, capsys: Captured, options: tuple[str, ...], message: str) -> None:
    assert run("validate", "--data", tiny_folder, *options) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_unknown_setting_in_the_file(tiny_folder: Path, capsys: Captured) -> None:
    (tiny_folder / "replenish.toml").write_text("[rules]\nn_maximum = 3\n")
    assert run("validate", "--data", tiny_folder) == 2
    assert "replenish.toml: unknown setting “rules.n_maximum”" in capsys.readouterr().err


def test_date_before_the_data(tiny_folder: Path, capsys: Captured) -> None:
    assert run("validate", "--data", tiny_folder, "--date", "2020-01-01", "--json") == 3
    assert json.loads(capsys.readouterr().out)["findings"][0]["grade"] == "error"


def test_full_disk(tmp_path: Path, tiny_frames: Frames, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "items.parquet")

    url = make_database(tmp_path, tiny_frames)
    monkeypatch.setattr(pd.DataFrame, "to_parquet", refuse)
    assert run("import", "sql", url, "--output", tmp_path / "shop") == 5
    assert "the disk is full; nothing was written. Free some space and run again." in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["shop.db"]


def test_folder_that_holds_something_else(tiny_frames: Frames, tmp_path: Path, capsys: Captured) -> None:
    url = make_database(tmp_path, tiny_frames)
    assert run("import", "sql", url, "--output", tmp_path, "--force") == 2
    assert "holds other files (shop.db)" in capsys.readouterr().err


def test_overwriting_needs_force(tiny_frames: Frames, tmp_path: Path, capsys: Captured) -> None:
    url = make_database(tmp_path, tiny_frames)
    shop = write_tables(tmp_path / "shop", tiny_frames)
    before = (shop / "sales.parquet").stat().st_mtime_ns
    assert run("import", "sql", url, "--output", shop) == 2
    assert "or overwrite them with --force" in capsys.readouterr().err
    assert (shop / "sales.parquet").stat().st_mtime_ns == before
    assert run("import", "sql", url, "--output", shop, "--force") == 0


def test_database_that_cannot_be_reached(tmp_path: Path, capsys: Captured) -> None:
    assert run("import", "sql", "postgresql://me:tomato-7@127.0.0.1:9/shop", "--output", tmp_path / "shop") == 3
    err = capsys.readouterr().err
    assert "me:***@127.0.0.1:9/shop cannot be read" in err
    assert "tomato-7" not in err


# ---------------------------------------------------------------- speed


def test_help_loads_nothing_heavy() -> None:
    """`replenish --help` stays under a second because no data library is imported for it."""
    code = (
        "import sys\nfrom replenish.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pandas', 'duckdb', 'sqlalchemy', 'pandera', 'lightgbm', 'pyomo', 'statsmodels'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "validate" in done.stdout


def test_program_is_installed() -> None:
    program = shutil.which("replenish", path=str(Path(sys.executable).parent))
    assert program is not None
    done = subprocess.run([program, "validate"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--data" in done.stderr
