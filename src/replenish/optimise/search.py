"""The search for a plan over the columns of one menu: relaxation, first plan, categories apart, and what is left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from replenish.optimise.decompose import Structure, split, tighten
from replenish.optimise.linear import LinearAnswer, LinearModel, linear_form, solve_linear
from replenish.optimise.model import Problem, build_model, scenario_values, tail_coefficients, worst_scenarios
from replenish.settings import SolverSettings

Array = NDArray[np.float64]
TOLERANCE = 1e-6  # the solver's feasibility and optimality tolerances, in money
FIRST_COLUMNS = 3  # offers per item, best reduced gain first, in the problem that finds the first plan
FIRST_GAP = 0.01
FIRST_SHARE = 0.3  # of the time limit
ROUNDS = 12  # of prices between the categories
BLOCK_SHARE = 0.25  # of the gap asked for that the categories' own gaps may use up
CLOSER, WIDER = 0.25, 2  # from start to start: that share, and the offers per item among which plans are looked for
NEAR_COLUMNS = 2  # offers per item, highest bounded first, among which the rounds look for plans
FEW = 700  # offers left that could better the plan; so few are solved at once
SMALL = 100  # offers; so few are solved at once
STARTS = 3  # of the rounds of prices
MAX_TAILS = 60  # weights of worst scenarios added to the relaxation
TAIL_GAP = 2e-5  # relative overstatement of `tail` that the relaxation may keep
PLAN_TAILS = 6  # … and after a plan found
GAP_MARGIN = 0.95  # stop a little inside the gap asked for, so that rounding never leaves the plan outside it


@dataclass(frozen=True)
class Found:
    """A plan: rows of the menu and its objective, added up again from the offers, free of the solver's tolerances."""

    chosen: tuple[int, ...]
    objective: float


def shortfall(problem: Problem, chosen: Sequence[int]) -> dict[str, float]:
    """Demand value each category is short of its cover [money]; empty when cover is no rule."""
    if not problem.active("category_cover"):
        return {}
    offers, rows = problem.menu.offers, _rows(problem, chosen)
    served = dict[str, float]()
    values = offers["cover_value"].to_numpy(dtype=float)[rows]
    for category, value in zip(offers["category"].take(rows), values.tolist(), strict=True):
        served[category] = served.get(category, 0.0) + value
    return {g: max(0.0, problem.rules.cover * v - served.get(g, 0.0)) for g, v in problem.menu.category_value.items()}


def _rows(problem: Problem, chosen: Sequence[int]) -> NDArray[np.intp]:
    """Where these rows of the menu stand in its table. Picking whole rows of it by label takes far longer."""
    rows = problem.menu.offers.index.get_indexer(pd.Index(list(chosen), dtype=np.int64))
    if (rows < 0).any():
        raise KeyError(f"Rows {[m for m, row in zip(chosen, rows, strict=True) if row < 0]} are not in the menu.")
    return rows


def objective_of(problem: Problem, chosen: Sequence[int]) -> float:
    """(1−λ)·Σ value + λ·CVaR_α − γ·Σ shortfall of the chosen offers [money]."""
    total = float(problem.menu.offers["value"].to_numpy(dtype=float)[_rows(problem, chosen)].sum())
    if problem.risk_weight and chosen:
        values = scenario_values(problem, chosen)
        tail = float(values @ worst_scenarios(values, problem.rules.risk_level))
        total = (1 - problem.risk_weight) * total + problem.risk_weight * tail
    penalty = 0.0 if problem.rules.hard_cover else problem.rules.cover_penalty
    return total - penalty * sum(shortfall(problem, chosen).values())


def relative_gap(objective: float, bound: float) -> float:
    """Relative gap; a difference within the solver's tolerance is none."""
    open_money = bound - objective
    if open_money <= TOLERANCE * max(1.0, abs(objective)):
        return 0.0
    return open_money / max(abs(objective), TOLERANCE)


