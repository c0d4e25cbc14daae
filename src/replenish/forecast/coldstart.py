"""New and returning items: their own few days, what such items usually start at, and how they go on from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replenish.forecast.features import PanelMatrix, rolling_sum

Array = NDArray[np.float64]
LAUNCH_DAYS = 14
PRIOR_DAYS = 1.0
YOUNG_DAYS = 10
YEAR_DAYS, MONTH_DAYS = 364, 28
NEW_AFTER_DAYS = 28  # items first taught earlier were there before the data began
AWAY_DAYS = 28  # an item that taught nothing for longer has to start again
ANY = ""
SETTLED, LAUNCH, RETURN = -1, 0, 1  # the latter are rows of the curve
# A curve has three steps, by taught days before: the first day on the shelf, the second and third, the fourth to tenth.
STEPS, STEP_DAYS = (1, 3), (1, 2, 7)
PRIOR_STARTS = 5  # launches and returns that went as forecast, added to those that were seen
LEAST_FACTOR, MOST_FACTOR = 0.5, 2.0


def launch_money(m: PanelMatrix, until: int) -> dict[tuple[str, str], float]:
    """What an item usually sells a day [money] in its first 14 taught days, by (category, unit): the median item.

    The mean would be that of the few best sellers. Wider groups, for those that never saw a launch: (category, "") and
    ("", ""). Items that were there in the first four weeks of the data were not launched then and are left out, unless
    there are no others.
    """
    taught = np.cumsum(m.weight[:until] > 0, axis=0)
    launched = taught[min(NEW_AFTER_DAYS, until) - 1] == 0
    money = m.neutral[:until] * m.price_factor(m.price[:until]) * m.price[:until]
    first = (m.weight[:until] > 0) & (taught <= LAUNCH_DAYS) & np.isfinite(money)
    days = first.sum(0)
    known = (days > 0) & launched if (days[launched] > 0).any() else days > 0
    mean = np.where(first, money, 0.0).sum(0) / np.maximum(days, 1)
    groups = sorted({(str(c), str(u)) for c, u in zip(m.category, m.unit, strict=True)})
    out = {}
    for category, unit in [*groups, *sorted({(c, ANY) for c, _ in groups}), (ANY, ANY)]:
        mine = known & ((m.category == category) | (category == ANY)) & ((m.unit == unit) | (unit == ANY))
        if mine.any():
            out[(category, unit)] = float(np.median(mean[mine]))
    return out


def _prior_money(launch: dict[tuple[str, str], float], category: str, unit: str) -> float:
    """Launch money of the narrowest group that has one; NaN without any."""
    found = [launch[key] for key in ((category, unit), (category, ANY), (ANY, ANY)) if key in launch]
    return found[0] if found else float("nan")


@dataclass(frozen=True)
class Starts:
    """How long items had been on the shelf on some evenings, evenings × items.

    `taught`: taught days of the last year. `kind`: `LAUNCH` (fewer than 10 of them), `RETURN` (fewer than 10 since four
    weeks away) or `SETTLED`. `since`: taught days since the launch or the return. `little_seen`: launched, returned, or
    fewer than 10 taught days in the last four weeks.
    """

    taught: Array
    kind: NDArray[np.int64]
    since: NDArray[np.int64]
    little_seen: NDArray[np.bool_]


def starts(m: PanelMatrix, days: NDArray[np.int64]) -> Starts:
    """The `Starts` of the evenings of `days` (day numbers, in order)."""
    taught, day = m.weight > 0, np.arange(len(m.dates), dtype=np.int32)[:, None]
    never = np.int32(-AWAY_DAYS - 1)
    last = np.maximum.accumulate(np.where(taught, day, never), axis=0)
    before = np.vstack([np.full_like(last[:1], never), last[:-1]])
    count = np.cumsum(taught, axis=0, dtype=np.int32)
    earlier = np.maximum.accumulate(np.where(taught & (day - before > AWAY_DAYS), count - 1, 0), axis=0)
    away = (day - last > AWAY_DAYS)[days]
    since = np.where(away, 0, (count - earlier)[days])
    again = np.where(away, count[days], earlier[days]) > 0
    year, month = (rolling_sum(taught.astype(float), n, int(days[0]))[days - days[0]] for n in (YEAR_DAYS, MONTH_DAYS))
    kind = np.where(year < YOUNG_DAYS, LAUNCH, np.where(again & (since < YOUNG_DAYS), RETURN, SETTLED))
    return Starts(year, kind, since, (kind != SETTLED) | (month < YOUNG_DAYS))


def cold_start(
    m: PanelMatrix, forecast: Array, launch: dict[tuple[str, str], float], begun: Starts, days: NDArray[np.int64]
) -> Array:
    """Forecasts [unit, evenings × items] with those of new items pulled to what items like them usually start at.

    `forecast`: demand at the reference price, NaN where an item has no history at all; `days`: the evenings' day
    numbers. An item with n taught days in the last year keeps n / (n + 1) of its own forecast.
    """
    groups = zip(m.category, m.unit, strict=True)
    prior = np.array([_prior_money(launch, str(c), str(u)) for c, u in groups]) / m.price[days]
    share = np.where(np.isfinite(forecast), begun.taught / (begun.taught + PRIOR_DAYS), 0.0)
    mixed = share * np.nan_to_num(forecast) + (1 - share) * prior
    return np.where((begun.kind == LAUNCH) & np.isfinite(mixed), mixed, forecast)


def fit_curve(before: Starts, actual: list[Array], forecast: list[Array]) -> Array:
    """Launch and return curve (2 × 3): what items sold ÷ what was forecast, by kind and step, shrunk towards 1.

    `before`: as it was on the evening before each target day. `actual`, `forecast` per horizon [money, target days ×
    items], NaN where nothing was seen. Items that return sell less on their first days than when they were last there,
    and members go by the days they have.
    """
    curve, step = np.ones((2, len(STEP_DAYS))), np.digitize(before.since, STEPS)
    for kind, place in np.ndindex(curve.shape):
        mine = (before.kind == kind) & (step == place)
        cells = [mine & np.isfinite(a + f) for a, f in zip(actual, forecast, strict=True)]
        sold = np.concatenate([a[c] for a, c in zip(actual, cells, strict=True)])
        expected = np.concatenate([f[c] for f, c in zip(forecast, cells, strict=True)])
        if len(sold) and expected.sum() > 0:
            prior = PRIOR_STARTS * STEP_DAYS[place] * len(actual) * expected.mean()
            curve[kind, place] = (sold.sum() + prior) / (expected.sum() + prior)
    return np.clip(curve, LEAST_FACTOR, MOST_FACTOR)


def on_curve(begun: Starts, curve: Array, horizon: int) -> Array:
    """The curve's factor on forecasts `horizon` days ahead, evenings × items: of items on the shelf until then.

    1 for settled items and beyond the tenth day.
    """
    there = begun.since + horizon - 1
    factor = curve[np.maximum(begun.kind, 0), np.digitize(there, STEPS)]
    return np.where((begun.kind == SETTLED) | (there >= YOUNG_DAYS), 1.0, factor)
