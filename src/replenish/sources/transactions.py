"""Reads till transactions of any size with DuckDB, gives every column its declared type and finds all faults.

The declaration is `schemas.SALES`; the checks are SQL because a table of ten million rows must not pass through pandas.
`open_sales` leaves a connection with two relations: `judged` (a view: one row per transaction as text and typed) and
`sales` (a table: the typed columns the roll-up needs).
"""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd

from replenish.errors import DataError
from replenish.schemas import DATE_HINT, DEFAULT_STORE, SALES, Column, heading_fault

if TYPE_CHECKING:
    from typing import TypeAlias

    import pyarrow as pa

    SalesSource: TypeAlias = str | Path | Sequence[str | Path] | pd.DataFrame | pa.Table

MEMORY_LIMIT = "1GB"
THREADS = 2
LARGEST_NUMBER = 1e9
"""Quantities and prices beyond this are faults: sums are kept as exact decimals of 18 digits."""

_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_FLOATING = ("FLOAT", "DOUBLE")
_TRUE = "('true', '1', 'yes', '1.0')"
_FALSE = "('false', '0', 'no', '0.0')"


@dataclass(frozen=True)
class _Cell:
    """One column in SQL: its typed value, its text as written, and whether the source says anything."""

    value: str
    text: str
    present: str


@dataclass(frozen=True)
class _Rule:
    """A row is faulty when `condition` holds; `what` completes “n of m rows have …”; `shown` is the text to quote.

    `hint`: a sentence on how it should be.
    """

    what: str
    condition: str
    shown: str = ""
    hint: str = ""


def open_sales(source: SalesSource, items: pd.DataFrame | None) -> duckdb.DuckDBPyConnection:
    """A connection holding the checked transactions as table `sales` (and view `judged`); the caller closes it.

    `items` is the checked item table; without it (because it has faults itself) items and stores are not compared.
    Raises `DataError` with all faults of the transactions: missing columns, no rows, unreadable or empty cells,
    prices and quantities out of range, unknown stores and items.
    """
    connection = duckdb.connect(
        config={"memory_limit": MEMORY_LIMIT, "threads": THREADS, "temp_directory": tempfile.gettempdir()}
    )
    try:
        _fill(connection, source, items)
    except BaseException:
        connection.close()
        raise
    return connection


def _fill(connection: duckdb.DuckDBPyConnection, source: SalesSource, items: pd.DataFrame | None) -> None:
    origin = _describe(source)
    try:
        _create_raw(connection, source)
        types = {str(r[0]): str(r[1]) for r in connection.execute("DESCRIBE raw").fetchall()}
        rules = _create_judged(connection, types, items)
        connection.execute(_TABLE.format(extras=_extras(types)))
        total, faulty = _one_row(connection, "SELECT count(*), count(*) FILTER (faults <> 0) FROM sales")
    except duckdb.Error as error:
        raise DataError(_explain(source, origin, error)) from None
    if total == 0:
        raise DataError("sales: the table has no rows.")
    if faulty:
        raise DataError(_read_faults(connection, rules, total))


_TABLE = """
CREATE TEMP TABLE sales AS
SELECT CAST(item_index AS INTEGER) AS item_index, CAST(category_index AS INTEGER) AS category_index, date,
       epoch_us(time) AS time_us, sale_type = 'return' AS is_return, discounted, unit_price, faults,
       CAST(CASE WHEN sale_type = 'return' THEN -abs(quantity) ELSE quantity END AS DECIMAL(18, 6)) AS quantity,
       TRY_CAST(transactions AS BIGINT) AS transactions, {extras} AS extras
FROM judged
"""


def _one_row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    row = connection.execute(query).fetchone()
    return tuple(int(v or 0) for v in row or ())


# ---------------------------------------------------------------- the source


def _describe(source: SalesSource) -> str:
    paths = _paths(source)
    return ", ".join(str(p) for p in paths) if paths else "sales"


def _paths(source: SalesSource) -> list[Path]:
    if isinstance(source, str | Path):
        return [Path(source)]
    if isinstance(source, Sequence):
        return [Path(p) for p in source]
    return []


