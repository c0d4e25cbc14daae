"""Moments of a shop's tables, the same for a simulated and for a real one, and the page that sets them side by side.

`python -m replenish.simulate.moments --data FOLDER --output FILE` compares a world with the shop in FOLDER (canonical
Parquet tables, or the Parquet rebuild of the reference data). Only aggregates leave this module.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.errors import DataError
from replenish.simulate.history import simulate_history
from replenish.simulate.world import draw_world, worlds_in_words

Frames = dict[str, pd.DataFrame]
Moments = dict[tuple[str, str], float]

ENOUGH_DAYS = 100
VALID_COST = 0.05
EARLY_HOUR = 18
BUSY_SALES = 10


def shop_moments(frames: Frames) -> Moments:
    """All moments of the canonical tables `items`, `sales`, `wholesale`: (group, moment) → value."""
    sold = frames["sales"].merge(frames["items"], on="item_code", validate="many_to_one")
    sold = sold.assign(
        value=sold["quantity"] * sold["unit_price"],
        transactions=sold.get("transactions", 1),
        hour=pd.to_numeric(sold["time"].str[:2]),
    )
    sales = sold[sold["sale_type"] == "sale"]
    days = item_days(sold, frames["wholesale"])
    groups = {
        "Shop day": _day_moments(days),
        "Weekday (sales rows, mean = 1)": _weekday_moments(days),
        "Hour (share of sales rows)": _hour_moments(sales),
        "Purchase": _purchase_moments(sales),
        "Item-day": _item_day_moments(days),
        "Shelf price": _price_moments(days),
        "Wholesale price": _cost_moments(frames["wholesale"], days),
        "Clearance": _clearance_moments(sales, days),
        "Sold out (proxy)": _sold_out_moments(sales),
        "Moving together": _correlation_moments(days),
        "Margin and predictability": _margin_moments(days),
    }
    return {(group, name): float(value) for group, found in groups.items() for name, value in found.items()}


def item_days(sold: pd.DataFrame, wholesale: pd.DataFrame) -> pd.DataFrame:
    """One row per item and day with net sales above 0: quantity, value, sales, full_price, discounted_share, cost."""
    full = sold[~sold["discounted"] & (sold["sale_type"] == "sale")]
    key = ["item_code", "date"]
    days = sold.groupby(key).agg(
        quantity=("quantity", "sum"),
        value=("value", "sum"),
        sales=("transactions", "sum"),
        discounted=("discounted", "max"),
        category=("category", "first"),
        unit=("unit", "first"),
        loss_rate=("loss_rate", "first"),
    )
    at_full = full.groupby(key)[["value", "quantity"]].sum()
    days["full_price"] = (at_full["value"] / at_full["quantity"]).round(2)
    days = days[days["quantity"] > 0].reset_index()
    cost = wholesale[wholesale["wholesale_price"] > VALID_COST]
    return days.merge(cost[[*key, "wholesale_price"]], on=key, how="left", validate="one_to_one").sort_values(key)


# ---------------------------------------------------------------- groups of moments


def _day_moments(days: pd.DataFrame) -> dict[str, Any]:
    by_day = days.groupby("date").agg(value=("value", "sum"), sales=("sales", "sum"), items=("quantity", "size"))
    log_value = np.log(by_day["value"]).asfreq("D")
    return {
        "sales value, mean [money]": by_day["value"].mean(),
        "sales value, coefficient of variation": by_day["value"].std() / by_day["value"].mean(),
        "sales value, largest ÷ median": by_day["value"].max() / by_day["value"].median(),
        "sales rows, mean": by_day["sales"].mean(),
        "items sold, mean": by_day["items"].mean(),
        "items sold, 5 % quantile": by_day["items"].quantile(0.05),
        "items sold, 95 % quantile": by_day["items"].quantile(0.95),
        "log value, autocorrelation at 1 day": log_value.autocorr(1),
        "log value, autocorrelation at 7 days": log_value.autocorr(7),
        "log value, autocorrelation at 28 days": log_value.autocorr(28),
    }


def _weekday_moments(days: pd.DataFrame) -> dict[str, Any]:
    rows = days.groupby("date")["sales"].sum()
    mean = rows.groupby(pd.DatetimeIndex(rows.index).day_of_week).mean()
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    return {name: mean[k] / mean.mean() for k, name in enumerate(names)}


def _hour_moments(sales: pd.DataFrame) -> dict[str, Any]:
    hour = sales["hour"].dropna()
    bands = ((9, 12), (12, 15), (15, 18), (18, 20), (20, 23))
    return {f"{a:02d}–{b:02d} h": float(hour.between(a, b - 1).mean()) for a, b in bands}


def _purchase_moments(sales: pd.DataFrame) -> dict[str, Any]:
    single = sales[sales["time"].notna()]
    loose = single[single["unit"] == "kg"]
    packs = single[single["unit"] == "pack"]
    spread = loose.groupby("item_code")["quantity"].agg(["mean", "std", "size"]).query("size > 500")
    return {
        "kg items: mean [kg]": loose["quantity"].mean(),
        "kg items: 5 % quantile [kg]": loose["quantity"].quantile(0.05),
        "kg items: median [kg]": loose["quantity"].median(),
        "kg items: 95 % quantile [kg]": loose["quantity"].quantile(0.95),
        "kg items: coefficient of variation within item, median": (spread["std"] / spread["mean"]).median(),
        "packs: mean [packs]": packs["quantity"].mean(),
        "packs: share of sales rows": len(packs) / len(single),
    }


def _item_day_moments(days: pd.DataFrame) -> dict[str, Any]:
    loose = days.loc[days["unit"] == "kg", "quantity"]
    moments: dict[str, Any] = {
        f"kg items: {q:.0%} quantile [kg]": loose.quantile(q) for q in (0.05, 0.25, 0.5, 0.75, 0.95)
    }
    moments |= {f"sales rows, {q:.0%} quantile": days["sales"].quantile(q) for q in (0.25, 0.5, 0.75, 0.95)}
    by_item = _frequent(days).groupby("item_code")["quantity"]
    moments["coefficient of variation within item, median"] = (by_item.std() / by_item.mean()).median()
    moments["sold on a day, of items sold in the week before"] = _active_share(days)
    on_days = days.groupby("item_code").size() / days["date"].nunique()
    moments["items sold on more than 80 % of days"] = float((on_days > 0.8).sum())
    moments["items sold on 30–80 % of days"] = float(on_days.between(0.3, 0.8).sum())
    return moments


def _price_moments(days: pd.DataFrame) -> dict[str, Any]:
    price = days["full_price"].dropna()
    moves = _moves(days, "full_price")
    changed = moves.abs() > 0.02
    ending = (price * 10 % 10).round() % 10
    moments: dict[str, Any] = {f"{q:.0%} quantile over item-days [money]": price.quantile(q) for q in (0.25, 0.5, 0.75)}
    return moments | {
        "spread within item (sd of log), median": _log_spread(days, "full_price"),
        "changed since the last day sold, share of item-days": float(changed.mean()),
        "size of a change, median": float((np.exp(moves[changed].abs()) - 1).median()),
        "ends in .0, share of item-days": float((ending == 0).mean()),
        "ends in .5, .8 or .9, share of item-days": float(ending.isin([5, 8, 9]).mean()),
        "slope of log quantity on log price within item × month": _price_slope(days),
    }


def _cost_moments(wholesale: pd.DataFrame, days: pd.DataFrame) -> dict[str, Any]:
    cost = wholesale[wholesale["wholesale_price"] > VALID_COST].sort_values(["item_code", "date"])
    moves = _moves(cost, "wholesale_price")
    markup = days["full_price"] * (1 - days["loss_rate"]) / days["wholesale_price"]
    moments: dict[str, Any] = {
        f"markup: price ÷ (cost/(1−loss)), {q:.0%} quantile": markup.quantile(q) for q in (0.25, 0.5, 0.75)
    }
    return moments | {
        "quotations a day": len(cost) / cost["date"].nunique(),
        "spread within item (sd of log), median": _log_spread(cost, "wholesale_price"),
        "daily move (log), 5 % quantile": moves.quantile(0.05),
        "daily move (log), 95 % quantile": moves.quantile(0.95),
        "unchanged from the day before, share": float((moves.abs() < 1e-9).mean()),
    }


def _clearance_moments(sales: pd.DataFrame, days: pd.DataFrame) -> dict[str, Any]:
    cleared = sales[sales["discounted"]].merge(days[["item_code", "date", "full_price"]], on=["item_code", "date"])
    off = 1 - cleared["unit_price"] / cleared["full_price"]
    off = off[off.between(0.01, 0.99)]
    rows = sales[sales["time"].notna()]
    share = rows.groupby("hour")["discounted"].mean()
    return {
        "item-days with a discount, share": float(days["discounted"].mean()),
        "discounted, share of sales rows": float(rows["discounted"].mean()),
        "discounted, share of sales value": float(cleared["value"].sum() / sales["value"].sum()),
        "discounted, share of rows 10–17 h": float(share.loc[10:16].mean()),
        "discounted, share of rows at 19 h": float(share.get(19, np.nan)),
        "discounted, share of rows at 21 h": float(share.get(21, np.nan)),
        **{f"discount, {q:.0%} quantile": off.quantile(q) for q in (0.25, 0.5, 0.75)},
    }


def _sold_out_moments(sales: pd.DataFrame) -> dict[str, Any]:
    timed = sales[sales["time"].notna()].groupby(["item_code", "date"])
    last = timed.agg(time=("time", "max"), sales=("hour", "size"), discounted=("discounted", "max"))
    last = last[last["sales"] >= BUSY_SALES]
    hour = pd.to_timedelta(last["time"]).dt.total_seconds() / 3600
    cleared = last["discounted"].astype(bool)
    return {
        "last sale before 18 h, share of item-days with ≥ 10 sales": float((hour < EARLY_HOUR).mean()),
        "the same, item-days with a discount": float((hour[cleared] < EARLY_HOUR).mean()),
        "last sale, median [h]": hour.median(),
    }


def _correlation_moments(days: pd.DataFrame, leading: int = 40) -> dict[str, Any]:
    logs = days.assign(log_quantity=np.log(days["quantity"]))
    wide = logs.pivot_table(index="date", columns="item_code", values="log_quantity")
    wide = wide[wide.count().nlargest(leading).index]
    category = days.drop_duplicates("item_code").set_index("item_code")["category"].reindex(wide.columns).to_numpy()
    same = category[:, None] == category[None, :]
    pairs = ~np.eye(len(category), dtype=bool)
    raw = wide.corr(min_periods=60).to_numpy()
    own = wide.sub(wide.mean(axis=1), axis=0).corr(min_periods=60).to_numpy()
    lags = [wide[c].asfreq("D").autocorr(k) for k in (1, 7) for c in wide]
    return {
        "log quantity, correlation within category": _known_mean(raw[pairs & same]),
        "log quantity, correlation between categories": _known_mean(raw[pairs & ~same]),
        "the same without the day's mean, within category": _known_mean(own[pairs & same]),
        "item log quantity, autocorrelation at 1 day": _known_mean(lags[: wide.shape[1]]),
        "item log quantity, autocorrelation at 7 days": _known_mean(lags[wide.shape[1] :]),
    }


def _margin_moments(days: pd.DataFrame) -> dict[str, Any]:
    costed = days.dropna(subset=["wholesale_price"])
    margin = costed["value"] - costed["quantity"] * costed["wholesale_price"] / (1 - costed["loss_rate"])
    by_day = margin.groupby(costed["date"]).sum()
    category = days.groupby(["category", "date"])["quantity"].sum().reset_index()
    return {
        "margin on what was sold, mean a day [money]": by_day.mean(),
        "margin, share of sales value": margin.sum() / costed["value"].sum(),
        "margin, coefficient of variation over days": by_day.std() / by_day.mean(),
        "WAPE of the same weekday's sales a week before, items": _lag_wape(days, "item_code"),
        "WAPE of the same weekday's sales a week before, categories": _lag_wape(category, "category"),
    }


# ---------------------------------------------------------------- statistics shared by several groups


def _known_mean(values: NDArray[np.float64] | list[float]) -> float:
    """Mean of what is known, NaN when nothing is (a short past)."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else float("nan")


