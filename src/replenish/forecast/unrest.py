"""How unsettled demand has been lately, in the whole shop and by item: the scale of the bands moves with it.

Errors of a disturbed month are wider than those of the months around it, and say little of the months after. So scores
are taken relative to the state at their origin (normalised conformal scores: Papadopoulos et al. 2002; Lei et al.
2018) and bands are as wide as the state at the new origin says; pooled as they were, they were too narrow in such
months and too wide after them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from replenish.forecast.features import PanelMatrix

Array = NDArray[np.float64]
SHOP_HALF_LIFE = 7.0
USUAL_HALF_LIFE = 180.0
ITEM_HALF_LIFE = 21.0
SHOP_PRIOR = 30.0  # item-days of the usual state
ITEM_PRIOR = 10.0  # days like the shop's
SHOP_POWER, ITEM_POWER = 0.7, 0.5
SQUARE = 0.12
MOST = 4.0


def unrest(m: PanelMatrix, ahead: Array) -> Array:
    """Factor on the scale of errors of forecasts made on the evening of each day, days × items, > 0.

    v^0.7·u^0.5: v is the mean of the shop's scores |sold − forecast| ÷ √(f + 0.12·f²), each at most 4, half as much
    weight every 7 days back; u is the item's score against the shop's of the same day, every 21 days. `ahead`:
    price-neutral one-step forecasts, days × items. Powers below 1: what was wide was so partly by chance.
    """
    factor = m.price_factor(m.price)
    forecast, sold = ahead * factor, m.neutral * factor
    seen = (m.weight > 0) & (np.nan_to_num(forecast) > 0)
    safe = np.where(seen, forecast, 1.0)
    score = np.where(seen, np.minimum(np.abs(sold - safe) / np.sqrt(safe + SQUARE * safe**2), MOST), 0.0)
    total, count = score.sum(1), seen.sum(1).astype(float)
    usual = (_recent(total, USUAL_HALF_LIFE) + 1.0) / (_recent(count, USUAL_HALF_LIFE) + 1.0)
    shop = (_recent(total, SHOP_HALF_LIFE) + SHOP_PRIOR * usual) / (_recent(count, SHOP_HALF_LIFE) + SHOP_PRIOR)
    today = np.where(total > 0, total / np.maximum(count, 1.0), 1.0)[:, None]
    relative = np.where(seen & (total > 0)[:, None], score / today, seen)
    item = (_recent(relative, ITEM_HALF_LIFE) + ITEM_PRIOR) / (_recent(seen, ITEM_HALF_LIFE) + ITEM_PRIOR)
    return np.asarray(shop[:, None] ** SHOP_POWER * item**ITEM_POWER)


def _recent(values: Array | NDArray[np.bool_], half_life: float) -> Array:
    """Sum up to and including each day (rows), half the weight every `half_life` days back."""
    return np.asarray(lfilter([1.0], [1.0, -(0.5 ** (1.0 / half_life))], values.astype(float), axis=0))
