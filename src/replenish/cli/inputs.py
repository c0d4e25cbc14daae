"""The commands that bring data in and look at it: `init`, `import contest`, `import sql`, `validate`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replenish.cli.console import print_findings, print_report, step, write_out
from replenish.cli.options import Config, Data, Date, Json, Set, Store, read_settings
from replenish.errors import ConfigError, DataError
from replenish.settings import FILE_NAME, example_toml

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from replenish.history.data_report import DataReport
    from replenish.records import DemandHistory, Finding
    from replenish.settings import Settings


class Format(Enum):
    """File formats of a canonical folder."""

    PARQUET = "parquet"
    CSV = "csv"


Output = Annotated[Path, typer.Option("--output", help="Folder to write the canonical tables to.", metavar="FOLDER")]
FileFormat = Annotated[Format, typer.Option("--format", help="File format of the tables.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite tables that are there already.")]

importing = typer.Typer(help="Turn other data into the canonical tables.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the application."""
    app.command("init")(init)
    app.command("validate")(validate)
    app.add_typer(importing, name="import")


def init(
    output: Annotated[Path, typer.Option("--output", help="Settings file to write.", metavar="FILE")] = Path(FILE_NAME),
) -> None:
    """Write a settings file with every setting, its default and its meaning."""
    from replenish.files import write_whole

    if output.exists():
        raise ConfigError(f"{output} exists already and was left alone. Choose another file with --output.")
    write_whole(output, example_toml().encode())
    write_out(f"Settings written to {output}. Next: replenish validate --data FOLDER")


@importing.command("contest")
def import_contest(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the contest's files.")],
    output: Output,
    file_format: FileFormat = Format.PARQUET,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Import the data of CUMCM 2023 problem C (attachments 附件1–4, or the Parquet rebuild)."""
    from replenish.sources.contest import RULES_TOML, read_contest

    with step(f"Reading {directory}"):
        data = read_contest(directory)
    _store_frames(data.frames, data.findings, output, file_format, force, as_json, {FILE_NAME: RULES_TOML})


@importing.command("sql")
def import_sql(
    url: Annotated[str, typer.Argument(metavar="URL", help="SQLAlchemy URL, such as postgresql://user@host/shop.")],
    output: Output,
    file_format: FileFormat = Format.PARQUET,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Import tables of the canonical names from a database."""
    from replenish.sources.sql import read_sql

    with step("Reading the database"):
        frames = read_sql(url)
    _store_frames(frames, (), output, file_format, force, as_json, {})


def _store_frames(
    frames: Mapping[str, pd.DataFrame],
    findings: Sequence[Finding],
    output: Path,
    file_format: Format,
    force: bool,
    as_json: bool,
    texts: Mapping[str, str],
) -> None:
    """Checks the frames, writes them as a folder and says what was done."""
    from replenish.history.data_report import sentence
    from replenish.sources.folder import tables_from_frames, write_tables

    with step("Checking the tables"):
        tables = tables_from_frames(frames, str(output))
    with step(f"Writing {output}"):
        write_tables(output, frames, file_format.value, force, texts)
    rows = {name: len(frame) for name, frame in frames.items()}
    found = [*findings, *tables.findings]
    if as_json:
        body = {"folder": str(output), "rows": rows, "fingerprint": tables.fingerprint}
        write_out(json.dumps(body | {"findings": [sentence(f) for f in found]}, ensure_ascii=False))
        return
    write_out(f"Written to {output}: " + ", ".join(f"{name} ({n:,} rows)" for name, n in rows.items()))
    print_findings(found)
    write_out(f"Next: replenish validate --data {output}")


def validate(
    data: Data,
    config: Config = None,
    store: Store = None,
    date: Date = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Report what is in the data and what is wrong with it (exit code 0 fine, 1 warnings, 3 errors)."""
    from replenish.history.data_report import error_report

    settings = read_settings(config, data, changes)
    try:
        report = _inspect(data, settings, store, date)
    except DataError as error:
        report = error_report(error, str(data))
    if as_json:
        write_out(report.to_json())
    else:
        print_report(report)
    raise typer.Exit(report.exit_code)


def _inspect(data: Path, settings: Settings, store: str | None, day: datetime | None) -> DataReport:
    import pandas as pd

    from replenish.history.cleaning import build_history
    from replenish.history.data_report import data_report, error_findings
    from replenish.sources.folder import load_tables

    with step("Reading and checking the tables"):
        tables = load_tables(data, store)
    lead_time = pd.Timedelta(days=settings.shop.lead_time_days)
    as_of = tables.daily_sales["date"].max() if day is None else pd.Timestamp(day) - lead_time
    with step("Looking for sold-out days and days on offer"):
        histories: list[DemandHistory] = []
        failed: list[Finding] = []
        for name in tables.stores:
            try:
                histories.append(build_history(tables, as_of, settings, name))
            except DataError as error:  # what is wrong with one store hides no other
                failed += error_findings(error)
    return data_report(replace(tables, findings=(*tables.findings, *failed)), settings, histories, as_of)
