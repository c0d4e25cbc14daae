"""Leaderboard of our rows and the peers' forecasts of the same origins: `python -m benchmarks.peers.join ROWS PEER …`.

ROWS: what `replenish backtest --output` wrote. PEER: files that `forecast_peers.py` wrote. Prints the leaderboard over
days on which the item sold, at horizon 1 and over all horizons; only items and days that every model has are scored.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from replenish.evaluate.metrics import leaderboard
from replenish.forecast.intervals import QUANTILE_NAMES

KEY = ["origin", "item_code", "date"]
SHOWN = ["model", "rows", "wape", "bias", "rmsse", "pinball", "coverage_80", "coverage_95", "newsvendor"]


def joined(rows: pd.DataFrame, peers: list[pd.DataFrame]) -> pd.DataFrame:
    """Our rows and the peers' below them, with the same actuals, prices and scales; cells common to all models."""
    facts = rows.drop_duplicates(KEY).drop(columns=["model", "mean", *QUANTILE_NAMES])
    parts = [rows]
    for peer in peers:
        named = peer.rename(columns={"unique_id": "item_code", "ds": "date"})
        parts.append(facts.merge(named[["model", *KEY, "mean", *QUANTILE_NAMES]], on=KEY, validate="1:1"))
    together = pd.concat(parts, ignore_index=True)
    models = together["model"].nunique()
    return together[together.groupby(KEY)["model"].transform("nunique") == models]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("peers", type=Path, nargs="+")
    arguments = parser.parse_args()
    table = joined(pd.read_parquet(arguments.rows), [pd.read_parquet(path) for path in arguments.peers])
    for title, part in (("horizon 1", table[table["horizon"] == 1]), ("all horizons", table)):
        print(f"{title}\n{leaderboard(part)[SHOWN].round(4).to_string(index=False)}\n")


if __name__ == "__main__":
    main()
