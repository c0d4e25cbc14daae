"""Scenarios: disjoint past days for plan and judge, quantiles that stay the forecasts', seeds that reproduce."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from replenish.errors import ForecastError
from replenish.forecast.intervals import QUANTILE_NAMES, QUANTILES
from replenish.optimise.scenarios import ResidualPool, _stratified, draw_scenarios, residual_pool
from replenish.records import CostForecast, DemandForecast, PriceResponse, Scenarios

DAY = pd.Timestamp("2023-07-01")
CODES = ["A", "B", "C"]
CATEGORIES = pd.Series({"A": "fruit", "B": "pepper", "C": "pepper"})


def _residuals(days: int = 60, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(days, 1)) * 0.6 + rng.normal(size=(days, 3)) * 0.8
    table -= table.mean(0)
    return pd.DataFrame(table, index=pd.date_range("2023-04-01", periods=days), columns=CODES)


def _world(mean: tuple[float, ...] = (50.0, 30.0, 2.0)) -> tuple[DemandForecast, CostForecast, PriceResponse]:
    table = pd.DataFrame({"item_code": CODES, "date": DAY, "category": CATEGORIES.to_numpy(), "mean": mean})
    for name, z in zip(QUANTILE_NAMES, norm.ppf(QUANTILES), strict=True):
        table[name] = (table["mean"] + np.array([10.0, 6.0, 3.0]) * z).clip(lower=0.0)
    costs = pd.DataFrame({"item_code": CODES, "date": DAY, "unit_cost": [2.0, 4.0, 8.0], "log_sd": [0.1, 0.2, 0.0]})
    items = pd.DataFrame({
        "item_code": CODES, "category": CATEGORIES.to_numpy(), "elasticity": [-0.8, -0.5, -1.2], "sd_item": 0.3,
        "sd_shared": 0.2,
    })  # fmt: skip
    empty = pd.DataFrame()
    return DemandForecast(table, _residuals(), empty, empty), CostForecast(costs), PriceResponse(items, empty)


def _draw(half: Any = "plan", n: int = 400, seed: int = 0, pool: ResidualPool | None = None) -> Scenarios:
    known = pool or residual_pool(_residuals(), CATEGORIES, set(), False)
    return draw_scenarios(*_world(), known, DAY, n, half, seed)


def test_plan_and_judge_share_no_past_day() -> None:
    plan, fresh = _draw("plan"), _draw("fresh")
    assert len(set(plan.drawn_days)) == len(set(fresh.drawn_days)) == 30
    assert not set(plan.drawn_days) & set(fresh.drawn_days)
    assert len(set(_draw("all").drawn_days)) == 60


def test_residuals_of_other_days_are_not_used_either() -> None:
    # On the days of the plan the peppers err together, on those of the judge each the other way.
    table = _residuals()
    table["C"] = np.where(np.arange(60) % 2 == 0, table["B"], -table["B"])
    pool = residual_pool(table, CATEGORIES, set(), False)
    tie = [np.corrcoef(_draw(half, 4000, pool=pool).demand[:, 1:].T)[0, 1] for half in ("plan", "fresh")]
    assert tie[0] > 0.8
    assert tie[1] < 0.1


def test_demand_has_the_quantiles_of_the_forecast_whatever_days_are_drawn_from() -> None:
    # Levels lie one in every 4,000th: an empirical quantile is off by at most a 4,000th of probability.
    forecast = _world()[0].table
    for shift in (0.0, 3.0):
        pool = residual_pool(_residuals() + shift, CATEGORIES, set(), False)
        demand = _draw("plan", 4000, pool=pool).demand
        assert demand.min() >= 0
        for name, q in zip(QUANTILE_NAMES, QUANTILES, strict=True):
            assert np.quantile(demand, q, axis=0) == pytest.approx(forecast[name].to_numpy(), abs=0.15)
        # A normal distribution between its 2.5 and 97.5 % quantiles, with exponential tails: still 50 and 30.
        assert demand[:, :2].mean(0) == pytest.approx([50.0, 30.0], rel=0.02)


def test_items_of_a_category_move_together() -> None:
    table = _residuals()
    table["C"] = table["B"]
    pool = residual_pool(table, CATEGORIES, set(), False)
    demand = _draw("all", 4000, pool=pool).demand
    correlation = np.corrcoef(demand[:, :2].T)[0, 1], np.corrcoef(demand[:, 1:].T)[0, 1]
    assert correlation[1] > 0.85 > correlation[0] > 0.1


@pytest.mark.parametrize("ratio", [0.85, 0.93, 1.0, 1.15])
def test_ignorance_of_the_elasticity_does_not_pay(ratio: float) -> None:
    draws = _draw()
    for k, beta in enumerate((-0.8, -0.5, -1.2)):
        flat = Scenarios(
            draws.item_codes, np.ones_like(draws.demand), draws.elasticity, draws.mean_elasticity, draws.cost,
            draws.drawn_days,
        )  # fmt: skip
        # Exactly the curve at the posterior mean where demand is known, near it where demand is drawn too.
        assert flat.demand_at(k, ratio).mean() == pytest.approx(ratio**beta, abs=1e-12)
        curve = draws.demand[:, k].mean() * ratio**beta
        assert draws.demand_at(k, ratio).mean() == pytest.approx(curve, rel=0.01)


def test_costs_keep_their_forecast_and_spread() -> None:
    cost = _draw(n=2000).cost
    assert cost.mean(0) == pytest.approx([2.0, 4.0, 8.0])
    assert np.log(cost).std(0) == pytest.approx([0.1, 0.2, 0.0], rel=0.08, abs=1e-12)
    assert np.corrcoef(cost[:, :2].T)[0, 1] == pytest.approx(0.5, abs=0.08)


def test_seed_reproduces() -> None:
    one, same, other = _draw(seed=3), _draw(seed=3), _draw(seed=4)
    assert np.array_equal(one.demand, same.demand)
    assert np.array_equal(one.elasticity, same.elasticity)
    assert np.array_equal(one.cost, same.cost)
    assert not np.array_equal(one.demand, other.demand)


def test_category_factor_by_hand() -> None:
    # Day 1: peppers +1 and +3, factor 2, own −1 and +1; day 2: no pepper seen, so the store's mean, the fruit's 4.
    table = pd.DataFrame(
        {"A": [0.0, 4.0, -1.0], "B": [1.0, np.nan, 1.0], "C": [3.0, np.nan, np.nan]},
        index=pd.date_range("2023-06-01", periods=3),
    )
    pool = residual_pool(table, CATEGORIES, set(), False)
    assert pool.categories == ("fruit", "pepper")
    assert pool.factors[:, 0] == pytest.approx([0, 4, -1], abs=0.02)
    assert pool.factors[:, 1] == pytest.approx([2, 4, 1], abs=0.02)
    assert pool.own[0] == pytest.approx([0, -1, 1], abs=0.02)
    assert np.isnan(pool.own[1, 1])


def test_holidays_stay_out_of_ordinary_days() -> None:
    table = _residuals()
    holidays = set(table.index[:10])
    assert len(residual_pool(table, CATEGORIES, holidays, holiday=False).days) == 50
    assert len(residual_pool(table, CATEGORIES, holidays, holiday=True).days) == 60
    # Eleven ordinary days are too few to go by.
    assert len(residual_pool(table, CATEGORIES, set(table.index[:49]), holiday=False).days) == 60


def test_one_past_day_is_not_enough() -> None:
    with pytest.raises(ForecastError, match="known for 1 days"):
        residual_pool(_residuals().iloc[:1], CATEGORIES, set(), False)


def test_draws_are_spread_evenly_over_own_and_category_residuals() -> None:
    # 15 own residuals weigh as much as the prior's 15: half of 200 draws are own ones, each 6 or 7 times; of the
    # category's ten, every one stands for 10.
    mine, group = np.arange(15.0), 100 + np.arange(10.0)
    drawn = _stratified(mine, group, 200, np.random.default_rng(0))
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [*mine, *group]
    assert counts[:15].sum() == 100
    assert set(counts[:15]) <= {6, 7}
    assert set(counts[15:]) == {10}
    assert not (np.diff(drawn) > 0).all()  # in random order
    assert set(_stratified(np.empty(0), group, 30, np.random.default_rng(0))) == set(group)
