"""On which days the shop will be open: nobody plans a day on which it is closed.

A weekday on which it had no sales for weeks is one of its closing days; `events` say otherwise for single days
(`closure`: closed, `workday`: open).
"""

from __future__ import annotations

import pandas as pd

from replenish.errors import ConfigError
from replenish.records import Tables

HABIT_WEEKS = 8
FEWEST_WEEKS = 4
CLOSED_SHARE = 0.75
SEARCH_DAYS = 28


class OpenDays:
    """The days a shop is open, from the sales and events of its tables; one store."""

    def __init__(self, tables: Tables) -> None:
        self._sold = pd.DatetimeIndex(tables.daily_sales["date"].unique()).sort_values()
        events = tables.events
        dates = pd.Series(dtype="object") if events is None else events.set_index("date")["kind"]
        self._shut = set(dates.index[dates == "closure"])
        self._opened = set(dates.index[dates == "workday"])

    def closing_weekdays(self, as_of: pd.Timestamp) -> set[int]:
        """Weekdays (0 = Monday) without sales on three quarters of the last eight, seen on the evening of `as_of`."""
        known = self._sold[self._sold <= as_of]
        since = max(as_of - pd.Timedelta(weeks=HABIT_WEEKS), known[0]) if len(known) else as_of
        days = pd.date_range(since + pd.Timedelta(days=1), as_of)
        shut = pd.Series(~days.isin(known), index=days.day_of_week)
        habit = shut.groupby(level=0).agg(["mean", "size"])
        return set(habit.index[(habit["mean"] >= CLOSED_SHARE) & (habit["size"] >= FEWEST_WEEKS)])

    def among(self, days: pd.DatetimeIndex, as_of: pd.Timestamp) -> pd.DatetimeIndex:
        """Those of the days on which the shop is open, as far as is known on the evening of `as_of`."""
        habit = self.closing_weekdays(as_of)
        return days[[d not in self._shut and (d in self._opened or d.day_of_week not in habit) for d in days]]

    def planned(self, as_of: pd.Timestamp, lead_time_days: int, days: int) -> pd.DatetimeIndex:
        """The days to plan: those open among the `days` days from the first open one on, which is at least
        `lead_time_days` after `as_of`; `ConfigError` when the shop stays closed.
        """
        earliest = as_of + pd.Timedelta(days=lead_time_days)
        following = self.among(pd.date_range(earliest, periods=SEARCH_DAYS, unit="us"), as_of)
        if not len(following):
            raise ConfigError(
                f"The shop is closed for {SEARCH_DAYS} days from {earliest:%Y-%m-%d} on, by its events or its habit. "
                "Correct the table “events”, or plan a later day."
            )
        return self.among(pd.date_range(following[0], periods=days, unit="us"), as_of)

    def evening_before(self, day: pd.Timestamp, lead_time_days: int) -> pd.Timestamp:
        """The last evening with sales that plans `day`; closed days between them do not count.

        `ConfigError` when the shop is closed on `day`.
        """
        evening = day - pd.Timedelta(days=lead_time_days)
        known = self._sold[self._sold <= evening]
        if not len(known):
            return evening
        if day not in self.among(pd.DatetimeIndex([day]), known[-1]):
            why = "the table “events” says so" if day in self._shut else f"it had no sales on most {day:%A}s of late"
            raise ConfigError(
                f"{day:%Y-%m-%d} is not planned: the shop is closed that day, as {why}. "
                "Choose another day; if it opens exceptionally, add the day to the table “events” as a workday."
            )
        between = pd.date_range(known[-1] + pd.Timedelta(days=1), evening)
        return evening if len(self.among(between, known[-1])) else known[-1]
