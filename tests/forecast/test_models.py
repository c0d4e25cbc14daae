"""Fitting and forecasting on small shops: young ones, odd items, kept models, bands that hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from replenish.errors import ForecastError
from replenish.forecast import boosting
from replenish.forecast.boosting import _training_cells, covariates
from replenish.forecast.demand import CAPPED, NOTHING, _neutral, forecast_matrix
from replenish.forecast.features import PanelMatrix
from replenish.forecast.intervals import QUANTILE_NAMES
from replenish.forecast.models import _fit_members, _taught, _validation_days, fit_forecast, refit_members
from replenish.forecast.smoothing import fit_smoothing, smoothed_levels
from replenish.records import DemandForecast, FittedModels, PriceResponse
from replenish.settings import Settings
from tests.forecast.shop import matrix, noisy_demand, poisoned

SETTINGS = Settings().override(forecast__horizon_days=3, forecast__validation_days=60)


def fit(m: PanelMatrix, settings: Settings = SETTINGS, arima: bool = False) -> FittedModels:
    items = pd.DataFrame({"item_code": m.item_codes, "category": m.category, "elasticity": m.elasticity})
    return fit_forecast(m, PriceResponse(items, pd.DataFrame()), settings, "main", "f" * 64, 0, arima)


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
    assert set(found.members.columns) == {"item_code", "date", "smoothing", "theta", "tsb", "boosting"}
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


def test_judged_on_a_third_of_a_young_history_and_on_fewer_days_of_a_huge_shop():
    cases = [(90, 5), (914, 250), (2000, 250), (2000, 5000), (2000, 100_000)]
    assert [_validation_days(days, items, Settings()) for days, items in cases] == [30, 304, 364, 200, 119]


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


def test_arima_takes_part_where_asked_for_and_a_series_without_it_is_named():
    demand = noisy_demand(240, 3)
    demand[:, 0] = 4.0
    m = matrix(demand)
    models = fit(m, SETTINGS.override(forecast__boosting=False), arima=True)
    found = forecast(m, models)
    assert np.isfinite(found.members["arima"]).tolist() == [False, True, True]
    assert found.notes == ("P00: ARIMA left out, too few or constant observations",)
    assert found.weights["arima"].gt(0).all()
    assert found.table["model"].tolist() == ["blend of smoothing + theta + tsb", "blend", "blend"]
    again = refit_members(m, models, SETTINGS.override(forecast__boosting=False), "f" * 64, 0)
    pd.testing.assert_frame_equal(again.frames["arima"], models.frames["arima"])
    none = fit(matrix(demand[:, :1]), SETTINGS.override(forecast__boosting=False), arima=True)
    assert none.frames["weights"]["arima"].tolist() == [0.0]
    assert forecast(matrix(demand[:, :1]), none).table["mean"].item() == pytest.approx(4, rel=0.01)


def test_models_serve_a_later_day_with_a_new_item_and_category(shop, fitted):
    later = matrix(noisy_demand(243, 9), category=["apples"] + ["leafy"] * 4 + ["roots"] * 4)
    found = forecast(later, fitted)
    assert np.isfinite(found.table["mean"]).all()


def test_errors_are_those_of_items_that_could_be_planned():
    """Item 0 sells every day, item 1 comes back after 10 days away, item 2 after 3: which of them is a candidate."""
    weight = np.ones((30, 3))
    weight[10:20, 1] = weight[17:20, 2] = 0
    m = matrix(noisy_demand(30, 3), weight=weight)
    back, ahead = np.array([19]), np.array([20])
    assert _taught(m, back, ahead, 7).tolist() == [[1, 0, 1]]
    assert _taught(m, back, ahead, 11).tolist() == [[1, 1, 1]]
    assert _taught(m, back - 1, ahead - 1, 60).tolist() == [[1, 0, 0]], "days that do not teach"


def test_members_of_the_past_saw_nothing_of_the_days_they_are_judged_on(shop):
    clean, dirty = (_fit_members(m, SETTINGS, 0, 180, True, True) for m in (shop, poisoned(shop, 179)))
    assert clean.boosting
    assert clean.boosting == dirty.boosting
    assert clean.arima == dirty.arima
    np.testing.assert_array_equal(clean.smoothing.weekday, dirty.smoothing.weekday)


def test_forecasts_reach_the_longest_horizon_and_no_further(shop, fitted):
    with pytest.raises(ForecastError, match="from 1 to 3 days"):
        forecast(shop, fitted, 4)


def test_a_blend_that_runs_away_falls_back_and_says_so(shop, fitted):
    """Weights of 1 on the member: 500 where no day sold 20 is none; the highest day stands in for a level of 30."""
    m = matrix(np.full((200, 4), 20.0), elasticity=-1e-12)
    values = {"smoothing": np.array([[20.0, 30.0, 20.0, 20.0]]), "theta": np.array([[25.0, 500.0, np.inf, np.nan]])}
    weights = pd.DataFrame({"category": ["leafy"], "smoothing": [0.0], "theta": [1.0]})
    ahead, model = _neutral(m, replace(fitted, frames=fitted.frames | {"weights": weights}), values)
    assert ahead.tolist() == pytest.approx([25, 20, 20, 20])
    assert model.tolist() == ["blend", CAPPED, "smoothing", "smoothing"]


def test_the_output_says_which_members_made_a_blend_when_one_is_missing(shop, fitted):
    """TSB has no weight, so that its absence changes nothing; without Theta two members are left, or one."""
    m = matrix(np.full((200, 4), 20.0), elasticity=-1e-12)
    full = np.full(4, 20.0)
    values = {
        "smoothing": full[None], "theta": np.array([[20.0, np.nan, np.nan, 20.0]]),
        "tsb": np.array([[20.0, 20.0, np.nan, np.nan]]),
    }  # fmt: skip
    weights = pd.DataFrame({"category": ["leafy"], "smoothing": [0.5], "theta": [0.5], "tsb": [0.0]})
    _, model = _neutral(m, replace(fitted, frames=fitted.frames | {"weights": weights}), values)
    assert model.tolist() == ["blend", "blend of smoothing + tsb", "smoothing", "blend"]


def test_bad_series_of_every_kind_are_forecast_beside_good_ones():
    """Short, constant, all zero, exploding, one bulk sale, one day in ten: finite, ordered, and not absurd."""
    demand, weight = noisy_demand(240, 8), np.ones((240, 8))
    weight[:235, 0] = 0
    demand[:, 1], demand[:, 2] = 7.0, 0.0
    demand[:, 3] = np.minimum(1.05 ** np.arange(240), 1e5)
    demand[230, 4] = 1e6
    demand[np.arange(240) % 10 > 0, 5] = 0
    m = matrix(demand, weight=weight)
    table = forecast(m, fit(m), 3).table.set_index("item_code")
    numbers = table[["mean", "sigma", *QUANTILE_NAMES]]
    assert np.isfinite(numbers).all(axis=None)
    assert (numbers >= 0).all(axis=None)
    assert table.loc["P00", "model"].eq("launch curve").all()
    assert table.loc["P01", "mean"].between(5, 9).all()
    assert table.loc["P02", "mean"].max() < 0.5
    assert table.loc["P03", "mean"].max() < 2e5
    assert table.loc["P07", "mean"].between(30, 110).all(), "60 a day, beside all that"


def test_large_panels_teach_from_a_random_part(monkeypatch: pytest.MonkeyPatch):
    """All 3 horizons × 8 items × their days, or about 1,000 of these cells; the same seed draws the same."""
    m = matrix(noisy_demand(240, 8))
    known = covariates(m, smoothed_levels(m, fit_smoothing(m, 240)))
    everything = _training_cells(m, known, 240, SETTINGS.forecast, 0)
    assert {h: int(c.sum()) for h, c in everything.items()} == {h: 8 * (240 - h - 28) for h in (1, 2, 3)}
    monkeypatch.setattr(boosting, "MAX_ROWS", 1000)
    few, again = (_training_cells(m, known, 240, SETTINGS.forecast, 0) for _ in range(2))
    assert sum(int(c.sum()) for c in few.values()) == pytest.approx(1000, rel=0.1)
    assert all((few[h] == again[h]).all() and (few[h] <= everything[h]).all() for h in few)


def test_a_light_refit_learns_the_members_anew_and_keeps_what_was_validated(shop, fitted):
    again = refit_members(shop, fitted, SETTINGS, "f" * 64, 0)
    # The members of a full fit saw the whole panel too.
    pd.testing.assert_frame_equal(forecast(shop, again).table, forecast(shop, fitted).table)
    m = matrix(noisy_demand(254, 8), category=["leafy"] * 4 + ["roots"] * 4)
    later = refit_members(m, fitted, SETTINGS, "e" * 64, 0)
    assert (later.fitted_as_of, later.fingerprint) == (m.dates[-1], "e" * 64)
    assert later.boosting != fitted.boosting
    pd.testing.assert_frame_equal(later.frames["residuals"], fitted.frames["residuals"])
