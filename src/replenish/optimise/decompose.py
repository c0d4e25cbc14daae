"""A tighter bound and good plans from the menu's structure: categories hang together only through few rows.

"One offer per item", cover and the price index speak of one category each; shelf count, budget and all other rows are
given prices. With prices d on the linking rows
(Lagrange multipliers) every category is a small whole-number problem of its own, and

    bound(d) = Σ_g max { (gain − d·A_link) x : x whole, rows of g } + Σ_r d_r·limit_r

holds for every plan (Geoffrion 1974). It sees whole numbers under the price index, which the linear relaxation does
not, and that is most of the gap. A category is solved by labels (`knapsack`); where these get too many, as under a
steep price index, and bounds and plans of all categories together are too far apart, those farthest apart are solved
by HiGHS from the labels' plan. Prices come from a master problem over the category plans found so far (Dantzig &
Wolfe 1960), kept within a box around the best ones (Marsten, Hogan & Blankenship 1975).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from replenish.optimise.knapsack import Group, Rows, best_choice
from replenish.optimise.linear import LinearModel, solve_linear

Array = NDArray[np.float64]
MASTER_TIME_S = 5.0
BLOCK_TIME_S = 2.0  # for one category
LABEL_STEP = 0.5  # of a category's even share of the money asked for: how finely its labels tell gains apart
LABELS_OFF = 2.0  # times the money asked for: how far all categories may be off, the labels' steps of gain included
TOLERANCE = 1e-6  # the solver's, in money
KEPT_PROMISE = 0.25  # of the improvement the master problem saw, from which on the box grows
MOST_IDLE = 2  # rounds in a row that neither better the bound nor find a category plan
FIRST_BOX = 0.03  # of the bound: what moving one price through its box may change at first


@dataclass(frozen=True)
class Block:
    """One category: its columns (numbers in the whole model), by item; its index and cover rows (−1: none).

    `short`: column of the shortfall (−1: none), which is of the category too; `weight`, `covered`: the coefficients of
    its index and cover rows by column of the whole model (0 without the row)."""

    name: str
    columns: NDArray[np.int64]
    items: tuple[NDArray[np.int64], ...]
    must: tuple[bool, ...]
    index: int
    cover: int
    short: int
    weight: Array
    covered: Array


@dataclass(frozen=True)
class Structure:
    """A model split into blocks; `linking` rows, with coefficients `link`, and `free` columns belong to none."""

    model: LinearModel
    blocks: tuple[Block, ...]
    linking: NDArray[np.int64]
    link: sparse.csr_array
    free: NDArray[np.int64]


@dataclass
class Bound:
    """The best bound so far and the prices of the linking rows it was reached at; `patterns`: category plans found.

    `reach`: by column, a bound on every plan that has this offer (infinite for columns that are no offers).
    """

    value: float
    prices: Array
    reach: Array
    patterns: dict[tuple[int, bytes], Array] = field(default_factory=dict)


def split(model: LinearModel, item_of: dict[int, str], category_of: dict[str, str]) -> Structure:
    """The menu model by category; `item_of`: item code by column of an offer, `category_of`: category by item code."""
    rows = {name: k for k, name in enumerate(model.rows)}
    places = {name: k for k, name in enumerate(model.columns)}
    matrix = sparse.csr_array(model.matrix)

    def coefficients(row: int) -> Array:
        return matrix[[row]].toarray().ravel() if row >= 0 else np.zeros(len(model.gain))

    columns: dict[str, list[int]] = {}
    for column, item in item_of.items():
        columns.setdefault(item, []).append(column)
    blocks = []
    for name in sorted(set(category_of.values())):
        items = [i for i in sorted(columns) if category_of[i] == name]
        groups = tuple(np.array(columns[i]) for i in items)
        must = tuple(("must_list", i) in rows for i in items)
        index, cover = (rows.get((rule, name), -1) for rule in ("price_index", "category_cover"))
        short = places.get(("short", name), -1)
        own = np.concatenate([*groups, np.array([short] if short >= 0 else [], dtype=np.int64)])
        weight, covered = coefficients(index), coefficients(cover)
        blocks.append(Block(name, own, groups, must, index, cover, short, weight, covered))
    of_blocks = {int(c) for block in blocks for c in block.columns}
    linking = np.array([k for name, k in rows.items() if not _inside(name, category_of)], dtype=np.int64)
    free = np.array([k for k in range(len(model.gain)) if k not in of_blocks], dtype=np.int64)
    return Structure(model, tuple(blocks), linking, matrix[linking], free)


def _inside(row: tuple[str, object], category_of: dict[str, str]) -> bool:
    """Whether a row speaks of one category that has offers."""
    name, index = row
    if name in ("price_index", "category_cover"):
        return index in set(category_of.values())
    return name in ("offers_per_item", "must_list")


def tighten(
    structure: Structure, duals: Array, bound: float, plan: Array | None, threads: int, rounds: int,
    money: float = 1e-6,
) -> Iterator[Bound]:  # fmt: skip
    """Better and better bounds, and more and more category plans, one yield per round.

    `duals` of the rows and `bound` are the relaxation's, `plan` is a feasible plan (values by column) if one is known,
    `money` is what the bound may be off for all categories together.
    """
    prices = duals[structure.linking]
    state = Bound(bound, prices, np.full(len(structure.model.gain), np.inf))
    box, least, idle = _first_box(structure, bound), bound, 0
    if plan is not None:
        for k, block in enumerate(structure.blocks):
            _keep(state, k, plan[block.columns])
    for number in range(rounds):
        value, found, reach = lagrangian(structure, prices, duals, money, threads)
        state.reach = np.minimum(state.reach, reach)
        better = value < state.value - money
        if value < state.value:
            # A step that kept its promise and ended at the box's edge would have gone further.
            if number and state.value - value > KEPT_PROMISE * (state.value - least):
                box = np.where(np.abs(prices - state.prices) > 0.99 * box, 2 * box, box)
            state.value, state.prices = value, prices
        elif number:
            box = box / 2
        before = len(state.patterns)
        for k, x in enumerate(found):
            _keep(state, k, x)
        yield state
        idle = 0 if len(state.patterns) > before or better else idle + 1
        if idle == MOST_IDLE or not len(structure.linking):
            return
        prices, least = _master_prices(structure, state, box, threads)
        if least >= state.value - money:  # nothing better in the box, so nowhere: the bound is convex in the prices
            return


def _first_box(structure: Structure, bound: float) -> Array:
    """How far each price may move from the best ones at first."""
    low, high = structure.model.low[structure.linking], structure.model.high[structure.linking]
    limit = np.abs(np.where(np.isfinite(high), high, low))
    return np.asarray(FIRST_BOX * abs(bound) / np.maximum(limit, 1.0))


def _keep(state: Bound, block: int, x: Array) -> None:
    state.patterns[block, (x > 0.5).tobytes()] = x


def lagrangian(
    structure: Structure, prices: Array, duals: Array, money: float, threads: int
) -> tuple[float, list[Array], Array]:
    """bound(d) at `prices` of the linking rows, the category plans that attain it, and the same bound by column when
    that offer is taken (`Bound.reach`); `duals`: see `tighten`."""
    model = structure.model
    gain = model.gain - structure.link.T @ prices
    total = _limits(prices, model.low[structure.linking], model.high[structure.linking])
    total += _limits(gain[structure.free], model.lower[structure.free], model.upper[structure.free])
    step = LABEL_STEP * money / len(structure.blocks)
    answers = [_by_labels(structure, block, gain, duals, step) for block in structure.blocks]
    answers = _within_money(structure, answers, gain, LABELS_OFF * money + TOLERANCE, threads)
    total += sum(answer.bound for answer in answers)
    reach = np.full(len(gain), np.inf)
    for block, answer in zip(structure.blocks, answers, strict=True):
        for columns, bounds in zip(block.items, answer.with_offer, strict=True):
            reach[columns] = total + (bounds - answer.bound) if np.isfinite(answer.bound) else -np.inf
    return total, [answer.plan for answer in answers], reach


@dataclass(frozen=True)
class _Answer:
    """A category's best plan found (values of its columns), its worth, and bounds on every plan, and on those with
    each offer, by item."""

    plan: Array
    worth: float
    bound: float
    with_offer: tuple[Array, ...]

    @property
    def off(self) -> float:
        """How far the bound is from the plan [money]; 0 where there is no plan at all."""
        return max(self.bound - self.worth, 0.0) if np.isfinite(self.bound) else 0.0


def _by_labels(structure: Structure, block: Block, gain: Array, duals: Array, money: float) -> _Answer:
    """A category solved by labels, to within `money` where these do not get too many."""
    model = structure.model
    choice = best_choice(_groups(block, gain), _rows(model, block, duals), money)
    x = np.zeros(len(gain))
    x[choice.columns] = 1.0
    if block.short >= 0:
        x[block.short] = max(float(model.low[block.cover] - block.covered @ x), 0.0)
    worth = float(gain @ x) if choice.found else -np.inf
    return _Answer(x[block.columns], worth, choice.bound, choice.with_offer)


def _within_money(
    structure: Structure, answers: list[_Answer], gain: Array, most: float, threads: int
) -> list[_Answer]:
    """The answers, those farthest from their bounds solved by HiGHS until all together are off by at most `most`.

    What those still to come may be off is what they are, or an even share.
    """
    answers, share = list(answers), most / (2 * len(answers))
    pending = sorted(range(len(answers)), key=lambda k: -answers[k].off)
    while pending and sum(answer.off for answer in answers) > most:
        k = pending.pop(0)
        others = sum(min(a.off, share) if j in pending else a.off for j, a in enumerate(answers) if j != k)
        block, allowed = structure.blocks[k], max(most - others, share)
        answers[k] = _by_solver(structure, block, gain, answers[k], allowed, threads)
    return answers


def _by_solver(structure: Structure, block: Block, gain: Array, known: _Answer, money: float, threads: int) -> _Answer:
    """The category solved by HiGHS, from the plan that is known, to within `money`."""
    found = solve_linear(_alone(structure, block, gain), threads, BLOCK_TIME_S, start=known.plan, money=money)
    bound = min(known.bound, found.bound) if np.isfinite(found.bound) else known.bound
    plan, worth = known.plan, known.worth
    if found.found and found.objective > worth:
        whole = structure.model.whole[block.columns]
        plan, worth = np.where(whole, found.values.round(), found.values), found.objective
    return _Answer(plan, worth, bound, tuple(np.minimum(bounds, bound) for bounds in known.with_offer))


def _alone(structure: Structure, block: Block, gain: Array) -> LinearModel:
    """The category as a model of its own: its columns at these gains, and the rows that speak of them."""
    model, mine = structure.model, block.columns
    matrix = model.matrix[:, mine]
    rows = np.setdiff1d(matrix.indices, structure.linking)
    return LinearModel(
        tuple(model.rows[k] for k in rows), tuple(model.columns[k] for k in mine), gain[mine],
        sparse.csc_array(sparse.csr_array(matrix)[rows]), model.low[rows], model.high[rows],
        model.lower[mine], model.upper[mine], model.whole[mine],
    )  # fmt: skip


def _groups(block: Block, gain: Array) -> list[Group]:
    return [
        Group(c, gain[c], block.weight[c], block.covered[c], must)
        for c, must in zip(block.items, block.must, strict=True)
    ]


def _rows(model: LinearModel, block: Block, duals: Array) -> Rows:
    capacity = float(model.high[block.index]) if block.index >= 0 else 0.0
    if block.cover < 0:
        return Rows(capacity)
    penalty = -float(model.gain[block.short]) if model.upper[block.short] > 0 else float("inf")
    return Rows(capacity, float(model.low[block.cover]), penalty, -float(duals[block.cover]))


def _limits(price: Array, low: Array, high: Array) -> float:
    """max Σ price·y over low ≤ y ≤ high; a price that is zero up to rounding counts as zero where there is no limit."""
    limit = np.where(price > 0, high, low)
    open_end = ~np.isfinite(limit)
    if (open_end & (np.abs(price) > 1e-7)).any():
        return float("inf")
    return float((price[~open_end] * limit[~open_end]).sum())


def _master_prices(structure: Structure, state: Bound, box: Array, threads: int) -> tuple[Array, float]:
    """Prices of the linking rows within the box at which the category plans found so far bound least, and that bound.

    The dual of the relaxation over these plans, in which leaving a row costs the price at the edge of the box.
    """
    model, linking = structure.model, structure.linking
    link = sparse.csc_array(structure.link)
    gains, columns, owners = [], [], []
    for (k, _), x in state.patterns.items():
        mine = structure.blocks[k].columns
        gains.append(float(model.gain[mine] @ x))
        columns.append(link[:, mine] @ x)
        owners.append(k)
    n, rows, free = len(structure.blocks), len(linking), structure.free
    one = np.zeros((n, len(owners)))
    one[owners, np.arange(len(owners))] = 1.0
    leave = np.hstack([-np.eye(rows), np.eye(rows)])
    rest = np.hstack([link[:, free].toarray(), leave])
    master = LinearModel(
        (), (), np.concatenate([gains, model.gain[free], -(state.prices + box), state.prices - box]),
        sparse.csc_array(np.block([[np.array(columns).T, rest], [one, np.zeros((n, rest.shape[1]))]])),
        np.concatenate([model.low[linking], np.ones(n)]), np.concatenate([model.high[linking], np.ones(n)]),
        np.concatenate([np.zeros(len(owners)), model.lower[free], np.zeros(2 * rows)]),
        np.concatenate([np.full(len(owners), np.inf), model.upper[free], np.full(2 * rows, np.inf)]),
        np.zeros(len(owners) + rest.shape[1], dtype=bool),
    )  # fmt: skip
    answer = solve_linear(master, threads, MASTER_TIME_S)
    return (answer.duals[:rows], answer.objective) if len(answer.duals) else (state.prices, np.inf)
