"""The nightly batch: one broken store stops no other, twice is the same, killed is completed, never two at once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from replenish.cli import main
from replenish.errors import ConfigError, DataError, StorageError
from replenish.nightly import LOCK_NAME, StoreReport, output_lock, run_nightly
from replenish.settings import Settings
from replenish.sources.folder import write_tables
from replenish.store.database import open_store
from tests.evaluate.worlds import quick_settings, two_stores

ALL_FILES = "**/order-*"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("nightly") / "shops", two_stores())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return quick_settings(storage__output=str(tmp_path / "out"), storage__database=f"sqlite:///{tmp_path}/runs.db")


def test_a_broken_store_stops_no_other(folder: Path, settings: Settings) -> None:
    seen: list[tuple[str, int, int]] = []
    report = run_nightly(folder, settings, progress=lambda s, done, total: seen.append((s.store, done, total)))
    north, south = report.stores
    assert (north.store, north.status, north.exit_code) == ("north", "planned", 0)
    assert (south.store, south.status, south.run_id, south.files) == ("south", "failed", "", ())
    assert south.message
    assert report.exit_code == south.exit_code > 0
    assert seen == [("north", 1, 2), ("south", 2, 2)]
    assert [Path(f).suffix for f in north.files] == [".csv", ".xlsx"]
    assert all(Path(f).is_file() for f in north.files)
    with open_store(settings.storage.database) as runs:
        assert runs.runs()["run_id"].tolist() == [north.run_id]
        assert runs.load(north.run_id).plan.summary["dates"] == ["2023-07-01"]


def test_a_store_whose_sales_are_late_gets_no_old_order(settings: Settings, tmp_path: Path) -> None:
    """North twice, once without its last three days: its order for a day in the past would look like today's."""
    frames = two_stores()
    sales = frames["sales"]
    north = {k: v[v["store"] == "north"] if "store" in v else v for k, v in frames.items()}
    late = {k: v.assign(store="late") if "store" in v else v for k, v in north.items()}
    late["sales"] = late["sales"][late["sales"]["date"] <= sales["date"].max() - pd.Timedelta(days=3)]
    both = {k: pd.concat([late[k], v], ignore_index=True) if "store" in v else v for k, v in north.items()}
    folder = write_tables(tmp_path / "shops", both)
    report = run_nightly(folder, settings)
    assert [(s.store, s.status, s.day) for s in report.stores] == [
        ("late", "failed", ""),
        ("north", "planned", "2023-07-01"),
    ]
    assert "the sales of store late end on 2023-06-27, those of other stores on 2023-06-30" in report.stores[0].message
    assert report.exit_code == DataError.exit_code
    asked = run_nightly(folder, settings, stores=["late"])
    assert (asked.stores[0].status, asked.stores[0].day) == ("planned", "2023-06-28"), "asked for alone, it is planned"


def test_the_second_time_is_the_same_run_from_kept_models(folder: Path, settings: Settings) -> None:
    first = run_nightly(folder, settings, stores=["north"])
    for name in first.stores[0].files:  # as if the batch had been killed before it wrote them
        Path(name).unlink()
    second = run_nightly(folder, settings, stores=["north"])
    assert all(Path(name).is_file() for name in second.stores[0].files)
    assert (first.stores[0].status, second.stores[0].status) == ("planned", "same run")
    assert (second.stores[0].run_id, second.stores[0].files) == (first.stores[0].run_id, first.stores[0].files)
    assert second.exit_code == 0
    assert len(list(Path(settings.storage.output).glob("models/north/*.zip"))) == 1


def test_stores_in_processes_of_their_own_give_the_same_run(folder: Path, settings: Settings) -> None:
    here = run_nightly(folder, settings, stores=["north"])
    there = run_nightly(folder, settings, stores=["north"], backend="processes", workers=2)
    assert there.stores[0].status == "same run"
    assert there.stores[0].run_id == here.stores[0].run_id


def test_unknown_stores_and_missing_folders_are_refused(folder: Path, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown store\(s\) east\. The data has: north, south"):
        run_nightly(folder, settings, stores=["north", "east"])
    with pytest.raises(DataError, match="does not exist"):
        run_nightly(tmp_path / "nowhere", settings)


def test_two_batches_never_write_to_one_output(folder: Path, settings: Settings) -> None:
    lock = Path(settings.storage.output) / LOCK_NAME
    with output_lock(lock), pytest.raises(StorageError, match=r"another nightly batch is writing to .*Wait for it"):
        run_nightly(folder, settings)
    assert not list(Path(settings.storage.output).glob(ALL_FILES))
    with output_lock(lock):
        pass


def test_an_output_that_cannot_be_made_says_so(folder: Path, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot be opened .*Check storage\.output"):
        run_nightly(folder, settings.override(storage__output=str(tmp_path / "taken" / "out")))


def test_a_killed_batch_is_completed_by_the_next(folder: Path, settings: Settings) -> None:
    """Killed as soon as it holds the lock; the lock ends with the process and nothing half is left."""
    lock = Path(settings.storage.output) / LOCK_NAME
    batch = subprocess.Popen(_command(folder, settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not lock.is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.5)
    batch.send_signal(signal.SIGKILL)
    batch.wait()
    assert lock.is_file()
    report = run_nightly(folder, settings, stores=["north"])
    assert report.exit_code == 0
    with open_store(settings.storage.database) as runs:
        assert len(runs.runs()) == 1


def test_command_line(folder: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*_arguments(folder, settings), "--store", "north", "--date", "2023-06-30", "--json"]
    with pytest.raises(SystemExit) as left:
        main(command)
    captured = capsys.readouterr()
    assert left.value.code == 0
    body = json.loads(captured.out)
    assert [(s["store"], s["status"]) for s in body["stores"]] == [("north", "planned")]
    assert "[1/1] north: planned" in captured.err
    assert pd.read_csv(body["stores"][0]["files"][0])["date"].unique().tolist() == ["2023-06-30"]


def test_command_line_tells_what_failed_and_leaves_with_its_exit_code(
    folder: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main([*_arguments(folder, settings), "--store", "south"])
    assert left.value.code not in (0, None)
    assert f"south (exit code {left.value.code})" in capsys.readouterr().out


def test_an_error_nobody_foresaw_is_told_too(monkeypatch: pytest.MonkeyPatch, folder: Path, settings: Settings) -> None:
    def broken(*_: object, **__: object) -> StoreReport:
        raise KeyError("no such column")

    monkeypatch.setattr("replenish.nightly.plan_store", broken)
    report = run_nightly(folder, settings, stores=["north"])
    assert (report.stores[0].status, report.exit_code) == ("failed", 5)
    assert report.stores[0].message == "The store could not be planned (KeyError: 'no such column')."


def _arguments(folder: Path, settings: Settings) -> list[str]:
    changed = settings.model_dump()
    sets = [
        f"{section}.{key}={'none' if value is None else str(value).lower() if isinstance(value, bool) else value}"
        for section, values in changed.items()
        for key, value in values.items()
        if value != getattr(getattr(Settings(), section), key)
    ]
    return ["nightly", "--data", str(folder), *(part for text in sets for part in ("--set", text))]


def _command(folder: Path, settings: Settings) -> list[str]:
    code = "import sys; from replenish.cli import main; main(sys.argv[1:])"
    return [sys.executable, "-c", code, *_arguments(folder, settings)]
