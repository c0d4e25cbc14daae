"""`backtest` and `review` as an analyst would call them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from replenish.cli import main
from replenish.cli.judged import stock_out_lines
from replenish.evaluate.backtest import COLUMNS
from replenish.sources.folder import write_tables
from replenish.store.database import open_store
from tests.evaluate.test_review import make_plan
from tests.evaluate.worlds import long_frames

Captured = pytest.CaptureFixture[str]
QUICK = ["--members", "smoothing", "--set", "forecast.validation_days=28"]


def run(*arguments: object) -> int:
    """The exit code of a command line."""
    try:
        main([str(a) for a in arguments])
    except SystemExit as left:
        return int(left.code or 0)
    return 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("judging") / "shop", long_frames())


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


def test_backtest_writes_rows_and_prints_the_leaderboard(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    output = tmp_path / "rows.parquet"
    dates = ["--from", "2023-06-15", "--to", "2023-06-20", "--step", 5, "--horizon", 2]
    assert run("backtest", "--data", folder, *dates, *QUICK, "--output", output) == 0
    rows = pd.read_parquet(output)
    assert tuple(rows.columns) == COLUMNS
    assert len(rows) == 2 * 2 * 4 * 3  # origins × days × items × models
    told = capsys.readouterr().out
    assert "2 origins from 2023-06-15 to 2023-06-20, horizons 1–2" in told
    assert all(word in told for word in ("blend", "smoothing", "mean_7", "wape"))


def test_backtest_against_demand(folder: Path, capsys: Captured) -> None:
    """Two of the four items, of few sales, seem to have sold out on both days: half of the item-days."""
    command = ["backtest", "--data", folder, "--from", "2023-06-15", "--to", "2023-06-15", "--horizon", 2, *QUICK]
    assert run(*command) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "days on which the item sold, against sales" in told
    assert "bias against demand" in told
    assert "50% of these days sold out: sales are then less than the demand that is forecast" in told
    assert run(*command, "--against", "demand") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "days on which the item sold, against demand" in told
    assert "bias against sales" in told
    assert "itself an estimate, and one the forecasts learn from" in told
    assert run(*command, "--against", "demand", "--json") == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["against"], body["sold_out_share"]) == ("demand", 0.5)
    biases = {row["model"]: row["bias"] for row in body["leaderboard"]["sold"]}
    assert biases == pytest.approx(body["bias"]["demand"])
    assert all(bias < body["bias"]["sales"][model] for model, bias in biases.items())


def test_what_is_said_of_stock_outs() -> None:
    rows = pd.DataFrame({"hidden": [0.0, 0.0]})
    assert stock_out_lines(rows, "sales", 0.04) == stock_out_lines(rows, "sales", float("nan")) == []
    assert stock_out_lines(rows, "demand", 0.04) == [
        "Nothing is known to be hidden by stock-outs: demand is what was sold."
    ]


def test_backtest_in_json(folder: Path, capsys: Captured) -> None:
    assert run("backtest", "--data", folder, "--from", "2023-06-20", "--to", "2023-06-20", *QUICK, "--json") == 0
    body = json.loads(capsys.readouterr().out)
    assert set(body["leaderboard"]) == {"sold", "offered", "sold_out", "all"}
    assert {row["model"] for row in body["leaderboard"]["sold"]} == {"blend", "smoothing", "mean_7"}
    assert {row["horizon"] for row in body["by"]["horizon"]} == set(range(1, 8))
    assert {row["volume"] for row in body["by"]["volume"]} == {"low", "middle", "high"}


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["--from", "2023-06-20", "--to", "2023-06-20", "--output", "rows.csv"], 2, "written as .parquet"),
        (["--from", "2023-06-20", "--to", "2023-06-20", "--members", "prophet"], 2, "Unknown member(s) prophet"),
        (["--from", "2023-06-20", "--to", "2023-06-20", "--members", "arima"], 2, "smoothing cannot be left out"),
        (["--from", "2023-06-20", "--to", "2023-06-20", "--against", "truth"], 2, "choose one of sales, demand"),
        (["--from", "2023-06-21", "--to", "2023-06-20"], 2, "2023-06-21, is after the last, 2023-06-20"),
        (["--from", "2024-06-20", "--to", "2024-06-20"], 3, "the data reaches from 2023-03-03 to 2023-06-30"),
    ],
)
def test_backtest_refuses(folder: Path, capsys: Captured, arguments: list[str], exit_code: int, message: str) -> None:
    assert run("backtest", "--data", folder, *arguments) == exit_code
    assert message in capsys.readouterr().err


def test_review_of_a_day_is_printed_and_kept(folder: Path, url: str, capsys: Captured, tmp_path: Path) -> None:
    with open_store(url) as runs:
        run_id = runs.save(make_plan()).run_id
    output = tmp_path / "review.csv"
    command = ["review", "--data", folder, "--database", url, "--date", "2023-06-21", "--output", output]
    assert run(*command) == 0
    told = capsys.readouterr().out
    assert "Profit: expected 16; realised between 9" in told
    assert f"Review of run {run_id} kept" in told
    assert len(pd.read_csv(output)) == 4
    assert run(*command) == 0
    with open_store(url) as runs:
        kept = runs.reviews(run_id)
        review = runs.load_review(run_id)
    assert kept["store"].tolist() == ["main"]  # the second time replaced the first
    assert review is not None
    assert review.summary == kept["summary"].iloc[0]
    assert review.lines["item_code"].tolist() == ["L1", "L2", "M1", "M2"]


def test_review_of_a_run_in_json(folder: Path, url: str, capsys: Captured) -> None:
    with open_store(url) as runs:
        run_id = runs.save(make_plan()).run_id
    assert run("review", "--data", folder, "--database", url, "--run", run_id, "--json") == 0
    body = json.loads(capsys.readouterr().out)
    assert body["run_id"] == run_id
    assert body["summary"]["dates"] == ["2023-06-21"]


def test_review_without_a_plan_or_with_two_questions_is_refused(folder: Path, url: str, capsys: Captured) -> None:
    assert run("review", "--data", folder, "--database", url) == 2
    assert "No plan of store main for 2023-06-30 is kept" in capsys.readouterr().err
    assert run("review", "--data", folder, "--database", url, "--run", "0", "--date", "2023-06-21") == 2
    assert run("review", "--data", folder, "--database", url, "--run", "0") == 5
    assert "There is no run 0" in capsys.readouterr().err
