"""Days that sold out: found from the silence after the last sale, and the demand they hid (design, section 4).

Every sale may be the one that empties the shelf. How often it is, is a hazard per sale that grows with how much of a
usual day was sold before, and differs between items; it is estimated together with the days themselves (expectation–
maximisation). Against it stands the chance of so long a silence without a stock-out (`silence`). Demand is what sold
plus the chance of a stock-out times what would still have come.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.history.places import Places
from replenish.history.profile import LastSales, Rhythm, UsualDay, day_share, usual_day, usual_share, with_hidden
from replenish.history.silence import arrival_concentration, silence, still_to_come
from replenish.records import arrived
from replenish.settings import HistorySettings

Array = NDArray[np.float64]

SOLD_OUT = 0.5  # a day counts as sold out above this chance
REPEATS = 5
WORTH_REPEATING = 0.005  # change of what is hidden as a share of all transactions
ROUNDS = 3  # what is usual for the items ↔ which days sold out
STEPS = 10  # hazard ↔ chances of the days, in every round
START_SHARE = 0.05  # share of days that sell out, to begin with
# Sales of a day so far as a multiple of the item's usual day: the hazard is constant within each class.
CLASSES = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, np.inf])
LARGEST_HAZARD = 0.5
PRIOR_SALES = 50.0  # the hazard to begin with counts as that many sales of every class
ITEM_DAYS = 5.0  # the shop's hazard counts as that many sold-out days of every item
DAYS_BEFORE, DAYS_AFTER, LEAST_DAYS = 28, 7, 3
LEAST_USUAL = 0.3  # transactions a day
LEAST_SPREAD, MOST_SPREAD = 0.04, 25.0  # variance of an item's rate ÷ its square at least, ÷ itself at most
LEAST_OBSERVED = 0.05
TRAFFIC_DAYS = 20.0  # a usual day counts as that many transactions in telling how busy a day was
MOST_BUSY = 5.0
BULK_SALES = 6  # days with fewer transactions tell nothing about how clustered they come
# Sold to the last of what had come after the usual loss, or so little that no usual loss explains it.
SOLD_ALL, SOLD_LITTLE = 0.98, 0.85


def told_by_counts(
    panel: pd.DataFrame, items: pd.DataFrame, stock: pd.DataFrame | None, orders: pd.DataFrame | None
) -> Array:
    """1.0 / 0.0 where counts tell that an item that sold was / was not sold out at the close, NaN where they do not.

    Stock counted at the close tells, except of items whose count is zero every evening: those are written off. Else the
    sales are compared with what was left the evening before plus what came, less the usual loss; an item that
    keeps for days without counted stock may have had more.
    """
    told, places = np.full(len(panel), np.nan), Places.of(panel)
    left = places.values(stock, "on_hand")
    if orders is not None and len(orders):
        item = items.set_index("item_code").reindex(places.codes)
        life, loss = item["shelf_life_days"].fillna(1).to_numpy(dtype=float), item["loss_rate"].to_numpy(dtype=float)
        came = places.values(orders.assign(came=arrived(orders)), "came")
        kept = np.where(life[places.item] > 1, places.values(stock, "on_hand", later=1), 0.0)
        there = np.where(came > 0, kept + came * (1 - loss[places.item]), np.nan)
        part = panel["sold"].to_numpy(dtype=float) / there
        told = np.where(part >= SOLD_ALL, 1.0, np.where(part < SOLD_LITTLE, 0.0, told))
    most = np.full(len(places.codes), -np.inf)
    np.maximum.at(most, places.item, np.nan_to_num(left, nan=-np.inf))
    counted = most[places.item] > 0
    told = np.where(counted & np.isfinite(left), np.where(left > 0, 0.0, 1.0), told)
    return np.where(panel["sold"].to_numpy() > 0, told, np.nan)


def learn_stockouts(
    panel: pd.DataFrame,
    intraday: pd.DataFrame,
    as_of: pd.Timestamp,
    settings: HistorySettings,
    told: Array | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hourly profile of whole days and the stock-outs told by it (`find_stockouts`).

    Sold-out days bend the observed profile towards the morning, and so hide themselves. What they hid is therefore
    added to it, and the search repeated until they agree (at most `REPEATS` times: each brings about half as much to
    light as the one before).
    """
    rhythm, sold = Rhythm.of(intraday), panel["sold"].to_numpy(dtype=float)
    usual, days = usual_day(rhythm, as_of), PanelDays.of(panel, rhythm.categories, rhythm.first, told)
    found = find_stockouts(panel, usual, settings, told, days, rhythm)
    added = np.zeros(len(panel))
    for _ in range(REPEATS):
        hidden = found["hidden"].to_numpy() * days.last.own / np.where(sold > 0, sold, 1.0)
        if np.abs(hidden - added).sum() <= WORTH_REPEATING * days.last.own.sum():
            break
        added, whole = hidden, with_hidden(rhythm, usual, days.last, hidden)
        usual = usual_day(whole, as_of)
        found = find_stockouts(panel, usual, settings, told, days, whole, added)
    return usual.table(), found


