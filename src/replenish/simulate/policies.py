"""The policies that are compared: the shop's practice and its kin, textbook rules on our forecast, and `replenish`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd

from replenish.optimise.candidates import build_candidates
from replenish.optimise.menu import Candidate, best_order as newsvendor_order, build_menu
from replenish.optimise.model import Problem
from replenish.optimise.scenarios import draw_scenarios
from replenish.optimise.solve import solve_menu
from replenish.optimise.stock import from_yesterday
from replenish.planning import (
    Groundwork,
    Prospect,
    build_history,
    fit_models,
    held_to,
    joint_residuals,
    lay_groundwork,
    look_ahead,
    refit_demand,
    solve_day,
    stock_at_close,
)
from replenish.records import DemandHistory, FittedModels, Override, Scenarios
from replenish.settings import Settings
from replenish.simulate.practice import Decision, Evening, ShopRule
from replenish.simulate.season import STOCK_VALUE, Planned, Practice, SeasonPolicy, View
from replenish.simulate.stage import Stage, play_day
from replenish.simulate.world import Array, World

REFIT_DAYS = 7
TUNING_DAYS = 56
SAFETIES = (0.7, 0.85, 1.0, 1.15, 1.3, 1.45, 1.6)
FULL_SHELF_SAFETY = 1.65  # sells out about as seldom as the reference shop (docs/simulated-shop.md)

# The index is measured at practice's demand, unknown in the evening. So a margin is kept, and it follows what the index
# of the last days came to.
INDEX_MARGIN = 0.003
INDEX_CATCH_UP = 0.15  # share of a day's excess that goes into the next day's margin
WIDEST_MARGIN = 0.05

# A lost sale costs more than by default (`rules.goodwill`), so that about as much is served as the shop is used to.
SEASON_SETTINGS = Settings().override(
    solver__gap=0.01, solver__threads=1, solver__time_limit_s=10.0, rules__min_display=1.0, rules__goodwill=0.55,
    forecast__candidate_days=60, scenarios__fresh=500, rules__price_index_cap=0.0,
)  # fmt: skip


# ---------------------------------------------------------------- the shop's practice and its kin


def practice(stage: Stage) -> SeasonPolicy:
    """The shop's own rule, as in its past."""
    return Practice(ShopRule(stage.world, stage.season.seed))


def with_safety(world: World, factor: float) -> World:
    """The world whose shop orders with its safety × `factor`."""
    return replace(world, items=world.items.assign(safety=world.items["safety"] * factor))


def full_practice(stage: Stage) -> SeasonPolicy:
    """The shop's rule with so much safety that it sells out as seldom as the reference shop."""
    factor = FULL_SHELF_SAFETY / stage.world.practice.safety
    return Practice(ShopRule(with_safety(stage.world, factor), stage.season.seed))


def tuned_practice(stage: Stage) -> SeasonPolicy:
    """The shop's rule with the safety that would have earned most in the eight weeks before the season.

    A favour to the shop: it could not have tried several safeties on the same days.
    """
    seed, usual = stage.season.seed, stage.world.practice.safety
    rules = [ShopRule(with_safety(stage.world, safety / usual), seed) for safety in SAFETIES]
    return Practice(max(rules, key=lambda rule: _profit_before(stage, rule)))


def _profit_before(stage: Stage, rule: ShopRule) -> float:
    """What the rule would have earned on the days before the season, the past up to them being as it was."""
    shop, conditions, total = deepcopy(stage.shop), stage.market.conditions, 0.0
    for day in range(stage.first - TUNING_DAYS, stage.first):
        played = play_day(stage.market, shop, day, rule(shop.evening(day)))
        if played is not None:
            sales = played.result.sales
            spent = float((played.decision.order * conditions.wholesale[day]).sum())
            total += float((sales["quantity"] * sales["unit_price"]).sum()) - spent
    return total


class Dearer:
    """The shop's rule with every price × `factor`; it goes by the prices it would have charged itself."""

    def __init__(self, rule: ShopRule, factor: float) -> None:
        self.rule, self.factor = rule, factor
        self.plain: Array | None = None

    def __call__(self, evening: Evening) -> Decision:
        """The rule's decision at other prices."""
        last = evening.last_price if self.plain is None else self.plain
        decided = self.rule(replace(evening, last_price=last))
        self.plain = np.where(np.isnan(decided.price), last, decided.price)
        return replace(decided, price=np.round(decided.price * self.factor, 2))


def dearer_practice(stage: Stage) -> SeasonPolicy:
    """The shop's rule with all prices five per cent higher."""
    return Practice(Dearer(ShopRule(stage.world, stage.season.seed), 1.05))


