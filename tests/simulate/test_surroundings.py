"""What lies around the shop: it moves shoppers as stated, leaves other worlds alone, and is told as it was known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from replenish.simulate.conditions import draw_conditions
from replenish.simulate.market import Market
from replenish.simulate.policies import practice
from replenish.simulate.season import play_season
from replenish.simulate.stage import Season, open_stage, play_past
from replenish.simulate.surroundings import RAIN_RIGHT, WET_SHARE, with_surroundings
from replenish.simulate.world import EFFECTS, Effects, draw_world, under_effects

ALL = {"weather": True, "rivals": True, "customers": True}


@pytest.fixture(scope="module")
def two_years():
    world = draw_world("calm", 3)
    return world, draw_conditions(world, "2022-01-01", "2023-12-31", 3)


def test_without_effects_nothing_changes_and_the_same_weather_is_there(two_years):
    world, conditions = two_years
    same, around = with_surroundings(world, conditions, 3)
    np.testing.assert_array_equal(same.shoppers, conditions.shoppers)
    np.testing.assert_array_equal(same.pull, conditions.pull)
    strong, other = with_surroundings(under_effects(world, EFFECTS["strong"]), conditions, 3)
    np.testing.assert_array_equal(other.rain, around.rain)
    assert not np.allclose(strong.shoppers, conditions.shoppers)


def test_effects_are_as_strong_as_they_say(two_years):
    """Rain keeps 20 % of the shoppers away; a rival at 10 % less takes 10 % of a category's visits."""
    world, conditions = two_years
    rainy, around = with_surroundings(replace(world, effects=Effects(rain=0.2)), conditions, 3)
    is_open = conditions.shoppers > 0
    wet = around.rain[: len(conditions.dates)][is_open] > 0
    factor = rainy.shoppers[is_open] / conditions.shoppers[is_open]
    assert factor[wet] == pytest.approx(factor[~wet][0] * 0.8)
    assert factor.mean() == pytest.approx(1.0, abs=0.02)
    assert wet.mean() == pytest.approx(WET_SHARE, abs=0.05)
    robbed, _ = with_surroundings(replace(world, effects=Effects(rival=0.1)), conditions, 3)
    expected = np.exp(np.log(0.9) / np.log(0.9) * around.rival[: len(conditions.dates)])
    np.testing.assert_allclose(robbed.pull / conditions.pull, expected)
    assert (around.rival < -0.1).mean() == pytest.approx(7 / (7 + 14), abs=0.06), "campaigns"


def test_the_weather_is_foretold_about_as_well_as_stated(two_years):
    _, around = with_surroundings(*two_years, 3)
    for h, right in enumerate(RAIN_RIGHT, start=1):
        hit = (around.rain_told[:-h, h - 1] > 0) == (around.rain[h:] > 0)
        assert hit.mean() == pytest.approx(right, abs=0.04)
    error = around.temperature_told[:-1, 0] - around.temperature[1:]
    assert error.std() == pytest.approx(1.5, abs=0.15)


def test_medium_effects_leave_practice_and_wholesale_prices_as_they_are():
    world = draw_world("calm", 3)
    medium = under_effects(world, EFFECTS["medium"])
    assert medium.supply == world.supply
    pd.testing.assert_frame_equal(medium.items, world.items)


@pytest.fixture(scope="module")
def past():
    return play_past(Season("calm", seed=3, days=2, history_days=28, effects="strong"))


def shown(past, **known):
    season = Season("calm", seed=3, days=2, history_days=28, effects="strong", **known)
    stage, views = open_stage(past, season), []
    rule = practice(stage)
    books = play_season(stage, lambda view: views.append((view, view.tables)) or rule(view))
    return stage, views, books


def test_the_shop_has_the_tables_the_season_says_as_known_that_evening(past):
    stage, views, books = shown(past, **ALL)
    for view, tables in views:
        weather, coming = tables.weather, view.day
        assert weather["known_at"].max() == view.as_of
        told = weather[weather["date"] == coming]
        day = stage.market.conditions.position(coming)
        assert told["known_at"].max() == view.as_of, "a forecast, no record yet"
        last = told.sort_values("known_at").iloc[-1]
        assert last["rain"] == stage.around.rain_told[day - 1, 0]
        for name in ("competitor_prices", "customers"):
            assert getattr(tables, name)["date"].max() == view.as_of
    counted = views[1][1].customers.set_index("date")["customers"]
    yesterday, attraction = stage.first, books.days["attraction"].iloc[0]
    assert counted[views[1][0].as_of] == stage.market.customers(yesterday, attraction)
    _, unseen, same = shown(past)
    assert all(getattr(unseen[1][1], name) is None for name in ("weather", "competitor_prices", "customers"))
    pd.testing.assert_frame_equal(books.item_days, same.item_days)


def test_customers_counted_are_those_that_shop(past):
    """Everybody who buys came through the door; nobody is counted twice."""
    market: Market = past.market
    day = 40
    shoppers = set()
    for _, visits in market.visits(day, 1.0):
        shoppers |= set(visits.shopper.tolist())
    assert max(shoppers) < market.customers(day)
