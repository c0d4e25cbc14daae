"""What is known the evening before: history, price response, fitted models, forecasts of the planned days."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date

import pandas as pd

from replenish.errors import ConfigError, DataError
from replenish.fingerprint import known_fingerprint
from replenish.forecast.costs import forecast_costs
from replenish.forecast.demand import forecast_matrix
from replenish.forecast.features import PanelMatrix
from replenish.forecast.hierarchy import reconciled
from replenish.forecast.models import arima_notes, fit_forecast, refit_members
from replenish.history.cleaning import build_history as _build_history
from replenish.optimise.scenarios import ResidualPool, residual_pool
from replenish.planning.composites import fit_composites, forecast_composites, refit_composites
from replenish.planning.matrices import candidate_codes, history_matrix
from replenish.planning.opening import OpenDays
from replenish.pricing.response import estimate_response as _estimate
from replenish.records import CostForecast, DemandForecast, DemandHistory, FittedModels, PriceResponse, Tables
from replenish.settings import Settings, fitting_settings

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
    """The last known evening of a plan for `day`; without a day, the store's last day of sales.

    Closed days just before it are passed over; `ConfigError` when the shop is closed on `day` (`opening.OpenDays`).
    """
    known = tables.for_store(store)
    if day is None:
        return pd.Timestamp(known.daily_sales["date"].max())
    return OpenDays(known).evening_before(pd.Timestamp(day), settings.shop.lead_time_days)


def plannable_days(tables: Tables, store: str, settings: Settings) -> tuple[date, date]:
    """First and last day that can be planned: `lead_time_days` after the store's second and last day of sales.

    When the shop is closed on the last of them, the first open day after it.
    """
    own = tables.for_store(store)
    known, lead = own.daily_sales["date"], settings.shop.lead_time_days
    first = known.min() + pd.Timedelta(days=1 + lead)
    return first.date(), OpenDays(own).planned(known.max(), lead, 1)[0].date()


@dataclass(frozen=True)
class Prospect:
    """What is known the evening before: history, its matrix, forecasts of demand and cost for the planned days.

    `composites`: the forecast of the categories' composites, to which `forecast` adds up; None where items are not
    reconciled.
    """

    history: DemandHistory
    models: FittedModels
    matrix: PanelMatrix
    forecast: DemandForecast
    costs: CostForecast
    dates: pd.DatetimeIndex
    composites: DemandForecast | None = None


def build_history(
    tables: Tables, as_of: date | pd.Timestamp | str, settings: Settings | None = None, store: str | None = None
) -> DemandHistory:
    """Demand history of one store as known on the evening of `as_of` (see `records.DemandHistory`)."""
    day = checked_day(tables, as_of)
    return _build_history(tables, day, settings or Settings(), one_store(tables, store))


def _past(
    tables: Tables,
    as_of: date | pd.Timestamp | str,
    settings: Settings,
    store: str | None,
    history: DemandHistory | None,
) -> DemandHistory:
    """The history that is at hand, or a new one; `ConfigError` when that at hand is of another store or evening."""
    if history is None:
        return build_history(tables, as_of, settings, store)
    if history.as_of != pd.Timestamp(as_of).normalize() or store not in (None, history.store):
        raise ConfigError(
            f"This history is of store “{history.store}” up to {history.as_of:%Y-%m-%d}, not of "
            f"“{store or history.store}” up to {pd.Timestamp(as_of):%Y-%m-%d}. Leave it out or build it again."
        )
    return history


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
    history: DemandHistory | None = None,
) -> FittedModels:
    """Price response and forecasting models of one store from what was known on the evening of `as_of`.

    `history`: what `build_history` makes of the same, where it is at hand.
    """
    chosen = settings or Settings()
    progress("history")
    past = _past(tables, as_of, chosen, store, history)
    return _fit(tables, past, chosen, seed, progress)


def refit_demand(
    tables: Tables,
    as_of: date | pd.Timestamp | str,
    models: FittedModels,
    settings: Settings | None = None,
    seed: int = 0,
    progress: Progress = silent,
    history: DemandHistory | None = None,
) -> FittedModels:
    """The demand models fitted again on what was known on the evening of `as_of`.

    The price response stays, and so do blend weights, bands and residuals (see `forecast.models.refit_members`).
    `history`: as in `fit_models`. `ConfigError` for models of another store or shop, of other settings or of a later
    evening.
    """
    chosen = settings or Settings()
    progress("history")
    past = _past(tables, as_of, chosen, models.store, history)
    _check_models(models, past, chosen)
    progress("demand models")
    matrix = history_matrix(tables, past, _for_items(models.price_response, past), chosen)
    mark = known_fingerprint(tables, past.store, past.as_of)
    refitted = refit_members(matrix, models, chosen, mark, seed)
    if models.composites is None:
        return refitted
    progress("demand models of the categories")
    return replace(refitted, composites=refit_composites(tables, past, chosen, models.composites, seed))


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
    history: DemandHistory | None = None,
) -> Prospect:
    """History and forecasts for the planned days: those open among `days` days from `lead_time_days` after `as_of` on.

    A closed day is never the first: the plan then begins with the next open one (`opening.OpenDays`). `history`: as in
    `fit_models`. `models` may be some days old; the forecast's notes say how old, and whether the data they were fitted
    on have changed since. `ConfigError` for models of another store or shop, of other settings or of a later evening.
    """
    chosen = settings or Settings()
    progress("history")
    past = _past(tables, as_of, chosen, store, history)
    given = models or _fit(tables, past, chosen, seed, progress)
    _check_models(given, past, chosen)
    fitted = replace(given, price_response=_for_items(given.price_response, past))
    progress("forecast")
    matrix = history_matrix(tables, past, fitted.price_response, chosen)
    opening = OpenDays(tables.for_store(past.store).up_to(past.as_of))
    dates = opening.planned(past.as_of, chosen.shop.lead_time_days, days)
    codes = candidate_codes(past, chosen, must_list)
    forecast, composites = forecast_matrix(matrix, fitted, past.items, codes, dates), None
    notes = _model_notes(tables, given, past.as_of)
    if _to_be_reconciled(matrix, chosen):
        if fitted.composites is None:
            notes += ("items are not reconciled with their categories: there is too little of these to forecast from",)
        else:
            above = forecast_composites(tables, past, dates, chosen, fitted.composites)
            forecast, composites = reconciled(forecast, above)
            notes += arima_notes(fitted.composites)
    forecast = replace(forecast, notes=(*forecast.notes, *notes))
    return Prospect(past, fitted, matrix, forecast, forecast_costs(matrix, codes, dates), dates, composites)


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


def joint_residuals(ahead: Prospect) -> ResidualPool:
    """Residual pool of the forecast items; holiday periods are kept out of ordinary days."""
    items = ahead.forecast.table.drop_duplicates("item_code").set_index("item_code")["category"]
    calendar = ahead.matrix.calendar
    near = (calendar["days_to_holiday"] <= 1) | (calendar["days_since_holiday"] <= 1) | calendar["is_holiday"]
    holiday = bool(near.reindex(ahead.dates).fillna(False).any())
    return residual_pool(ahead.forecast.residuals, items, set(calendar.index[near]), holiday)


def _fit(tables: Tables, history: DemandHistory, settings: Settings, seed: int, progress: Progress) -> FittedModels:
    progress("price response")
    response = _estimate(history, settings.pricing)
    progress("demand models")
    matrix = history_matrix(tables, history, response, settings)
    mark = known_fingerprint(tables, history.store, history.as_of)
    models = fit_forecast(matrix, response, settings, history.store, mark, seed)
    if not _to_be_reconciled(matrix, settings):
        return models
    progress("demand models of the categories")
    above = fit_composites(tables, history, settings, response, seed)
    return replace(models, composites=above)


def _to_be_reconciled(matrix: PanelMatrix, settings: Settings) -> bool:
    """Whether items are brought into line with their categories.

    Not where demand was freed from the assortment: items then stand for what is asked for with rivals there, which is
    less than the sales and stock-outs that their categories add up.
    """
    freed = matrix.assortment is not None and matrix.assortment.freed
    return settings.forecast.reconcile and not freed


def checked_day(tables: Tables, as_of: date | pd.Timestamp | str) -> pd.Timestamp:
    """`as_of` as a day inside the data, whatever the hour; `DataError` when it is outside."""
    day = pd.Timestamp(as_of).normalize()
    first, last = tables.daily_sales["date"].min(), tables.daily_sales["date"].max()
    if not first < day <= last:
        raise DataError(
            f"daily_sales: the data reaches from {first:%Y-%m-%d} to {last:%Y-%m-%d}; {day:%Y-%m-%d} as the last known "
            "day is outside.",
            f"Choose a planned day at most one lead time after {last:%Y-%m-%d}.",
        )
    return day


def _check_models(models: FittedModels, history: DemandHistory, settings: Settings) -> None:
    """`ConfigError` for models that are not of this store, shop or settings, or that know later days."""
    if models.store != history.store:
        raise ConfigError(f"These models belong to store “{models.store}”, not “{history.store}”. Fit them again.")
    if models.fitted_as_of > history.as_of:
        raise ConfigError(
            f"These models know data up to {models.fitted_as_of:%Y-%m-%d}, later than {history.as_of:%Y-%m-%d}. "
            "Fit them again."
        )
    wanted = fitting_settings(settings)
    others = [f"{k} ({models.settings.get(k)}, now {v})" for k, v in wanted.items() if models.settings.get(k) != v]
    if others:
        raise ConfigError(f"These models were fitted with other settings: {', '.join(others)}. Fit them again.")
    codes = models.frames["smoothing"]["item_code"]
    unknown = codes[~codes.isin(history.items["item_code"])]
    if len(unknown):
        raise ConfigError(
            f"{len(unknown)} of the {len(codes)} items of these models are not in the data (first: {unknown.iloc[0]}): "
            "they belong to another shop, or the items were taken out of the table. Fit them again."
        )


def _model_notes(tables: Tables, models: FittedModels, as_of: pd.Timestamp) -> tuple[str, ...]:
    """How the models came about, how old their parts are, and whether the data they know have changed since."""
    parts = {"demand models": models.fitted_as_of, "price response, blend weights and bands": models.validated_as_of}
    old = [f"{what} of {day:%Y-%m-%d} ({_days_old(day, as_of)})" for what, day in parts.items() if day < as_of]
    ages = (f"kept models are used: {', '.join(old)}",) if old else ()
    if models.fingerprint == known_fingerprint(tables, models.store, models.fitted_as_of):
        return (*models.notes, *ages)
    changed = f"the data up to {models.fitted_as_of:%Y-%m-%d} are not those that the models were fitted on"
    return (*models.notes, *ages, changed)


def _days_old(day: pd.Timestamp, as_of: pd.Timestamp) -> str:
    days = (as_of - day).days
    return "1 day old" if days == 1 else f"{days} days old"


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
