"""Stock-outs by silence: the formula by hand, its limits, and days whose true demand is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from replenish.history.stockouts import (
    arrival_concentration,
    day_share,
    empty_at_close,
    find_stockouts,
    hourly_profile,
    learn_stockouts,
    profile_at,
    silence_chance,
    sold_out_share,
)
from replenish.settings import HistorySettings

SETTINGS = HistorySettings()
OPEN, CLOSE = 8, 20


@pytest.fixture
def profile() -> pd.DataFrame:
    """Sales spread evenly from 8 to 20 o'clock: F(14) = ½."""
    half_hours = np.arange(48)
    share = np.clip((half_hours + 1) / 2 - OPEN, 0, CLOSE - OPEN) / (CLOSE - OPEN)
    return pd.concat([
        pd.DataFrame({"category": "leafy", "weekday": day, "half_hour": half_hours, "cumulative": share})
        for day in range(7)
    ])  # fmt: skip


def days(rows: list[tuple[float, float, bool]], item: str = "A", quantity: float = 1.0) -> pd.DataFrame:
    """One row per (transactions, hour of the last sale, clearance day), on consecutive days."""
    frame = pd.DataFrame(rows, columns=["transactions", "last_sale_hour", "clearance_day"])
    return frame.assign(
        item_code=item,
        category="leafy",
        date=pd.date_range("2024-03-04", periods=len(frame)),
        sold=frame["transactions"] * quantity,
        full_price_sold=frame["transactions"] * quantity,
        clearance_sold=0.0,
    ).astype({"transactions": "int64", "clearance_day": bool})


USUAL = [(20, 19.9, False)] * 3


def test_profile_of_transactions_by_hand():
    intraday = pd.DataFrame({
        "date": pd.to_datetime(["2024-03-04", "2024-03-04", "2024-03-11", "2020-03-09"]),
        "category": "leafy", "half_hour": [18, 20, 18, 30], "transactions": [1, 2, 1, 99],
    })  # fmt: skip
    profile = hourly_profile(intraday, pd.Timestamp("2024-03-11"))
    at = profile.set_index("half_hour")["cumulative"]
    assert len(profile) == 48
    assert (at[17], at[18], at[19], at[20], at[47]) == (0, 0.5, 0.5, 1, 1)
    date, category = pd.Series([pd.Timestamp("2024-03-04")] * 4), pd.Series(["leafy"] * 4)
    hours = pd.Series([9.25, 10.25, 10.5, np.nan])
    np.testing.assert_allclose(profile_at(profile, category, date, hours), [0.25, 0.75, 1, np.nan])
    assert np.isnan(profile_at(profile, category, date + pd.Timedelta(days=1), hours)).all(), "no Tuesday was seen"


def test_chance_of_the_silence_by_hand(profile):
    found = find_stockouts(days([*USUAL, (8, 14, False), (10, 14, False), (9, 17, False)]), profile, SETTINGS)
    np.testing.assert_allclose(found["silence_p"][3:], [0.5**8, 0.5**10, 0.75**9])
    assert found["demand_weight"].tolist() == [1, 1, 1, 0, 0.5, 1], "below 1 %: no target; below 0.1 %: recovered"
    assert found["demand"].iloc[3] == 8
    assert found["demand"].iloc[5] == 9


def test_recovered_demand_by_hand(profile):
    """Prior of three days with 20 sales: Gamma(80, 4). After 10 sales by F = ½ the rate is 90 / 4.5 = 20.

    Half a day is hidden, with probability 0.05 / (0.05 + 0.95·(4.5/5)^90) of being sold out.
    """
    found = find_stockouts(days([*USUAL, (10, 14, False)], quantity=0.5), profile, SETTINGS).iloc[-1]
    sold_out = 0.05 / (0.05 + 0.95 * 0.9**90)
    assert found["sold_out_probability"] == pytest.approx(sold_out)
    assert found["demand"] == pytest.approx(0.5 * (10 + sold_out * 20 * 0.5))


def test_recovery_is_at_most_twice_the_sold(profile):
    found = find_stockouts(days([*USUAL, (10, 11, False)]), profile, SETTINGS).iloc[-1]
    assert found["demand"] == 20


def test_not_below_six_sales_not_on_clearance_days_not_without_times(profile):
    found = find_stockouts(days([(5, 8.5, False), (30, 9, True), (30, np.nan, False)]), profile, SETTINGS)
    assert found["silence_p"].isna().all()
    assert (found["demand_weight"] == 1).all()
    assert find_stockouts(days(USUAL), profile.iloc[:0], SETTINGS)["silence_p"].isna().all()


def test_clearance_sales_count_as_demand_by_the_share_taken_from_full_price(profile):
    panel = days([(10, 19, True)]).assign(full_price_sold=8.0, clearance_sold=5.0)
    assert find_stockouts(panel, profile, SETTINGS)["demand"].item() == 8 + 0.4 * 5