# ---------------------------------------------------------------- policies on our forecast


class Planner:
    """A policy that looks ahead with `replenish` every evening; models are fitted again every week.

    `recovery` off: sales stand for demand. `own_prices` off: the shop's cost-plus prices are locked.
    """

    def __init__(self, stage: Stage, settings: Settings = SEASON_SETTINGS) -> None:
        self.settings, self.codes, self.seed = settings, stage.item_codes, stage.season.seed
        self.costs_known, self.smallest = stage.season.costs_known, stage.world.practice.smallest_order
        self.models: FittedModels | None = None
        self.fitted = stage.fitted
        self.rule = ShopRule(stage.world, stage.season.seed)

    def __call__(self, view: View) -> Planned:
        """The decision for the day; what is left over of an item that is not ordered is sold off."""
        ahead = self.look_ahead(view)
        lines, promised, expected = self.decide(ahead, view)
        return Planned(self.decision(lines, view.evening), promised, expected)

    def look_ahead(self, view: View) -> Prospect:
        """History and forecasts of everything that can be bought tomorrow."""
        history = build_history(view.tables, view.as_of, self.settings)
        models = self.models = self.fresh_models(view, history)
        listed = self.listed(view.evening)
        settings = self.settings.override(
            shop__lead_time_days=(view.day - view.as_of).days
        )  # longer after a closed day
        ahead = look_ahead(view.tables, view.as_of, 1, settings, models, self.seed, must_list=listed, history=history)
        ahead = self.with_costs(ahead, view.evening) if self.costs_known else ahead
        return on_offer(ahead, set(listed))

    def fresh_models(self, view: View, history: DemandHistory) -> FittedModels:
        """Models at most a week old; the price response of the first evening is kept for the season."""
        if self.models is None:
            wanted = f"{self.settings.history} {self.settings.pricing} {self.settings.forecast}"
            if wanted not in self.fitted:
                self.fitted[wanted] = fit_models(
                    view.tables, view.as_of, self.settings, None, self.seed, history=history
                )
            return self.fitted[wanted]
        if (view.as_of - self.models.fitted_as_of).days < REFIT_DAYS:
            return self.models
        return refit_demand(view.tables, view.as_of, self.models, self.settings, self.seed, history=history)

    def with_costs(self, ahead: Prospect, evening: Evening) -> Prospect:
        """The prospect with tomorrow's wholesale prices as known."""
        price = pd.Series(evening.wholesale, index=self.codes)
        table = ahead.costs.table
        known = table.assign(unit_cost=table["item_code"].map(price), log_sd=1e-6)
        return replace(ahead, costs=replace(ahead.costs, table=known))

    def listed(self, evening: Evening) -> list[str]:
        """Items on tomorrow's list."""
        return [code for code, there in zip(self.codes, evening.on_market, strict=True) if there]

    def carried(self, ahead: Prospect, view: View) -> pd.DataFrame:
        """Stock kept (see `optimise.stock`); its age is told by the counts, else it is taken for yesterday's."""
        stock = pd.Series(view.evening.carried_over, index=self.codes)
        kept = from_yesterday(stock[stock > 0], ahead.history.items)
        counted = stock_at_close(view.tables, ahead)
        share = (counted["expiring"] / counted["on_hand"]).reindex(kept.index)
        return kept.assign(expiring=(share * kept["on_hand"]).fillna(kept["expiring"]))

    def decide(self, ahead: Prospect, view: View) -> tuple[dict[str, tuple[float, float]], float, float]:
        """item_code → (order, price), and the promised and expected profit of the day."""
        raise NotImplementedError

    def decision(self, lines: dict[str, tuple[float, float]], evening: Evening) -> Decision:
        """The lines as arrays; stock without a line is sold off at the last price, items never met are tried."""
        order, price = np.zeros(len(self.codes)), np.full(len(self.codes), np.nan)
        for k, code in enumerate(self.codes):
            if code in lines:
                order[k], price[k] = lines[code]
        rest = np.isnan(price) & (evening.carried_over > 0) & np.isfinite(evening.last_price)
        price = np.where(rest, evening.last_price, price)
        unknown = evening.on_market & np.isnan(evening.last_price)
        usual = self.rule(evening)
        return Decision(np.where(unknown, usual.order, order), np.where(unknown, usual.price, price))

    def stock_value(self, ahead: Prospect, evening: Evening) -> float:
        """Value of the stock carried over [money]: the promise counts what is kept, not what was there."""
        cost = ahead.costs.table.set_index("item_code")["unit_cost"]
        stock = pd.Series(evening.carried_over, index=self.codes)
        return float(STOCK_VALUE * (stock * cost.reindex(stock.index).fillna(0.0)).sum())


