"""From the tables to the plan: history → price response → forecast → scenarios → menu → model → check."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import numpy as np
import pandas as pd

from replenish.errors import ConfigError, DataError, InfeasiblePlanError, SolverError
from replenish.forecast.costs import forecast_costs
from replenish.forecast.demand import forecast_matrix
from replenish.forecast.features import PanelMatrix, panel_matrix
from replenish.forecast.models import fit_forecast
from replenish.history.category import category_tables
from replenish.history.cleaning import build_history as _build_history, sold_recently
from replenish.optimise.assemble import DayPlan, assemble_plan, judge_day
from replenish.optimise.candidates import build_candidates
from replenish.optimise.check import check_plan
from replenish.optimise.menu import Candidate, build_menu
from replenish.optimise.model import Problem
from replenish.optimise.play import judge_week
from replenish.optimise.rounds import NOT_SETTLED, settle, with_transfers
from replenish.optimise.rule_values import COLUMNS as VALUE_COLUMNS, rule_values as _rule_values
from replenish.optimise.scenarios import ResidualPool, draw_scenarios, residual_pool
from replenish.optimise.solve import solve_menu
from replenish.optimise.week import Day, only_last_carries, solve_week
from replenish.pricing.response import estimate_response as _estimate
from replenish.pricing.substitution import switching_between
from replenish.records import (
    CostForecast,
    DemandForecast,
    DemandHistory,
    FittedModels,
    Override,
    Plan,
    PriceResponse,
    Scenarios,
    Solution,
    Tables,
)  # fmt: skip
from replenish.settings import Settings

Progress = Callable[[str], None]


def silent(_: str) -> None:
    """Progress that nobody listens to."""


def one_store(tables: Tables, store: str | None) -> str:
    """The store asked for, or the only one; `ConfigError` names the stores when the choice is open."""
    stores = tables.stores
    if store is None and len(stores) == 1:
        return stores[0]
    if store not in stores:
        asked = f"Store “{store}” is not in the data." if store else "The data holds several stores; choose one."
        raise ConfigError(f"{asked} Stores: {', '.join(stores)}.")
    return store


def evening_before(tables: Tables, store: str, day: date | pd.Timestamp | None, settings: Settings) -> pd.Timestamp:
    """The last known evening of a plan for `day`; without a day, the store's last day of sales."""
    if day is None:
        return pd.Timestamp(tables.for_store(store).daily_sales["date"].max())
    return pd.Timestamp(day) - pd.Timedelta(days=settings.shop.lead_time_days)


def plannable_days(tables: Tables, store: str, settings: Settings) -> tuple[date, date]:
    """First and last day that can be planned: `lead_time_days` after the store's second and last day of sales."""
    known = tables.for_store(store).daily_sales["date"]
    lead = pd.Timedelta(days=settings.shop.lead_time_days)
    return (known.min() + pd.Timedelta(days=1) + lead).date(), (known.max() + lead).date()


def build_history(
    tables: Tables, as_of: date | pd.Timestamp | str, settings: Settings | None = None, store: str | None = None
) -> DemandHistory:
    """Demand history of one store as known on the evening of `as_of` (see `records.DemandHistory`)."""
    day = _checked_day(tables, as_of)
    return _build_history(tables, day, settings or Settings(), one_store(tables, store))


def estimate_price_response(
    tables: Tables, as_of: date | pd.Timestamp | str, settings: Settings | None = None, store: str | None = None
) -> PriceResponse:
    """Posterior price elasticities from what was known on the evening of `as_of` (see `records.PriceResponse`)."""
    chosen = settings or Settings()
    return _estimate(build_history(tables, as_of, chosen, store), chosen.pricing)


