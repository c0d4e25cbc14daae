"""Fitting: members on the past, blend weights, curves and bands on the last validation days, members again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.errors import ForecastError
from replenish.forecast.arima import ArimaFit, arima_forecasts, fit_arima
from replenish.forecast.blend import blend_weights, combine
from replenish.forecast.boosting import Covariates, boosting_forecast, covariates, fit_boosting, known_categories
from replenish.forecast.coldstart import Starts, cold_start, fit_curve, launch_money, on_curve, starts
from replenish.forecast.features import PanelMatrix, rolling_sum
from replenish.forecast.intermittent import intermittent, tsb_forecasts
from replenish.forecast.intervals import Bands, Cells, fit_bands
from replenish.forecast.paths import joint_errors
from replenish.forecast.smoothing import Smoothing, fit_smoothing, one_step, smoothed_levels, smoothing_forecast
from replenish.forecast.surprise import SHARES, Surprise, carried, carry_over, surprises
from replenish.forecast.theta import theta_forecasts
from replenish.forecast.unrest import unrest
from replenish.records import FittedModels, JointErrors, PriceResponse
from replenish.settings import Settings, fitting_settings

Array = NDArray[np.float64]
MIN_HISTORY_DAYS = 60
FOLD_DAYS = 60
# Every member's forecasts at every horizon are held at once: beyond 2,700 items the days judged on become fewer, but
# not fewer than four months.
MOST_CELLS, LEAST_DAYS = 1_000_000, 119
INTERMITTENT = "intermittent items"


@dataclass(frozen=True)
class Members:
    """Fitted members of one store; `boosting` is the text of the LightGBM models, empty when off.

    `categories` are those of that member, in the order of their numbers. `theta` and `tsb` (whether they take part)
    have no parameters but those of `smoothing`. `arima`: a fit per series, empty when off.
    """

    smoothing: Smoothing
    theta: bool
    tsb: bool
    boosting: str
    categories: tuple[str, ...]
    arima: list[ArimaFit]


def fit_forecast(
    m: PanelMatrix,
    response: PriceResponse,
    settings: Settings,
    store: str,
    fingerprint: str,
    seed: int,
    arima: bool = False,
) -> FittedModels:
    """Fitted models from the whole panel; `arima`: whether that member takes part.

    The blend weights, the curves, the bands and the joint residuals come from members fitted on the days before those
    they are judged on: the last `validation_days`, LightGBM anew every 60 days of them. So each residual is one the
    members had never seen. A member that could not be fitted then is left out: nothing would tell its error.
    """
    days = len(m.dates)
    if days < MIN_HISTORY_DAYS:
        raise ForecastError(
            f"sales: {days} days of history up to {m.dates[-1]:%Y-%m-%d} are too few to forecast from; "
            f"at least {MIN_HISTORY_DAYS} are needed. Choose a later date."
        )
    validation = _validation_days(days, len(m.item_codes), settings)
    past = _fit_members(m, settings, seed, days - validation, settings.forecast.boosting, arima)
    judged = _validate(m, past, settings, validation, seed)
    members = _fit_members(m, settings, seed, days, bool(past.boosting), arima)
    frames = _frames(members, judged, launch_money(m, days))
    bands = judged.bands
    joint = judged.joint
    meta = {"persistence": joint.persistence, "spread": joint.spread, "linear": bands.linear, "square": bands.square,
            "edges": list(bands.edges), "categories": list(members.categories), "theta": members.theta,
            "tsb": members.tsb}  # fmt: skip
    evening = m.dates[-1]
    chosen = fitting_settings(settings)
    return FittedModels(store, evening, evening, fingerprint, chosen, response, members.boosting, frames, meta)


def _validation_days(days: int, items: int, settings: Settings) -> int:
    """On how many of the last `days` the members are judged."""
    return min(settings.forecast.validation_days, days // 3, max(LEAST_DAYS, MOST_CELLS // max(items, 1)))


def refit_members(
    m: PanelMatrix, fitted: FittedModels, settings: Settings, fingerprint: str, seed: int
) -> FittedModels:
    """The members fitted again on the whole panel; blend weights, curves, bands and residuals stay.

    Those are measured on months of validation days, which a week more hardly changes; it saves three quarters of
    the time of `fit_forecast`. Nothing is taken over from the earlier members: however often models were fitted again
    since they were validated, the last time gives the same.
    """
    days = len(m.dates)
    members = _fit_members(m, settings, seed, days, bool(fitted.boosting), not fitted.frames["arima"].empty)
    kept = {
        name: fitted.frames[name] for name in ("weights", "carry", "curve", "bands", "horizon", "residuals", "paths")
    }
    frames = kept | _member_frames(members, launch_money(m, days))
    meta = fitted.meta | {"categories": list(members.categories), "theta": members.theta, "tsb": members.tsb}
    return replace(
        fitted, fitted_as_of=m.dates[-1], fingerprint=fingerprint, boosting=members.boosting, frames=frames, meta=meta
    )


def _fit_members(m: PanelMatrix, settings: Settings, seed: int, until: int, boosted: bool, arima: bool) -> Members:
    smoothing = fit_smoothing(m, until)
    boosting = ""
    if boosted and until > 2 * MIN_HISTORY_DAYS:
        boosting = fit_boosting(m, covariates(m, smoothed_levels(m, smoothing)), until, settings.forecast, seed)
    chosen, fits = settings.forecast, fit_arima(m, until) if arima else []
    return Members(smoothing, chosen.theta, chosen.tsb, boosting, known_categories(m), fits)


def member_forecasts(
    m: PanelMatrix, members: Members, origins: Mapping[int, NDArray[np.int64]], known: Covariates | None = None
) -> dict[int, dict[str, Array]]:
    """Price-neutral forecasts: horizon → member → origins × items; `origins`: horizon → day numbers.

    `known`: the covariates of the panel with the levels of these members, where they are at hand.
    """
    fitted = members.smoothing
    levels = smoothed_levels(m, fitted) if known is None else known.level
    found = {"smoothing": {h: smoothing_forecast(m, fitted, levels, days, h) for h, days in origins.items()}}
    if members.theta:
        found["theta"] = theta_forecasts(m, fitted, levels, origins)
    if members.tsb:
        found["tsb"] = tsb_forecasts(m, fitted, origins)
    if members.boosting:
        earliest = min(int(days.min()) for days in origins.values())
        seen = covariates(m, levels, earliest) if known is None else known
        found["boosting"] = boosting_forecast(m, seen, members.boosting, members.categories, origins)
    if members.arima:
        found["arima"] = arima_forecasts(m, members.arima, origins)
    return {h: {name: values[h] for name, values in found.items()} for h in origins}


def item_groups(m: PanelMatrix, until: int) -> NDArray[np.str_]:
    """Which blend weights an item takes: its category's, or those of intermittent items; known before day `until`."""
    return np.where(intermittent(m, until), INTERMITTENT, m.category)


