"""Locks go into a table and come back; faults are named together."""

from __future__ import annotations

import pandas as pd
import pytest

from replenish.errors import ConfigError
from replenish.locks import LOCK_COLUMNS, lock_table, read_locks
from replenish.records import Override
from tests.factories import make_plan

HELD = (
    Override("102900000000000", "price", 8.4, author="李", reason="leaflet"),
    Override("102900000000003", "never_list", author="李", reason="supplier is closed"),
)


def filled(**cells: object) -> pd.DataFrame:
    table = lock_table(make_plan())
    for column, value in cells.items():
        table.loc[0, column] = value
    return table


def test_the_table_has_every_item_once_listed_ones_first() -> None:
    plan = make_plan(days=2)
    table = lock_table(plan)
    assert table["item_code"].is_unique
    assert len(table) == 36
    assert table["order_quantity"].notna().tolist() == [True] * 33 + [False] * 3


def test_locks_survive_the_way_through_the_table() -> None:
    plan = make_plan(overrides=HELD)
    table = lock_table(plan)
    assert table.set_index("item_code")["lock_price"].dropna().to_dict() == {"102900000000000": 8.4}
    assert set(read_locks(table, "", "", before=HELD)) == set(HELD)


def test_a_lock_taken_out_of_the_table_is_gone() -> None:
    table = lock_table(make_plan(overrides=HELD[:1])).assign(lock_price=float("nan"))
    assert read_locks(table, "", "", before=HELD[:1]) == ()


def test_a_changed_lock_gets_the_new_author_and_reason() -> None:
    assert read_locks(filled(lock_price=9.0), " 王 ", "new offer", before=HELD) == (
        Override("102900000000000", "price", 9.0, author="王", reason="new offer"),
    )


@pytest.mark.parametrize("kind", ["price", "order", "min_order", "max_order"])
def test_values_are_locks_of_their_kind(kind: str) -> None:
    (lock,) = read_locks(filled(**{f"lock_{kind}": 4.0}), "王", "test")
    assert (lock.kind, lock.value) == (kind, 4.0)


@pytest.mark.parametrize("kind", ["must_list", "never_list"])
def test_flags_are_locks_without_value(kind: str) -> None:
    (lock,) = read_locks(filled(**{f"lock_{kind}": True}), "王", "test")
    assert (lock.kind, lock.value) == (kind, None)


def test_an_untouched_table_has_no_locks_and_needs_no_author() -> None:
    assert read_locks(filled(), "", "") == ()
    assert set(LOCK_COLUMNS.values()) <= set(filled().columns)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"lock_price": 0.0}, "上海青: a locked price of 0 is not above zero"),
        ({"lock_order": -1.0}, "上海青: a locked order of -1 is negative"),
        ({"lock_min_order": 5.0, "lock_max_order": 4.0}, "the least order 5 is above the most 4"),
        ({"lock_must_list": True, "lock_never_list": True}, "cannot be forced and banned at once"),
    ],
)
def test_impossible_locks_are_refused(cells: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_locks(filled(**cells), "王", "test")


def test_all_faults_are_named_together() -> None:
    with pytest.raises(ConfigError) as caught:
        read_locks(filled(lock_price=-1.0, lock_order=-2.0), "王", "")
    assert str(caught.value).count("\n") == 2
    assert "needs an author and a reason" in str(caught.value)
