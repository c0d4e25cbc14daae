"""Days on which the shop is closed are not planned, and closed days before a planned day do not stop it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from replenish.errors import ConfigError
from replenish.planning import evening_before, fit_models, make_plan, plannable_days
from replenish.planning.opening import OpenDays
from replenish.sources.folder import tables_from_frames
from tests.small_shop import LAST, SETTINGS, small_frames

SUNDAY, MONDAY, TUESDAY = LAST, LAST + pd.Timedelta(days=1), LAST + pd.Timedelta(days=2)


@pytest.fixture(scope="module")
def tables(demo_folder):
    """The small shop, closed on Mondays, up to a Sunday."""
    frames = small_frames(demo_folder)
    sales = frames["sales"]
    return tables_from_frames(frames | {"sales": sales[pd.to_datetime(sales["date"]).dt.day_of_week > 0]}, "small")


def with_event(tables, day, kind):
    return replace(tables, events=pd.DataFrame({"date": [day], "store": tables.stores[0], "kind": kind}))


def test_the_closing_day_is_found_and_told_apart_from_a_single_day_without_sales(tables):
    assert OpenDays(tables).closing_weekdays(SUNDAY) == {0}
    sales = tables.daily_sales
    one_less = replace(tables, daily_sales=sales[sales["date"] != SUNDAY - pd.Timedelta(days=2)])
    assert OpenDays(one_less).closing_weekdays(SUNDAY) == {0}


def test_three_weeks_of_sales_are_no_habit(tables):
    sales = tables.daily_sales
    young = replace(tables, daily_sales=sales[sales["date"] > SUNDAY - pd.Timedelta(weeks=3)])
    assert OpenDays(young).closing_weekdays(SUNDAY) == set()


def test_the_plan_after_the_last_evening_is_for_the_next_open_day(tables):
    store = tables.stores[0]
    assert plannable_days(tables, store, SETTINGS)[1] == TUESDAY.date()
    # On Tuesday's eve, the closed Monday, the shop knows what it knew on Sunday.
    assert evening_before(tables, store, TUESDAY, SETTINGS) == SUNDAY
    models = fit_models(tables, SUNDAY, SETTINGS)
    plan = make_plan(tables, SUNDAY, 1, SETTINGS, models=models)
    assert plan.summary["dates"] == [f"{TUESDAY:%Y-%m-%d}"]
    week = make_plan(tables, SUNDAY, 7, SETTINGS, models=models)
    assert len(week.summary["dates"]) == 6
    assert f"{MONDAY:%Y-%m-%d}" not in week.summary["dates"]


def test_a_closed_day_asked_for_is_refused_with_the_reason(tables):
    with pytest.raises(ConfigError, match=r"2024-07-01 is not planned.*no sales on most Mondays.*workday"):
        evening_before(tables, tables.stores[0], MONDAY, SETTINGS)
    shut = with_event(tables, TUESDAY, "closure")
    with pytest.raises(ConfigError, match="the table “events” says so"):
        evening_before(shut, tables.stores[0], TUESDAY, SETTINGS)
    assert plannable_days(shut, tables.stores[0], SETTINGS)[1] == (TUESDAY + pd.Timedelta(days=1)).date()


def test_a_workday_in_the_events_opens_the_closing_day(tables):
    opened = with_event(tables, MONDAY, "workday")
    assert evening_before(opened, tables.stores[0], MONDAY, SETTINGS) == SUNDAY
    # Then Tuesday needs Monday's sales, which are not known yet.
    assert evening_before(opened, tables.stores[0], TUESDAY, SETTINGS) == MONDAY
    assert OpenDays(opened).planned(SUNDAY, 1, 1)[0] == MONDAY


def test_a_shop_that_stays_closed_cannot_be_planned(tables):
    days = pd.date_range(MONDAY, periods=40)
    events = pd.DataFrame({"date": days, "store": tables.stores[0], "kind": "closure"})
    with pytest.raises(ConfigError, match="closed for 28 days from 2024-07-01"):
        OpenDays(replace(tables, events=events)).planned(SUNDAY, 1, 1)
