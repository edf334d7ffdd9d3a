"""One Jupyter server and one Chromium for all journeys; each test has a notebook, a kernel and a store of its own."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("playwright"):
    from playwright.sync_api import sync_playwright

    from browser.jupyter import CHROMIUM, QUIET, Notebook, jupyter
else:
    collect_ignore_glob = ["test_*.py"]  # `make browser` installs it

ROOT = Path(__file__).parents[2]
STORE = "import sweepwidget as sw; _ = sw.use_store('sweeps.db')"
"""The first cell of each notebook: a store in the test's own folder, whatever the machine's is."""

OURS = "blob:"
"""Where the code of widgets comes from; Jupyter's own errors are its own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(240))
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="needs Chromium: apt-get install chromium"))
            elif not (ROOT / "sweepwidget/static/core.js.gz").exists():
                item.add_marker(pytest.mark.skip(reason="the front end is not built: make js"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address and the folder of a Jupyter server."""
    root = tmp_path_factory.mktemp("jupyter")
    with jupyter(root) as address:
        yield address, root


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def notebook(
    server: tuple[str, Path], browser: Any, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Notebook]]:
    """Opens a notebook with these cells after the one that chooses the store (cell 0, run already).

    The test fails on any error of the page that is not Jupyter's own.
    """
    with _opener(server, browser, request.node.name) as open_notebook:
        yield open_notebook


@pytest.fixture(scope="module")
def lasting_notebook(
    server: tuple[str, Path], browser: Any, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Notebook]]:
    """The same, for a notebook at which the tests of a module look one after another."""
    with _opener(server, browser, request.node.name) as open_notebook:
        yield open_notebook


@contextlib.contextmanager
def _opener(server: tuple[str, Path], browser: Any, name: str) -> Iterator[Callable[..., Notebook]]:
    opened: list[Notebook] = []
    errors: list[str] = []
    folder = re.sub(r"\W+", "-", name)

    def open_notebook(
        cells: Sequence[str], *, app: str = "lab", width: int = 1200, height: int = 1100, name: str = "n"
    ) -> Notebook:
        address, root = server
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(30_000)
        page.on("dialog", lambda dialog: dialog.accept())  # it is left though it was not saved
        page.on("pageerror", lambda error: OURS in (error.stack or "") and errors.append(error.stack))
        notebook = Notebook(page, address, root, f"{folder}/{name}.ipynb", [STORE, *cells], app=app)
        opened.append(notebook)
        notebook.run(0)
        return notebook

    yield open_notebook
    for each in opened:
        each.shut_down()
    assert errors == []
