"""Several days at once: days linked by stock that keeps (design, "Week").

Every day has its own rows (shelf places, cover, price index, budget …). Items that keep enter as paths over the days,
one column each, valued scenario by scenario with ageing stock; all others as the offers of each day. The linear
relaxation of this model is solved by column generation: paths are priced exactly (`windows.best_path`), so

    bound = value of the relaxation over the paths so far + Σ_i max(0, largest reduced gain of a path of item i)

holds for all paths (Dantzig & Wolfe 1960; Lasdon 1970). The plan then takes one path per item and solves each day by
itself with those paths fixed, all days in whole items; its gap is to that bound.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from replenish.errors import InfeasiblePlanError, SolverError
from replenish.optimise.ageing import DayDecision, aged_path
from replenish.optimise.linear import LinearAnswer, LinearModel, linear_form, solve_linear
from replenish.optimise.menu import Candidate, undominated
from replenish.optimise.model import Problem, build_model, rule_columns
from replenish.optimise.outcome import Outcome
from replenish.optimise.solve import solve_menu
from replenish.optimise.windows import MAX_WINDOWS, NOT_LISTED, Windows, best_path, day_options, item_windows
from replenish.records import Scenarios, Solution
from replenish.settings import SolverSettings

Array = NDArray[np.float64]
BOUND_KIND = (
    "linear relaxation of all days together, paths of items that keep priced exactly over a menu of at most "
    f"{int(MAX_WINDOWS**0.5)} offers a day for items that keep two days, {int(MAX_WINDOWS ** (1 / 3))} for three"
)
MAX_ROUNDS = 40
CLOSED = 2e-4  # relative difference between relaxation and bound at which no more paths are generated
DEAR = 10.0  # price of one unit of the price index rows that makes a first path avoid every rise
DAY_GAP = 2e-3  # the days' own gap: no finer than what the bound of the week leaves open
PATH_SHARE = 0.25  # share of the time limit for choosing the paths


@dataclass(frozen=True)
class Day:
    """One day of the week: its problem (menu and rules), candidates in the menu's order, scenarios."""

    problem: Problem
    candidates: tuple[Candidate, ...]
    scenarios: Scenarios

    def candidate(self, code: str) -> Candidate:
        """The candidate of that item code."""
        return next(c for c in self.candidates if c.item_code == code)


@dataclass(frozen=True)
class WeekSolution:
    """Days with the problem as explained (items that keep valued given the rest of their path) and its solution;
    `paths`: item code → decisions by day; `bound` is for the whole week, `rounds` of column generation it took."""

    problems: tuple[Problem, ...]
    solutions: tuple[Solution, ...]
    paths: dict[str, tuple[DayDecision, ...]]
    bound: float
    rounds: int

    @property
    def objective(self) -> float:
        """Objective of the whole week [money]."""
        return sum(s.objective for s in self.solutions)

    @property
    def gap(self) -> float:
        """Relative gap to the bound of the week."""
        return max(self.bound - self.objective, 0.0) / max(abs(self.objective), 1e-9)


@dataclass(frozen=True)
class _Path:
    """A column: option numbers of one item by day."""

    item: int
    choice: tuple[int, ...]


def only_last_carries(days: Sequence[Day]) -> list[Day]:
    """The days with a carry value on the last one only: until then what is kept is sold or wasted on the days."""

    def spent(c: Candidate) -> Candidate:
        return replace(c, terms=replace(c.terms, carry_value=0.0))

    return [*[replace(d, candidates=tuple(spent(c) for c in d.candidates)) for d in days[:-1]], days[-1]]


def keeping_items(days: Sequence[Day]) -> list[str]:
    """Codes of the items that keep for more than a day, candidates on every day, and have an offer on some day."""
    keep = [{c.item_code for c in d.candidates if c.shelf_life_days > 1} for d in days]
    offered = {str(code) for d in days for code in d.problem.menu.offers.get("item_code", ())}
    return sorted(set.intersection(*keep) & offered)


