from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from replenish.errors import ConfigError, DataError
from replenish.schemas import TABLES, check_table
from replenish.simulate.conditions import draw_conditions, holiday_factor
from replenish.simulate.history import simulate_history
from replenish.simulate.practice import Decision, draw_clearance, usual_price
from replenish.simulate.stockroom import Stockroom
from replenish.simulate.world import OPEN_HOUR, PRESETS, WORLD_WORDS, Traffic, draw_world, worlds_in_words

SPAN = ("2024-03-04", "2024-03-10")


def test_frames_are_canonical(past):
    frames, _ = past
    assert set(frames) == {"items", "sales", "wholesale", "stock", "orders"}
    for name, frame in frames.items():
        checked = check_table(frame, TABLES[name])
        pd.testing.assert_frame_equal(checked[list(frame.columns)], frame)


def test_same_arguments_same_tables():
    world = draw_world("reference-like", 3)
    (one, one_truth), (two, two_truth), (other, _) = (
        simulate_history(world, *SPAN, seed=seed, warm_up_days=3) for seed in (1, 1, 2)
    )
    for name in one:
        pd.testing.assert_frame_equal(one[name], two[name])
    pd.testing.assert_frame_equal(one_truth["item_days"], two_truth["item_days"])
    assert not one["sales"].equals(other["sales"])


def test_stock_is_sold_or_left_and_sales_agree_with_the_tills(past):
    frames, truth = past
    days = truth["item_days"].set_index(["date", "item_code"])
    assert (days["sold"] + days["left"]).to_numpy() == pytest.approx(days["on_hand"].to_numpy())
    assert (days["waste"] <= days["left"] + 1e-9).all()
    sales = frames["sales"].query("sale_type == 'sale'").groupby(["date", "item_code"])["quantity"].sum()
    assert sales.reindex(days.index, fill_value=0.0).to_numpy() == pytest.approx(days["sold"].to_numpy())


def test_what_is_kept_overnight_is_there_in_the_morning(past):
    frames, truth = past
    days, life = truth["item_days"], frames["items"].set_index("item_code")
    usable = days["order_quantity"] * (1 - days["item_code"].map(life["loss_rate"]))
    fresh = np.where(days["item_code"].map(life["unit"]) == "pack", usable.round(), usable)
    kept = frames["stock"].assign(date=lambda s: s["date"] + pd.Timedelta(days=1))
    carried = days.merge(kept, on=["date", "item_code"], how="left", validate="one_to_one")["on_hand_y"].fillna(0.0)
    later = (days["date"] > days["date"].min()).to_numpy()
    assert days["on_hand"].to_numpy()[later] == pytest.approx((fresh + carried)[later], abs=0.002)
    assert carried[later].sum() > 0


def test_no_sale_after_an_item_ran_out(past):
    frames, truth = past
    sales = frames["sales"].query("sale_type == 'sale'")
    hour = pd.to_timedelta(sales["time"]).dt.total_seconds() / 3600
    last = hour.groupby([sales["date"], sales["item_code"]]).max().rename("last_hour")
    gone = truth["item_days"].dropna(subset=["sold_out_hour"]).join(last, on=["date", "item_code"])
    seconds_of_scanning = 60 / 3600
    assert len(gone) > 50
    assert (gone["last_hour"] <= gone["sold_out_hour"] + seconds_of_scanning).all()
    assert (gone["left"] == 0).all()


def test_the_first_item_to_run_out_had_at_least_its_sales_as_demand(past):
    frames, truth = past
    days = truth["item_days"].merge(frames["items"][["item_code", "category"]], on="item_code")
    shelf = days.groupby(["date", "category"])
    first = days["sold_out_hour"] == shelf["sold_out_hour"].transform("min")
    before_clearance = days["sold_out_hour"] <= shelf["clearance_hour"].transform("min").fillna(99.0)
    chosen = days[first & before_clearance]
    assert len(chosen) > 20
    assert (chosen["demand"] >= chosen["sold"] - 1e-9).all()
    assert (chosen["demand"] > chosen["sold"] + 1e-9).mean() > 0.5


def test_sold_out_items_sell_less_than_their_demand_on_the_whole(past):
    _, truth = past
    gone = truth["item_days"].dropna(subset=["sold_out_hour"])
    assert gone["demand"].sum() > 1.1 * gone["sold"].sum()


