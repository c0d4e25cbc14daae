"""The commands that decide: `plan` and `dashboard`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from replenish.cli.console import output_console, progress_steps, write_out
from replenish.cli.options import Config, Data, Database, Json, Seed, Set, Store, read_settings
from replenish.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from replenish.records import Plan, Run
    from replenish.settings import Settings


class Level(Enum):
    """What is planned: single items, or categories as a whole."""

    ITEM = "item"
    CATEGORY = "category"


PlanDate = Annotated[
    datetime | None,
    typer.Option("--date", help="First planned day (default: the day after the data ends).", formats=["%Y-%m-%d"]),
]
Output = Annotated[
    Path | None, typer.Option("--output", help="Order file, .csv or .xlsx (default: both in out/).", metavar="FILE")
]
Locks = Annotated[
    Path | None,
    typer.Option("--locks", help="CSV of the planner's locks: item_code, kind, value, author, reason.", metavar="FILE"),
]


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the application."""
    app.command("plan")(plan)
    app.command("dashboard")(dashboard)


def plan(
    data: Data,
    date: PlanDate = None,
    days: Annotated[int, typer.Option("--days", help="Days to plan.", min=1, max=28)] = 1,
    level: Annotated[Level, typer.Option("--level", help="Plan items or whole categories.")] = Level.ITEM,
    store: Store = None,
    output: Output = None,
    locks: Locks = None,
    config: Config = None,
    changes: Set = None,
    n_min: Annotated[int | None, typer.Option("--n-min", help="Least number of listed items.")] = None,
    n_max: Annotated[int | None, typer.Option("--n-max", help="Most listed items.")] = None,
    min_display: Annotated[float | None, typer.Option("--min-display", help="Least order of a listed item.")] = None,
    cover: Annotated[float | None, typer.Option("--cover", help="Share of category demand to serve (α).")] = None,
    price_index_cap: Annotated[
        str | None, typer.Option("--price-index-cap", help="Admissible rise of a category's price index (κ), or none.")
    ] = None,
    budget: Annotated[float | None, typer.Option("--budget", help="Most money for the order of a day.")] = None,
    lead_time: Annotated[int | None, typer.Option("--lead-time", help="Days from last known evening to plan.")] = None,
    time_limit: Annotated[float | None, typer.Option("--time-limit", help="Solver seconds per day.")] = None,
    gap: Annotated[float | None, typer.Option("--gap", help="Relative gap at which the solver may stop.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Tell what one step of every rule is worth (solves again, takes longer).")
    ] = False,
    explain_item: Annotated[
        list[str] | None,
        typer.Option(
            "--explain-item", metavar="ITEM_CODE",
            help="Tell what other prices and orders of this listed item would cost; may be repeated.",
        ),
    ] = None,
    database: Database = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Plan the day: what to put on the shelf, how much to order and at what price."""
    flags = {
        "rules__n_min": n_min, "rules__n_max": n_max, "rules__min_display": min_display, "rules__cover": cover,
        "rules__price_index_cap": price_index_cap, "rules__budget": budget, "shop__lead_time_days": lead_time,
        "solver__time_limit_s": time_limit, "solver__gap": gap, "storage__database": database,
    }  # fmt: skip
    settings = read_settings(config, data, changes, flags)
    if output is not None and output.suffix.lower() not in (".csv", ".xlsx"):
        raise ConfigError(f"--output {output}: the order file ends in .csv or .xlsx.")
    with progress_steps() as progress:
        asked = (explain, explain_item or [])
        found, values = _make(data, date, days, level, store, settings, locks, seed, asked, progress)
        progress("store the run")
        run = _keep(found, settings)
        files = _write(found, run, settings, output)
    _tell(found, values, run, files, settings, data, as_json)


def _make(
    data: Path, date: datetime | None, days: int, level: Level, store: str | None, settings: Settings,
    locks: Path | None, seed: int, asked: tuple[bool, list[str]], progress: Callable[[str], None],
) -> tuple[Plan, dict[str, pd.DataFrame]]:  # fmt: skip
    """The plan, with models that are kept for the next time, and what is `asked` for: the worth of its rules
    (“rule_values”), and of the lines of some items (“line_values”)."""
    from replenish.locks import read_lock_file
    from replenish.planning import (
        Kept,
        evening_before,
        line_values,
        look_ahead,
        make_category_plan,
        one_store,
        replan,
        rule_values,
    )  # fmt: skip
    from replenish.reuse import kept_models
    from replenish.sources.folder import load_tables

    progress("read the tables")
    tables = load_tables(data)
    name = one_store(tables, store)
    as_of = evening_before(tables, name, date, settings)
    overrides = read_lock_file(locks) if locks is not None else ()
    explain, items = asked
    if level is Level.CATEGORY:
        if overrides:
            raise ConfigError("--locks are locks on items; leave them out with --level category.")
        if explain or items:
            raise ConfigError("--explain and --explain-item tell of items; leave them out with --level category.")
        return make_category_plan(tables, as_of, days, settings, seed, name, progress), {}
    models = kept_models(tables, as_of, settings, name, seed, progress)
    must = {o.item_code for o in overrides if o.kind == "must_list"}
    ahead = look_ahead(tables, as_of, days, settings, models, seed, name, must, progress)
    kept, values = Kept(), {}
    found = replan(tables, ahead, settings, overrides, seed, progress, kept)
    missing = sorted(set(items) - set(found.lines["item_code"]))
    if missing:
        raise ConfigError(f"--explain-item: not listed by the plan: {', '.join(missing)}.")
    if explain:
        values["rule_values"] = rule_values(tables, ahead, settings, overrides, seed, progress, kept)
    if items:
        values["line_values"] = line_values(tables, ahead, items, settings, overrides, seed, progress, kept)
    return found, values


def _keep(found: Plan, settings: Settings) -> Run:
    from replenish.store.database import open_store

    with open_store(settings.storage.database) as runs:
        return runs.save(found)


def _write(found: Plan, run: Run, settings: Settings, output: Path | None) -> list[Path]:
    from replenish.nightly import order_paths
    from replenish.publish import write_order

    places = [output] if output else order_paths(found.store, found.summary["dates"][0], run.run_id, settings)
    return [write_order(found, place) for place in places]


def _tell(
    found: Plan, values: dict[str, pd.DataFrame], run: Run, files: list[Path], settings: Settings, data: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """The plan on the terminal with where everything is and what to do next, or all of it as JSON."""
    if as_json:
        import json

        body: dict[str, Any] = json.loads(found.to_json())
        body |= {"run_id": run.run_id, "repeated": run.repeated, "files": [str(f) for f in files]}
        for name, table in values.items():
            body[name] = json.loads(table.to_json(orient="records", date_format="iso", force_ascii=False))
        write_out(json.dumps(body, ensure_ascii=False))
        return
    from replenish.database_url import parse_url, shown
    from replenish.report import line_values_table, print_plan, rule_values_table

    print_plan(found, output_console())
    if "rule_values" in values:
        output_console().print(rule_values_table(values["rule_values"]))
    if "line_values" in values:
        output_console().print(line_values_table(values["line_values"]))
    elif "rule_values" in values:
        code = found.lines["item_code"].iloc[0] if len(found.lines) else "ITEM_CODE"
        write_out(
            f"What other prices and orders of a line would cost: --explain-item {code}, or the dashboard's tab Item."
        )
    again = " (the same run as before: same input, settings and versions give the same plan)" if run.repeated else ""
    write_out(f"\nRun {run.run_id}{again}, kept in {shown(parse_url(settings.storage.database))}")
    write_out("Order files: " + ", ".join(map(str, files)))
    write_out(f"Next: look at it, change it and approve it with  replenish dashboard --data {data}")


def dashboard(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of the canonical tables.", metavar="FOLDER")
    ] = None,
    port: Annotated[int, typer.Option("--port", help="Port of the page.", min=1, max=65535)] = 8501,
    headless: Annotated[bool, typer.Option("--headless", help="Do not open a browser.")] = False,
    config: Config = None,
) -> None:
    """Open the dashboard: see the plan, change it, solve again, approve it and download the order."""
    environment = dict(os.environ)
    if data is not None:
        environment["REPLENISH_DATA"] = str(data)
    if config is not None:
        environment["REPLENISH_CONFIG"] = str(config)
    command = [sys.executable, "-m", "streamlit", "run", str(_app_file()), f"--server.port={port}",
               f"--server.headless={str(headless).lower()}", "--browser.gatherUsageStats=false"]  # fmt: skip
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


def _app_file() -> Path:
    """`app.py`: inside the installed package, or at the top of the source tree."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "app.py", package.parents[1] / "app.py"):
        if place.is_file():
            return place
    raise ConfigError("app.py was not found; install replenish again.")
