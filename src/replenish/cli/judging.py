"""The commands that compare promises with what happened: `backtest` and `review`."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replenish.cli.console import output_console, progress_steps, write_out
from replenish.cli.judged import breakdown_table, leaderboard_table, review_lines, review_table, stock_out_lines
from replenish.cli.options import Config, Data, Database, Json, Seed, Set, Store, read_settings
from replenish.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from replenish.records import Review, Run, Tables
    from replenish.store.database import RunStore

LINE_FORMATS = (".csv", ".parquet")
GROUPS = ("horizon", "category", "volume")

From = Annotated[datetime, typer.Option("--from", help="First origin: an evening, forecasts start the day after.",
                                        formats=["%Y-%m-%d"])]  # fmt: skip
To = Annotated[datetime, typer.Option("--to", help="Last origin.", formats=["%Y-%m-%d"])]


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the application."""
    app.command("backtest")(backtest)
    app.command("review")(review)


def backtest(
    data: Data,
    first: From,
    last: To,
    step: Annotated[int, typer.Option("--step", help="Days from one origin to the next.", min=1)] = 7,
    horizon: Annotated[int, typer.Option("--horizon", help="Days forecast from each origin.", min=1, max=28)] = 7,
    members: Annotated[
        str | None,
        typer.Option("--members", help="Members that take part: smoothing,theta,tsb,boosting,arima (arima forecasts "
                     "categories, with which items are reconciled)."),
    ] = None,
    level: Annotated[str, typer.Option("--level", help="item, or category (and unit).")] = "item",
    against: Annotated[
        str,
        typer.Option("--against", help="Score against sales, or demand: sales and what stock-outs hid, an estimate."),
    ] = "sales",
    refit: Annotated[int, typer.Option("--refit-days", help="Models are at most this old.", min=1)] = 28,
    store: Store = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Rows of the backtest, .parquet.", metavar="FILE")
    ] = None,
    config: Config = None,
    changes: Set = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Forecast from past evenings and score the forecasts against what was sold."""
    from replenish.evaluate.backtest import backtest as run_backtest
    from replenish.evaluate.metrics import AGAINST, checked_choice
    from replenish.sources.folder import load_tables

    checked_choice("--against", against, AGAINST)
    if output is not None and output.suffix.lower() != ".parquet":
        raise ConfigError(f"--output {output}: the rows of a backtest are written as .parquet.")
    settings = read_settings(config, data, changes)
    chosen = None if members is None else [name.strip() for name in members.split(",") if name.strip()]
    with progress_steps() as progress:
        progress("read the tables")
        tables = load_tables(data)
        rows = run_backtest(tables, first, last, step, horizon, settings, chosen, store, seed, refit, progress,
                            level)  # fmt: skip
        if output is not None:
            _write_parquet(rows, output)
    _tell_scores(rows, against, output, as_json)


def _write_parquet(rows: pd.DataFrame, path: Path) -> None:
    from replenish.files import write_whole

    write_whole(path, rows.to_parquet(index=False, compression="zstd"))


def _tell_scores(rows: pd.DataFrame, against: str, output: Path | None, as_json: bool) -> None:
    """The leaderboard over days on which the item sold; then over other days and by group."""
    from replenish.evaluate.metrics import AGAINST, DAYS, leaderboard, sold_out_share, with_volume

    # Kilograms and packs apart.
    volumes = with_volume(rows).assign(category=rows["category"] + " (" + rows["unit"] + ")")
    boards = {days: leaderboard(rows, days=days, against=against) for days in DAYS}
    groups = {name: leaderboard(volumes, by=[name], against=against) for name in GROUPS}
    biases = {target: leaderboard(rows, against=target).set_index("model")["bias"] for target in AGAINST}
    sold_out = sold_out_share(rows)
    if as_json:
        body = {
            "rows": len(rows), "output": str(output) if output else None, "against": against,
            "sold_out_share": None if sold_out != sold_out else sold_out,
            "bias": {target: json.loads(b.to_json()) for target, b in biases.items()},
            "leaderboard": {days: _records(board) for days, board in boards.items()},
            "by": {name: _records(board) for name, board in groups.items()},
        }  # fmt: skip
        write_out(json.dumps(body, ensure_ascii=False))
        return
    console = output_console()
    console.print(leaderboard_table(boards["sold"], rows, against, biases))
    for line in stock_out_lines(rows, against, sold_out):
        console.print(line, highlight=False, markup=False)
    console.print(breakdown_table(boards, groups))
    if output is not None:
        write_out(f"{len(rows):,} rows written to {output}")


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    records: list[dict[str, object]] = json.loads(frame.to_json(orient="records", force_ascii=False))
    return records


def review(
    data: Data,
    run_id: Annotated[str | None, typer.Option("--run", help="The stored run to review.", metavar="RUN_ID")] = None,
    date: Annotated[
        datetime | None,
        typer.Option("--date", help="Review the plan of this day (default: the last day of sales).",
                     formats=["%Y-%m-%d"]),
    ] = None,
    store: Store = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Lines of the review, .csv or .parquet.", metavar="FILE")
    ] = None,
    database: Database = None,
    config: Config = None,
    changes: Set = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Compare a stored plan with what happened on its day, and keep the review."""
    from replenish.evaluate.review import review as judge
    from replenish.sources.folder import load_tables
    from replenish.store.database import open_store

    if run_id is not None and date is not None:
        raise ConfigError("Give --run or --date, not both: a run knows its day.")
    if output is not None and output.suffix.lower() not in LINE_FORMATS:
        raise ConfigError(f"--output {output}: the lines of a review are written as .csv or .parquet.")
    settings = read_settings(config, data, changes, {"storage__database": database})
    with progress_steps() as progress, open_store(settings.storage.database) as runs:
        progress("read the tables")
        tables = load_tables(data)
        run = _find_run(runs, tables, run_id, date, store)
        progress("compare")
        found = judge(run, tables, runs.changes(run.run_id))
        runs.save_review(run.run_id, found)
        if output is not None:
            _write_lines(found.lines, output)
    _tell_review(found, run.run_id, output, as_json)


def _find_run(runs: RunStore, tables: Tables, run_id: str | None, date: datetime | None, store: str | None) -> Run:
    """The run named, or the one made last for the store and day."""
    from replenish.planning import one_store

    if run_id is not None:
        return runs.load(run_id)
    name = one_store(tables, store)
    day = date or tables.for_store(name).daily_sales["date"].max()
    run = runs.latest(name, f"{day:%Y-%m-%d}")
    if run is None:
        raise ConfigError(
            f"No plan of store {name} for {day:%Y-%m-%d} is kept. Choose another --date or --run, or name the database "
            "that holds it with --database."
        )
    return run


def _write_lines(lines: pd.DataFrame, path: Path) -> None:
    from replenish.files import write_whole

    if path.suffix.lower() == ".csv":
        write_whole(path, lines.to_csv(index=False, date_format="%Y-%m-%d").encode("utf-8-sig"))
    else:
        _write_parquet(lines, path)


def _tell_review(found: Review, run_id: str, output: Path | None, as_json: bool) -> None:
    """Promise and outcome on the terminal, or all of it as JSON."""
    if as_json:
        body = json.loads(found.to_json()) | {"run_id": run_id, "output": str(output) if output else None}
        write_out(json.dumps(body, ensure_ascii=False))
        return
    console = output_console()
    console.print(review_table(found.lines))
    for line in review_lines(found.summary):
        console.print(line, highlight=False, markup=False)
    write_out(f"Review of run {run_id} kept" + (f"; lines written to {output}" if output else ""))
