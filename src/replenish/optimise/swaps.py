"""Exchanges of one listed item for one that is not (or one more, or one fewer), valued with what moves.

The menu values an offer given the transfers of the last plan, and these do not know that an item which takes another's
place inherits its shoppers. So rounds of menu and transfers can end in a plan that one exchange betters. Here every
exchange is valued with the transfers it itself brings about, in all scenarios; only the groups it touches change, so
that only these are valued anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replenish.optimise.judge import Line
from replenish.optimise.menu import Candidate, Columns, line_value
from replenish.optimise.model import Problem
from replenish.optimise.search import shortfall
from replenish.optimise.transfers import with_transfers
from replenish.pricing.substitution import Switching
from replenish.records import Scenarios

Array = NDArray[np.float64]
MenuOf = Callable[[Candidate, Scenarios], Columns]
TOLERANCE = 1e-7
RUNGS = 2  # prices of an item that comes in that are tried, those worth most by the menu first
SUMS = (("budget", "budget", "spend"), ("shelf_space", "shelf_space", "shelf_space"),
        ("price_changes", "max_price_changes", "price_changed"))  # fmt: skip


@dataclass(frozen=True)
class Swap:
    """The line that goes and the one that comes in (none: no line), and what the plan is worth more with it [money]."""

    leaver: Line | None
    entrant: Line | None
    gain: float


@dataclass(frozen=True)
class Worth:
    """Value of lines [money] and the cover value they have by category."""

    value: float
    cover: dict[str, float]


@dataclass(frozen=True)
class Shelf:
    """A plan, the groups its demand moves in, and the rules that add up.

    `problem`: its problem under its own transfers, `rows`: its lines in that menu; `menu_of`: the offers of an item,
    locks applied, under given scenarios; `draws`: by group, its scenarios without transfers and how demand moves there.
    """

    problem: Problem
    lines: tuple[Line, ...]
    candidates: Mapping[str, Candidate]
    menu_of: MenuOf
    group: Mapping[str, int]
    draws: Mapping[int, tuple[Scenarios, Switching]]
    rows: tuple[int, ...]


def shelf(
    problem: Problem, rows: tuple[int, ...], lines: Sequence[Line], scenarios: Scenarios,
    candidates: Mapping[str, Candidate], switching: Switching, menu_of: MenuOf,
) -> Shelf:  # fmt: skip
    """The plan as `swaps` takes it; `scenarios` and `switching` are of the same items."""
    group = dict(zip(scenarios.item_codes, switching.group.tolist(), strict=True))
    draws = {g: _of_group(scenarios, switching, g) for g in sorted(set(group.values()))}
    return Shelf(problem, tuple(lines), candidates, menu_of, group, draws, rows)


def swaps(plan: Shelf, late: Callable[[], bool] = lambda: False) -> list[Swap]:
    """The exchanges that are worth something and keep to the rules that add up, most worth first.

    Means are valued, not the worst scenarios; these, suppliers' minimums and hard cover are left to who takes a swap.
    Once it is `late` no more are looked for.
    """
    now = {g: worth(plan, g, _lines_of(plan, g)) for g in plan.draws}
    before, entrants, found = objective(plan.problem, now.values()), _Entrants(plan), list[Swap]()
    changed: dict[tuple[int, Line | None, Line | None], Worth] = {}
    for leaver in (None, *_leavers(plan)):
        if late():
            break
        for entrant in entrants.instead_of(leaver):
            parts = dict(now)
            for g in {plan.group[x.candidate.item_code] for x in (leaver, entrant) if x is not None}:
                out, come = (x if x is not None and _in(plan, x, g) else None for x in (leaver, entrant))
                key = (g, out, come)
                if key not in changed:
                    changed[key] = worth(plan, g, exchanged(_lines_of(plan, g), out, come))
                parts[g] = changed[key]
            gain = objective(plan.problem, parts.values()) - before
            if gain > 0:
                found.append(Swap(leaver, entrant, gain))
    return sorted(found, key=lambda swap: -swap.gain)


def worth(plan: Shelf, group: int, lines: Sequence[Line]) -> Worth:
    """What lines are worth that are all a group has, with the transfers they bring about."""
    scenarios, switching = plan.draws[group]
    moved, value, cover = with_transfers(scenarios, lines, switching), 0.0, dict[str, float]()
    for line in lines:
        mine, served = line_value(line.candidate, moved, line.price, line.order_quantity)
        value, name = value + mine, line.candidate.category
        cover[name] = cover.get(name, 0.0) + served
    return Worth(value, cover)


def objective(problem: Problem, parts: Iterable[Worth]) -> float:
    """Value of all groups together less the price of the cover they are short of [money]."""
    served, total = dict.fromkeys(problem.menu.category_value, 0.0), 0.0
    for part in parts:
        total += part.value
        for name, cover in part.cover.items():
            served[name] += cover
    if not problem.active("category_cover") or problem.rules.hard_cover:
        return total
    need = problem.menu.category_value
    short = sum(max(0.0, problem.rules.cover * need[g] - cover) for g, cover in served.items())
    return total - problem.rules.cover_penalty * short


@dataclass(frozen=True)
class _Offers:
    """An item's offers, most worth first: prices, orders and what each adds to the rules that sum up (rows)."""

    price: Array
    order: Array
    sums: Array


