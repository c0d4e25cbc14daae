"""The rules of the shelf as constraints of the menu model: one function per rule, its formula in its docstring.

x_m ∈ {0, 1} says whether offer m of the menu is chosen; m ∈ i are the offers of item i, m ∈ g those of category g.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyomo.environ as pyo
from pyomo.core.expr import LinearExpression

Model = Any


def _total(model: Model, offers: Iterable[int], coefficient: Mapping[int, float] | None = None) -> Any:
    """Σ_m a_m x_m over the offers (a_m = 1 without coefficients), in one piece: term by term takes long on a menu."""
    some = list(offers)
    weights = [1.0] * len(some) if coefficient is None else [coefficient[m] for m in some]
    return LinearExpression(constant=0.0, linear_coefs=weights, linear_vars=[model.offer_variable[m] for m in some])


def offers_per_item(model: Model, item: str) -> Any:
    """Σ_{m∈i} x_m ≤ 1 for every item i: at most one price and order."""
    return _total(model, model.offers_of_item[item]) <= 1


def shelf_count_min(model: Model) -> Any:
    """Σ_m x_m ≥ n_min: the shelf must not look empty."""
    return _total(model, model.OFFERS) >= model.n_min


def shelf_count_max(model: Model) -> Any:
    """Σ_m x_m ≤ n_max: there are only so many places."""
    return _total(model, model.OFFERS) <= model.n_max


def category_cover(model: Model, category: str) -> Any:
    """Σ_{m∈g} v_m x_m + short_g ≥ α·value_g for every category g; the shortfall is named and priced (or must be 0)."""
    served = _total(model, model.offers_of_category[category], model.cover_value)
    return served + model.short[category] >= model.required_cover[category]


def price_index(model: Model, category: str) -> Any:
    """Σ_{m∈g} w_i (p_m/p⁰_i − 1 − κ) x_m ≤ 0 for every category g: its price index may rise by at most κ."""
    offers, cap = model.offers_of_category[category], model.index_cap
    rise = {m: model.index_coefficient[m] - cap * model.index_weight[m] for m in offers}
    return _total(model, offers, rise) <= 0


def budget(model: Model) -> Any:
    """Σ_m b_m x_m ≤ budget: what the order costs at expected wholesale prices."""
    return _total(model, model.OFFERS, model.spend) <= model.budget_limit


def shelf_space(model: Model) -> Any:
    """Σ_m space_m x_m ≤ space: shelf places taken."""
    return _total(model, model.OFFERS, model.space) <= model.space_limit


def price_changes(model: Model) -> Any:
    """Σ_m [p_m ≠ p⁰_i] x_m ≤ most: at most so many new price tags."""
    return _total(model, model.OFFERS, model.price_changed) <= model.change_limit


def supplier_minimum(model: Model, supplier: str) -> Any:
    """Σ_{m∈s} b_m x_m ≥ minimum·used_s for every supplier s: whoever delivers gets an order worth the trip."""
    spent = _total(model, model.offers_of_supplier[supplier], model.spend)
    return spent >= model.supplier_limit * model.used[supplier]


def supplier_used(model: Model, item: str) -> Any:
    """Σ_{m∈i} x_m ≤ used_s for every item i of a supplier s: nothing is ordered of a supplier who is not used."""
    return _total(model, model.offers_of_item[item]) <= model.used[model.supplier_of_item[item]]


def tail_value(model: Model, k: int) -> Any:
    """tail ≤ Σ_m (Σ_s q_ks z_ms) x_m for weights q_k of scenarios (0 ≤ q_ks ≤ 1/((1−α)n), Σ_s q_ks = 1).

    z_ms is the value of offer m in scenario s. CVaR_α of the shelf, the mean of its worst scenarios, is the least of
    these sums over all such weights; weights are added until none of them lies below `tail` (Künzi-Bay & Mayer 2006).
    """
    return model.tail <= _total(model, model.OFFERS, model.tail_coefficient[k])


def must_list(model: Model, item: str) -> Any:
    """Σ_{m∈i} x_m ≥ 1 for every item i the planner wants on the shelf."""
    return _total(model, model.offers_of_item[item]) >= 1


def total_value(model: Model) -> Any:
    """max (1−λ) Σ_m π_m x_m + λ·tail − γ Σ_g short_g: expected profit less goodwill, blended with its mean over the
    worst scenarios (`tail_value`), less the priced cover shortfall."""
    mean = _total(model, model.OFFERS, model.value)
    blended = (1 - model.risk_weight) * mean + model.risk_weight * model.tail if model.risk_weight else mean
    return blended - model.cover_penalty * pyo.quicksum(model.short[g] for g in model.CATEGORIES)
