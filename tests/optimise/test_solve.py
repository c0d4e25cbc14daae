"""The solver's answers: by hand on the shelf of apple and peppers, against brute force, and when there is none."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from replenish.errors import SolverError
from replenish.optimise import decompose, knapsack, search as search_module
from replenish.optimise.decompose import _groups, _rows, lagrangian, tighten
from replenish.optimise.knapsack import best_choice
from replenish.optimise.linear import LinearAnswer, LinearModel, linear_form, solve_linear
from replenish.optimise.menu import Menu, build_menu, undominated
from replenish.optimise.model import Problem, build_model, rule_columns
from replenish.optimise.search import Search
from replenish.optimise.solve import solve_menu
from replenish.records import Override
from replenish.settings import SolverSettings
from tests.optimise.worlds import EXACT, candidate, chosen_lines, menu_of, problem, rules, scenarios

# ---------------------------------------------------------------- by hand


def test_one_place_goes_to_the_apple() -> None:
    # Dear apples earn 8 · 2.5 − 8 = 12 against 10 at the old price; dear red peppers sell 4.8: 4.8 · 2.5 − 5 = 7.
    shelf = problem(n_max=1)
    answer = solve_menu(shelf, EXACT)
    assert chosen_lines(shelf, answer) == {"apple": (2.5, 8.0)}
    assert answer.objective == pytest.approx(12.0)
    assert (answer.status, answer.gap, answer.solver) == ("optimal", 0.0, "HiGHS")
    assert answer.bound == pytest.approx(12.0)


def test_price_index_keeps_the_old_price() -> None:
    shelf = problem(n_max=1, price_index_cap=0.0)
    assert chosen_lines(shelf, solve_menu(shelf, EXACT)) == {"apple": (2.0, 10.0)}


def test_price_index_has_as_much_room_as_its_cap() -> None:
    # Green at 1.6 sells 5 and earns 8 − 5 = 3 instead of 4; red at 2.5 earns 4.8 · 2.5 − 5 = 7 instead of 6, but raises
    # the index by 3, of which cheap green gives back only 1.6. A cap of 15 % of 20 lets red rise alone: 7 + 4 = 11.
    items = [candidate("red", "pepper", (2.0, 2.5)), candidate("green", "pepper", (1.6, 2.0))]
    tight, loose = problem(items=items, price_index_cap=0.0), problem(items=items, price_index_cap=0.15)
    assert chosen_lines(tight, solve_menu(tight, EXACT)) == {"red": (2.0, 6.0), "green": (2.0, 4.0)}
    answer = solve_menu(loose, EXACT)
    assert chosen_lines(loose, answer) == {"red": (2.5, 5.0), "green": (2.0, 4.0)}
    assert answer.objective == pytest.approx(11.0)


def test_soft_cover_is_priced_and_its_shortfall_named() -> None:
    # One place, cover 0.75: the apple leaves peppers 15 short, red leaves fruit 15 and peppers 15 − 12 = 3 short.
    # γ = 0.1: apple at its old price serves 20: 10 − 1.5 = 8.5; at 2.5 it serves 16 ≥ 15: 12 − 1.5 = 10.5.
    shelf = problem(n_max=1, cover=0.75, cover_penalty=0.1)
    answer = solve_menu(shelf, EXACT)
    assert chosen_lines(shelf, answer) == {"apple": (2.5, 8.0)}
    assert answer.objective == pytest.approx(10.5)
    assert answer.shortfall == pytest.approx({"fruit": 0.0, "pepper": 15.0})


def test_hard_cover_lists_what_loses_money() -> None:
    items = [candidate("apple"), candidate("red", "pepper", multiple=20.0)]
    # Twenty red peppers for six buyers: 12 − 20 = −8. Soft at γ = 0.5 the 9 short cost 4.5, so better without.
    soft, hard = problem(items=items, cover=0.75), problem(items=items, cover=0.75, hard_cover=True)
    assert set(chosen_lines(soft, solve_menu(soft, EXACT))) == {"apple"}
    answer = solve_menu(hard, EXACT)
    assert chosen_lines(hard, answer) == {"apple": (2.0, 10.0), "red": (2.0, 20.0)}
    assert answer.objective == pytest.approx(10 - 8)
    assert sum(answer.shortfall.values()) == 0


def test_budget_space_and_price_changes_bind() -> None:
    # Three units of money buy three apples at 2.5 (3 · 1.5 = 4.5).
    assert solve_menu(problem(budget=3.0), EXACT).objective == pytest.approx(4.5)
    wide = [candidate("apple", rungs=(2.0, 2.5), space=2.0), candidate("red", "pepper", (2.0, 2.5), space=1.0)]
    p = problem(items=wide, shelf_space=1.9)
    assert set(chosen_lines(p, solve_menu(p, EXACT))) == {"red"}
    # One new price tag: apple gains 2 from it, red 1 at most.
    p = problem(max_price_changes=1)
    assert {c: price for c, (price, _) in chosen_lines(p, solve_menu(p, EXACT)).items()} == {
        "apple": 2.5, "red": 2.0, "green": 2.0,
    }  # fmt: skip


def test_locks_are_kept() -> None:
    locks = [
        Override("apple", "price", 2.2), Override("red", "order", 1.5), Override("green", "must_list"),
        Override("green", "min_order", 7), Override("apple", "max_order", 4),
    ]  # fmt: skip
    p = problem(locks)
    lines = chosen_lines(p, solve_menu(p, EXACT))
    assert lines["apple"] == (2.2, 4.0)
    assert lines["red"][1] == 1.5
    assert lines["green"] == (1.6, 7.0) or lines["green"][1] == 7.0
    p = problem([Override("apple", "never_list")])
    assert "apple" not in chosen_lines(p, solve_menu(p, EXACT))


# ---------------------------------------------------------------- against brute force


def _random_problem(seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    offers: list[dict[str, Any]] = []
    value: dict[str, float] = {}
    for i in range(int(rng.integers(2, 5))):
        category, weight = f"g{rng.integers(2)}", float(rng.uniform(2, 20))
        value[category] = value.get(category, 0.0) + weight
        for _ in range(int(rng.integers(1, 7))):
            ratio = float(rng.choice([0.9, 1.0, 1.1, 1.2]))
            offers.append({
                "item_code": f"i{i}", "category": category, "value": float(np.round(rng.normal(3, 4), 2)),
                "cover_value": weight * float(rng.choice([0.3, 0.6, 0.9, 1.0])), "spend": float(rng.uniform(1, 10)),
                "index_coefficient": weight * (ratio - 1), "index_weight": weight, "shelf_space": float(1 + i % 2),
                "price_changed": float(ratio != 1.0),
            })  # fmt: skip
    on = rng.random(7) < 0.5
    n_max = int(rng.integers(1, 4)) if on[0] else None
    chosen = rules(
        n_max=n_max, n_min=int(rng.integers(0, (n_max or 2) + 1)) if on[1] else 0,
        price_index_cap=float(rng.choice([0.0, 0.05])) if on[2] else None,
        cover=0.6 if on[3] else 0.0, cover_penalty=float(rng.choice([0.2, 0.5, 1.5])), hard_cover=bool(on[3] and on[4]),
        budget=float(rng.uniform(5, 25)) if on[5] else None, shelf_space=3.0 if on[6] else None,
        max_price_changes=1 if rng.random() < 0.3 else None,
    )  # fmt: skip
    must = ("i0",) if rng.random() < 0.2 else ()
    return Problem(menu_of(offers, value), chosen, must)


def _brute_force(problem: Problem) -> float | None:
    """Best objective over every choice of at most one offer per item, the rules written out; none when none holds."""
    offers, rules_ = problem.menu.offers, problem.rules
    by_item = [[None, *rows] for rows in offers.groupby("item_code").indices.values()]
    best: float | None = None
    for choice in product(*by_item):
        rows = offers.iloc[[c for c in choice if c is not None]]
        value = _value(rows, problem.menu, rules_)
        if value is not None and set(problem.must_list) <= set(rows["item_code"]):
            best = value if best is None else max(best, value)
    return best


def _value(rows: pd.DataFrame, menu: Menu, r: Any) -> float | None:
    eps = 1e-9
    limits = (
        (len(rows), r.n_max), (rows["spend"].sum(), r.budget), (rows["shelf_space"].sum(), r.shelf_space),
        (rows["price_changed"].sum(), r.max_price_changes),
    )  # fmt: skip
    if len(rows) < r.n_min or any(limit is not None and total > limit + eps for total, limit in limits):
        return None
    penalty = 0.0
    for category, worth in menu.category_value.items():
        mine = rows[rows["category"] == category]
        cap = r.price_index_cap
        if cap is not None and (mine["index_coefficient"] - cap * mine["index_weight"]).sum() > eps:
            return None
        short = max(0.0, r.cover * worth - mine["cover_value"].sum())
        if r.hard_cover and short > eps:
            return None
        penalty += r.cover_penalty * short
    return float(rows["value"].sum()) - penalty


def test_dominance_never_drops_the_optimum() -> None:
    dropped = 0
    for seed in range(200, 230):
        p = _random_problem(seed)
        fewer = undominated(p.menu, rule_columns(p))
        dropped += len(p.menu.offers) - len(fewer)
        assert set(fewer["item_code"]) == set(p.menu.offers["item_code"])
        thin = Problem(Menu(fewer.reset_index(drop=True), p.menu.category_value, {}), p.rules, p.must_list)
        best, kept = _brute_force(p), _brute_force(thin)
        assert (best is None and kept is None) or kept == pytest.approx(best, abs=1e-9)
    assert dropped > 30


def _large_problem(seed: int) -> Problem:
    """Nine items with forty offers each, of which few are in the first plan's menu; every kind of row active."""
    rng = np.random.default_rng(seed)
    offers, value = [], {}
    for i in range(9):
        category, weight = f"g{i % 3}", float(rng.uniform(5, 50))
        value[category] = value.get(category, 0.0) + weight
        for ratio, share in product(np.linspace(0.9, 1.15, 5), np.linspace(0.3, 1.0, 8)):
            earned = weight * share * (0.4 + 0.5 * (ratio - 1)) - 9 * share**2 - 4 + rng.normal(0, 0.3)
            offers.append({
                "item_code": f"i{i}", "category": category, "value": float(earned), "cover_value": weight * share,
                "spend": weight * share * 0.6, "index_coefficient": weight * (ratio - 1), "index_weight": weight,
                "price_changed": float(ratio != 1.0),
            })  # fmt: skip
    total = sum(value.values())
    chosen = rules(n_min=3, n_max=6, cover=0.6, cover_penalty=0.5, price_index_cap=0.0, budget=0.35 * total)
    return Problem(menu_of(offers, value), chosen)


