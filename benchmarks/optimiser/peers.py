"""Other solvers on the same full menu: CBC and SCIP from an environment of their own.

    python -m venv peers && peers/bin/pip install pulp pyscipopt

(pulp ships CBC, pyscipopt ships SCIP). Without that environment the rows say so.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import highspy
import numpy as np

from replenish.optimise.linear import LinearModel, _highs_model

CBC = """
import json, re, subprocess, sys, time, pulp
path, gap, limit, threads = sys.argv[1:]
solver = pulp.PULP_CBC_CMD().path
start = time.perf_counter()
out = subprocess.run([solver, path, "ratio", gap, "sec", limit, "threads", threads, "timeMode", "elapsed", "solve"],
                     capture_output=True, text=True).stdout
seconds = time.perf_counter() - start
found = re.findall(r"Objective value:\\s+([-0-9.e+]+)", out)
bound = re.findall(r"(?:Lower bound|best possible):?\\s+([-0-9.e+]+)", out)
print(json.dumps({"objective": -float(found[-1]) if found else None,
                  "bound": -float(bound[-1]) if bound else None, "seconds": seconds}))
"""
SCIP = """
import json, sys, time
from pyscipopt import Model
path, gap, limit, threads = sys.argv[1:]
model = Model(); model.hideOutput(); model.readProblem(path)
model.setParam("limits/gap", float(gap)); model.setParam("limits/time", float(limit))
start = time.perf_counter(); model.optimize(); seconds = time.perf_counter() - start
print(json.dumps({"objective": -model.getObjVal() if model.getNSols() else None,
                  "bound": -model.getDualbound(), "seconds": seconds}))
"""


@dataclass(frozen=True)
class PeerAnswer:
    """Objective and bound (None: no plan), seconds of the solver alone."""

    objective: float | None
    bound: float | None
    seconds: float


def write_mps(model: LinearModel, path: Path) -> None:
    """The model as a minimisation in MPS, which every solver reads the same way."""
    lp = _highs_model(model)
    lp.sense_ = highspy.ObjSense.kMinimize
    lp.col_cost_ = -np.asarray(model.gain)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.passModel(lp)
    solver.writeModel(str(path))


def ask(name: str, model: LinearModel, python: Path, gap: float, limit_s: float, threads: int) -> PeerAnswer:
    """The answer of "CBC" or "SCIP" to the model, run by the Python of the peers' environment."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "menu.mps"
        write_mps(model, path)
        code = {"CBC": CBC, "SCIP": SCIP}[name]
        command = [str(python), "-c", code, str(path), str(gap), str(limit_s), str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return PeerAnswer(**json.loads(done.stdout.strip().splitlines()[-1]))
