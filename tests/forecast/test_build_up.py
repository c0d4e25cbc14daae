"""The crowd before the New Year is not expected to be there after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from replenish.forecast.build_up import past_new_year, without_build_up
from replenish.forecast.demand import forecast_matrix
from replenish.forecast.features import PanelMatrix
from replenish.forecast.reasons import forecast_reasons
from replenish.history.holidays import new_year_days
from tests.forecast.shop import matrix, noisy_demand
from tests.forecast.test_models import fit

NEW_YEAR = pd.Timestamp("2022-02-01")
LAST = pd.Timestamp("2022-01-31")
CROWD = np.linspace(1.1, 2.0, 10)


def crowded(days: int = 150) -> tuple[PanelMatrix, np.ndarray]:
    """Days up to the eve of the Spring Festival of 2022, the last ten ever busier; and demand without that crowd."""
    quiet = noisy_demand(days, 6)
    demand, traffic = quiet.copy(), np.full(days, 500.0)
    demand[-10:] *= CROWD[:, None]
    traffic[-10:] *= CROWD
    m = matrix(demand, first=str((LAST - pd.Timedelta(days=days - 1)).date()))
    return replace(m, traffic=traffic), quiet


def test_new_years_of_two_countries():
    """Spring Festival 2022 to 2024: 1 February, 22 January, 10 February (public calendars)."""
    first, last = pd.Timestamp("2022-01-01"), pd.Timestamp("2024-12-31")
    assert list(new_year_days("CN", first, last)) == [
        pd.Timestamp(d) for d in ("2022-02-01", "2023-01-22", "2024-02-10")
    ]
    assert list(new_year_days("DE", first, last)) == [pd.Timestamp(f"{y}-01-01") for y in (2022, 2023, 2024)]


def test_days_before_count_as_the_weeks_before_them():
    m, quiet = crowded()
    calm = without_build_up(m, NEW_YEAR)
    assert calm.traffic == pytest.approx(np.full(150, 500.0))
    before = quiet[-42:-14].sum(1).reshape(4, 7).mean(0)
    value = (calm.neutral * calm.price_factor(calm.price))[-14:].sum(1)
    assert value == pytest.approx(np.tile(before, 2))
    assert calm.sold[-14:].sum(1) == pytest.approx(np.tile(before, 2))
    assert np.array_equal(calm.neutral[:-14], m.neutral[:-14])


def test_items_keep_their_shares_of_each_day():
    m, _ = crowded()
    calm = without_build_up(m, NEW_YEAR)
    assert calm.neutral[-5:] / calm.neutral[-5:].sum(1)[:, None] == pytest.approx(
        m.neutral[-5:] / m.neutral[-5:].sum(1)[:, None]
    )


def test_only_dates_after_the_new_year_are_meant():
    m, _ = crowded()
    day = pd.Timedelta(days=1)
    assert past_new_year(m, NEW_YEAR + day) == NEW_YEAR
    assert past_new_year(m, NEW_YEAR) == NEW_YEAR
    earlier = replace(m, dates=m.dates - pd.Timedelta(days=3))
    assert past_new_year(earlier, LAST) is None
    assert past_new_year(replace(m, dates=m.dates + 30 * day), LAST + 31 * day) is None
    assert past_new_year(replace(m, dates=m.dates - 15 * day), NEW_YEAR) is None


def test_closed_days_and_young_shops():
    m, _ = crowded()
    closed = replace(m, neutral=m.neutral.copy(), traffic=m.traffic.copy())
    closed.neutral[-1], closed.traffic[-1] = 0.0, 0.0
    calm = without_build_up(closed, NEW_YEAR)
    assert calm.neutral[-1].sum() == 0
    assert calm.traffic[-1] == 0
    young = matrix(noisy_demand(41, 6), first=str((LAST - pd.Timedelta(days=40)).date()))
    assert without_build_up(young, NEW_YEAR) is young


def test_forecast_returns_to_the_level_of_the_weeks_before():
    """The eve's crowd is twice the usual one; in a country with another New Year the forecast expects it to stay."""
    m, quiet = crowded()
    models = fit(m)
    items = pd.DataFrame({"item_code": m.item_codes, "item_name": m.item_codes})
    dates = pd.date_range(NEW_YEAR, periods=3, unit="us")
    codes = list(m.item_codes)
    found = forecast_matrix(m, models, items, codes, dates).table["mean"].sum() / 3
    staying = forecast_matrix(replace(m, country="DE"), models, items, codes, dates).table["mean"].sum() / 3
    usual = quiet[-28:].sum(1).mean()
    assert found == pytest.approx(usual, rel=0.2)
    assert staying > 1.3 * usual


def test_days_before_and_after_in_one_forecast():
    """Three days over the New Year: those before it are as without any rule, the table is in order of date."""
    m, _ = crowded()
    cut = 148
    short = replace(m, **{
        name: getattr(m, name)[:cut]
        for name in ("dates", "neutral", "weight", "sold", "offered", "offered_then", "price", "cost", "traffic")
    })  # fmt: skip
    models = fit(short)
    items = pd.DataFrame({"item_code": m.item_codes, "item_name": m.item_codes})
    dates = pd.date_range("2022-01-30", periods=3, unit="us")
    both = forecast_matrix(short, models, items, list(m.item_codes), dates)
    before = forecast_matrix(short, models, items, list(m.item_codes), dates[:2])
    assert both.table["date"].is_monotonic_increasing
    assert len(both.table) == len(both.members) == 18
    pd.testing.assert_frame_equal(both.table.head(12), before.table)
    assert [note for note in both.notes if "1 February 2022" in note]
    assert not [note for note in before.notes if "New Year" in note]
    sums = both.table.groupby("date")["mean"].sum()
    assert sums.iloc[2] < 0.9 * sums.iloc[1]


def test_reasons_are_those_of_the_forecast():
    """Factors × base level are the LightGBM member's forecast after the New Year too."""
    m, _ = crowded(240)  # enough for LightGBM
    models = fit(m)
    items = pd.DataFrame({"item_code": m.item_codes, "item_name": m.item_codes})
    found = forecast_matrix(m, models, items, list(m.item_codes), pd.DatetimeIndex([NEW_YEAR]))
    reasons = forecast_reasons(m, models, list(m.item_codes), NEW_YEAR)
    base = np.exp(reasons[reasons["feature"] == "log_base"].set_index("item_code")["value"])
    mine = base * reasons.groupby("item_code")["factor"].prod() * m.price_factor(m.price[-1])
    assert mine.to_numpy() == pytest.approx(found.members.set_index("item_code")["boosting"].to_numpy(), rel=1e-6)