class _Entrants:
    """The lines that may come in, on the shelf as it is and as it is without a leaver."""

    def __init__(self, plan: Shelf) -> None:
        chosen = _columns(plan.problem, plan.rows)
        rows = _sums(plan.problem, chosen)
        self.plan = plan
        self.unlisted = [c for code, c in plan.candidates.items() if code not in set(chosen["item_code"])]
        self.sums = dict(zip(chosen["item_code"], rows, strict=True))
        self.room = _limits(plan.problem) - rows.sum(axis=0)
        self.known: dict[tuple[str, Line | None], _Offers] = {}
        self.moved: dict[tuple[int, Line | None], Scenarios] = {}

    def instead_of(self, leaver: Line | None) -> Iterator[Line | None]:
        """Nothing, where fewer items are allowed, and of every unlisted item the best offers that fit."""
        room = self.room if leaver is None else self.room + self.sums[leaver.candidate.item_code]
        if leaver is not None and len(self.plan.lines) > _fewest(self.plan.problem) and (room >= -TOLERANCE).all():
            yield None
        for candidate in self.unlisted:
            offers = self.offers(candidate, leaver)
            fits = np.flatnonzero((offers.sums <= room + TOLERANCE).all(axis=1))
            _, first = np.unique(offers.price[fits], return_index=True)
            for k in fits[np.sort(first)[:RUNGS]]:
                yield Line(candidate, float(offers.price[k]), float(offers.order[k]))

    def offers(self, candidate: Candidate, leaver: Line | None) -> _Offers:
        """The offers of an item where the leaver, if it is of the same group, has gone."""
        group = self.plan.group[candidate.item_code]
        gone = leaver if leaver is not None and _in(self.plan, leaver, group) else None
        key = (candidate.item_code, gone)
        if key not in self.known:
            if (group, gone) not in self.moved:
                scenarios, switching = self.plan.draws[group]
                there = [x for x in _lines_of(self.plan, group) if x is not gone]
                self.moved[group, gone] = with_transfers(scenarios, there, switching)
            offers = self.plan.menu_of(candidate, self.moved[group, gone])
            best = np.argsort(-offers["value"], kind="stable")
            price, order = (offers[name][best] for name in ("price", "order_quantity"))
            self.known[key] = _Offers(price, order, _sums(self.plan.problem, offers)[best])
        return self.known[key]


def _leavers(plan: Shelf) -> list[Line]:
    return [x for x in plan.lines if x.candidate.item_code not in plan.problem.must_list]


def _lines_of(plan: Shelf, group: int) -> list[Line]:
    return [x for x in plan.lines if _in(plan, x, group)]


def _in(plan: Shelf, line: Line, group: int) -> bool:
    return plan.group[line.candidate.item_code] == group


def exchanged(lines: Sequence[Line], leaver: Line | None, entrant: Line | None) -> list[Line]:
    """The lines after an exchange."""
    return [x for x in lines if x is not leaver] + ([] if entrant is None else [entrant])


def _of_group(scenarios: Scenarios, switching: Switching, group: int) -> tuple[Scenarios, Switching]:
    """Scenarios, free of transfers, and switching of one group's items."""
    mine = np.flatnonzero(switching.group == group)
    codes = tuple(scenarios.item_codes[k] for k in mine)
    draws = Scenarios(
        codes, scenarios.demand[:, mine], scenarios.elasticity[:, mine], scenarios.mean_elasticity[mine],
        scenarios.cost[:, mine], scenarios.drawn_days,
    )  # fmt: skip
    return draws, Switching(switching.group[mine], switching.price[mine], switching.share[mine])


def holds(problem: Problem, rows: Sequence[int]) -> bool:
    """Whether the offers in these rows of the menu keep to every rule."""
    chosen = _columns(problem, rows)
    if not set(problem.must_list) <= set(chosen["item_code"]) or len(rows) < _fewest(problem):
        return False
    if (_sums(problem, chosen).sum(axis=0) > _limits(problem) + TOLERANCE).any():
        return False
    least = problem.rules.min_supplier_order if problem.active("supplier_minimum") else None
    spent = [chosen["spend"][chosen["supplier"] == s].sum() for s in set(chosen["supplier"]) - {""}]
    if least is not None and any(s < least - TOLERANCE for s in spent):
        return False
    return not problem.rules.hard_cover or max(shortfall(problem, rows).values(), default=0.0) <= TOLERANCE


def _columns(problem: Problem, rows: Sequence[int]) -> Columns:
    chosen = problem.menu.offers.loc[list(rows)]
    return {str(name): chosen[name].to_numpy() for name in chosen}


def _sums(problem: Problem, offers: Columns) -> Array:
    """What offers add to the rules that sum up: count, spend, space, price changes, price index by category."""
    cap = float(problem.rules.price_index_cap or 0.0)
    rise = offers["index_coefficient"] - cap * offers["index_weight"]
    plain = [np.ones(len(rise)), *(offers[column] for *_, column in SUMS)]
    index = [np.where(offers["category"] == g, rise, 0.0) for g in sorted(problem.menu.category_value)]
    return np.column_stack([*plain, *index]).astype(float)


def _limits(problem: Problem) -> Array:
    """The most each of `_sums` may come to."""
    rules = problem.rules
    most = [rules.n_max if problem.active("shelf_count_max") else None]
    most += [getattr(rules, setting) if problem.active(name) else None for name, setting, _ in SUMS]
    index = 0.0 if problem.active("price_index") else np.inf
    return np.array([np.inf if m is None else float(m) for m in most] + [index] * len(problem.menu.category_value))


def _fewest(problem: Problem) -> int:
    return problem.rules.n_min if problem.active("shelf_count_min") else 0
