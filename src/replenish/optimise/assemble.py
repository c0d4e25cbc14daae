"""Putting the plan together: lines, candidates, cover, forecast and summary from the solved days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.optimise.baseline import ShopHabits, cost_plus_lines
from replenish.optimise.explain import category_price_index, left_out_reasons, line_reasons, price_curve, rule_report
from replenish.optimise.judge import Judgement, Line, day_profit, judge, standard_error
from replenish.optimise.menu import Candidate
from replenish.optimise.model import Problem
from replenish.optimise.rounds import chosen_lines
from replenish.optimise.split import DECISIONS, mixed_lines, split_gain
from replenish.optimise.week import BOUND_KIND, WeekSolution
from replenish.pricing.substitution import Switching
from replenish.records import DemandForecast, DemandHistory, FittedModels, Override, Plan, Scenarios, Solution
from replenish.schemas import PLAN_CANDIDATES, PLAN_LINES
from replenish.settings import Settings
from replenish.units import quantity_text

Array = NDArray[np.float64]


WORTH_SAYING = 0.05  # of an item's own demand
PassedOn = Callable[[Scenarios, Sequence[Line]], Scenarios]


def as_they_are(scenarios: Scenarios, _: Sequence[Line]) -> Scenarios:
    """No demand moves between items."""
    return scenarios


@dataclass(frozen=True)
class DayPlan:
    """One solved and judged day; `week`: the solution of all days together, when stock that keeps links them.

    `split`: part of assortment, price and orders in the gain over `baseline`, per fresh scenario (see `split`); empty
    when stock links the days. `switching`: how demand moves between items; none when it does not.
    """

    date: pd.Timestamp
    problem: Problem
    solution: Solution
    candidates: dict[str, Candidate]
    scenarios: Scenarios
    fresh: Scenarios
    promised: float
    judgement: Judgement
    baseline: Judgement
    practice: Judgement
    notes: tuple[str, ...]
    week: WeekSolution | None = None
    split: dict[str, Array] = field(default_factory=dict)
    switching: Switching | None = None

    @property
    def carried_on(self) -> pd.Series:
        """item_code → expected stock kept for the next day [unit]."""
        table = self.judgement.lines
        return table.set_index("item_code")["carried_on"] if len(table) else pd.Series(dtype=float)


@dataclass(frozen=True)
class SolvedDay:
    """One day decided and not yet judged (see `DayPlan`).

    `passed_on(fresh, lines)`: the fresh scenarios with what these lines leave to other items, by `switching`.
    """

    date: pd.Timestamp
    problem: Problem
    solution: Solution
    candidates: dict[str, Candidate]
    scenarios: Scenarios
    fresh: Scenarios
    notes: tuple[str, ...]
    passed_on: PassedOn = as_they_are
    switching: Switching | None = None

    @property
    def lines(self) -> list[Line]:
        """The chosen offers."""
        return chosen_lines(self.problem, self.solution, self.candidates)

    @property
    def promised(self) -> float:
        """Expected profit on the optimiser's own scenarios [money]."""
        return float(self.problem.menu.offers.loc[list(self.solution.chosen), "profit"].sum())

    def judged(self) -> Judgement:
        """The chosen offers on the fresh scenarios."""
        return judge(self.lines, self.passed_on(self.fresh, self.lines))


