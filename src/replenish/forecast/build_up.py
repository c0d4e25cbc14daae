"""The crowd before the New Year, taken out of what forecasts of the days after it go by.

Shops are crowded in the days up to the Spring Festival (elsewhere up to Christmas and New Year's Eve), close, and open
again to few shoppers. A level that follows sales expects the crowd to be there still, and the whole order of the first
days after is too large. So for target dates after the New Year the days before it count as if they had been as busy as
the weeks before them. A model that has seen festivals learns some of it; a shop in its first year has seen none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.forecast.features import PanelMatrix
from replenish.history.holidays import new_year_days

Array = NDArray[np.float64]
BUILD_UP_DAYS = 14
USUAL_DAYS = 28
REMEMBERED_DAYS = 28
"""Days after the New Year until the build-up has left the features of the last four weeks."""
MOST = 3.0


def past_new_year(m: PanelMatrix, date: pd.Timestamp) -> pd.Timestamp | None:
    """The New Year on or before `date` whose build-up is in the panel's last weeks; None without one."""
    last = m.dates[-1]
    for day in new_year_days(m.country, last - pd.Timedelta(days=REMEMBERED_DAYS), date):
        if day - pd.Timedelta(days=BUILD_UP_DAYS) <= last:
            return day
    return None


def without_build_up(m: PanelMatrix, new_year: pd.Timestamp) -> PanelMatrix:
    """The panel with sales and traffic of the two weeks before `new_year` ÷ how much busier than usual each day was.

    Usual is the mean of the weekday over the four weeks before those, in money and in transactions of the whole shop;
    the factor lies between 1/3 and 3. A shop without those weeks keeps its panel.
    """
    until = int((new_year - m.dates[0]).days)
    days = np.arange(max(until - BUILD_UP_DAYS, 0), min(until, len(m.dates)))
    usual = np.arange(max(until - BUILD_UP_DAYS - USUAL_DAYS, 0), max(until - BUILD_UP_DAYS, 0))
    if not len(days) or len(usual) < USUAL_DAYS:
        return m
    worth = np.nan_to_num(m.neutral * m.price_factor(m.price) * m.price).sum(1)
    busy = _busyness(worth, m.dates, days, usual)[:, None]
    traffic = m.traffic.copy()
    traffic[days] /= _busyness(m.traffic, m.dates, days, usual)
    neutral, sold = m.neutral.copy(), m.sold.copy()
    neutral[days] /= busy
    sold[days] /= busy
    return replace(m, neutral=neutral, sold=sold, traffic=traffic)


def _busyness(values: Array, dates: pd.DatetimeIndex, days: NDArray[np.int64], usual: NDArray[np.int64]) -> Array:
    """Each of the `days` against the mean of its weekday on the `usual` days; closed days count on neither side."""
    before = pd.Series(values[usual], index=dates[usual].day_of_week)
    before = before[before > 0]
    mean = before.groupby(level=0).mean().reindex(dates[days].day_of_week).fillna(before.mean()).to_numpy()
    known = (values[days] > 0) & np.isfinite(mean)
    ratio = np.where(known, values[days], 1.0) / np.where(known, mean, 1.0)
    return np.asarray(np.clip(ratio, 1 / MOST, MOST))
