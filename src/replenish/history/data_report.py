"""The data report: what was read, and what in it a planner should know before trusting a plan.

Each check is a function of the tables that yields findings; nothing is changed or dropped here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
import pandas as pd

from replenish.errors import DataError
from replenish.history.stockouts import SOLD_OUT
from replenish.records import DemandHistory, Finding, Grade, Tables
from replenish.schemas import TABLES
from replenish.settings import HistorySettings, Settings

EXAMPLES = 3
EXIT_CODES: dict[Grade, int] = {"error": 3, "warning": 1, "information": 0}

BULK_FACTOR = 10.0
"""A sale is a bulk sale when it is this many times the item's usual largest sale of a day, and `BULK_SPREADS` robust
standard deviations above it on the log scale (judged only for items with `BULK_MIN_DAYS` days)."""
BULK_SPREADS = 4.0
BULK_MIN_DAYS = 5
LEAST_SPREAD = 0.2
PRICE_FACTOR = 5.0
"""A price is suspicious beyond this many times, or below this fraction of, the item's median price."""
SHARED_LOSS_ITEMS = 5
SHARED_LOSS_SHARE = 0.1
"""A loss rate is taken for a default when at least so many items, and such a share of all, have exactly the same."""
WHOLE_DAYS = 3
"""An item weighed in grams has whole kilograms on three days by chance once in 10⁹."""
OFFERED = 0.5

_KEY = ["store", "item_code"]
_DAY = ["store", "date"]


@dataclass(frozen=True)
class DataReport:
    """What was read (`source`, `fingerprint`) and the findings about it, errors first."""

    source: str
    fingerprint: str
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """3 with an error, 1 with a warning, else 0."""
        return max((EXIT_CODES[f.grade] for f in self.findings), default=0)

    def to_json(self) -> str:
        """The report as one JSON document."""
        body = asdict(self) | {"exit_code": self.exit_code}
        return json.dumps(body, ensure_ascii=False, indent=2)


def data_report(
    tables: Tables,
    settings: Settings,
    histories: Sequence[DemandHistory] = (),
    as_of: date | pd.Timestamp | None = None,
) -> DataReport:
    """The report on checked tables, as known on the evening of `as_of` (default: all of them).

    `histories` (one per store) add what cleaning found: sold-out days and days on offer. Raises `DataError` when there
    are no sales up to `as_of`.
    """
    known = tables if as_of is None else tables.up_to(as_of)
    if known.daily_sales.empty:
        first = f"{tables.daily_sales['date'].min():%Y-%m-%d}" if len(tables.daily_sales) else "none"
        raise DataError(f"sales: there are none up to {as_of:%Y-%m-%d} (the first: {first}).", "Choose a later date.")
    found = [*known.findings, *_stale(known, as_of)]
    for check in _CHECKS:
        found += check(known, settings.history)
    for history in histories:
        found += [*history.findings, *_sold_out(history), *_on_offer(history)]
    return DataReport(tables.source, tables.fingerprint, _sorted(found))


def error_report(error: DataError, source: str) -> DataReport:
    """The report on tables that cannot be used at all: every fault is an error."""
    return DataReport(source, "", error_findings(error))


def error_findings(error: DataError) -> tuple[Finding, ...]:
    """Every fault of the error as a finding."""
    return tuple(Finding("error", _table_of(fault), fault, 0, 0, (), error.advice) for fault in error.faults)


def sentence(finding: Finding) -> str:
    """The finding with its counts, for people: “22 of 251 items with a loss rate of 0”."""
    if not finding.total:
        return finding.what
    of = f" of {finding.total:,}" if finding.total != finding.count else ""
    return f"{finding.count:,}{of} {finding.what}"


def _table_of(fault: str) -> str:
    name = fault.split(":", 1)[0]
    return name if name in TABLES else ""


def _sorted(found: Sequence[Finding]) -> tuple[Finding, ...]:
    order = list(EXIT_CODES)
    return tuple(sorted(dict.fromkeys(found), key=lambda f: order.index(f.grade)))


# ---------------------------------------------------------------- examples


def _rows(frame: pd.DataFrame, value: str = "") -> tuple[str, ...]:
    """Examples such as “item P17, 2024-05-02: 0.01”."""
    shown = []
    for row in frame.head(EXAMPLES).to_dict("records"):
        parts = [f"item {row['item_code']}"] if "item_code" in row else []
        parts += [f"{row['date']:%Y-%m-%d}"] if "date" in row else []
        shown.append(", ".join(parts) + (f": {row[value]:g}" if value else ""))
    return tuple(shown)


def _names(items: pd.DataFrame) -> tuple[str, ...]:
    return tuple(items["item_name"].head(EXAMPLES))


# ---------------------------------------------------------------- what was read


