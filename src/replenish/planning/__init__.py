"""From the tables to the plan: history → price response → forecast → scenarios → menu → model → check."""

from replenish.planning.categories import (
    category_prospect,
    category_settings,
    look_ahead_categories,
    make_category_plan,
)
from replenish.planning.days import (
    Groundwork,
    Kept,
    day_problem,
    held_to,
    lay_groundwork,
    plan_day,
    plan_days,
    solve_day,
)
from replenish.planning.inputs import stock_at_close
from replenish.planning.plan import (
    PlanningSession,
    make_plan,
    replan,
)
from replenish.planning.prospect import (
    Progress,
    Prospect,
    build_history,
    estimate_price_response,
    evening_before,
    fit_models,
    forecast_demand,
    joint_residuals,
    look_ahead,
    one_store,
    plannable_days,
    refit_demand,
    silent,
)
from replenish.planning.values import (
    line_values,
    rule_values,
)

__all__ = [
    "Groundwork",
    "Kept",
    "PlanningSession",
    "Progress",
    "Prospect",
    "build_history",
    "category_prospect",
    "category_settings",
    "day_problem",
    "estimate_price_response",
    "evening_before",
    "fit_models",
    "forecast_demand",
    "held_to",
    "joint_residuals",
    "lay_groundwork",
    "line_values",
    "look_ahead",
    "look_ahead_categories",
    "make_category_plan",
    "make_plan",
    "one_store",
    "plan_day",
    "plan_days",
    "plannable_days",
    "refit_demand",
    "replan",
    "rule_values",
    "silent",
    "solve_day",
    "stock_at_close",
]
