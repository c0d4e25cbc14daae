"""What seasons came to: figures per season, and per policy with confidence intervals over paired seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from replenish.simulate.season import Books

PAIR = ["world", "seed"]
EVENING_HOUR = 18.0
WORST_SHARE = 0.1
CONFIDENCE = 0.95
BENCHMARK = "clairvoyant"
BASELINE = "practice"
FIGURES = {
    "profit": "profit a day [money]",
    "promised": "profit promised for the day by the optimiser [money]",
    "expected": "profit expected on fresh scenarios [money]",
    "waste": "thrown away, share of what was spent on orders",
    "fill": "share of the demand for what was on the shelf that was served, valued at the price asked",
    "available_18": "share of the items on the shelf that were still there at 18:00",
    "margin": "gross margin: (revenue − purchases) ÷ revenue",
    "price_index": "prices against practice's on the same days, weighted by practice's demand",
    "volume": "quantities sold at normal prices, against practice's",
    "worst_days": "mean profit of the worst 10 % of days [money]",
    "items": "items on the shelf a day",
    "attraction": "factor on shoppers on the last day",
    "seconds": "seconds of the policy a night",
}
"""Figure → meaning and unit."""


def season_figures(books: Books, baseline: Books) -> dict[str, float]:
    """The figures of one season (see `FIGURES`); `baseline`: practice on the same days."""
    days, rows = books.days, books.item_days
    on_shelf = rows[rows["on_hand"] > 0]
    spent = rows["unit_cost"] * rows["order_quantity"]
    revenue = float(rows["revenue"].sum())
    served = np.minimum(on_shelf["sold"], on_shelf["demand"]) * on_shelf["price"]
    late = ~(on_shelf["sold_out_hour"] < EVENING_HOUR)
    worst = np.sort(days["profit"].to_numpy())[: max(1, round(WORST_SHARE * len(days)))]
    return {
        "profit": float(days["profit"].mean()),
        "promised": float(days["promised"].mean()),
        "expected": float(days["expected"].mean()),
        "waste": float((rows["unit_cost"] * rows["waste"]).sum() / spent.sum()),
        "fill": float(served.sum() / (on_shelf["demand"] * on_shelf["price"]).sum()),
        "available_18": float(late.mean()),
        "margin": (revenue - float(spent.sum())) / revenue,
        "price_index": price_index(rows, baseline.item_days),
        "volume": _volume(rows) / _volume(baseline.item_days),
        "worst_days": float(worst.mean()),
        "items": len(on_shelf) / len(days),
        "attraction": float(days["attraction"].iloc[-1]),
        "seconds": float(days["seconds"].mean()),
    }


def price_index(rows: pd.DataFrame, baseline: pd.DataFrame) -> float:
    """Σ d·p ÷ Σ d·p_practice over the item-days both had on the shelf, d: demand in practice's season (Laspeyres)."""
    key = ["date", "item_code"]
    both = rows[[*key, "price"]].merge(
        baseline[[*key, "price", "demand"]], on=key, suffixes=("", "_usual"), validate="1:1"
    )
    both = both.dropna(subset=["price", "price_usual"])
    return float((both["demand"] * both["price"]).sum() / (both["demand"] * both["price_usual"]).sum())


def _volume(rows: pd.DataFrame) -> float:
    return float((rows["sold"] * rows["normal_price"]).sum())


# ---------------------------------------------------------------- over seeds


def summary(seasons: pd.DataFrame) -> pd.DataFrame:
    """Per world (and “all”) and policy: means of the figures and paired differences with 95 % intervals.

    `seasons` key (world, seed, policy) with the columns of `FIGURES`. Added: seeds; gain, gain_low, gain_high (profit
    over practice's, paired), gain_share (÷ practice's), of_clairvoyant, of_clairvoyant_low, of_clairvoyant_high (share
    of the clairvoyant's profit), promised_off, expected_off (÷ realised − 1).
    """
    worlds = [(name, rows) for name, rows in seasons.groupby("world", sort=False)]
    parts = [_of_world(str(name), rows) for name, rows in [*worlds, ("all", seasons)]]
    return pd.concat(parts, ignore_index=True)


def _by_policy(seasons: pd.DataFrame) -> pd.DataFrame:
    """Profit a day, key (world, seed), one column per policy."""
    return seasons.set_index([*PAIR, "policy"])["profit"].unstack("policy")  # noqa: PD010 - nothing to aggregate


def _of_world(world: str, seasons: pd.DataFrame) -> pd.DataFrame:
    profit = _by_policy(seasons)
    rows = []
    for policy, mine in seasons.groupby("policy", sort=False):
        row: dict[str, object] = {"world": world, "policy": policy, "seeds": len(mine)}
        row |= {name: mine[name].mean() for name in FIGURES}
        row |= _gain(profit, str(policy)) | _share(profit, str(policy))
        row |= {f"{name}_off": mine[name].mean() / mine["profit"].mean() - 1 for name in ("promised", "expected")}
        rows.append(row)
    return pd.DataFrame(rows)


