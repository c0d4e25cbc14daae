"""The menu model in Pyomo: sets, parameters and the table of contents of its rules (see `constraints.py`)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from replenish.optimise import constraints as rule
from replenish.optimise.menu import Menu, RuleColumn
from replenish.settings import RuleSettings


@dataclass(frozen=True)
class Problem:
    """What the optimiser decides on: the menu, the rules, items the planner wants listed, rules switched off."""

    menu: Menu
    rules: RuleSettings
    must_list: tuple[str, ...] = ()
    relaxed: frozenset[str] = field(default_factory=frozenset)

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
        }
        return limit[name] is not None and name not in self.relaxed


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
    return out


def build_model(problem: Problem, offers: pd.DataFrame, relaxed: bool = False) -> pyo.ConcreteModel:
    """The Pyomo model over `offers` (rows of the menu, index = row numbers); `relaxed` makes x continuous."""
    model = pyo.ConcreteModel("menu")
    _add_sets(model, problem, offers)
    _add_parameters(model, problem, offers)
    model.x = pyo.Var(model.OFFERS, domain=pyo.NonNegativeReals if relaxed else pyo.Binary, bounds=(0, 1))
    # With hard cover the shortfall is not there to be bought.
    model.short = pyo.Var(model.CATEGORIES, bounds=(0, 0) if problem.rules.hard_cover else (0, None))
    model.objective = pyo.Objective(rule=rule.total_value, sense=pyo.maximize)
    model.offers_per_item = pyo.Constraint(model.ITEMS, rule=rule.offers_per_item)
    _add_rules(model, problem)
    return model


def _add_sets(model: Any, problem: Problem, offers: pd.DataFrame) -> None:
    model.OFFERS = pyo.Set(initialize=[int(m) for m in offers.index], ordered=True)
    model.ITEMS = pyo.Set(initialize=sorted(offers["item_code"].unique()), ordered=True)
    model.CATEGORIES = pyo.Set(initialize=sorted(problem.menu.category_value), ordered=True)
    by_item = offers.groupby("item_code").groups
    by_category = offers.groupby("category").groups
    model.offers_of_item = {i: [int(m) for m in by_item[i]] for i in model.ITEMS}
    model.offers_of_category = {g: [int(m) for m in by_category.get(g, [])] for g in model.CATEGORIES}


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
    model.change_limit = rules.max_price_changes
    model.must = [i for i in problem.must_list if i in model.offers_of_item]


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
