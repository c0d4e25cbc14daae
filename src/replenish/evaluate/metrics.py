"""Forecast errors over the rows of a backtest, each a ratio of two sums, and a leaderboard with their intervals.

Rows are those of `backtest`: one per model, origin, target date and item. Every metric is called `metric(rows)` and
gives one number; a row that a metric cannot use (no band, no scale) is left out of it, and without any row it is NaN.

Forecasts are of sales had nothing sold out. Sales of a day that sold out are less, so that a right forecast looks too
high against sales. Against `demand` (sales and what stock-outs hid, clearance included) it does not; but that is itself
an estimate, and what it gets wrong the forecasts have learnt the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.errors import ConfigError, DataError
from replenish.forecast.intervals import QUANTILE_NAMES, QUANTILES

Array = NDArray[np.float64]
Terms = tuple[Array, Array]

OFFERED_ENOUGH = 0.5
DAYS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "sold": lambda rows: rows["actual"] > 0,
    "offered": lambda rows: rows["offered"] >= OFFERED_ENOUGH,
    "sold_out": lambda rows: rows["sold_out"].eq(True),
    "all": lambda rows: pd.Series(True, index=rows.index),
}
AGAINST: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "sales": lambda rows: rows["actual"],
    "demand": lambda rows: rows["actual"] + _column(rows, "hidden"),
}
ORIGIN = "resampled origin"  # beside a column origin that is broken down by
ROW = ("model", "origin", "store", "item_code", "horizon")
NEEDED = (
    *ROW, "actual", "sold_out", "offered", "price_assumed", "mean", *QUANTILE_NAMES, "cost_assumed", "cost_log_sd",
    "cost_actual", "naive_mae", "naive_mse",
)  # fmt: skip
INTERVAL = (0.025, 0.975)
PINBALL = (0.05, 0.95)
NORMAL_80 = 1.2815515655446004
VOLUMES = ("low", "middle", "high")


@dataclass(frozen=True)
class Metric:
    """`metric(rows)` = Σ numerator ÷ Σ denominator over the rows, its square root if `root`; `terms` gives both."""

    name: str
    terms: Callable[[pd.DataFrame], Terms]
    root: bool = False

    def __call__(self, rows: pd.DataFrame) -> float:
        """The metric of these rows; NaN when none can be used."""
        above, below = self.usable(rows)
        return float(self.value(above.sum(), below.sum()))

    def usable(self, rows: pd.DataFrame) -> Terms:
        """Numerator and denominator per row, 0 and 0 where the metric cannot use the row."""
        above, below = self.terms(rows)
        known = np.isfinite(above) & np.isfinite(below)
        return np.where(known, above, 0.0), np.where(known, below, 0.0)

    def value(self, above: Array | float, below: Array | float) -> Array:
        """The metric from summed terms; NaN where the denominator is 0."""
        total = np.asarray(below, dtype=float)
        ratio = np.where(total > 0, np.asarray(above) / np.where(total > 0, total, 1.0), np.nan)
        return np.asarray(np.sqrt(ratio)) if self.root else ratio


def _numbers(rows: pd.DataFrame, name: str) -> Array:
    return np.asarray(rows[name].to_numpy(dtype=float))


def _ones(rows: pd.DataFrame) -> Array:
    return np.ones(len(rows))


def _scale(rows: pd.DataFrame, name: str) -> Array:
    """The naive error of the item, NaN where it is 0 (a constant series has no scale)."""
    values = _numbers(rows, name)
    return np.where(values > 0, values, np.nan)


def _wape(rows: pd.DataFrame) -> Terms:
    actual, forecast = _numbers(rows, "actual"), _numbers(rows, "q50")
    return np.abs(actual - forecast), np.where(np.isfinite(forecast), actual, np.nan)


def _wape_value(rows: pd.DataFrame) -> Terms:
    above, below = _wape(rows)
    price = _numbers(rows, "price_assumed")
    return above * price, below * price


def _bias(rows: pd.DataFrame) -> Terms:
    actual, mean = _numbers(rows, "actual"), _numbers(rows, "mean")
    return mean - actual, np.where(np.isfinite(mean), actual, np.nan)


def _rmsse(rows: pd.DataFrame) -> Terms:
    return (_numbers(rows, "actual") - _numbers(rows, "mean")) ** 2 / _scale(rows, "naive_mse"), _ones(rows)


def _mase(rows: pd.DataFrame) -> Terms:
    return np.abs(_numbers(rows, "actual") - _numbers(rows, "q50")) / _scale(rows, "naive_mae"), _ones(rows)


def _nwrmsle(rows: pd.DataFrame) -> Terms:
    return (np.log1p(_numbers(rows, "actual")) - np.log1p(_numbers(rows, "mean"))) ** 2, _ones(rows)


def _pinball(rows: pd.DataFrame) -> Terms:
    inner = {name: q for name, q in zip(QUANTILE_NAMES, QUANTILES, strict=True) if PINBALL[0] <= q <= PINBALL[1]}
    error = _numbers(rows, "actual")[:, None] - rows[list(inner)].to_numpy(dtype=float)
    level = np.array(list(inner.values()))
    loss = np.maximum(level * error, (level - 1) * error).mean(axis=1)
    return loss / _scale(rows, "naive_mae"), _ones(rows)


def _newsvendor(rows: pd.DataFrame) -> Terms:
    """Order the quantile (p − c) ÷ p, between the given ones by straight lines; lost margin or wasted cost."""
    price, cost, actual = (_numbers(rows, name) for name in ("price_assumed", "cost_assumed", "actual"))
    share = np.clip((price - cost) / price, QUANTILES[0], QUANTILES[-1])
    given = rows[list(QUANTILE_NAMES)].to_numpy(dtype=float)
    place = np.interp(share, QUANTILES, np.arange(len(QUANTILES)))
    low = np.minimum(np.nan_to_num(place).astype(int), len(QUANTILES) - 2)
    row, part = np.arange(len(rows)), place - low
    order = given[row, low] * (1 - part) + given[row, low + 1] * part
    loss = np.maximum(price - cost, 0.0) * np.maximum(actual - order, 0.0) + cost * np.maximum(order - actual, 0.0)
    return loss, np.where(np.isfinite(loss), price * actual, np.nan)


def _cost_error(rows: pd.DataFrame) -> Terms:
    value = _numbers(rows, "actual") * _numbers(rows, "cost_actual")
    relative = np.abs(_numbers(rows, "cost_assumed") / _numbers(rows, "cost_actual") - 1)
    return value * relative, np.where(np.isfinite(relative), value, np.nan)


def _cost_coverage(rows: pd.DataFrame) -> Terms:
    off = np.log(_numbers(rows, "cost_actual") / _numbers(rows, "cost_assumed")) / _scale(rows, "cost_log_sd")
    return np.where(np.isfinite(off), (np.abs(off) <= NORMAL_80).astype(float), np.nan), _ones(rows)


def _coverage(low: str, high: str) -> Callable[[pd.DataFrame], Terms]:
    def terms(rows: pd.DataFrame) -> Terms:
        actual, lower, upper = (_numbers(rows, name) for name in ("actual", low, high))
        inside = ((lower <= actual) & (actual <= upper)).astype(float)
        return np.where(np.isfinite(actual + lower + upper), inside, np.nan), _ones(rows)

    return terms


def _width(low: str, high: str) -> Callable[[pd.DataFrame], Terms]:
    def terms(rows: pd.DataFrame) -> Terms:
        width = _numbers(rows, high) - _numbers(rows, low)
        return width, np.where(np.isfinite(width), _numbers(rows, "actual"), np.nan)

    return terms


wape = Metric("wape", _wape)
"""Σ|actual − q50| ÷ Σ actual, quantities as they are (the field's convention)."""

wape_value = Metric("wape_value", _wape_value)
"""The same with quantities valued at the assumed price, so that kilograms and packs are not added up."""

bias = Metric("bias", _bias)
"""Σ(mean − actual) ÷ Σ actual: positive when too much is forecast."""

rmsse = Metric("rmsse", _rmsse, root=True)
"""√ mean of (actual − mean)² ÷ the item's mean squared naive error (Hyndman & Koehler 2006; M5), pooled over rows."""

mase = Metric("mase", _mase)
"""Mean of |actual − q50| ÷ the item's mean absolute naive error (Hyndman & Koehler 2006)."""

nwrmsle = Metric("nwrmsle", _nwrmsle, root=True)
"""√ mean of (ln(1 + actual) − ln(1 + mean))², every item perishable and so of one weight (Favorita contest)."""

pinball = Metric("pinball", _pinball)
"""Mean pinball loss over the quantiles 0.05 … 0.95 ÷ the item's mean absolute naive error (as in the M5)."""

coverage_80 = Metric("coverage_80", _coverage("q10", "q90"))
"""Share of rows with q10 ≤ actual ≤ q90."""

coverage_95 = Metric("coverage_95", _coverage("q025", "q975"))
"""Share of rows with q025 ≤ actual ≤ q975."""

width_80 = Metric("width_80", _width("q10", "q90"))
"""Σ(q90 − q10) ÷ Σ actual."""

width_95 = Metric("width_95", _width("q025", "q975"))
"""Σ(q975 − q025) ÷ Σ actual."""

newsvendor = Metric("newsvendor", _newsvendor)
"""Cost of ordering the newsvendor quantile (p − c) ÷ p: lost margin and wasted cost ÷ Σ price · actual."""

cost_error = Metric("cost_error", _cost_error)
"""Σ cost of sales · |forecast ÷ wholesale price − 1| ÷ Σ cost of sales, on days the item was bought."""

cost_coverage_80 = Metric("cost_coverage_80", _cost_coverage)
"""Share of wholesale prices inside the central 80 % of their forecast's lognormal errors."""

METRICS: tuple[Metric, ...] = (
    wape, wape_value, bias, rmsse, mase, nwrmsle, pinball, coverage_80, width_80, coverage_95, width_95, newsvendor,
    cost_error, cost_coverage_80,
)  # fmt: skip


def with_volume(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `volume`: which third (low, middle, high) of the items its item is in by mean value sold."""
    value = (rows["actual"] * rows["price_assumed"]).groupby([rows["store"], rows["item_code"]]).mean().fillna(0.0)
    third = ((value.rank(method="first") - 1) * len(VOLUMES) // len(value)).astype(int)
    named = third.map(dict(enumerate(VOLUMES))).rename("volume")
    return rows.drop(columns="volume", errors="ignore").join(named, on=["store", "item_code"])


def _column(rows: pd.DataFrame, name: str) -> pd.Series:
    """A column of the rows; `ConfigError` when they have none of that name."""
    if name not in rows.columns:
        there = ", ".join(map(str, rows.columns))
        raise ConfigError(f"Rows of the backtest: no column {name}. There are: {there}.")
    return rows[name]


def _keys(by: str | Sequence[str], rows: pd.DataFrame, already: str) -> list[str]:
    """The columns to break down by (one may be given by its name alone), each once, without the one there `already`."""
    keys = [by] if isinstance(by, str) else list(by)
    for name in keys:
        _column(rows, name)
    return [name for name in dict.fromkeys(keys) if name != already]


def checked_choice(what: str, value: str, choices: Iterable[str]) -> str:
    """The value; `ConfigError` when it is not one of the choices."""
    known = list(choices)
    if value not in known:
        raise ConfigError(f"Unknown {what} “{value}”: choose one of {', '.join(known)}.")
    return value


def scored(rows: pd.DataFrame, days: str = "sold", against: str = "sales") -> pd.DataFrame:
    """The rows to score, for any metric: those of the kind of `days`, `actual` being what they are scored `against`.

    `days`: sold, offered, sold_out or all. `against`: `sales`, or `demand`: sales and what stock-outs hid (`hidden`),
    clearance included as in the forecasts; days that sold out at a time nobody knows have none and are left out. Naive
    errors, the scale of MASE, RMSSE and pinball, stay those of sales.

    Raises `ConfigError` for unknown `days`, `against` or columns, `DataError` for rows that are there twice.
    """
    kind = DAYS[checked_choice("days", days, DAYS)]
    target = AGAINST[checked_choice("against", against, AGAINST)]
    for name in NEEDED:
        _column(rows, name)
    twice = rows.duplicated(list(ROW))
    if twice.any():
        first = rows.loc[twice, list(ROW)].iloc[0]
        raise DataError(
            f"Rows of the backtest: {twice.sum():,} of {len(rows):,} rows are there twice (first: {first['model']}, "
            f"item {first['item_code']}, {first['horizon']} days after {str(first['origin'])[:10]}).",
            "Leave out one of each.",
        )
    chosen = rows.assign(actual=target(rows))[kind(rows)]
    return chosen[chosen["actual"].notna()]


def sold_out_share(rows: pd.DataFrame) -> float:
    """Share of the days on which the item sold that sold out; NaN without any."""
    return float(scored(rows)["sold_out"].eq(True).mean())


def calibration(
    rows: pd.DataFrame, by: str | Sequence[str] = (), days: str = "sold", against: str = "sales"
) -> pd.DataFrame:
    """How often sales (or demand) lay at or below each quantile, of the rows with bands.

    Key (*by, quantile). Columns: share (of rows at or below), below (strictly: where goods come in whole packs the
    quantile is right when its level lies between the two), rows. `by`, `days`, `against` and errors: as for
    `leaderboard`.
    """
    keys = _keys(by, rows, "quantile")
    chosen = scored(rows, days, against)
    banded = chosen[chosen["q50"].notna() & chosen["q05"].notna()]
    parts = [
        banded.assign(quantile=q, share=banded["actual"] <= banded[name], below=banded["actual"] < banded[name])
        for name, q in zip(QUANTILE_NAMES, QUANTILES, strict=True)
    ]
    columns = {"share": ("share", "mean"), "below": ("below", "mean"), "rows": ("share", "size")}
    long = pd.concat(parts, ignore_index=True)
    return long.groupby([*keys, "quantile"], observed=True, dropna=False).agg(**columns).reset_index()


def leaderboard(
    rows: pd.DataFrame,
    by: str | Sequence[str] = (),
    days: str = "sold",
    draws: int = 1000,
    seed: int = 0,
    against: str = "sales",
) -> pd.DataFrame:
    """Every metric per model and group, best WAPE first within the group.

    Key (*by, model). Columns: `rows` (number scored), and for each metric its value, `_low` and `_high`: the 95 %
    interval from `draws` resamples of whole origins, the same for all models (days of one origin hang together).
    `by`: columns of the rows, for example category or horizon; rows without a value there are a group of their own.
    `days`: sold, offered, sold_out or all. `against`: sales or demand (see `scored`).

    Raises `ConfigError` for unknown `days`, `against` or columns, `DataError` for rows that are there twice.
    """
    if draws < 0:
        raise ConfigError(f"Draws cannot be negative; got {draws}.")
    key = [*_keys(by, rows, "model"), "model"]
    chosen = scored(rows, days, against)
    sums = _sums_by_origin(chosen, key)
    weights = _resamples(pd.Index(chosen["origin"].unique()), draws, seed)
    scores = {name: _scores(group, weights) for name, group in sums.groupby(level=key, sort=True, dropna=False)}
    names = ["rows", *(f"{metric.name}{part}" for metric in METRICS for part in ("", "_low", "_high"))]
    index = pd.MultiIndex.from_tuples(list(scores), names=key) if scores else sums.droplevel(ORIGIN).index[:0]
    table = pd.DataFrame(list(scores.values()), index=index, columns=names)
    return table.reset_index().sort_values([*key[:-1], "wape"], ignore_index=True)


def _sums_by_origin(rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Summed terms of every metric per key and origin: columns rows, `<metric>_above`, `<metric>_below`."""
    columns: dict[str, Array] = {"rows": _ones(rows)}
    for metric in METRICS:
        columns[f"{metric.name}_above"], columns[f"{metric.name}_below"] = metric.usable(rows)
    terms = pd.DataFrame(columns, index=rows.index)
    groups = [*(rows[name] for name in key), rows["origin"].rename(ORIGIN)]
    return terms.groupby(groups, observed=True, dropna=False).sum()


def _resamples(origins: pd.Index, draws: int, seed: int) -> pd.DataFrame:
    """How often each origin (column) is in each resample (row)."""
    n = len(origins)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws) if n else np.zeros((draws, 0))
    return pd.DataFrame(counts, columns=origins)


def _scores(sums: pd.DataFrame, weights: pd.DataFrame) -> dict[str, float]:
    count = weights[sums.index.get_level_values(ORIGIN)].to_numpy(dtype=float)
    out: dict[str, float] = {"rows": int(sums["rows"].sum())}
    for metric in METRICS:
        above, below = (sums[f"{metric.name}_{part}"].to_numpy() for part in ("above", "below"))
        drawn = metric.value(count @ above, count @ below)
        out[metric.name] = float(metric.value(above.sum(), below.sum()))
        low, high = np.nanquantile(drawn, INTERVAL) if np.isfinite(drawn).any() else (np.nan, np.nan)
        out[f"{metric.name}_low"], out[f"{metric.name}_high"] = float(low), float(high)
    return out
