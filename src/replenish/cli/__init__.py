"""The command line: reads, calls the library, writes. Every answer it prints is computed elsewhere."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

import typer

from replenish.cli import batch, inputs, judging, plans, seasons
from replenish.cli.console import explain_os_error
from replenish.errors import ReplenishError

app = typer.Typer(
    name="replenish",
    help="What to put on the shelf tomorrow, how much to order and at what price.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
inputs.register(app)
plans.register(app)
batch.register(app)
judging.register(app)
seasons.register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs a command and leaves with its exit code (see `errors.py`); errors are told in plain words."""
    try:
        app(None if arguments is None else list(arguments), prog_name="replenish")
    except ReplenishError as error:
        _leave(str(error), error.exit_code)
    except OSError as error:
        _leave(*explain_os_error(error))
    except Exception as error:  # noqa: BLE001 - Python would leave with 1, which of `validate` means warnings
        traceback.print_exc()
        told = f"This is a fault of the program, not of your data ({type(error).__name__}). Report the lines above."
        _leave(told, ReplenishError.exit_code)


def _leave(message: str, exit_code: int) -> None:
    sys.stderr.write(f"{message}\n")
    sys.exit(exit_code)
