"""Settings: frozen sections read from `replenish.toml`, the environment and flags; unknown keys are errors.

Precedence: flag > environment (`REPLENISH_<SECTION>__<KEY>`) > file > default. `example_toml` writes the file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from replenish.errors import ConfigError

FILE_NAME = "replenish.toml"
ENV_PREFIX = "REPLENISH_"
# Settings of earlier versions, as plans stored by them still hold.
RETIRED = {"history": {"stockout_training_p", "stockout_recover_p", "stockout_min_sales"}}
# What decides nothing that is fitted: all other sections, and these settings of the sections that do.
FITTING_SECTIONS = ("shop", "history", "pricing", "forecast")
BESIDE_FITTING = {
    "shop": {"currency", "lead_time_days"},
    "pricing": {"max_rungs", "support_days", "support_low", "support_high", "max_change", "min_markup"},
    "forecast": {"refit_days", "revalidate_days"},
}


class Section(BaseModel):
    """Base of the sections: frozen, strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ShopSettings(Section):
    """Facts about the shop."""

    currency: str = Field("RMB", description="currency shown in reports")
    country: str = Field(
        "CN", description="country whose holidays the forecasts know (ISO code of the holidays library)"
    )
    lead_time_days: int = Field(1, ge=1, le=14, description="days between the last known evening and the planned day")


class HistorySettings(Section):
    """How sales become demand."""

    window_days: int = Field(1100, ge=28, description="days of history used")
    closed_share: float = Field(
        0.05, ge=0, lt=1, description="a day whose transactions are below this share of the usual is treated as closed"
    )
    stockout_max_factor: float = Field(
        20.0, ge=1, description="recovered demand is at most this times the sales; 1: stock-outs are not recovered"
    )
    moved_share: float = Field(
        0.25, ge=0, le=1, description="share of the demand hidden by stock-outs that rivals of the shelf sold instead"
    )
    clearance_cannibalisation: float = Field(
        0.4, ge=0, le=1, description="share of clearance sales that would have paid the full price"
    )
    loss_days: int = Field(
        56, ge=0, description="days of counts that loss rates are learned from; 0: rates are as stated"
    )
    invalid_cost_below: float = Field(0.05, ge=0, description="wholesale prices below this are dropped as impossible")


class PricingSettings(Section):
    """Price response and price ladder."""

    prior_elasticity: float = Field(
        -0.58, lt=0, description="own-price elasticity of vegetables (Andreyeva, Long & Brownell 2010)"
    )
    item_prior_elasticity: float = Field(
        -0.8, lt=0, description="prior elasticity of one item beside its rivals, more elastic than a common move"
    )
    prior_sd: float = Field(0.4, gt=0, description="standard deviation of the prior between categories")
    item_sd: float = Field(0.35, gt=0, description="standard deviation of items around their category")
    substitution: bool = Field(True, description="demand of missing items moves to others of their group")
    transfer_share: float = Field(
        0.45, ge=0, le=0.95, description="prior share that moves on (Gruen, Corsten & Bharadwaj 2002: 45 % substitute)"
    )
    transfer_sd: float = Field(0.15, gt=0, description="standard deviation of that prior")
    max_rungs: int = Field(7, ge=1, le=30, description="shelf prices considered per item")
    support_days: int = Field(180, ge=14, description="days whose full prices support the ladder")
    support_low: float = Field(0.05, ge=0, le=1, description="lower quantile of supported prices")
    support_high: float = Field(0.95, ge=0, le=1, description="upper quantile of supported prices")
    max_change: float = Field(0.15, ge=0, lt=1, description="largest relative price change against the last price")
    min_markup: float = Field(1.1, ge=0, description="price is at least this times cost / (1 - loss)")


class ForecastSettings(Section):
    """Demand forecasts."""

    horizon_days: int = Field(7, ge=1, le=28, description="longest horizon the models are fitted for")
    theta: bool = Field(True, description="use the Theta member (smoothing with half the trend)")
    tsb: bool = Field(True, description="use the TSB member (intermittent demand)")
    boosting: bool = Field(True, description="use the global LightGBM member")
    arima: bool = Field(True, description="use the ARIMA member for categories, with which items are reconciled")
    reconcile: bool = Field(
        True, description="bring items and the composites of their categories into line (not where stock is counted)"
    )
    boosting_days: int = Field(730, ge=60, description="days of history the LightGBM member learns from")
    validation_days: int = Field(
        364,
        ge=28,
        description="last days (at most a third of the history) on which blend weights, bands and joint residuals are "
        "measured",
    )
    half_life_days: float = Field(365.0, gt=0, description="recency half-life of training weights")
    candidate_days: int = Field(
        7,
        ge=1,
        description="an item sold within this many days up to as_of is a candidate; errors are measured on such items",
    )
    refit_days: int = Field(
        1, ge=1, description="kept models are fitted again on the data since when they are so many days old"
    )
    revalidate_days: int = Field(
        7,
        ge=1,
        description="price response, blend weights, bands and joint residuals are measured again when they are so many "
        "days old",
    )


