"""The days of a week one after the other: each solved in whole items with the other days as they stand.

Another offer of an item that keeps is worth its own day and what it changes on the days after it. Every day is solved
over all such offers and its choices are kept before the next is solved, so that the week only gets better (coordinate
ascent); sweeps over the days end when one gains next to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.optimise.ageing import DayDecision, aged_path
from replenish.optimise.menu import Candidate
from replenish.optimise.model import Problem, over_rows
from replenish.optimise.outcome import Outcome
from replenish.optimise.search import objective_of, relative_gap, shortfall
from replenish.optimise.solve import solve_menu
from replenish.optimise.windows import NOT_LISTED, Windows
from replenish.records import Scenarios, Solution
from replenish.settings import SolverSettings

Array = NDArray[np.float64]
Path = tuple[int, ...]  # option numbers of one item by day
DAY_GAP = 2e-3  # the days' own gap: no finer than what the bound of the week leaves open
MOST_SWEEPS = 4
WORTH_ANOTHER = 3e-4  # of the objective: a sweep that gains less is the last


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
class Swept:
    """The days' problems (items that keep valued given the other days), their solutions, and the paths."""

    problems: tuple[Problem, ...]
    solutions: tuple[Solution, ...]
    paths: tuple[Path, ...]


def decisions(windows: Windows, path: Sequence[int]) -> tuple[DayDecision, ...]:
    """The orders and prices of a path."""
    return tuple(options[o].decision for options, o in zip(windows.options, path, strict=True))


def sweep_days(
    days: Sequence[Day], windows: Sequence[Windows], paths: Sequence[Path], settings: SolverSettings, bound: float,
    cover_price: Sequence[Array], useful: Sequence[pd.Index],
) -> Swept:  # fmt: skip
    """The best of the plans the sweeps find from these paths on; ends early within the gap of `bound`.

    `cover_price`: what a unit of cover is worth, by day and item that keeps; so much counts what a day leaves for the
    cover of the days after it. `useful`: rows of the days' menus that no other makes needless. Bounds of the days'
    solutions are given the other days. Raises as `solve_menu` does.
    """
    begun, best = time.perf_counter(), None
    now, chosen = list(paths), [tuple[int, ...]() for _ in days]
    for number in range(MOST_SWEEPS):
        answers = []
        for t in range(len(days)):
            left = max(settings.time_limit_s - (time.perf_counter() - begun), len(days))
            limits = {"time_limit_s": left / (len(days) - t), "gap": max(settings.gap, DAY_GAP)}
            problem = _given_the_others(days, windows, now, t, chosen[:t], cover_price)
            if not problem.active("price_changes"):  # whose price tags are new hangs on the day before
                problem = over_rows(problem, problem.menu.offers.index.isin(useful[t]))
            start = chosen[t] if number else _path_rows(windows, now, t)
            answers.append(solve_menu(problem, settings.model_copy(update=limits), start))
            chosen[t] = answers[-1].chosen
            now = [_moved(w, path, t, chosen[t]) for w, path in zip(windows, now, strict=True)]
        found = _together(days, windows, now, answers)
        gained = _total(found) - _total(best) if best is not None else np.inf
        best = found if gained > 0 or best is None else best
        late = time.perf_counter() - begun > settings.time_limit_s / 2
        if late or gained <= WORTH_ANOTHER * abs(_total(best)) or relative_gap(_total(best), bound) <= settings.gap:
            break
    return best or _together(days, windows, now, [])


def _total(swept: Swept) -> float:
    return sum(s.objective for s in swept.solutions)


def _together(
    days: Sequence[Day], windows: Sequence[Windows], paths: Sequence[Path], answers: Sequence[Solution]
) -> Swept:
    """The days' choices as solutions of the problems that all of them together pose.

    A day's bound is as far from its plan as it was when the day was solved.
    """
    chosen = [a.chosen for a in answers]
    problems = [_given_the_others(days, windows, paths, t, chosen[:t]) for t in range(len(days))]
    solutions = []
    for problem, answer in zip(problems, answers, strict=True):
        objective = objective_of(problem, answer.chosen) + problem.offset
        bound = objective + max(answer.bound - answer.objective, 0.0)
        gap, short = relative_gap(objective, bound), shortfall(problem, answer.chosen)
        solutions.append(replace(answer, objective=objective, bound=bound, gap=gap, shortfall=short))
    return Swept(tuple(problems), tuple(solutions), tuple(paths))


def _path_rows(windows: Sequence[Windows], paths: Sequence[Path], t: int) -> tuple[int, ...]:
    rows = (w.options[t][path[t]].row for w, path in zip(windows, paths, strict=True))
    return tuple(r for r in rows if r != NOT_LISTED)


