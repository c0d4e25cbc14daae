"""Days that sold out: found from the silence after the last sale, and the demand they hid (design, section 4).

Every sale may be the one that empties the shelf (`hazard`). Against it stands the chance of so long a silence without a
stock-out (`silence`). Demand is what sold plus the chance of a stock-out times what would still have come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replenish.history.hazard import SilentDays, chances
from replenish.history.places import Places
from replenish.history.profile import LastSales, Rhythm, UsualDay, day_share, usual_day, usual_share, with_hidden
from replenish.history.rates import Days, Shelf, how_busy, usual_rates, within_reason
from replenish.history.silence import arrival_concentration, silence, still_to_come
from replenish.records import arrived
from replenish.settings import HistorySettings

Array = NDArray[np.float64]

SOLD_OUT = 0.5  # a day counts as sold out above this chance
REPEATS = 5
WORTH_REPEATING = 0.005  # change of what is hidden as a share of all transactions
ROUNDS = 3  # what is usual for the items ↔ which days sold out
BULK_SALES = 6  # days with fewer transactions tell nothing about how clustered they come
# Sold to the last of what had come after the usual loss, or so little that no usual loss explains it.
SOLD_ALL, SOLD_LITTLE = 0.98, 0.85


def told_by_counts(
    panel: pd.DataFrame, items: pd.DataFrame, stock: pd.DataFrame | None, orders: pd.DataFrame | None
) -> Array:
    """1.0 / 0.0 where counts tell that an item that sold was / was not sold out at the close, NaN where they do not.

    What is left for the next day says that the day did not sell out. With nothing left the rest may have been written
    off: so it is where nothing is left every evening, and where sales were far less than what was left the evening
    before plus what came, less the usual loss. Without counts that comparison alone tells; an item that keeps for days
    without counted stock may have had more.
    """
    told, places = np.full(len(panel), np.nan), Places.of(panel)
    left = places.values(stock, "on_hand")
    gone = np.ones(len(panel))
    if orders is not None and len(orders):
        item = items.set_index("item_code").reindex(places.codes)
        life, loss = item["shelf_life_days"].fillna(1).to_numpy(dtype=float), item["loss_rate"].to_numpy(dtype=float)
        came = places.values(orders.assign(came=arrived(orders)), "came")
        kept = np.where(life[places.item] > 1, places.values(stock, "on_hand", later=1), 0.0)
        told = _told_by_part(panel, np.where(came > 0, kept + came * (1 - loss[places.item]), np.nan))
        there = np.nan_to_num(kept) + np.nan_to_num(came * (1 - loss[places.item]))
        gone = np.where(there > 0, _told_by_part(panel, there), 1.0)
    most = np.full(len(places.codes), -np.inf)
    np.maximum.at(most, places.item, np.nan_to_num(left, nan=-np.inf))
    counted = most[places.item] > 0
    told = np.where(counted & np.isfinite(left), np.where(left > 0, 0.0, gone), told)
    return np.where(panel["sold"].to_numpy() > 0, told, np.nan)


def _told_by_part(panel: pd.DataFrame, there: Array) -> Array:
    """Whether a day sold out by the part of what was `there` that it sold; NaN where that may be or not."""
    part = panel["sold"].to_numpy(dtype=float) / np.where(there > 0, there, np.nan)
    return np.where(part >= SOLD_ALL, 1.0, np.where(part < SOLD_LITTLE, 0.0, np.nan))


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
    busy, cut = np.ones(len(n)), timed & ~(told == 0)
    hazard = likely = None
    for left in range(ROUNDS, 0, -1) if timed.any() else ():
        days = Days(busy, np.where(timed, share, 1.0), chance)
        usual, variance, likely = usual_rates(shelf, days, likely)
        busy = how_busy(n, shelf, usual * days.observed, moved)
        mean = usual * busy
        spread = within_reason(variance * busy**2, mean)
        # What is told needs no silence; before the last round nobody asks for it.
        heard = timed if left == 1 else timed & np.isnan(told)
        concentration = arrival_concentration(share[plain], n[plain], 1 - chance[plain])
        shape, rate = mean**2 / spread, mean / spread
        quiet[heard] = silence(shape[heard], rate[heard], n[heard], share[heard], concentration)
        if left == 1:
            to_come[cut] = still_to_come(shape[cut], rate[cut], n[cut], share[cut], concentration, quiet[cut])
        due = usual * shelf.weekday_factor(busy)
        silent = SilentDays(n[timed], due[timed], quiet[timed], told[timed], shelf.item[timed], shelf.window_of(timed))
        chance[timed], hazard = chances(silent, hazard)
    return chance, quiet, to_come


def _full_price_demand(panel: pd.DataFrame, settings: HistorySettings) -> Array:
    """Full-price sales plus the clearance sales that took their place (φ of the design, section 4) [unit]."""
    lost_to_clearance = settings.clearance_cannibalisation * panel["clearance_sold"]
    return (panel["full_price_sold"] + lost_to_clearance).to_numpy(dtype=float)
