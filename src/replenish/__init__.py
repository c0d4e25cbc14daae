"""replenish: what to put on the shelf tomorrow, how much to order and at what price.

The public names below are loaded when first used, so that `import replenish` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replenish import plots as plots
    from replenish.evaluate.backtest import backtest as backtest
    from replenish.evaluate.metrics import (
        calibration as calibration,
        leaderboard as leaderboard,
        with_volume as with_volume,
    )
    from replenish.execution import WorkerProcess as WorkerProcess, in_worker_process as in_worker_process
    from replenish.forecast.paths import sample_paths as sample_paths
    from replenish.forecast.reasons import forecast_reasons as forecast_reasons
    from replenish.history.category import category_tables as category_tables
    from replenish.optimise.check import check_plan as check_plan
    from replenish.planning import (
        PlanningSession as PlanningSession,
        build_history as build_history,
        estimate_price_response as estimate_price_response,
        evening_before as evening_before,
        fit_models as fit_models,
        forecast_demand as forecast_demand,
        line_values as line_values,
        look_ahead as look_ahead,
        make_category_plan as make_category_plan,
        make_plan as make_plan,
        plannable_days as plannable_days,
        replan as replan,
        rule_values as rule_values,
    )
    from replenish.pricing.response import response_table as response_table
    from replenish.publish import order_bytes as order_bytes, order_name as order_name, write_order as write_order
    from replenish.records import Override as Override, Plan as Plan, Tables as Tables
    from replenish.reuse import kept_models as kept_models
    from replenish.settings import Settings as Settings, load_settings as load_settings
    from replenish.simulate.comparison import simulate as simulate
    from replenish.sources.folder import load_tables as load_tables, load_transactions as load_transactions
    from replenish.store.database import open_store as open_store
    from replenish.store.fitted import load_models as load_models, save_models as save_models

_HOME = {
    "Override": "replenish.records",
    "Plan": "replenish.records",
    "PlanningSession": "replenish.planning",
    "Settings": "replenish.settings",
    "Tables": "replenish.records",
    "WorkerProcess": "replenish.execution",
    "backtest": "replenish.evaluate.backtest",
    "build_history": "replenish.planning",
    "calibration": "replenish.evaluate.metrics",
    "category_tables": "replenish.history.category",
    "check_plan": "replenish.optimise.check",
    "estimate_price_response": "replenish.planning",
    "evening_before": "replenish.planning",
    "fit_models": "replenish.planning",
    "forecast_demand": "replenish.planning",
    "forecast_reasons": "replenish.forecast.reasons",
    "in_worker_process": "replenish.execution",
    "kept_models": "replenish.reuse",
    "leaderboard": "replenish.evaluate.metrics",
    "line_values": "replenish.planning",
    "load_models": "replenish.store.fitted",
    "load_settings": "replenish.settings",
    "load_tables": "replenish.sources.folder",
    "load_transactions": "replenish.sources.folder",
    "look_ahead": "replenish.planning",
    "make_category_plan": "replenish.planning",
    "make_plan": "replenish.planning",
    "open_store": "replenish.store.database",
    "order_bytes": "replenish.publish",
    "order_name": "replenish.publish",
    "plannable_days": "replenish.planning",
    "response_table": "replenish.pricing.response",
    "replan": "replenish.planning",
    "rule_values": "replenish.planning",
    "sample_paths": "replenish.forecast.paths",
    "save_models": "replenish.store.fitted",
    "simulate": "replenish.simulate.comparison",
    "with_volume": "replenish.evaluate.metrics",
    "write_order": "replenish.publish",
}

__all__ = sorted([*_HOME, "plots"])  # noqa: PLE0605 - built from the table above, so that a name stands once


def __getattr__(name: str) -> Any:
    if name == "plots":
        return import_module("replenish.plots")
    if name not in _HOME:
        raise AttributeError(f"module 'replenish' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
