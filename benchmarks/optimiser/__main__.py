"""The optimiser on seeded shops: `python -m benchmarks.optimiser [--peers VENV] [--textbook S] [--large] …`.

Writes benchmarks/optimiser.md. `--peers`: an environment with CBC and SCIP (see `peers.py`); `--textbook`: seconds given
to the textbook scenario model on each instance (0: left out); `--peer-instances`: others than ours run on so many of
the instances only; `--threads`: of every solver; `--rows`: a file of finished instances, added to as they finish and
not run again; `--large`: the shop of 300 items as well, in a process of its own. Ours alone: some two minutes; every
instance with the others up to four minutes more.
"""

from __future__ import annotations

import argparse
import json
import os
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
from replenish.optimise.week import WeekSolution, solve_week
from replenish.records import Override, Scenarios, Solution
from replenish.settings import SolverSettings

PAGE = Path(__file__).resolve().parents[1] / "optimiser.md"
SCENARIOS, FRESH = 200, 5000
PEER_GAP, PEER_LIMIT_S = 0.003, 60.0
OTHERS = ("HiGHS, full menu", "CBC", "SCIP")


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


def solved(
    instance: Instance, draws: Scenarios, gap: float, threads: int = 2, **rules: object
) -> tuple[Problem, Solution]:
    """From the scenarios to the plan: menu and optimiser."""
    p = problem(instance, draws, **rules)
    return p, solve_menu(p, SolverSettings(gap=gap, threads=threads))


def small(seed: int, peers: Path | None, textbook_s: float, others: bool, threads: int) -> dict[str, Any]:
    """One shop of 60 items, 7 rungs, 200 scenarios, all rules on; `others`: with the other solvers."""
    plain, draws = shop(seed), draw(shop(seed), SCENARIOS, 0)
    free, best = solved(plain, draws, 0.003, threads)
    instance = with_budget(plain, float(free.menu.offers.loc[list(best.chosen), "spend"].sum()))
    row: dict[str, Any] = {"seed": seed}
    for name, gap, rules in (("0.3 %", 0.003, {}), ("0.1 %", 0.001, {}), ("CVaR 0.5 %", 0.005, {"risk_weight": 0.3})):
        (p, s), seconds, cpu = processor(lambda gap=gap, rules=rules: solved(instance, draws, gap, threads, **rules))
        row |= {f"{name}: s": seconds, f"{name}: processor s": cpu, f"{name}: gap": s.gap}
        row |= {f"{name}: objective": s.objective, f"{name}: bound": s.bound}
        if name == "0.1 %":
            row |= {"offers": len(p.menu.offers)} | _promise(instance, p, s)
            row |= _again(instance, draws, p, s, threads)
            row |= _others(instance, draws, p, peers, textbook_s, threads) if others else {}
    return row | _deterministic(instance, draws)


def _again(instance: Instance, draws: Scenarios, p: Problem, s: Solution, threads: int) -> dict[str, float]:
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
            return solve_menu(changed, SolverSettings(gap=0.003, threads=threads), start)

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
    p, s = solved(instance, draws.at_mean(), 0.003)
    return {f"deterministic {k}": v for k, v in _promise(instance, p, s).items()}


def _others(
    instance: Instance, draws: Scenarios, p: Problem, peers: Path | None, textbook_s: float, threads: int
) -> dict[str, Any]:
    """The same full menu given to HiGHS, CBC and SCIP, and the textbook model to HiGHS."""
    form, out = linear_form(build_model(p, p.menu.offers)), {}
    plain, seconds = timed(lambda: solve_linear(form, threads, PEER_LIMIT_S, PEER_GAP))
    out |= {"HiGHS, full menu: s": seconds, "HiGHS, full menu: objective": plain.objective}
    out |= {"HiGHS, full menu: bound": plain.bound}
    for name in ("CBC", "SCIP") if peers is not None else ():
        answer = ask(name, form, Path(str(peers)) / "bin" / "python", PEER_GAP, PEER_LIMIT_S, threads)
        out |= {f"{name}: s": answer.seconds, f"{name}: objective": answer.objective, f"{name}: bound": answer.bound}
    if textbook_s > 0:
        largest = p.menu.offers.groupby(["item_code", "price"])["order_quantity"].max().to_dict()
        book = textbook_model(instance, draws, largest)
        answer, seconds = timed(lambda: solve_linear(book, threads, textbook_s, PEER_GAP))
        out |= {"textbook: s": seconds, "textbook: objective": answer.objective, "textbook: bound": answer.bound}
    return out


def week(seed: int, threads: int) -> dict[str, Any]:
    """Seven days of 60 items, of which 12 keep two or three days; from the scenarios to the plan."""
    instance = shop(seed, keeping=12)
    draws = [draw(instance, SCENARIOS, 10 + t) for t in range(7)]
    found, seconds, cpu = processor(lambda: _solved_week(instance, draws, threads))
    own = {"week: s": seconds, "week: processor s": cpu, "week: gap": found.gap, "rounds": found.rounds}
    print({"seed": seed} | own, flush=True)
    return {"seed": seed} | own


