"""Was the item on offer that day? A day without a sale is either zero demand or an empty shelf place.

A sticky two-state chain per item (on offer / off) is filtered over all items at once. Evidence of a day: was something
sold, and is there a wholesale price. `stock` and `orders`, where given, decide outright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.history.places import Places
from replenish.records import arrived

Array = NDArray[np.float64]

# Pseudo-counts of the chain's Beta priors: items stay on (or off) offer for weeks, not days.
STAY_ON, STAY_OFF = (40.0, 1.0), (20.0, 1.0)
SOLD_WHEN_ON = (2.0, 1.0)
ITERATIONS = 6
# Daily numbers of sales vary between days with a coefficient of about ½: a negative binomial of shape 4.
SALES_SHAPE = 4.0
USUAL_DAYS = 10


@dataclass(frozen=True)
class _Chain:
    """Parameters per item (shape items): chances to stay on / off, to sell when on; row chances are pooled."""

    stay_on: Array
    stay_off: Array
    sold_if_on: Array
    row_if_on: float
    row_if_off: float


def offered_probability(
    sold: Array, has_cost: Array, started: Array, observed: Array, usual_sales: Array | None = None
) -> tuple[Array, Array]:
    """Probability that each item was on offer, days × items, 0–1 (1 on days with a sale): as seen today, that evening.

    The second uses only evidence up to the day itself (with the chain's parameters of today): what a forecast made that
    evening could have known.

    `sold`, `has_cost`: 1.0 where something was sold / a wholesale price exists. `started`: 1.0 from the item's first
    sale on; before it the answer is 0. `observed` (days): 0.0 on closed days, which carry no evidence.
    `usual_sales`: number of sales expected on a day on offer (NaN unknown): where it is large, a day without any was
    hardly a day on offer, however rare such gaps are.
    Baum–Welch with Beta priors (Rabiner 1989, section III.C), vectorised over items.
    """
    chain = _start(sold, has_cost, started)
    none_at_all = np.ones_like(sold) if usual_sales is None else _no_sale_chance(usual_sales)
    on = then = sold
    for _ in range(ITERATIONS):
        then = _filter(chain, sold, has_cost, observed, none_at_all)
        on, counts = _backward(chain, then, started)
        chain = _update(on * started, sold, has_cost, observed[:, None] * started, counts)
    return np.where(sold > 0, 1.0, on * started), np.where(sold > 0, 1.0, then * started)


def usual_sales(panel: pd.DataFrame) -> Array:
    """Mean number of sales on the item's last `USUAL_DAYS` days with a sale before each row; NaN before there is one.

    `panel`: sorted by item and day, columns item_code, transactions.
    """
    count = panel["transactions"].to_numpy(dtype=float)
    item = pd.factorize(panel["item_code"])[0]
    starts = np.r_[0, np.flatnonzero(np.diff(item)) + 1] if len(item) else np.zeros(0, dtype=np.int64)
    total = np.r_[0.0, np.cumsum(count[count > 0])]
    days: NDArray[np.int64] = np.cumsum(count > 0) - (count > 0)
    before = days - np.repeat(days[starts], np.diff(np.r_[starts, len(item)]))
    last = np.minimum(before, USUAL_DAYS)
    return np.where(last > 0, (total[days] - total[days - last]) / np.maximum(last, 1), np.nan)


def _no_sale_chance(usual_sales: Array) -> Array:
    """Chance of a day on offer without a sale, negative binomial; 1 where the usual number is not known."""
    return np.asarray(np.power(SALES_SHAPE / (SALES_SHAPE + np.nan_to_num(usual_sales)), SALES_SHAPE))


def _start(sold: Array, has_cost: Array, started: Array) -> _Chain:
    items = sold.shape[1]
    share = (sold.sum(0) + SOLD_WHEN_ON[0]) / (started.sum(0) + sum(SOLD_WHEN_ON))
    row_on = _row_share(sold, has_cost)
    return _Chain(np.full(items, 0.97), np.full(items, 0.95), np.clip(2 * share, 0.3, 0.95), row_on, row_on * 0.3)


def _row_share(weight: Array, has_cost: Array) -> float:
    return float((weight * has_cost).sum() + 1.0) / float(weight.sum() + 2.0)


def _evidence(chain: _Chain, sold: Array, row: Array, observed: Array, none_at_all: Array) -> tuple[Array, Array]:
    """Likelihood of each day's evidence if on and if off, days × items; `none_at_all` caps that of no sale if on."""
    seen = observed[:, None] > 0
    on = np.where(sold > 0, chain.sold_if_on, np.minimum(1 - chain.sold_if_on, none_at_all))
    on = on * np.where(row > 0, chain.row_if_on, 1 - chain.row_if_on)
    off = np.where(sold > 0, 0.0, 1.0) * np.where(row > 0, chain.row_if_off, 1 - chain.row_if_off)
    return np.where(seen, on, 1.0), np.where(seen, off, 1.0)


def _filter(chain: _Chain, sold: Array, row: Array, observed: Array, none_at_all: Array) -> Array:
    """Forward pass: P(on) after each day's evidence, days × items."""
    forward = np.empty(sold.shape)
    if_on, if_off = _evidence(chain, sold, row, observed, none_at_all)
    # P(on) of the next day is linear in that of today; with the odds of the evidence that is all a day needs.
    came, kept = 1 - chain.stay_off, chain.stay_on - (1 - chain.stay_off)
    gain = if_on - if_off
    ahead = np.full(sold.shape[1], 0.5)
    for t in range(len(sold)):
        on = forward[t] = ahead * if_on[t] / np.maximum(if_off[t] + ahead * gain[t], 1e-300)
        ahead = came + kept * on
    return forward


def _backward(chain: _Chain, forward: Array, started: Array) -> tuple[Array, Array]:
    """Backward pass: P(on) given all days (days × items) and expected transitions since the item's first sale.

    Transitions (4 × items): on → on, off → off, on → off, off → on. Days before the first sale are no days off.
    """
    on_on, off_on = forward * chain.stay_on, (1 - forward) * (1 - chain.stay_off)
    ahead = np.clip(on_on + off_on, 1e-12, 1 - 1e-12)
    # P(on today | on tomorrow) and P(on today | off tomorrow).
    was_on, had_been_on = on_on / ahead, (forward - on_on) / (1 - ahead)
    more = was_on - had_been_on
    smoothed = forward.copy()
    for t in range(len(forward) - 2, -1, -1):
        smoothed[t] = had_been_on[t] + smoothed[t + 1] * more[t]
    after, day = smoothed[1:], slice(None, -1)
    both_on, was_off = after * was_on[day], after * off_on[day] / ahead[day]
    went_off = (1 - after) * had_been_on[day]
    counts = [(started[day] * part).sum(0) for part in (both_on, (1 - after) - went_off, went_off, was_off)]
    return smoothed, np.stack(counts)


def _update(on: Array, sold: Array, row: Array, seen: Array, counts: Array) -> _Chain:
    """Parameters from expected counts; `seen` (days × items): 1.0 where the day is evidence (open, item around)."""
    stay_on, stay_off, left_on, left_off = counts
    return _Chain(
        stay_on=(stay_on + STAY_ON[0]) / (stay_on + left_on + sum(STAY_ON)),
        stay_off=(stay_off + STAY_OFF[0]) / (stay_off + left_off + sum(STAY_OFF)),
        sold_if_on=(sold.sum(0) + SOLD_WHEN_ON[0]) / ((on * seen).sum(0) + sum(SOLD_WHEN_ON)),
        row_if_on=_row_share(np.where(sold > 0, 1.0, 0.0), row),
        row_if_off=_row_share((1 - on) * seen, row),
    )


def from_stock(
    panel: pd.DataFrame, items: pd.DataFrame, stock: pd.DataFrame | None, orders: pd.DataFrame | None
) -> pd.Series:
    """1.0 / 0.0 where stock or orders tell that the item was / was not there, NaN where they are silent.

    Key of the result: the index of `panel` (columns item_code, date). A day counts as known when `orders` has any row
    on it; the item was there when it was ordered or received, or keeps and was in stock at the close of the day before.
    Without stock counts, an item that keeps for days may be there though none was ordered: then orders tell nothing.
    """
    told, places = np.full(len(panel), np.nan), Places.of(panel)
    life = items.set_index("item_code")["shelf_life_days"].reindex(places.codes).fillna(1).to_numpy(dtype=float)
    keeps = life[places.item] > 1
    if orders is not None and len(orders):
        came = orders.assign(there=arrived(orders) > 0)
        there = places.values(came, "there") == 1
        fresh = ~keeps | (stock is not None and len(stock) > 0)
        recorded = panel["date"].isin(orders["date"]).to_numpy()
        told = np.where(recorded & (there | fresh), there.astype(float), told)
    if stock is not None and len(stock):
        told = np.where((places.values(stock, "on_hand", later=1) > 0) & keeps, 1.0, told)
    return pd.Series(told, index=panel.index)
