"""Stock-outs by silence: the formula by hand, its limits, and days whose true demand is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from replenish.history.profile import LastSales, Rhythm, UsualDay, day_share, usual_day, usual_share
from replenish.history.silence import arrival_concentration, hypergeometric, silence, silence_chance, still_to_come
from replenish.history.stockouts import SOLD_OUT, find_stockouts, learn_stockouts, told_by_counts
from replenish.settings import HistorySettings

SETTINGS = HistorySettings()
OPEN, CLOSE = 8, 20


@pytest.fixture
def profile() -> UsualDay:
    """Sales spread evenly from 8 to 20 o'clock: F(14) = ½."""
    share = np.clip((np.arange(48) + 1) / 2 - OPEN, 0, CLOSE - OPEN) / (CLOSE - OPEN)
    return UsualDay(pd.Index(["leafy"]), np.tile(share, (1, 7, 1)))


def last_sales(panel: pd.DataFrame, rhythm: Rhythm) -> LastSales:
    return LastSales.of(panel, rhythm.categories, rhythm.first)


def days(rows: list[tuple[float, float, bool]], item: str = "A", quantity: float = 1.0) -> pd.DataFrame:
    """One row per (transactions, hour of the last sale, clearance day), on consecutive days."""
    frame = pd.DataFrame(rows, columns=["transactions", "last_sale_hour", "clearance_day"])
    return frame.assign(
        item_code=item,
        category="leafy",
        date=pd.date_range("2024-03-04", periods=len(frame)),
        sold=frame["transactions"] * quantity,
        full_price_sold=frame["transactions"] * quantity,
        full_price_transactions=frame["transactions"],
        clearance_sold=0.0,
        offered=1.0,
        closed=False,
    ).astype({"transactions": "int64", "clearance_day": bool})


USUAL = [(20, 19.9, False)] * 3


def test_profile_of_transactions_by_hand():
    intraday = pd.DataFrame({
        "date": pd.to_datetime(["2024-03-04", "2024-03-04", "2024-03-11", "2020-03-09"]),
        "category": "leafy", "half_hour": [18, 20, 18, 30], "transactions": [1, 2, 1, 99],
    })  # fmt: skip
    rhythm = Rhythm.of(intraday)
    usual = usual_day(rhythm, pd.Timestamp("2024-03-11"))
    table = usual.table()
    at = table.set_index("half_hour")["cumulative"]
    assert len(table) == 48
    assert table[["category", "weekday"]].drop_duplicates().values.tolist() == [["leafy", 0]]
    assert (at[17], at[18], at[19], at[20], at[47]) == (0, 0.5, 0.5, 1, 1)
    rows = pd.DataFrame({"date": pd.Timestamp("2024-03-04"), "category": "leafy", "transactions": 1,
                         "full_price_transactions": 1, "last_sale_hour": [9.25, 10.25, 10.5, np.nan]})  # fmt: skip
    np.testing.assert_allclose(usual_share(usual, last_sales(rows, rhythm)), [0.25, 0.75, 1, np.nan])
    for unseen in (rows.assign(date=pd.Timestamp("2024-03-05")), rows.assign(category="roots")):
        assert np.isnan(usual_share(usual, last_sales(unseen, rhythm))).all(), "no Tuesday and no roots were seen"


def test_chance_of_the_silence_by_hand():
    """Gamma(80, 4), ten sales by F = ½, independent arrivals: (4.5 ÷ 5)^90, and a rate of 90 ÷ 4.5 for half a day."""
    one = np.ones(1)
    given = (80 * one, 4 * one, 10 * one, 0.5 * one, np.inf)
    quiet = silence(*given)
    to_come = still_to_come(*given, quiet)
    assert quiet.item() == pytest.approx(0.9**90)
    assert to_come.item() == pytest.approx(10.0)


