"""One notebook for the journeys of a file: a kernel takes seconds to start, a dashboard hardly any time at all.

Each journey shows what it needs in a cell of its own, and leaves the notebook as it found it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from browser.conftest import OURS
from browser.jupyter import WIDGET, Notebook

CUT = f"n => {{ const model = {WIDGET}.content.model.sharedModel; model.deleteCellRange(n, model.cells.length); }}"


class Workbench:
    """A notebook in a page, and the requests and errors of that page."""

    def __init__(self, notebook: Notebook, cells: int) -> None:
        self.notebook, self._cells = notebook, cells
        self.errors: list[str] = []
        self.requests: list[str] = []
        notebook.page.on("pageerror", lambda error: OURS in (error.stack or "") and self.errors.append(error.stack))
        notebook.page.on("request", lambda request: self.requests.append(request.url))

    @contextlib.contextmanager
    def showing(self, dashboard: str, before: str = "") -> Iterator[Notebook]:
        """With `dash = …` in a cell, after a cell of what it needs. Errors of the page are those of the test."""
        if before:
            self.notebook.run(self.notebook.add(before))
        self.notebook.run(self.notebook.add(f"dash = {dashboard}\ndash"))
        try:
            self.notebook.page.get_by_test_id("sw-root").wait_for()
            yield self.notebook
        finally:
            self.notebook.page.mouse.move(5, 5)
            self.notebook.ask("dash.close()")
            self.notebook.page.evaluate(CUT, self._cells)
        said, self.errors[:] = list(self.errors), []
        assert [] == said


@contextlib.contextmanager
def workbench(browser: Any, server: tuple[str, Path], name: str, cells: Sequence[str]) -> Iterator[Workbench]:
    """A notebook of which these cells have been run."""
    address, root = server
    page = browser.new_page(viewport={"width": 1200, "height": 1100})
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    notebook = Notebook(page, address, root, f"{name}/n.ipynb", cells)
    bench = Workbench(notebook, len(cells))
    for cell in range(len(cells)):
        notebook.run(cell)
    yield bench
    notebook.shut_down()
