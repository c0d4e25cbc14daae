"""The commands that let policies run the simulated shop: `simulate` and `value-of-data`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replenish.cli.batch import BackendChoice
from replenish.cli.console import output_console, progress_steps, write_out
from replenish.cli.options import Json, Seed
from replenish.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure
    from rich.table import Table

    from replenish.simulate.comparison import Comparison
    from replenish.simulate.data_value import DataValues

Folder = Annotated[
    Path, typer.Option("--folder", help="Finished seasons are kept here and not played again.", metavar="DIR")
]
Days = Annotated[int, typer.Option("--days", help="Days of a season.", min=1, max=366)]
Seeds = Annotated[int, typer.Option("--seeds", help="Seasons per world: seeds from --seed on.", min=1)]
History = Annotated[int, typer.Option("--history-days", help="Days of past before a season.", min=60)]
BackendOption = Annotated[BackendChoice, typer.Option("--backend", help="One after the other, or several at once.")]
Workers = Annotated[int, typer.Option("--workers", help="Worlds and seeds played at once.", min=1, max=512)]
FORMATS = (".json", ".csv", ".parquet", ".md", ".html")


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the application."""
    app.command("simulate")(simulate)
    app.command("value-of-data")(value_of_data)


def simulate(
    worlds: Annotated[str, typer.Option("--worlds", help="Names, separated by commas; “main”: the six compared.")],
    policies: Annotated[str, typer.Option("--policies", help="Names, separated by commas; practice always runs.")],
    days: Days = 28,
    seeds: Seeds = 2,
    seed: Seed = 0,
    history: History = 365,
    known: Annotated[str, typer.Option("--known", help="What the shop knows beside sales: times, stock, costs, "
                                       "weather, rivals, customers.")] = "times,stock",
    folder: Folder = Path("out/seasons"),
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Comparison as .json or .md (beside it .json and the frontier), seasons as .csv "
                     "or .parquet, frontier as .html.", metavar="FILE"),
    ] = None,
    backend: BackendOption = BackendChoice.SERIAL,
    workers: Workers = 2,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Let policies run a simulated shop whose true demand is known, day by day, and compare what they earn."""
    from replenish.simulate.comparison import WORLDS, simulate as play

    _check_ending(output)
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
    for table in _tables(found):
        output_console().print(table)
    if output is not None:
        write_out(f"Written to {output}")


def value_of_data(
    worlds: Annotated[str, typer.Option("--worlds", help="Names, separated by commas.")] = "calm,volatile",
    kinds: Annotated[str, typer.Option("--kinds", help="Kinds of data, or “all”, separated by commas.")] = "all",
    strengths: Annotated[str, typer.Option("--strengths", help="How strongly shoppers feel what the data tell: weak, "
                                           "medium, strong.")] = "weak,medium,strong",
    days: Days = 28,
    seeds: Seeds = 2,
    seed: Seed = 0,
    history: History = 365,
    folder: Folder = Path("out/seasons"),
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Values as .json or .md (beside it .json and the chart), seasons as .csv or "
                     ".parquet, chart as .html.", metavar="FILE"),
    ] = None,
    backend: BackendOption = BackendChoice.SERIAL,
    workers: Workers = 2,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Play seasons with and without each kind of data, and rank what each adds to the profit."""
    from replenish.simulate.data_value import KINDS, value_of_data as play

    _check_ending(output)
    asked = list(KINDS) if kinds == "all" else _names(kinds)
    with progress_steps() as progress:
        found = play(
            _names(worlds),
            asked,
            _names(strengths),
            days,
            seeds,
            seed,
            history,
            folder,
            backend.value,
            workers,
            progress,
        )
    if output is not None:
        _write_values(found, output)
    if as_json:
        write_out(found.to_json())
        return
    output_console().print(_value_table(found))
    if output is not None:
        write_out(f"Written to {output}")


def _check_ending(output: Path | None) -> None:
    if output is not None and output.suffix.lower() not in FORMATS:
        raise ConfigError(f"--output {output}: choose one of {', '.join(FORMATS)}.")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _write(found: Comparison, path: Path) -> None:
    from replenish.plots import policy_frontier_chart
    from replenish.simulate.page import policies_page

    chart = policy_frontier_chart(found.summary)
    beside = path.with_name(f"{path.stem}-frontier.html")
    page = partial(policies_page, found, beside.name)
    _write_as(path, found.seasons, found.to_json, page, "Policies in a shop whose truth is known", chart, beside)


def _write_values(found: DataValues, path: Path) -> None:
    from replenish.plots import data_value_chart
    from replenish.simulate.data_page import TITLE, data_page

    beside = path.with_name(f"{path.stem}-chart.html")
    chart = data_value_chart(found.values)
    _write_as(path, found.seasons, found.to_json, partial(data_page, found, beside.name), TITLE, chart, beside)


def _write_as(
    path: Path, seasons: pd.DataFrame, to_json: Callable[[], str], page: Callable[[], str], title: str, chart: Figure,
    beside: Path,
) -> None:  # fmt: skip
    """Writes in the form the file's ending asks for; with a page, its chart into the file `beside` it, and the JSON."""
    from replenish.files import write_whole
    from replenish.simulate.page import kept_page

    ending = path.suffix.lower()
    if ending == ".parquet":
        write_whole(path, seasons.to_parquet(index=False))
        return
    if ending == ".md":
        old = path.read_text(encoding="utf-8") if path.exists() else None
        text = kept_page(old, title, page())
        write_whole(beside, _html(chart))
        write_whole(path.with_suffix(".json"), to_json().encode("utf-8"))
    elif ending == ".html":
        write_whole(path, _html(chart))
        return
    else:
        text = to_json() if ending == ".json" else seasons.to_csv(index=False)
    write_whole(path, text.encode("utf-8"))


def _html(chart: Figure) -> bytes:
    return str(chart.to_html(include_plotlyjs="cdn")).encode("utf-8")


def _tables(found: Comparison) -> list[Table]:
    from replenish.simulate.page import HEADINGS, RECOVERY_HEADINGS, printed_rows, recovery_rows

    paired = _table("Means over paired seeds; 95 % intervals in brackets", HEADINGS, printed_rows(found.summary))
    weeks = recovery_rows(found.recovery)
    return [paired, *([_table("Before and after what breaks a world", RECOVERY_HEADINGS, weeks, 3)] if weeks else [])]


def _value_table(found: DataValues) -> Table:
    from replenish.simulate.data_page import HEADINGS, value_rows

    return _table("What each kind of data adds to the profit of a day", HEADINGS, value_rows(found.values), 3)


def _table(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]], words: int = 2) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title)
    for k, heading in enumerate(headings):
        table.add_column(heading, justify="left" if k < words else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
