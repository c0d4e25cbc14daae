from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from replenish.errors import DataError
from replenish.simulate.conditions import draw_conditions, with_upheaval
from replenish.simulate.market import Market, Offers
from replenish.simulate.policies import POLICIES, practice
from replenish.simulate.practice import Decision
from replenish.simulate.season import Planned, play_season
from replenish.simulate.stage import Season, set_stage
from replenish.simulate.world import draw_world


@pytest.fixture(scope="module")
def stage():
    """A week's season of the calm world after four weeks of practice."""
    return set_stage(Season("calm", seed=3, days=7, history_days=28))


@pytest.fixture(scope="module")
def books(stage):
    return play_season(stage, practice(stage))


class Spy:
    """Plays practice and keeps what it was shown."""

    def __init__(self, stage):
        self.inner, self.views = practice(stage), []

    def __call__(self, view):
        self.views.append((view, view.tables))
        return self.inner(view)


def test_books_add_up(books):
    rows = books.item_days
    assert (rows["sold"] + rows["left"]).to_numpy() == pytest.approx(rows["on_hand"].to_numpy(), abs=0.002)
    assert (rows["waste"] + rows["kept"]).to_numpy() == pytest.approx(rows["left"].to_numpy(), abs=0.002)
    spent = rows["unit_cost"] * rows["order_quantity"]
    opening = rows.sort_values("date").groupby("item_code")["kept"].shift(1)
    same_cost = rows["revenue"] - spent + 0.8 * rows["unit_cost"] * (rows["kept"] - opening)
    known = opening.notna() & (rows.groupby("item_code")["date"].diff() == pd.Timedelta(days=1))
    assert known.sum() > 100
    assert rows.loc[known, "profit"].to_numpy() == pytest.approx(same_cost[known].to_numpy(), abs=0.02)
    assert books.days["profit"].to_numpy() == pytest.approx(rows.groupby("date")["profit"].sum().to_numpy())


def test_the_tables_end_on_the_evening_and_hold_the_days_played(stage, books):
    spy = Spy(stage)
    play_season(stage, spy)
    assert len(spy.views) == 7
    for view, tables in spy.views:
        for name in ("daily_sales", "intraday_sales", "wholesale", "stock", "orders"):
            assert getattr(tables, name)["date"].max() == view.as_of
    last = spy.views[-1][1].daily_sales
    sold = books.item_days[books.item_days["sold"] > 0].set_index(["date", "item_code"])["sold"].iloc[:-60]
    told = last.set_index(["date", "item_code"])["quantity"] + last.set_index(["date", "item_code"])["return_quantity"]
    assert told.reindex(sold.index).to_numpy() == pytest.approx(sold.to_numpy())


def test_tables_added_day_by_day_are_those_read_at_once(stage):
    """Practice in the season, with shoppers who do not react, is practice in a longer history."""
    spy, traffic = Spy(stage), replace(stage.world.traffic, price_reaction=0.0, empty_reaction=0.0)
    unmoved = replace(stage.reputation, world=replace(stage.world, traffic=traffic))
    play_season(replace(stage, reputation=unmoved), spy)
    grown = spy.views[-1][1]
    whole = set_stage(replace(stage.season, days=1, history_days=28 + 6, start="2024-06-09")).tables
    for name in ("daily_sales", "intraday_sales", "stock", "orders"):
        one, two = getattr(grown, name), getattr(whole, name)
        key = [c for c in ("date", "item_code", "category", "half_hour") if c in two]
        one, two = (t.sort_values(key, ignore_index=True) for t in (one, two))
        pd.testing.assert_frame_equal(one, two)
    quoted = whole.wholesale.merge(grown.wholesale, on=["date", "item_code"], how="left", suffixes=("", "_grown"))
    assert (quoted["wholesale_price"] == quoted["wholesale_price_grown"]).all()


def test_nothing_later_is_seen(stage):
    """What happens after an evening is poisoned; what is shown and decided up to it stays."""
    poisoned_from = stage.first + 4
    conditions = stage.market.conditions

    def poison(values, to):
        out = values.copy()
        out[poisoned_from:] = to
        return out

    changed = replace(
        conditions, wholesale=poison(conditions.wholesale, 999.0), appeal=poison(conditions.appeal, -5.0),
        shoppers=poison(conditions.shoppers, 90.0), pull=poison(conditions.pull, 0.5),
    )  # fmt: skip
    honest, poisoned = Spy(stage), Spy(stage)
    play_season(stage, honest)
    play_season(replace(stage, market=replace(stage.market, conditions=changed),
                        shop=replace(stage.shop, conditions=changed)), poisoned)  # fmt: skip
    for (view, tables), (other_view, other_tables) in list(zip(honest.views, poisoned.views, strict=True))[:5]:
        for name in ("sold", "offered", "sold_out_hour", "last_price", "carried_over", "on_market", "wholesale"):
            np.testing.assert_array_equal(getattr(view.evening, name), getattr(other_view.evening, name))
        for name in ("daily_sales", "wholesale", "stock", "orders"):
            pd.testing.assert_frame_equal(getattr(tables, name), getattr(other_tables, name))


