"""How demand answers: to the item's own price, and to other items that are missing."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd

from replenish.pricing.elasticity import estimate_elasticities
from replenish.pricing.substitution import estimate_transfer_share
from replenish.records import DemandHistory, PriceResponse
from replenish.settings import PricingSettings

DECIMALS = 7  # see fixed_effects.EFFECTS_TOLERANCE


def estimate_response(history: DemandHistory, settings: PricingSettings) -> PriceResponse:
    """Elasticities of items and categories, and the share of unserved demand that moves (`records.PriceResponse`)."""
    elasticities = estimate_elasticities(history, settings)
    found = asdict(estimate_transfer_share(history, settings))
    columns = {f"transfer_{k}": round(v, DECIMALS) if isinstance(v, float) else v for k, v in found.items()}
    categories = elasticities.categories.copy()
    for name, value in columns.items():
        categories[name] = value
    return PriceResponse(elasticities.items, categories)


def response_table(response: PriceResponse, level: str = "category") -> pd.DataFrame:
    """The price response as people read it: key category (or, with `level="item"`, item_code).

    Columns: least_squares, instrumental (the two estimates), low, high (95 % interval of the instrumental one),
    first_stage_f, elasticity (used), used_low, used_high (its 95 % interval, never above zero), shrinkage (share taken
    from the prior, for items from the category), observations, reason.
    """
    if level == "item":
        rows = response.items.assign(
            sd=np.hypot(response.items["sd_item"], response.items["sd_shared"]), key=response.items["item_code"]
        )
    else:
        rows = response.categories.assign(key=response.categories["category"])
    margin, used = 1.96 * rows["se_iv"], 1.96 * rows["sd"]
    table = pd.DataFrame({
        "item_code" if level == "item" else "category": rows["key"],
        "least_squares": rows["elasticity_ols"], "instrumental": rows["elasticity_iv"],
        "low": rows["elasticity_iv"] - margin, "high": rows["elasticity_iv"] + margin,
        "first_stage_f": rows["first_stage_f"], "elasticity": rows["elasticity"],
        "used_low": rows["elasticity"] - used, "used_high": (rows["elasticity"] + used).clip(upper=0.0),
        "shrinkage": rows["shrinkage"], "observations": rows["observations"],
    })  # fmt: skip
    return table.assign(reason=[_why(m, s) for m, s in zip(rows["method"], rows["shrinkage"], strict=True)])


def _why(method: str, shrinkage: float) -> str:
    """How the elasticity used came about, in words."""
    if "weak instrument" in method:
        return "wholesale cost hardly moves the price (first-stage F below 10): the published prior is used"
    if "too few" in method:
        return "too few days or items to estimate: the published prior is used"
    if method.startswith("category"):
        return "too few or too similar prices of its own: its category's elasticity is used"
    return f"estimated, with {shrinkage:.0%} of the weight on the prior"
