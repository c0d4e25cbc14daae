"""The command that lets policies run the simulated shop: `simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replenish.cli.batch import BackendChoice
from replenish.cli.console import output_console, progress_steps, write_out
from replenish.cli.options import Json, Seed
from replenish.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from replenish.simulate.comparison import Comparison

FORMATS = (".json", ".csv", ".parquet", ".md", ".html")


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the application."""
    app.command("simulate")(simulate)


def simulate(
    worlds: Annotated[str, typer.Option("--worlds", help="Names, separated by commas; “main”: the six compared.")],
    policies: Annotated[str, typer.Option("--policies", help="Names, separated by commas; practice always runs.")],
    days: Annotated[int, typer.Option("--days", help="Days of a season.", min=1, max=366)] = 28,
    seeds: Annotated[int, typer.Option("--seeds", help="Seasons per world: seeds from --seed on.", min=1)] = 2,
    seed: Seed = 0,
    history: Annotated[int, typer.Option("--history-days", help="Days of past before a season.", min=60)] = 365,
    known: Annotated[str, typer.Option("--known", help="What the shop knows beside sales: times, stock, costs.")
    ] = "times,stock",
    folder: Annotated[
        Path, typer.Option("--folder", help="Finished seasons are kept here and not played again.", metavar="DIR")
    ] = Path("out/seasons"),
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Comparison as .json or .md, seasons as .csv or .parquet, frontier as .html.",
                     metavar="FILE"),
    ] = None,
    backend: Annotated[BackendChoice, typer.Option("--backend", help="One after the other, or several at once.")
    ] = BackendChoice.SERIAL,
    workers: Annotated[int, typer.Option("--workers", help="Worlds and seeds played at once.", min=1, max=512)] = 2,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Let policies run a simulated shop whose true demand is known, day by day, and compare what they earn."""
    from replenish.simulate.comparison import WORLDS, simulate as play

    if output is not None and output.suffix.lower() not in FORMATS:
        raise ConfigError(f"--output {output}: choose one of {', '.join(FORMATS)}.")
    chosen = list(WORLDS) if worlds == "main" else _names(worlds)
    with progress_steps() as progress:
        found = play(
            chosen,
            _names(policies),
            days,
            seeds,
            seed,
            history,
            folder,
            _names(known),
            backend.value,
            workers,
            progress,
        )
    if output is not None:
        _write(found, output)
    if as_json:
        write_out(found.to_json())
        return
    output_console().print(_table(found))
    if output is not None:
        write_out(f"Written to {output}")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _write(found: Comparison, path: Path) -> None:
    from replenish.files import write_whole
    from replenish.plots import policy_frontier_chart
    from replenish.simulate.page import policies_page

    content = {
        ".json": found.to_json,
        ".md": lambda: policies_page(found),
        ".csv": lambda: found.seasons.to_csv(index=False),
        ".html": lambda: policy_frontier_chart(found.summary).to_html(include_plotlyjs="cdn"),
    }
    ending = path.suffix.lower()
    if ending == ".parquet":
        write_whole(path, found.seasons.to_parquet(index=False))
    else:
        write_whole(path, content[ending]().encode("utf-8"))


def _table(found: Comparison) -> Table:
    from rich import box
    from rich.table import Table

    from replenish.simulate.page import HEADINGS, printed_rows

    table = Table(box=box.SIMPLE_HEAD, title="Means over paired seeds; 95 % intervals in brackets")
    for k, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if k < 2 else "right")
    for row in printed_rows(found.summary):
        table.add_row(*row)
    return table
