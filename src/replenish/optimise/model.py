"""The menu model in Pyomo: sets, parameters and the table of contents of its rules (see `constraints.py`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo
from numpy.typing import NDArray
from pyomo.common.gc_manager import PauseGC

from replenish.optimise import constraints as rule
from replenish.optimise.menu import Menu, RuleColumn
from replenish.settings import RuleSettings

Array = NDArray[np.float64]
# The rules with a limit that can be set, and the setting of `RuleSettings` it stands in.
LIMIT_SETTING = {
    "shelf_count_min": "n_min",
    "shelf_count_max": "n_max",
    "category_cover": "cover",
    "price_index": "price_index_cap",
    "budget": "budget",
    "shelf_space": "shelf_space",
    "price_changes": "max_price_changes",
    "supplier_minimum": "min_supplier_order",
}


@dataclass(frozen=True)
class Problem:
    """What the optimiser decides on: the menu, the rules, items the planner wants listed, rules switched off.

    `offset`: a constant of the objective [money], the same for every plan; gaps are relative to the objective with it.
    """

    menu: Menu
    rules: RuleSettings
    must_list: tuple[str, ...] = ()
    relaxed: frozenset[str] = field(default_factory=frozenset)
    offset: float = 0.0

    def active(self, name: str) -> bool:
        """Whether the rule of that name (a function of `constraints.py`) is in force."""
        limit = {
            "shelf_count_min": self.rules.n_min or None,
            "shelf_count_max": self.rules.n_max,
            "price_index": self.rules.price_index_cap,
            "budget": self.rules.budget,
            "shelf_space": self.rules.shelf_space,
            "price_changes": self.rules.max_price_changes,
            "category_cover": self.rules.cover or None,
            "must_list": self.must_list or None,
            "supplier_minimum": self.rules.min_supplier_order,
        }
        return limit[name] is not None and name not in self.relaxed

    @property
    def risk_weight(self) -> float:
        """λ, the weight of the worst scenarios in the objective."""
        return self.rules.risk_weight if self.menu.by_scenario is not None else 0.0


def over_rows(problem: Problem, kept: NDArray[np.bool_]) -> Problem:
    """The problem over some rows of its menu."""
    menu = problem.menu
    by_scenario = None if menu.by_scenario is None else menu.by_scenario[kept]
    return replace(problem, menu=replace(menu, offers=menu.offers[kept], by_scenario=by_scenario))


def rule_columns(problem: Problem) -> list[RuleColumn]:
    """How offers enter the active rows, oriented so that smaller is better (for dominance)."""
    offers, rules = problem.menu.offers, problem.rules

    def column(name: str) -> Any:
        return offers[name].to_numpy(dtype=float)

    out = []
    if problem.active("category_cover"):
        out.append(RuleColumn(-column("cover_value"), np.inf if rules.hard_cover else rules.cover_penalty))
    if problem.active("price_index"):
        rise = column("index_coefficient") - float(rules.price_index_cap or 0.0) * column("index_weight")
        out.append(RuleColumn(rise, np.inf))
    for name, source in (("budget", "spend"), ("shelf_space", "shelf_space"), ("price_changes", "price_changed")):
        if problem.active(name):
            out.append(RuleColumn(column(source), np.inf))
    if problem.active("supplier_minimum"):
        out.append(RuleColumn(np.where(offers["supplier"] == "", 0.0, -column("spend")), np.inf))
    return out


def worst_scenarios(values: Array, level: float) -> Array:
    """Weights of the scenarios in CVaR_α: 1/((1−α)n) on those with the least value, together 1 (shape: scenarios)."""
    cap = 1.0 / ((1.0 - level) * len(values))
    weights = np.zeros(len(values))
    order = np.argsort(values, kind="stable")
    weights[order] = np.clip(1.0 - cap * np.arange(len(values)), 0.0, min(cap, 1.0))
    return weights


def scenario_values(problem: Problem, chosen: Sequence[int]) -> Array:
    """Value of the chosen offers together in every scenario [money]."""
    menu = problem.menu
    if menu.by_scenario is None:
        raise ValueError("The menu was built without values by scenario.")
    rows = menu.offers.index.get_indexer(pd.Index(list(chosen)))
    return np.asarray(menu.by_scenario[rows].sum(axis=0))


def tail_coefficients(problem: Problem, offers: pd.DataFrame, weights: Array) -> Array:
    """Σ_s q_s z_ms of the offers (rows of the menu), in their order [money]."""
    by_scenario = problem.menu.by_scenario
    if by_scenario is None:
        raise ValueError("The menu was built without values by scenario.")
    rows = problem.menu.offers.index.get_indexer(offers.index)
    return np.asarray(by_scenario[rows] @ weights)


def build_model(
    problem: Problem, offers: pd.DataFrame, relaxed: bool = False, tails: Sequence[Array] = ()
) -> pyo.ConcreteModel:
    """The Pyomo model over `offers` (rows of the menu, index = row numbers); `relaxed` makes x continuous.

    `tails`: weights of scenarios for `tail_value`, used when risk counts; that of all scenarios is always among them.
    """
    with PauseGC():  # collecting while a menu's many small objects are made takes as long as making them
        return _built(problem, offers, relaxed, tails)


def _built(problem: Problem, offers: pd.DataFrame, relaxed: bool, tails: Sequence[Array]) -> pyo.ConcreteModel:
    model = pyo.ConcreteModel("menu")
    _add_sets(model, problem, offers)
    _add_parameters(model, problem, offers)
    model.x = pyo.Var(model.OFFERS, domain=pyo.NonNegativeReals if relaxed else pyo.Binary, bounds=(0, 1))
    model.offer_variable = dict(model.x.items())
    # With hard cover the shortfall is not there to be bought.
    model.short = pyo.Var(model.CATEGORIES, bounds=(0, 0) if problem.rules.hard_cover else (0, None))
    if problem.risk_weight:
        _add_tails(model, problem, offers, tails)
    model.objective = pyo.Objective(rule=rule.total_value, sense=pyo.maximize)
    model.offers_per_item = pyo.Constraint(model.ITEMS, rule=rule.offers_per_item)
    _add_rules(model, problem)
    if problem.active("supplier_minimum"):
        _add_suppliers(model, offers, relaxed)
    return model


def _add_sets(model: Any, problem: Problem, offers: pd.DataFrame) -> None:
    model.OFFERS = pyo.Set(initialize=offers.index.tolist(), ordered=True)
    by_item, by_category = _by(offers, "item_code"), _by(offers, "category")
    model.ITEMS = pyo.Set(initialize=sorted(by_item), ordered=True)
    model.CATEGORIES = pyo.Set(initialize=sorted(problem.menu.category_value), ordered=True)
    model.offers_of_item = by_item
    model.offers_of_category = {g: by_category.get(g, []) for g in model.CATEGORIES}


def _by(offers: pd.DataFrame, column: str) -> dict[str, list[int]]:
    """Offers by what they have in the column."""
    out: dict[str, list[int]] = {}
    for m, value in zip(offers.index.tolist(), offers[column].tolist(), strict=True):
        out.setdefault(value, []).append(m)
    return out


def _add_parameters(model: Any, problem: Problem, offers: pd.DataFrame) -> None:
    rules = problem.rules
    columns = ("value", "cover_value", "index_coefficient", "index_weight", "spend", "price_changed")
    for name in columns:
        setattr(model, name, _by_offer(offers, name))
    model.space = _by_offer(offers, "shelf_space")
    model.required_cover = {g: rules.cover * v for g, v in problem.menu.category_value.items()}
    model.cover_penalty, model.index_cap = rules.cover_penalty, rules.price_index_cap
    model.n_min, model.n_max = rules.n_min, rules.n_max
    model.budget_limit, model.space_limit = rules.budget, rules.shelf_space
    model.change_limit, model.supplier_limit = rules.max_price_changes, rules.min_supplier_order
    model.risk_weight = problem.risk_weight
    model.must = [i for i in problem.must_list if i in model.offers_of_item]


def _add_tails(model: Any, problem: Problem, offers: pd.DataFrame, tails: Sequence[Array]) -> None:
    n = problem.menu.by_scenario.shape[1] if problem.menu.by_scenario is not None else 1
    every = [np.full(n, 1.0 / n), *tails]
    index = offers.index.tolist()
    coefficients = (tail_coefficients(problem, offers, weights).tolist() for weights in every)
    model.tail_coefficient = [dict(zip(index, some, strict=True)) for some in coefficients]
    model.tail = pyo.Var(domain=pyo.Reals)
    model.tail_value = pyo.Constraint(range(len(every)), rule=rule.tail_value)


def _add_suppliers(model: Any, offers: pd.DataFrame, relaxed: bool) -> None:
    supplied = offers[offers["supplier"] != ""]
    model.supplier_of_item = dict(zip(supplied["item_code"], supplied["supplier"], strict=True))
    model.offers_of_supplier = dict(sorted(_by(supplied, "supplier").items()))
    domain = pyo.NonNegativeReals if relaxed else pyo.Binary
    model.used = pyo.Var(list(model.offers_of_supplier), domain=domain, bounds=(0, 1))
    model.supplier_minimum = pyo.Constraint(list(model.offers_of_supplier), rule=rule.supplier_minimum)
    model.supplier_used = pyo.Constraint(sorted(model.supplier_of_item), rule=rule.supplier_used)


def _by_offer(offers: pd.DataFrame, column: str) -> dict[int, float]:
    return dict(zip(offers.index.tolist(), offers[column].to_numpy(dtype=float).tolist(), strict=True))


def _add_rules(model: Any, problem: Problem) -> None:
    # A row without offers says nothing about prices; cover must hold (or its shortfall be named) even there.
    stocked = [g for g in model.CATEGORIES if model.offers_of_category[g]]
    single: Collection[str] = ("shelf_count_min", "shelf_count_max", "budget", "shelf_space", "price_changes")
    for name in single:
        if problem.active(name):
            setattr(model, name, pyo.Constraint(rule=getattr(rule, name)))
    if problem.active("category_cover"):
        model.category_cover = pyo.Constraint(model.CATEGORIES, rule=rule.category_cover)
    if problem.active("price_index"):
        model.price_index = pyo.Constraint(stocked, rule=rule.price_index)
    if problem.active("must_list") and model.must:
        model.must_list = pyo.Constraint(model.must, rule=rule.must_list)
