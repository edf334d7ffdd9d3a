"""Makes README's pictures: runs a notebook in a real JupyterLab and photographs it, light and dark.

make screenshots      (needs Chromium: apt-get install chromium)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or "/usr/bin/chromium"
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]


@contextlib.contextmanager
def jupyter_lab(root: Path) -> Iterator[str]:
    """A JupyterLab of its own on this machine; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = root / ".home"
    env = {name: str(home / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR")}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1"]
        + [f"--ServerApp.root_dir={root}", "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
        + ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
        env=os.environ | env | {"SWEEPWIDGET_STORE": str(root / "sweeps.db")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(300):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/api/status", timeout=1):
                break
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(15)


def run_notebook(page: Page, address: str, name: str) -> None:
    """Open a notebook and run all of it."""
    page.goto(f"{address}/doc/tree/{name}")
    page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext != null", timeout=60_000)
    page.evaluate(
        "async () => { const w = jupyterapp.shell.currentWidget; await w.context.ready; await w.sessionContext.ready;"
        " await w.sessionContext.session.kernel.info; jupyterapp.commands.execute('application:toggle-left-area') }"
    )
    page.evaluate("async () => { await jupyterapp.commands.execute('notebook:run-all-cells') }")


def photograph(page: Page, subject: Locator, name: str) -> None:
    """The subject in both themes, as images/<name>-light.png and -dark.png."""
    for theme in ("Light", "Dark"):
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        page.wait_for_timeout(1500)
        subject.scroll_into_view_if_needed()
        subject.screenshot(path=HERE / "images" / f"{name}-{theme.lower()}.png")


def quickstart(page: Page, address: str) -> None:
    """The agent's cell of the quickstart."""
    run_notebook(page, address, "01-quickstart.ipynb")
    photograph(page, page.locator(".jp-CodeCell", has_text="count=count").first, "agent")


def dashboard(page: Page, address: str) -> None:
    """The dashboard while the sweep runs, a good part of it done."""
    run_notebook(page, address, "03-dashboard.ipynb")
    root = page.get_by_test_id("sw-root").first
    root.wait_for(timeout=60_000)
    page.wait_for_function(
        "document.querySelectorAll('[data-testid=sw-run-row][data-state=finished]').length > 6", timeout=240_000
    )
    page.get_by_label("log y").first.check()
    page.add_style_tag(content=".Toastify { display: none }")
    photograph(page, root, "dashboard")


def main() -> None:
    """Make the pictures that are named, or all of them."""
    scenes = {"agent": (quickstart, 900), "dashboard": (dashboard, 1250)}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        for notebook in HERE.glob("0*.ipynb"):
            # A longer sweep makes a better picture.
            (root / notebook.name).write_text(
                notebook.read_text("utf-8").replace('\\"run_cap\\": 24', '\\"run_cap\\": 90')
            )
        with jupyter_lab(root) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            for name in sys.argv[1:] or scenes:
                scene, height = scenes[name]
                page = browser.new_page(viewport={"width": 1280, "height": height}, device_scale_factor=2)
                scene(page, address)
                page.close()
            browser.close()


if __name__ == "__main__":
    main()