def _moved(w: Windows, path: Path, t: int, chosen: Sequence[int]) -> Path:
    """The path with the day's choice on day t."""
    taken = set(chosen)
    option = next((o for o, x in enumerate(w.options[t]) if x.row in taken), 0)
    return (*path[:t], option, *path[t + 1 :])


def _given_the_others(
    days: Sequence[Day], windows: Sequence[Windows], paths: Sequence[Path], t: int, before: Sequence[Sequence[int]],
    cover_price: Sequence[Array] | None = None,
) -> Problem:  # fmt: skip
    """The problem of day t, the other days as they stand; `before`: offers chosen on the days before it.

    An offer of an item that keeps is worth what the week gains by it against not listing the item on the day; what the
    week has without it is the problem's offset.
    """
    day = days[t]
    offers = day.problem.menu.offers
    value, cover = offers["value"].to_numpy(copy=True), offers["cover_value"].to_numpy(copy=True)
    changed = offers["price_changed"].to_numpy(copy=True)
    considered, offset = np.ones(len(offers), dtype=bool), 0.0
    for k, (w, path) in enumerate(zip(windows, paths, strict=True)):
        considered &= (offers["item_code"] != w.item_code).to_numpy()
        rates = [float(price[k]) for price in cover_price] if cover_price is not None else [0.0] * len(days)
        worth, served = _worth_of_options(w, path, t, rates), w.cover[t][_every_option(w, path, t, t)]
        none = float(worth[0]) if w.options[t][0].row == NOT_LISTED else 0.0
        offset += none
        listed = [o for o, option in enumerate(w.options[t]) if option.row != NOT_LISTED]
        at = offers.index.get_indexer(pd.Index([w.options[t][o].row for o in listed]))
        value[at], cover[at], considered[at] = worth[listed] - none, served[listed], True
    if t and day.problem.active("price_changes"):
        tags = _price_tags(days, before)
        usual = {c.item_code: c.terms.reference_price for c in day.candidates}
        yesterday = offers["item_code"].map(usual | tags).to_numpy(dtype=float)
        changed = (np.abs(offers["price"].to_numpy() - yesterday) > 1e-9).astype(float)
    valued = offers.assign(value=value, cover_value=cover, price_changed=changed)[considered]
    return replace(day.problem, menu=replace(day.problem.menu, offers=valued), offset=day.problem.offset + offset)


def _worth_of_options(w: Windows, path: Path, t: int, rates: Sequence[float]) -> Array:
    """Of every option of day t, the rest of the path kept: its own day and what it changes afterwards [money].

    `rates`: what a unit of cover counts on each of the days afterwards.
    """
    worth = np.array(w.value[t][_every_option(w, path, t, t)])
    for s in range(t + 1, min(t + w.life, len(path))):
        here, moved = w.window(path, s), _every_option(w, path, t, s)
        worth += w.value[s][moved] - w.value[s][here] + rates[s] * (w.cover[s][moved] - w.cover[s][here])
    return worth


def _every_option(w: Windows, path: Path, t: int, s: int) -> tuple[Any, ...]:
    """Index into the arrays of day s for the path with every option of day t."""
    window = w.window(path, s)
    at = w.life - 1 - (s - t)
    return (*window[:at], slice(None), *window[at + 1 :])


def _price_tags(days: Sequence[Day], before: Sequence[Sequence[int]]) -> dict[str, float]:
    """The last shelf price of every item listed on the days so far [money/unit]."""
    tags = dict[str, float]()
    for day, rows in zip(days, before, strict=False):
        chosen = day.problem.menu.offers.loc[list(rows)]
        tags |= dict(zip(chosen["item_code"], chosen["price"], strict=True))
    return tags


def described(
    problems: Sequence[Problem], days: Sequence[Day], windows: Sequence[Windows], paths: Sequence[Path]
) -> tuple[Problem, ...]:
    """The problems with the chosen offers of items that keep described as they are with ageing stock."""
    tables = [p.menu.offers.copy() for p in problems]
    for w, path in zip(windows, paths, strict=True):
        outcomes = path_outcomes(days, w.item_code, decisions(w, path))
        for t, out in enumerate(outcomes):
            row = w.options[t][path[t]].row
            if row == NOT_LISTED:
                continue
            for name in ("profit", "sales", "clearance", "waste", "carried_on"):
                tables[t].loc[row, name] = float(getattr(out, name).mean())
            tables[t].loc[row, "sell_out"] = float((out.lost > 1e-9).mean())
    return tuple(replace(p, menu=replace(p.menu, offers=table)) for p, table in zip(problems, tables, strict=True))


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
