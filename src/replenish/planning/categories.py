"""Daily order and price per category: the plan of composite items."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pandas as pd

from replenish.fingerprint import known_fingerprint
from replenish.forecast.hierarchy import with_item_sums
from replenish.forecast.models import fit_forecast
from replenish.history.category import category_tables
from replenish.history.cleaning import build_history
from replenish.planning.plan import replan
from replenish.planning.prospect import (
    Progress,
    Prospect,
    candidate_codes,
    checked_day,
    fit_models,
    forecast_demand,
    history_matrix,
    look_ahead,
    one_store,
    silent,
)
from replenish.records import DemandHistory, FittedModels, Plan, PriceResponse, Tables
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
    items = fit_models(tables, day, chosen, name, seed, progress)
    models = fit_category_models(composites, day, chosen, items, seed, progress)
    count = len(candidate_codes(build_history(composites, day, chosen, name), chosen, ()))
    rules = category_settings(given, count)
    return composites, category_prospect(tables, composites, day, days, rules, items, models, seed), rules


def category_prospect(
    tables: Tables, composites: Tables, as_of: pd.Timestamp, days: int, settings: Settings, items: FittedModels,
    models: FittedModels, seed: int = 0,
) -> Prospect:  # fmt: skip
    """What is known of the `composites` the evening before; their forecasts meet the sums of the items' half-way.

    `items`, `models`: the fitted models of the items and of the composites.
    """
    ahead = look_ahead(composites, as_of, days, settings, models, seed, models.store)
    demand = forecast_demand(tables, as_of, days, settings, items, seed, items.store)
    return replace(ahead, forecast=with_item_sums(ahead.forecast, demand))


def fit_category_models(
    composites: Tables,
    as_of: pd.Timestamp,
    settings: Settings,
    items: FittedModels,
    seed: int = 0,
    progress: Progress = silent,
) -> FittedModels:
    """Demand models of the `composites` of `category_tables`; their price response is that of the fitted `items`."""
    history = build_history(composites, as_of, settings, items.store)
    answer = _composite_response(items.price_response, history)
    progress("demand models of the categories")
    matrix = history_matrix(composites, history, answer, settings)
    mark = known_fingerprint(composites, history.store, history.as_of)
    return fit_forecast(matrix, answer, settings, items.store, mark, seed)


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
