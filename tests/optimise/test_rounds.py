"""Plans that count on what they leave to other items, worked by hand on two peppers and one shelf place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from replenish.optimise import rounds
from replenish.optimise.judge import Line, judge
from replenish.optimise.menu import Candidate, Columns, build_menu, item_menu
from replenish.optimise.model import Problem
from replenish.optimise.rounds import NOT_SETTLED, Settled, Task, settle
from replenish.optimise.solve import solve_menu
from replenish.optimise.transfers import with_transfers
from replenish.pricing.substitution import Switching
from replenish.records import Override, Scenarios, Solution
from replenish.settings import RuleSettings
from tests.optimise.worlds import EXACT, candidate, chosen_lines, rules, scenarios

# Price 2, cost 1: every pepper sold is worth 1. Red sells 6, green 4, and half of what is missing moves to the other.
PEPPERS = [candidate("red", "pepper"), candidate("green", "pepper")]
DRAWS = scenarios({"red": [6.0, 6.0], "green": [4.0, 4.0]}, {"red": 1.0, "green": 1.0})
RULES = rules(n_max=1)


def task(
    draws: Scenarios, switching: Switching, limits: RuleSettings, candidates: Sequence[Candidate] = PEPPERS,
    locks: Sequence[Override] = (), gap: float = 0.0,
) -> Task:  # fmt: skip
    def pose(given: Scenarios, lines: Sequence[Line]) -> Problem:
        must = tuple(o.item_code for o in locks if o.kind == "must_list")
        known = {x.candidate.item_code: (x.price, x.order_quantity) for x in lines}
        return Problem(build_menu(candidates, given, limits, locks, known), limits, must)

    def solve(problem: Problem, start: Sequence[int], asked: float) -> Solution:
        return solve_menu(problem, EXACT.model_copy(update={"gap": asked}), start)

    def menu_of(item: Candidate, given: Scenarios) -> Columns:
        return item_menu(item, given, limits, locks)

    return Task(draws, {c.item_code: c for c in candidates}, switching, pose, solve, menu_of, gap)


def _settle(share: float = 0.5) -> Settled:
    return settle(task(DRAWS, Switching(np.array([0, 0]), np.full(2, 2.0), np.full(2, share)), RULES))


def test_the_listed_pepper_gets_half_of_the_other_ones_demand() -> None:
    found = _settle()
    assert chosen_lines(found.problem, found.solution) == {"red": (2.0, 8.0)}
    assert (found.solution.objective, found.solution.gap, found.solution.status) == (8.0, 0.0, "optimal")
    assert found.rounds == 2  # six red ones first; with what moves, eight


def test_without_switching_the_first_plan_stands() -> None:
    found = _settle(share=0.0)
    assert chosen_lines(found.problem, found.solution) == {"red": (2.0, 6.0)}
    assert found.rounds == 1


def test_a_plan_that_has_not_settled_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "MOST_ROUNDS", 1)
    monkeypatch.setattr(rounds, "MOST_SWEEPS", 0)
    found = _settle()
    # Six red ones under their own transfers earn 6; eight would earn 8: a third is open.
    assert chosen_lines(found.problem, found.solution) == {"red": (2.0, 6.0)}
    assert found.solution.status == NOT_SETTLED
    assert found.solution.gap == pytest.approx(1 / 3)


def test_a_plan_that_has_not_settled_is_exchanged_for_a_better_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "MOST_ROUNDS", 1)
    found = _settle()
    # Six red ones earn 6. Green in their place gets half of the six, and its seven earn 7; in their place red gets half
    # of green's four, and eight earn 8.
    assert chosen_lines(found.problem, found.solution) == {"red": (2.0, 8.0)}
    assert (found.swaps, found.solution.status) == (2, "optimal")


def test_a_plan_outside_its_own_menu_is_never_called_optimal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "offer_rows", lambda menu, lines: ())
    found = _settle()
    assert found.solution.status == NOT_SETTLED
    assert chosen_lines(found.problem, found.solution) == {"red": (2.0, 8.0)}


def test_orders_beyond_the_menu_are_cut_and_the_plan_judged_under_its_own_transfers() -> None:
    # Thirty red ones for eight shoppers: the menu ends at eight (six of their own, two of green's four), which earn 8.
    given = task(DRAWS, Switching(np.array([0, 0]), np.full(2, 2.0), np.full(2, 0.5)), RULES)
    found = rounds._cut_to_menu(given, [Line(PEPPERS[0], 2.0, 30.0)], 5)
    assert chosen_lines(found.problem, found.solution) == {"red": (2.0, 8.0)}
    assert (found.own, found.solution.objective, found.solution.status) == (True, 8.0, "optimal")


def test_a_sold_out_item_passes_on_what_it_could_not_serve() -> None:
    switching = Switching(np.array([0, 0]), np.full(2, 2.0), np.full(2, 0.5))
    lines = [Line(PEPPERS[0], 2.0, 3.0), Line(PEPPERS[1], 2.0, 9.0)]
    moved = with_transfers(DRAWS, lines, switching)
    # Red serves 3 of 6, so half of the missing 3 moves to green; green serves all and gives nothing.
    assert moved.transfers is not None
    assert moved.transfers[0] == pytest.approx([0.0, 1.5])
    assert moved.demand_at(1, 1.0) == pytest.approx([5.5, 5.5])
    # Asked again, it starts from first-choice demand, not from what had moved before.
    assert with_transfers(moved, lines, switching).transfers == pytest.approx(moved.transfers)


# Ten days of two peppers whose demand moves by itself; six of ten who miss theirs take the other one.
UNSTEADY = scenarios(
    {"red": [6, 9, 12, 15, 6, 9, 12, 15, 10, 11], "green": [14, 8, 5, 11, 7, 13, 10, 6, 9, 12]},
    {"red": 1.0, "green": 1.0},
)
SWITCHING = Switching(np.array([0, 0]), np.full(2, 2.0), np.full(2, 0.6))


def _profit(red: float, green: float) -> float:
    lines = [Line(PEPPERS[0], 2.0, red), Line(PEPPERS[1], 2.0, green)]
    return judge(lines, with_transfers(UNSTEADY, lines, SWITCHING)).expected()


def test_a_category_is_stocked_as_one() -> None:
    found = settle(task(UNSTEADY, SWITCHING, rules()))
    orders = {code: order for code, (_, order) in chosen_lines(found.problem, found.solution).items()}
    best = max(_profit(r, g) for r in range(1, 20) for g in range(1, 20))
    assert found.solution.objective == pytest.approx(_profit(orders["red"], orders["green"]))
    assert found.solution.objective == pytest.approx(best, rel=0.01)


def test_what_is_missed_is_worth_its_price_where_a_rival_has_stock_left() -> None:
    lines = [Line(PEPPERS[0], 2.0, 16.0), Line(PEPPERS[1], 2.0, 4.0)]
    moved = with_transfers(UNSTEADY, lines, SWITCHING)
    assert moved.found_elsewhere is not None
    assert moved.worth_elsewhere is not None
    # 0.6 · (14 − 4) = 6 move to red, which has 16 for 6 + 6; a further unit of green is taken up by red at 2 × 0.6.
    assert moved.demand_at(0, 1.0)[0] == pytest.approx(12.0)
    assert (moved.found_elsewhere[0, 1], moved.worth_elsewhere[0, 1]) == pytest.approx((0.6, 1.2))
    # Green has sold out, so nobody takes up what red does not serve.
    assert (moved.found_elsewhere[0, 0], moved.worth_elsewhere[0, 0]) == (0.0, 0.0)
