"""HiGHS called on arrays: values, duals, bounds and every way it can end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import highspy
import numpy as np
import pytest
from scipy import sparse

from replenish.errors import SolverError
from replenish.optimise import linear
from replenish.optimise.linear import LinearModel, linear_form, solve_linear
from replenish.optimise.model import build_model
from tests.optimise.worlds import problem


def _knapsack(capacity: float, whole: bool = True) -> LinearModel:
    """Values 6, 5, 4 for weights 3, 2, 2."""
    return LinearModel(
        (("capacity", None),), tuple(("x", k) for k in range(3)), np.array([6.0, 5.0, 4.0]),
        sparse.csc_array(np.array([[3.0, 2.0, 2.0]])), np.array([-np.inf]), np.array([capacity]), np.zeros(3),
        np.ones(3), np.full(3, whole),
    )  # fmt: skip


def test_whole_numbers_and_their_relaxation() -> None:
    whole = solve_linear(_knapsack(4.0), 1, 10.0)
    assert (whole.status, whole.objective, whole.bound) == ("optimal", 9.0, 9.0)
    np.testing.assert_allclose(whole.values, [0, 1, 1])
    # Relaxed: all of the second, two thirds of the first; one more unit of capacity is worth 2.
    relaxed = solve_linear(_knapsack(4.0).relaxed(), 1, 10.0)
    assert relaxed.objective == relaxed.bound == pytest.approx(9.0)
    assert relaxed.duals.tolist() == pytest.approx([2.0])
    assert relaxed.reduced.tolist() == pytest.approx([0.0, 1.0, 0.0])


def test_part_leaves_columns_out_and_a_start_is_taken() -> None:
    part = solve_linear(_knapsack(4.0).part(np.array([True, True, False])), 1, 10.0)
    assert part.objective == 6.0
    again = solve_linear(_knapsack(4.0), 1, 10.0, 0.0, np.array([0.0, 1.0, 1.0]))
    assert again.objective == 9.0


def test_infeasible_is_said() -> None:
    model = _knapsack(4.0)
    bad = LinearModel(
        model.rows, model.columns, model.gain, model.matrix, np.array([9.0]), np.array([np.inf]), model.lower,
        model.upper, model.whole,
    )  # fmt: skip
    answer = solve_linear(bad, 1, 10.0)
    assert (answer.status, answer.found) == ("infeasible", False)
    assert solve_linear(bad.relaxed(), 1, 10.0).status == "infeasible"


def test_arrays_of_a_pyomo_model() -> None:
    p = problem(n_max=1, cover=0.75, price_index_cap=0.0)
    form = linear_form(build_model(p, p.menu.offers))
    offers = p.menu.offers
    x = np.array([name == "x" for name, _ in form.columns])
    np.testing.assert_allclose(form.gain[x], offers.loc[[i for n, i in form.columns if n == "x"], "value"])
    assert {name for name, _ in form.rows} == {"offers_per_item", "shelf_count_max", "category_cover", "price_index"}
    place = form.rows.index(("shelf_count_max", None))
    assert form.high[place] == 1
    assert form.low[place] == -np.inf
    assert form.matrix.toarray()[place][x].tolist() == [1.0] * len(offers)
    assert form.whole.tolist() == x.tolist()


def _ended(status: Any, feasible: bool, whole: bool = True) -> Any:
    solution = highspy.SolutionStatus
    found = solution.kSolutionStatusFeasible if feasible else solution.kSolutionStatusNone
    info = SimpleNamespace(primal_solution_status=found, mip_dual_bound=7.0, objective_function_value=5.0)
    values = SimpleNamespace(col_value=[1.0], row_dual=[0.5], col_dual=[-0.5])
    solver = SimpleNamespace(
        getModelStatus=lambda: status, getInfo=lambda: info, getSolution=lambda: values, getRunTime=lambda: 1.0,
        modelStatusToString=lambda s: s.name,
    )  # fmt: skip
    return linear._read(solver, whole)


def test_every_status_is_read_or_an_error() -> None:
    ends = highspy.HighsModelStatus
    for status in (ends.kSolveError, ends.kUnknown, ends.kInterrupt, ends.kIterationLimit, ends.kUnbounded):
        with pytest.raises(SolverError, match=status.name):
            _ended(status, True)
    assert _ended(ends.kUnboundedOrInfeasible, False).status == "infeasible"
    nothing = _ended(ends.kTimeLimit, False)
    assert (nothing.status, nothing.bound, nothing.found) == ("time limit", 7.0, False)
    some = _ended(ends.kTimeLimit, True)
    assert (some.objective, some.bound, some.found) == (5.0, 7.0, True)


def test_only_a_finished_relaxation_bounds_anything() -> None:
    ends = highspy.HighsModelStatus
    done = _ended(ends.kOptimal, True, whole=False)
    assert (done.bound, done.reduced.tolist()) == (5.0, [-0.5])
    cut = _ended(ends.kTimeLimit, True, whole=False)
    assert np.isnan(cut.bound)
    assert len(cut.duals) == len(cut.reduced) == 0
