"""What kind of day it is: weekday, public holidays, in-lieu working days, nearness of a holiday."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import numpy as np
import pandas as pd

from replenish.errors import ConfigError

CAP_DAYS = 14
"""Days to and since a holiday are counted up to this: farther holidays tell nothing about shopping."""
NEW_YEAR_DAYS = 7
SATURDAY = 5

_LUNAR_NEW_YEAR = ("Chinese New Year", "Lunar New Year", "Korean New Year", "Spring Festival")


def calendar_features(
    first: date | pd.Timestamp, last: date | pd.Timestamp, country: str, events: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row per day from `first` to `last`; key date.

    Columns: weekday (0 = Monday), month, is_holiday, holiday (name, empty on other days), is_workday (weekdays that are
    no holiday, and working days in lieu), announced_closure, days_to_holiday and days_since_holiday (0 on a holiday,
    at most `CAP_DAYS`), near_new_year (within `NEW_YEAR_DAYS` of the first day of the country's main New Year).
    `events` (`schemas.EVENTS` of one store, only what is known by then) overrides the public calendar: kind `holiday`,
    `workday` or `closure`. A day's features do not depend on the range asked for. Raises `ConfigError` for a country
    the holidays library does not know.
    """
    days = pd.date_range(pd.Timestamp(first).normalize(), pd.Timestamp(last).normalize(), freq="D", unit="us")
    margin = pd.Timedelta(days=CAP_DAYS)
    wide = pd.date_range(days[0] - margin, days[-1] + margin, freq="D", unit="us") if len(days) else days
    return _features(wide, country, events).iloc[CAP_DAYS : CAP_DAYS + len(days)].reset_index(drop=True)


def _features(days: pd.DatetimeIndex, country: str, events: pd.DataFrame | None) -> pd.DataFrame:
    years = range(days[0].year - 1, days[-1].year + 2) if len(days) else range(0)
    names, workdays = _public_calendar(country, years)
    new_years = _new_years(names, years)
    names, workdays = _apply_events(names, workdays, events)
    closures = _event_days(events, "closure")
    holiday = days.isin(list(names))
    weekend = days.day_of_week >= SATURDAY
    return pd.DataFrame(
        {
            "date": days,
            "weekday": days.day_of_week.astype("int64"),
            "month": days.month.astype("int64"),
            "is_holiday": holiday,
            "holiday": pd.Series([names.get(d, "") for d in days], dtype="str"),
            "is_workday": (~weekend & ~holiday) | days.isin(workdays),
            "announced_closure": days.isin(list(closures)),
            "days_to_holiday": _days_until(holiday[::-1])[::-1],
            "days_since_holiday": _days_until(holiday),
            "near_new_year": _near(days, new_years),
        }
    )


@lru_cache(maxsize=32)
def _public_calendar(country: str, years: range) -> tuple[dict[pd.Timestamp, str], list[pd.Timestamp]]:
    """Names of the public holidays by day, and weekend days that are worked in lieu where the library knows them."""
    import holidays

    try:
        languages = getattr(holidays, country.upper())().supported_languages
        language = "en_US" if "en_US" in languages else None
        known = holidays.country_holidays(country.upper(), years=years, language=language)
    except (NotImplementedError, AttributeError):
        raise ConfigError(
            f"shop.country = “{country}”: no holidays are known for it. Use an ISO code such as CN or DE."
        ) from None
    worked = [pd.Timestamp(d) for d in known.weekend_workdays]
    return {pd.Timestamp(d): name for d, name in known.items()}, worked


def new_year_days(country: str, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """First days of the country's main New Year from `first` to `last`; raises as `calendar_features`."""
    years = range(first.year, last.year + 1)
    names, _ = _public_calendar(country, years)
    days = _new_years(names, years)
    return days[(days >= first) & (days <= last)]


def _new_years(names: dict[pd.Timestamp, str], years: range) -> pd.DatetimeIndex:
    """First day of the main New Year of each year: the lunar one where it is a public holiday, else 1 January."""
    lunar = sorted(d for d, name in names.items() if any(word in name for word in _LUNAR_NEW_YEAR))
    firsts = {d.year: d for d in reversed(lunar)}
    return pd.DatetimeIndex([firsts.get(y, pd.Timestamp(y, 1, 1)) for y in years])


def _apply_events(
    names: dict[pd.Timestamp, str], workdays: list[pd.Timestamp], events: pd.DataFrame | None
) -> tuple[dict[pd.Timestamp, str], list[pd.Timestamp]]:
    added, worked = _event_days(events, "holiday"), _event_days(events, "workday")
    kept = {d: name for d, name in names.items() if d not in worked}
    return {**kept, **added}, [d for d in [*workdays, *worked] if d not in added]


def _event_days(events: pd.DataFrame | None, kind: str) -> dict[pd.Timestamp, str]:
    if events is None:
        return {}
    rows = events[events["kind"] == kind]
    return dict(zip(rows["date"], rows["event"], strict=True))


def _days_until(is_holiday: np.ndarray) -> np.ndarray:
    """Rows since the last true one, capped; rows before the first true one get the cap."""
    position = np.arange(len(is_holiday))
    last = np.maximum.accumulate(np.where(is_holiday, position, -CAP_DAYS - 1)) if len(position) else position
    return np.minimum(position - last, CAP_DAYS).astype("int64")


def _near(days: pd.DatetimeIndex, anchors: pd.DatetimeIndex) -> np.ndarray:
    near = np.zeros(len(days), dtype=bool)
    for anchor in anchors:
        near |= np.abs((days - anchor).days) <= NEW_YEAR_DAYS
    return near
