"""`replenish simulate`: prints, stores, and refuses what it does not know."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from replenish.cli import main

SHORT = ["--days", "2", "--seeds", "2", "--history-days", "60"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["simulate", *arguments])
    out = capsys.readouterr()
    return int(str(end.value.code or 0)), out.out, out.err


@pytest.mark.parametrize("ending", ["json", "csv", "parquet", "md", "html"])
def test_simulate_stores_what_it_prints(tmp_path, capsys, ending, tmp_path_factory):
    output = tmp_path / f"found.{ending}"
    kept = tmp_path_factory.getbasetemp() / "kept-seasons"  # played once for all endings
    asked = ["--worlds", "calm", "--policies", "practice+5%", *SHORT, "--folder", str(kept), "--output", str(output)]
    code, out, _ = run(capsys, *asked, "--json")
    assert code == 0
    body = json.loads(out)
    profits = {(r["policy"], r["seed"]): r["profit"] for r in body["seasons"]}
    assert len(profits) == 4
    if ending in ("csv", "parquet"):
        rows = pd.read_csv(output) if ending == "csv" else pd.read_parquet(output)
        stored = rows.set_index(["policy", "seed"])["profit"].to_dict()
        assert stored == pytest.approx(profits)
    else:
        assert "practice+5%" in output.read_text(encoding="utf-8").replace("\\u002b", "+")
    code, out, _ = run(capsys, *asked)
    assert code == 0
    assert f"{body['summary'][1]['profit']:,.0f}" in out


def test_simulate_refuses_unknown_worlds_policies_and_endings(tmp_path, capsys):
    for arguments, words in (
        (["--worlds", "paradise", "--policies", "practice"], "Unknown world"),
        (["--worlds", "calm", "--policies", "magic"], "Unknown policy"),
        (["--worlds", "calm", "--policies", "practice", "--output", str(tmp_path / "x.pdf")], "choose one of"),
    ):
        code, _, err = run(capsys, *arguments)
        assert code == 2
        assert words in err
