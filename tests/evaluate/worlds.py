"""The tiny shop over four months, long enough to forecast from, and settings that are quick."""

from __future__ import annotations

import pandas as pd

from replenish.settings import Settings
from tests.conftest import make_tiny_frames

MONTHS = 4
LAST_DAY = pd.Timestamp("2023-06-30")


def long_frames(months: int = MONTHS) -> dict[str, pd.DataFrame]:
    """The tiny shop's June four times over, the last one where it was: 3 March to 30 June 2023.

    `months`: how many times instead. Quantities of a day differ by weekday, so that there is something to forecast:
    ×1, ×1.5 on Saturday and Sunday.
    """
    frames = make_tiny_frames()
    for name in ("sales", "wholesale"):
        shifted = [frames[name].assign(date=frames[name]["date"] - pd.Timedelta(days=30 * k)) for k in range(months)]
        frames[name] = pd.concat(shifted[::-1], ignore_index=True)
    weekend = frames["sales"]["date"].dt.day_of_week >= 5
    loose = frames["sales"]["item_code"] != "M1"
    frames["sales"]["quantity"] *= 1.0 + 0.5 * (weekend & loose)
    return frames


def two_stores() -> dict[str, pd.DataFrame]:
    """The shop twice: `north` as it is, `south` without any valid wholesale price, so that it cannot be planned."""
    frames = long_frames()
    both = {name: pd.concat([f.assign(store=s) for s in ("north", "south")]) for name, f in frames.items()}
    costs = both["wholesale"]
    both["wholesale"] = costs.assign(wholesale_price=costs["wholesale_price"].where(costs["store"] == "north", 0.01))
    return both


def quick_settings(**changes: object) -> Settings:
    """Smoothing only, few scenarios, short validation."""
    quick = {
        "forecast__boosting": False, "forecast__arima": False, "forecast__validation_days": 28, "solver__gap": 0.01,
        "scenarios__count": 50, "scenarios__fresh": 100, "rules__price_index_cap": None,
    }  # fmt: skip
    return Settings().override(**(quick | changes))
