"""The reference case on the real data: the shop's margin and its replay, the plan for 1 July 2023, the week."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from replenish.evaluate.replay import realised_margin, replay_shop
from replenish.planning import fit_models, make_category_plan, make_plan
from replenish.records import FittedModels, Plan, Tables
from replenish.settings import Settings, load_settings
from replenish.sources.folder import load_tables

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def tables(real_folder: Path) -> Tables:
    return load_tables(real_folder)


@pytest.fixture(scope="module")
def settings(real_folder: Path) -> Settings:
    return load_settings(data=real_folder, environ={})


@pytest.fixture(scope="module")
def models(tables: Tables, settings: Settings) -> FittedModels:
    """Fitted once, a month before the planned day: kept models may be older than the plan."""
    return fit_models(tables, "2023-05-31", settings)


@pytest.fixture(scope="module")
def plan(tables: Tables, settings: Settings, models: FittedModels) -> Plan:
    return make_plan(tables, "2023-06-30", 1, settings, None, models)


def test_the_shops_own_margin_is_the_published_one(tables: Tables) -> None:
    # The design, section 5: 408–620 a day on 24–30 June 2023, 836–1,106 on its ordinary Saturdays (rounded there).
    margin = realised_margin(tables, "main")["margin"]
    week = margin.loc["2023-06-24":"2023-06-30"]  # type: ignore[misc]
    assert (round(week.min()), round(week.max())) == (408, 620)
    assert round(margin[pd.Timestamp("2023-06-03")]) == 1106


def test_scenarios_give_about_the_shops_own_margin(tables: Tables, settings: Settings, models: FittedModels) -> None:
    # Six ordinary days: the sum of independent daily errors of about 25 % is within 25 % / √6 · 2 = 20 %.
    days = pd.date_range("2023-06-01", "2023-06-06")
    replay = replay_shop(tables, days, models, settings)
    assert replay["expected"].sum() == pytest.approx(replay["realised"].sum(), rel=0.2)


def test_the_plan_keeps_the_contests_rules(plan: Plan, tables: Tables) -> None:
    sold = tables.daily_sales[tables.daily_sales["date"].between("2023-06-24", "2023-06-30")]
    candidates = set(sold.loc[sold["quantity"] > 0, "item_code"])
    assert len(candidates) == 49
    assert 27 <= len(plan.lines) <= 33
    assert set(plan.lines["item_code"]) <= candidates
    assert set(plan.lines["item_code"]) | set(plan.candidates["item_code"]) == candidates
    assert (plan.lines["order_quantity"] >= 2.5).all()
    packs = plan.lines[plan.lines["unit"] == "pack"]
    assert (packs["order_quantity"] % 1 == 0).all()


def test_the_plan_is_proven_and_its_promise_holds_on_fresh_scenarios(plan: Plan) -> None:
    summary = plan.summary
    assert summary["status"] == "optimal"
    assert summary["gap"] <= 0.003
    low, high = (summary["expected"] + k * 3 * summary["expected_se"] for k in (-1, 1))
    assert low <= summary["promised"] <= high
    assert summary["shop_definition"] > summary["expected"]
    assert all(rise <= 1e-6 for rise in summary["price_index"].values())


def test_every_category_is_planned_for_every_day_of_the_week(tables: Tables, settings: Settings) -> None:
    week = make_category_plan(tables, "2023-06-30", 7, settings)
    days = pd.date_range("2023-07-01", "2023-07-07")
    planned = week.lines.groupby("date")["category"].nunique()
    assert (planned.reindex(days) == 6).all()
    assert set(week.lines["unit"]) == {"kg", "pack"}
    assert not week.lines.duplicated(["date", "item_code"]).any()
