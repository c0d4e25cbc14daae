"""The dashboard by its widgets: choose, see, lock, solve again, approve; errors are messages, never tracebacks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from replenish.errors import SolverError
from replenish.records import Override
from replenish.store.database import open_store
from tests.app.conftest import FakeLibrary
from tests.factories import make_plan

CHANGE = "Change and solve again"


@pytest.fixture
def fill_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Fill cells of the editor, as AppTest cannot: (row, column, value)."""

    def fill(*cells: tuple[int, str, Any]) -> None:
        def editor(table: pd.DataFrame, **_: Any) -> pd.DataFrame:
            out = table.copy()
            for row, column, value in cells:
                out.loc[row, column] = value
            return out

        monkeypatch.setattr(st, "data_editor", editor)

    return fill


def open_tab(app: AppTest, name: str) -> AppTest:
    app.session_state["tab"] = name
    return app.run()


def solve_again(app: AppTest, author: str = "李", reason: str = "leaflet") -> AppTest:
    app.text_input(key="author").set_value(author)
    app.text_input(key="reason").set_value(reason)
    return next(b for b in app.button if b.label == "Solve again").click().run()


def messages(app: AppTest) -> list[str]:
    assert not app.exception
    return [e.value for e in app.error]


def test_the_plan_of_the_first_day_after_the_data_is_shown(app: AppTest) -> None:
    app.run()
    assert messages(app) == []
    assert app.header[0].value == "Order for Saturday, 1 July 2023"
    assert {m.label: m.value for m in app.metric}["Listed"] == "33"
    assert app.dataframe[0].value["item_name"].tolist() == make_plan().lines["item_name"].tolist()
    assert app.dataframe[1].value["reason"].str.startswith("Listing it would cost").all()