def _gain(profit: pd.DataFrame, policy: str) -> dict[str, float]:
    if BASELINE not in profit:
        return dict.fromkeys(("gain", "gain_low", "gain_high", "gain_share"), np.nan)
    gain = (profit[policy] - profit[BASELINE]).dropna()
    low, high = interval(gain.to_numpy())
    share = float(gain.mean() / profit.loc[gain.index, BASELINE].mean())
    return {"gain": float(gain.mean()), "gain_low": low, "gain_high": high, "gain_share": share}


def _share(profit: pd.DataFrame, policy: str) -> dict[str, float]:
    names = ("of_clairvoyant", "of_clairvoyant_low", "of_clairvoyant_high")
    if BENCHMARK not in profit:
        return dict.fromkeys(names, np.nan)
    both = profit[[policy, BENCHMARK]].dropna() if policy != BENCHMARK else profit[[BENCHMARK]].dropna()
    share = (both[policy] / both[BENCHMARK]).to_numpy()
    return dict(zip(names, (float(both[policy].sum() / both[BENCHMARK].sum()), *interval(share)), strict=True))


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean over independent seeds (Student's t); NaN for fewer than two."""
    if len(values) < 2:
        return np.nan, np.nan
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * stats.sem(values))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


EVENTS = {
    "supply-shock": (8, "dear, scarce and poor leafy vegetables and peppers, from the eighth to the 17th day"),
    "new-year": (18, "the Spring Festival: more and more shoppers before it, a closed day, few shoppers after"),
    "drift": (1, "prices weigh more and more with all shoppers, over four weeks"),
    "wrong-loss": (1, "loss rates are not those the shop knows, from before the season on"),
}
"""World → day of the season (from 1) on which it breaks what was learnt, and what happens."""
WEEK = 7


def recovery(days: pd.DataFrame, weeks: int = 3) -> pd.DataFrame:
    """How policies fare in the week before a world's event and in the weeks from it on (see `EVENTS`).

    `days` key (world, seed, policy, date): profit, promised. Result key (world, policy, week), week 0 the one before
    (none when the event is on the first day), 1 the first seven days from it on, …: days, profit [money a day],
    of_clairvoyant (share), gain, gain_low, gain_high (over practice, paired over seeds), promised_off (÷ realised − 1).
    """
    rows = []
    for world in (w for w in days["world"].unique() if w in EVENTS):
        mine = days[days["world"] == world]
        season_day = (mine["date"] - mine["date"].groupby(mine["seed"]).transform("min")).dt.days + 1
        week = (season_day - EVENTS[str(world)][0]) // WEEK + 1
        for number in range(weeks + 1):
            part = mine[week == number]
            if len(part):
                rows += [{"world": world, "week": number, **row} for row in _week_of(part)]
    return pd.DataFrame(rows)


def _week_of(days: pd.DataFrame) -> list[dict[str, object]]:
    """One row per policy of one world's week."""
    profit = days.groupby(["seed", "policy"])["profit"].mean().unstack("policy")  # noqa: PD010 - nothing to aggregate
    rows = []
    for policy, mine in days.groupby("policy", sort=False):
        total, promised = mine["profit"].sum(), mine["promised"].sum(min_count=1)
        benchmark = days.loc[days["policy"] == BENCHMARK, "profit"].sum() if BENCHMARK in profit else np.nan
        gain = (profit[policy] - profit[BASELINE]).dropna().to_numpy()
        low, high = interval(gain)
        rows.append({
            "policy": policy, "days": mine["date"].nunique(), "profit": mine["profit"].mean(),
            "of_clairvoyant": total / benchmark, "gain": gain.mean(), "gain_low": low, "gain_high": high,
            "promised_off": promised / total - 1,
        })  # fmt: skip
    return rows


def gain_split(seasons: pd.DataFrame, policies: Sequence[str]) -> pd.DataFrame:
    """Gain of each policy over practice split into price, assortment and order [money a day], mean over seasons.

    Needs the seasons “policy | prices” (practice's orders at the policy's prices) and “policy | listing” (its listing
    too); what is left is the order.
    """
    profit = _by_policy(seasons)
    rows = []
    for policy in policies:
        steps = [BASELINE, f"{policy} | prices", f"{policy} | listing", policy]
        if not set(steps) <= set(profit.columns):
            continue
        at = profit[steps].dropna().to_numpy()
        moves = np.diff(at, axis=1)
        row: dict[str, object] = {"policy": policy, "seasons": len(at)}
        for name, values in zip(("price", "assortment", "order"), moves.T, strict=True):
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), (values.mean(), *interval(values)), strict=True))
        rows.append(row)
    return pd.DataFrame(rows)
