"""Linear models as arrays, read off Pyomo models, and HiGHS called on them: warm starts, duals, every status."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from scipy import sparse

from replenish.errors import SolverError

Array = NDArray[np.float64]
_POOL = {"threads": 0}  # threads of HiGHS's pool in this process; 0: not started by us


@dataclass(frozen=True)
class LinearModel:
    """max gain·x with low ≤ matrix·x ≤ high, lower ≤ x ≤ upper, x whole where `whole`.

    `rows`, `columns`: (component, index) of each row and column in the Pyomo model, such as ("price_index", "leafy").
    """

    rows: tuple[tuple[str, Any], ...]
    columns: tuple[tuple[str, Any], ...]
    gain: Array
    matrix: sparse.csc_array
    low: Array
    high: Array
    lower: Array
    upper: Array
    whole: NDArray[np.bool_]

    def relaxed(self) -> LinearModel:
        """The same model without whole numbers."""
        return replace(self, whole=np.zeros_like(self.whole))

    def part(self, columns: NDArray[np.bool_]) -> LinearModel:
        """The model over some of its columns; the others are left out, which is to say 0."""
        return replace(
            self, columns=tuple(c for c, keep in zip(self.columns, columns, strict=True) if keep),
            gain=self.gain[columns], matrix=self.matrix[:, columns], lower=self.lower[columns],
            upper=self.upper[columns], whole=self.whole[columns],
        )  # fmt: skip


@dataclass(frozen=True)
class LinearAnswer:
    """What HiGHS found: `status` (optimal, infeasible, time limit), objective and proven bound, values by column.

    Without a plan `values` is empty and the objective NaN. `duals` (by row) and `reduced` (by column) come with solved
    relaxations only: what one more unit of the row's right side, of the column, is worth.
    """

    status: str
    objective: float
    bound: float
    values: Array
    duals: Array
    reduced: Array
    seconds: float

    @property
    def found(self) -> bool:
        """Whether there are values."""
        return len(self.values) > 0


def linear_form(model: pyo.ConcreteModel) -> LinearModel:
    """The arrays of a linear Pyomo model that is maximised."""
    form = LinearStandardFormCompiler().write(model, mixed_form=True)
    bound_type = np.array([row.bound_type for row in form.rows], dtype=int)
    variables = form.columns
    bounds = [v.bounds for v in variables]
    return LinearModel(
        rows=tuple(_name(row.constraint) for row in form.rows),
        columns=tuple(_name(v) for v in variables),
        gain=-np.asarray(form.c.todense(), dtype=float).ravel(),
        matrix=sparse.csc_array(form.A),
        low=np.where(bound_type <= 0, form.rhs, -np.inf),
        high=np.where(bound_type >= 0, form.rhs, np.inf),
        lower=np.array([-np.inf if low is None else low for low, _ in bounds], dtype=float),
        upper=np.array([np.inf if high is None else high for _, high in bounds], dtype=float),
        whole=np.array([not v.is_continuous() for v in variables], dtype=bool),
    )


def _name(data: Any) -> tuple[str, Any]:
    return data.parent_component().local_name, data.index()


def solve_linear(
    model: LinearModel, threads: int, time_limit_s: float, gap: float = 0.0, start: Array | None = None,
    money: float = 1e-6,
) -> LinearAnswer:  # fmt: skip
    """HiGHS's answer; it stops at the relative `gap` or when plan and bound are `money` apart, whichever comes first.

    `start`: a first guess of the values (it need not be feasible). Raises `SolverError` when HiGHS ends in any way but
    optimal, infeasible or out of time.
    """
    _set_threads(threads)
    solver: Any = highspy.Highs()
    options = {"output_flag": False, "threads": threads, "time_limit": time_limit_s}
    for name, value in (options | {"mip_rel_gap": gap, "mip_abs_gap": money}).items():
        solver.setOptionValue(name, value)
    solver.passModel(_highs_model(model))
    if start is not None:
        guess = highspy.HighsSolution()
        guess.col_value = start.tolist()
        solver.setSolution(guess)
    solver.run()
    return _read(solver, bool(model.whole.any()))


def _highs_model(model: LinearModel) -> Any:
    lp = highspy.HighsLp()
    lp.num_row_, lp.num_col_ = model.matrix.shape
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = model.gain, model.lower, model.upper
    lp.row_lower_, lp.row_upper_ = model.low, model.high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = model.matrix.indptr, model.matrix.indices
    lp.a_matrix_.value_ = model.matrix.data
    if model.whole.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(w)] for w in model.whole]
    return lp


def _set_threads(threads: int) -> None:
    """Makes HiGHS's thread pool fit: it keeps the first number a process used and fails without a status on another."""
    if _POOL["threads"] != threads:
        highspy.Highs.resetGlobalScheduler(True)
        _POOL["threads"] = threads


def _read(solver: Any, whole: bool) -> LinearAnswer:
    status, info = solver.getModelStatus(), solver.getInfo()
    ends = highspy.HighsModelStatus
    words = {ends.kOptimal: "optimal", ends.kTimeLimit: "time limit", ends.kInfeasible: "infeasible"}
    # Nothing here is unbounded (every x is at most 1 and shortfalls cost), so the word for both means infeasible.
    words |= {ends.kUnboundedOrInfeasible: "infeasible", ends.kModelEmpty: "optimal"}
    if status not in words:
        raise SolverError(
            f"HiGHS stopped with status “{solver.modelStatusToString(status)}”; the plan was not made. "
            "Run again or report this."
        )
    word, seconds, none = words[status], float(solver.getRunTime()), np.empty(0)
    bound = float(info.mip_dual_bound) if whole and word != "infeasible" else np.nan
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if word == "infeasible" or not feasible:
        return LinearAnswer(word, np.nan, bound, none, none, none, seconds)
    solution, objective = solver.getSolution(), float(info.objective_function_value)
    values = np.asarray(solution.col_value)
    if whole:
        return LinearAnswer(word, objective, bound, values, none, none, seconds)
    # An LP stopped early has a value, but that value bounds nothing and its duals price nothing.
    if word != "optimal":
        return LinearAnswer(word, objective, np.nan, values, none, none, seconds)
    duals, reduced = np.asarray(solution.row_dual), np.asarray(solution.col_dual)
    return LinearAnswer(word, objective, objective, values, duals, reduced, seconds)
