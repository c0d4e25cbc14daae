"""The database of runs: every plan with what it was made from, whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, RowMapping, delete, func, insert, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError

from replenish import schemas
from replenish.database_url import parse_url
from replenish.errors import StorageError
from replenish.records import Override, Plan, Review, Run
from replenish.store.connection import migrate, open_engine, storage_errors, write_transaction
from replenish.store.identity import installed_versions, run_identity
from replenish.store.rows import PLAN_LINES, ApprovalRow, PlanTableRow, ReviewRow, RunRow

PLAN_TABLES = ("candidates", "cover", "forecast", "price_curve")
LINE_KEY = ["date", "item_code"]
LISTED_COLUMNS = (
    RunRow.run_id,
    RunRow.store,
    RunRow.first_date,
    RunRow.last_date,
    RunRow.as_of,
    RunRow.created_at,
    RunRow.status,
    RunRow.gap,
    RunRow.promised,
    RunRow.expected,
)


def open_store(url: str, busy_timeout_s: float = 10.0) -> RunStore:
    """The database of runs at a SQLAlchemy URL, created or migrated to the newest revision when needed.

    `sqlite:///folder/file.db` (the folder is created) or `postgresql://user:password@host/database`. A locked SQLite
    file is waited for `busy_timeout_s`. Raises `ConfigError` for a URL that is none, `StorageError` when the database
    cannot be reached, is locked, full, read-only, damaged or of a newer version.
    """
    parsed = parse_url(url, "storage.database")
    with storage_errors(parsed, "The runs cannot be opened"):
        engine = open_engine(parsed, busy_timeout_s)
        migrate(engine)
    return RunStore(engine, parsed)


class RunStore:
    """Stored runs; open one with `open_store`, close it or use it in a `with` block."""

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine = engine
        self._url = url

    def __enter__(self) -> RunStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def save(self, plan: Plan, created_at: str | None = None, versions: Mapping[str, str] | None = None) -> Run:
        """Keep the plan in one transaction; a run that is there already comes back with `repeated=True`.

        `created_at` is ISO time (default: now), `versions` what the plan was made with (default: what is installed).
        Raises `DataError` when the lines break their declaration, `StorageError` when the database cannot be written
        or holds the same run with other lines.
        """
        made_with = dict(installed_versions() if versions is None else versions)
        lines = schemas.check_table(plan.lines, schemas.PLAN_LINES, allow_empty=True)[schemas.PLAN_LINES.names]
        run_id = run_identity(plan, made_with)
        with storage_errors(self._url, f"Run {run_id} cannot be stored"):
            if self._is_new(run_id) and self._inserted(run_id, plan, lines, _utc(created_at), made_with):
                return Run(run_id, _utc(created_at), made_with, plan)
        stored = self.load(run_id)
        _refuse_other_lines(run_id, stored.plan.lines, lines)
        return Run(run_id, stored.created_at, stored.versions, stored.plan, repeated=True)

    def find(self, run_id: str) -> Run | None:
        """The run of that name, or `None`."""
        with storage_errors(self._url, f"Run {run_id} cannot be read"), self._engine.connect() as connection:
            row = connection.execute(select(RunRow.__table__).where(RunRow.run_id == run_id)).mappings().first()
            return None if row is None else _read_run(connection, row)

    def load(self, run_id: str) -> Run:
        """The run of that name; `StorageError` when there is none."""
        run = self.find(run_id)
        if run is None:
            raise StorageError(f"There is no run {run_id}. `RunStore.runs()` lists the runs that are kept.")
        return run

    def latest(self, store: str, day: str | date) -> Run | None:
        """The run made last for a store whose planned days include `day`, or `None`."""
        wanted = pd.Timestamp(day).date()
        query = (
            select(RunRow.run_id)
            .where(RunRow.store == store, RunRow.first_date <= wanted, RunRow.last_date >= wanted)
            .order_by(RunRow.created_at.desc())
            .limit(1)
        )
        with storage_errors(self._url, "The runs cannot be read"), self._engine.connect() as connection:
            run_id = connection.scalar(query)
        return None if run_id is None else self.load(run_id)

    def runs(self, store: str | None = None) -> pd.DataFrame:
        """One row per run, newest first: identity, dates, status, gap, promised, expected, number of approvals."""
        count = select(func.count()).where(ApprovalRow.run_id == RunRow.run_id).scalar_subquery()
        query = select(*LISTED_COLUMNS, count.label("approvals")).order_by(RunRow.created_at.desc())
        if store is not None:
            query = query.where(RunRow.store == store)
        return self._frame(query)

    def changes(self, run_id: str) -> pd.DataFrame:
        """What the overrides of a run changed: its lines whose order or price is not what was solved before them.

        Columns: date, item_code, item_name, unit, solved_order_quantity, order_quantity, solved_price, price. The
        solved values are empty where the run before overrides is not kept or did not list the item.
        """
        c = PLAN_LINES.c
        shown = (c.date, c.item_code, c.item_name, c.unit)
        values = (c.solved_order_quantity, c.order_quantity, c.solved_price, c.price)
        differ = c.solved_order_quantity.is_distinct_from(c.order_quantity) | c.solved_price.is_distinct_from(c.price)
        return self._frame(select(*shown, *values).where(c.run_id == run_id, differ).order_by(c.position))

    def approve(self, run_id: str, author: str, note: str = "", at: str | None = None) -> None:
        """Keep that `author` approves ordering what the run says; `StorageError` when there is no such run."""
        row = {"run_id": run_id, "author": author, "approved_at": _utc(at), "note": note}
        self.load(run_id)
        doing = f"The approval of {run_id} cannot be stored"
        with storage_errors(self._url, doing), write_transaction(self._engine) as connection:
            connection.execute(insert(ApprovalRow), [row])

    def approvals(self, run_id: str) -> pd.DataFrame:
        """The approvals of a run, first one first: author, approved_at, note."""
        query = select(ApprovalRow.author, ApprovalRow.approved_at, ApprovalRow.note)
        return self._frame(query.where(ApprovalRow.run_id == run_id).order_by(ApprovalRow.approval_id))

    def save_review(self, run_id: str, review: Review, at: str | None = None) -> None:
        """Keep the review of a run; one on the same tables is replaced. `StorageError` when there is no such run."""
        self.load(run_id)
        key = {"run_id": run_id, "fingerprint": review.fingerprint}
        frames = {"lines": _to_parquet(review.lines), "overrides": _to_parquet(review.overrides)}
        row = {**key, **frames, "reviewed_at": _utc(at), "summary": review.summary}
        same = [getattr(ReviewRow, name) == value for name, value in key.items()]
        doing = f"The review of {run_id} cannot be stored"
        with storage_errors(self._url, doing), write_transaction(self._engine) as connection:
            connection.execute(delete(ReviewRow).where(*same))
            connection.execute(insert(ReviewRow), [row])

    def reviews(self, run_id: str | None = None) -> pd.DataFrame:
        """One row per review, newest first: run_id, store, first_date, reviewed_at, fingerprint, summary."""
        columns = (ReviewRow.run_id, RunRow.store, RunRow.first_date, ReviewRow.reviewed_at, ReviewRow.fingerprint)
        query = select(*columns, ReviewRow.summary).join(RunRow, RunRow.run_id == ReviewRow.run_id)
        if run_id is not None:
            query = query.where(ReviewRow.run_id == run_id)
        return self._frame(query.order_by(ReviewRow.reviewed_at.desc()))

    def load_review(self, run_id: str) -> Review | None:
        """The review of a run made last, or `None`."""
        query = select(ReviewRow.__table__).where(ReviewRow.run_id == run_id).order_by(ReviewRow.reviewed_at.desc())
        with storage_errors(self._url, "The reviews cannot be read"), self._engine.connect() as connection:
            row = connection.execute(query.limit(1)).mappings().first()
        if row is None:
            return None
        lines, overrides = (pd.read_parquet(io.BytesIO(row[name])) for name in ("lines", "overrides"))
        return Review(lines, overrides, row["summary"], row["fingerprint"])

    def _frame(self, query: Any) -> pd.DataFrame:
        with storage_errors(self._url, "The runs cannot be read"), self._engine.connect() as connection:
            result = connection.execute(query)
            return pd.DataFrame(result.all(), columns=list(result.keys()))

    def _is_new(self, run_id: str) -> bool:
        with self._engine.connect() as connection:
            return connection.scalar(select(RunRow.run_id).where(RunRow.run_id == run_id)) is None

    def _inserted(
        self, run_id: str, plan: Plan, lines: pd.DataFrame, created_at: str, versions: dict[str, str]
    ) -> bool:
        """Insert everything in one transaction; false when another process stored the same run first."""
        base_run_id = run_identity(plan, versions, overrides=())
        row = _run_row(plan) | {"run_id": run_id, "base_run_id": base_run_id}
        row |= {"created_at": created_at, "versions": versions}
        tables = [{"run_id": run_id, "name": name, "content": _to_parquet(getattr(plan, name))} for name in PLAN_TABLES]
        try:
            with write_transaction(self._engine) as connection:
                connection.execute(insert(RunRow), [row])
                solved = lines if run_id == base_run_id else _read_lines(connection, base_run_id)
                rows = _line_rows(run_id, lines, solved)
                if rows:
                    connection.execute(insert(PLAN_LINES), rows)
                connection.execute(insert(PlanTableRow), tables)
        except IntegrityError:
            if self._is_new(run_id):
                raise
            return False
        return True


def _utc(at: str | None) -> str:
    moment = datetime.now(UTC) if at is None else datetime.fromisoformat(at).astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")


def _run_row(plan: Plan) -> dict[str, Any]:
    days = [date.fromisoformat(d) for d in plan.summary["dates"]]
    row = {name: plan.summary.get(name) for name in ("status", "gap", "promised", "expected")}
    return row | {
        "store": plan.store,
        "first_date": min(days),
        "last_date": max(days),
        "days": len(days),
        "as_of": date.fromisoformat(plan.summary["as_of"]),
        "fingerprint": plan.fingerprint,
        "seed": plan.seed,
        "settings": plan.settings,
        "overrides": [asdict(o) for o in plan.overrides],
        "summary": plan.summary,
    }


def _line_rows(run_id: str, lines: pd.DataFrame, solved: pd.DataFrame) -> list[dict[str, Any]]:
    before = solved[[*LINE_KEY, "order_quantity", "price"]].rename(
        columns={"order_quantity": "solved_order_quantity", "price": "solved_price"}
    )
    joined = lines.merge(before, on=LINE_KEY, how="left", validate="one_to_one")
    joined["date"] = joined["date"].dt.date
    rows = joined.astype(object).where(joined.notna(), None).to_dict("records")
    return [{str(k): v for k, v in row.items()} | {"run_id": run_id, "position": n} for n, row in enumerate(rows)]


def _read_run(connection: Connection, row: RowMapping) -> Run:
    query = select(PlanTableRow.name, PlanTableRow.content).where(PlanTableRow.run_id == row["run_id"])
    tables = {name: pd.read_parquet(io.BytesIO(content)) for name, content in connection.execute(query)}
    plan = Plan(
        store=row["store"],
        lines=_read_lines(connection, row["run_id"]),
        summary=row["summary"],
        overrides=tuple(Override(**o) for o in row["overrides"]),
        settings=row["settings"],
        seed=row["seed"],
        fingerprint=row["fingerprint"],
        **tables,
    )
    return Run(row["run_id"], row["created_at"], row["versions"], plan)


def _read_lines(connection: Connection, run_id: str) -> pd.DataFrame:
    names = schemas.PLAN_LINES.names
    columns = [PLAN_LINES.c[name] for name in names]
    rows = connection.execute(select(*columns).where(PLAN_LINES.c.run_id == run_id).order_by(PLAN_LINES.c.position))
    frame = pd.DataFrame(rows.all(), columns=names)
    return frame.astype({c.name: schemas.PANDAS_DTYPE[c.kind] for c in schemas.PLAN_LINES.columns})


def _to_parquet(frame: pd.DataFrame) -> bytes:
    return frame.to_parquet(compression="zstd")


def _refuse_other_lines(run_id: str, stored: pd.DataFrame, lines: pd.DataFrame) -> None:
    """Raise `StorageError` when a run of the same identity has other lines: its numbers would be in doubt."""
    if stored.equals(lines.astype(stored.dtypes)):
        return
    both = stored.merge(lines, how="outer", indicator=True)
    other = both[both["_merge"] != "both"]
    first = other.iloc[0] if len(other) else lines.iloc[0]
    raise StorageError(
        f"Run {run_id} is stored with other lines: {other['item_code'].nunique()} of {len(lines)} items differ (first: "
        f"{first['item_name']}, {first['date']:%Y-%m-%d}), though input, settings, overrides, seed and versions are "
        "the same. The solver may have stopped at its time limit: raise solver.time_limit_s, or plan with another seed."
        " The stored run was kept."
    )
