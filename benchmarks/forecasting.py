"""How fast forecasts are made: `python -m benchmarks.forecasting [--data FOLDER] [--peers PYTHON]`.

Writes benchmarks/forecasting.md. FOLDER: the reference tables (default: the demo store); PYTHON: the interpreter of the
environment of `benchmarks/peers/requirements.lock`, whose AutoETS and AutoTheta are then timed on the same series in the
same run. CPU seconds on one thread, beside seconds on the clock, since other work on the machine slows only the latter.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from replenish import evening_before, load_settings, load_tables
from replenish.forecast.features import PanelMatrix, future_calendar
from replenish.forecast.intermittent import tsb_forecasts
from replenish.forecast.models import fit_forecast
from replenish.forecast.smoothing import fit_smoothing, smoothed_levels, smoothing_forecast
from replenish.forecast.theta import theta_forecasts
from replenish.planning import build_history, fit_models, forecast_demand, refit_demand
from replenish.records import PriceResponse
from replenish.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "benchmarks" / "forecasting.md"
DAYS = 1000
WEEK = np.array([0.85, 0.85, 0.9, 0.95, 1.05, 1.25, 1.15])
PEER = """
import sys, time
import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import AutoETS, AutoTheta
panel = pd.read_parquet(sys.argv[1])
for name, model in (("AutoETS", AutoETS(season_length=7)), ("AutoTheta", AutoTheta(season_length=7))):
    engine = StatsForecast([model], freq="D", n_jobs=1)
    engine.forecast(df=panel[panel["unique_id"] == panel["unique_id"].iloc[0]], h=7)
    start = time.process_time()
    engine.forecast(df=panel, h=7)
    print(name, time.process_time() - start)
"""


def shop(items: int, days: int = DAYS, seed: int = 0) -> PanelMatrix:
    """A shop of so many items with a weekday pattern and negative binomial demand, complete, in ten categories."""
    rng = np.random.default_rng(seed)
    mean = np.geomspace(2, 60, items) * np.resize(WEEK, days)[:, None]
    demand = rng.poisson(rng.gamma(8, mean / 8)).astype(float)
    ones, dates = np.ones((days, items)), pd.date_range("2020-01-06", periods=days, unit="us")
    return PanelMatrix(
        dates, tuple(f"P{k:05d}" for k in range(items)), np.array([f"C{k % 10}" for k in range(items)]),
        np.array(["kg"] * items), np.full(items, -0.8), np.ones(items), demand * 5.0**0.8, ones, demand, ones, ones,
        5 * ones, 3 * ones, np.full(days, 500.0), future_calendar(dates[0], dates[-1], "CN", None), "CN",
    )  # fmt: skip


def smooth(m: PanelMatrix) -> None:
    """Smoothing, Theta and TSB of every item: fitted, levels of every day, a week ahead."""
    fitted = fit_smoothing(m, len(m.dates))
    levels, origin = smoothed_levels(m, fitted), np.array([len(m.dates) - 1])
    for horizon in range(1, 8):
        smoothing_forecast(m, fitted, levels, origin, horizon)
    theta_forecasts(m, fitted, levels, dict.fromkeys(range(1, 8), origin))
    tsb_forecasts(m, fitted, dict.fromkeys(range(1, 8), origin))


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Clock and CPU seconds."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def grown(items: int) -> tuple[float, float, float, float]:
    """CPU seconds of smoothing and of a whole fit, CPU seconds of a forecast, peak memory [GB]; in a process of its own."""
    code = f"from benchmarks.forecasting import child; child({items})"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    smoothed, fitted, ahead, memory = (float(v) for v in found.stdout.split())
    return smoothed, fitted, ahead, memory


def child(items: int) -> None:
    from replenish.forecast.demand import forecast_matrix

    m = shop(items)
    _, smoothed = measured(lambda: smooth(m))
    response = PriceResponse(
        pd.DataFrame({"item_code": m.item_codes, "category": m.category, "elasticity": m.elasticity}), pd.DataFrame()
    )
    models = []
    _, fitted = measured(lambda: models.append(fit_forecast(m, response, Settings(), "main", "f" * 64, 0)))
    names = pd.DataFrame({"item_code": m.item_codes, "item_name": m.item_codes})
    dates = m.dates[-1:] + pd.Timedelta(days=1)
    _, ahead = measured(lambda: forecast_matrix(m, models[0], names, list(m.item_codes), dates))
    print(smoothed, fitted, ahead, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)


def peers(python: Path, items: int) -> list[tuple[str, float]]:
    """CPU milliseconds a series of statsforecast's models on the last year of the same series."""
    m = shop(items)
    frame = pd.DataFrame(m.sold[-365:], index=m.dates[-365:].astype("datetime64[ns]"), columns=list(m.item_codes))
    long = frame.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "panel.parquet"
        long.to_parquet(path, index=False)
        done = subprocess.run([python, "-c", PEER, path], capture_output=True, text=True, check=True)
    return [(name, 1000 * float(v) / items) for name, v in (line.split() for line in done.stdout.splitlines())]


