"""Canonical tables from a database, by any SQLAlchemy URL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from replenish.database_url import CONNECT_TIMEOUT_S, POSTGRES_DRIVER, missing_driver, parse_url, shown
from replenish.errors import DataError
from replenish.schemas import TABLES, Table

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine


def read_sql(url: str) -> dict[str, pd.DataFrame]:
    """The canonical tables of the database at `url`: those columns that `schemas.TABLES` declares, unchecked.

    `postgresql://` is read with psycopg 3. Raises `ConfigError` for an unusable URL or a missing driver, `DataError`
    when the database cannot be reached or lacks tables or columns (all of them named). Never shows a password.
    """
    from sqlalchemy.exc import SQLAlchemyError

    address = parse_url(url)
    engine = _connect_engine(address)
    try:
        with engine.connect() as connection:
            return _read_all(connection, shown(address))
    except SQLAlchemyError as error:
        reason = _without_password(str(getattr(error, "orig", None) or error), address)
        raise DataError(
            f"The database {shown(address)} cannot be read: {reason}.",
            "Check that the server runs and that host, database, user and password are right.",
        ) from None
    finally:
        engine.dispose()


def _connect_engine(address: URL) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    backend = address.get_backend_name()
    if backend == "sqlite" and address.database and not Path(address.database).is_file():
        raise DataError(f"The database file {address.database} does not exist.", "Correct the URL and run again.")
    options = {"connect_timeout": CONNECT_TIMEOUT_S} if address.drivername == POSTGRES_DRIVER else {}
    try:
        return create_engine(address, connect_args=options)
    except (NoSuchModuleError, ImportError, ArgumentError):
        raise missing_driver(address) from None


def _read_all(connection: Connection, place: str) -> dict[str, pd.DataFrame]:
    from sqlalchemy import inspect

    inspector = inspect(connection)
    present = {*inspector.get_table_names(), *inspector.get_view_names()}
    columns = {name: [c["name"] for c in inspector.get_columns(name)] for name in TABLES if name in present}
    faults = [f"{place}: table {t.name} is missing." for t in TABLES.values() if t.required and t.name not in present]
    faults += [fault for name, have in columns.items() for fault in _missing_columns(TABLES[name], have)]
    if faults:
        known = ", ".join(sorted(present)) or "no tables"
        raise DataError(faults, f"The database has: {known}. Add what is missing (views will do) and run again.")
    return {name: _read_one(connection, TABLES[name], have) for name, have in columns.items()}


def _missing_columns(table: Table, have: Sequence[str]) -> list[str]:
    missing = [c.name for c in table.columns if c.required and c.name not in have]
    return [f"{table.name}: column(s) missing: {', '.join(missing)}. The table has: {', '.join(have)}."] * bool(missing)


def _read_one(connection: Connection, table: Table, have: Sequence[str]) -> pd.DataFrame:
    from sqlalchemy import column, select, table as from_table

    chosen = [c for c in table.columns if c.name in have]
    query: Any = select(*(column(c.name) for c in chosen)).select_from(from_table(table.name))
    frame = pd.read_sql_query(query, connection)
    # Drivers answer with Python dates, times and decimals, which files cannot hold side by side with text.
    objects = [c.name for c in chosen if frame[c.name].dtype == object and c.kind != "flag"]
    return frame.assign(**{name: frame[name].map(str, na_action="ignore").astype("str") for name in objects})


def _without_password(text: str, address: URL) -> str:
    first = text.strip().splitlines()[0].rstrip(".") if text.strip() else "no reason given"
    return first.replace(str(address.password), "***") if address.password else first
