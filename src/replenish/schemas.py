"""Every table of `replenish`, declared once: column, type, unit, key, range and meaning.

`TABLES` holds the canonical input tables, `DERIVED` what the library computes from them. `check_table` turns a frame
into the declared form or raises one `DataError` naming all its faults; `data_dictionary` writes the docs page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

from replenish.errors import DataError

if TYPE_CHECKING:
    import pandera.pandas as pa

Kind = Literal["text", "number", "count", "date", "time", "flag"]

DEFAULT_STORE = "main"
DATE_HINT = " Write dates as YYYY-MM-DD."

PANDAS_DTYPE: dict[str, str] = {
    "text": "str",
    "number": "float64",
    "count": "int64",
    "date": "datetime64[us]",
    "time": "str",
    "flag": "bool",
}


@dataclass(frozen=True)
class Column:
    """One column: its kind, meaning, unit, whether it must be there and filled, default and admissible range."""

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    required: bool = True
    nullable: bool = False
    default: object = None
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    isin: tuple[str, ...] = ()

    @property
    def range_text(self) -> str:
        """The admissible range in words, empty when there is none."""
        parts = [f"≥ {self.ge:g}"] if self.ge is not None else []
        parts += [f"> {self.gt:g}"] if self.gt is not None else []
        parts += [f"≤ {self.le:g}"] if self.le is not None else []
        parts += [" or ".join(f"`{v}`" for v in self.isin)] if self.isin else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Table:
    """One table: its columns, key (unique when given) and meaning."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    required: bool = True

    def column(self, name: str) -> Column:
        """The column of that name; `KeyError` when the table has none."""
        return {c.name: c for c in self.columns}[name]

    @property
    def names(self) -> list[str]:
        """All column names in declared order."""
        return [c.name for c in self.columns]


STORE = Column("store", "text", "store the row belongs to", required=False, default=DEFAULT_STORE)
DATE = Column("date", "date", "calendar day, local time")
ITEM = Column("item_code", "text", "item as in `items`")


def _opt(name: str, kind: Kind, meaning: str, unit: str = "", **kw: object) -> Column:
    return Column(name, kind, meaning, unit, required=False, nullable=True, **kw)  # type: ignore[arg-type]


ITEMS = Table(
    "items",
    "What the shop can sell.",
    (
        STORE,
        ITEM,
        Column("item_name", "text", "name shown to people"),
        Column("category", "text", "category the shop plans its cover and price index for"),
        Column("unit", "text", "unit of every quantity of this item", isin=("kg", "pack")),
        Column(
            "loss_rate",
            "number",
            "share of what is bought that cannot be sold (trimming, damage); learned where orders and stock are known",
            "share",
            nullable=True,
            ge=0,
            le=0.95,
        ),
        _opt("order_multiple", "number", "orders come in whole multiples of this", "unit", gt=0),
        _opt("min_display", "number", "least quantity ordered when the item is listed", "unit", ge=0),
        Column(
            "shelf_life_days",
            "count",
            "selling days before unsold stock is waste",
            "days",
            required=False,
            default=1,
            ge=1,
        ),
        _opt("substitute_group", "text", "items shoppers switch between (default: the category)"),
        _opt("shelf_space", "number", "shelf places the item takes", "places", gt=0),
        _opt("supplier", "text", "who delivers it"),
        Column(
            "disposal_cost", "number", "cost of throwing one unit away", "money/unit", required=False, default=0.0, ge=0
        ),
    ),
    key=("store", "item_code"),
)

SALES = Table(
    "sales",
    "Till transactions: what was sold, when and at what price. Sales are observed; demand is what would have sold.",
    (
        STORE,
        DATE,
        _opt("time", "time", "time of day, `HH:MM[:SS[.mmm]]`; empty when only the day is known"),
        ITEM,
        Column("quantity", "number", "quantity sold; a return may be positive or negative", "unit"),
        Column("unit_price", "number", "price per unit", "money/unit", gt=0),
        Column("sale_type", "text", "sale or return", isin=("sale", "return"), required=False, default="sale"),
        Column("discounted", "flag", "sold below the full price (clearance)", required=False, default=False),
        Column(
            "transactions", "count", "number of till transactions the row stands for", required=False, default=1, ge=0
        ),
    ),
)

