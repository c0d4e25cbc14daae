"""Stores are mapped in every backend with the same results; one failing store stops no other."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from replenish.errors import ConfigError, DataError, InfeasiblePlanError, SolverError, StorageError
from replenish.execution import StoreResult, WorkerProcess, in_worker_process, map_stores

STORES = ["north", "broken", "south"]


def plan_store(store: str) -> str:
    if store == "broken":
        raise DataError("sales: the table has no rows.")
    return store.upper()


def die(store: str) -> str:
    if store == "broken":
        os._exit(3)
    return store.upper()


def fail_in_another_way() -> None:
    raise KeyError("no such column")


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def process_id() -> int:
    return os.getpid()


def collide() -> None:
    raise InfeasiblePlanError("Two rules collide.", ("shelf_count", "locks"))


class Counter:
    """Counts its calls; lives in a worker process."""

    def __init__(self, start: int) -> None:
        if start < 0:
            raise ConfigError("A counter starts at 0 or above.")
        self.count = start

    def add(self, step: int) -> tuple[int, int]:
        self.count += step
        return self.count, os.getpid()

    def fail(self) -> None:
        raise DataError("sales: the table has no rows.")

    def break_down(self) -> None:
        raise KeyError("no such column")

    def sleep(self) -> None:
        time.sleep(30)

    def die(self) -> None:
        os._exit(3)


@pytest.mark.parametrize(
    "backend",
    [
        "serial",
        "processes",
        pytest.param(
            "dask",
            marks=pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="Dask is not installed"),
        ),
    ],
)
def test_every_backend_gives_one_result_per_store_in_order(backend: str) -> None:
    seen: list[tuple[str, int, int]] = []
    results = map_stores(
        plan_store, STORES, backend=backend, workers=1, progress=lambda r, n, of: seen.append((r.store, n, of))
    )
    assert [(r.store, r.value, r.ok) for r in results] == [
        ("north", "NORTH", True),
        ("broken", None, False),
        ("south", "SOUTH", True),
    ]
    assert isinstance(results[1].error, DataError)
    assert results[1].error.faults == ("sales: the table has no rows.",)
    assert sorted(store for store, _, _ in seen) == sorted(STORES)
    assert [(n, of) for _, n, of in seen] == [(1, 3), (2, 3), (3, 3)]
    assert pickle.loads(pickle.dumps(results))[0] == results[0]


def test_dask_uses_a_cluster_that_runs_already() -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        results = map_stores(plan_store, STORES, backend="dask", address=cluster.scheduler_address)
    assert [r.value for r in results] == ["NORTH", None, "SOUTH"]


def test_a_crash_stays_with_its_store() -> None:
    north, broken, south = map_stores(die, STORES, backend="processes", workers=2)
    assert (north.value, south.value) == ("NORTH", "SOUTH")
    assert isinstance(broken.error, SolverError)
    assert "exit code 3" in str(broken.error)


def test_no_stores_give_no_results() -> None:
    assert map_stores(plan_store, [], backend="processes") == []


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Unknown backend “cloud”: choose one of serial, processes, dask\."):
        map_stores(plan_store, STORES, backend="cloud")  # type: ignore[arg-type]


def test_a_worker_process_is_another_process() -> None:
    assert in_worker_process(process_id, timeout_s=60) != os.getpid()


def test_errors_for_people_come_back_as_they_are() -> None:
    with pytest.raises(InfeasiblePlanError, match="Two rules collide") as caught:
        in_worker_process(collide, timeout_s=60)
    assert caught.value.rules == ("shelf_count", "locks")


def test_any_other_error_is_a_solver_error_with_its_traceback_as_a_note() -> None:
    with pytest.raises(SolverError, match="failed unexpectedly \\(KeyError") as caught:
        in_worker_process(fail_in_another_way, timeout_s=60)
    assert "fail_in_another_way" in caught.value.__notes__[0]


def test_what_takes_too_long_is_stopped() -> None:
    start = time.perf_counter()
    with pytest.raises(SolverError, match=r"No answer after 0\.5 s"):
        in_worker_process(sleep, 60.0, timeout_s=0.5)
    assert time.perf_counter() - start < 10


def test_a_dead_worker_is_a_solver_error() -> None:
    with pytest.raises(SolverError, match="ended without an answer"):
        in_worker_process(die, "broken", timeout_s=60)


def test_large_arguments_arrive() -> None:
    assert in_worker_process(len, b"x" * 20_000_000, timeout_s=60) == 20_000_000


def test_a_worker_that_dies_before_it_reads_a_large_argument_is_noticed(tmp_path: Path) -> None:
    script = tmp_path / "no_guard.py"
    script.write_text(
        "from replenish.errors import SolverError\n"
        "from replenish.execution import in_worker_process\n"
        "try:\n"
        "    in_worker_process(len, b'x' * 20_000_000, timeout_s=50)\n"
        "except SolverError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True)
    assert "ended without an answer (exit code 1)" in done.stdout


def test_processes_leave_nothing_behind(tmp_path: Path) -> None:
    """Pyomo makes a lock when it is imported; that of a killed process would be reported as leaked at the end."""
    script = tmp_path / "with_lock.py"
    script.write_text(
        "import multiprocessing\n"
        "from replenish.execution import WorkerProcess, in_worker_process\n"
        "class Holder:\n"
        "    def __init__(self):\n"
        "        self.lock = multiprocessing.Lock()\n"
        "    def held(self):\n"
        "        return 7\n"
        "def hold():\n"
        "    global holder\n"
        "    holder = Holder()\n"
        "    return 5\n"
        "if __name__ == '__main__':\n"
        "    worker = WorkerProcess(Holder)\n"
        "    print(in_worker_process(hold), worker.call('held'))\n"
        "    worker.close()\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("5 7\n", "")


def test_what_cannot_be_sent_is_said_at_once() -> None:
    with pytest.raises((AttributeError, pickle.PicklingError)):
        in_worker_process(lambda: 1)


@pytest.mark.parametrize(
    "error",
    [ConfigError("a"), DataError(["a", "b"]), SolverError("a"), StorageError("a"), InfeasiblePlanError("a", "b")],
)
def test_every_error_survives_the_way_between_processes(error: Exception) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))


def test_results_know_whether_they_are_good() -> None:
    assert StoreResult("north", value=1).ok
    assert not StoreResult("north", error=SolverError("stopped")).ok


def test_an_object_keeps_its_state_in_its_process() -> None:
    worker = WorkerProcess(Counter, 5)
    try:
        first, process = worker.call("add", 1)
        assert (first, process != os.getpid()) == (6, True)
        with pytest.raises(DataError, match="no rows"):
            worker.call("fail")
        with pytest.raises(SolverError, match="KeyError"):
            worker.call("break_down")
        # Neither error cost the object its state or its process.
        assert worker.call("add", 2) == (8, process)
    finally:
        worker.close()


@pytest.mark.parametrize(
    ("method", "limit", "told"), [("sleep", 0.5, "No answer after 0.5 s"), ("die", None, "code 3")]
)
def test_a_process_that_hangs_or_dies_is_replaced(method: str, limit: float | None, told: str) -> None:
    worker = WorkerProcess(Counter, 5)
    try:
        before = worker.call("add", 1)
        with pytest.raises(SolverError, match=told):
            worker.call(method, timeout_s=limit)
        count, process = worker.call("add", 1)
        assert count == 6
        assert process != before[1]
    finally:
        worker.close()


def test_an_object_that_cannot_be_made_says_why_every_time() -> None:
    worker = WorkerProcess(Counter, -1)
    try:
        for _ in range(2):
            with pytest.raises(ConfigError, match="0 or above"):
                worker.call("add", 1)
    finally:
        worker.close()
