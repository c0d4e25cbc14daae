"""CPU seconds of a season planned by `replenish`, by what they go into: `python -m benchmarks.season [--days 28]`.

Models are fitted on the first evening and again every week, every evening is planned; CPU seconds of this process, so
that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from replenish.planning import Prospect
from replenish.records import DemandHistory, FittedModels
from replenish.simulate.policies import Replenish
from replenish.simulate.season import View, play_season
from replenish.simulate.stage import Season, Stage, set_stage

AIM = 40.0  # wall seconds of a 28-day season on 2 cores


class Timed(Replenish):
    """The policy `replenish`, which notes the CPU seconds of its parts."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.spent: dict[str, list[float]] = {"first fit": [], "refit": [], "look ahead": [], "decide": []}

    def measured(self, part: str, work: Callable[[], Any]) -> Any:
        """What `work` returns; its time is noted under `part`."""
        begun = time.process_time()
        result = work()
        self.spent[part].append(time.process_time() - begun)
        return result

    def fresh_models(self, view: View, history: DemandHistory) -> FittedModels:
        """The models of the evening; only fitting is noted."""
        before = self.models
        part = "first fit" if before is None else "refit"
        models: FittedModels = self.measured(part, lambda: super(Timed, self).fresh_models(view, history))
        if models is before:
            self.spent[part].pop()
        return models

    def look_ahead(self, view: View) -> Prospect:
        """The evening's prospect, without the fitting."""
        fits = sum(map(sum, (self.spent["first fit"], self.spent["refit"])))
        ahead: Prospect = self.measured("look ahead", lambda: super(Timed, self).look_ahead(view))
        self.spent["look ahead"][-1] -= sum(map(sum, (self.spent["first fit"], self.spent["refit"]))) - fits
        return ahead

    def decide(self, ahead: Prospect, view: View) -> tuple[dict[str, tuple[float, float]], float, float]:
        """The evening's plan."""
        plan: tuple[dict[str, tuple[float, float]], float, float] = self.measured(
            "decide", lambda: super(Timed, self).decide(ahead, view)
        )
        return plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", default="calm")
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--days", type=int, default=28)
    args = parser.parse_args()
    begun = time.process_time()
    stage = set_stage(Season(args.world, days=args.days, seed=args.seed))
    staged = time.process_time()
    policy = Timed(stage)
    play_season(stage, policy)
    whole = time.process_time() - staged
    print(
        f"{args.days} days of {args.world}, seed {args.seed}: {whole:.1f} CPU s; aim for 28 days: {AIM:.0f} s on 2 cores"
    )
    print(f"{'set up (a year of practice)':28s} {staged - begun:6.1f}")
    for part, spent in policy.spent.items():
        if spent:
            print(f"{part:28s} {sum(spent):6.1f}   {len(spent)} × {sum(spent) / len(spent):.2f}")
    print(f"{'market and books':28s} {whole - sum(map(sum, policy.spent.values())):6.1f}")


if __name__ == "__main__":
    main()
