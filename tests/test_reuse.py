"""Kept models: used the same evening, fitted again the next, made anew after a week, and never from the future."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from replenish import reuse
from replenish.errors import ConfigError
from replenish.nightly import run_nightly
from replenish.planning import fit_models, forecast_demand, refit_demand
from replenish.records import FittedModels, Tables
from replenish.reuse import kept_models
from replenish.settings import Settings
from replenish.sources.folder import tables_from_frames, write_tables
from replenish.store.database import open_store
from replenish.store.fitted import FILES_KEPT, ModelFolder, load_models, save_models
from tests.evaluate.worlds import long_frames, quick_settings, two_stores

MONDAY = pd.Timestamp("2023-06-19")
TUESDAY, WEDNESDAY, SUNDAY, NEXT_MONDAY = (MONDAY + pd.Timedelta(days=n) for n in (1, 2, 6, 7))
VALIDATED = ("weights", "carry", "curve", "bands", "horizon", "residuals", "paths")
Kept = Callable[..., FittedModels]


@pytest.fixture(scope="module")
def shop() -> Tables:
    return tables_from_frames(long_frames())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return quick_settings(storage__output=str(tmp_path / "out"), storage__database=f"sqlite:///{tmp_path}/runs.db")


@pytest.fixture
def kept(shop: Tables, settings: Settings) -> Kept:
    """The kept models of an evening; tables and settings may be others."""

    def find(evening: pd.Timestamp, tables: Tables = shop, chosen: Settings = settings) -> FittedModels:
        return kept_models(tables, evening, chosen, "main")

    return find


@pytest.fixture
def no_fitting(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on nothing may be fitted."""

    def refuse(*_: object, **__: object) -> FittedModels:
        raise AssertionError("models were fitted")

    def begin() -> None:
        monkeypatch.setattr(reuse, "fit_models", refuse)
        monkeypatch.setattr(reuse, "refit_demand", refuse)

    return begin


def corrected(tables: Tables, day: pd.Timestamp) -> Tables:
    """The tables with another quantity on that day."""
    sales = tables.daily_sales.copy()
    sales.loc[sales["date"] == day, ["quantity", "full_price_quantity"]] *= 1.5
    return replace(tables, daily_sales=sales)


def days(models: FittedModels) -> tuple[pd.Timestamp, pd.Timestamp]:
    return models.fitted_as_of, models.validated_as_of


def assert_same(found: FittedModels, expected: FittedModels) -> None:
    assert (*days(found), found.fingerprint, found.meta) == (*days(expected), expected.fingerprint, expected.meta)
    assert found.settings == expected.settings
    for name, frame in expected.frames.items():
        pd.testing.assert_frame_equal(found.frames[name], frame, check_freq=False)
    pd.testing.assert_frame_equal(found.price_response.items, expected.price_response.items)


def test_members_are_fitted_every_evening_and_everything_after_a_week(kept: Kept):
    monday, tuesday = kept(MONDAY), kept(TUESDAY)
    assert (days(monday), days(tuesday)) == ((MONDAY, MONDAY), (TUESDAY, MONDAY))
    for name in VALIDATED:
        pd.testing.assert_frame_equal(tuesday.frames[name], monday.frames[name], check_freq=False)
    pd.testing.assert_frame_equal(tuesday.price_response.items, monday.price_response.items)
    assert not tuesday.frames["smoothing"].equals(monday.frames["smoothing"])
    assert days(kept(SUNDAY)) == (SUNDAY, MONDAY)
    again = kept(NEXT_MONDAY)
    assert days(again) == (NEXT_MONDAY, NEXT_MONDAY)
    assert not again.frames["residuals"].equals(monday.frames["residuals"])


def test_the_same_evening_again_fits_nothing(kept: Kept, no_fitting: Callable[[], None]):
    first, second = kept(MONDAY), kept(TUESDAY)
    no_fitting()
    assert_same(kept(TUESDAY), second)
    assert_same(kept(MONDAY), first)


def test_how_long_models_serve_is_a_setting(kept: Kept, settings: Settings, no_fitting: Callable[[], None]):
    slow, at_once = settings.override(forecast__refit_days=3), settings.override(forecast__revalidate_days=1)
    monday = kept(MONDAY, chosen=slow)
    assert days(kept(MONDAY + pd.Timedelta(days=3), chosen=slow)) == (MONDAY + pd.Timedelta(days=3), MONDAY)
    assert days(kept(TUESDAY, chosen=at_once)) == (TUESDAY, TUESDAY)
    no_fitting()
    assert_same(kept(MONDAY, chosen=slow.override(pricing__max_rungs=3, rules__n_max=2)), monday)
    assert days(kept(WEDNESDAY, chosen=slow)) == (TUESDAY, TUESDAY)


