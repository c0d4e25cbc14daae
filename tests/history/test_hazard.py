"""Hazard per sale: what passed each class by hand, and what chances make of spells of short supply."""

from __future__ import annotations

import numpy as np
import pytest

from replenish.history import hazard as hazard_module
from replenish.history.hazard import EDGES, SilentDays, chances

CLASSES = len(EDGES)


def silent(n: list[float], quiet: list[float], item: list[int] | None = None, usual: float = 10.0) -> SilentDays:
    """Days of items with `usual` sales a day and 28 days around each."""
    number = np.array(item if item is not None else [0] * len(n))
    at = np.arange(len(n))
    starts = np.searchsorted(number, number), np.searchsorted(number, number, side="right")
    window = np.maximum(starts[0], at - 28), np.minimum(starts[1], at + 8)
    return SilentDays(np.array(n, dtype=float), np.full(len(n), usual), np.array(quiet), np.full(len(n), np.nan),
                      number, window)  # fmt: skip


def test_sales_passed_and_met_by_hand():
    """Days of 2.5 and 0.5 sales where 10 are usual: 1 and 0.5 fall in the first class (to 0.1), 1 and 0.5 beyond."""
    days = silent([2.5, 0.5], [1.0, 1.0])
    assert days.place.tolist() == [2, 0]
    assert silent([5.0], [1.0]).place.tolist() == [4], "the fifth sale was the last of its class"
    np.testing.assert_allclose(days.passed(np.ones(2)), [1.5, 1.0, 0.5] + [0.0] * (CLASSES - 3))
    np.testing.assert_allclose(days.passed(np.array([2.0, 1.0])), [2.5, 2.0, 1.0] + [0.0] * (CLASSES - 3))
    hazard = np.r_[0.1, 0.2, 0.4, np.zeros(CLASSES - 3)]
    np.testing.assert_allclose(days.met(hazard), [0.1 + 0.2 + 0.2, 0.05])


def test_what_is_met_is_what_passed_at_its_hazard():
    rng = np.random.default_rng(1)
    days = silent(list(rng.integers(1, 60, 500)), [1.0] * 500, sorted(rng.integers(0, 9, 500)))
    hazard, factor = rng.random(CLASSES), rng.random(500)
    assert (factor * days.met(hazard)).sum() == pytest.approx(hazard @ days.passed(factor))
    assert days.passed(np.ones(500)).sum() == pytest.approx(days.n.sum())


def test_counts_overrule_the_silence():
    days = silent([5.0, 5.0, 5.0], [1e-9, 1.0, 0.5])
    told = SilentDays(days.n, days.usual, days.quiet, np.array([0.0, 1.0, np.nan]), days.item, days.window)
    chance, _ = chances(told, None)
    assert chance[:2].tolist() == [0.0, 1.0]
    assert 0 < chance[2] < 1


def test_days_in_a_spell_of_short_supply_are_likelier_to_have_sold_out():
    """Days 0 to 39 end at the fifth sale as no ordinary day does, 40 to 139 never: the same doubtful day in either."""
    n, quiet = [5.0] * 40 + [10.0] * 100, [1e-6] * 40 + [1.0] * 100
    n[120], quiet[20], quiet[120] = 5.0, 0.5, 0.5
    chance, _ = chances(silent(n, quiet), None)
    assert chance[20] > 2 * chance[120]


def test_hazard_by_hand(monkeypatch):
    """Of 2,000 days half end at the fifth sale as no ordinary day does, half at the tenth like any other.

    2,000 fifth sales emptied 1,000 shelves; the hazard to begin with, 100 days of 15,000 sales, counts as 20 sales.
    """
    monkeypatch.setattr(hazard_module, "SPELL_DAYS", 1e12)
    monkeypatch.setattr(hazard_module, "ITEM_DAYS", 1e12)
    days = silent([5.0, 10.0] * 1000, [1e-12, 1.0] * 1000)
    chance, hazard = chances(days, None)
    assert chance[::2].min() > 0.99
    assert chance[1::2].max() < 0.05
    assert hazard[4] == pytest.approx((1000 + 20 * 100 / 15000) / 2020, rel=1e-3)