def shop_rows(folder: Path) -> list[str]:
    """Weekly fit, nightly refit and tomorrow from kept models of a store."""
    tables, settings = load_tables(folder), load_settings(data=folder)
    evening = evening_before(tables, tables.stores[0], None, settings)
    kept = []
    first = measured(lambda: kept.append(fit_models(tables, evening, settings)))
    demand = measured(lambda: refit_demand(tables, evening, kept[0], settings))
    ahead = measured(lambda: forecast_demand(tables, evening, 1, settings, kept[0]))
    history = measured(lambda: build_history(tables, evening, settings))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return [
        _row("everything fitted: price response, members, blend weights, conformal bands", first, "≤ 30 s a night"),
        _row("members fitted again, blend weights and bands kept", demand, "≤ 30 s a night"),
        _row("tomorrow from kept models, history built anew", ahead, "≤ 2 s"),
        _row("of it the history", history, ""),
        f"| peak memory, GB | {memory:.2f} | | ≤ 2 GB |",
    ]


def _row(what: str, seconds: tuple[float, float], aim: str) -> str:
    return f"| {what} | {seconds[0]:.1f} | {seconds[1]:.1f} | {aim} |"


def page(folder: Path, python: Path | None, large: int) -> str:
    """The page as Markdown."""
    name = "reference case" if folder != ROOT / "data" / "demo" else "demo store"
    start = [
        "# Speed of the forecasts", "",
        "`python -m benchmarks.forecasting --data FOLDER --peers PYTHON` writes this page. Machine: "
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, load at the start "
        f"{os.getloadavg()[0]:.1f}. CPU seconds are what the work costs; seconds on the clock also hold what other work "
        "took.", "", f"## The {name}", "", "| what | seconds | CPU seconds | aim |", "|---|---|---|---|",
    ]  # fmt: skip
    small, big = grown(1000), grown(large)
    beside = peers(python, 200) if python else []
    ours = 1000 * small[0] / 1000
    smoothing = ["", "## Batched smoothing", "", "CPU milliseconds a series, one thread, fitting included; ours on "
                 "1,000 days of 1,000 series (smoothing, Theta and TSB together), theirs on the last 365 days of 200.",
                 "", "| | ms a series | aim |", "|---|---|---|", f"| batched smoothing, Theta, TSB | {ours:.2f} | ≤ 0.5 |",
                 *(f"| statsforecast {model} | {ms:.0f} | |" for model, ms in beside)]  # fmt: skip
    growth = ["", "## Growth", "", f"Shops of 1,000 days, a process each; from 1,000 to {large:,} series "
              f"({large / 1000:.0f} times as many).", "", f"| | 1,000 | {large:,} | ratio |", "|---|---|---|---|",
              *(f"| {what} | {a:.2f} | {b:.2f} | {b / a:.1f} |" for what, a, b in zip(
                  ("smoothing, CPU seconds", "demand models fitted, CPU seconds", "tomorrow from them, CPU seconds",
                   "peak memory, GB"), small, big, strict=True))]  # fmt: skip
    return "\n".join([*start, *shop_rows(folder), *smoothing, *growth]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "demo")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--large", type=int, default=10_000)
    arguments = parser.parse_args()
    PAGE.write_text(page(arguments.data, arguments.peers, arguments.large), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
