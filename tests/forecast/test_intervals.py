"""Bands: order, sign, coverage on simulated demand, degenerate inputs."""

from __future__ import annotations

import numpy as np
import pytest

from replenish.forecast.intervals import LITTLE_SEEN, QUANTILES, Bands, Cells, _conformal, fit_bands, quantile_values


def simulated(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Means between 0.5 and 60 and negative binomial demand around them (variance f + f²/8)."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.uniform(np.log(0.5), np.log(60), count))
    return mean, rng.poisson(rng.gamma(8, mean / 8)).astype(float)


def cells(actual: np.ndarray, mean: np.ndarray, money: np.ndarray) -> Cells:
    """Cells of a shop that is as unsettled as ever, of items seen often."""
    return Cells(actual, mean, money, np.ones(len(actual)), np.zeros(len(actual), dtype=bool))


def quantiles(bands: Bands, mean: np.ndarray, money: np.ndarray, unrest: float = 1.0, horizon: int = 1) -> np.ndarray:
    """Their quantile table for items seen often."""
    return bands.quantile_table(mean, money, np.full(len(mean), unrest), np.zeros(len(mean), dtype=bool), horizon)


def test_quantiles_do_not_cross_and_are_not_negative():
    mean, actual = simulated(3000, 1)
    bands = fit_bands([cells(actual, mean, mean * 5)])
    table = quantiles(bands, mean, mean * 5)
    assert (np.diff(table, axis=1) >= 0).all()
    assert table.min() >= 0


def test_coverage_on_unseen_demand_within_two_points():
    """4,000 cells to fit, 20,000 to judge: the standard error of a pooled coverage is below one point."""
    mean, actual = simulated(4000, 2)
    bands = fit_bands([cells(actual, mean, mean * 5)])
    fresh, demand = simulated(20_000, 3)
    table = quantiles(bands, fresh, fresh * 5)
    covered = (demand[:, None] <= table).mean(0)
    at_least = np.array(QUANTILES)
    # Demand comes in whole units, so that each quantile covers at least its share and little more.
    assert (covered > at_least - 0.02).all()
    inside = ((demand[:, None] >= table[:, [0]]) & (demand[:, None] <= table[:, [-1]])).mean()
    assert inside == pytest.approx(0.95, abs=0.02)
    middle = (demand[:, None] <= table[:, [QUANTILES.index(0.9)]]).mean()
    assert middle == pytest.approx(0.90, abs=0.02)


def test_conformal_ranks_by_hand():
    """99 scores 1 … 99: level q uses rank ⌈100·q⌉ above the median and ⌊100·q⌋ below."""
    np.testing.assert_array_equal(_conformal(np.arange(1.0, 100)[::-1]), [2, 5, 10, 25, 50, 75, 90, 95, 98])
    np.testing.assert_array_equal(_conformal(np.array([1.0, 2, 3])), [1, 1, 1, 1, 2, 3, 3, 3, 3])


def test_spread_grows_with_the_horizon_and_never_shrinks():
    mean, actual = simulated(2000, 4)
    far = mean + 2 * (actual - mean)
    bands = fit_bands([cells(actual, mean, mean), cells(far, mean, mean), cells(actual, mean, mean)])
    np.testing.assert_allclose(bands.horizon, [1, 2, 2])
    four, calm = np.array([4.0]), np.ones(1)
    assert bands.sigma(four, calm, 2) == pytest.approx(2 * bands.sigma(four, calm, 1))
    assert bands.sigma(four, calm, 9) == bands.sigma(four, calm, 3), "the last factor serves beyond"


def test_degenerate_errors_give_finite_bands():
    mean = np.full(200, 4.0)
    exact = fit_bands([cells(mean, mean, mean), cells(mean + 1, mean, mean)])
    assert np.isfinite(quantiles(exact, mean, mean)).all()
    assert np.isfinite(exact.horizon).all()
    nothing = np.zeros(0)
    never = fit_bands([cells(np.zeros(5), np.full(5, 0.2), np.ones(5)), cells(nothing, nothing, nothing)])
    assert np.isfinite(quantiles(never, np.array([0.2]), np.ones(1))).all()


def test_bands_are_as_wide_as_the_shop_is_unsettled():
    """Errors are normal with a spread of 10·s, s being 1 in calm times and 3 in others: bands follow s."""
    rng = np.random.default_rng(0)
    mean, state = np.full(6000, 100.0), np.where(np.arange(6000) % 3 == 0, 3.0, 1.0)
    actual = mean + rng.normal(0, 10 * state)
    bands = fit_bands([Cells(actual, mean, mean, state, state < 0)])
    low, high = QUANTILES.index(0.1), QUANTILES.index(0.9)
    for unrest in (1.0, 3.0):
        table = quantiles(bands, mean[:1], mean[:1], unrest)[0]
        assert table[high] - table[low] == pytest.approx(2 * 1.2816 * 10 * unrest, rel=0.06)


def test_items_little_seen_have_bands_of_their_own():
    """Errors of items seen often spread by 10, of those seen little by 30; too few of these take all scores.

    The others' bands are those of all items.
    """
    rng = np.random.default_rng(6)
    mean, little = np.full(6000, 100.0), np.arange(6000) % 4 == 0
    actual = mean + rng.normal(0, np.where(little, 30.0, 10.0))
    bands = fit_bands([Cells(actual, mean, mean, np.ones(6000), little)])
    low, high = QUANTILES.index(0.1), QUANTILES.index(0.9)
    table = bands.quantile_table(mean[:1], mean[:1], np.ones(1), np.array([True]))[0]
    assert table[high] - table[low] == pytest.approx(2 * 1.2816 * 30, rel=0.08)
    whole = _conformal((actual - mean) / bands.sigma(mean, np.ones(6000)))
    np.testing.assert_allclose(bands.quantiles[np.digitize(100.0, bands.edges)], whole)
    few = little & (np.arange(6000) < 200)
    bands = fit_bands([Cells(actual, mean, mean, np.ones(6000), few)])
    np.testing.assert_allclose(
        bands.quantiles[LITTLE_SEEN], _conformal((actual - mean) / bands.sigma(mean, np.ones(6000)))
    )


def test_sides_of_the_band_widen_apart_from_each_other():
    """Two days ahead sales fall short as one day ahead, and exceed the forecast three times as far."""
    rng = np.random.default_rng(5)
    mean, error = np.full(8000, 100.0), rng.normal(0, 10, (2, 8000))
    far = np.where(error[1] > 0, 3 * error[1], error[1])
    bands = fit_bands([cells(mean + e, mean, mean) for e in (error[0], far)])
    assert bands.sides == pytest.approx(np.array([[1, 1], [1, 3]]), rel=0.08)
    low, high = QUANTILES.index(0.1), QUANTILES.index(0.9)
    table = quantiles(bands, mean[:1], mean[:1], 1.0, 2)[0]
    assert table[low] == pytest.approx(100 - 12.8, abs=1.0)
    assert table[high] == pytest.approx(100 + 38.4, abs=2.5)


def test_values_between_and_beyond_the_quantiles():
    # Quantiles 1 … 9 at 0.025, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.975: halfway from 0.25 to 0.50 lies 4.5,
    # halfway to the lowest 0.5; above the highest the chance of more halves with every unit, as it does from 8 to 9.
    given = np.arange(1.0, 10.0)
    level = np.array([0.0125, 0.375, 0.975, 0.9875, 0.99375])[:, None]
    assert quantile_values(given[None, :], level)[:, 0] == pytest.approx([0.5, 4.5, 9.0, 10.0, 11.0])
