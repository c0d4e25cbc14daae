"""Tables from databases: SQLite always, PostgreSQL where it is installed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine

from replenish.database_url import parse_url
from replenish.errors import ConfigError, DataError
from replenish.sources.folder import tables_from_frames
from replenish.sources.sql import read_sql

Frames = dict[str, pd.DataFrame]


def fill(url: str, frames: Frames) -> str:
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        for name, frame in frames.items():
            frame.to_sql(name, connection, index=False)
    engine.dispose()
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'shop.db'}"


def test_sqlite_gives_the_same_tables(sqlite_url: str, tiny_frames: Frames) -> None:
    tables = tables_from_frames(read_sql(fill(sqlite_url, tiny_frames)))
    assert tables.fingerprint == tables_from_frames(tiny_frames).fingerprint


def test_postgresql_gives_the_same_tables(postgres_url: str, tiny_frames: Frames) -> None:
    tables = tables_from_frames(read_sql(fill(postgres_url, tiny_frames)))
    assert tables.fingerprint == tables_from_frames(tiny_frames).fingerprint


def test_postgresql_types_of_a_real_schema(postgres_url: str, tiny_frames: Frames) -> None:
    """Dates, times, decimals and booleans as a database designer declares them; further columns are left."""
    fill(postgres_url, {name: f for name, f in tiny_frames.items() if name != "sales"} | {"raw": tiny_frames["sales"]})
    engine = create_engine(parse_url(postgres_url))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE VIEW sales AS SELECT CAST(date AS date) AS date, CAST(time AS time) AS time, item_code, "
            "CAST(quantity AS numeric(12,3)) AS quantity, CAST(unit_price AS numeric(12,2)) AS unit_price, "
            "sale_type, discounted, '{}'::jsonb AS receipt FROM raw"
        )
    engine.dispose()
    tables = tables_from_frames(read_sql(postgres_url))
    assert tables.fingerprint == tables_from_frames(tiny_frames).fingerprint


def test_missing_tables_and_columns_come_together(sqlite_url: str, tiny_frames: Frames) -> None:
    frames = {"items": tiny_frames["items"].drop(columns="unit"), "sales": tiny_frames["sales"]}
    with pytest.raises(DataError) as error:
        read_sql(fill(sqlite_url, frames))
    assert "table wholesale is missing" in error.value.faults[0]
    assert "items: column(s) missing: unit. The table has: item_code" in error.value.faults[1]
    assert "The database has: items, sales." in error.value.advice


def test_sqlite_file_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing.db does not exist"):
        read_sql(f"sqlite:///{tmp_path / 'nothing.db'}")
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("not a database, only a text that is long enough to be looked at" * 20)
    with pytest.raises(DataError, match="cannot be read: file is not a database"):
        read_sql(f"sqlite:///{tmp_path / 'shop.db'}")


def test_unreachable_server_shows_no_password() -> None:
    with pytest.raises(DataError) as error:
        read_sql("postgresql://planner:tomato-7@127.0.0.1:9/shop")
    assert "postgresql+psycopg://planner:***@127.0.0.1:9/shop cannot be read" in str(error.value)
    assert "tomato-7" not in str(error.value)


@pytest.mark.parametrize("url", ["not a url tomato-7", "postgresql://planner:tomato-7@host:port/shop"])
def test_unreadable_url_is_not_quoted(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_sql(url)
    assert "tomato-7" not in str(error.value)


def test_unknown_driver() -> None:
    with pytest.raises(ConfigError, match="No driver for sybase"):
        read_sql("sybase://host/shop")
