"""Fitted models are kept whole, checked, and in formats that execute nothing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from replenish.errors import StorageError
from replenish.store.models import MANIFEST, Bundle, load_bundle, save_bundle


@pytest.fixture
def bundle() -> Bundle:
    days = pd.date_range("2023-06-01", periods=3, name="date")
    residuals = pd.DataFrame({"1029": [1.0, np.nan, 0.8]}, index=days)
    return Bundle(
        frames={"residuals": residuals, "花叶类": pd.DataFrame({"price": [1.5]})},
        arrays={"weights": np.array([[0.25, 0.75]])},
        texts={"boosting": "tree\nversion=v4\n"},
        meta={"store": "main", "as_of": "2023-06-30", "members": ["ets", "boosting"]},
    )


@pytest.fixture
def path(tmp_path: Path, bundle: Bundle) -> Path:
    return save_bundle(tmp_path / "models" / "main.zip", bundle, "forecast", version=2)


def rewrite(path: Path, member: str, content: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, old in members.items():
            archive.writestr(name, content if name == member else old)


def assert_same(loaded: Bundle, bundle: Bundle) -> None:
    assert (loaded.texts, loaded.meta) == (bundle.texts, bundle.meta)
    np.testing.assert_array_equal(loaded.arrays["weights"], bundle.arrays["weights"])
    assert list(loaded.frames) == list(bundle.frames)
    for name, frame in bundle.frames.items():
        pd.testing.assert_frame_equal(loaded.frames[name], frame, check_freq=False)


def test_a_bundle_comes_back_as_it_was(path: Path, bundle: Bundle) -> None:
    assert_same(load_bundle(path, "forecast", version=2), bundle)


def test_the_same_models_give_the_same_file(path: Path, bundle: Bundle, tmp_path: Path) -> None:
    again = save_bundle(tmp_path / "again.zip", bundle, "forecast", version=2)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("kind", "version"), [("forecast", 1), ("pricing", 2)])
def test_another_kind_or_version_is_refused(path: Path, kind: str, version: int) -> None:
    with pytest.raises(StorageError, match=f"forecast models of version 2; {kind} models of version {version}"):
        load_bundle(path, kind, version)


def test_a_changed_part_is_refused(path: Path) -> None:
    rewrite(path, "texts/boosting", b"tree\nversion=v5\n")
    with pytest.raises(StorageError, match=r"1 of 4 parts do not match their checksum \(first: texts/boosting\)"):
        load_bundle(path, "forecast", version=2)


@pytest.mark.parametrize("keep", [0, 10, 400])
def test_a_cut_file_is_refused(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StorageError, match="is damaged"):
        load_bundle(path, "forecast", version=2)


def test_a_file_with_a_flipped_bit_is_as_it_was_or_refused(path: Path, bundle: Bundle) -> None:
    """300 bits drawn anywhere: bits of no meaning (a time) leave the bundle as it is, all others are damage."""
    whole, refused = path.read_bytes(), 0
    for bit in np.random.default_rng(0).integers(0, 8 * len(whole), 300):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(changed)
        try:
            assert_same(load_bundle(path, "forecast", version=2), bundle)
        except StorageError:
            refused += 1
    assert 200 < refused < 300


def test_a_file_that_says_it_is_encrypted_is_refused(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(whole)
    with pytest.raises(StorageError, match=r"is damaged .*encrypted"):
        load_bundle(path, "forecast", version=2)


def test_a_manifest_that_is_no_json_is_refused(path: Path) -> None:
    rewrite(path, MANIFEST, b"\x80\x04 not json")
    with pytest.raises(StorageError, match="is damaged"):
        load_bundle(path, "forecast", version=2)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no such file of fitted models\. Fit the models again"):
        load_bundle(tmp_path / "none.zip", "forecast")


def test_python_objects_are_refused_so_that_reading_executes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        save_bundle(tmp_path / "objects.zip", Bundle(arrays={"bad": np.array([object()])}), "forecast")
    assert not (tmp_path / "objects.zip").exists()
