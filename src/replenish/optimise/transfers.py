"""What a plan leaves to other items: the demand that moves, and what each line is charged for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from replenish.optimise.judge import Line
from replenish.pricing.substitution import Switching
from replenish.records import Scenarios


def with_transfers(scenarios: Scenarios, lines: Sequence[Line], switching: Switching) -> Scenarios:
    """The scenarios with the demand these lines leave to, or take from, other items of their group.

    An item's availability is the share of its first-choice demand that its stock serves, scenario by scenario. What it
    does not serve is worth its price elsewhere, less the worth of keeping the unit, where a rival has stock left.
    """
    plain = replace(scenarios, transfers=None, found_elsewhere=None, worth_elsewhere=None)
    listed, margin = np.zeros(len(plain.item_codes), dtype=bool), np.zeros(len(plain.item_codes))
    factor = np.ones_like(plain.demand)  # of the price asked
    usable = np.zeros(len(plain.item_codes))
    for line in lines:
        k, terms = plain.item_codes.index(line.candidate.item_code), line.candidate.terms
        factor[:, k], usable[k] = plain.price_factor(k, line.price / terms.reference_price), _usable(line)
        listed[k], margin[k] = True, line.price - (terms.carry_value if terms.keeps else 0.0)
    asked = plain.demand * factor
    served = np.divide(usable, asked, out=np.ones_like(asked), where=asked > 0)
    transfers = switching.transfers(plain.demand, listed, np.where(listed, np.minimum(served, 1.0), 0.0))
    spare = listed & ((plain.demand + transfers) * factor < usable)
    found, worth = switching.elsewhere(plain.demand, listed, spare.astype(float), margin)
    return replace(plain, transfers=transfers, found_elsewhere=found, worth_elsewhere=worth)


def _usable(line: Line) -> float:
    """Stock of the line that can be sold [unit]."""
    return (1 - line.candidate.terms.loss_rate) * line.order_quantity + line.candidate.terms.carried_over


def charged(moved: Scenarios, lines: Sequence[Line]) -> float:
    """What the lines were charged for serving shoppers whom others would have served too [money]."""
    if moved.worth_elsewhere is None:
        return 0.0
    total = 0.0
    for line in lines:
        k, ratio = moved.item_codes.index(line.candidate.item_code), line.price / line.candidate.terms.reference_price
        served = np.minimum(moved.first_choice_at(k, ratio), _usable(line))
        total += float((moved.worth_elsewhere[:, k] * served).mean())
    return total
