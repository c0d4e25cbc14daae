from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from replenish.errors import DataError
from replenish.evaluate.replay import realised_margin, replay_shop
from replenish.records import FittedModels, PriceResponse
from replenish.settings import Settings
from replenish.sources.folder import tables_from_frames


def test_realised_margin_of_a_plain_day_by_hand(tiny_frames: dict[str, pd.DataFrame]) -> None:
    # Monday 5 June 2023, every item at full price. L1: 10 × 0.5 kg at 6.0 = 30, cost 5 × 3.5 / 0.90 = 19.4444.
    # L2: 6 × 0.4 kg at 5.0 = 12, cost 2.4 × 3.0 / 0.95 = 7.5789. M1: 8 packs at 3.0 = 24,
    # cost 8 × 1.8 / 0.98 = 14.6939.
    # M2: 4 × 0.25 kg at 20 = 20, cost 1 × 12 / 0.92 = 13.0435. Revenue 86, margin 86 − 54.7607 = 31.2393.
    day = realised_margin(tables_from_frames(tiny_frames), "main").loc[pd.Timestamp("2023-06-05")]
    assert day["revenue"] == pytest.approx(86.0)
    assert day["margin"] == pytest.approx(31.2393, abs=1e-4)
    assert day["items"] == 4


def test_realised_margin_nets_returns_and_counts_clearance(tiny_frames: dict[str, pd.DataFrame]) -> None:
    margin = realised_margin(tables_from_frames(tiny_frames), "main")
    # Friday 2 June: one more kg of L1 at 4.00 that cost 3.5 / 0.90 = 3.8889: 0.1111 more than a plain day.
    assert margin.loc[pd.Timestamp("2023-06-02"), "margin"] == pytest.approx(31.2393 + 0.1111, abs=1e-3)
    # Thursday 15 June: 0.4 kg of L2 comes back: revenue −2, cost −0.4 × 3.0 / 0.95 = −1.2632.
    assert margin.loc[pd.Timestamp("2023-06-15"), "margin"] == pytest.approx(31.2393 - 2 + 1.2632, abs=1e-3)


def test_a_day_without_sales_cannot_be_replayed(tiny_frames: dict[str, pd.DataFrame]) -> None:
    tables = tables_from_frames(tiny_frames)
    last = tables.daily_sales["date"].max()
    nothing = FittedModels("main", last, last, "", {}, PriceResponse(pd.DataFrame(), pd.DataFrame()), "", {}, {})
    days = pd.DatetimeIndex([last + timedelta(days=40)])
    with pytest.raises(DataError, match="nothing to replay"):
        replay_shop(tables, days, nothing, Settings())
