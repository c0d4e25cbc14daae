"""The menu: every sensible offer (item, shelf price, order) with what it is worth over all scenarios.

For offer m of item i (price p, order q), means over the scenarios, w_i = p⁰·E[D(p⁰)]:

- value π = E[profit − goodwill·gone − worth elsewhere·served] (see `_forgone`); spend b = q·E[c]
- cover v = p⁰·min(E[min(u, D)], E[D(p⁰)]): full price only, at the reference price
- price index coefficient w_i·(p/p⁰ − 1); where the index is held against other prices, those stand for p⁰

Orders are whole multiples from the minimum display to the first that reaches the 99 % quantile of full-price demand;
where there are many, those around the newsvendor's order and a grid of the others.
The value of a category is Σ p⁰·E[D(p⁰)] over its candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from replenish.optimise.outcome import ItemTerms, Outcome, day_outcome, expected_outcome
from replenish.pricing.ladder import Ladder
from replenish.records import Override, Scenarios
from replenish.settings import RuleSettings

Array = NDArray[np.float64]
MAX_ORDERS = 80
ROUNDING = 1e-12  # so much worse in a row counts as no worse
GRID = 40  # orders of a grid that is too long to be kept whole, and of each refinement of it


@dataclass(frozen=True)
class Candidate:
    """One item that may be listed: its terms, ladder and order grid.

    `index_price`: what its price is held against in the price index; `price_tag`: yesterday's shelf price, another than
    which is a price change [money/unit]; None: the reference price.
    """

    item_code: str
    category: str
    unit: str
    terms: ItemTerms
    ladder: Ladder
    order_multiple: float
    min_display: float
    shelf_space: float = 0.0
    shelf_life_days: int = 1
    supplier: str = ""
    index_price: float | None = None
    price_tag: float | None = None


@dataclass(frozen=True)
class Menu:
    """`offers`: one row per offer, key (item_code, price, order_quantity), expectations over the scenarios.

    Columns: category, price, order_quantity, value (objective), profit (without goodwill), demand, sales, clearance,
    waste, carried_on, sell_out, spend, cover_value, index_coefficient (w·(p/p⁰ − 1)), index_weight, price_changed,
    shelf_space, supplier (empty: none named). `category_value`: demand value of each category's candidates [money].
    `left_out`: item → reason.
    `by_scenario`: value of every offer in every scenario (offers × scenarios), kept when risk counts in the objective.
    """

    offers: pd.DataFrame
    category_value: dict[str, float]
    left_out: dict[str, str]
    by_scenario: Array | None = None


def build_menu(
    candidates: Sequence[Candidate], scenarios: Scenarios, rules: RuleSettings, overrides: Sequence[Override] = ()
) -> Menu:
    """All sensible offers of the candidates, the planner's locks applied, and the value of each category's demand."""
    locks: dict[str, list[Override]] = {}
    for lock in overrides:
        locks.setdefault(lock.item_code, []).append(lock)
    parts: list[Columns] = []
    left_out, value = {}, dict[str, float]()
    for candidate in candidates:
        k = scenarios.item_codes.index(candidate.item_code)
        worth = candidate.terms.reference_price * float(scenarios.demand[:, k].mean())
        value[candidate.category] = value.get(candidate.category, 0.0) + worth
        offers, reason = _item_offers(candidate, scenarios, k, rules, locks.get(candidate.item_code, []))
        parts += offers
        if not offers:
            left_out[candidate.item_code] = reason
    by_scenario = [p.pop(BY_SCENARIO) for p in parts] if rules.risk_weight > 0 else []
    return Menu(_table(parts), value, left_out, np.concatenate(by_scenario) if by_scenario else None)


def item_menu(
    candidate: Candidate, scenarios: Scenarios, rules: RuleSettings, locks: Sequence[Override] = ()
) -> Columns:
    """The columns of `Menu.offers` of one item by itself, locks on it applied; of no length when it has no offers."""
    k = scenarios.item_codes.index(candidate.item_code)
    parts, _ = _item_offers(candidate, scenarios, k, rules, [o for o in locks if o.item_code == candidate.item_code])
    return {name: np.concatenate([p[name] for p in parts]) if parts else np.empty(0) for name in _COLUMNS}


def _table(parts: Sequence[Columns]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame(columns=_COLUMNS)
    return pd.DataFrame({name: np.concatenate([p[name] for p in parts]) for name in _COLUMNS})


Columns = dict[str, NDArray[Any]]  # the offers of one item at one price, by column
BY_SCENARIO = "by_scenario"
_COLUMNS = [
    "item_code", "category", "price", "order_quantity", "value", "profit", "demand", "sales", "clearance", "waste",
    "carried_on", "sell_out", "spend", "cover_value", "index_coefficient", "index_weight", "price_changed",
    "shelf_space", "supplier",
]  # fmt: skip


def _item_offers(
    c: Candidate, scenarios: Scenarios, k: int, rules: RuleSettings, locks: Sequence[Override]
) -> tuple[list[Columns], str]:
    by_kind: dict[str, Override] = {lock.kind: lock for lock in locks}
    if "never_list" in by_kind:
        return [], "kept off the shelf by the planner"
    if "order" in by_kind and not by_kind["order"].value and c.terms.carried_over <= 0:
        return [], "the planner orders none"
    if not np.isfinite(scenarios.cost[:, k]).all():
        return [], "no valid wholesale price"
    prices = _locked_prices(c, by_kind)
    if not prices:
        return [], c.ladder.flag or "no admissible price"
    rungs = (_rung_offers(c, scenarios, k, price, rules, by_kind) for price in prices)
    some = [columns for columns in rungs if len(columns["price"])]
    return some, "" if some else "no order fits the planner's bounds"


def _locked_prices(c: Candidate, locks: Mapping[str, Override]) -> tuple[float, ...]:
    lock = locks.get("price")
    return (float(lock.value),) if lock is not None and lock.value is not None else c.ladder.rungs


def order_grid(c: Candidate, largest: float, locks: Mapping[str, Override]) -> Array:
    """Orders considered: whole multiples from the minimum display to the first that reaches `largest`.

    A fixed order is taken as it is; bounds cut the grid (and widen it upwards when the planner asks for more).
    """
    fixed = locks.get("order")
    if fixed is not None and fixed.value is not None:
        return np.array([float(fixed.value)])
    low = max(c.min_display, float(locks["min_order"].value or 0.0) if "min_order" in locks else 0.0)
    high = float(locks["max_order"].value or 0.0) if "max_order" in locks else np.inf
    first = max(np.ceil(low / c.order_multiple - 1e-9), 1.0)
    last = max(first, np.ceil(largest / c.order_multiple - 1e-9))
    orders = np.arange(first, last + 0.5) * c.order_multiple
    return orders[orders <= high + 1e-9]


def thinned(orders: Array, worth: Callable[[Array], Array]) -> Array:
    """All of them up to 80; of more orders an even grid and, finer and finer, every order around the best.

    `worth`: expected objective by order. It rises to the newsvendor's order and falls after it, so that the best of all
    lies within a step of the best on the grid.
    """
    if len(orders) <= MAX_ORDERS:
        return orders
    low, high, kept = 0, len(orders) - 1, set[int]()
    while True:
        grid = np.unique(np.linspace(low, high, min(GRID, high - low + 1)).round().astype(int))
        kept |= set(grid.tolist())
        if len(grid) == high - low + 1:
            return orders[sorted(kept)]
        best = int(worth(orders[grid]).argmax())
        low, high = int(grid[max(best - 1, 0)]), int(grid[min(best + 1, len(grid) - 1)])


def best_order(c: Candidate, scenarios: Scenarios, price: float, rules: RuleSettings) -> float:
    """The newsvendor's order at one shelf price: most expected profit less goodwill, without locks [unit]."""
    offers = _rung_offers(c, scenarios, scenarios.item_codes.index(c.item_code), price, rules, {})
    return float(offers["order_quantity"][offers["value"].argmax()])


