"""Figures (plotly): the plan, its cover and risks, the demand of an item, its price curve, and what guardrails cost.

Every function takes tables as the library makes them and returns a `plotly.graph_objects.Figure`. Colours mean the same
everywhere: green is the plan, blue is demand, grey is the past or what is compared, orange is what falls short.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import plotly.graph_objects as go

PLAN = "#1B6E53"
DEMAND = "#2C6FBB"
PAST = "#8A8F98"
SHORT = "#D9772B"
LINES = (DEMAND, PLAN, SHORT, "#7A4FA3", PAST, "#B23A48", "#0E7C86", "#A88400", "#4A7C2C", "#5B5B8C")
BAND = "rgba(44, 111, 187, 0.16)"
BAND_INNER = "rgba(44, 111, 187, 0.30)"
FONT = "Inter, 'Helvetica Neue', Arial, 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
HISTORY_DAYS = 56
BAR_WIDTH_MS = 0.8 * 24 * 3600 * 1000


def plan_overview(lines: pd.DataFrame, currency: str = "RMB") -> go.Figure:
    """Expected profit and full-price sales value per category, from `plan.lines`; longest bar on top."""
    import plotly.graph_objects as go

    value = lines.assign(sales_value=lines["price"] * lines["expected_sales"])
    totals = value.groupby("category")[["expected_profit", "sales_value"]].sum().sort_values("expected_profit")
    figure = go.Figure(
        [
            _bars(totals.index, totals["sales_value"], "sales at full price", PAST, currency),
            _bars(totals.index, totals["expected_profit"], "profit", PLAN, currency),
        ]
    )
    return _styled(figure, "Expected profit and sales per category", f"{currency} in the planned days", "")


def cover_chart(cover: pd.DataFrame) -> go.Figure:
    """Share of each category's demand value that the plan serves, from `plan.cover`, with the share asked for."""
    import plotly.graph_objects as go

    total = cover.groupby("category")[["demand_value", "served_value"]].sum()
    share = (total["served_value"] / total["demand_value"]).sort_values()
    required = cover.groupby("category")["required"].max().reindex(share.index)
    colours = [SHORT if s < r - 0.0005 else PLAN for s, r in zip(share, required, strict=True)]
    figure = go.Figure(
        [
            go.Bar(
                x=share,
                y=share.index,
                orientation="h",
                marker_color=colours,
                name="served",
                text=[f"{s:.0%}" for s in share],
                textposition="inside",
                insidetextanchor="start",
                hovertemplate="%{y}: %{x:.1%} served<extra></extra>",
            ),
            go.Scatter(
                x=required,
                y=share.index,
                mode="markers",
                name="asked for",
                marker={"symbol": "line-ns", "size": 22, "line": {"width": 3, "color": "#30343B"}},
                hovertemplate="%{y}: %{x:.0%} asked for<extra></extra>",
            ),
        ]
    )
    figure.update_xaxes(tickformat=".0%", range=[0, max(1.0, float(share.max()))])
    return _styled(figure, "Cover per category", "share of the demand value served at full price", "")


def demand_fan(history: pd.DataFrame, forecast: pd.DataFrame, days: int = HISTORY_DAYS) -> go.Figure:
    """Past sales and demand of one item beside the forecast of its planned days with its bands.

    `history`: rows of `DemandHistory.panel` of the item (date, sold, demand), the last `days` are drawn; `forecast`:
    its rows of `plan.forecast` (date, item_name, unit, mean, q05, q10, q25, q50, q75, q90, q95) at the reference price.
    """
    import plotly.graph_objects as go

    unit = str(forecast["unit"].iloc[0])
    past = history.sort_values("date").tail(days)
    figure = go.Figure(
        [
            go.Bar(x=past["date"], y=past["sold"], name="sold", marker_color="#C9CDD3", hovertemplate=_at_date(unit)),
            go.Scatter(
                x=past["date"],
                y=past["demand"],
                name="demand at the price of the day",
                mode="lines",
                line={"color": DEMAND, "width": 1.6},
                hovertemplate=_at_date(unit),
            ),
            *_fan(forecast, unit),
        ]
    )
    figure.update_layout(barmode="overlay")
    figure.update_yaxes(rangemode="tozero")
    return _styled(figure, f"Demand for {forecast['item_name'].iloc[0]}", "", f"{unit} a day")


