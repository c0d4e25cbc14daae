"""The menu: what every offer is worth, which orders and prices are considered, what the locks do to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from replenish.optimise.menu import RuleColumn, build_menu, order_grid, thinned, undominated
from replenish.records import Override, OverrideKind
from tests.optimise.worlds import candidate, menu_of, rules, scenarios, shop


def _lock(kind: OverrideKind, value: float | None = None, code: str = "apple") -> Override:
    return Override(code, kind, value)


def test_offer_worked_by_hand() -> None:
    # Demand 4 or 8 at price 2, cost 1, order 6. Sold 4 or 6, left 2 or 0, lost 0 or 2.
    # Profit 8 − 6 = 2 or 12 − 6 = 6, mean 4; goodwill 0.5 · 2 lost in one of two scenarios: value 4 − 0.5 = 3.5.
    # Cover: 2 · min(E[min(u, D)], E[D]) = 2 · min(5, 6) = 10.
    item = candidate("apple", goodwill=0.5)
    menu = build_menu([item], scenarios({"apple": [4, 8]}, {"apple": 1.0}), rules())
    row = menu.offers[menu.offers["order_quantity"] == 6].iloc[0]
    assert row["profit"] == 4.0
    assert row["value"] == 3.5
    assert (row["sales"], row["waste"], row["sell_out"], row["spend"], row["cover_value"]) == (5, 1, 0.5, 6, 10)
    assert (row["index_coefficient"], row["index_weight"], row["price_changed"]) == (0, 12, 0)
    assert menu.category_value == {"fruit": 12.0}


def test_another_price_moves_demand_along_the_curve() -> None:
    items, draws = shop()
    menu = build_menu(items, draws, rules())
    row = menu.offers.query("item_code == 'apple' and price == 2.5 and order_quantity == 8").iloc[0]
    # 10 · 1.25⁻¹ = 8 at 2.5: 20 − 8 = 12; the index rises by 20 · 0.25 = 5; cover stays at the reference price: 2 · 8.
    assert (row["demand"], row["value"], row["index_coefficient"], row["cover_value"]) == (8, 12, 5, 16)
    assert row["price_changed"] == 1


def test_cover_counts_clearance_buyers_who_would_have_paid_the_full_price() -> None:
    # Order 8, demand 6, m = φ = 0.5: M = min(2, 3) = 2 cleared, S = 6 − 1 = 5 at full price, yet 6 were served: 2 · 6.
    item = candidate("apple", display=8.0, clearance_share=0.5, discount=0.5, cannibalisation=0.5)
    row = build_menu([item], scenarios({"apple": [6, 6]}, {"apple": 1.0}), rules()).offers.iloc[0]
    assert (row["order_quantity"], row["sales"], row["clearance"], row["cover_value"]) == (8, 5, 2, 12)


@pytest.mark.parametrize(
    ("multiple", "display", "largest", "orders"),
    [
        (1.0, 2.5, 4.9, [3, 4, 5]),  # whole packs, from the next one above the minimum display
        (0.5, 2.5, 4.0, [2.5, 3.0, 3.5, 4.0]),
        (6.0, 2.5, 11.0, [6, 12]),  # two crates, or half of the demand would go unserved
        (1.0, 2.5, 0.7, [3]),  # little demand: the minimum display is the only order
        (0.5, 0.0, 1.0, [0.5, 1.0]),  # an order of nothing is not an offer
    ],
)
def test_orders_are_whole_multiples(multiple: float, display: float, largest: float, orders: list[float]) -> None:
    grid = order_grid(candidate("apple", multiple=multiple, display=display), largest, {})
    assert grid.tolist() == orders


def test_of_many_orders_a_grid_and_those_around_the_best_are_kept() -> None:
    # Worth falls by 1 a step on either side of the best, as the newsvendor's does around its order.
    every, best = np.arange(1.0, 2001.0), np.array([617.0, 40.0, 1999.0])
    few, *many = thinned([every[:80], every, every], lambda orders, grid: -np.abs(orders - best[[1, 0, 2]][grid]),
                         np.array([np.nan, 1203.0, 2001.0]))  # fmt: skip
    assert few.tolist() == every[:80].tolist()
    assert {615.0, 616.0, 617.0, 618.0, 619.0} <= set(many[0])
    assert {1997.0, 1998.0, 1999.0, 2000.0} <= set(many[1])
    assert 1203.0 in many[0]  # asked for
    assert 2001.0 not in many[1]  # no order of the grid
    for kept in many:
        assert (kept[0], kept[-1]) == (1.0, 2000.0)
        assert len(kept) <= 120
        assert np.diff(kept).max() <= 2000 / 39 + 1


def test_the_menu_has_the_offers_that_are_known_where_they_are_sensible() -> None:
    item, draws = candidate("apple", multiple=0.1), scenarios({"apple": [80, 100]}, {"apple": 1.0})
    plain = build_menu([item], draws, rules()).offers["order_quantity"]
    known = 31.7
    assert np.abs(plain - known).min() > 0.05  # of a thousand orders it is left out
    with_it = build_menu([item], draws, rules(), (), {"apple": (2.0, known)}).offers["order_quantity"]
    assert np.isclose(with_it, known).sum() == 1
    assert len(with_it) == len(plain) + 1
    for price, order in [(2.0, 31.75), (2.0, 150.0), (2.5, known)]:  # no multiple, beyond all demand, no such price
        same = build_menu([item], draws, rules(), (), {"apple": (price, order)}).offers["order_quantity"]
        assert same.tolist() == plain.tolist()


def test_orders_end_at_the_quantile_of_demand() -> None:
    # Loss 10 %, 2 carried over: usable 0.9 q + 2 ≤ 20 up to q = 20.
    item = candidate("apple", loss_rate=0.1, carried_over=2.0)
    menu = build_menu([item], scenarios({"apple": [10, 20]}, {"apple": 1.0}), rules())
    assert menu.offers["order_quantity"].max() == 20


def test_the_chance_to_clear_never_drives_an_order() -> None:
    # All that is left would be cleared at the full price of 2 for a cost of 0.1, without end: the more the better. Yet
    # no order goes beyond the 99 % quantile of full-price demand (1 … 50: 49.51, so 50 in whole units).
    draws = scenarios({"apple": np.arange(1.0, 51.0)}, {"apple": 0.1})
    eager = build_menu([candidate("apple", clearance_share=9.0)], draws, rules(max_fill_quantile=0.99)).offers
    assert eager.loc[eager["value"].idxmax(), "order_quantity"] == eager["order_quantity"].max()
    assert eager["order_quantity"].max() == 50
    plain = build_menu([candidate("apple")], draws, rules(max_fill_quantile=0.99)).offers
    assert plain["order_quantity"].tolist() == eager["order_quantity"].tolist()


def test_locks_of_order_and_bounds() -> None:
    item = candidate("apple", multiple=2.0)
    assert order_grid(item, 10.0, {"order": _lock("order", 3.3)}).tolist() == [3.3]
    assert order_grid(item, 10.0, {"min_order": _lock("min_order", 7)}).tolist() == [8, 10]
    assert order_grid(item, 10.0, {"min_order": _lock("min_order", 13)}).tolist() == [14]
    assert order_grid(item, 10.0, {"max_order": _lock("max_order", 5)}).tolist() == [2, 4]
    assert order_grid(item, 10.0, {"max_order": _lock("max_order", 1)}).tolist() == []


def test_an_order_of_nothing_is_an_offer_only_with_stock_at_hand() -> None:
    draws, none = scenarios({"apple": [5.0]}, {"apple": 1.0}), [_lock("order", 0.0)]
    menu = build_menu([candidate("apple")], draws, rules(), none)
    assert menu.offers.empty
    assert menu.left_out == {"apple": "the planner orders none"}
    menu = build_menu([candidate("apple", carried_over=3.0)], draws, rules(), none)
    assert menu.offers[["order_quantity", "sales"]].to_numpy().tolist() == [[0.0, 3.0]]


def test_price_lock_beats_the_ladder() -> None:
    items, draws = shop()
    menu = build_menu(items, draws, rules(), [_lock("price", 3.0)])
    assert menu.offers.loc[menu.offers["item_code"] == "apple", "price"].unique().tolist() == [3.0]


def test_left_out_with_a_reason() -> None:
    draws = scenarios({"apple": [5.0], "red": [5.0], "green": [5.0], "blue": [5.0]}, {
        "apple": 1.0, "red": np.nan, "green": 1.0, "blue": 1.0,
    })  # fmt: skip
    items = [
        candidate("apple"), candidate("red", rungs=(2.0,)), candidate("green", rungs=(), flag="no full price to go by"),
        candidate("blue"),
    ]  # fmt: skip
    locks = [_lock("never_list"), _lock("price", 2.0, "red"), _lock("max_order", 0.5, "blue")]
    menu = build_menu(items, draws, rules(), locks)
    assert menu.offers.empty
    assert menu.left_out == {
        "apple": "kept off the shelf by the planner",
        "red": "no valid wholesale price",
        "green": "no full price to go by",
        "blue": "no order fits the planner's bounds",
    }


def test_dominance_by_hand() -> None:
    offers = [
        {"item_code": "apple", "category": "fruit", "value": 10.0, "cover_value": 10.0, "spend": 5.0},
        {"item_code": "apple", "category": "fruit", "value": 9.0, "cover_value": 10.0, "spend": 5.0},  # worse in value
        {"item_code": "apple", "category": "fruit", "value": 9.0, "cover_value": 11.0, "spend": 5.0},  # covers one more
        {"item_code": "apple", "category": "fruit", "value": 9.0, "cover_value": 13.0, "spend": 5.0},
        {"item_code": "apple", "category": "fruit", "value": 9.0, "cover_value": 10.0, "spend": 4.0},  # costs less
        {
            "item_code": "apple",
            "category": "fruit",
            "value": 10.0,
            "cover_value": 10.0,
            "spend": 5.0,
        },  # the first again
        {"item_code": "pear", "category": "fruit", "value": 1.0, "cover_value": 1.0, "spend": 9.0},
    ]
    menu = menu_of(offers, {"fruit": 30.0})
    cover = -menu.offers["cover_value"].to_numpy()
    spend = RuleColumn(menu.offers["spend"].to_numpy(), np.inf)
    # At γ = 0.5 the third offer's extra cover is worth 0.5, less than the 1.0 it lacks; the fourth's 1.5 is more.
    assert undominated(menu, [RuleColumn(cover, 0.5), spend]).index.tolist() == [0, 3, 4, 6]
    assert undominated(menu, [RuleColumn(cover, np.inf), spend]).index.tolist() == [0, 3, 4, 6]
    assert undominated(menu, []).index.tolist() == [0, 6]


@pytest.mark.parametrize("goodwill", [0.0, 0.5])
def test_what_rivals_would_have_sold_is_charged(goodwill: float) -> None:
    # Demand 6 and 10, cost 1, price 2. On the second day half of what is missed is found elsewhere and worth 0.8 each.
    item = candidate("red", goodwill=goodwill)
    draws = replace(
        scenarios({"red": [6.0, 10.0]}, {"red": 1.0}),
        found_elsewhere=np.array([[0.0], [0.5]]), worth_elsewhere=np.array([[0.0], [0.8]]),
    )  # fmt: skip
    offers = build_menu([item], draws, rules()).offers.set_index("order_quantity")
    # Eight: profit (12 + 16)/2 − 8 = 6; second day 8 served cost 0.8 each, 2 are missed, of which one goes home.
    assert offers.loc[8.0, "profit"] == pytest.approx(6.0)
    assert offers.loc[8.0, "value"] == pytest.approx(6.0 - (8 * 0.8 + goodwill) / 2)


def test_the_index_is_held_against_another_price_where_there_is_one() -> None:
    # Demand 4 or 8 at price 2, elasticity −1: at 1.6 the mean is 6 · 1.25 = 7.5, of which 7.5 · 1.6 = 12 is the basket;
    # at price 2 it costs 7.5 · 0.4 = 3 more.
    item = replace(candidate("apple"), index_price=1.6)
    row = build_menu([item], scenarios({"apple": [4, 8]}, {"apple": 1.0}), rules()).offers.iloc[0]
    assert (row["index_coefficient"], row["index_weight"]) == pytest.approx((3.0, 12.0))