def _rung_offers(
    c: Candidate, scenarios: Scenarios, k: int, price: float, rules: RuleSettings, locks: Mapping[str, Override]
) -> Columns:
    """Offers of one item at one shelf price; expectations over the scenarios, all orders at once."""
    ratio = price / c.terms.reference_price
    demand = scenarios.demand_at(k, ratio)
    rising, unit_cost = np.sort(demand), float(scenarios.cost[:, k].mean())
    most = float(np.interp(rules.max_fill_quantile * (len(rising) - 1), np.arange(len(rising)), rising))

    def outcome(some: Array) -> tuple[Outcome, Array, Array]:
        """Expectations of some orders, their chance of selling out, and their expected objective."""
        out, sold_out = expected_outcome(some, rising, price, unit_cost, c.terms)
        forgone = _forgone(c, scenarios, k, ratio, some) if scenarios.settled else c.terms.goodwill * out.lost
        return out, sold_out, out.profit - forgone

    every = order_grid(c, max(most - c.terms.carried_over, 0.0) / (1 - c.terms.loss_rate), locks)
    orders = thinned(every, lambda some: outcome(some)[2])
    out, sold_out, value = outcome(orders)
    base = float(scenarios.demand[:, k].mean())
    # Cover counts min(u, D), what is served at full price: clearance buyers who would have paid it are included.
    served = out.sales + c.terms.cannibalisation * out.clearance
    index_price = c.terms.reference_price if c.index_price is None else c.index_price
    price_tag = c.terms.reference_price if c.price_tag is None else c.price_tag
    by_offer = {
        "order_quantity": orders, "value": value, "profit": out.profit,
        "sales": out.sales, "clearance": out.clearance, "waste": out.waste, "carried_on": out.carried_on,
        "sell_out": sold_out, "spend": orders * unit_cost,
        "cover_value": c.terms.reference_price * np.minimum(served, base),
    }  # fmt: skip
    by_rung = {
        "item_code": c.item_code, "category": c.category, "price": price, "demand": demand.mean(),
        "index_coefficient": base * (price - index_price), "index_weight": base * index_price,
        "price_changed": float(abs(price - price_tag) > 1e-9), "shelf_space": c.shelf_space, "supplier": c.supplier,
    }  # fmt: skip
    columns = by_offer | {name: np.full(len(orders), v, dtype=_kind(v)) for name, v in by_rung.items()}
    if rules.risk_weight > 0:
        columns[BY_SCENARIO] = _value_by_scenario(c, scenarios, k, orders, demand, price)
    return columns


