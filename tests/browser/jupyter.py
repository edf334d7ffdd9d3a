"""JupyterLab and Notebook 7 as a user has them: a server of one's own, a notebook in headless Chromium, and what its cells say.

`notebooks/screenshot.py` takes its pictures with the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]
NEWS = "@jupyterlab/apputils-extension:announcements"
"""It asks every new user a question, over the notebook."""
WIDGET = "jupyterapp?.shell?.currentWidget"


@contextlib.contextmanager
def jupyter(root: Path) -> Iterator[str]:
    """A Jupyter server on this machine with both front ends, nobody's settings and a store of its own; yields its address."""
    home = root / ".jupyter"
    env = {name: str(home / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR")}
    env |= {"IPYTHONDIR": str(home / "ipython"), "SWEEPWIDGET_STORE": str(root / "sweeps.db")}
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "SWEEPWIDGET_"))}
    settings = home / "JUPYTER_CONFIG_DIR" / "labconfig"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "page_config.json").write_text(json.dumps({"disabledExtensions": {NEWS: True}}), "utf-8")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "notebook", "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1"),
            *(f"--ServerApp.root_dir={root}", "--IdentityProvider.token="),
            *("--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"),
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ],
        env=mine | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _address(home / "JUPYTER_RUNTIME_DIR" / f"jpserver-{server.pid}.json")
    finally:
        server.terminate()  # its kernels end with it
        server.wait(30)


def _address(card: Path) -> str:
    """A server says where it is in a file, once it listens."""
    for _ in range(600):
        with contextlib.suppress(OSError, ValueError):
            return str(json.loads(card.read_text("utf-8"))["url"]).rstrip("/")
        time.sleep(0.1)
    raise RuntimeError("Jupyter did not start within a minute")


class Notebook:
    """A notebook in a browser: cells are counted from 0.

    >>> notebook = Notebook(page, address, root, "demo/n.ipynb", ["1 + 1"])   # doctest: +SKIP
    >>> notebook.run(0)                                                       # doctest: +SKIP
    '2'
    """

    def __init__(
        self, page: Page, address: str, root: Path, name: str, cells: Sequence[str] = (), *, app: str = "lab"
    ) -> None:
        self.page, self.path, self._address, self._app = page, root / name, address, app
        self._name = name
        if cells:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(notebook_of(cells)), "utf-8")
        self.open()

    def open(self) -> None:
        """Open it, or open it anew as a reload of the page does; its kernel goes on."""
        place = "doc/tree" if self._app == "lab" else "notebooks"
        self.page.goto(f"{self._address}/{place}/{self._name}")
        self.page.wait_for_function(f"window.{WIDGET}?.sessionContext != null", timeout=60_000)
        self.page.evaluate(
            f"async () => {{ const w = {WIDGET}; await w.context.ready; await w.sessionContext.ready;"
            " await w.sessionContext.session.kernel.info; }"
        )
        if self._app == "lab":
            self.page.evaluate("async () => { await jupyterapp.restored; jupyterapp.shell.collapseLeft(); }")

    def read(self, name: str) -> None:
        """Open another notebook of the folder as one is read: without a kernel."""
        self.page.goto(f"{self._address}/doc/tree/{Path(self._name).parent / name}")
        self.page.wait_for_function(f"window.{WIDGET}?.sessionContext != null", timeout=60_000)
        self.page.evaluate(f"async () => {{ await {WIDGET}.context.ready; }}")
        self.page.locator(".jp-Dialog .jp-mod-reject").click()  # it asks for one, as it has none of that name

    def start(self, cell: int) -> None:
        """Run a cell and do not wait for it."""
        self.page.evaluate(
            f"cell => {{ const {{content}} = {WIDGET}; content.activeCellIndex = cell; jupyterapp.commands.execute('notebook:run-cell'); }}",
            cell,
        )

    def start_all(self) -> None:
        """What "Run All" does: every cell is sent at once."""
        self.page.evaluate("() => void jupyterapp.commands.execute('notebook:run-all-cells')")

    def run_all(self) -> None:
        """Run every cell to its end."""
        self.page.evaluate("async () => { await jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def wait(self, cell: int, timeout_s: float = 60.0) -> str:
        """Wait until a cell has run; returns what it said. An error of the cell is one of the test."""
        self.page.wait_for_function(
            f"cell => /^\\[\\d+\\]/.test({WIDGET}.content.widgets[cell].promptNode?.textContent ?? '')",
            arg=cell,
            timeout=1e3 * timeout_s,
        )
        said = self.said(cell)
        outputs = self.outputs(cell)
        assert not any(output["output_type"] == "error" for output in outputs), said
        return said

    def run(self, cell: int, timeout_s: float = 60.0) -> str:
        """Run a cell to its end; returns what it said."""
        self.start(cell)
        return self.wait(cell, timeout_s)

    def add(self, source: str) -> int:
        """A new cell at the end; returns its number."""
        return int(
            self.page.evaluate(
                f"source => {{ const model = {WIDGET}.content.model.sharedModel; const at = model.cells.length;"
                " model.insertCell(at, {cell_type: 'code', source}); return at; }",
                source,
            )
        )

    def ask(self, expression: str) -> str:
        """What the kernel says an expression is, in a cell at the end."""
        return self.run(self.add(expression))

    def outputs(self, cell: int) -> list[dict[str, Any]]:
        """The outputs of a cell as the file would keep them."""
        return list(self.page.evaluate(f"cell => {WIDGET}.content.widgets[cell].model.outputs.toJSON()", cell))

    def said(self, cell: int) -> str:
        """The text among them."""
        parts = []
        for output in self.outputs(cell):
            text = output.get("text") or output.get("data", {}).get("text/plain") or output.get("traceback", "")
            parts.append(text if isinstance(text, str) else "\n".join(text))
        return "".join(parts).strip()

    def is_running(self, cell: int) -> bool:
        prompt = self.page.evaluate(f"cell => {WIDGET}.content.widgets[cell].promptNode?.textContent", cell)
        return prompt == "[*]:"

    def restart_kernel(self) -> None:
        """What the restart button does, without its question."""
        self.page.evaluate(f"async () => {{ await {WIDGET}.sessionContext.restartKernel(); }}")

    def interrupt_kernel(self) -> None:
        self.page.evaluate(f"async () => {{ await {WIDGET}.sessionContext.session.kernel.interrupt(); }}")

    def without_subshells(self) -> None:
        """From here on the kernel is as ipykernel 6 is: what widgets say waits while a cell runs."""
        self.page.evaluate(
            f"() => {{ const w = {WIDGET}; w.sessionContext.session.kernel.commsOverSubshells = 'disabled'; }}"
        )

    def save(self) -> dict[str, Any]:
        """Save; returns the notebook as it lies on disk."""
        self.page.evaluate(f"async () => {{ await {WIDGET}.context.save(); }}")
        return dict(json.loads(self.path.read_text("utf-8")))

    def shut_down(self) -> None:
        """End its kernel and close the page, so that the next test has the machine."""
        with contextlib.suppress(Error):
            self.page.evaluate(f"async () => {{ await {WIDGET}.sessionContext.shutdown(); }}")
        self.page.close()


def notebook_of(cells: Sequence[str]) -> dict[str, Any]:
    code = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "metadata": {},
            "source": source,
            "execution_count": None,
            "outputs": [],
        }
        for i, source in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
