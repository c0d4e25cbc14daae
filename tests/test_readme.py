"""The README keeps its word: its example runs, its map names the whole tree, its commands and links exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "src" / "replenish"


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    plan = names["plan"]
    assert 27 <= len(plan.lines) <= 33  # the demo store's rules
    assert plan.summary["dates"] == ["2024-07-01"]


def test_the_map_names_every_module_and_folder() -> None:
    section = README.split("## Map of the code")[1].split("##")[0]
    parts = [p for p in PACKAGE.iterdir() if not p.name.startswith("_") and p.suffix in ("", ".py")]
    unnamed = sorted(p.name for p in parts if p.name not in section)
    assert unnamed == []


def test_every_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`replenish ([a-z]+(?: [a-z]+)?) ", README))))
def test_every_command_exists(command: str) -> None:
    words = [*command.split(), "--help"]
    done = subprocess.run([sys.executable, "-c", "from replenish.cli import main; main()", *words], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