def test_evenings_left_out_make_no_difference(kept: Kept, shop: Tables, settings: Settings):
    monday = kept(MONDAY)
    kept(TUESDAY)
    assert_same(kept(WEDNESDAY), refit_demand(shop, WEDNESDAY, monday, settings))


def test_a_corrected_past_is_learned_from(kept: Kept, shop: Tables):
    kept(MONDAY)
    kept(TUESDAY)
    # Only Tuesday is another: Monday's models still hold.
    found = kept(TUESDAY, corrected(shop, TUESDAY))
    assert days(found) == (TUESDAY, MONDAY)
    assert found.notes == (
        "kept models of 2023-06-20 were passed over: the data they were fitted on have been corrected since",
    )
    anew = kept(WEDNESDAY, corrected(shop, MONDAY - pd.Timedelta(days=9)))
    assert days(anew) == (WEDNESDAY, WEDNESDAY)
    assert [note.split(" were")[0] for note in anew.notes] == ["kept models of 2023-06-19, 2023-06-20"]


def test_later_days_and_new_items_are_no_correction(kept: Kept, shop: Tables):
    monday = kept(MONDAY, shop.up_to(MONDAY))
    new = shop.items.iloc[[0]].assign(item_code="N1", item_name="new")
    grown = replace(shop, items=pd.concat([shop.items, new], ignore_index=True))
    assert days(kept(TUESDAY, grown)) == (TUESDAY, MONDAY)
    assert kept(MONDAY, grown).fingerprint == monday.fingerprint


@pytest.mark.parametrize("change", [{"history__window_days": 60}, {"forecast__theta": False}, {"shop__country": "DE"}])
def test_other_settings_are_fitted_anew(kept: Kept, settings: Settings, change: dict[str, object]):
    kept(MONDAY)
    assert days(kept(TUESDAY, chosen=settings.override(**change))) == (TUESDAY, TUESDAY)


def test_an_earlier_evening_never_takes_models_that_know_more(kept: Kept, shop: Tables, settings: Settings):
    kept(TUESDAY)
    monday = kept(MONDAY)
    assert_same(monday, fit_models(shop, MONDAY, settings))


@pytest.mark.parametrize("broken", [b"", b"PK\x03\x04 not a zip"])
def test_a_file_that_cannot_be_read_is_written_again(kept: Kept, shop: Tables, settings: Settings, broken: bytes):
    kept(MONDAY)
    tuesday, told = kept(TUESDAY), list[str]()
    path = ModelFolder(settings.storage.output, "main", settings).path(TUESDAY)
    whole = path.read_bytes()
    path.write_bytes(broken)
    found = kept_models(shop, TUESDAY, settings, "main", progress=told.append)
    assert_same(found, tuesday)
    assert found.notes == (f"kept models were passed over: {path.name} cannot be read",)
    assert found.notes[0] in told
    assert path.read_bytes() == whole
    assert kept(TUESDAY).notes == ()


def test_the_files_written_last_are_kept_and_all_of_the_last_day(kept: Kept, settings: Settings):
    folder = ModelFolder(settings.storage.output, "main", settings)
    models, now = kept(MONDAY), time.time()

    def write(count: int, hours_apart: float) -> list[str]:
        """The names of so many files, the first one written last."""
        paths = [folder.path(MONDAY - pd.Timedelta(days=k)) for k in range(count)]
        for k, path in enumerate(paths):
            os.utime(save_models(path, models), times=(now, now - 3600 * hours_apart * k))
        folder.tidy()
        return [path.name for path in paths]

    names = write(FILES_KEPT + 4, hours_apart=24.5)
    assert [path.name for path in folder.up_to(MONDAY)] == names[:FILES_KEPT]
    names = write(FILES_KEPT + 4, hours_apart=1)
    assert [path.name for path in folder.up_to(MONDAY)] == names


def test_stores_whose_names_are_no_file_names_are_kept_apart(shop: Tables, settings: Settings):
    for name in ("../north/1", "a:b"):
        path = ModelFolder(settings.storage.output, name, settings).path(MONDAY)
        assert path.parent.parent == Path(settings.storage.output) / "models"
    one, other = (ModelFolder("out", name, settings).path(MONDAY) for name in ("a:b", "a_b"))
    assert one.parent == other.parent
    assert one != other


