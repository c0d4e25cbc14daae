"""The panel and the origins the peers forecast: `python -m benchmarks.peers.panel ROWS FOLDER PANEL ORIGINS`.

ROWS: what `replenish backtest --output` wrote, whose origins are taken; FOLDER: the canonical tables.
PANEL: net sales of every item-day with a sale (unique_id, ds, y), with `--level category` summed per category and unit;
ORIGINS: one date a line.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from replenish.sources.folder import load_tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("rows", "folder", "panel", "origins"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--level", choices=["item", "category"], default="item")
    arguments = parser.parse_args()
    tables = load_tables(arguments.folder)
    sales = tables.daily_sales
    panel = sales.loc[sales["quantity"] > 0, ["item_code", "date", "quantity"]]
    if arguments.level == "category":
        items = tables.items.set_index("item_code")
        composite = panel["item_code"].map(items["category"] + " (" + items["unit"] + ")")
        panel = panel.assign(item_code=composite).groupby(["item_code", "date"], as_index=False)["quantity"].sum()
    panel.set_axis(["unique_id", "ds", "y"], axis=1).to_parquet(arguments.panel, index=False)
    origins = pd.read_parquet(arguments.rows, columns=["origin"])["origin"].drop_duplicates().sort_values()
    arguments.origins.write_text("\n".join(f"{day:%Y-%m-%d}" for day in origins) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
