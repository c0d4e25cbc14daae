"""Quantities in words."""

import pytest

from replenish.units import quantity_text


@pytest.mark.parametrize(
    ("quantity", "unit", "text"),
    [(4.5, "kg", "4.5 kg"), (1, "kg", "1 kg"), (1, "pack", "1 pack"), (15.0, "pack", "15 packs")],
)
def test_packs_have_a_plural(quantity: float, unit: str, text: str) -> None:
    assert quantity_text(quantity, unit) == text
