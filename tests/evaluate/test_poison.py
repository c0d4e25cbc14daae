"""Nothing observed after the origin changes anything that is forecast on its evening."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from replenish.evaluate.backtest import origin_rows
from replenish.forecast import boosting
from replenish.optimise.scenarios import draw_scenarios
from replenish.planning import Prospect, joint_residuals, look_ahead
from replenish.sources.folder import tables_from_frames
from tests.evaluate.worlds import long_frames, quick_settings

ORIGIN = pd.Timestamp("2023-06-10")
SETTINGS = quick_settings(
    forecast__boosting=True, forecast__arima=True, forecast__horizon_days=2, forecast__validation_days=30,
    shop__lead_time_days=1,
)  # fmt: skip


def frames_with_everything() -> dict[str, pd.DataFrame]:
    """Six months with counted stock, orders, events, weather, competitors' prices and customers."""
    frames = long_frames(6)
    sold = frames["sales"].groupby(["date", "item_code"])["quantity"].sum().clip(lower=0).reset_index()
    days = pd.Series(sold["date"].unique())
    frames["stock"] = sold[["date", "item_code"]].assign(on_hand=1.0)
    frames["orders"] = sold[["date", "item_code"]].assign(ordered=sold["quantity"] + 1, received=sold["quantity"] + 1)
    frames["events"] = pd.DataFrame({
        "date": pd.to_datetime(["2023-05-20", "2023-06-12"]), "event": ["fair", "market day"],
        "kind": ["holiday", "holiday"], "known_at": pd.to_datetime(["2023-05-01", "2023-06-01"]),
    })  # fmt: skip
    frames["weather"] = pd.DataFrame({"date": days, "known_at": days, "temperature_max": 20.0, "rain": 0.0})
    frames["competitor_prices"] = sold[["date", "item_code"]].assign(competitor="next door", price=5.0)
    frames["customers"] = pd.DataFrame({"date": days, "customers": 100})
    return frames


def poison(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Every observation after the origin changed, some taken away; announcements made later added, on past days too."""
    out = {name: frame.copy() for name, frame in frames.items()}
    for name, columns in {
        "sales": ["quantity", "unit_price"], "wholesale": ["wholesale_price"], "stock": ["on_hand"],
        "orders": ["ordered", "received"], "competitor_prices": ["price"], "customers": ["customers"],
    }.items():  # fmt: skip
        later = out[name]["date"] > ORIGIN
        out[name][columns] = out[name][columns].astype(float)
        out[name].loc[later, columns] *= 7.0
        out[name] = out[name][~(later & (out[name]["date"].dt.day % 3 == 0))]
    later_known = pd.DataFrame({
        "date": pd.to_datetime(["2023-06-11", "2023-06-05"]), "event": ["fire", "found out later"],
        "kind": ["closure", "closure"], "known_at": ORIGIN + pd.Timedelta(days=1),
    })  # fmt: skip
    out["events"] = pd.concat([out["events"], later_known], ignore_index=True)
    rain = out["weather"].assign(known_at=ORIGIN + pd.Timedelta(days=2), rain=99.0)
    out["weather"] = pd.concat([out["weather"][out["weather"]["known_at"] <= ORIGIN], rain], ignore_index=True)
    return out


def outputs(ahead: Prospect) -> dict[str, Any]:
    """Everything forecast, and sample paths of both days."""
    forecast = ahead.forecast
    response = ahead.models.price_response
    found: dict[str, Any] = {
        "table": forecast.table, "members": forecast.members, "residuals": forecast.residuals,
        "weights": forecast.weights, "costs": ahead.costs.table, "rows": origin_rows(ahead), "items": response.items,
    }  # fmt: skip
    for date in ahead.dates:
        paths = draw_scenarios(forecast, ahead.costs, response, joint_residuals(ahead), date, 60, "all", 1)
        found[f"paths {date:%d}"] = pd.DataFrame(np.hstack([paths.demand, paths.cost, paths.elasticity]))
    return found


def test_no_output_changes_when_everything_after_the_origin_is_poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosting, "MIN_ROWS", 200)
    clean = frames_with_everything()
    first, second = (look_ahead(tables_from_frames(f), ORIGIN, 2, SETTINGS, seed=3) for f in (clean, poison(clean)))
    assert first.models.boosting, "the member must take part to be tested"
    assert {"theta", "tsb", "boosting"} <= set(first.forecast.members.columns)
    assert first.models.boosting == second.models.boosting
    expected, found = outputs(first), outputs(second)
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True, obj=name)


def test_the_poison_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two days later the same change does move forecasts: the test above can fail."""
    monkeypatch.setattr(boosting, "MIN_ROWS", 200)
    clean = frames_with_everything()
    day = ORIGIN + pd.Timedelta(days=2)
    plain = SETTINGS.override(forecast__boosting=False, forecast__arima=False)
    first, second = (look_ahead(tables_from_frames(f), day, 1, plain) for f in (clean, poison(clean)))
    assert not first.forecast.table["mean"].equals(second.forecast.table["mean"])
