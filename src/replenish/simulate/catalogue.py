"""The assortment worlds are drawn from: readable names, usual cost and basket, when and how regularly it is supplied.

Invented for the simulated shop from general knowledge of the trade; no row is fitted to an item of a real shop.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Supply = Literal["core", "seasonal", "occasional"]


class Kind(NamedTuple):
    """One line: `cost` [money/unit]; `basket` mean purchase [kg], none for packs; `peak` month of its season."""

    name: str
    cost: float
    basket: float | None
    supply: Supply
    peak: int | None = None
    shelf_life_days: int = 1


CATALOGUE: dict[str, tuple[Kind, ...]] = {
    "leafy": (
        Kind("Baby bok choy", 2.8, 0.53, "core"),
        Kind("Napa cabbage", 1.4, 1.11, "core", 12, 3),
        Kind("Yunnan lettuce", 4.0, 0.35, "core"),
        Kind("Romaine lettuce", 3.6, 0.47, "core"),
        Kind("Spinach", 5.2, 0.41, "core", 1),
        Kind("Choy sum", 3.9, 0.47, "core"),
        Kind("Water spinach", 3.0, 0.53, "seasonal", 7),
        Kind("Red amaranth", 3.2, 0.44, "seasonal", 6),
        Kind("Green amaranth", 3.0, 0.44, "seasonal", 7),
        Kind("Purple choy sum", 4.4, 0.53, "seasonal", 1),
        Kind("Garland chrysanthemum", 5.4, 0.35, "seasonal", 12),
        Kind("Pea shoots", 7.6, 0.29, "seasonal", 3),
        Kind("Sweet potato leaves", 2.6, 0.47, "seasonal", 8),
        Kind("Pumpkin shoots", 4.8, 0.42, "seasonal", 6),
        Kind("Rapeseed greens", 3.1, 0.53, "seasonal", 2),
        Kind("Tatsoi", 2.7, 0.53, "seasonal", 1),
        Kind("Iceberg lettuce", 3.3, 0.64, "occasional"),
        Kind("Red-leaf lettuce", 4.6, 0.35, "occasional"),
        Kind("Mustard greens", 2.5, 0.58, "occasional"),
        Kind("Chicory", 4.9, 0.37, "occasional"),
        Kind("Malabar spinach", 3.3, 0.44, "seasonal", 7),
        Kind("Celery", 3.0, 0.58, "core", None, 2),
        Kind("Garlic chives", 4.1, 0.35, "occasional"),
        Kind("Crown daisy (pack)", 3.2, None, "seasonal", 12),
        Kind("Baby spinach (pack)", 4.2, None, "occasional"),
        Kind("Lettuce hearts (pack)", 3.4, None, "occasional"),
        Kind("Baby cabbage (pack)", 4.0, None, "core", None, 2),
        Kind("Salad mix (pack)", 4.8, None, "occasional"),
        Kind("Toona shoots", 28.0, 0.18, "seasonal", 4),
        Kind("Coriander", 8.5, 0.14, "core"),
    ),
    "pepper": (
        Kind("Green bell pepper", 4.6, 0.47, "core", None, 2),
        Kind("Red bell pepper", 7.6, 0.41, "core", None, 2),
        Kind("Screw pepper", 5.4, 0.44, "core", None, 2),
        Kind("Green chili", 5.6, 0.29, "core"),
        Kind("Bird's eye chili", 12.5, 0.18, "core"),
        Kind("Thin-skin pepper", 5.0, 0.47, "seasonal", 8),
        Kind("Hang pepper", 6.2, 0.35, "occasional"),
        Kind("Red chili", 8.6, 0.26, "occasional"),
        Kind("Millet chili (pack)", 2.4, None, "occasional"),
        Kind("Green chili (pack)", 2.6, None, "core"),
        Kind("Mixed chili (pack)", 3.0, None, "occasional"),
        Kind("Ginger and chili mix (pack)", 2.2, None, "core"),
        Kind("Fruit pepper", 9.4, 0.35, "seasonal", 6),
        Kind("Lantern pepper", 6.8, 0.44, "occasional"),
    ),
    "mushroom": (
        Kind("Oyster mushroom", 4.6, 0.47, "core"),
        Kind("Shiitake", 8.8, 0.35, "core", 12),
        Kind("King oyster mushroom", 5.6, 0.41, "core", None, 2),
        Kind("Button mushroom", 9.2, 0.37, "occasional"),
        Kind("Enoki (pack)", 1.5, None, "core", None, 3),
        Kind("Crab mushroom (pack)", 2.1, None, "core", None, 3),
        Kind("Seafood mushroom (pack)", 2.0, None, "occasional"),
        Kind("White beech mushroom (pack)", 2.3, None, "occasional"),
        Kind("Wood ear (pack)", 3.6, None, "core"),
        Kind("Tea tree mushroom", 9.8, 0.29, "occasional"),
        Kind("Cordyceps flowers (pack)", 3.0, None, "occasional"),
        Kind("Straw mushroom", 11.5, 0.33, "seasonal", 7),
        Kind("Mushroom hotpot mix (pack)", 7.4, None, "seasonal", 12),
        Kind("Lion's mane", 14.5, 0.29, "occasional"),
    ),
    "root and aquatic": (
        Kind("Lotus root", 5.8, 0.88, "core", 11, 2),
        Kind("Water chestnut", 6.4, 0.64, "seasonal", 1),
        Kind("Water caltrop", 7.2, 0.58, "seasonal", 9),
        Kind("Wild rice stem", 8.4, 0.53, "seasonal", 9),
        Kind("Lotus root tips (pack)", 7.5, None, "seasonal", 7),
        Kind("Powdery lotus root", 7.8, 0.94, "occasional", 11, 2),
        Kind("Foxnut stem", 8.0, 0.47, "seasonal", 8),
    ),
    "cauliflower and broccoli": (
        Kind("Broccoli", 6.0, 0.58, "core", None, 2),
        Kind("Loose-curd cauliflower", 5.2, 0.70, "core", None, 2),
        Kind("Cauliflower", 4.4, 0.76, "occasional", None, 2),
        Kind("Romanesco", 8.8, 0.58, "seasonal", 2),
    ),
    "eggplant": (
        Kind("Purple eggplant", 4.4, 0.56, "core", 8, 2),
        Kind("Long eggplant", 5.0, 0.49, "core"),
        Kind("Round eggplant", 4.2, 0.64, "occasional", None, 2),
        Kind("Green eggplant", 4.8, 0.53, "seasonal", 7),
        Kind("Baby eggplant", 6.4, 0.41, "occasional"),
    ),
}
