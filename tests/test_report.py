"""The printed plan shows every line and figure there is, and no more."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from replenish.records import Plan
from replenish.report import figure_lines, price_text, print_plan, rule_values_table, shorten, shown_names
from replenish.units import quantity_text
from tests.factories import make_plan, without


def printed(plan: Plan | None = None, **changes: object) -> str:
    console = Console(file=io.StringIO(), width=160)
    print_plan(without(plan or make_plan(), **changes), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def shown(table: Table) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_line_category_rule_and_figure_is_shown() -> None:
    text = printed()
    plan = make_plan()
    for name in [*plan.lines["item_name"], *plan.cover["category"], "shelf_count", "optimal", "gap 0.08%"]:
        assert name in text
    assert "Plan for main, Saturday 2023-07-01" in text
    assert "33 of 36 candidates listed" in text
    assert "Note: Prices of 3 items could not be judged" in text


def renamed(**names: str) -> Plan:
    """The plan with its first line's item and category named otherwise, wherever they stand."""
    plan = make_plan()
    lines = plan.lines.copy()
    for column, name in names.items():
        lines.loc[0, column] = name
    return without(plan, lines=lines)


def test_signs_of_markup_in_names_are_shown_as_they_are() -> None:
    odd = "pepper [/fresh] [x]"
    cover = make_plan().cover.assign(category=odd)
    summary = make_plan().summary | {"rules": [{"rule": f"cover of {odd}", "limit": 1, "value": 1, "note": odd}]}
    changed = without(renamed(item_name=odd, category=odd), cover=cover, summary=summary, store="[/b] [shop]")
    text = printed(changed)
    assert "Plan for [/b] [shop]" in text
    assert text.count(odd) == 2 + len(cover) + 2
    values = pd.DataFrame({"date": [pd.Timestamp("2023-07-01")], "rule": ["[/r]"], "item_name": [odd], "step": ["[s]"],
                           "change": [1.0], "low": [0.5], "high": [1.5], "verdict": ["worth it"]})  # fmt: skip
    assert f"[/r]   {odd} [s]" in shown(rule_values_table(values))


@pytest.mark.parametrize("name", ["长" * 120, "x" * 240])
def test_a_long_name_leaves_order_and_price_whole(name: str) -> None:
    plan = renamed(item_name=name, category=name)
    console = Console(file=io.StringIO(), width=100)
    print_plan(plan, console)
    assert isinstance(console.file, io.StringIO)
    (line,) = [line for line in console.file.getvalue().splitlines() if "…" in line and " kg" in line][:1]
    row = plan.lines.iloc[0]
    assert quantity_text(row["order_quantity"], row["unit"]) in line
    assert price_text(row["price"], row["reference_price"]) in line


def test_items_that_share_a_name_are_shown_with_their_codes() -> None:
    plan = make_plan()
    names = shown_names(renamed(item_name=plan.lines["item_name"].iloc[1]).lines)
    assert list(names.values())[:3] == [
        "云南生菜(份) (102900000000000)", "云南生菜(份) (102900000000001)", plan.lines["item_name"].iloc[2],
    ]  # fmt: skip


def test_what_the_summary_does_not_have_is_left_out() -> None:
    text = printed(summary={"dates": ["2023-07-01"], "as_of": "2023-06-30"})
    assert "Solver" not in text
    assert "Profit:" not in text
    assert "上海青" in text


def test_a_gain_that_may_be_zero_is_called_so() -> None:
    baseline = {"name": "cost-plus", "expected": 400.0, "gain": 12.0, "gain_se": 9.0, "gain_interval": [-3.0, 27.0]}
    assert figure_lines({"baseline": baseline}) == [
        "Against cost-plus (400): gain 12 ± 9, between -3 and 27; it cannot be told from zero"
    ]


def test_the_parts_of_the_gain_are_told() -> None:
    baseline = {"name": "cost-plus", "expected": 400.0, "gain": 30.0, "gain_se": 9.0, "gain_interval": [12.0, 48.0]}
    split = {"split": {"assortment": 21.0, "price": 13.0, "orders": -4.0}, "split_se": {"price": 2.0}}
    told = figure_lines({"baseline": baseline | split})[0]
    assert told.endswith("between 12 and 48; of it assortment +21, price +13 ± 2, orders -4")


@pytest.mark.parametrize(("price", "reference", "text"), [(5.2, 5.2, "5.20"), (5.4, 5.2, "5.40 (5.20)")])
def test_a_changed_price_shows_what_it_was(price: float, reference: float, text: str) -> None:
    assert price_text(price, reference) == text


def test_reasons_are_cut_after_a_sentence_that_fits() -> None:
    reason = "Worth 6.9 a day. Order 5.5 kg: 0.5 kg more -0.15. Price unchanged."
    assert shorten(reason, 60) == "Worth 6.9 a day. Order 5.5 kg: 0.5 kg more -0.15."
    assert shorten(reason, 20) == "Worth 6.9 a day."
    assert shorten(reason, 200) == reason


def test_a_first_sentence_that_does_not_fit_is_cut_at_a_word() -> None:
    assert shorten("Top rung: a higher price would break the index", 22) == "Top rung: a higher…"
    assert shorten("Top rung", 22) == "Top rung"
