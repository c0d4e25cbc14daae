"""What items can still be worth by the weight left, worked by hand and against all choices."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from replenish.optimise.completion import best_by_step, best_offers, in_steps, tables, with_each

# Apples weigh 0, 1 or 2 and earn 0, 5 or 8; pears weigh 0 or 2 and earn 1 or 7; 3 fit.
WEIGHTS = [np.array([0.0, 1.0, 2.0]), np.array([0.0, 2.0])]
VALUES = [np.array([0.0, 5.0, 8.0]), np.array([1.0, 7.0])]


def test_apples_and_pears_by_hand() -> None:
    steps = in_steps(WEIGHTS, 3.0, 3)
    best = best_by_step(steps, VALUES)
    after = tables(steps, best)
    assert after[1].tolist() == [1.0, 1.0, 7.0, 7.0]  # pears alone, by room
    assert after[0].tolist() == [1.0, 6.0, 9.0, 12.0]  # 3: an apple offer of 1 and the pears of 2
    assert tables(steps, best, backwards=False)[1].tolist() == [0.0, 5.0, 8.0, 8.0]
    assert best_offers(steps, VALUES, after) == [1, 1]
    each = with_each(steps, VALUES, best, after)
    assert each[0].tolist() == [7.0, 12.0, 9.0]  # the apples of 2 leave room for no pears
    assert each[1].tolist() == [9.0, 12.0]


@pytest.mark.parametrize("seed", range(5))
def test_never_below_any_choice_that_fits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 2, 4) for _ in range(4)]
    values = [rng.normal(0, 3, 4) for _ in range(4)]
    least = sum(float(w.min()) for w in weights)
    room = float(rng.uniform(0, 8))
    steps = in_steps(weights, room, 50)
    best = best_by_step(steps, values)
    after = tables(steps, best)
    each = with_each(steps, values, best, after)
    for picks in product(range(4), repeat=4):
        worth = sum(v[p] for v, p in zip(values, picks, strict=True))
        if sum(w[p] for w, p in zip(weights, picks, strict=True)) <= least + room:
            assert after[0][-1] >= worth - 1e-9
            assert all(each[k][p] >= worth - 1e-9 for k, p in enumerate(picks))
    assert max(float(e.max()) for e in each) == pytest.approx(after[0][-1])
