"""The data of CUMCM 2023, problem C (one supermarket's vegetables), as canonical tables.

Two layouts are read: the four published attachments (附件1–4, Excel or CSV, Chinese headers) and the Parquet rebuild,
whose item-days without transactions are filled from its daily table.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from replenish.errors import DataError
from replenish.records import Finding

ATTACHMENTS = {1: "items", 2: "sales", 3: "wholesale prices", 4: "loss rates"}
REBUILD = ("items", "sales", "daily", "wholesale", "loss")
MIN_WHOLE_SALES = 3
"""An item weighed in grams sells three whole kilograms in a row by chance once in 10⁹; packs always do."""
EXAMPLES = 5

PACK_MARK = re.compile(r"\([^)]*(份|盒|袋|包|个|朵|克)[^)]*\)|礼盒|手提袋|组合装")
"""Counting words in a name (portion, box, bag, piece, a weight per pack); matched after NFKC folding."""

RULES_TOML = """\
# Rules of CUMCM 2023 problem C, question 3: 27 to 33 items on the shelf, at least 2.5 kg of each.
# `replenish init` writes all settings with their meaning.
[rules]
n_min = 27
n_max = 33
min_display = 2.5
"""

_ITEM = {"单品编码": "item_code"}
_HEADERS: dict[int, dict[str, str]] = {
    1: {**_ITEM, "单品名称": "item_name", "分类名称": "category"},
    2: {
        **_ITEM,
        "销售日期": "date",
        "扫码销售时间": "time",
        "销量(千克)": "quantity",
        "销售单价(元/千克)": "unit_price",
        "销售类型": "sale_type",
        "是否打折销售": "discounted",
    },
    3: {**_ITEM, "日期": "date", "批发价格(元/千克)": "wholesale_price"},
    4: {**_ITEM, "损耗率(%)": "loss_rate_pct"},
}
_SALE_TYPES = {"销售": "sale", "退货": "return"}
_DISCOUNTED = {"是": "true", "否": "false"}


@dataclass(frozen=True)
class ContestData:
    """Canonical `frames` (items, sales, wholesale) of the contest's data and what the reading had to guess."""

    frames: dict[str, pd.DataFrame]
    findings: tuple[Finding, ...]


def read_contest(directory: str | Path) -> ContestData:
    """The contest's data as canonical frames, from the Parquet rebuild if `directory` has it, else from attachments.

    Attachments may lie in a subfolder `original`. Items counted in packs get `unit = "pack"`: by a counting word in the
    name, or because at least `MIN_WHOLE_SALES` sales were all whole numbers; `items.unit_source` says which.
    Raises `DataError` naming files and columns that are missing or cannot be read.
    """
    root = Path(directory)
    if not root.is_dir():
        raise DataError(f"{root}: the folder does not exist.", "Give the folder that holds the contest's files.")
    if all((root / f"{name}.parquet").is_file() for name in REBUILD):
        items, sales, wholesale, findings = _read_rebuild(root)
    else:
        items, sales, wholesale, findings = _read_attachments(root)
    items, guessed = _guess_units(items, sales)
    frames = {"items": items, "sales": sales, "wholesale": wholesale}
    return ContestData(frames, (*findings, *guessed))


_Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, tuple[Finding, ...]]


# ---------------------------------------------------------------- published attachments


def _read_attachments(root: Path) -> _Parts:
    paths = _find_attachments(root)
    tables: dict[int, pd.DataFrame] = {}
    faults: list[str] = []
    for number, path in paths.items():
        try:
            tables[number] = _read_attachment(path, _HEADERS[number])
        except DataError as error:
            faults += error.faults
    if faults:
        raise DataError(faults)
    items = _with_loss_rate(tables[1], tables[4])
    sales = tables[2].assign(
        sale_type=tables[2]["sale_type"].replace(_SALE_TYPES),
        discounted=tables[2]["discounted"].replace(_DISCOUNTED),
    )
    return items, sales, tables[3], ()


def _find_attachments(root: Path) -> dict[int, Path]:
    places = [p for p in (root, root / "original") if p.is_dir()]
    found = {
        n: [p for place in places for s in (".xlsx", ".csv") if (p := place / f"附件{n}{s}").is_file()]
        for n in ATTACHMENTS
    }
    missing = [f"附件{n}.xlsx ({what})" for n, what in ATTACHMENTS.items() if not found[n]]
    if missing:
        rebuild = ", ".join(f"{name}.parquet" for name in REBUILD)
        raise DataError(
            f"{root}: missing {', '.join(missing)}.",
            f"Put the four published attachments there (or the Parquet rebuild: {rebuild}) and run again.",
        )
    return {n: paths[0] for n, paths in found.items()}


