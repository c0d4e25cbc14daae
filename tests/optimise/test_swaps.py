"""Exchanges of items valued with what moves: one worked by hand, every one against the plan as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from replenish.optimise import rounds
from replenish.optimise.judge import Line
from replenish.optimise.rounds import Task, chosen_lines, settle
from replenish.optimise.search import objective_of
from replenish.optimise.swaps import Shelf, exchanged, holds, objective, shelf, swaps, worth
from replenish.optimise.transfers import charged, with_transfers
from replenish.pricing.substitution import Switching
from replenish.records import Override, Scenarios
from replenish.settings import RuleSettings
from tests.optimise.test_rounds import task
from tests.optimise.worlds import candidate, rules, scenarios

# Price 2. A red pepper costs 1, a green one 0.9; red sells 6, green 5, and of what is missing 6 of 10 take the other.
PEPPERS = [candidate("red", "pepper"), candidate("green", "pepper")]
DRAWS = scenarios({"red": [6.0, 6.0], "green": [5.0, 5.0]}, {"red": 1.0, "green": 0.9})
SWITCHING = Switching(np.array([0, 0]), np.full(2, 2.0), np.full(2, 0.6))
ONE_PLACE = rules(n_max=1)


def _lines(settled: rounds.Settled, of: Task) -> dict[str, float]:
    chosen = chosen_lines(settled.problem, settled.solution, of.candidates)
    return {line.candidate.item_code: line.order_quantity for line in chosen}


def test_an_item_that_inherits_the_others_shoppers_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    # With nothing moved red earns 6 · 1 and green 5 · 1.1 = 5.5, so red is listed; then 0.6 · 5 = 3 more come to it and
    # it earns 9. To green nothing passes while red is there, so the menu leaves it at 5.5. In red's place it would get
    # 0.6 · 6 = 3.6 more: 9 green ones for 8.6 shoppers earn 2 · 8.6 − 0.9 · 9 = 9.1.
    given = task(DRAWS, SWITCHING, ONE_PLACE, PEPPERS)
    found = settle(given)
    assert _lines(found, given) == {"green": 9.0}
    assert found.solution.objective == pytest.approx(9.1)
    assert (found.swaps, found.solution.gap, found.solution.status) == (1, 0.0, "optimal")
    monkeypatch.setattr(rounds, "MOST_SWEEPS", 0)
    without = settle(given)
    assert _lines(without, given) == {"red": 9.0}
    assert without.solution.objective == pytest.approx(9.0)


def test_locks_hold_against_a_swap() -> None:
    must = task(DRAWS, SWITCHING, ONE_PLACE, PEPPERS, [Override("red", "must_list")])
    assert _lines(settle(must), must) == {"red": 9.0}
    never = task(DRAWS, SWITCHING, ONE_PLACE, PEPPERS, [Override("green", "never_list")])
    assert _lines(settle(never), never) == {"red": 9.0}
    few = task(DRAWS, SWITCHING, ONE_PLACE, PEPPERS, [Override("green", "max_order", 7.0)])
    assert _lines(settle(few), few) == {"red": 9.0}  # seven green ones earn 7.7


def test_late_no_swap_is_looked_for() -> None:
    given = replace(task(DRAWS, SWITCHING, ONE_PLACE, PEPPERS), late=lambda: True)
    assert _lines(settle(given), given) == {"red": 9.0}


ITEMS = [
    candidate(f"i{k}", "pepper" if k < 4 else "leaf", (1.8, 2.0, 2.2), goodwill=0.3, clearance_share=0.1, discount=0.3)
    for k in range(8)
]
GROUPS = Switching(np.array([0] * 4 + [1] * 4), np.full(8, 2.0), np.array([0.5] * 4 + [0.7] * 4))


def _world(seed: int) -> tuple[Scenarios, RuleSettings]:
    rng = np.random.default_rng(seed)
    demand = {c.item_code: rng.gamma(4, rng.uniform(0.5, 2), 12) for c in ITEMS}
    cost = {c.item_code: float(rng.uniform(0.9, 1.4)) for c in ITEMS}
    spent = float(rng.uniform(20, 40))
    return scenarios(demand, cost), rules(n_min=2, n_max=4, cover=0.7, price_index_cap=0.0, budget=spent, goodwill=0.3)


def _judged(given: Task, lines: Sequence[Line]) -> tuple[float, bool]:
    """Objective of a plan under its own transfers from its whole menu, and whether it keeps to the rules."""
    moved = with_transfers(given.scenarios, lines, given.switching)
    problem = replace(given.pose(moved, lines), offset=charged(moved, lines))
    rows = rounds.offer_rows(problem.menu, lines)
    assert len(rows) == len(lines)
    return objective_of(problem, rows) + problem.offset, holds(problem, rows)


def _shelf(given: Task, settled: rounds.Settled) -> Shelf:
    lines = chosen_lines(settled.problem, settled.solution, given.candidates)
    return shelf(
        settled.problem, settled.solution.chosen, lines, given.scenarios, given.candidates, given.switching,
        given.menu_of,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_a_swap_is_worth_what_the_whole_plan_is_worth_more_and_keeps_the_rules(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws, limits = _world(seed)
    given = task(draws, GROUPS, limits, ITEMS, gap=0.05)
    monkeypatch.setattr(rounds, "MOST_SWEEPS", 0)
    before = settle(given)
    plan = _shelf(given, before)
    now, kept = _judged(given, plan.lines)
    assert kept
    parts = [worth(plan, g, [x for x in plan.lines if plan.group[x.candidate.item_code] == g]) for g in plan.draws]
    assert objective(plan.problem, parts) == pytest.approx(now)
    for swap in swaps(plan):
        after, holds_too = _judged(given, exchanged(plan.lines, swap.leaver, swap.entrant))
        assert after - now == pytest.approx(swap.gain)
        assert holds_too
    monkeypatch.undo()
    assert settle(given).solution.objective >= before.solution.objective - 1e-9


def test_a_plan_that_has_settled_is_bettered_by_a_swap(monkeypatch: pytest.MonkeyPatch) -> None:
    draws, limits = _world(75)
    given = task(draws, GROUPS, limits, ITEMS)
    found = settle(given)
    monkeypatch.setattr(rounds, "MOST_SWEEPS", 0)
    without = settle(given)
    assert (found.swaps, without.solution.gap) == (1, 0.0)  # optimal for its own transfers, and yet not the best plan
    assert found.solution.objective > without.solution.objective * 1.01
    lines = chosen_lines(found.problem, found.solution, given.candidates)
    assert _judged(given, lines) == (pytest.approx(found.solution.objective), True)