def judge_day(day: SolvedDay, habits: ShopHabits, settings: Settings) -> DayPlan:
    """The chosen offers and the two cost-plus baselines, all played on the same fresh scenarios.

    What each leaves to other items is its own.
    """
    lines, candidates, passed_on = day.lines, list(day.candidates.values()), day.passed_on
    scenarios, fresh = day.scenarios, day.fresh
    mine = passed_on(fresh, lines)
    given = (habits, settings.rules, max(len(lines), 1))

    # Baselines with orders that count on what they themselves leave to other items.
    first = cost_plus_lines(candidates, passed_on(scenarios, lines), *given)
    moved = passed_on(scenarios, first[0])
    best = cost_plus_lines(candidates, moved, *given)[0]
    practice = cost_plus_lines(candidates, passed_on(scenarios, first[1]), *given)[1]
    plan, baseline = judge(lines, mine), judge(best, passed_on(fresh, best))
    usual, _ = cost_plus_lines([line.candidate for line in lines], moved, *given)

    def profit_of(taken: frozenset[str]) -> Array:
        if len(taken) in (0, len(DECISIONS)):
            return plan.profit if taken else baseline.profit
        mix = mixed_lines(lines, best, usual, taken)
        return day_profit(mix, passed_on(fresh, mix))

    return DayPlan(
        day.date,
        day.problem,
        day.solution,
        day.candidates,
        scenarios,
        mine,
        day.promised,
        plan,
        baseline,
        judge(practice, passed_on(fresh, practice)),
        day.notes,
        split=split_gain(profit_of),
        switching=day.switching,
    )


def assemble_plan(
    days: Sequence[DayPlan], history: DemandHistory, forecast: DemandForecast, settings: Settings,
    overrides: tuple[Override, ...], seed: int, fingerprint: str, models: FittedModels,
) -> Plan:  # fmt: skip
    """The plan record of the solved days (see `records.Plan`)."""
    names = history.items.set_index("item_code")["item_name"]
    lines = pd.concat([_lines(d, history.store, names) for d in days], ignore_index=True)
    left_out = pd.concat([_left_out(d, history.store, names) for d in days], ignore_index=True)
    cover = pd.concat([_cover(d) for d in days], ignore_index=True)
    curves = pd.concat([price_curve(d.problem.menu, d.solution).assign(date=d.date) for d in days], ignore_index=True)
    table = pd.concat([_forecast(d, forecast) for d in days], ignore_index=True)
    summary = _summary(days, history, lines, forecast, settings, seed, models)
    return Plan(
        history.store,
        lines,
        left_out,
        summary,
        cover,
        table,
        curves,
        overrides,
        settings.model_dump(mode="json"),
        seed,
        fingerprint,
    )


def _lines(day: DayPlan, store: str, names: pd.Series) -> pd.DataFrame:
    chosen = day.problem.menu.offers.loc[list(day.solution.chosen)]
    reasons = line_reasons(day.problem, day.solution, day.candidates)
    rows = []
    decided = zip(chosen["item_code"], chosen["price"], chosen["order_quantity"], strict=True)
    for code, price, order_quantity in decided:
        c = day.candidates[code]
        k = day.scenarios.item_codes.index(c.item_code)
        rows.append({
            "store": store, "date": day.date, "item_code": c.item_code, "item_name": names[c.item_code],
            "category": c.category, "unit": c.unit, "order_quantity": order_quantity, "price": price,
            "unit_cost": float(day.scenarios.cost[:, k].mean()), "reference_price": c.terms.reference_price,
            "loss_rate": c.terms.loss_rate, "carried_over": c.terms.carried_over,
            "clearance_price": (1 - c.terms.discount) * price,
            "reason": reasons[c.item_code] + _moved(day.scenarios, k, c.unit),
        })  # fmt: skip
    if not rows:
        return pd.DataFrame(columns=PLAN_LINES.names)
    judged = day.judgement.lines.drop(columns=["price", "order_quantity"])
    table = pd.DataFrame(rows).merge(judged, on="item_code", validate="1:1")
    order = ["category", "item_name"]
    return table[PLAN_LINES.names].sort_values(order, ignore_index=True)


def _moved(scenarios: Scenarios, k: int, unit: str) -> str:
    """What of the item's demand comes from items that are missing, or goes to items that usually are; in words."""
    moved = 0.0 if scenarios.transfers is None else float(scenarios.transfers[:, k].mean())
    if abs(moved) < WORTH_SAYING * float(scenarios.demand[:, k].mean()):
        return ""
    if moved > 0:
        return f" Gains {quantity_text(round(moved, 1), unit)} of demand from items that are not there."
    return f" Loses {quantity_text(round(-moved, 1), unit)} of its usual demand to items that are usually missing."


