"""Policies on our forecast keep to what a shop can do; models are quick ones here (smoothing alone)."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from replenish.optimise.menu import Candidate
from replenish.optimise.outcome import ItemTerms
from replenish.planning import held_to
from replenish.pricing.ladder import Ladder
from replenish.records import Scenarios
from replenish.simulate.policies import (
    INDEX_CATCH_UP,
    INDEX_MARGIN,
    SEASON_SETTINGS,
    IndexMargin,
    MeanDemand,
    PerItem,
    Replenish,
    best_order,
    multiplier_order,
    practice,
    with_safety,
)
from replenish.simulate.season import play_season
from replenish.simulate.stage import Season, set_stage
from replenish.simulate.world import draw_world

QUICK = SEASON_SETTINGS.override(
    forecast__boosting=False, forecast__arima=False, forecast__validation_days=28, forecast__horizon_days=2,
    scenarios__count=100, scenarios__fresh=100, solver__gap=0.02,
)  # fmt: skip


@pytest.fixture(scope="module")
def stage():
    return set_stage(Season("calm", seed=3, days=3, history_days=70))


@pytest.fixture(scope="module")
def usual(stage):
    return play_season(stage, practice(stage))


@pytest.fixture(scope="module")
def planned(stage):
    return play_season(stage, Replenish(stage, QUICK))


def supplied(stage, rows: pd.DataFrame) -> np.ndarray:
    """Whether each row's item was on the market that day."""
    conditions = stage.market.conditions
    day = conditions.dates.get_indexer(pd.DatetimeIndex(rows["date"]))
    return conditions.on_market[day, pd.Index(stage.item_codes).get_indexer(pd.Index(rows["item_code"]))]


def test_the_plan_orders_only_what_is_on_the_list_and_sells_what_is_left(stage, planned):
    rows = planned.item_days
    assert (supplied(stage, rows) | (rows["order_quantity"] == 0)).all()
    assert rows.loc[rows["order_quantity"] > 0, "price"].gt(0).all()
    kept = rows.sort_values("date").groupby("item_code")["kept"].shift(1)
    tomorrow = kept > 0.01
    assert tomorrow.sum() > 3
    assert (rows.loc[tomorrow, "on_hand"] > 0).all()
    assert rows.groupby("date")["order_quantity"].apply(lambda q: (q > 0).sum()).between(20, 60).all()


def test_the_plan_promises_a_profit_and_keeps_the_price_index(stage, planned, usual):
    assert planned.days["promised"].gt(0).all()
    both = planned.item_days.merge(usual.item_days, on=["date", "item_code"], suffixes=("", "_usual"))
    index = (both["price"] * both["demand_usual"]).sum() / (both["price_usual"] * both["demand_usual"]).sum()
    assert index == pytest.approx(1.0, abs=0.03)


def test_an_index_held_below_the_shop_s_prices_keeps_nothing_off_the_shelf(stage):
    """Every item has its own price and the cent just below what is asked for as rungs, so one item alone can stay."""
    lines = []

    class Held(Replenish):
        def decide(self, ahead, view):
            ground = self.groundwork(ahead, view)
            prices = {c: float(p) for c, p in zip(self.codes, self.cost_plus(view.evening), strict=True) if p > 0}
            for c in held_to(ground, prices, 0.01).candidates:
                if c.item_code in prices and c.ladder.rungs:
                    own = prices[c.item_code]
                    lines.append((own, c.ladder.rungs, c.index_price))
            return {}, np.nan, np.nan

    play_season(replace(stage, season=replace(stage.season, days=1)), Held(stage, QUICK))
    assert len(lines) > 20
    for own, rungs, index_price in lines:
        assert index_price == own
        assert own in rungs
        assert any(0.99 * own - 0.011 < rung <= 0.99 * own + 1e-9 for rung in rungs)


