from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from replenish.simulate.conditions import Conditions, draw_conditions
from replenish.simulate.history import simulate_history
from replenish.simulate.market import Market
from replenish.simulate.world import Choice, World, draw_world


@pytest.fixture(scope="session")
def market() -> Market:
    """Ten ordinary days of the reference-like world without clearance, so that prices stay as offered."""
    drawn = draw_world("reference-like", 3)
    world = replace(drawn, practice=replace(drawn.practice, clear_chance=(0.0,) * 5))
    return Market(world, draw_conditions(world, "2024-03-04", "2024-03-13", seed=5), seed=5)


@pytest.fixture(scope="session")
def past():
    """Three weeks of the reference-like world: tables and truth."""
    return simulate_history(draw_world("reference-like", 3), "2024-03-04", "2024-03-24", seed=5, warm_up_days=10)


@pytest.fixture
def two_items() -> Market:
    """Plain logit with one segment: utilities ln 2 and 0 at normal prices, 0 for nothing, so shares ½, ¼ and ¼."""
    items = pd.DataFrame(
        {
            "item_code": ["P001", "P002"],
            "item_name": ["Spinach", "Celery"],
            "category": "leafy",
            "unit": "kg",
            "normal_price": [10.0, 5.0],
            "basket": [0.4, 0.4],
        }
    )
    choice = Choice(price_weight=1.0, segments=((1.0, 1.0),), nest=1.0)
    world = World("two items", 0, items, {"leafy": 1.0}, {"leafy": 0.0}, choice=choice)
    conditions = Conditions(
        pd.DatetimeIndex(["2024-03-04"]),
        shoppers=np.array([1000.0]),
        pull=np.ones((1, 1)),
        appeal=np.array([[np.log(2) + 1, 1.0]]),
        wholesale=np.array([[6.0, 3.0]]),
        on_market=np.ones((1, 2), dtype=bool),
    )
    return Market(world, conditions, seed=0)
