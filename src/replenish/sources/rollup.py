"""Rolls till transactions up to store-item-days and to half-hourly counts with DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd

from replenish.errors import DataError
from replenish.records import Finding
from replenish.schemas import DAILY_SALES, INTRADAY_SALES, PANDAS_DTYPE, Table
from replenish.sources.transactions import known_items, open_sales

if TYPE_CHECKING:
    from replenish.sources.transactions import SalesSource

EXAMPLES = 3

# Repetitions of a day happen by chance: in three years of the reference data 0.7 % of the transactions repeat another
# of the same second, 9 % on the worst day; with times cut to the minute 1.9 %, and 16 % on the worst day. A day that is
# there twice repeats half of its rows.
SUSPICIOUS_SHARE = 0.2
DOUBLED_SHARE = 0.45
LEAST_ROWS = 20
"""Days with fewer different rows are not judged: two equal sales are no copy."""
COARSE_CLOCK = 12
"""Times that know no more minutes of the hour than these (5-minute steps) do not tell transactions apart."""


@dataclass(frozen=True)
class RolledSales:
    """Transactions rolled up: `daily` as `schemas.DAILY_SALES`, `intraday` as `schemas.INTRADAY_SALES`.

    `rows` is the number of rows read, `first_date` and `last_date` the days they span.
    """

    daily: pd.DataFrame
    intraday: pd.DataFrame
    findings: tuple[Finding, ...]
    first_date: pd.Timestamp
    last_date: pd.Timestamp
    rows: int


def roll_up(sales: SalesSource, items: pd.DataFrame) -> RolledSales:
    """Daily and half-hourly sales of transactions given as file(s), Arrow table or frame, in `schemas.SALES`' form.

    `items` is the checked item table (`schemas.ITEMS`). Returns count negatively whatever their sign in the source; the
    full price is the quantity-weighted mean of sales that are not discounted, net of returns (of the sales alone where
    nothing is left net). Sums are exact decimals [1e-6], so neither row order nor threads change a digit. Exact
    repetitions of a transaction are reported, not dropped. Raises one `DataError` with all faults of the rows, or with
    the days that are there twice.
    """
    connection = open_sales(sales, items)
    try:
        daily = _declare(_attach_items(connection.execute(_DAILY).df(), items), DAILY_SALES)
        intraday = _declare(connection.execute(_INTRADAY).df(), INTRADAY_SALES)
        rows = int(connection.execute("SELECT count(*) FROM sales").fetchall()[0][0])
        findings = (*_find_repetitions(connection, rows), *_find_repeated_days(connection))
    finally:
        connection.close()
    return RolledSales(daily, intraday, findings, daily["date"].min(), daily["date"].max(), rows)


def check_sales(sales: SalesSource, items: pd.DataFrame | None) -> None:
    """Raises the `DataError` that `roll_up` would; without `items`, items and stores are not compared."""
    open_sales(sales, items).close()


def read_transactions(sales: SalesSource, items: pd.DataFrame) -> pd.DataFrame:
    """The checked transactions themselves, one row each, in the declared form of `schemas.SALES` (source order)."""
    connection = open_sales(sales, items)
    try:
        frame = connection.execute(_TRANSACTIONS).df()
    finally:
        connection.close()
    return frame.astype({"date": PANDAS_DTYPE["date"], "transactions": "int64"})


_TRANSACTIONS = """
SELECT store, date, CAST(time AS VARCHAR) AS time, item_code, quantity, unit_price, sale_type, discounted, transactions
FROM judged
"""

# full / off: not discounted / discounted; sold: without returns. Text columns are attached after the query: joining
# them here would take as long as the sums.
_DAILY = """
WITH kinds AS (
  SELECT item_index, date, is_return, discounted,
    sum(quantity) AS quantity,
    sum(CAST(round(CAST(quantity AS DOUBLE) * unit_price, 6) AS DECIMAL(38, 6))) AS revenue,
    sum(transactions) AS transactions, min(time_us) AS first_us, max(time_us) AS last_us,
    max(quantity) FILTER (transactions = 1) AS largest
  FROM sales GROUP BY ALL
), summed AS (
  SELECT item_index, date,
    CAST(sum(quantity) AS DOUBLE) AS quantity,
    CAST(sum(revenue) AS DOUBLE) AS revenue,
    coalesce(sum(transactions) FILTER (NOT is_return), 0) AS transactions,
    coalesce(sum(transactions) FILTER (is_return), 0) AS returns,
    abs(CAST(coalesce(sum(quantity) FILTER (is_return), 0) AS DOUBLE)) AS return_quantity,
    CAST(coalesce(sum(quantity) FILTER (NOT discounted), 0) AS DOUBLE) AS full_quantity,
    CAST(sum(revenue) FILTER (NOT discounted) AS DOUBLE) AS full_revenue,
    CAST(sum(quantity) FILTER (NOT discounted AND NOT is_return) AS DOUBLE) AS full_sold,
    CAST(sum(revenue) FILTER (NOT discounted AND NOT is_return) AS DOUBLE) AS full_sold_revenue,
    CAST(coalesce(sum(quantity) FILTER (discounted), 0) AS DOUBLE) AS off_quantity,
    CAST(sum(revenue) FILTER (discounted) AS DOUBLE) AS off_revenue,
    CAST(sum(quantity) FILTER (discounted AND NOT is_return) AS DOUBLE) AS off_sold,
    CAST(sum(revenue) FILTER (discounted AND NOT is_return) AS DOUBLE) AS off_sold_revenue,
    coalesce(sum(transactions) FILTER (discounted AND NOT is_return), 0) AS discounted_transactions,
    min(first_us) FILTER (NOT is_return) / 3.6e9 AS first_sale_hour,
    max(last_us) FILTER (NOT is_return) / 3.6e9 AS last_sale_hour,
    CAST(max(largest) FILTER (NOT is_return) AS DOUBLE) AS largest_sale
  FROM kinds GROUP BY item_index, date
)
SELECT item_index, date, quantity, revenue, transactions, returns, return_quantity,
  full_quantity AS full_price_quantity,
  CASE WHEN full_quantity > 0 AND full_revenue > 0 THEN full_revenue / full_quantity
       ELSE full_sold_revenue / full_sold END AS full_price,
  off_quantity AS discounted_quantity,
  CASE WHEN off_quantity > 0 AND off_revenue > 0 THEN off_revenue / off_quantity
       ELSE off_sold_revenue / off_sold END AS discounted_price,
  discounted_transactions, first_sale_hour, last_sale_hour, largest_sale