class ScenarioSettings(Section):
    """Joint scenarios."""

    count: int = Field(400, ge=50, description="scenarios the plan is optimised on")
    fresh: int = Field(2000, ge=100, description="unseen scenarios the plan is judged on")


class RuleSettings(Section):
    """The planner's rules."""

    n_min: int = Field(0, ge=0, description="least number of listed items")
    n_max: int | None = Field(None, ge=1, description="most listed items (shelf places); none = no limit")
    min_display: float = Field(2.5, ge=0, description="least order of a listed item [unit]; packs: next whole pack")
    order_multiple: float = Field(
        0.5, gt=0, description="order multiple of items in kg that have none of their own [kg]"
    )
    cover: float = Field(0.75, ge=0, le=1, description="share of each category's demand value to be served")
    cover_penalty: float = Field(0.5, ge=0, description="price of one unit of money of cover short")
    hard_cover: bool = Field(False, description="true: cover must hold, false: it is priced")
    price_index_cap: float | None = Field(
        0.0, ge=-0.5, le=1, description="a category's price index may rise by this share; none = no rule"
    )
    budget: float | None = Field(None, gt=0, description="most money to be spent on the order of a day")
    shelf_space: float | None = Field(None, gt=0, description="shelf places available (needs items.shelf_space)")
    max_price_changes: int | None = Field(None, ge=0, description="most items whose price may change from yesterday")
    min_supplier_order: float | None = Field(
        None, gt=0, description="least money spent on a supplier of whom anything is ordered (needs items.supplier)"
    )
    risk_weight: float = Field(
        0.0, ge=0, lt=1, description="λ: weight of the mean of the worst days (CVaR) against the mean of all days"
    )
    risk_level: float = Field(
        0.9, gt=0, lt=1, description="α: the worst days are the share 1 − α of the scenarios with the least value"
    )
    goodwill: float = Field(
        0.25, ge=0, description="cost of a lost sale as a share of the reference price (objective only)"
    )
    max_fill_quantile: float = Field(
        0.99, gt=0, le=1, description="orders never exceed this quantile of full-price demand"
    )

    @model_validator(mode="after")
    def _ordered(self) -> RuleSettings:
        if self.n_max is not None and self.n_min > self.n_max:
            raise ValueError(f"n_min ({self.n_min}) is larger than n_max ({self.n_max})")
        return self


class SolverSettings(Section):
    """The mixed-integer solver."""

    gap: float = Field(0.003, ge=0, description="relative gap at which the solver may stop")
    time_limit_s: float = Field(60.0, gt=0, description="seconds after which the best plan so far is taken")
    threads: int = Field(2, ge=1, description="solver threads")


class StorageSettings(Section):
    """Where runs are kept."""

    database: str = Field("sqlite:///out/replenish.db", description="SQLAlchemy URL of the database of runs")
    output: str = Field("out", description="folder for order files")


class Settings(Section):
    """All settings of one shop."""

    shop: ShopSettings = ShopSettings()
    history: HistorySettings = HistorySettings()
    pricing: PricingSettings = PricingSettings()
    forecast: ForecastSettings = ForecastSettings()
    scenarios: ScenarioSettings = ScenarioSettings()
    rules: RuleSettings = RuleSettings()
    solver: SolverSettings = SolverSettings()
    storage: StorageSettings = StorageSettings()

    def override(self, **changes: Any) -> Settings:
        """A copy with settings named `section__key` replaced and checked again."""
        body = self.model_dump()
        for name, value in changes.items():
            _put(body, name, value)
        return build(body, "argument")


def _put(body: dict[str, Any], name: str, value: Any) -> None:
    section, _, key = name.partition("__")
    if not key or not isinstance(body.setdefault(section, {}), dict):
        raise ConfigError(f"Unknown setting “{name}”: write it as section__key, for example rules__n_max.")
    body[section][key] = value


