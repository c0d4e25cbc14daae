"""Blend, reconciliation, launches and costs, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from replenish.forecast.blend import blend_weights, combine
from replenish.forecast.coldstart import (
    LAUNCH,
    RETURN,
    SETTLED,
    cold_start,
    fit_curve,
    launch_money,
    on_curve,
    starts,
)
from replenish.forecast.costs import forecast_costs
from replenish.forecast.features import PanelMatrix
from replenish.forecast.hierarchy import reconciled
from replenish.forecast.intervals import QUANTILE_NAMES
from replenish.records import DemandForecast
from tests.forecast.shop import matrix, noisy_demand

GROUPS = np.array(["leafy", "leafy", "roots"])


def test_the_better_member_gets_the_weight():
    """Leafy items: the second member is exact; the roots' best is the third. All groups together prefer the second."""
    actual = np.array([[4.0, 6.0, 9.0], [5.0, 5.0, 8.0]])
    members = {
        "smoothing": actual + 30,
        "theta": np.where(GROUPS == "leafy", actual, actual + 2),
        "boosting": np.where(GROUPS == "leafy", actual + 4, actual),
    }
    weights = blend_weights(actual, np.ones_like(actual), members, GROUPS)
    most = 2 / 3 + 1 / 3 / 3
    assert weights.loc["leafy", "theta"] == pytest.approx(most), "a third is shared alike"
    assert weights.loc["roots", "theta"] == pytest.approx(most), "2·2 lost by the group, 4·4 saved by all"
    apart = blend_weights(actual, np.where(GROUPS == "leafy", 0.1, 1.0) * np.ones_like(actual), members, GROUPS)
    assert apart.loc["roots", "boosting"] == pytest.approx(most)
    np.testing.assert_allclose(weights.sum(axis=1), 1)


def test_a_mixture_is_found_in_steps_of_a_tenth():
    actual = np.full((2, 3), 7.0)
    members = {"smoothing": np.full((2, 3), 10.0), "boosting": np.zeros((2, 3))}
    weights = blend_weights(actual, np.ones_like(actual), members, GROUPS)
    assert weights.to_numpy() == pytest.approx(np.array([[0.7, 0.3]] * 2) * 2 / 3 + 1 / 6)


def test_a_member_for_one_group_has_no_weight_in_the_others():
    """The second member is exact everywhere, but only the roots' own: leafy items take the first alone."""
    actual = np.full((2, 3), 7.0)
    weights = blend_weights(
        actual, np.ones_like(actual), {"smoothing": actual + 1, "tsb": actual}, GROUPS, only={"tsb": "roots"}
    )
    assert weights.loc["leafy"].to_list() == pytest.approx([1, 0])
    assert weights.loc["roots"].to_list() == pytest.approx([1 / 6, 5 / 6])


def test_days_that_do_not_teach_do_not_decide_the_blend():
    actual = np.array([[4.0] * 3, [4.0] * 3])
    members = {"smoothing": np.array([[4.0] * 3, [99.0] * 3]), "boosting": np.array([[5.0] * 3, [4.0] * 3])}
    weights = blend_weights(actual, np.array([[1.0] * 3, [0.0] * 3]), members, GROUPS)
    assert weights["smoothing"].to_list() == pytest.approx([2 / 3 + 1 / 6] * 2)


def test_a_missing_member_leaves_its_share_to_the_others():
    members = {"smoothing": np.array([2.0, np.nan, 4.0, np.nan]), "boosting": np.array([4.0, 5.0, np.nan, np.nan])}
    half = pd.DataFrame(0.5, index=range(4), columns=["smoothing", "boosting"])
    np.testing.assert_allclose(combine(members, half), [3, 5, 4, np.nan])
    alone = half.assign(smoothing=0.0, boosting=1.0)
    np.testing.assert_allclose(combine(members, alone), [4, 5, 4, np.nan])
    one = blend_weights(np.ones((2, 3)), np.ones((2, 3)), {"smoothing": np.ones((2, 3))}, GROUPS)
    assert one["smoothing"].tolist() == [1, 1]


