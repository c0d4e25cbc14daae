"""Was the item on offer that day? A day without a sale is either zero demand or an empty shelf place.

A sticky two-state chain per item (on offer / off) is filtered over all items at once. Evidence of a day: was something
sold, and is there a wholesale price. `stock` and `orders`, where given, decide outright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Pseudo-counts of the chain's Beta priors: items stay on (or off) offer for weeks, not days.
STAY_ON, STAY_OFF = (40.0, 1.0), (20.0, 1.0)
SOLD_WHEN_ON = (2.0, 1.0)
ITERATIONS = 6


@dataclass(frozen=True)
class _Chain:
    """Parameters per item (shape items): chances to stay on / off, to sell when on; row chances are pooled."""

    stay_on: Array
    stay_off: Array
    sold_if_on: Array
    row_if_on: float
    row_if_off: float


def offered_probability(sold: Array, has_cost: Array, started: Array, observed: Array) -> Array:
    """Probability that each item was on offer, shape days × items, values 0–1 (1 on days with a sale).

    `sold`, `has_cost`: 1.0 where something was sold / a wholesale price exists. `started`: 1.0 from the item's first
    sale on; before it the answer is 0. `observed` (days): 0.0 on closed days, which carry no evidence.
    Baum–Welch with Beta priors (Rabiner 1989, section III.C), vectorised over items.
    """
    chain = _start(sold, has_cost, started)
    on = sold.copy()
    for _ in range(ITERATIONS):
        on, stay_on, stay_off, left_on, left_off = _smooth(chain, sold, has_cost, observed)
        on = on * started
        chain = _update(on, sold, has_cost, observed, stay_on, stay_off, left_on, left_off)
    return np.where(sold > 0, 1.0, on)


def _start(sold: Array, has_cost: Array, started: Array) -> _Chain:
    items = sold.shape[1]
    share = (sold.sum(0) + SOLD_WHEN_ON[0]) / (started.sum(0) + sum(SOLD_WHEN_ON))
    row_on = _row_share(sold, has_cost)
    return _Chain(np.full(items, 0.97), np.full(items, 0.95), np.clip(2 * share, 0.3, 0.95), row_on, row_on * 0.3)


def _row_share(weight: Array, has_cost: Array) -> float:
    return float((weight * has_cost).sum() + 1.0) / float(weight.sum() + 2.0)


def _evidence(chain: _Chain, sold: Array, row: Array, seen: float) -> tuple[Array, Array]:
    """Likelihood of one day's evidence if on and if off, shape items."""
    if not seen:
        return np.ones_like(sold), np.ones_like(sold)
    on = np.where(sold > 0, chain.sold_if_on, 1 - chain.sold_if_on)
    on = on * np.where(row > 0, chain.row_if_on, 1 - chain.row_if_on)
    off = np.where(sold > 0, 0.0, 1.0) * np.where(row > 0, chain.row_if_off, 1 - chain.row_if_off)
    return on, off


def _smooth(chain: _Chain, sold: Array, row: Array, observed: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Forward–backward: P(on) (days × items) and expected transition counts per item."""
    days, items = sold.shape
    likelihood = [_evidence(chain, sold[t], row[t], observed[t]) for t in range(days)]
    forward = np.empty((days, items))
    on = np.full(items, 0.5)
    for t, (if_on, if_off) in enumerate(likelihood):
        ahead = on * chain.stay_on + (1 - on) * (1 - chain.stay_off) if t else on
        joint_on, joint_off = ahead * if_on, (1 - ahead) * if_off
        on = forward[t] = joint_on / np.maximum(joint_on + joint_off, 1e-300)
    return _backward(chain, forward)


def _backward(chain: _Chain, forward: Array) -> tuple[Array, Array, Array, Array, Array]:
    smoothed = forward.copy()
    counts = np.zeros((4, forward.shape[1]))
    for t in range(len(forward) - 2, -1, -1):
        on_on = forward[t] * chain.stay_on
        off_on = (1 - forward[t]) * (1 - chain.stay_off)
        ahead = np.clip(on_on + off_on, 1e-12, 1 - 1e-12)
        next_on = smoothed[t + 1]
        both_on, was_off = next_on * on_on / ahead, next_on * off_on / ahead
        went_off = (1 - next_on) * (forward[t] - on_on) / (1 - ahead)
        smoothed[t] = both_on + went_off
        counts += np.stack([both_on, (1 - next_on) - went_off, went_off, was_off])
    return smoothed, counts[0], counts[1], counts[2], counts[3]


def _update(
    on: Array,
    sold: Array,
    row: Array,
    observed: Array,
    stay_on: Array,
    stay_off: Array,
    left_on: Array,
    left_off: Array,
) -> _Chain:
    weight = on * observed[:, None]
    absent = (1 - on) * observed[:, None]
    return _Chain(
        stay_on=(stay_on + STAY_ON[0]) / (stay_on + left_on + sum(STAY_ON)),
        stay_off=(stay_off + STAY_OFF[0]) / (stay_off + left_off + sum(STAY_OFF)),
        sold_if_on=(sold.sum(0) + SOLD_WHEN_ON[0]) / (weight.sum(0) + sum(SOLD_WHEN_ON)),
        row_if_on=_row_share(np.where(sold > 0, 1.0, 0.0), row),
        row_if_off=_row_share(absent, row),
    )


def from_stock(panel: pd.DataFrame, stock: pd.DataFrame | None, orders: pd.DataFrame | None) -> pd.Series:
    """1.0 / 0.0 where stock or orders tell that the item was / was not there, NaN where they are silent.

    Key of the result: the index of `panel` (columns item_code, date). A day counts as known when `orders` has any row
    on it; the item was there when it was ordered or received, or was in stock at the close of the day before.
    """
    known = pd.Series(np.nan, index=panel.index)
    if orders is not None and len(orders):
        arrived = orders.assign(there=orders["received"].fillna(orders["ordered"]) > 0)
        there = panel.merge(
            arrived[["item_code", "date", "there"]], how="left", on=["item_code", "date"], validate="1:1"
        )
        recorded = panel["date"].isin(orders["date"]).to_numpy()
        known = known.mask(recorded, there["there"].astype("boolean").fillna(False).astype(float).to_numpy())
    if stock is not None and len(stock):
        before = stock.assign(date=stock["date"] + pd.Timedelta(days=1), left=stock["on_hand"] > 0)
        left = panel.merge(before[["item_code", "date", "left"]], how="left", on=["item_code", "date"], validate="1:1")
        known = known.mask(left["left"].astype("boolean").fillna(False).to_numpy(), 1.0)
    return known
