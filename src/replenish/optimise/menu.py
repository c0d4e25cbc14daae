"""The menu: every sensible offer (item, shelf price, order) with what it is worth over all scenarios.

For offer m of item i (price p, order q), means over the scenarios, w_i = p⁰·E[D(p⁰)]:

- value π = E[profit − goodwill·gone − worth elsewhere·served] (see `_demand`); spend b = q·E[c]
- cover v = p⁰·min(E[min(u, D)], E[D(p⁰)]): full price only, at the reference price
- price index coefficient w_i·(p/p⁰ − 1); where the index is held against other prices, those stand for p⁰

Orders are whole multiples from the minimum display to the first that reaches the 99 % quantile of full-price demand;
where there are many, those around the newsvendor's order and a grid of the others.
The value of a category is Σ p⁰·E[D(p⁰)] over its candidates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.compiled import compiled
from replenish.optimise.expected import Demand, Expected, expected_outcomes
from replenish.optimise.outcome import ItemTerms, day_outcome
from replenish.pricing.ladder import Ladder
from replenish.records import Override, Scenarios
from replenish.settings import RuleSettings

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
Known = tuple[float, float]  # shelf price [money/unit] and order [unit] of an offer
FIRST_RUNG = np.zeros(1, dtype=np.int64)  # the number of the only price
MAX_ORDERS = 80
ROUNDING = 1e-12  # so much worse in a row counts as no worse
SAME = 5e-7  # of two prices [money/unit] or orders [unit]
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
    candidates: Sequence[Candidate], scenarios: Scenarios, rules: RuleSettings, overrides: Sequence[Override] = (),
    known: Mapping[str, Known] = MappingProxyType({}),
) -> Menu:  # fmt: skip
    """All sensible offers of the candidates, the planner's locks applied, and the value of each category's demand.

    `known`: by item_code, an offer (price, order) that the menu is to have too if its order is one that is sensible,
    also where there are so many of these that not all are looked at.
    """
    locks: dict[str, list[Override]] = {}
    for lock in overrides:
        locks.setdefault(lock.item_code, []).append(lock)
    parts: list[Columns] = []
    left_out, value = {}, dict[str, float]()
    for candidate in candidates:
        k = scenarios.item_codes.index(candidate.item_code)
        worth = candidate.terms.reference_price * float(scenarios.demand[:, k].mean())
        value[candidate.category] = value.get(candidate.category, 0.0) + worth
        offers, reason = _item_offers(
            candidate, scenarios, k, rules, locks.get(candidate.item_code, []), known.get(candidate.item_code)
        )
        if reason:
            left_out[candidate.item_code] = reason
        else:
            parts.append(offers)
    by_scenario = [p.pop(BY_SCENARIO) for p in parts] if rules.risk_weight > 0 else []
    return Menu(_table(parts), value, left_out, np.concatenate(by_scenario) if by_scenario else None)


def item_menu(
    candidate: Candidate, scenarios: Scenarios, rules: RuleSettings, locks: Sequence[Override] = ()
) -> Columns:
    """The columns of `Menu.offers` of one item by itself, locks on it applied; of no length when it has no offers."""
    k = scenarios.item_codes.index(candidate.item_code)
    mine = [lock for lock in locks if lock.item_code == candidate.item_code]
    offers, reason = _item_offers(candidate, scenarios, k, rules, mine)
    return {name: np.empty(0) if reason else offers[name] for name in _COLUMNS}


def _table(parts: Sequence[Columns]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame(columns=_COLUMNS)
    return pd.DataFrame({name: np.concatenate([p[name] for p in parts]) for name in _COLUMNS})


Columns = dict[str, NDArray[Any]]  # the offers of one item, by column
BY_SCENARIO = "by_scenario"
_COLUMNS = [
    "item_code", "category", "price", "order_quantity", "value", "profit", "demand", "sales", "clearance", "waste",
    "carried_on", "sell_out", "spend", "cover_value", "index_coefficient", "index_weight", "price_changed",
    "shelf_space", "supplier",
]  # fmt: skip


def _item_offers(
    c: Candidate, scenarios: Scenarios, k: int, rules: RuleSettings, locks: Sequence[Override],
    known: Known | None = None,
) -> tuple[Columns, str]:  # fmt: skip
    """The columns of the item's offers, or the reason why it has none."""
    by_kind: dict[str, Override] = {lock.kind: lock for lock in locks}
    if "never_list" in by_kind:
        return {}, "kept off the shelf by the planner"
    if "order" in by_kind and not by_kind["order"].value and c.terms.carried_over <= 0:
        return {}, "the planner orders none"
    if not np.isfinite(scenarios.cost[:, k]).all():
        return {}, "no valid wholesale price"
    prices = _locked_prices(c, by_kind)
    if not prices:
        return {}, c.ladder.flag or "no admissible price"
    offers = _offers(c, scenarios, k, np.array(prices, dtype=float), rules, by_kind, known)
    return offers, "" if len(offers["price"]) else "no order fits the planner's bounds"


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
    first = max(math.ceil(low / c.order_multiple - 1e-9), 1)
    last = max(first, math.ceil(largest / c.order_multiple - 1e-9))
    orders = np.arange(first, last + 1.0) * c.order_multiple
    return orders[orders <= high + 1e-9]