@pytest.mark.parametrize("seed", [1, 2])
def test_bound_of_a_loose_gap_holds_against_the_exact_answer(seed: int) -> None:
    p = _large_problem(seed)
    loose = solve_menu(p, SolverSettings(gap=0.02, threads=1))
    exact = solve_menu(p, SolverSettings(gap=1e-6, threads=1))
    assert loose.objective <= exact.objective + 1e-6 <= loose.bound + 2e-6
    assert loose.gap <= 0.02
    assert exact.gap <= 1e-6
    # Without dominance, first plan and dropping: one plain solve of the whole menu.
    plain = solve_linear(linear_form(build_model(p, p.menu.offers)), 1, 60.0, 1e-6)
    assert plain.objective == pytest.approx(exact.objective, rel=3e-6)


def test_time_limit_says_so_and_keeps_a_valid_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    p = _large_problem(3)
    exact = solve_menu(p, SolverSettings(gap=1e-6, threads=1))
    monkeypatch.setattr(Search, "by_category", lambda _: None)  # only the relaxation and the first plan were in time
    monkeypatch.setattr(Search, "late", property(lambda search: search.best is not None))
    cut = solve_menu(p, SolverSettings(gap=0.0, threads=1))
    assert cut.status == "time limit"
    assert cut.gap > 0
    assert cut.objective <= exact.objective + 1e-6
    assert cut.bound >= exact.objective - 1e-6


