"""The whole road on a small shop: reproducible, blind to the future, kept models, and arguments that make no sense."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from replenish.errors import ConfigError, DataError, InfeasiblePlanError
from replenish.planning import (
    PlanningSession,
    build_history,
    fit_models,
    forecast_demand,
    look_ahead,
    make_category_plan,
    make_plan,
    one_store,
    replan,
    rule_values,
)  # fmt: skip
from replenish.planning.notes import gain_notes
from replenish.records import FittedModels, Override, Plan, Tables
from replenish.schemas import PLAN_LINES, check_table
from replenish.sources.folder import tables_from_frames
from replenish.store.fitted import load_models, save_models
from tests.small_shop import LAST, SETTINGS, poisoned, small_frames

AS_OF = pd.Timestamp("2024-06-19")
PLANNED = pd.Timestamp("2024-06-20")


@pytest.fixture(scope="session")
def shop(demo_folder: Path) -> Tables:
    return tables_from_frames(small_frames(demo_folder))


@pytest.fixture(scope="session")
def models(shop: Tables) -> FittedModels:
    return fit_models(shop, AS_OF, SETTINGS)


@pytest.fixture(scope="session")
def plan(shop: Tables, models: FittedModels) -> Plan:
    return make_plan(shop, AS_OF, 1, SETTINGS, models=models)


def same(a: Plan, b: Plan) -> bool:
    for name in ("lines", "candidates", "cover", "forecast", "price_curve"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name), check_exact=True)
    return all(a.summary[key] == b.summary[key] for key in ("promised", "expected", "range_80", "baseline"))


def test_a_history_at_hand_gives_the_same_forecasts_and_must_be_that_of_the_evening(shop: Tables, models: FittedModels):
    history = build_history(shop, AS_OF, SETTINGS)
    asked = (shop, AS_OF, 1, SETTINGS, models)
    with_it, without = look_ahead(*asked, history=history), look_ahead(*asked)
    pd.testing.assert_frame_equal(with_it.forecast.table, without.forecast.table, check_exact=True)
    with pytest.raises(ConfigError, match="up to 2024-06-18, not of “main” up to 2024-06-19"):
        look_ahead(*asked, history=build_history(shop, AS_OF - pd.Timedelta(days=1), SETTINGS))


def test_plan_keeps_its_declared_form_and_its_rules(plan: Plan):
    check_table(plan.lines, PLAN_LINES)
    assert set(plan.lines["date"]) == {PLANNED}
    assert 3 <= len(plan.lines) <= 8
    assert (plan.lines["order_quantity"] >= 2.5).all()
    packs = plan.lines.loc[plan.lines["unit"] == "pack", "order_quantity"]
    assert (packs == packs.round()).all()
    listed, others = set(plan.lines["item_code"]), set(plan.candidates["item_code"])
    assert not listed & others
    assert plan.candidates["reason"].str.len().gt(0).all()


def test_same_arguments_same_plan_and_another_seed_another_draw(shop: Tables, models: FittedModels, plan: Plan):
    assert same(make_plan(shop, AS_OF, 1, SETTINGS, models=models), plan)
    other = make_plan(shop, AS_OF, 1, SETTINGS, models=models, seed=1)
    assert other.summary["expected"] != plan.summary["expected"]


def test_nothing_observed_after_the_day_changes_the_plan(shop: Tables, plan: Plan):
    """Models are fitted again on the spoilt tables: neither they nor the plan may notice."""
    spoilt = poisoned(shop, AS_OF)
    assert not spoilt.daily_sales.equals(shop.daily_sales)
    assert same(make_plan(spoilt, AS_OF, 1, SETTINGS), plan)


def test_kept_models_give_the_identical_plan(tmp_path: Path, shop: Tables, models: FittedModels, plan: Plan):
    kept = load_models(save_models(tmp_path / "models.zip", models))
    assert same(make_plan(shop, AS_OF, 1, SETTINGS, models=kept), plan)


def test_models_serve_the_days_after_but_not_before(shop: Tables, models: FittedModels):
    later = make_plan(shop, AS_OF + pd.Timedelta(days=3), 1, SETTINGS, models=models)
    assert later.summary["dates"] == ["2024-06-23"]
    with pytest.raises(ConfigError, match="know data up to 2024-06-19, later than 2024-06-18"):
        make_plan(shop, AS_OF - pd.Timedelta(days=1), 1, SETTINGS, models=models)
    with pytest.raises(ConfigError, match="belong to store “north”"):
        make_plan(shop, AS_OF, 1, SETTINGS, models=replace(models, store="north"))


def test_the_hour_of_the_last_known_evening_does_not_matter(shop: Tables):
    evening = build_history(shop, LAST + pd.Timedelta(hours=18), SETTINGS)
    assert evening.as_of == LAST
    pd.testing.assert_frame_equal(evening.panel, build_history(shop, str(LAST.date()), SETTINGS).panel)
    with pytest.raises(DataError, match="2024-07-01 as the last known day is outside"):
        build_history(shop, LAST + pd.Timedelta(hours=24), SETTINGS)


def test_lead_time_moves_the_planned_day_not_the_known_one(shop: Tables, models: FittedModels):
    settings = SETTINGS.override(shop__lead_time_days=2)
    plan = make_plan(shop, AS_OF, 1, settings, models=models)
    assert plan.summary["dates"] == ["2024-06-21"]
    assert plan.summary["as_of"] == "2024-06-19"
    one, two = (forecast_demand(shop, AS_OF, 1, s, models).table for s in (SETTINGS, settings))
    assert (one["horizon"].unique().tolist(), two["horizon"].unique().tolist()) == ([1], [2])


def test_planning_again_from_a_kept_prospect_is_the_same_plan(shop: Tables, models: FittedModels, plan: Plan):
    ahead = look_ahead(shop, AS_OF, 1, SETTINGS, models)
    assert replan(shop, ahead, SETTINGS).to_json() == make_plan(shop, AS_OF, 1, SETTINGS, models=models).to_json()
    code = str(plan.lines["item_code"].iloc[0])
    fewer = SETTINGS.override(rules__n_max=5)
    again = replan(shop, ahead, fewer, (Override(code, "never_list"),))
    assert len(again.lines) <= 5
    assert code not in set(again.lines["item_code"])


def test_a_session_answers_every_change_of_locks(shop: Tables, models: FittedModels, plan: Plan):
    session = PlanningSession(shop, AS_OF, 1, SETTINGS, models)
    assert session.plan().to_json() == make_plan(shop, AS_OF, 1, SETTINGS, models=models).to_json()
    code = str(plan.lines["item_code"].iloc[0])
    banned = (Override(code, "never_list", author="李", reason="bad crop"),)
    # Started from the first plan: another plan than one made from nothing may come out, but within the stated gaps.
    again, fresh = session.plan(banned), make_plan(shop, AS_OF, 1, SETTINGS, banned, models)
    assert code not in set(again.lines["item_code"])
    assert max(again.summary["gap"], fresh.summary["gap"]) < 0.02
    assert again.summary["promised"] == pytest.approx(fresh.summary["promised"], rel=0.02)
    known = set(plan.forecast["item_code"])
    others = [c for c in shop.items["item_code"] if c not in known]
    wanted = (Override(others[0] if others else code, "must_list", author="李", reason="leaflet"),)
    # An item that was no candidate this morning becomes one when the planner wants it.
    assert wanted[0].item_code in set(session.plan(wanted).lines["item_code"])
    # … and is none any more when the lock is gone; the same locks give the same plan whatever was asked in between.
    assert session.plan(banned).to_json() == again.to_json()


def test_a_session_answers_changed_limits_but_nothing_else(shop: Tables, models: FittedModels, plan: Plan):
    session = PlanningSession(shop, AS_OF, 1, SETTINGS, models)
    session.plan()
    few = len(plan.lines) - 3
    fewer = session.plan((), SETTINGS.override(rules__n_max=few, rules__n_min=min(few, SETTINGS.rules.n_min)))
    assert len(fewer.lines) <= few
    assert fewer.settings["rules"]["n_max"] == few
    with pytest.raises(ConfigError, match="rules and solver"):
        session.plan((), SETTINGS.override(scenarios__count=300))


def test_the_parts_of_the_gain_add_up(plan: Plan):
    against = plan.summary["baseline"]
    assert set(against["split"]) == {"assortment", "price", "orders"}
    assert sum(against["split"].values()) == pytest.approx(against["gain"])
    assert "split" not in plan.summary["practice"]


def test_what_the_rules_are_worth(shop: Tables, models: FittedModels):
    ahead = look_ahead(shop, AS_OF, 1, SETTINGS, models)
    values = rule_values(shop, ahead, SETTINGS)
    assert set(values["date"]) == {PLANNED}
    assert {"shelf_count_max", "category_cover"} <= set(values["rule"])
    rules = values[values["rule"] != "list_item"]
    assert (values.loc[values["rule"] == "list_item", "item_name"] != "").all()
    assert (rules["change"] >= -1e-6).all()  # more room never costs: each solve starts from the plan
    known = values[values["verdict"] != "impossible"]
    assert (known["low"] <= known["change"] + 1e-6).all()
    assert (known["change"] <= known["high"] + 1e-6).all()


def test_several_days_follow_each_other(shop: Tables, models: FittedModels):
    plan = make_plan(shop, AS_OF, 2, SETTINGS, models=models)
    assert plan.lines["date"].unique().tolist() == [PLANNED, PLANNED + pd.Timedelta(days=1)]
    assert not plan.lines.duplicated(["item_code", "date"]).any()


def test_what_linked_days_leave_out_is_said(shop: Tables, models: FittedModels):
    linked = make_plan(shop, AS_OF, 2, SETTINGS, models=models)
    assert linked.summary["linked_days"]
    assert any("without the demand that moves" in note for note in linked.summary["notes"])
    careful = make_plan(shop, AS_OF, 2, SETTINGS.override(rules__risk_weight=0.2), models=models)
    assert not careful.summary["linked_days"]
    assert any("one after the other" in note for note in careful.summary["notes"])


def test_rules_of_linked_days_have_their_worth(shop: Tables, models: FittedModels):
    values = rule_values(shop, look_ahead(shop, AS_OF, 2, SETTINGS, models), SETTINGS)
    assert set(values["date"]) == {PLANNED, PLANNED + pd.Timedelta(days=1)}
    freed = values[values["rule"] != "list_item"]
    assert (freed["high"] >= -1e-6).all()  # more room never costs
    assert (freed["low"] <= freed["change"] + 1e-6).all()


def test_price_changes_of_a_day_are_counted_against_the_day_before(shop: Tables, models: FittedModels):
    few = SETTINGS.override(rules__max_price_changes=1, rules__price_index_cap=0.2)
    plan = make_plan(shop, AS_OF, 3, few, models=models)  # checked against the same count before it is returned
    tags = plan.forecast.drop_duplicates("item_code").set_index("item_code")["reference_price"].to_dict()
    moved = []
    for _, day in plan.lines.groupby("date"):
        today = dict(zip(day["item_code"], day["price"], strict=True))
        moved.append(sum(abs(price - tags[code]) > 1e-9 for code, price in today.items()))
        tags |= today
    assert max(moved) <= 1
    last = plan.lines[plan.lines["date"] == plan.lines["date"].max()]
    assert (last["price"] != last["reference_price"]).sum() > 1  # more than one day's worth of changes by then


def test_locks_are_kept_and_senseless_ones_named_together(shop: Tables, models: FittedModels, plan: Plan):
    code = str(plan.lines["item_code"].iloc[0])
    locked = make_plan(shop, AS_OF, 1, SETTINGS, (Override(code, "never_list"),), models)
    assert code not in set(locked.lines["item_code"])
    wrong = (Override("P999", "price", 5.0), Override(code, "order", None))
    with pytest.raises(ConfigError) as error:
        make_plan(shop, AS_OF, 1, SETTINGS, wrong, models)
    assert "P999: it is not among the candidates" in str(error.value)
    assert f"{code}: order needs a positive number" in str(error.value)


@pytest.mark.parametrize(
    ("code", "kind", "value", "words"),
    [
        ("P043", "price", 800.0, r"\(Coriander\): price 800 is far from its prices; choose one between 3\.33 and 90"),
        ("P043", "price", 0.1, r"price 0.1 is far from its prices"),
        ("P068", "order", 15.5, r"order 15.5 is not a whole number of packs; choose 15 or 16"),
        ("P068", "max_order", 15.5, r"max_order 15.5 is not a whole number of packs"),
        ("P043", "order", 99999.0, r"order 99999 is far above what it can sell; choose at most \d+ \(5 times"),
        ("P043", "min_order", 99999.0, r"min_order 99999 is far above what it can sell"),
    ],
)
def test_locks_far_from_anything_seen_are_refused(shop, models, code, kind, value, words):
    ahead = look_ahead(shop, AS_OF, 1, SETTINGS, models)
    with pytest.raises(ConfigError, match=words):
        replan(shop, ahead, SETTINGS, [Override(code, kind, value, "Ann", "leaflet")])


def test_locks_that_do_not_do_what_they_look_like_are_told(shop: Tables, models: FittedModels, plan: Plan):
    ahead = look_ahead(shop, AS_OF, 1, SETTINGS, models)
    odd = replan(shop, ahead, SETTINGS, [Override("P043", "order", 7.3, "Ann", "fair")])
    assert odd.lines.set_index("item_code").loc["P043", "order_quantity"] == 7.3
    told = "Coriander: Ann’s order lock at 7.3 (fair) is kept, but its orders come in multiples of 0.5 kg (7 or 7.5"
    assert odd.summary["notes"][0].startswith(told)
    wanted = (Override("P043", "price", 4.0, "Ann", "fair"), Override("P046", "never_list", None, "Ann", "spoilt"))
    gone = replan(shop, ahead, SETTINGS, wanted)
    assert "P043" not in set(gone.lines["item_code"])
    (note,) = [n for n in gone.summary["notes"] if "does nothing" in n]
    assert note.startswith("Coriander is not listed, so that Ann’s price lock at 4 (fair) does nothing: would lose")
    assert note.endswith("To have it on the shelf, lock it as must-list too.")


def test_doubtful_data_behind_a_plan_is_told(demo_folder: Path, models: FittedModels, plan: Plan):
    frames = small_frames(demo_folder)
    sales, costs = frames["sales"], frames["wholesale"]
    for code, quantity in (("P043", 5000.0), ("P046", 40.0)):
        mine = (sales["item_code"] == code) & (sales["date"] == AS_OF)
        sales.loc[sales.index[mine][0], "quantity"] = quantity
    old = (costs["item_code"] == "P046") & (costs["date"] > "2024-05-31")
    tables = tables_from_frames(frames | {"wholesale": costs[~old]})
    notes = " ".join(make_plan(tables, AS_OF, 1, SETTINGS, models=models).summary["notes"])
    assert "Coriander: on 2024-06-19 it sold 5,0" in notes
    assert "the forecast hardly goes by that day" in notes
    assert "Coriander: a single sale" not in notes, "told once"
    assert "Red bell pepper: a single sale of 40 kg on 2024-06-19, more than 10 times" in notes
    assert "wholesale prices of 1 of " in notes
    assert "last: Red bell pepper 2024-05-31)" in notes
    assert not any("single sale" in n or "days old" in n for n in plan.summary["notes"])


def test_a_plan_that_earns_less_than_a_simple_one_says_so():
    base = {"name": "cost-plus", "gain": -12.0, "gain_interval": [-20.0, -4.0]}
    (note,) = gain_notes({"baseline": base})
    assert note.startswith("the plan earns less than cost-plus would: -12, between -20 and -4.")
    assert gain_notes({"baseline": base | {"gain_interval": [-20.0, 1.0]}}) == []


def test_more_places_than_candidates_cannot_be_filled(shop: Tables, models: FittedModels):
    settings = SETTINGS.override(rules__n_min=40, rules__n_max=50)
    with pytest.raises(InfeasiblePlanError, match="least number of listed items") as error:
        make_plan(shop, AS_OF, 1, settings, models=models)
    assert error.value.rules


@pytest.mark.parametrize("day", ["2023-09-01", "2024-07-01", "2019-01-01"])
def test_a_day_outside_the_data(shop: Tables, day: str):
    with pytest.raises(DataError, match="2023-09-01 to 2024-06-30"):
        make_plan(shop, day, 1, SETTINGS)


def test_stores_are_named_when_the_choice_is_open(demo_folder: Path, shop: Tables):
    frames = small_frames(demo_folder)
    both = {
        name: pd.concat([frame.assign(store="north"), frame.assign(store="south")], ignore_index=True)
        for name, frame in frames.items()
    }
    south = both["sales"]["store"] == "south"
    both["sales"].loc[south, "quantity"] *= 2
    tables = tables_from_frames(both)
    with pytest.raises(ConfigError, match=r"several stores; choose one. Stores: north, south"):
        make_plan(tables, AS_OF)
    with pytest.raises(ConfigError, match="“east” is not in the data"):
        one_store(tables, "east")
    with pytest.raises(ConfigError, match=r"“east” is not in the data\. Stores: main"):
        make_plan(shop, AS_OF, store="east")
    panels = {name: build_history(tables, AS_OF, SETTINGS, name).panel for name in ("north", "south")}
    pd.testing.assert_frame_equal(panels["north"], build_history(shop, AS_OF, SETTINGS).panel)
    np.testing.assert_allclose(panels["south"]["full_price_sold"], 2 * panels["north"]["full_price_sold"])


def test_items_add_up_to_their_categories(shop: Tables, models: FittedModels):
    ahead = look_ahead(shop, AS_OF, 7, SETTINGS, models)
    table = ahead.forecast.table
    name = table["category"] + " (" + table["unit"] + ")"
    sums = (table["mean"] * table["offered_share"]).groupby([name, table["date"]]).sum()
    above = ahead.composites.table.set_index(["item_code", "date"])["mean"]
    np.testing.assert_allclose(above.reindex(sums.index), sums)
    alone = look_ahead(shop, AS_OF, 7, SETTINGS, replace(models, composites=None))
    ratio = table["mean"] / alone.forecast.table["mean"]
    assert alone.composites is None
    assert ratio.between(1 / 1.5, 1.5).all()
    np.testing.assert_allclose(ratio, ratio.groupby([name, table["date"]]).transform("mean"), err_msg="one factor")
    assert (ratio - 1).abs().max() > 0.001


def test_items_without_models_of_their_categories_say_so(shop: Tables, models: FittedModels):
    ahead = look_ahead(shop, AS_OF, 1, SETTINGS, replace(models, composites=None))
    assert any("not reconciled with their categories" in note for note in ahead.forecast.notes)


def test_category_plan_of_a_week_has_one_line_per_composite_and_day(shop: Tables):
    plan = make_category_plan(shop, AS_OF, 7, SETTINGS)
    names = {"leafy (kg)", "mushroom (kg)", "mushroom (pack)", "pepper (kg)"}
    assert set(plan.lines["item_code"]) == names
    assert len(plan.lines) == 7 * len(names)
    assert not plan.lines.duplicated(["item_code", "date"]).any()
    unit = plan.lines.drop_duplicates("item_code").set_index("item_code")["unit"]
    assert unit["mushroom (pack)"] == "pack"
    assert unit["mushroom (kg)"] == "kg"
    assert (plan.lines["price"] > 0).all()


@pytest.mark.parametrize(
    ("locks", "words"),
    [
        ([("price", 5.0, "李"), ("price", 6.0, "王")], "李’s price lock at 5 (r), 王’s price lock at 6 (r)"),
        ([("min_order", 9.0, "李"), ("max_order", 4.0, "李")], "least-order lock at 9 (r), 李’s most-order lock at 4"),
        ([("order", 3.0, "李"), ("min_order", 4.0, "")], "the least-order lock at 4 (r), 李’s order lock at 3 (r)"),
    ],
)
def test_locks_that_contradict_each_other_are_named(shop, models, plan, locks, words):
    ahead, code = look_ahead(shop, AS_OF, 1, SETTINGS, models), str(plan.lines["item_code"].iloc[0])
    with pytest.raises(ConfigError, match=f"locks on item {code} contradict each other") as error:
        replan(shop, ahead, SETTINGS, [Override(code, kind, value, who, "r") for kind, value, who in locks])
    assert words in str(error.value)
