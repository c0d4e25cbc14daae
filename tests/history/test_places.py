"""Other tables read by the places of a panel's rows: the same as merging them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from replenish.history.places import Places, day_numbers


def test_days_are_counted_from_the_first():
    dates = pd.Series(pd.to_datetime(["2024-02-28", "2024-03-01", "2024-02-27"]))
    assert day_numbers(dates, pd.Timestamp("2024-02-28")).tolist() == [0, 2, -1]


def test_values_by_place_are_those_of_a_merge():
    """Items of the table that the panel lacks, days before and after it, and rows in any order."""
    rng = np.random.default_rng(5)
    dates = pd.date_range("2024-02-20", periods=30)
    grid = pd.MultiIndex.from_product([["C", "A", "B"], dates[5:20]], names=["item_code", "date"]).to_frame(index=False)
    panel = grid.sample(30, random_state=1, ignore_index=True)
    every = pd.MultiIndex.from_product([["A", "B", "D"], dates], names=["item_code", "date"]).to_frame(index=False)
    table = every.sample(60, random_state=2, ignore_index=True).assign(on_hand=rng.random(60))
    for later in (0, 1):
        shifted = table.assign(date=table["date"] + pd.Timedelta(days=later))
        expected = panel.merge(shifted, how="left", on=["item_code", "date"])["on_hand"]
        np.testing.assert_array_equal(Places.of(panel).values(table, "on_hand", later), expected)
    assert np.isnan(Places.of(panel).values(None, "on_hand")).all()
    assert len(Places.of(panel[:0]).values(table, "on_hand")) == 0