def test_policies_that_fit_alike_fit_once(stage, planned):
    before = dict(stage.fitted)
    assert len(before) == 1
    play_season(replace(stage, season=replace(stage.season, days=1)), Replenish(stage, QUICK, own_prices=False))
    assert stage.fitted.keys() == before.keys()


def test_without_own_prices_the_plan_charges_the_shop_s(stage, usual, planned):
    one_day = replace(stage, season=replace(stage.season, days=1))
    settings = QUICK.override(rules__price_index_cap=None)
    for policy in (Replenish(stage, settings, own_prices=False), PerItem(stage, best_order, QUICK)):
        rows = play_season(one_day, policy).item_days
        both = rows[rows["order_quantity"] > 0].merge(
            usual.item_days, on=["date", "item_code"], suffixes=("", "_usual")
        )
        assert len(both) > 20
        assert (both["price"] == both["price_usual"]).all()


def test_the_mean_demand_plan_keeps_no_safety_stock(stage, planned):
    one_day = replace(stage, season=replace(stage.season, days=1))
    mean = play_season(one_day, MeanDemand(stage, QUICK))
    both = mean.item_days.merge(planned.item_days, on=["date", "item_code"], suffixes=("", "_planned"))
    assert mean.days["promised"].iloc[0] > planned.days["promised"].iloc[0]
    assert both["order_quantity"].sum() != both["order_quantity_planned"].sum()


def test_multiplier_order_by_hand():
    """ŷ = 10: ⌈(e^−1 + 1.23)·10⌉ = ⌈15.98⌉ = 16, less 1 in stock: 15."""
    terms = ItemTerms(5.0, 0.1, 0.0, 0.3, 0.4, 0.0, 0.0, carried_over=1.0)
    item = Candidate("A", "leafy", "kg", terms, Ladder("A", (5.0,), (4.0, 6.0), 3.0), 0.5, 1.0)
    ones = np.ones((2, 1))
    scenarios = Scenarios(("A",), np.array([[8.0], [12.0]]), -ones, -np.ones(1), ones, np.array([], "datetime64[D]"))
    assert multiplier_order(item, scenarios, 5.0) == 15.0


def test_with_safety_scales_every_item():
    world = draw_world("calm", 1)
    np.testing.assert_allclose(with_safety(world, 1.5).column("safety"), 1.5 * world.column("safety"))


def test_the_margin_to_the_price_index_follows_what_was_sold() -> None:
    margin = IndexMargin()
    margin.learn(np.array([9.0]), 0.0)  # nothing asked for yet
    assert margin.margin == INDEX_MARGIN
    # 10 sold at 2.2 instead of 2 and 18 at 0.9 instead of 1, elasticity −1: at the shop's own prices 11 and 16.2 would
    # have been, 22 + 16.2 = 38.2 at its own and 24.2 + 14.58 = 38.78 at the prices asked.
    margin.asked = np.array([2.2, 0.9, np.nan]), np.array([2.0, 1.0, 5.0]), np.array([-1.0, -1.0, -1.0])
    over = 38.78 / 38.2 - 1
    margin.learn(np.array([10.0, 18.0, 0.0]), 0.0)
    assert margin.margin == pytest.approx(INDEX_MARGIN + INDEX_CATCH_UP * over)
    margin.learn(np.array([10.0, 18.0, 0.0]), 0.05)  # below a cap of five per cent
    assert margin.margin == pytest.approx(max(INDEX_MARGIN + INDEX_CATCH_UP * (2 * over - 0.05), 0.0))


def test_the_day_after_a_closed_day_is_planned_from_the_evening_before_it() -> None:
    # The Spring Festival of 2024 is 10 February; the shop is closed that day.
    stage = set_stage(Season("new-year", seed=3, days=3, history_days=70, start="2024-02-09"))
    books = play_season(stage, Replenish(stage, QUICK))
    assert [f"{day:%m-%d}" for day in books.days["date"]] == ["02-09", "02-11"]
    assert books.days["promised"].gt(0).all()
    assert books.item_days.groupby("date")["order_quantity"].sum().gt(0).all()