def solve_week(days: Sequence[Day], settings: SolverSettings) -> WeekSolution:
    """The best plan found for consecutive days, with a bound for all of them together.

    Raises `InfeasiblePlanError` when a day's rules collide, `SolverError` when HiGHS gives no usable answer.
    """
    start = time.perf_counter()
    windows = [_windows(days, code) for code in keeping_items(days)]
    master = _Master(days, windows)
    bound, rounds = _generate(master, settings, start)
    chosen = _choose_paths(master, settings)
    problems, fixed = _fix_paths(days, windows, chosen)
    left = max(settings.time_limit_s - (time.perf_counter() - start), len(days))
    per_day = settings.model_copy(update={"time_limit_s": left / len(days), "gap": max(settings.gap, DAY_GAP)})
    solutions = [solve_menu(f, per_day) for f in fixed]
    paths = {w.item_code: _decisions(w, path) for w, path in zip(windows, chosen, strict=True)}
    total = sum(s.objective for s in solutions)
    return WeekSolution(tuple(problems), tuple(solutions), paths, max(bound, total), rounds)


def _decisions(windows: Windows, path: Sequence[int]) -> tuple[DayDecision, ...]:
    return tuple(options[o].decision for options, o in zip(windows.options, path, strict=True))


def _windows(days: Sequence[Day], code: str) -> Windows:
    candidates = [d.candidate(code) for d in days]
    options = []
    for day, c in zip(days, candidates, strict=True):
        offers = day.problem.menu.offers
        must = day.problem.active("must_list") and code in day.problem.must_list
        options.append(day_options(offers[offers["item_code"] == code], c, must))
    return item_windows(candidates, [d.scenarios for d in days], options)


# ---------------------------------------------------------------- the relaxation over the paths generated so far


class _Master:
    """The rows of all days, the columns of items that do not keep, and the paths so far."""

    def __init__(self, days: Sequence[Day], windows: Sequence[Windows]) -> None:
        self.windows = windows
        self.columns: dict[_Path, Array] = {}  # with its coefficients in the rows of all days
        keepers = {w.item_code for w in windows}
        forms = [linear_form(build_model(d.problem, _week_offers(d, keepers, windows, t), relaxed=True))
                 for t, d in enumerate(days)]  # fmt: skip
        owned = [np.array([_owner(r) in keepers for r in form.rows], dtype=bool) for form in forms]
        self.rows = [np.flatnonzero(~o) for o in owned]
        self.forms = forms
        self.cover_row = [self._cover_rows(d, t) for t, d in enumerate(days)]
        self.single = [self._single_columns(d, form, keepers) for d, form in zip(days, forms, strict=True)]
        self.entry = [self._option_entries(t) for t in range(len(days))]

    def _cover_rows(self, day: Day, t: int) -> list[int]:
        """By item that keeps: position of its category's cover row among the day's rows, −1 without one."""
        place = {self.forms[t].rows[r]: k for k, r in enumerate(self.rows[t])}
        return [place.get(("category_cover", day.candidate(w.item_code).category), -1) for w in self.windows]

    def _single_columns(self, day: Day, form: LinearModel, keepers: set[str]) -> NDArray[np.bool_]:
        """Columns that are no offers of items that keep."""
        codes = day.problem.menu.offers["item_code"]
        return np.array([name != "x" or codes[index] not in keepers for name, index in form.columns], dtype=bool)

    def _option_entries(self, t: int) -> list[Array]:
        """By item: rows × options of the day, cover left out (it depends on the window)."""
        form, rows = self.forms[t], self.rows[t]
        column = {index: k for k, (name, index) in enumerate(form.columns) if name == "x"}
        dense = form.matrix.toarray()[rows]
        out = []
        for w, cover in zip(self.windows, self.cover_row[t], strict=True):
            table = np.zeros((len(rows), len(w.options[t])))
            for o, option in enumerate(w.options[t]):
                if option.row != NOT_LISTED:
                    table[:, o] = dense[:, column[option.row]]
            if cover >= 0:
                table[cover] = 0.0
            out.append(table)
        return out

    def add(self, path: _Path) -> bool:
        """Adds a column; False when it is there already."""
        if path in self.columns:
            return False
        self.columns[path] = self._entries(path)
        return True

    def begin(self) -> None:
        """First paths of every item: best by itself, best without raising prices, off the shelf where it may be."""
        names = [form.rows[r][0] for form, rows in zip(self.forms, self.rows, strict=True) for r in rows]
        free, careful = np.zeros(len(names)), np.array([float(DEAR * (n == "price_index")) for n in names])
        for k, w in enumerate(self.windows):
            self.add(self.price(k, free)[0])
            self.add(self.price(k, careful)[0])
            if all(o[0].row == NOT_LISTED for o in w.options):
                self.add(_Path(k, (0,) * len(w.options)))

    def model(self, whole_paths: bool = False) -> LinearModel:
        """The linear model over the columns so far; the last rows say: one path per item."""
        parts = [f.part(s) for f, s in zip(self.forms, self.single, strict=True)]
        singles = sparse.block_diag([p.matrix[r] for p, r in zip(parts, self.rows, strict=True)])
        items, n = len(self.windows), len(self.columns)
        one = np.zeros((items, n))
        one[[c.item for c in self.columns], np.arange(n)] = 1.0
        paths = np.array(list(self.columns.values())).T if n else np.zeros((singles.shape[0], 0))
        matrix = sparse.vstack([
            sparse.hstack([singles, sparse.csc_array(paths)]),
            sparse.hstack([sparse.csc_array((items, singles.shape[1])), sparse.csc_array(one)]),
        ])  # fmt: skip
        low = [f.low[r] for f, r in zip(self.forms, self.rows, strict=True)]
        high = [f.high[r] for f, r in zip(self.forms, self.rows, strict=True)]
        ones = np.ones(items)
        return LinearModel(
            rows=(), columns=(),
            gain=np.concatenate([*[p.gain for p in parts], [self._worth(c) for c in self.columns]]),
            matrix=sparse.csc_array(matrix), low=np.concatenate([*low, ones]), high=np.concatenate([*high, ones]),
            lower=np.concatenate([*[p.lower for p in parts], np.zeros(n)]),
            # No bound of 1: "one path per item" says it, and a bound would hide a part of what a path is worth.
            upper=np.concatenate([*[p.upper for p in parts], np.full(n, np.inf)]),
            whole=np.concatenate([np.zeros(singles.shape[1], dtype=bool), np.full(n, whole_paths)]),
        )  # fmt: skip

    def _worth(self, column: _Path) -> float:
        return self.windows[column.item].path_value(column.choice)

    def _entries(self, column: _Path) -> Array:
        """The path's coefficients in the rows of all days."""
        w, out = self.windows[column.item], []
        for t in range(len(self.forms)):
            entry = self.entry[t][column.item][:, column.choice[t]].copy()
            place = self.cover_row[t][column.item]
            if place >= 0:
                entry[place] = w.cover[t][w.window(column.choice, t)]
            out.append(entry)
        return np.concatenate(out)

    def price(self, item: int, duals: Array) -> tuple[_Path, float]:
        """The path of an item with the largest gain less the duals' price of its row entries, exactly."""
        w, rewards, start = self.windows[item], [], 0
        for t, rows in enumerate(self.rows):
            dual = duals[start : start + len(rows)]
            start += len(rows)
            reward = w.value[t] - dual @ self.entry[t][item]
            place = self.cover_row[t][item]
            rewards.append(reward - dual[place] * w.cover[t] if place >= 0 else reward)
        choice, worth = best_path(rewards)
        return _Path(item, choice), worth


