import numpy as np
import pandas as pd
import pytest

from replenish.errors import DataError
from replenish.simulate.market import Offers, serve
from replenish.simulate.shoppers import NOTHING

DAY = 3


def full_shelf(market, stock=10_000.0):
    n = len(market.world.items)
    return Offers(market.world.column("normal_price"), np.full(n, stock), np.zeros(n))


def with_stock(offers, item, stock):
    changed = offers.stock.copy()
    changed[item] = stock
    return Offers(offers.price, changed, offers.age)


def leader(market, category):
    at = market.world.members(category)
    return at[market.conditions.appeal[DAY, at].argmax()]


# ---------------------------------------------------------------- one shelf


def test_serve_by_hand():
    # All like item 0 best, each wants 0.6 of the 1.0 there: 0.6, then the rest (0.4), then the rival.
    utility = np.array([[2.0, 1.0], [2.0, 1.0], [2.0, 1.0], [2.0, -1.0]])
    served = serve(utility, 0.0, np.full((4, 2), 0.6), np.array([1.0, 5.0]))
    assert served.item.tolist() == [0, 0, 1, NOTHING]
    assert served.quantity.tolist() == [0.6, 0.4, 0.6, 0.0]
    assert served.emptied_by.tolist() == [1, 4]


def test_serve_moves_on_when_the_rival_runs_out_too():
    served = serve(np.array([[2.0, 1.0]] * 4), 0.0, np.ones((4, 2)), np.array([1.0, 2.0]))
    assert served.item.tolist() == [0, 1, 1, NOTHING]
    assert served.emptied_by.tolist() == [0, 2]


def test_serve_without_visits():
    served = serve(np.zeros((0, 2)), 0.0, np.zeros((0, 2)), np.array([1.0, 0.0]))
    assert len(served.item) == 0
    assert served.emptied_by.tolist() == [0, 0]


# ---------------------------------------------------------------- a day


def test_the_same_day_is_played_the_same(market):
    first, second = market.play_day(DAY, full_shelf(market)), market.play_day(DAY, full_shelf(market))
    pd.testing.assert_frame_equal(first.sales, second.sales)
    assert (first.demand == second.demand).all()


def test_stock_in_is_sold_or_left(market):
    offers = full_shelf(market, stock=6.0)
    result = market.play_day(DAY, offers)
    assert result.sold + result.left == pytest.approx(offers.stock)
    by_item = result.sales.groupby("item")["quantity"].sum().reindex(range(len(result.sold)), fill_value=0.0)
    assert by_item.to_numpy() == pytest.approx(result.sold)
    assert (result.left >= 0).all()


def test_nothing_is_sold_after_it_ran_out(market):
    result = market.play_day(DAY, full_shelf(market, stock=3.0))
    last_sale = result.sales.groupby("item")["hour"].max()
    gone = np.flatnonzero(np.isfinite(result.sold_out_hour))
    assert len(gone) > 10
    assert last_sale[gone].to_numpy() == pytest.approx(result.sold_out_hour[gone])
    assert result.left[gone] == pytest.approx(0.0)


def test_without_stock_outs_sales_are_demand(market):
    result = market.play_day(DAY, full_shelf(market))
    assert result.sold == pytest.approx(result.demand)
    assert result.lost.sum() == 0


def test_uncensored_demand_does_not_depend_on_stock(market):
    plenty, scarce = (market.play_day(DAY, full_shelf(market, stock)) for stock in (10_000.0, 4.0))
    assert (plenty.demand == scarce.demand).all()


def test_a_stock_out_moves_demand_to_rivals_and_away(market):
    offers, item = full_shelf(market), leader(market, "leafy")
    plenty = market.play_day(DAY, offers)
    scarce = market.play_day(DAY, with_stock(offers, item, 2.0))
    rivals = np.setdiff1d(market.world.members("leafy"), item)
    others = np.flatnonzero(market.world.items["category"] != "leafy")
    assert (scarce.sold[rivals] >= plenty.sold[rivals]).all()
    assert scarce.sold[rivals].sum() > plenty.sold[rivals].sum()
    assert (scarce.sold[others] == plenty.sold[others]).all()
    assert scarce.demand[item] > scarce.sold[item] == pytest.approx(2.0)
    assert scarce.lost[item] > 0


