"""Joint scenarios of demand, elasticity and cost for one planned day (design, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.pricing.elasticity import draw_elasticities
from replenish.records import CostForecast, DemandForecast, PriceResponse, Scenarios

Array = NDArray[np.float64]
Half = Literal["plan", "fresh", "all"]
# Wholesale prices move together: share of the variance of an item's cost error that the whole market has in common.
COMMON_COST_SHARE = 0.5
OWN_POOL_PRIOR = 15.0
RESIDUAL_LIMITS = (0.001, 0.999)
MIN_FACTOR_DAYS = 12


@dataclass(frozen=True)
class ResidualPool:
    """Standardised residuals split into category factors (days × categories) and what is left (days × items)."""

    days: NDArray[np.datetime64]
    categories: tuple[str, ...]
    factors: Array
    own: Array


def residual_pool(
    residuals: pd.DataFrame, categories: pd.Series, holiday_days: set[pd.Timestamp], holiday: bool
) -> ResidualPool:
    """Pool for the given items (index of `categories`: item code → category).

    Days around holidays are left out when an ordinary day is planned. A day's category factor is the mean residual of
    the category's items seen that day; days on which a category was not seen take the store's mean.
    """
    table = residuals if holiday else residuals[~residuals.index.isin(list(holiday_days))]
    low, high = np.nanquantile(table.to_numpy(), RESIDUAL_LIMITS)
    table = table.clip(low, high).dropna(how="all")
    all_categories = categories.reindex(table.columns)
    names = tuple(sorted(categories.unique()))
    store = table.mean(axis=1)
    factors = np.column_stack(
        [table.loc[:, (all_categories == c).to_numpy()].mean(axis=1).fillna(store) for c in names]
    )
    position = [names.index(c) for c in categories]
    own = table.reindex(columns=categories.index).to_numpy() - factors[:, position]
    return ResidualPool(table.index.to_numpy(), names, factors, own)


def _half(pool: ResidualPool, half: Half) -> NDArray[np.int64]:
    """Day numbers of the half: alternate days, so that the plan and its judge never share one."""
    days = np.arange(len(pool.days))
    return days if half == "all" else days[half == "fresh" :: 2]


def _draw_scores(
    pool: ResidualPool, position: NDArray[np.int64], n: int, half: Half, rng: np.random.Generator
) -> tuple[Array, NDArray]:
    """Standardised residuals (n × items): factors of whole past days plus an own part, and the day behind each row."""
    days = _half(pool, half)
    drawn = days[rng.permutation(np.resize(rng.permutation(len(days)), n))]
    scores = pool.factors[drawn][:, position]
    for k in range(len(position)):
        mine = pool.own[days, k]
        mine = mine[np.isfinite(mine)]
        group = pool.own[np.ix_(days, np.flatnonzero(position == position[k]))].ravel()
        group = group[np.isfinite(group)]
        if len(group) == 0:
            continue
        own = rng.random(n) < len(mine) / (len(mine) + OWN_POOL_PRIOR)
        picked = rng.choice(group, n)
        scores[:, k] += np.where(own, rng.choice(mine, n), picked) if len(mine) else picked
    return scores, pool.days[drawn]


def draw_scenarios(
    forecast: DemandForecast,
    costs: CostForecast,
    response: PriceResponse,
    pool: ResidualPool,
    date: pd.Timestamp,
    n: int,
    half: Half,
    seed: int,
) -> Scenarios:
    """`n` joint scenarios of one day (shapes: see `records.Scenarios`).

    `half` chooses the past days drawn from: the plan and its fresh judge use different days and different seeds.
    Demand = max(0, mean + σ·residual), scaled so that truncation at zero leaves the forecast mean in place.
    """
    table = forecast.table[forecast.table["date"] == date].reset_index(drop=True)
    codes = tuple(table["item_code"])
    mean, sigma = table["mean"].to_numpy(), table["sigma"].to_numpy()
    position = np.array([pool.categories.index(c) for c in table["category"]])
    rng = np.random.default_rng([seed, {"plan": 1, "fresh": 2, "all": 3}[half], date.toordinal()])
    scores, days = _draw_scores(pool, position, n, half, rng)
    truncation = _truncation_factor(pool, position, mean, sigma)
    demand = np.maximum(mean + sigma * scores, 0.0) * truncation
    elasticity = draw_elasticities(response, codes, n, rng)
    posterior = response.items.set_index("item_code")["elasticity"].loc[list(codes)].to_numpy()
    return Scenarios(codes, demand, elasticity, posterior, _draw_costs(costs, codes, date, n, rng), days)


def _truncation_factor(pool: ResidualPool, position: NDArray[np.int64], mean: Array, sigma: Array) -> Array:
    """mean ÷ E[max(0, mean + σ·residual)] over all days, at most 1: cutting at zero must not raise the forecast."""
    scores, _ = _draw_scores(pool, position, 2000, "all", np.random.default_rng(0))
    cut = np.maximum(mean + sigma * scores, 0.0).mean(0)
    free = np.maximum((mean + sigma * scores).mean(0), 0.0)
    return np.where(cut > 0, np.minimum(free / np.where(cut > 0, cut, 1.0), 1.0), 1.0)


def _draw_costs(
    costs: CostForecast, codes: tuple[str, ...], date: pd.Timestamp, n: int, rng: np.random.Generator
) -> Array:
    table = costs.table[costs.table["date"] == date].set_index("item_code").loc[list(codes)]
    sd = table["log_sd"].to_numpy()
    common = rng.standard_normal((n, 1)) * np.sqrt(COMMON_COST_SHARE)
    own = rng.standard_normal((n, len(codes))) * np.sqrt(1 - COMMON_COST_SHARE)
    return table["unit_cost"].to_numpy() * np.exp(sd * (common + own) - sd**2 / 2)