@pytest.mark.parametrize("concentration", [4.0, 25.0])
def test_chance_of_the_silence_with_clusters_is_the_integral(concentration):
    """Rate and rhythm integrated out on a grid: r ~ Gamma(6, ½), G ~ Beta(sF, s(1 − F)), five sales by F = 0.6."""
    a, b, n, share = 6.0, 0.5, 5.0, 0.6
    rate, seen = np.meshgrid(np.linspace(0.005, 80, 4000), np.linspace(0.0005, 0.9995, 1000))
    density = stats.gamma.pdf(rate, a, scale=1 / b)
    density *= stats.beta.pdf(seen, concentration * share, concentration * (1 - share))
    seen_n = density * (rate * seen) ** n * np.exp(-rate * seen)
    given = [np.array([v]) for v in (a, b, n, share)]
    quiet = silence(*given, concentration)
    to_come = still_to_come(*given, concentration, quiet)
    assert quiet.item() == pytest.approx((seen_n * np.exp(-rate * (1 - seen))).sum() / seen_n.sum(), rel=2e-3)
    assert to_come.item() == pytest.approx((seen_n * rate * (1 - seen)).sum() / seen_n.sum(), rel=2e-3)


def test_many_clustered_parts_are_independent_arrivals():
    given = [np.array(v) for v in ([4.0, 90.0], [0.5, 2.0], [3.0, 60.0], [0.7, 0.9])]
    quiet = silence(*given, np.inf)
    np.testing.assert_allclose(silence(*given, 1e7), quiet, rtol=1e-4)
    np.testing.assert_allclose(still_to_come(*given, 1e7, quiet), still_to_come(*given, np.inf, quiet), rtol=1e-4)


def test_hypergeometric_against_scipy_and_where_scipy_fails():
    a, b, c, x = np.random.default_rng(1).uniform([1, 0.1, 3, 0.05], [40, 5, 60, 0.9], (200, 4)).T
    np.testing.assert_allclose(hypergeometric(a, b, c, x), special.hyp2f1(a, b, c, x), rtol=1e-5)
    # ₂F₁(a, b; b; x) = (1 − x)^(−a) (Abramowitz and Stegun 15.1.8).
    a, b, x = np.array([250.0, 800.0]), np.array([3.0, 0.4]), np.array([0.9, 0.4])
    np.testing.assert_allclose(np.log(hypergeometric(a, b, b, x)), -a * np.log1p(-x), rtol=1e-8)


def test_recovered_demand_by_hand(profile):
    """Ten days of 8 sales until the close, then 4 by 14:00 (half a day) and an empty shelf.

    Prior mean 8, least variance 0.04·8²: Gamma(25, 3.125); 29 ÷ 3.625 = 8 a day, half of it to come: 4 + 4 of 0.5 kg.
    """
    panel = days([(8, 20, False)] * 10 + [(4, 14.0, False)], quantity=0.5)
    told = np.r_[np.full(10, np.nan), 1.0]
    found = find_stockouts(panel, profile, SETTINGS, told)
    assert found["demand"].iloc[-1] == pytest.approx(4.0)
    assert found["demand_weight"].eq(1.0).all(), "to count busy days less would be to expect too little"
    assert found["hidden"].iloc[:10].eq(0.0).all(), "nothing can come after closing"
    limited = find_stockouts(panel, profile, HistorySettings(stockout_max_factor=1.5), told)
    assert limited["demand"].iloc[-1] == pytest.approx(1.5 * 2.0)
    off = find_stockouts(panel, profile, HistorySettings(stockout_max_factor=1.0), told)
    assert off["demand"].tolist() == panel["sold"].tolist()


def test_the_longer_the_silence_the_likelier_a_stockout(profile):
    """Same sales, ever earlier last ones; and what counts told overrules any silence."""
    panel = days([(20, 19.9, False)] * 20 + [(20, h, False) for h in (19, 17, 15, 13)])
    found = find_stockouts(panel, profile, SETTINGS)
    assert found["silence_p"].iloc[-4:].is_monotonic_decreasing
    assert found["sold_out_probability"].iloc[-4:].is_monotonic_increasing
    assert found["sold_out_probability"].iloc[-1] > 0.9
    told = np.r_[np.full(23, np.nan), 0.0]
    assert find_stockouts(panel, profile, SETTINGS, told)["hidden"].iloc[-1] == 0.0