def test_by_category_the_bound_is_tighter_than_the_relaxation_and_holds() -> None:
    tighter = 0
    for seed in range(10, 13):
        p = _large_problem(seed)
        search = Search(p, p.menu.offers, SolverSettings(gap=0.0, threads=1))
        relaxed = search.relax().bound
        search.first_plan()
        search.by_category()
        exact = solve_linear(linear_form(build_model(p, p.menu.offers)), 1, 60.0, 1e-9)
        assert search.bound >= exact.objective - 1e-6
        assert search.bound <= relaxed + 1e-9
        assert search.best is not None
        assert search.best.objective <= exact.objective + 1e-6
        tighter += search.bound < relaxed - 1e-6
    assert tighter >= 2


def test_a_plan_to_start_from_is_never_worsened() -> None:
    p = _large_problem(4)
    exact = solve_menu(p, SolverSettings(gap=1e-6, threads=1))
    again = solve_menu(p, SolverSettings(gap=0.5, threads=1), exact.chosen)
    assert again.objective >= exact.objective - 1e-6
    impossible = tuple(p.menu.offers.index[:3])  # three offers of one item
    assert solve_menu(p, SolverSettings(gap=1e-6, threads=1), impossible).objective == pytest.approx(exact.objective)


# ---------------------------------------------------------------- what the solver says


