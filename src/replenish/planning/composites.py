"""The composites of a store's categories beside its items: their models and forecasts, to reconcile items with."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from replenish.errors import DataError, ForecastError
from replenish.fingerprint import known_fingerprint
from replenish.forecast.demand import forecast_matrix
from replenish.forecast.models import fit_forecast, refit_members
from replenish.history.category import category_tables, composite_code
from replenish.history.cleaning import build_history
from replenish.planning.matrices import candidate_codes, history_matrix
from replenish.records import DemandForecast, DemandHistory, FittedModels, PriceResponse, Tables
from replenish.settings import Settings


def composite_settings(settings: Settings) -> Settings:
    """The settings composites are forecast with: none of their own above them, and no demand moves between them."""
    return settings.override(pricing__substitution=False, forecast__reconcile=False)


def fit_composites(
    tables: Tables, items: DemandHistory, settings: Settings, response: PriceResponse, seed: int
) -> FittedModels | None:
    """Demand models of the composites of `history.category.category_tables`; None where there is too little of them.

    `items`: the history of the store's items; `response`: theirs; composites answer to a common move of their
    category's prices.
    """
    chosen, store, as_of = composite_settings(settings), items.store, items.as_of
    composites = category_tables(tables.for_store(store), as_of, chosen.history)
    try:
        history = _history(composites, items, chosen)
        answer = composite_response(response, history)
        matrix = history_matrix(composites, history, answer, chosen)
        return fit_forecast(matrix, answer, chosen, store, known_fingerprint(composites, store, as_of), seed,
                            chosen.forecast.arima)  # fmt: skip
    except (DataError, ForecastError):
        return None


def refit_composites(
    tables: Tables, items: DemandHistory, settings: Settings, models: FittedModels, seed: int
) -> FittedModels:
    """The composites' members fitted again (see `forecast.models.refit_members`)."""
    chosen, as_of = composite_settings(settings), items.as_of
    composites = category_tables(tables.for_store(models.store), as_of, chosen.history)
    history = _history(composites, items, chosen)
    matrix = history_matrix(composites, history, models.price_response, chosen)
    return refit_members(matrix, models, chosen, known_fingerprint(composites, models.store, as_of), seed)


def forecast_composites(
    tables: Tables, items: DemandHistory, dates: pd.DatetimeIndex, settings: Settings, models: FittedModels
) -> DemandForecast:
    """Forecasts of the composites sold lately, of the same dates as their items'."""
    chosen = composite_settings(settings)
    composites = category_tables(tables.for_store(models.store), items.as_of, chosen.history)
    history = _history(composites, items, chosen)
    matrix = history_matrix(composites, history, models.price_response, chosen)
    return forecast_matrix(matrix, models, history.items, candidate_codes(history, chosen, ()), dates)


def _history(composites: Tables, items: DemandHistory, settings: Settings) -> DemandHistory:
    """The composites' history with what stock-outs hid of their items: sales alone would pull forecasts down."""
    own = build_history(composites, items.as_of, settings, items.store)
    hidden = items.panel["hidden"].groupby([composite_code(items.panel), items.panel["date"]]).sum()
    keys = pd.MultiIndex.from_frame(own.panel[["item_code", "date"]])
    found = hidden.reindex(keys).fillna(0.0).to_numpy()
    panel = own.panel.assign(hidden=found, demand=own.panel["demand"] + found)
    return replace(own, panel=panel)


def composite_response(response: PriceResponse, history: DemandHistory) -> PriceResponse:
    """The price response of composites: what a common move of their category's prices does."""
    common = response.categories.set_index("category")
    rows = history.panel[["item_code", "category"]].drop_duplicates("item_code").reset_index(drop=True)
    rows = rows.assign(
        elasticity=rows["category"].map(common["common_elasticity"]),
        sd_shared=rows["category"].map(common["common_sd"]),
        sd_item=0.0,
        method="common move of the category's prices",
    )
    return PriceResponse(rows, response.categories)