class IndexMargin:
    """How far below its cap the price index is planned, so that it keeps to it in what is sold."""

    def __init__(self) -> None:
        self.margin = INDEX_MARGIN
        self.asked: tuple[Array, Array, Array] | None = None

    def learn(self, sold: Array, cap: float) -> None:
        """Takes the last day's sales [unit]: the basket they would have been at the shop's own prices, at the prices
        asked and at its own, against 1 + cap."""
        if self.asked is None:
            return
        price, usual, elasticity = self.asked
        known = np.isfinite(price) & np.isfinite(usual) & (sold > 0)
        if known.any():
            basket = sold[known] * (usual[known] / price[known]) ** elasticity[known]
            index = float((basket * price[known]).sum() / (basket * usual[known]).sum())
            self.margin = float(np.clip(self.margin + INDEX_CATCH_UP * (index - 1 - cap), 0.0, WIDEST_MARGIN))


class Replenish(Planner):
    """The nightly plan of `replenish`; with `own_prices` off the shop's cost-plus prices are locked."""

    def __init__(self, stage: Stage, settings: Settings = SEASON_SETTINGS, own_prices: bool = True) -> None:
        super().__init__(stage, settings)
        self.own_prices = own_prices
        self.plain: Array | None = None
        self.index = IndexMargin()

    def decide(self, ahead: Prospect, view: View) -> tuple[dict[str, tuple[float, float]], float, float]:
        """The lines of the optimised plan."""
        usual = self.cost_plus(view.evening)
        prices = {c: float(p) for c, p in zip(self.codes, usual, strict=True) if np.isfinite(p)}
        locks = () if self.own_prices else self.price_locks(ahead, prices)
        settings, below = self.held(view.evening)
        ground = held_to(self.groundwork(ahead, view), prices, below)
        lines, promised, expected = self.planned(ground, settings, locks)
        asked = pd.Series({code: price for code, (_, price) in lines.items()}, dtype=float).reindex(self.codes)
        response = ahead.models.price_response.items.set_index("item_code")["elasticity"]
        self.index.asked = np.asarray(asked), usual, response.reindex(self.codes).fillna(0.0).to_numpy(dtype=float)
        before = self.stock_value(ahead, view.evening)
        return lines, promised - before, expected - before

    def planned(
        self, ground: Groundwork, settings: Settings, locks: Sequence[Override]
    ) -> tuple[dict[str, tuple[float, float]], float, float]:
        """item_code → (order, price) of the best plan, and its promised and expected profit with stock left over."""
        plan = solve_day(ground, settings, locks)
        lines = {line.candidate.item_code: (line.order_quantity, line.price) for line in plan.lines}
        return lines, plan.promised, plan.judged().expected()

    def held(self, evening: Evening) -> tuple[Settings, float]:
        """The settings with the index cap less its margin, and how far that is below the shop's own prices."""
        cap = self.settings.rules.price_index_cap
        if cap is None:
            return self.settings, 0.0
        self.index.learn(evening.sold[-1], cap)
        planned = cap - self.index.margin
        return self.settings.override(rules__price_index_cap=planned), max(-planned, 0.0)

    def groundwork(self, ahead: Prospect, view: View) -> Groundwork:
        """Candidates and scenarios of the day."""
        pool, carried = joint_residuals(ahead), self.carried(ahead, view)
        return lay_groundwork(ahead, pool, ahead.dates[0], carried, self.settings, self.seed)

    def cost_plus(self, evening: Evening) -> Array:
        """The price the shop would charge by its own rule, had it gone on charging it (per item)."""
        last = evening.last_price if self.plain is None else self.plain
        price = self.rule(replace(evening, last_price=last)).price
        self.plain = np.where(np.isnan(price), last, price)
        return price

    def price_locks(self, ahead: Prospect, usual: dict[str, float]) -> tuple[Override, ...]:
        """The shop's cost-plus prices as locks."""
        codes = [str(code) for code in ahead.forecast.table["item_code"]]
        return tuple(Override(c, "price", usual[c]) for c in codes if c in usual)


class PerItem(Planner):
    """Every item on tomorrow's list at the shop's cost-plus price, ordered by a rule of its own."""

    def __init__(
        self,
        stage: Stage,
        order: Callable[[Candidate, Scenarios, float], float],
        settings: Settings = SEASON_SETTINGS,
    ) -> None:
        super().__init__(stage, settings)
        self.order = order

    def decide(self, ahead: Prospect, view: View) -> tuple[dict[str, tuple[float, float]], float, float]:
        """One line for every candidate that is on the list and has a price."""
        day, there = ahead.dates[0], set(self.listed(view.evening))
        scenarios = scenarios_of(ahead, self.settings, self.seed)
        carried = self.carried(ahead, view)
        found, _ = build_candidates(ahead.history, ahead.forecast, ahead.costs, day, carried, self.settings)
        price = dict(zip(self.codes, self.rule(view.evening).price, strict=True))
        wanted = [c for c in found if c.item_code in there and np.isfinite(price[c.item_code])]
        lines = {c.item_code: (self.order(c, scenarios, price[c.item_code]), price[c.item_code]) for c in wanted}
        return lines, np.nan, np.nan


