"""Metrics worked by hand on two items and two origins."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from replenish.errors import ConfigError, DataError
from replenish.evaluate import metrics
from replenish.forecast.intervals import QUANTILE_NAMES


def make_rows() -> pd.DataFrame:
    """Three scored cells of the model `a`.

    item   actual  hidden  mean  q50  q10 … q90  price  naive_mae  naive_mse
    apple      10       2    12    8     6 … 12      2          4         16
    apple       6       0     6    5     4 … 8       2          4         16
    pepper      4       4     2    6     5 … 9      10          2          4
    """
    rows = pd.DataFrame({
        "model": "a", "store": "main", "item_code": ["apple", "apple", "pepper"],
        "origin": pd.to_datetime(["2023-01-01", "2023-01-02", "2023-01-02"]), "horizon": 1,
        "category": ["fruit", "fruit", "vegetable"], "actual": [10.0, 6.0, 4.0], "mean": [12.0, 6.0, 2.0],
        "sold_out": [False, False, True], "offered": [1.0, 1.0, 0.4], "price_assumed": [2.0, 2.0, 10.0],
        "naive_mae": [4.0, 4.0, 2.0], "naive_mse": [16.0, 16.0, 4.0], "hidden": [2.0, 0.0, 4.0],
        "cost_assumed": [1.0, 0.5, 2.5], "cost_actual": [1.25, 0.5, np.nan], "cost_log_sd": [0.1, 0.1, 0.1],
    })  # fmt: skip
    bands = {"q025": [3, 3, 5], "q05": [4, 4, 4], "q10": [6, 4, 5], "q25": [7, 5, 5], "q50": [8, 5, 6],
             "q75": [10, 6, 7], "q90": [12, 8, 9], "q95": [14, 9, 10], "q975": [15, 10, 11]}  # fmt: skip
    return rows.assign(**{name: np.array(values, dtype=float) for name, values in bands.items()})


@pytest.mark.parametrize(
    ("metric", "by_hand"),
    [
        (metrics.wape, (2 + 1 + 2) / 20),
        (metrics.wape_value, (2 * 2 + 1 * 2 + 2 * 10) / (20 + 12 + 40)),
        (metrics.bias, (2 + 0 - 2) / 20),
        (metrics.rmsse, np.sqrt((4 / 16 + 0 / 16 + 4 / 4) / 3)),
        (metrics.mase, (2 / 4 + 1 / 4 + 2 / 2) / 3),
        (metrics.nwrmsle, np.sqrt((np.log(13 / 11) ** 2 + 0 + np.log(5 / 3) ** 2) / 3)),
        (metrics.coverage_80, 2 / 3),  # the pepper's 4 is below its q10 of 5
        (metrics.width_80, (6 + 4 + 4) / 20),
        (metrics.coverage_95, 2 / 3),  # the pepper's 4 is below its q025 of 5
        (metrics.width_95, (12 + 7 + 6) / 20),
        (metrics.cost_error, 10 * 0.25 / (10 * 1.25 + 6 * 0.5)),
        (metrics.cost_coverage_80, 1 / 2),  # ln 1.25 = 0.22 is more than 1.28 · 0.1
    ],
)
def test_metrics_by_hand(metric: metrics.Metric, by_hand: float) -> None:
    assert metric(make_rows()) == pytest.approx(by_hand)


def test_pinball_by_hand() -> None:
    """Apple, actual 10: losses .05·6, .10·4, .25·3, .50·2, .75·0, .10·2, .05·4 = 2.85; ÷ 7 quantiles ÷ naive 4."""
    assert metrics.pinball(make_rows().iloc[:1]) == pytest.approx(2.85 / 7 / 4)


def test_cost_at_the_newsvendor_quantile_by_hand() -> None:
    """Apple, price 2: at cost 1 the median 8 is ordered, 2 short, margin 2 lost; at cost 0.5 the upper quartile 6.

    Pepper, price 10, cost 2.5: the upper quartile 7, 3 too many, 7.5 wasted. Value sold 20 + 12 + 40.
    """
    assert metrics.newsvendor(make_rows()) == pytest.approx((2 * 1 + 0 + 3 * 2.5) / 72)


def test_rows_without_bands_or_scale_are_left_out_of_the_metrics_that_need_them() -> None:
    rows = make_rows()
    rows.loc[2, [q for q in QUANTILE_NAMES if q != "q50"]] = np.nan
    rows.loc[0, ["naive_mae", "naive_mse"]] = 0.0
    assert metrics.coverage_80(rows) == 1.0
    assert metrics.wape(rows) == pytest.approx(5 / 20)
    assert metrics.mase(rows) == pytest.approx((1 / 4 + 2 / 2) / 2)
    assert np.isnan(metrics.coverage_80(rows.iloc[2:]))
    assert np.isnan(metrics.wape(rows.iloc[:0]))


def test_leaderboard_puts_the_best_model_first_with_an_interval_over_origins() -> None:
    """Model b is right everywhere. Resamples of the two origins of a give WAPE 2/10, 5/20 or 3/10."""
    rows = make_rows()
    perfect = rows.assign(model="b", q50=rows["actual"], mean=rows["actual"])
    board = metrics.leaderboard(pd.concat([rows, perfect]), days="all")
    assert board["model"].tolist() == ["b", "a"]
    assert board["rows"].tolist() == [3, 3]
    assert board["wape"].tolist() == pytest.approx([0.0, 5 / 20])
    assert (board.loc[1, "wape_low"], board.loc[1, "wape_high"]) == pytest.approx((2 / 10, 3 / 10))
    assert (board.loc[0, "wape_low"], board.loc[0, "wape_high"]) == (0.0, 0.0)


def test_leaderboard_by_group_and_by_kind_of_day() -> None:
    rows = make_rows()
    by_category = metrics.leaderboard(rows, by=["category"], days="all").set_index("category")
    pd.testing.assert_frame_equal(
        by_category, metrics.leaderboard(rows, by="category", days="all").set_index("category")
    )
    assert by_category["wape"].to_dict() == pytest.approx({"fruit": 3 / 16, "vegetable": 2 / 4})
    assert metrics.leaderboard(rows, days="offered")["rows"].tolist() == [2]
    assert metrics.leaderboard(rows, days="sold_out")["wape"].tolist() == pytest.approx([2 / 4])
    assert metrics.leaderboard(rows.assign(actual=0.0)).empty


def test_against_demand_what_stock_outs_hid_is_added_to_sales() -> None:
    """Demand 12, 6 and 8 against means of 12, 6 and 2 and medians of 8, 5 and 6; the pepper's 8 is inside 5 … 9."""
    (board,) = metrics.leaderboard(make_rows(), against="demand").to_dict("records")
    assert board["rows"] == 3
    assert board["bias"] == pytest.approx(-6 / 26)
    assert board["wape"] == pytest.approx((4 + 1 + 2) / 26)
    assert board["coverage_80"] == 1.0
    assert board["mase"] == pytest.approx((4 / 4 + 1 / 4 + 2 / 2) / 3)  # naive errors stay those of sales
    assert metrics.leaderboard(make_rows())["bias"].tolist() == pytest.approx([0.0])
    assert metrics.bias(metrics.scored(make_rows(), days="sold_out", against="demand")) == pytest.approx(-6 / 8)
    assert metrics.sold_out_share(make_rows()) == pytest.approx(1 / 3)


