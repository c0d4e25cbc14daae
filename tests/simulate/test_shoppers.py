import numpy as np
import pytest

from replenish.simulate.shoppers import NOTHING, choice_shares, choose, draw_visits, log_stable
from replenish.simulate.world import draw_world


def test_choose_takes_the_best_open_item_or_nothing():
    utility = np.array([[2.0, 1.0], [2.0, 1.0], [-1.0, -2.0]])
    assert choose(utility, 0.0, np.array([True, True])).tolist() == [0, 0, NOTHING]
    assert choose(utility, 0.0, np.array([False, True])).tolist() == [1, 1, NOTHING]
    assert choose(utility, 0.0, np.array([False, False])).tolist() == [NOTHING] * 3


def test_plain_logit_shares():
    shares = choice_shares(np.array([np.log(2), 0.0]), 0.0, nest=1.0)
    assert shares == pytest.approx([0.5, 0.25])


def test_nested_shares_by_hand():
    # λ = ½, both utilities 0: inclusive value ½·ln 2, so P(inside) = √2/(1 + √2), half of it each.
    each = np.sqrt(2) / (1 + np.sqrt(2)) / 2
    assert choice_shares(np.zeros(2), 0.0, nest=0.5) == pytest.approx([each, each])


def test_items_not_there_have_no_share():
    assert choice_shares(np.array([0.0, -np.inf]), 0.0, nest=0.7) == pytest.approx([0.5, 0.0])
    assert choice_shares(np.array([-np.inf, -np.inf]), 0.0, nest=0.7) == pytest.approx([0.0, 0.0])


def test_stable_variable_has_its_laplace_transform():
    stable = np.exp(log_stable(0.6, 200_000, np.random.default_rng(0)))
    assert np.exp(-stable).mean() == pytest.approx(np.exp(-1), abs=0.004)
    assert np.exp(-2 * stable).mean() == pytest.approx(np.exp(-(2**0.6)), abs=0.004)


def test_drawn_tastes_choose_with_the_nested_logit_shares():
    world = draw_world("reference-like", 3)
    shoppers = 40_000
    rng = np.random.default_rng(1)
    visits = draw_visits(world, "eggplant", np.linspace(9, 22, shoppers), np.ones(shoppers), 5.0, rng)
    utility = world.column("quality")[world.members("eggplant")]
    chosen = choose(utility + visits.taste, 0.8, np.ones(len(utility), dtype=bool))
    found = np.bincount(chosen[chosen != NOTHING], minlength=len(utility)) / len(chosen)
    assert found == pytest.approx(choice_shares(utility, 0.8, world.choice.nest), abs=0.01)


def test_packs_are_wanted_whole_and_kilograms_to_the_gram():
    world = draw_world("reference-like", 3)
    rng = np.random.default_rng(1)
    visits = draw_visits(world, "mushroom", np.linspace(9, 22, 500), np.ones(500), 1.0, rng)
    pack = world.is_pack[world.members("mushroom")]
    assert set(np.unique(visits.wanted[:, pack])) <= {1.0, 2.0}
    assert (visits.wanted[:, ~pack] > 0).all()
    assert visits.wanted == pytest.approx(visits.wanted.round(3), abs=1e-12)