def line_value(c: Candidate, scenarios: Scenarios, price: float, order: float) -> tuple[float, float]:
    """Expected objective of one offer without what it takes from others, and its cover value [money]."""
    k = scenarios.item_codes.index(c.item_code)
    ratio = price / c.terms.reference_price
    demand = scenarios.demand_at(k, ratio)
    out = day_outcome(np.array(order), demand, price, scenarios.cost[:, k], c.terms)
    first, missed, _ = _forgone_rates(c, scenarios, k, ratio)
    gone = np.maximum(first - _usable(c, np.array(order)), 0.0) if scenarios.settled else out.lost
    served = float((out.sales + c.terms.cannibalisation * out.clearance).mean())
    cover = c.terms.reference_price * min(served, float(scenarios.demand[:, k].mean()))
    return float((out.profit - missed * gone).mean()), cover


def _value_by_scenario(c: Candidate, scenarios: Scenarios, k: int, orders: Array, demand: Array, price: float) -> Array:
    """Value of every order in every scenario [money] (orders × scenarios)."""
    out = day_outcome(orders[:, None], demand[None, :], price, scenarios.cost[:, k][None, :], c.terms)
    if not scenarios.settled:
        return out.profit - c.terms.goodwill * out.lost
    first, missed, met = _forgone_rates(c, scenarios, k, price / c.terms.reference_price)
    served = np.minimum(first[None, :], _usable(c, orders)[:, None])
    return np.asarray(out.profit - missed * (first - served) - met * served)


def _forgone(c: Candidate, scenarios: Scenarios, k: int, ratio: float, orders: Array) -> Array:
    """What the objective takes off the expected profit for every order [money].

    Goodwill for demand that goes home without; and, of what is served, what other items would have earned with the same
    shoppers, so that a category is stocked as one and its items do not each buy for the same shopper.
    """
    first, missed, met = _forgone_rates(c, scenarios, k, ratio)
    return np.asarray((missed * first).mean() + capped_mean(first, met - missed, _usable(c, orders)))