def test_days_whose_hidden_demand_nobody_knows_are_left_out_against_demand() -> None:
    rows = make_rows()
    rows.loc[2, "hidden"] = np.nan
    assert metrics.leaderboard(rows, against="demand")["rows"].tolist() == [2]
    assert metrics.leaderboard(rows)["rows"].tolist() == [3]
    with pytest.raises(ConfigError, match="no column hidden"):
        metrics.leaderboard(rows.drop(columns="hidden"), against="demand")
    assert metrics.leaderboard(rows.drop(columns="hidden"))["rows"].tolist() == [3]


def test_calibration_against_demand() -> None:
    """Demand of the pepper is 8: above its q75 of 7, below its q90 of 9; its sales of 4 lay at its q05."""
    pepper = make_rows().iloc[2:]
    sales, demand = (
        metrics.calibration(pepper, against=target).set_index("quantile")["share"] for target in ("sales", "demand")
    )
    assert sales.tolist() == [1.0] * 9
    assert demand.loc[[0.05, 0.75, 0.9]].tolist() == [0.0, 0.0, 1.0]


def test_rows_without_actual_are_not_scored() -> None:
    rows = make_rows()
    rows.loc[1, "actual"] = np.nan
    (board,) = metrics.leaderboard(rows, days="all").to_dict("records")
    assert (board["rows"], board["coverage_80"]) == (2, 1 / 2)
    assert metrics.coverage_80(rows) == 1 / 2
    assert metrics.calibration(rows, days="all")["rows"].unique().tolist() == [2]


