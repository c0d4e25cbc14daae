"""The dashboard on a hand-made library: a plan of 33 Chinese-named items, solved at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import replenish as rp
from replenish.errors import DataError, InfeasiblePlanError
from replenish.publish import order_bytes
from replenish.records import DemandHistory, Override, Plan, Tables
from replenish.settings import RuleSettings, Settings, load_settings
from replenish.store.database import open_store
from tests.factories import make_plan

APP = Path(__file__).parents[2] / "app.py"


@dataclass
class FakeLibrary:
    """Stands for the planning functions; remembers what it was asked, and fails on request."""

    database: str
    fail: dict[str, Exception] = field(default_factory=dict)
    solved: list[tuple[Override, ...]] = field(default_factory=list)
    within: list[RuleSettings] = field(default_factory=list)
    sessions: int = 0

    def load_tables(self, folder: str) -> Tables:
        if folder != "data/demo":
            raise DataError(f"There is no folder {folder}.", "Choose another one.")
        lines = make_plan().lines
        items = lines[["store", "item_code", "item_name", "category", "unit"]]
        sales = pd.DataFrame({"store": "main", "date": pd.date_range("2023-06-01", "2023-06-30"), "item_code": "x"})
        empty = sales.iloc[:0]
        return Tables(items, sales, empty, empty, fingerprint="f" * 64)

    def load_settings(self, config: Any = None, data: Any = None) -> Settings:
        return load_settings(environ={}, flags={"storage__database": self.database})

    def kept_models(self, tables: Tables, as_of: date, settings: Settings, store: str) -> str:
        return f"models of {store} on {as_of}"

    def PlanningSession(  # noqa: N802 - stands for a class
        self, tables: Tables, as_of: date, days: int, settings: Settings, models: str
    ) -> FakeSession:
        assert models == f"models of main on {as_of}"
        self.sessions += 1
        return FakeSession(self, as_of, days)

    def plan(self, as_of: date, days: int, overrides: tuple[Override, ...]) -> Plan:
        if "plan" in self.fail:
            raise self.fail["plan"]
        if sum(o.kind == "must_list" for o in overrides) > 1:
            raise InfeasiblePlanError("No plan keeps all rules: shelf_count and locks collide.", ("shelf_count",))
        self.solved.append(overrides)
        return make_plan(days, f"{pd.Timestamp(as_of) + pd.Timedelta(days=1):%Y-%m-%d}", overrides)

    def build_history(self, tables: Tables, as_of: date, settings: Settings, store: str) -> DemandHistory:
        dates = pd.date_range(end=as_of, periods=60)
        parts = [pd.DataFrame({"item_code": code, "date": dates}) for code in make_plan().lines["item_code"]]
        panel = pd.concat(parts, ignore_index=True)
        sold = 10 + 4 * np.sin(np.arange(len(panel)))
        empty = panel.iloc[:0]
        return DemandHistory(
            store, pd.Timestamp(as_of), empty, panel.assign(sold=sold, demand=sold + 1), empty, empty, empty
        )

    def in_worker_process(self, function: Callable[..., Any], *args: Any, timeout_s: float | None = None) -> Any:
        return function(*args)


@dataclass
class FakeSession:
    """Stands for a planning session."""

    library: FakeLibrary
    as_of: date
    days: int

    def plan(self, overrides: tuple[Override, ...], settings: Settings) -> Plan:
        self.library.within.append(settings.rules)
        return self.library.plan(self.as_of, self.days, overrides)

    def rule_values(self, overrides: tuple[Override, ...], settings: Settings) -> pd.DataFrame:
        row = {"rule": "most listed items", "step": "one more", "item_name": "", "change": 2.5, "low": 2.4, "high": 2.6}
        return pd.DataFrame([row | {"verdict": "worth it", "date": pd.Timestamp(self.as_of)}])

    def line_values(self, items: tuple[str, ...], overrides: tuple[Override, ...], settings: Settings) -> pd.DataFrame:
        row = {"decision": "price", "step": "at 5.8", "item_name": items[0], "change": -1.5, "low": -1.6, "high": -1.4}
        return pd.DataFrame([row | {"verdict": "costs", "date": pd.Timestamp(self.as_of)}])


@dataclass
class FakeWorker:
    """Stands for a worker process, in this one."""

    made: Any

    def call(self, method: str, *args: Any, timeout_s: float | None = None) -> Any:
        return getattr(self.made, method)(*args)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeLibrary:
    fake = FakeLibrary(database=f"sqlite:///{tmp_path}/runs.db")
    names = ("load_tables", "load_settings", "kept_models", "PlanningSession", "build_history", "in_worker_process")
    for name in names:
        monkeypatch.setattr(rp, name, getattr(fake, name), raising=False)
    monkeypatch.setattr(rp, "WorkerProcess", lambda make, *args: FakeWorker(make(*args)), raising=False)
    monkeypatch.setattr(rp, "open_store", open_store, raising=False)
    monkeypatch.setattr(rp, "order_bytes", order_bytes, raising=False)
    monkeypatch.delenv("REPLENISH_DATA", raising=False)
    st.cache_data.clear()
    st.cache_resource.clear()
    return fake


@pytest.fixture
def app(library: FakeLibrary) -> AppTest:
    return AppTest.from_file(str(APP), default_timeout=60)