WHOLESALE = Table(
    "wholesale",
    "Purchase price of each item and day.",
    (STORE, DATE, ITEM, Column("wholesale_price", "number", "purchase price per unit bought", "money/unit", ge=0)),
    key=("store", "date", "item_code"),
)

STOCK = Table(
    "stock",
    "Stock counted at close of day.",
    (
        STORE,
        DATE,
        ITEM,
        Column(
            "on_hand", "number", "quantity left at close, saleable the next day while shelf life lasts", "unit", ge=0
        ),
    ),
    key=("store", "date", "item_code"),
    required=False,
)

ORDERS = Table(
    "orders",
    "What was ordered and what arrived for the day.",
    (
        STORE,
        DATE,
        ITEM,
        Column("ordered", "number", "quantity ordered for that day", "unit", ge=0),
        _opt("received", "number", "quantity that arrived", "unit", ge=0),
    ),
    key=("store", "date", "item_code"),
    required=False,
)

EVENTS = Table(
    "events",
    "Days that differ: closures, local holidays, promotions.",
    (
        STORE,
        DATE,
        Column("event", "text", "name of the event"),
        Column("kind", "text", "what it is", isin=("closure", "holiday", "workday", "promotion", "other")),
        Column("known_at", "date", "day from which the shop knew of it"),
    ),
    key=("store", "date", "event"),
    required=False,
)

WEATHER = Table(
    "weather",
    "Weather forecast (or record) of a day, as known on `known_at`.",
    (
        STORE,
        DATE,
        Column("known_at", "date", "day on which this value was known"),
        _opt("temperature_max", "number", "highest temperature", "°C"),
        _opt("temperature_min", "number", "lowest temperature", "°C"),
        _opt("rain", "number", "precipitation", "mm", ge=0),
    ),
    key=("store", "date", "known_at"),
    required=False,
)

COMPETITOR_PRICES = Table(
    "competitor_prices",
    "Prices seen at other shops.",
    (
        STORE,
        DATE,
        ITEM,
        Column("competitor", "text", "which shop"),
        Column("price", "number", "shelf price there", "money/unit", gt=0),
    ),
    key=("store", "date", "item_code", "competitor"),
    required=False,
)

CUSTOMERS = Table(
    "customers",
    "Number of customers (door or till count) of a day.",
    (STORE, DATE, Column("customers", "count", "customers that day", ge=0)),
    key=("store", "date"),
    required=False,
)

TABLES: dict[str, Table] = {
    t.name: t for t in (ITEMS, SALES, WHOLESALE, STOCK, ORDERS, EVENTS, WEATHER, COMPETITOR_PRICES, CUSTOMERS)
}

DAILY_SALES = Table(
    "daily_sales",
    "Transactions rolled up to one row per store, item and day with at least one transaction; returns netted.",
    (
        STORE,
        DATE,
        ITEM,
        Column("quantity", "number", "sales less returns", "unit"),
        Column("revenue", "number", "money taken less money returned", "money"),
        Column("transactions", "count", "number of sales", ge=0),
        Column("returns", "count", "number of returns", ge=0),
        Column("return_quantity", "number", "quantity returned, as a positive number", "unit", ge=0),
        Column("full_price_quantity", "number", "net quantity not discounted", "unit"),
        Column(
            "full_price",
            "number",
            "quantity-weighted mean full price; empty when all was discounted",
            "money/unit",
            nullable=True,
        ),
        Column("discounted_quantity", "number", "net quantity sold on discount", "unit"),
        Column("discounted_price", "number", "quantity-weighted mean discounted price", "money/unit", nullable=True),
        Column("discounted_transactions", "count", "number of discounted sales", ge=0),
        Column("first_sale_hour", "number", "time of the first sale, hours after midnight", "h", nullable=True),
        Column("last_sale_hour", "number", "time of the last sale, hours after midnight", "h", nullable=True),
        Column("largest_sale", "number", "largest single sale", "unit", nullable=True),
    ),
    key=("store", "date", "item_code"),
)

