"""Quantities in words: kilograms and packs, as plans and their reasons print them."""

from __future__ import annotations


def quantity_text(quantity: float, unit: str) -> str:
    """`4.5 kg`, `1 pack`, `15 packs`; `unit` as in the tables (`kg` or `pack`)."""
    return f"{quantity:g} {unit}{'s' if unit == 'pack' and quantity != 1 else ''}"