def _read_attachment(path: Path, headers: dict[str, str]) -> pd.DataFrame:
    """The columns of `headers`, renamed, from the CSV file or from the sheet that has them all."""
    seen: list[str] = []
    for rows in _sheets(path):
        names = [_fold(v) for v in next(rows, [])]
        if set(headers) <= set(names):
            return _to_frame(rows, [headers.get(n) for n in names])
        seen += [n for n in names if n and n not in seen]
    missing = [h for h in headers if h not in seen] or list(headers)
    raise DataError(f"{path}: column(s) missing: {', '.join(missing)}. The file has: {', '.join(seen) or 'none'}.")


def _fold(value: Any) -> str:
    """Headers with full-width brackets, blanks and byte-order marks compare equal to plain ones."""
    return "".join(unicodedata.normalize("NFKC", str(value)).replace("\ufeff", "").split())


def _sheets(path: Path) -> Iterator[Iterator[list[Any]]]:
    return _excel_sheets(path) if path.suffix == ".xlsx" else iter([_csv_rows(path)])


def _excel_sheets(path: Path) -> Iterator[Iterator[list[Any]]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        workbook = CalamineWorkbook.from_path(str(path))
        for name in workbook.sheet_names:
            yield workbook.get_sheet_by_name(name).iter_rows()
    except (CalamineError, OSError) as error:
        raise DataError(f"{path}: the file cannot be read as an Excel workbook ({error}).") from None


def _csv_rows(path: Path) -> Iterator[list[Any]]:
    """Rows of a CSV file in UTF-8 or in GB 18030, which Chinese Excel writes."""
    import csv

    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = path.read_text(encoding=encoding)
        except UnicodeDecodeError:
            continue
        return (list(row) for row in csv.reader(text.splitlines()))
    raise DataError(f"{path}: the file is neither UTF-8 nor GB 18030 text. Save it as “CSV UTF-8”.")


def _to_frame(rows: Iterator[list[Any]], names: Sequence[str | None]) -> pd.DataFrame:
    kept = [(i, name) for i, name in enumerate(names) if name]
    columns: dict[str, list[Any]] = {name: [] for _, name in kept}
    for row in rows:
        for i, name in kept:
            columns[name].append(row[i] if row[i] != "" else None)
    return pd.DataFrame({name: _CONVERT.get(name, pd.Series)(values) for name, values in columns.items()})


def _text_column(values: list[Any]) -> pd.Series:
    """Codes as text: spreadsheets may hold them as numbers, which calamine reads as floating point."""
    return pd.Series(
        [str(int(v)) if isinstance(v, float) and v.is_integer() else v for v in values], dtype="object"
    ).astype("str")


def _date_column(values: list[Any]) -> pd.Series:
    # There are a thousand days in a million rows: every distinct day is parsed once.
    days = pd.Series(values, dtype="object").astype("str")
    return days.map({d: pd.to_datetime(d, errors="coerce") for d in days.unique()}).astype("datetime64[us]")


_CONVERT: dict[str, Callable[[list[Any]], pd.Series]] = {
    "item_code": _text_column,
    "date": _date_column,
    "time": lambda values: pd.Series(values, dtype="object").astype("str"),
}


def _with_loss_rate(items: pd.DataFrame, loss: pd.DataFrame) -> pd.DataFrame:
    """Items with `loss_rate` as a share (the source gives percent)."""
    twice = loss["item_code"].duplicated()
    if twice.any():
        raise DataError(
            f"loss rates: {int(twice.sum())} item(s) twice (first: {loss.loc[twice, 'item_code'].iloc[0]})."
        )
    percent = pd.to_numeric(items["item_code"].map(loss.set_index("item_code")["loss_rate_pct"]), errors="coerce")
    return items.assign(loss_rate=(percent / 100).round(6))


# ---------------------------------------------------------------- Parquet rebuild


def _read_rebuild(root: Path) -> _Parts:
    tables = {name: _read_parquet(root / f"{name}.parquet") for name in REBUILD}
    items = tables["items"].rename(columns={"category_name": "category"})
    items = items[[c for c in ("item_code", "item_name", "category", "item_name_en", "category_en") if c in items]]
    sales = tables["sales"].rename(columns={"quantity_kg": "quantity"}).assign(transactions=1)
    filled, findings = _fill_gap(tables["daily"])
    sales = pd.concat([sales, filled], ignore_index=True).sort_values("date", kind="stable", ignore_index=True)
    return _with_loss_rate(items, tables["loss"]), sales, tables["wholesale"], findings


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: the file cannot be read as parquet ({str(error).splitlines()[0]}).") from None
    text = {"item_code": frame["item_code"].astype("str")} if "item_code" in frame else {}
    dates = {"date": frame["date"].astype("datetime64[us]")} if "date" in frame else {}
    return frame.assign(**text, **dates)


def _fill_gap(daily: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Sales rows without time for the item-days whose transactions are missing: one full-price, one discounted row.

    Quantities are net of returns. The discounted price is what remains of the day's revenue; where nothing was
    discounted the full price is revenue ÷ quantity (the source rounds its own mean to four digits).
    """
    gap = daily[daily["source"] == "aggregate"].copy()
    discounted = gap["discounted_net_kg"] > 0
    unknown = gap["full_price_avg"].isna() & (gap["full_price_net_kg"] > 0) & discounted
    full_price = gap["full_price_avg"].where(~unknown, gap["max_unit_price"])
    full_price = full_price.where(discounted, gap["net_revenue"] / gap["full_price_net_kg"])
    rest = gap["net_revenue"] - (full_price * gap["full_price_net_kg"]).fillna(0.0)
    shared = gap[["date", "item_code"]].assign(time=None, sale_type="sale")
    full = shared.assign(
        quantity=gap["full_price_net_kg"],
        unit_price=full_price,
        discounted=False,
        transactions=gap["n_sales"] - gap["n_discounted_sales"],
    )
    off = shared.assign(
        quantity=gap["discounted_net_kg"],
        unit_price=rest / gap["discounted_net_kg"],
        discounted=True,
        transactions=gap["n_discounted_sales"],
    )
    rows = pd.concat([full[full["quantity"] > 0], off[discounted]], ignore_index=True)
    return rows, _gap_findings(gap, unknown)


def _gap_findings(gap: pd.DataFrame, unknown: pd.Series) -> tuple[Finding, ...]:
    if gap.empty:
        return ()
    filled = Finding(
        "information",
        "sales",
        "item-days whose transactions are missing, filled from the daily table (no times, net of returns)",
        len(gap),
        len(gap),
        tuple(f"item {c}" for c in gap["item_code"].unique()[:EXAMPLES]),
    )
    if not unknown.any():
        return (filled,)
    shown = tuple(f"item {r.item_code}, {r.date:%Y-%m-%d}" for r in gap[unknown].head(EXAMPLES).itertuples())
    what = "item-days whose full price is not known; the day's highest price was taken"
    return (filled, Finding("warning", "sales", what, int(unknown.sum()), len(gap), shown))


# ---------------------------------------------------------------- units


def _guess_units(items: pd.DataFrame, sales: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Items with `unit` (kg or pack) and `unit_source` (name, counts, default), and a note on the guesses."""
    sold = sales.loc[sales["sale_type"] == "sale", ["item_code", "quantity"]]
    quantity = pd.to_numeric(sold["quantity"], errors="coerce")
    whole = quantity.mod(1).eq(0).groupby(sold["item_code"]).agg(["size", "all"])
    counted = items["item_code"].isin(whole.index[whole["all"] & (whole["size"] >= MIN_WHOLE_SALES)])
    marked = items["item_name"].map(lambda name: bool(PACK_MARK.search(unicodedata.normalize("NFKC", str(name)))))
    source = pd.Series("default", index=items.index).mask(counted, "counts").mask(marked, "name")
    out = items.assign(unit=(counted | marked).map({True: "pack", False: "kg"}), unit_source=source)
    return out, tuple(_unit_finding(out, s, what) for s, what in _UNIT_NOTES.items() if (out["unit_source"] == s).any())


_UNIT_NOTES = {
    "name": "items counted in packs by a counting word in their name",
    "counts": "items counted in packs because every sale was a whole number (guessed)",
}


def _unit_finding(items: pd.DataFrame, source: str, what: str) -> Finding:
    names = items.loc[items["unit_source"] == source, "item_name"]
    advice = "Correct `unit` in the items table where the guess is wrong." if source == "counts" else ""
    return Finding("information", "items", what, len(names), len(items), tuple(names.head(EXAMPLES)), advice)
