"""What makes two runs the same run, and the versions a run was made with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import replenish
from replenish.records import Override, Plan
from replenish.store.rows import RUN_ID_LENGTH

LIBRARIES = ("replenish", "highspy", "lightgbm", "numpy", "pandas", "pyfixest", "pyomo", "scipy", "statsmodels")
SETTINGS_WITHOUT_EFFECT = {"storage"}
MODELS = ("models_as_of", "models_validated_as_of", "models_fingerprint")


def run_identity(plan: Plan, versions: Mapping[str, str], overrides: Sequence[Override] | None = None) -> str:
    """The run's name: a hash of everything that decides its numbers, and of nothing else.

    That is the fingerprint of the input, store, dates, what the models know (`MODELS`), settings (without where files
    lie), overrides, seed and versions. `overrides` replaces those of the plan: with `()` it names the same run before
    overrides.
    """
    locks = plan.overrides if overrides is None else overrides
    body = {
        "fingerprint": plan.fingerprint,
        "store": plan.store,
        "dates": plan.summary["dates"],
        "as_of": plan.summary["as_of"],
        "models": {name: plan.summary.get(name) for name in MODELS},
        "settings": {k: v for k, v in plan.settings.items() if k not in SETTINGS_WITHOUT_EFFECT},
        "overrides": sorted(_canonical(asdict(o)) for o in locks),
        "seed": plan.seed,
        "versions": dict(versions),
    }
    return hashlib.sha256(_canonical(body).encode()).hexdigest()[:RUN_ID_LENGTH]


def _canonical(body: Any) -> str:
    return json.dumps(body, sort_keys=True, ensure_ascii=False)


@cache
def installed_versions() -> dict[str, str]:
    """Versions of the libraries that decide the numbers, and a hash of the package's own source (`source`)."""
    return {name: version(name) for name in LIBRARIES} | {"source": _source_hash()}


def _source_hash() -> str:
    """Eight hex digits of the package's code, so that changed code under an old version number is a new run."""
    folder = Path(replenish.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
