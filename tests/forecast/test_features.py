"""Matrices and covariates: the price taken out, the target date's calendar, nothing after the origin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from replenish.forecast.features import (
    _last_two,
    panel_matrix,
    rolling_mean,
    rolling_sum,
    state_features,
    target_features,
)
from replenish.forecast.smoothing import fit_smoothing, smoothed_levels
from replenish.forecast.surroundings import Surroundings
from replenish.history.cleaning import build_history
from replenish.records import PriceResponse
from replenish.settings import Settings
from replenish.sources.folder import tables_from_frames
from tests.forecast.shop import matrix, noisy_demand, poisoned


def tiny_matrix(frames, elasticity: float = -0.5):
    tables = tables_from_frames(frames)
    history = build_history(tables, pd.Timestamp("2023-06-30"), Settings(), "main")
    items = history.items[["item_code", "category"]].assign(elasticity=elasticity)
    return panel_matrix(history, PriceResponse(items, pd.DataFrame()), "CN", None)


def test_price_neutral_demand_by_hand(tiny_frames):
    """Spinach: 5 kg at 6.00 → 5·6^0.5; from 16 June at 6.60. At the last price 6.60 the first 5 kg are worth 4.77.

    Without times of sales no day can seem to have sold out, so that 5 kg sold are 5 kg of demand.
    """
    tiny_frames["sales"] = tiny_frames["sales"].drop(columns="time")
    m = tiny_matrix(tiny_frames)
    spinach = m.neutral[:, 0]
    assert spinach[0] == pytest.approx(5 * 6**0.5)
    assert spinach[18] == pytest.approx(5 * 6.6**0.5)
    at_last_price = m.neutral * m.price_factor(m.price[-1])
    assert at_last_price[0, 0] == pytest.approx(5 * (6.6 / 6) ** -0.5)
    assert at_last_price[0, 0] == pytest.approx(4.77, abs=0.005)
    assert at_last_price[18, 0] == pytest.approx(5)


def test_days_without_offer_price_or_opening_teach_nothing(tiny_frames):
    sales = tiny_frames["sales"]
    no_price = (sales["item_code"] == "M2") & (sales["date"] < pd.Timestamp("2023-06-05"))
    sales.loc[no_price, "discounted"] = True
    tiny_frames["sales"] = sales[sales["date"] != pd.Timestamp("2023-06-14")]
    m = tiny_matrix(tiny_frames)
    assert (m.weight[13] == 0).all(), "closed"
    assert m.weight[:4, 3].tolist() == [0, 0, 0, 0], "never sold at a full price so far"
    assert np.isnan(m.price[:4, 3]).all()
    assert m.weight[4, 3] == 1
    assert np.isfinite(m.neutral).all()


def test_weighted_rolling_mean_by_hand():
    values, weight = np.array([[2.0], [np.nan], [6.0], [8.0]]), np.array([[1.0], [0.0], [0.5], [1.0]])
    np.testing.assert_allclose(rolling_mean(values, weight, 2).ravel(), [2, 2, 6, (3 + 8) / 1.5])


@pytest.mark.parametrize("since", [0, 1, 5, 11])
def test_windows_of_later_days_are_those_of_all_days(since: int):
    rng = np.random.default_rng(0)
    values, weight = rng.normal(size=(12, 3)), rng.integers(0, 2, (12, 3)).astype(float)
    for window in (1, 4, 30):
        np.testing.assert_allclose(rolling_sum(values, window, since), rolling_sum(values, window)[since:])
        some, every = (rolling_mean(values, weight, window, start) for start in (since, 0))
        np.testing.assert_allclose(some, every[since:])


@pytest.mark.parametrize("since", [3, 400, 449])
def test_the_state_of_later_evenings_is_that_of_all_evenings(since: int):
    """Items sold now and then, one not for more than a year; with rivals' prices and customers counted."""
    rng = np.random.default_rng(5)
    demand = noisy_demand(450, 4) * (rng.random((450, 4)) < 0.7)
    demand[20:, 3] = 0
    m = matrix(demand, weight=(rng.random((450, 4)) < 0.8).astype(float) * (demand > 0))
    around = Surroundings(None, rng.uniform(50, 90, 450), rng.uniform(3, 6, (450, 4)))
    m = replace(m, around=around)
    level = smoothed_levels(m, fit_smoothing(m, 450))
    every, later = state_features(m, level), state_features(m, level, since)
    assert list(every.features) == list(later.features)
    days = np.array([since, 449])
    np.testing.assert_allclose(later.base_at(days), every.base_at(days))
    for name in every.features:
        np.testing.assert_allclose(later.at(name, days), every.at(name, days), rtol=1e-9, err_msg=name)


def features(m, origin: int, horizon: int) -> pd.DataFrame:
    level = smoothed_levels(m, fit_smoothing(m, origin + 1))
    return target_features(m, state_features(m, level), np.array([origin]), horizon, ("leafy",))


def test_covariates_are_those_of_the_target_date():
    """From Wednesday 28 December 2022, three days ahead is New Year's eve, four days ahead the holiday."""
    m = matrix(noisy_demand(360, 3))
    origin = int(m.dates.get_indexer([pd.Timestamp("2022-12-28")])[0])
    eve, holiday = features(m, origin, 3), features(m, origin, 4)
    assert (eve["weekday"].iloc[0], eve["is_holiday"].iloc[0], eve["days_to_holiday"].iloc[0]) == (5, 0, 1)
    assert (holiday["weekday"].iloc[0], holiday["is_holiday"].iloc[0], holiday["month"].iloc[0]) == (6, 1, 1)
    assert (holiday["horizon"] == 4).all()


@pytest.mark.parametrize(("horizon", "back"), [(1, (6, 13, 20, 27)), (7, (0, 7, 14, 21)), (8, (6, 13, 20, 27))])
def test_weekday_ratio_takes_the_last_four_days_of_the_target_weekday(horizon, back):
    m = matrix(noisy_demand(80, 2))
    level = smoothed_levels(m, fit_smoothing(m, 80))
    state = state_features(m, level)
    row = target_features(m, state, np.array([60]), horizon, ("leafy",))
    days = 60 - np.array(back)
    assert {(d + 7) % 7 for d in days} == {(60 + horizon) % 7}
    np.testing.assert_allclose(row["weekday_ratio"], m.neutral[days].mean(0) / state.base[60])


def test_nothing_after_the_origin_matters():
    rng = np.random.default_rng(4)
    m = matrix(noisy_demand(150, 4), weight=(rng.random((150, 4)) < 0.8).astype(float))
    for horizon in (1, 3, 7):
        pd.testing.assert_frame_equal(features(m, 120, horizon), features(poisoned(m, 120), 120, horizon))


def test_a_category_keeps_its_number_when_others_appear():
    m = matrix(noisy_demand(80, 3), category=["apples", "leafy", "roots"])
    level = smoothed_levels(m, fit_smoothing(m, 80))
    row = target_features(m, state_features(m, level), np.array([60]), 1, ("leafy", "roots"))
    np.testing.assert_array_equal(row["category"], [np.nan, 0, 1])


def test_the_last_two_observations_by_hand():
    """Days that teach: 1, 3 and 4."""
    weight = np.array([0, 1, 0, 1, 1, 0.0])[:, None]
    m = matrix(np.array([9.0, 2, 9, 4, 5, 9])[:, None], elasticity=-1e-12, weight=weight)
    last, before = _last_two(m)
    np.testing.assert_allclose(last[:, 0], [np.nan, 2, 2, 4, 5, 5])
    np.testing.assert_allclose(before[:, 0], [np.nan, np.nan, np.nan, 2, 4, 4])