def blended(values: dict[str, Array], weights: pd.DataFrame, groups: NDArray[np.str_]) -> Array:
    """Members mixed by their group's weights; the mean of all groups for a group without."""
    shares = weights.reindex(groups).fillna(weights.mean())
    return combine({name: values[name] for name in weights.columns if name in values}, shares)


@dataclass(frozen=True)
class _Judged:
    """What the validation days say: blend weights, what comes again of a surprise, launch curve, bands …"""

    weights: pd.DataFrame
    carry: Array
    curve: Array
    bands: Bands
    residuals: pd.DataFrame
    joint: JointErrors


def _validate(m: PanelMatrix, past: Members, settings: Settings, validation: int, seed: int) -> _Judged:
    """Everything measured on the last `validation` days, with one-step residuals standardised."""
    days, horizons = len(m.dates), range(1, settings.forecast.horizon_days + 1)
    targets = np.arange(days - validation, days)
    cells = _unseen_forecasts(m, past, settings, targets, seed)
    groups = item_groups(m, days - validation)
    price = {h: m.price_factor(m.price[targets - h]) for h in horizons}
    actual = {h: m.neutral[targets] * price[h] for h in horizons}
    lately = settings.forecast.candidate_days
    taught = {h: _taught(m, targets - h, targets, lately) for h in horizons}
    worth = np.vstack([taught[h] * np.nan_to_num(m.price[targets - h]) for h in horizons])
    observed = np.vstack([actual[h] for h in horizons])
    stacked = {k: np.vstack([cells[h][k] * price[h] for h in horizons]) for k in cells[1]}
    weights = blend_weights(observed, worth, stacked, groups, {"tsb": INTERMITTENT})
    mixed = {h: blended(cells[h], weights, groups) * price[h] for h in horizons}
    seen, state = recent_errors(m, past.smoothing)
    carry = carry_over(m, seen, targets, actual, mixed)
    mixed = {h: q * carried(seen, carry, targets - h, h) for h, q in mixed.items()}
    begun = {h: starts(m, targets - h) for h in horizons}
    launch = launch_money(m, days - validation)
    mixed = {h: cold_start(m, q, launch, begun[h], targets - h) for h, q in mixed.items()}
    curve = _curve(m, targets, actual, mixed)
    mixed = {h: q * on_curve(begun[h], curve, h) for h, q in mixed.items()}
    seen_at = {h: _seen(taught[h], q) for h, q in mixed.items()}
    bands = _bands(m, targets, actual, mixed, state, begun, seen_at)
    sigma = {h: bands.sigma(q, state[targets - h], h) for h, q in mixed.items()}
    scores = {h: _scores(actual[h], q, sigma[h], seen_at[h]) for h, q in mixed.items()}
    residuals = pd.DataFrame(scores[1], index=m.dates[targets], columns=list(m.item_codes))
    joint = joint_errors(scores, m.category, m.dates[targets])
    return _Judged(weights, carry, curve, bands, residuals, joint)


