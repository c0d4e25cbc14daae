"""Where the profit is lost: one evening's plan with more and more of the truth put in, scored in the market itself.

python -m benchmarks.oracle_ladder [--world calm] [--seeds 11,12] [--output docs/oracle-ladder.md]

Every rung is the plan of the first evening of a season (after a year of practice), its expected profit taken over the
500 draws of the market on which the clairvoyant is judged too: far less noisy than a season.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from replenish.forecast.intervals import QUANTILE_NAMES
from replenish.planning import Groundwork, Prospect
from replenish.simulate.clairvoyant import Clairvoyant, Plan, Shelf
from replenish.simulate.draws import draw_category, play_draws
from replenish.simulate.luck import foreseen
from replenish.simulate.policies import SEASON_SETTINGS, Replenish, practice
from replenish.simulate.practice import Decision
from replenish.simulate.season import View, play_season
from replenish.simulate.stage import Season, Stage, set_stage

RUNGS = {
    "our plan": (),
    "+ true mean demand": ("mean",),
    "+ true elasticities": ("mean", "elasticity"),
    "+ true substitution": ("mean", "elasticity", "switching"),
    "+ true spread of demand": ("mean", "elasticity", "switching", "scenarios"),
    "+ no goodwill for lost sales": ("mean", "elasticity", "switching", "scenarios", "no goodwill"),
    "+ no cover rule": ("mean", "elasticity", "switching", "scenarios", "no goodwill", "no cover"),
}
WITHOUT = {"no goodwill": {"rules__goodwill": 0.0}, "no cover": {"rules__cover": 0.0}}
"""What the planner asks for beside profit, taken away."""
PLENTY = 1e6


class Evening:
    """The first evening of a season, and the market's own view of it."""

    def __init__(self, world: str, seed: int) -> None:
        self.stage: Stage = set_stage(Season(world, seed, days=1))
        books = {"practice": play_season(self.stage, practice(self.stage))}
        self.clairvoyant = Clairvoyant(self.stage, books)
        self.clairvoyant.see(deepcopy(self.stage.shop), deepcopy(self.stage.reputation))
        evening = self.stage.shop.evening(self.stage.first)
        self.view = View(evening, self.stage.market.conditions.dates[self.stage.first], lambda: self.stage.tables)
        self.usual = self.clairvoyant.starts["practice"][self.view.day]
        found = [self.clairvoyant.shelf(c, self.view) for c in self.stage.world.categories]
        self.shelves: list[Shelf] = [shelf for shelf in found if shelf is not None]

    def score(self, decision: Decision) -> dict[str, float]:
        """Expected profit and price index of a decision in the market."""
        profit, charged, usual = 0.0, 0.0, 0.0
        for shelf in self.shelves:
            asked = decision.price[shelf.draws.at]
            price = np.where(np.isnan(asked), shelf.usual_price, asked)
            plan = Plan(price, np.where(np.isnan(asked), 0.0, decision.order[shelf.draws.at]) * shelf.can_order)
            there = shelf.stock(plan.order) > 0
            profit += shelf.profit(plan)
            charged += float((shelf.weight * there * price / shelf.usual_price).sum())
            usual += float((shelf.weight * there).sum())
        return {"profit": profit, "price index": charged / usual}


