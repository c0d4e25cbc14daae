"""A plan without whole-number optimisation, for when the solver fails: offers taken one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from replenish.optimise.search import Search

Array = NDArray[np.float64]
PASSES = 3  # a dear offer may fit only after a cheap one of its category has made room in the price index


def greedy_plan(search: Search) -> list[int] | None:
    """Rows of the menu of a plan that satisfies every rule, or none.

    Offers are tried in the order of their reduced gain in the relaxation (of their own gain without one) and taken when
    all upper limits still hold: first those the relaxation itself would take, then others while a lower limit is unmet.
    """
    model = search.model
    order = search.offers.index.to_numpy()
    place = search.place
    gain = model.gain[place] if search.relaxed is None else search.relaxed.reduced[place]
    wanted = gain >= -1e-9
    ranked = np.lexsort((-model.gain[place], -gain))
    taken: list[int] = []
    for only_wanted in (True, False):
        for _ in range(PASSES):
            for k in ranked:
                if (only_wanted and not wanted[k]) or int(order[k]) in taken:
                    continue
                if not only_wanted and search.feasible(taken):
                    return taken
                if _fits(search, [*taken, int(order[k])]):
                    taken.append(int(order[k]))
    return taken if search.feasible(taken) else None


def _fits(search: Search, chosen: list[int]) -> bool:
    """Whether all upper limits hold (lower limits may still be unmet)."""
    x = search.values(chosen)
    activity = search.model.matrix @ x
    return bool((activity <= search.model.high + 1e-9 * np.maximum(1.0, np.abs(activity))).all())
