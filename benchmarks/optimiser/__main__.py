"""The optimiser on seeded shops: `python -m benchmarks.optimiser [--peers VENV] [--textbook S] [--large] …`.

Writes benchmarks/optimiser.md. `--peers`: an environment with CBC and SCIP (see `peers.py`); `--textbook`: seconds given
to the textbook scenario model on each instance (0: left out); `--peer-instances`: others than ours run on so many of
the instances only; `--large`: the shop of 300 items as well, in a process of its own. Ours alone: some three minutes;
every instance with the others up to four minutes more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.optimiser.instances import Instance, draw, problem, shop, with_budget
from benchmarks.optimiser.peers import ask
from benchmarks.optimiser.textbook import textbook_model
from replenish.optimise.judge import Line, judge
from replenish.optimise.linear import linear_form, solve_linear
from replenish.optimise.model import Problem, build_model
from replenish.optimise.rounds import offer_rows
from replenish.optimise.solve import solve_menu
from replenish.optimise.sweep import Day
from replenish.optimise.week import solve_week
from replenish.records import Override, Scenarios, Solution
from replenish.settings import SolverSettings

PAGE = Path(__file__).resolve().parents[1] / "optimiser.md"
SCENARIOS, FRESH = 200, 5000
PEER_GAP, PEER_LIMIT_S = 0.003, 60.0


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """The function's value and its wall time [s]."""
    start = time.perf_counter()
    value = function()
    return value, time.perf_counter() - start


