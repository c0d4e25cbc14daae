"""Compiled functions work, and are kept on disk or not, whatever the disk allows."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core import caching

from replenish.compiled import compiled


def _sum_of_squares(values: np.ndarray) -> float:
    total = 0.0
    for value in values:
        total += value * value
    return total


def test_a_compiled_function_is_kept_for_the_next_process() -> None:
    made = compiled(_sum_of_squares)
    assert made(np.array([1.0, 2.0, 3.0])) == 14.0
    assert made.stats.cache_path  # type: ignore[attr-defined]


def test_without_a_place_for_the_cache_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    made = compiled(_sum_of_squares, fastmath=("reassoc",))
    assert made(np.array([1.0, 2.0, 3.0])) == 14.0
    assert not made.stats.cache_path  # type: ignore[attr-defined]
