"""Pages of `docs/` that are generated from the code: the model's mathematics and the data dictionary.

`python -m replenish.docs --output docs` writes them; a test compares them with what is stored.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from replenish.optimise import ageing, constraints, menu, outcome, week, windows
from replenish.schemas import data_dictionary

MODEL_HEAD = """# The model

Generated from the docstrings of `outcome.py`, `menu.py`, `constraints.py`, `week.py`, `windows.py` and `ageing.py` in
`optimise/` by `make docs`; do not edit by hand. The design behind it: every item gets a menu of sensible offers (price,
order), each valued over joint scenarios of demand, price response and cost; a mixed-integer model then chooses at most
one offer per item.
"""


def model_page() -> str:
    """The mathematics of the menu model in Markdown: one item's day, the menu, the objective and every rule."""
    rules = [f for f in _functions(constraints) if f is not constraints.total_value]
    sections = [
        MODEL_HEAD,
        "## One item, one day, one scenario\n",
        _text(outcome.day_outcome),
        "## The menu\n",
        _text(menu),
        _text(menu.undominated),
        "## What is maximised\n",
        _text(constraints),
        _text(constraints.total_value),
        "## The rules\n",
        *[f"### {rule.__name__.replace('_', ' ')}\n\n{_text(rule)}" for rule in rules],
        "## Several days\n",
        _text(week),
        _text(windows),
        _text(ageing.aged_day),
    ]
    return "\n".join(sections).rstrip("\n") + "\n"


def pages() -> dict[str, str]:
    """File name → content of every generated page."""
    return {"model.md": model_page(), "data-dictionary.md": data_dictionary().rstrip("\n") + "\n"}


def _functions(module: ModuleType) -> list[Callable[..., Any]]:
    """Public functions of a module in the order they are written."""
    found = [f for n, f in inspect.getmembers(module, inspect.isfunction) if not n.startswith("_")]
    return sorted((f for f in found if f.__module__ == module.__name__), key=lambda f: f.__code__.co_firstlineno)


def _text(documented: object) -> str:
    return (inspect.getdoc(documented) or "").strip() + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the generated pages into a folder."""
    parser = argparse.ArgumentParser(prog="python -m replenish.docs", description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs"), help="folder the pages are written to")
    folder: Path = parser.parse_args(arguments).output
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
