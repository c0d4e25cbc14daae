"""What commands share in talking to people: progress, tables, errors of the machine in plain words."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from replenish.errors import StorageError

if TYPE_CHECKING:
    from rich.console import Console

    from replenish.history.data_report import DataReport
    from replenish.records import Finding

PRINT_WIDTH = 150
GRADE_STYLE = {"error": "bold red", "warning": "yellow", "information": ""}


@contextmanager
def step(message: str) -> Iterator[None]:
    """Shows on stderr what is being done while it lasts (only on a terminal)."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{message} …"):
        yield


def write_out(text: str) -> None:
    """One answer on stdout."""
    sys.stdout.write(f"{text}\n")


def output_console() -> Console:
    """Console for tables on stdout; off a terminal (a log, a file) wide enough to show reasons whole."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=PRINT_WIDTH)


def explain_os_error(error: OSError) -> tuple[str, int]:
    """Message and exit code for an error of disk, permission or file system."""
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "the disk is full; nothing was written. Free some space and run again."
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        what = "no permission. Choose another place, or ask for access, and run again."
    else:
        what = f"{(error.strerror or str(error)).rstrip('.')}. Check the path and the disk and run again."
    return f"{where}{what}", StorageError.exit_code


def print_report(report: DataReport) -> None:
    """The data report as a table, errors first, and its sum in one line."""
    write_out(f"Data report for {report.source}")
    print_findings(report.findings)
    counts = {grade: sum(f.grade == grade for f in report.findings) for grade in GRADE_STYLE}
    write_out(f"{counts['error']} error(s), {counts['warning']} warning(s), {counts['information']} note(s).")


def print_findings(findings: Sequence[Finding]) -> None:
    """Findings as a table: grade, table, and what was found, with examples and advice below it."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from replenish.history.data_report import sentence

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("grade", "table", "finding, examples and what to do"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        details = ["; ".join(finding.examples), f"→ {finding.advice}" if finding.advice else ""]
        below = "".join(f"\n[dim]{escape(detail)}[/dim]" for detail in details if detail)
        style = GRADE_STYLE[finding.grade]
        table.add_row(finding.grade, escape(finding.table), escape(sentence(finding)) + below, style=style)
    if findings:
        output_console().print(table)


@contextmanager
def progress_steps() -> Iterator[Callable[[str], None]]:
    """Shows the stage under way and the seconds so far on stderr; off a terminal each stage is one line."""
    from rich.console import Console

    console = Console(stderr=True)
    start = time.monotonic()
    if not console.is_terminal:
        yield lambda stage: console.print(f"[{time.monotonic() - start:5.1f} s] {stage}", markup=False, highlight=False)
        return
    with console.status("starting") as status:
        yield lambda stage: status.update(f"{stage} … ({time.monotonic() - start:.0f} s so far)")