def _create_raw(connection: duckdb.DuckDBPyConnection, source: SalesSource) -> None:
    paths = _paths(source)
    if not paths:
        connection.register("raw", _plain(source) if isinstance(source, pd.DataFrame) else source)
        return
    for path in paths:
        if not path.is_file():
            raise DataError(f"{path}: the file does not exist.")
        wrong = wrong_form(path)
        if wrong:
            raise DataError(wrong)
    listed = ", ".join("'" + glob.escape(str(p)).replace("'", "''") + "'" for p in paths)
    reader = "read_parquet([{}])" if paths[0].suffix == ".parquet" else _READ_CSV
    connection.execute(f"CREATE VIEW raw AS SELECT * FROM {reader.format(listed)}")


_READ_CSV = "read_csv([{}], delim=',', quote='\"', escape='\"', comment='', header=true, all_varchar=true)"


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of mixed Python objects as text: only text can be judged cell by cell."""
    mixed = [c for c in frame.columns if frame[c].dtype == object]
    return frame.assign(**{c: frame[c].astype("string") for c in mixed}) if mixed else frame


def _explain(source: SalesSource, origin: str, error: duckdb.Error) -> str:
    for path in _paths(source):
        if path.suffix == ".csv" and not is_utf8(path):
            return not_utf8(path)
    reason = str(error).strip().splitlines()[0]
    return f"{origin}: the sales cannot be read ({reason})."


def wrong_form(path: Path) -> str:
    """What is wrong with the form of a table's file, told by its size and first line; empty when nothing is."""
    if path.stat().st_size == 0:
        return f"{path}: the file is empty."
    if path.suffix != ".csv":
        return ""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        header = lines.readline()
    for sign, name in ((";", "“;”"), ("\t", "tabs")):
        if sign in header and "," not in header:
            return f"{path}: its columns are separated by {name}. Save it with commas, as “CSV UTF-8”."
    return ""


