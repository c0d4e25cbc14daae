"""What further data are worth: the same season with and without each kind, in worlds that feel it more or less.

For every world, seed and assumed strength one season is played as the baseline, in which the shop knows its sales with
their times and its stock. Every other season differs from it by one thing the shop knows. All have the same past.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from replenish.errors import ConfigError
from replenish.execution import Backend, map_stores
from replenish.simulate.accounts import interval, season_figures
from replenish.simulate.comparison import Shelf, raise_first, tell_of_pairs
from replenish.simulate.policies import POLICIES
from replenish.simulate.season import Books, SeasonPolicy, play_season
from replenish.simulate.stage import Past, Season, Stage, open_stage, play_past
from replenish.simulate.transit import TwoDayLead
from replenish.simulate.world import EFFECTS, PRESETS

POLICY = "replenish"
YARDSTICK = "practice"
BASE = "baseline"
START_UP_DAYS = 1
"""Days at the start of a season that are not counted: with a longer lead time they were ordered for before it."""
UNIT = ["world", "seed", "strength"]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Kind:
    """A kind of data: what it tells, `change` of the baseline's season; `has`: the baseline has it and loses it."""

    meaning: str
    change: dict[str, Any]
    has: bool = False


KINDS = {
    "times": Kind("times of sales", {"sale_times": False}, has=True),
    "stock": Kind("stock counted at close, and orders", {"stock_counts": False}, has=True),
    "costs": Kind("tomorrow's wholesale prices when ordering", {"costs_known": True}),
    "weather": Kind("weather forecasts", {"weather": True}),
    "rivals": Kind("a rival's prices, seen every day", {"rivals": True}),
    "customers": Kind("customers counted at the door", {"customers": True}),
    "lead": Kind("orders arrive the next day, not the day after", {"lead_days": 2}, has=True),
}
STRENGTHS = tuple(name for name in EFFECTS if name != "none")


@dataclass(frozen=True)
class DataValues:
    """`seasons` key (world, seed, strength, variant): profit [money a day] and other figures, `seconds` of the season.

    `variant`: `BASE`, or the kind of data that was added or taken away.
    """

    seasons: pd.DataFrame
    arguments: dict[str, Any]

    @cached_property
    def gains(self) -> pd.DataFrame:
        """Key (world, seed, strength, kind): profit with the kind less without it [money a day], and both."""
        profit = self.seasons.set_index([*UNIT, "variant"])["profit"].unstack("variant")  # noqa: PD010
        parts = []
        for name, kind in KINDS.items():
            if name in profit:
                rich, poor = (profit[BASE], profit[name]) if kind.has else (profit[name], profit[BASE])
                parts.append(pd.DataFrame({"kind": name, "with": rich, "without": poor, "gain": rich - poor}))
        return pd.concat(parts).dropna(subset=["gain"]).reset_index()

    @cached_property
    def values(self) -> pd.DataFrame:
        """Key (world, strength, kind), world also “all”: mean gain with a 95 % interval over seasons, ranked.

        Columns: seasons, gain, gain_low, gain_high [money a day], gain_share (of the profit without).
        """
        rows = []
        every = self.gains.assign(world="all")
        for (world, strength, kind), part in pd.concat([every, self.gains]).groupby(["world", "strength", "kind"]):
            low, high = interval(part["gain"].to_numpy())
            gain = float(part["gain"].mean())
            rows.append({
                "world": world, "strength": strength, "kind": kind, "seasons": len(part), "gain": gain,
                "gain_low": low, "gain_high": high, "gain_share": gain / float(part["without"].mean()),
            })  # fmt: skip
        table = pd.DataFrame(rows)
        order = {name: k for k, name in enumerate(EFFECTS)}
        return table.sort_values(
            ["world", "strength", "gain"], ascending=[True, True, False], ignore_index=True,
            key=lambda column: column.map(order) if column.name == "strength" else column,
        )  # fmt: skip

    def to_json(self) -> str:
        """Values, gains and seasons as one JSON document."""
        frames = {"values": self.values, "gains": self.gains, "seasons": self.seasons}
        body = {name: json.loads(frame.to_json(orient="records")) for name, frame in frames.items()}
        return json.dumps({"arguments": self.arguments} | body, ensure_ascii=False)


