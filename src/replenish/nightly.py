"""The nightly batch: every store planned, its run stored, its order files written; no store stops another."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd

from replenish.errors import ConfigError, DataError, ReplenishError, SolverError, StorageError
from replenish.execution import Backend, StoreResult, map_stores
from replenish.planning import evening_before, make_plan
from replenish.planning.opening import OpenDays
from replenish.publish import FORMATS, order_name, write_order
from replenish.records import Tables
from replenish.reuse import kept_models
from replenish.settings import Settings
from replenish.sources.folder import load_tables
from replenish.store.database import open_store

Status = Literal["planned", "same run", "failed"]
LOCK_NAME = "nightly.lock"


@dataclass(frozen=True)
class StoreReport:
    """What became of one store: its run and order files, or the `message` and `exit_code` of what stopped it.

    `day`: the planned day as YYYY-MM-DD, empty when the store was not planned.
    """

    store: str
    status: Status
    day: str = ""
    run_id: str = ""
    files: tuple[str, ...] = ()
    expected: float | None = None
    message: str = ""
    exit_code: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class NightlyReport:
    """One `StoreReport` per store, in the order of the stores."""

    stores: tuple[StoreReport, ...]

    @property
    def exit_code(self) -> int:
        """0 when every store was planned, else the worst store's exit code (see `errors.py`)."""
        return max((s.exit_code for s in self.stores), default=0)

    def to_json(self) -> str:
        """The report as one JSON document."""
        return json.dumps({"stores": [asdict(s) for s in self.stores], "exit_code": self.exit_code}, ensure_ascii=False)


def run_nightly(
    folder: str | Path,
    settings: Settings | None = None,
    stores: Sequence[str] | None = None,
    date: date | pd.Timestamp | str | None = None,
    backend: Backend = "serial",
    workers: int = 2,
    seed: int = 0,
    progress: Callable[[StoreReport, int, int], None] | None = None,
) -> NightlyReport:
    """Plan every store of a folder for one day, store the runs and write the order files.

    `date` is the planned day. Default: `lead_time_days` after each store's own last day; a store whose last day lies
    before that of the others, though it was open since, is not planned: its data are late. Kept models are used, fitted
    again or made anew as they get older (`reuse.kept_models`). What stops one store is in its report and stops no
    other. A batch that was killed is completed by running it again: stores planned before come back as the same run.
    `progress(report, done, total)` is called as stores finish.

    Raises `DataError` when the folder cannot be read, `ConfigError` for unknown stores, `StorageError` when another
    batch is writing to the same output.
    """
    chosen = settings or Settings()
    with output_lock(Path(chosen.storage.output) / LOCK_NAME):
        tables = load_tables(folder)
        names = _known_stores(tables, stores)
        day = None if date is None else pd.Timestamp(date)
        parts = {name: tables.for_store(name) for name in names}
        latest = pd.Timestamp(tables.daily_sales.loc[tables.daily_sales["store"].isin(names), "date"].max())
        plan_one = partial(plan_store, settings=chosen, day=day, seed=seed, latest=latest)
        tell = None if progress is None else lambda result, done, total: progress(_report(result), done, total)
        results = map_stores(plan_one, names, backend, workers, progress=tell, parts=parts)
    return NightlyReport(tuple(_report(result) for result in results))


def plan_store(
    store: str, tables: Tables, settings: Settings, day: pd.Timestamp | None, seed: int, latest: pd.Timestamp
) -> StoreReport:
    """One store planned for `day` from its own tables, its run kept and both order files written.

    `latest`: the last day of sales of any store; `DataError` when no `day` is asked for and the store's own are late.
    """
    if day is None:
        _refuse_late(store, tables, latest)
    as_of = evening_before(tables, store, day, settings)
    models = kept_models(tables, as_of, settings, store, seed)
    plan = make_plan(tables, as_of, 1, settings, (), models, seed, store)
    with open_store(settings.storage.database) as runs:
        run = runs.save(plan)
    planned = str(plan.summary["dates"][0])
    files = [write_order(run.plan, path) for path in order_paths(store, planned, run.run_id, settings)]
    status: Status = "same run" if run.repeated else "planned"
    return StoreReport(store, status, planned, run.run_id, tuple(map(str, files)), float(plan.summary["expected"]))


def _refuse_late(store: str, tables: Tables, latest: pd.Timestamp) -> None:
    """`DataError` when the store has no sales of a day up to `latest` on which it was open: its order would be old."""
    if tables.daily_sales.empty:
        return  # said in full where the history is built
    last = pd.Timestamp(tables.daily_sales["date"].max())
    missing = OpenDays(tables).among(pd.date_range(last + pd.Timedelta(days=1), latest), last)
    if len(missing):
        raise DataError(
            f"daily_sales: the sales of store {store} end on {last:%Y-%m-%d}, those of other stores on "
            f"{latest:%Y-%m-%d}.", "Bring its sales in, or name the day to be planned.",
        )  # fmt: skip


def order_paths(store: str, day: str, run_id: str, settings: Settings) -> list[Path]:
    """Where the order files of a run go when nobody names a place: one per format, named by store, day and run."""
    folder = Path(settings.storage.output)
    return [folder / order_name(store, day, ending, run_id) for ending in FORMATS]


@contextmanager
def output_lock(path: Path) -> Iterator[None]:
    """Nobody else holds the lock of this file meanwhile; `StorageError` when somebody does.

    The lock is SQLite's on an empty database: it works on every system and ends with its process, even a killed one.
    """
    with closing(_open_lock(path)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise StorageError(
                f"{path}: another nightly batch is writing to {path.parent}. Wait for it to end, or choose another "
                "folder with storage.output."
            ) from error
        yield


def _open_lock(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(path, timeout=0, isolation_level=None)
    except (OSError, sqlite3.OperationalError) as error:
        raise StorageError(f"{path} cannot be opened ({error}). Check storage.output and its permissions.") from error


def _known_stores(tables: Tables, stores: Sequence[str] | None) -> list[str]:
    if not stores:
        return tables.stores
    unknown = [name for name in stores if name not in tables.stores]
    if unknown:
        raise ConfigError(f"Unknown store(s) {', '.join(unknown)}. The data has: {', '.join(tables.stores)}.")
    return list(dict.fromkeys(stores))


def _report(result: StoreResult[StoreReport]) -> StoreReport:
    """The store's own report with its seconds, or one that tells what stopped it."""
    error, seconds = result.error, round(result.seconds, 2)
    if result.value is not None:
        return replace(result.value, seconds=seconds)
    if isinstance(error, ReplenishError):
        return StoreReport(result.store, "failed", message=str(error), exit_code=error.exit_code, seconds=seconds)
    told = f"The store could not be planned ({type(error).__name__}: {error})."
    return StoreReport(result.store, "failed", message=told, exit_code=SolverError.exit_code, seconds=seconds)
