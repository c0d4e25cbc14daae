"""Daily order and price per category: the plan of composite items."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pandas as pd

from replenish.errors import ForecastError
from replenish.history.category import category_tables
from replenish.history.cleaning import build_history
from replenish.planning.composites import composite_settings
from replenish.planning.matrices import candidate_codes
from replenish.planning.plan import replan
from replenish.planning.prospect import (
    Progress,
    Prospect,
    checked_day,
    fit_models,
    look_ahead,
    one_store,
    silent,
)
from replenish.records import FittedModels, Plan, Tables
from replenish.settings import Settings


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
    composites, ahead, rules = look_ahead_categories(tables, as_of, days, settings, seed, store, progress)
    return replan(composites, ahead, rules, (), seed, progress)


def look_ahead_categories(
    tables: Tables,
    as_of: date | pd.Timestamp | str,
    days: int = 7,
    settings: Settings | None = None,
    seed: int = 0,
    store: str | None = None,
    progress: Progress = silent,
) -> tuple[Tables, Prospect, Settings]:
    """What the plan of categories rests on: composite tables, history and forecasts, and the rules that are in force.

    Arguments as in `make_category_plan`.
    """
    given = settings or Settings()
    name = one_store(tables, store)
    day = checked_day(tables, as_of)
    chosen = category_settings(given, 0)
    composites = category_tables(tables.for_store(name), day, chosen.history)
    models = fit_models(tables, day, chosen, name, seed, progress)
    count = len(candidate_codes(build_history(composites, day, chosen, name), chosen, ()))
    rules = category_settings(given, count)
    return composites, category_prospect(tables, composites, day, days, rules, models, seed), rules


def category_prospect(
    tables: Tables, composites: Tables, as_of: pd.Timestamp, days: int, settings: Settings, models: FittedModels,
    seed: int = 0,
) -> Prospect:  # fmt: skip
    """What is known of the `composites` the evening before; items' forecasts add up to theirs (`hierarchy.reconciled`).

    `models`: the fitted models of the items, with those of the composites.
    """
    items = look_ahead(tables, as_of, days, settings, models, seed, models.store)
    if models.composites is None or items.composites is None:
        raise ForecastError("There is too little of the categories to forecast them. Give a longer history.")
    own = composite_settings(settings)
    ahead = look_ahead(composites, as_of, days, own, models.composites, seed, models.store)
    return replace(ahead, forecast=items.composites)


def category_settings(settings: Settings, count: int) -> Settings:
    """The settings with the rules for single items switched off and all `count` composites on the shelf."""
    return settings.override(
        rules__n_min=count, rules__n_max=None, rules__min_display=0.0, rules__shelf_space=None,
        rules__max_price_changes=None, rules__order_multiple=1.0, pricing__substitution=False,
        forecast__reconcile=True,
    )  # fmt: skip