def _owner(row: tuple[str, object]) -> str:
    """The item a row is about, empty for rows of the whole shelf."""
    name, index = row
    return str(index) if name in ("offers_per_item", "must_list") else ""


def _week_offers(day: Day, keepers: set[str], windows: Sequence[Windows], t: int) -> pd.DataFrame:
    """Undominated offers of items that do not keep (exact: nothing else depends on them), all options of the others."""
    offers = undominated(day.problem.menu, rule_columns(day.problem))
    options = [o.row for w in windows for o in w.options[t] if o.row != NOT_LISTED]
    singles = offers[~offers["item_code"].isin(keepers)]
    return day.problem.menu.offers.loc[sorted([*singles.index, *options])]


def _generate(master: _Master, settings: SolverSettings, start: float) -> tuple[float, int]:
    """Adds paths until none can improve the relaxation; the bound and the number of rounds."""
    rows = sum(len(r) for r in master.rows)
    master.begin()
    bound, rounds = np.inf, 0
    while rounds < MAX_ROUNDS:
        rounds += 1
        answer = _relaxation(master, settings)
        convexity = answer.duals[rows:]
        found = [master.price(k, answer.duals[:rows]) for k in range(len(master.windows))]
        excess = [max(worth - convexity[path.item], 0.0) for path, worth in found]
        bound = min(bound, answer.objective + sum(excess))
        scale = CLOSED * max(abs(answer.objective), 1.0)
        new = [master.add(path) for (path, _), more in zip(found, excess, strict=True) if more > 1e-9]
        late = time.perf_counter() - start > settings.time_limit_s / 2
        if bound - answer.objective <= scale or not any(new) or late:
            break
    return bound, rounds