def test_greedy_plan_when_the_solver_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    p = _large_problem(5)
    exact = solve_menu(p, SolverSettings(gap=1e-6, threads=1))
    real = search_module.solve_linear

    def only_relaxations(model: LinearModel, *args: Any, **more: Any) -> LinearAnswer:
        if model.whole.any():
            raise SolverError("HiGHS stopped with status “Unknown”.")
        return real(model, *args, **more)

    monkeypatch.setattr(search_module, "solve_linear", only_relaxations)
    greedy = solve_menu(p, SolverSettings(gap=1e-6, threads=1))
    assert (greedy.status, greedy.solver) == ("greedy", "greedy by the relaxation's prices")
    assert _value(p.menu.offers.loc[list(greedy.chosen)], p.menu, p.rules) == pytest.approx(greedy.objective)
    assert greedy.objective <= exact.objective + 1e-6 <= greedy.bound + 2e-6
    assert greedy.gap == pytest.approx((greedy.bound - greedy.objective) / abs(greedy.objective))


def test_no_plan_in_time_and_no_greedy_one_is_a_solver_error(monkeypatch: pytest.MonkeyPatch) -> None:
    none = np.empty(0)
    late = LinearAnswer("time limit", np.nan, np.nan, none, none, none, 60.0)
    monkeypatch.setattr(search_module, "solve_linear", lambda *_, **__: late)
    # Two places for three items that must all be shown.
    p = problem([Override(c, "must_list") for c in ("apple", "red", "green")], n_max=2)
    with pytest.raises(SolverError, match=r"no plan within 60 s.*time_limit_s"):
        solve_menu(p, EXACT)


def test_another_number_of_threads_in_the_same_process_changes_nothing() -> None:
    # HiGHS keeps the thread pool of its first call; with another number it would end without a status.
    p = _random_problem(11)
    answers = [solve_menu(p, SolverSettings(gap=1e-6, threads=threads)) for threads in (1, 2, 1)]
    assert {a.status for a in answers} == {"optimal"}
    assert answers[1].objective == pytest.approx(answers[0].objective, rel=1e-6)
    assert answers[2].objective == pytest.approx(answers[0].objective, rel=1e-6)


def test_an_item_nobody_wants_and_a_multiple_beyond_all_demand() -> None:
    # Apple sells nothing; red sells 6 at 2.0 but comes in fifties. A unit costs 1.0.
    items = [candidate("apple"), candidate("red", "pepper", multiple=50.0)]
    draws = scenarios({"apple": [0.0, 0.0], "red": [6.0, 6.0]}, {"apple": 1.0, "red": 1.0})
    some = rules(cover=0.75, cover_penalty=0.5)
    free = solve_menu(Problem(build_menu(items, draws, some), some), EXACT)
    # Neither pays, so nothing is listed: 0.75 of red's demand, worth 9, is short at 0.5 a unit of money.
    assert free.chosen == ()
    assert free.objective == pytest.approx(-4.5)
    must = ("apple", "red")
    menu = build_menu(items, draws, some, [Override(code, "must_list") for code in must])
    both = solve_menu(Problem(menu, some, must), EXACT)
    assert menu.offers.loc[list(both.chosen), "order_quantity"].tolist() == [1.0, 50.0]
    assert both.objective == pytest.approx(-1.0 + 12.0 - 50.0)