def thinned(grids: Sequence[Array], worth: Callable[[Array, Whole], Array], also: Array) -> list[Array]:
    """All orders of grids of up to 80; of longer ones an even grid and, finer and finer, every order around the best,
    and the order `also` (by grid; NaN: none) where it is one of them.

    `worth`: expected objective by order and number of its grid. It rises to the newsvendor's order and falls after it,
    so that the best of all lies within a step of the best on the grid. Grids are refined together, as what takes long
    is not how many orders are valued but how often.
    """
    spans = {k: (0, len(grid) - 1) for k, grid in enumerate(grids) if len(grid) > MAX_ORDERS}
    kept = {k: set(np.flatnonzero(np.abs(grids[k] - also[k]) < SAME).tolist()) for k in spans}
    while spans:
        tried = {k: _even(*span) for k, span in spans.items()}
        owner = np.repeat(list(tried), [len(at) for at in tried.values()])
        values = worth(np.concatenate([grids[k][at] for k, at in tried.items()]), owner)
        edges = np.cumsum([len(at) for at in tried.values()])[:-1]
        for (k, at), of_grid in zip(tried.items(), np.split(values, edges), strict=True):
            kept[k] |= set(at.tolist())
            low, high = spans.pop(k)
            if len(at) <= high - low:
                best = int(of_grid.argmax())
                spans[k] = int(at[max(best - 1, 0)]), int(at[min(best + 1, len(at) - 1)])
    return [grid[sorted(kept[k])] if k in kept else grid for k, grid in enumerate(grids)]


def _even(low: int, high: int) -> Whole:
    """At most 40 whole numbers from `low` to `high`, both included, as evenly as they go."""
    steps = min(GRID, high - low + 1) - 1
    return low + np.arange(steps + 1) * (high - low) // steps


def best_order(c: Candidate, scenarios: Scenarios, price: float, rules: RuleSettings) -> float:
    """The newsvendor's order at one shelf price: most expected profit less goodwill, without locks [unit]."""
    offers = _offers(c, scenarios, scenarios.item_codes.index(c.item_code), np.array([price]), rules, {})
    return float(offers["order_quantity"][offers["value"].argmax()])


def _offers(
    c: Candidate, scenarios: Scenarios, k: int, prices: Array, rules: RuleSettings, locks: Mapping[str, Override],
    known: Known | None = None,
) -> Columns:  # fmt: skip
    """Offers of one item at these shelf prices; expectations over the scenarios, all orders at once."""
    demand, unit_cost = _demand(c, scenarios, k, prices), float(scenarios.cost[:, k].mean())
    rung, orders = _order_grids(c, demand, unit_cost, rules, locks, known)
    found = expected_outcomes(orders, rung, demand, unit_cost, c.terms)
    base, out = float(scenarios.demand[:, k].mean()), found.outcome
    index_price = c.terms.reference_price if c.index_price is None else c.index_price
    usual = base if c.index_price is None else _usual_demand(c, scenarios, k, c.index_price)
    price_tag = c.terms.reference_price if c.price_tag is None else c.price_tag
    columns: Columns = {
        "price": prices[rung], "order_quantity": orders, "value": found.value, "profit": out.profit,
        "demand": demand.total.mean(axis=1)[rung], "sales": out.sales, "clearance": out.clearance, "waste": out.waste,
        "carried_on": out.carried_on, "sell_out": found.sold_out, "spend": orders * unit_cost,
        "cover_value": _cover_value(c, found, base), "index_coefficient": (usual * (prices - index_price))[rung],
        "price_changed": (np.abs(prices - price_tag) > 1e-9).astype(float)[rung],
    }  # fmt: skip
    of_item = {
        "item_code": c.item_code, "category": c.category, "index_weight": usual * index_price,
        "shelf_space": c.shelf_space, "supplier": c.supplier,
    }  # fmt: skip
    columns |= {name: np.full(len(orders), v, dtype=_kind(v)) for name, v in of_item.items()}
    if rules.risk_weight > 0:
        columns[BY_SCENARIO] = _value_by_scenario(c, scenarios, k, orders, rung, demand)
    return columns