def _forgone_rates(c: Candidate, scenarios: Scenarios, k: int, ratio: float) -> tuple[Array, Array, Array]:
    """First-choice demand [unit], and what each unit missed and each unit met takes off [money/unit], by scenario."""
    found, worth = scenarios.found_elsewhere, scenarios.worth_elsewhere
    none = np.zeros(scenarios.n)
    missed = c.terms.goodwill * (1 - (none if found is None else found[:, k]))
    return scenarios.first_choice_at(k, ratio), missed, none if worth is None else worth[:, k]


def _usable(c: Candidate, orders: Array) -> Array:
    return (1 - c.terms.loss_rate) * orders + c.terms.carried_over


def capped_mean(values: Array, weights: Array, limits: Array) -> Array:
    """Mean of weight·min(value, limit) for every limit; values and weights of equal length."""
    order = np.argsort(values)
    below = np.append(0.0, np.cumsum((values * weights)[order]))
    above = weights.sum() - np.append(0.0, np.cumsum(weights[order]))
    at = np.searchsorted(values[order], limits, side="right")
    return np.asarray((below[at] + limits * above[at]) / len(values))


def _kind(value: object) -> type:
    return object if isinstance(value, str) else float


@dataclass(frozen=True)
class RuleColumn:
    """How an offer enters one active row, oriented so that smaller is better; `penalty` per unit (inf: a hard row)."""

    values: Array
    penalty: float


def undominated(menu: Menu, columns: Sequence[RuleColumn], risk_weight: float = 0.0) -> pd.DataFrame:
    """The offers without those that another of the same item makes needless; index: row numbers of the menu.

    Offer a goes when some b of its item has value_b ≥ value_a + Σ_r penalty_r·max(0, b_r − a_r) over all active rows:
    exchanging a for b then never lowers the objective and never breaks a hard row. With weight λ on the worst scenarios
    the gain value_b − value_a is replaced by (1−λ)(value_b − value_a) + λ·min_s(z_bs − z_as), the least it can be.
    """
    offers = menu.offers
    item = pd.factorize(offers["item_code"])[0]
    rows, edges = np.argsort(item, kind="stable"), np.append(0, np.cumsum(np.bincount(item)))
    by_scenario = menu.by_scenario if risk_weight > 0 else None
    weight, draws = (0.0, np.empty((0, 0))) if by_scenario is None else (risk_weight, by_scenario)
    values = np.stack([c.values for c in columns]) if columns else np.empty((0, len(offers)))
    penalties = np.array([c.penalty for c in columns], dtype=float)
    value = offers["value"].to_numpy(dtype=float)
    return offers[_undominated_rows(rows, edges, value, values, penalties, weight, draws)]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _undominated_rows(
    rows: NDArray[np.int64], edges: NDArray[np.int64], value: Array, columns: Array, penalties: Array,
    risk_weight: float, by_scenario: Array,
) -> NDArray[np.bool_]:  # fmt: skip
    """Which offers no other of their item makes needless; `rows` lists them item by item, `edges` where items begin."""
    keep = np.ones(len(rows), dtype=np.bool_)
    for i in range(len(edges) - 1):
        mine = rows[edges[i] : edges[i + 1]]
        for a in mine:
            for b in mine:
                # Of two offers that replace each other the first stays.
                if (
                    a != b
                    and _replaces(b, a, value, columns, penalties, risk_weight, by_scenario)
                    and (b < a or not _replaces(a, b, value, columns, penalties, risk_weight, by_scenario))
                ):
                    keep[a] = False
                    break
    return keep


@njit(cache=True)  # type: ignore[untyped-decorator]
def _replaces(
    b: int, a: int, value: Array, columns: Array, penalties: Array, risk_weight: float, by_scenario: Array
) -> bool:
    """Whether offer b makes offer a needless: whether its gain is no less than what its rows cost."""
    gain, needed = value[b] - value[a], 0.0
    for r in range(len(penalties)):
        worse = columns[r, b] - columns[r, a]
        if worse > ROUNDING:
            if np.isinf(penalties[r]):
                return False
            needed += penalties[r] * worse
    if risk_weight == 0.0:
        return bool(gain >= needed)
    least = np.inf
    for s in range(by_scenario.shape[1]):
        least = min(least, by_scenario[b, s] - by_scenario[a, s])
        if (1 - risk_weight) * gain + risk_weight * least < needed:
            return False
    return True
