"""Runs are kept whole, once, and come back as they were."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from replenish.database_url import parse_url
from replenish.errors import ConfigError, DataError, StorageError
from replenish.records import Override, Plan
from replenish.store.connection import migration_config, open_engine, storage_errors
from replenish.store.database import RunStore, open_store
from replenish.store.identity import installed_versions, run_identity
from replenish.store.rows import Base
from tests.factories import make_plan, without

VERSIONS = {"replenish": "0.1.0"}
FRAMES = ("lines", "candidates", "cover", "forecast", "price_curve")
LOCK = Override("102900000000003", "price", 6.5, author="李", reason="promised on the leaflet")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/deep/folder/runs.db"


@pytest.fixture
def store(url: str) -> Iterator[RunStore]:
    with open_store(url, busy_timeout_s=0.2) as opened:
        yield opened


def assert_same_plan(left: Plan, right: Plan) -> None:
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(left, name), getattr(right, name), check_exact=True)
    for name in ("store", "summary", "settings", "seed", "fingerprint", "overrides"):
        assert getattr(left, name) == getattr(right, name)


def test_a_run_comes_back_as_it_was_saved(store: RunStore) -> None:
    plan = make_plan(days=2, overrides=(LOCK,))
    saved = store.save(plan, "2023-06-30T21:00:00+08:00", VERSIONS)
    loaded = store.load(saved.run_id)
    assert not saved.repeated
    assert (loaded.run_id, loaded.created_at, loaded.versions) == (
        saved.run_id,
        "2023-06-30T13:00:00.000+00:00",
        VERSIONS,
    )
    assert_same_plan(loaded.plan, plan)


def test_a_day_without_lines_is_a_run_too(store: RunStore) -> None:
    plan = make_plan()
    run = store.save(without(plan, lines=plan.lines.iloc[:0]), versions=VERSIONS)
    assert len(store.load(run.run_id).plan.lines) == 0


def test_the_same_plan_twice_is_the_same_run(store: RunStore) -> None:
    first = store.save(make_plan(), "2023-06-30T21:00:00+00:00", VERSIONS)
    second = store.save(make_plan(), "2023-06-30T22:00:00+00:00", VERSIONS)
    assert second.repeated
    assert (second.run_id, second.created_at) == (first.run_id, first.created_at)
    assert len(store.runs()) == 1


def test_versions_default_to_what_is_installed(store: RunStore) -> None:
    run = store.save(make_plan())
    assert run.versions == installed_versions()
    assert {"replenish", "highspy", "source"} <= set(run.versions)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "0" * 64},
        {"store": "east"},
        {"seed": 7},
        {"overrides": (LOCK,)},
        {"settings": {"rules": {"n_max": 30}}},
    ],
)
def test_whatever_decides_the_numbers_makes_another_run(change: dict[str, object]) -> None:
    plan = make_plan()
    assert run_identity(without(plan, **change), VERSIONS) != run_identity(plan, VERSIONS)


@pytest.mark.parametrize("known", ["models_as_of", "models_validated_as_of", "models_fingerprint"])
def test_models_that_know_something_else_make_another_run(known: str) -> None:
    assert run_identity(make_plan(**{known: "2023-06-29"}), VERSIONS) != run_identity(make_plan(), VERSIONS)


def test_dates_and_versions_make_another_run() -> None:
    plan = make_plan()
    assert run_identity(make_plan(first_date="2023-07-02"), VERSIONS) != run_identity(plan, VERSIONS)
    assert run_identity(plan, {"replenish": "0.2.0"}) != run_identity(plan, VERSIONS)


def test_where_files_lie_and_the_order_of_locks_make_no_other_run() -> None:
    other_lock = Override("102900000000005", "never_list")
    plan = without(make_plan(), overrides=(LOCK, other_lock))
    moved = plan.settings | {"storage": {"database": "sqlite:///elsewhere.db", "output": "elsewhere"}}
    assert run_identity(without(plan, settings=moved), VERSIONS) == run_identity(plan, VERSIONS)
    assert run_identity(without(plan, overrides=(other_lock, LOCK)), VERSIONS) == run_identity(plan, VERSIONS)


def test_the_same_run_with_other_lines_is_refused_and_the_stored_one_kept(store: RunStore) -> None:
    plan = make_plan()
    run = store.save(plan, versions=VERSIONS)
    lines = plan.lines.copy()
    lines.loc[4, "order_quantity"] += 0.5
    with pytest.raises(StorageError, match=r"other lines: 1 of 33 items differ \(first: 小青菜\(1\), 2023-07-01\)"):
        store.save(without(plan, lines=lines), versions=VERSIONS)
    assert_same_plan(store.load(run.run_id).plan, plan)


def test_lines_that_break_their_declaration_are_refused(store: RunStore) -> None:
    plan = make_plan()
    lines = plan.lines.assign(order_quantity=-1.0)
    with pytest.raises(DataError, match="order_quantity"):
        store.save(without(plan, lines=lines), versions=VERSIONS)
    assert len(store.runs()) == 0


def test_lines_before_and_after_overrides(store: RunStore) -> None:
    before = make_plan()
    store.save(before, versions=VERSIONS)
    run = store.save(make_plan(overrides=(LOCK,)), versions=VERSIONS)
    changes = store.changes(run.run_id)
    old = before.lines.set_index("item_code").loc[LOCK.item_code]
    assert changes[["item_code", "solved_price", "price"]].values.tolist() == [[LOCK.item_code, old["price"], 6.5]]
    assert changes["solved_order_quantity"].tolist() == [old["order_quantity"]]


def test_without_the_run_before_overrides_the_solved_values_are_empty(store: RunStore) -> None:
    run = store.save(make_plan(overrides=(LOCK,)), versions=VERSIONS)
    assert store.changes(run.run_id)["solved_price"].isna().all()


def test_find_latest_and_list(store: RunStore) -> None:
    early = store.save(make_plan(), "2023-06-30T20:00:00+00:00", VERSIONS)
    late = store.save(make_plan(seed=1), "2023-06-30T21:00:00+00:00", VERSIONS)
    week = store.save(make_plan(days=7, first_date="2023-07-02"), "2023-06-30T19:00:00+00:00", VERSIONS)
    assert store.find("unknown") is None
    assert [store.latest("main", day).run_id for day in ("2023-07-01", "2023-07-05")] == [late.run_id, week.run_id]
    assert store.latest("east", "2023-07-01") is None
    assert store.runs("main")["run_id"].tolist() == [late.run_id, early.run_id, week.run_id]
    assert store.runs("east").empty


def test_an_unknown_run_says_so(store: RunStore) -> None:
    with pytest.raises(StorageError, match="There is no run 0000"):
        store.load("0000")
    with pytest.raises(StorageError, match="There is no run 0000"):
        store.approve("0000", "李")


def test_approvals_are_kept_with_author_time_and_note(store: RunStore) -> None:
    run = store.save(make_plan(), versions=VERSIONS)
    store.approve(run.run_id, "李", "as agreed", at="2023-06-30T21:30:00+00:00")
    assert store.approvals(run.run_id).values.tolist() == [["李", "2023-06-30T21:30:00.000+00:00", "as agreed"]]
    assert store.runs()["approvals"].tolist() == [1]


def test_migrations_lead_from_an_empty_database_to_the_declared_tables(url: str) -> None:
    with open_store(url):
        pass
    with open_engine(parse_url(url), 1.0).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        command.check(migration_config(connection))


def test_migrations_lead_back(url: str) -> None:
    with open_store(url):
        pass
    with open_engine(parse_url(url), 1.0).begin() as connection:
        command.downgrade(migration_config(connection), "base")
        left = set(connection.dialect.get_table_names(connection))
    assert left == {"alembic_version"}


def test_a_database_of_a_newer_version_is_refused(url: str) -> None:
    with open_store(url):
        pass
    _sqlite(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="another version of replenish"):
        open_store(url)


def test_a_locked_database_says_so_and_nothing_is_written(url: str, store: RunStore) -> None:
    other = sqlite3.connect(_path(url), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match=r"another program is writing to it\. Wait for it"):
        store.save(make_plan(), versions=VERSIONS)
    other.execute("ROLLBACK")
    other.close()
    assert len(store.runs()) == 0


def test_readers_are_not_stopped_by_a_writer(url: str, store: RunStore) -> None:
    run = store.save(make_plan(), versions=VERSIONS)
    other = sqlite3.connect(_path(url), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store.load(run.run_id).run_id == run.run_id
    other.close()


def test_a_full_disk_says_so_and_nothing_is_written(store: RunStore) -> None:
    with store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StorageError, match=r"the disk is full\. Free some space"):
        store.save(make_plan(), versions=VERSIONS)
    assert len(store.runs()) == 0


@pytest.mark.parametrize(
    ("address", "cause", "advice"),
    [
        ("sqlite:///runs.db", "disk I/O error", "the disk is full or not writable. Free some space, check the folder"),
        ("sqlite:///runs.db", "out of memory", "out of memory. Check the file, its folder and the space on its disk"),
        ("postgresql://shop@host/runs", "connection refused", "connection refused. Check that the server runs"),
    ],
)
def test_what_to_do_fits_the_kind_of_database(address: str, cause: str, advice: str) -> None:
    with pytest.raises(StorageError, match=advice), storage_errors(make_url(address), "Saving the run"):
        raise OperationalError("INSERT", None, sqlite3.OperationalError(cause))


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "runs.db").write_text("these are my notes " * 100)
    with pytest.raises(StorageError, match="no SQLite database"):
        open_store(f"sqlite:///{tmp_path}/runs.db")


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="Check the path"):
        open_store(f"sqlite:///{tmp_path}/taken/runs.db")


def test_an_unreachable_server_says_so_without_the_password() -> None:
    url = "postgresql://planner:topsecret@127.0.0.1:1/replenish?sslmode=disable&application_name=topsecret"
    with pytest.raises(StorageError, match=r"planner:\*\*\*@127.0.0.1:1/replenish: .*Check that the server") as caught:
        open_store(url)
    assert "topsecret" not in str(caught.value)


def test_what_is_no_url_says_so_without_repeating_it() -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        open_store("my password is topsecret")
    assert "topsecret" not in str(caught.value)


def test_a_missing_driver_says_so() -> None:
    with pytest.raises(ConfigError, match="No driver for nosuch"):
        open_store("nosuch://host/database")


def test_numbers_that_are_no_json_are_refused_on_every_database(store: RunStore) -> None:
    plan = make_plan()
    with pytest.raises(StorageError, match="not JSON compliant"):
        store.save(replace(plan, summary=plan.summary | {"expected_se": float("nan")}), versions=VERSIONS)


def test_runs_are_kept_in_postgresql_too(postgres_url: str) -> None:
    plan = make_plan(overrides=(LOCK,))
    with open_store(postgres_url) as store:
        store.save(make_plan(), versions=VERSIONS)
        run = store.save(plan, versions=VERSIONS)
        assert store.save(plan, versions=VERSIONS).repeated
        assert_same_plan(store.load(run.run_id).plan, plan)
        assert store.changes(run.run_id)["item_code"].tolist() == [LOCK.item_code]
        store.approve(run.run_id, "李", "as agreed")
        assert store.runs("main").set_index("run_id")["approvals"][run.run_id] == 1
    with open_engine(parse_url(postgres_url), 1.0).connect() as connection:
        command.check(migration_config(connection))


def _path(url: str) -> str:
    return url.removeprefix("sqlite:///")


def _sqlite(url: str, statement: str) -> None:
    connection = sqlite3.connect(_path(url))
    with connection:
        connection.execute(statement)
    connection.close()