def test_a_member_that_is_nowhere_has_no_weight_and_takes_none_from_the_others():
    actual = np.full((4, 3), 4.0)
    members = {"smoothing": actual, "boosting": actual + 1, "arima": np.full_like(actual, np.nan)}
    weights = blend_weights(actual, np.ones_like(actual), members, GROUPS)
    assert weights["arima"].to_list() == [0, 0]
    assert weights["smoothing"].to_list() == pytest.approx([2 / 3 + 1 / 6] * 2)
    of_items = {name: values[0] for name, values in members.items()}
    np.testing.assert_allclose(combine(of_items, weights.reindex(GROUPS)), 4 + 1 / 6)
    nobody = blend_weights(actual, np.ones_like(actual), dict.fromkeys(members, actual * np.nan), GROUPS)
    np.testing.assert_allclose(nobody.sum(axis=1), 1)


def test_items_and_composites_meet_half_way_and_add_up():
    """Leafy kg: 20 against 1·20 + ½·20 = 30 → 25, items × 25/30. Packs: 10 against 1, × 1.5 at most."""
    day = pd.Timestamp("2023-07-01")

    def table(codes, category, unit, mean, offered):
        columns = {"item_code": codes, "date": day, "category": category, "unit": unit, "mean": mean, "sigma": 2.0}
        return pd.DataFrame(columns | {"offered_share": offered} | dict.fromkeys(QUANTILE_NAMES, 8.0))

    none = pd.DataFrame()
    composites = table(["leafy (kg)", "leafy (pack)", "roots (kg)"], ["leafy", "leafy", "roots"],
                       ["kg", "pack", "kg"], [20.0, 10.0, 5.0], 1.0)  # fmt: skip
    items = table(["A", "B", "C", "D"], ["leafy"] * 3 + ["herbs"], ["kg", "kg", "pack", "kg"], [20.0, 20, 1, 3],
                  [1.0, 0.5, 1, 1])  # fmt: skip
    below, above = reconciled(*(DemandForecast(t, none, none, none) for t in (items, composites)))
    factor = np.array([25 / 30, 25 / 30, 1.5, 1])
    assert below.table["mean"].tolist() == pytest.approx(items["mean"] * factor)
    assert below.table["sigma"].tolist() == pytest.approx(2 * factor)
    assert below.table["q90"].tolist() == pytest.approx(8 * factor)
    assert above.table["mean"].tolist() == pytest.approx([25, 1.5, 5])
    assert above.table["q90"].tolist() == pytest.approx([8 * 25 / 20, 8 * 0.15, 8])
    assert items["mean"].tolist() == [20, 20, 1, 3], "nothing given is changed"


# ---------------------------------------------------------------- launches


def launches():
    """Two old items (10 a day) and one launched on day 40 that sells 4 a day; price 5.00."""
    demand, weight = np.full((60, 3), 10.0), np.ones((60, 3))
    demand[:, 2], weight[:40, 2] = 4, 0
    return matrix(demand, weight=weight, unit=["kg", "kg", "kg"])


def test_items_that_were_always_there_are_no_launches():
    launch = launch_money(launches(), 60)
    assert launch == {key: pytest.approx(20) for key in (("leafy", "kg"), ("leafy", ""), ("", ""))}
    old = launch_money(launches(), 40)
    assert old["leafy", "kg"] == pytest.approx(50), "nothing was launched: the start of the data is all there is"


LAST = np.array([59])


def started(m: PanelMatrix, forecast: list[float], launch: dict[tuple[str, str], float]) -> np.ndarray:
    return cold_start(m, np.array([forecast]), launch, starts(m, LAST), LAST)[0]


