"""The report on price response says what was estimated, what is used and why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from replenish.pricing.response import response_table
from replenish.records import PriceResponse


@pytest.fixture
def response() -> PriceResponse:
    columns = {"elasticity_ols": [-0.9, -0.5], "elasticity_iv": [-1.2, np.nan], "se_iv": [0.2, np.nan],
               "first_stage_f": [150.0, 3.0], "observations": [900, 70], "shrinkage": [0.25, 1.0]}  # fmt: skip
    categories = pd.DataFrame(
        {"category": ["leafy", "pepper"], "elasticity": [-1.0, -0.1], "sd": [0.1, 0.4],
         "method": ["iv", "prior: weak instrument"]} | columns
    )  # fmt: skip
    items = pd.DataFrame(
        {"item_code": ["a", "b"], "category": "leafy", "elasticity": [-1.1, -1.0], "sd_item": 0.3, "sd_shared": 0.4,
         "method": ["iv shrunk to category", "category (iv)"]} | columns
    )  # fmt: skip
    return PriceResponse(items, categories)


def test_categories_with_intervals_and_reasons(response: PriceResponse) -> None:
    table = response_table(response).set_index("category")
    leafy, pepper = table.loc["leafy"], table.loc["pepper"]
    assert (leafy["low"], leafy["high"]) == pytest.approx((-1.2 - 1.96 * 0.2, -1.2 + 1.96 * 0.2))
    assert "25%" in leafy["reason"]
    # −0.1 + 1.96·0.4 would say that dearer sells more.
    assert (pepper["used_low"], pepper["used_high"]) == pytest.approx((-0.1 - 1.96 * 0.4, 0.0))
    assert "first-stage F below 10" in pepper["reason"]


def test_items_add_the_two_parts_of_their_spread(response: PriceResponse) -> None:
    table = response_table(response, "item").set_index("item_code")
    assert table.loc["a", "used_low"] == pytest.approx(-1.1 - 1.96 * 0.5)
    assert "its category" in table.loc["b", "reason"]
