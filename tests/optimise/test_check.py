"""The independent check: silent on a sound plan, and every way to break one is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from replenish.optimise.assemble import assemble_plan
from replenish.optimise.check import check_plan
from replenish.optimise.stock import no_stock
from replenish.planning import fit_models, look_ahead, plan_days
from replenish.records import FittedModels, Override, Plan, Scenarios, Tables
from replenish.settings import Settings
from replenish.sources.folder import tables_from_frames
from tests.small_shop import SETTINGS, small_frames

AS_OF = pd.Timestamp("2024-06-19")
QUICK = SETTINGS.override(forecast__boosting=False, forecast__arima=False, rules__budget=2000.0)


@pytest.fixture(scope="module")
def supplied(demo_folder: Path) -> Tables:
    """The small shop with one supplier."""
    frames = small_frames(demo_folder)
    frames["items"] = frames["items"].assign(supplier="farm")
    return tables_from_frames(frames)


def _world(tables: Tables, models: FittedModels, days: int) -> tuple[Tables, Plan, dict[str, Scenarios]]:
    """A sound plan for so many days, and the scenarios it was judged on."""
    ahead = look_ahead(tables, AS_OF, days, QUICK, models)
    planned = plan_days(ahead, no_stock(), QUICK)
    plan = assemble_plan(planned, ahead.history, ahead.forecast, QUICK, (), 0, tables.fingerprint, models)
    return tables, plan, {f"{d.date:%Y-%m-%d}": d.fresh for d in planned}


@pytest.fixture(scope="module")
def models(supplied: Tables) -> FittedModels:
    return fit_models(supplied, AS_OF, QUICK)


@pytest.fixture(scope="module")
def world(supplied: Tables, models: FittedModels) -> tuple[Tables, Plan, dict[str, Scenarios]]:
    """A sound plan of the small shop for two days, and the scenarios it was judged on."""
    return _world(supplied, models, 2)


def _faults(
    world: Any, plan: Plan | None = None, settings: Settings | None = None, replayed: bool = False
) -> list[str]:
    tables, sound, fresh = world
    return check_plan(plan or sound, tables, fresh if replayed else None, settings)


def _with(plan: Plan, row: int, **values: Any) -> Plan:
    lines = plan.lines.copy()
    for column, value in values.items():
        lines.loc[row, column] = value
    return replace(plan, lines=lines)


def test_sound_plan_has_no_fault(world: Any) -> None:
    assert _faults(world, replayed=True) == []


@pytest.mark.parametrize(
    "column",
    [
        "expected_demand", "expected_sales", "expected_clearance_sales", "expected_waste", "expected_profit",
        "profit_q10", "profit_q90", "sell_out_probability",
    ],
)  # fmt: skip
def test_every_expectation_is_recomputed(world: Any, column: str) -> None:
    plan = world[1]
    code = plan.lines.loc[0, "item_code"]
    found = _faults(world, _with(plan, 0, **{column: plan.lines.loc[0, column] + 0.01}), replayed=True)
    assert any(f.startswith(f"item {code}: {column} is") for f in found)


@pytest.mark.parametrize("column", ["order_quantity", "price", "loss_rate", "clearance_price"])
def test_changed_decision_no_longer_earns_what_it_says(world: Any, column: str) -> None:
    plan = world[1]
    row = int(plan.lines["expected_clearance_sales"].argmax())
    changed = _with(plan, row, **{column: plan.lines.loc[row, column] * 1.02})
    assert any("expected_profit is" in f for f in _faults(world, changed, replayed=True))


def test_demand_that_moves_is_added_up_again(supplied: Tables, models: FittedModels) -> None:
    tables, plan, fresh = _world(supplied, models, 1)
    assert check_plan(plan, tables, fresh) == []
    assert plan.summary["demand_moved"] != 0
    code, date = str(plan.lines["item_code"].iloc[0]), f"{plan.lines['date'].iloc[0]:%Y-%m-%d}"
    draws = fresh[date]
    more = draws.transfers.copy()
    more[:, draws.item_codes.index(code)] += 0.1
    found = check_plan(plan, tables, fresh | {date: replace(draws, transfers=more)})
    assert f"{date}: item {code}: demand from other items is not what the formula gives" in found
    greedy = replace(plan, forecast=plan.forecast.assign(transfer_share=0.9))
    assert any("not what the formula gives" in fault for fault in check_plan(greedy, tables, fresh))
    older = replace(plan, forecast=plan.forecast.drop(columns="transfer_share"))
    assert check_plan(older, tables, fresh) == []


def test_units_that_do_not_balance(world: Any) -> None:
    plan = world[1]
    found = _faults(world, _with(plan, 0, expected_waste=plan.lines.loc[0, "expected_waste"] + 1))
    assert found == [f"item {plan.lines.loc[0, 'item_code']}: units do not balance"]


def test_total_that_is_not_the_sum_of_its_lines(world: Any) -> None:
    plan = world[1]
    found = _faults(world, replace(plan, summary=plan.summary | {"expected": plan.summary["expected"] + 10}))
    assert len(found) == 1
    assert "its lines add up to" in found[0]


def _order(change: Callable[[float], float]) -> Callable[[Plan], Plan]:
    return lambda plan: _with(plan, 0, order_quantity=change(plan.lines.loc[0, "order_quantity"]))


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (_order(lambda q: 0.5), "order below the minimum display"),
        (_order(lambda q: q + 0.3), "order is not a whole multiple"),
        (lambda p: replace(p, lines=pd.concat([p.lines, p.lines.iloc[:1]])), "1 lines repeat a (store, date, item)"),
        (lambda p: _with(p, 0, item_code="ghost"), "1 lines name unknown items (first: ghost)"),
        (lambda p: _with(p, 0, expected_profit=float("nan")), "lines hold values that are not finite numbers"),
        (lambda p: _with(p, 0, price=p.lines.loc[0, "reference_price"] * 3), "price index of"),
    ],
)
def test_broken_lines_are_named(world: Any, broken: Callable[[Plan], Plan], fault: str) -> None:
    assert any(fault in found for found in _faults(world, broken(world[1])))


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ({"rules__n_min": 8, "rules__n_max": 9}, "items listed, at least 8 asked for"),
        ({"rules__n_max": 3}, "items listed, at most 3 allowed"),
        ({"rules__budget": 100.0}, "budget"),
        ({"rules__shelf_space": 2.0}, "shelf space"),
        ({"rules__min_supplier_order": 5000.0}, "order of supplier farm"),
        ({"rules__max_price_changes": 0}, "price changes"),
        ({"rules__price_index_cap": -0.4}, "rises more than -40.0%"),
        ({"rules__hard_cover": True, "rules__cover": 0.999}, "below the required share"),
        ({"rules__min_display": 500.0}, "order below the minimum display"),
    ],
)
def test_rules_that_the_plan_breaks_are_named(world: Any, rule: dict[str, Any], fault: str) -> None:
    plan = world[1]
    if "rules__n_min" in rule:  # take lines away, on every day
        plan = replace(plan, lines=plan.lines.groupby("date").head(2).reset_index(drop=True))
    if "rules__cover" in rule:
        plan = replace(plan, cover=plan.cover.assign(required=0.999))
    if "rules__max_price_changes" in rule:
        plan = _with(plan, 0, price=plan.lines.loc[0, "reference_price"] * 0.9)
    found = _faults(world, plan, QUICK.override(**rule))
    assert any(fault in f for f in found)


def test_day_without_any_line_breaks_the_least_number(world: Any) -> None:
    plan = world[1]
    first = plan.lines[plan.lines["date"] == plan.lines["date"].min()]
    found = _faults(world, replace(plan, lines=first))
    assert "2024-06-21: 0 items listed, at least 3 asked for" in found


def test_locks_that_are_not_kept_are_named(world: Any) -> None:
    plan = world[1]
    line = plan.lines.iloc[0]
    code, left_out = line["item_code"], plan.candidates["item_code"].iloc[0]
    locks = (
        Override(code, "price", float(line["price"]) + 0.1),
        Override(code, "order", float(line["order_quantity"]) + 1),
        Override(code, "min_order", float(line["order_quantity"]) + 1),
        Override(code, "max_order", float(line["order_quantity"]) - 1),
        Override(code, "never_list"),
        Override(left_out, "must_list", date=f"{plan.candidates['date'].iloc[0]:%Y-%m-%d}"),
    )
    found = _faults(world, replace(plan, overrides=locks))
    day = f"{line['date']:%Y-%m-%d}"
    for lock in locks:
        where = lock.date or day
        assert f"{where}: item {lock.item_code}: the planner's {lock.kind} lock is not kept" in found
    kept = (Override(code, "price", float(line["price"]), date=day), Override(code, "min_order", 1.0))
    assert _faults(world, replace(plan, overrides=kept)) == []


def test_fixed_order_overrules_display_and_multiples_only_on_its_day(world: Any) -> None:
    plan = world[1]
    day = f"{plan.lines.loc[0, 'date']:%Y-%m-%d}"
    odd = _with(plan, 0, order_quantity=1.3)
    code = plan.lines.loc[0, "item_code"]
    today = _faults(world, replace(odd, overrides=(Override(code, "order", 1.3, date=day),)))
    assert not any("multiple" in f or "display" in f for f in today)
    another = _faults(world, replace(odd, overrides=(Override(code, "order", 1.3, date="2024-01-01"),)))
    assert any("multiple" in f for f in another)
    # A largest order is no reason for half packs.
    bounded = _faults(world, replace(odd, overrides=(Override(code, "max_order", 5.0, date=day),)))
    assert any("multiple" in f for f in bounded)
