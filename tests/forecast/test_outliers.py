"""Days far above the usual: counted at their limit, followed when they last, told in the notes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from replenish.forecast.demand import _outlier_notes
from replenish.forecast.features import panel_matrix
from replenish.forecast.outliers import highest_usual
from replenish.history.cleaning import build_history
from replenish.records import PriceResponse
from replenish.settings import Settings
from replenish.sources.folder import tables_from_frames
from tests.conftest import make_tiny_frames


def limits(values: list[float]) -> list[float]:
    column = np.array(values)[:, None]
    return highest_usual(column, np.ones(column.shape, dtype=bool))[:, 0].tolist()


def test_the_limit_is_ten_usual_days():
    """Usual after five days of 2: 2. A day of 500 counts as 20: 2 + (20 − 2) ÷ 6 = 5. No sales: nothing changes."""
    assert limits([2, 2, 2, 2, 2, 500, 0, 5]) == [np.inf] * 5 + [20, pytest.approx(50), pytest.approx(50)]


def test_a_lasting_jump_is_followed_within_days():
    values = [2.0] * 40 + [200.0] * 12
    capped = np.minimum(values, limits(values))
    assert capped[40] == pytest.approx(20)
    assert (capped[47:] == 200).all()


def test_ordinary_days_are_left_alone():
    rng = np.random.default_rng(0)
    values = rng.poisson(rng.gamma(2, 1.5, 5000)).astype(float)  # variance 3 + 4.5, as unsettled as slow items are
    assert (values <= limits(list(values))).all()


def test_a_typing_error_teaches_little_and_is_told():
    """Lettuce sells 6 × 0.4 = 2.4 kg a day at 5.00; on 28 June one sale says 4,000 instead of 0.4 kg."""
    frames = make_tiny_frames()
    sales = frames["sales"]
    wrong = sales.index[(sales["item_code"] == "L2") & (sales["date"] == pd.Timestamp("2023-06-28"))][0]
    frames["sales"] = sales.assign(quantity=sales["quantity"].where(sales.index != wrong, 4000.0))
    history = build_history(tables_from_frames(frames), pd.Timestamp("2023-06-30"), Settings(), "main")
    response = PriceResponse(history.items[["item_code", "category"]].assign(elasticity=-0.5), pd.DataFrame())
    m = panel_matrix(history, response, "CN", None)
    item = m.item_codes.index("L2")
    assert m.neutral[-3, item] == pytest.approx(10 * m.neutral[:-3, item].mean(), rel=0.02)
    assert m.sold[-3, item] * m.excess[-3, item] == pytest.approx(4002)
    assert m.weight[-3, item] < 0.02
    assert (m.excess > 1).sum() == 1
    names = history.items.set_index("item_code")["item_name"]
    notes = _outlier_notes(m, np.arange(len(m.item_codes)), names)
    assert len(notes) == 1
    assert notes[0].startswith("Lettuce: on 2023-06-28 it sold 4,002 kg, more than 10 times")
    assert _outlier_notes(m, np.array([k for k in range(len(m.item_codes)) if k != item]), names) == []
