"""Connection to the database of runs: URL, transactions, migrations, and errors a person can act on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, StatementError

from replenish.database_url import CONNECT_TIMEOUT_S, missing_driver, shown
from replenish.errors import StorageError

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 7_305_041  # any constant: processes that migrate one PostgreSQL database wait for each other on it

_KNOWN_CAUSES = (
    ("database is locked", "another program is writing to it", "Wait for it or close it, then run again."),
    ("is full", "the disk is full", "Free some space and run again."),
    ("No space left", "the disk is full", "Free some space and run again."),
    ("disk I/O error", "the disk is full or not writable", "Free some space, check the folder, and run again."),
    ("readonly", "it is read-only", "Check the permissions of the file and its folder."),
    ("unable to open", "the file cannot be opened", "Check the path and the permissions of its folder."),
    ("not a database", "the file is no SQLite database", "Name another file, or restore this one from a backup."),
    ("malformed", "the file is damaged", "Restore it from a backup, or name another file."),
    ("password authentication", "user or password is wrong", "Correct storage.database."),
)


@contextmanager
def storage_errors(url: URL, doing: str) -> Iterator[None]:
    """Turn database and file errors of the block into one `StorageError`: what failed, where, why, what next."""
    try:
        yield
    except DBAPIError as error:
        cause, advice = _cause(str(error.orig).strip(), url)
        raise StorageError(f"{doing}: database {shown(url)}: {cause}. {advice} Nothing was written.") from error
    except StatementError as error:  # raised before anything is sent, for a value the column cannot hold
        raise StorageError(f"{doing}: {error.orig}. Nothing was written.") from error
    except CommandError as error:
        raise StorageError(
            f"{doing}: database {shown(url)} is of another version of replenish ({error}). Update replenish."
        ) from error
    except OSError as error:
        raise StorageError(f"{doing}: database {shown(url)}: {error.strerror or error}. Check the path.") from error


def _cause(message: str, url: URL) -> tuple[str, str]:
    for mark, cause, advice in _KNOWN_CAUSES:
        if mark in message:
            return cause, advice
    advice = "Check that the server runs and that storage.database names it."
    if url.get_backend_name() == "sqlite":
        advice = "Check the file, its folder and the space on its disk."
    return message.splitlines()[0].rstrip("."), advice


def open_engine(url: URL, busy_timeout_s: float) -> Engine:
    """An engine whose transactions are real ones on SQLite and PostgreSQL alike; connects only when used."""
    options: dict[str, Any] = {"hide_parameters": True, "json_serializer": _json}
    try:
        if url.get_backend_name() == "sqlite":
            return _sqlite_engine(url, busy_timeout_s, options)
        return create_engine(url, connect_args={"connect_timeout": CONNECT_TIMEOUT_S}, pool_pre_ping=True, **options)
    except (ModuleNotFoundError, NoSuchModuleError):
        raise missing_driver(url) from None


_json = partial(json.dumps, ensure_ascii=False, allow_nan=False)  # PostgreSQL refuses NaN; SQLite must not be laxer


def _sqlite_engine(url: URL, busy_timeout_s: float, options: dict[str, Any]) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s}, **options)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver's own transactions leave DDL and SELECT outside; SQLAlchemy emits BEGIN instead (see `_begin`).
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes the lock at once: a reader that turns writer half-way would fail without waiting.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """A connection in one transaction that writes: all of it is committed at the end, or nothing."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration for an open connection; the revisions lie inside the package."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def migrate(engine: Engine) -> None:
    """Bring the database to the newest revision, in one transaction; processes that do so at once wait in turn."""
    with write_transaction(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        command.upgrade(migration_config(connection), "head")
