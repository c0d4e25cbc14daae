"""Figures show the tables' values, name their units and keep Chinese names as they are."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from replenish import plots
from tests.factories import make_plan

PLAN = make_plan()
ITEM = PLAN.lines.iloc[0]


@pytest.fixture
def history() -> pd.DataFrame:
    dates = pd.date_range("2023-04-01", "2023-06-30")
    sold = np.arange(len(dates), dtype=float)
    return pd.DataFrame({"date": dates, "sold": sold, "demand": sold + 1})


def trace(figure: object, name: str) -> object:
    return {t.name: t for t in figure.data}[name]  # type: ignore[attr-defined]


def titles(figure: object) -> tuple[str, str, str]:
    layout = figure.layout  # type: ignore[attr-defined]
    return layout.title.text, layout.xaxis.title.text, layout.yaxis.title.text


def test_overview_adds_up_categories() -> None:
    figure = plots.plan_overview(PLAN.lines)
    profit = trace(figure, "profit")
    expected = PLAN.lines.groupby("category")["expected_profit"].sum()
    assert dict(zip(profit.y, profit.x, strict=True)) == pytest.approx(expected.to_dict())
    assert titles(figure) == ("Expected profit and sales per category", "RMB in the planned days", None)


def test_cover_stands_out_where_it_falls_short() -> None:
    cover = PLAN.cover.assign(required=0.75)
    cover.loc[0, "served_value"] = 0.5 * cover.loc[0, "demand_value"]
    served = trace(plots.cover_chart(cover), "served")
    colours = dict(zip(served.y, served.marker.color, strict=True))
    assert colours.pop(cover.loc[0, "category"]) == plots.SHORT
    assert set(colours.values()) == {plots.PLAN}


def test_cover_of_a_week_is_its_total() -> None:
    served = trace(plots.cover_chart(make_plan(days=7).cover), "served")
    assert len(served.x) == 6


def test_fan_shows_the_last_days_and_the_bands_of_the_planned_day(history: pd.DataFrame) -> None:
    forecast = PLAN.forecast[PLAN.forecast["item_code"] == ITEM["item_code"]]
    figure = plots.demand_fan(history, forecast, days=28)
    band = trace(figure, "9 days of 10")
    assert len(trace(figure, "sold").x) == 28
    assert trace(figure, "demand at the price of the day").y[-1] == history["demand"].iloc[-1]
    assert band.base[0] == forecast["q05"].iloc[0]
    assert band.base[0] + band.y[0] == pytest.approx(forecast["q95"].iloc[0])
    assert titles(figure) == ("Demand for 上海青", None, "kg a day")


def test_price_curve_marks_the_chosen_price() -> None:
    curve = PLAN.price_curve[PLAN.price_curve["item_code"] == ITEM["item_code"]]
    figure = plots.price_curve_chart(curve, ITEM["item_name"], ITEM["unit"])
    assert list(trace(figure, "chosen").x) == curve.loc[curve["chosen"], "price"].tolist()
    assert titles(figure) == ("Price curve of 上海青", "shelf price, RMB/kg", "profit, RMB a day")
    assert figure.layout.yaxis2.title.text == "demand, kg a day"


def test_a_price_curve_without_a_choice_has_no_mark() -> None:
    curve = PLAN.price_curve[PLAN.price_curve["item_code"] == ITEM["item_code"]].assign(chosen=False)
    figure = plots.price_curve_chart(curve, ITEM["item_name"], ITEM["unit"])
    assert "chosen" not in {t.name for t in figure.data}


def test_sell_out_shows_every_item_once() -> None:
    figure = plots.sell_out_chart(PLAN.lines, usual=0.3)
    assert sorted(figure.data[0].y) == sorted(PLAN.lines["item_name"])
    assert set(figure.data[0].marker.color) == {plots.PLAN, plots.SHORT}


def test_comparison_tells_the_gain_with_its_interval() -> None:
    figure = plots.compare_chart(PLAN.summary)
    assert [t.y[0] for t in figure.data] == ["promised", "expected", "cost-plus"]
    assert figure.layout.title.text.startswith("Gain over cost-plus: 326 (234 to 417)")


def test_comparison_calls_a_gain_that_may_be_zero_so() -> None:
    baseline = {"name": "cost-plus", "expected": 400.0, "gain": 12.0, "gain_interval": [-3.0, 27.0]}
    assert "not told from zero" in plots.compare_chart({"baseline": baseline}).layout.title.text


def test_comparison_leaves_out_what_is_not_there() -> None:
    assert len(plots.compare_chart({}).data) == 0


def test_chinese_names_are_written_and_have_a_font() -> None:
    body = json.loads(plots.sell_out_chart(PLAN.lines).to_json())
    assert "上海青" in body["data"][0]["y"]
    assert "Noto Sans CJK SC" in body["layout"]["font"]["family"]


def test_policy_frontier_puts_every_policy_at_its_profit_waste_fill_and_prices() -> None:
    summary = pd.DataFrame({
        "world": ["calm", "all", "all"], "policy": ["practice", "practice", "replenish"], "profit": [1.0, 400.0, 700.0],
        "waste": [0.0, 0.18, 0.08], "fill": [0.0, 0.91, 0.86], "price_index": [0.0, 1.0, 0.99]})  # fmt: skip
    waste, fill, prices = plots.policy_frontier_chart(summary).data
    assert list(waste.x) == [0.18, 0.08]
    assert list(fill.x) == [0.91, 0.86]
    assert list(prices.x) == [1.0, 0.99]
    assert list(waste.y) == list(fill.y) == [400.0, 700.0]
    assert list(waste.text) == ["practice", "replenish"]
    dearer = summary.iloc[[2]].assign(policy="replenish+5%", profit=740.0, price_index=1.04)
    _, line, *_ = plots.policy_frontier_chart(pd.concat([dearer, summary])).data
    assert list(line.y) == [700.0, 740.0], "κ = 0 first, then 5 %"


def test_gains_are_split_and_weeks_follow_each_other() -> None:
    split = pd.DataFrame({"policy": ["replenish"], "price": [-23.0], "assortment": [33.0], "order": [163.0]})
    assert [bar.x[0] for bar in plots.gain_split_chart(split).data] == [-23.0, 33.0, 163.0]
    weeks = pd.DataFrame({
        "world": ["drift"] * 2 + ["new-year"], "policy": "replenish", "week": [0, 1, 0], "profit": [500.0, 300.0, 90.0],
    })  # fmt: skip
    drift, new_year = plots.recovery_chart(weeks).data
    assert (list(drift.y), drift.name) == ([500.0, 300.0], "replenish, drift")
    assert new_year.name == "replenish, new-year"
    assert plots.recovery_chart(weeks.iloc[:2]).data[0].name == "replenish"


def test_values_of_data_are_ranked_with_their_intervals() -> None:
    values = pd.DataFrame({
        "world": ["all", "all", "all", "calm"], "strength": ["weak", "weak", "strong", "weak"],
        "kind": ["rivals", "weather", "weather", "weather"], "gain": [5.0, 10.0, 30.0, 7.0],
        "gain_high": [9.0, 12.0, np.nan, 8.0]})  # fmt: skip
    weak, strong = plots.data_value_chart(values).data
    assert (list(weak.y), list(weak.x)) == (["rivals", "weather"], [5.0, 10.0])
    assert list(weak.error_x.array) == [4.0, 2.0]
    assert strong.x[1] == 30.0
    assert strong.error_x.array[1] == 0.0, "one season has no interval"


def test_price_response_shows_both_estimates_and_what_is_used() -> None:
    table = pd.DataFrame({
        "category": ["花叶类", "辣椒类"], "least_squares": [-0.9, -0.5],
        "instrumental": [-1.0, -0.4], "low": [-1.2, -0.9],
        "elasticity": [-0.95, -0.6], "used_low": [-1.1, -0.8],
    })  # fmt: skip
    figure = plots.price_response_chart(table)
    used = trace(figure, "used")
    assert dict(zip(used.y, used.x, strict=True)) == {"花叶类": -0.95, "辣椒类": -0.6}
    assert list(trace(figure, "instrumental").error_x.array) == pytest.approx([0.5, 0.2])


def test_calibration_has_the_diagonal_and_a_line_per_group() -> None:
    table = pd.DataFrame({"volume": ["low", "low", "high", "high"], "quantile": [0.1, 0.9] * 2,
                          "share": [0.2, 0.95, 0.1, 0.9]})  # fmt: skip
    figure = plots.calibration_chart(table, "volume")
    assert [t.name for t in figure.data] == ["ideal", "low", "high"]
    assert list(trace(figure, "low").y) == [0.2, 0.95]
    many = pd.concat([table.assign(volume=f"third {k}") for k in range(25)])
    assert len(plots.calibration_chart(many, "volume").data) == 26, "no line is lost for want of a colour"


def test_reasons_show_the_strongest_features_first() -> None:
    reasons = pd.DataFrame({"feature": ["weekday", "mean_3", "price", "usual"], "value": [5.0, 1.2, 0.7, np.nan],
                            "factor": [1.1, 0.8, 1.01, 3.0]})  # fmt: skip
    (bars,) = plots.reasons_chart(reasons, "上海青", most=2).data
    assert list(bars.y) == ["weekday", "mean_3"], "plotly draws the last one on top"
    assert list(bars.x) == pytest.approx([0.1, -0.2])