def test_no_reason_is_cut(app: AppTest) -> None:
    app.run()
    shown = app.dataframe[0]
    # Seen in Chromium: 41 to 46 characters fit the column, a line is 21 px high.
    lines = -(-shown.value["reason"].str.len().max() // 43)
    assert shown.proto.row_height >= 21 * lines


def test_another_day_is_another_plan(app: AppTest, library: FakeLibrary) -> None:
    app.run()
    app.date_input[0].set_value(date(2023, 6, 20)).run()
    assert messages(app) == []
    assert app.header[0].value == "Order for Tuesday, 20 June 2023"
    assert app.dataframe[0].value["date"].unique().tolist() == [pd.Timestamp("2023-06-20")]


def test_the_same_plan_is_solved_once_and_stored_once(app: AppTest, library: FakeLibrary) -> None:
    app.run()
    app.run()
    assert library.solved == [()]
    with open_store(library.database) as runs:
        assert len(runs.runs()) == 1


def test_cover_and_rules_are_shown(app: AppTest) -> None:
    open_tab(app.run(), "Cover and rules")
    assert messages(app) == []
    rules = app.dataframe[0].value
    assert rules["binding"].tolist() == [True, True, False]


def test_an_item_is_shown_with_its_reason(app: AppTest) -> None:
    open_tab(app.run(), "Item")
    app.selectbox(key="item").set_value("102900000000001").run()
    assert messages(app) == []
    assert any("Order 18 packs at 4.50 RMB" in m.value for m in app.markdown)


def test_a_locked_price_is_kept_after_solving_again(
    app: AppTest, library: FakeLibrary, fill_in: Callable[..., None]
) -> None:
    fill_in((0, "lock_price", 8.4), (2, "lock_never_list", True))
    solve_again(open_tab(app.run(), CHANGE))
    assert messages(app) == []
    assert set(library.solved[-1]) == {
        Override("102900000000000", "price", 8.4, author="李", reason="leaflet"),
        Override("102900000000002", "never_list", author="李", reason="leaflet"),
    }
    assert "2 locks" in next(c.value for c in app.caption if "known up to" in c.value)
    lines = open_tab(app, "Plan").dataframe[0].value
    assert lines["price"].iloc[0] == 8.4
    assert len(lines) == 32


def test_solving_again_without_a_change_says_so(app: AppTest, library: FakeLibrary) -> None:
    solve_again(open_tab(app.run(), CHANGE))
    assert messages(app) == []
    assert ["Nothing was changed" in i.value for i in app.info] == [True]
    assert library.solved == [()]


def test_one_lock_is_no_plural(app: AppTest, library: FakeLibrary, fill_in: Callable[..., None]) -> None:
    fill_in((0, "lock_price", 8.4))
    solve_again(open_tab(app.run(), CHANGE))
    assert next(c.value for c in app.caption if "known up to" in c.value).endswith("· 1 lock")


def test_all_locks_can_be_taken_away(app: AppTest, library: FakeLibrary, fill_in: Callable[..., None]) -> None:
    fill_in((0, "lock_price", 8.4))
    solve_again(open_tab(app.run(), CHANGE))
    next(b for b in app.button if b.label == "Remove all locks").click().run()
    assert "0 locks" in next(c.value for c in app.caption if "known up to" in c.value)


def test_a_lock_without_a_reason_is_refused(app: AppTest, library: FakeLibrary, fill_in: Callable[..., None]) -> None:
    fill_in((0, "lock_price", 8.4))
    solve_again(open_tab(app.run(), CHANGE), reason="")
    assert messages(app) == ["A new lock needs an author and a reason: fill in both."]
    assert library.solved == [()]


def test_locks_that_no_plan_can_keep_are_refused_and_the_old_plan_stays(
    app: AppTest, library: FakeLibrary, fill_in: Callable[..., None]
) -> None:
    fill_in((33, "lock_must_list", True), (34, "lock_must_list", True))
    solve_again(open_tab(app.run(), CHANGE))
    assert messages(app) == ["No plan keeps all rules: shelf_count and locks collide."]
    assert "0 locks" in next(c.value for c in app.caption if "known up to" in c.value)
    assert app.metric


def solve_within(app: AppTest, **limits: float | None) -> AppTest:
    for name, value in limits.items():
        app.number_input(key=f"{name} main 2023-07-01").set_value(value)
    return next(b for b in app.button if b.label == "Solve with these limits").click().run()


def test_other_limits_are_solved_in_the_kept_session(app: AppTest, library: FakeLibrary) -> None:
    solve_within(open_tab(app.run(), CHANGE), n_max=30, cover=0.6, price_index_cap=None)
    assert messages(app) == []
    rules = library.within[-1]
    assert (rules.n_max, rules.cover, rules.price_index_cap) == (30, 0.6, None)
    assert rules.min_display == library.within[0].min_display
    assert len(library.within) == 2
    assert library.sessions == 1
    assert app.number_input(key="n_max main 2023-07-01").value == 30


def test_limits_that_contradict_each_other_are_refused(app: AppTest, library: FakeLibrary) -> None:
    solve_within(open_tab(app.run(), CHANGE), n_min=9, n_max=3)
    assert any("n_min" in m for m in messages(app))
    assert len(library.within) == 1


def test_an_approval_is_kept_with_its_name(app: AppTest, library: FakeLibrary) -> None:
    app.run()
    app.text_input(key="approver").set_value("王")
    next(b for b in app.button if b.label == "Approve this order").click().run()
    assert messages(app) == []
    with open_store(library.database) as runs:
        run = runs.latest("main", "2023-07-01")
        assert run is not None
        assert runs.approvals(run.run_id)["author"].tolist() == ["王"]


def test_what_a_rule_is_worth_is_solved_on_request(app: AppTest) -> None:
    open_tab(app.run(), "Cover and rules")
    before = len(app.dataframe)
    next(b for b in app.button if b.label == "What is one step of each rule worth?").click().run()
    assert messages(app) == []
    assert len(app.dataframe) == before + 1
    assert [2.5] in [frame.value["change"].tolist() for frame in app.dataframe if "change" in frame.value]


def test_what_another_price_costs_is_solved_on_request(app: AppTest) -> None:
    open_tab(app.run(), "Item")
    next(b for b in app.button if b.label == "What would another price or order cost?").click().run()
    assert messages(app) == []
    assert [-1.5] in [frame.value["change"].tolist() for frame in app.dataframe if "change" in frame.value]


def test_an_approval_needs_a_name(app: AppTest) -> None:
    app.run()
    next(b for b in app.button if b.label == "Approve this order").click().run()
    assert messages(app) == ["An approval needs a name."]


def test_a_missing_folder_is_a_message(app: AppTest) -> None:
    app.run()
    app.sidebar.text_input[0].set_value("nowhere").run()
    assert messages(app) == ["There is no folder nowhere.  \nChoose another one."]


def test_a_solver_failure_is_a_message(app: AppTest, library: FakeLibrary) -> None:
    library.fail["plan"] = SolverError("No answer after 60 s.")
    app.run()
    assert messages(app) == ["No answer after 60 s."]


def test_a_database_that_cannot_be_written_does_not_hide_the_plan(
    app: AppTest, library: FakeLibrary, tmp_path: Any
) -> None:
    (tmp_path / "taken").write_text("a file")
    library.database = f"sqlite:///{tmp_path}/taken/runs.db"
    app.run()
    assert messages(app) == []
    assert app.warning[0].value.startswith("The plan is shown but not stored.")
    assert len(app.dataframe[0].value) == 33
