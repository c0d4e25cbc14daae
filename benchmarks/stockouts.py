"""How well sold-out days are found and their demand recovered: simulated shops whose truth is known, and real folders.

python -m benchmarks.stockouts                                # simulated shops that sell out on a third of the days
python -m benchmarks.stockouts --shops 8 9                    # others
python -m benchmarks.stockouts --data FOLDER --to 2022-12-31  # flag rates of a folder, and days cut short at 17:00
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.history.stockouts import SOLD_OUT
from replenish.planning import build_history
from replenish.pricing.assortment import assortment_factor
from replenish.pricing.substitution import estimate_transfer_share, purchases_per_unit, substitute_groups
from replenish.records import DemandHistory, Tables
from replenish.settings import PricingSettings
from replenish.simulate.history import simulate_history
from replenish.simulate.world import draw_world
from replenish.sources.folder import load_tables, tables_from_frames

SHOPS = (3, 5, 7)
FIRST, LAST = "2023-01-01", "2023-07-31"
CUT_HOUR, CUT_SHARE, CUT_LEAST = 17, 0.05, 10
THIRDS = ("low", "middle", "high")


def simulated_shop(seed: int, counted: bool) -> pd.Series:
    """Scores of one simulated shop, with or without its counted stock and orders."""
    frames, truth = simulate_history(draw_world("reference-like", seed), FIRST, LAST, seed=1)
    given = {name: frame for name, frame in frames.items() if counted or name not in ("stock", "orders")}
    history = build_history(tables_from_frames(given), LAST)
    panel = history.panel.assign(own_demand=own_demand(history))
    volume = panel.groupby("item_code")["sold"].transform("mean").rank(method="first")
    columns = ["date", "item_code", "demand", "sold", "lost", "sold_out_hour"]
    true = truth["item_days"][columns].rename(columns={"demand": "true", "sold": "sold_t"})
    rows = panel.assign(third=pd.qcut(volume, 3, labels=THIRDS)).merge(true, on=["date", "item_code"], validate="1:1")
    return scores(rows)


def own_demand(history: DemandHistory) -> pd.Series:
    """Demand of each panel row less what rivals that sold out brought [unit], with the share that moves as learnt."""
    panel = history.panel
    days, codes = pd.DatetimeIndex(history.calendar["date"]), pd.Index(sorted(panel["item_code"].unique()))
    at = days.get_indexer(pd.DatetimeIndex(panel["date"])), codes.get_indexer(pd.Index(panel["item_code"]))

    def wide(values: pd.Series) -> NDArray[np.float64]:
        out = np.zeros((len(days), len(codes)))
        out[at] = values.fillna(0.0)
        return out

    served = (panel["sold"] / (panel["sold"] + panel["hidden"])).fillna(1.0)
    value = wide(panel["demand"]) * purchases_per_unit(panel).reindex(codes).to_numpy()
    group = pd.factorize(substitute_groups(history.items).reindex(codes))[0]
    share = np.full(len(codes), estimate_transfer_share(history, PricingSettings()).share)
    offered, is_open = wide(panel["offered"]), ~history.calendar["closed"].to_numpy(dtype=bool)
    brought = [
        assortment_factor(value, offered * there, offered, is_open, share, group)[0] for there in (wide(served), 1.0)
    ]
    return panel["demand"] * (brought[1] / brought[0])[at]


def scores(rows: pd.DataFrame) -> pd.Series:
    """Recall and precision, calibration, bias of the total demand and of the sold-out days by volume third."""
    out, chance = rows["sold_out_hour"].notna(), rows["sold_out_probability"]
    flagged, timed = chance > SOLD_OUT, rows["silence_p"].notna()
    guessed = timed & (chance > 0) & (chance < 1)
    found = {
        "days sold out": out[timed].mean(),
        "mean chance given": chance[timed].mean(),
        "recall": flagged[out & timed].mean(),
        "precision": out[flagged].mean(),
        "flagged, not sold out": flagged[~out & timed].mean(),
        "log loss of the chance": -np.log(np.where(out, chance, 1 - chance)[guessed]).mean(),
        "sales, total": bias(rows, "full_price_sold"),
        "demand, total": bias(rows, "demand"),
        "own demand, total": bias(rows, "own_demand"),
        "of all demand: went to another item": (rows["true"] - rows["sold_t"])[out].sum() / rows["true"].sum()
        - rows["lost"].sum() / rows["true"].sum(),
    }
    for column, name in (("demand", "demand"), ("own_demand", "own demand")):
        for third in THIRDS:
            found[f"{name}, sold out, {third}"] = bias(rows[out & (rows["third"] == third)], column)
    return pd.Series(found)


def bias(rows: pd.DataFrame, column: str) -> float:
    """Σ column ÷ Σ true demand − 1; true demand: what would have sold had all on offer lasted all day."""
    return float(rows[column].sum() / rows["true"].sum() - 1)


def folder_rates(tables: Tables, last: pd.Timestamp) -> pd.Series:
    """Share of tested days whose early end is rarer than each limit, and demand added by recovery."""
    panel = build_history(tables, last).panel
    timed = panel["silence_p"].notna()
    chance = panel.loc[timed, "sold_out_probability"]
    return pd.Series({
        "days with times": len(chance), "likelier sold out than not": (chance > SOLD_OUT).mean(),
        "of these ordinary, by their chance": (1 - chance[chance > SOLD_OUT]).sum() / len(chance),
        "mean chance": chance.mean(), "demand added": panel["hidden"].sum() / panel["sold"].sum(),
    })  # fmt: skip


def cut_days(folder: Path, last: pd.Timestamp, seed: int = 0) -> pd.Series:
    """One item-day in twenty (10 sales or more, all at full price) loses its sales from 17:00 on: what is recovered?"""
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("items", "sales", "wholesale")}
    sales = tables["sales"][pd.to_datetime(tables["sales"]["date"]) <= last]
    day = sales.groupby(["date", "item_code"])
    usable = (day["quantity"].transform("size") >= CUT_LEAST) & ~day["discounted"].transform("any")
    chosen = day.ngroup().map(pd.Series(np.random.default_rng(seed).random(day.ngroups) < CUT_SHARE)) & usable
    late = pd.to_timedelta(sales["time"].astype(str)) >= pd.Timedelta(hours=CUT_HOUR)
    true = sales[chosen].groupby(["date", "item_code"])["quantity"].sum().rename("true").reset_index()
    true["date"] = pd.to_datetime(true["date"])
    panel = build_history(tables_from_frames({**tables, "sales": sales[~(chosen & late)]}), last).panel
    rows = panel.merge(true, on=["date", "item_code"], validate="1:1")
    rows = rows[rows["sold"] < rows["true"]]
    chance = rows["sold_out_probability"]
    return pd.Series({
        "cut days": len(rows), "likelier sold out than not": (chance > SOLD_OUT).mean(), "mean chance ": chance.mean(),
        "sales, all cut": bias(rows, "sold"), "demand, all cut": bias(rows, "demand"),
    })  # fmt: skip


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="canonical folder (Parquet); without it, simulated shops")
    parser.add_argument("--to", type=pd.Timestamp, default=pd.Timestamp("2022-12-31"), help="last day used")
    parser.add_argument("--shops", type=int, nargs="+", default=SHOPS, help="seeds of the simulated shops")
    args = parser.parse_args()
    if args.data:
        print(pd.concat([folder_rates(load_tables(args.data), args.to), cut_days(args.data, args.to)]).to_string())
        return
    columns = {
        f"shop {seed}, {'counted' if counted else 'times only'}": simulated_shop(seed, counted)
        for seed in args.shops
        for counted in (False, True)
    }
    print(pd.DataFrame(columns).round(3).to_string())


if __name__ == "__main__":
    main()