def test_an_item_sold_out_often_is_suspected_sooner(profile):
    """Two items of the same sales; one is known to sell out every other day: its next silent day is likelier one."""
    often = days([(10, 19.5, False), (10, 16.0, False)] * 15 + [(10, 17.0, False)], "A")
    never = days([(10, 19.5, False)] * 30 + [(10, 17.0, False)], "B")
    told = np.r_[np.tile([0.0, 1.0], 15), np.nan, np.zeros(30), np.nan]
    found = find_stockouts(pd.concat([often, never], ignore_index=True), profile, SETTINGS, told)
    assert found["sold_out_probability"].iloc[30] > 2 * found["sold_out_probability"].iloc[-1]


def test_nothing_is_told_without_times(profile):
    found = find_stockouts(days([(30, np.nan, False)]), profile, SETTINGS)
    assert found["silence_p"].isna().all()
    assert (found["demand_weight"] == 1).all()
    nothing = UsualDay(profile.categories[:0], profile.share[:0])
    assert find_stockouts(days(USUAL), nothing, SETTINGS)["silence_p"].isna().all()


def test_clearance_sales_count_as_demand_by_the_share_taken_from_full_price(profile):
    panel = days([(10, 20, True)]).assign(full_price_sold=8.0, clearance_sold=5.0)
    assert find_stockouts(panel, profile, SETTINGS)["demand"].item() == 8 + 0.4 * 5


