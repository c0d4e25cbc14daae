"""A plan of the tiny shop beside what it sold, worked by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from replenish.errors import ConfigError, DataError
from replenish.evaluate.review import review
from replenish.records import Override, Plan, Review, Tables
from replenish.schemas import PLAN_LINES, check_table
from replenish.settings import Settings
from replenish.sources.folder import tables_from_frames
from tests.conftest import make_tiny_frames

DAY = pd.Timestamp("2023-06-21")  # a Wednesday: nothing on clearance, spinach at 6.60
LOCK = Override("L1", "order", 8.0, author="李", reason="fair")


def make_plan(*overrides: Override, day: pd.Timestamp = DAY) -> Plan:
    """Spinach 8 kg at 6.60 (5 kg sold), lettuce 2 kg at 5.50 (2.4 kg sold at 5.00), nothing of the mushrooms."""
    shared = {
        "store": "main", "date": day, "category": "leafy", "unit": "kg", "carried_over": 0.0,
        "expected_clearance_sales": 0.0, "clearance_price": 3.0, "expected_waste": 0.0, "sell_out_probability": 0.1,
        "reason": "Order at its 74 % quantile.",
    }  # fmt: skip
    lines = pd.DataFrame([
        {"item_code": "L1", "item_name": "Spinach", "order_quantity": 8.0, "price": 6.6, "unit_cost": 3.4,
         "reference_price": 6.6, "loss_rate": 0.10, "expected_demand": 6.0, "expected_sales": 6.0,
         "expected_profit": 12.0, "profit_q10": 8.0, "profit_q90": 14.0},
        {"item_code": "L2", "item_name": "Lettuce", "order_quantity": 2.0, "price": 5.5, "unit_cost": 3.0,
         "reference_price": 5.0, "loss_rate": 0.05, "expected_demand": 1.8, "expected_sales": 1.8,
         "expected_profit": 4.0, "profit_q10": 2.0, "profit_q90": 4.2},
    ]).assign(**shared)  # fmt: skip
    empty = pd.DataFrame()
    summary = {"dates": [f"{day:%Y-%m-%d}"], "as_of": "2023-06-20", "promised": 17.0, "expected": 16.0}
    return Plan("main", check_table(lines, PLAN_LINES), empty, summary, empty, empty, empty, overrides,
                Settings().override(history__stockout_max_factor=1.0).model_dump(mode="json"), 0, "f" * 64)  # fmt: skip


@pytest.fixture(scope="module")
def tables() -> Tables:
    return tables_from_frames(make_tiny_frames())


@pytest.fixture(scope="module")
def found(tables: Tables) -> Review:
    return review(make_plan(), tables)


def test_lines_by_hand(found: Review) -> None:
    """Spinach: usable 0.9·8 = 7.2, sold 5 for 33; low 33 − 3.5·8 = 5, high 33 − 3.5·5/0.9 = 13.556.
    Lettuce: sold 2.4 for 12, usable 1.9 only, so that the shop bought 2.4/0.95: low = high = 12 − 3·2.4/0.95.
    """
    lines = found.lines.set_index("item_code")
    spinach, lettuce = lines.loc["L1"], lines.loc["L2"]
    assert (spinach["usable"], spinach["sold"], spinach["unsold"]) == pytest.approx((7.2, 5.0, 2.2))
    assert (spinach["profit_low"], spinach["profit_high"]) == pytest.approx((5.0, 33 - 3.5 * 5 / 0.9))
    assert (spinach["band"], spinach["price_as_planned"], spinach["order_followed"]) == ("open", True, True)
    assert (lettuce["profit_low"], lettuce["profit_high"]) == pytest.approx((12 - 3 * 2.4 / 0.95,) * 2)
    assert (lettuce["band"], lettuce["price_as_planned"], lettuce["order_followed"]) == ("above", False, False)
    assert lettuce["price_charged"] == pytest.approx(5.0)


def test_items_that_sold_without_being_planned(found: Review) -> None:
    other = found.lines[found.lines["status"] == "sold, not planned"].set_index("item_code")
    assert other.index.tolist() == ["M1", "M2"]
    assert other.loc["M1", ["item_name", "category", "unit"]].tolist() == ["Enoki", "mushrooms", "pack"]
    assert other.loc["M1", "shop_margin"] == pytest.approx(24 - 1.8 / 0.98 * 8)
    assert other["order_quantity"].isna().all()
    assert other["band"].tolist() == ["", ""]


def test_items_that_were_planned_and_did_not_sell(tables: Tables) -> None:
    """Five kilograms of a spinach that nobody bought: the whole order is lost, 0 − 3.5·8."""
    sales = tables.daily_sales
    quiet = replace(tables, daily_sales=sales[~((sales["item_code"] == "L1") & (sales["date"] == DAY))])
    found = review(make_plan(), quiet)
    spinach = found.lines.set_index("item_code").loc["L1"]
    assert spinach["status"] == "planned, not sold"
    assert (spinach["profit_low"], spinach["profit_high"], spinach["unsold"]) == pytest.approx((-28.0, 0.0, 7.2))
    assert found.summary["status"] == {"planned and sold": 1, "planned, not sold": 1, "sold, not planned": 2}


def test_totals(found: Review) -> None:
    """Forecast by value: (6.6·(6 − 5) + 5.5·(1.8 − 2.4)) ÷ (6.6·5 + 5.5·2.4) = 3.3 ÷ 46.2."""
    s = found.summary
    assert s["realised"]["profit_low"] == pytest.approx(5.0 + 12 - 3 * 2.4 / 0.95)
    assert s["realised"]["revenue"] == pytest.approx(45.0)
    assert s["realised_beside_the_plan"]["revenue"] == pytest.approx(24 + 20)
    assert s["plan"]["expected_of_these_days"] == pytest.approx(16.0)
    assert s["forecast"]["bias"] == pytest.approx(3.3 / 46.2)
    assert s["forecast"]["wape"] == pytest.approx((6.6 * 1 + 5.5 * 0.6) / 46.2)
    assert (s["price_as_planned"], s["price_charged_known"], s["order_followed"]) == (1, 2, 1)
    assert s["unsold_value"] == pytest.approx(2.2 * 3.5)
    assert s["overrides"] == []
    assert json.loads(found.to_json())["summary"] == s


def test_overrides_by_author_and_reason(tables: Tables) -> None:
    """Spinach was solved at 6 kg (usable 5.4, all demand of 5 served); 8 kg cost 2·3.5 = 7 more and sold no more."""
    changes = pd.DataFrame({"date": [DAY.date()], "item_code": ["L1"], "solved_order_quantity": [6.0],
                            "solved_price": [6.6]})  # fmt: skip
    found = review(make_plan(LOCK), tables, changes)
    assert found.overrides["gain"].tolist() == pytest.approx([-7.0])
    told = found.summary["overrides"]
    assert [(o["author"], o["reason"], o["lines"], o["judged"]) for o in told] == [("李", "fair", 1, 1)]
    assert told[0]["gain"] == pytest.approx(-7.0)


def test_the_gain_of_an_override_is_told_only_where_it_can_be(tables: Tables) -> None:
    without = review(make_plan(LOCK), tables)
    dearer = pd.DataFrame({"date": [DAY.date()], "item_code": ["L1"], "solved_order_quantity": [6.0],
                           "solved_price": [6.0]})  # fmt: skip
    for found in (without, review(make_plan(LOCK), tables, dearer)):
        assert found.overrides["gain"].isna().all()
        assert found.summary["overrides"][0]["gain"] is None
    other_day = replace(LOCK, date="2023-06-22")
    assert review(make_plan(other_day), tables).overrides.empty


def test_another_price_moves_the_demand_by_the_plan_s_own_elasticity(tables: Tables) -> None:
    """Locked at 6.6 with 8 kg: 33 − 28 = 5. Solved at 6.0 with 7 kg (6.3 usable): at elasticity −1 the 5 kg become
    5.5: 33 − 24.5 = 8.5. The lock cost 3.5.
    """
    plan = make_plan(LOCK)
    key = {"item_code": ["L1"], "date": [DAY]}
    forecast = pd.DataFrame({**key, "index_weight": [6.0 * 5.5], "reference_price": [6.0]})
    curve = pd.DataFrame({**key, "price": [6.6], "price_ratio": [1.1], "expected_demand": [5.5 / 1.1]})
    changes = pd.DataFrame({"date": [DAY.date()], "item_code": ["L1"], "solved_order_quantity": [7.0],
                            "solved_price": [6.0]})  # fmt: skip
    found = review(replace(plan, forecast=forecast, price_curve=curve), tables, changes)
    assert found.overrides["gain"].tolist() == pytest.approx([-3.5])


def test_an_item_the_solver_had_left_out_gains_what_it_earned(tables: Tables) -> None:
    must = replace(LOCK, kind="must_list", value=None)
    solved = {"solved_order_quantity": [float("nan")], "solved_price": [float("nan")]}
    changes = pd.DataFrame({"date": [DAY.date()], "item_code": ["L1"], **solved})
    assert review(make_plan(must), tables, changes).overrides["gain"].tolist() == pytest.approx([33 - 28.0])
    unknown = pd.concat([changes, changes.assign(item_code="L2")])  # every line changed: the run before is not kept
    assert review(make_plan(must), tables, unknown).overrides["gain"].isna().all()


def test_counted_stock_and_orders_close_the_bounds(tables: Tables) -> None:
    """7 kg came (6.3 usable), 5 were sold for 33 and 1 was left, whatever was planned: 33 − 3.5·7."""
    row = pd.DataFrame({"store": ["main"], "date": [DAY], "item_code": ["L1"]})
    told = replace(tables, orders=row.assign(ordered=7.0, received=7.0), stock=row.assign(on_hand=1.0))
    found = review(make_plan(), told)
    spinach = found.lines.set_index("item_code").loc["L1"]
    assert (spinach["profit_low"], spinach["profit_high"], spinach["unsold"]) == pytest.approx((8.5, 8.5, 1.0))
    assert (found.summary["unsold_counted"], found.summary["unsold_value"]) == (1, pytest.approx(3.5))


def test_a_plan_for_a_day_not_yet_sold_says_so(tables: Tables) -> None:
    with pytest.raises(DataError, match="ends on 2023-06-30, before the planned day 2023-07-01"):
        review(make_plan(day=pd.Timestamp("2023-07-01")), tables)


def test_plans_of_categories_are_refused(tables: Tables) -> None:
    plan = make_plan()
    composites = replace(plan, lines=plan.lines.assign(item_code=["leafy (kg)", "mushrooms (kg)"]))
    with pytest.raises(ConfigError, match=r"2 items that the data of store main does not know \(first: leafy \(kg\)\)"):
        review(composites, tables)


def test_a_plan_stored_by_an_earlier_version_is_reviewed(tables: Tables, found: Review) -> None:
    plan = make_plan()
    old = {**plan.settings, "history": {**plan.settings["history"], "stockout_recover_p": 0.001}}
    assert review(replace(plan, settings=old), tables).summary["realised"] == found.summary["realised"]
