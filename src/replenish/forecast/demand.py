"""Forecasting with fitted models: demand of the planned days at the reference price, if offered, with bands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.errors import ForecastError
from replenish.forecast.build_up import past_new_year, without_build_up
from replenish.forecast.coldstart import LAUNCH, RETURN, Starts, cold_start, on_curve, starts
from replenish.forecast.features import PanelMatrix
from replenish.forecast.intervals import QUANTILE_NAMES, Bands
from replenish.forecast.models import (
    arima_notes,
    blended,
    item_groups,
    member_forecasts,
    read_bands,
    read_joint,
    read_members,
    recent_errors,
)  # fmt: skip
from replenish.forecast.outliers import MOST
from replenish.forecast.surprise import carried
from replenish.records import DemandForecast, FittedModels

Array = NDArray[np.float64]
NOTHING = "nothing to forecast from"
BLEND, SMOOTHING, CAPPED = "blend", "smoothing", "smoothing (the blend ran away)"
ON_CURVE = {LAUNCH: "launch curve", RETURN: "return curve"}
HIGHEST_DAYS = 56
MOST_OF_HIGHEST = 2.0


def forecast_matrix(
    m: PanelMatrix, models: FittedModels, items: pd.DataFrame, item_codes: list[str], dates: pd.DatetimeIndex
) -> DemandForecast:
    """Forecast of the given items and dates from the last day of the panel (see `records.DemandForecast`).

    An item never sold at a full price has no demand to go by: its forecast is 0 and a note says so. Dates after a New
    Year do not go by the crowd before it (`build_up.py`).

    Raises `ForecastError` when a date is not after the panel or further ahead than the longest horizon.
    """
    longest = len(models.frames["horizon"])
    ahead = (dates - m.dates[-1]).days
    if ahead.min() < 1 or ahead.max() > longest:
        raise ForecastError(
            f"Forecasts reach from 1 to {longest} days after {m.dates[-1]:%Y-%m-%d}; asked for "
            f"{dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}. Raise forecast.horizon_days or choose other days."
        )
    new_years = [past_new_year(m, date) for date in dates]
    later = np.array([day is not None for day in new_years])
    parts = [_forecast(m, models, items, item_codes, dates[~later])] if not later.all() else []
    if later.any():
        new_year = next(day for day in new_years if day is not None)
        found = _forecast(without_build_up(m, new_year), models, items, item_codes, dates[later])
        note = f"the crowd before the New Year ({new_year.day} {new_year:%B %Y}) is not expected to be there after it"
        parts.append(replace(found, notes=(*found.notes, note)))
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: list[DemandForecast]) -> DemandForecast:
    table = pd.concat([part.table for part in parts], ignore_index=True)
    members = pd.concat([part.members for part in parts], ignore_index=True)
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return replace(parts[0], table=table, members=members, notes=notes)


def _forecast(
    m: PanelMatrix, models: FittedModels, items: pd.DataFrame, item_codes: list[str], dates: pd.DatetimeIndex
) -> DemandForecast:
    """The forecast of `forecast_matrix` from the panel as it is."""
    members, bands = read_members(models), read_bands(models)
    horizons = [int((d - m.dates[-1]).days) for d in dates]
    origin = np.array([len(m.dates) - 1])
    names = items.set_index("item_code")["item_name"]
    position = {code: k for k, code in enumerate(m.item_codes)}
    rows = np.array([position[c] for c in item_codes])
    every = member_forecasts(m, members, dict.fromkeys(horizons, origin))
    surprise, state = recent_errors(m, members.smoothing)
    carry = models.frames["carry"].to_numpy()
    begun, shelf = starts(m, origin), m.recent_assortment()
    parts, parts_members = [], []
    for horizon, date in zip(horizons, dates, strict=True):
        values = every[horizon]
        again = carried(surprise, carry, origin, horizon)[0]
        mean, model = _mean(m, models, values, again, begun, horizon)
        seldom = begun.little_seen[0]
        parts.append(_table(m, bands, names, rows, date, horizon, mean * shelf, state[-1], seldom, model))
        factor = m.price_factor(m.price[-1])
        columns = {k: (v[0] * shelf * factor * m.demand_share)[rows] for k, v in values.items()}
        parts_members.append(pd.DataFrame({"item_code": item_codes, "date": date, **columns}))
    residuals = models.frames["residuals"]
    weights = models.frames["weights"].set_index("category")
    table = pd.concat(parts, ignore_index=True)
    notes = list(arima_notes(models))
    blind = table.loc[table["model"] == NOTHING, "item_code"].unique()
    if len(blind):
        notes.append(
            f"{len(blind)} items have no day of sales at a full price; no demand is forecast: {', '.join(blind)}"
        )
    notes += _outlier_notes(m, rows, names)
    ahead = pd.concat(parts_members, ignore_index=True)
    return DemandForecast(table, residuals, ahead, weights, tuple(notes), read_joint(models))


def _outlier_notes(m: PanelMatrix, rows: NDArray[np.int64], names: pd.Series) -> list[str]:
    """A note for each day of the last eight weeks that is far above what the item usually sells.

    `rows`: the items; `names`: item_code → name.
    """
    if m.excess is None:
        return []
    first = max(len(m.dates) - HIGHEST_DAYS, 0)
    late, item = np.nonzero(m.excess[first:, rows] > 1)
    return [
        f"{names[m.item_codes[k]]}: on {day:%Y-%m-%d} it sold {m.sold[t, k] * m.excess[t, k]:,.0f} {m.unit[k]}, more "
        f"than {MOST:g} times as much as it usually does; the forecast hardly goes by that day. If it is a typing "
        "error, correct it in the source and plan again."
        for t, k, day in zip(late + first, rows[item], m.dates[late + first], strict=True)
    ]


def _mean(
    m: PanelMatrix, models: FittedModels, values: dict[str, Array], again: Array, begun: Starts, horizon: int
) -> tuple[Array, NDArray[np.str_]]:
    """Mean forecast [unit] and the name of what made it, per item; 0 and `NOTHING` without any usable day.

    `again`: factor on the blend for what the last days surprised with; `begun`: how long items have been on the shelf
    (1 × items).
    """
    neutral, model = _neutral(m, models, values)
    rows = models.frames["launch"].to_dict("records")
    launch = {(str(r["category"]), str(r["unit"])): float(r["money"]) for r in rows}
    blend = (neutral * again * m.price_factor(m.price[-1]))[None, :]
    demand = cold_start(m, blend, launch, begun, np.array([len(m.dates) - 1]))[0]
    demand = demand * on_curve(begun, models.frames["curve"].to_numpy(), horizon)[0]
    for kind, name in ON_CURVE.items():
        model = np.where(begun.kind[0] == kind, name, model)
    model = np.where(np.isfinite(demand), model, NOTHING)
    return np.nan_to_num(np.maximum(demand, 0.0)), model


def _neutral(m: PanelMatrix, models: FittedModels, values: dict[str, Array]) -> tuple[Array, NDArray[np.str_]]:
    """Price-neutral blend of the last origin and what made it, per item.

    A blend above twice the highest day of the last 8 weeks has run away (a price series that jumps, an outlier a member
    took for a trend); smoothing, at most that highest day, stands in.
    """
    weights = models.frames["weights"].set_index("category")
    mixed = blended(values, weights, item_groups(m, len(m.dates)))[0]
    level = values["smoothing"][0]
    recent = slice(-HIGHEST_DAYS, None)
    taught = m.weight[recent] > 0
    highest = np.where(taught.any(0), np.where(taught, m.neutral[recent], 0.0).max(0), np.inf)
    wild = np.isfinite(level) & ((mixed > MOST_OF_HIGHEST * highest) | ~np.isfinite(mixed))
    model = _made_by(m, weights, values)
    return np.where(wild, np.minimum(level, highest), mixed), np.where(wild, CAPPED, model)


def _made_by(m: PanelMatrix, weights: pd.DataFrame, values: dict[str, Array]) -> NDArray[np.str_]:
    """`blend` for items that have every member of their blend, else the members there are, per item."""
    names = [name for name in weights.columns if name in values]
    shares = weights.reindex(item_groups(m, len(m.dates))).fillna(weights.mean())[names].to_numpy()
    there = np.column_stack([np.isfinite(values[name][0]) for name in names])
    whole = ((shares == 0) | there).all(1)
    found = [" + ".join(np.array(names)[row]) for row in there]
    return np.where(whole, BLEND, np.where(there.sum(1) > 1, [f"{BLEND} of {text}" for text in found], SMOOTHING))


def _table(
    m: PanelMatrix, bands: Bands, names: pd.Series, rows: NDArray[np.int64], date: pd.Timestamp, horizon: int,
    mean: Array, state: Array, little_seen: NDArray[np.bool_], model: NDArray[np.str_],
) -> pd.DataFrame:  # fmt: skip
    picked, share = mean[rows], m.demand_share[rows]
    codes = [m.item_codes[k] for k in rows]
    price = m.price[-1, rows]
    table = pd.DataFrame({
        "item_code": codes, "date": date, "item_name": names.reindex(codes).to_numpy(), "category": m.category[rows],
        "unit": m.unit[rows], "reference_price": price, "horizon": horizon, "mean": picked * share,
        "sigma": bands.sigma(picked, state[rows], horizon) * share, "demand_share": share,
        "offered_share": m.offered[-7:, rows].mean(0), "model": model[rows],
    })  # fmt: skip
    quantiles = bands.quantile_table(picked, picked * price, state[rows], little_seen[rows], horizon)
    table[list(QUANTILE_NAMES)] = quantiles * share[:, None]
    return table
