"""Shared fixtures: a tiny hand-written shop, the demo store, the real reference data, a PostgreSQL server."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import settings

from replenish.sources.contest import RULES_TOML, read_contest
from replenish.sources.folder import write_tables

ROOT = Path(__file__).resolve().parents[1]
REAL_DATA = Path(os.environ.get("REPLENISH_REAL_DATA", ROOT / "../shared/data/cumcm2023c"))
# The first call of a compiled function compiles it, which takes longer than examples may by default.
settings.register_profile("compiled", deadline=None)
settings.load_profile("compiled")
REQUIRE_REAL_DATA = os.environ.get("REPLENISH_REQUIRE_REAL_DATA") == "1"

# ---------------------------------------------------------------- a tiny shop

TINY_DAYS = pd.date_range("2023-06-01", "2023-06-30", unit="us")
TINY_ITEMS = [
    # code, name, category, unit, loss, sales a day, quantity of a sale, price, wholesale price
    ("L1", "Spinach", "leafy", "kg", 0.10, 10, 0.5, 6.0, 3.5),
    ("L2", "Lettuce", "leafy", "kg", 0.05, 6, 0.4, 5.0, 3.0),
    ("M1", "Enoki", "mushrooms", "pack", 0.02, 8, 1.0, 3.0, 1.8),
    ("M2", "Shiitake", "mushrooms", "kg", 0.08, 4, 0.25, 20.0, 12.0),
]


def make_tiny_frames() -> dict[str, pd.DataFrame]:
    """Thirty days of four items. Every item sells at full price from 9 o'clock, once an hour.

    Spinach costs 6.60 instead of 6.00 from 16 June, and every Friday one more kilogram goes at 4.00 at 20:30.
    One sale of lettuce (0.4 kg) comes back on 15 June.
    """
    sales = [
        (day, f"{9 + n:02d}:15:07.{n}", code, quantity, 6.6 if code == "L1" and day.day > 15 else price, "sale", False)
        for day in TINY_DAYS
        for code, _, _, _, _, count, quantity, price, _ in TINY_ITEMS
        for n in range(count)
    ]
    sales += [(day, "20:30:00.0", "L1", 1.0, 4.0, "sale", True) for day in TINY_DAYS if day.weekday() == 4]
    sales += [(pd.Timestamp("2023-06-15"), "17:00:00.0", "L2", -0.4, 5.0, "return", False)]
    columns = ["date", "time", "item_code", "quantity", "unit_price", "sale_type", "discounted"]
    wholesale = [(day, item[0], item[8]) for day in TINY_DAYS for item in TINY_ITEMS]
    items = [item[:5] for item in TINY_ITEMS]
    return {
        "items": pd.DataFrame(items, columns=["item_code", "item_name", "category", "unit", "loss_rate"]),
        "sales": pd.DataFrame(sales, columns=columns),
        "wholesale": pd.DataFrame(wholesale, columns=["date", "item_code", "wholesale_price"]),
    }


@pytest.fixture
def tiny_frames() -> dict[str, pd.DataFrame]:
    """Canonical frames of the tiny shop; the test may change them."""
    return make_tiny_frames()


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    """The tiny shop as a folder of CSV files; the test may change them."""
    return write_tables(tmp_path / "tiny", make_tiny_frames(), "csv")


# ---------------------------------------------------------------- demo store and reference data


@pytest.fixture(scope="session")
def demo_folder() -> Path:
    """The demo store the repository ships."""
    folder = ROOT / "data" / "demo"
    assert folder.is_dir(), "the demo store is missing from the repository"
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The reference data as published; skips without them, fails where they are required."""
    if (REAL_DATA / "sales.parquet").is_file():
        return REAL_DATA
    if REQUIRE_REAL_DATA:
        pytest.fail(f"REPLENISH_REQUIRE_REAL_DATA=1, but {REAL_DATA} does not hold the reference data")
    pytest.skip("no reference data (set REPLENISH_REAL_DATA)")


@pytest.fixture(scope="session")
def real_folder(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference data imported as a canonical folder with the contest's rules; read only."""
    folder = tmp_path_factory.mktemp("real") / "shop"
    return write_tables(folder, read_contest(real_data).frames, texts={"replenish.toml": RULES_TOML})


# ---------------------------------------------------------------- PostgreSQL


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a throw-away PostgreSQL server on a free loopback port; skips where PostgreSQL is not installed."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (initdb and pg_ctl not found)")
    # The server refuses to run as root, and its user may not enter pytest's folders.
    owner = "postgres" if os.geteuid() == 0 else getpass.getuser()
    root = Path(tempfile.mkdtemp(prefix="replenish-postgres-"))
    account = pwd.getpwnam(owner)
    os.chown(root, account.pw_uid, account.pw_gid)
    run_as = {"user": account.pw_uid, "group": account.pw_gid} if os.geteuid() == 0 else {}
    port = _free_port()
    flags = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={root} -c fsync=off"
    init = [programs / "initdb", "-D", root / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    control = [programs / "pg_ctl", "-D", root / "data", "-l", root / "log", "-w"]
    try:
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL, cwd=root, **run_as)
        start = [*control, "-o", flags, "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=root, **run_as)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        stop = [*control, "-m", "immediate", "stop"]
        subprocess.run(stop, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=root, **run_as)
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """URL of an empty database of its own."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_server.rsplit("/", 1)[0] + f"/{name}"


def _postgres_programs() -> Path | None:
    on_path = shutil.which("initdb")
    places = [Path(on_path).parent] if on_path else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((p for p in places if (p / "initdb").is_file() and (p / "pg_ctl").is_file()), None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