@dataclass(frozen=True)
class PanelDays:
    """The rows of a panel as numbers: their places on the shelf, and when the last sale of each was."""

    shelf: Shelf
    last: LastSales

    @classmethod
    def of(cls, panel: pd.DataFrame, categories: pd.Index, first: pd.Timestamp, told: Array | None = None) -> PanelDays:
        """The rows of a panel in which the rows of an item follow each other by date; days counted from `first`."""
        return cls(Shelf.of(panel, told), LastSales.of(panel, categories, first))


def find_stockouts(
    panel: pd.DataFrame,
    usual: UsualDay,
    settings: HistorySettings,
    told: Array | None = None,
    days: PanelDays | None = None,
    rhythm: Rhythm | None = None,
    hidden_before: Array | None = None,
) -> pd.DataFrame:
    """Stock-outs of each panel row and demand: silence_p, sold_out_probability, hidden, demand, demand_weight.

    `panel`: rows of an item together, by date; columns item_code, category, date, transactions,
    full_price_transactions, last_sale_hour, sold, full_price_sold, clearance_sold [unit], clearance_day, offered,
    closed; `days`: the same as numbers.

    `silence_p`: chance of so long a silence without a stock-out (NaN where no time tells); `hidden`: chance of a
    stock-out × what would still have come, at most `stockout_max_factor` − 1 times the sales; `demand`: full-price
    demand with it [unit]. `told` (`told_by_counts`) overrules the silence; a day known to have sold out at a time that
    nobody knows teaches nothing (`demand_weight` 0). All others count in full: what they hid is right in expectation,
    and to count busy days less would be to expect too little. `rhythm`: the category's on that very day, to which the
    usual one gives way (`day_share`); `hidden_before`: transactions added to it earlier, of which rivals had a part
    (`moved_share`) that makes no day busy.
    """
    rows = PanelDays.of(panel, usual.categories, panel["date"].min(), told) if days is None else days
    n = rows.last.own
    share = usual_share(usual, rows.last)
    if rhythm is not None:
        share = day_share(share, rhythm, rows.last, hidden_before)
    known = np.full(len(panel), np.nan) if told is None else told
    cleared = panel["clearance_day"].to_numpy(dtype=bool)
    moved = np.zeros(len(panel)) if hidden_before is None else settings.moved_share * hidden_before
    chance, quiet, to_come = _sold_out_days(rows.shelf, cleared, n, share, known, moved)
    sold = _full_price_demand(panel, settings)
    timed = np.isfinite(quiet)
    most = (settings.stockout_max_factor - 1) * n
    hidden = np.where(timed, chance * np.minimum(to_come, most) * sold / np.maximum(n, 1), 0.0)
    weight = np.where(~timed & (chance == 1.0), 0.0, 1.0)
    columns = {"silence_p": quiet, "sold_out_probability": chance, "hidden": hidden, "demand": sold + hidden,
               "demand_weight": weight}  # fmt: skip
    return pd.DataFrame(columns, index=panel.index)


