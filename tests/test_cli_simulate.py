"""`replenish simulate`: prints, stores, and refuses what it does not know."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from replenish.cli import main
from replenish.simulate import data_value
from replenish.simulate.page import BEGIN, END

SHORT = ["--days", "2", "--seeds", "2", "--history-days", "60"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str, command: str = "simulate") -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([command, *arguments])
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


def test_a_page_keeps_what_was_written_by_hand_and_gets_its_frontier(tmp_path, capsys, tmp_path_factory):
    page = tmp_path / "policies.md"
    page.write_text("# Mine\n", encoding="utf-8")
    kept = tmp_path_factory.getbasetemp() / "kept-seasons"
    asked = ["--worlds", "calm", "--policies", "practice+5%", *SHORT, "--folder", str(kept), "--output", str(page)]
    code, _, err = run(capsys, *asked)
    assert (code, page.read_text(encoding="utf-8")) == (2, "# Mine\n")
    assert "does not say which part" in err
    page.write_text(f"# Mine\n\n{BEGIN}\n{END}\n\nMy doubts.\n", encoding="utf-8")
    assert run(capsys, *asked)[0] == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Mine\n")
    assert text.endswith("My doubts.\n")
    assert "(policies-frontier.html)" in text
    assert "plotly" in (tmp_path / "policies-frontier.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "policies.json").read_text(encoding="utf-8"))["arguments"]["days"] == 2


def test_value_of_data_prints_and_stores(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(data_value, "POLICY", "practice-full")
    page = tmp_path / "value.md"
    asked = ["--worlds", "calm", "--strengths", "weak", "--kinds", "times,weather", *SHORT, "--folder", str(tmp_path)]
    code, out, _ = run(capsys, *asked, "--output", str(page), command="value-of-data")
    assert code == 0
    assert "weather forecasts" in out
    assert "| times of sales |" in page.read_text(encoding="utf-8").replace("| weak | times", "| times")
    assert (tmp_path / "value-chart.html").exists()
    code, _, err = run(capsys, "--kinds", "gossip", command="value-of-data")
    assert code == 2
    assert "Unknown kind" in err
