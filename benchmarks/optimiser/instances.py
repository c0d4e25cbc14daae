"""Seeded shops of any size: candidates with dense ladders, joint scenarios, all rules on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from replenish.optimise.menu import Candidate, Menu, build_menu
from replenish.optimise.model import Problem
from replenish.optimise.outcome import ItemTerms
from replenish.pricing.ladder import Ladder
from replenish.records import Override, Scenarios
from replenish.settings import RuleSettings

CATEGORIES = 6
RATIOS = np.array([0.88, 0.92, 0.96, 1.0, 1.04, 1.08, 1.12])
BUDGET_SHARE = 0.9  # of what the best plan without a budget spends


@dataclass(frozen=True)
class Instance:
    """A shop: candidates, what drives its scenarios, its rules."""

    seed: int
    candidates: tuple[Candidate, ...]
    demand: np.ndarray
    cost: np.ndarray
    elasticity: np.ndarray
    spread: np.ndarray
    rules: RuleSettings


def shop(seed: int, items: int = 60, rungs: int = 7, keeping: int = 0) -> Instance:
    """`items` candidates in six categories; the first `keeping` keep two days, every sixth of them three."""
    rng = np.random.default_rng([seed, items])
    demand = rng.lognormal(np.log(14), 0.7, items)
    price = np.round(rng.uniform(3, 16, items), 1)
    loss, elasticity = rng.uniform(0.02, 0.12, items), -rng.uniform(0.4, 1.2, items)
    cost = price * (1 - loss) / rng.uniform(1.3, 1.8, items)
    ratios = RATIOS[np.unique(np.linspace(0, len(RATIOS) - 1, rungs).round().astype(int))]
    candidates = []
    for k in range(items):
        life = 1 if k >= keeping else 3 if k % 6 == 5 else 2
        ladder = tuple(np.unique(np.round(price[k] * ratios, 1)))
        terms = ItemTerms(
            float(price[k]), float(loss[k]), 0.08, 0.3, 0.4, 0.0, 0.25 * float(price[k]), 0.0, life > 1,
            0.8 * float(cost[k]) * (life > 1),
        )  # fmt: skip
        own = Ladder(f"i{k:03d}", ladder, (ladder[0], ladder[-1]), 0.0)
        candidates.append(Candidate(own.item_code, f"g{k % CATEGORIES}", "kg", terms, own, 0.5, 2.5, 1.0, life))
    share = items / 60
    rules = RuleSettings(n_min=round(27 * share), n_max=round(33 * share))
    return Instance(seed, tuple(candidates), demand, cost, elasticity, rng.uniform(0.2, 0.5, items), rules)


def draw(instance: Instance, n: int, stream: int) -> Scenarios:
    """`n` joint scenarios; another `stream` gives unseen days and draws of the same shop.

    Stratified in every factor, as the product draws its own (`optimise.scenarios`).
    """
    rng = np.random.default_rng([instance.seed, stream, n])
    items = len(instance.candidates)

    def normal(columns: int) -> np.ndarray:
        strata = rng.permuted(np.tile(np.arange(n)[:, None], (1, columns)), axis=0)
        return ndtri((strata + rng.random((n, columns))) / n)

    category = np.arange(items) % CATEGORIES
    common = 0.15 * normal(1) + 0.15 * normal(CATEGORIES)[:, category]
    noise = common + instance.spread * normal(items)
    sd = np.sqrt(0.15**2 + 0.15**2 + instance.spread**2)
    demand = instance.demand * np.exp(noise - sd**2 / 2)
    elasticity = np.minimum(instance.elasticity + 0.15 * normal(items), -0.05)
    cost = instance.cost * np.exp(0.08 * normal(items) - 0.0032)
    days = np.datetime64("2024-01-01") + np.arange(n)
    codes = tuple(c.item_code for c in instance.candidates)
    return Scenarios(codes, demand, elasticity, instance.elasticity, cost, days)


def with_budget(instance: Instance, spent: float) -> Instance:
    """The shop with a budget below what its best plan without one spends."""
    return replace(instance, rules=instance.rules.model_copy(update={"budget": round(BUDGET_SHARE * spent, 2)}))


def problem(instance: Instance, scenarios: Scenarios, locks: Sequence[Override] = (), **rules: object) -> Problem:
    """What the optimiser decides on under these locks; `rules` are changed rules."""
    chosen = instance.rules.model_copy(update=rules)
    menu: Menu = build_menu(instance.candidates, scenarios, chosen, locks)
    return Problem(menu, chosen)
