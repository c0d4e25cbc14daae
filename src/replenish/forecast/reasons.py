"""Why the LightGBM member forecasts what it does: SHAP values of its features."""

from __future__ import annotations

import numpy as np
import pandas as pd

from replenish.errors import ForecastError
from replenish.forecast.boosting import boosters, covariates
from replenish.forecast.build_up import past_new_year, without_build_up
from replenish.forecast.features import PanelMatrix, target_features
from replenish.forecast.models import read_members
from replenish.forecast.smoothing import smoothed_levels
from replenish.records import FittedModels


def forecast_reasons(m: PanelMatrix, models: FittedModels, item_codes: list[str], date: pd.Timestamp) -> pd.DataFrame:
    """What each feature does to the LightGBM member's forecast of these items on a date after the panel.

    Key (item_code, feature). Columns: value (the feature's own), factor (what it multiplies the forecast by: e to the
    power of its SHAP value, Lundberg & Lee 2017, by LightGBM's exact tree algorithm). The factors of an item times the
    row `usual` (value empty: the mean over what was learnt from) times the item's base level give the forecast.

    Raises `ForecastError` without the member, for an unknown item or a date not after the panel.
    """
    members = read_members(models)
    unknown = sorted(set(item_codes) - set(m.item_codes))
    horizon = int((pd.Timestamp(date) - m.dates[-1]).days)
    if not members.boosting or unknown or horizon < 1:
        raise ForecastError(
            f"No reasons for {date:%Y-%m-%d}: the LightGBM member has to take part (here: {bool(members.boosting)}), "
            f"items have to be known (unknown: {', '.join(unknown) or 'none'}) and the date has to lie after "
            f"{m.dates[-1]:%Y-%m-%d}."
        )
    new_year = past_new_year(m, pd.Timestamp(date))
    if new_year is not None:
        m = without_build_up(m, new_year)
    last = len(m.dates) - 1
    known = covariates(m, smoothed_levels(m, members.smoothing), last)
    wanted, origin = np.isin(m.item_codes, item_codes)[None, :], np.array([last])
    fitted = boosters(members.boosting)
    rows = target_features(m, known.state, origin, horizon, members.categories, wanted)
    rows = rows.reindex(columns=fitted[0].feature_name())
    # The forecast goes by the mean of the scores, so that the mean of their parts explains it exactly.
    single = [np.asarray(one.predict(rows, pred_contrib=True, num_threads=1)) for one in fitted]
    parts = np.mean(single, axis=0)
    codes = np.array(m.item_codes)[wanted[0]]
    names = [*rows.columns, "usual"]
    values = np.column_stack([rows.to_numpy(dtype=float), np.full(len(rows), np.nan)])
    return pd.DataFrame({
        "item_code": np.repeat(codes, len(names)), "feature": np.tile(names, len(codes)),
        "value": values.ravel(), "factor": np.exp(parts).ravel(),
    })  # fmt: skip
