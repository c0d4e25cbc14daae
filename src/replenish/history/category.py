"""Categories as goods of their own: the tables of a shop rolled up to one composite item per category and unit.

Kilograms and packs are never added up, so a category with both becomes two composite items.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from replenish.history.cleaning import valid_costs
from replenish.records import Tables
from replenish.schemas import DAILY_SALES, ITEMS
from replenish.settings import HistorySettings

WEIGHT_DAYS = 90
BASKET_DAYS = 28


def category_tables(
    tables: Tables, as_of: date | pd.Timestamp | str, settings: HistorySettings | None = None
) -> Tables:
    """Tables whose items are the composites “category (unit)”, from what was known on the evening of `as_of`.

    Quantities are sums [unit]. Full and wholesale price of a day are those of the basket sold in the 28 days up to it,
    each item at its last price (impossible costs left out): a mean over the day's own sales would move with the mix.
    The loss rate is weighted by the cost of what was sold in the last 90 days.

    No hour of the last sale: a category does not sell out while one of its items is left, and with hundreds of sales a
    day the silence test would only measure at what minute the shop closed. So sales stand for demand.
    """
    day = pd.Timestamp(as_of).normalize()
    known = tables.up_to(day)
    names = _composites(known.items)
    sales = known.daily_sales.merge(names, on=["store", "item_code"], validate="m:1")
    valid = _valid_costs(known.wholesale, settings or HistorySettings())
    price, cost = _basket_prices(sales, valid)
    items = _items(known.items, names, sales, valid, day)
    mark = hashlib.sha256(f"category {tables.fingerprint} {day:%Y-%m-%d}".encode()).hexdigest()
    return replace(
        known, items=items, daily_sales=_daily(sales, price), wholesale=cost, stock=None, orders=None,
        competitor_prices=None, fingerprint=mark,
    )  # fmt: skip


def _valid_costs(wholesale: pd.DataFrame, settings: HistorySettings) -> pd.DataFrame:
    """The wholesale rows that can be true, store by store: averaged, a wrong one could no longer be told."""
    return pd.concat([valid_costs(rows, settings)[0] for _, rows in wholesale.groupby("store")] or [wholesale])


def composite_code(items: pd.DataFrame) -> pd.Series:
    """The composite “category (unit)” each row belongs to; `items`: a table with the columns category and unit."""
    return items["category"] + " (" + items["unit"] + ")"


def _composites(items: pd.DataFrame) -> pd.DataFrame:
    """Key (store, item_code): the composite the item belongs to."""
    return items[["store", "item_code"]].assign(composite=composite_code(items))


def _daily(sales: pd.DataFrame, price: pd.DataFrame) -> pd.DataFrame:
    """Composite item-days in the declared form of `daily_sales`, `full_price` being the basket's."""
    rows = sales.assign(discounted_value=sales["discounted_price"] * sales["discounted_quantity"])
    sums = ["quantity", "revenue", "transactions", "returns", "return_quantity", "full_price_quantity",
            "discounted_quantity", "discounted_transactions", "discounted_value"]  # fmt: skip
    how = dict.fromkeys(sums, "sum") | {"first_sale_hour": "min", "largest_sale": "max"}
    out = rows.groupby(["store", "date", "composite"]).agg(how).reset_index().rename(columns={"composite": "item_code"})
    out = out.merge(price, how="left", on=["store", "date", "item_code"], validate="1:1")
    out["full_price"] = out["full_price"].where(out["full_price_quantity"] > 0)
    out["discounted_price"] = out["discounted_value"] / out["discounted_quantity"].where(out["discounted_quantity"] > 0)
    return out.assign(last_sale_hour=np.nan)[DAILY_SALES.names]


def _basket_prices(sales: pd.DataFrame, wholesale: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Full price and wholesale price of each composite's basket; keys (store, date, item_code) on days with sales."""
    costed = sales.merge(wholesale, how="left", on=["store", "date", "item_code"], validate="1:1")
    prices, costs = [], []
    for (store, composite), rows in costed.groupby(["store", "composite"]):
        prices.append(_basket(rows, "full_price").assign(store=str(store), item_code=str(composite)))
        costs.append(_basket(rows, "wholesale_price").assign(store=str(store), item_code=str(composite)))
    columns = ["store", "date", "item_code"]
    return pd.concat(prices)[[*columns, "full_price"]], pd.concat(costs)[[*columns, "wholesale_price"]].dropna()


def _basket(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Mean of the items' last `column`, weighted by what was sold in the 28 days up to each day; key date."""
    days = pd.date_range(rows["date"].min(), rows["date"].max(), unit="us", name="date")
    sold = rows.pivot_table(index="date", columns="item_code", values="quantity", aggfunc="sum").reindex(days)
    weight = sold.fillna(0.0).clip(lower=0.0).rolling(BASKET_DAYS, min_periods=1).sum()
    last = rows.pivot_table(index="date", columns="item_code", values=column, aggfunc="mean").reindex(days)
    last = last.reindex(columns=sold.columns).ffill(limit=BASKET_DAYS)
    weight = weight.where(last.notna(), 0.0)
    mean = (weight * last.fillna(0.0)).sum(axis=1) / weight.sum(axis=1).where(lambda total: total > 1e-9)
    return mean[mean.index.isin(rows["date"])].rename(column).reset_index()


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
