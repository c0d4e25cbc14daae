"""Rows of a panel by number: item and day, so that other tables are read by place and not merged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def day_numbers(dates: pd.Series | pd.DatetimeIndex, first: pd.Timestamp) -> Numbers:
    """Days from `first` to each date."""
    start = np.datetime64(first, "D")
    return np.asarray((np.asarray(dates).astype("datetime64[D]") - start).astype(np.int64))


@dataclass(frozen=True)
class Places:
    """Where the rows of a panel stand: number of the item in `codes`, number of the day from `first` on."""

    codes: pd.Index
    first: pd.Timestamp
    item: Numbers
    day: Numbers

    @classmethod
    def of(cls, panel: pd.DataFrame) -> Places:
        """The places of a panel with the columns item_code and date; items in order of appearance."""
        item, codes = pd.factorize(panel["item_code"])
        first = pd.Timestamp(panel["date"].min()) if len(panel) else pd.Timestamp(0)
        return cls(pd.Index(codes), first, item, day_numbers(panel["date"], first))

    def values(self, table: pd.DataFrame | None, column: str, later: int = 0) -> NDArray[np.float64]:
        """A number of a table with key (item_code, date) for every row of the panel; NaN where there is none.

        `later`: days by which the table's row counts later than its date (1: what the evening before says).
        """
        if table is None or not len(table) or not len(self.item):
            return np.full(len(self.item), np.nan)
        item = self.codes.get_indexer(pd.Index(table["item_code"]))
        day = day_numbers(table["date"], self.first) + later
        grid = np.full((len(self.codes), int(self.day.max()) + 1), np.nan)
        known = (item >= 0) & (day >= 0) & (day < grid.shape[1])
        grid[item[known], day[known]] = table[column].to_numpy(dtype=float)[known]
        return np.asarray(grid[self.item, self.day])