def _relaxation(master: _Master, settings: SolverSettings) -> LinearAnswer:
    answer = solve_linear(master.model(), settings.threads, settings.time_limit_s)
    if answer.status == "infeasible":
        raise InfeasiblePlanError("No first paths of the items that keep fit the rules of all days.", ())
    if not len(answer.duals):
        raise SolverError("The relaxation of the week was not solved in time. Raise solver.time_limit_s.")
    return answer


def _choose_paths(master: _Master, settings: SolverSettings) -> list[tuple[int, ...]]:
    """One path per item that keeps: best over the paths generated, other items in expectation."""
    if not master.columns:
        return []
    answer = solve_linear(
        master.model(whole_paths=True), settings.threads, settings.time_limit_s * PATH_SHARE, settings.gap
    )
    if not answer.found:
        raise SolverError("No paths of the items that keep fit the rules of the week. Loosen a rule.")
    values = answer.values[-len(master.columns) :]
    chosen = {c.item: c.choice for c, v in zip(master.columns, values, strict=True) if v > 0.5}
    return [chosen[k] for k in range(len(master.windows))]


# ---------------------------------------------------------------- the days by themselves, paths fixed


def _fix_paths(
    days: Sequence[Day], windows: Sequence[Windows], chosen: Sequence[tuple[int, ...]]
) -> tuple[list[Problem], list[Problem]]:
    """By day: the problem to be explained, where another offer of an item that keeps is valued with the rest of its
    path kept, and the problem to be solved, where only the path's offer is left."""
    explained, fixed = [], []
    for t, day in enumerate(days):
        offers = day.problem.menu.offers.copy()
        listed: set[str] = set()
        considered, taken = np.ones(len(offers), dtype=bool), np.ones(len(offers), dtype=bool)
        for w, path in zip(windows, chosen, strict=True):
            row, mine = w.options[t][path[t]].row, (offers["item_code"] == w.item_code).to_numpy()
            considered &= ~mine | offers.index.isin([o.row for o in w.options[t]])
            taken &= ~mine | (offers.index == row)
            offers = _valued(offers, w, path, t)
            if row != NOT_LISTED:
                listed.add(w.item_code)
                offers = _described(offers, row, w, path, t, days)
        menu = replace(day.problem.menu, offers=offers[considered])
        explained.append(replace(day.problem, menu=menu))
        must = tuple(sorted({*day.problem.must_list, *listed}))
        fixed.append(replace(day.problem, menu=replace(menu, offers=offers[taken]), must_list=must))
    return explained, fixed


def _valued(offers: pd.DataFrame, w: Windows, path: tuple[int, ...], t: int) -> pd.DataFrame:
    """The item's options of day t at their worth for the week: own day, and what they change on the days after."""
    here, whole = w.value[t][w.window(path, t)], w.path_value(path)
    for o, option in enumerate(w.options[t]):
        if option.row != NOT_LISTED:
            other = (*path[:t], o, *path[t + 1 :])
            offers.loc[option.row, "value"] = here + w.path_value(other) - whole
            offers.loc[option.row, "cover_value"] = w.cover[t][w.window(other, t)]
    return offers


def _described(
    offers: pd.DataFrame, row: int, w: Windows, path: tuple[int, ...], t: int, days: Sequence[Day]
) -> pd.DataFrame:
    """The chosen offer's expectations with ageing stock."""
    out = path_outcomes(days, w.item_code, _decisions(w, path))[t]
    for name in ("profit", "sales", "clearance", "waste", "carried_on"):
        offers.loc[row, name] = float(getattr(out, name).mean())
    offers.loc[row, "sell_out"] = float((out.lost > 1e-9).mean())
    return offers


def path_outcomes(
    days: Sequence[Day], code: str, path: Sequence[DayDecision], scenarios: Sequence[Scenarios] | None = None
) -> list[Outcome]:
    """Outcomes per day and scenario of one item's path, on the days' own scenarios or on others."""
    draws = scenarios or [d.scenarios for d in days]
    candidates = [d.candidate(code) for d in days]
    k = [s.item_codes.index(code) for s in draws]
    demand = [
        s.demand_at(j, p.price / c.terms.reference_price) if p.listed else np.zeros(s.n)
        for s, j, p, c in zip(draws, k, path, candidates, strict=True)
    ]
    cost = [s.cost[:, j] for s, j in zip(draws, k, strict=True)]
    return aged_path(path, demand, cost, [c.terms for c in candidates], candidates[0].shelf_life_days)
