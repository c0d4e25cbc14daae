"""Exchanges of one listed item for one that is not (or one more, or one fewer), valued with what moves.

The menu values an offer given the transfers of the last plan, and these do not know that an item which takes another's
place inherits its shoppers. So rounds of menu and transfers can end in a plan that one exchange betters. Here every
exchange is valued with the transfers it itself brings about, in all scenarios; only the groups it touches change, so
that only these are valued anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

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
NEARLY = 0.25  # of the worth of what comes in: so much worse than the plan an exchange may look by the menu
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

    def plus(self, other: Worth) -> Worth:
        """Both together."""
        names = {*self.cover, *other.cover}
        cover = {g: self.cover.get(g, 0.0) + other.cover.get(g, 0.0) for g in names}
        return Worth(self.value + other.value, cover)


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

    Those are valued that are nearly worth something with what comes in at its worth on the menu. Means are valued, not
    the worst scenarios; these, suppliers' minimums and hard cover are left to who takes a swap. Once it is `late` no
    more are looked for.
    """
    now = {g: worth(plan, g, lines_of(plan, g)) for g in plan.draws}
    before, entrants, found = objective(plan.problem, now.values()), _Entrants(plan), list[Swap]()
    for leaver in (None, *_leavers(plan)):
        if late():
            break
        without = dict(now)
        if leaver is not None:
            g = plan.group[leaver.candidate.item_code]
            without[g] = worth(plan, g, exchanged(lines_of(plan, g), leaver, None))
            fewer = objective(plan.problem, without.values()) - before
            if fewer > 0 and entrants.may_go(leaver):
                found.append(Swap(leaver, None, fewer))
        for line, menu in entrants.instead_of(leaver):
            g = plan.group[line.candidate.item_code]
            guess = objective(plan.problem, (without | {g: without[g].plus(menu)}).values()) - before
            if guess > -NEARLY * abs(menu.value):
                parts = without | {g: worth(plan, g, exchanged(lines_of(plan, g), leaver, line))}
                gain = objective(plan.problem, parts.values()) - before
                found += [Swap(leaver, line, gain)] if gain > 0 else []
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
    """An item's best offer at every price, most worth first: price, order, worth by the menu, cover value, and what
    each adds to the rules that sum up (rows)."""

    price: Array
    order: Array
    value: Array
    cover: Array
    sums: Array


class _Entrants:
    """The lines that may come in, on the shelf as it is and as it is without a leaver."""

    def __init__(self, plan: Shelf) -> None:
        chosen = _columns(plan.problem, plan.rows)
        rows = _sums(plan.problem, chosen)
        self.plan = plan
        self.unlisted = [c for code, c in plan.candidates.items() if code not in set(chosen["item_code"])]
        self.sums = dict(zip(chosen["item_code"], rows, strict=True))
        self.room = sum_limits(plan.problem) - rows.sum(axis=0)
        self.fewest = plan.problem.rules.n_min if plan.problem.active("shelf_count_min") else 0
        moved = {g: with_transfers(*_swapped(plan, g, None)) for g in plan.draws}
        self.known = {c.item_code: self.offers(c, moved[plan.group[c.item_code]]) for c in self.unlisted}

    def may_go(self, leaver: Line) -> bool:
        """Whether the rules that sum up hold without the leaver."""
        room = self.room + self.sums[leaver.candidate.item_code]
        return len(self.plan.lines) > self.fewest and bool((room >= -TOLERANCE).all())

    def instead_of(self, leaver: Line | None) -> Iterator[tuple[Line, Worth]]:
        """Of every unlisted item its best offers that fit, and what they are worth by the menu."""
        room, moved = self.room, None
        if leaver is not None:
            room = room + self.sums[leaver.candidate.item_code]
            group = self.plan.group[leaver.candidate.item_code]
            moved = with_transfers(*_swapped(self.plan, group, leaver))
        for candidate in self.unlisted:
            offers = self.known[candidate.item_code]
            fits = np.flatnonzero((offers.sums <= room + TOLERANCE).all(axis=1))[:RUNGS]
            if moved is not None and self.plan.group[candidate.item_code] == group and len(fits):
                rungs = tuple(sorted(offers.price[fits]))
                near = replace(candidate, ladder=replace(candidate.ladder, rungs=rungs))
                offers = self.offers(near, moved)
                fits = np.flatnonzero((offers.sums <= room + TOLERANCE).all(axis=1))
            for k in fits:
                line = Line(self.plan.candidates[candidate.item_code], float(offers.price[k]), float(offers.order[k]))
                yield line, Worth(float(offers.value[k]), {candidate.category: float(offers.cover[k])})

    def offers(self, candidate: Candidate, moved: Scenarios) -> _Offers:
        """The offers of an item under these scenarios of its group."""
        menu = self.plan.menu_of(candidate, moved)
        best = np.argsort(-menu["value"], kind="stable")
        best = best[np.sort(np.unique(menu["price"][best], return_index=True)[1])]
        price, order, value, cover = (menu[n][best] for n in ("price", "order_quantity", "value", "cover_value"))
        return _Offers(price, order, value, cover, _sums(self.plan.problem, menu)[best])


def _swapped(plan: Shelf, group: int, leaver: Line | None) -> tuple[Scenarios, list[Line], Switching]:
    """A group's scenarios, its lines without the leaver, and how demand moves in it."""
    scenarios, switching = plan.draws[group]
    return scenarios, [x for x in lines_of(plan, group) if x is not leaver], switching


def _leavers(plan: Shelf) -> list[Line]:
    return [x for x in plan.lines if x.candidate.item_code not in plan.problem.must_list]


def lines_of(plan: Shelf, group: int) -> list[Line]:
    """The plan's lines of a group."""
    return [x for x in plan.lines if plan.group[x.candidate.item_code] == group]


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
    return draws, Switching(switching.group[mine], switching.weight[mine], switching.share[mine])


def holds(problem: Problem, rows: Sequence[int]) -> bool:
    """Whether the offers in these rows of the menu keep to every rule."""
    chosen = _columns(problem, rows)
    if not set(problem.must_list) <= set(chosen["item_code"]) or (
        problem.active("shelf_count_min") and len(rows) < problem.rules.n_min
    ):
        return False
    if (_sums(problem, chosen).sum(axis=0) > sum_limits(problem) + TOLERANCE).any():
        return False
    least = problem.rules.min_supplier_order if problem.active("supplier_minimum") else None
    spent = [chosen["spend"][chosen["supplier"] == s].sum() for s in set(chosen["supplier"]) - {""}]
    if least is not None and any(s < least - TOLERANCE for s in spent):
        return False
    return not problem.rules.hard_cover or max(shortfall(problem, rows).values(), default=0.0) <= TOLERANCE


def row_sums(problem: Problem, rows: Sequence[int]) -> Array:
    """What the offers in these rows of the menu add to the rules that add up (rows × rules)."""
    return _sums(problem, _columns(problem, rows))


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


def sum_limits(problem: Problem) -> Array:
    """The most each of `_sums` may come to."""
    rules = problem.rules
    most = [rules.n_max if problem.active("shelf_count_max") else None]
    most += [getattr(rules, setting) if problem.active(name) else None for name, setting, _ in SUMS]
    index = 0.0 if problem.active("price_index") else np.inf
    return np.array([np.inf if m is None else float(m) for m in most] + [index] * len(problem.menu.category_value))
