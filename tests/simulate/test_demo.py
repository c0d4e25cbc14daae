"""The demo store is frozen: its tables change only on purpose, together with the hashes below."""

from pathlib import Path

import pandas as pd
import pytest

from replenish.schemas import TABLES, check_table
from replenish.settings import load_settings
from replenish.simulate.demo import FIRST_DAY, SHIPPED, demo_tables, table_hash

DEMO = Path(__file__).parents[2] / "data" / "demo"
HASHES = {
    "items": "a4fd29946de54bceead73f973e9bd8b5d84163515f2cbaf29eb7f245115408ba",
    "sales": "5ea55436d3cd5fa4de972ab05e3600674d27d89bdbd276ecd00ef54e25c94de9",
    "wholesale": "c6ba1d9e1e20563e039dcf4f4f3a395debaa23d1c728f4805261c805ab22a738",
}


@pytest.fixture(scope="module")
def shipped():
    return {name: pd.read_parquet(DEMO / f"{name}.parquet") for name in SHIPPED}


def test_shipped_tables_are_the_frozen_ones(shipped):
    assert {name: table_hash(frame) for name, frame in shipped.items()} == HASHES


def test_shipped_tables_are_canonical(shipped):
    for name, frame in shipped.items():
        check_table(frame, TABLES[name])
    assert set(shipped["sales"]["item_code"]) <= set(shipped["items"]["item_code"])


def test_generating_again_gives_the_shipped_tables(shipped):
    """The first days are enough: a later last day leaves the days before it as they were."""
    last = pd.Timestamp(FIRST_DAY) + pd.Timedelta(days=13)
    frames, _ = demo_tables(last=last.strftime("%Y-%m-%d"))
    for name in ("sales", "wholesale"):
        start = shipped[name][shipped[name]["date"] <= last].reset_index(drop=True)
        pd.testing.assert_frame_equal(frames[name], start)


def test_the_demo_store_is_small():
    assert sum(path.stat().st_size for path in DEMO.iterdir()) < 5e6


def test_the_rules_fit_the_items_sold_last_week(shipped):
    sales = shipped["sales"]
    recent = sales[sales["date"] > sales["date"].max() - pd.Timedelta(days=7)]
    weekly = recent.groupby("item_code")["quantity"].sum()
    rules = load_settings(DEMO / "replenish.toml", environ={}).rules
    assert rules.n_max is not None
    assert rules.n_min <= rules.n_max <= len(weekly)
    assert (weekly / 7 > rules.min_display).sum() >= rules.n_min
