"""Fitted models kept on disk and found again: the same data, day, settings and versions never fit twice."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path

import pandas as pd

from replenish.records import FittedModels, PriceResponse
from replenish.settings import Settings
from replenish.store.identity import installed_versions
from replenish.store.models import Bundle, load_bundle, save_bundle

KIND = "models"
VERSION = 13
# Sections that decide what is fitted; rules, scenarios and solver do not.
SECTIONS = ("shop", "history", "pricing", "forecast")


def models_path(
    folder: str | Path, fingerprint: str, store: str, as_of: date | pd.Timestamp, settings: Settings, seed: int
) -> Path:
    """Where the models fitted for this store, evening, data, settings and library versions are kept."""
    body = settings.model_dump(mode="json")
    parts = [VERSION, fingerprint, store, f"{as_of:%Y-%m-%d}", {k: body[k] for k in SECTIONS}, seed]
    parts.append(installed_versions())
    name = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return Path(folder) / "models" / f"{as_of:%Y-%m-%d}-{name}.zip"


def save_models(path: str | Path, models: FittedModels) -> Path:
    """Write the models to one file, whole or not at all; returns its path."""
    response = models.price_response
    frames = {f"frame_{k}": v for k, v in models.frames.items()}
    frames |= {"response_items": response.items, "response_categories": response.categories}
    meta = {"store": models.store, "fitted_as_of": f"{models.fitted_as_of:%Y-%m-%d}",
            "fingerprint": models.fingerprint, "models": models.meta}  # fmt: skip
    return save_bundle(path, Bundle(frames=frames, texts={"boosting": models.boosting}, meta=meta), KIND, VERSION)


def load_models(path: str | Path) -> FittedModels:
    """The models of a file written by `save_models`; `StorageError` when it is missing or damaged."""
    bundle = load_bundle(path, KIND, VERSION)
    frames = {k.removeprefix("frame_"): v for k, v in bundle.frames.items() if k.startswith("frame_")}
    response = PriceResponse(bundle.frames["response_items"], bundle.frames["response_categories"])
    meta = bundle.meta
    as_of = pd.Timestamp(meta["fitted_as_of"])
    return FittedModels(
        meta["store"], as_of, meta["fingerprint"], response, bundle.texts["boosting"], frames, meta["models"]
    )