def _sold_out_days(
    shelf: Shelf, cleared: NDArray[np.bool_], n: Array, share: Array, told: Array, moved: Array
) -> tuple[Array, Array, Array]:
    """Chance of a stock-out, chance of the silence without one (NaN: no time), and transactions still to come.

    Nothing more comes (0) where counts tell that the day did not sell out.
    """
    timed = (n >= 1) & np.isfinite(share)
    plain = timed & (n >= BULK_SALES) & ~cleared & ~(told == 1)
    chance, quiet, to_come = np.where(told == 1, 1.0, 0.0), np.full(len(n), np.nan), np.zeros(len(n))
    busy, hazard, cut = np.ones(len(n)), None, timed & ~(told == 0)
    for left in range(ROUNDS, 0, -1) if timed.any() else ():
        observed = np.where(timed, np.maximum(1 - chance * (1 - np.nan_to_num(share)), LEAST_OBSERVED), 1.0)
        usual, variance = usual_transactions(shelf, observed * busy)
        busy = how_busy(n, shelf, usual * observed, moved)
        mean = usual * busy
        spread = np.clip(variance * busy**2, LEAST_SPREAD * mean**2, MOST_SPREAD * mean)
        # What is told needs no silence; before the last round nobody asks for it.
        heard = timed if left == 1 else timed & np.isnan(told)
        concentration = arrival_concentration(share[plain], n[plain], 1 - chance[plain])
        shape, rate = mean**2 / spread, mean / spread
        quiet[heard] = silence(shape[heard], rate[heard], n[heard], share[heard], concentration)
        if left == 1:
            to_come[cut] = still_to_come(shape[cut], rate[cut], n[cut], share[cut], concentration, quiet[cut])
        days = SilentDays(n[timed], mean[timed], quiet[timed], told[timed], shelf.item[timed])
        chance[timed], hazard = _chances(days, hazard)
    return chance, quiet, to_come


@dataclass(frozen=True)
class Shelf:
    """Rows of the panel as numbers: item, `windows`, category × date, date, whether on offer, transactions `n`."""

    item: NDArray[np.int64]
    window: tuple[NDArray[np.int64], NDArray[np.int64]]
    category_day: NDArray[np.int64]
    day: NDArray[np.int64]
    on_offer: Array
    n: Array

    def around(self, *values: Array) -> Array:
        """Sums over each row's window, without the row, values × rows."""
        given, (first, end) = np.stack(values), self.window
        sums = np.zeros((len(values), len(self.n) + 1))
        np.cumsum(given, axis=1, out=sums[:, 1:])
        return np.asarray(sums[:, end] - sums[:, first] - given)

    @cached_property
    def counts_around(self) -> Array:
        """Of the rows on offer: transactions, their squares and number, summed as in `around`."""
        there = (self.on_offer > 0).astype(float)
        return self.around(self.n * there, self.n**2 * there, there)

    @classmethod
    def of(cls, panel: pd.DataFrame, told: Array | None = None) -> Shelf:
        """The rows of a panel in which the rows of an item follow each other by date; `told`: see `told_by_counts`."""
        item = pd.factorize(panel["item_code"])[0]
        day = pd.factorize(panel["date"])[0]
        category = pd.factorize(panel["category"])[0]
        offered = panel["offered"].fillna(0.0).to_numpy(dtype=float) * ~panel["closed"].to_numpy(dtype=bool)
        n, on_offer = panel["transactions"].to_numpy(dtype=float), np.where(offered > 0.5, offered, 0.0)
        after = np.where(np.isnan(told), DAYS_AFTER, 0) if told is not None else np.full(len(n), DAYS_AFTER)
        return cls(item, windows(item, after), category * (day.max(initial=0) + 1) + day, day, on_offer, n)