def test_without_times_an_empty_stock_keeps_the_day_from_teaching(profile):
    panel = pd.concat([days([(9, np.nan, False)] * 3, "A"), days([(9, np.nan, False)] * 3, "B")], ignore_index=True)
    stock = panel[["item_code", "date"]].assign(on_hand=[2.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    empty = empty_at_close(panel, stock)
    assert empty.tolist() == [False, True, False, False, False, False], "B is written off every evening: no evidence"
    found = find_stockouts(panel, profile, SETTINGS, empty)
    assert found["demand_weight"].tolist() == [1, 0, 1, 1, 1, 1]
    assert found["sold_out_probability"].tolist() == [0, 1, 0, 0, 0, 0]
    assert not empty_at_close(panel, None).any()


def test_an_empty_stock_is_proof_even_of_few_sales_and_the_day_counts_in_full(profile):
    """Ten usual days of 8 sales, then 4 sales by 14:00 (half of the day) and an empty shelf."""
    panel = days([(8, 19.5, False)] * 10 + [(4, 14.0, False)])
    empty = np.r_[np.zeros(10, dtype=bool), True]
    found, blind = (find_stockouts(panel, profile, SETTINGS, known) for known in (empty, None))
    assert blind["demand"].iloc[-1] == 4.0
    assert found["sold_out_probability"].iloc[-1] == 1.0
    assert found["demand_weight"].iloc[-1] == 1.0
    # Prior 8 a day, 4 seen in half a day: the rate is 8, half of it was still to come.
    assert found["demand"].iloc[-1] == pytest.approx(8.0, abs=0.8)
    pd.testing.assert_frame_equal(found.iloc[:-1], blind.iloc[:-1])


def simulated(seed: int, days_each: int, sold_out_share: float) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Panel, intraday counts and true transactions of 20 items: negative binomial days, times around two peaks."""
    rng = np.random.default_rng(seed)
    rows, times = [], []
    for item in range(20):
        usual = rng.uniform(8, 50)
        for day in range(days_each):
            true = rng.poisson(rng.gamma(8, usual / 8))
            morning = rng.random(true) < 0.6
            peaks = np.where(morning, rng.normal(10, 1, true), rng.normal(17.5, 1, true))
            hours = np.sort(np.clip(peaks, 8, 20.99))
            stock = int(usual * rng.uniform(0.5, 0.9)) if rng.random() < sold_out_share else true
            seen = hours[: max(stock, 1)]
            if len(seen):
                date = pd.Timestamp("2024-01-01") + pd.Timedelta(days=day)
                rows.append((f"P{item:02d}", date, len(seen), seen[-1], true, len(seen) < true))
                times.append(pd.DataFrame({"date": date, "half_hour": (seen * 2).astype(int)}))
    columns = ["item_code", "date", "transactions", "last_sale_hour", "true", "cut"]
    panel = pd.DataFrame(rows, columns=columns).assign(category="leafy", clearance_day=False, clearance_sold=0.0)
    panel = panel.assign(sold=panel["transactions"].astype(float), full_price_sold=panel["transactions"].astype(float))
    counts = pd.concat(times).groupby(["date", "half_hour"]).size().rename("transactions").reset_index()
    return panel, counts.assign(category="leafy"), panel["true"].to_numpy()


def test_false_alarms_stay_near_the_stated_one_percent():
    panel, intraday, _ = simulated(1, 150, 0.0)
    found = find_stockouts(panel, hourly_profile(intraday, panel["date"].max()), SETTINGS)
    tested = found["silence_p"].notna()
    assert tested.sum() > 2000
    assert (found["silence_p"][tested] < 0.01).mean() <= 0.015


def test_recovered_demand_is_nearer_the_truth_than_sales():
    panel, intraday, true = simulated(2, 150, 0.15)
    found = find_stockouts(panel, hourly_profile(intraday, panel["date"].max()), SETTINGS)
    recovered = (found["silence_p"] < 0.001).to_numpy()
    sold, demand = panel["sold"].to_numpy(), found["demand"].to_numpy()
    assert recovered.sum() > 100
    assert abs(demand.sum() - true.sum()) < 0.7 * abs(sold.sum() - true.sum())
    assert np.abs(demand - true)[recovered].sum() < 0.7 * np.abs(sold - true)[recovered].sum()
    assert (demand <= 2 * sold + 1e-9).all()


def test_chance_of_the_silence_with_clustered_arrivals_by_hand():
    """Beta(1, 1) varies over all shares alike: the chance that all n sales fall before t is ∫ x^n dx = 1 ÷ (n + 1)."""
    share, n = np.array([0.5, 0.5, 1.0]), np.array([1.0, 9.0, 9.0])
    np.testing.assert_allclose(silence_chance(share, n, 2.0), [1 / 2, 1 / 10, 1.0])
    np.testing.assert_allclose(silence_chance(share, n, np.inf), [1 / 2, 1 / 512, 1.0])


@pytest.mark.parametrize(("true", "around"), [(np.inf, (60, np.inf)), (10.0, (7, 15)), (5.0, (4, 10))])
def test_concentration_is_told_from_clean_and_from_contaminated_days(true, around):
    """4,000 days whose last sale is drawn from the model; then three in ten of them end at half their time."""
    rng = np.random.default_rng(3)
    n = rng.integers(6, 40, 4000).astype(float)
    grid = np.linspace(0.001, 1.0, 1000)
    chance = np.array([silence_chance(grid, np.full(1000, k), true) for k in n])
    last = grid[np.minimum((chance < rng.random((4000, 1))).sum(axis=1), 999)]
    cut = np.where(rng.random(4000) < 0.3, last / 2, last)
    for share in (last, cut):
        assert around[0] <= arrival_concentration(share, n) <= around[1]


def test_share_of_sold_out_days_is_what_ordinary_ones_leave_over():
    ordinary, early = np.linspace(0, 1, 800), np.full(200, 0.001)
    assert sold_out_share(np.r_[ordinary, early]) == pytest.approx(0.2, abs=0.01)
    assert sold_out_share(ordinary) == 0.05
    assert sold_out_share(early[:100]) == 0.05, "too few days to tell"


def test_a_day_that_ended_early_for_all_is_not_early_for_one():
    """By hand: usual share ½ counts 30; of the day's other 60 sales 60 had come by then: (15 + 60) ÷ 90."""
    panel = days([(10, 14.0, False)])
    counts = np.zeros((1, 48))
    counts[0, 27:] = 70.0
    index = pd.MultiIndex.from_frame(panel[["category", "date"]])
    assert day_share(np.array([0.5]), pd.DataFrame(counts, index=index), panel) == pytest.approx([75 / 90])
    assert day_share(np.array([0.5]), pd.DataFrame(counts[:0], index=index[:0]), panel) == pytest.approx([0.5])


def clustered(seed: int, shops_days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """No stock-outs; every day of the shop and every item on it has a rhythm of its own (Dirichlet, 120 parts)."""
    rng = np.random.default_rng(seed)
    rows, times = [], []
    for date in pd.date_range("2024-01-01", periods=shops_days):
        shop = rng.dirichlet(np.full(120, 1.0)) + 1e-6
        for item in range(20):
            n = 6 + rng.poisson(5 + 2 * item)
            hours = 8 + (rng.choice(120, n, p=rng.dirichlet(15 * shop)) + rng.random(n)) / 10
            rows.append((f"P{item:02d}", date, n, hours.max()))
            times.append(pd.DataFrame({"date": date, "half_hour": (hours * 2).astype(int)}))
    panel = pd.DataFrame(rows, columns=["item_code", "date", "transactions", "last_sale_hour"])
    sold = panel["transactions"].astype(float)
    panel = panel.assign(category="leafy", clearance_day=False, clearance_sold=0.0, sold=sold, full_price_sold=sold)
    counts = pd.concat(times).groupby(["date", "half_hour"]).size().rename("transactions").reset_index()
    return panel, counts.assign(category="leafy")


def test_clustered_arrivals_are_no_stockouts():
    """Judged as independent, far more than a hundredth of these ordinary days would end too early."""
    panel, intraday = clustered(4, 150)
    as_of = panel["date"].max()
    profile, found = learn_stockouts(panel, intraday, as_of, SETTINGS)
    share = profile_at(profile, panel["category"], panel["date"], panel["last_sale_hour"])
    n = panel["transactions"].to_numpy(dtype=float)
    assert (silence_chance(share, n, np.inf) < 0.01).mean() > 0.1
    assert (found["silence_p"] < 0.01).mean() <= 0.03


def test_many_sold_out_days_do_not_hide_themselves():
    """Two days in five sell out: what was learnt from them must not make them look ordinary."""
    panel, intraday, true = simulated(5, 150, 0.4)
    as_of = panel["date"].max()
    once = find_stockouts(panel, hourly_profile(intraday, as_of), SETTINGS)
    _, found = learn_stockouts(panel, intraday, as_of, SETTINGS)
    cut = panel["cut"].to_numpy() & found["silence_p"].notna().to_numpy()
    early = (found["silence_p"] < 0.001).to_numpy()
    assert early[cut].mean() >= (once["silence_p"] < 0.001)[cut].mean() > 0.3
    assert panel["cut"].to_numpy()[(found["hidden"] > 0).to_numpy()].mean() > 0.95
    assert (found["silence_p"] < 0.01)[~panel["cut"].to_numpy()].mean() <= 0.015
    missed = [abs(frame["demand"].sum() / true.sum() - 1) for frame in (found, once)]
    assert missed[0] < 0.85 * missed[1]
    pd.testing.assert_frame_equal(found, learn_stockouts(panel, intraday, as_of, SETTINGS)[1])
