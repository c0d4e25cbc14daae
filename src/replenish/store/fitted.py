"""Fitted models kept on disk and found again, a file for each evening they were fitted on."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pandas as pd

from replenish.files import name_in_paths
from replenish.records import FittedModels, PriceResponse
from replenish.settings import Settings, fitting_settings
from replenish.store.identity import installed_versions
from replenish.store.models import Bundle, load_bundle, save_bundle

KIND = "models"
VERSION = 17
COMPOSITES = "composites_"
FILES_KEPT = 14  # per store, whatever the settings
LEAST_AGE_S = 24 * 3600.0  # a younger file may be what another process is about to read


@dataclass(frozen=True)
class ModelFolder:
    """Models of one store under `output`, fitted alike: with the same settings, seed and library versions.

    A file's name begins with its evening; what else decides is hashed behind it. The data are not part of the name:
    whether they are still those of the models is told by the models' fingerprint.
    """

    output: str | Path
    store: str
    settings: Settings
    seed: int = 0

    @property
    def folder(self) -> Path:
        """Where the store's models are, those fitted otherwise too."""
        return Path(self.output) / "models" / name_in_paths(self.store)

    def path(self, as_of: date | pd.Timestamp) -> Path:
        """The file of the models fitted on that evening."""
        return self.folder / f"{as_of:%Y-%m-%d}-{self._mark()}.zip"

    def up_to(self, as_of: date | pd.Timestamp) -> list[Path]:
        """The files there are of that evening and earlier ones, latest evening first."""
        last = self.path(as_of).name
        return sorted((p for p in self.folder.glob(f"*-{self._mark()}.zip") if p.name <= last), reverse=True)

    def tidy(self) -> None:
        """Delete the store's files but the 14 written last; those of the last day stay, and what is in use."""
        written = sorted(((_written_at(p), p) for p in self.folder.glob("*.zip")), reverse=True)
        for moment, path in written[FILES_KEPT:]:
            if time.time() - moment > LEAST_AGE_S:
                _delete(path)

    def _mark(self) -> str:
        parts = [VERSION, self.store, fitting_settings(self.settings), self.seed, installed_versions()]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def save_models(path: str | Path, models: FittedModels) -> Path:
    """Write the models to one file, those of the composites with them, whole or not at all; returns its path.

    Their notes are not kept.
    """
    bundle = Bundle()
    _put(bundle, models, "")
    if models.composites is not None:
        _put(bundle, models.composites, COMPOSITES)
    return save_bundle(path, bundle, KIND, VERSION)


def load_models(path: str | Path) -> FittedModels:
    """The models of a file written by `save_models`; `StorageError` when it is missing or damaged."""
    bundle = load_bundle(path, KIND, VERSION)
    above = _get(bundle, COMPOSITES) if f"{COMPOSITES}models" in bundle.meta else None
    return replace(_get(bundle, ""), composites=above)


def _put(bundle: Bundle, models: FittedModels, prefix: str) -> None:
    """Add the models to the bundle, each part's name with the `prefix`."""
    response = models.price_response
    frames = {f"frame_{k}": v for k, v in models.frames.items()}
    frames |= {"response_items": response.items, "response_categories": response.categories}
    bundle.frames.update({f"{prefix}{name}": frame for name, frame in frames.items()})
    bundle.texts[f"{prefix}boosting"] = models.boosting
    bundle.meta[f"{prefix}models"] = {
        "store": models.store, "fitted_as_of": f"{models.fitted_as_of:%Y-%m-%d}",
        "validated_as_of": f"{models.validated_as_of:%Y-%m-%d}", "fingerprint": models.fingerprint,
        "settings": models.settings, "meta": models.meta,
    }  # fmt: skip


def _get(bundle: Bundle, prefix: str) -> FittedModels:
    """The models that were added with the `prefix`."""
    start, told = f"{prefix}frame_", bundle.meta[f"{prefix}models"]
    frames = {k.removeprefix(start): v for k, v in bundle.frames.items() if k.startswith(start)}
    response = PriceResponse(bundle.frames[f"{prefix}response_items"], bundle.frames[f"{prefix}response_categories"])
    fitted, validated = (pd.Timestamp(told[name]) for name in ("fitted_as_of", "validated_as_of"))
    return FittedModels(
        told["store"], fitted, validated, told["fingerprint"], told["settings"], response,
        bundle.texts[f"{prefix}boosting"], frames, told["meta"],
    )  # fmt: skip


def _written_at(path: Path) -> float:
    """When the file was written [s]; long ago when it is gone by now."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _delete(path: Path) -> None:
    """Another process may hold the file or have deleted it; the next evening tries again."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