INTRADAY_SALES = Table(
    "intraday_sales",
    "Full-price sales with a known time per store, category, day and half hour: the material of the hourly profiles.",
    (
        STORE,
        DATE,
        Column("category", "text", "category of the items sold"),
        Column("half_hour", "count", "half hours after midnight (18 = 09:00–09:30)", ge=0, le=47),
        Column("transactions", "count", "number of sales at full price", ge=0),
    ),
    key=("store", "date", "category", "half_hour"),
)

PLAN_LINES = Table(
    "plan.lines",
    "The plan: one row per listed item and day.",
    (
        STORE,
        DATE,
        ITEM,
        Column("item_name", "text", "name shown to people"),
        Column("category", "text", "category"),
        Column("unit", "text", "kg or pack", isin=("kg", "pack")),
        Column("order_quantity", "number", "quantity to buy, before loss", "unit", ge=0),
        Column("price", "number", "shelf price", "money/unit", gt=0),
        Column("unit_cost", "number", "expected wholesale price", "money/unit", ge=0),
        Column("reference_price", "number", "last full price", "money/unit", gt=0),
        Column("loss_rate", "number", "share of the purchase lost", "share", ge=0),
        Column("carried_over", "number", "stock carried over from the day before", "unit", ge=0),
        Column("expected_demand", "number", "expected full-price demand at `price`", "unit", ge=0),
        Column("expected_sales", "number", "expected full-price sales", "unit", ge=0),
        Column("expected_clearance_sales", "number", "expected sales on clearance", "unit", ge=0),
        Column("clearance_price", "number", "expected price on clearance", "money/unit", ge=0),
        Column("expected_waste", "number", "expected unsold quantity", "unit", ge=0),
        Column("expected_profit", "number", "expected profit on fresh scenarios, without goodwill", "money"),
        Column("profit_q10", "number", "10 % quantile of the line's profit", "money"),
        Column("profit_q90", "number", "90 % quantile of the line's profit", "money"),
        Column(
            "sell_out_probability", "number", "chance that full-price demand exceeds what is there", "share", ge=0, le=1
        ),
        Column("reason", "text", "why this line is what it is"),
    ),
    key=("store", "date", "item_code"),
)

PLAN_CANDIDATES = Table(
    "plan.candidates",
    "Items that were considered and not listed.",
    (
        STORE,
        DATE,
        ITEM,
        Column("item_name", "text", "name"),
        Column("category", "text", "category"),
        Column("reason", "text", "why it is not on the shelf"),
    ),
    key=("store", "date", "item_code"),
)

DERIVED: dict[str, Table] = {t.name: t for t in (DAILY_SALES, INTRADAY_SALES, PLAN_LINES, PLAN_CANDIDATES)}


# ---------------------------------------------------------------- conversion and checks


def _to_text(values: pd.Series) -> pd.Series:
    """Text of codes and names; whole floats (a common CSV accident) lose their `.0`."""
    if pd.api.types.is_float_dtype(values) and values.dropna().mod(1).eq(0).all():
        values = values.astype("Int64")
    return values.astype("string").str.strip().astype("str")


def _to_number(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values, errors="coerce").astype("float64")


def _to_date(values: pd.Series) -> pd.Series:
    """Days; text starts with year, month and day (2024-05-01, 2024/5/1): day or month first would be ambiguous."""
    if not pd.api.types.is_datetime64_dtype(values):
        parts = values.astype("string").str.extract(r"^\s*(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?!\d)")
        text = parts[0] + "-" + parts[1].str.zfill(2) + "-" + parts[2].str.zfill(2)
        values = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
    return values.astype("datetime64[us]").dt.normalize()


def _to_flag(values: pd.Series) -> pd.Series:
    if pd.api.types.is_bool_dtype(values):
        return values.astype("boolean")
    words = {"true": True, "1": True, "yes": True, "1.0": True, "false": False, "0": False, "no": False, "0.0": False}
    return values.astype("string").str.lower().map(words).astype("boolean")


