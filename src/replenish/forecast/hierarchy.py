"""Forecasts that add up: the composites of a category and unit and the sums of their items meet half-way.

By proportions, which keeps forecasts non-negative (Wickramasuriya, Athanasopoulos & Hyndman 2019 give the general
problem).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.forecast.intervals import QUANTILE_NAMES
from replenish.history.category import composite_code
from replenish.records import DemandForecast

Array = NDArray[np.float64]
MAX_FACTOR = 1.5
COMPOSITE_SHARE = 0.5
KEY = ["composite", "date"]


def reconciled(items: DemandForecast, composites: DemandForecast) -> tuple[DemandForecast, DemandForecast]:
    """Items and composites that add up: both meet half-way between the composite's forecast and its items' sum.

    Sum: of the items' forecasts × chance of being offered. Two roads to one number err apart, and their mean errs less
    than either. Mean, σ and quantiles of an item move by its composite's factor (at most 1.5 either way), those of the
    composite to its items' new sum: exactly, whatever the limit. An item without composite and a composite without
    items that were forecast stay. Kilograms and packs are composites of their own, so that only like is added to like.
    """
    rows = items.table[["date", "mean", "offered_share"]].assign(composite=composite_code(items.table))
    total = (rows["mean"] * rows["offered_share"]).groupby([rows["composite"], rows["date"]]).sum()
    above = composites.table[["item_code", "date", "mean"]].rename(columns={"item_code": "composite"})
    above = above.join(total.rename("total"), on=KEY)
    known = (above["mean"] > 0) & (above["total"] > 0)
    ratio = above["mean"] / above["total"].where(known)
    above["factor"] = (1 - COMPOSITE_SHARE + COMPOSITE_SHARE * ratio).clip(1 / MAX_FACTOR, MAX_FACTOR)
    factor = rows.join(above.set_index(KEY)["factor"], on=KEY)["factor"].fillna(1.0)
    back = (above["factor"] / ratio).fillna(1.0)
    return (
        replace(items, table=_scaled(items.table, factor.to_numpy())),
        replace(composites, table=_scaled(composites.table, back.to_numpy())),
    )


def _scaled(table: pd.DataFrame, factor: Array) -> pd.DataFrame:
    columns = ["mean", "sigma", *QUANTILE_NAMES]
    out = table.copy()
    out[columns] = out[columns].mul(factor, axis=0)
    return out
