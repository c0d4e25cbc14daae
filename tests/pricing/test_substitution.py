"""Demand that moves on: the share found where it is known, and transfers worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from replenish.pricing.substitution import (
    Switching,
    estimate_transfer_share,
    purchases_per_unit,
    substitute_groups,
)
from replenish.records import DemandHistory
from replenish.settings import PricingSettings

TRUE = 0.4
OPEN = PricingSettings(transfer_sd=5.0)  # a prior hardly believed, so that the estimate itself is seen


def _history(days: int = 300, groups: int = 4, items: int = 8, sells_out: bool = False, seed: int = 0) -> DemandHistory:
    """Items off the shelf one day in eight; their shoppers go to the others of the group by value, or leave.

    `TRUE` stay when the item alone is missing.

    `sells_out`: on days of high group demand the first item sells out at half its demand.
    """
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2022-01-01", periods=days)
    traffic = np.exp(rng.normal(0, 0.2, days))
    parts = []
    for g in range(groups):
        mood = np.exp(rng.normal(0, 0.15, days)) * traffic
        level, price = rng.uniform(5, 40, items), rng.uniform(2, 12, items)
        offered = rng.random((days, items)) > 1 / 8
        served = offered.astype(float)
        if sells_out:
            served[mood > np.quantile(mood, 0.8), 0] *= 0.5
        wish = level * mood[:, None] * np.exp(rng.normal(0, 0.1, (days, items)))
        worth = level * price * offered
        there = worth.sum(1, keepdims=True)
        leave = (level @ price - level * price) * (1 - TRUE) / TRUE
        lost = (wish * price * (1 - served) / (there - worth + leave)).sum(1, keepdims=True)
        demand = (wish + lost * worth / price) * offered
        for i in range(items):
            parts.append(pd.DataFrame({
                "item_code": f"g{g}i{i}", "category": f"g{g}", "date": dates, "closed": False,
                "offered": offered[:, i].astype(float), "reference_price": price[i], "demand": demand[:, i],
                "sold": demand[:, i] * np.where(offered[:, i], served[:, i], 0.0),
            }))  # fmt: skip
    panel = pd.concat(parts, ignore_index=True)
    table = panel[["item_code", "category"]].drop_duplicates().assign(substitute_group=np.nan)
    none = pd.DataFrame()
    return DemandHistory("main", dates[-1], table, panel, none, none, none)


@pytest.mark.parametrize("sells_out", [False, True])
def test_the_share_is_found_within_its_interval(sells_out: bool) -> None:
    found = estimate_transfer_share(_history(sells_out=sells_out), OPEN)
    assert found.method == "iv"
    assert found.first_stage_f > 100
    assert found.se < 0.06
    assert abs(found.estimate - TRUE) < 2.5 * found.se + 0.02  # the logarithm bends a little


def test_mornings_tell_what_an_afternoon_of_empty_shelves_hides() -> None:
    # From noon on half of what would move meets empty shelves: whole days show too little, mornings the truth.
    history = _history(groups=6, days=360)
    panel = history.panel
    price = panel["reference_price"]
    level = panel.groupby("item_code")["demand"].transform("median")
    missing = (level * price * (1 - panel["offered"])).groupby([panel["category"], panel["date"]]).transform("sum")
    there = (level * price * panel["offered"]).groupby([panel["category"], panel["date"]]).transform("sum")
    held = (1 + TRUE / 2 * missing / there) / (1 + TRUE * missing / there)
    whole = panel.assign(demand=panel["demand"] * held, sold=panel["sold"] * held)
    value = (panel["demand"] * price).groupby([panel["category"], panel["date"]]).sum()
    mornings = (value * 10).rename("transactions").reset_index()
    told = DemandHistory(**(vars(history) | {"panel": whole, "mornings": mornings}))
    blind = DemandHistory(**(vars(history) | {"panel": whole}))
    assert estimate_transfer_share(blind, OPEN).estimate < 0.7 * TRUE
    found = estimate_transfer_share(told, OPEN)
    assert abs(found.estimate - TRUE) < 2.5 * found.se + 0.04  # the logarithm bends, and levels hold what was missed


def test_groups_of_the_shops_own_are_told_by_whole_days() -> None:
    history = _history()
    mornings = pd.DataFrame({"category": ["another"], "date": [history.as_of], "transactions": [3]})
    told = DemandHistory(**(vars(history) | {"mornings": mornings}))
    assert estimate_transfer_share(told, OPEN) == estimate_transfer_share(history, OPEN)


def test_nothing_moves_where_nothing_was_moved() -> None:
    history = _history(seed=3)
    rng = np.random.default_rng(4)
    still = np.where(history.panel["offered"] > 0, 20 * np.exp(rng.normal(0, 0.1, len(history.panel))), 0.0)
    panel = history.panel.assign(demand=still, sold=still)
    found = estimate_transfer_share(DemandHistory(**(vars(history) | {"panel": panel})), OPEN)
    assert abs(found.estimate) < 3 * found.se
    assert 0.0 <= found.share < 0.1


def test_few_days_keep_the_prior_and_say_so() -> None:
    found = estimate_transfer_share(_history(days=20), PricingSettings())
    assert (found.share, found.sd) == (0.45, 0.15)
    assert found.method == "prior: too few observations"


def test_a_shelf_that_never_changes_tells_nothing() -> None:
    history = _history()
    panel = history.panel.assign(offered=1.0, sold=history.panel["demand"])
    found = estimate_transfer_share(DemandHistory(**(vars(history) | {"panel": panel})), PricingSettings())
    assert found.method == "prior: weak instrument"
    assert found.share == 0.45


def test_groups_are_the_shops_own_where_it_has_some() -> None:
    items = pd.DataFrame({"item_code": ["a", "b", "c"], "category": ["leafy", "leafy", "pepper"]})
    items = items.assign(substitute_group=["salad", None, None])
    assert substitute_groups(items).to_dict() == {"a": "salad", "b": "leafy", "c": "pepper"}


def _switching() -> Switching:
    return Switching(np.array([0, 0, 0]), np.array([2.0, 4.0, 1.0]), np.full(3, 0.5))


def test_transfers_by_hand() -> None:
    # Purchases 2·10 = 20, 4·5 = 20, 1·60 = 60. Item 0 alone is not listed: half of its 20 move, to items 1 and 2 as
    # 20 : 60, so 2.5 and 7.5 purchases, which is 0.625 and 7.5 units.
    demand = np.array([[10.0, 5.0, 60.0]])
    listed = np.array([False, True, True])
    out = _switching().transfers(demand, listed, listed[None, :].astype(float))
    assert out[0] == pytest.approx([0.0, 0.625, 7.5])


def test_an_unlisted_item_would_get_its_part_if_it_were_listed() -> None:
    # Items 0 and 1 are not listed. If item 1 were, it would share item 0's 20 purchases with item 2's 60 and those who
    # leave, 80 (half of them when item 0 alone is missing): 20 · 20/160 = 2.5. Item 0 would get as many of item 1.
    demand = np.array([[10.0, 5.0, 60.0]])
    listed = np.array([False, False, True])
    out = _switching().transfers(demand, listed, listed[None, :].astype(float))
    # Item 2, as things are, gets 20 · 60/140 of each: with two gone, fewer than half stay.
    assert out[0] == pytest.approx([2.5 / 2, 2.5 / 4, 2 * 20 * 60 / 140])


def test_the_one_item_left_does_not_get_all_the_shoppers_of_a_bare_shelf() -> None:
    # Nine of ten alike are missing. One by one half of each nine's purchases would stay, with the others there; all
    # gone, 9 · 1/(1 + 9) move to the one left: it sells 1.9, and can never sell more than 1/(1 − τ) = 2 times its own.
    ten = Switching(np.zeros(10, dtype=np.int64), np.ones(10), np.full(10, 0.5))
    listed = np.arange(10) == 0
    out = ten.transfers(np.ones((1, 10)), listed, listed[None, :].astype(float))
    assert out[0, 0] == pytest.approx(0.9)


def test_purchases_per_unit_come_from_transactions_or_else_from_prices() -> None:
    rows = {"item_code": ["a", "a", "b"], "category": "leafy", "unit": "kg", "date": pd.Timestamp("2024-05-01"),
            "reference_price": [4.0, 6.0, 9.0], "sold": [10.0, 30.0, 0.0]}  # fmt: skip
    counted = pd.DataFrame(rows | {"transactions": [20, 60, 0]})
    # Item a: 2 a kg (80 of 40 kg; 5 more at the category's 2 a kg change nothing); b, never sold: its category's.
    assert purchases_per_unit(counted).to_dict() == pytest.approx({"a": 2.0, "b": 2.0})
    daily = pd.DataFrame(rows | {"transactions": [1, 1, 0]})
    assert purchases_per_unit(daily).to_dict() == {"a": 5.0, "b": 9.0}


def test_demand_stays_in_its_group() -> None:
    two = Switching(np.array([0, 0, 1]), np.ones(3), np.full(3, 0.9))
    out = two.transfers(np.array([[100.0, 1.0, 7.0]]), np.array([True, True, False]), np.array([[1.0, 1.0, 0.0]]))
    assert out[0] == pytest.approx([0.0, 0.0, 0.0])


def test_nobody_to_go_to() -> None:
    alone = Switching(np.array([0, 1, 1]), np.ones(3), np.full(3, 0.9))
    out = alone.transfers(np.full((2, 3), 5.0), np.zeros(3, dtype=bool), np.zeros((2, 3)))
    assert out[:, 0].tolist() == [0.0, 0.0]