def processor(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """The function's value, its wall time and its processor time [s], which other programs disturb less."""
    start = time.process_time()
    value, seconds = timed(function)
    return value, seconds, time.process_time() - start


def solved(instance: Instance, draws: Scenarios, gap: float, **rules: object) -> tuple[Problem, Solution]:
    """From the scenarios to the plan: menu and optimiser."""
    p = problem(instance, draws, **rules)
    return p, solve_menu(p, SolverSettings(gap=gap))


def small(seed: int, peers: Path | None, textbook_s: float, others: bool) -> dict[str, Any]:
    """One shop of 60 items, 7 rungs, 200 scenarios, all rules on; `others`: with the other solvers."""
    plain, draws = shop(seed), draw(shop(seed), SCENARIOS, 0)
    free, best = solved(plain, draws, 0.003)
    instance = with_budget(plain, float(free.menu.offers.loc[list(best.chosen), "spend"].sum()))
    row: dict[str, Any] = {"seed": seed}
    for name, gap, rules in (("0.3 %", 0.003, {}), ("0.1 %", 0.001, {}), ("CVaR 0.5 %", 0.005, {"risk_weight": 0.3})):
        (p, s), seconds, cpu = processor(lambda gap=gap, rules=rules: solved(instance, draws, gap, **rules))
        row |= {f"{name}: s": seconds, f"{name}: processor s": cpu, f"{name}: gap": s.gap}
        if name == "0.1 %":
            row |= {"offers": len(p.menu.offers), "objective": s.objective} | _promise(instance, p, s)
            row |= _again(instance, draws, p, s)
            row |= _others(instance, draws, p, peers, textbook_s) if others else {}
    return row | _deterministic(instance, draws)


def _again(instance: Instance, draws: Scenarios, p: Problem, s: Solution) -> dict[str, float]:
    """A place fewer, the best item banned, a price locked: from the change to the plan, started from the one before."""
    chosen = p.menu.offers.loc[list(s.chosen)]
    best = chosen.loc[chosen["value"].idxmax()]
    fewer = instance.rules.model_copy(update={"n_max": (instance.rules.n_max or 33) - 1})
    changes: dict[str, Callable[[], Problem]] = {
        "one place fewer": lambda: replace(p, rules=fewer),
        "best item banned": lambda: problem(instance, draws, [Override(best["item_code"], "never_list")]),
        "a price locked": lambda: problem(
            instance, draws, [Override(best["item_code"], "price", best["price"] * 0.95)]
        ),
    }
    out = {}
    for name, change in changes.items():

        def solve(change: Callable[[], Problem] = change) -> Solution:
            changed = change()
            start = offer_rows(changed.menu, _lines(instance, p, s))
            return solve_menu(changed, SolverSettings(gap=0.003), start)

        again, seconds, cpu = processor(solve)
        out |= {f"{name}: s": seconds, f"{name}: processor s": cpu, f"{name}: gap": again.gap}
    return out


def _lines(instance: Instance, p: Problem, s: Solution) -> list[Line]:
    by_code = {c.item_code: c for c in instance.candidates}
    chosen = p.menu.offers.loc[list(s.chosen)]
    return [Line(by_code[str(o.item_code)], float(o.price), float(o.order_quantity)) for o in chosen.itertuples()]


def _promise(instance: Instance, p: Problem, s: Solution) -> dict[str, float]:
    promised = float(p.menu.offers.loc[list(s.chosen), "profit"].sum())
    expected = judge(_lines(instance, p, s), draw(instance, FRESH, 1)).expected()
    return {"promised": promised, "expected": expected}


def _deterministic(instance: Instance, draws: Scenarios) -> dict[str, float]:
    """The plan made on the mean of the scenarios alone."""
    mean = Scenarios(
        draws.item_codes, draws.demand.mean(0)[None], draws.mean_elasticity[None], draws.mean_elasticity,
        draws.cost.mean(0)[None], draws.drawn_days[:1],
    )  # fmt: skip
    p, s = solved(instance, mean, 0.003)
    return {f"deterministic {k}": v for k, v in _promise(instance, p, s).items()}


def _others(instance: Instance, draws: Scenarios, p: Problem, peers: Path | None, textbook_s: float) -> dict[str, Any]:
    """The same full menu given to HiGHS, CBC and SCIP, and the textbook model to HiGHS."""
    form, out = linear_form(build_model(p, p.menu.offers)), {}
    plain, seconds = timed(lambda: solve_linear(form, 2, PEER_LIMIT_S, PEER_GAP))
    out |= {"HiGHS, full menu: s": seconds, "HiGHS, full menu: objective": plain.objective}
    for name in ("CBC", "SCIP") if peers is not None else ():
        answer = ask(name, form, Path(str(peers)) / "bin" / "python", PEER_GAP, PEER_LIMIT_S, 2)
        out |= {f"{name}: s": answer.seconds, f"{name}: objective": answer.objective}
    if textbook_s > 0:
        largest = p.menu.offers.groupby(["item_code", "price"])["order_quantity"].max().to_dict()
        book = textbook_model(instance, draws, largest)
        answer, seconds = timed(lambda: solve_linear(book, 2, textbook_s, PEER_GAP))
        out |= {"textbook: s": seconds, "textbook: objective": answer.objective, "textbook: bound": answer.bound}
    return out


def week(seed: int) -> dict[str, Any]:
    """Seven days of 60 items, of which 12 keep two or three days."""
    instance = shop(seed, keeping=12)
    (found, scenarios), seconds = timed(lambda: _solved_week(instance))
    del scenarios
    return {"seed": seed, "week: s": seconds, "week: gap": found.gap, "rounds": found.rounds}


def _solved_week(instance: Instance) -> tuple[Any, list[Scenarios]]:
    draws = [draw(instance, SCENARIOS, 10 + t) for t in range(7)]
    days = [Day(problem(instance, d), instance.candidates, d) for d in draws]
    return solve_week(days, SolverSettings(gap=0.003)), draws


def page(rows: pd.DataFrame, weeks: pd.DataFrame, big: dict[str, Any]) -> str:
    """Medians and worst values in Markdown."""
    numbers = rows.drop(columns="seed").apply(pd.to_numeric)
    table = "\n".join(
        f"| {n} | {v.median():,.4g} | {v.min():,.4g} | {v.max():,.4g} | {v.count()} |" for n, v in numbers.items()
    )
    weekly = "\n".join(
        f"| {n} | {v.median():,.4g} | {v.min():,.4g} | {v.max():,.4g} |" for n, v in weeks.drop(columns="seed").items()
    )
    kept = (numbers["expected"] / numbers["promised"] - 1).mean()
    naive = (numbers["deterministic expected"] / numbers["deterministic promised"] - 1).mean()
    more = "\n".join(f"- {n}: {v:,.4g}" for n, v in big.items())
    return f"""# The optimiser

`python -m benchmarks.optimiser` ({len(rows)} seeded shops; 60 items × 7 rungs × {SCENARIOS} scenarios, 0.5 kg multiples, 27–33
items, 6 categories, cover, index and budget rows on; times from the scenarios to the plan, menu included; two threads).
CBC, SCIP and plain HiGHS get the same full menu, {PEER_LIMIT_S:g} s and a gap of {PEER_GAP:.1%}; the textbook model has prices, orders and sales in
every scenario as variables.

| | median | least | most | shops |
|---|---|---|---|---|
{table}

Expected on {FRESH:,} fresh scenarios against promised: {kept:+.1%} on average; of the deterministic plan {naive:+.1%}.

Seven days together, 12 of 60 items keep two or three days:

| | median | least | most |
|---|---|---|---|
{weekly}

{more}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=10)
    parser.add_argument("--weeks", type=int, default=3)
    parser.add_argument("--peers", type=Path, default=None)
    parser.add_argument("--textbook", type=float, default=0.0)
    parser.add_argument("--peer-instances", type=int, default=None)
    parser.add_argument("--large", action="store_true")
    given = parser.parse_args()
    if given.peers is None:
        print("CBC and SCIP are left out: give --peers VENV (see benchmarks/optimiser/peers.py).")
    rows = []
    for seed in range(given.instances):
        others = given.peer_instances is None or seed < given.peer_instances
        rows.append(small(seed, given.peers, given.textbook, others))
        print({k: round(v, 4) if isinstance(v, float) else v for k, v in rows[-1].items()}, flush=True)
    weeks = pd.DataFrame([week(seed) for seed in range(given.weeks)])
    print(weeks.to_string(), flush=True)
    big = {}
    if given.large:
        done = subprocess.run([sys.executable, "-m", "benchmarks.optimiser.large"], capture_output=True, check=True)
        big = json.loads(done.stdout)
    PAGE.write_text(page(pd.DataFrame(rows), weeks, big), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
