"""The items that may be listed on a day, with their terms, ladders and order grids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from replenish.optimise.menu import Candidate
from replenish.optimise.outcome import ItemTerms
from replenish.pricing.ladder import Ladder, build_ladder, price_endings, price_support
from replenish.records import CostForecast, DemandForecast, DemandHistory
from replenish.settings import Settings

# A unit carried on replaces a purchase tomorrow, but is older and may stay unsold.
CARRY_SHARE = 0.8
Row = dict[str, Any]


def build_candidates(
    history: DemandHistory, forecast: DemandForecast, costs: CostForecast, date: pd.Timestamp,
    carried_over: pd.DataFrame, settings: Settings,
) -> tuple[list[Candidate], tuple[str, ...]]:  # fmt: skip
    """Candidates of one day in the order of the forecast, and notes on what had to be assumed.

    `carried_over`: see `stock`. Items without a loss rate take their category's mean.
    """
    table = forecast.table[forecast.table["date"] == date]
    loss, notes = filled_loss_rates(history.items, table["item_code"])
    unit_cost = costs.table[costs.table["date"] == date].set_index("item_code")["unit_cost"]
    support = price_support(history, settings.pricing)
    stock = {str(name): column.to_dict() for name, column in carried_over.items()}
    recent = history.panel["date"] > history.as_of - pd.Timedelta(days=settings.pricing.support_days)
    endings = price_endings(history.panel[recent])
    items = _by_code(history.items)
    habits = _by_code(history.clearance)
    supports = _by_code(support.reset_index())
    out = []
    for code, last_price in zip(table["item_code"], table["reference_price"].to_numpy(dtype=float), strict=True):
        cost = float(unit_cost[code])
        reference = float(last_price)
        ladder = build_ladder(code, reference, cost, float(loss[code]), supports[code], endings, settings.pricing)
        if not np.isfinite(cost):
            ladder = replace(ladder, rungs=(), flag="no valid wholesale price")
        if not np.isfinite(reference):
            reference = ladder.rungs[-1] if ladder.rungs else 1.0
        on_hand, expiring = (float(stock[name].get(code, 0.0)) for name in ("on_hand", "expiring"))
        terms = _terms(items[code], habits[code], reference, cost, float(loss[code]), (on_hand, expiring), settings)
        out.append(_candidate(code, items[code], terms, ladder, settings))
    return out, notes


def _by_code(table: pd.DataFrame) -> dict[str, Row]:
    names = [str(name) for name in table.columns]
    rows = (dict(zip(names, values, strict=True)) for values in table.itertuples(index=False, name=None))
    return {str(row["item_code"]): row for row in rows}


def filled_loss_rates(items: pd.DataFrame, wanted: pd.Series) -> tuple[pd.Series, tuple[str, ...]]:
    """Loss rate per item code, the category's mean where there is none, and a note naming those items."""
    known = items.set_index("item_code")["loss_rate"]
    by_category = items.groupby("category")["loss_rate"].mean()
    overall = float(items["loss_rate"].mean()) if items["loss_rate"].notna().any() else 0.0
    usual = items.set_index("item_code")["category"].map(by_category).fillna(overall)
    missing = known.reindex(wanted).isna()
    note = f"{int(missing.sum())} items without a loss rate take their category's mean" if missing.any() else ""
    return known.fillna(usual), (note,) if note else ()


def _terms(
    item: Row,
    habit: Row,
    reference: float,
    cost: float,
    loss: float,
    carried: tuple[float, float],
    settings: Settings,
) -> ItemTerms:
    """`carried`: units on hand, and those of them in their last day."""
    keeps, (on_hand, expiring) = int(item["shelf_life_days"]) > 1, carried
    return ItemTerms(
        reference_price=reference,
        loss_rate=loss,
        clearance_share=float(habit["clearance_share"]),
        discount=float(habit["discount"]),
        cannibalisation=settings.history.clearance_cannibalisation,
        disposal_cost=float(item["disposal_cost"]),
        goodwill=settings.rules.goodwill * reference,
        carried_over=on_hand,
        keeps=keeps,
        carry_value=CARRY_SHARE * cost if keeps else 0.0,
        expiring=expiring,
    )


def _candidate(code: str, item: Row, terms: ItemTerms, ladder: Ladder, settings: Settings) -> Candidate:
    usual = 1.0 if item["unit"] == "pack" else settings.rules.order_multiple
    multiple = _known(item["order_multiple"], usual)
    display = _known(item["min_display"], settings.rules.min_display)
    space = _known(item["shelf_space"], 1.0)
    kind, life = (str(item["category"]), str(item["unit"])), int(item["shelf_life_days"])
    supplier = item.get("supplier")
    name = str(supplier) if pd.notna(supplier) else ""
    return Candidate(code, *kind, terms, ladder, multiple, display, space, life, name)


def _known(value: float | None, otherwise: float) -> float:
    """The value of an optional column, or what stands for an empty one."""
    return otherwise if value is None or pd.isna(value) else float(value)