def _fan(forecast: pd.DataFrame, unit: str) -> list[Any]:
    """Nested bars per planned day (bands of 90 %, 50 %) and a mark at the mean: a fan that also shows a single day."""
    import plotly.graph_objects as go

    bands = (("q05", "q95", "9 days of 10", BAND), ("q25", "q75", "every second day", BAND_INNER))
    marks: list[Any] = [
        go.Bar(
            x=forecast["date"],
            y=forecast[high] - forecast[low],
            base=forecast[low],
            width=BAR_WIDTH_MS,
            name=name,
            marker={"color": colour, "line": {"color": DEMAND, "width": 1}},
            customdata=forecast[[low, high]],
            hovertemplate=f"{name}: %{{customdata[0]:.1f}}–%{{customdata[1]:.1f}} {unit}<extra></extra>",
        )
        for low, high, name, colour in bands
    ]
    mean = go.Scatter(
        x=forecast["date"],
        y=forecast["mean"],
        name="forecast mean",
        mode="markers",
        marker={"color": DEMAND, "size": 9, "symbol": "diamond"},
        hovertemplate=_at_date(unit),
    )
    return [*marks, mean]


def price_curve_chart(curve: pd.DataFrame, item_name: str, unit: str, currency: str = "RMB") -> go.Figure:
    """Expected profit and demand of one item and day at every shelf price considered; the chosen price is marked.

    `curve`: its rows of `plan.price_curve` (price, expected_profit, expected_demand, order_quantity, chosen).
    """
    import plotly.graph_objects as go

    rows = curve.sort_values("price")
    figure = go.Figure(
        [
            _price_line(rows, "expected_profit", "profit", PLAN, currency),
            _price_line(rows, "expected_demand", "demand", DEMAND, unit, axis="y2"),
        ]
    )
    chosen = rows[rows["chosen"]]
    if len(chosen):
        figure.add_trace(
            go.Scatter(
                x=chosen["price"],
                y=chosen["expected_profit"],
                mode="markers",
                name="chosen",
                marker={"size": 15, "color": "rgba(0,0,0,0)", "line": {"width": 3, "color": SHORT}},
                hovertemplate="chosen: %{x:.2f}<extra></extra>",
            )
        )
    styled = _styled(
        figure, f"Price curve of {item_name}", f"shelf price, {currency}/{unit}", f"profit, {currency} a day"
    )
    return styled.update_layout(
        yaxis2={
            "title": f"demand, {unit} a day",
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "nticks": 6,
            "tickformat": ".3~g",
        }
    )


def _price_line(rows: pd.DataFrame, column: str, name: str, colour: str, unit: str, axis: str = "y") -> go.Scatter:
    import plotly.graph_objects as go

    return go.Scatter(
        x=rows["price"],
        y=rows[column],
        name=name,
        yaxis=axis,
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": "solid" if axis == "y" else "dot"},
        customdata=rows["order_quantity"],
        hovertemplate=f"%{{x:.2f}}: %{{y:.1f}} {unit}, best order %{{customdata:g}}<extra>{name}</extra>",
    )


