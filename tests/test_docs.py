"""The generated pages are up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from replenish import docs
from replenish.optimise import constraints

FOLDER = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize("name", sorted(docs.pages()))
def test_stored_page_is_what_the_code_says(name: str) -> None:
    stored = (FOLDER / name).read_text(encoding="utf-8")
    assert stored == docs.pages()[name], f"docs/{name} is out of date: run python -m replenish.docs --output docs"


def test_every_rule_is_on_the_page() -> None:
    page = docs.model_page()
    named = [n for n in dir(constraints) if callable(getattr(constraints, n)) and n.islower()]
    rules = [n for n in named if n != "total_value" and not n.startswith("_")]
    assert len(rules) == 12
    for name in rules:
        assert f"### {name.replace('_', ' ')}\n" in page


def test_pages_are_written(tmp_path: Path) -> None:
    docs.main(["--output", str(tmp_path / "new")])
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["data-dictionary.md", "model.md"]
