"""Wholesale prices of the planned days: the last valid price, with the errors that rule has made."""

from __future__ import annotations

import numpy as np
import pandas as pd

from replenish.forecast.features import PanelMatrix
from replenish.records import CostForecast

ERROR_DAYS = 180
PRIOR_ROWS = 30.0
MIN_LOG_SD = 0.01


def forecast_costs(m: PanelMatrix, item_codes: list[str], dates: pd.DatetimeIndex) -> CostForecast:
    """Expected wholesale price and its log standard deviation; key (item_code, date).

    A random walk: the mean is the last valid price; the spread is the root mean square of the item's log changes over
    the same number of days in the last 180 days, shrunk to its category (30 pseudo-days), a category without changes
    to the store. NaN for an item that never had a valid wholesale price.
    """
    position = {code: k for k, code in enumerate(m.item_codes)}
    parts = []
    for date in dates:
        horizon = int((date - m.dates[-1]).days)
        sd = _log_sd(m, horizon)
        rows = [position[c] for c in item_codes]
        parts.append(
            pd.DataFrame({"item_code": item_codes, "date": date, "unit_cost": m.cost[-1, rows], "log_sd": sd[rows]})
        )
    return CostForecast(pd.concat(parts, ignore_index=True))


def _log_sd(m: PanelMatrix, horizon: int) -> np.ndarray:
    recent = np.log(m.cost[-(ERROR_DAYS + horizon) :])
    change = recent[horizon:] - recent[:-horizon]
    traded = (m.weight[-len(change) :] > 0) & np.isfinite(change)
    square = np.where(traded, change**2, 0.0).sum(0)
    count = traded.sum(0)
    overall = square.sum() / max(count.sum(), 1)
    out = np.empty(len(m.item_codes))
    for category in np.unique(m.category):
        mine = m.category == category
        pooled = square[mine].sum() / count[mine].sum() if count[mine].sum() else overall
        out[mine] = np.sqrt((square[mine] + PRIOR_ROWS * pooled) / (count[mine] + PRIOR_ROWS))
    return np.maximum(out, MIN_LOG_SD)
