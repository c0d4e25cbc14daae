"""Fitting and forecasting on small shops: young ones, odd items, kept models, bands that hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from replenish.errors import ForecastError
from replenish.forecast.demand import NOTHING, forecast_matrix
from replenish.forecast.features import PanelMatrix
from replenish.forecast.intervals import QUANTILE_NAMES
from replenish.forecast.models import _fit_members, fit_forecast
from replenish.records import DemandForecast, FittedModels, PriceResponse
from replenish.settings import Settings
from tests.forecast.shop import matrix, noisy_demand, poisoned

SETTINGS = Settings().override(forecast__horizon_days=3, forecast__validation_days=60)


def fit(m: PanelMatrix, settings: Settings = SETTINGS) -> FittedModels:
    items = pd.DataFrame({"item_code": m.item_codes, "category": m.category, "elasticity": m.elasticity})
    return fit_forecast(m, PriceResponse(items, pd.DataFrame()), settings, "main", "f" * 64, 0)


def forecast(m: PanelMatrix, models: FittedModels, days: int = 1) -> DemandForecast:
    items = pd.DataFrame({"item_code": m.item_codes, "item_name": m.item_codes})
    dates = pd.date_range(m.dates[-1] + pd.Timedelta(days=1), periods=days, unit="us")
    return forecast_matrix(m, models, items, list(m.item_codes), dates)


@pytest.fixture(scope="module")
def shop() -> PanelMatrix:
    """240 days, 8 items of two categories: enough for every member."""
    return matrix(noisy_demand(240, 8), category=["leafy"] * 4 + ["roots"] * 4)


@pytest.fixture(scope="module")
def fitted(shop: PanelMatrix) -> FittedModels:
    return fit(shop)


def test_all_members_are_used_and_the_forecast_is_near_the_truth(shop, fitted):
    found = forecast(shop, fitted, 3)
    assert fitted.boosting
    assert set(found.members.columns) == {"item_code", "date", "smoothing", "boosting"}
    assert (found.table["model"] == "blend").all()
    week = np.array([0.85, 0.85, 0.9, 0.95, 1.05, 1.25, 1.15])
    truth = np.concatenate([np.geomspace(2, 60, 8) * week[d.day_of_week] for d in found.table["date"].unique()])
    assert found.table["mean"].sum() == pytest.approx(truth.sum(), rel=0.12)
    assert np.abs(found.table["mean"] - truth).sum() / truth.sum() < 0.15
    quantiles = found.table[list(QUANTILE_NAMES)].to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert quantiles.min() >= 0


def test_bands_of_future_days_hold(shop, fitted):
    """8 items × 40 days after the fit, one day ahead each: 90 % bands within ± 6 points (standard error 1.7)."""
    m = matrix(noisy_demand(280, 8), category=["leafy"] * 4 + ["roots"] * 4)
    inside = []
    for day in range(240, 280):
        known = matrix(m.sold[:day], category=["leafy"] * 4 + ["roots"] * 4)
        table = forecast(known, fitted).table
        actual = m.sold[day]
        inside.append((actual >= table["q05"].to_numpy()) & (actual <= table["q95"].to_numpy()))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.06)


def test_same_seed_same_models(shop, fitted):
    again = fit(shop)
    assert again.boosting == fitted.boosting
    for name, frame in fitted.frames.items():
        pd.testing.assert_frame_equal(frame, again.frames[name])


@pytest.mark.parametrize("days", [60, 90, 121, 150, 181])
def test_young_shops_are_forecast(days: int):
    """A member that could not be fitted before the validation days is left out of the forecast too."""
    m = matrix(noisy_demand(days, 3))
    table = forecast(m, fit(m), 2).table
    assert np.isfinite(table[["mean", "sigma", *QUANTILE_NAMES]]).all(axis=None)
    assert (table["mean"] > 0).all()


def test_too_young_or_silent_shops_are_told_so():
    with pytest.raises(ForecastError, match="59 days of history"):
        fit(matrix(noisy_demand(59, 3)))
    silent = matrix(noisy_demand(120, 3), weight=np.r_[np.ones((60, 3)), np.zeros((60, 3))])
    with pytest.raises(ForecastError, match="cannot be measured"):
        fit(silent)


def test_odd_items_do_not_spoil_the_others():
    """No full price ever; all-zero demand; one observation; nothing for four months; a cost that is missing."""
    demand, weight = noisy_demand(200, 6), np.ones((200, 6))
    price, cost = np.full((200, 6), 5.0), np.full((200, 6), 3.0)
    price[:, 1], weight[:, 1] = np.nan, 0
    demand[:, 2] = 0
    weight[:199, 3] = 0
    weight[80:, 4] = 0
    cost[:, 5] = np.nan
    m = matrix(np.nan_to_num(demand), price=5.0, weight=weight, cost=cost)
    m.price[:] = price
    found = forecast(m, fit(m))
    table = found.table.set_index("item_code")
    assert np.isfinite(table.drop(columns=["reference_price"]).select_dtypes("number")).all(axis=None)
    assert table.loc["P01", "model"] == NOTHING
    assert table.loc["P01", "mean"] == 0
    assert table.loc["P02", "mean"] == pytest.approx(0, abs=0.05)
    assert table.loc["P03", "model"] == "launch curve"
    assert table.loc["P04", "mean"] > 0
    assert any("1 items have no day of sales at a full price" in note and "P01" in note for note in found.notes)


def test_models_serve_a_later_day_with_a_new_item_and_category(shop, fitted):
    later = matrix(noisy_demand(243, 9), category=["apples"] + ["leafy"] * 4 + ["roots"] * 4)
    found = forecast(later, fitted)
    assert np.isfinite(found.table["mean"]).all()


def test_members_of_the_past_saw_nothing_of_the_days_they_are_judged_on(shop):
    clean, dirty = (_fit_members(m, SETTINGS, 0, 180, True) for m in (shop, poisoned(shop, 179)))
    assert clean.boosting
    assert clean.boosting == dirty.boosting
    assert clean.arima == dirty.arima
    np.testing.assert_array_equal(clean.smoothing.weekday, dirty.smoothing.weekday)


def test_forecasts_reach_the_longest_horizon_and_no_further(shop, fitted):
    with pytest.raises(ForecastError, match="from 1 to 3 days"):
        forecast(shop, fitted, 4)
