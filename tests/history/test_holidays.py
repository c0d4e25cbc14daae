"""The calendar, against days anyone can look up."""

from __future__ import annotations

import pandas as pd
import pytest

from replenish.errors import ConfigError
from replenish.history.holidays import CAP_DAYS, calendar_features


def days(first: str, last: str, country: str = "CN", events: pd.DataFrame | None = None) -> pd.DataFrame:
    return calendar_features(pd.Timestamp(first), pd.Timestamp(last), country, events).set_index("date")


def make_events(*rows: tuple[str, str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["date", "event", "kind"])
    return frame.assign(date=pd.to_datetime(frame["date"]), known_at=pd.Timestamp("2023-01-01"), store="main")


def test_dragon_boat_holiday_2023() -> None:
    """22–24 June off (the 24th is a Saturday), Sunday the 25th worked in lieu."""
    calendar = days("2023-06-19", "2023-06-30")
    assert calendar["is_workday"].map({True: "w", False: "-"}).str.cat() == "www---wwwwww"
    assert calendar.index[calendar["is_holiday"]].day.tolist() == [22, 23]
    assert calendar.loc["2023-06-22", "holiday"] == "Dragon Boat Festival"
    assert calendar["days_to_holiday"].tolist()[:6] == [3, 2, 1, 0, 0, CAP_DAYS]
    assert calendar["days_since_holiday"].tolist()[3:8] == [0, 0, 1, 2, 3]


def test_chinese_new_year_and_western_new_year() -> None:
    chinese = days("2023-01-01", "2023-02-28")
    near = chinese.index[chinese["near_new_year"]]
    assert (near[0], near[-1]) == (pd.Timestamp("2023-01-15"), pd.Timestamp("2023-01-29"))
    german = days("2022-12-20", "2023-01-15", "DE")
    near = german.index[german["near_new_year"]]
    assert (near[0], near[-1]) == (pd.Timestamp("2022-12-25"), pd.Timestamp("2023-01-08"))


def test_features_do_not_depend_on_the_range() -> None:
    year = days("2022-06-01", "2023-06-30")
    pd.testing.assert_frame_equal(days("2023-01-28", "2023-02-03"), year.loc["2023-01-28":"2023-02-03"])
    assert len(days("2023-06-01", "2023-06-01")) == 1
    assert days("2023-06-02", "2023-06-01").empty


def test_events_override_the_public_calendar() -> None:
    events = make_events(
        ("2023-06-22", "open as usual", "workday"),
        ("2023-06-28", "town festival", "holiday"),
        ("2023-06-25", "no working Sunday here", "holiday"),
        ("2023-06-29", "stocktaking", "closure"),
        ("2023-06-30", "leaflet", "promotion"),
    )
    calendar = days("2023-06-19", "2023-06-30", events=events)
    assert not calendar.loc["2023-06-22", "is_holiday"]
    assert calendar.loc["2023-06-22", "is_workday"]
    assert calendar.loc["2023-06-28", "holiday"] == "town festival"
    assert not calendar.loc["2023-06-25", "is_workday"]
    assert calendar.index[calendar["announced_closure"]].tolist() == [pd.Timestamp("2023-06-29")]
    assert calendar.loc["2023-06-27", "days_to_holiday"] == 1
    assert not calendar.loc["2023-06-30", "is_holiday"]


def test_weekday_and_month() -> None:
    day = days("2023-07-01", "2023-07-01").iloc[0]
    assert (day["weekday"], day["month"], day["is_workday"]) == (5, 7, False)


@pytest.mark.parametrize("country", ["XX", "", "HolidayBase"])
def test_unknown_country(country: str) -> None:
    with pytest.raises(ConfigError, match=r"shop\.country"):
        days("2023-07-01", "2023-07-01", country)
