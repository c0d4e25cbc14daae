"""Labels and offers no other beats, by hand and against comparing every pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from replenish.optimise.dominance import undominated_labels
from replenish.optimise.menu import RuleColumn, undominated
from tests.optimise.worlds import menu_of

FEW = st.integers(0, 4)  # so few values that many labels are equal in some of them


def _no_better_pair(weight: np.ndarray, gain: np.ndarray, paid: np.ndarray) -> list[int]:
    """The same by comparing all pairs."""
    out = []
    for a in range(len(weight)):
        better = (weight <= weight[a]) & (gain >= gain[a]) & (paid >= paid[a])
        equal = (weight == weight[a]) & (gain == gain[a]) & (paid == paid[a])
        if not (better & ~equal).any() and not equal[:a].any():
            out.append(a)
    return out


def test_labels_by_hand() -> None:
    # The second weighs more than the first and has no more; the third has more paid; the fourth is the third again;
    # the fifth weighs less than all and has less gain; the last has the first's weight and all of the others' best.
    weight, gain = np.array([1.0, 2.0, 2.0, 2.0, 0.0, 1.0]), np.array([5.0, 5.0, 4.0, 4.0, 1.0, 5.0])
    paid = np.array([5.0, 5.0, 6.0, 6.0, 1.0, 7.0])
    assert undominated_labels(weight[:5], gain[:5], paid[:5]).tolist() == [0, 2, 4]
    assert undominated_labels(weight, gain, paid).tolist() == [4, 5]
    assert undominated_labels(*np.empty((3, 0))).tolist() == []


@given(st.lists(st.tuples(FEW, FEW, FEW), max_size=40))
def test_labels_against_all_pairs(labels: list[tuple[int, int, int]]) -> None:
    weight, gain, paid = np.array(labels, dtype=float).reshape(-1, 3).T
    assert undominated_labels(weight, gain, paid).tolist() == _no_better_pair(weight, gain, paid)


def test_many_labels_of_any_size_against_all_pairs() -> None:
    for seed in range(3):
        weight, gain, paid = np.random.default_rng(seed).normal(size=(3, 600))
        assert undominated_labels(weight, gain, paid).tolist() == _no_better_pair(weight, gain, paid)


@given(
    st.lists(st.tuples(st.integers(0, 2), FEW, FEW, FEW, FEW, FEW), min_size=1, max_size=25),
    st.sampled_from([0.0, 0.5, np.inf]), st.sampled_from([0.0, 0.4]),
)  # fmt: skip
def test_offers_against_all_pairs(rows: list[tuple[int, ...]], penalty: float, risk_weight: float) -> None:
    item, value, soft, hard, *scenarios = np.array(rows, dtype=float).T
    offers = [{"item_code": f"i{i:.0f}", "category": "c", "value": v} for i, v in zip(item, value, strict=True)]
    by_scenario = np.stack(scenarios, axis=1)
    menu = menu_of(offers, {"c": 1.0})
    menu = type(menu)(menu.offers, menu.category_value, {}, by_scenario)

    def replaces(b: int, a: int) -> bool:
        least = (by_scenario[b] - by_scenario[a]).min()
        gain = (1 - risk_weight) * (value[b] - value[a]) + risk_weight * least
        worse = max(soft[b] - soft[a], 0.0)
        return bool(hard[b] <= hard[a] and (worse == 0 or gain >= penalty * worse) and gain >= 0)

    pairs = [[b for b in range(len(rows)) if b != a and item[b] == item[a]] for a in range(len(rows))]
    kept = [
        a for a, others in enumerate(pairs) if not any(replaces(b, a) and (b < a or not replaces(a, b)) for b in others)
    ]
    columns = [RuleColumn(soft, penalty), RuleColumn(hard, np.inf)]
    assert undominated(menu, columns, risk_weight).index.tolist() == kept


@pytest.mark.parametrize("level", [-np.inf, 1e300])
def test_levels_without_limit_are_compared_too(level: float) -> None:
    assert undominated_labels(np.zeros(2), np.array([level, 0.0]), np.zeros(2)).tolist() == [int(level < 0)]