def is_utf8(path: Path) -> bool:
    """Whether the whole file is UTF-8 text (with or without byte-order mark)."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for _ in lines:
                pass
    except UnicodeDecodeError:
        return False
    return True


def not_utf8(path: Path) -> str:
    """The message for a text file in another encoding."""
    return f"{path}: the file is not UTF-8 text (perhaps GBK or Latin-1). Save it as “CSV UTF-8”."


# ---------------------------------------------------------------- typed columns


# Holds for nearly every row and then stands for all rules at once, which is much quicker than trying each of them.
_FAULTLESS = (
    "date IS NOT NULL AND time IS NOT NULL AND quantity > 0 AND unit_price > 0 AND sale_type IN ('sale', 'return') "
    "AND discounted IS NOT NULL AND transactions >= 0 AND transactions = trunc(transactions) "
    "AND store IS NOT NULL AND item_code IS NOT NULL"
)


def _create_judged(
    connection: duckdb.DuckDBPyConnection, types: dict[str, str], items: pd.DataFrame | None
) -> list[_Rule]:
    wrong = heading_fault(SALES, types)
    if wrong:
        raise DataError(wrong)
    connection.register("known", known_items(items))
    cells = {c.name: _cell(c, types.get(c.name), items) for c in SALES.columns}
    typed = ", ".join(f"{cell.value} AS {name}" for name, cell in cells.items())
    texts = ", ".join(f"{cell.text} AS {name}_text, {cell.present} AS {name}_present" for name, cell in cells.items())
    others = ", ".join(f'"{name}"' for name in types if name not in cells)
    rules = _rules(None if items is None else list(items["store"].unique()))
    bits = " + ".join(f"CAST(coalesce({r.condition}, false) AS BIGINT) * {1 << i}" for i, r in enumerate(rules))
    faultless = _FAULTLESS if items is None else f"{_FAULTLESS} AND item_index IS NOT NULL"
    faults = f"CASE WHEN {faultless} THEN 0 ELSE {bits} END"
    connection.execute(
        f"CREATE VIEW judged AS WITH typed AS (SELECT {typed}, {texts}{', ' + others if others else ''} FROM raw) "
        f"SELECT typed.*, item_index, category_index, {faults} AS faults "
        "FROM typed LEFT JOIN known USING (store, item_code)"
    )
    return rules


def known_items(items: pd.DataFrame | None) -> pd.DataFrame:
    """Store, item_code and category with the numbers that stand for them in `sales`; row = `item_index`."""
    if items is None:
        items = pd.DataFrame({c: pd.Series(dtype="str") for c in ("store", "item_code", "category")})
    known = items[["store", "item_code", "category"]].sort_values(["store", "item_code"], ignore_index=True)
    store, category = (pd.factorize(known[name], sort=True)[0] for name in ("store", "category"))
    both = store * (category.max(initial=0) + 1) + category
    return known.assign(
        item_index=known.index, store_index=store, category_index=np.unique(both, return_inverse=True)[1]
    )


def _extras(types: dict[str, str]) -> str:
    """Further columns (a receipt number, say) tell apart transactions that agree in all declared ones."""
    others = [f'"{name}"' for name in types if name not in SALES.names]
    return f"hash({', '.join(others)})" if others else "0"


def _cell(column: Column, dtype: str | None, items: pd.DataFrame | None) -> _Cell:
    if dtype is None:
        return _Cell(_default(column, items), "NULL", "false")
    cell = _PARSE[column.kind](f'"{column.name}"', dtype.split("(")[0])
    if column.default is None and column.name != "store":
        return cell
    default = f"CASE WHEN NOT {cell.present} THEN {_default(column, items)} END"
    return _Cell(f"coalesce({cell.value}, {default})", cell.text, cell.present)


def _default(column: Column, items: pd.DataFrame | None) -> str:
    if column.name == "store":
        stores = [] if items is None else list(items["store"].unique())
        return "'" + (stores[0] if len(stores) == 1 else DEFAULT_STORE).replace("'", "''") + "'"
    if column.default is None:
        return "CAST(NULL AS TIME)"
    return f"'{column.default}'" if column.kind == "text" else str(column.default).lower()


def _text(name: str, dtype: str) -> _Cell:
    # Codes read as floating-point numbers lose the “.0” they never had in the source.
    whole = f"CASE WHEN {name} = trunc({name}) THEN CAST(CAST({name} AS HUGEINT) AS VARCHAR) END"
    written = f"coalesce({whole}, CAST({name} AS VARCHAR))" if dtype in _FLOATING else f"CAST({name} AS VARCHAR)"
    text = f"nullif(trim({written}), '')"
    return _Cell(text, text, _present(name, dtype, text))


def _try_cast(name: str, text: str, dtype: str) -> str:
    """The cast; the trimmed text is only made for cells that cannot be read as they are (trimming is slow)."""
    return f"coalesce(TRY_CAST({name} AS {dtype}), TRY_CAST({text} AS {dtype}))"


def _number(name: str, dtype: str) -> _Cell:
    text = f"nullif(trim(CAST({name} AS VARCHAR)), '')"
    number = f"CAST({name} AS DOUBLE)" if _is_number(dtype) else _try_cast(name, text, "DOUBLE")
    value = f"CASE WHEN abs({number}) <= {LARGEST_NUMBER:.0f} THEN {number} END"
    return _Cell(value, text, _present(name, dtype, text))


def _date(name: str, dtype: str) -> _Cell:
    text = f"nullif(trim(CAST({name} AS VARCHAR)), '')"
    native = dtype == "DATE" or dtype.startswith("TIMESTAMP")
    value = f"CAST({name} AS DATE)" if native else _try_cast(name, text, "DATE")
    return _Cell(value, text, _present(name, dtype, text))


def _time(name: str, dtype: str) -> _Cell:
    text = f"nullif(trim(CAST({name} AS VARCHAR)), '')"
    native = dtype.startswith("TIME")
    parsed = f"coalesce({_try_cast(name, text, 'TIME')}, CAST(TRY_CAST({text} AS TIMESTAMP) AS TIME))"
    return _Cell(f"CAST({name} AS TIME)" if native else parsed, text, _present(name, dtype, text))


def _flag(name: str, dtype: str) -> _Cell:
    text = f"nullif(lower(trim(CAST({name} AS VARCHAR))), '')"
    tried = (name, text) if dtype == "VARCHAR" else (text,)
    words = " ".join(f"WHEN {v} IN {_TRUE} THEN true WHEN {v} IN {_FALSE} THEN false" for v in tried)
    return _Cell(name if dtype == "BOOLEAN" else f"CASE {words} END", text, _present(name, dtype, text))


def _is_number(dtype: str) -> bool:
    return dtype in _NUMERIC or dtype in _FLOATING or dtype == "DECIMAL"


def _present(name: str, dtype: str, text: str) -> str:
    if dtype in _FLOATING:
        return f"({name} IS NOT NULL AND NOT isnan({name}))"
    return f"({text} IS NOT NULL)" if dtype == "VARCHAR" else f"({name} IS NOT NULL)"


_PARSE = {"text": _text, "number": _number, "count": _number, "date": _date, "time": _time, "flag": _flag}


# ---------------------------------------------------------------- faults


def _unreadable(column: Column, condition: str) -> str:
    """`condition` of the cells without a value; it is only looked at for those (CASE, unlike AND, is lazy)."""
    return f"CASE WHEN {column.name} IS NULL THEN {condition} ELSE false END"


def _too_large(column: Column) -> str:
    """The text of a cell without a value is a number all the same: one beyond `LARGEST_NUMBER`."""
    return f"coalesce(isfinite(TRY_CAST({column.name}_text AS DOUBLE)), false)"


def _no_value(column: Column) -> str:
    """The cell says something that is not of the column's kind."""
    present = f"{column.name}_present"
    return f"{present} AND NOT {_too_large(column)}" if column.kind in ("number", "count") else present