class Search:
    """The state of one search: the model over `offers`, the best plan and the best bound so far."""

    def __init__(self, problem: Problem, offers: pd.DataFrame, settings: SolverSettings) -> None:
        self.problem, self.offers, self.settings = problem, offers, settings
        self.model: LinearModel = linear_form(build_model(problem, offers))
        self.column = {index: k for k, (name, index) in enumerate(self.model.columns) if name == "x"}
        self.place = np.array([self.column[m] for m in offers.index.tolist()])  # the column of every offer, in order
        self.item, self.items = pd.factorize(offers["item_code"])  # the number of every offer's item, and the items
        self.is_offer = np.zeros(len(self.model.columns), dtype=bool)
        self.is_offer[self.place] = True
        self.best: Found | None = None
        self.bound = float("inf")
        self.reach = np.full(len(self.model.columns), np.inf)  # by column: bound on every plan that has this offer
        self.relaxed: LinearAnswer | None = None
        self.prices: Array | None = None  # of the rows between the categories, the best so far
        self.started = time.perf_counter()

    # ------------------------------------------------------------ state

    @property
    def gap(self) -> float:
        """Relative gap between the best plan and the best bound, constant included; infinite without a plan."""
        offset = self.problem.offset
        return relative_gap(self.best.objective + offset, self.bound + offset) if self.best else float("inf")

    @property
    def done(self) -> bool:
        """Whether the gap asked for is reached."""
        return self.gap <= self.settings.gap

    def money(self, gap: float) -> float:
        """A relative gap as money; the solver, which does not know the constant of the objective, is told this."""
        return max(gap * abs(self.bound + self.problem.offset), TOLERANCE)

    def left(self) -> float:
        """Seconds of the time limit that are left, at least one."""
        return max(self.settings.time_limit_s - (time.perf_counter() - self.started), 1.0)

    @property
    def late(self) -> bool:
        """Whether the time limit is reached."""
        return time.perf_counter() - self.started >= self.settings.time_limit_s

    def take(self, chosen: Sequence[int]) -> Found:
        """A plan found; kept when it is the best so far."""
        rows = tuple(sorted(chosen))
        found = Found(rows, objective_of(self.problem, rows))
        if self.best is None or found.objective > self.best.objective:
            self.best = found
        return found

    def feasible(self, chosen: Sequence[int]) -> bool:
        """Whether the offers satisfy every rule."""
        if not set(chosen) <= set(self.column):
            return False
        x = self.values(chosen)
        activity = self.model.matrix @ x
        slack = TOLERANCE * np.maximum(1.0, np.abs(activity))
        return bool((activity >= self.model.low - slack).all() and (activity <= self.model.high + slack).all())

    def values(self, chosen: Sequence[int]) -> Array:
        """Values of all columns for a plan: offers, shortfalls, suppliers used, worst-scenario value."""
        x = np.zeros(len(self.model.columns))
        x[[self.column[m] for m in chosen]] = 1.0
        short = shortfall(self.problem, chosen)
        rows = self.offers.index.get_indexer(pd.Index(list(chosen), dtype=np.int64))
        suppliers = set(self.offers["supplier"].take(rows))
        for k in np.flatnonzero(~self.is_offer):
            name, index = self.model.columns[k]
            if name == "short":
                x[k] = min(short.get(index, 0.0), self.model.upper[k])
            elif name == "used":
                x[k] = float(index in suppliers)
            elif name == "tail" and len(chosen):
                scenario = scenario_values(self.problem, chosen)
                x[k] = float(scenario @ worst_scenarios(scenario, self.problem.rules.risk_level))
        return x

    # ------------------------------------------------------------ relaxation

    def relax(self) -> LinearAnswer:
        """Solves the relaxation; with risk, weights of worst scenarios are added until `tail` is their least value."""
        for _ in range(MAX_TAILS):
            answer = solve_linear(self.model.relaxed(), self.settings.threads, self.left())
            if not len(answer.duals):
                return answer
            self.bound, self.relaxed = min(self.bound, answer.bound), answer
            self.reach = np.minimum(self.reach, answer.objective + np.minimum(answer.reduced, 0.0))
            if not self.problem.risk_weight or not self._add_tail(answer, max(self.settings.gap / 4, TAIL_GAP)):
                break
        return answer

    def _add_tail(self, answer: LinearAnswer, tolerance: float) -> bool:
        """Adds the row of the worst scenarios at these values if `tail` overstates them; whether it did."""
        by_scenario = self.problem.menu.by_scenario
        if by_scenario is None:
            return False
        rows = self.problem.menu.offers.index.get_indexer(self.offers.index)
        x = answer.values[self.place]
        used = x > 1e-12
        scenario = x[used] @ by_scenario[rows[used]]
        weights = worst_scenarios(scenario, self.problem.rules.risk_level)
        place = self.model.columns.index(("tail", None))
        over = self.problem.risk_weight * (answer.values[place] - float(scenario @ weights))
        if over <= tolerance * max(1.0, abs(answer.objective)):
            return False
        row = np.zeros(len(self.model.columns))
        row[self.place] = -tail_coefficients(self.problem, self.offers, weights)
        row[place] = 1.0
        self.model = replace(
            self.model, rows=(*self.model.rows, ("tail_value", len(self.model.rows))),
            matrix=sparse.csc_array(sparse.vstack([self.model.matrix, sparse.csr_array(row[None, :])])),
            low=np.append(self.model.low, -np.inf), high=np.append(self.model.high, 0.0),
        )  # fmt: skip
        return True

    # ------------------------------------------------------------ plans

    def solve_part(self, columns: NDArray[np.bool_], gap: float, seconds: float) -> LinearAnswer:
        """The whole-number problem over some of the offers, from the best plan so far; what it finds is taken."""
        kept = columns | ~self.is_offer
        relative, money = (0.0, self.money(gap)) if np.isfinite(self.bound) else (gap, TOLERANCE)
        for _ in range(PLAN_TAILS):
            start, limit = self.values(self.best.chosen)[kept] if self.best else None, min(seconds, self.left())
            answer = solve_linear(self.model.part(kept), self.settings.threads, limit, relative, start, money)
            if not answer.found:
                break
            x = np.zeros(len(kept))
            x[kept] = answer.values
            found = self.take(self.offers.index[x[self.place] > 0.5].tolist())
            over = answer.objective - found.objective
            if not self.problem.risk_weight or over <= money / 4:
                break
            if not self._add_tail(replace(answer, values=np.round(x, 9)), 0.0):
                break
        return answer

    def first_plan(self, start: Sequence[int] = ()) -> None:
        """A plan from the few offers of each item with the best reduced gain, and those of `start`."""
        relaxed = self.relaxed
        if relaxed is None:
            return
        columns = self._first_of_each(relaxed.reduced, FIRST_COLUMNS)
        columns[[self.column[m] for m in start if m in self.column]] = True
        gap = max(GAP_MARGIN * self.settings.gap, FIRST_GAP)
        self.solve_part(columns, gap, self.settings.time_limit_s * FIRST_SHARE)

    def by_category(self) -> None:
        """Tightens the bound category by category and looks for plans among the offers of the category plans found.

        While too many offers could still better the plan it starts again, from the best prices, with closer bounds of
        the categories and plans among more offers. Worst-scenario rows that plans add on the way count from the next
        start on.
        """
        if len(self.offers) <= SMALL:
            return
        for start in range(STARTS):
            rows = len(self.model.rows)
            self._rounds_of_prices(BLOCK_SHARE * CLOSER**start, NEAR_COLUMNS * WIDER**start)
            if self.done or self.late or self._open().sum() <= FEW:
                return
            if len(self.model.rows) > rows:
                self.prices = None
                self.relax()

    def _rounds_of_prices(self, share: float, near: int) -> None:
        """`share`: of the gap asked for, that the categories' own gaps may use up; `near`: offers of an item among
        which plans are looked for."""
        if self.relaxed is None:
            return
        structure = self._structure()
        plan = self.values(self.best.chosen) if self.best else None
        duals = np.zeros(len(self.model.rows))
        duals[: len(self.relaxed.duals)] = self.relaxed.duals  # rows added since have no price yet
        if self.prices is not None:
            duals[structure.linking] = self.prices
        money, threads = self.money(self.settings.gap * share), self.settings.threads
        for state in tighten(structure, duals, self.bound, plan, threads, ROUNDS, money):
            self.bound, self.reach = min(self.bound, state.value), np.minimum(self.reach, state.reach)
            self.prices = state.prices
            columns = self._first_of_each(self.reach, near)
            for (k, _), x in state.patterns.items():
                columns[structure.blocks[k].columns[x > 0.5]] = True
            if not self.done:
                self.solve_part(columns, GAP_MARGIN * self.settings.gap / 2, self.left())
            if self.done or self.late or self._open().sum() <= FEW:
                return

    def _structure(self) -> Structure:
        first = np.unique(self.item, return_index=True)[1]
        category = self.offers["category"].take(first).tolist()
        item_of = dict(zip(self.place.tolist(), self.items[self.item].tolist(), strict=True))
        return split(self.model, item_of, dict(zip(self.items.tolist(), category, strict=True)))

    def _first_of_each(self, value: Array, most: int) -> NDArray[np.bool_]:
        """The `most` offers of each item with the highest value; values by column."""
        order = np.lexsort((-value[self.place], self.item))  # stable: of equal ones the first
        rank = np.arange(len(order)) - np.searchsorted(self.item[order], self.item[order])
        columns = np.zeros(len(self.model.columns), dtype=bool)
        columns[self.place[order[rank < most]]] = True
        return columns

    def _open(self) -> NDArray[np.bool_]:
        """Offers that could still better the best plan: those whose plans are not bounded below it."""
        if self.best is None:
            return self.is_offer
        columns = self.is_offer & (self.reach >= self.best.objective - TOLERANCE * max(1.0, abs(self.best.objective)))
        columns[[self.column[m] for m in self.best.chosen]] = True
        return columns

    def remaining(self) -> LinearAnswer:
        """The whole-number problem over every offer that could still better the best plan (reduced-cost fixing)."""
        columns = self._open()
        answer = self.solve_part(columns, GAP_MARGIN * self.settings.gap, self.left())
        if np.isfinite(answer.bound):
            # A plan with a dropped offer cannot beat the best plan, so its objective bounds that part of the menu.
            self.bound = min(self.bound, max(answer.bound, self.best.objective if self.best else -np.inf))
        return answer
