"""Settings: precedence, unknown keys, and the commented example file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from replenish.errors import ConfigError
from replenish.settings import RuleSettings, Settings, build, example_toml, find_config, load_settings, settings_of_run


def write(folder: Path, text: str, name: str = "replenish.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_without_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}) == Settings()


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    path = write(tmp_path, "[rules]\nn_min = 1\nn_max = 10\ncover = 0.5\n")
    environ = {"REPLENISH_RULES__N_MAX": "20", "REPLENISH_RULES__COVER": "0.6"}
    rules = load_settings(path, environ=environ, flags={"rules__cover": 0.7}).rules
    assert (rules.n_min, rules.n_max, rules.cover, rules.min_display) == (1, 20, 0.7, 2.5)


def test_flags_that_are_not_given_change_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "[rules]\nn_max = 10\n")
    assert load_settings(path, environ={}, flags={"rules__n_max": None}).rules.n_max == 10


def test_file_of_the_data_folder_beats_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    here = write(tmp_path, "[rules]\nn_max = 10\n")
    monkeypatch.chdir(tmp_path)
    assert find_config(None, data) == Path(here.name)
    write(data, "[rules]\nn_max = 20\n")
    assert load_settings(data=data, environ={}).rules.n_max == 20


def test_the_word_none_switches_a_rule_off(tmp_path: Path) -> None:
    path = write(tmp_path, '[rules]\nprice_index_cap = "none"\n')
    assert load_settings(path, environ={}).rules.price_index_cap is None
    assert load_settings(environ={"REPLENISH_RULES__PRICE_INDEX_CAP": "none"}).rules.price_index_cap is None
    assert load_settings(environ={}, flags={"rules__price_index_cap": "None"}).rules.price_index_cap is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[rules]\nn_maximum = 3\n", "unknown setting “rules.n_maximum”. [rules] has: n_min, n_max"),
        ("[rule]\nn_max = 3\n", "unknown setting “rule”. Sections are: shop, history"),
        ('[rules]\nn_max = "many"\n', "rules.n_max = 'many'"),
        ("[rules]\ncover = 1.5\n", "rules.cover = 1.5"),
        ("[rules]\nn_min = 34\nn_max = 33\n", "n_min (34) is larger than n_max (33)"),
        ("[rules\n", "cannot be read as TOML"),
    ],
)
def test_faulty_file_is_named_with_the_fault(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load_settings(path, environ={})
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert error.value.exit_code == 2


def test_all_faults_come_together(tmp_path: Path) -> None:
    path = write(tmp_path, "[rules]\ncover = 1.5\nn_maximum = 3\n[solver]\nthreads = 0\n")
    with pytest.raises(ConfigError) as error:
        load_settings(path, environ={})
    assert len(str(error.value).splitlines()) == 3


def test_faults_of_environment_and_flags_are_told_apart() -> None:
    with pytest.raises(ConfigError, match=r"environment \(REPLENISH_RULES__N_MAXIMUM\): unknown setting"):
        load_settings(environ={"REPLENISH_RULES__N_MAXIMUM": "3"})
    with pytest.raises(ConfigError, match=r"option: unknown setting “rules\.n_maximum”"):
        load_settings(environ={}, flags={"rules__n_maximum": 3})
    with pytest.raises(ConfigError, match="write it as section__key"):
        load_settings(environ={}, flags={"n_max": 3})


def test_other_variables_of_the_environment_are_left_alone() -> None:
    assert load_settings(environ={"REPLENISH_REQUIRE_REAL_DATA": "1", "HOME": "/"}) == load_settings(environ={})


def test_missing_file() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml does not exist"):
        load_settings("nowhere.toml")


def test_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "replenish.toml"
    path.write_bytes('[shop]\ncurrency = "人民币"\n'.encode("gbk"))
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        load_settings(path, environ={})


@pytest.mark.parametrize("settings", [Settings(), Settings().override(rules__n_max=33, rules__price_index_cap=None)])
def test_example_file_gives_the_settings_it_was_made_of(tmp_path: Path, settings: Settings) -> None:
    text = example_toml(settings)
    assert load_settings(write(tmp_path, text), environ={}) == settings
    for name, section in Settings.model_fields.items():
        assert f"[{name}]" in text
        for info in type(section.default).model_fields.values():
            assert info.description
            assert info.description in text


def test_override_checks_and_leaves_the_original() -> None:
    settings = Settings()
    assert settings.override(rules__n_max=5).rules.n_max == 5
    assert settings.rules.n_max is None
    with pytest.raises(ConfigError, match=r"argument: rules\.n_max = 0"):
        settings.override(rules__n_max=0)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RuleSettings().n_max = 3
    assert build({}, "nothing") == Settings()


def test_a_plan_stored_by_an_earlier_version_still_has_its_settings() -> None:
    body = Settings().override(rules__n_min=7).model_dump(mode="json")
    old = body | {"history": body["history"] | {"stockout_training_p": 0.01, "stockout_min_sales": 6}}
    assert settings_of_run(old, "run") == Settings().override(rules__n_min=7)
    with pytest.raises(ConfigError, match=r"run: unknown setting “history\.never_was”"):
        settings_of_run(body | {"history": {"never_was": 1}}, "run")


def test_a_fault_of_a_whole_section_names_the_keys_and_shows_no_dictionary() -> None:
    with pytest.raises(ConfigError) as caught:
        Settings().override(rules__n_min=9, rules__n_max=8)
    assert str(caught.value) == "argument: [rules]: n_min (9) is larger than n_max (8)."
    with pytest.raises(ConfigError) as caught:
        build({"rules": 3}, "replenish.toml")
    assert str(caught.value).startswith("replenish.toml: rules = 3 — ")
