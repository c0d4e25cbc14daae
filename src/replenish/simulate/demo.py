"""The demo store: two years of the simulated shop, frozen in `data/demo`.

`python -m replenish.simulate.demo --output FOLDER` writes the identical tables again; `--truth FOLDER` writes what lies
behind them (not shipped: it is made in seconds and would give the answers away).
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from replenish.simulate.history import simulate_history
from replenish.simulate.world import draw_world

WORLD = "reference-like"
WORLD_SEED = 2024
SEED = 1
FIRST_DAY = "2022-07-01"
LAST_DAY = "2024-06-30"
SHIPPED = ("items", "sales", "wholesale")


def demo_tables(
    first: str = FIRST_DAY, last: str = LAST_DAY
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The demo store's canonical tables (those the reference shop has) and their truth; see `simulate_history`."""
    frames, truth = simulate_history(draw_world(WORLD, WORLD_SEED), first, last, seed=SEED)
    return {name: frames[name] for name in SHIPPED}, truth


def table_hash(frame: pd.DataFrame) -> str:
    """SHA-256 of a table's content, the same for a table read back from Parquet."""
    text = frame.to_csv(index=False, float_format="%.6g", date_format="%Y-%m-%d", lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()


def write_parquet(folder: Path, frames: dict[str, pd.DataFrame]) -> None:
    """One small Parquet file per table: dates as days, quantities to the gram as they are, strong compression."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd", compression_level=19)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the demo tables, and the truth where asked; exit code 0."""
    parser = argparse.ArgumentParser(prog="python -m replenish.simulate.demo", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for the canonical tables")
    parser.add_argument("--truth", type=Path, help="folder for the truth behind them")
    chosen = parser.parse_args(arguments)
    frames, truth = demo_tables()
    write_parquet(chosen.output, frames)
    if chosen.truth is not None:
        write_parquet(chosen.truth, truth)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
