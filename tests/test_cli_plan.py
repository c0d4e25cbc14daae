"""`replenish plan` as typed: what it writes, what it says, its exit codes, and that a failure leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import replenish.planning.days
from replenish.cli import main
from replenish.errors import SolverError
from replenish.sources.folder import write_tables
from replenish.store.database import open_store
from tests.small_shop import TOML, small_frames

Captured = pytest.CaptureFixture[str]
DAY = ("--date", "2024-06-20")


@pytest.fixture(scope="module")
def folder(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small shop as a folder with its settings file."""
    frames = small_frames(demo_folder)
    return write_tables(tmp_path_factory.mktemp("plan") / "shop", frames, texts={"replenish.toml": TOML})


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder the commands run in; models stay there from one test to the next."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(autouse=True)
def _there(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    return int(left.value.code or 0)


def left_behind() -> tuple[set[str], int]:
    """Order files and the number of stored runs."""
    orders = {str(p) for p in Path().rglob("*") if p.suffix in (".csv", ".xlsx")}
    if not Path("out/replenish.db").exists():
        return orders, 0
    with open_store("sqlite:///out/replenish.db") as store:
        return orders, len(store.runs())


def test_plan_is_printed_stored_and_written_and_the_second_time_it_is_the_same_run(folder: Path, capsys: Captured):
    assert run("plan", "--data", folder, *DAY) == 0
    first = capsys.readouterr().out
    assert "the same run" not in first
    orders, runs = left_behind()
    assert {Path(p).suffix for p in orders} == {".csv", ".xlsx"}
    assert runs == 1
    lines = pd.read_csv(next(p for p in orders if p.endswith(".csv")))
    assert 3 <= len(lines) <= 8
    assert set(lines["date"]) == {"2024-06-20"}
    assert run("plan", "--data", folder, *DAY) == 0
    assert "the same run as before" in capsys.readouterr().out
    assert left_behind() == (orders, 1)


def test_json_is_one_valid_document(folder: Path, capsys: Captured):
    assert run("plan", "--data", folder, *DAY, "--json") == 0
    body = json.loads(capsys.readouterr().out)
    assert body["summary"]["dates"] == ["2024-06-20"]
    assert body["lines"][0]["date"] == "2024-06-20"
    assert len(body["run_id"]) > 8
    assert all(Path(f).is_file() for f in body["files"])


def test_explained_plan_is_the_same_run_with_the_worth_of_its_rules(folder: Path, capsys: Captured):
    assert run("plan", "--data", folder, *DAY, "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    assert run("plan", "--data", folder, *DAY, "--json", "--explain") == 0
    body = json.loads(capsys.readouterr().out)
    assert {"shelf_count_max", "category_cover"} <= {v["rule"] for v in body["rule_values"]}
    assert "rule_values" not in plain
    assert "rule_values" not in body["summary"]
    assert body["run_id"] == plain["run_id"]
    assert run("plan", "--data", folder, *DAY, "--explain") == 0
    shown = capsys.readouterr().out
    assert "one shelf place more" in shown
    assert "--explain-item P" in shown


def test_other_prices_and_orders_of_an_item_are_told(folder: Path, capsys: Captured):
    assert run("plan", "--data", folder, *DAY, "--json", "--explain-item", "P043") == 0
    body = json.loads(capsys.readouterr().out)
    assert {v["item_code"] for v in body["line_values"]} == {"P043"}
    assert {"price", "order", "listing"} >= {v["decision"] for v in body["line_values"]} >= {"order"}
    assert run("plan", "--data", folder, *DAY, "--explain-item", "P999") == 2
    assert "not listed by the plan: P999" in capsys.readouterr().err


def test_output_file_and_locks_are_obeyed(folder: Path, tmp_path: Path, capsys: Captured):
    locks = tmp_path / "locks.csv"
    locks.write_text("item_code,kind,value,author,reason\nP043,order,7.5,Ann,market day\nP046,never_list,,Ann,spoilt\n")
    assert run("plan", "--data", folder, *DAY, "--locks", locks, "--output", tmp_path / "order.csv") == 0
    capsys.readouterr()
    lines = pd.read_csv(tmp_path / "order.csv", dtype={"item_code": str}).set_index("item_code")
    assert lines.loc["P043", "order_quantity"] == 7.5
    assert "P046" not in lines.index


# ---------------------------------------------------------------- failures: message, exit code, nothing left behind


def fails(capsys: Captured, code: int, words: str, *arguments: object) -> None:
    before = left_behind()
    capsys.readouterr()
    assert run("plan", *arguments) == code
    captured = capsys.readouterr()
    assert words in " ".join(captured.err.split())
    assert captured.out == ""
    assert left_behind() == before


def test_usage_errors_leave_with_2(folder: Path, capsys: Captured):
    fails(capsys, 2, "shelf", "--data", folder, *DAY, "--level", "shelf")
    fails(capsys, 2, "20 June", "--data", folder, "--date", "20 June")
    fails(capsys, 2, "ends in .csv or .xlsx", "--data", folder, *DAY, "--output", "x.txt")
    fails(capsys, 2, "unknown setting “rules.n_maxx”", "--data", folder, *DAY, "--set", "rules.n_maxx=3")
    fails(capsys, 2, "n_min (9) is larger than n_max (8)", "--data", folder, *DAY, "--n-min", "9")
    fails(capsys, 2, "“east” is not in the data", "--data", folder, *DAY, "--store", "east")


def test_data_errors_leave_with_3(folder: Path, tmp_path: Path, capsys: Captured):
    fails(capsys, 3, "2023-09-01 to 2024-06-30", "--data", folder, "--date", "2025-01-01")
    fails(capsys, 3, "nowhere", "--data", tmp_path / "nowhere", *DAY)


def test_a_store_without_wholesale_prices_is_a_data_error(demo_folder: Path, tmp_path: Path, capsys: Captured):
    frames = small_frames(demo_folder)
    shops = {n: pd.concat([f.assign(store="A"), f.assign(store="B")], ignore_index=True) for n, f in frames.items()}
    shops["wholesale"] = shops["wholesale"][shops["wholesale"]["store"] == "A"]
    folder = write_tables(tmp_path / "two", shops, texts={"replenish.toml": TOML})
    fails(capsys, 3, "candidates of store B has a valid wholesale price", "--data", folder, *DAY, "--store", "B")


def test_rules_that_collide_leave_with_4_and_are_named(folder: Path, capsys: Captured):
    rules = ("--n-min", "40", "--n-max", "50")
    fails(capsys, 4, "n_min", "--data", folder, *DAY, *rules)


def test_a_solver_failure_leaves_with_5(folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise SolverError("HiGHS stopped without an answer.")

    monkeypatch.setattr(replenish.planning.days, "solve_menu", broken)
    fails(capsys, 5, "HiGHS stopped without an answer", "--data", folder, *DAY)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "locks.csv: the file is empty."),
        ("item_code;kind;value\nP043;order;4\n", "its columns are separated by “;”. Save it with commas"),
        ("item,kind\nP043,order\n", "column(s) missing: item_code"),
        ("item_code,kind,value\nP043,ordr,4\n", "row 2: unknown kind of lock “ordr”"),
        ("item_code,kind,value\nP043,order,many\n", "row 2: a lock of kind order needs a number"),
        ("item_code,kind,value\nP999,order,4\n", "P999: it is not among the candidates"),
    ],
)
def test_faulty_locks_are_told_by_row(folder: Path, tmp_path: Path, capsys: Captured, text: str, words: str):
    path = tmp_path / "locks.csv"
    path.write_text(text)
    fails(capsys, 2, words, "--data", folder, *DAY, "--locks", path)


def test_locks_that_cannot_be_used_at_all(folder: Path, tmp_path: Path, capsys: Captured):
    fails(capsys, 2, "cannot be read", "--data", folder, *DAY, "--locks", tmp_path / "none.csv")
    path = tmp_path / "locks.csv"
    path.write_text("item_code,kind,value\nP043,order,4\n")
    fails(capsys, 2, "locks on items", "--data", folder, *DAY, "--locks", path, "--level", "category")