def recent_errors(m: PanelMatrix, smoothing: Smoothing) -> tuple[Surprise, Array]:
    """What every day of the panel surprised with, and how unsettled demand was by then (days × items)."""
    ahead = one_step(m, smoothing, smoothed_levels(m, smoothing))
    return surprises(m, ahead), unrest(m, ahead)


def _unseen_forecasts(
    m: PanelMatrix, past: Members, settings: Settings, targets: NDArray[np.int64], seed: int
) -> dict[int, dict[str, Array]]:
    """Member forecasts of the target days, by horizon, from members fitted before them: LightGBM anew for each fold."""
    horizons = range(1, settings.forecast.horizon_days + 1)
    known = covariates(m, smoothed_levels(m, past.smoothing)) if past.boosting else None
    parts = []
    for start in range(0, len(targets), FOLD_DAYS):
        fold = targets[start : start + FOLD_DAYS]
        members = past
        if known is not None and start:
            members = replace(past, boosting=fit_boosting(m, known, int(fold[0]), settings.forecast, seed))
        parts.append(member_forecasts(m, members, {h: fold - h for h in horizons}, known))
    return {h: {k: np.vstack([part[h][k] for part in parts]) for k in parts[0][h]} for h in horizons}


def _taught(m: PanelMatrix, origins: NDArray[np.int64], targets: NDArray[np.int64], lately: int) -> Array:
    """Teaching weight of the target days of items that taught in the `lately` days up to the origin, else 0.

    Of such items plans are made; what others sell on the day they come back says nothing of their errors. Those gone
    for a while must not be missing where plans bring them back: they are brought back where too much is forecast.
    """
    first = int(origins[0])
    recent = rolling_sum((m.weight > 0).astype(float), lately, first)[origins - first] > 0
    return np.asarray(m.weight[targets] * recent)


def _seen(taught: Array, forecast: Array) -> NDArray[np.bool_]:
    return np.asarray((taught > 0) & np.isfinite(forecast) & (forecast > 0))


def _curve(m: PanelMatrix, targets: NDArray[np.int64], actual: dict[int, Array], mixed: dict[int, Array]) -> Array:
    """Launch and return curve (see `coldstart.fit_curve`) of all items: those that come back were no candidates."""
    price = {h: np.where(_seen(m.weight[targets], q), m.price[targets - h], np.nan) for h, q in mixed.items()}
    sold, expected = ([values[h] * price[h] for h in mixed] for values in (actual, mixed))
    return fit_curve(starts(m, targets - 1), sold, expected)