def price_response_chart(table: pd.DataFrame) -> go.Figure:
    """Elasticity per category from `response_table`: least squares, instrumental with interval, and what is used."""
    import plotly.graph_objects as go

    rows = table.sort_values("elasticity", ascending=False)
    figure = go.Figure()
    points = (
        ("least squares", "least_squares", PAST, "x", None),
        ("instrumental", "instrumental", DEMAND, "circle", "low"),
        ("used", "elasticity", PLAN, "diamond", "used_low"),
    )
    for name, column, colour, symbol, low in points:
        figure.add_trace(go.Scatter(
            x=rows[column], y=rows["category"], mode="markers", name=name,
            marker={"size": 11, "color": colour, "symbol": symbol},
            error_x={"array": rows[column] - rows[low], "color": colour, "thickness": 2} if low else None,
            hovertemplate="%{y}: %{x:.2f}<extra>" + name + "</extra>",
        ))  # fmt: skip
    figure.update_layout(height=90 + 46 * len(rows), scattermode="group")
    figure.add_vline(x=0, line_width=1, line_color=PAST)
    return _styled(figure, "How demand answers to price", "% of demand for 1 % of price", "")


def sell_out_chart(lines: pd.DataFrame, usual: float = 0.5) -> go.Figure:
    """Chance that each listed item sells out, from `plan.lines`; items above `usual` stand out."""
    import plotly.graph_objects as go

    rows = lines.sort_values("sell_out_probability")
    figure = go.Figure(
        go.Bar(
            x=rows["sell_out_probability"],
            y=rows["item_name"],
            orientation="h",
            marker_color=[SHORT if p > usual else PLAN for p in rows["sell_out_probability"]],
            hovertemplate="%{y}: %{x:.0%}<extra></extra>",
        )
    )
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    figure.update_layout(height=120 + 18 * len(rows), showlegend=False)
    return _styled(figure, "Chance of selling out", "share of days on which full-price demand exceeds the stock", "")


def calibration_chart(table: pd.DataFrame, by: str) -> go.Figure:
    """How often sales lay at or below each quantile, a line per value of `by`, from `evaluate.metrics.calibration`."""
    import plotly.graph_objects as go

    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", name="ideal", line={"color": PAST, "dash": "dot"}))
    for (value, rows), colour in zip(table.groupby(by, sort=False, observed=True), cycle(LINES), strict=False):
        line = {"color": colour}
        figure.add_scatter(x=rows["quantile"], y=rows["share"], mode="lines+markers", name=str(value), line=line)
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    figure.update_yaxes(tickformat=".0%", range=[0, 1])
    return _styled(figure, "Calibration", "quantile of the forecast", "share of days at or below it")


def reasons_chart(reasons: pd.DataFrame, item_name: str, most: int = 10) -> go.Figure:
    """What the strongest features multiply an item's forecast by, from `forecast_reasons` of that item."""
    import plotly.graph_objects as go

    rows = reasons[reasons["feature"] != "usual"]
    strongest = rows.assign(size=np.log(rows["factor"]).abs()).nlargest(most, "size").iloc[::-1]
    figure = go.Figure(go.Bar(
        x=strongest["factor"] - 1, y=strongest["feature"], orientation="h",
        text=[f"{v:.3g}" for v in strongest["value"]],
        marker_color=[DEMAND if f > 1 else SHORT for f in strongest["factor"]],
    ))  # fmt: skip
    figure.update_xaxes(tickformat="+.0%")
    return _styled(figure, f"{item_name}: what moves the forecast", "change of the forecast; labels: the feature", "")


FRONTIER_AXES = {
    "waste": "thrown away, share of spending",
    "fill": "demand served",
    "price_index": "price index, practice’s = 1",
}
FRONTIERS = (
    ("replenish", "replenish+2%", "replenish+5%"),
    ("replenish-lean", "replenish-default", "replenish", "replenish-generous"),
    ("practice-tuned", "practice", "practice-full"),
)
"""Policies that differ in one thing only: how far prices may rise, what a lost sale costs, the shop's safety."""


