"""The plan printed on a terminal: lines, cover, rules, solver, and what the plan is worth."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd

from replenish.records import Plan
from replenish.units import quantity_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHORT_REASON = 130
ITEM_WIDTH = 36  # cells of the longest name printed: order and price keep their place on a terminal of 100 columns
LEAST_NAME = 8  # cells left of a name whose code is very long


def print_plan(plan: Plan, console: Console) -> None:
    """Print the plan: a table of lines per day, cover per category, rules, and the figures with their uncertainty."""
    for day, lines in plan.lines.groupby("date", sort=True):
        console.print(lines_table(lines, f"Plan for {plan.store}, {pd.Timestamp(str(day)):%A %Y-%m-%d}"))
    for table in (cover_table(plan.cover), rules_table(plan.summary)):
        if table.row_count:
            console.print(table)
    for line in [*figure_lines(plan.summary), *_notes(plan.summary)]:
        console.print(line, highlight=False, markup=False)


def lines_table(lines: pd.DataFrame, title: str) -> Table:
    """A table of plan lines, categories together: order, price (was), sales, waste, profit, sell-out, short reason."""
    table = _table(title, ("item", "order", "price (was)", "sales", "waste", "profit", "sells out"), ("why",))
    names = shown_names(lines)
    for category, group in lines.groupby("category", sort=False):
        table.add_section()
        total = f"{group['expected_profit'].sum():.1f}"
        table.add_row(f"[bold]{_fitting(str(category))}[/bold]", "", "", "", "", f"[bold]{total}[/bold]")
        for row in group.to_dict("records"):
            table.add_row(names[row["item_code"]], *_line_cells(row))
    return table


def shown_names(lines: pd.DataFrame) -> dict[str, str]:
    """item_code → name as printed (see `_fitting`): with the code where items share a name."""
    items = lines[["item_code", "item_name"]].drop_duplicates("item_code").astype(str)
    shared = items["item_name"].duplicated(keep=False)
    return {
        code: _fitting(name, f" ({code})" if twice else "")
        for code, name, twice in zip(items["item_code"], items["item_name"], shared, strict=True)
    }


def _fitting(name: str, suffix: str = "") -> str:
    """The name cut to `ITEM_WIDTH` cells with its suffix, which stays whole; signs of markup are shown as they are."""
    from rich.cells import cell_len, set_cell_size
    from rich.markup import escape

    room = max(ITEM_WIDTH - cell_len(suffix), LEAST_NAME)
    kept = name if cell_len(name) <= room else set_cell_size(name, room - 1).rstrip() + "…"
    return escape(kept + suffix)


def _line_cells(row: dict[Any, Any]) -> tuple[str, ...]:
    from rich.markup import escape

    return (
        quantity_text(row["order_quantity"], row["unit"]),
        price_text(row["price"], row["reference_price"]),
        f"{row['expected_sales']:.1f}",
        f"{row['expected_waste']:.1f}",
        f"{row['expected_profit']:.1f}",
        f"{row['sell_out_probability']:.0%}",
        escape(shorten(str(row["reason"]), SHORT_REASON)),
    )


def price_text(price: float, reference_price: float) -> str:
    """`5.20` when the price stays, `5.40 (5.20)` when it changes."""
    return f"{price:.2f}" if abs(price - reference_price) < 0.005 else f"{price:.2f} ({reference_price:.2f})"


def shorten(reason: str, length: int) -> str:
    """As many of the reason's first sentences as fit in `length` characters; a longer first one is cut at a word."""
    kept = ""
    for sentence in re.split(r"(?<=\.) ", reason):
        longer = f"{kept} {sentence}".lstrip()
        if len(longer) > length:
            break
        kept = longer
    return kept or reason[: length - 1].rsplit(" ", 1)[0].rstrip(",;:.") + "…"


def cover_table(cover: pd.DataFrame) -> Table:
    """Cover per day and category: share of the demand value that the plan serves, and what was asked for."""
    table = _table("Cover per category", ("date", "category", "demand value", "served", "cover", "asked", "short"))
    for row in cover.to_dict("records"):
        short = row["shortfall"] >= 0.05  # below, it would be shown as 0.0
        table.add_row(
            f"{row['date']:%Y-%m-%d}",
            _fitting(str(row["category"])),
            f"{row['demand_value']:.1f}",
            f"{row['served_value']:.1f}",
            f"{row['cover']:.0%}",
            f"{row['required']:.0%}",
            f"{row['shortfall']:.1f}" if short else "–",
            style="yellow" if short else None,
        )
    return table


def rules_table(summary: dict[str, Any]) -> Table:
    """Every rule with its limit, the plan's value, whether it binds, and what loosening it is worth."""
    from rich.markup import escape

    table = _table("Rules", ("rule", "limit", "value", "binds"), ("note",))
    for rule in summary.get("rules", []):
        table.add_row(
            escape(str(rule.get("rule", ""))),
            _plain(rule.get("limit")),
            _plain(rule.get("value")),
            "[bold]binds[/bold]" if rule.get("binding") else "no",
            escape(str(rule.get("note") or "")),
        )
    return table