_CONVERT: dict[str, Callable[[pd.Series], pd.Series]] = {
    "text": _to_text,
    "time": _to_text,
    "number": _to_number,
    "count": _to_number,
    "date": _to_date,
    "flag": _to_flag,
}


def _examples(frame: pd.DataFrame, bad: pd.Series, key: Iterable[str], limit: int = 1) -> str:
    names = [k for k in key if k in frame.columns and (k != "store" or len(frame["store"].unique()) > 1)]
    rows = frame.loc[bad, names].head(limit)
    shown = (
        ["item " + str(v) if k == "item_code" else str(v)[:10] for k, v in rows.iloc[0].items()]
        if len(rows) and names
        else []
    )
    return f" (first: {', '.join(shown)})" if shown else f" (first: row {int(bad.to_numpy().argmax()) + 1})"


def _fault(table: Table, frame: pd.DataFrame, bad: pd.Series, what: str) -> str:
    key = table.key or ("item_code", "date")
    return f"{table.name}: {int(bad.sum()):,} of {len(frame):,} rows have {what}{_examples(frame, bad, key)}."


def _fill_defaults(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    out = frame.copy(deep=False)
    for c in table.columns:
        if c.name not in out.columns and not c.required:
            out[c.name] = pd.Series(c.default, index=out.index, dtype="object")
    return out[table.names + [n for n in out.columns if n not in table.names]]


def _convert_column(raw: pd.DataFrame, c: Column, table: Table, faults: list[str]) -> pd.Series:
    before = raw[c.name]
    after = _CONVERT[c.kind](before)
    lost = after.isna() & before.notna() & (before.astype("string").str.strip() != "")
    if lost.any():
        shown = str(before[lost].iloc[0])
        hint = DATE_HINT if c.kind == "date" else ""
        faults.append(_fault(table, raw, lost, f"a {c.name} that is not a {c.kind} (“{shown}”)") + hint)
    if c.default is not None:
        after = after.where(after.notna() | lost, c.default)
    empty = after.isna() & ~lost
    if c.kind in ("text", "time"):
        empty |= after.astype("string").fillna("").eq("")
    if empty.any() and not c.nullable:
        faults.append(_fault(table, raw, empty, f"no {c.name}"))
    if not after.isna().any():
        if c.kind == "count":
            whole = after.mod(1).eq(0)
            if whole.all():
                return after.astype("int64")
            faults.append(_fault(table, raw, ~whole, f"a {c.name} that is not a whole number"))
        if c.kind == "flag":
            return after.astype("bool")
    return after


def pandera_schema(table: Table) -> pa.DataFrameSchema:
    """The pandera schema of a table: ranges, allowed words and the unique key."""
    import pandera.pandas as pa

    columns = {}
    for c in table.columns:
        checks = [pa.Check.ge(c.ge)] if c.ge is not None else []
        checks += [pa.Check.gt(c.gt)] if c.gt is not None else []
        checks += [pa.Check.le(c.le)] if c.le is not None else []
        checks += [pa.Check.isin(list(c.isin))] if c.isin else []
        columns[c.name] = pa.Column(checks=checks, nullable=True, description=c.meaning, metadata={"unit": c.unit})
    return pa.DataFrameSchema(
        columns, unique=list(table.key) or None, name=table.name, report_duplicates="exclude_first"
    )


def _range_faults(frame: pd.DataFrame, table: Table) -> list[str]:
    """Faults pandera finds in ranges, allowed words and keys, grouped by column and rule."""
    import pandera.errors

    try:
        pandera_schema(table).validate(frame.reset_index(drop=True), lazy=True)
    except pandera.errors.SchemaErrors as found:
        return _read_failures(frame, table, found.failure_cases)
    return []


def _read_failures(frame: pd.DataFrame, table: Table, cases: pd.DataFrame) -> list[str]:
    faults = []
    flat = frame.reset_index(drop=True)
    for (context, column, check), rows in cases.groupby(
        ["schema_context", "column", "check"], sort=False, dropna=False
    ):
        if context == "DataFrameSchema" and "unique" in str(check):
            continue
        bad = pd.Series(flat.index.isin(rows["index"].astype("Int64")), index=flat.index)
        rule = table.column(str(column)).range_text
        value = rows["failure_case"].iloc[0]
        hint = _share_hint(value) if table.column(str(column)).unit == "share" else ""
        faults.append(_fault(table, flat, bad, f"a {column} outside {rule} (“{value}”)") + hint)
    if table.key:
        key = list(table.key)
        twice = flat.duplicated(key, keep="first") & flat[key].notna().all(axis="columns")
        if twice.any():
            faults.append(_fault(table, flat, twice, f"a key ({', '.join(table.key)}) that is there before"))
    return faults


def _share_hint(value: object) -> str:
    """What a percentage is as a share, for a value that looks like one."""
    number = float(str(value))
    return f" It is a share: {number:g} % is {number / 100:g}." if 1 < number <= 100 else ""


def heading_fault(table: Table, have: Iterable[str]) -> str:
    """What is wrong with the headings: columns that must be there and are not, or that are written otherwise.

    Empty when nothing is. A heading that differs in capitals or blanks alone is never taken for a further column.
    """
    names = list(map(str, have))
    near = {name.strip().lower(): name for name in names}
    other = {c.name: near[c.name] for c in table.columns if c.name not in names and c.name in near}
    missing = [c.name for c in table.columns if c.required and c.name not in names]
    if not missing and not other:
        return ""
    what = f"column(s) missing: {', '.join(missing)}" if missing else "column(s) written otherwise"
    hint = ", ".join(f"“{found}” as {name}" for name, found in other.items())
    told = f" Headings are in small letters: write {hint}." if hint else ""
    return f"{table.name}: {what}. The table has: {', '.join(names) or 'none'}.{told}"


def check_table(frame: pd.DataFrame, table: Table, allow_empty: bool = False) -> pd.DataFrame:
    """The frame in its declared form: all columns, declared types, defaults filled, further columns kept last.

    Raises one `DataError` that names all faults: missing columns, empty table, unreadable values, empty cells, values
    out of range, keys that occur twice.
    """
    wrong = heading_fault(table, frame.columns)
    if wrong:
        raise DataError(wrong)
    if len(frame) == 0 and not allow_empty:
        raise DataError(f"{table.name}: the table has no rows.")
    faults: list[str] = []
    raw = _fill_defaults(frame, table)
    out = raw.copy(deep=False)
    for c in table.columns:
        out[c.name] = _convert_column(raw, c, table, faults)
    faults += _range_faults(out, table)
    if faults:
        raise DataError(faults)
    return out.reset_index(drop=True)


def data_dictionary() -> str:
    """The data dictionary in Markdown, generated from the declarations above."""
    lines = [
        "# Data dictionary",
        "",
        "Generated from `src/replenish/schemas.py` by `make docs`; do not edit by hand.",
        "",
    ]
    for heading, tables in (("Canonical input tables", TABLES), ("Tables the library computes", DERIVED)):
        lines += [f"## {heading}", ""]
        for t in tables.values():
            lines += _dictionary_table(t)
    return "\n".join(lines)


def _dictionary_table(t: Table) -> list[str]:
    note = "" if t.required else " *(optional)*"
    key = ", ".join(f"`{k}`" for k in t.key) if t.key else "none (rows may repeat)"
    head = [f"### `{t.name}`{note}", "", t.meaning, "", f"Key: {key}.", ""]
    rows = ["| column | kind | unit | must be there | range | meaning |", "|---|---|---|---|---|---|"]
    for c in t.columns:
        must = (
            "yes" if c.required and not c.nullable else ("yes, may be empty" if c.required else f"no{_default_text(c)}")
        )
        rows.append(f"| `{c.name}` | {c.kind} | {c.unit} | {must} | {c.range_text} | {c.meaning} |")
    return head + rows + [""]


def _default_text(c: Column) -> str:
    return "" if c.default is None else f" (`{c.default}`)"
