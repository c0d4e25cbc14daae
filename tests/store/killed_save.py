"""Saves a plan and kills itself, without a chance to tidy up, right after its n-th statement (0: before the commit)."""

from __future__ import annotations

import os
import signal
import sys

from sqlalchemy import event

from replenish.store.database import open_store
from tests.factories import make_plan


def main(url: str, moment: int) -> None:
    store = open_store(url)
    statements = 0

    def after_statement(*_: object) -> None:
        nonlocal statements
        statements += 1
        if statements == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def before_commit(*_: object) -> None:
        if moment == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(store._engine, "after_cursor_execute", after_statement)
    event.listen(store._engine, "commit", before_commit)
    run = store.save(make_plan(days=7), versions={"replenish": "0.1.0"})
    sys.stdout.write(f"{run.run_id} {statements}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
