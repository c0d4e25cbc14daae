"""Windows of offers: a path is worth the sum of its windows, and the best path is found exactly."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from replenish.optimise.ageing import aged_path
from replenish.optimise.menu import Candidate, build_menu
from replenish.optimise.windows import Option, Windows, best_path, day_options, item_windows
from replenish.records import Scenarios
from tests.optimise.worlds import candidate, rules, scenarios

DAYS = 4


def _item(life: int) -> Candidate:
    item = candidate(
        "apple", rungs=(1.8, 2.0, 2.4), loss_rate=0.05, clearance_share=0.3, discount=0.4, cannibalisation=0.4,
        disposal_cost=0.1, goodwill=0.5, carry_value=0.7, keeps=True, carried_over=1.5,
    )  # fmt: skip
    return replace(item, shelf_life_days=life)


def _draws(seed: int) -> list[Scenarios]:
    rng = np.random.default_rng(seed)
    return [scenarios({"apple": rng.gamma(3, 2, 60).tolist()}, {"apple": 1.0}) for _ in range(DAYS)]


def _windows(life: int, seed: int = 0) -> tuple[Windows, Candidate, list[Scenarios]]:
    item, draws = _item(life), _draws(seed)
    offers = [build_menu([item], d, rules()).offers.iloc[::4] for d in draws]
    options: list[tuple[Option, ...]] = [day_options(o, item, False)[:6] for o in offers]
    return item_windows([item] * DAYS, draws, options), item, draws


@pytest.mark.parametrize("life", [2, 3, 4])
def test_a_path_is_worth_the_sum_of_its_windows(life: int) -> None:
    windows, item, draws = _windows(life)
    rng = np.random.default_rng(life)
    for _ in range(20):
        path = [int(rng.integers(len(o))) for o in windows.options]
        days = [o[k].decision for o, k in zip(windows.options, path, strict=True)]
        demand = [
            d.demand_at(0, p.price / 2.0) if p.listed else np.zeros(d.n) for d, p in zip(draws, days, strict=True)
        ]
        outs = aged_path(days, demand, [d.cost[:, 0] for d in draws], [item.terms] * DAYS, life)
        listed = [p.listed for p in days]
        worth = sum((o.profit - 0.5 * o.lost).mean() for o, on in zip(outs, listed, strict=True) if on)
        assert windows.path_value(path) == pytest.approx(worth, abs=1e-9)
        for t, o in enumerate(outs):
            served = float((o.sales + 0.4 * o.clearance).mean())
            base = float(draws[t].demand.mean())
            assert windows.cover[t][windows.window(path, t)] == pytest.approx(2.0 * min(served, base), abs=1e-9)


@pytest.mark.parametrize("life", [2, 3])
def test_best_path_beats_all_others(life: int) -> None:
    windows, _, _ = _windows(life, seed=5)
    rng = np.random.default_rng(life)
    for _ in range(5):
        node = [rng.normal(0, 3, len(o)) for o in windows.options]
        rewards = [v + n for v, n in zip(windows.value, node, strict=True)]
        path, worth = best_path(rewards)
        values = [
            sum(rewards[t][windows.window(p, t)] for t in range(DAYS))
            for p in product(*(range(len(o)) for o in windows.options))
        ]
        assert worth == pytest.approx(max(values))
        assert sum(rewards[t][windows.window(path, t)] for t in range(DAYS)) == pytest.approx(worth)


def test_long_lives_still_have_choices_and_all_prices_at_the_ends() -> None:
    item = _item(3)
    offers = build_menu([item], _draws(1)[0], rules()).offers
    options = day_options(offers, item, False)
    assert len(options) <= 20
    assert {1.8, 2.4} <= {o.decision.price for o in options}
    assert not options[0].decision.listed
    assert all(o.decision.listed for o in day_options(offers, item, True))
    assert [o.decision.listed for o in day_options(offers.iloc[:0], item, True)] == [False]


def test_short_weeks_have_windows_reaching_before_the_first_day() -> None:
    item, draws = _item(4), _draws(2)[:2]
    offers = [build_menu([item], d, rules()).offers.iloc[::5] for d in draws]
    options = [day_options(o, item, False)[:5] for o in offers]
    windows = item_windows([item] * 2, draws, options)
    path, worth = best_path(windows.value)
    everything = product(range(len(options[0])), range(len(options[1])))
    assert worth == pytest.approx(max(windows.path_value(p) for p in everything))
    assert len(path) == 2