def _hint(column: Column) -> str:
    """What a value of the column should look like, where that helps."""
    return DATE_HINT if column.kind == "date" else ""


def _rules(stores: list[str] | None) -> list[_Rule]:
    """What can be wrong with a row; items and stores are compared when the `stores` of the items are known."""
    typed = [c for c in SALES.columns if c.kind != "text"]
    limit = f"{LARGEST_NUMBER:,.0f}"
    rules = [
        _Rule(f"a {c.name} that is not a {c.kind}", _unreadable(c, _no_value(c)), f"{c.name}_text", _hint(c))
        for c in typed
    ]
    rules += [
        _Rule(f"a {c.name} beyond the largest allowed, {limit}", _unreadable(c, _too_large(c)), f"{c.name}_text")
        for c in typed
        if c.kind in ("number", "count")
    ]
    rules += [_Rule(f"no {c.name}", _unreadable(c, f"NOT {c.name}_present")) for c in SALES.columns if not c.nullable]
    rules += [
        _Rule("unit_price ≤ 0", "unit_price <= 0", "unit_price_text"),
        _Rule("a sale with quantity ≤ 0", "sale_type = 'sale' AND quantity <= 0", "quantity_text"),
        _Rule("a sale_type other than sale or return", "sale_type NOT IN ('sale', 'return')", "sale_type"),
        _Rule("negative transactions", "transactions < 0", "transactions_text"),
        _Rule("transactions that are not whole", "transactions <> trunc(transactions)", "transactions_text"),
    ]
    if stores is not None:
        listed = ", ".join("'" + s.replace("'", "''") + "'" for s in stores)
        known = f"list_contains([{listed}], store)"
        rules += [
            _Rule("a store that `items` does not know", _unmatched(f"NOT {known}"), "store"),
            _Rule(
                "an item_code that `items` does not know",
                _unmatched(f"item_code IS NOT NULL AND {known}"),
                "item_code",
            ),
        ]
    return rules


def _unmatched(condition: str) -> str:
    """`condition` of the rows that met no item."""
    return f"CASE WHEN item_index IS NULL THEN {condition} ELSE false END"


def _read_faults(connection: duckdb.DuckDBPyConnection, rules: list[_Rule], total: int) -> list[str]:
    counts = ", ".join(f"count(*) FILTER (faults & {1 << i} <> 0)" for i in range(len(rules)))
    found = _one_row(connection, f"SELECT {counts} FROM sales")
    return [
        f"sales: {count:,} of {total:,} rows have {rule.what}{_example(connection, rule, 1 << i)}.{rule.hint}"
        for i, (rule, count) in enumerate(zip(rules, found, strict=True))
        if count
    ]


def _example(connection: duckdb.DuckDBPyConnection, rule: _Rule, bit: int) -> str:
    row = connection.execute(
        f"SELECT item_code, coalesce(CAST(date AS VARCHAR), date_text), {rule.shown or 'NULL'} "
        f"FROM judged WHERE faults & {bit} <> 0 LIMIT 1"
    ).fetchone()
    item, day, shown = row or (None, None, None)
    where = ", ".join([f"item {item}"] * (item is not None) + [str(day)] * (day is not None))
    quoted = f" (“{shown}”)" if shown is not None else ""
    return quoted + (f" (first: {where})" if where else "")
