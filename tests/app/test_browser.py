"""The dashboard in a real browser: see the plan, lock a price, set a limit, solve again, download the order."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from replenish.schemas import PLAN_LINES
from replenish.store.database import open_store

if TYPE_CHECKING:
    from playwright.sync_api import Page

APP = Path(__file__).parents[2] / "app.py"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_TIMEOUT_S = 60
SOLVE_TIMEOUT_MS = 300_000
ROWS_IN_VIEW = 10  # further rows are not in the page until one scrolls

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="Chromium is not installed"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def dashboard(folder: Path, database: str) -> Iterator[str]:
    """The app on a free port, showing a data folder; yields its address."""
    port = free_port()
    options = {"server.port": port, "server.address": "127.0.0.1", "server.headless": "true"}
    command = [sys.executable, "-m", "streamlit", "run", str(APP), *(f"--{k}={v}" for k, v in options.items())]
    environment = {**os.environ, "REPLENISH_DATA": str(folder), "REPLENISH_STORAGE__DATABASE": database}
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, env=environment, cwd=APP.parent)
    try:
        _wait_for(f"{address}/_stcore/health")
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_the_dashboard_starts_from_any_folder_without_asking_anything(demo_folder: Path, tmp_path: Path):
    """Of somebody who never ran Streamlit: it would ask for an email address, and wait."""
    port = free_port()
    command = [sys.executable, "-c", "from replenish.cli import main; main()", "dashboard", "--data", str(demo_folder)]
    environment = {**os.environ, "HOME": str(tmp_path), "BROWSER": "true", "PYTHONPATH": str(APP.parent / "src")}
    process = subprocess.Popen([*command, "--port", str(port)], env=environment, cwd=tmp_path, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)  # fmt: skip
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        told = process.communicate(timeout=20)[0]
    assert "Email" not in told


@contextmanager
def open_page(address: str) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1200}, accept_downloads=True)
        page.set_default_timeout(60_000)
        page.goto(address)
        try:
            yield page
        finally:
            browser.close()


def lock_price(page: Page, row: int, price: float) -> None:
    """Type a price into the “Lock price” cell of a row: the editor draws on a canvas, so with the keyboard."""
    page.get_by_role("tab", name="Change and solve again").click()
    page.get_by_role("button", name="Solve again").wait_for()
    grid = page.get_by_test_id("stDataFrame").first
    header = grid.locator("th", has_text="Lock price")
    header.wait_for(state="attached")
    column = int(header.get_attribute("aria-colindex") or 0)
    grid.locator(".dvn-scroller").click(position={"x": 60, "y": 55})
    for key in ["ArrowDown"] * row + ["ArrowRight"] * (column - 1):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.locator("#portal input").wait_for()
    page.keyboard.type(f"{price}", delay=30)
    page.keyboard.press("Enter")
    grid.locator(f"[data-testid='glide-cell-{column - 1}-{row}']", has_text=f"{price:.2f}").wait_for(state="attached")


def limit_items(page: Page, most: int) -> None:
    """Allow so many items at most, solve again and wait for the plan that lists them."""
    page.get_by_role("tab", name="Change and solve again").click()
    field = page.get_by_role("spinbutton", name="Most items")
    field.fill(f"{most}")
    field.press("Tab")
    page.get_by_role("button", name="Solve with these limits").click()
    card = page.get_by_test_id("stMetric").filter(has_text="Listed")
    card.get_by_text(f"{most}", exact=True).wait_for(timeout=SOLVE_TIMEOUT_MS)


def download(page: Page, name: str, folder: Path) -> Path:
    with page.expect_download() as started:
        page.get_by_role("button", name=name).click()
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


def walk_through(folder: Path, tmp_path: Path) -> pd.DataFrame:
    """Open, lock the price of the most profitable item in view, then set a limit, solve again and download each time;
    returns the first order."""
    database = f"sqlite:///{tmp_path}/runs.db"
    with dashboard(folder, database) as address, open_page(address) as page:
        page.get_by_text("Order cost").first.wait_for(timeout=SOLVE_TIMEOUT_MS)
        assert page.get_by_test_id("stException").count() == 0
        before = pd.read_csv(download(page, "Order CSV", tmp_path), dtype={"item_code": str, "store": str})
        row = int(before["expected_profit"].head(ROWS_IN_VIEW).argmax())
        locked = round(float(before["price"].iloc[row]) * 0.98, 2)
        lock_price(page, row, locked)
        page.get_by_label("Author", exact=True).fill("李")
        page.get_by_label("Reason", exact=True).fill("leaflet")
        page.get_by_role("button", name="Solve again").click()
        page.get_by_text("· 1 lock").wait_for(timeout=SOLVE_TIMEOUT_MS)
        assert page.get_by_test_id("stException").count() == 0
        after = pd.read_csv(download(page, "Order CSV", tmp_path), dtype={"item_code": str, "store": str})
        limit_items(page, len(after) - 2)
        assert page.get_by_test_id("stException").count() == 0
        fewer = pd.read_csv(download(page, "Order CSV", tmp_path), dtype={"item_code": str, "store": str})
    assert len(fewer) == len(after) - 2  # the lock holds under the new limit too
    assert fewer.set_index("item_code")["price"].get(before["item_code"].iloc[row], locked) == locked
    mine = after["item_code"] == before["item_code"].iloc[row]
    assert after.loc[mine, "price"].tolist() == [locked]
    with open_store(database) as runs:
        assert len(runs.runs()) == 3
    return before


def test_demo_store(demo_folder: Path, tmp_path: Path) -> None:
    order = walk_through(demo_folder, tmp_path)
    assert list(order.columns) == PLAN_LINES.names


@pytest.mark.real
def test_reference_plan(real_folder: Path, tmp_path: Path) -> None:
    order = walk_through(real_folder, tmp_path)
    assert order["date"].unique().tolist() == ["2023-07-01"]
    assert 27 <= len(order) <= 33
    assert (order["order_quantity"] >= 2.5).all()