def test_a_higher_price_lowers_demand_and_helps_rivals(market):
    offers, item = full_shelf(market), leader(market, "pepper")
    dearer = offers.price.copy()
    dearer[item] *= 1.3
    before = market.play_day(DAY, offers)
    after = market.play_day(DAY, Offers(dearer, offers.stock, offers.age))
    rivals = np.setdiff1d(market.world.members("pepper"), item)
    assert after.demand[item] < before.demand[item]
    assert after.demand[rivals].sum() > before.demand[rivals].sum()


def test_old_stock_is_liked_less(market):
    offers, item = full_shelf(market), leader(market, "pepper")
    age = np.zeros(len(offers.price))
    age[item] = 1.0
    after = market.play_day(DAY, Offers(offers.price, offers.stock, age))
    assert after.demand[item] < market.play_day(DAY, offers).demand[item]


def test_mean_of_many_days_is_the_expected_demand(two_items):
    offers = Offers(np.array([10.0, 5.0]), np.full(2, 1e6), np.zeros(2))
    draws = [type(two_items)(two_items.world, two_items.conditions, seed).play_day(0, offers) for seed in range(60)]
    # 1,000 visits × shares ½ and ¼ × 0.4 kg
    assert two_items.expected_demand(0, offers.price, offers.offered) == pytest.approx([200.0, 100.0])
    assert np.mean([d.demand for d in draws], axis=0) == pytest.approx([200.0, 100.0], rel=0.03)


def test_elasticities_by_hand(two_items):
    # Logit with weight 1 per normal price: own −(1 − s_j) = −½ and −¾; common −(1 − s_1 − s_2) = −¼.
    own, common = two_items.elasticities(0, np.array([10.0, 5.0]), np.ones(2, dtype=bool))
    assert own == pytest.approx([-0.5, -0.75], abs=1e-3)
    assert common == pytest.approx([-0.25, -0.25], abs=1e-3)


def test_elasticity_is_that_of_the_expected_demand(market):
    offers, item = full_shelf(market), leader(market, "leafy")
    own, _ = market.elasticities(DAY, offers.price, offers.offered)
    moved = [offers.price * np.where(np.arange(len(offers.price)) == item, f, 1.0) for f in (1.01, 0.99)]
    up, down = (market.expected_demand(DAY, price, offers.offered)[item] for price in moved)
    assert own[item] == pytest.approx(np.log(up / down) / np.log(1.01 / 0.99))


def test_offers_from_a_frame(market):
    codes = market.world.items["item_code"]
    frame = pd.DataFrame({"item_code": codes[[2, 0]], "price": [5.0, 6.0], "stock_on_hand": [3.0, 4.0]})
    offers = Offers.from_frame(market.world, frame)
    assert np.flatnonzero(offers.offered).tolist() == [0, 2]
    assert offers.price[[0, 2]].tolist() == [6.0, 5.0]
    sold = set(market.play_day(DAY, offers).sales["item"])
    assert sold == {0, 2}


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"item_code": ["X"], "price": [5.0], "stock_on_hand": [3.0]}),
        pd.DataFrame({"item_code": ["P001", "P001"], "price": [5.0, 5.0], "stock_on_hand": [3.0, 3.0]}),
        pd.DataFrame({"item_code": ["P001"], "price": [0.0], "stock_on_hand": [3.0]}),
        pd.DataFrame({"item_code": ["P001"], "price": [5.0], "stock_on_hand": [-3.0]}),
    ],
    ids=["unknown item", "item twice", "no price", "negative stock"],
)
def test_unusable_offers_are_refused(market, frame):
    with pytest.raises(DataError, match="offers"):
        Offers.from_frame(market.world, frame)


def test_attraction_brings_more_shoppers(market):
    few, many = (market.play_day(DAY, full_shelf(market), attraction).demand.sum() for attraction in (0.5, 1.5))
    assert many > 2 * few