def rule_values_table(values: pd.DataFrame) -> Table:
    """What one step of every rule is worth (see `planning.rule_values`), with what the proven bounds leave open."""
    return _steps_table("What one step of each rule is worth (day solved again)", "rule", values)


def line_values_table(values: pd.DataFrame) -> Table:
    """What other prices and orders of lines would cost (see `planning.line_values`), as in `rule_values_table`.

    The reasons of lines tell another thing, what a step does with all else kept, and say so.
    """
    title = "What other prices and orders would cost (day solved again: other lines, cover and prices follow)"
    return _steps_table(title, "decision", values)


def _steps_table(title: str, kind: str, values: pd.DataFrame) -> Table:
    """One row per step; `kind`: the column that says what is moved."""
    from rich.markup import escape

    table = _table(title, ("date", kind, "step", "change a day", "between"), ("verdict",))
    for row in values.to_dict("records"):
        known = row["verdict"] != "impossible"
        table.add_row(
            f"{row['date']:%Y-%m-%d}",
            escape(str(row[kind])),
            escape(f"{row['item_name']} {row['step']}".strip()),
            f"{row['change']:+.1f}" if known else "–",
            f"{row['low']:+.1f} and {row['high']:+.1f}" if known else "–",
            row["verdict"],
        )
    return table


def figure_lines(summary: dict[str, Any]) -> list[str]:
    """The plan's figures in sentences; a figure that the summary does not have is left out."""
    lines = [_listed(summary), _profit(summary), _baseline(summary.get("baseline")), _solver(summary)]
    return [line for line in lines if line]


def _listed(s: dict[str, Any]) -> str:
    parts = [
        f"{s['items_listed']} of {s['candidates']} candidates listed"
        if {"items_listed", "candidates"} <= s.keys()
        else "",
        f"order costs {s['order_cost']:,.0f}" if "order_cost" in s else "",
        f"revenue {s['revenue']:,.0f}" if "revenue" in s else "",
        f"waste {s['waste_value']:,.0f}" if "waste_value" in s else "",
        f"{s['on_top_rung']} on their top price" if s.get("on_top_rung") is not None else "",
    ]
    return "; ".join(p for p in parts if p)


def _profit(s: dict[str, Any]) -> str:
    parts = [
        f"promised {s['promised']:,.0f} (the optimiser's scenarios)" if _has(s, "promised") else "",
        f"expected {s['expected']:,.0f}{_plus_minus(s.get('expected_se'))} (fresh scenarios)"
        if _has(s, "expected")
        else "",
        f"8 days of 10 between {s['range_80'][0]:,.0f} and {s['range_80'][1]:,.0f}" if _has(s, "range_80") else "",
        f"{s['shop_definition']:,.0f} as the shop counts it (unsold stock not seen)"
        if _has(s, "shop_definition")
        else "",
    ]
    told = "; ".join(p for p in parts if p)
    return f"Profit: {told}" if told else ""


def _baseline(baseline: dict[str, Any] | None) -> str:
    if not baseline:
        return ""
    low, high = baseline["gain_interval"]
    verdict = "" if low > 0 or high < 0 else "; it cannot be told from zero"
    return (
        f"Against {baseline['name']} ({baseline['expected']:,.0f}): gain {baseline['gain']:,.0f}"
        f"{_plus_minus(baseline.get('gain_se'))}, between {low:,.0f} and {high:,.0f}{verdict}"
        f"{_split(baseline)}"
    )


def _split(baseline: dict[str, Any]) -> str:
    """What of the gain comes from which decision."""
    parts, errors = baseline.get("split", {}), baseline.get("split_se", {})
    told = ", ".join(f"{name} {value:+,.0f}{_plus_minus(errors.get(name))}" for name, value in parts.items())
    return f"; of it {told}" if told else ""


def _solver(s: dict[str, Any]) -> str:
    parts = [
        str(s.get("solver") or ""),
        str(s.get("status") or ""),
        f"gap {s['gap']:.2%}" if _has(s, "gap") else "",
        f"{s['solve_seconds']:.1f} s" if _has(s, "solve_seconds") else "",
    ]
    told = ", ".join(p for p in parts if p)
    return f"Solver: {told}" if told else ""


def _notes(summary: dict[str, Any]) -> list[str]:
    return [f"Note: {note}" for note in summary.get("notes", [])]


def _has(summary: dict[str, Any], name: str) -> bool:
    return summary.get(name) is not None


def _plus_minus(se: float | None) -> str:
    return "" if se is None else f" ± {se:,.0f}"


def _plain(value: Any) -> str:
    return "–" if value is None else f"{round(value, 3) + 0.0:g}" if isinstance(value, float) else str(value)


def _table(title: str, columns: tuple[str, ...], wide: tuple[str, ...] = ()) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for n, name in enumerate(columns):
        words = n == 0 or name in ("category", "binds")
        table.add_column(name, justify="left" if words else "right", no_wrap=True)
    for name in wide:
        table.add_column(name, ratio=1)
    return table