def _bands(
    m: PanelMatrix, targets: NDArray[np.int64], actual: dict[int, Array], mixed: dict[int, Array], state: Array,
    begun: dict[int, Starts], seen: dict[int, NDArray[np.bool_]],
) -> Bands:  # fmt: skip
    if not seen[1].any():
        raise ForecastError(
            f"sales: nothing was sold at a known price between {m.dates[targets[0]]:%Y-%m-%d} and "
            f"{m.dates[targets[-1]]:%Y-%m-%d}, so that the error of forecasts cannot be measured. Choose another date."
        )
    cells = []
    for h, forecast in mixed.items():
        at = seen[h]
        money, unrest = (forecast * m.price[targets - h])[at], state[targets - h][at]
        cells.append(Cells(actual[h][at], forecast[at], money, unrest, begun[h].little_seen[at]))
    return fit_bands(cells)


def _scores(actual: Array, forecast: Array, sigma: Array, seen: NDArray[np.bool_]) -> Array:
    """Standardised residuals, validation days × items; NaN where nothing was observed."""
    return np.where(seen, (actual - forecast) / np.maximum(sigma, 1e-9), np.nan)


def _frames(members: Members, judged: _Judged, launch: dict[tuple[str, str], float]) -> dict[str, pd.DataFrame]:
    """The fitted things as plain tables, ready for disk."""
    return _member_frames(members, launch) | {
        "weights": judged.weights.reset_index(),
        "carry": pd.DataFrame(judged.carry, columns=list(SHARES)),
        "curve": pd.DataFrame(judged.curve),
        "bands": pd.DataFrame(judged.bands.quantiles),
        "horizon": pd.DataFrame(
            {"factor": judged.bands.horizon, "below": judged.bands.sides[:, 0], "above": judged.bands.sides[:, 1]}
        ),
        "residuals": judged.residuals,
        "paths": judged.joint.factors,
    }


def _member_frames(members: Members, launch: dict[tuple[str, str], float]) -> dict[str, pd.DataFrame]:
    smoothing = pd.DataFrame(members.smoothing.weekday.T, columns=[f"weekday_{d}" for d in range(7)])
    smoothing.insert(0, "item_code", list(members.smoothing.item_codes))
    smoothing["alpha"] = members.smoothing.alpha
    arima = pd.DataFrame([asdict(a) for a in members.arima], columns=["item_code", "order", "parameters", "note"])
    return {
        "smoothing": smoothing,
        "arima": arima.assign(order=arima["order"].map(list), parameters=arima["parameters"].map(list)),
        "launch": pd.DataFrame([(*k, v) for k, v in launch.items()], columns=["category", "unit", "money"]),
    }


def read_members(models: FittedModels) -> Members:
    """The members back from their tables."""
    table = models.frames["smoothing"]
    weekday = table[[f"weekday_{d}" for d in range(7)]].to_numpy().T
    smoothing = Smoothing(tuple(table["item_code"]), table["alpha"].to_numpy(), weekday)
    arima = [_read_arima(row) for row in models.frames["arima"].to_dict("records")]
    meta = models.meta
    return Members(smoothing, meta["theta"], meta["tsb"], models.boosting, tuple(meta["categories"]), arima)


def _read_arima(row: dict[Any, Any]) -> ArimaFit:
    p, d, q = (int(v) for v in row["order"])
    return ArimaFit(str(row["item_code"]), (p, d, q), tuple(float(v) for v in row["parameters"]), str(row["note"]))


def arima_notes(models: FittedModels) -> tuple[str, ...]:
    """Which series ARIMA could not be fitted to, and why."""
    return tuple(
        f"{fit.item_code}: ARIMA left out, {fit.note}" for fit in read_members(models).arima if not fit.parameters
    )


def read_joint(models: FittedModels) -> JointErrors:
    """The joint errors back from their table."""
    return JointErrors(models.frames["paths"], models.meta["persistence"], models.meta["spread"])


def read_bands(models: FittedModels) -> Bands:
    """The bands back from their table."""
    low, high = models.meta["edges"]
    horizon = models.frames["horizon"]
    return Bands(
        models.meta["linear"], models.meta["square"], (low, high), models.frames["bands"].to_numpy(),
        horizon["factor"].to_numpy(), horizon[["below", "above"]].to_numpy(),
    )  # fmt: skip