def policy_frontier_chart(summary: pd.DataFrame, currency: str = "RMB") -> go.Figure:
    """Profit against waste, demand served and price index, one point per policy over all worlds.

    `summary`: from `Comparison.summary`. Lines join policies that differ in one thing only (see `FRONTIERS`).
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    rows = summary[summary["world"] == "all"]
    colours = [PLAN if str(p).startswith("replenish") else PAST for p in rows["policy"]]
    figure = make_subplots(rows=1, cols=len(FRONTIER_AXES), shared_yaxes=True)
    for k, column in enumerate(FRONTIER_AXES, start=1):
        points = go.Scatter(
            x=rows[column], y=rows["profit"], text=rows["policy"], name=column, mode="markers+text",
            textposition="top center", marker={"size": 10, "color": colours}, showlegend=False, cliponaxis=False,
        )  # fmt: skip
        figure.add_trace(points, row=1, col=k)
        for line in _frontier_lines(rows, column):
            figure.add_trace(line, row=1, col=k)
    _styled(figure, "Profit against waste, demand served and prices", "", "")
    for k, (column, title) in enumerate(FRONTIER_AXES.items(), start=1):
        figure.update_xaxes(title=title, tickformat=".2f" if column == "price_index" else ".0%", row=1, col=k)
    figure.update_yaxes(title=f"profit, {currency} a day", row=1, col=1)
    return figure


def _frontier_lines(rows: pd.DataFrame, column: str) -> list[go.Scatter]:
    """Dotted lines through the frontiers of which at least two policies are there."""
    import plotly.graph_objects as go

    by_policy = rows.set_index("policy")
    lines = []
    for names in FRONTIERS:
        there = [name for name in names if name in by_policy.index]
        if len(there) > 1:
            path = by_policy.loc[there]
            colour = PLAN if there[0].startswith("replenish") else PAST
            style = {"color": colour, "dash": "dot", "width": 1}
            lines.append(
                go.Scatter(
                    x=path[column], y=path["profit"], mode="lines", line=style, hoverinfo="skip", showlegend=False
                )
            )
    return lines


def gain_split_chart(split: pd.DataFrame, currency: str = "RMB") -> go.Figure:
    """What price, assortment and order each add to a policy's profit over practice, from `Comparison.split`."""
    import plotly.graph_objects as go

    figure = go.Figure([
        _bars(pd.Index(split["policy"]), split[part], part, colour, currency)
        for part, colour in (("price", DEMAND), ("assortment", SHORT), ("order", PLAN))
    ])  # fmt: skip
    figure.update_layout(barmode="relative")
    return _styled(figure, "Where the gain over practice comes from", f"{currency} a day", "")


def recovery_chart(recovery: pd.DataFrame, currency: str = "RMB") -> go.Figure:
    """Profit in the week before a world's event and in the weeks from it on, from `Comparison.recovery`."""
    import plotly.graph_objects as go

    several = len(recovery["world"].unique()) > 1
    figure = go.Figure()
    for colour, ((world, policy), rows) in zip(
        cycle(LINES), recovery.groupby(["world", "policy"], sort=False), strict=False
    ):
        name = f"{policy}, {world}" if several else str(policy)
        style = {"color": colour}
        figure.add_trace(go.Scatter(x=rows["week"], y=rows["profit"], name=name, mode="lines+markers", line=style))
    figure.add_vline(x=0.5, line_dash="dot", line_color=PAST)
    figure.update_xaxes(dtick=1)
    return _styled(figure, "Before and after the event", "week (0: before the event)", f"profit, {currency} a day")


def data_value_chart(values: pd.DataFrame, currency: str = "RMB") -> go.Figure:
    """What each kind of data adds to a day's profit over all worlds, with 95 % intervals, one colour per strength.

    `values`: from `DataValues.values`.
    """
    import plotly.graph_objects as go

    rows = values[values["world"] == "all"]
    ranked = rows.groupby("kind")["gain"].mean().sort_values().index
    colours = dict(zip(rows["strength"].unique(), (PAST, DEMAND, PLAN), strict=False))
    figure = go.Figure()
    for strength, part in rows.groupby("strength", sort=False):
        shown = part.set_index("kind").reindex(ranked)
        figure.add_trace(go.Bar(
            x=shown["gain"], y=list(ranked), orientation="h", name=str(strength), marker_color=colours[strength],
            error_x={"array": (shown["gain_high"] - shown["gain"]).fillna(0.0), "color": "#333333"},
        ))  # fmt: skip
    figure.add_vline(x=0, line_color="#333333", line_width=1)
    return _styled(figure, "What further data are worth, with 95 % intervals", f"profit added, {currency} a day", "")


