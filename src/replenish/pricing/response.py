"""How demand answers: to the item's own price, and to other items that are missing."""

from __future__ import annotations

from dataclasses import asdict

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
