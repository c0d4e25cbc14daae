"""What a store knew on an evening has one fingerprint: later rows leave it, corrected ones do not."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from replenish.fingerprint import known_fingerprint
from replenish.records import Tables
from replenish.sources.folder import tables_from_frames
from tests.conftest import make_tiny_frames

DAY = pd.Timestamp("2023-06-20")
AFTER = pd.Timestamp("2023-06-21")


def shop(**frames: pd.DataFrame) -> Tables:
    return tables_from_frames(make_tiny_frames() | frames)


def counts(day: pd.Timestamp) -> pd.DataFrame:
    return pd.DataFrame({"date": [day], "item_code": ["L1"], "on_hand": [3.0]})


def test_rows_of_later_days_do_not_count():
    tables = shop()
    known = known_fingerprint(tables, "main", DAY)
    assert known_fingerprint(tables.up_to(DAY), "main", DAY) == known
    assert known_fingerprint(shop(stock=counts(AFTER)), "main", DAY) == known, "as if stock were not counted yet"
    assert known_fingerprint(tables, "main", AFTER) != known


@pytest.mark.parametrize(
    ("table", "column"), [("daily_sales", "quantity"), ("intraday_sales", "transactions"), ("items", "loss_rate")]
)
def test_corrected_rows_count(table: str, column: str):
    tables = shop()
    frame = getattr(tables, table).copy()
    frame[column] = frame[column] * 2
    assert known_fingerprint(replace(tables, **{table: frame}), "main", DAY) != known_fingerprint(tables, "main", DAY)


def test_a_count_added_to_the_past_counts():
    assert known_fingerprint(shop(stock=counts(DAY)), "main", DAY) != known_fingerprint(shop(), "main", DAY)


def test_other_stores_do_not_count():
    frames = {name: f.assign(store="main") for name, f in make_tiny_frames().items()}
    both = {name: pd.concat([f, f.assign(store="other")], ignore_index=True) for name, f in frames.items()}
    alone, beside = tables_from_frames(frames), tables_from_frames(both)
    assert alone.fingerprint != beside.fingerprint
    assert known_fingerprint(alone, "main", DAY) == known_fingerprint(beside, "main", DAY)
