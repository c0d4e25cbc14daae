"""Days planned together: against all choices on small weeks, and in agreement with single days when nothing links."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from replenish.errors import InfeasiblePlanError
from replenish.optimise.ageing import DayDecision
from replenish.optimise.menu import build_menu
from replenish.optimise.model import Problem
from replenish.optimise.solve import solve_menu
from replenish.optimise.sweep import Day, path_outcomes, sweep_days
from replenish.optimise.week import _windows, keeping_items, solve_week
from replenish.optimise.windows import NOT_LISTED
from replenish.records import Override
from tests.optimise.worlds import EXACT, candidate, rules, scenarios


def _week(
    count: int, life: int, seed: int = 0, must: tuple[str, ...] = (), multiple: float = 3.0, **changes: Any
) -> list[Day]:
    """Days of one apple that keeps `life` days and two peppers that do not."""
    rng, chosen, days = np.random.default_rng(seed), rules(**changes), []
    for _ in range(count):
        items = [
            replace(
                candidate(
                    "apple", "fruit", (2.0, 2.4), multiple=multiple, keeps=life > 1, carry_value=0.6 * (life > 1)
                ),
                shelf_life_days=life,
            ),
            candidate("red", "pepper", (2.0, 2.4), multiple=2.0),
            candidate("green", "pepper", (1.7, 2.0), multiple=2.0),
        ]
        demand = {c.item_code: rng.gamma(4, 1.5, 40).tolist() for c in items}
        draws = scenarios(demand, dict.fromkeys(demand, 1.0))
        locks = [Override(code, "must_list") for code in must]
        days.append(Day(Problem(build_menu(items, draws, chosen, locks), chosen, must), tuple(items), draws))
    return days


def _apple_worth(days: list[Day], path: tuple[DayDecision, ...]) -> float:
    """Expected profit of an apple's path; no goodwill in these worlds."""
    return float(sum(o.profit.mean() for o in path_outcomes(days, "apple", path)))


def _best(days: list[Day]) -> float:
    """The best week over every apple path and, day by day, every pair of pepper offers (n_max only)."""
    apples = []
    for day in days:
        mine = day.problem.menu.offers[day.problem.menu.offers["item_code"] == "apple"]
        listed = [DayDecision(float(o.order_quantity), float(o.price)) for o in mine.itertuples()]
        apples.append([DayDecision(0.0, float("nan")), *listed])
    best = -np.inf
    for path in product(*apples):
        total = _apple_worth(days, path)
        for day, apple in zip(days, path, strict=True):
            offers = day.problem.menu.offers
            tops = offers[offers["item_code"] != "apple"].groupby("item_code")["value"].max().clip(lower=0)
            places = day.problem.rules.n_max - int(apple.listed)
            total += float(tops.nlargest(places).sum())
        best = max(best, total)
    return best


@pytest.mark.parametrize("seed", range(2))
def test_small_week_against_all_choices(seed: int) -> None:
    days = _week(3, 2, seed, multiple=6.0, n_max=2)
    week, best = solve_week(days, EXACT), _best(days)
    assert week.objective <= best + 1e-6 <= week.bound + 2e-6
    assert week.objective == pytest.approx(best, rel=0.01)
    assert week.gap <= 0.03


def test_single_days_when_nothing_keeps() -> None:
    days = _week(3, 1, 3, n_max=2, cover=0.6, price_index_cap=0.0)
    assert keeping_items(days) == []
    week, alone = solve_week(days, EXACT), [solve_menu(d.problem, EXACT) for d in days]
    assert [s.chosen for s in week.solutions] == [s.chosen for s in alone]
    assert week.objective == pytest.approx(sum(s.objective for s in alone))
    assert week.bound >= sum(s.objective for s in alone) - 1e-6


def test_ageing_pays_against_days_by_themselves() -> None:
    days = _week(3, 2, 1)
    week = solve_week(days, EXACT)
    alone: tuple[DayDecision, ...] = ()
    for day in days:
        offers = day.problem.menu.offers
        mine = offers[offers["item_code"] == "apple"]
        top = mine.loc[mine["value"].idxmax()]
        alone = (*alone, DayDecision(float(top["order_quantity"]), float(top["price"])))
    assert _apple_worth(days, week.paths["apple"]) > _apple_worth(days, alone)


def test_value_of_the_days_is_the_value_of_the_week() -> None:
    days = _week(4, 2, 2, n_max=2)
    week = solve_week(days, EXACT)
    peppers = 0.0
    for problem, solution in zip(week.problems, week.solutions, strict=True):
        chosen = problem.menu.offers.loc[list(solution.chosen)]
        peppers += float(chosen.loc[chosen["item_code"] != "apple", "value"].sum())
    assert week.objective == pytest.approx(peppers + _apple_worth(days, week.paths["apple"]))


def test_locks_and_rules_hold_on_every_day() -> None:
    days = _week(3, 2, 4, must=("apple",), n_max=1, price_index_cap=0.0)
    week = solve_week(days, EXACT)
    for problem, solution in zip(week.problems, week.solutions, strict=True):
        chosen = problem.menu.offers.loc[list(solution.chosen)]
        assert list(chosen["item_code"]) == ["apple"]
        assert chosen["index_coefficient"].sum() <= 1e-9
    assert all(d.listed for d in week.paths["apple"])


def test_price_changes_are_counted_against_the_day_before() -> None:
    # Demand falls less than prices rise: every item earns most at its upper price, 2.4 for apple and red, today's 2.0
    # for green. With one change a day the first rises on day 1, the second on day 2, and both stay there unchanged.
    days = _week(3, 2, 5, max_price_changes=1, n_min=3)
    week, usual = solve_week(days, EXACT), {c.item_code: c.terms.reference_price for c in days[0].candidates}
    tags, changed = dict(usual), []
    for problem, solution in zip(week.problems, week.solutions, strict=True):
        chosen = problem.menu.offers.loc[list(solution.chosen)]
        today = dict(zip(chosen["item_code"], chosen["price"], strict=True))
        changed.append(sum(price != tags[code] for code, price in today.items()))
        tags |= today
    assert changed == [1, 1, 0]
    assert sum(price != usual[code] for code, price in tags.items()) == 2
    free = solve_week(_week(3, 2, 5, n_min=3), EXACT)
    assert week.objective < free.objective <= free.bound + 1e-9
    assert week.objective <= week.bound <= free.bound + 1e-6


def test_days_settle_from_the_poorest_paths() -> None:
    """A sweep over the days finds by itself what the relaxation's paths begin with."""
    days = _week(4, 2, 2, n_max=2)
    windows = [_windows(days, code) for code in keeping_items(days)]
    none, rows = [(0,) * 4], [d.problem.menu.offers.index for d in days]
    assert windows[0].options[0][0].row == NOT_LISTED
    swept = sweep_days(days, windows, none, EXACT, np.inf, [np.zeros(1)] * 4, rows)
    week = solve_week(days, EXACT)
    assert sum(s.objective for s in swept.solutions) >= 0.98 * week.objective
    assert week.objective <= week.bound + 1e-9


def test_rules_no_first_path_fits() -> None:
    with pytest.raises(InfeasiblePlanError, match="fit the rules"):
        solve_week(_week(2, 2, 0, n_min=4), EXACT)
