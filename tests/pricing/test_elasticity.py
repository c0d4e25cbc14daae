"""Price response on a simulated panel whose elasticity is known and whose prices answer to demand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from replenish.pricing.elasticity import _one_item, draw_elasticities, estimate_elasticities, estimation_rows
from replenish.records import DemandHistory, PriceResponse
from replenish.settings import PricingSettings

TRUE = -2.0
# A prior far from the truth and hardly believed, so that the estimate itself is seen.
OPEN = PricingSettings(prior_sd=5.0, item_sd=0.35)


def _panel(days: int = 400, items: int = 8, seed: int = 0, pass_through: float = 0.7) -> pd.DataFrame:
    """ln q = β ln p + u, ln p = pass_through · ln c + 0.4 u + noise: high demand makes dear, OLS is biased upwards."""
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2022-01-01", periods=days)
    parts = []
    for i in range(items):
        shock = rng.normal(0, 0.3, days)
        cost = 1.0 + np.cumsum(rng.normal(0, 0.04, days)) + rng.normal(0, 0.1, days)
        price = 0.5 + pass_through * cost + 0.4 * shock + rng.normal(0, 0.05, days)
        parts.append(pd.DataFrame({
            "item_code": f"i{i}", "category": "leafy", "date": dates, "full_price": np.exp(price),
            "wholesale_price": np.exp(cost), "full_price_sold": np.exp(4 + TRUE * price + shock),
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True).assign(clearance_day=False, demand_weight=1.0, sold_out_probability=0.0)


def _response(panel: pd.DataFrame, settings: PricingSettings = OPEN) -> PriceResponse:
    none = pd.DataFrame()
    history = DemandHistory("main", panel["date"].max(), none, panel, none, none, none)
    return estimate_elasticities(history, settings)


@pytest.fixture(scope="module")
def response() -> PriceResponse:
    return _response(_panel())


def test_instrument_finds_the_truth_that_least_squares_misses(response: PriceResponse) -> None:
    row = response.categories.iloc[0]
    assert row["method"] == "iv"
    assert row["first_stage_f"] > 100
    assert abs(row["elasticity_iv"] - TRUE) < 1.96 * row["se_iv"]
    assert abs(row["elasticity_iv"] - TRUE) < 0.15
    # Shoppers' demand moves the price by 0.4: least squares reads part of that as an answer to price.
    assert row["elasticity_ols"] > TRUE + 0.3
    assert row["shrinkage"] < 0.05


def test_items_are_estimated_too(response: PriceResponse) -> None:
    items = response.items
    assert len(items) == 8
    assert (items["method"] == "iv shrunk to category").all()
    assert items["elasticity"].to_numpy() == pytest.approx(TRUE, abs=0.35)
    assert (items["sd_item"] < OPEN.item_sd).all()
    assert (items["elasticity_ols"] > items["elasticity_iv"]).mean() > 0.8


def test_common_move_of_all_prices() -> None:
    # All costs of the category move together, so that its price index does too: the value demand answers by β.
    panel = _panel(seed=2)
    rng = np.random.default_rng(3)
    common = np.cumsum(rng.normal(0, 0.05, 400))
    day = (panel["date"] - panel["date"].min()).dt.days.to_numpy()
    panel = panel.assign(
        wholesale_price=panel["wholesale_price"] * np.exp(common[day]),
        full_price=panel["full_price"] * np.exp(0.7 * common[day]),
        full_price_sold=panel["full_price_sold"] * np.exp(TRUE * 0.7 * common[day]),
    )
    row = _response(panel).categories.iloc[0]
    assert row["common_iv"] == pytest.approx(TRUE, abs=0.3)


def test_thin_item_is_helped_by_its_category() -> None:
    # Forty-five days of one item: its own estimate is far off more often than the one shrunk to the category.
    own, shrunk = [], []
    for seed in range(6):
        panel = _panel(days=200, items=6, seed=10 + seed)
        thin = panel["item_code"].eq("i0") & (panel["date"] > panel["date"].min() + pd.Timedelta(days=45))
        row = _response(panel[~thin]).items.set_index("item_code").loc["i0"]
        if row["method"] == "iv shrunk to category":
            own.append(abs(row["elasticity_iv"] - TRUE))
        shrunk.append(abs(row["elasticity"] - TRUE))
        assert row["shrinkage"] > 0.02
    assert np.mean(shrunk) < 0.35
    assert not own or np.mean(shrunk) < np.mean(own)


def test_item_with_few_days_takes_its_category() -> None:
    panel = _panel()
    few = panel["item_code"].eq("i0") & (panel["date"] > pd.Timestamp("2022-01-20"))
    response = _response(panel[~few])
    row = response.items.set_index("item_code").loc["i0"]
    assert row["method"] == "category (iv)"
    assert row["elasticity"] == pytest.approx(response.categories["elasticity"].iloc[0])
    assert row["shrinkage"] == 1.0


def test_prior_pulls_an_estimate_by_its_weight() -> None:
    tight = PricingSettings(item_prior_elasticity=-0.8, prior_sd=0.1)
    row = _response(_panel(), tight).categories.iloc[0]
    weight = row["se_iv"] ** 2 / (row["se_iv"] ** 2 + 0.1**2)
    # The table is rounded to seven decimals, so that the same input gives the same plan.
    assert row["shrinkage"] == pytest.approx(weight, abs=1e-6)
    assert row["elasticity"] == pytest.approx(weight * -0.8 + (1 - weight) * row["elasticity_iv"], abs=1e-6)


def _with_quality_shock(seed: int, strength: float = 0.3) -> pd.DataFrame:
    """Quality swings over 150 days: a good crop is cheap and wanted, so cost tells of demand, the instrument fails."""
    panel = _panel(days=540, items=8, seed=seed)
    day = (panel["date"] - panel["date"].min()).dt.days.to_numpy()
    phase = np.random.default_rng(100 + seed).uniform(0, 2 * np.pi, 8)[panel["item_code"].str[1:].astype(int)]
    quality = strength * np.sin(2 * np.pi * day / 150 + phase)
    cheaper = 0.5 * quality
    return panel.assign(
        wholesale_price=panel["wholesale_price"] * np.exp(-cheaper),
        full_price=panel["full_price"] * np.exp(-0.7 * cheaper),
        full_price_sold=panel["full_price_sold"] * np.exp(-TRUE * 0.7 * cheaper + quality),
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_quality_shock_widens_the_interval_instead_of_lying(seed: int) -> None:
    clean = _response(_panel(days=540, items=8, seed=seed)).categories.iloc[0]
    row = _response(_with_quality_shock(seed)).categories.iloc[0]
    assert row["first_stage_f"] > 100  # relevance is no proof of validity
    assert abs(row["elasticity_iv"] - TRUE) > 0.3
    assert row["se_iv"] > 3 * clean["se_iv"]
    assert abs(row["elasticity_iv"] - TRUE) < 1.96 * row["se_iv"]


def test_weak_instrument_keeps_the_prior_and_says_so() -> None:
    response = _response(_panel(pass_through=0.0, items=4, days=200))
    row = response.categories.iloc[0]
    assert row["first_stage_f"] < 10
    assert row["method"] == "prior: weak instrument"
    assert (row["elasticity"], row["sd"]) == (OPEN.item_prior_elasticity, OPEN.prior_sd)
    assert (response.items["method"] == "category (prior: weak instrument)").all()
    # With nothing to go by, an item differs from the prior by the spread between categories and between items.
    assert np.allclose(response.items["sd_item"], OPEN.item_sd)
    assert np.allclose(response.items["sd_shared"], OPEN.prior_sd)


def _broken(kind: str) -> pd.DataFrame:
    panel = _panel(days=120, items=3)
    day = (panel["date"] - panel["date"].min()).dt.days
    change = {
        "one price": {"full_price": 5.0},
        "one cost": {"wholesale_price": 3.0},
        "one quantity": {"full_price_sold": 7.0},
        "price follows cost exactly": {"full_price": 1.5 * panel["wholesale_price"]},
        "nothing sold": {"full_price_sold": 0.0},
        "no cost": {"wholesale_price": np.nan},
        "no weight": {"demand_weight": 0.0},
        "sold out": {"sold_out_probability": 0.6},
        "bulk sale": {"full_price_sold": panel["full_price_sold"].where(day != 7, 1e9)},
    }
    if kind == "one item":
        return panel[panel["item_code"] == "i0"]
    if kind == "never two items on a day":
        return panel[(day % 3) == panel["item_code"].str[1].astype(int)]
    if kind == "empty":
        return panel.iloc[:3]
    return panel.assign(**change[kind])


@pytest.mark.parametrize(
    "kind",
    [
        "one price", "one cost", "one quantity", "price follows cost exactly", "nothing sold", "no cost", "no weight",
        "sold out", "bulk sale", "one item", "never two items on a day", "empty",
    ],
)  # fmt: skip
def test_bad_series_never_stops_the_plan(kind: str) -> None:
    response = _response(_broken(kind), PricingSettings())
    for table, column in ((response.items, "elasticity"), (response.categories, "elasticity")):
        assert len(table) >= 1
        assert table[column].between(-10, -0.05).all()
    assert response.categories["common_elasticity"].between(-10, -0.05).all()
    if kind not in ("bulk sale", "price follows cost exactly"):
        assert response.categories["method"].str.startswith("prior").all()
        assert response.categories["elasticity"].iloc[0] == -0.8


def test_days_that_tell_nothing_about_price_are_left_out() -> None:
    panel = _panel(days=5, items=1).assign(
        full_price_sold=[1, 0, 1, 1, 1],
        clearance_day=[False, False, True, False, False],
        demand_weight=[1, 1, 1, 0, 0.4],
        sold_out_probability=0.0,
    )
    rows = estimation_rows(panel)
    assert rows["date"].dt.day.tolist() == [1, 5]
    assert rows["item_half_year"].tolist() == ["i02022H1"] * 2


def test_half_years() -> None:
    panel = _panel(days=365, items=1)
    rows = estimation_rows(panel)
    first = rows.loc[rows["item_half_year"] == "i02022H1", "date"]
    assert (first.min(), first.max()) == (pd.Timestamp("2022-01-01"), pd.Timestamp("2022-06-30"))


def test_one_item_by_hand() -> None:
    # Just identified: z'y/z'x = (2·(−4) + …)/(…): y = −2x exactly, so β = −2 with no error; x = z/2, so π = 0.5.
    z = np.tile([-2.0, -1.0, 1.0, 2.0], 15)
    row = _one_item("A", np.column_stack([-z, z / 2, z]))
    assert row["elasticity_iv"] == pytest.approx(-2.0)
    assert row["se_iv"] == pytest.approx(0.0, abs=1e-12)
    assert row["first_stage_f"] == np.inf
    assert np.isnan(_one_item("A", np.column_stack([z, 0 * z, z]))["elasticity_iv"])  # type: ignore[arg-type]


def test_draws_share_a_category_part_and_stay_negative() -> None:
    items = pd.DataFrame({
        "item_code": ["A", "B", "C"], "category": ["leafy", "leafy", "fruit"], "elasticity": [-0.9, -1.0, -0.1],
        "sd_shared": 0.4, "sd_item": 0.1,
    })  # fmt: skip
    draws = draw_elasticities(PriceResponse(items, pd.DataFrame()), ("C", "A", "B"), 4000, np.random.default_rng(0))
    assert draws.shape == (4000, 3)
    assert draws.max() == -0.05
    assert draws[:, 1:].mean(0) == pytest.approx([-0.9, -1.0], abs=0.03)
    together = np.corrcoef(draws.T)
    assert together[1, 2] == pytest.approx(0.16 / 0.17, abs=0.05)
    assert abs(together[0, 1]) < 0.1