def build(body: Mapping[str, Any], origin: str) -> Settings:
    """Checked settings from a nested mapping; `ConfigError` lists every fault with its section and key."""
    try:
        return Settings.model_validate(body)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(e, origin) for e in error.errors())) from None


def settings_of_run(body: Mapping[str, Any], origin: str) -> Settings:
    """Settings a plan was stored with; those that versions since have done away with are left out."""
    kept = {
        section: {k: v for k, v in values.items() if k not in RETIRED.get(section, ())}
        if isinstance(values, Mapping)
        else values
        for section, values in body.items()
    }
    return build(kept, origin)


def fitting_settings(settings: Settings) -> dict[str, Any]:
    """The settings that decide what is fitted as plain JSON, “section.key” → value."""
    body = settings.model_dump(mode="json", include=set(FITTING_SECTIONS), exclude=BESIDE_FITTING)
    return {f"{section}.{key}": value for section, values in body.items() for key, value in values.items()}


def _explain(error: Any, origin: str) -> str:
    where = ".".join(str(p) for p in error["loc"]) or "settings"
    if error["type"] == "extra_forbidden":
        return f"{origin}: unknown setting “{where}”. {_known(error['loc'])}"
    if isinstance(
        error["input"], (Mapping, BaseModel)
    ):  # the fault of a section as a whole: its message names the keys
        return f"{origin}: [{where}]: {error['msg'].removeprefix('Value error, ')}."
    return f"{origin}: {where} = {error['input']!r} — {error['msg'].removeprefix('Value error, ')}."


def _known(loc: tuple[Any, ...]) -> str:
    section = Settings.model_fields.get(str(loc[0]))
    if len(loc) > 1 and section is not None:
        return f"[{loc[0]}] has: {', '.join(type(section.default).model_fields)}."
    return f"Sections are: {', '.join(Settings.model_fields)}."


def find_config(config: str | Path | None, data: str | Path | None = None) -> Path | None:
    """The settings file in force: `config`, else `replenish.toml` in the data folder, else in the current one."""
    if config is not None:
        path = Path(config)
        if not path.is_file():
            raise ConfigError(f"Settings file {path} does not exist. `replenish init` writes one.")
        return path
    places = [Path(data) / FILE_NAME] if data is not None else []
    return next((p for p in [*places, Path(FILE_NAME)] if p.is_file()), None)


def load_settings(
    config: str | Path | None = None,
    data: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from file, environment and flags (`section__key` → value), in rising precedence."""
    path = find_config(config, data)
    body: dict[str, Any] = _read_toml(path) if path else {}
    build(body, str(path or "defaults"))
    found = {
        k: v for k, v in (os.environ if environ is None else environ).items() if k.startswith(ENV_PREFIX) and "__" in k
    }
    for name, text in found.items():
        _put(body, name.removeprefix(ENV_PREFIX).lower(), _parse(text))
    build(body, f"environment ({', '.join(found)})" if found else str(path or "defaults"))
    for name, value in (flags or {}).items():
        if value is not None:
            _put(body, name, _parse(value) if isinstance(value, str) else value)
    return build(body, "option")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}.") from None
    return {name: _without_none_words(section) for name, section in body.items()}


def _without_none_words(section: Any) -> Any:
    """TOML has no null: the word "none" switches a rule off."""
    if not isinstance(section, dict):
        return section
    return {k: None if isinstance(v, str) and v.lower() == "none" else v for k, v in section.items()}


def _parse(text: str) -> Any:
    """A value typed as in TOML; the word `none` switches a rule off; anything else stays text."""
    if text.strip().lower() == "none":
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def example_toml(settings: Settings | None = None) -> str:
    """The commented settings file: every section and key with its meaning; unset rules are commented out."""
    chosen = settings or Settings()
    lines = ["# Settings of replenish. Delete what you do not change; unknown keys are errors.", ""]
    for name in Settings.model_fields:
        section = getattr(chosen, name)
        lines += [f"# {(type(section).__doc__ or '').strip()}", f"[{name}]"]
        for key, info in type(section).model_fields.items():
            value = getattr(section, key)
            shown = f'{key} = "none"' if value is None else f"{key} = {_toml_value(value)}"
            lines.append(f"{shown}  # {info.description}")
        lines.append("")
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else repr(value)