FROM summed JOIN (SELECT item_index, store_index FROM known) USING (item_index)
ORDER BY store_index, date, item_index
"""

# Clearance crowds the evening: by its sales the usual day of an item at full price would seem to end too late.
_INTRADAY = """
WITH counted AS (
  SELECT category_index, date, time_us // 1800000000 AS half_hour, sum(transactions) AS transactions
  FROM sales WHERE time_us IS NOT NULL AND NOT is_return AND NOT discounted
  GROUP BY ALL
)
SELECT store, date, category, half_hour, transactions
FROM counted JOIN (SELECT DISTINCT category_index, store, category FROM known) USING (category_index)
ORDER BY ALL
"""

# Whole seconds say too little: two shoppers can buy the same in the same second of a coarse clock.
_REPEATED = """
WITH marked AS (
  SELECT *, hash(item_index, date, time_us, quantity, unit_price, is_return, discounted, transactions, extras) AS mark
  FROM sales WHERE time_us % 1000000 <> 0
), repeated AS (
  SELECT mark, count(*) - 1 AS again FROM marked GROUP BY mark HAVING count(*) > 1
)
"""


# Without a clock equal rows are ordinary, but not that each of a day is there an even number of times.
_REPEATED_DAYS = f"""
WITH clocks AS (
  SELECT store_index, count(DISTINCT time_us // 60000000 % 60) > {COARSE_CLOCK} AS tells
  FROM sales JOIN known USING (item_index) GROUP BY store_index
), marked AS (
  SELECT store_index, store, date, tells,
    hash(item_index, time_us, quantity, unit_price, is_return, discounted, transactions, extras) AS mark
  FROM sales JOIN known USING (item_index) JOIN clocks USING (store_index)
  WHERE time_us IS NOT NULL OR NOT tells
), counted AS (
  SELECT store, date, tells, mark, count(*) AS times FROM marked GROUP BY ALL
), days AS (
  SELECT store, date, tells, sum(times) AS rows, sum(times - 1) AS again, count(*) AS different,
    count(*) FILTER (times % 2 = 1) AS odd
  FROM counted GROUP BY ALL
)
SELECT store, date, CAST(rows AS BIGINT), CAST(again AS BIGINT),
  CASE WHEN tells THEN again >= {DOUBLED_SHARE} * rows ELSE odd = 0 END AS doubled
FROM days WHERE different >= {LEAST_ROWS} AND (doubled OR tells AND again > {SUSPICIOUS_SHARE} * rows) ORDER BY ALL
"""


def _attach_items(frame: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    keys = known_items(items).take(frame["item_index"].to_numpy())
    return frame.assign(store=keys["store"].array, item_code=keys["item_code"].array)


def _declare(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    declared = {c.name: PANDAS_DTYPE[c.kind] for c in table.columns}
    # Converting a column to the type it has takes as long as any other conversion.
    other = {name: dtype for name, dtype in declared.items() if frame[name].dtype != dtype}
    return frame[table.names].astype(other)


def _find_repetitions(connection: duckdb.DuckDBPyConnection, rows: int) -> tuple[Finding, ...]:
    count = connection.execute(f"{_REPEATED} SELECT coalesce(sum(again), 0) FROM repeated").fetchall()[0][0]
    if not count:
        return ()
    examples = connection.execute(
        f"{_REPEATED} SELECT DISTINCT item_code, date, make_timestamp(time_us) FROM marked JOIN repeated USING (mark) "
        f"JOIN known USING (item_index) ORDER BY ALL LIMIT {EXAMPLES}"
    ).fetchall()
    return (
        Finding(
            "warning",
            "sales",
            "transactions that are there more than once (all columns the same)",
            int(count),
            rows,
            tuple(f"item {item}, {day} {moment:%H:%M:%S}" for item, day, moment in examples),
            "Nothing was dropped. If they were exported twice, remove the repetitions in the source.",
        ),
    )


def _find_repeated_days(connection: duckdb.DuckDBPyConnection) -> tuple[Finding, ...]:
    """A warning on days with far more repetitions than chance brings; `DataError` on days that are there twice."""
    days = connection.execute(_REPEATED_DAYS).fetchall()
    doubled = [day for day in days if day[4]]
    if doubled:
        raise DataError(
            f"sales: {sum(d[3] for d in doubled):,} of {sum(d[2] for d in doubled):,} rows of {len(doubled):,} day(s) "
            f"repeat another row in all columns: these days are there twice ({_span(doubled)}). Remove the second copy "
            "of these days from the source."
        )
    if not days:
        return ()
    again, rows = sum(d[3] for d in days), sum(d[2] for d in days)
    return (
        Finding(
            "warning",
            "sales",
            f"transactions of {len(days):,} day(s) that repeat another in all columns, more than chance brings",
            again,
            rows,
            tuple(f"store {store}, {day}: {again:,} of {rows:,}" for store, day, rows, again, _ in days[:EXAMPLES]),
            "Nothing was dropped. If part of these days was exported twice, remove the repetitions in the source.",
        ),
    )


def _span(days: Sequence[tuple[Any, ...]]) -> str:
    """The days by store: “store A: 30 days from 2024-06-01 to 2024-06-30”."""
    by_store: dict[str, list[Any]] = {}
    for store, day, *_ in days:
        by_store.setdefault(store, []).append(day)
    return "; ".join(f"store {store}: {_dates(listed)}" for store, listed in by_store.items())


def _dates(days: Sequence[Any]) -> str:
    """Few days each, many as the first and last of them."""
    if len(days) <= EXAMPLES:
        return ", ".join(map(str, days))
    return f"{len(days)} days from {days[0]} to {days[-1]}"
