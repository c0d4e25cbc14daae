import json

import numpy as np
import pytest

from replenish.errors import ConfigError
from replenish.simulate import comparison
from replenish.simulate.comparison import Mixed, simulate
from replenish.simulate.page import BEGIN, END, kept_page, policies_page
from replenish.simulate.policies import practice
from replenish.simulate.season import decisions, play_season
from replenish.simulate.stage import Season, set_stage

ASKED = {"worlds": ["calm"], "policies": ["practice+5%", "practice-full"], "days": 3, "seeds": 2, "history_days": 60}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("seasons")


@pytest.fixture(scope="module")
def found(folder):
    return simulate(**ASKED, folder=folder)


def test_every_policy_has_a_season_in_every_world_and_seed(found):
    assert len(found.seasons) == 2 * 3
    assert found.days.groupby(["world", "seed", "policy"]).size().eq(3).all()
    dearer = found.seasons[found.seasons["policy"] == "practice+5%"]
    assert dearer["price_index"].to_numpy() == pytest.approx(1.05, abs=0.005)
    full = found.seasons.pivot_table(index="seed", columns="policy", values=["waste", "fill"])
    assert (full["waste"]["practice-full"] > full["waste"]["practice"]).all()
    assert (full["fill"]["practice-full"] > full["fill"]["practice"]).all()


def test_finished_seasons_are_not_played_again(found, folder, monkeypatch):
    def fail(*_):
        raise AssertionError("played again")

    monkeypatch.setattr(comparison, "set_stage", fail)
    again = simulate(**ASKED, folder=folder)
    np.testing.assert_allclose(again.seasons["profit"], found.seasons["profit"])
    assert again.to_json() == found.to_json()


def test_the_page_and_the_json_tell_every_policy(found):
    page = policies_page(found)
    assert "practice-full" in page
    assert "--worlds calm --policies practice,practice+5%,practice-full --days 3" in page
    body = json.loads(found.to_json())
    assert {row["policy"] for row in body["summary"]} == {"practice", "practice+5%", "practice-full"}


def test_what_is_written_by_hand_outlives_a_new_comparison():
    first = kept_page(None, "Policies", "tables of today\n")
    assert first.startswith("# Policies\n")
    edited = first.replace("# Policies\n", "# Policies\n\nWhat we found.\n") + "\n## Doubts\n"
    again = kept_page(edited, "Policies", "tables of tomorrow")
    assert again == edited.replace("tables of today", "tables of tomorrow")
    for broken in ("# Policies\n\nby hand\n", f"{END}\n{BEGIN}"):
        with pytest.raises(ConfigError, match="does not say which part"):
            kept_page(broken, "Policies", "tables")


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match="Unknown world “paradise”"):
        simulate(["paradise"])
    with pytest.raises(ConfigError, match="Unknown knowledge “future”"):
        simulate(["calm"], known=["future"])
    with pytest.raises(ConfigError, match="Unknown policy “magic”"):
        simulate(["calm"], ["magic"])


@pytest.mark.parametrize(("field", "name"), [("sale_times", "times"), ("stock_counts", "stock")])
def test_what_the_shop_does_not_know_is_not_in_its_tables(field, name):
    stage = set_stage(Season("calm", seed=3, days=2, history_days=28, **{field: False}))
    seen = []
    play_season(stage, lambda view: seen.append(view.tables) or practice(stage)(view))
    for tables in seen:
        if name == "times":
            assert tables.intraday_sales.empty
            assert tables.daily_sales["last_sale_hour"].isna().all()
        else:
            assert tables.stock is None
            assert tables.orders is None
    assert seen[1].daily_sales["date"].nunique() == 29


def test_practice_mixed_with_itself_is_practice():
    stage = set_stage(Season("calm", seed=3, days=2, history_days=60))
    usual = play_season(stage, practice(stage))
    for listing in (False, True):
        mixed = play_season(stage, Mixed(stage, usual, usual, listing))
        assert mixed.days["profit"].to_numpy() == pytest.approx(usual.days["profit"].to_numpy())
    taken = decisions(usual, stage.item_codes)
    assert [len(d.order) for d in taken.values()] == [len(stage.item_codes)] * 2
