"""The command for the night: `nightly`."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from replenish.cli.console import output_console, step, write_out
from replenish.cli.options import Config, Data, Database, Json, Seed, Set, read_settings

if TYPE_CHECKING:
    from replenish.nightly import NightlyReport, StoreReport


class BackendChoice(Enum):
    """Where the stores are planned."""

    SERIAL = "serial"
    PROCESSES = "processes"
    DASK = "dask"


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the application."""
    app.command("nightly")(nightly)


def nightly(
    data: Data,
    stores: Annotated[
        list[str] | None, typer.Option("--store", help="Only this store; repeatable.", metavar="S")
    ] = None,
    date: Annotated[
        datetime | None,
        typer.Option("--date", help="Planned day (default: the day after a store's data ends).", formats=["%Y-%m-%d"]),
    ] = None,
    backend: Annotated[
        BackendChoice, typer.Option("--backend", help="Stores one after the other, or several at once.")
    ] = BackendChoice.SERIAL,
    workers: Annotated[int, typer.Option("--workers", help="Stores planned at once.", min=1, max=512)] = 2,
    database: Database = None,
    config: Config = None,
    changes: Set = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Plan every store for tomorrow, store the runs, write the order files (exit code of the worst store)."""
    from replenish.nightly import run_nightly

    settings = read_settings(config, data, changes, {"storage__database": database})
    with step("Planning the stores"):
        report = run_nightly(data, settings, stores, date, backend.value, workers, seed, _tell_progress)
    if as_json:
        write_out(report.to_json())
    else:
        _print_report(report)
    raise typer.Exit(report.exit_code)


def _tell_progress(report: StoreReport, done: int, total: int) -> None:
    sys.stderr.write(f"[{done}/{total}] {report.store}: {report.status} ({report.seconds:.1f} s)\n")


def _print_report(report: NightlyReport) -> None:
    """The stores as a table, what failed in full below it."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("store", "status", "day", "run", "expected profit", "seconds"):
        table.add_column(heading, justify="right" if heading in ("expected profit", "seconds") else "left")
    for s in report.stores:
        expected = "" if s.expected is None else f"{s.expected:,.0f}"
        style = "bold red" if s.status == "failed" else ""
        table.add_row(escape(s.store), s.status, s.day, s.run_id, expected, f"{s.seconds:.1f}", style=style)
    output_console().print(table)
    for s in report.stores:
        if s.status == "failed":
            write_out(f"{s.store} (exit code {s.exit_code}): {s.message}")
    files = [name for s in report.stores for name in s.files]
    if files:
        write_out("Order files: " + ", ".join(files))