def on_offer(ahead: Prospect, listed: set[str]) -> Prospect:
    """The prospect without items that cannot be bought tomorrow: nobody can serve their demand."""
    table = ahead.forecast.table
    return replace(ahead, forecast=replace(ahead.forecast, table=table[table["item_code"].isin(listed)]))


def scenarios_of(ahead: Prospect, settings: Settings, seed: int) -> Scenarios:
    """The joint scenarios a plan of the first day ahead is made on."""
    draw = (ahead.forecast, ahead.costs, ahead.models.price_response, joint_residuals(ahead), ahead.dates[0])
    return draw_scenarios(*draw, settings.scenarios.count, "plan", seed)


def best_order(c: Candidate, scenarios: Scenarios, price: float) -> float:
    """The newsvendor's order: most expected profit less goodwill at that price [unit]."""
    return newsvendor_order(c, scenarios, price, SEASON_SETTINGS.rules)


def multiplier_order(c: Candidate, scenarios: Scenarios, price: float) -> float:
    """⌈(e^(−0.1ŷ) + 1.23)·ŷ⌉ of the mean demand ŷ, as published for the reference data; in whole multiples [unit]."""
    mean = float(scenarios.demand_at(scenarios.item_codes.index(c.item_code), price / c.terms.reference_price).mean())
    wanted = max(np.ceil((np.exp(-0.1 * mean) + 1.23) * mean) - c.terms.carried_over, 0.0)
    return float(np.ceil(wanted / c.order_multiple - 1e-9) * c.order_multiple)


class MeanDemand(Replenish):
    """The same optimisation with every uncertain number at its mean, on last week's shelf: a deterministic plan."""

    def groundwork(self, ahead: Prospect, view: View) -> Groundwork:
        """Candidates and scenarios of the day, demand staying with its item."""
        pool, carried = joint_residuals(ahead), self.carried(ahead, view)
        settings = self.settings.override(pricing__substitution=False)
        return lay_groundwork(ahead, pool, ahead.dates[0], carried, settings, self.seed)

    def planned(
        self, ground: Groundwork, settings: Settings, locks: Sequence[Override]
    ) -> tuple[dict[str, tuple[float, float]], float, float]:
        """The lines of the plan made on one scenario, and what it promises."""
        menu = build_menu(ground.candidates, ground.scenarios.at_mean(), settings.rules, locks)
        solution = solve_menu(Problem(menu, settings.rules), settings.solver)
        chosen = menu.offers.loc[list(solution.chosen)]
        decided = zip(chosen["order_quantity"], chosen["price"], strict=True)
        return dict(zip(chosen["item_code"], decided, strict=True)), float(chosen["profit"].sum()), np.nan


# ---------------------------------------------------------------- names


def _replenish(own_prices: bool = True, **changes: object) -> Callable[[Stage], SeasonPolicy]:
    def build(stage: Stage) -> SeasonPolicy:
        return Replenish(stage, SEASON_SETTINGS.override(**changes), own_prices)

    return build


POLICIES: dict[str, Callable[[Stage], SeasonPolicy]] = {
    "practice": practice,
    "practice-tuned": tuned_practice,
    "practice-full": full_practice,
    "practice+5%": dearer_practice,
    "newsvendor": lambda stage: PerItem(stage, best_order),
    "multiplier": lambda stage: PerItem(stage, multiplier_order),
    "mean-demand": MeanDemand,
    "replenish": _replenish(),
    "replenish+2%": _replenish(rules__price_index_cap=0.02),
    "replenish+5%": _replenish(rules__price_index_cap=0.05),
    "replenish-lean": _replenish(rules__goodwill=0.0),
    "replenish-default": _replenish(rules__goodwill=Settings().rules.goodwill),
    "replenish-generous": _replenish(rules__goodwill=0.6),
    "replenish-cvar": _replenish(rules__risk_weight=0.3),
    "replenish-no-pricing": _replenish(False, rules__price_index_cap=None),
    "replenish-no-recovery": _replenish(history__stockout_max_factor=1.0),
}
"""Policy by name; each is built on the stage of its season. The clairvoyant ones are in `clairvoyant.py`."""
