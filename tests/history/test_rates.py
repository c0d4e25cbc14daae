"""Usual rates, their variance and busy days: by hand, and where every day sells out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from replenish.history import rates
from replenish.history.rates import (
    BUSY_POWER,
    Days,
    Shelf,
    how_busy,
    rate_variance,
    usual_rates,
    usual_transactions,
    windows,
)


def days(counts: list[float], item: str = "A") -> pd.DataFrame:
    """One row per number of transactions, on consecutive days."""
    dates = pd.date_range("2022-01-03", periods=len(counts))  # a Monday
    return pd.DataFrame({"item_code": item, "category": "leafy", "date": dates, "transactions": counts,
                         "offered": 1.0, "closed": False})  # fmt: skip


def test_usual_transactions_are_those_of_a_whole_day_by_hand():
    """Rows before: 10 in a whole day, 4 in half a day, 0 not on offer, 6 in a day half as busy again: 20 ÷ 3."""
    panel = days([10, 4, 0, 6, 7])
    panel["offered"] = [1.0, 1.0, 0.1, 1.0, 1.0]
    mean, variance = usual_transactions(Shelf.of(panel), np.array([1.0, 0.5, 1.0, 1.5, 1.0]))
    assert mean[-1] == pytest.approx(20 / 3)
    assert mean[0] == pytest.approx(17 / 3), "those after it: 4 in half a day, 6 in one and a half, 7 in a whole one"
    alone, _ = usual_transactions(Shelf.of(panel.head(3)), np.ones(3))
    assert alone[0] == 10, "fewer than 3 around it: its own count"
    # (Σn² − 2mΣne + m²Σe² − mΣe) ÷ Σe²
    assert variance[-1] == pytest.approx((152 - 2 * 20 / 3 * 21 + 400 / 9 * 3.5 - 20 / 3 * 3) / 3.5)


def test_windows_by_hand():
    """An item of 40 rows and one of 3: 28 rows before and what is asked for after, or 28 in all, within the item."""
    item = np.repeat([0, 1], [40, 3])
    first, end = windows(item, np.full(43, 7))
    assert (first[[0, 35, 42]] == [0, 7, 40]).all()
    assert (end[[0, 10, 28, 35, 40]] == [29, 29, 36, 40, 43]).all()
    assert (windows(item, np.zeros(43, dtype=int))[1][[0, 10, 28, 35, 40]] == [29, 29, 29, 36, 43]).all()


def test_days_told_by_counts_go_by_the_days_before():
    """28 days of 10 sales, then 20 a day: of the first busy day a count says 10, else its week tells too."""
    panel = days([10] * 28 + [20] * 10)
    counted, guessed = (usual_transactions(Shelf.of(panel, np.full(38, t)), np.ones(38))[0] for t in (0.0, np.nan))
    assert counted[28] == pytest.approx(10)
    assert guessed[28] == pytest.approx((28 * 10 + 7 * 20) / 35)


def test_usual_transactions_are_right_where_every_day_sells_out():
    """A stopped Poisson process: the shelf empties at the 15th of 30 expected sales, every day."""
    rng = np.random.default_rng(7)
    gone_at = np.minimum(rng.gamma(15, 1 / 30, 2000), 1.0)
    panel = days([15] * 2000)
    mean, _ = usual_transactions(Shelf.of(panel), gone_at)
    assert mean[100:].mean() == pytest.approx(30, rel=0.02)


def test_busy_days_are_told_by_the_other_items_by_hand():
    """Two items of a category expect 10 each, a third of another category 20; twice as much came of the others."""
    parts = [days([20], item) for item in "ABC"]
    parts[2]["category"] = "roots"
    panel = pd.concat(parts, ignore_index=True)
    given = np.array([5.0, 20.0, 40.0]), Shelf.of(panel), np.array([10.0, 10.0, 20.0])
    busy = how_busy(*given, np.zeros(3))
    # Shop beside A: (60 + 20) ÷ (30 + 20) = 1.6; category beside A: (20 + 20·1.6) ÷ (10 + 20).
    assert busy[0] == pytest.approx((52 / 30) ** BUSY_POWER)
    assert busy[2] == pytest.approx(((25 + 20) / (20 + 20)) ** BUSY_POWER), "no other item of its category: the shop's"
    # A hid 4 that B sold instead: for A the shop is (56 + 20) ÷ (30 + 20), B beside it (16 + 20·1.52) ÷ (10 + 20).
    busy = how_busy(*given, np.array([4.0, 0.0, 0.0]))
    assert busy[0] == pytest.approx(((16 + 20 * 1.52) / 30) ** BUSY_POWER)


def test_orders_go_by_the_weekday():
    """From Monday 3 January 2022: Mondays four times as busy as a usual day and as busy: twice, on the logarithm."""
    panel = days([10] * 15)
    busy = np.r_[4.0, np.full(6, 0.5), 1.0, np.full(6, 0.5), 2.0]
    factor = Shelf.of(panel).weekday_factor(busy)
    np.testing.assert_allclose(factor[[0, 7, 14]], 2.0)
    np.testing.assert_allclose(np.delete(factor, [0, 7, 14]), 0.5)


def test_variance_of_rates_by_hand(monkeypatch):
    """Four other days of 4, 8, 8 and 12 sales, all whole and as busy as usual: r ~ Gamma(a + n, b + 1), around 8."""
    monkeypatch.setattr(rates, "RATE_STEPS", 1)
    given = Shelf.of(days([4, 8, 8, 12, 9]))
    whole = Days(np.ones(5), np.ones(5), np.zeros(5))
    found = rate_variance(given, whole, np.full(5, 8.0), np.full(5, 16.0))[-1]
    # a = 8² ÷ 16, b = 8 ÷ 16
    known = 4 + np.array([4.0, 8.0, 8.0, 12.0])
    assert found == pytest.approx((known * (known + 1) / 1.5**2 - 2 * 8 * known / 1.5 + 64).mean())


def test_rates_vary_by_what_stock_outs_kept_from_showing():
    """2,000 days at rates of mean 20 and variance 40 that sell out at the 18th sale: counts show none of the best."""
    rng = np.random.default_rng(5)
    rate = rng.gamma(10, 2, 2000)
    n, gone = rng.poisson(rate).astype(float), rng.gamma(18, 1 / rate)
    out = gone < 1
    seen = np.where(out, gone, 1.0)
    given = Shelf.of(days(list(np.where(out, 18.0, np.minimum(n, 17.0)))))
    known = Days(np.ones(2000), seen, out.astype(float))
    mean, counted = usual_transactions(given, seen)
    likely = rate_variance(given, known, mean, counted)
    inside = slice(100, -100)
    assert mean[inside].mean() == pytest.approx(20, rel=0.03)
    assert 1.2 * counted[inside].mean() < likely[inside].mean() < 40


def test_a_mean_of_few_days_is_uncertain():
    """Of 3 and of 28 days of 10 sales each: nothing varies but for the mean, (0.04·100 + 10) ÷ days."""
    mean, variance, _ = usual_rates(Shelf.of(days([10] * 60)), Days(np.ones(60), np.ones(60), np.zeros(60)))
    few = usual_rates(Shelf.of(days([10] * 4)), Days(np.ones(4), np.ones(4), np.zeros(4)))[1]
    assert mean[30] == pytest.approx(10)
    assert few[0] > 2 * variance[40]
