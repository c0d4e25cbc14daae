"""200 small random shops: the optimiser's answer equals that of trying every combination of offers."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from replenish.errors import InfeasiblePlanError
from replenish.optimise import search
from replenish.optimise.menu import build_menu
from replenish.optimise.model import Problem
from replenish.optimise.solve import solve_menu
from replenish.records import Override, Scenarios
from replenish.settings import RuleSettings
from tests.optimise.worlds import EXACT, candidate, rules

Array = NDArray[np.float64]
INSTANCES, BLOCKS = 200, 10
SCENARIOS = 20


def _draws(codes: tuple[str, ...], rng: np.random.Generator) -> Scenarios:
    n, k = SCENARIOS, len(codes)
    demand = rng.gamma(3, 2, (n, k)) * rng.gamma(8, 1 / 8, (n, 1))
    elasticity = -rng.uniform(0.3, 1.5, (n, k))
    days = np.datetime64("2023-06-01") + np.arange(n)
    return Scenarios(codes, demand, elasticity, elasticity.mean(0), rng.uniform(0.8, 1.2, (n, k)), days)


def _locks(codes: tuple[str, ...], rng: np.random.Generator) -> list[Override]:
    kinds: dict[str, float | None] = {"price": 2.1, "order": 4.0, "min_order": 5.0, "max_order": 6.0, "must_list": None}
    if rng.random() < 0.5:
        return []
    code, kind = str(rng.choice(codes)), str(rng.choice(list(kinds)))
    return [Override(code, kind, kinds[kind])]  # type: ignore[arg-type]


def _instance(seed: int) -> Problem:
    """At most six items with few offers each (some in packs, some with a supplier), every kind of rule now and then."""
    rng = np.random.default_rng(seed)
    codes = tuple(f"i{k}" for k in range(int(rng.integers(2, 7))))
    items = [
        replace(
            candidate(
                code, f"g{rng.integers(2)}", tuple(np.sort(rng.choice([1.7, 1.9, 2.0, 2.3], 2, replace=False))),
                unit=str(rng.choice(["kg", "pack"])), multiple=float(rng.choice([3.0, 4.0, 5.0])), goodwill=0.5,
                loss_rate=0.05, clearance_share=0.1, discount=0.4, cannibalisation=0.4,
                space=float(rng.integers(1, 3)),
            ),
            supplier=str(rng.choice(["", "north", "south"])),
        )
        for code in codes
    ]  # fmt: skip
    n_max = int(rng.integers(1, len(codes) + 1))
    on = rng.random(8) < 0.4
    chosen = rules(
        n_max=n_max if on[0] else None, n_min=int(rng.integers(0, n_max + 1)) if on[1] else 0,
        price_index_cap=float(rng.choice([0.0, 0.05])) if on[2] else None, cover=0.6 if on[3] else 0.0,
        hard_cover=bool(on[3] and rng.random() < 0.3), budget=float(rng.uniform(8, 30)) if on[4] else None,
        shelf_space=4.0 if on[5] else None, max_price_changes=1 if on[6] else None,
        min_supplier_order=8.0 if on[7] else None, risk_weight=0.4 * float(seed % 2), risk_level=0.8,
        max_fill_quantile=0.9,
    )  # fmt: skip
    locks = _locks(codes, rng)
    must = tuple(o.item_code for o in locks if o.kind == "must_list")
    return Problem(build_menu(items, _draws(codes, rng), chosen, locks), chosen, must)


def _tail_mean(values: Array, level: float) -> Array:
    """Mean of the worst share 1 − level of each column's scenarios, the last one in part."""
    worst, count = np.sort(values, axis=0), (1 - level) * len(values)
    whole = int(count + 1e-9)
    rest = count - whole
    part = rest * worst[whole] if rest > 1e-9 else 0.0
    return np.asarray((worst[:whole].sum(axis=0) + part) / count)


def _best_of_all(p: Problem) -> float | None:
    """The largest objective over all combinations of offers that keep every rule; written out from the definitions."""
    offers, r = p.menu.offers, p.rules
    by_item = [np.array([-1, *rows]) for rows in offers.groupby("item_code").indices.values()]
    combos = np.array(list(product(*by_item)))
    taken = np.zeros((len(combos), len(offers)))
    at, item = np.nonzero(combos >= 0)
    taken[at, combos[at, item]] = 1.0

    def total(column: Any) -> Array:
        return np.asarray(taken @ np.asarray(column, dtype=float))

    count = taken.sum(1)
    ok = (count >= r.n_min) & (count <= (np.inf if r.n_max is None else r.n_max))
    limits = ((r.budget, "spend"), (r.shelf_space, "shelf_space"), (r.max_price_changes, "price_changed"))
    for limit, column in limits:
        ok &= total(offers[column]) <= (np.inf if limit is None else limit) + 1e-9
    value = total(offers["value"])
    if r.risk_weight and p.menu.by_scenario is not None:
        value = (1 - r.risk_weight) * value
        value += r.risk_weight * _tail_mean((taken @ p.menu.by_scenario).T, r.risk_level)
    for category, worth in p.menu.category_value.items():
        mine = (offers["category"] == category).to_numpy()
        short = np.maximum(r.cover * worth - total(offers["cover_value"] * mine), 0.0)
        ok &= (short <= 1e-9) | (not r.hard_cover)
        value = value - (0.0 if r.hard_cover else r.cover_penalty) * short
        if r.price_index_cap is not None:
            rise = offers["index_coefficient"] - r.price_index_cap * offers["index_weight"]
            ok &= total(rise * mine) <= 1e-9
    if r.min_supplier_order is not None:
        for supplier in sorted(set(offers["supplier"]) - {""}):
            spent = total(offers["spend"] * (offers["supplier"] == supplier))
            ok &= (spent <= 1e-9) | (spent >= r.min_supplier_order - 1e-9)
    for code in p.must_list:
        ok &= total(offers["item_code"] == code) > 0
    return float(value[ok].max()) if ok.any() else None


@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_answer_is_the_best_of_all_combinations(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if block < 3:  # the categories apart, too, which so small a problem does not need
        monkeypatch.setattr(search, "SMALL", 0)
    solved, risky, refused = 0, 0, 0
    for seed in range(block, INSTANCES, BLOCKS):
        p = _instance(seed)
        best = _best_of_all(p)
        if best is None:
            refused += 1
            with pytest.raises(InfeasiblePlanError):
                solve_menu(p, EXACT)
            continue
        answer = solve_menu(p, EXACT)
        assert answer.objective == pytest.approx(best, abs=1e-6), seed
        assert answer.bound >= best - 1e-6, seed
        solved += 1
        risky += int(isinstance(p.rules, RuleSettings) and p.rules.risk_weight > 0)
    assert solved + refused == INSTANCES // BLOCKS
    assert solved >= 12


def test_instances_have_every_rule() -> None:
    chosen = [_instance(seed).rules for seed in range(INSTANCES)]
    for name in ("n_max", "price_index_cap", "budget", "shelf_space", "max_price_changes", "min_supplier_order"):
        assert sum(getattr(r, name) is not None for r in chosen) > 40, name
    assert sum(r.risk_weight > 0 for r in chosen) == INSTANCES // 2
    assert sum(bool(_instance(seed).must_list) for seed in range(40)) > 2