def _extent(tables: Tables, _: HistorySettings) -> Iterator[Finding]:
    daily, items = tables.daily_sales, tables.items
    days = pd.date_range(daily["date"].min(), daily["date"].max())
    units = ", ".join(f"{n} in {unit}" for unit, n in items["unit"].value_counts().items())
    yield Finding(
        "information", "items", f"items in {items['category'].nunique()} categories ({units})", len(items), len(items)
    )
    yield Finding(
        "information",
        "sales",
        f"item-days with {int(daily['transactions'].sum()):,} sales, {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d} "
        f"({len(days):,} days)",
        len(daily),
        len(daily),
    )
    for name in (t for t in TABLES if t not in ("items", "sales")):
        frame = getattr(tables, name)
        if frame is not None and len(frame):
            span = f", {frame['date'].min():%Y-%m-%d} to {frame['date'].max():%Y-%m-%d}"
            yield Finding("information", name, f"rows{span}", len(frame), len(frame))


def _closed_days(tables: Tables, history: HistorySettings) -> Iterator[Finding]:
    closures = _closures(tables.events)
    for store, daily in tables.daily_sales.groupby("store"):
        sales = daily.groupby("date")["transactions"].sum()
        sales = sales.reindex(pd.date_range(sales.index.min(), sales.index.max()), fill_value=0)
        usual = sales[sales > 0].median()
        announced = pd.MultiIndex.from_product([[store], sales.index]).isin(closures)
        gaps = sales.index[(sales == 0) & ~announced]
        few = sales.index[(sales > 0) & (sales < history.closed_share * usual) & ~announced]
        if len(gaps):
            advice = "If the shop was closed, list the days in `events` (kind closure); if not, add the missing sales."
            yield Finding("warning", "sales", "days without any sale", len(gaps), len(sales), _dates(gaps), advice)
        if len(few):
            what = f"days with less than {history.closed_share:.0%} of the usual sales"
            yield Finding("warning", "sales", what, len(few), len(sales), _dates(few), "They are treated as closed.")
        if announced.any():
            what = "days announced as closed"
            yield Finding(
                "information", "events", what, int(announced.sum()), len(sales), _dates(sales.index[announced])
            )


def _closures(events: pd.DataFrame | None) -> pd.MultiIndex:
    closed = pd.DataFrame(columns=_DAY) if events is None else events.loc[events["kind"] == "closure", _DAY]
    return pd.MultiIndex.from_frame(closed)


def _dates(days: pd.Index) -> tuple[str, ...]:
    return tuple(f"{d:%Y-%m-%d}" for d in days[:EXAMPLES])


def _stale(tables: Tables, as_of: date | pd.Timestamp | None) -> Iterator[Finding]:
    last = tables.daily_sales["date"].max()
    late = 0 if as_of is None else (pd.Timestamp(as_of) - last).days
    if late > 0:
        what = f"days between the last sales ({last:%Y-%m-%d}) and the evening the plan is made"
        yield Finding("warning", "sales", what, late, late, (), "Add the latest sales: forecasts start from them.")


def _late_wholesale(tables: Tables, _: HistorySettings) -> Iterator[Finding]:
    last, sold = tables.wholesale["date"].max(), tables.daily_sales["date"].max()
    if last < sold:
        what = f"days of sales after the last wholesale price ({last:%Y-%m-%d})"
        total = (sold - tables.daily_sales["date"].min()).days + 1
        yield Finding("warning", "wholesale", what, (sold - last).days, total, (), "Costs will be extrapolated.")


# ---------------------------------------------------------------- sales


def _returns(tables: Tables, _: HistorySettings) -> Iterator[Finding]:
    daily = tables.daily_sales
    returned = daily[daily["return_quantity"] > 0]
    if len(returned):
        value = returned["return_quantity"].mul(returned["full_price"].fillna(returned["discounted_price"])).sum()
        what = f"returns, worth about {value / daily['revenue'].sum():.2%} of the revenue; sales are net of them"
        total = int(daily["transactions"].sum() + daily["returns"].sum())
        yield Finding("information", "sales", what, int(daily["returns"].sum()), total, _rows(returned))
    negative = daily[daily["quantity"] < 0]
    if len(negative):
        what = "item-days with more returned than sold, counted as zero demand"
        yield Finding("warning", "sales", what, len(negative), len(daily), _rows(negative, "quantity"))


def _bulk_sales(tables: Tables, _: HistorySettings) -> Iterator[Finding]:
    bulk = bulk_sales(tables.daily_sales)
    if len(bulk):
        what = f"single sales more than {BULK_FACTOR:g} times the item's usual largest sale"
        largest = bulk.sort_values("largest_sale", ascending=False)
        advice = "Bulk orders, or typing errors: check them. They count as sales as they are."
        yield Finding(
            "warning", "sales", what, len(bulk), len(tables.daily_sales), _rows(largest, "largest_sale"), advice
        )


