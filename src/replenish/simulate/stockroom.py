"""The shop's stock by age: what arrives, what is sold, what is carried over and what is thrown away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from replenish.errors import DataError


class Stockroom:
    """Stock by age; `layers` (items × greatest shelf life) [unit], column a holds what is a days old."""

    def __init__(self, shelf_life_days: NDArray[np.int64]) -> None:
        self.shelf_life_days = shelf_life_days
        self.layers = np.zeros((len(shelf_life_days), int(shelf_life_days.max())))

    @property
    def on_hand(self) -> NDArray[np.float64]:
        """Stock per item [unit]."""
        return np.asarray(self.layers.sum(axis=1).round(3))

    @property
    def mean_age(self) -> NDArray[np.float64]:
        """Mean age of the stock per item [days], 0 where there is none."""
        total = self.layers.sum(axis=1)
        aged = self.layers @ np.arange(self.layers.shape[1])
        return np.asarray(np.divide(aged, total, out=np.zeros_like(total), where=total > 0))

    def receive(self, usable: NDArray[np.float64]) -> None:
        """Fresh stock comes in [unit, after loss]."""
        self.layers[:, 0] += usable

    def sell(self, sold: NDArray[np.float64]) -> None:
        """Stock goes out, the freshest first, as shoppers take it; `DataError` if more is sold than there is."""
        if (sold > self.layers.sum(axis=1) + 1e-6).any():
            raise DataError("stockroom: more sold than on hand.")
        before = np.cumsum(self.layers, axis=1) - self.layers
        self.layers -= np.clip(sold[:, None] - before, 0.0, self.layers)

    def close_day(self) -> NDArray[np.float64]:
        """Thrown away tonight per item [unit]: what will be too old tomorrow; the rest ages by a day."""
        ages = np.arange(self.layers.shape[1])
        expired = ages[None, :] + 1 >= self.shelf_life_days[:, None]
        waste = np.where(expired, self.layers, 0.0).sum(axis=1)
        kept = np.where(expired, 0.0, self.layers)
        self.layers = np.hstack([np.zeros((len(kept), 1)), kept[:, :-1]]).round(3)
        return np.asarray(waste.round(3))
