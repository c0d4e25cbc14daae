"""Order files: the plan as the shop's people and systems take it, CSV or Excel, whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from replenish.errors import ConfigError
from replenish.files import name_in_paths, write_whole
from replenish.records import Plan
from replenish.schemas import PLAN_CANDIDATES, PLAN_LINES, Column

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

FileFormat = Literal["csv", "xlsx"]
FORMATS: tuple[FileFormat, ...] = ("csv", "xlsx")

# Decimals written; what is computed has more digits than anybody means, such as 2.5600000000000005.
DECIMALS = {"money": 2, "money/unit": 4, "unit": 3, "share": 4}
FIGURE_DECIMALS = 4
HEADER_COLOUR = "1B6E53"
WIDEST_COLUMN = 70
NUMBER_FORMAT = {"money": "#,##0.00", "money/unit": "#,##0.00", "unit": "#,##0.0##", "share": "0.0%"}
COVER_FORMAT = {
    "date": "yyyy-mm-dd",
    "demand_value": "#,##0.00",
    "served_value": "#,##0.00",
    "cover": "0.0%",
    "required": "0.0%",
    "shortfall": "#,##0.00",
}


def write_order(plan: Plan, path: str | Path) -> Path:
    """Write the order file in the format its name ends with (`.csv` or `.xlsx`); returns its path.

    The columns are those of `schemas.PLAN_LINES`; the Excel file has the summary with the cover per category and the
    unlisted candidates on further sheets. Missing folders are created. Raises `ConfigError` for another ending,
    `StorageError` when the file cannot be written; then nothing is.
    """
    target = Path(path)
    file_format = target.suffix.lower().removeprefix(".")
    if file_format not in FORMATS:
        raise ConfigError(f"{target}: an order file ends with .csv or .xlsx, not with “{target.suffix}”.")
    return write_whole(target, order_bytes(plan, file_format))


def order_name(store: str, day: date | str, file_format: FileFormat | str, run_id: str = "") -> str:
    """The order file's name: store, day and the start of the run's number; signs with a meaning in paths become “_”."""
    return "-".join(["order", name_in_paths(store), str(day), *([run_id[:8]] if run_id else [])]) + f".{file_format}"


def order_bytes(plan: Plan, file_format: FileFormat | str) -> bytes:
    """The content of the order file (`csv` or `xlsx`), as for a download; `ConfigError` for another format."""
    if file_format == "csv":
        return _csv(plan.lines)
    if file_format == "xlsx":
        return _xlsx(plan)
    raise ConfigError(f"Unknown order file format “{file_format}”: choose one of {', '.join(FORMATS)}.")


def _csv(lines: pd.DataFrame) -> bytes:
    """Excel takes a CSV file for UTF-8, and shows Chinese names, only when it starts with a byte order mark."""
    frame = _rounded(lines).assign(date=lines["date"].dt.strftime("%Y-%m-%d"))
    return frame.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")


def _rounded(lines: pd.DataFrame) -> pd.DataFrame:
    """The declared columns, numbers to the decimals of their unit."""
    decimals = {c.name: DECIMALS[c.unit] for c in PLAN_LINES.columns if c.kind == "number" and c.unit in DECIMALS}
    return lines[PLAN_LINES.names].round(decimals)


def _xlsx(plan: Plan) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.worksheets[0])
    _write_table(book, "Order", _rounded(plan.lines), _formats(PLAN_LINES.columns))
    _write_summary(book, plan)
    _write_table(book, "Not listed", plan.candidates[PLAN_CANDIDATES.names], _formats(PLAN_CANDIDATES.columns))
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _formats(columns: Iterable[Column]) -> dict[str, str]:
    return {c.name: "yyyy-mm-dd" if c.kind == "date" else NUMBER_FORMAT.get(c.unit, "General") for c in columns}


def _write_summary(book: Workbook, plan: Plan) -> None:
    sheet = book.create_sheet("Summary")
    sheet.append(["Figure", "Value"])
    for name, value in _figures(plan.summary):
        sheet.append([name, value])
    _style_header(sheet, row=1, columns=2)
    sheet.append([])
    start = sheet.max_row + 1
    _append_rows(sheet, plan.cover, COVER_FORMAT)
    _style_header(sheet, row=start, columns=len(plan.cover.columns))
    _fit_columns(sheet)


def _figures(summary: dict[str, Any]) -> list[tuple[str, Any]]:
    """The plain values of the summary, and a line per rule and note."""
    plain = [
        (k, round(v, FIGURE_DECIMALS) if isinstance(v, float) else v)
        for k, v in summary.items()
        if v is None or isinstance(v, (int, float, str, bool))
    ]
    lists = [
        (k, ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in summary[k])) for k in _plain_lists(summary)
    ]
    rules = [(f"rule {r.get('rule')}", _rule_text(r)) for r in summary.get("rules", [])]
    return plain + lists + rules


def _plain_lists(summary: dict[str, Any]) -> list[str]:
    return [k for k, v in summary.items() if isinstance(v, list) and not any(isinstance(e, (dict, list)) for e in v)]


def _rule_text(rule: dict[str, Any]) -> str:
    state = "binds" if rule.get("binding") else "does not bind"
    value, limit = (f"{v:g}" if isinstance(v, float) else v for v in (rule.get("value"), rule.get("limit")))
    return f"{value} of {limit}; {state}. {rule.get('note') or ''}".strip()


def _write_table(book: Workbook, title: str, frame: pd.DataFrame, formats: dict[str, str]) -> None:
    sheet = book.create_sheet(title)
    _append_rows(sheet, frame, formats)
    _style_header(sheet, row=1, columns=len(frame.columns))
    sheet.freeze_panes = "F2" if title == "Order" else "A2"
    sheet.auto_filter.ref = sheet.dimensions
    _fit_columns(sheet)


def _append_rows(sheet: Worksheet, frame: pd.DataFrame, formats: dict[str, str]) -> None:
    sheet.append(list(frame.columns))
    first = sheet.max_row + 1
    for row in frame.itertuples(index=False):
        sheet.append([v.to_pydatetime() if isinstance(v, pd.Timestamp) else v for v in row])
    for number, name in enumerate(frame.columns, start=1):
        for n in range(first, first + len(frame)):
            cell = sheet.cell(n, number)
            cell.number_format = formats.get(str(name), "General")
            if isinstance(cell.value, str):
                cell.data_type = "s"  # a name that starts with “=” is a name, not a formula


def _style_header(sheet: Worksheet, row: int, columns: int) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill

    for number in range(1, columns + 1):
        cell = sheet.cell(row, number)
        cell.font = Font(bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", start_color=HEADER_COLOUR)
        cell.alignment = Alignment(vertical="center", wrap_text=True)


def _fit_columns(sheet: Worksheet) -> None:
    from openpyxl.utils import get_column_letter

    for number, cells in enumerate(sheet.iter_cols(), start=1):
        widest = max(_shown_width(c.value) for c in cells)
        sheet.column_dimensions[get_column_letter(number)].width = min(widest + 2, WIDEST_COLUMN)


def _shown_width(value: Any) -> int:
    """Width in characters; a Chinese character is as wide as two others, a number is shown with few digits."""
    if value is None:
        return 0
    if not isinstance(value, str):
        return 10
    return sum(2 if ord(c) > 0x2E80 else 1 for c in value)
