"""The checked plan of one store: from the tables, or again under other locks from forecasts that are kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from functools import partial

import pandas as pd

from replenish.errors import ConfigError, SolverError
from replenish.optimise.assemble import assemble_plan
from replenish.optimise.check import check_plan
from replenish.planning.days import Kept, plan_days
from replenish.planning.inputs import check_costs, checked_locks, stock_at_close
from replenish.planning.notes import data_notes, gain_notes, lock_notes, with_notes
from replenish.planning.prospect import Progress, Prospect, look_ahead, silent
from replenish.planning.values import line_values, rule_values
from replenish.records import FittedModels, Override, Plan, Tables
from replenish.settings import Settings


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
    kept: Kept | None = None,
) -> Plan:
    """The plan for these locks and rules, from a prospect (`look_ahead`) that is kept.

    History and forecasts are the slow part and do not hang on locks, limits or prices. Without `kept` it is the plan
    `make_plan` would give; `kept` of an earlier plan of the prospect saves its scenarios and starts from its lines, so
    that the answer may be another one within the stated gap. Errors as in `make_plan`; a must-list lock on an item that
    was no candidate when the prospect was made is a `ConfigError`.
    """
    chosen = settings or Settings()
    check_costs(ahead)
    locks = checked_locks(tuple(overrides or ()), ahead)
    plans = plan_days(ahead, stock_at_close(tables, ahead), chosen, locks, seed, progress, kept)
    plan = assemble_plan(
        plans,
        ahead.history,
        ahead.forecast,
        chosen,
        locks,
        seed,
        tables.fingerprint,
        ahead.models,
    )
    plan = with_notes(plan, [*lock_notes(plan, plans), *data_notes(tables, ahead), *gain_notes(plan.summary)])
    progress("check")
    faults = check_plan(plan, tables, {f"{p.date:%Y-%m-%d}": p.fresh for p in plans}, chosen)
    if faults:
        raise SolverError("The plan failed its independent check and was not stored: " + "; ".join(faults[:5]) + ".")
    return plan


class PlanningSession:
    """One store and evening with its forecasts kept: a change of locks, limits or prices is answered by `replan`.

    The forecasts are made with the first plan, from which all later ones start; the arguments are those of `make_plan`.
    """

    def __init__(
        self, tables: Tables, as_of: date | pd.Timestamp | str, days: int, settings: Settings, models: FittedModels,
        seed: int = 0, store: str | None = None,
    ) -> None:  # fmt: skip
        self._tables, self._settings, self._seed = tables, settings, seed
        self._look = partial(look_ahead, tables, as_of, days, settings, models, seed, store)
        self._kept: dict[frozenset[str], tuple[Prospect, Kept]] = {}

    def plan(self, overrides: Sequence[Override] = (), settings: Settings | None = None) -> Plan:
        """The plan under these locks (see `make_plan`); `settings`: other limits, with all else as at the start."""
        ahead, kept = self._prospect(overrides)
        return replan(self._tables, ahead, self._changed(settings), overrides, self._seed, kept=kept)

    def rule_values(self, overrides: Sequence[Override] = (), settings: Settings | None = None) -> pd.DataFrame:
        """What one step of every rule is worth under these locks (see `rule_values`)."""
        ahead, kept = self._prospect(overrides)
        return rule_values(self._tables, ahead, self._changed(settings), overrides, self._seed, kept=kept)

    def line_values(
        self, items: Collection[str] = (), overrides: Sequence[Override] = (), settings: Settings | None = None
    ) -> pd.DataFrame:
        """What other prices and orders of these listed items would cost (see `line_values`)."""
        ahead, kept = self._prospect(overrides)
        return line_values(self._tables, ahead, items, self._changed(settings), overrides, self._seed, kept=kept)

    def _changed(self, settings: Settings | None) -> Settings:
        """`ConfigError` when more has changed than the planner's rules and the solver's settings."""
        if settings is None:
            return self._settings
        if self._settings.model_copy(update={"rules": settings.rules, "solver": settings.solver}) != settings:
            raise ConfigError("Only the sections rules and solver can change within a session. Begin another one.")
        return settings

    def _prospect(self, overrides: Sequence[Override]) -> tuple[Prospect, Kept]:
        """The forecasts of the day's candidates, and of items that are none but that the planner wants listed."""
        regular = set(self._with(frozenset())[0].forecast.table["item_code"])
        return self._with(frozenset(o.item_code for o in overrides if o.kind == "must_list") - regular)

    def _with(self, further: frozenset[str]) -> tuple[Prospect, Kept]:
        """Kept are the forecasts of the candidates alone and those with the further items asked for last."""
        if further not in self._kept:
            self._kept = {k: v for k, v in self._kept.items() if not k}
            self._kept[further] = (self._look(must_list=sorted(further)), Kept())
        return self._kept[further]
