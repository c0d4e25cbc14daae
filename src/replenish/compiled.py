"""Functions compiled by numba, kept on disk for the next process where there is a place to keep them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R], fastmath: Collection[str] = ()) -> Callable[P, R]:
    """The function compiled; `fastmath`: liberties with the order of sums that numba may take (LLVM's names).

    Where neither the package's folder nor the user's cache can be written, as in a read-only container, it is compiled
    anew in every process, which takes some seconds (`NUMBA_CACHE_DIR` names another place).
    """
    try:
        made = njit(function, cache=True, fastmath=set(fastmath))
    except RuntimeError:  # no place for the cache
        made = njit(function, fastmath=set(fastmath))
    return cast("Callable[P, R]", made)
