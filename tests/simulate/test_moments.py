import numpy as np
import pandas as pd
import pytest

from replenish.errors import DataError
from replenish.simulate.moments import item_days, main, read_frames, shop_moments, side_by_side

TWO_DAYS = pd.DataFrame(
    {
        "date": pd.to_datetime(["2024-03-04", "2024-03-04", "2024-03-05", "2024-03-05"]),
        "time": ["09:00:00", "19:00:00", "10:00:00", "11:00:00"],
        "item_code": "P001",
        "quantity": [1.0, 2.0, 3.0, -1.0],
        "unit_price": [10.0, 7.0, 12.0, 12.0],
        "sale_type": ["sale", "sale", "sale", "return"],
        "discounted": [False, True, False, False],
        "transactions": [1, 1, 1, 0],
        "value": [10.0, 14.0, 36.0, -12.0],
        "category": "leafy",
        "unit": "kg",
        "loss_rate": 0.2,
    }
)
COSTS = pd.DataFrame({"date": pd.to_datetime(["2024-03-04"]), "item_code": ["P001"], "wholesale_price": [4.0]})


def test_item_days_net_returns_and_keep_the_full_price():
    days = item_days(TWO_DAYS, COSTS)
    assert days["quantity"].tolist() == [3.0, 2.0]
    assert days["full_price"].tolist() == [10.0, 12.0]
    assert days["discounted"].tolist() == [True, False]
    assert days["sales"].tolist() == [2, 1]
    assert days["wholesale_price"].fillna(0).tolist() == [4.0, 0.0]


def test_moments_of_a_simulated_past_are_those_of_its_sales(past):
    frames, _ = past
    moments = shop_moments(frames)
    sales = frames["sales"]
    value = (sales["quantity"] * sales["unit_price"]).groupby(sales["date"]).sum()
    assert moments["Shop day", "sales value, mean [money]"] == pytest.approx(value.mean(), rel=1e-3)
    assert moments["Weekday (sales rows, mean = 1)", "Saturday"] > 1.0
    assert 0 < moments["Clearance", "item-days with a discount, share"] < 0.4
    long_pasts_only = ("Moving together", "log value, autocorrelation at 28 days")
    assert all(np.isfinite(v) for key, v in moments.items() if not set(key) & set(long_pasts_only))


def test_side_by_side_table():
    table = side_by_side({"reference": {("Prices", "mean"): 1234.5}, "simulated": {("Prices", "mean"): 0.12345}})
    assert table.splitlines()[-1] == "| mean | 1,234 | 0.123 |"


def test_a_folder_without_tables_is_named(tmp_path):
    with pytest.raises(DataError, match="items, sales, wholesale"):
        read_frames(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["--data", str(tmp_path), "--output", str(tmp_path / "page.md")])
    assert stopped.value.code == DataError.exit_code
    assert not (tmp_path / "page.md").exists()


@pytest.mark.real
def test_reference_moments_are_the_known_ones(real_data):
    moments = shop_moments(read_frames(real_data))
    assert moments["Shop day", "items sold, mean"] == pytest.approx(42.9, abs=0.1)
    assert moments["Shop day", "sales rows, mean"] == pytest.approx(810, abs=1)
    assert moments["Wholesale price", "markup: price ÷ (cost/(1−loss)), 50% quantile"] == pytest.approx(1.5, abs=0.01)
    assert moments["Clearance", "discount, 50% quantile"] == pytest.approx(0.30, abs=0.01)