def _demand(c: Candidate, scenarios: Scenarios, k: int, prices: Array) -> Demand:
    """Demand at these prices.

    What the objective takes off: goodwill for demand that goes home without; and, of what is served, what other items
    would have earned with the same shoppers, so that a category is stocked as one and its items do not each buy for the
    same shopper.
    """
    ratio, none = prices / c.terms.reference_price, np.zeros(scenarios.n)
    found, worth = scenarios.found_elsewhere, scenarios.worth_elsewhere
    missed = c.terms.goodwill * (1 - (none if found is None else found[:, k]))
    met = none if worth is None else worth[:, k].copy()
    factor, own = scenarios.price_factor(k, ratio), scenarios.demand[:, k]
    total = (own if scenarios.transfers is None else own + scenarios.transfers[:, k]) * factor
    return Demand(prices, total, own * factor if scenarios.settled else total, missed, met)


def _usual_demand(c: Candidate, scenarios: Scenarios, k: int, price: float) -> float:
    """Mean demand at the price the index is held against: its basket is what is bought at those prices [unit]."""
    return float(scenarios.first_choice_at(k, price / c.terms.reference_price).mean())


def _order_grids(
    c: Candidate, demand: Demand, unit_cost: float, rules: RuleSettings, locks: Mapping[str, Override],
    known: Known | None,
) -> tuple[Whole, Array]:  # fmt: skip
    """The orders considered at every price, one after the other, and the number of the price of each."""
    most = _quantile(demand.total, rules.max_fill_quantile)
    largest = np.maximum(most - c.terms.carried_over, 0.0) / (1 - c.terms.loss_rate)

    def worth(some: Array, rung: Whole) -> Array:
        return expected_outcomes(some, rung, demand, unit_cost, c.terms).value

    price, order = known or (np.nan, np.nan)
    also = np.where(np.abs(demand.price - price) < SAME, order, np.nan)
    grids = thinned([order_grid(c, reach, locks) for reach in largest.tolist()], worth, also)
    return np.repeat(np.arange(len(grids)), [len(grid) for grid in grids]), np.concatenate(grids)


def _quantile(rows: Array, q: float) -> Array:
    """The q quantile of every row, as `np.quantile` has it, which takes ten times as long on rows this short."""
    rising, place = np.sort(rows, axis=1), q * (rows.shape[1] - 1)
    low, high = rising[:, math.floor(place)], rising[:, math.ceil(place)]
    return np.asarray(low + (place % 1) * (high - low))


def _cover_value(c: Candidate, found: Expected, base: float) -> Array:
    """Cover counts min(u, D), what is served at full price: clearance buyers who would have paid it are included."""
    served = found.outcome.sales + c.terms.cannibalisation * found.outcome.clearance
    return np.asarray(c.terms.reference_price * np.minimum(served, base))


def line_value(c: Candidate, scenarios: Scenarios, price: float, order: float) -> tuple[float, float]:
    """Expected objective of one offer without what it takes from others, and its cover value [money]."""
    k = scenarios.item_codes.index(c.item_code)
    demand = _demand(c, scenarios, k, np.array([price]))
    alone = replace(demand, met=np.zeros(scenarios.n))
    found = expected_outcomes(np.array([order]), FIRST_RUNG, alone, float(scenarios.cost[:, k].mean()), c.terms)
    return float(found.value[0]), float(_cover_value(c, found, float(scenarios.demand[:, k].mean()))[0])


def _value_by_scenario(c: Candidate, scenarios: Scenarios, k: int, orders: Array, rung: Whole, demand: Demand) -> Array:
    """Value of every offer in every scenario [money] (offers × scenarios)."""
    price, cost = demand.price[rung][:, None], scenarios.cost[:, k][None, :]
    out = day_outcome(orders[:, None], demand.total[rung], price, cost, c.terms)
    usable, first = (1 - c.terms.loss_rate) * orders + c.terms.carried_over, demand.first[rung]
    served = np.minimum(first, usable[:, None])
    return np.asarray(out.profit - demand.missed * (first - served) - demand.met * served)


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


@compiled
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


@compiled
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
