"""Weather, customers and rivals' prices as covariates: what was known on the evening, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from replenish.forecast import boosting
from replenish.forecast.boosting import boosting_forecast, covariates, fit_boosting, known_categories
from replenish.forecast.features import target_features
from replenish.forecast.smoothing import fit_smoothing, smoothed_levels
from replenish.forecast.surroundings import Surroundings, surroundings
from replenish.records import Tables
from replenish.settings import ForecastSettings
from tests.forecast.shop import matrix

DATES = pd.date_range("2023-06-01", periods=4, unit="us")


def tables_with(**more: pd.DataFrame) -> Tables:
    nothing = pd.DataFrame()
    return Tables(nothing, nothing, nothing, nothing, **more)


def test_a_target_day_has_the_forecast_of_the_evening_not_the_record():
    rows = [("06-02", "06-01", 5.0), ("06-02", "06-02", 9.0), ("06-03", "06-01", 1.0), ("06-03", "06-02", 2.0)]
    weather = pd.DataFrame(rows, columns=["date", "known_at", "rain"])
    weather[["date", "known_at"]] = "2023-" + weather[["date", "known_at"]]
    weather = weather.assign(date=pd.to_datetime(weather["date"]), known_at=pd.to_datetime(weather["known_at"]))
    around = surroundings(tables_with(weather=weather), DATES, ("P1",))
    tomorrow, day_after = around.target(DATES, 1), around.target(DATES, 2)
    np.testing.assert_array_equal(tomorrow["rain"], [5.0, 2.0, np.nan, np.nan])
    np.testing.assert_array_equal(tomorrow["rain_today"], [np.nan, 9.0, 2.0, np.nan])
    np.testing.assert_array_equal(day_after["rain"], [1.0, np.nan, np.nan, np.nan])
    assert np.isnan(tomorrow["temperature_max"]).all()


def test_customers_and_rivals_by_hand():
    customers = pd.DataFrame({"date": DATES[[0, 1, 3]], "customers": [100, 0, 200]})
    seen = pd.DataFrame({
        "date": DATES[[0, 0, 2]], "item_code": "P1", "competitor": ["a", "b", "a"], "price": [4.0, 6.0, 4.0]
    })  # fmt: skip
    around = surroundings(tables_with(customers=customers, competitor_prices=seen), DATES, ("P1", "P2"))
    price, cost = np.full((4, 2), 5.0), np.full((4, 2), 2.0)
    state = around.state(price, cost, np.array(["leafy", "leafy"]))
    np.testing.assert_allclose(state["customers_1"][:, 0], [1.0, np.nan, np.nan, 200 / 150])
    np.testing.assert_allclose(state["rival_price"][:, 0], np.log([1.0, 1.0, 0.8, 0.8]))
    assert np.isnan(state["rival_price"][:, 1]).all(), "nobody saw a price of P2"
    np.testing.assert_allclose(state["category_rival_markup"][2], np.log(0.8) * 2 / 3)
    assert Surroundings().state(price, cost, np.array(["leafy", "leafy"])) == {}


def rainy_shop(days: int = 240) -> tuple[np.ndarray, pd.DataFrame]:
    """Demand of ten items that rain halves, and the forecast of it made the evening before."""
    rng = np.random.default_rng(2)
    rain = np.where(rng.random(days) < 0.4, 10.0, 0.0)
    demand = rng.poisson(np.geomspace(10, 60, 10) * np.where(rain > 0, 0.5, 1.0)[:, None]).astype(float)
    dates = pd.date_range("2022-01-03", periods=days + 1, unit="us")
    table = pd.DataFrame({"date": dates, "known_at": dates - pd.Timedelta(days=1), "rain": [*rain, 10.0]})
    return demand, table


def test_the_model_expects_less_on_a_day_for_which_rain_is_forecast(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(boosting, "MIN_ROWS", 200)
    demand, weather = rainy_shop()
    m = matrix(demand)
    m = replace(m, around=surroundings(tables_with(weather=weather), m.dates, m.item_codes))
    dry = replace(m, around=surroundings(tables_with(weather=weather.assign(rain=weather["rain"].where(
        weather["date"] <= m.dates[-1], 0.0))), m.dates, m.item_codes))  # fmt: skip
    level = smoothed_levels(m, fit_smoothing(m, len(m.dates)))
    settings = ForecastSettings(horizon_days=1)
    model = fit_boosting(m, covariates(m, level), len(m.dates), settings, 0)
    last = {1: np.array([len(m.dates) - 1])}
    wet_day, dry_day = (boosting_forecast(x, covariates(x, level), model, known_categories(x), last) for x in (m, dry))
    assert (wet_day[1].sum() / dry_day[1].sum()) == pytest.approx(0.5, abs=0.08)
    without = matrix(demand)
    blind = boosting_forecast(without, covariates(without, level), model, known_categories(without), last)
    assert np.isfinite(blind[1]).all(), "a shop that lost its weather table still gets a forecast"


def test_a_shop_without_such_tables_has_no_such_covariates():
    m = matrix(rainy_shop(60)[0])
    known = covariates(m, smoothed_levels(m, fit_smoothing(m, 60)))
    columns = target_features(m, known.state, np.array([50]), 1, known_categories(m)).columns
    assert not [c for c in columns if c.startswith(("rain", "temperature", "customers", "rival"))]
