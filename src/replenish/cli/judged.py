"""Leaderboard and review as tables and sentences for a terminal."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

PRINTED = ("wape", "wape_value", "bias", "rmsse", "mase", "nwrmsle", "pinball", "coverage_80", "width_80",
           "coverage_95", "width_95", "newsvendor", "cost_error", "cost_coverage_80")  # fmt: skip
BROKEN_DOWN = ("wape", "bias", "pinball", "coverage_80", "coverage_95")
MANY_SOLD_OUT = 0.05
REVIEWED = (
    "item",
    "unit",
    "planned order",
    "sold",
    "price",
    "charged",
    "expected profit",
    "realised between",
    "against band",
)


def leaderboard_table(board: pd.DataFrame, rows: pd.DataFrame, against: str, biases: Mapping[str, pd.Series]) -> Table:
    """The leaderboard over days on which the item sold: a line per metric, best model first, with its intervals.

    `against`: what was scored against; `biases`: bias per model by what it is held against, of which the other one is
    shown below that of the leaderboard.
    """
    origins = rows["origin"]
    title = (
        f"{origins.nunique()} origins from {origins.min():%Y-%m-%d} to {origins.max():%Y-%m-%d}, horizons "
        f"{rows['horizon'].min()}–{rows['horizon'].max()}, days on which the item sold, against {against}; "
        "95 % interval over origins"
    )
    models = board.to_dict("records")
    table = _table(title, ("", *(str(m["model"]) for m in models)))
    table.add_row("rows", *(f"{m['rows']:,}" for m in models))
    for name in PRINTED:
        table.add_row(name, *(_with_interval(m, name) for m in models))
        for other, bias in biases.items() if name == "bias" else ():
            if other != against:
                table.add_row(f"bias against {other}", *(f"{bias[m['model']]:.3f}" for m in models))
    return table


def stock_out_lines(rows: pd.DataFrame, against: str, sold_out: float) -> list[str]:
    """What stock-outs do to the scores, in a sentence; nothing where few of the days scored against sales sold out.

    `sold_out`: share of the days on which the item sold that sold out; NaN without any.
    """
    if against == "demand":
        if (rows["hidden"] > 0).any():
            return [
                "Demand is what sold and what stock-outs hid: itself an estimate, and one the forecasts learn from."
            ]
        return ["Nothing is known to be hidden by stock-outs: demand is what was sold."]
    if not sold_out >= MANY_SOLD_OUT:
        return []
    return [
        f"{sold_out:.0%} of these days sold out: sales are then less than the demand that is forecast, so that a right "
        "forecast looks too high; --against demand scores against what would have sold."
    ]


def breakdown_table(boards: Mapping[str, pd.DataFrame], groups: Mapping[str, pd.DataFrame]) -> Table:
    """Every model on sold, offered, sold-out and all days, then on sold days by group, a line each."""
    table = _table("The same by day and group", ("", "model", "rows", *BROKEN_DOWN))
    for days, board in boards.items():
        _add_models(table, f"{days} days", board)
    for name, board in groups.items():
        for value, part in board.groupby(name, sort=False, observed=True):
            _add_models(table, f"{name} {value}", part)
    return table


def _add_models(table: Table, what: str, board: pd.DataFrame) -> None:
    """One line for every model of the group; the group is named once."""
    from rich.markup import escape

    for k, row in enumerate(board.to_dict("records")):
        numbers = ("" if row[m] != row[m] else f"{row[m]:.3f}" for m in BROKEN_DOWN)
        table.add_row("" if k else escape(what), escape(str(row["model"])), f"{row['rows']:,}", *numbers)


def _with_interval(row: Mapping[Hashable, float], name: str) -> str:
    """Value and interval; nothing for a model without bands."""
    if row[name] != row[name]:
        return ""
    return f"{row[name]:.3f} ({row[f'{name}_low']:.3f}–{row[f'{name}_high']:.3f})"


def review_table(lines: pd.DataFrame) -> Table:
    """Planned beside realised, one row per line; items that were not planned last."""
    from rich.markup import escape

    table = _table("Planned and realised", REVIEWED)
    for row in lines.sort_values(["date", "order_quantity"], na_position="last").to_dict("records"):
        table.add_row(
            escape(str(row["item_name"])),
            str(row["unit"]),
            _number(row["order_quantity"]),
            _number(row["sold"]),
            _number(row["price"]),
            _number(row["price_charged"]),
            _number(row["expected_profit"]),
            f"{_number(row['profit_low'])} – {_number(row['profit_high'])}",
            str(row["band"] or row["status"]),
        )
    return table


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.2f}"


def review_lines(summary: dict[str, Any]) -> list[str]:
    """The review in sentences; what could not be told is left out."""
    lines = [_profit(summary), _counts(summary), _prices(summary), _forecast(summary["forecast"]), _losses(summary)]
    return [line for line in [*lines, *map(_override, summary["overrides"])] if line]


def _profit(s: dict[str, Any]) -> str:
    real, plan = s["realised"], s["plan"]
    return (
        f"Profit: expected {plan['expected_of_these_days']:,.0f}; realised between {real['profit_low']:,.0f} (the "
        f"order was bought, what was not sold is waste) and {real['profit_high']:,.0f} (nothing left over)"
    )


def _counts(s: dict[str, Any]) -> str:
    return "Lines: " + "; ".join(f"{count} {name}" for name, count in s["status"].items())


def _prices(s: dict[str, Any]) -> str:
    return f"Prices charged as planned: {s['price_as_planned']} of {s['price_charged_known']} that are known"


def _forecast(errors: dict[str, float | None]) -> str:
    if errors["bias"] is None:
        return ""
    return f"Forecast of what sold: bias {errors['bias']:+.1%}, WAPE {errors['wape']:.1%}, both by value"


def _losses(s: dict[str, Any]) -> str:
    seen = "counted" if s["unsold_counted"] else "if the order was bought"
    return (
        f"Unsold {s['unsold_value']:,.0f} at cost ({seen}), {s['expected_waste_value']:,.0f} expected as waste; lost "
        f"sales {s['lost_sales_value']:,.0f} on {s['sold_out']} sold-out lines"
    )


def _override(row: dict[str, Any]) -> str:
    who = " – ".join(part for part in (row["author"] or "nobody named", row["reason"]) if part)
    gain = "gain cannot be told" if row["gain"] is None else f"gain {row['gain']:+,.1f} on {row['judged']} of them"
    return f"Overrides of {who}: {row['lines']} lines, {gain}"


def _table(title: str, headings: tuple[str, ...]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 or heading == "unit" else "right")
    return table