def value_of_data(
    worlds: Sequence[str] = ("calm", "volatile"),
    kinds: Sequence[str] = tuple(KINDS),
    strengths: Sequence[str] = STRENGTHS,
    days: int = 28,
    seeds: int = 2,
    seed: int = 0,
    history_days: int = 365,
    folder: str | Path = "out/seasons",
    backend: Backend = "serial",
    workers: int = 2,
    progress: Progress | None = None,
) -> DataValues:
    """Seasons of `replenish` with and without each kind of data, and what each adds to its profit.

    Worlds × seeds (`seed`, `seed` + 1, …) × strengths (names in `world.EFFECTS`: how strongly shoppers feel what the
    data tell) run on their own; the baseline of each is played once. Finished seasons lie in `folder` and are not
    played again. `progress` is told of every season (`serial`) or of every world, seed and strength that is through.
    Raises `ConfigError` for unknown names, or the first error that stopped a season.
    """
    for what, asked, there in (("world", worlds, PRESETS), ("kind", kinds, KINDS), ("strength", strengths, EFFECTS)):
        unknown = [name for name in asked if name not in there]
        if unknown or not asked:
            raise ConfigError(f"Unknown {what} “{', '.join(unknown)}”. There are: {', '.join(there)}.")
    base = Season("", days=days, history_days=history_days)
    units = [f"{world}/{seed + k}/{strength}" for k in range(seeds) for world in worlds for strength in strengths]
    play = partial(play_unit, base, tuple(kinds), Path(folder), progress if backend == "serial" else None)
    tell = None if progress is None else partial(tell_of_pairs, progress)
    results = map_stores(play, units, backend, workers, progress=tell)
    raise_first(results)
    found = [result.value for result in results if result.value is not None]
    arguments = {"worlds": list(worlds), "kinds": list(kinds), "strengths": list(strengths), "days": days,
                 "seeds": seeds, "seed": seed, "history_days": history_days}  # fmt: skip
    return DataValues(pd.concat(found, ignore_index=True), arguments)


def play_unit(base: Season, kinds: Sequence[str], folder: Path, progress: Progress | None, name: str) -> pd.DataFrame:
    """The baseline and one season per kind, of one world, seed and strength (`name`: world/seed/strength)."""
    world, seed, strength = name.rsplit("/", 2)
    season = replace(base, world=world, seed=int(seed), effects=strength)
    theatre = Theatre(folder, season)
    usual = theatre.books(season, YARDSTICK)
    rows: list[dict[str, Any]] = []
    for variant, change in {BASE: {}, **{kind: KINDS[kind].change for kind in kinds}}.items():
        started = time.perf_counter()
        books = theatre.books(replace(season, **change), POLICY)
        seconds = time.perf_counter() - started
        figures = season_figures(*(counted(b) for b in (books, usual)))
        rows.append({"world": world, "seed": int(seed), "strength": strength, "variant": variant, **figures})
        if progress is not None:
            against = figures["profit"] - rows[0]["profit"]
            progress(f"{name}: {variant} {figures['profit']:,.0f} a day ({against:+,.0f}, {seconds:.0f} s)")
    return pd.DataFrame(rows)


def counted(books: Books) -> Books:
    """The books without the days of the start."""
    first = np.sort(books.days["date"].unique())[START_UP_DAYS]
    return Books(*(frame[frame["date"] >= first] for frame in (books.item_days, books.days)))


class Theatre:
    """Plays seasons of one world, seed and strength that all have the same past; reads those that lie in `folder`."""

    def __init__(self, folder: Path, season: Season) -> None:
        self.folder, self.season = folder, season
        self.past: Past | None = None
        self.fitted: dict[tuple[bool, ...], dict[str, Any]] = {}

    def books(self, season: Season, policy: str) -> Books:
        """The books of that season under that policy."""
        shelf = Shelf(self.folder, season)
        books = shelf.read(policy)
        if books is None:
            stage = self.stage(season)
            books = play_season(stage, arriving_in_time(stage, POLICIES[policy](stage)))
            shelf.keep(policy, books)
        return books

    def stage(self, season: Season) -> Stage:
        """The stage of the season; models fitted on the same tables are shared."""
        self.past = self.past or play_past(self.season)
        tables = (season.sale_times, season.stock_counts, season.weather, season.rivals, season.customers)
        return replace(open_stage(self.past, season), fitted=self.fitted.setdefault(tables, {}))


def arriving_in_time(stage: Stage, policy: Any) -> SeasonPolicy:
    """The policy planning as long ahead as the season's lead time asks for; `ConfigError` beyond two days."""
    if stage.season.lead_days == 1:
        return policy  # type: ignore[no-any-return]
    if stage.season.lead_days != 2:
        raise ConfigError(f"lead_days = {stage.season.lead_days}: seasons are played with 1 or 2.")
    policy.settings = policy.settings.override(shop__lead_time_days=2)
    return TwoDayLead(stage, policy)
