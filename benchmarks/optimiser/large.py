"""The shop of 300 items in a process of its own, so that its memory is its own: `python -m benchmarks.optimiser.large`."""

from __future__ import annotations

import json
import resource
from typing import Any

from benchmarks.optimiser.__main__ import processor, solved
from benchmarks.optimiser.instances import draw, shop, with_budget


def large() -> dict[str, Any]:
    """300 items, 7 rungs, 500 scenarios to 0.5 %, with the same rules in proportion."""
    plain = shop(1, 300)
    draws = draw(plain, 500, 0)
    free, best = solved(plain, draws, 0.005)
    instance = with_budget(plain, float(free.menu.offers.loc[list(best.chosen), "spend"].sum()))
    (_, s), seconds, cpu = processor(lambda: solved(instance, draws, 0.005))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"300 items: s": seconds, "300 items: processor s": cpu, "300 items: gap": s.gap, "peak memory, GB": memory}


if __name__ == "__main__":
    print(json.dumps(large()))
