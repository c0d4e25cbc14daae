"""Small shops as matrices, without the road from tables to history."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from replenish.forecast.features import PanelMatrix, future_calendar


def matrix(
    demand: np.ndarray,
    price: float | np.ndarray = 5.0,
    elasticity: float = -0.8,
    category: list[str] | None = None,
    unit: list[str] | None = None,
    first: str = "2022-01-03",
    weight: np.ndarray | None = None,
    cost: np.ndarray | None = None,
) -> PanelMatrix:
    """A shop (default: from a Monday) whose `demand` (days × items) at each day's `price` was fully observed."""
    days, items = demand.shape
    prices = np.broadcast_to(np.asarray(price, dtype=float), (days, items)).copy()
    beta = np.full(items, elasticity)
    dates = pd.date_range(first, periods=days, unit="us")
    taught = np.ones((days, items)) if weight is None else weight
    return PanelMatrix(
        dates=dates,
        item_codes=tuple(f"P{k:02d}" for k in range(items)),
        category=np.array(category or ["leafy"] * items),
        unit=np.array(unit or ["kg"] * items),
        elasticity=beta,
        demand_share=np.ones(items),
        neutral=demand * prices**-beta,
        weight=taught,
        sold=demand.copy(),
        offered=np.ones((days, items)),
        offered_then=np.ones((days, items)),
        price=prices,
        cost=prices * 0.6 if cost is None else cost,
        traffic=np.full(days, 500.0),
        calendar=future_calendar(dates[0], dates[-1], "CN", None),
        country="CN",
    )


def poisoned(m: PanelMatrix, day: int) -> PanelMatrix:
    """Every observation after day number `day` spoiled: multiplied, or NaN where that is allowed."""
    out = {}
    for name in ("neutral", "weight", "sold", "offered", "offered_then", "price", "cost", "traffic"):
        values = getattr(m, name).copy()
        values[day + 1 :] = values[day + 1 :] * 9 + 1
        out[name] = values
    out["cost"][day + 1 :] = np.nan
    return replace(m, **out)


def noisy_demand(days: int, items: int, seed: int = 0) -> np.ndarray:
    """Negative binomial demand (variance f + f²/8) around item means of 2 to 60 with a weekday pattern."""
    rng = np.random.default_rng(seed)
    week = np.array([0.85, 0.85, 0.9, 0.95, 1.05, 1.25, 1.15])
    mean = np.geomspace(2, 60, items) * np.resize(week, days)[:, None]
    return rng.poisson(rng.gamma(8, mean / 8)).astype(float)
