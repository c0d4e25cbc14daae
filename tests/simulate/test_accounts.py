import numpy as np
import pandas as pd
import pytest

from replenish.simulate.accounts import EVENTS, gain_split, interval, price_index, recovery, season_figures, summary
from replenish.simulate.season import Books
from replenish.simulate.stage import Season, set_stage
from replenish.simulate.world import PRESETS

DAYS = pd.to_datetime(["2024-06-03", "2024-06-04"])


def books(price: float, sold: tuple[float, float], profit: tuple[float, float]) -> Books:
    """Two days of one item: cost 2, order 10, 10 on the shelf, demand 8, the rest thrown away."""
    rows = pd.DataFrame({
        "date": DAYS, "item_code": "P1", "normal_price": 4.0, "price": price, "unit_cost": 2.0, "order_quantity": 10.0,
        "on_hand": 10.0, "demand": 8.0, "sold": sold, "waste": 10.0 - np.array(sold), "revenue": price * np.array(sold),
        "sold_out_hour": [15.0, 19.0]})  # fmt: skip
    days = pd.DataFrame({"date": DAYS, "profit": profit, "promised": 9.0, "expected": 8.0, "attraction": [1.0, 0.99],
                         "price_index": 1.0, "seconds": 0.5})  # fmt: skip
    return Books(rows, days)


def test_season_figures_by_hand():
    found = season_figures(books(5.0, (6.0, 8.0), (10.0, 20.0)), books(4.0, (7.0, 7.0), (8.0, 8.0)))
    assert found["profit"] == 15.0
    assert found["waste"] == pytest.approx((4 + 2) * 2 / 40)
    assert found["fill"] == pytest.approx(14 / 16)
    assert found["available_18"] == 0.5  # sold out at 15:00 and at 19:00
    assert found["margin"] == pytest.approx((70 - 40) / 70)
    assert found["price_index"] == pytest.approx(1.25)
    assert found["volume"] == 1.0
    assert found["worst_days"] == 10.0
    assert found["items"] == 1.0
    assert found["attraction"] == 0.99


def test_price_index_leaves_out_what_only_one_had_on_the_shelf():
    usual = pd.DataFrame({"date": DAYS[0], "item_code": ["A", "B"], "price": [2.0, 4.0], "demand": [10.0, 5.0]})
    mine = pd.DataFrame({"date": DAYS[0], "item_code": ["A", "C"], "price": [2.2, 9.0]})
    assert price_index(mine, usual) == pytest.approx(1.1)


def test_summary_pairs_the_seeds():
    seasons = pd.DataFrame({
        "world": "calm", "seed": [1, 1, 1, 2, 2, 2], "policy": ["practice", "replenish", "clairvoyant"] * 2,
        "profit": [100.0, 130.0, 150.0, 300.0, 340.0, 350.0], "promised": 235.0, "expected": 188.0})  # fmt: skip
    for name in ("waste", "fill", "available_18", "margin", "price_index", "volume", "worst_days", "items",
                 "attraction", "seconds"):  # fmt: skip
        seasons[name] = 1.0
    found = summary(seasons).set_index(["world", "policy"]).loc[("calm", "replenish")]
    assert found["gain"] == pytest.approx(35.0)
    assert found["gain_share"] == pytest.approx(70 / 400)
    # differences 30 and 40: mean 35, standard error 5, t(0.975; 1) = 12.706
    assert found["gain_high"] == pytest.approx(35 + 12.706 * 5, abs=0.01)
    assert found["of_clairvoyant"] == pytest.approx(470 / 500)
    assert found["promised_off"] == pytest.approx(0.0)
    assert found["expected_off"] == pytest.approx(-0.2)  # 188 of 235


def test_one_seed_has_no_interval():
    assert np.isnan(interval(np.array([3.0]))).all()


def test_the_split_adds_up_to_the_gain():
    names = ["practice", "replenish | prices", "replenish | listing", "replenish"]
    seasons = pd.DataFrame({
        "world": "calm", "seed": np.repeat([1, 2], 4), "policy": names * 2,
        "profit": [10.0, 12.0, 11.0, 20.0, 10.0, 14.0, 13.0, 22.0]})  # fmt: skip
    row = gain_split(seasons, ["replenish", "newsvendor"]).iloc[0]
    assert (row["price"], row["assortment"], row["order"]) == (3.0, -1.0, 9.0)
    assert len(gain_split(seasons, ["newsvendor"])) == 0


def test_weeks_are_counted_from_the_day_of_the_event():
    """A supply shock on day 8: practice earns 10 before and 4 from then on, the clairvoyant 20 and 10."""
    dates = pd.date_range("2024-06-03", periods=14)
    parts = [
        pd.DataFrame({"world": "supply-shock", "seed": seed, "policy": policy, "date": dates,
                      "profit": [before + seed] * 7 + [after + seed] * 7, "promised": promised})
        for seed in (0, 2)
        for policy, before, after, promised in (("practice", 10, 4, np.nan), ("clairvoyant", 20, 10, 22.0))
    ]  # fmt: skip
    weeks = recovery(pd.concat(parts)).set_index(["policy", "week"])
    assert weeks.index.tolist() == [(p, k) for k in (0, 1) for p in ("practice", "clairvoyant")]
    assert weeks.loc[("practice", 0), "of_clairvoyant"] == pytest.approx(11 / 21)
    assert weeks.loc[("practice", 1), "of_clairvoyant"] == pytest.approx(5 / 11)
    assert weeks.loc[("clairvoyant", 1), ["gain", "gain_low", "gain_high"]].tolist() == [6, 6, 6]
    assert weeks.loc[("clairvoyant", 0), "promised_off"] == pytest.approx(22 / 21 - 1)
    assert np.isnan(weeks.loc[("practice", 0), "promised_off"])
    assert recovery(pd.concat(parts).assign(world="calm")).empty


def test_the_new_year_is_where_the_events_say():
    season = set_stage(Season("new-year", seed=0, days=20, history_days=28))
    shoppers = season.market.conditions.shoppers[season.first :]
    assert EVENTS["new-year"][0] == np.flatnonzero(shoppers == 0)[0] + 1
    assert EVENTS["supply-shock"][0] == PRESETS["supply-shock"](season.world).upheaval.first_day
    assert set(EVENTS) <= set(PRESETS)