def fit_models(
    tables: Tables,
    as_of: date | pd.Timestamp | str,
    settings: Settings | None = None,
    store: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> FittedModels:
    """Price response and forecasting models of one store from what was known on the evening of `as_of`."""
    chosen = settings or Settings()
    progress("history")
    history = build_history(tables, as_of, chosen, store)
    return _fit(tables, history, chosen, seed, progress)


def refit_demand(
    tables: Tables,
    as_of: date | pd.Timestamp | str,
    models: FittedModels,
    settings: Settings | None = None,
    seed: int = 0,
) -> FittedModels:
    """The demand models fitted again on what was known on the evening of `as_of`; the price response stays."""
    chosen = settings or Settings()
    history = build_history(tables, as_of, chosen, models.store)
    response = _for_items(models.price_response, history)
    matrix = _matrix(tables, history, response, chosen)
    return fit_forecast(matrix, response, chosen, history.store, tables.fingerprint, seed)


def _fit(tables: Tables, history: DemandHistory, settings: Settings, seed: int, progress: Progress) -> FittedModels:
    progress("price response")
    response = _estimate(history, settings.pricing)
    progress("demand models")
    matrix = _matrix(tables, history, response, settings)
    return fit_forecast(matrix, response, settings, history.store, tables.fingerprint, seed)


def _matrix(tables: Tables, history: DemandHistory, response: PriceResponse, settings: Settings) -> PanelMatrix:
    events = tables.for_store(history.store).up_to(history.as_of).events
    return panel_matrix(history, response, settings.shop.country, events)


@dataclass(frozen=True)
class Prospect:
    """What is known the evening before: history, its matrix, forecasts of demand and cost for the planned days."""

    history: DemandHistory
    models: FittedModels
    matrix: PanelMatrix
    forecast: DemandForecast
    costs: CostForecast
    dates: pd.DatetimeIndex


def look_ahead(
    tables: Tables,
    as_of: date | pd.Timestamp | str,
    days: int = 1,
    settings: Settings | None = None,
    models: FittedModels | None = None,
    seed: int = 0,
    store: str | None = None,
    must_list: Iterable[str] = (),
    progress: Progress = silent,
) -> Prospect:
    """History and forecasts for the planned days: `days` days from `lead_time_days` after `as_of` on."""
    chosen = settings or Settings()
    progress("history")
    history = build_history(tables, as_of, chosen, store)
    given = models or _fit(tables, history, chosen, seed, progress)
    _check_models(given, history)
    fitted = replace(given, price_response=_for_items(given.price_response, history))
    progress("forecast")
    matrix = _matrix(tables, history, fitted.price_response, chosen)
    first = history.as_of + pd.Timedelta(days=chosen.shop.lead_time_days)
    dates = pd.date_range(first, periods=days, unit="us")
    codes = _candidate_codes(history, chosen, must_list)
    forecast = forecast_matrix(matrix, fitted, history.items, codes, dates)
    return Prospect(history, fitted, matrix, forecast, forecast_costs(matrix, codes, dates), dates)


def forecast_demand(
    tables: Tables,
    as_of: date | pd.Timestamp | str,
    days: int = 1,
    settings: Settings | None = None,
    models: FittedModels | None = None,
    seed: int = 0,
    store: str | None = None,
) -> DemandForecast:
    """Demand at the reference price of the recently sold items, with bands (see `records.DemandForecast`)."""
    return look_ahead(tables, as_of, days, settings, models, seed, store).forecast


def make_plan(
    tables: Tables,
    as_of: date | pd.Timestamp | str,
    days: int = 1,
    settings: Settings | None = None,
    overrides: Sequence[Override] | None = None,
    models: FittedModels | None = None,
    seed: int = 0,
    store: str | None = None,
    progress: Progress = silent,
) -> Plan:
    """The checked plan of one store for `days` days from `as_of` + lead time on (see `records.Plan`).

    `as_of` is the evening of the last known day: nothing observed later is used. `models` from `fit_models` are reused;
    without them they are fitted. `overrides` are the planner's locks. The same arguments give the same plan.

    Raises `DataError` (data), `ConfigError` (arguments), `ForecastError`, `InfeasiblePlanError` (rules that collide)
    and `SolverError` (no usable answer, or a plan that failed its independent check).
    """
    chosen = settings or Settings()
    locks = tuple(overrides or ())
    must = {o.item_code for o in locks if o.kind == "must_list"}
    ahead = look_ahead(tables, as_of, days, chosen, models, seed, store, must, progress)
    return replan(tables, ahead, chosen, locks, seed, progress)


def replan(
    tables: Tables,
    ahead: Prospect,
    settings: Settings | None = None,
    overrides: Sequence[Override] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Plan:
    """The plan `make_plan` would give for these locks and rules, from a prospect (`look_ahead`) that is kept.

    History and forecasts are the slow part and do not hang on locks, limits or prices; a planner's change is answered
    by drawing the same scenarios, valuing the menu and solving again. Errors as in `make_plan`; a must-list lock on an
    item that was no candidate when the prospect was made is a `ConfigError`.
    """
    chosen = settings or Settings()
    locks = _checked_locks(tuple(overrides or ()), ahead)
    plans = plan_days(ahead, _stock_at_close(tables, ahead), chosen, locks, seed, progress)
    plan = assemble_plan(
        plans,
        ahead.history,
        ahead.forecast,
        chosen,
        locks,
        seed,
        tables.fingerprint,
        f"{ahead.models.fitted_as_of:%Y-%m-%d}",
    )
    progress("check")
    faults = check_plan(plan, tables, {f"{p.date:%Y-%m-%d}": p.fresh for p in plans}, chosen)
    if faults:
        raise SolverError("The plan failed its independent check and was not stored: " + "; ".join(faults[:5]) + ".")
    return plan


def rule_values(
    tables: Tables,
    ahead: Prospect,
    settings: Settings | None = None,
    overrides: Sequence[Override] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """What one step of every rule, and each of the best items left out, is worth to the plan that `replan` gives.

    Every figure is a day solved again, which takes a while. Columns: date, item_name, and those
    of `optimise.rule_values.rule_values`. Errors as in `replan`; days linked by stock that keeps are a `ConfigError`.
    """
    chosen = settings or Settings()
    if len(ahead.dates) > 1 and _stock_links(ahead, chosen):
        raise ConfigError("Stock that keeps links these days; what a rule is worth is told for one day. Plan one day.")
    locks = _checked_locks(tuple(overrides or ()), ahead)
    plans = plan_days(ahead, _stock_at_close(tables, ahead), chosen, locks, seed, progress)
    progress("worth of the rules")
    values = [_rule_values(p.problem, p.solution, chosen.solver).assign(date=p.date) for p in plans]
    names = ahead.history.items.set_index("item_code")["item_name"]
    table = pd.concat(values, ignore_index=True)
    table = table.assign(item_name=table["item_code"].map(names).fillna(""))
    return table[["date", "rule", "item_code", "item_name", *VALUE_COLUMNS[2:]]]


class PlanningSession:
    """One store and evening with its forecasts kept: every change of locks is answered by `replan`.

    The forecasts are made with the first plan; the arguments are those of `make_plan`.
    """

    def __init__(
        self, tables: Tables, as_of: date | pd.Timestamp | str, days: int, settings: Settings, models: FittedModels,
        seed: int = 0, store: str | None = None,
    ) -> None:  # fmt: skip
        self._tables, self._settings, self._seed = tables, settings, seed
        self._look = partial(look_ahead, tables, as_of, days, settings, models, seed, store)
        self._kept: dict[frozenset[str], Prospect] = {}

    def plan(self, overrides: Sequence[Override] = ()) -> Plan:
        """The plan under these locks (see `make_plan`)."""
        return replan(self._tables, self._prospect(overrides), self._settings, overrides, self._seed)

    def rule_values(self, overrides: Sequence[Override] = ()) -> pd.DataFrame:
        """What one step of every rule is worth under these locks (see `rule_values`)."""
        return rule_values(self._tables, self._prospect(overrides), self._settings, overrides, self._seed)

    def _prospect(self, overrides: Sequence[Override]) -> Prospect:
        """The forecasts of the day's candidates, and of items that are none but that the planner wants listed."""
        regular = set(self._with(frozenset()).forecast.table["item_code"])
        return self._with(frozenset(o.item_code for o in overrides if o.kind == "must_list") - regular)

    def _with(self, further: frozenset[str]) -> Prospect:
        """Kept are the forecasts of the candidates alone and those with the further items asked for last."""
        if further not in self._kept:
            self._kept = {k: v for k, v in self._kept.items() if not k}
            self._kept[further] = self._look(must_list=sorted(further))
        return self._kept[further]


def plan_days(
    ahead: Prospect,
    carried: pd.Series,
    settings: Settings,
    locks: tuple[Override, ...] = (),
    seed: int = 0,
    progress: Progress = silent,
) -> list[DayPlan]:
    """The planned days; several days with items that keep are planned together, stock ageing (`optimise.week`).

    `carried`: item_code → stock on hand before the first day [unit].
    """
    pool = joint_residuals(ahead)
    if len(ahead.dates) > 1 and _stock_links(ahead, settings):
        progress(f"optimise {len(ahead.dates)} days together")
        try:
            return _plan_week(ahead, pool, carried, settings, locks, seed)
        except InfeasiblePlanError as reason:
            # Day by day the colliding rules can be named; if they do not collide there, that plan is the answer.
            plans = _days_in_turn(ahead, pool, carried, settings, locks, seed, progress)
            note = f"planned one day after the other: {reason}"
            return [replace(p, notes=(*p.notes, note)) for p in plans]
    return _days_in_turn(ahead, pool, carried, settings, locks, seed, progress)


def _days_in_turn(
    ahead: Prospect, pool: ResidualPool, carried: pd.Series, settings: Settings, locks: tuple[Override, ...],
    seed: int, progress: Progress,
) -> list[DayPlan]:  # fmt: skip
    """One day after the other; what a day is expected to leave over is carried to the next."""
    plans = []
    for day in ahead.dates:
        progress(f"optimise {day:%Y-%m-%d}")
        plans.append(plan_day(ahead, pool, day, carried, settings, locks, seed))
        carried = plans[-1].carried_on
    return plans


def _stock_links(ahead: Prospect, settings: Settings) -> bool:
    """Whether stock that keeps links the days; with a weight on risk days are planned one after the other."""
    life = ahead.history.items.set_index("item_code")["shelf_life_days"]
    planned = ahead.forecast.table["item_code"].unique()
    return settings.rules.risk_weight == 0 and bool(life.reindex(planned).gt(1).any())


def _plan_week(
    ahead: Prospect, pool: ResidualPool, carried: pd.Series, settings: Settings, locks: tuple[Override, ...], seed: int
) -> list[DayPlan]:
    """All days together; what is left of an item that keeps is worth its carry value after the last day only."""
    days, fresh, notes = [], [], tuple[str, ...]()
    for day in ahead.dates:
        drawn, unseen = _both_draws(ahead, pool, day, settings, seed)
        stock = carried if day == ahead.dates[0] else pd.Series(dtype=float)
        candidates, notes = build_candidates(ahead.history, ahead.forecast, ahead.costs, day, stock, settings)
        days.append(Day(day_problem(candidates, drawn, settings, _on(day, locks)), tuple(candidates), drawn))
        fresh.append(unseen)
    week = solve_week(days, settings.solver)
    return judge_week(list(ahead.dates), only_last_carries(days), week, fresh, ahead.history, settings, notes)


def _on(day: pd.Timestamp, locks: tuple[Override, ...]) -> list[Override]:
    return [o for o in locks if o.date is None or pd.Timestamp(o.date) == day]


def _both_draws(
    ahead: Prospect, pool: ResidualPool, day: pd.Timestamp, settings: Settings, seed: int
) -> tuple[Scenarios, Scenarios]:
    """Scenarios of a day for the plan, and fresh ones for its judge."""
    draw = (ahead.forecast, ahead.costs, ahead.models.price_response, pool, day)
    scenarios = draw_scenarios(*draw, settings.scenarios.count, "plan", seed)
    return scenarios, draw_scenarios(*draw, settings.scenarios.fresh, "fresh", seed + 1)


def day_problem(
    candidates: Sequence[Candidate], scenarios: Scenarios, settings: Settings, locks: Sequence[Override]
) -> Problem:
    """What the optimiser decides on for one day: the menu under the day's locks, and the rules."""
    menu = build_menu(candidates, scenarios, settings.rules, locks)
    return Problem(menu, settings.rules, tuple(sorted({o.item_code for o in locks if o.kind == "must_list"})))


def plan_day(
    ahead: Prospect, pool: ResidualPool, day: pd.Timestamp, carried: pd.Series, settings: Settings,
    locks: tuple[Override, ...], seed: int,
) -> DayPlan:  # fmt: skip
    """One day: joint scenarios, menu of offers, optimiser, judgement on fresh scenarios."""
    scenarios, fresh = _both_draws(ahead, pool, day, settings, seed)
    candidates, notes = build_candidates(ahead.history, ahead.forecast, ahead.costs, day, carried, settings)

    def pose(given: Scenarios) -> Problem:
        return day_problem(candidates, given, settings, _on(day, locks))

    begun = time.perf_counter()

    def solve(problem: Problem, start: Sequence[int], gap: float) -> Solution:
        """The rounds share the time limit of the day; a round never gets less than a second."""
        left = max(settings.solver.time_limit_s - (time.perf_counter() - begun), 1.0)
        return solve_menu(problem, settings.solver.model_copy(update={"gap": gap, "time_limit_s": left}), start)

    if not settings.pricing.substitution:
        problem = pose(scenarios)
        solution = solve_menu(problem, settings.solver)
        return judge_day(day, problem, solution, candidates, scenarios, fresh, ahead.history, settings, notes)
    prices = {c.item_code: c.terms.reference_price for c in candidates}
    switching = switching_between(ahead.history, scenarios.item_codes, prices, ahead.models.price_response)
    found = settle(scenarios, candidates, switching, pose, solve, settings.solver.gap)
    if found.solution.status == NOT_SETTLED:
        notes = (*notes, "orders and the demand that moves between items did not settle: the gap stays open as stated")
    return judge_day(
        day, found.problem, found.solution, candidates, found.scenarios, fresh, ahead.history, settings, notes,
        partial(with_transfers, switching=switching),
    )  # fmt: skip


def joint_residuals(ahead: Prospect) -> ResidualPool:
    """Residual pool of the forecast items; holiday periods are kept out of ordinary days."""
    items = ahead.forecast.table.drop_duplicates("item_code").set_index("item_code")["category"]
    calendar = ahead.matrix.calendar
    near = (calendar["days_to_holiday"] <= 1) | (calendar["days_since_holiday"] <= 1) | calendar["is_holiday"]
    holiday = bool(near.reindex(ahead.dates).fillna(False).any())
    return residual_pool(ahead.forecast.residuals, items, set(calendar.index[near]), holiday)


def _stock_at_close(tables: Tables, ahead: Prospect) -> pd.Series:
    """Stock on hand at the close of `as_of` of items that keep, by item code [unit]; empty without a stock table."""
    stock = tables.for_store(ahead.history.store).stock
    if stock is None:
        return pd.Series(dtype=float)
    today = stock[stock["date"] == ahead.history.as_of].set_index("item_code")["on_hand"]
    life = ahead.history.items.set_index("item_code")["shelf_life_days"]
    return today[life.reindex(today.index).fillna(1).gt(1)]


def _candidate_codes(history: DemandHistory, settings: Settings, must_list: Iterable[str]) -> list[str]:
    recent = set(sold_recently(history.panel, history.as_of, settings.forecast.candidate_days))
    known = set(history.panel["item_code"])
    codes = sorted(recent | (set(must_list) & known))
    if not codes:
        raise DataError(
            f"daily_sales: no item of store {history.store} was sold in the {settings.forecast.candidate_days} days "
            f"up to {history.as_of:%Y-%m-%d}.", "Choose another date or raise forecast.candidate_days.",
        )  # fmt: skip
    return codes


def _checked_day(tables: Tables, as_of: date | pd.Timestamp | str) -> pd.Timestamp:
    day = pd.Timestamp(as_of)
    first, last = tables.daily_sales["date"].min(), tables.daily_sales["date"].max()
    if not first < day <= last:
        raise DataError(
            f"daily_sales: the data reaches from {first:%Y-%m-%d} to {last:%Y-%m-%d}; {day:%Y-%m-%d} as the last known "
            "day is outside.",
            f"Choose a planned day at most one lead time after {last:%Y-%m-%d}.",
        )
    return day


def _check_models(models: FittedModels, history: DemandHistory) -> None:
    if models.store != history.store:
        raise ConfigError(f"These models belong to store “{models.store}”, not “{history.store}”. Fit them again.")
    if models.fitted_as_of > history.as_of:
        raise ConfigError(
            f"These models know data up to {models.fitted_as_of:%Y-%m-%d}, later than {history.as_of:%Y-%m-%d}. "
            "Fit them again."
        )


def _for_items(response: PriceResponse, history: DemandHistory) -> PriceResponse:
    """The response with rows for items that appeared since it was fitted: their category's elasticity."""
    known = set(response.items["item_code"])
    new = history.panel.loc[~history.panel["item_code"].isin(known), ["item_code", "category"]].drop_duplicates()
    if new.empty:
        return response
    means = response.items.groupby("category")[["elasticity", "sd_item", "sd_shared"]].mean()
    overall = response.items[["elasticity", "sd_item", "sd_shared"]].mean()
    rows = new.join(means, on="category").fillna(overall.to_dict()).assign(method="category (new item)", shrinkage=1.0)
    return PriceResponse(pd.concat([response.items, rows], ignore_index=True), response.categories)


def _checked_locks(locks: tuple[Override, ...], ahead: Prospect) -> tuple[Override, ...]:
    """The locks of this store; `ConfigError` lists every lock on an unknown item or without a usable value."""
    mine = tuple(o for o in locks if o.store in (None, ahead.history.store))
    candidates = set(ahead.forecast.table["item_code"])
    faults = []
    for lock in mine:
        needs_value = lock.kind in ("price", "order", "min_order", "max_order")
        valid = lock.value is not None and np.isfinite(lock.value) and lock.value >= 0
        if lock.item_code not in candidates:
            faults.append(f"lock on item {lock.item_code}: it is not among the candidates of the day")
        elif needs_value and not (valid and (lock.kind != "price" or (lock.value or 0) > 0)):
            faults.append(f"lock on item {lock.item_code}: {lock.kind} needs a positive number, got {lock.value}")
    if faults:
        raise ConfigError("\n".join(faults))
    return mine


def make_category_plan(
    tables: Tables,
    as_of: date | pd.Timestamp | str,
    days: int = 7,
    settings: Settings | None = None,
    seed: int = 0,
    store: str | None = None,
    progress: Progress = silent,
) -> Plan:
    """Daily order and price per category and unit: the plan of the composite items of `category_tables`.

    Composites answer to price with the elasticity of a common move of their category's prices, estimated on the items.
    Every composite sold lately is listed; minimum display, shelf space and price changes are rules for items and are
    not applied, and no demand moves between categories.
    """
    given = settings or Settings()
    name = one_store(tables, store)
    day = _checked_day(tables, as_of)
    chosen = category_settings(given, 0)
    progress("price response of the items")
    response = _estimate(_build_history(tables, day, chosen, name), chosen.pricing)
    composites = category_tables(tables.for_store(name), day, chosen.history)
    history = _build_history(composites, day, chosen, name)
    answer = _composite_response(response, history)
    progress("demand models of the categories")
    matrix = _matrix(composites, history, answer, chosen)
    models = fit_forecast(matrix, answer, chosen, name, composites.fingerprint, seed)
    count = len(_candidate_codes(history, chosen, ()))
    return make_plan(composites, day, days, category_settings(given, count), (), models, seed, name, progress)


def category_settings(settings: Settings, count: int) -> Settings:
    """The settings with the rules for single items switched off and all `count` composites on the shelf."""
    return settings.override(
        rules__n_min=count, rules__n_max=None, rules__min_display=0.0, rules__shelf_space=None,
        rules__max_price_changes=None, rules__order_multiple=1.0, pricing__substitution=False,
    )  # fmt: skip


def _composite_response(response: PriceResponse, history: DemandHistory) -> PriceResponse:
    common = response.categories.set_index("category")
    rows = history.panel[["item_code", "category"]].drop_duplicates("item_code").reset_index(drop=True)
    rows = rows.assign(
        elasticity=rows["category"].map(common["common_elasticity"]),
        sd_shared=rows["category"].map(common["common_sd"]),
        sd_item=0.0,
        method="common move of the category's prices",
    )
    return PriceResponse(rows, response.categories)
