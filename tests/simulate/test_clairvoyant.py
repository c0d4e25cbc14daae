"""The vectorised market is the market, and nobody beats whoever knows it."""

from dataclasses import replace

import numpy as np
import pytest

from replenish.errors import ConfigError
from replenish.simulate.clairvoyant import Clairvoyant
from replenish.simulate.conditions import draw_conditions
from replenish.simulate.draws import draw_category, play_draws, true_category
from replenish.simulate.luck import draw_turns, foreseen
from replenish.simulate.market import Market, Offers
from replenish.simulate.policies import POLICIES, practice
from replenish.simulate.season import play_season
from replenish.simulate.stage import Season, set_stage
from replenish.simulate.world import draw_world

FAMILY = ("practice", "practice-tuned", "practice-full")


@pytest.fixture(scope="module")
def stage():
    """Six days of a calm shop with a fifth of the usual shoppers, after eight weeks of practice."""
    full = set_stage(Season("calm", seed=4, days=6, history_days=60))
    market = replace(full.market, conditions=replace(
        full.market.conditions, shoppers=full.market.conditions.shoppers / 5))  # fmt: skip
    return replace(full, market=market, shop=replace(full.shop, conditions=market.conditions))


@pytest.fixture(scope="module")
def tight(stage):
    """A morning with too little of most things, some of it a day old."""
    world, day = stage.world, stage.first
    rng = np.random.default_rng(0)
    stock = np.where(stage.market.conditions.on_market[day], rng.uniform(0.5, 4.0, len(world.items)).round(1), 0.0)
    return Offers(world.column("normal_price"), stock, rng.integers(0, 2, len(stock)).astype(float))


def test_the_draw_that_comes_true_is_the_market_s_own_day(stage, tight):
    result = stage.market.play_day(stage.first, tight)
    taken = result.sales.assign(value=result.sales["quantity"] * result.sales["unit_price"])
    revenue = np.bincount(taken["item"], weights=taken["value"], minlength=len(tight.stock))
    assert np.isfinite(result.sold_out_hour).sum() > 10
    for category in stage.world.categories:
        members = stage.world.members(category)
        at = members[tight.stock[members] > 0]
        draws = true_category(stage.market, stage.first, category, at, 1.0)
        trade = play_draws(draws, tight.price[at], tight.stock[at], tight.age[at])
        assert trade.left[0] == pytest.approx(result.left[at], abs=0.002)
        assert trade.revenue[0] == pytest.approx(revenue[at], rel=0.002, abs=0.05)


def test_without_luck_the_mean_of_the_draws_is_the_expected_demand(stage):
    day, world = stage.first, stage.world
    plain = replace(
        world,
        traffic=replace(world.traffic, shock_sd=0.0, noise_sd=0.0),
        choice=replace(world.choice, pull_sd=0.0, popularity_sd=0.0, whim_sd=0.0),
        supply=replace(world.supply, harvest_appeal=0.0),
        practice=replace(world.practice, clear_chance=(0.0,) * 5),
    )
    market = replace(foreseen(stage.market, day), world=plain)
    at = world.members("pepper")[market.conditions.on_market[day, world.members("pepper")]]
    price = world.column("normal_price")[at]
    draws = draw_category(replace(stage.market, world=plain), day, "pepper", at, 1.0, 400, 1)
    sold = play_draws(draws, price, np.full(len(at), 1e6), np.zeros(len(at))).sold
    expected = market.category_demand(day, "pepper", at, price[None, :])[0]
    error = sold.std(0) / np.sqrt(draws.n)
    assert (np.abs(sold.mean(0) - expected) < 4 * error).all()
    assert sold.mean(0).sum() == pytest.approx(expected.sum(), rel=0.03)


def test_the_luck_drawn_is_of_the_size_of_the_luck_the_market_had():
    world = draw_world("volatile", 0)
    conditions = draw_conditions(world, "2022-01-01", "2023-12-31", 3)
    market, day, category = Market(world, conditions, 3), 400, "leafy"
    at = world.members(category)
    turns = draw_turns(market, day, category, at, 4000, np.random.default_rng(0))
    plain, past = foreseen(market, day).conditions, slice(1, None)
    expected = (plain.shoppers[day], plain.pull[day, world.categories.index(category)], plain.wholesale[day, at])
    drawn = [
        np.log(turn / base) for turn, base in zip((turns.shoppers, turns.pull, turns.wholesale), expected, strict=True)
    ]
    had = conditions.luck.shoppers[past], conditions.luck.pull[past], conditions.luck.wholesale[past][:, at]
    liked = turns.appeal - plain.appeal[day, at], conditions.luck.appeal[past][:, at]
    # Quotations have infinite fourth moments: their size is told by the median.
    for mine, true in [*zip(drawn[:2], had[:2], strict=True), liked, (drawn[2], had[2])]:
        assert np.median(np.abs(mine)) == pytest.approx(np.median(np.abs(true)), rel=0.08)


def test_the_day_foreseen_with_its_luck_is_the_day_that_comes(stage):
    day, conditions = stage.first, stage.market.conditions
    expected, luck = foreseen(stage.market, day).conditions, conditions.luck
    assert expected.shoppers[day] * np.exp(luck.shoppers[day]) == pytest.approx(conditions.shoppers[day])
    assert expected.appeal[day] + luck.appeal[day] == pytest.approx(conditions.appeal[day])
    assert not np.allclose(expected.wholesale[day], conditions.wholesale[day], rtol=1e-3)
    assert np.array_equal(np.delete(expected.appeal, day, axis=0), np.delete(conditions.appeal, day, axis=0))


@pytest.fixture(scope="module")
def seasons(stage):
    books = {name: play_season(stage, POLICIES[name](stage)) for name in FAMILY}
    for name, foresight in (("clairvoyant", False), ("foresight", True)):
        books[name] = play_season(stage, Clairvoyant(stage, {n: books[n] for n in FAMILY}, foresight))
    return books


def test_nobody_beats_the_clairvoyant_beyond_noise_nor_the_clairvoyant_foresight(seasons):
    profit = {name: books.days["profit"].to_numpy() for name, books in seasons.items()}
    for name in FAMILY:
        gain = profit[name] - profit["clairvoyant"]
        assert gain.mean() <= 2 * gain.std(ddof=1) / np.sqrt(len(gain))
    assert profit["clairvoyant"].mean() > 1.02 * profit["practice"].mean()
    assert profit["foresight"].mean() > profit["clairvoyant"].mean()


def test_foresight_gets_what_it_foresees(seasons):
    days = seasons["foresight"].days
    assert days["profit"].to_numpy() == pytest.approx(days["promised"].to_numpy(), abs=0.5)


def test_the_clairvoyant_is_no_dearer_than_practice(stage, seasons):
    usual = seasons["practice"].item_days.set_index(["date", "item_code"])["price"]
    rows = seasons["clairvoyant"].item_days.set_index(["date", "item_code"])
    both = rows.join(usual.rename("usual")).dropna(subset=["price", "usual"])
    assert (both["demand"] * both["price"]).sum() <= 1.01 * (both["demand"] * both["usual"]).sum()


def test_the_clairvoyant_needs_practice_as_its_yardstick(stage):
    with pytest.raises(ConfigError, match="practice"):
        Clairvoyant(stage, {})


def test_practice_never_sees_the_shop_from_inside(stage):
    assert not hasattr(practice(stage), "see")
