"""What items can still be worth by the weight left, worked by hand and against all choices."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from replenish.optimise.completion import best_by_step, best_offers, in_steps, tables, with_each

# Apples weigh 0, 1 or 2 and earn 0, 5 or 8; pears weigh 0 or 2 and earn 1 or 7; 3 fit.
WEIGHTS = np.array([0.0, 1.0, 2.0, 0.0, 2.0])
VALUES = np.array([0.0, 5.0, 8.0, 1.0, 7.0])
EDGES = np.array([0, 3, 5])


def test_apples_and_pears_by_hand() -> None:
    steps = in_steps(WEIGHTS, EDGES, 3.0, 3)
    best = best_by_step(steps, VALUES)
    after = tables(steps, best)
    assert after[1].tolist() == [1.0, 1.0, 7.0, 7.0]  # pears alone, by room
    assert after[0].tolist() == [1.0, 6.0, 9.0, 12.0]  # 3: an apple offer of 1 and the pears of 2
    assert tables(steps, best, backwards=False)[1].tolist() == [0.0, 5.0, 8.0, 8.0]
    assert best_offers(steps, VALUES, after).tolist() == [1, 4]
    each = with_each(steps, VALUES, best, after)
    # The apples of 2 leave room for no pears.
    assert each.tolist() == [7.0, 12.0, 9.0, 9.0, 12.0]


@pytest.mark.parametrize("seed", range(5))
def test_never_below_any_choice_that_fits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, values, edges = rng.normal(0, 2, (4, 4)), rng.normal(0, 3, (4, 4)), np.arange(0, 17, 4)
    least = float(weights.min(axis=1).sum())
    room = float(rng.uniform(0, 8))
    steps = in_steps(weights.ravel(), edges, room, 50)
    best = best_by_step(steps, values.ravel())
    after = tables(steps, best)
    each = with_each(steps, values.ravel(), best, after).reshape(4, 4)
    for picks in product(range(4), repeat=4):
        worth = values[range(4), picks].sum()
        if weights[range(4), picks].sum() <= least + room:
            assert after[0, -1] >= worth - 1e-9
            assert (each[range(4), picks] >= worth - 1e-9).all()
    assert each.max() == pytest.approx(after[0, -1])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("room", [0.0, 1e-300, 1e-25, 1e-8])
def test_with_next_to_no_room_only_the_lightest_offers_fit(room: float) -> None:
    # Of the apples only those of 0 fit, of the pears too: 0 + 1.
    steps = in_steps(WEIGHTS, EDGES, room, 20_000)
    best = best_by_step(steps, VALUES)
    after = tables(steps, best)
    assert after[0, -1] == 1.0
    assert best_offers(steps, VALUES, after).tolist() == [0, 3]
    assert with_each(steps, VALUES, best, after).tolist() == [1.0, -np.inf, -np.inf, 1.0, -np.inf]
