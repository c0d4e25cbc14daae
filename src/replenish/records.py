"""The frozen records that travel between the stages. Nobody changes their arrays and tables in place."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

Grade = Literal["error", "warning", "information"]
OverrideKind = Literal["price", "order", "min_order", "max_order", "must_list", "never_list"]


@dataclass(frozen=True)
class Finding:
    """One line of the data report: `count` of `total` rows of `table` are `what`, with examples and advice."""

    grade: Grade
    table: str
    what: str
    count: int
    total: int
    examples: tuple[str, ...] = ()
    advice: str = ""


@dataclass(frozen=True)
class Tables:
    """The checked input of a shop (or several): see `schemas.py` for the columns of each table.

    `daily_sales` and `intraday_sales` are the transactions rolled up; `findings` is what the reading noticed;
    `fingerprint` is the SHA-256 of the content (the same rows give the same fingerprint wherever they lie).
    """

    items: pd.DataFrame
    daily_sales: pd.DataFrame
    intraday_sales: pd.DataFrame
    wholesale: pd.DataFrame
    stock: pd.DataFrame | None = None
    orders: pd.DataFrame | None = None
    events: pd.DataFrame | None = None
    weather: pd.DataFrame | None = None
    competitor_prices: pd.DataFrame | None = None
    customers: pd.DataFrame | None = None
    findings: tuple[Finding, ...] = ()
    fingerprint: str = ""
    source: str = ""

    DATED: ClassVar[tuple[str, ...]] = (
        "daily_sales",
        "intraday_sales",
        "wholesale",
        "stock",
        "orders",
        "competitor_prices",
        "customers",
    )
    ANNOUNCED: ClassVar[tuple[str, ...]] = ("events", "weather")

    def up_to(self, as_of: date | pd.Timestamp) -> Tables:
        """What was known on the evening of `as_of`: observations up to it, announcements with `known_at` up to it."""
        day = pd.Timestamp(as_of)
        kept: dict[str, Any] = {}
        for names, column in ((self.DATED, "date"), (self.ANNOUNCED, "known_at")):
            for name in names:
                frame = getattr(self, name)
                if frame is not None:
                    kept[name] = _rows(frame, frame[column] <= day)
        return replace(self, **kept)

    def for_store(self, store: str) -> Tables:
        """The rows of one store in every table."""
        kept: dict[str, Any] = {}
        for name in ("items", *self.DATED, *self.ANNOUNCED):
            frame = getattr(self, name)
            if frame is not None:
                kept[name] = _rows(frame, frame["store"] == store)
        return replace(self, **kept)

    @property
    def stores(self) -> list[str]:
        """Store names, sorted."""
        return sorted(self.items["store"].unique())


def _rows(frame: pd.DataFrame, wanted: pd.Series) -> pd.DataFrame:
    """The wanted rows; the frame itself when that is all of them, as in a shop of one store on its last evening."""
    return frame if wanted.all() else frame[wanted]


def arrived(orders: pd.DataFrame) -> pd.Series:
    """Quantity that came in by the table of orders: what was received where that is known, else what was ordered."""
    return orders["ordered"] if "received" not in orders else orders["received"].fillna(orders["ordered"])


@dataclass(frozen=True)
class DemandHistory:
    """What the shop's past says, cleaned, on a grid of the days each item was around; one store.

    `panel` key (item_code, date): category, unit, sold, full_price_sold, clearance_sold [unit], full_price [money/unit,
    that day's, empty when none], reference_price (last full price up to and including the day), wholesale_price (last
    valid), transactions, full_price_transactions, offered (probability), closed, sold_out_probability, hidden (by a
    stock-out) [unit], demand [unit], demand_weight (0–1), clearance_day. `calendar` key date: closed, holiday features.
    `profile` key (category, weekday, half_hour): cumulative share of the day's full-price sales at the end of that
    half hour, with those that stock-outs hid.
    `findings`: notes for the data report. `mornings` key (category, date): full-price sales before noon; empty
    without times of sales.
    """

    store: str
    as_of: pd.Timestamp
    items: pd.DataFrame
    panel: pd.DataFrame
    calendar: pd.DataFrame
    profile: pd.DataFrame
    clearance: pd.DataFrame
    findings: tuple[Finding, ...] = ()
    mornings: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class PriceResponse:
    """Posterior of the price elasticity of demand.

    `items` key item_code: category, elasticity (posterior mean, negative), sd_item, sd_shared, elasticity_iv, se_iv,
    elasticity_ols, first_stage_f, observations, shrinkage (weight of the prior), method. `categories` key category:
    the same for the category's average item; common_… for a common move of all its prices; transfer_… for the share of
    unserved demand that moves to other items (see `pricing.substitution.TransferShare`).
    """

    items: pd.DataFrame
    categories: pd.DataFrame


@dataclass(frozen=True)
class FittedModels:
    """Everything fitted for one store, kept and reused until stale (`reuse.py`; `store/models.py` writes it to disk).

    `fitted_as_of`: evening up to which the members know the data; `validated_as_of`: evening on which price response,
    blend weights, bands and joint residuals were measured. `fingerprint`: of what the store knew on the first of these
    (`fingerprint.known_fingerprint`). `settings`: those that decide what is fitted (`settings.fitting_settings`).
    `boosting`: LightGBM model text (empty: member not used). `frames`: smoothing, weights, carry, curve, arima,
    residuals, paths, bands, horizon, launch (plain tables). `meta`: plain JSON. `notes`: what the planner should know
    of how they came about; not kept.
    `composites`: the models of the categories' composites, with which items are reconciled; none: they are not.
    """

    store: str
    fitted_as_of: pd.Timestamp
    validated_as_of: pd.Timestamp
    fingerprint: str
    settings: dict[str, Any]
    price_response: PriceResponse
    boosting: str
    frames: dict[str, pd.DataFrame]
    meta: dict[str, Any]
    notes: tuple[str, ...] = ()
    composites: FittedModels | None = None


@dataclass(frozen=True)
class JointErrors:
    """What past forecasts missed together, in standardised residuals.

    `factors` key (origin, horizon, category): `error`, the mean over the items of the category. `persistence`:
    correlation of what is left to an item on two days that follow each other; `spread`: its standard deviation.
    """

    factors: pd.DataFrame
    persistence: float
    spread: float


@dataclass(frozen=True)
class DemandForecast:
    """Demand at the reference price if offered; one store.

    `table` key (item_code, date): item_name, category, unit, reference_price, horizon, mean, sigma, q025 … q975 [unit],
    offered_share, demand_share (demand per unit of expected sales), model (which members, or why a
    fallback). `residuals` past days × item codes: standardised residuals (actual − forecast)/σ of whole past days,
    NaN where nothing was observed: the material of the joint scenarios. `members` key (item_code, date): one column
    per member. `weights` per category: blend weights. `notes`: fallbacks. `joint`: the material of sample paths over
    several days (`forecast.paths`).
    """

    table: pd.DataFrame
    residuals: pd.DataFrame
    members: pd.DataFrame
    weights: pd.DataFrame
    notes: tuple[str, ...] = ()
    joint: JointErrors | None = None


@dataclass(frozen=True)
class CostForecast:
    """Wholesale price of the planned days: `table` key (item_code, date): unit_cost [money/unit], log_sd."""

    table: pd.DataFrame


@dataclass(frozen=True)
class Scenarios:
    """Joint draws for one store and day. Shapes: n scenarios × items, in the order of `item_codes`.

    `demand` [unit] at the reference price, `elasticity` (negative), `cost` [money/unit].
    `demand_at` keeps the mean curve at the posterior mean elasticity, so that ignorance does not pay.
    `drawn_days`: the past day behind each scenario, for resampling. `transfers` [unit at the reference price]: demand
    that reaches an item because others are not listed or run out; none when absent. Of a unit the
    item itself does not serve: `found_elsewhere`, the share that others have on the shelf, and `worth_elsewhere`, what
    it earns there [money/unit]; nothing when absent.
    """

    item_codes: tuple[str, ...]
    demand: NDArray[np.float64]
    elasticity: NDArray[np.float64]
    mean_elasticity: NDArray[np.float64]
    cost: NDArray[np.float64]
    drawn_days: NDArray[np.datetime64]
    transfers: NDArray[np.float64] | None = None
    found_elsewhere: NDArray[np.float64] | None = None
    worth_elsewhere: NDArray[np.float64] | None = None

    @property
    def n(self) -> int:
        """Number of scenarios."""
        return int(self.demand.shape[0])

    @property
    def settled(self) -> bool:
        """Whether it is told what unserved demand finds elsewhere."""
        return self.found_elsewhere is not None

    def at_mean(self) -> Scenarios:
        """One scenario, every uncertain number at its mean, without transfers: what a deterministic plan goes by."""
        return Scenarios(
            self.item_codes, self.demand.mean(0)[None], self.mean_elasticity[None], self.mean_elasticity,
            self.cost.mean(0)[None], self.drawn_days[:1],
        )  # fmt: skip

    def demand_at(self, item: int, price_ratio: float) -> NDArray[np.float64]:
        """Demand of one item [unit, shape n] at `price_ratio` = price ÷ reference price, with what others pass on.

        `first_choice_at` is the same without.
        """
        passed_on = 0.0 if self.transfers is None else self.transfers[:, item]
        return np.asarray((self.demand[:, item] + passed_on) * self.price_factor(item, price_ratio))

    def first_choice_at(self, item: int, price_ratio: float) -> NDArray[np.float64]:
        """Demand of one item [unit, shape n] at that price ratio without what others pass on."""
        return np.asarray(self.demand[:, item] * self.price_factor(item, price_ratio))

    def price_factor(self, item: int, price_ratio: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Demand at `price_ratio` ÷ demand at the reference price; shape n, of several ratios a row each.

        Design, section 4: the elasticity draws are scaled so that their mean curve is that of the posterior mean.
        """
        ratio = np.asarray(price_ratio, dtype=float)[..., None]
        factor = np.power(ratio, self.elasticity[:, item])
        factor *= ratio ** self.mean_elasticity[item] / factor.mean(axis=-1, keepdims=True)
        return np.asarray(factor)


