"""Imports go one way: a module imports only from its own room and from rooms above it."""

from __future__ import annotations

import ast
from pathlib import Path

import replenish

PACKAGE = Path(replenish.__file__).parent

# Each line is a room; later rooms may import earlier ones, never the other way round.
ROOMS = (
    "errors", "compiled", "database_url", "files", "settings", "schemas", "records", "units", "fingerprint", "sources",
    "history", "pricing", "forecast", "optimise", "planning", "store", "reuse", "publish", "execution", "nightly",
    "evaluate", "simulate", "locks", "plots", "report", "docs", "cli",
)  # fmt: skip


def imported_rooms(path: Path) -> set[str]:
    """Rooms of the package that a module imports, also inside its functions and for type checking."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "replenish":
            parts = node.module.split(".")
            names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("replenish.")}
    return names


def test_every_module_has_a_room() -> None:
    """A module nobody placed has no direction: the list above names them all."""
    found = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in PACKAGE.rglob("*.py")} - {"__init__"}
    assert found == set(ROOMS)


def test_imports_go_up_the_list_only() -> None:
    """`forecast` may use `history`, `history` must not know of `forecast`."""
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue  # the public API names everything
        later = {r for r in imported_rooms(path) if ROOMS.index(r) > ROOMS.index(room)}
        wrong += [f"{path.relative_to(PACKAGE)} imports {r}" for r in sorted(later)]
    assert not wrong