def test_without_times_an_empty_stock_keeps_the_day_from_teaching(profile):
    panel = pd.concat([days([(9, np.nan, False)] * 3, "A"), days([(9, np.nan, False)] * 3, "B")], ignore_index=True)
    stock = panel[["item_code", "date"]].assign(on_hand=[2.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    items = pd.DataFrame({"item_code": ["A", "B"], "shelf_life_days": [3, 1], "loss_rate": [0.1, 0.1]})
    told = told_by_counts(panel, items, stock, None)
    np.testing.assert_array_equal(told, [0, 1, 0, np.nan, np.nan, np.nan], "B is written off every evening")
    found = find_stockouts(panel, profile, SETTINGS, told)
    assert found["demand_weight"].tolist() == [1, 0, 1, 1, 1, 1]
    assert found["sold_out_probability"].tolist() == [0, 1, 0, 0, 0, 0]
    assert np.isnan(told_by_counts(panel, items, None, None)).all()


def test_nothing_left_may_have_been_written_off():
    """A keeps two days, a tenth is lost. 4 left and 10 come: 13 there. Sold 6: written off; 12: maybe; 13: sold out."""
    panel = days([(6, 19, False), (6, 19, False), (12, 19, False), (13, 19, False), (3, 19, False)])
    dates = panel[["item_code", "date"]]
    stock = pd.concat([dates.assign(date=dates["date"] - pd.Timedelta(days=1), on_hand=4.0).head(1),
                       dates.assign(on_hand=[4.0, 0.0, 0.0, 0.0, 0.0])], ignore_index=True)  # fmt: skip
    orders = dates.assign(ordered=[10.0, 10.0, 13 / 0.9, 13 / 0.9, 0.0], received=np.nan)
    items = pd.DataFrame({"item_code": ["A"], "shelf_life_days": [2], "loss_rate": [0.1]})
    np.testing.assert_array_equal(told_by_counts(panel, items, stock, orders), [0, 0, np.nan, 1, 1])
    np.testing.assert_array_equal(told_by_counts(panel, items, stock, None), [0, 1, 1, 1, 1])


def test_deliveries_tell_what_was_sold_to_the_last_by_hand():
    """A: 20 kg less 10 % are 18; 18 sold is all, 10 sold is not, 17 may be. B keeps: 4 were left the evening before."""
    panel = pd.concat([
        days([(18, 19, False), (10, 19, False), (17, 19, False)], "A"), days([(9, 19, False), (5, 19, False)], "B"),
        days([(9, 19, False)], "C"),
    ], ignore_index=True)  # fmt: skip
    orders = panel[["item_code", "date"]].assign(ordered=[20.0, 20.0, 20.0, 10.0, 10.0, 10.0], received=np.nan)
    stock = panel.loc[[3], ["item_code", "date"]].assign(on_hand=4.0)
    items = pd.DataFrame({
        "item_code": ["A", "B", "C"], "shelf_life_days": [1, 2, 2], "loss_rate": [0.1, 0.1, np.nan],
    })  # fmt: skip
    told = told_by_counts(panel, items, stock, orders)
    # B's first evening was counted; its second day had 4 + 9, 5 sold is little. C keeps, nobody counted it.
    np.testing.assert_array_equal(told, [1, 0, np.nan, 0, 0, np.nan])


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
    sold = panel["transactions"].astype(float)
    panel = panel.assign(sold=sold, full_price_sold=sold, full_price_transactions=sold, offered=1.0, closed=False)
    counts = pd.concat(times).groupby(["date", "half_hour"]).size().rename("transactions").reset_index()
    return panel, counts.assign(category="leafy"), panel["true"].to_numpy()


def test_false_alarms_are_rare():
    panel, intraday, _ = simulated(1, 150, 0.0)
    found = find_stockouts(panel, usual_day(Rhythm.of(intraday), panel["date"].max()), SETTINGS)
    assert found["silence_p"].notna().sum() > 2000
    assert (found["sold_out_probability"] > SOLD_OUT).mean() <= 0.01
    assert found["hidden"].sum() <= 0.01 * panel["sold"].sum()


def test_chances_are_calibrated_and_demand_is_near_the_truth():
    """15 % of the days end at 50 to 90 % of a usual day's sales: of the days given a chance, that share did."""
    panel, intraday, true = simulated(2, 150, 0.15)
    _, found = learn_stockouts(panel, intraday, panel["date"].max(), SETTINGS)
    cut, chance = panel["cut"].to_numpy(), found["sold_out_probability"].to_numpy()
    sold, demand = panel["sold"].to_numpy(), found["demand"].to_numpy()
    assert cut[chance > 0.9].mean() > 0.95
    assert cut[chance < 0.05].mean() < 0.05
    assert abs(demand.sum() / true.sum() - 1) < 0.02 < abs(sold.sum() / true.sum() - 1)
    flagged = chance > SOLD_OUT
    assert np.abs(demand - true)[flagged].sum() < 0.7 * np.abs(sold - true)[flagged].sum()


def test_chance_of_the_silence_with_clustered_arrivals_by_hand():
    """Beta(1, 1) varies over all shares alike: the chance that all n sales fall before t is ∫ x^n dx = 1 ÷ (n + 1)."""
    share, n = np.array([0.5, 0.5, 1.0]), np.array([1.0, 9.0, 9.0])
    np.testing.assert_allclose(silence_chance(share, n, 2.0), [1 / 2, 1 / 10, 1.0])
    np.testing.assert_allclose(silence_chance(share, n, np.inf), [1 / 2, 1 / 512, 1.0])


@pytest.mark.parametrize(("true", "around"), [(np.inf, (60, np.inf)), (10.0, (7, 15)), (5.0, (4, 10))])
def test_concentration_is_told_from_clean_and_from_contaminated_days(true, around):
    """4,000 days whose last sale is drawn from the model; then three in ten of them end at half their time.

    Where it is known which they are, the days that are left tell what they told before.
    """
    rng = np.random.default_rng(3)
    n = rng.integers(6, 40, 4000).astype(float)
    grid = np.linspace(0.001, 1.0, 1000)
    chance = np.array([silence_chance(grid, np.full(1000, k), true) for k in n])
    last = grid[np.minimum((chance < rng.random((4000, 1))).sum(axis=1), 999)]
    short, every = rng.random(4000) < 0.3, np.ones(4000)
    cut = np.where(short, last / 2, last)
    for share, weight in ((last, every), (cut, every), (cut, np.where(short, 0.0, 1.0))):
        assert around[0] <= arrival_concentration(share, n, weight) <= around[1]
    assert arrival_concentration(cut, n, ~short * 1.0) == arrival_concentration(last[~short], n[~short], every[~short])


def test_concentration_of_days_that_are_hardly_ordinary_is_not_told():
    share, n = np.full(300, 0.01), np.full(300, 10.0)
    assert np.isfinite(arrival_concentration(share + 0.9, n, np.ones(300)))
    assert np.isinf(arrival_concentration(share + 0.9, n, np.full(300, 0.5)))


def test_a_day_that_ended_early_for_all_is_not_early_for_one():
    """By hand: usual share ½ counts 30; of the day's other 60 sales 60 had come by then: (15 + 60) ÷ 90."""
    panel = days([(10, 14.0, False)])
    intraday = panel[["category", "date"]].assign(half_hour=27, transactions=70)
    rhythm, unseen = Rhythm.of(intraday), Rhythm.of(intraday[:0])
    assert day_share(np.array([0.5]), rhythm, last_sales(panel, rhythm)) == pytest.approx([75 / 90])
    cleared = panel.assign(transactions=13)  # three more on discount, which the rhythm does not count
    assert day_share(np.array([0.5]), rhythm, last_sales(cleared, rhythm)) == pytest.approx([75 / 90])
    assert day_share(np.array([0.5]), unseen, last_sales(panel, unseen)) == pytest.approx([0.5])


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
    panel["full_price_transactions"] = panel["transactions"]
    panel = panel.assign(offered=1.0, closed=False).sort_values(["item_code", "date"], ignore_index=True)
    counts = pd.concat(times).groupby(["date", "half_hour"]).size().rename("transactions").reset_index()
    return panel, counts.assign(category="leafy")


def test_clustered_arrivals_are_no_stockouts():
    """Judged as independent, far more than a hundredth of these ordinary days would end too early."""
    panel, intraday = clustered(4, 150)
    as_of = panel["date"].max()
    _, found = learn_stockouts(panel, intraday, as_of, SETTINGS)
    rhythm = Rhythm.of(intraday)
    share = usual_share(usual_day(rhythm, as_of), last_sales(panel, rhythm))
    n = panel["transactions"].to_numpy(dtype=float)
    assert (silence_chance(share, n, np.inf) < 0.01).mean() > 0.1
    assert (found["sold_out_probability"] > SOLD_OUT).mean() <= 0.02


def test_many_sold_out_days_do_not_hide_themselves():
    """Two days in five sell out: what was learnt from them must not make them look ordinary."""
    panel, intraday, true = simulated(5, 150, 0.4)
    as_of = panel["date"].max()
    once = find_stockouts(panel, usual_day(Rhythm.of(intraday), as_of), SETTINGS)
    _, found = learn_stockouts(panel, intraday, as_of, SETTINGS)
    cut = panel["cut"].to_numpy()
    flagged = (found["sold_out_probability"] > SOLD_OUT).to_numpy()
    assert flagged[cut].mean() > 0.5
    assert cut[flagged].mean() > 0.95
    missed = [abs(frame["demand"].sum() / true.sum() - 1) for frame in (found, once)]
    assert missed[0] < missed[1]
    assert missed[0] < 0.03 < 1 - panel["sold"].sum() / true.sum()
    pd.testing.assert_frame_equal(found, learn_stockouts(panel, intraday, as_of, SETTINGS)[1])
