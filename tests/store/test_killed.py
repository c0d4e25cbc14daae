"""A run killed at any moment leaves no half plan."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from replenish.store.database import RunStore, open_store
from tests.factories import make_plan

SCRIPT = Path(__file__).with_name("killed_save.py")
ROOT = SCRIPT.parents[2]
NEVER = 1000

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")


def start_saving(url: str, moment: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), url, str(moment)], env=environment, stdout=subprocess.PIPE, text=True
    )


def assert_only_whole_runs(store: RunStore, expected: int) -> None:
    runs = store.runs()
    assert len(runs) == expected
    for run_id in runs["run_id"]:
        assert len(store.load(run_id).plan.lines) == 7 * 33


@pytest.mark.parametrize("moment", [4, 5, 6, 0], ids=["run row", "lines", "last table", "before commit"])
def test_killed_between_statements(tmp_path: Path, moment: int) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    process = start_saving(url, moment)
    assert process.wait(60) == -signal.SIGKILL
    with open_store(url) as store:
        assert_only_whole_runs(store, expected=0)
        assert not store.save(make_plan(days=7), versions={"replenish": "0.1.0"}).repeated
        assert_only_whole_runs(store, expected=1)


def test_killed_at_any_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    path = tmp_path / "runs.db"
    for delay_s in (0.0, 0.05, 0.15):
        path.unlink(missing_ok=True)
        process = start_saving(url, NEVER)
        while not path.exists() and process.poll() is None:
            time.sleep(0.002)
        time.sleep(delay_s)
        process.kill()
        process.wait(60)
        with open_store(url) as store:
            assert_only_whole_runs(store, expected=len(store.runs()))


def test_not_killed_it_stores_the_run(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    answer, _ = start_saving(url, NEVER).communicate(timeout=60)
    run_id, statements = answer.split()
    assert int(statements) == 6, "the moments above are chosen for this many statements"
    with open_store(url) as store:
        assert store.find(run_id) is not None
