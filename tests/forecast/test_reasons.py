"""SHAP values multiply up to the forecast they explain."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from replenish.errors import ForecastError
from replenish.forecast.boosting import covariates
from replenish.forecast.reasons import forecast_reasons
from replenish.forecast.smoothing import fit_smoothing, smoothed_levels
from tests.forecast.shop import matrix, noisy_demand
from tests.forecast.test_models import SETTINGS, fit, forecast


def test_factors_multiply_to_the_forecast():
    m = matrix(noisy_demand(240, 8))
    models = fit(m)
    date = m.dates[-1] + pd.Timedelta(days=2)
    found = forecast_reasons(m, models, ["P02", "P06"], date)
    members = forecast(m, models, 2).members
    expected = members[members["date"] == date].set_index("item_code")["boosting"]
    base = covariates(m, smoothed_levels(m, fit_smoothing(m, 240))).state.base[-1] * m.price_factor(m.price[-1])
    for code, rows in found.groupby("item_code"):
        level = base[m.item_codes.index(str(code))]
        assert rows["factor"].prod() * level == pytest.approx(expected[code])
    weekday = found[found["feature"] == "weekday"]["value"]
    assert (weekday == date.day_of_week).all()
    assert found.loc[found["feature"] == "usual", "value"].isna().all()
    assert np.isfinite(found["factor"]).all()


def test_reasons_that_cannot_be_given_are_refused():
    m = matrix(noisy_demand(240, 3))
    models = fit(m, SETTINGS.override(forecast__boosting=False))
    with pytest.raises(ForecastError, match=r"member has to take part \(here: False\).*unknown: P77"):
        forecast_reasons(m, models, ["P77"], m.dates[-1])