def windows(item: NDArray[np.int64], after: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row and row after the last of the window of each row, rows of an `item` following each other.

    The 28 rows before it and `after` rows after it; where an item has fewer before, more after, up to 28 in all.
    """
    row = np.arange(len(item))
    starts = np.flatnonzero(np.diff(item, prepend=-1))
    length = np.diff(np.r_[starts, len(item)])
    first, end = np.repeat(starts, length), np.repeat(starts + length, length)
    last = np.maximum(row + after, first + DAYS_BEFORE)
    return np.maximum(first, row - DAYS_BEFORE), np.minimum(end, last + 1)


def usual_transactions(shelf: Shelf, exposure: Array) -> tuple[Array, Array]:
    """Mean and variance of an item's daily rate over the rows around each row (`windows`).

    The four weeks before; what came after tells about a new item's first days, and, for a day of which no count tells
    whether it sold out, about an item on its way up or down.

    `exposure`: the share of a usual day that a row could show, which a stock-out shortens and a busy day lengthens.
    The mean is Σn ÷ Σexposure: right also where selling out ends the count (a stopped Poisson process). Variance by the
    method of moments: what the counts vary beyond Poisson. Rows with fewer than 3 around them: their own count.
    """
    e = exposure * shelf.on_offer
    (sn, snn, rows), (se, sne, see) = shelf.counts_around, shelf.around(e, shelf.n * e, e * e)
    enough = (rows >= LEAST_DAYS) & (se > LEAST_OBSERVED)
    mean = np.maximum(np.where(enough, sn / np.where(enough, se, 1.0), shelf.n), LEAST_USUAL)
    variance = (snn - 2 * mean * sne + mean**2 * see - mean * se) / np.where(enough, see, 1.0)
    return mean, np.where(enough, variance, 2 * mean)


def how_busy(n: Array, shelf: Shelf, expected: Array, moved: Array) -> Array:
    """How busy the day was beside a usual one, from the other items of the category, those from the whole shop's.

    `moved`: transactions of each row that rivals are known to have had instead, which make no day busy.
    """
    there = shelf.on_offer > 0
    count, usual = n * there, expected * shelf.on_offer

    def others(group: NDArray[np.int64]) -> tuple[Array, Array]:
        came = np.bincount(group, count - moved)[group] - count
        return np.maximum(came, 0.0), np.bincount(group, usual)[group] - usual

    (came, due), (near, near_due) = others(shelf.day), others(shelf.category_day)
    shop = (came + TRAFFIC_DAYS) / (due + TRAFFIC_DAYS)
    return np.clip((near + TRAFFIC_DAYS * shop) / (near_due + TRAFFIC_DAYS), 1 / MOST_BUSY, MOST_BUSY)


@dataclass(frozen=True)
class SilentDays:
    """Days with a time of the last sale: transactions, usual ones, chance of the silence, what counts told, item.

    The days of an item follow each other.
    """

    n: Array
    usual: Array
    quiet: Array
    told: Array
    item: NDArray[np.int64]


def _chances(days: SilentDays, hazard: Array | None) -> tuple[Array, Array]:
    """Chance that the last sale emptied the shelf, and the hazard per sale by `CLASSES` (start: `hazard`).

    Odds of day i: hazard of its last sale ÷ chance of the silence. Hazard of a class: expected stock-outs ÷ sales in
    it (Kaplan–Meier with uncertain events), times the item's own factor, shrunk to 1.
    """
    classes = len(CLASSES) - 1
    ratio = days.n / days.usual
    # Hazard and factor are the same for all days of an item: only its sales in each class count, those above its
    # lower edge less those above the next one's.
    first = np.flatnonzero(np.diff(days.item, prepend=-1))
    above = [np.add.reduceat(np.maximum(ratio - edge, 0.0) * days.usual, first) for edge in CLASSES[:-1]]
    passed = -np.diff(np.column_stack([*above, np.zeros(len(first))]))
    per_sale = START_SHARE * len(days.n) / passed.sum()
    hazard = np.full(classes, per_sale) if hazard is None else hazard
    item = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(days.n)]))
    cell = item * classes + np.clip(np.digitize(ratio, CLASSES) - 1, 0, classes - 1)
    factor, quiet, is_told = np.ones(len(first)), np.maximum(days.quiet, 1e-12), np.isfinite(days.told)
    for _ in range(STEPS):
        h = np.clip(factor[:, None] * hazard, 0.0, LARGEST_HAZARD)
        odds = (h / (1 - h)).ravel()[cell]
        chance = np.where(is_told, days.told, odds / (odds + quiet))
        emptied = np.bincount(cell, chance, h.size).reshape(h.shape)
        factor = (emptied.sum(1) + ITEM_DAYS) / (passed @ hazard + ITEM_DAYS)
        sold_out, at_risk = emptied.sum(0) + PRIOR_SALES * per_sale, factor @ passed + PRIOR_SALES
        hazard = np.clip(sold_out / at_risk, 0.0, LARGEST_HAZARD)
    return chance, hazard


def _full_price_demand(panel: pd.DataFrame, settings: HistorySettings) -> Array:
    """Full-price sales plus the clearance sales that took their place (φ of the design, section 4) [unit]."""
    lost_to_clearance = settings.clearance_cannibalisation * panel["clearance_sold"]
    return (panel["full_price_sold"] + lost_to_clearance).to_numpy(dtype=float)
