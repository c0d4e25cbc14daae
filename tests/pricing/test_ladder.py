"""The price ladder: endings, support, daily change, cost floor and their precedence, worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from replenish.pricing.ladder import Ladder, build_ladder, price_endings, price_support
from replenish.records import DemandHistory
from replenish.settings import PricingSettings

ENDINGS = np.array([0.0, 0.5, 0.8])
WIDE = {"low": 1.0, "high": 100.0, "markup_low": 1.2, "markup_high": 2.0}


def _ladder(last: float = 10.0, cost: float = 4.0, loss: float = 0.0, support: Any = None, **settings: Any) -> Ladder:
    row = pd.Series(WIDE | (support or {}))
    return build_ladder("X", last, cost, loss, row, ENDINGS, PricingSettings(**settings))


def test_rungs_are_usual_prices_within_the_daily_change() -> None:
    # 10 ± 15 % with endings .0, .5, .8: 8.5 8.8 9.0 9.5 9.8 10.0 10.5 10.8 11.0 11.5.
    found = _ladder(max_rungs=30)
    assert found.rungs == (8.5, 8.8, 9.0, 9.5, 9.8, 10.0, 10.5, 10.8, 11.0, 11.5)
    assert found.flag == ""


def test_support_cuts_and_the_last_price_belongs_to_it() -> None:
    assert _ladder(support={"low": 9.0, "high": 10.5}, max_rungs=30).rungs == (9.0, 9.5, 9.8, 10.0, 10.5)
    # Shoppers have just paid 10, whatever the quantiles say.
    found = _ladder(support={"low": 8.0, "high": 9.0}, max_rungs=30)
    assert found.rungs == (8.5, 8.8, 9.0, 9.5, 9.8, 10.0)
    assert found.support == (8.0, 10.0)


def test_cost_floor_cuts_from_below() -> None:
    # 1.1 · 8/(1 − 0.1) = 9.78: the lowest rungs go, 9.8 stays.
    found = _ladder(cost=8.0, loss=0.1, max_rungs=30)
    assert found.cost_floor == pytest.approx(9.7778, abs=1e-4)
    assert found.rungs == (9.8, 10.0, 10.5, 10.8, 11.0, 11.5)


def test_cost_floor_beats_the_daily_change_and_says_so() -> None:
    # 1.1 · 11 = 12.1 is above 10 + 15 %: one rung, the next usual price at or above 12.1.
    found = _ladder(cost=11.0)
    assert found.rungs == (12.5,)
    assert found.flag == "price raised by more than a day's change to keep the cost floor"


def test_cost_floor_beats_the_support_and_says_so() -> None:
    found = _ladder(cost=11.0, support={"high": 11.0})
    assert found.rungs == (12.5,)
    assert found.flag == "price raised above the supported prices to keep the cost floor"


@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_never_more_rungs_than_asked_for_and_the_last_price_among_them(most: int) -> None:
    for last in (10.0, 9.37):
        found = _ladder(last=last, max_rungs=most)
        assert len(found.rungs) <= most
        assert last in found.rungs


def test_last_price_is_kept_to_the_last_decimal() -> None:
    # The mean price of a day may be 9.4987; choosing it is no price change, and 9.5 beside it would be no choice.
    found = _ladder(last=9.4987, max_rungs=30)
    assert 9.4987 in found.rungs
    assert 9.5 not in found.rungs


def test_item_without_prices_takes_its_categorys_markups() -> None:
    # Cost 5, markups 1.2 to 2: 6 to 10, floor 5.5.
    found = _ladder(last=np.nan, cost=5.0, support={"low": np.nan, "high": np.nan}, max_rungs=3)
    assert found.support == (6.0, 10.0)
    assert found.rungs[0] == 6.0
    assert found.rungs[-1] == 10.0
    assert len(found.rungs) == 3
    assert found.flag == "priced by the markups of its category"


def test_no_support_no_rungs_and_the_reason() -> None:
    nothing = dict.fromkeys(WIDE, np.nan)
    found = _ladder(support=nothing)
    assert found.rungs == ()
    assert found.flag == "no full price of its own or of its category to go by"


def test_no_usual_price_in_the_range() -> None:
    # Between 0.61 and 0.69 there is no usual price; without a last price the top of the range is taken.
    found = _ladder(last=np.nan, cost=0.3, support={"low": 0.61, "high": 0.69})
    assert found.rungs == (0.69,)


@given(
    last=st.one_of(st.just(np.nan), st.floats(0.3, 60)), cost=st.floats(0.05, 60), loss=st.floats(0, 0.5),
    low=st.floats(0.2, 40), width=st.floats(0, 30), most=st.integers(1, 9),
)  # fmt: skip
def test_precedence_holds_for_any_numbers(
    last: float, cost: float, loss: float, low: float, width: float, most: int
) -> None:
    found = _ladder(last, cost, loss, {"low": low, "high": low + width}, max_rungs=most)
    rungs = np.array(found.rungs)
    assert 1 <= len(rungs) <= most
    assert (np.diff(rungs) > 0).all()
    assert (rungs >= found.cost_floor - 1e-6).all()
    if not found.flag:
        assert (rungs >= found.support[0] - 1e-6).all()
        assert (rungs <= found.support[1] + 1e-6).all()
        if np.isfinite(last):
            assert (np.abs(rungs / last - 1) <= 0.15 + 1e-6).all()
            assert last in rungs or last < found.cost_floor


def test_endings_are_those_the_shop_uses() -> None:
    prices = [3.0] * 50 + [4.5] * 30 + [5.8] * 18 + [6.3] + [7.77]  # .3 once in a hundred, .77 no tidy price
    assert price_endings(pd.DataFrame({"full_price": [*prices, np.nan]})).tolist() == [0.0, 0.5, 0.8]
    assert price_endings(pd.DataFrame({"full_price": [np.nan, 1.234]})).tolist() == [0.0, 0.5]


def _history(panel: pd.DataFrame) -> DemandHistory:
    none = pd.DataFrame()
    return DemandHistory("main", pd.Timestamp("2023-06-30"), none, panel, none, none, none)


def test_support_from_the_last_days_of_the_item_and_its_category() -> None:
    days = pd.date_range("2023-06-21", "2023-06-30")
    own = pd.DataFrame({"item_code": "A", "date": days, "full_price": np.arange(10.0, 20.0), "wholesale_price": 5.0})
    few = pd.DataFrame({"item_code": "B", "date": days[:4], "full_price": 8.0, "wholesale_price": 4.0})
    old = pd.DataFrame({"item_code": "A", "date": [pd.Timestamp("2022-01-01")], "full_price": 99.0})
    panel = pd.concat([own, few, old]).assign(category="fruit")
    found = price_support(_history(panel), PricingSettings(support_low=0.0, support_high=1.0))
    assert found.loc["A", ["low", "high"]].tolist() == [10, 19]
    assert found.loc["B", ["low", "high"]].isna().all()  # four priced days are too few
    assert found.loc["B", ["markup_low", "markup_high"]].tolist() == pytest.approx([2.0, 3.8])


def test_support_of_a_shop_without_a_full_price() -> None:
    panel = pd.DataFrame({
        "item_code": ["A"], "date": [pd.Timestamp("2023-06-30")], "full_price": [np.nan], "wholesale_price": [1.0],
        "category": ["fruit"],
    })  # fmt: skip
    assert price_support(_history(panel), PricingSettings()).loc["A"].drop("category").isna().all()
