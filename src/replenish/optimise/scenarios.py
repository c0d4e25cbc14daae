"""Joint scenarios of demand, elasticity and cost for one planned day (design, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.errors import ForecastError
from replenish.forecast.intervals import QUANTILE_NAMES, quantile_values
from replenish.pricing.elasticity import draw_elasticities
from replenish.records import CostForecast, DemandForecast, PriceResponse, Scenarios

Array = NDArray[np.float64]
Half = Literal["plan", "fresh", "all"]
# Wholesale prices move together: share of the variance of an item's cost error that the whole market has in common.
COMMON_COST_SHARE = 0.5
OWN_POOL_PRIOR = 15.0
RESIDUAL_LIMITS = (0.001, 0.999)
MIN_ORDINARY_DAYS = 12


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

    Days around holidays are left out when an ordinary day is planned, as long as 12 others remain. A day's category
    factor is the mean residual of the category's items seen that day; days on which a category was not seen take the
    store's mean.

    Raises `ForecastError` when there are not two past days, one for the plan and one for its judge.
    """
    seen = residuals.dropna(how="all")
    ordinary = seen[~seen.index.isin(list(holiday_days))]
    table = seen if holiday or len(ordinary) < MIN_ORDINARY_DAYS else ordinary
    if len(table) < 2:
        raise ForecastError(
            f"The errors of past forecasts are known for {len(table)} days; scenarios need 2. Give a longer history."
        )
    low, high = np.nanquantile(table.to_numpy(), RESIDUAL_LIMITS)
    table = table.clip(low, high)
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
    groups = {int(g): _rising(pool.own[np.ix_(days, np.flatnonzero(position == g))]) for g in np.unique(position)}
    for k, group in enumerate(groups[int(g)] for g in position):
        if len(group):
            scores[:, k] += _stratified(_rising(pool.own[days, k]), group, n, rng)
    return scores, pool.days[drawn]


def _rising(values: Array) -> Array:
    """The known ones of the values, rising."""
    return np.sort(values[np.isfinite(values)])


def _stratified(mine: Array, group: Array, n: int, rng: np.random.Generator) -> Array:
    """`n` draws from an item's own residuals and its category's (both rising), each part of the mixture met as often
    as it should be: one draw from every n-th of the distribution, in random order (McKay, Beckman & Conover 1979).
    """
    u = (rng.permutation(n) + rng.random(n)) / n
    share = len(mine) / (len(mine) + OWN_POOL_PRIOR)
    own = u < share
    of_group = group[((u - share).clip(min=0.0) / (1 - share) * len(group)).astype(int).clip(max=len(group) - 1)]
    if len(mine) == 0:
        return np.asarray(of_group)
    return np.asarray(np.where(own, mine[(u / share * len(mine)).astype(int).clip(max=len(mine) - 1)], of_group))


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
    The order of the scenarios comes from the residuals, their values are the quantiles of the forecast (Schefzik,
    Thorarinsdottir & Gneiting 2013): mean and spread of an item are those the forecast was found to have, whatever
    chance put into the days drawn from. Costs keep the forecast as their mean.
    """
    table = forecast.table[forecast.table["date"] == date].reset_index(drop=True)
    codes = tuple(table["item_code"])
    position = np.array([pool.categories.index(c) for c in table["category"]])
    rng = np.random.default_rng([seed, {"plan": 1, "fresh": 2, "all": 3}[half], date.toordinal()])
    scores, days = _draw_scores(pool, position, n, half, rng)
    level = (scores.argsort(axis=0).argsort(axis=0) + rng.random(scores.shape)) / n
    demand = quantile_values(table[list(QUANTILE_NAMES)].to_numpy(dtype=float), level)
    elasticity = draw_elasticities(response, codes, n, rng)
    posterior = response.items.set_index("item_code")["elasticity"].loc[list(codes)].to_numpy()
    return Scenarios(codes, demand, elasticity, posterior, _draw_costs(costs, codes, date, n, rng), days)


def _draw_costs(
    costs: CostForecast, codes: tuple[str, ...], date: pd.Timestamp, n: int, rng: np.random.Generator
) -> Array:
    """Lognormal wholesale prices, scaled so that each item's mean over the draws is its forecast (n × items)."""
    table = costs.table[costs.table["date"] == date].set_index("item_code").loc[list(codes)]
    expected, sd = table["unit_cost"].to_numpy(dtype=float), table["log_sd"].to_numpy(dtype=float)
    common = rng.standard_normal((n, 1)) * np.sqrt(COMMON_COST_SHARE)
    own = rng.standard_normal((n, len(codes))) * np.sqrt(1 - COMMON_COST_SHARE)
    factor = np.exp(sd * (common + own))
    return np.asarray(expected * factor / factor.mean(0))
