"""Own-price elasticity of demand: panel instrumental variables, shrunk from item to category to a published prior.

ln q_it = β_i ln p_it + item × period effects + date effects + ε_it, instrument of ln p_it: ln wholesale cost.
Item × half-year effects are the main specification; item and item × month are the sensitivity: the spread between them
enters the variance, since season and quality move cost and demand together, which no first-stage F can rule out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from replenish.history.stockouts import SOLD_OUT
from replenish.pricing.fixed_effects import WEAK_F, normal_update, residuals, within
from replenish.records import DemandHistory, PriceResponse
from replenish.settings import PricingSettings

EFFECTS = {"item": "item_code", "half_year": "item_half_year", "month": "item_month"}
MAIN = "half_year"
COLUMNS = ("log_quantity", "log_price", "log_cost")
CLUSTERS = ("item_code", "day")
DECIMALS = 7  # see fixed_effects.EFFECTS_TOLERANCE
MIN_ROWS = 60
MIN_ITEM_ROWS = 40
LARGEST = -0.05  # draws stay below: no item sells more for being dearer


def estimate_elasticities(history: DemandHistory, settings: PricingSettings) -> PriceResponse:
    """Posterior elasticities of every item and category of the history (see `records.PriceResponse`).

    Sources: two-stage least squares per category with two-way clustered errors (item and date); normal–normal
    empirical Bayes. A category whose first-stage F is below 10, or with fewer than 60 rows, keeps the prior.
    """
    rows = estimation_rows(history.panel)
    known = history.panel[["item_code", "category"]].drop_duplicates("item_code").set_index("item_code")["category"]
    categories, items = [], []
    for category in sorted(known.unique()):
        group = rows[rows["category"] == category]
        level = _category_posterior(category, group, settings)
        categories.append(level)
        items.append(_item_posteriors(known.index[known == category], group, level, settings))
    common = _common_moves(rows, sorted(known.unique()), settings)
    by_category = pd.DataFrame(categories).merge(common, on="category", validate="1:1")
    return PriceResponse(pd.concat(items, ignore_index=True).round(DECIMALS), by_category.round(DECIMALS))


def estimation_rows(panel: pd.DataFrame) -> pd.DataFrame:
    """Item-days fit for estimation: full-price sales, no clearance, no suspected stock-out, cost known; logs added."""
    usable = (panel["full_price_sold"] > 0) & ~panel["clearance_day"]
    usable &= (panel["demand_weight"] > 0) & (panel["sold_out_probability"] <= SOLD_OUT)
    usable &= panel["wholesale_price"].gt(0) & panel["full_price"].gt(0)
    rows = panel[usable]
    half = rows["date"].dt.year.astype("str") + "H" + ((rows["date"].dt.month + 5) // 6).astype("str")
    return rows.assign(
        log_quantity=np.log(rows["full_price_sold"]),
        log_price=np.log(rows["full_price"]),
        log_cost=np.log(rows["wholesale_price"]),
        item_half_year=rows["item_code"] + half,
        item_month=rows["item_code"] + rows["date"].dt.strftime("%Y%m"),
        day=rows["date"].dt.strftime("%Y%m%d"),
    )


def _category_posterior(category: str, rows: pd.DataFrame, settings: PricingSettings) -> dict[str, object]:
    """Elasticity of an average item of the category beside its rivals: IV combined with the prior."""
    prior, spread = settings.item_prior_elasticity, settings.prior_sd
    blank = {"elasticity_iv": np.nan, "se_iv": np.nan, "elasticity_ols": np.nan, "first_stage_f": np.nan}
    out: dict[str, object] = {"category": category, "observations": len(rows), **blank}
    if len(rows) < MIN_ROWS or len(rows["item_code"].unique()) < 2:
        return out | {"elasticity": prior, "sd": spread, "shrinkage": 1.0, "method": "prior: too few observations"}
    cleared = {k: within(rows, COLUMNS, [effect, "day"], CLUSTERS) for k, effect in EFFECTS.items()}
    estimates = {k: c.coefficient("log_quantity", "log_price", "log_cost") for k, c in cleared.items()}
    ols, _ = cleared[MAIN].coefficient("log_quantity", "log_price")
    first, first_se = cleared[MAIN].coefficient("log_price", "log_cost")
    f_stat = (first / first_se) ** 2
    beta, se = estimates[MAIN]
    se = _widen(se, estimates, len(rows["item_code"].unique()))
    out |= {"elasticity_iv": beta, "se_iv": se, "elasticity_ols": ols, "first_stage_f": f_stat}
    if not np.isfinite([beta, se, f_stat]).all() or f_stat < WEAK_F:
        return out | {"elasticity": prior, "sd": spread, "shrinkage": 1.0, "method": "prior: weak instrument"}
    mean, sd, weight = normal_update(beta, se, prior, spread)
    return out | {"elasticity": min(mean, LARGEST), "sd": sd, "shrinkage": weight, "method": "iv"}


def _widen(se: float, estimates: dict[str, tuple[float, float]], clusters: int) -> float:
    """Standard error widened for few clusters (t against normal) and by the farthest of the other specifications.

    What season and quality do to cost and demand together shows in that distance, and in no standard error.
    """
    main = estimates[MAIN][0]
    others = [abs(beta - main) for name, (beta, _) in estimates.items() if name != MAIN and np.isfinite(beta)]
    few = stats.t.ppf(0.975, max(clusters - 1, 1)) / stats.norm.ppf(0.975)
    return float(np.hypot(se * few, max(others, default=0.0)))


def _item_posteriors(
    item_codes: pd.Index, rows: pd.DataFrame, level: dict[str, object], settings: PricingSettings
) -> pd.DataFrame:
    """Posterior of every item: its own IV estimate, where it has one, shrunk to the category posterior."""
    out = pd.DataFrame({"item_code": item_codes, "category": level["category"]})
    own = _item_estimates(rows) if level["method"] == "iv" else pd.DataFrame(columns=["item_code", *_ITEM_COLUMNS])
    out = out.merge(own, how="left", on="item_code", validate="1:1").astype(dict.fromkeys(_ITEM_COLUMNS, "float64"))
    mean, shared = float(level["elasticity"]), float(level["sd"])  # type: ignore[arg-type]
    usable = out["se_iv"].gt(0) & out["first_stage_f"].ge(WEAK_F)
    variance = out["se_iv"].where(usable, 1.0).to_numpy(dtype=float) ** 2
    weight = np.where(usable, variance / (variance + settings.item_sd**2), 1.0)
    estimate = out["elasticity_iv"].where(usable, mean)
    out["elasticity"] = np.minimum(weight * mean + (1 - weight) * estimate, LARGEST)
    out["sd_item"] = settings.item_sd * np.sqrt(weight)
    out["sd_shared"] = shared * weight
    out["shrinkage"] = weight
    out["observations"] = out["observations"].fillna(0).astype("int64")
    out["method"] = np.where(usable, "iv shrunk to category", f"category ({level['method']})")
    return out


_ITEM_COLUMNS = ["elasticity_iv", "se_iv", "elasticity_ols", "first_stage_f", "observations"]


def _item_estimates(rows: pd.DataFrame) -> pd.DataFrame:
    """Just-identified IV per item on the category's demeaned data.

    Standard errors are heteroskedasticity-robust (HC1); the rows of one item are days, whose dependence the clustered
    category error carries.
    """
    cleared = residuals(rows, COLUMNS, [EFFECTS[MAIN], "day"])
    frame = pd.DataFrame(cleared, columns=["y", "x", "z"]).assign(item_code=rows["item_code"].to_numpy())
    out = [_one_item(str(code), g[["y", "x", "z"]].to_numpy()) for code, g in frame.groupby("item_code")]
    return pd.DataFrame(out)


def _one_item(code: str, yxz: NDArray[np.float64]) -> dict[str, object]:
    y, x, z = yxz.T
    n, zx, zz = len(y), float(z @ x), float(z @ z)
    row: dict[str, object] = {"item_code": code, **dict.fromkeys(_ITEM_COLUMNS, np.nan), "observations": n}
    if n < MIN_ITEM_ROWS or zz <= 1e-9 or abs(zx) <= 1e-9 or float(x @ x) <= 1e-9:
        return row
    beta, pi = float(z @ y) / zx, zx / zz
    scale = n / (n - 2)
    se = float(np.sqrt(scale * np.sum((z * (y - beta * x)) ** 2))) / abs(zx)
    se_pi = float(np.sqrt(scale * np.sum((z * (x - pi * z)) ** 2))) / zz
    ols = float(x @ y) / float(x @ x)
    f_stat = (pi / se_pi) ** 2 if se_pi > 0 else np.inf
    return row | {"elasticity_iv": beta, "se_iv": se, "elasticity_ols": ols, "first_stage_f": f_stat}


def _common_moves(rows: pd.DataFrame, categories: list[str], settings: PricingSettings) -> pd.DataFrame:
    """Elasticity of category demand when all its prices move together, shrunk to the published prior.

    Category × day series of values at fixed item prices and of value-weighted price and cost indices; weekday and
    half-year effects; standard errors clustered by week. A weak first stage (F below 10) keeps the prior.
    """
    index = _category_indices(rows)
    out = []
    for category in categories:
        group = index[index["category"] == category]
        beta, se = _common_estimate(group)
        out.append(_common_row(str(category), beta, se, settings))
    return pd.DataFrame(out, columns=["category", "common_elasticity", "common_sd", "common_iv", "common_se"])


def _common_estimate(group: pd.DataFrame) -> tuple[float, float]:
    """IV coefficient and standard error of one category; NaN with few days or a weak instrument."""
    if len(group) < MIN_ROWS:
        return np.nan, np.nan
    cleared = within(group, COLUMNS, ["weekday", "half_year"], CLUSTERS)
    first, first_se = cleared.coefficient("log_price", "log_cost")
    if not (first / first_se) ** 2 >= WEAK_F:
        return np.nan, np.nan
    return cleared.coefficient("log_quantity", "log_price", "log_cost")


def _common_row(category: str, beta: float, se: float, settings: PricingSettings) -> dict[str, object]:
    prior, spread = settings.prior_elasticity, settings.prior_sd
    usable = np.isfinite(beta) and np.isfinite(se) and se > 0
    mean, sd, _ = normal_update(beta, se, prior, spread) if usable else (prior, spread, 1.0)
    return {"category": category, "common_elasticity": min(mean, LARGEST), "common_sd": sd,
            "common_iv": beta, "common_se": se}  # fmt: skip


def _category_indices(rows: pd.DataFrame) -> pd.DataFrame:
    """Key (category, date): log value at the items' mean prices, log price and log cost index, weights item values."""
    means = rows.groupby("item_code")[["log_price", "log_cost"]].transform("mean")
    value = rows["full_price_sold"] * np.exp(means["log_price"])
    parts = pd.DataFrame({
        "category": rows["category"], "date": rows["date"], "value": value,
        "price": value * (rows["log_price"] - means["log_price"]),
        "cost": value * (rows["log_cost"] - means["log_cost"]),
    })  # fmt: skip
    total = parts.groupby(["category", "date"]).sum().reset_index()
    return total.assign(
        log_quantity=np.log(total["value"]),
        log_price=total["price"] / total["value"],
        log_cost=total["cost"] / total["value"],
        weekday=total["date"].dt.day_of_week.astype("str"),
        half_year=total["date"].dt.year.astype("str") + (total["date"].dt.month > 6).astype("str"),
        item_code=total["date"].dt.strftime("%G%V"),
        day=total["date"].dt.strftime("%Y%m%d"),
    )


def draw_elasticities(
    response: PriceResponse, item_codes: tuple[str, ...], n: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Posterior draws, shape n × items: a category part shared by its items plus the item's own, kept below −0.05."""
    rows = response.items.set_index("item_code").loc[list(item_codes)]
    categories, position = np.unique(rows["category"].to_numpy(), return_inverse=True)
    shared = rng.standard_normal((n, len(categories)))[:, position] * rows["sd_shared"].to_numpy()
    own = rng.standard_normal((n, len(rows))) * rows["sd_item"].to_numpy()
    return np.asarray(np.minimum(rows["elasticity"].to_numpy() + shared + own, LARGEST))