def test_the_evening_tells_todays_prices_unless_tomorrows_are_known(stage):
    day = stage.first
    for known, row in ((False, day - 1), (True, day)):
        shop = replace(stage.shop, costs_known=known)
        np.testing.assert_array_equal(shop.evening(day).wholesale, stage.market.conditions.wholesale[row])


def test_policies_meet_the_same_shoppers_and_prices(stage, books):
    again = play_season(stage, practice(stage))
    pd.testing.assert_frame_equal(books.item_days, again.item_days)
    dearer = play_season(stage, POLICIES["practice+5%"](stage))
    both = books.item_days.merge(dearer.item_days, on=["date", "item_code"], suffixes=("", "_dear"))
    assert both["unit_cost"].to_numpy() == pytest.approx(both["unit_cost_dear"].to_numpy())
    assert (both["price_dear"] / both["price"]).median() == pytest.approx(1.05, abs=0.002)


def test_dear_prices_keep_shoppers_away(stage):
    dearer = play_season(stage, POLICIES["practice+5%"](stage))
    assert dearer.days["attraction"].is_monotonic_decreasing
    # six days of 5 % in a memory of 28 days: about (1 + 0.05·6/28)^−0.5
    assert dearer.days["attraction"].iloc[-1] == pytest.approx((1 + 0.05 * 6 / 28) ** -0.5, abs=0.01)


def test_an_order_without_a_price_is_refused(stage):
    n = len(stage.item_codes)
    with pytest.raises(DataError, match="order without price"):
        play_season(stage, lambda view: Planned(Decision(np.ones(n), np.full(n, np.nan))))


def test_supply_shock_hits_its_days_and_categories():
    world = draw_world("supply-shock", 1)
    calm = draw_conditions(world, "2024-05-25", "2024-06-25", 1)
    hit = with_upheaval(world, calm, 1)
    days = (calm.dates >= "2024-06-10") & (calm.dates <= "2024-06-19")
    items = world.items["category"].isin(["leafy", "pepper"]).to_numpy()
    factor = hit.wholesale / calm.wholesale
    assert factor[np.ix_(days, items)] == pytest.approx(1.6, abs=0.05)
    assert (factor[~days] == 1.0).all()
    assert (factor[:, ~items] == 1.0).all()
    assert hit.on_market[np.ix_(days, items)].sum() < calm.on_market[np.ix_(days, items)].sum()


def test_drift_makes_demand_more_elastic_but_leaves_it_alone_at_normal_prices():
    world = draw_world("drift", 1)
    conditions = with_upheaval(world, draw_conditions(world, "2024-06-01", "2024-07-05", 1), 1)
    assert conditions.price_weight is not None
    assert conditions.price_weight[[0, 15, -1]] == pytest.approx([1.0, 1 + 1.2 * 14 / 28, 2.2])
    market, before = (Market(world, c, 1) for c in (conditions, replace(conditions, price_weight=None)))
    price, there = world.column("normal_price"), np.ones(len(world.items), dtype=bool)
    assert market.expected_demand(30, price, there) == pytest.approx(before.expected_demand(30, price, there))
    own, _ = market.elasticities(30, price, there)
    calm_own, _ = before.elasticities(30, price, there)
    assert (own < 1.7 * calm_own).all()
    offers = Offers(price, np.full(len(price), 1e6), np.zeros(len(price)))
    sold, sold_before = (m.play_day(30, offers).demand.sum() for m in (market, before))
    assert sold == pytest.approx(sold_before, rel=0.02)


def test_the_shop_does_not_know_the_true_loss_rates_of_the_wrong_loss_world():
    world = draw_world("wrong-loss", 1)
    true, known = world.column("true_loss_rate"), world.column("loss_rate")
    assert true.mean() == pytest.approx(1.4 * known.mean(), rel=0.15)
    assert "true_loss_rate" not in world.items_table()
    right = draw_world("calm", 1)
    np.testing.assert_allclose(right.column("true_loss_rate"), right.column("loss_rate"))
