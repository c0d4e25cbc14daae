"""Changes on the way to another plan: made when they better this one, by hand on two peppers and in random shops."""

from __future__ import annotations

from dataclasses import replace

import pytest

from replenish.optimise import rounds
from replenish.optimise.judge import Line
from replenish.optimise.rounds import Task, offer_rows, settle
from replenish.optimise.steps import bettered
from replenish.optimise.swaps import holds, shelf
from replenish.optimise.transfers import charged, with_transfers
from tests.optimise.test_rounds import DRAWS, PEPPERS, task
from tests.optimise.test_swaps import GROUPS, ITEMS, SWITCHING, _judged, _world
from tests.optimise.worlds import rules

RED, GREEN = PEPPERS
TWO_PLACES = task(DRAWS, SWITCHING, rules(n_max=2))
ONE_PLACE = task(DRAWS, SWITCHING, rules(n_max=1))


def _after(given: Task, mine: list[Line], other: list[Line]) -> dict[str, float]:
    """Orders after the changes from one plan towards another that better it."""
    moved = with_transfers(given.scenarios, mine, given.switching)
    problem = replace(given.pose(moved, mine), offset=charged(moved, mine))
    rows = offer_rows(problem.menu, mine)
    plan = shelf(problem, rows, mine, given.scenarios, given.candidates, given.switching, given.menu_of)
    lines = bettered(plan, other, offer_rows(problem.menu, other))
    return {x.candidate.item_code: x.order_quantity for x in lines}


def test_a_change_that_betters_the_plan_is_made() -> None:
    # Six red ones earn 6. With 0.6 of green's four moving to red, eight earn 8; red and green both earn 6 + 4.
    assert _after(ONE_PLACE, [Line(RED, 2.0, 6.0)], [Line(RED, 2.0, 8.0)]) == {"red": 8.0}
    assert _after(TWO_PLACES, [Line(RED, 2.0, 6.0)], [Line(RED, 2.0, 6.0), Line(GREEN, 2.0, 4.0)]) == {
        "red": 6.0,
        "green": 4.0,
    }


def test_a_change_that_does_not_is_left() -> None:
    # Eight red ones earn 8 of the 8.4 that are asked for; four green ones in their place would earn 4.
    assert _after(ONE_PLACE, [Line(RED, 2.0, 8.0)], [Line(GREEN, 2.0, 4.0)]) == {"red": 8.0}


def test_a_change_that_breaks_a_rule_is_left() -> None:
    # Two would earn more than one, but there is one place.
    both = [Line(RED, 2.0, 6.0), Line(GREEN, 2.0, 4.0)]
    assert _after(ONE_PLACE, [Line(RED, 2.0, 6.0)], both) == {"red": 6.0}


@pytest.mark.parametrize("seed", range(4))
def test_rounds_never_fall_and_keep_the_rules(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draws, limits = _world(seed)
    given = task(draws, GROUPS, limits, ITEMS)
    monkeypatch.setattr(rounds, "MOST_SWEEPS", 0)
    values = []
    for most in (1, 2, 4):
        monkeypatch.setattr(rounds, "MOST_ROUNDS", most)
        found = settle(given)
        lines = rounds.chosen_lines(found.problem, found.solution, given.candidates)
        value, kept = _judged(given, lines)
        assert kept
        assert holds(found.problem, found.solution.chosen)
        values.append(value)
    assert values == sorted(values)
