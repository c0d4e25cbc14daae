"""Fitted models on disk, in formats that execute nothing when read: Parquet, NumPy arrays without objects, text, JSON.

A bundle is one zip file: `manifest.json` (kind, version, meta and the SHA-256 of every part) and the parts themselves.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from replenish.errors import StorageError
from replenish.files import write_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANIFEST = "manifest.json"
ADVICE = "Fit the models again (delete the file, then plan)."
FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the same models give the same file, byte for byte
# What reading a damaged archive raises: one changed bit can turn a size, an offset, a flag or the way of packing.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, LookupError, EOFError, OSError, ValueError,
    RuntimeError, MemoryError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True)
class Bundle:
    """What a fitted model consists of, by name: tables, arrays, texts (such as LightGBM's) and plain JSON."""

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)


def save_bundle(path: str | Path, bundle: Bundle, kind: str, version: int = 1) -> Path:
    """Write the bundle to one file, whole or not at all; returns its path.

    `kind` says what is kept (for example `forecast`), `version` is raised when its contents change their meaning.
    Raises `ValueError` for arrays of Python objects, `StorageError` when the file cannot be written.
    """
    parts = _to_parts(bundle)
    manifest = {
        "kind": kind,
        "version": version,
        "meta": bundle.meta,
        "parts": {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()},
    }
    head = json.dumps(manifest, ensure_ascii=False, sort_keys=True).encode()
    return write_whole(path, _zip({MANIFEST: head, **parts}))


def load_bundle(path: str | Path, kind: str, version: int = 1) -> Bundle:
    """The bundle of a file written by `save_bundle` with the same `kind` and `version`.

    Raises `StorageError` when the file is missing, damaged, of another kind or of another version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _read_manifest(path, archive, kind, version)
            parts = {name: archive.read(name) for name in manifest["parts"]}
    except FileNotFoundError:
        raise StorageError(f"{path}: there is no such file of fitted models. {ADVICE}") from None
    except DAMAGE as error:
        raise StorageError(f"{path}: the file of fitted models is damaged ({error}). {ADVICE}") from error
    _refuse_changed_parts(path, parts, manifest["parts"])
    return _from_parts(parts, manifest["meta"])


def _read_manifest(path: str | Path, archive: zipfile.ZipFile, kind: str, version: int) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    found = (manifest["kind"], manifest["version"])
    if found != (kind, version):
        raise StorageError(
            f"{path}: holds {found[0]} models of version {found[1]}; {kind} models of version {version} are needed. "
            f"{ADVICE}"
        )
    return manifest


def _refuse_changed_parts(path: str | Path, parts: dict[str, bytes], checksums: dict[str, str]) -> None:
    changed = [n for n, content in parts.items() if hashlib.sha256(content).hexdigest() != checksums[n]]
    if changed:
        raise StorageError(
            f"{path}: {len(changed)} of {len(parts)} parts do not match their checksum (first: {changed[0]}). {ADVICE}"
        )


def _to_parts(bundle: Bundle) -> dict[str, bytes]:
    parts = {f"frames/{name}": frame.to_parquet() for name, frame in bundle.frames.items()}
    parts |= {f"arrays/{name}": _array_bytes(array) for name, array in bundle.arrays.items()}
    return parts | {f"texts/{name}": text.encode() for name, text in bundle.texts.items()}


def _from_parts(parts: dict[str, bytes], meta: dict[str, Any]) -> Bundle:
    bundle = Bundle(meta=meta)
    for path, content in parts.items():
        folder, _, name = path.partition("/")
        if folder == "frames":
            bundle.frames[name] = pd.read_parquet(io.BytesIO(content))
        elif folder == "arrays":
            bundle.arrays[name] = np.load(io.BytesIO(content), allow_pickle=False)
        else:
            bundle.texts[name] = content.decode()
    return bundle


def _array_bytes(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, FIXED_TIME), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
