"""Surprises that come again and unrest that widens bands: by hand, on made shops, and blind to later days."""

from __future__ import annotations

import numpy as np
import pytest

from replenish.forecast.surprise import LIMIT, Surprise, carried, carry_over, surprises
from replenish.forecast.unrest import unrest
from tests.forecast.shop import matrix, noisy_demand, poisoned

CATEGORIES = ["leafy", "leafy", "roots", "roots"]


def test_surprises_by_hand():
    """Forecast 10 everywhere, price 5. Day 1: leafy 12 and 12, roots 9 and 9: store 42 ÷ 40, leafy 24 ÷ 20."""
    demand = np.full((4, 4), 10.0)
    demand[1], demand[2], demand[3] = [12, 12, 9, 9], [10, 500, 10, 10], 0.1
    weight = np.ones((4, 4))
    weight[0] = 0
    m = matrix(demand, elasticity=-1e-12, category=CATEGORIES, weight=weight)
    found = surprises(m, np.full((4, 4), 10.0))
    assert found.store[:2] == pytest.approx([0, np.log(42 / 40)])
    assert found.category[1] == pytest.approx([np.log(24 / 20) - np.log(42 / 40)] * 2 + [np.log(18 / 20 / 1.05)] * 2)
    assert found.store[2] == pytest.approx(np.clip(np.log(60 / 40), -LIMIT, LIMIT)), "a bulk sale counts as 30"
    assert found.store[3] == -LIMIT
    assert (found.category[[0, 3]] == 0).all()


def test_what_comes_again_is_found():
    """Categories sell forecast × exp(0.5·store + 0.3·category) of the day before, the first only on days of its kind.

    The shares are less by 30 days of none: of 214 days like the day before, of 299 days for categories.
    """
    rng = np.random.default_rng(0)
    m = matrix(np.ones((300, 4)), category=CATEGORIES)
    store, category = rng.normal(0, 0.15, 300), np.repeat(rng.normal(0, 0.1, (300, 2)), 2, axis=1)
    working = np.arange(340) % 7 < 5
    seen, targets = Surprise(store, category, working), np.arange(1, 300)
    forecast = np.full((299, 4), 20.0)
    kept = working[:299] == working[1:300]
    assert kept.sum() == 214
    again = np.exp(0.5 * (store[:-1] * kept)[:, None] + 0.3 * category[:-1])
    shares = carry_over(m, seen, targets, {1: forecast * again}, {1: forecast})
    assert shares[0] == pytest.approx([0.5 / (1 + 30 / 214), 0.0, 0.3 / 1.1], abs=0.015)
    np.testing.assert_allclose(carried(seen, np.array([[0.5, 0.0, 0.3]]), targets - 1, 1), again)
    assert (carried(seen, shares, targets - 1, 2) == 1).all(), "past the reach nothing is carried over"


def test_nothing_seen_carries_nothing_over():
    m = matrix(np.zeros((40, 4)), category=CATEGORIES)
    seen = surprises(m, np.zeros((40, 4)))
    targets = np.arange(20, 40)
    shares = carry_over(m, seen, targets, {1: np.zeros((20, 4))}, {1: np.zeros((20, 4))})
    assert (shares == 0).all()
    assert (carried(seen, shares, targets, 1) == 1).all()


def test_unrest_rises_with_the_errors_of_the_shop_and_of_an_item_and_settles_again():
    """Errors of all items four times as wide from day 150 to 180; those of the last item always twice the others'."""
    rng = np.random.default_rng(1)
    spread = np.full((300, 8), 3.0)
    spread[150:180] *= 4
    spread[:, 7] *= 2
    ahead = np.full((300, 8), 40.0)
    m = matrix(np.maximum(ahead + rng.normal(0, spread), 0), elasticity=-1e-12)
    state = unrest(m, ahead)
    calm, wild, after = state[120:150, :7].mean(), state[165:180, :7].mean(), state[220:, :7].mean()
    assert wild / calm == pytest.approx(4**0.7, rel=0.2), "known within two weeks"
    assert after / calm == pytest.approx(1, abs=0.1)
    assert state[100:, 7].mean() / state[100:, :7].mean() == pytest.approx(2**0.5, rel=0.15)


def test_recent_errors_know_nothing_of_later_days():
    m = matrix(noisy_demand(120, 4), category=CATEGORIES)
    ahead = np.full((120, 4), 20.0)
    dirty = poisoned(m, 90)
    np.testing.assert_array_equal(unrest(m, ahead)[:91], unrest(dirty, ahead)[:91])
    clean, spoiled = surprises(m, ahead), surprises(dirty, ahead)
    np.testing.assert_array_equal(clean.store[:91], spoiled.store[:91])
    np.testing.assert_array_equal(clean.category[:91], spoiled.category[:91])