def test_rows_without_a_group_are_a_group_of_their_own() -> None:
    rows = make_rows()
    rows.loc[2, "category"] = None
    assert metrics.leaderboard(rows, by="category")["rows"].tolist() == [2, 1]
    assert metrics.calibration(rows, by="category")["rows"].tolist() == [2] * 9 + [1] * 9


def test_columns_of_the_key_may_be_broken_down_by() -> None:
    rows = make_rows()
    assert metrics.leaderboard(rows, by=["model", "category", "category"])["rows"].tolist() == [2, 1]
    by_origin = metrics.leaderboard(rows, by="origin")
    assert by_origin["wape"].tolist() == pytest.approx([2 / 10, 3 / 10])
    assert by_origin["wape_low"].tolist() == pytest.approx([2 / 10, 3 / 10])


def test_stores_are_scored_together_or_apart() -> None:
    both = pd.concat([make_rows(), make_rows().assign(store="south", hidden=0.0)])
    assert metrics.leaderboard(both)["rows"].tolist() == [6]
    apart = metrics.leaderboard(both, by="store", against="demand")
    assert apart["bias"].tolist() == pytest.approx([-6 / 26, 0.0])


def test_rows_that_are_there_twice_are_refused() -> None:
    rows = make_rows()
    with pytest.raises(
        DataError, match=r"1 of 4 rows are there twice \(first: a, item pepper, 1 days after 2023-01-02"
    ):
        metrics.leaderboard(pd.concat([rows, rows.iloc[2:]]))


@pytest.mark.parametrize("by", [(), "category", ["category", "origin"]])
def test_no_rows_give_empty_tables(by: str | list[str]) -> None:
    none = make_rows().iloc[:0]
    assert metrics.leaderboard(none, by=by).empty
    assert metrics.calibration(none, by=by).empty
    assert np.isnan(metrics.sold_out_share(none))


def test_the_leaderboard_does_not_change_with_the_order_of_rows() -> None:
    rows = make_rows()
    pd.testing.assert_frame_equal(metrics.leaderboard(rows), metrics.leaderboard(rows.iloc[::-1]))


def test_volume_thirds_go_by_value_sold() -> None:
    """Mean value: apple (20 + 12)/2 = 16, pepper 40, plum 3·2 = 6."""
    plum = make_rows().iloc[:1].assign(item_code="plum", actual=3.0)
    volume = metrics.with_volume(pd.concat([make_rows(), plum], ignore_index=True))["volume"]
    assert volume.tolist() == ["middle", "middle", "high", "low"]
    assert metrics.with_volume(metrics.with_volume(make_rows())).columns.is_unique


def test_an_item_without_any_price_is_of_low_volume() -> None:
    rows = make_rows()
    rows.loc[rows["item_code"] == "pepper", "price_assumed"] = np.nan
    assert metrics.with_volume(rows)["volume"].tolist() == ["middle", "middle", "low"]


@pytest.mark.parametrize("table", [metrics.leaderboard, metrics.calibration])
def test_unknown_days_targets_and_columns_are_refused(table: Callable[..., pd.DataFrame]) -> None:
    with pytest.raises(ConfigError, match=r"Unknown days “quiet”: choose one of sold, offered, sold_out, all\."):
        table(make_rows(), days="quiet")
    with pytest.raises(ConfigError, match=r"Unknown against “truth”: choose one of sales, demand\."):
        table(make_rows(), against="truth")
    with pytest.raises(ConfigError, match="no column colour"):
        table(make_rows(), by=["colour"])
    with pytest.raises(ConfigError, match="no column naive_mae"):
        table(make_rows().drop(columns="naive_mae"))


def test_fewer_than_no_draws_are_refused() -> None:
    with pytest.raises(ConfigError, match="Draws cannot be negative; got -1"):
        metrics.leaderboard(make_rows(), draws=-1)


def test_calibration_by_hand() -> None:
    """Sold days of apples: 10 and 6 against medians of 8 and 5; against q90 of 12 and 8; q75 of 10 and 6 are met."""
    found = metrics.calibration(make_rows(), by=["category"]).set_index(["category", "quantile"])
    fruit = found.loc["fruit"]
    assert fruit.loc[[0.5, 0.75, 0.9], "share"].tolist() == [0, 1, 1]
    assert fruit.loc[[0.5, 0.75, 0.9], "below"].tolist() == [0, 0, 1]
    assert found["rows"].tolist() == [2] * 9 + [1] * 9
    bare = make_rows().assign(**dict.fromkeys(QUANTILE_NAMES, np.nan))
    assert metrics.calibration(bare).empty
