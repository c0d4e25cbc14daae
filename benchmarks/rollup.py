"""Measures the roll-up of till transactions: `python benchmarks/rollup.py [rows] [parquet|csv]`.

Writes generated transactions of 12 stores to a temporary file, rolls them up in a process of its own and prints
seconds and peak memory as JSON. Target: 10 million rows in under 10 s and 2 GB on 2 cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STORES = 12
ITEMS = 250
ITEMS_A_DAY = 43
"""Items a store sells on one day; with 19 sales of each, as in the reference shop, 10 million rows are 12 stores."""
DAYS = 1095
TARGET_S = 10.0
TARGET_GB = 2.0


def write_transactions(path: Path, rows: int) -> None:
    """Generated transactions in canonical form (DuckDB's `hash` stands in for a random generator)."""
    import duckdb

    kind = "FORMAT parquet" if path.suffix == ".parquet" else "FORMAT csv, HEADER"
    duckdb.connect(config={"threads": 2}).execute(f"""
        COPY (
          SELECT 'store ' || (hash(i, 1) % {STORES}) AS store,
                 DATE '2021-01-01' + CAST(i * {DAYS} // {rows} AS INTEGER) AS date,
                 CAST(make_time(9 + CAST(hash(i, 2) % 12 AS BIGINT), CAST(hash(i, 3) % 60 AS BIGINT),
                      (hash(i, 4) % 60000) / 1000.0) AS VARCHAR) AS time,
                 CAST(100000 + (i * 50 // {rows} * 7 + CAST(hash(i, 5) % {ITEMS_A_DAY} AS BIGINT)) % {ITEMS} AS VARCHAR)
                   AS item_code,
                 (1 + hash(i, 6) % 2000) / 1000.0 AS quantity,
                 (100 + hash(i, 7) % 1900) / 100.0 AS unit_price,
                 CASE WHEN hash(i, 8) % 2000 = 0 THEN 'return' ELSE 'sale' END AS sale_type,
                 hash(i, 9) % 20 = 0 AS discounted
          FROM range({rows}) AS t(i)
        ) TO '{path}' ({kind})""")


def items() -> object:
    """The items those transactions are of."""
    import pandas as pd

    keys = [(f"store {s}", str(100000 + i), f"category {i % 6}") for s in range(STORES) for i in range(ITEMS)]
    return pd.DataFrame(keys, columns=["store", "item_code", "category"])


def measure(path: Path) -> dict[str, float]:
    """Seconds by the clock and of both cores, and peak memory [GB], of one roll-up in this process."""
    import resource

    from replenish.sources.rollup import roll_up

    catalogue = items()
    start = time.perf_counter()
    rolled = roll_up(path, catalogue)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "rows": rolled.rows,
        "item_days": len(rolled.daily),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "gb": round(used.ru_maxrss / 2**20, 2),
    }


def main(rows: int, suffix: str) -> int:
    """Prints the measurement; 1 when a target is missed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"sales.{suffix}"
        write_transactions(path, rows)
        done = subprocess.run([sys.executable, __file__, "--measure", str(path)], stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)
    result["within_target"] = result["seconds"] < TARGET_S and result["gb"] < TARGET_GB
    print(json.dumps(result))
    return 0 if result["within_target"] else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
    else:
        sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 10_000_000, sys.argv[2] if sys.argv[2:] else "parquet"))