def test_plans_tell_the_age_of_their_models_and_a_repeated_evening_is_the_same_run(tmp_path: Path, settings: Settings):
    folder = write_tables(tmp_path / "shops", two_stores())

    def night(day: str) -> tuple[str, str, dict]:
        report = run_nightly(folder, settings, ["north"], pd.Timestamp(day)).stores[0]
        with open_store(settings.storage.database) as runs:
            return report.status, report.run_id, runs.load(report.run_id).plan.summary

    first, second = night("2023-06-30"), night("2023-07-01")
    known = ("as_of", "models_as_of", "models_validated_as_of")
    assert [first[2][name] for name in known] == ["2023-06-29"] * 3
    assert [second[2][name] for name in known] == ["2023-06-30", "2023-06-30", "2023-06-29"]
    age = "kept models are used: price response, blend weights and bands of 2023-06-29 (1 day old)"
    assert age in second[2]["notes"]
    assert age not in first[2]["notes"]
    assert (night("2023-06-30")[:2], night("2023-07-01")[:2]) == (("same run", first[1]), ("same run", second[1]))
    # Without the files the evening is planned with models validated on it: another run.
    for path in Path(settings.storage.output).glob("models/north/*.zip"):
        path.unlink()
    anew = night("2023-07-01")
    assert anew[0] == "planned"
    assert anew[2]["models_validated_as_of"] == "2023-06-30"


def test_a_night_over_a_cut_file_of_models_succeeds_and_says_so(tmp_path: Path, settings: Settings):
    folder = write_tables(tmp_path / "shops", two_stores())
    kept_models(tables_from_frames(two_stores()), pd.Timestamp("2023-06-30"), settings, "north")
    (path,) = Path(settings.storage.output).glob("models/north/*.zip")
    path.write_bytes(path.read_bytes()[:1000])
    report = run_nightly(folder, settings, ["north"]).stores[0]
    assert report.status == "planned"
    assert load_models(path).fitted_as_of == pd.Timestamp("2023-06-30")
    with open_store(settings.storage.database) as runs:
        notes = runs.load(report.run_id).plan.summary["notes"]
    assert f"kept models were passed over: {path.name} cannot be read" in notes


def test_models_of_other_settings_are_refused_by_name(kept: Kept, shop: Tables, settings: Settings):
    models = kept(MONDAY)
    other = settings.override(forecast__horizon_days=9, history__window_days=90)
    words = r"history\.window_days \(1100, now 90\), forecast\.horizon_days \(7, now 9\)\. Fit them again"
    with pytest.raises(ConfigError, match=words):
        forecast_demand(shop, MONDAY, 1, other, models)
    with pytest.raises(ConfigError, match=words):
        refit_demand(shop, TUESDAY, models, other)
    # What only decides about ladders or the planned day is no other model.
    beside = settings.override(pricing__max_rungs=3, shop__lead_time_days=2)
    assert len(forecast_demand(shop, MONDAY, 1, beside, models).table)


def test_settings_beside_fitting_do_not_change_what_is_fitted(shop: Tables, settings: Settings):
    """Every setting that is left out of `fitting_settings`, at another value."""
    beside = settings.override(
        shop__currency="EUR", shop__lead_time_days=3, pricing__max_rungs=2, pricing__support_days=20,
        pricing__support_low=0.2, pricing__support_high=0.8, pricing__max_change=0.05, pricing__min_markup=1.5,
        forecast__refit_days=9, forecast__revalidate_days=30,
    )  # fmt: skip
    assert_same(fit_models(shop, MONDAY, beside), fit_models(shop, MONDAY, settings))


def test_models_of_another_shop_are_refused(kept: Kept, settings: Settings):
    frames = {name: f.assign(item_code="X" + f["item_code"]) for name, f in long_frames().items()}
    with pytest.raises(ConfigError, match=r"items of these models are not in the data \(first: L1\): they belong to"):
        forecast_demand(tables_from_frames(frames), MONDAY, 1, settings, kept(MONDAY))


def test_models_of_other_data_are_told_in_the_notes(kept: Kept, shop: Tables, settings: Settings):
    models = kept(MONDAY)
    assert forecast_demand(shop, MONDAY, 1, settings, models).notes == ()
    notes = forecast_demand(corrected(shop, MONDAY), WEDNESDAY, 1, settings, models).notes
    assert notes == (
        "kept models are used: demand models of 2023-06-19 (2 days old), "
        "price response, blend weights and bands of 2023-06-19 (2 days old)",
        "the data up to 2023-06-19 are not those that the models were fitted on",
    )
