"""Several days at once: days linked by stock that keeps (design, "Week").

Every day has its own rows (shelf places, cover, price index, budget …). Items that keep enter as paths over the days,
one column each, valued scenario by scenario with ageing stock; all others as the offers of each day. The linear
relaxation of this model is solved by column generation: paths are priced exactly (`windows.best_path`), so

    bound = value of the relaxation over the paths so far + Σ_i max(0, largest reduced gain of a path of item i)

holds for all paths (Dantzig & Wolfe 1960; Lasdon 1970). The plan starts from one path per item; then the days are
solved one after the other in whole items, with the other days as they stand (`sweep`); its gap is to that bound.

The bound does not see whole numbers. With few items in a category the price index makes that dear: in seeded shops of
12 items, two to a category, the relaxation of single days is 4–12 % above their best whole plans and that of the week
5–12 % above the plan, so that nearly all of such a gap is the bound's; with 60 items it is 0.6–0.9 %.

Two things single days count are left out here, and the notes of the plan say so. Weight on the worst scenarios: every
day's scenarios are drawn by themselves, so that nothing tells how bad days come together, which is what the worst weeks
hang on. Demand that moves between items: what an item leaves to others hangs on stock of several ages, so that all
windows of all paths would have to be valued anew, and the week solved again, in every round.

A limit on price changes counts new price tags against the day before. In the relaxation at most t·limit items stand at
another price than today's on day t, which every plan within the limit satisfies.
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
from replenish.optimise.ageing import DayDecision
from replenish.optimise.linear import LinearAnswer, LinearModel, linear_form, solve_linear
from replenish.optimise.menu import Candidate, undominated
from replenish.optimise.model import Problem, build_model, rule_columns
from replenish.optimise.sweep import Day, decisions, described, sweep_days
from replenish.optimise.windows import MAX_WINDOWS, NOT_LISTED, Windows, best_path, day_options, item_windows
from replenish.records import Solution
from replenish.settings import SolverSettings

Array = NDArray[np.float64]
BOUND_KIND = (
    "linear relaxation of all days together, paths of items that keep priced exactly over a menu of at most "
    f"{int(MAX_WINDOWS**0.5)} offers a day for items that keep two days, {int(MAX_WINDOWS ** (1 / 3))} for three"
)
MAX_ROUNDS = 40
CLOSED = 2e-4  # relative difference between relaxation and bound at which no more paths are generated
DEAR = 10.0  # price of one unit of the price index rows that makes a first path avoid every rise


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
    linked = [_counting_from_today(d, t) for t, d in enumerate(days)]
    offers = [_week_offers(d, windows, t) for t, d in enumerate(linked)]
    master = _Master(linked, windows, offers)
    bound, rounds, answer = _generate(master, settings, start)
    chosen, prices = _likeliest_paths(master, answer), master.cover_prices(answer)
    left = max(settings.time_limit_s - (time.perf_counter() - start), len(days))
    in_time = settings.model_copy(update={"time_limit_s": left})
    swept = sweep_days(days, windows, chosen, in_time, bound, prices, [o.index for o in offers])
    problems = described(swept.problems, days, windows, swept.paths)
    paths = {w.item_code: decisions(w, path) for w, path in zip(windows, swept.paths, strict=True)}
    total = sum(s.objective for s in swept.solutions)
    return WeekSolution(problems, swept.solutions, paths, max(bound, total), rounds)


def _counting_from_today(day: Day, t: int) -> Day:
    """Day t (from 0) with room for every price tag that may have changed by then."""
    most = day.problem.rules.max_price_changes
    if most is None:
        return day
    rules = day.problem.rules.model_copy(update={"max_price_changes": most * (t + 1)})
    return replace(day, problem=replace(day.problem, rules=rules))


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

    def __init__(self, days: Sequence[Day], windows: Sequence[Windows], offers: Sequence[pd.DataFrame]) -> None:
        self.windows = windows
        self.columns: dict[_Path, Array] = {}  # with its coefficients in the rows of all days
        keepers = {w.item_code for w in windows}
        forms = [linear_form(build_model(d.problem, o, relaxed=True)) for d, o in zip(days, offers, strict=True)]
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

    def model(self) -> LinearModel:
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
            whole=np.zeros(singles.shape[1] + n, dtype=bool),
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

    def cover_prices(self, answer: LinearAnswer) -> list[Array]:
        """By day, for every item that keeps: what one more unit of its category's cover is worth (−dual)."""
        out, start = [], 0
        for rows, places in zip(self.rows, self.cover_row, strict=True):
            own = answer.duals[start : start + len(rows)]
            out.append(np.array([-own[k] if k >= 0 else 0.0 for k in places]))
            start += len(rows)
        return out


def _owner(row: tuple[str, object]) -> str:
    """The item a row is about, empty for rows of the whole shelf."""
    name, index = row
    return str(index) if name in ("offers_per_item", "must_list") else ""


def _week_offers(day: Day, windows: Sequence[Windows], t: int) -> pd.DataFrame:
    """Undominated offers of items that do not keep (exact: nothing else depends on them), all options of the others."""
    offers = undominated(day.problem.menu, rule_columns(day.problem))
    options = [o.row for w in windows for o in w.options[t] if o.row != NOT_LISTED]
    singles = offers[~offers["item_code"].isin([w.item_code for w in windows])]
    return day.problem.menu.offers.loc[sorted([*singles.index, *options])]


def _generate(master: _Master, settings: SolverSettings, start: float) -> tuple[float, int, LinearAnswer]:
    """Adds paths until none can improve the relaxation; the bound, the number of rounds and the last answer."""
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
    return bound, rounds, answer


def _relaxation(master: _Master, settings: SolverSettings) -> LinearAnswer:
    answer = solve_linear(master.model(), settings.threads, settings.time_limit_s)
    if answer.status == "infeasible":
        raise InfeasiblePlanError("No first paths of the items that keep fit the rules of all days.", ())
    if not len(answer.duals):
        raise SolverError("The relaxation of the week was not solved in time. Raise solver.time_limit_s.")
    return answer


def _likeliest_paths(master: _Master, answer: LinearAnswer) -> list[tuple[int, ...]]:
    """Of every item the path with the largest share in the relaxation; sweeps over the days do the rest.

    The last round may have added paths that the relaxation does not know.
    """
    share = answer.values[sum(int(s.sum()) for s in master.single) :]
    best: dict[int, tuple[float, tuple[int, ...]]] = {}
    for path, value in zip(master.columns, share, strict=False):
        if path.item not in best or value > best[path.item][0]:
            best[path.item] = (float(value), path.choice)
    return [best[k][1] for k in range(len(master.windows))]
