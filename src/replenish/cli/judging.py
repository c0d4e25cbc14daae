"""The commands that compare promises with what happened: `backtest` and `review`."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replenish.cli.console import progress_steps, write_out
from replenish.cli.options import Config, Data, Json, Seed, Set, Store, read_settings
from replenish.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

PRINTED = ("wape", "bias", "rmsse", "mase", "pinball", "coverage_80", "coverage_90")
PRINT_WIDTH = 150

From = Annotated[datetime, typer.Option("--from", help="First origin: an evening, forecasts start the day after.",
                                        formats=["%Y-%m-%d"])]  # fmt: skip
To = Annotated[datetime, typer.Option("--to", help="Last origin.", formats=["%Y-%m-%d"])]


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the application."""
    app.command("backtest")(backtest)


def backtest(
    data: Data,
    first: From,
    last: To,
    step: Annotated[int, typer.Option("--step", help="Days from one origin to the next.", min=1)] = 7,
    horizon: Annotated[int, typer.Option("--horizon", help="Days forecast from each origin.", min=1, max=28)] = 7,
    members: Annotated[
        str | None, typer.Option("--members", help="Members that take part, for example smoothing,boosting,arima.")
    ] = None,
    refit: Annotated[int, typer.Option("--refit-days", help="Models are at most this old.", min=1)] = 28,
    store: Store = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Rows of the backtest, .parquet.", metavar="FILE")
    ] = None,
    config: Config = None,
    changes: Set = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Forecast from past evenings and score the forecasts against what was sold."""
    from replenish.evaluate.backtest import backtest as run_backtest
    from replenish.sources.folder import load_tables

    if output is not None and output.suffix.lower() != ".parquet":
        raise ConfigError(f"--output {output}: the rows of a backtest are written as .parquet.")
    settings = read_settings(config, data, changes)
    chosen = None if members is None else [name.strip() for name in members.split(",") if name.strip()]
    with progress_steps() as progress:
        progress("read the tables")
        tables = load_tables(data)
        rows = run_backtest(tables, first, last, step, horizon, settings, chosen, store, seed, refit, progress)
        if output is not None:
            _write_parquet(rows, output)
    _tell_scores(rows, output, as_json)


def _write_parquet(rows: pd.DataFrame, path: Path) -> None:
    from replenish.files import write_whole

    write_whole(path, rows.to_parquet(index=False, compression="zstd"))


def _tell_scores(rows: pd.DataFrame, output: Path | None, as_json: bool) -> None:
    """The leaderboard over days on which the item sold; as JSON also over other days and by group."""
    from replenish.evaluate.metrics import DAYS, leaderboard, with_volume

    if as_json:
        volumes = with_volume(rows)
        boards = {days: _records(leaderboard(rows, days=days)) for days in DAYS}
        groups = {name: _records(leaderboard(volumes, by=[name])) for name in ("horizon", "category", "volume")}
        body = {"rows": len(rows), "output": str(output) if output else None, "leaderboard": boards, "by": groups}
        write_out(json.dumps(body, ensure_ascii=False))
        return
    _print_leaderboard(leaderboard(rows), rows)
    if output is not None:
        write_out(f"{len(rows):,} rows written to {output}")


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    records: list[dict[str, object]] = json.loads(frame.to_json(orient="records", force_ascii=False))
    return records


def _print_leaderboard(board: pd.DataFrame, rows: pd.DataFrame) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    origins = rows["origin"]
    title = (
        f"{origins.nunique()} origins from {origins.min():%Y-%m-%d} to {origins.max():%Y-%m-%d}, horizons "
        f"{rows['horizon'].min()}–{rows['horizon'].max()}, days on which the item sold; 95 % interval over origins"
    )
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("model", "rows", *PRINTED):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for row in board.to_dict("records"):
        table.add_row(str(row["model"]), f"{row['rows']:,}", *(_with_interval(row, name) for name in PRINTED))
    console = Console()
    (console if console.is_terminal else Console(width=PRINT_WIDTH)).print(table)


def _with_interval(row: Mapping[Hashable, float], name: str) -> str:
    """Value and interval; nothing for a model without bands."""
    if row[name] != row[name]:
        return ""
    return f"{row[name]:.3f} ({row[f'{name}_low']:.3f}–{row[f'{name}_high']:.3f})"
