"""What data are worth: paired gains, one baseline for all kinds, and orders that take a day longer."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from replenish.errors import ConfigError
from replenish.settings import Settings
from replenish.simulate import data_value
from replenish.simulate.data_page import data_page
from replenish.simulate.data_value import DataValues, arriving_in_time, value_of_data
from replenish.simulate.policies import practice
from replenish.simulate.practice import Decision, Evening
from replenish.simulate.season import Planned, play_season
from replenish.simulate.stage import Season, set_stage
from replenish.simulate.transit import TwoDayLead, expected_rest

SHORT = {"worlds": ["calm"], "strengths": ["medium"], "days": 3, "seeds": 2, "history_days": 60}


def test_gains_are_paired_and_signed_by_who_has_the_data():
    """Weather adds 10 and 30: 20 ± 12.7·10 (Student's t); without times the shop lost 5 twice."""
    seasons = pd.DataFrame([
        {"world": "calm", "seed": seed, "strength": "weak", "variant": variant, "profit": profit}
        for seed, profits in enumerate([(100, 110, 95), (200, 230, 195)])
        for variant, profit in zip(("baseline", "weather", "times"), profits, strict=True)
    ])  # fmt: skip
    values = DataValues(seasons, {}).values
    everywhere = values[values["world"] == "all"]
    assert everywhere["kind"].tolist() == ["weather", "times"], "ranked"
    weather, times = (row for _, row in everywhere.iterrows())
    assert weather["gain"] == 20
    assert weather["gain_high"] - weather["gain"] == pytest.approx(12.706 * 10, rel=1e-3)
    assert weather["gain_share"] == pytest.approx(20 / 150)
    assert (times["gain"], times["gain_low"]) == (5, 5)
    assert times["gain_share"] == pytest.approx(5 / 145)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Seasons of practice, which makes no use of any data."""
    folder = tmp_path_factory.mktemp("seasons")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_value, "POLICY", "practice-full")
        return folder, value_of_data(kinds=["stock", "weather", "customers"], **SHORT, folder=folder)


def test_data_that_a_policy_does_not_use_are_worth_nothing(found):
    _, values = found
    assert len(values.seasons) == 2 * 4
    assert values.gains["gain"].to_numpy() == pytest.approx(0.0)
    assert (values.seasons["profit"] != 0).all()


def test_finished_seasons_are_not_played_again_and_the_page_tells_all(found, monkeypatch):
    folder, values = found
    monkeypatch.setattr(data_value, "POLICY", "practice-full")
    monkeypatch.setattr(data_value, "play_past", lambda *_: pytest.fail("played again"))
    again = value_of_data(kinds=["stock", "weather", "customers"], **SHORT, folder=folder)
    assert again.to_json() == values.to_json()
    page = data_page(again, "chart.html")
    for words in (
        "--kinds stock,weather,customers",
        "weather forecasts",
        "a rainy day keeps away",
        "| 10% |",
        "(chart.html)",
    ):
        assert words in page


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match="Unknown kind “gossip”"):
        value_of_data(kinds=["gossip"])
    with pytest.raises(ConfigError, match="Unknown strength “huge”"):
        value_of_data(strengths=["huge"])


# ---------------------------------------------------------------- orders that take a day longer


@pytest.fixture(scope="module")
def stage():
    return set_stage(Season("calm", seed=3, days=4, history_days=28, lead_days=2))


class Asked:
    """Practice, with what it was asked and what it knew."""

    def __init__(self, stage):
        self.inner, self.seen, self.settings = practice(stage), [], Settings()

    def __call__(self, view):
        self.seen.append((view.day, view.as_of, view.tables.daily_sales["date"].max(), view.evening))
        return self.inner(view)


def test_with_two_days_of_lead_a_day_is_decided_from_what_was_known_an_evening_earlier(stage):
    asked = Asked(stage)
    books = play_season(stage, arriving_in_time(stage, asked))
    assert asked.settings.shop.lead_time_days == 2
    assert len(books.days) == 4
    for day, as_of, last_sale, evening in asked.seen:
        assert as_of == last_sale == day - pd.Timedelta(days=2)
        assert evening.sold.shape[0] == evening.day
        assert not evening.offered[-1].any(), "the day between has not happened yet"
    assert [day for day, *_ in asked.seen] == [d + pd.Timedelta(days=1) for d in books.days["date"]]


def test_orders_come_on_the_day_they_were_meant_for(stage):
    n = len(stage.item_codes)

    def two_days_on(view):
        """Orders as many units of everything as the day of the month it is for."""
        return Planned(Decision(np.full(n, float(view.day.day)), np.full(n, 5.0)))

    books = play_season(stage, TwoDayLead(stage, two_days_on))
    ordered = books.item_days.groupby("date")["order_quantity"].max()
    assert ordered.iloc[1:].tolist() == [float(d.day) for d in ordered.index[1:]]


def test_what_tomorrow_leaves_over_by_hand():
    """Usually 3 a day are sold. Life 1: nothing keeps; 2: of 5 fresh ones 2; 3: of 4 old and 5 fresh ones 6."""
    sold, offered = np.full((7, 3), 3.0), np.ones((7, 3), dtype=bool)
    nothing = np.zeros(3)
    evening = Evening(7, np.arange(8) % 7, sold, offered, sold * np.nan, nothing, np.full(3, 4.0), offered[0], nothing)
    rest = expected_rest(evening, np.full(3, 5.0), np.array([1, 2, 3]))
    assert rest.tolist() == [0.0, 2.0, 6.0]


def test_other_lead_times_are_refused(stage):
    other = SimpleNamespace(season=SimpleNamespace(lead_days=3))
    with pytest.raises(ConfigError, match="1 or 2"):
        arriving_in_time(other, None)