def _frequent(days: pd.DataFrame) -> pd.DataFrame:
    """Rows of items with enough days for a statistic of their own."""
    count = days.groupby("item_code")["date"].transform("size")
    return days[count >= min(ENOUGH_DAYS, days["date"].nunique() // 3)]


def _log_spread(frame: pd.DataFrame, column: str) -> float:
    return float(np.log(_frequent(frame)[column]).groupby(_frequent(frame)["item_code"]).std().median())


def _moves(frame: pd.DataFrame, column: str) -> pd.Series:
    """Log change of each item from its last row before, where that is at most a week ago; frame in order of date."""
    known = frame.dropna(subset=[column])
    by_item = known.groupby("item_code")
    move: pd.Series = np.log(known[column]) - np.log(by_item[column].shift())
    return move.loc[by_item["date"].diff() <= pd.Timedelta(days=7)]


def _active_share(days: pd.DataFrame) -> float:
    """Share of (item, day) pairs with sales, among items sold at least once in the seven days before."""
    sold = days.pivot_table(index="date", columns="item_code", values="quantity").notna()
    before = sold.astype(float).rolling(7).max().shift() > 0
    return float(sold[before].sum().sum() / before.sum().sum())


def _price_slope(days: pd.DataFrame) -> float:
    """Least-squares slope of log quantity, relative to the day's mean, on log price, both within item × month."""
    known = days[(days["full_price"] > 0) & ~days["discounted"]]
    frame = pd.DataFrame({"q": np.log(known["quantity"]), "p": np.log(known["full_price"])})
    frame["q"] -= frame["q"].groupby(known["date"]).transform("mean")
    within = frame - frame.groupby([known["item_code"], known["date"].dt.to_period("M")]).transform("mean")
    return float((within["q"] * within["p"]).sum() / (within["p"] ** 2).sum())


def _lag_wape(frame: pd.DataFrame, series: str, lag_days: int = 7) -> float:
    """Σ|sold − sold a week before| ÷ Σ sold over rows with sales on both days."""
    before = frame[[series, "date", "quantity"]].assign(date=frame["date"] + pd.Timedelta(days=lag_days))
    both = frame.merge(before, on=[series, "date"], suffixes=("", "_before"), validate="one_to_one")
    return float((both["quantity"] - both["quantity_before"]).abs().sum() / both["quantity"].sum())


# ---------------------------------------------------------------- reading


def read_frames(folder: Path) -> Frames:
    """Canonical `items`, `sales`, `wholesale` of a folder of Parquet tables; the reference rebuild is recognised."""
    names = [name for name in ("items", "sales", "wholesale") if not (folder / f"{name}.parquet").is_file()]
    if names:
        raise DataError(f"{folder}: no Parquet table of the name(s) {', '.join(names)}.")
    frames = {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("items", "sales", "wholesale")}
    return _reference_frames(frames, folder) if (folder / "loss.parquet").is_file() else frames


def _reference_frames(frames: Frames, folder: Path) -> Frames:
    """The reference rebuild in canonical form; the item whose transactions are missing comes from its daily sums."""
    sales = frames["sales"].rename(columns={"quantity_kg": "quantity"}).assign(transactions=1)
    parts = [sales, *(_reference_sums(p) for p in folder.glob("sales_agg_*.parquet"))]
    everything = pd.concat(parts, ignore_index=True)
    everything["discounted"] = everything["discounted"].fillna(False).astype(bool)
    loss = pd.read_parquet(folder / "loss.parquet")[["item_code", "loss_rate_pct"]]
    items = frames["items"].drop(columns="category_name").merge(loss, on="item_code", validate="one_to_one")
    whole = sales["quantity"].eq(sales["quantity"].round()).groupby(sales["item_code"]).all()
    marked = items["item_name"].str.contains(r"\((?:份|盒|袋|包)\)")
    pack = marked | items["item_code"].map(whole).fillna(False).astype(bool)
    items = items.rename(columns={"category_en": "category"}).assign(
        unit=np.where(pack, "pack", "kg"), loss_rate=items["loss_rate_pct"] / 100
    )
    dated = {
        name: table.assign(date=pd.to_datetime(table["date"])) for name, table in frames.items() if name != "items"
    }
    return {"items": items, "sales": everything, "wholesale": dated["wholesale"]}


def _reference_sums(path: Path) -> pd.DataFrame:
    """Rows of one item's daily sums by price, for days without transactions; number of sales shared out by quantity."""
    sums = pd.read_parquet(path)
    sums = sums[~sums["has_transactions"] & (sums["net_quantity_kg"] > 0)]
    share = sums["net_quantity_kg"] / sums.groupby("date")["net_quantity_kg"].transform("sum")
    return pd.DataFrame(
        {
            "date": sums["date"],
            "item_code": sums["item_code"],
            "quantity": sums["net_quantity_kg"],
            "unit_price": sums["unit_price"],
            "sale_type": "sale",
            "discounted": sums["discounted"],
            "transactions": (share * sums["n_sales_day"]).round().astype(int),
        }
    )


# ---------------------------------------------------------------- the table side by side


def side_by_side(columns: dict[str, Moments]) -> str:
    """Markdown table: one row per moment, one column per shop."""
    lines = [f"| moment | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    group = ""
    for key in next(iter(columns.values())):
        if key[0] != group:
            group = key[0]
            lines.append(f"| **{group}** |{' |' * len(columns)}")
        lines.append(f"| {key[1]} | {' | '.join(_shown(c.get(key, np.nan)) for c in columns.values())} |")
    return "\n".join(lines)


def _shown(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


PAGE = """# The simulated shop beside the reference shop

Generated by `python -m replenish.simulate.moments --data FOLDER --output docs/simulated-shop.md`; do not edit by hand.

`replenish.simulate` holds a market whose true demand is known. Shoppers arrive by hour, stand before a category's shelf
and choose by random utility (nested logit, mixed over three segments of price sensitivity) among what is still there;
what runs out sends them to a rival or away. Nothing in it follows the demand formula the optimiser assumes: there is no
constant elasticity and items are not independent. Costs, quality, popularity, supply and traffic move on their own; the
shop orders by its weekday means, prices at cost plus, and clears in the evening.

The table sets {days:,} days of the world “{world}” (seed {seed}) beside the reference shop's three years. The same code
computes both columns; only aggregates are shown. The parameters were set by hand until the table looked alike; they are
not fitted item by item.

{table}

## How to read it

- A full price is the quantity-weighted mean of the undiscounted sales of an item-day; a change counts from 2 %.
- Markup is full price ÷ (wholesale price ÷ (1 − loss rate)); the margin counts only what was sold, as the reference
  shop's data show no unsold stock.
- Sold out is a proxy (an early last sale). Slow items and clearance blur it in both columns.

## What lies behind the simulated column

{truth}

## Worlds

{worlds}

A season may also feel its surroundings (`--strengths` of `replenish value-of-data`): rain keeps shoppers away, warm
days move them to other shelves, a rival's campaigns take them, their number swings. Worlds without have the same
weather and rivals, and nobody minds them.

## Where it differs, and why

- **More sell-outs by the proxy.** The simulated shop buys once a day and pays for what it throws away. Ordering enough
  to reach the reference figure (safety 1.65 instead of 1.28) would throw away a third of the stock and lose the shop
  about 280 money a day (measured on 2023). The reference shop may restock during the day or sell leftovers the next
  morning; its data do not say.
- **Calmer days.** Sales a week ago predict better than in the reference shop (lower WAPE, lower variation within item,
  higher autocorrelation), and single days do not explode: traffic and popularity drift smoothly, there is no weather in
  this first world, and the reference has lockdowns and noise in its own supply.
- **A steadier assortment.** Fewer than half as many items ever, and more of them on most days.
- **Wholesale prices** spread less within an item: the reference has long swings and wrong entries.
- **Price slope.** The raw slope of log quantity on log price is steeper than in the reference. It is not the true
  elasticity in either: quality moves cost and demand together.
"""


def page(reference: Moments, world_name: str, world_seed: int, seed: int, span: tuple[str, str]) -> str:
    """The Markdown page that sets a simulated shop beside a real one."""
    world = draw_world(world_name, world_seed)
    frames, truth = simulate_history(world, *span, seed=seed)
    table = side_by_side({"reference": reference, "simulated": shop_moments(frames)})
    return PAGE.format(
        days=len(truth["days"]),
        world=world_name,
        seed=seed,
        table=table,
        truth=_truth_lines(truth["item_days"], frames["wholesale"]),
        worlds=worlds_in_words(),
    )


def _truth_lines(item_days: pd.DataFrame, wholesale: pd.DataFrame) -> str:
    """What only the simulation knows, in a few lines."""
    known = item_days.merge(wholesale, on=["date", "item_code"], how="left", validate="one_to_one")
    demand = known["demand"].sum()
    own = (known["own_elasticity"] * known["demand"]).sum() / demand
    common = (known["category_elasticity"] * known["demand"]).sum() / demand
    bought = (known["order_quantity"] * known["wholesale_price"]).sum() / known["date"].nunique()
    early = (known["sold_out_hour"] < EARLY_HOUR).mean()
    return "\n".join(
        [
            f"- Own-price elasticity {own:.2f} (weighted by demand); to a common move in the category {common:.2f}.",
            f"- Truly sold out: {known['sold_out_hour'].notna().mean():.0%} of item-days, {early:.0%} before 18 h.",
            f"- Given up for nothing as the first choice had run out: {known['lost'].sum() / demand:.1%} of demand.",
            f"- Thrown away: {known['waste'].sum() / (known['sold'] + known['waste']).sum():.0%} of the stock.",
            f"- Spent on orders: {bought:,.0f} money a day; so much less is the profit than the sales value.",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or print the table when no output is given; exit code 0, 3 when the data cannot be read."""
    from replenish.simulate import demo

    parser = argparse.ArgumentParser(prog="python -m replenish.simulate.moments", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the shop to compare with")
    parser.add_argument("--output", type=Path, required=True, help="Markdown file")
    chosen = parser.parse_args(arguments)
    try:
        reference = shop_moments(read_frames(chosen.data))
    except DataError as error:
        parser.exit(error.exit_code, f"{error}\n")
    span = (demo.FIRST_DAY, demo.LAST_DAY)
    chosen.output.write_text(page(reference, demo.WORLD, demo.WORLD_SEED, demo.SEED, span), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
