"""Was the item on offer: gaps, slow items, closed days, stock and orders, and a market whose offers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from replenish.history.offered import _backward, _Chain, _filter, from_stock, offered_probability, usual_sales


def probabilities(
    sold: np.ndarray, has_cost: np.ndarray | None = None, observed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Both answers for items that are around from their first sale on."""
    rows = sold if has_cost is None else has_cost
    started = np.maximum.accumulate(sold, axis=0)
    open_days = np.ones(len(sold)) if observed is None else observed
    return offered_probability(sold.astype(float), rows.astype(float), started.astype(float), open_days)


def daily_sellers(days: int = 120, items: int = 4) -> np.ndarray:
    return np.ones((days, items))


def test_a_sale_proves_the_offer_and_before_the_first_sale_there_was_none():
    sold = daily_sellers()
    sold[:30, 0] = 0
    now, then = probabilities(sold)
    for on in (now, then):
        assert (on[sold > 0] == 1).all()
        assert (on[:30, 0] == 0).all()


def test_a_long_silence_at_the_end_is_no_offer_a_single_day_with_a_wholesale_row_is():
    sold = daily_sellers()
    sold[90:, 0] = 0
    sold[60, 1] = 0
    rows = sold.copy()
    rows[60, 1] = 1
    now, then = probabilities(sold, rows)
    assert now[-1, 0] < 0.01
    assert then[91, 0] > then[100, 0]
    assert now[60, 1] > 0.9


def test_slow_items_with_wholesale_rows_are_on_offer_between_their_sales():
    sold = daily_sellers(200, 6)
    sold[:, 0] = np.arange(200) % 4 == 0
    rows = sold.copy()
    rows[:, 0] = 1
    now, _ = probabilities(sold, rows)
    assert now[:197, 0].min() > 0.9


def test_a_daily_seller_that_stops_for_three_weeks_was_off():
    sold = daily_sellers()
    sold[50:71, 2] = 0
    now, _ = probabilities(sold)
    assert now[50:71, 2].max() < 0.1
    assert now[71, 2] == 1


def test_closed_days_carry_no_evidence():
    sold = daily_sellers()
    sold[60] = 0
    observed = np.ones(120)
    observed[60] = 0
    without, _ = probabilities(sold, sold, observed)
    rows = sold.copy()
    rows[60, :2] = 1
    with_rows, _ = probabilities(sold, rows, observed)
    np.testing.assert_allclose(with_rows, without, atol=1e-12)
    assert without[60].min() > 0.9, "both neighbours sold: the item did not leave for the day the shop was closed"


def test_days_before_the_first_sale_are_no_days_off():
    """An item that comes and goes every five days keeps doing so, however late in the data it began."""
    pattern = np.tile([1.0] * 5 + [0.0] * 5, 10)
    early, late = daily_sellers(1000, 3), daily_sellers(1000, 3)
    early[:, 0], late[:, 0] = np.tile(pattern, 10), np.r_[np.zeros(900), pattern]
    young, _ = probabilities(late)
    assert young[905:910, 0].max() < 0.2
    assert probabilities(early)[0][905:910, 0].max() < 0.2


def test_what_was_seen_that_evening_uses_no_later_day():
    chain = _Chain(np.full(1, 0.97), np.full(1, 0.95), np.full(1, 0.6), 0.9, 0.2)
    sold = np.r_[np.ones(20), np.zeros(10), np.ones(5)][:, None]
    full = _filter(chain, sold, sold, np.ones(35), np.ones((35, 1)))
    part = _filter(chain, sold[:25], sold[:25], np.ones(25), np.ones((25, 1)))
    np.testing.assert_array_equal(full[:25], part)
    smoothed, _ = _backward(chain, full, np.ones_like(sold))
    assert smoothed[-1] == full[-1]