def test_the_usual_start_is_that_of_the_median_item():
    """Three launches at 2, 3 and 40 a day, price 5.00: the best seller does not raise what others are expected to."""
    demand, weight = np.column_stack([np.full(60, v) for v in (2.0, 3.0, 40.0)]), np.ones((60, 3))
    weight[:40] = 0
    assert launch_money(matrix(demand, weight=weight), 60)["leafy", "kg"] == pytest.approx(15)


def test_a_young_item_is_pulled_to_the_launch_level():
    """Three taught days: ¾ own forecast, ¼ launch money ÷ price. Without any day: the launch level alone."""
    m = launches()
    m.weight[:57, 2] = 0
    launch = {("leafy", "kg"): 30.0}
    assert started(m, [10, 10, 2], launch).tolist() == pytest.approx([10, 10, 0.75 * 2 + 0.25 * 6])
    assert starts(m, LAST).kind[0].tolist() == [SETTLED, SETTLED, LAUNCH]
    m.weight[:, 2] = 0
    assert started(m, [10, 10, np.nan], launch)[2] == pytest.approx(6)


def test_a_group_without_launches_takes_the_wider_one():
    m = matrix(np.ones((60, 2)), category=["roots", "leafy"], unit=["pack", "kg"], weight=np.zeros((60, 2)))
    missing = [np.nan, np.nan]
    assert started(m, missing, {("roots", ""): 15.0, ("", ""): 10.0}).tolist() == pytest.approx([3, 2])
    assert np.isnan(started(m, missing, {})).all()


def test_starts_by_hand():
    """One item taught on days 0 to 19 and from day 50 on, one on day 59 alone, one every second day, one always."""
    weight = np.zeros((60, 4))
    weight[:20, 0], weight[50:, 0], weight[59, 1], weight[::2, 2], weight[:, 3] = 1, 1, 1, 1, 1
    found = starts(matrix(np.ones((60, 4)), weight=weight), np.array([49, 50, 52, 59]))
    assert found.taught[:, 0].tolist() == [20, 21, 23, 30]
    assert found.kind.T.tolist() == [[RETURN, RETURN, RETURN, SETTLED], [LAUNCH] * 4, [SETTLED] * 4, [SETTLED] * 4]
    assert found.since[:, 0].tolist() == [0, 1, 3, 10], "away, first day back, third, tenth"
    assert found.little_seen.T.tolist() == [[True] * 3 + [False], [True] * 4, [False] * 4, [False] * 4]
    weight[20:, 2] *= np.isin(np.arange(20, 60), [36, 54])
    seldom = starts(matrix(np.ones((60, 4)), weight=weight), LAST)
    assert (seldom.kind[0, 2], seldom.little_seen[0, 2]) == (SETTLED, True), "two of the last 28 days"


def test_the_curve_is_what_was_sold_by_what_was_forecast():
    """Five returns, seen one and two days ahead, on their first day back sold 6 for 10 forecast; five as forecast are
    added: (10 · 6 + 10 · 10) ÷ (20 · 10). On the third day they sold 5 for 10; two days of five: (50 + 200) ÷ 300."""
    weight = np.zeros((60, 5))
    weight[:20] = 1
    m = matrix(np.ones((60, 5)), weight=weight)
    sold, expected = [np.full((1, 5), 6.0)] * 2, [np.full((1, 5), 10.0)] * 2
    curve = fit_curve(starts(m, LAST), sold, expected)
    assert curve[RETURN].tolist() == pytest.approx([0.8, 1, 1])
    assert curve[LAUNCH].tolist() == [1, 1, 1]
    m.weight[58:] = 1
    third = fit_curve(starts(m, LAST), [np.full((1, 5), 5.0)] * 2, expected)
    assert third[RETURN].tolist() == pytest.approx([1, 250 / 300, 1])
    missing = [np.full((1, 5), np.nan)] * 2
    assert fit_curve(starts(m, LAST), missing, expected).tolist() == [[1, 1, 1], [1, 1, 1]], "nothing to go by"


