"""Sample paths: marginals of the forecast, items and days tied as the errors of the past were."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from replenish.errors import ForecastError
from replenish.forecast.intervals import QUANTILE_NAMES, QUANTILES
from replenish.forecast.paths import joint_errors, sample_paths
from replenish.records import DemandForecast, JointErrors

CATEGORY = np.array(["leafy", "leafy", "roots", "roots"])
DATES = pd.date_range("2022-01-01", periods=400, unit="us")


def past_scores(seed: int) -> dict[int, np.ndarray]:
    """Of every evening a category error that stays for all three days (sd 1), and own parts of items (sd 1)."""
    rng = np.random.default_rng(seed)
    category = rng.normal(size=(403, 2))[:, [0, 0, 1, 1]]
    own = {h: rng.normal(size=(400, 4)) for h in (1, 2, 3)}
    return {h: category[np.arange(400) - h + 3] + own[h] for h in own}


def forecast(joint: JointErrors | None) -> DemandForecast:
    """Four items over three days, normal around 10, 20, 30 and 40 with a standard deviation of a tenth."""
    rows = [
        {"item_code": f"P{k}", "date": DATES[-1] + pd.Timedelta(days=h), "category": CATEGORY[k], "horizon": h}
        | {name: 10 * (k + 1) * (1 + 0.1 * norm.ppf(q)) for name, q in zip(QUANTILE_NAMES, QUANTILES, strict=True)}
        for h in (1, 2, 3)
        for k in range(4)
    ]
    none = pd.DataFrame()
    return DemandForecast(pd.DataFrame(rows), none, none, none, joint=joint)


def test_paths_have_the_quantiles_of_the_forecast():
    paths = sample_paths(forecast(joint_errors(past_scores(0), CATEGORY, DATES)), 2000, 1)
    assert paths.demand.shape == (2000, 3, 4)
    assert paths.item_codes == ("P0", "P1", "P2", "P3")
    for q in (0.05, 0.5, 0.9, 0.975):
        expected = 10 * np.arange(1, 5) * (1 + 0.1 * norm.ppf(q))
        np.testing.assert_allclose(np.quantile(paths.demand, q, axis=0), np.tile(expected, (3, 1)), rtol=0.01)
    assert paths.demand.mean(axis=(0, 1)) == pytest.approx([10, 20, 30, 40], rel=0.03)


def test_items_of_a_category_and_days_of_a_path_err_together():
    """Half of the variance is the category's: correlation ½ within it and from day to day, none across categories."""
    paths = sample_paths(forecast(joint_errors(past_scores(0), CATEGORY, DATES)), 3000, 1).demand
    tied = np.corrcoef(paths.reshape(3000, -1), rowvar=False).reshape(3, 4, 3, 4)
    assert tied[0, 0, 0, 1] == pytest.approx(0.6, abs=0.15), "the mean of two items holds some of their own parts"
    assert tied[0, 0, 2, 0] == pytest.approx(0.5, abs=0.15)
    assert tied[0, 0, 0, 2] == pytest.approx(0, abs=0.15)


def test_what_is_left_to_an_item_goes_on_as_it_did():
    """Own parts that are the same on all days of an evening: persistence 1, at most 0.99."""
    rng = np.random.default_rng(0)
    own = rng.normal(size=(403, 4))
    same = joint_errors({h: own[np.arange(400) - h + 3] for h in (1, 2, 3)}, CATEGORY, DATES)
    assert same.persistence == 0.99
    free = joint_errors({h: rng.normal(size=(400, 4)) for h in (1, 2, 3)}, CATEGORY, DATES)
    assert free.persistence < 0.05


def test_the_seed_decides_and_holes_are_filled():
    scores = past_scores(0)
    scores[1][50:60], scores[2][:, 2:] = np.nan, np.nan
    found = joint_errors(scores, CATEGORY, DATES)
    assert len(found.factors) == 2 * 3 * 398, "two categories, three horizons"
    assert np.isfinite(found.factors["error"]).all()
    first, again, other = (sample_paths(forecast(found), 50, seed).demand for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first >= 0).all()


def test_without_joint_errors_there_are_no_paths():
    with pytest.raises(ForecastError, match="joint errors"):
        sample_paths(forecast(None), 10)
    short = joint_errors({h: np.full((2, 4), np.nan) for h in (1, 2, 3)}, CATEGORY, DATES[:2])
    assert np.isfinite(sample_paths(forecast(short), 10).demand).all(), "too young a shop: items apart from each other"
