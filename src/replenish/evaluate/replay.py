"""Calibration: the shop's own rule replayed on the scenarios must give about the shop's own margin."""

from __future__ import annotations

import numpy as np
import pandas as pd

from replenish.errors import DataError
from replenish.optimise.baseline import sell_out_share, stocked_line
from replenish.optimise.candidates import build_candidates
from replenish.optimise.judge import judge
from replenish.optimise.scenarios import draw_scenarios
from replenish.optimise.stock import no_stock
from replenish.planning import Progress, joint_residuals, look_ahead, silent
from replenish.records import FittedModels, Tables
from replenish.settings import Settings


def realised_margin(tables: Tables, store: str) -> pd.DataFrame:
    """What the shop earned as it counts it, per day: key date; revenue, margin [money], items sold.

    Margin = revenue − wholesale ÷ (1 − loss rate) on what was sold; stock left unsold is not seen, so it is an upper
    bound of the profit.
    """
    mine = tables.for_store(store)
    rows = mine.daily_sales.merge(mine.wholesale, on=["store", "date", "item_code"], validate="1:1")
    loss = mine.items.set_index("item_code")["loss_rate"]
    unit_cost = rows["wholesale_price"] / (1 - rows["item_code"].map(loss))
    rows = rows.assign(margin=rows["revenue"] - unit_cost * rows["quantity"], items=rows["quantity"] > 0)
    return rows.groupby("date").agg(revenue=("revenue", "sum"), margin=("margin", "sum"), items=("items", "sum"))


def replay_shop(
    tables: Tables,
    days: pd.DatetimeIndex,
    models: FittedModels,
    settings: Settings,
    seed: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The shop's own decisions of past days on our scenarios of the evening before, beside what it earned; key date.

    Listed: what it sold that day; prices: its full prices of that day; orders: as many as leave it sold out as often as
    it is. Columns: expected, q10, q90 (shop's definition of profit) and realised [money]. The models must have been
    fitted before the first of the days.
    """
    truth = realised_margin(tables, models.store)
    rows = []
    for day in days:
        if day not in truth.index:
            raise DataError(f"daily_sales: no sales on {day:%Y-%m-%d}, nothing to replay.", "Choose another day.")
        progress(f"replay {day:%Y-%m-%d}")
        profit = _replayed_profit(tables, day, models, settings, seed)
        low, high = np.quantile(profit, [0.1, 0.9])
        rows.append(
            {"date": day, "expected": profit.mean(), "q10": low, "q90": high, "realised": truth.loc[day, "margin"]}
        )
    return pd.DataFrame(rows)


def _replayed_profit(
    tables: Tables, day: pd.Timestamp, models: FittedModels, settings: Settings, seed: int
) -> np.ndarray:
    """Profit per scenario of the shop's own lines of that day, on the shop's definition."""
    sold = tables.for_store(models.store).daily_sales
    sold = sold[(sold["date"] == day) & (sold["quantity"] > 0)].set_index("item_code")
    paid = dict(zip(sold.index.astype(str), sold["full_price"].astype(float), strict=True))
    as_of = day - pd.Timedelta(days=settings.shop.lead_time_days)
    ahead = look_ahead(tables, as_of, 1, settings, models, seed, models.store, must_list=paid)
    pool = joint_residuals(ahead)
    draw = (ahead.forecast, ahead.costs, ahead.models.price_response, pool, ahead.dates[0])
    scenarios = draw_scenarios(*draw, settings.scenarios.fresh, "all", seed)
    candidates, _ = build_candidates(ahead.history, ahead.forecast, ahead.costs, ahead.dates[0], no_stock(), settings)
    safety = 1.0 - sell_out_share(ahead.history)
    lines = []
    for c in candidates:
        if c.item_code in paid:
            price = paid[c.item_code]
            lines.append(stocked_line(c, scenarios, price if np.isfinite(price) else c.terms.reference_price, safety))
    return judge(lines, scenarios).shop_profit
