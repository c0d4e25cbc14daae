"""How old the stock at the close is, followed by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from replenish.planning.batches import stock_by_age
from replenish.planning.inputs import stock_at_close

DAYS = pd.date_range("2024-03-01", periods=3)
ITEMS = pd.DataFrame({"item_code": ["a", "b"], "shelf_life_days": [3, 1], "loss_rate": [0.1, 0.1]})


def tables(on_hand, sold, ordered=None):
    """One item that keeps for three days; lists over the days."""

    def frame(column, values):
        return pd.DataFrame({"date": DAYS, "item_code": "a", column: values})

    orders = None if ordered is None else frame("ordered", ordered)
    return SimpleNamespace(stock=frame("on_hand", on_hand), daily_sales=frame("quantity", sold), orders=orders)


def ages(found):
    codes, batches = found
    assert list(codes) == ["a"], "what does not keep has no batches"
    return batches[0]


def test_the_freshest_go_first_and_the_rest_grows_older() -> None:
    # 6 left of the first day. Day 2: 10 · 0.9 = 9 come, 5 of them go, 4 + 6 are left. Day 3: 9 come, 11 go: all of the
    # fresh and 2 of yesterday's 4, so 0 fresh, 2 a day old and 6 two days old.
    found = stock_by_age(tables([6, 10, 8], [0, 5, 11], [0, 10, 10]), DAYS[-1], ITEMS)
    assert ages(found) == pytest.approx([0, 2, 6])


def test_without_orders_what_came_is_told_by_the_counts() -> None:
    # Day 2: 10 + 5 − 6 = 9 came; day 3: 8 + 11 − 10 = 9.
    found = stock_by_age(tables([6, 10, 8], [0, 5, 11]), DAYS[-1], ITEMS)
    assert ages(found) == pytest.approx([0, 2, 6])


def test_a_count_below_the_books_takes_the_oldest_and_one_above_is_fresh() -> None:
    thrown_away = stock_by_age(tables([6, 10, 2], [0, 5, 11], [0, 10, 10]), DAYS[-1], ITEMS)
    assert ages(thrown_away) == pytest.approx([0, 2, 0])
    found_more = stock_by_age(tables([6, 10, 9], [0, 5, 11], [0, 10, 10]), DAYS[-1], ITEMS)
    assert ages(found_more) == pytest.approx([1, 2, 6])


@pytest.mark.parametrize(("nights", "on_hand", "expiring"), [(1, 7.0, 4.0), (2, 3.0, 3.0)])
def test_what_is_too_old_by_the_planned_day_is_left_out(nights: int, on_hand: float, expiring: float) -> None:
    # At the close 3 are fresh, 4 a day old and 6 two days old; with three days of life the 6 are gone tomorrow, when
    # the 4 are in their last day; after a closed day only the 3 are left, in their last day.
    known = tables([6, 10, 13], [0, 5, 8], [0, 10, 110 / 9])
    assert ages(stock_by_age(known, DAYS[-1], ITEMS)) == pytest.approx([3.0, 4.0, 6.0])
    history = SimpleNamespace(store="main", as_of=DAYS[-1], items=ITEMS)
    ahead = SimpleNamespace(history=history, dates=[DAYS[-1] + pd.Timedelta(days=nights)])
    known.for_store = lambda _: known
    known.up_to = lambda _: known
    found = stock_at_close(known, ahead).loc["a"]
    assert (found["on_hand"], found["expiring"]) == pytest.approx((on_hand, expiring))


def test_the_batches_are_those_of_the_simulated_stockroom() -> None:
    from replenish.simulate.stockroom import Stockroom

    rng, room = np.random.default_rng(1), Stockroom(np.array([3]))
    days = pd.date_range("2024-03-01", periods=12)
    rows = []
    for day in days:
        came = float(rng.integers(0, 12))
        room.receive(np.array([came]))
        sold = min(float(rng.integers(0, 12)), float(room.on_hand[0]))
        room.sell(np.array([sold]))
        room.close_day()
        rows.append(
            {"date": day, "item_code": "a", "on_hand": room.on_hand[0], "quantity": sold, "ordered": came / 0.9}
        )
    table = pd.DataFrame(rows)
    known = SimpleNamespace(stock=table, daily_sales=table, orders=table)
    # The room has aged the stock for the next morning already.
    assert ages(stock_by_age(known, days[-1], ITEMS))[:2] == pytest.approx(room.layers[0][1:], abs=2e-3)
