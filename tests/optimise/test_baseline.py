"""The baselines by hand: what the shop usually charges, how seldom it sells out, and what it then orders."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from replenish.optimise.baseline import cost_plus_lines, sell_out_share, shop_habits, stocked_line, usual_markups
from replenish.records import DemandHistory
from tests.optimise.worlds import candidate, rules, scenarios

AS_OF = pd.Timestamp("2023-06-30")


def _history() -> DemandHistory:
    """Forty days: apples at 3 for 2, at 4 for 2 in the last week; one busy day in four sold out with certainty."""
    dates = pd.date_range(end=AS_OF, periods=40)
    panel = pd.DataFrame({
        "item_code": "apple", "date": dates, "full_price": np.where(np.arange(40) >= 33, 4.0, 3.0),
        "wholesale_price": 2.0, "silence_p": 0.5, "transactions": 10,
        "sold_out_probability": np.tile([1.0, 0.0, 0.0, 0.0], 10),
    })  # fmt: skip
    slow = panel.assign(item_code="pear", transactions=2, sold_out_probability=1.0, full_price=np.nan)
    none = pd.DataFrame()
    return DemandHistory("main", AS_OF, none, pd.concat([panel, slow]), none, none, none)


def test_markup_is_the_median_of_the_last_priced_days() -> None:
    assert usual_markups(_history()).to_dict() == {"apple": 1.5}


def test_sell_outs_are_counted_on_busy_days() -> None:
    assert sell_out_share(_history()) == 0.25
    empty = DemandHistory("main", AS_OF, *[_history().panel.iloc[:0]] * 5)
    assert sell_out_share(empty) == 0.08


def test_order_of_the_shops_rule() -> None:
    # Demand 1 … 100, covered with probability 0.75: 75.25 units, less 5 carried over, over 0.9: 78.06, so 80 in tens.
    item = candidate("apple", multiple=10.0, loss_rate=0.1, carried_over=5.0)
    draws = scenarios({"apple": np.arange(1.0, 101.0)}, {"apple": 1.0})
    assert stocked_line(item, draws, 2.0, 0.75).order_quantity == 80
    # Hardly any demand: the minimum display, in whole tens.
    few = scenarios({"apple": np.full(100, 0.2)}, {"apple": 1.0})
    assert stocked_line(candidate("apple", multiple=10.0, display=12.0), few, 2.0, 0.75).order_quantity == 20


def test_cost_plus_lines_by_hand() -> None:
    # Cost 2.42 · 1.5 = 3.63, so 3.6; the pear has no markup and keeps its 2; plums sell least, the fig has no price.
    items = [
        candidate("apple", rungs=(3.0,), reference=3.6), candidate("pear"), candidate("plum"),
        candidate("fig", rungs=()),
    ]  # fmt: skip
    demand = {"apple": [10.0, 20.0], "pear": [5.0, 5.0], "plum": [1.0, 1.0], "fig": [90.0, 90.0]}
    draws = scenarios(demand, {"apple": 2.42, "pear": 1.0, "plum": 1.0, "fig": 1.0})
    best, practice = cost_plus_lines(items, draws, shop_habits(_history()), rules(), 2)
    assert [(x.candidate.item_code, x.price) for x in best] == [("apple", 3.6), ("pear", 2.0)]
    # The shop covers demand in three of four days: the 75 % quantile of 10 and 20 is 17.5, so 18 apples.
    assert [x.order_quantity for x in practice] == [18, 5]
    # The best order: each apple beyond the tenth sells in half of the scenarios, 1.8 for 2.42, so ten.
    assert [x.order_quantity for x in best] == [10, 5]
    assert best[0].price == pytest.approx(practice[0].price)
