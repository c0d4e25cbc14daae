"""One category by itself, against all choices."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from replenish.optimise import knapsack
from replenish.optimise.knapsack import Group, Rows, best_choice


def _groups(rng: np.random.Generator, items: int = 5, offers: int = 5) -> list[Group]:
    return [
        Group(
            np.arange(k * offers, (k + 1) * offers), rng.normal(2, 3, offers), rng.normal(0.3, 1, offers),
            rng.uniform(0, 3, offers), bool(rng.random() < 0.2),
        )
        for k in range(items)
    ]  # fmt: skip


def _best(groups: list[Group], rows: Rows, forced: tuple[int, int] | None = None) -> float:
    """Gain of the best choice, or of the best one that has the offer `forced` (group, offer)."""
    best = -np.inf
    for picks in product(*(range(0 if g.must else -1, len(g.columns)) for g in groups)):
        if forced is not None and picks[forced[0]] != forced[1]:
            continue
        taken = [(g, p) for g, p in zip(groups, picks, strict=True) if p >= 0]
        gain, weight, cover = (sum(float(getattr(g, n)[p]) for g, p in taken) for n in ("gain", "weight", "cover"))
        short = max(rows.required - cover, 0.0)
        if weight > rows.capacity + 1e-9 or (np.isinf(rows.penalty) and short > 1e-9):
            continue
        best = max(best, gain - (0.0 if short <= 1e-9 else rows.penalty * short))
    return best


def _worth(groups: list[Group], rows: Rows, columns: np.ndarray) -> float:
    gain, weight, cover = (np.concatenate([getattr(g, n) for g in groups])[columns].sum() for n in
                           ("gain", "weight", "cover"))  # fmt: skip
    assert weight <= rows.capacity + 1e-9
    short = max(rows.required - float(cover), 0.0)
    return float(gain) - (rows.penalty * short if short > 1e-9 else 0.0)


@pytest.mark.parametrize("seed", range(12))
def test_best_of_all_choices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = _groups(rng)
    penalty = (0.0, 0.8, np.inf)[seed % 3]
    required = float(rng.uniform(2, 9)) if penalty else 0.0
    rows = Rows(float(rng.uniform(-1, 1)), required, penalty, float(rng.uniform(0, 1)))
    best, found = _best(groups, rows), best_choice(groups, rows, 1e-9)
    if best == -np.inf:
        assert len(found.columns) == 0
        return
    assert _worth(groups, rows, found.columns) == pytest.approx(best, abs=1e-7)
    assert found.bound == pytest.approx(best, abs=1e-7)


def test_within_money_and_with_too_many_labels_the_bound_still_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(6):
        groups, rows = _groups(np.random.default_rng(seed)), Rows(0.2, 5.0, 0.8, 0.4)
        best = _best(groups, rows)
        rough = best_choice(groups, rows, 0.5)
        assert rough.bound >= best - 1e-9
        assert _worth(groups, rows, rough.columns) >= best - 0.5 - 1e-9
        monkeypatch.setattr(knapsack, "MOST_LABELS", 2)
        cut = best_choice(groups, rows, 1e-9)
        monkeypatch.undo()
        assert cut.bound >= best - 1e-9
        assert cut.found  # a good choice is told all the same, one that keeps to the rows
        assert best - 2 <= _worth(groups, rows, cut.columns) <= best + 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_bounds_of_the_choices_that_have_an_offer(seed: int) -> None:
    groups, rows = _groups(np.random.default_rng(seed), 4, 4), Rows(0.3, 5.0, 0.8, 0.4)
    found = best_choice(groups, rows, 1e-9)
    for k, group in enumerate(groups):
        for m, bound in enumerate(found.with_offer[k]):
            assert bound >= _best(groups, rows, (k, m)) - 1e-7
            assert bound <= found.bound + 1e-9
            taken = int(group.columns[m]) in found.columns
            assert not taken or bound == pytest.approx(found.bound)


def test_a_row_that_cannot_hold() -> None:
    must = Group(np.array([0, 1]), np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.zeros(2), True)
    assert best_choice([must], Rows(0.5), 1e-9).bound == -np.inf