def test_on_a_market_with_known_offers_nearly_as_good_as_with_the_true_parameters():
    """40 items, 400 days. Error is irreducible near the ends of gaps, so the bound is the oracle's error + 1 point.

    The oracle is the same chain with the parameters the market was drawn with.
    """
    rng = np.random.default_rng(1)
    days, items = 400, 40
    truth = _Chain(np.full(items, 0.97), np.full(items, 0.9), rng.uniform(0.3, 0.95, items), 0.9, 0.1)
    on = np.ones((days, items))
    for t in range(1, days):
        stay = np.where(on[t - 1] > 0, truth.stay_on, 1 - truth.stay_off)
        on[t] = rng.random(items) < stay
    sold = ((rng.random((days, items)) < truth.sold_if_on) & (on > 0)).astype(float)
    rows = (rng.random((days, items)) < np.where(on > 0, truth.row_if_on, truth.row_if_off)).astype(float)
    started = np.maximum.accumulate(sold, axis=0)
    found = offered_probability(sold, rows, started, np.ones(days))[0] >= 0.5
    oracle = _backward(truth, _filter(truth, sold, rows, np.ones(days), np.ones(sold.shape)), started)[0] >= 0.5
    silent = (sold == 0) & (started > 0)
    error, best = (found != on)[silent].mean(), (oracle != on)[silent].mean()
    assert error < best + 0.01
    assert on[silent & found].mean() > 0.9, "precision"
    assert found[silent & (on > 0)].mean() > 0.9, "recall"


# ---------------------------------------------------------------- stock and orders


@pytest.fixture
def panel() -> pd.DataFrame:
    dates = pd.date_range("2024-03-01", periods=3)
    return pd.MultiIndex.from_product([["A", "B"], dates], names=["item_code", "date"]).to_frame(index=False)


ITEMS = pd.DataFrame({"item_code": ["A", "B"], "shelf_life_days": [1, 3]})


def table(rows: list[tuple], *columns: str) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["item_code", "date", *columns])
    return frame.assign(date=pd.to_datetime(frame["date"]))


def test_orders_decide_for_items_that_last_a_day_and_are_silent_on_absence_of_others(panel):
    orders = table([("A", "2024-03-01", 3.0, np.nan), ("B", "2024-03-01", 3.0, 0.0), ("A", "2024-03-02", 0.0, np.nan)],
                   "ordered", "received")  # fmt: skip
    told = from_stock(panel, ITEMS, None, orders)
    np.testing.assert_array_equal(told, [1, 0, np.nan, np.nan, np.nan, np.nan])


def test_stock_of_the_evening_before_puts_an_item_on_the_shelf(panel):
    stock = table([("B", "2024-03-01", 2.0), ("A", "2024-03-01", 0.0)], "on_hand")
    np.testing.assert_array_equal(from_stock(panel, ITEMS, stock, None), [np.nan] * 4 + [1, np.nan])
    orders = table([("A", "2024-03-02", 1.0, 1.0)], "ordered", "received")
    told = from_stock(panel, ITEMS, stock, orders)
    np.testing.assert_array_equal(told, [np.nan, 1, np.nan, np.nan, 1, np.nan])


def test_without_stock_and_orders_nothing_is_told(panel):
    assert from_stock(panel, ITEMS, None, None).isna().all()


def test_a_gap_of_a_brisk_seller_is_no_day_on_offer_that_of_a_slow_one_may_be():
    """Sixty days, one without a sale. At 30 sales a day the chance of none is (4/34)⁴ = 0.0002, at 2 a day 0.2."""
    sold = np.ones((60, 2))
    sold[40] = 0
    usual = np.tile([30.0, 2.0], (60, 1))
    started, costed = np.ones((60, 2)), np.ones((60, 2))
    now, _ = offered_probability(sold, costed, started, np.ones(60), usual)
    assert now[40, 0] < 0.5 < now[40, 1]


def test_usual_sales_are_those_of_the_ten_selling_days_before():
    panel = pd.DataFrame({"item_code": ["A"] * 4 + ["B"] * 2, "transactions": [4, 0, 8, 2, 5, 5]})
    np.testing.assert_allclose(usual_sales(panel), [np.nan, 4, 4, 6, np.nan, 5])