def compare_chart(summary: dict[str, Any], currency: str = "RMB") -> go.Figure:
    """Promised and expected profit of the plan beside the baseline (cost-plus), from `plan.summary`.

    The expected profit carries ± 2 standard errors; the thin grey bar is the range of 8 days of 10. The gain over the
    baseline, judged on the same scenarios, stands in the title with its interval. What the summary lacks is left out.
    """
    import plotly.graph_objects as go

    baseline = summary.get("baseline") or {}
    points = [
        ("promised", summary.get("promised"), None, PAST),
        ("expected", summary.get("expected"), summary.get("expected_se"), PLAN),
        (str(baseline.get("name", "")), baseline.get("expected"), baseline.get("expected_se"), SHORT),
    ]
    figure = go.Figure()
    for name, value, se, colour in points:
        if value is not None:
            figure.add_trace(_point(name, float(value), se, colour, currency))
    if summary.get("range_80") is not None:
        low, high = summary["range_80"]
        figure.add_shape(type="line", x0=low, x1=high, y0="expected", y1="expected", line={"color": PAST, "width": 1.5})
    figure.update_layout(showlegend=False, height=280)
    rows = len({trace.y[0] for trace in figure.data})
    figure.update_yaxes(range=[rows - 0.5, -0.8])  # the first on top, with room for its figure
    return _styled(figure, _gain_text(baseline), f"profit, {currency} in the planned days", "")


def _point(name: str, value: float, se: float | None, colour: str, currency: str) -> go.Scatter:
    import plotly.graph_objects as go

    return go.Scatter(
        x=[value],
        y=[name],
        mode="markers+text",
        text=[f"{value:,.0f}"],
        textposition="top center",
        marker={"size": 13, "color": colour},
        error_x={"array": [2 * se], "thickness": 4, "width": 0, "color": colour} if se else None,
        hovertemplate=f"{name}: %{{x:,.1f}} {currency}<extra></extra>",
    )


def _gain_text(baseline: dict[str, Any]) -> str:
    if not baseline:
        return "Profit of the plan"
    low, high = baseline["gain_interval"]
    verdict = "" if low > 0 or high < 0 else ", not told from zero"
    return f"Gain over {baseline['name']}: {baseline['gain']:,.0f} ({low:,.0f} to {high:,.0f}{verdict})"


def _bars(names: pd.Index, values: pd.Series, name: str, colour: str, currency: str) -> go.Bar:
    import plotly.graph_objects as go

    return go.Bar(
        x=values,
        y=names,
        orientation="h",
        name=name,
        marker_color=colour,
        hovertemplate=f"%{{y}}: %{{x:,.1f}} {currency}<extra>{name}</extra>",
    )


def _at_date(unit: str) -> str:
    return f"%{{x|%a %Y-%m-%d}}: %{{y:.1f}} {unit}"


def _styled(figure: go.Figure, title: str, x_title: str, y_title: str) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 15}, "x": 0, "xanchor": "left"},
        font={"family": FONT, "size": 13},
        template="plotly_white",
        margin={"l": 8, "r": 8, "t": 44, "b": 8},
        legend={"orientation": "h", "yanchor": "top", "y": -0.2, "x": 0},
        bargap=0.25,
        hoverlabel={"font": {"family": FONT}},
    )
    figure.update_xaxes(title=x_title or None, automargin=True)
    figure.update_yaxes(title=y_title or None, automargin=True)
    return figure
