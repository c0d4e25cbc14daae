"""Categories as goods of their own: the tables of a shop rolled up to one composite item per category and unit.

Kilograms and packs are never added up, so a category with both becomes two composite items.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd

from replenish.history.cleaning import valid_costs
from replenish.records import Tables
from replenish.schemas import DAILY_SALES, ITEMS
from replenish.settings import HistorySettings

WEIGHT_DAYS = 90


def category_tables(tables: Tables, as_of: pd.Timestamp, settings: HistorySettings | None = None) -> Tables:
    """Tables whose items are the composites “category (unit)”, from what was known on the evening of `as_of`.

    Quantities are sums [unit]; the full price is the quantity-weighted mean; the wholesale price is weighted by what
    was sold that day, impossible prices left out; the loss rate by the cost of what was sold in the last 90 days.
    """
    known = tables.up_to(as_of)
    names = _composites(known.items)
    sales = known.daily_sales.merge(names, on=["store", "item_code"], validate="m:1")
    valid = _valid_costs(known.wholesale, settings or HistorySettings())
    costs = _wholesale(sales, valid)
    items = _items(known.items, names, sales, valid, as_of)
    mark = hashlib.sha256(f"category {tables.fingerprint} {as_of:%Y-%m-%d}".encode()).hexdigest()
    return replace(
        known, items=items, daily_sales=_daily(sales), wholesale=costs, stock=None, orders=None, competitor_prices=None,
        fingerprint=mark,
    )  # fmt: skip


def _valid_costs(wholesale: pd.DataFrame, settings: HistorySettings) -> pd.DataFrame:
    """The wholesale rows that can be true, store by store: averaged, a wrong one could no longer be told."""
    return pd.concat([valid_costs(rows, settings)[0] for _, rows in wholesale.groupby("store")] or [wholesale])


def _composites(items: pd.DataFrame) -> pd.DataFrame:
    """Key (store, item_code): the composite the item belongs to."""
    code = items["category"] + " (" + items["unit"] + ")"
    return items[["store", "item_code"]].assign(composite=code)


def _daily(sales: pd.DataFrame) -> pd.DataFrame:
    """Composite item-days in the declared form of `daily_sales`."""
    rows = sales.assign(
        full_value=sales["full_price"] * sales["full_price_quantity"],
        discounted_value=sales["discounted_price"] * sales["discounted_quantity"],
        priced=sales["full_price_quantity"].where(sales["full_price"].notna(), 0.0),
    )
    sums = ["quantity", "revenue", "transactions", "returns", "return_quantity", "full_price_quantity",
            "discounted_quantity", "discounted_transactions", "full_value", "discounted_value", "priced"]  # fmt: skip
    how = dict.fromkeys(sums, "sum") | {"first_sale_hour": "min", "last_sale_hour": "max", "largest_sale": "max"}
    out = rows.groupby(["store", "date", "composite"]).agg(how).reset_index().rename(columns={"composite": "item_code"})
    out["full_price"] = out["full_value"] / out["priced"].where(out["priced"] > 0)
    out["discounted_price"] = out["discounted_value"] / out["discounted_quantity"].where(out["discounted_quantity"] > 0)
    return out[DAILY_SALES.names]


def _wholesale(sales: pd.DataFrame, wholesale: pd.DataFrame) -> pd.DataFrame:
    """Composite wholesale prices of the days with sales, weighted by the quantity sold."""
    costed = sales.merge(wholesale, on=["store", "date", "item_code"], validate="1:1")
    sold = costed["quantity"].clip(lower=0.0)
    parts = costed.assign(weight=sold, value=sold * costed["wholesale_price"])
    total = parts.groupby(["store", "date", "composite"])[["weight", "value"]].sum().reset_index()
    total = total[total["weight"] > 0]
    price = total["value"] / total["weight"]
    out = total.rename(columns={"composite": "item_code"})[["store", "date", "item_code"]]
    return out.assign(wholesale_price=price)


def _items(
    items: pd.DataFrame, names: pd.DataFrame, sales: pd.DataFrame, wholesale: pd.DataFrame, as_of: pd.Timestamp
) -> pd.DataFrame:
    """Composites in the declared form of `items`; those never sold are left out."""
    recent = sales[sales["date"] > as_of - pd.Timedelta(days=WEIGHT_DAYS)]
    cost = recent.merge(wholesale, on=["store", "date", "item_code"], validate="1:1")
    spent = (cost["quantity"].clip(lower=0) * cost["wholesale_price"]).groupby([cost["store"], cost["item_code"]]).sum()
    rows = items.merge(names, on=["store", "item_code"], validate="1:1")
    rows = rows.join(spent.rename("spent"), on=["store", "item_code"])
    # Items without recent sales keep a trace of weight, so that a composite always has a loss rate.
    weight = rows["spent"].fillna(0.0) + 1e-6
    lost = (
        (rows["loss_rate"].fillna(rows["loss_rate"].mean()) * weight).groupby([rows["store"], rows["composite"]]).sum()
    )
    loss = lost / weight.groupby([rows["store"], rows["composite"]]).sum()
    out = rows.drop_duplicates(["store", "composite"])[["store", "composite", "category", "unit"]]
    out = out.merge(loss.rename("loss_rate").reset_index(), on=["store", "composite"], validate="1:1")
    out = out[out["composite"].isin(sales["composite"])].rename(columns={"composite": "item_code"})
    missing = [c for c in ITEMS.columns if c.name not in out.columns]
    blank = pd.DataFrame({c.name: [np.nan if c.default is None else c.default] * len(out) for c in missing}, out.index)
    out = out.join(blank).assign(item_name=out["item_code"], disposal_cost=0.0, shelf_life_days=1)
    texts = {"substitute_group": "str", "supplier": "str"}
    return out[ITEMS.names].astype(texts).reset_index(drop=True)
