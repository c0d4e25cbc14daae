"""What missing rivals bring, by hand; demand freed from the assortment and brought back to it."""

import numpy as np
import pytest

from replenish.pricing.assortment import Assortment, assortment_factor, inflow, inflow_while_there

GROUP = np.array([0, 0, 0, 1])
HALF = np.full(4, 0.5)
VALUE = np.array([20.0, 20.0, 60.0, 50.0])


def test_half_of_a_missing_rival_moves_to_the_others_by_their_value() -> None:
    # Item 0 is missing: 10 of its 20 money move to 20 + 60 on the shelf, so 1/8 of their own demand each.
    out = inflow(VALUE[None, :], np.array([[0.0, 1.0, 1.0, 1.0]]), HALF, GROUP)
    assert out[0, 1:] == pytest.approx([1 / 8, 1 / 8, 0.0])


def test_nothing_moves_on_a_full_shelf_nor_without_rivals() -> None:
    assert inflow(VALUE[None, :], np.ones((1, 4)), HALF, GROUP)[0] == pytest.approx(0.0)
    assert inflow(VALUE[None, :], np.array([[0.0, 0.0, 0.0, 1.0]]), HALF, GROUP)[0] == pytest.approx(0.0)


def test_nothing_comes_from_a_rival_that_sells_out_later() -> None:
    # Item 0 lasts half of the day, item 1 a quarter, item 2 all of it. Of item 1's 20, weighed against 10 + 60 there
    # and (20 + 60) outside, 20/150 of a rival's demand moves: to item 0 in its second quarter, half of its time.
    there = np.array([[0.5, 0.25, 1.0, 1.0]])
    out = inflow_while_there(VALUE[None, :], there, HALF, GROUP)[0]
    from_zero, from_one = 20 / (5 + 60 + 80), 20 / (10 + 60 + 80)
    assert out == pytest.approx([from_one / 2, 0.0, from_zero / 2 + 0.75 * from_one, 0.0])
    # Who is there all day gets what `inflow` says.
    assert out[2] == pytest.approx(inflow(VALUE[None, :], there, HALF, GROUP)[0, 2])


def test_the_inflow_is_bounded() -> None:
    # 0.5 · 60 ÷ 20 = 1.5 times an item's own demand: taken for another shop, cut at 1.
    assert inflow(VALUE[None, :], np.array([[1.0, 0.0, 0.0, 1.0]]), HALF, GROUP)[0, 0] == 1.0


def test_sales_at_one_shelf_against_another() -> None:
    assortment = Assortment(VALUE, np.array([0.0, 1.0, 1.0, 1.0]), HALF, GROUP)
    # From last week's shelf (1 + 1/8) to the whole catalogue (1).
    assert assortment.against_recent(np.ones(4))[1:] == pytest.approx([8 / 9, 8 / 9, 1.0])


def test_a_level_learnt_beside_a_gap_is_freed_from_it() -> None:
    # Three items of 20, 20 and 60 money a day; over the last ten days item 0 is gone and the others sell 1/8 more.
    days = 60
    there = np.ones((days, 4))
    there[-10:, 0] = 0.0
    sold = np.tile(VALUE, (days, 1)) * there
    sold[-10:, 1:3] *= 1 + 1 / 8
    factor, assortment = assortment_factor(sold, there, there, np.ones(days, dtype=bool), HALF, GROUP)
    assert factor[:-10] == pytest.approx(1.0)
    # Levels are means of four weeks: what the first pass leaves in them is a few per cent of the eighth.
    assert factor[-1, 1:3] == pytest.approx(1 + 1 / 8, abs=0.005)
    assert assortment.factor(assortment.recent)[1] == pytest.approx(factor[-1, 1])


def test_items_unsold_for_two_months_are_not_missed() -> None:
    days = 100
    there = np.ones((days, 4))
    there[20:, 0] = 0.0
    factor, assortment = assortment_factor(
        np.tile(VALUE, (days, 1)) * there, there, there, np.ones(days, dtype=bool), HALF, GROUP
    )
    assert factor == pytest.approx(1.0)
    assert assortment.value[0] == 0.0


def test_closed_days_move_nothing() -> None:
    days, is_open = 30, np.ones(30, dtype=bool)
    is_open[-1] = False
    there = np.ones((days, 4)) * is_open[:, None]
    factor, assortment = assortment_factor(np.tile(VALUE, (days, 1)) * there, there, there, is_open, HALF, GROUP)
    assert factor[-1] == pytest.approx(1.0)
    assert assortment.recent == pytest.approx(1.0)
