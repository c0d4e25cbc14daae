"""Wholesale prices of the planned days: the last valid price, with the errors that rule has made."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.forecast.features import PanelMatrix
from replenish.records import CostForecast

Array = NDArray[np.float64]
ERROR_DAYS = 180
PRIOR_ROWS = 30.0
MIN_LOG_SD = 0.01
BAND = 0.8
NORMAL_80 = 1.2815515655446004


def forecast_costs(m: PanelMatrix, item_codes: list[str], dates: pd.DatetimeIndex) -> CostForecast:
    """Expected wholesale price and its log standard deviation; key (item_code, date).

    A random walk: the mean is the last valid price. The spread is the one whose central 80 % held 80 % of the log
    changes over the same number of days in the last 180 days: most days change little and a few a lot, so that their
    root mean square is too wide for ordinary days. NaN for an item that never had a valid wholesale price.
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


def _log_sd(m: PanelMatrix, horizon: int) -> Array:
    """Per item: its mean absolute change, shrunk to its category (30 pseudo-days) and that to the store, times the
    store's 80 % quantile of changes relative to it, over that of a normal."""
    recent = np.log(m.cost[-(ERROR_DAYS + horizon) :])
    change = np.abs(recent[horizon:] - recent[:-horizon])
    traded = (m.weight[-len(change) :] > 0) & np.isfinite(change)
    total = np.where(traded, change, 0.0).sum(0)
    count = traded.sum(0)
    overall = total.sum() / max(count.sum(), 1)
    scale = np.empty(len(m.item_codes))
    for category in np.unique(m.category):
        mine = m.category == category
        pooled = total[mine].sum() / count[mine].sum() if count[mine].sum() else overall
        scale[mine] = (total[mine] + PRIOR_ROWS * pooled) / (count[mine] + PRIOR_ROWS)
    relative = (change / np.where(scale > 0, scale, 1.0))[traded]
    reach = float(np.quantile(relative, BAND)) if len(relative) else 1.0
    return np.asarray(np.maximum(scale * reach / NORMAL_80, MIN_LOG_SD))
