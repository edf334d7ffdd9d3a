"""A dashboard as its user sees it: what it says, what can be clicked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

from browser.jupyter import Notebook
from sweepwidget.model import Run, SweepId
from sweepwidget.store import Store
from sweepwidget.stores import store_at

INK = """element => {
    const canvas = element.querySelector("canvas");
    if (!canvas || !canvas.width) return "";
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let [ink, hash] = [0, 0];
    for (let i = 3; i < data.length; i += 4) if (data[i]) { ink += 1; hash = (hash * 31 + i + data[i - 1] + data[i - 2]) | 0; }
    return ink > 0 ? `${ink} ${hash}` : "";
}"""


class Board:
    """The n-th dashboard of a notebook's page."""

    def __init__(self, notebook: Notebook, n: int = 0) -> None:
        self.page: Page = notebook.page
        self.root: Locator = notebook.page.get_by_test_id("sw-root").nth(n)

    def part(self, name: str) -> Locator:
        """A part of it, by its test id without `sw-`."""
        return self.root.get_by_test_id(f"sw-{name}")

    def said(self, word: str, timeout_s: float = 30.0) -> None:
        """Wait until its status is this word."""
        self.part("status").get_by_text(word, exact=True).wait_for(timeout=1e3 * timeout_s)

    def rows(self, state: str = "") -> Locator:
        return self.root.locator(f"[data-testid=sw-run-row]{f'[data-state={state}]' if state else ''}")

    def row(self, run: str) -> Locator:
        return self.root.locator(f"[data-testid=sw-run-row][data-run-id='{run}']")

    def agents(self, n: int) -> Locator:
        """Wait until there are n agents; their rows."""
        rows = self.part("agent-row")
        if n:
            rows.nth(n - 1).wait_for()
        rows.nth(n).wait_for(state="detached")
        return rows

    def choose(self, opener: Locator, *items: str) -> None:
        """Open a menu, and click items of it one after another: an order that is asked twice is clicked twice."""
        opener.click()
        for item in items:
            self.root.get_by_role("menuitem", name=item).click()

    def answered(self) -> None:
        """Wait until no order of this dashboard is under way."""
        self.root.locator("[data-status], [aria-busy]").first.wait_for(state="detached")

    def picture(self) -> str:
        """What is drawn on the plot's canvas, in short; "" if it is empty."""
        return str(self.part("curves").evaluate(INK))

    def redrawn(self, before: str) -> str:
        """Wait until the plot has another picture than before; which."""
        self.page.wait_for_function(
            f'([element, before]) => !["", before].includes(({INK})(element))',
            arg=[self.part("curves").element_handle(), before],
        )
        return self.picture()

    def caption(self, text: str | re.Pattern[str]) -> Locator:
        """Wait until the plot's caption says this."""
        found = self.part("curves").locator(".sw-caption", has_text=text)
        found.wait_for()
        return found


def store_of(notebook: Notebook) -> Store:
    return store_at(Path(notebook.path.parent / "sweeps.db"))


def runs_of(notebook: Notebook) -> Sequence[Run]:
    """The runs of the notebook's only sweep, by number, as the store has them."""
    store = store_of(notebook)
    return sorted(store.runs(SweepId(sweep_of(notebook).id)), key=lambda run: run.number)


def sweep_of(notebook: Notebook) -> Any:
    (sweep,) = store_of(notebook).sweeps()
    return sweep
