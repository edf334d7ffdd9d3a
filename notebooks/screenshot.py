"""Makes README's pictures: runs a notebook in a real JupyterLab and photographs it, light and dark.

make screenshots
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from browser.jupyter import CHROMIUM, QUIET, Notebook, jupyter  # noqa: E402  (the journeys' own)


def photograph(page: Page, subject: Locator, name: str) -> None:
    """The subject in both themes, as images/<name>-light.png and -dark.png."""
    page.add_style_tag(content=".Toastify { display: none }")
    for theme in ("Light", "Dark"):
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        page.wait_for_timeout(1500)
        subject.scroll_into_view_if_needed()
        subject.screenshot(path=HERE / "images" / f"{name}-{theme.lower()}.png")


def quickstart(notebook: Notebook) -> None:
    """The agent's cell of the quickstart, when it has run."""
    notebook.run_all()
    cell = notebook.page.locator(".jp-CodeCell", has_text="count=count").first
    photograph(notebook.page, cell, "agent")


def dashboard(notebook: Notebook) -> None:
    """The dashboard while the sweep runs, a good part of it done."""
    notebook.start_all()
    page = notebook.page
    root = page.get_by_test_id("sw-root").first
    root.wait_for(timeout=60_000)
    page.wait_for_function(
        "document.querySelectorAll('[data-testid=sw-run-row][data-state=finished]').length > 6", timeout=240_000
    )
    root.get_by_label("log y").first.check()
    photograph(page, root, "dashboard")


SCENES = {
    "agent": (quickstart, "01-quickstart.ipynb", 900),
    "dashboard": (dashboard, "03-dashboard.ipynb", 1250),
}


def main() -> None:
    """Make the pictures that are named, or all of them."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        for notebook in HERE.glob("0*.ipynb"):
            # A longer sweep makes a better picture.
            longer = notebook.read_text("utf-8").replace('\\"run_cap\\": 24', '\\"run_cap\\": 90')
            (root / notebook.name).write_text(longer, "utf-8")
        with jupyter(root) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            for name in sys.argv[1:] or SCENES:
                scene, file, height = SCENES[name]
                page = browser.new_page(viewport={"width": 1280, "height": height}, device_scale_factor=2)
                opened = Notebook(page, address, root, file)
                scene(opened)
                opened.shut_down()
            browser.close()


if __name__ == "__main__":
    main()
