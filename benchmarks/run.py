"""All timings in one run: `python -m benchmarks.run [--data REFERENCE_FOLDER]`; writes benchmarks/README.md.

REFERENCE_FOLDER is what `replenish import contest` wrote; without it the reference rows are left out.
Every command runs in a process of its own with an empty output folder; memory is the peak of that process tree.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "benchmarks" / "README.md"


@dataclass(frozen=True)
class Row:
    """One measured command: seconds, peak memory [GB] and what was aimed at."""

    what: str
    seconds: float
    gigabytes: float
    aim: str


def timed(what: str, command: list[str], aim: str, folder: Path, fine: tuple[int, ...] = (0,)) -> Row:
    """Run a command in `folder` and measure it; a failing command stops the benchmark."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    _, error = process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode not in fine:
        raise SystemExit(f"{what} failed:\n{error.decode()}")
    return Row(what, seconds, peak[0] / 1e9, aim)


def _watch(pid: int, peak: list[int]) -> None:
    """Peak resident memory of a process and its children, sampled every 50 ms."""
    try:
        root = psutil.Process(pid)
        while root.is_running() and root.status() != psutil.STATUS_ZOMBIE:
            tree = [root, *root.children(recursive=True)]
            peak[0] = max(peak[0], sum(p.memory_info().rss for p in tree))
            time.sleep(0.05)
    except psutil.Error:
        return


def measure(reference: Path | None) -> list[Row]:
    """The rows of the page."""
    python, replenish = sys.executable, str(Path(sys.executable).parent / "replenish")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows.append(timed("`import replenish`", [python, "-c", "import replenish"], "≤ 0.5 s", folder))
        rows.append(timed("`replenish --help`", [replenish, "--help"], "≤ 1 s", folder))
        demo, days = [replenish, "plan", "--data", str(ROOT / "data" / "demo"), "--date"], ("2024-06-30", "2024-07-01")
        rows += evenings("demo store", demo, days, ("≤ 45 s", "", ""), folder)
    if reference is not None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            plan, days = [replenish, "plan", "--data", str(reference), "--date"], ("2023-06-30", "2023-07-01")
            rows += evenings("reference case", plan, days, ("≤ 60 s, ≤ 2 GB", "", "≤ 10 s, ≤ 2 GB"), folder)
            report = [replenish, "validate", "--data", str(reference)]
            rows.append(timed("reference case, `validate`", report, "", folder, fine=(0, 1)))
    return rows


def evenings(
    what: str, plan: list[str], days: tuple[str, str], aims: tuple[str, str, str], folder: Path
) -> Iterator[Row]:
    """Plans of two days that follow each other, and the second again."""
    first, second = days
    yield timed(f"{what}, everything fitted, folder → stored plan", [*plan, first], aims[0], folder)
    yield timed(f"{what}, next evening: members fitted again", [*plan, second], aims[1], folder)
    yield timed(f"{what}, the same evening again: models kept", [*plan, second], aims[2], folder)


def page(rows: list[Row]) -> str:
    """The page in Markdown."""
    table = "\n".join(f"| {r.what} | {r.seconds:.1f} | {r.gigabytes:.2f} | {r.aim} |" for r in rows)
    memory = psutil.virtual_memory().total / 2**30
    return f"""# Benchmarks

`make bench` (with the reference data: `python -m benchmarks.run --data FOLDER`) writes this page. Machine: {os.cpu_count()} cores
({platform.machine()}), {memory:.0f} GiB, Python {platform.python_version()}. Whole commands in processes of their own, start-up included.

| what | seconds | peak memory, GB | aim |
|---|---|---|---|
{table}

Others, each by its own command: `python benchmarks/rollup.py` (10 million transactions to item-days),
`python benchmarks/market.py` (one simulated day), `python -m benchmarks.season` (a season planned nightly), `python -m benchmarks.reference_case` (the page `docs/reference-case.md`),
`python -m benchmarks.forecasting` (speed of the forecasts beside statsforecast, see `benchmarks/forecasting.md`),
`python -m benchmarks.stockouts` (sold-out days found and recovered, see `docs/forecasting.md`),
`python -m benchmarks.published_answers` (the page `docs/published-answers.md`), `python -m benchmarks.oracle_ladder` (where the
profit of an evening's plan is lost in the simulated shop),
`python -m benchmarks.optimiser` (the optimiser on seeded shops beside CBC, SCIP and plain HiGHS).
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None)
    arguments = parser.parse_args()
    rows = measure(arguments.data)
    PAGE.write_text(page(rows), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
