"""The options all commands share, declared once: the same name means the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from replenish.errors import ConfigError

if TYPE_CHECKING:
    from replenish.settings import Settings

Data = Annotated[Path, typer.Option("--data", help="Folder of the canonical tables.", metavar="FOLDER")]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file (default: replenish.toml in FOLDER, else here).", metavar="FILE"),
]
Store = Annotated[str | None, typer.Option("--store", help="Only this store.", metavar="S")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for machines.")]
Date = Annotated[
    datetime | None,
    typer.Option(
        "--date", help="First planned day; only what was known the evening before counts.", formats=["%Y-%m-%d"]
    ),
]
Database = Annotated[
    str | None, typer.Option("--database", help="SQLAlchemy URL of the database of runs.", metavar="URL")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.", min=0)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, for example rules.n_max=33; repeatable.", metavar="SECTION.KEY=VALUE"),
]


def read_settings(
    config: Path | None, data: Path | None, changes: Sequence[str] | None, flags: Mapping[str, Any] | None = None
) -> Settings:
    """Settings of file, environment, `--set` texts and named flags (`section__key` → value; None = not given).

    Named flags win over `--set`. Raises `ConfigError` for anything unknown or out of range.
    """
    from replenish.settings import load_settings

    given = {name: value for name, value in (flags or {}).items() if value is not None}
    return load_settings(config, data, flags={**dict(_split(text) for text in changes or ()), **given})


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (equals and dot and section and key):
        raise ConfigError(f"--set {text}: write it as section.key=value, for example --set rules.n_max=33.")
    return f"{section}__{key}", value.strip()
