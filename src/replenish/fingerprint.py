"""Fingerprints of tables: the same rows give the same, wherever they lie and in whatever order."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd

from replenish.records import Tables
from replenish.schemas import DAILY_SALES, INTRADAY_SALES, PANDAS_DTYPE, TABLES, Column, Table

OPTIONAL = (*Tables.DATED, *Tables.ANNOUNCED)


def fingerprint(tables: Tables) -> str:
    """SHA-256 of the content: the same for CSV and Parquet, any folder and any order of rows."""
    digest = hashlib.sha256()
    declared = {**TABLES, DAILY_SALES.name: DAILY_SALES, INTRADAY_SALES.name: INTRADAY_SALES}
    for name in sorted(declared):
        frame = getattr(tables, name, None)
        if frame is not None:
            digest.update(f"{name}:{len(frame)}:".encode())
            digest.update(_row_hashes(frame, declared[name]))
    return digest.hexdigest()


def known_fingerprint(tables: Tables, store: str, as_of: date | pd.Timestamp) -> str:
    """SHA-256 of what one store knew on the evening of `as_of`: later days do not change it, a corrected past does.

    Of `items` only those sold by then count, so that a new item does not change it either; a table without rows is like
    one that is not there.
    """
    known = tables.for_store(store).up_to(as_of)
    sold = known.items["item_code"].isin(known.daily_sales["item_code"])
    blank: dict[str, Any] = {name: None for name in OPTIONAL if _without_rows(getattr(known, name))}
    return fingerprint(replace(known, items=known.items[sold], **blank))


def _without_rows(frame: pd.DataFrame | None) -> bool:
    return frame is not None and frame.empty


def _row_hashes(frame: pd.DataFrame, table: Table) -> bytes:
    dtypes = {c.name: _hashed_dtype(c) for c in table.columns}
    hashes = pd.util.hash_pandas_object(frame[table.names].astype(dtypes), index=False)
    return hashes.sort_values().to_numpy(dtype="<u8").tobytes()


def _hashed_dtype(column: Column) -> str:
    """Flags and counts with gaps come as other dtypes than without: numbers hash as floating point."""
    return PANDAS_DTYPE[column.kind] if column.kind in ("text", "time", "date") else "float64"
