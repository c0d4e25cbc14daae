"""Loss rates told by counts: worked by hand, and left alone where nothing tells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from replenish.history.losses import learned_losses

DAYS = pd.date_range("2024-03-04", periods=10)


def _items(**changes: object) -> pd.DataFrame:
    base = {"item_code": ["A"], "unit": ["kg"], "loss_rate": [0.1], "shelf_life_days": [1]}
    return pd.DataFrame(base | changes)


def _days(column: str, values: object, codes: tuple[str, ...] = ("A",)) -> pd.DataFrame:
    parts = [pd.DataFrame({"item_code": code, "date": DAYS, column: values}) for code in codes]
    return pd.concat(parts, ignore_index=True)


def _learned(
    items: pd.DataFrame, sold: object, left: object, ordered: object, days: int = 56
) -> tuple[list[float], object]:
    codes = tuple(items["item_code"])
    tables = [_days(name, value, codes) for name, value in (("sold", sold), ("on_hand", left), ("ordered", ordered))]
    found, finding = learned_losses(*(tables[0], items, tables[1], tables[2]), days)
    return found["loss_rate"].tolist(), finding


def test_losses_are_shrunk_to_the_stated_rate() -> None:
    # Each day 10 kg come, 6 are sold, 2 are left: 2 lost. Over 10 days 20 of 100; the stated 10 % count as 7 days of
    # 10 kg: (20 + 7) / 170.
    rates, finding = _learned(_items(), 6.0, 2.0, 10.0)
    assert rates == pytest.approx([27 / 170])
    assert finding is not None
    assert finding.examples == ("item A: stated 10.0%, counted 15.9%",)  # type: ignore[attr-defined]


def test_only_the_last_days_count() -> None:
    sold = np.where(np.arange(10) < 7, 8.0, 6.0)  # nothing was lost until the last three days
    rates, _ = _learned(_items(), sold, 2.0, 10.0, days=3)
    assert rates == pytest.approx([(6 + 7) / 100])
    assert _learned(_items(), sold, 2.0, 10.0, days=0)[0] == [0.1]


def test_of_items_that_keep_only_days_that_begin_without_stock_tell() -> None:
    # Left 0 and 4 in turn: only days after a 0 tell, 5 with the first, before which nothing was counted: 4. Of each 10
    # come, 5 are sold, 4 are left.
    left, sold = np.tile([0.0, 4.0], 5), 5.0
    rates, _ = _learned(_items(shelf_life_days=[3]), sold, left, 10.0)
    assert rates == pytest.approx([(5 * 1 + 7 * 10 * 0.1) / (50 + 70)])


def test_items_never_counted_and_items_without_counts_keep_their_rates() -> None:
    assert _learned(_items(), 6.0, 0.0, 10.0) == ([0.1], None)
    items, panel = _items(), _days("sold", 6.0)
    assert learned_losses(panel, items, None, _days("ordered", 10.0), 56) == (items, None)
    assert learned_losses(panel, items, _days("on_hand", 2.0), None, 56) == (items, None)


def test_rates_that_are_off_together_are_scaled_together() -> None:
    # Four items lose 20 % where 10 % are stated, on 40 item-days: the fifth, of which nothing is known, is scaled too.
    items = _items(item_code=list("ABCDE"), unit="kg", loss_rate=[0.1] * 4 + [0.05], shelf_life_days=1)
    sold, left, ordered = (_days(n, v, tuple("ABCD")) for n, v in (("sold", 6.0), ("on_hand", 2.0), ("ordered", 10.0)))
    found, _ = learned_losses(sold, items, left, ordered, 56)
    assert found["loss_rate"].tolist() == pytest.approx([0.2] * 4 + [0.1])


def test_half_a_pack_a_day_is_rounding() -> None:
    # Of 3 packs at 10 % none is lost; of 10 packs 2 are, one more than the rate says: (20 + 7) / 170.
    assert _learned(_items(unit=["pack"]), 2.0, 1.0, 3.0)[0] == pytest.approx([0.1])
    assert _learned(_items(unit=["pack"]), 6.0, 2.0, 10.0)[0] == pytest.approx([27 / 170])


def test_received_counts_and_not_ordered() -> None:
    orders = _days("ordered", 20.0).assign(received=10.0)
    found, _ = learned_losses(_days("sold", 6.0), _items(), _days("on_hand", 2.0), orders, 56)
    assert found["loss_rate"].tolist() == pytest.approx([27 / 170])


def test_an_unknown_rate_is_told_by_the_counts_or_stays_unknown() -> None:
    items = _items(item_code=["A", "B"], unit="kg", loss_rate=np.nan, shelf_life_days=1)
    sold, left, ordered = (_days(n, v) for n, v in (("sold", 6.0), ("on_hand", 2.0), ("ordered", 10.0)))
    found, finding = learned_losses(sold, items, left, ordered, 56)
    assert found["loss_rate"].tolist() == pytest.approx([0.2, np.nan], nan_ok=True)
    assert finding is None
