"""How long one simulated day takes, without the policy: `python benchmarks/market.py`."""

from __future__ import annotations

import time

import numpy as np

from replenish.simulate.conditions import draw_conditions
from replenish.simulate.market import Market, Offers
from replenish.simulate.world import draw_world

DAYS = 60
LIMIT_MS = 50.0


def main() -> int:
    world = draw_world("reference-like", 2024)
    market = Market(world, draw_conditions(world, "2024-03-01", "2024-04-29", seed=1), seed=1)
    n = len(world.items)
    listed = np.arange(n) % 5 < 3
    for name, stock in (("plenty", 1000.0), ("scarce", 5.0)):
        offers = Offers(world.column("normal_price"), np.where(listed, stock, 0.0), np.zeros(n))
        times = []
        for day in range(DAYS):
            start = time.perf_counter()
            market.play_day(day, offers)
            times.append(1000 * (time.perf_counter() - start))
        print(f"{listed.sum()} items, {name}: median {np.median(times):.1f} ms, 95 % {np.quantile(times, 0.95):.1f} ms")
        if np.median(times) > LIMIT_MS:
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