def test_prices_between_categories_reach_the_best_ones_from_afar() -> None:
    """With prices of zero to begin with, the box around them grows until the bound is that of the right prices."""
    rng = np.random.default_rng(5)
    items = [candidate(f"i{k}", f"g{k % 3}", (2.0, 2.2, 2.4), multiple=2.0) for k in range(12)]
    draws = scenarios({c.item_code: rng.gamma(6, 1.5, 20).tolist() for c in items}, {c.item_code: 1.0 for c in items})
    some = rules(n_max=6, price_index_cap=0.02)
    menu = build_menu(items, draws, some)
    search = Search(Problem(menu, some), menu.offers, EXACT)
    relaxed, structure = search.relax(), search._structure()
    plain, _, _ = lagrangian(structure, np.zeros(len(structure.linking)), relaxed.duals, 1e-6, 1)
    right = min(s.value for s in tighten(structure, relaxed.duals, relaxed.objective, None, 1, 12))
    from_afar = min(s.value for s in tighten(structure, 0 * relaxed.duals, plain, None, 1, 12))
    rounding = 1e-12 * right  # both may end at the same prices: sums then differ in the last digit
    assert right - rounding <= from_afar <= right * 1.002 < plain


def test_a_category_with_too_many_labels_is_solved_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """With hardly any labels kept, bounds and plans of the categories are those of all labels."""
    rng = np.random.default_rng(2)
    rungs = [tuple(np.round(2 + np.sort(rng.normal(0, 0.25, 5)), 2)) for _ in range(16)]
    items = [candidate(f"i{k}", f"g{k % 2}", some) for k, some in enumerate(rungs)]
    demand = {c.item_code: rng.gamma(6, 1.5, 20).tolist() for c in items}
    draws = scenarios(demand, {c.item_code: float(rng.uniform(0.8, 1.3)) for c in items})
    some = rules(price_index_cap=0.03, cover=0.8, cover_penalty=0.5)
    menu = build_menu(items, draws, some)
    search = Search(Problem(menu, some), menu.offers, EXACT)
    relaxed, structure = search.relax(), search._structure()
    model, money = structure.model, 1e-3
    asked = (structure, np.zeros(len(structure.linking)), relaxed.duals, 2 * money, 1)
    bound, plans, _ = lagrangian(*asked)
    monkeypatch.setattr(knapsack, "MOST_LABELS", 1)
    labels = [best_choice(_groups(b, model.gain), _rows(model, b, relaxed.duals), money) for b in structure.blocks]
    assert sum(choice.bound for choice in labels) > bound + 20 * money  # so few labels alone bound badly
    few, others, reach = lagrangian(*asked)
    assert few == pytest.approx(bound, abs=5 * money)
    for block, one, two in zip(structure.blocks, plans, others, strict=True):
        gain = model.gain[block.columns]
        assert gain @ two == pytest.approx(gain @ one, abs=3 * money)
    offers = np.concatenate([np.concatenate(block.items) for block in structure.blocks])
    assert (reach[offers] <= few + 1e-9).all()
    monkeypatch.setattr(decompose, "_by_solver", None)  # is not asked where the labels' bounds will do
    slack = sum(choice.bound for choice in labels) - sum(
        model.gain[b.columns] @ x for b, x in zip(structure.blocks, others, strict=True)
    )
    rough, _, _ = lagrangian(structure, np.zeros(len(structure.linking)), relaxed.duals, 10 * slack, 1)
    assert rough >= bound


def test_the_gap_counts_the_constant_of_the_objective() -> None:
    """A plan is optimal when it is close to the bound as shares of the whole objective, whatever the solver sees."""
    rng = np.random.default_rng(5)
    items = [candidate(f"i{k}", f"g{k % 3}", (2.0, 2.2, 2.4), multiple=2.0) for k in range(12)]
    draws = scenarios({c.item_code: rng.gamma(6, 1.5, 20).tolist() for c in items}, {c.item_code: 1.0 for c in items})
    some = rules(n_max=6, price_index_cap=0.02)
    problem = Problem(build_menu(items, draws, some), some)
    best = solve_menu(problem, EXACT).objective
    for offset in (-0.9 * best, -1.1 * best, 10 * best):
        answer = solve_menu(replace(problem, offset=offset), SolverSettings(threads=1, gap=0.01))
        assert answer.status == "optimal"
        assert answer.gap <= 0.01
        assert answer.objective >= best + offset - 0.0101 * abs(best + offset)
