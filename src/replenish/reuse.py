"""Fitted models kept from evening to evening: used as they are, fitted again, or made anew when they are stale."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pandas as pd

from replenish.errors import StorageError
from replenish.fingerprint import known_fingerprint
from replenish.planning import Progress, fit_models, refit_demand, silent
from replenish.records import FittedModels, Tables
from replenish.settings import Settings
from replenish.store.fitted import ModelFolder, load_models, save_models


def kept_models(
    tables: Tables,
    as_of: date | pd.Timestamp | str,
    settings: Settings,
    store: str,
    seed: int = 0,
    progress: Progress = silent,
) -> FittedModels:
    """The models of one store for the evening of `as_of`: kept ones until they are stale, else fitted and kept.

    Kept ones serve when they were fitted by the same settings, seed and versions, know nothing after `as_of`, and the
    data they know are still the same; of these the latest. From `forecast.refit_days` on their members are fitted again
    (`refit_demand`), from `forecast.revalidate_days` on everything is (`fit_models`). So the past is planned with
    models of the past, and a corrected past is learned from. The same evening, data and files give the same models.

    A file that cannot be read, or whose data were corrected, is passed over; the models' `notes` and `progress` say so.
    `StorageError` when the models cannot be written.
    """
    evening, chosen = pd.Timestamp(as_of).normalize(), settings.forecast
    place = ModelFolder(settings.storage.output, store, settings, seed)
    found, notes = _latest_usable(place, tables, evening)
    for note in notes:
        progress(note)
    if found is None or _age(found.validated_as_of, evening) >= chosen.revalidate_days:
        models = fit_models(tables, evening, settings, store, seed, progress)
    elif _age(found.fitted_as_of, evening) >= chosen.refit_days:
        models = refit_demand(tables, evening, found, settings, seed, progress)
    else:
        return replace(found, notes=notes)
    save_models(place.path(evening), models)
    place.tidy()
    return replace(models, notes=notes)


def _latest_usable(
    place: ModelFolder, tables: Tables, evening: pd.Timestamp
) -> tuple[FittedModels | None, tuple[str, ...]]:
    """The latest models that can be read and whose data are still the same; notes on those passed over."""
    unread: list[str] = []
    corrected: list[str] = []
    found = None
    for path in place.up_to(evening):
        try:
            models = load_models(path)
        except StorageError:
            unread.append(path.name)
            continue
        if models.fingerprint == known_fingerprint(tables, place.store, models.fitted_as_of):
            found = models
            break
        corrected.append(f"{models.fitted_as_of:%Y-%m-%d}")
    return found, _passed_over(unread, corrected)


def _passed_over(unread: list[str], corrected: list[str]) -> tuple[str, ...]:
    """What is said of the files that could not be read, and of the evenings whose data have been corrected."""
    notes = [f"kept models were passed over: {', '.join(unread)} cannot be read"] if unread else []
    if corrected:
        days = ", ".join(sorted(corrected))
        notes.append(f"kept models of {days} were passed over: the data they were fitted on have been corrected since")
    return tuple(notes)


def _age(day: pd.Timestamp, evening: pd.Timestamp) -> int:
    """Days from one to the other."""
    return (evening - day).days