def _left_out(day: DayPlan, store: str, names: pd.Series) -> pd.DataFrame:
    reasons = left_out_reasons(day.problem, day.solution)
    rows = [
        {"store": store, "date": day.date, "item_code": code, "item_name": names[code],
         "category": day.candidates[code].category, "reason": reason}
        for code, reason in sorted(reasons.items())
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=PLAN_CANDIDATES.names)


def _cover(day: DayPlan) -> pd.DataFrame:
    chosen = day.problem.menu.offers.loc[list(day.solution.chosen)]
    served = chosen.groupby("category")["cover_value"].sum()
    rows = []
    for category, value in day.problem.menu.category_value.items():
        rows.append({
            "date": day.date, "category": category, "demand_value": value,
            "served_value": float(served.get(category, 0.0)),
            "cover": float(served.get(category, 0.0)) / value if value > 0 else 1.0,
            "required": day.problem.rules.cover, "shortfall": day.solution.shortfall.get(category, 0.0),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _forecast(day: DayPlan, forecast: DemandForecast) -> pd.DataFrame:
    """Forecast rows of the day with what the check needs: index weight, clearance share, disposal cost, carry value,
    stock in its last day."""
    table = forecast.table[forecast.table["date"] == day.date].reset_index(drop=True)
    mean = dict(zip(day.scenarios.item_codes, day.scenarios.demand.mean(0), strict=True))
    terms = [day.candidates[c].terms for c in table["item_code"]]
    listed = set(day.problem.menu.offers.loc[list(day.solution.chosen), "item_code"])
    table = table if day.switching is None else table.assign(**_switching(day.switching, day.scenarios, table))
    return table.assign(
        listed=table["item_code"].isin(listed),
        reference_price=[t.reference_price for t in terms],
        index_weight=[t.reference_price * mean[c] for t, c in zip(terms, table["item_code"], strict=True)],
        clearance_share=[t.clearance_share for t in terms],
        disposal_cost=[t.disposal_cost for t in terms],
        carry_value=[t.carry_value for t in terms],
        expiring=[t.expiring for t in terms],
    )


def _switching(switching: Switching, scenarios: Scenarios, table: pd.DataFrame) -> dict[str, Any]:
    """Group within which demand moves, share that moves and purchases per unit, in the order of the table."""
    at = [scenarios.item_codes.index(code) for code in table["item_code"]]
    return {
        "substitute_group": switching.group[at], "transfer_share": switching.share[at],
        "purchases_per_unit": switching.weight[at],
    }  # fmt: skip


def _summary(
    days: Sequence[DayPlan],
    history: DemandHistory,
    lines: pd.DataFrame,
    forecast: DemandForecast,
    settings: Settings,
    seed: int,
    models: FittedModels,
) -> dict[str, Any]:
    profit, shop = _totals(days)
    # Days are judged on the same past days, so their errors are added up, not averaged out.
    se = sum(standard_error(d.judgement.profit, d.judgement.drawn_days, seed) for d in days)
    objective, bound = (sum(getattr(d.solution, k) for d in days) for k in ("objective", "bound"))
    week = days[0].week
    bound = week.bound if week is not None else bound
    low, high = np.quantile(profit, [0.1, 0.9])
    return {
        "dates": [f"{d.date:%Y-%m-%d}" for d in days],
        "as_of": f"{history.as_of:%Y-%m-%d}",
        "models_as_of": f"{models.fitted_as_of:%Y-%m-%d}",
        "models_validated_as_of": f"{models.validated_as_of:%Y-%m-%d}",
        "models_fingerprint": models.fingerprint,
        "currency": settings.shop.currency,
        "items_listed": len(lines),
        "candidates": sum(len(d.candidates) for d in days),
        "order_cost": float((lines["order_quantity"] * lines["unit_cost"]).sum()),
        "revenue": sum(float(d.judgement.lines["revenue"].sum()) for d in days if len(d.judgement.lines)),
        "waste_value": float((lines["expected_waste"] * lines["unit_cost"]).sum()),
        "promised": sum(d.promised for d in days),
        "expected": float(profit.mean()),
        "expected_se": se,
        "range_80": [float(low), float(high)],
        "shop_definition": float(shop.mean()),
        "solver": days[0].solution.solver,
        "status": next((d.solution.status for d in days if d.solution.status != "optimal"), "optimal"),
        "objective": objective,
        "bound": bound,
        "bound_kind": BOUND_KIND if week is not None else "the full menu of every day",
        "linked_days": week is not None,
        "gap": max(bound - objective, 0.0) / max(abs(objective), 1e-9),
        "rules": [r | {"date": f"{d.date:%Y-%m-%d}"} for d in days for r in rule_report(d.problem, d.solution)],
        "price_index": _price_index(days),
        "on_top_rung": _on_top_rung(days),
        "baseline": _against(days, "baseline", "cost-plus prices with the best orders", seed) | _split(days, seed),
        "practice": _against(days, "practice", "cost-plus prices, sold out as seldom as the shop", seed),
        "demand_moved": _demand_moved(days),
        "notes": sorted({n for d in days for n in d.notes} | set(forecast.notes)),
    }  # fmt: skip


def _demand_moved(days: Sequence[DayPlan]) -> float:
    """Expected demand that reaches listed items from missing ones, net, at reference prices [money]."""
    total = 0.0
    for day in days:
        if day.scenarios.transfers is None:
            continue
        mean = dict(zip(day.scenarios.item_codes, day.scenarios.transfers.mean(0), strict=True))
        listed = day.problem.menu.offers.loc[list(day.solution.chosen), "item_code"]
        total += sum(float(mean[c]) * day.candidates[c].terms.reference_price for c in listed)
    return total


def _totals(days: Sequence[DayPlan]) -> tuple[Array, Array]:
    """Profit and shop-definition profit per scenario, summed over the (independently drawn) days."""
    return np.sum([d.judgement.profit for d in days], axis=0), np.sum([d.judgement.shop_profit for d in days], axis=0)


def _against(days: Sequence[DayPlan], which: str, name: str, seed: int) -> dict[str, Any]:
    """A baseline's profit and the plan's gain over it, scenario by scenario, with its 95 % interval."""
    others: list[Judgement] = [getattr(d, which) for d in days]
    pairs = [(d.judgement, other) for d, other in zip(days, others, strict=True)]
    gain = sum(float((mine.profit - other.profit).mean()) for mine, other in pairs)
    se = sum(standard_error(mine.profit - other.profit, mine.drawn_days, seed) for mine, other in pairs)
    return {
        "name": name,
        "expected": sum(other.expected() for other in others),
        "shop_definition": sum(float(other.shop_profit.mean()) for other in others),
        "gain": gain,
        "gain_se": se,
        "gain_interval": [gain - 1.96 * se, gain + 1.96 * se],
    }


def _split(days: Sequence[DayPlan], seed: int) -> dict[str, Any]:
    """The gain's parts and their standard errors by decision [money]; nothing when stock links the days."""
    if not all(d.split for d in days):
        return {}
    return {
        "split": {name: sum(float(d.split[name].mean()) for d in days) for name in DECISIONS},
        "split_se": {
            name: sum(standard_error(d.split[name], d.judgement.drawn_days, seed) for d in days) for name in DECISIONS
        },
    }


def _price_index(days: Sequence[DayPlan]) -> dict[str, float]:
    chosen = pd.concat([d.problem.menu.offers.loc[list(d.solution.chosen)] for d in days])
    return category_price_index(chosen)


def _on_top_rung(days: Sequence[DayPlan]) -> int:
    count = 0
    for day in days:
        chosen = day.problem.menu.offers.loc[list(day.solution.chosen)]
        for code, price in zip(chosen["item_code"], chosen["price"], strict=True):
            rungs = day.candidates[code].ladder.rungs
            count += int(len(rungs) > 1 and price >= rungs[-1] - 1e-9)
    return count