class Oracle(Replenish):
    """`replenish` with parts of the truth put in."""

    def __init__(self, evening: Evening, told: tuple[str, ...]) -> None:
        changes = {name: value for what in told for name, value in WITHOUT.get(what, {}).items()}
        super().__init__(evening.stage, SEASON_SETTINGS.override(**changes))
        self.evening, self.told = evening, told
        day = evening.stage.first
        self.market = foreseen(evening.stage.market, day)
        self.there = self.market.conditions.on_market[day]
        last = evening.view.evening.last_price
        self.price = np.where(np.isnan(last), evening.stage.world.column("normal_price"), last)

    def look_ahead(self, view: View) -> Prospect:
        """The prospect with true means and elasticities, as far as told."""
        ahead = super().look_ahead(view)
        market, day = self.market, self.evening.stage.first
        if "mean" in self.told:
            table = ahead.forecast.table
            true = table["item_code"].map(
                pd.Series(market.expected_demand(day, self.price, self.there), index=self.codes)
            )
            scale = np.sqrt(true / table["mean"].clip(lower=1e-6)).clip(0.3, 3.0)
            shape = {q: (true + (table[q] - table["mean"]) * scale).clip(lower=0.0) for q in QUANTILE_NAMES}
            table = table.assign(mean=true, sigma=table["sigma"] * scale, **shape)
            # The true means are those of a full shelf already.
            full = replace(ahead.matrix, assortment=None)
            ahead = replace(ahead, matrix=full, forecast=replace(ahead.forecast, table=table))
        if "elasticity" in self.told:
            own, _ = market.elasticities(day, self.price, self.there)
            response = ahead.models.price_response
            known = response.items["item_code"].map(pd.Series(own, index=self.codes))
            items = response.items.assign(
                elasticity=known.fillna(response.items["elasticity"]), sd_item=0.01, sd_shared=0.01
            )
            ahead = replace(ahead, models=replace(ahead.models, price_response=replace(response, items=items)))
        return ahead

    def groundwork(self, ahead: Prospect, view: View) -> Groundwork:
        """The groundwork with true substitution and demand draws, as far as told."""
        ground = super().groundwork(ahead, view)
        switching = ground.switching
        if "switching" in self.told and switching is not None:
            share = pd.Series(self.moving(), index=self.codes).reindex(list(ground.scenarios.item_codes))
            switching = replace(switching, share=share.to_numpy())
            ground = replace(ground, switching=switching)
        if "scenarios" in self.told:
            ground = replace(
                ground,
                scenarios=replace(ground.scenarios, demand=self.drawn(ground.scenarios.demand, ground, 11)),
                fresh=replace(ground.fresh, demand=self.drawn(ground.fresh.demand, ground, 12)),
            )
        return ground

    def moving(self) -> np.ndarray:
        """Share of each item's shoppers that go to its rivals when it is not there."""
        market, day, out = self.market, self.evening.stage.first, np.full(len(self.codes), np.nan)
        basket = self.evening.stage.world.column("basket")
        base = market.expected_demand(day, self.price, self.there) / basket
        for k in np.flatnonzero(self.there):
            without = self.there.copy()
            without[k] = False
            more = market.expected_demand(day, self.price, without) / basket - base
            more[k] = 0.0
            out[k] = more.sum() / base[k]
        return out

    def drawn(self, demand: np.ndarray, ground: Groundwork, seed: int) -> np.ndarray:
        """Demand draws of the market at the reference prices, nothing running out."""
        out, codes = demand.copy(), list(ground.scenarios.item_codes)
        attraction = self.evening.clairvoyant.reputation.attraction()
        for shelf in self.evening.shelves:
            of = shelf.draws
            more = draw_category(of.market, of.day, of.category, of.at, attraction, len(demand), seed)
            plenty = np.full(len(of.at), PLENTY)
            sold = play_draws(more, self.price[of.at], plenty, np.zeros(len(of.at))).sold
            for j, k in enumerate(of.at):
                if self.codes[k] in codes:
                    out[:, codes.index(self.codes[k])] = sold[:, j]
        return out


def ladder(world: str, seeds: list[int], tell: Callable[[str], None]) -> pd.DataFrame:
    """Expected profit and price index of every rung, mean over the seeds' first evenings; key rung."""
    rows = [row | {"seed": seed} for seed in seeds for row in rungs(world, seed, tell)]
    return pd.DataFrame(rows).drop(columns="seed").groupby("rung", sort=False).mean()


def rungs(world: str, seed: int, tell: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The rungs of one seed's first evening, one after the other; `tell` hears of each."""
    started = time.perf_counter()

    def rung(name: str, decision: Decision, promised: float = np.nan) -> dict[str, Any]:
        row = {"rung": name, **evening.score(decision), "promised": promised}
        tell(f"seed {seed}: {name} {row['profit']:,.0f} ({time.perf_counter() - started:.0f} s)")
        return row

    tell(f"seed {seed}: a year of practice")
    evening = Evening(world, seed)
    yield rung("practice", evening.usual)
    for name, told in RUNGS.items():
        planned = Oracle(evening, told)(evening.view)
        evening.clairvoyant.starts[name] = {evening.view.day: planned.decision}
        yield rung(name, planned.decision, planned.promised)
    best = evening.clairvoyant(evening.view)
    yield rung("clairvoyant", best.decision, best.promised)


def page(table: pd.DataFrame, world: str, seeds: list[int]) -> str:
    """The ladder as a page."""
    best = table.loc["clairvoyant", "profit"]
    rows = [
        f"| {name} | {row['profit']:,.0f} | {row['profit'] / best:.0%} | {row['promised']:,.0f} "
        f"| {row['price index']:.3f} |".replace("nan", "")
        for name, row in table.iterrows()
    ]
    head = f"""# Oracle ladder: which room loses the profit

Generated by `python -m benchmarks.oracle_ladder --world {world} --seeds {",".join(map(str, seeds))}`; do not edit.

The plan of the first evening after a year of practice, world “{world}”, seed(s) {", ".join(map(str, seeds))}: expected profit in
the market (500 draws), with more and more of the truth put in.

| plan | profit | of clairvoyant | promised | price index |
|---|---:|---:|---:|---:|
"""
    return head + "\n".join(rows) + "\n"


def main() -> None:
    """Prints the page or writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", default="calm")
    parser.add_argument("--seeds", default="11,12")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    seeds = [int(s) for s in given.seeds.split(",")]
    table = ladder(given.world, seeds, lambda message: print(message, file=sys.stderr, flush=True))
    text = page(table, given.world, seeds)
    if given.output:
        given.output.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