def test_forecasts_go_along_the_curve_as_if_items_stayed_on_the_shelf():
    """Away for weeks, on its third day, settled: tomorrow is the first and the fourth day, in three days …"""
    weight = np.zeros((60, 3))
    weight[:20], weight[57:, 1], weight[:, 2] = 1, 1, 1
    begun = starts(matrix(np.ones((60, 3)), weight=weight), LAST)
    curve = np.array([[9.0, 9.0, 9.0], [0.5, 0.7, 0.9]])
    factors = {1: [0.5, 0.9, 1], 2: [0.7, 0.9, 1], 4: [0.9, 0.9, 1], 8: [0.9, 1, 1], 11: [1, 1, 1]}
    for horizon, expected in factors.items():
        assert on_curve(begun, curve, horizon)[0].tolist() == expected


# ---------------------------------------------------------------- costs


def test_cost_is_the_last_valid_price_with_its_past_changes():
    """A moves by ±30 % every day, B never: 30 pseudo-days of the category's mean pull their scales together, and four
    of five changes are at most those of A."""
    days = 180
    moving = 2.0 * np.exp(0.3 * (np.arange(days) % 2))
    m = matrix(np.ones((days, 2)), cost=np.column_stack([moving, np.full(days, 3.0)]))
    dates = pd.date_range(m.dates[-1] + pd.Timedelta(days=1), periods=2)
    table = forecast_costs(m, ["P00", "P01"], dates).table.set_index(["item_code", "date"])
    n, total = days - 1, 0.3 * (days - 1)
    pooled = total / (2 * n)
    wide = 0.3 / 1.2815515655446004
    assert table["unit_cost"].tolist() == pytest.approx([moving[-1], 3.0] * 2)
    assert table.loc[("P00", dates[0]), "log_sd"] == pytest.approx(wide)
    assert table.loc[("P01", dates[0]), "log_sd"] == pytest.approx(wide * 30 * pooled / (total + 30 * pooled))
    assert table.loc[("P00", dates[1]), "log_sd"] == 0.01, "after two days it is always back; the least spread is 1 %"


def test_the_band_of_costs_holds_four_changes_in_five():
    """A tenth of the days change by 30 % either way, the others by 1 %: no normal, but the 80 % band is right."""
    rng = np.random.default_rng(0)
    jumps = rng.normal(0, np.where(rng.random((600, 10)) < 0.1, 0.3, 0.01))
    m = matrix(noisy_demand(600, 10), cost=2 * np.exp(np.cumsum(jumps, axis=0)))
    known = replace(m, cost=m.cost[:400], weight=m.weight[:400], dates=m.dates[:400])
    spread = forecast_costs(known, list(m.item_codes), known.dates[-1:] + pd.Timedelta(days=1)).table["log_sd"]
    inside = np.abs(jumps[400:]) <= 1.2815515655446004 * spread.to_numpy()
    assert inside.mean() == pytest.approx(0.8, abs=0.03)


def test_a_category_that_was_never_traded_takes_the_spread_of_the_store():
    cost = np.exp(np.random.default_rng(0).normal(0, 0.1, (180, 2)))
    weight = np.ones((180, 2))
    weight[:, 1] = 0
    m = matrix(noisy_demand(180, 2), category=["leafy", "roots"], weight=weight, cost=cost)
    table = forecast_costs(m, ["P00", "P01"], m.dates[-1:] + pd.Timedelta(days=1)).table
    assert table["log_sd"].iloc[1] == pytest.approx(table["log_sd"].iloc[0], rel=0.05)
    assert table["log_sd"].iloc[1] > 0.1


def test_an_item_without_wholesale_prices_has_no_cost():
    m = matrix(np.ones((90, 2)), cost=np.column_stack([np.full(90, 2.0), np.full(90, np.nan)]))
    table = forecast_costs(m, ["P00", "P01"], m.dates[-1:] + pd.Timedelta(days=1)).table
    assert np.isnan(table["unit_cost"].iloc[1])
    assert np.isfinite(table["log_sd"]).all()
