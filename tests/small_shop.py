"""Twelve items and ten months of the demo store: small enough to fit in seconds, real enough for every stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from replenish.records import Tables
from replenish.settings import Settings

CODES = ("P001", "P003", "P004", "P006", "P043", "P046", "P047", "P062", "P065", "P068", "P070", "P074")
FIRST, LAST = pd.Timestamp("2023-09-01"), pd.Timestamp("2024-06-30")
SETTINGS = Settings().override(
    scenarios__count=100, scenarios__fresh=200, rules__n_min=3, rules__n_max=8, solver__threads=1
)
TOML = """
[scenarios]
count = 100
fresh = 200

[rules]
n_min = 3
n_max = 8

[solver]
threads = 1
"""


def small_frames(demo: Path) -> dict[str, pd.DataFrame]:
    """The small shop's canonical frames, cut from the demo store."""
    frames = {name: pd.read_parquet(demo / f"{name}.parquet") for name in ("items", "sales", "wholesale")}
    frames = {name: frame[frame["item_code"].isin(CODES)] for name, frame in frames.items()}
    dated = {name: frame[frame["date"] >= FIRST] for name, frame in frames.items() if "date" in frame}
    return {name: frame.reset_index(drop=True) for name, frame in (frames | dated).items()}


def poisoned(tables: Tables, after: pd.Timestamp | str) -> Tables:
    """Every observation after the day changed: sales multiplied, prices and hours multiplied or missing."""
    day = pd.Timestamp(after)
    sales, intraday, costs = (getattr(tables, n).copy() for n in ("daily_sales", "intraday_sales", "wholesale"))
    late = sales["date"] > day
    for column in ("quantity", "full_price", "full_price_quantity", "transactions"):
        sales.loc[late, column] = sales.loc[late, column] * 7
    sales.loc[late, ["discounted_price", "last_sale_hour"]] = np.nan
    intraday.loc[intraday["date"] > day, "transactions"] *= 50
    costs.loc[costs["date"] > day, "wholesale_price"] *= 0.1
    return replace(tables, daily_sales=sales, intraday_sales=intraday, wholesale=costs)
