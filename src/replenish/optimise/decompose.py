"""A tighter bound and good plans from the menu's structure: categories hang together only through few rows.

Price index, cover and "one offer per item" speak of one category each; shelf count, budget, shelf space and the like
link the categories. With prices d on the linking rows (Lagrange multipliers) every category is a small whole-number
problem of its own, and

    bound(d) = Σ_g max { (gain − d·A_link) x : x whole, rows of g } + Σ_r d_r·limit_r

holds for every plan (Geoffrion 1974). It sees whole numbers inside the categories, which the linear relaxation does
not: with price index rows that is most of the gap. Prices come from a master problem over the category plans found so
far (Dantzig & Wolfe 1960), smoothed (Wentges 1997).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from replenish.optimise.linear import LinearModel, solve_linear

Array = NDArray[np.float64]
BLOCK_TIME_S = 5.0
FIRST_LOSS = 0.002  # of the block's value: how far below its relaxation a category is first looked for
SMOOTHING = 0.5


@dataclass(frozen=True)
class Block:
    """Columns and rows (numbers in the whole model) of one category."""

    name: str
    columns: NDArray[np.int64]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Structure:
    """A model split into blocks; `linking` rows and `free` columns belong to none."""

    model: LinearModel
    blocks: tuple[Block, ...]
    linking: NDArray[np.int64]
    free: NDArray[np.int64]


@dataclass
class Bound:
    """The best bound so far and the prices of the linking rows it was reached at; `patterns`: category plans found."""

    value: float
    prices: Array
    patterns: dict[tuple[int, bytes], Array] = field(default_factory=dict)


def split(model: LinearModel, category_of_column: list[str], category_of_row: list[str]) -> Structure:
    """The model by category; an empty name means that the row or column links categories."""
    columns, rows = np.array(category_of_column), np.array(category_of_row)
    names = sorted({c for c in category_of_column if c})
    blocks = tuple(Block(n, np.flatnonzero(columns == n), np.flatnonzero(rows == n)) for n in names)
    return Structure(model, blocks, np.flatnonzero(rows == ""), np.flatnonzero(columns == ""))


def tighten(
    structure: Structure, duals: Array, bound: float, plan: Array, threads: int, rounds: int
) -> Iterator[Bound]:
    """Better and better bounds, and more and more category plans, one yield per round.

    `duals` of the rows and `bound` are the relaxation's, `plan` is a feasible plan (values by column).
    """
    prices = duals[structure.linking]
    state = Bound(bound, prices)
    for k, block in enumerate(structure.blocks):
        _keep(state, k, plan[block.columns])
    for _ in range(rounds):
        value, found = lagrangian(structure, prices, threads)
        if value < state.value:
            state.value, state.prices = value, prices
        new = [_keep(state, k, x) for k, x in enumerate(found)]
        yield state
        if not any(new):
            return
        prices = SMOOTHING * state.prices + (1 - SMOOTHING) * _master_prices(structure, state, threads)


def _keep(state: Bound, block: int, x: Array) -> bool:
    key = (block, np.round(x).astype(np.int8).tobytes())
    fresh = key not in state.patterns
    state.patterns[key] = x
    return fresh


def lagrangian(structure: Structure, prices: Array, threads: int) -> tuple[float, list[Array]]:
    """bound(d) at `prices` of the linking rows, and the category plans that attain it."""
    model = structure.model
    link = model.matrix[structure.linking]
    gain = model.gain - link.T @ prices
    total = _limits(prices, model.low[structure.linking], model.high[structure.linking])
    total += _limits(gain[structure.free], model.lower[structure.free], model.upper[structure.free])
    found = []
    for block in structure.blocks:
        worth, x = _best_of_block(_block_model(model, block, gain), threads)
        total += worth
        found.append(x)
    return total, found


def _limits(price: Array, low: Array, high: Array) -> float:
    """max Σ price·y over low ≤ y ≤ high; a price that is zero up to rounding counts as zero where there is no limit."""
    limit = np.where(price > 0, high, low)
    open_end = ~np.isfinite(limit)
    if (open_end & (np.abs(price) > 1e-7)).any():
        return float("inf")
    return float((price[~open_end] * limit[~open_end]).sum())


def _block_model(model: LinearModel, block: Block, gain: Array) -> LinearModel:
    chosen = np.zeros(len(model.gain), dtype=bool)
    chosen[block.columns] = True
    part = replace(model, gain=gain).part(chosen)
    rows = block.rows
    return replace(
        part, rows=tuple(part.rows[r] for r in rows), matrix=part.matrix[rows], low=part.low[rows], high=part.high[rows]
    )


def _best_of_block(model: LinearModel, threads: int) -> tuple[float, Array]:
    """Bound and plan of one category: whole-number problem over the columns its relaxation does not rule out.

    A plan with a column of reduced gain −r is worth at most the relaxation less r. So columns beyond a guessed loss are
    left out; if the best plan of the others loses less than the guess, it is the best of all.
    """
    relaxed = solve_linear(model.relaxed(), threads, BLOCK_TIME_S)
    if relaxed.status == "infeasible":
        return -np.inf, np.zeros(len(model.gain))
    loss = np.maximum(-relaxed.reduced, 0.0)
    allowed = FIRST_LOSS * max(abs(relaxed.objective), 1.0)
    while True:
        kept = (loss <= allowed) | ~model.whole
        answer = solve_linear(model.part(kept), threads, BLOCK_TIME_S, 1e-5)
        lost = relaxed.objective - answer.objective if answer.found else np.inf
        if lost <= allowed or kept.all():
            break
        allowed = lost if np.isfinite(lost) else 4 * allowed
    x = np.zeros(len(model.gain))
    if answer.found:
        x[kept] = answer.values
    # A plan with a column left out is worth at most the relaxation less `allowed`.
    return (max(answer.bound, relaxed.objective - allowed) if not kept.all() else answer.bound), x


def _master_prices(structure: Structure, state: Bound, threads: int) -> Array:
    """Duals of the linking rows in the relaxation over the category plans found so far."""
    model, linking = structure.model, structure.linking
    link = model.matrix[linking]
    gains, columns, owners = [], [], []
    for (k, _), x in state.patterns.items():
        mine = structure.blocks[k].columns
        gains.append(float(model.gain[mine] @ x))
        columns.append(link[:, mine] @ x)
        owners.append(k)
    one = np.zeros((len(structure.blocks), len(owners)))
    one[owners, np.arange(len(owners))] = 1.0
    free, n = structure.free, len(structure.blocks)
    matrix = sparse.csc_array(np.block([
        [np.array(columns).T, link[:, free].toarray()], [one, np.zeros((n, len(free)))],
    ]))  # fmt: skip
    master = LinearModel(
        (), (), np.concatenate([gains, model.gain[free]]), matrix,
        np.concatenate([model.low[linking], np.ones(n)]), np.concatenate([model.high[linking], np.ones(n)]),
        np.concatenate([np.zeros(len(owners)), model.lower[free]]),
        np.concatenate([np.full(len(owners), np.inf), model.upper[free]]),
        np.zeros(len(owners) + len(free), dtype=bool),
    )  # fmt: skip
    answer = solve_linear(master, threads, BLOCK_TIME_S)
    return answer.duals[: len(linking)] if len(answer.duals) else state.prices
