"""Many seasons: worlds × seeds × policies, run in parallel, kept on disk, compared with intervals over paired seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from replenish.errors import ConfigError
from replenish.execution import Backend, StoreResult, map_stores
from replenish.files import write_whole
from replenish.simulate.accounts import BASELINE, gain_split, recovery, season_figures, summary
from replenish.simulate.clairvoyant import Clairvoyant
from replenish.simulate.policies import POLICIES
from replenish.simulate.practice import Decision
from replenish.simulate.season import Books, Planned, SeasonPolicy, View, decisions, play_season
from replenish.simulate.stage import Season, Stage, set_stage
from replenish.simulate.world import PRESETS

WORLDS = ("calm", "volatile", "price-sensitive", "short-life", "new-year", "supply-shock")
COMPARED = ("practice", "practice-tuned", "practice+5%", "replenish", "replenish-lean", "clairvoyant")
SPLIT = ("replenish", "replenish-lean")
SEERS = {"clairvoyant": False, "foresight": True}
"""Benchmarks that are played after the policies, from their plans; True: knows even who will come."""
KNOWN = {"times": "sale_times", "stock": "stock_counts", "costs": "costs_known", "weather": "weather",
         "rivals": "rivals", "customers": "customers"}  # fmt: skip
"""What a shop may know beside its sales → field of `Season`."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Comparison:
    """`seasons` key (world, seed, policy): the figures of `accounts.FIGURES`; `days`: the same for every date."""

    seasons: pd.DataFrame
    days: pd.DataFrame
    arguments: dict[str, Any]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Means and paired intervals per world and policy (see `accounts.summary`)."""
        return summary(self.seasons[~self.seasons["policy"].str.contains(" | ", regex=False)])

    @cached_property
    def split(self) -> pd.DataFrame:
        """Gains over practice split into price, assortment and order (see `accounts.gain_split`)."""
        names = [str(name) for name in self.seasons["policy"].unique() if " | " not in str(name)]
        return gain_split(self.seasons, names)

    @cached_property
    def recovery(self) -> pd.DataFrame:
        """How policies fare before and after what breaks a world (see `accounts.recovery`)."""
        return recovery(self.days[~self.days["policy"].str.contains(" | ", regex=False)])

    def to_json(self) -> str:
        """Everything but the days as one JSON document."""
        frames = {"summary": self.summary, "gain_split": self.split, "recovery": self.recovery, "seasons": self.seasons}
        body = {name: json.loads(frame.to_json(orient="records")) for name, frame in frames.items()}
        return json.dumps({"arguments": self.arguments} | body, ensure_ascii=False)


def simulate(
    worlds: Sequence[str] = ("calm",),
    policies: Sequence[str] = COMPARED,
    days: int = 28,
    seeds: int = 2,
    seed: int = 0,
    history_days: int = 365,
    folder: str | Path = "out/seasons",
    known: Sequence[str] = ("times", "stock"),
    backend: Backend = "serial",
    workers: int = 2,
    progress: Progress | None = None,
) -> Comparison:
    """Seasons of `days` days in every world with seeds `seed`, `seed` + 1, … under every policy, and their comparison.

    All policies of a world and seed meet the same shoppers and wholesale prices; practice always runs along. Finished
    seasons lie in `folder` and are not played again. `known`: what the shop knows beside its sales, of “times” (of
    sales), “stock” (counts at close, and orders) and “costs” (tomorrow's wholesale prices in the evening). `progress`
    is told of every season (`serial`) or of every world and seed that is through. Raises `ConfigError` for unknown
    names, or the first error that stopped a season.
    """
    _check_names(worlds, policies, known)
    knows: dict[str, Any] = {field: name in known for name, field in KNOWN.items()}
    base = Season("", days=days, history_days=history_days, **knows)
    names = (*dict.fromkeys([BASELINE, *(p for p in policies if p not in SEERS)]), *(p for p in SEERS if p in policies))
    pairs = [f"{world}/{seed + k}" for k in range(seeds) for world in worlds]
    play = partial(play_pair, base, names, Path(folder), progress if backend == "serial" else None)
    tell = None if progress is None else partial(tell_of_pairs, progress)
    results = map_stores(play, pairs, backend, workers, progress=tell)
    raise_first(results)
    found = [frames for result in results if (frames := result.value) is not None]
    arguments = {"worlds": list(worlds), "policies": list(names), "days": days, "seeds": seeds, "seed": seed,
                 "history_days": history_days, "known": list(known)}  # fmt: skip
    seasons, by_day = (pd.concat(frames, ignore_index=True) for frames in zip(*found, strict=True))
    return Comparison(seasons, by_day, arguments)


def _check_names(worlds: Sequence[str], policies: Sequence[str], known: Sequence[str]) -> None:
    names = (("world", worlds, PRESETS), ("policy", policies, [*POLICIES, *SEERS]), ("knowledge", known, KNOWN))
    for what, asked, there in names:
        unknown = [name for name in asked if name not in there]
        if unknown or not (asked or what == "knowledge"):
            raise ConfigError(f"Unknown {what} “{', '.join(unknown)}”. There are: {', '.join(there)}.")


def tell_of_pairs(progress: Progress, result: StoreResult[Any], done: int, total: int) -> None:
    """Says that a world and seed are through, or why not."""
    state = "done" if result.ok else f"failed: {result.error}"
    progress(f"{result.store}: {state} after {result.seconds:.0f} s ({done} of {total})")


def raise_first(results: Sequence[StoreResult[Any]]) -> None:
    """Raises the first error that stopped one of them."""
    for result in results:
        if result.error is not None:
            raise result.error


# ---------------------------------------------------------------- one world and seed


def play_pair(
    base: Season, policies: Sequence[str], folder: Path, progress: Progress | None, name: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All policies' seasons of one world and seed (`name`: world/seed): figures and days."""
    world, seed = name.rsplit("/", 1)
    season = replace(base, world=world, seed=int(seed))
    shelf = Shelf(folder, season)
    stage: Stage | None = None
    played: dict[str, Books] = {}
    for policy in policies:
        for part, build in _parts(policy, played):
            books = shelf.read(part)
            if books is None:
                stage = stage or set_stage(season)
                books = play_season(stage, build(stage))
                shelf.keep(part, books)
                if progress is not None:
                    progress(f"{name}: {part} {books.days['profit'].mean():,.0f} a day")
            played[part] = books
    return _figures(world, int(seed), played), _days(world, int(seed), played)


def _parts(policy: str, played: dict[str, Books]) -> list[tuple[str, Callable[[Stage], SeasonPolicy]]]:
    """The policy's own season, and those that split its gain into price, assortment and order."""
    if policy in SEERS:
        others = {name: books for name, books in played.items() if " | " not in name and name not in SEERS}
        return [(policy, lambda stage: Clairvoyant(stage, others, SEERS[policy]))]
    own = [(policy, POLICIES[policy])]
    if policy not in SPLIT:
        return own
    mixed = {"prices": False, "listing": True}
    return own + [
        (f"{policy} | {what}", lambda stage, listing=listing: Mixed(stage, played[BASELINE], played[policy], listing))
        for what, listing in mixed.items()
    ]


def _figures(world: str, seed: int, played: dict[str, Books]) -> pd.DataFrame:
    rows = [
        {"world": world, "seed": seed, "policy": policy, **season_figures(books, played[BASELINE])}
        for policy, books in played.items()
    ]
    return pd.DataFrame(rows)


def _days(world: str, seed: int, played: dict[str, Books]) -> pd.DataFrame:
    parts = [books.days.assign(world=world, seed=seed, policy=policy) for policy, books in played.items()]
    return pd.concat(parts, ignore_index=True)


class Mixed:
    """Practice with another policy's prices (where both list the item), and with its listing too when `listing`."""

    def __init__(self, stage: Stage, practice: Books, other: Books, listing: bool) -> None:
        self.books = [decisions(books, stage.item_codes) for books in (practice, other)]
        self.listing = listing

    def __call__(self, view: View) -> Planned:
        """The mixed decision of the day, taken from the two books."""
        usual, other = (book[view.day] for book in self.books)
        usual_order, usual_price, order, price = usual.order, usual.price, other.order, other.price
        both = np.isfinite(usual_price) & np.isfinite(price)
        if self.listing:
            mixed = np.where(both, usual_order, order)
            asked = np.where(np.isfinite(price), price, np.where(view.evening.carried_over > 0, usual_price, np.nan))
        else:
            mixed, asked = usual_order, np.where(both, price, usual_price)
        return Planned(Decision(np.where(np.isfinite(asked), mixed, 0.0), asked))


# ---------------------------------------------------------------- kept on disk


@cache
def code_mark() -> str:
    """Eight digits that change with the package's code: seasons of another version are played again."""
    package = Path(__file__).parents[1]
    digest = sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


@dataclass(frozen=True)
class Shelf:
    """Finished seasons on disk: two Parquet files per policy, in a folder named by arguments and code."""

    folder: Path
    season: Season

    def _path(self, policy: str, table: str) -> Path:
        facts = asdict(self.season)
        changed = [f"{k}={v}" for k, v in facts.items() if v != getattr(Season(""), k) and k not in ("world", "seed")]
        name = "-".join([self.season.world, f"seed{self.season.seed}", f"{self.season.days}d", *changed, code_mark()])
        return self.folder / name / f"{policy.replace(' | ', '.')}.{table}.parquet"

    def read(self, policy: str) -> Books | None:
        """The books of the policy's season, or None when it has not been played."""
        paths = [self._path(policy, table) for table in ("items", "days")]
        if not all(path.is_file() for path in paths):
            return None
        return Books(*(pd.read_parquet(path) for path in paths))

    def keep(self, policy: str, books: Books) -> None:
        """Writes the books; whole files, so that a killed run leaves none half written."""
        for table, frame in (("items", books.item_days), ("days", books.days)):
            buffer = BytesIO()
            frame.to_parquet(buffer, index=False, compression="zstd")
            write_whole(self._path(policy, table), buffer.getvalue())