def _solved_week(instance: Instance, draws: list[Scenarios], threads: int) -> WeekSolution:
    days = [Day(problem(instance, d), instance.candidates, d) for d in draws]
    return solve_week(days, SolverSettings(gap=0.003, threads=threads))


def against_the_others(rows: pd.DataFrame) -> str:
    """Our plan to 0.3 % beside what the other solvers had on the same menu, instance by instance, in Markdown."""
    shown = [name for name in OTHERS if f"{name}: objective" in rows]
    if not shown:
        return ""
    lines = ["| shop | ours | bound | s | " + " | ".join(f"{n} | s" for n in shown) + " |"]
    lines.append("|---" * (4 + 2 * len(shown)) + "|")
    for row in rows[rows[f"{shown[0]}: s"].notna()].to_dict("records"):
        own = [f"{row['seed']}", f"{row['0.3 %: objective']:,.1f}", f"{row['0.1 %: bound']:,.1f}"]
        own.append(f"{row['0.3 %: s']:.2f}")
        theirs = [x for n in shown for x in (f"{row[f'{n}: objective']:,.1f}", f"{row[f'{n}: s']:.1f}")]
        lines.append("| " + " | ".join([*own, *theirs]) + " |")
    return (
        "Objectives on the same menu and seconds, shop by shop; ours to 0.3 %, the bound from the run to 0.1 %:\n\n"
        + "\n".join(lines) + "\n\n"
    )  # fmt: skip


def _on_the_others(rows: pd.DataFrame) -> str:
    """What the other solvers were given."""
    if not any(f"{name}: objective" in rows for name in OTHERS):
        return "CBC, SCIP, plain HiGHS and the textbook model were left out of this run."
    return (
        f"CBC, SCIP and plain HiGHS get the same full menu, {PEER_LIMIT_S:g} s and a gap of {PEER_GAP:.1%}; the textbook model has "
        "prices, orders and sales in\nevery scenario as variables."
    )


def _command() -> str:
    """The command line of this run, without the folders of this machine."""
    given = ("PATH" if os.sep in argument else argument for argument in sys.argv[1:])
    return " ".join(["python -m benchmarks.optimiser", *given])


def page(rows: pd.DataFrame, weeks: pd.DataFrame, big: dict[str, Any], threads: int) -> str:
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

`{_command()}` ({len(rows)} seeded shops; 60 items × 7 rungs × {SCENARIOS} scenarios, 0.5 kg multiples, 27–33
items, 6 categories, cover, index and budget rows on; times from the scenarios to the plan, menu included; threads
of every solver: {threads}).
{_on_the_others(rows)}
Load average of the {os.cpu_count()} cores over the last 15 minutes: {os.getloadavg()[2]:.1f}; above one for each, of seconds and
processor seconds the latter are the fairer.

| | median | least | most | shops |
|---|---|---|---|---|
{table}

{against_the_others(rows)}Expected on {FRESH:,} fresh scenarios against promised: {kept:+.1%} on average; of the deterministic plan {naive:+.1%}.

Seven days together, 12 of 60 items keep two or three days:

| | median | least | most |
|---|---|---|---|
{weekly}

{more}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=10)
    parser.add_argument("--weeks", type=int, default=5)
    parser.add_argument("--peers", type=Path, default=None)
    parser.add_argument("--textbook", type=float, default=0.0)
    parser.add_argument("--peer-instances", type=int, default=None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=Path, default=None)
    parser.add_argument("--large", action="store_true")
    given = parser.parse_args()
    if given.peers is None:
        print("CBC and SCIP are left out: give --peers VENV (see benchmarks/optimiser/peers.py).")
    text = given.rows.read_text(encoding="utf-8") if given.rows is not None and given.rows.exists() else ""
    done = {row["seed"]: row for row in map(json.loads, text.splitlines())}
    for seed in range(given.instances):
        if seed not in done:
            others = given.peer_instances is None or seed < given.peer_instances
            done[seed] = small(seed, given.peers, given.textbook, others, given.threads)
            if given.rows is not None:
                with given.rows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(done[seed]) + "\n")
        print({k: round(v, 4) if isinstance(v, float) else v for k, v in done[seed].items()}, flush=True)
    rows = [done[seed] for seed in range(given.instances)]
    weeks = pd.DataFrame([week(seed, given.threads) for seed in range(given.weeks)])
    print(weeks.to_string(), flush=True)
    big = {}
    if given.large:
        large = subprocess.run([sys.executable, "-m", "benchmarks.optimiser.large"], capture_output=True, check=True)
        big = json.loads(large.stdout)
    PAGE.write_text(page(pd.DataFrame(rows), weeks, big, given.threads), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