def bulk_sales(daily_sales: pd.DataFrame) -> pd.DataFrame:
    """The rows of `daily_sales` with a single sale far above the item's usual largest one (see `BULK_FACTOR`)."""
    daily = daily_sales.dropna(subset="largest_sale")
    size = np.log(daily["largest_sale"].to_numpy())
    above, spread, days = _robust(pd.Series(size, index=daily.index), daily)
    bulk: pd.Series = (above > np.log(BULK_FACTOR)) & (above > BULK_SPREADS * spread) & (days >= BULK_MIN_DAYS)
    return daily.loc[bulk]


def _robust(values: pd.Series, keys: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Distance from the item's median, the item's spread (scaled median absolute deviation), and its number of rows."""
    by = [keys[k] for k in _KEY]
    above = values - values.groupby(by).transform("median")
    spread = above.abs().groupby(by).transform("median") * 1.4826
    return above, spread.clip(lower=LEAST_SPREAD), values.groupby(by).transform("size")


def _odd_sales_prices(tables: Tables, _: HistorySettings) -> Iterator[Finding]:
    priced = tables.daily_sales.dropna(subset="full_price")
    odd = priced[_is_odd(priced, "full_price")]
    if len(odd):
        what = f"item-days whose full price is {PRICE_FACTOR:g} times, or a fraction of, the item's median"
        yield Finding("warning", "sales", what, len(odd), len(priced), _rows(odd, "full_price"), "Check the prices.")


def _is_odd(frame: pd.DataFrame, column: str) -> pd.Series:
    ratio = frame[column] / frame.groupby(_KEY)[column].transform("median")
    return (ratio > PRICE_FACTOR) | (ratio < 1 / PRICE_FACTOR)


def _never_sold(tables: Tables, _: HistorySettings) -> Iterator[Finding]:
    sold = pd.MultiIndex.from_frame(tables.daily_sales[_KEY].drop_duplicates())
    silent = tables.items[~pd.MultiIndex.from_frame(tables.items[_KEY]).isin(sold)]
    if len(silent):
        yield Finding("information", "items", "items never sold", len(silent), len(tables.items), _names(silent))


# ---------------------------------------------------------------- wholesale


def _wholesale_prices(tables: Tables, history: HistorySettings) -> Iterator[Finding]:
    frame = tables.wholesale
    impossible = frame[frame["wholesale_price"] < history.invalid_cost_below]
    if len(impossible):
        what = f"wholesale prices below {history.invalid_cost_below:g}"
        advice = "They are not used. The limit is history.invalid_cost_below."
        yield Finding(
            "warning", "wholesale", what, len(impossible), len(frame), _rows(impossible, "wholesale_price"), advice
        )
    valid = frame[frame["wholesale_price"] >= history.invalid_cost_below]
    odd = valid[_is_odd(valid, "wholesale_price")].sort_values("wholesale_price", ascending=False)
    if len(odd):
        what = f"wholesale prices {PRICE_FACTOR:g} times, or a fraction of, the item's median"
        yield Finding(
            "warning", "wholesale", what, len(odd), len(frame), _rows(odd, "wholesale_price"), "Check the prices."
        )


def _missing_costs(tables: Tables, history: HistorySettings) -> Iterator[Finding]:
    daily = tables.daily_sales
    valid = tables.wholesale[tables.wholesale["wholesale_price"] >= history.invalid_cost_below]
    sold = tables.items.merge(daily[_KEY].drop_duplicates(), on=_KEY, validate="1:1")
    for store, mine in sold.groupby("store"):
        if not len(valid[valid["store"] == store]):
            what = f"sold items without a valid wholesale price: store {store} has none at all"
            advice = "Nothing can be planned for it. Add its wholesale prices."
            yield Finding("error", "wholesale", what, len(mine), len(mine), _names(mine), advice)
    sold = sold[sold["store"].isin(valid["store"].unique())]
    without = sold[~pd.MultiIndex.from_frame(sold[_KEY]).isin(pd.MultiIndex.from_frame(valid[_KEY].drop_duplicates()))]
    if len(without):
        advice = "Items without a cost cannot be planned. Add their wholesale prices."
        yield Finding(
            "warning", "wholesale", "sold items without any cost", len(without), len(sold), _names(without), advice
        )
    key = [*_DAY, "item_code"]
    same_day = pd.MultiIndex.from_frame(daily[key]).isin(pd.MultiIndex.from_frame(valid[key]))
    if not same_day.all():
        what = "item-days sold without a valid wholesale price of the same day"
        yield Finding("information", "wholesale", what, int((~same_day).sum()), len(daily), _rows(daily[~same_day]))


# ---------------------------------------------------------------- items


def _loss_rates(tables: Tables, _: HistorySettings) -> Iterator[Finding]:
    items = tables.items
    empty = items[items["loss_rate"].isna()]
    if len(empty):
        advice = "Add their loss rates: orders are too small without."
        yield Finding("warning", "items", "items without a loss rate", len(empty), len(items), _names(empty), advice)
    zero = items[items["loss_rate"] == 0]
    if len(zero):
        advice = "Check them: fresh food is seldom without loss."
        yield Finding("warning", "items", "items with a loss rate of 0", len(zero), len(items), _names(zero), advice)
    counts = items.loc[items["loss_rate"] > 0, "loss_rate"].value_counts()
    for rate, n in counts[(counts >= SHARED_LOSS_ITEMS) & (counts >= SHARED_LOSS_SHARE * len(items))].items():
        same = items[items["loss_rate"] == rate]
        what = f"items with exactly the same loss rate of {100 * float(str(rate)):g} % (looks like a default)"
        yield Finding("warning", "items", what, int(n), len(items), _names(same), "Measure it for the leading items.")


def _shared_names(tables: Tables, _: HistorySettings) -> Iterator[Finding]:
    items = tables.items
    shared = items[items.duplicated(["store", "item_name"], keep=False)].sort_values(["item_name", "item_code"])
    if len(shared):
        named = tuple(f"{r['item_name']} ({r['item_code']})" for r in shared.head(EXAMPLES).to_dict("records"))
        advice = "Nobody can tell them apart by name. Give each a name of its own; plans show their codes until then."
        yield Finding("warning", "items", "items that share their name", len(shared), len(items), named, advice)


def _units(tables: Tables, _: HistorySettings) -> Iterator[Finding]:
    items = tables.items
    daily = tables.daily_sales.merge(items[[*_KEY, "unit"]], on=_KEY, validate="m:1")
    is_whole = _is_whole(daily["quantity"])
    # Sales of 250 g can add up to whole kilograms every day: the largest one tells.
    looks_counted = is_whole & (_is_whole(daily["largest_sale"]) | daily["largest_sale"].isna())
    whole = looks_counted.groupby([daily[k] for k in _KEY]).agg(["size", "all"]).reset_index()
    judged = items.merge(whole, on=_KEY, validate="1:1")
    kg = judged["unit"] == "kg"
    suspicious = judged[kg & judged["all"] & (judged["size"] >= WHOLE_DAYS)]
    if len(suspicious):
        advice = "Set `unit` to pack if they are counted."
        what = "items in kg with whole quantities only"
        yield Finding("warning", "items", what, len(suspicious), int(kg.sum()), _names(suspicious), advice)
    broken = daily[(daily["unit"] == "pack") & ~is_whole]
    if len(broken):
        advice = "Set `unit` to kg if they are weighed."
        what = "item-days of packs with a fraction of a pack"
        yield Finding("warning", "sales", what, len(broken), len(daily), _rows(broken, "quantity"), advice)
    if "unit_source" in items.columns:
        guessed = items[items["unit_source"] == "counts"]
        if len(guessed):
            what = "items whose unit (pack) was guessed from whole quantities"
            yield Finding("information", "items", what, len(guessed), len(items), _names(guessed))


def _is_whole(quantity: pd.Series) -> pd.Series:
    return quantity.round(6).mod(1).eq(0)


_CHECKS: tuple[Callable[[Tables, HistorySettings], Iterator[Finding]], ...] = (
    _extent,
    _closed_days,
    _late_wholesale,
    _returns,
    _bulk_sales,
    _odd_sales_prices,
    _never_sold,
    _wholesale_prices,
    _missing_costs,
    _loss_rates,
    _shared_names,
    _units,
)


# ---------------------------------------------------------------- what cleaning found


def _sold_out(history: DemandHistory) -> Iterator[Finding]:
    panel = history.panel
    out = panel[panel["sold_out_probability"] > SOLD_OUT]
    sold = int((panel["transactions"] > 0).sum())
    what = f"item-days that probably sold out (store {history.store}): their sales understate demand"
    yield Finding("information", "sales", what, len(out), sold, _rows(_flat(out)))


def _on_offer(history: DemandHistory) -> Iterator[Finding]:
    panel = history.panel
    offered = panel["offered"] > OFFERED
    silent = panel[offered & (panel["transactions"] == 0)]
    what = f"item-days on offer (store {history.store}), {len(silent):,} of them without a sale"
    yield Finding("information", "sales", what, int(offered.sum()), len(panel), _rows(_flat(silent)))


def _flat(panel: pd.DataFrame) -> pd.DataFrame:
    """The keys as columns, wherever the panel keeps them."""
    named = [n for n in panel.index.names if n is not None and n not in panel.columns]
    return panel.reset_index(level=named) if named else panel
