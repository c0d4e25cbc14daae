"""What the demand models see of a store, and which of its items are forecast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from replenish.errors import DataError
from replenish.forecast.features import PanelMatrix, panel_matrix, with_assortment
from replenish.forecast.surroundings import surroundings
from replenish.history.cleaning import sold_recently
from replenish.records import DemandHistory, PriceResponse, Tables
from replenish.settings import Settings


def history_matrix(tables: Tables, history: DemandHistory, response: PriceResponse, settings: Settings) -> PanelMatrix:
    """The matrix the demand models see: the history with what else the store knew by then (events, weather, rivals)."""
    known = tables.for_store(history.store).up_to(history.as_of)
    matrix = panel_matrix(history, response, settings.shop.country, known.events)
    if settings.pricing.substitution:
        share = response.categories.set_index("category")["transfer_share"]
        counted = known.stock is not None and len(known.stock) > 0
        matrix = with_assortment(matrix, history, share, counted)
    return replace(matrix, around=surroundings(known, matrix.dates, matrix.item_codes))


def candidate_codes(history: DemandHistory, settings: Settings, must_list: Iterable[str]) -> list[str]:
    """Codes of the items sold lately and of those asked for, sorted; `DataError` when there are none."""
    recent = set(sold_recently(history.panel, history.as_of, settings.forecast.candidate_days))
    known = set(history.panel["item_code"].unique())
    codes = sorted(recent | (set(must_list) & known))
    if not codes:
        raise DataError(
            f"daily_sales: no item of store {history.store} was sold in the {settings.forecast.candidate_days} days "
            f"up to {history.as_of:%Y-%m-%d}.", "Choose another date or raise forecast.candidate_days.",
        )  # fmt: skip
    return codes
