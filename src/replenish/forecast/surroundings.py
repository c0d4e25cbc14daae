"""What a shop knows beside its own sales: weather forecasts, customers at the door, rivals' prices; as covariates.

A shop without such tables has no such covariates. Everything at an origin was known on its evening: the weather of a
target day is the forecast made by then, customers and rivals' prices are those seen up to the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.records import Tables

Array = NDArray[np.float64]
WEATHER = ("temperature_max", "temperature_min", "rain")
SEEN_DAYS = 14
"""A rival's price counts for as long after it was seen."""
USUAL_DAYS = 56


@dataclass(frozen=True)
class Surroundings:
    """One store's; None where the shop has no such table.

    `weather` key (date, known_at): the columns of `WEATHER`, sorted by known_at; `customers` per day, NaN where not
    counted; `rival_price`: mean over the competitors as last seen up to each day, days × items [money/unit].
    """

    weather: pd.DataFrame | None = None
    customers: Array | None = None
    rival_price: Array | None = None

    def state(self, price: Array, cost: Array, category: NDArray[np.str_], since: int = 0) -> dict[str, Array]:
        """What was known at the close of each day from day number `since` on, days × items.

        `price`, `cost`: the shop's own, all days × items.
        """
        first = max(since + 1 - USUAL_DAYS, 0)
        out: dict[str, Array] = {}
        if self.customers is not None:
            shape, counted = np.ones((1, price.shape[1])), self.customers[first:]
            usual = _mean_of_last(counted, 28)
            out |= {f"customers_{k}": (_mean_of_last(counted, k) / usual)[:, None] * shape for k in (1, 3, 7)}
        if self.rival_price is not None:
            rival = np.log(self.rival_price[first:])
            out["rival_price"] = rival - np.log(price[first:])
            out["rival_change"] = rival - _mean_of_last(rival, USUAL_DAYS)
            markup = _category_mean(rival - np.log(cost[first:]), category)
            out["category_rival_markup"] = markup - _mean_of_last(markup, USUAL_DAYS)
        return {name: values[since - first :] for name, values in out.items()}

    def target(self, dates: pd.DatetimeIndex, horizon: int) -> dict[str, Array]:
        """Per origin of `dates`: the weather `horizon` days later as forecast by then, and the origin's own."""
        if self.weather is None:
            return {}
        today = {f"{name}_today": values for name, values in _forecast(self.weather, dates, 0).items()}
        return today | _forecast(self.weather, dates, horizon)


def surroundings(known: Tables, dates: pd.DatetimeIndex, item_codes: tuple[str, ...]) -> Surroundings:
    """What one store's tables of an evening say; `dates`, `item_codes`: days and items of its matrix."""
    return Surroundings(_weather_table(known.weather), _customers(known, dates), _rivals(known, dates, item_codes))


def _weather_table(table: pd.DataFrame | None) -> pd.DataFrame | None:
    if table is None or table.empty:
        return None
    ordered = table.sort_values(["known_at", "date"], kind="stable", ignore_index=True)
    return ordered[["date", "known_at"]].join(ordered.reindex(columns=list(WEATHER)))


def _forecast(weather: pd.DataFrame, dates: pd.DatetimeIndex, horizon: int) -> dict[str, Array]:
    """What was last known on each evening of `dates` about the weather `horizon` days later; NaN: nothing."""
    known = weather[weather["known_at"] <= weather["date"] - pd.Timedelta(days=horizon)]
    rows = known.drop_duplicates("date", keep="last").set_index("date").reindex(dates + pd.Timedelta(days=horizon))
    return {name: rows[name].to_numpy(dtype=float) for name in WEATHER}


def _customers(known: Tables, dates: pd.DatetimeIndex) -> Array | None:
    if known.customers is None or known.customers.empty:
        return None
    counted = known.customers.set_index("date")["customers"].reindex(dates).to_numpy(dtype=float)
    return np.where(counted > 0, counted, np.nan)


def _rivals(known: Tables, dates: pd.DatetimeIndex, item_codes: tuple[str, ...]) -> Array | None:
    seen = known.competitor_prices
    if seen is None or seen.empty:
        return None
    mean = seen.pivot_table(index="date", columns="item_code", values="price", aggfunc="mean", observed=True)
    return mean.reindex(index=dates, columns=list(item_codes)).ffill(limit=SEEN_DAYS).to_numpy(dtype=float)


def _mean_of_last(values: Array, days: int) -> Array:
    """Mean over the last `days` days up to and including each day of what is known; NaN without any."""
    frame = pd.DataFrame(values.reshape(len(values), -1))
    return frame.rolling(days, min_periods=1).mean().to_numpy().reshape(values.shape)


def _category_mean(values: Array, category: NDArray[np.str_]) -> Array:
    """Each day's mean over the items of the category that are known, days × items."""
    by_item = pd.DataFrame(values.T)
    return np.asarray(by_item.groupby(category).transform("mean").to_numpy().T)