@dataclass(frozen=True)
class Override:
    """A planner's lock on one item: what kind, which value, who asked and why."""

    item_code: str
    kind: OverrideKind
    value: float | None = None
    author: str = ""
    reason: str = ""
    date: str | None = None
    store: str | None = None

    @property
    def words(self) -> str:
        """The lock as people say it, such as “李’s price lock at 4.5 (leaflet)”; the item is named apart."""
        kind = {"min_order": "least-order", "max_order": "most-order"}.get(self.kind, self.kind.replace("_", "-"))
        value = "" if self.value is None else f" at {self.value:g}"
        reason = f" ({self.reason})" if self.reason else ""
        whose = f"{self.author}’s" if self.author else "the"
        return f"{whose} {kind} lock{value}{reason}"


@dataclass(frozen=True)
class Solution:
    """Answer of the optimiser: `chosen` row numbers of the menu, objective, proven bound, relative gap, status."""

    chosen: tuple[int, ...]
    objective: float
    bound: float
    gap: float
    status: str
    solver: str
    seconds: float
    shortfall: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The plan of one store: `lines` and `candidates` as declared in `schemas.py`.

    `summary` is plain JSON: dates, evenings up to which the models know the data and on which they were validated
    (`models_as_of`, `models_validated_as_of`), totals, rules with their values and whether they bind, solver, status,
    gap, `promised`, `expected` (with standard error), `range_80`, and `demand_moved` (from missing to listed items
    [money]). `cover` key (date, category): value, cover, required.
    `forecast` key (item_code, date): mean and quantiles at the reference price. `price_curve` key (item_code, date,
    price): expected demand, best order, profit of every rung. `settings` is the full settings as JSON.
    """

    store: str
    lines: pd.DataFrame
    candidates: pd.DataFrame
    summary: dict[str, Any]
    cover: pd.DataFrame
    forecast: pd.DataFrame
    price_curve: pd.DataFrame
    overrides: tuple[Override, ...]
    settings: dict[str, Any]
    seed: int
    fingerprint: str

    def to_json(self) -> str:
        """The whole plan as one JSON document (dates as ISO text)."""
        frames = ("lines", "candidates", "cover", "forecast", "price_curve")
        body: dict[str, Any] = {k: json.loads(_iso(getattr(self, k)).to_json(orient="records")) for k in frames}
        body |= {"store": self.store, "summary": self.summary, "settings": self.settings, "seed": self.seed}
        body |= {"fingerprint": self.fingerprint, "overrides": [asdict(o) for o in self.overrides]}
        return json.dumps(body, ensure_ascii=False)


def _iso(frame: pd.DataFrame) -> pd.DataFrame:
    dates = frame.select_dtypes("datetime").columns
    return frame.assign(**{c: frame[c].dt.strftime("%Y-%m-%d") for c in dates})


@dataclass(frozen=True)
class Run:
    """A stored run: its identity, when and with what it was made, and the plan."""

    run_id: str
    created_at: str
    versions: dict[str, str]
    plan: Plan
    repeated: bool = False


@dataclass(frozen=True)
class Review:
    """A plan beside what happened.

    `lines` key (date, item_code): the planned line (order_quantity, price, expected_demand, expected_sales,
    expected_waste, expected_profit, profit_q10, profit_q90), `status` (planned and sold; planned, not sold; sold, not
    planned), what happened (sold, clearance_sold, demand, lost_sales, unsold, ordered, counted_left [unit],
    price_charged, wholesale_price [money/unit], revenue, shop_margin, profit_low, profit_high [money],
    sold_out_probability), whether price and order were followed, and `band` (below, inside, above the planned 80 %
    band, or open). Plan columns are empty for items that were not planned. `overrides`: one row per override and line,
    with its `gain` [money] where it can be told.
    `summary`: totals as plain JSON. `fingerprint`: of the tables it was judged on.
    """

    lines: pd.DataFrame
    overrides: pd.DataFrame
    summary: dict[str, Any]
    fingerprint: str

    def to_json(self) -> str:
        """The whole review as one JSON document (dates as ISO text)."""
        frames = ("lines", "overrides")
        body: dict[str, Any] = {k: json.loads(_iso(getattr(self, k)).to_json(orient="records")) for k in frames}
        return json.dumps(body | {"summary": self.summary, "fingerprint": self.fingerprint}, ensure_ascii=False)