def test_true_elasticities_are_negative_and_items_react_more_than_categories(past):
    _, truth = past
    days = truth["item_days"]
    assert (days["own_elasticity"] < 0).all()
    assert days["own_elasticity"].mean() < days["category_elasticity"].mean() < 0


def test_discounted_sales_are_cheaper_than_the_full_price(past):
    frames, truth = past
    full = truth["item_days"][["date", "item_code", "price"]]
    sales = frames["sales"].merge(full, on=["date", "item_code"], validate="many_to_one")
    assert (sales.loc[sales["discounted"], "unit_price"] < sales.loc[sales["discounted"], "price"]).all()
    assert (sales.loc[~sales["discounted"], "unit_price"] == sales.loc[~sales["discounted"], "price"]).all()


def test_a_policy_sees_only_the_days_before():
    seen = []

    def policy(evening):
        seen.append((evening.day, len(evening.sold), len(evening.offered), len(evening.sold_out_hour)))
        n = len(evening.wholesale)
        return Decision(np.full(n, 4.0), evening.wholesale * 2)

    simulate_history(draw_world("reference-like", 3), *SPAN, policy=policy, warm_up_days=0)
    assert seen == [(day, day, day, day) for day in range(7)]


def test_conditions_of_past_days_do_not_depend_on_the_last_day():
    world = draw_world("reference-like", 3)
    short, long = (draw_conditions(world, "2024-01-01", last, seed=4) for last in ("2024-02-01", "2024-03-01"))
    for name in ("shoppers", "pull", "appeal", "wholesale", "on_market"):
        np.testing.assert_array_equal(getattr(short, name), getattr(long, name)[: len(short.dates)])


def test_spring_festival_builds_up_and_closes_the_shop():
    days = pd.date_range("2024-02-05", "2024-02-12")
    factor = pd.Series(holiday_factor(Traffic(), days), index=days)
    assert factor["2024-02-10"] == 0.0
    assert factor["2024-02-09"] > factor["2024-02-05"] > 1.0
    assert factor["2024-02-12"] < 1.0


def test_every_world_is_there_and_told_in_words():
    assert set(PRESETS) == set(WORLD_WORDS)
    page = (Path(__file__).parents[2] / "docs/simulated-shop.md").read_text(encoding="utf-8")
    assert worlds_in_words() in page


def test_unknown_world_is_refused():
    with pytest.raises(ConfigError, match="Worlds are: reference-like"):
        draw_world("paradise")


def test_usual_prices():
    # 4.1 → 4.0, 4.4 → 4.5, 4.84 → 4.8, 4.97 → 5.0; from 8 on whole money; never below 0.5
    found = usual_price(np.array([4.1, 4.4, 4.84, 4.97, 11.6, 0.2]))
    assert found.tolist() == [4.0, 4.5, 4.8, 5.0, 12.0, 0.5]


def test_clearance_discounts_have_the_stated_quartiles():
    practice = draw_world("reference-like", 3).practice
    habit = draw_clearance(practice, np.ones(13), OPEN_HOUR, 20_000, np.random.default_rng(0))
    quartiles = np.quantile(habit.discount, (0.25, 0.5, 0.75))
    assert quartiles == pytest.approx(practice.discount_quantiles[1:4], abs=0.01)


def test_nothing_left_is_never_cleared():
    practice = draw_world("reference-like", 3).practice
    habit = draw_clearance(practice, np.ones(13), OPEN_HOUR, 500, np.random.default_rng(0))
    begun = habit.start(20, np.ones(500), np.r_[np.zeros(250), np.ones(250)])
    assert not begun[:250].any()
    assert begun[250:].any()


def test_stockroom_sells_the_freshest_and_throws_away_the_oldest():
    room = Stockroom(np.array([2, 1]))
    room.receive(np.array([5.0, 5.0]))
    assert room.close_day().tolist() == [0.0, 5.0]
    room.receive(np.array([3.0, 3.0]))
    assert room.on_hand.tolist() == [8.0, 3.0]
    assert room.mean_age == pytest.approx([5 / 8, 0.0])
    room.sell(np.array([4.0, 1.0]))
    assert room.close_day().tolist() == [4.0, 2.0]
    assert room.on_hand.tolist() == [0.0, 0.0]


def test_stockroom_refuses_to_sell_what_is_not_there():
    with pytest.raises(DataError, match="more sold than on hand"):
        Stockroom(np.array([1])).sell(np.array([1.0]))
