"""Forecasts of statsforecast and mlforecast, from the panel and origins that `benchmarks.peers.panel` wrote.

Runs in the environment of `requirements.lock` beside this file, not in that of the package:
`python forecast_peers.py PANEL ORIGINS OUTPUT --models AutoTheta AutoETS …`. OUTPUT has one row per model, origin, item
and day: mean and the quantiles q025 … q975 (of a normal band where the model gives none of its own), and `seconds`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import ExpandingMean, RollingMean
from statsforecast import StatsForecast
from statsforecast.models import AutoARIMA, AutoETS, AutoTheta, HistoricAverage

HORIZON = 7
SEASON = 7
HISTORY_DAYS = 365  # for the statistical models: longer series made them slower, not better
LEARNING_DAYS = 730  # for the global model
CANDIDATE_DAYS = 7
REFIT_DAYS = 28
LEVELS = (50, 80, 90, 95)
QUANTILES = (0.025, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.975)
STATISTICAL = {"AutoTheta": AutoTheta, "AutoETS": AutoETS, "AutoARIMA": AutoARIMA}
# The full search takes 1.8 s a series, this one 0.3 s.
OPTIONS = {"AutoARIMA": {"approximation": True, "max_p": 3, "max_q": 3, "max_P": 1, "max_Q": 1}}
GLOBAL = "mlforecast"
BOOSTING = {"n_estimators": 150, "learning_rate": 0.07, "num_leaves": 31, "min_child_samples": 50,
            "subsample": 0.8, "subsample_freq": 1, "colsample_bytree": 0.8, "verbosity": -1, "n_jobs": 1,
            "random_state": 0}  # fmt: skip


def name_of(quantile: float) -> str:
    return f"q{round(1000 * quantile):03d}" if round(1000 * quantile) % 10 else f"q{round(100 * quantile):02d}"


def filled(panel: pd.DataFrame, origin: pd.Timestamp, days: int, fill: str, every: bool = False) -> pd.DataFrame:
    """Daily series (unique_id, ds, y) of the `days` days up to the origin, each from its first sale on.

    Items sold in the last week; `every`: all items, each up to its last sale. Days without a sale: the `last` sale's
    quantity (most such days the item was not on offer), or `zero`.
    """
    known = panel[(panel["ds"] <= origin) & (panel["ds"] > origin - pd.Timedelta(days=days)) & (panel["y"] > 0)]
    parts = []
    for code, rows in known.groupby("unique_id"):
        recent = rows["ds"].max() > origin - pd.Timedelta(days=CANDIDATE_DAYS)
        if recent or every:
            end = origin if recent else rows["ds"].max()
            series = rows.set_index("ds")["y"].reindex(pd.date_range(rows["ds"].min(), end))
            series = series.ffill() if fill == "last" else series.fillna(0.0)
            parts.append(pd.DataFrame({"unique_id": code, "ds": series.index, "y": series.to_numpy()}))
    return pd.concat(parts, ignore_index=True)


def statistical(name: str, panel: pd.DataFrame, origins: list[pd.Timestamp], fill: str) -> Iterator[pd.DataFrame]:
    """A model of statsforecast, fitted to every series at every origin; bands of the model."""
    for origin in origins:
        start = time.perf_counter()
        series = filled(panel, origin, HISTORY_DAYS, fill)
        # New items have too few days for some models.
        engine = StatsForecast(
            [STATISTICAL[name](season_length=SEASON, **OPTIONS.get(name, {}))],
            freq="D",
            n_jobs=1,
            fallback_model=HistoricAverage(),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = engine.forecast(df=series, h=HORIZON, level=list(LEVELS))
        out = found[["unique_id", "ds"]].assign(model=name, origin=origin, mean=found[name], q50=found[name])
        for level in LEVELS:
            low, high = name_of(0.5 - level / 200), name_of(0.5 + level / 200)
            out[low], out[high] = found[f"{name}-lo-{level}"], found[f"{name}-hi-{level}"]
        yield out.assign(seconds=time.perf_counter() - start)


def boosted(panel: pd.DataFrame, origins: list[pd.Timestamp], fill: str) -> Iterator[pd.DataFrame]:
    """One global LightGBM by mlforecast: direct per horizon, a mean and one model per quantile; refitted like ours."""
    models: dict[str, lgb.LGBMRegressor] = {"mean": lgb.LGBMRegressor(objective="regression", **BOOSTING)}
    models |= {name_of(q): lgb.LGBMRegressor(objective="quantile", alpha=q, **BOOSTING) for q in QUANTILES}
    engine, fitted_at = None, None
    for origin in origins:
        start = time.perf_counter()
        series = filled(panel, origin, LEARNING_DAYS, fill)
        if engine is None or (origin - fitted_at).days >= REFIT_DAYS:
            engine, fitted_at = _global_engine(models), origin
            everything = filled(panel, origin, LEARNING_DAYS, fill, every=True)
            engine.fit(everything, max_horizon=HORIZON, static_features=[])
        found = engine.predict(HORIZON, new_df=series)
        columns = {name: found[name].clip(lower=0) for name in models}
        yield found[["unique_id", "ds"]].assign(
            model=GLOBAL, origin=origin, **columns, seconds=time.perf_counter() - start
        )


def _global_engine(models: dict[str, lgb.LGBMRegressor]) -> MLForecast:
    return MLForecast(
        models=models, freq="D", lags=[1, 2, 3, 4, 5, 6, 7, 14, 21, 28],
        lag_transforms={1: [RollingMean(7, min_samples=1), RollingMean(28, min_samples=1), ExpandingMean()]},
        date_features=["dayofweek", "month"],
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("panel", type=Path)
    parser.add_argument("origins", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--models", nargs="+", default=[*STATISTICAL, GLOBAL], choices=[*STATISTICAL, GLOBAL])
    parser.add_argument("--fill", choices=["zero", "last"], default="last")
    arguments = parser.parse_args()
    panel = pd.read_parquet(arguments.panel)
    panel["ds"] = panel["ds"].astype("datetime64[ns]")
    origins = [pd.Timestamp(line) for line in arguments.origins.read_text().split()]
    for name in arguments.models:
        start = time.perf_counter()
        rows = boosted(panel, origins, arguments.fill) if name == GLOBAL else statistical(
            name, panel, origins, arguments.fill
        )  # fmt: skip
        found = pd.concat(rows, ignore_index=True)
        found[["mean", *map(name_of, QUANTILES)]] = np.maximum(found[["mean", *map(name_of, QUANTILES)]], 0.0)
        found.to_parquet(arguments.output.with_name(f"{arguments.output.stem}-{name}.parquet"))
        print(f"{name}: {len(found):,} rows, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
