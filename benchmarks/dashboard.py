"""The dashboard in a real JupyterLab: what an update costs beside a plotly `FigureWidget` with the same curves, how soon a large
sweep is shown and filtered, how much a saved notebook weighs, how soon Stop acts.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .measure import Row, fresh_folder, missing, sizes

if TYPE_CHECKING:
    from .chromium import MainThread

HERE = Path(__file__).resolve().parents[1]
RUNS, POINTS, NEW, EVERY_S = 50, 10_000, 10, 0.5
SLEEP_S = 8
LARGE_RUNS, LARGE_POINTS = 10_000, 1000
FILTERS = ("1234", "lr < 0.01234", "sgd", "loss < 0.1234 and lr > 0.0123")
SETUP = f"""
import sys, time
sys.path.insert(0, {str(HERE)!r})
import sweepwidget as sw
store = sw.use_store("sweeps.db")
"""
Opened = Callable[..., Any]


# -- what an update costs ---------------------------------------------------------------------------------------------

GROWING = f"""
from benchmarks.sweeps import Growing, made
growing = Growing(store, made(store), {RUNS})
growing.grow({POINTS})
"""
FIGURE = f"""
import numpy as np, plotly.graph_objects as go
steps = {POINTS}
known = [curve(n, 0, steps) for n in range({RUNS})]
figure = go.FigureWidget([go.Scatter(x=np.arange(steps), y=y, name=f"run {{n}}") for n, y in enumerate(known)])
figure
"""
GROW_FIGURE = f"""
def grow_figure(times):
    global steps
    at = time.monotonic()
    for _ in range(times):
        with figure.batch_update():
            for n, trace in enumerate(figure.data):
                known[n] = np.concatenate([known[n], curve(n, steps, steps + {NEW})])
                trace.x, trace.y = np.arange(steps + {NEW}), known[n]
        steps += {NEW}
        at += {EVERY_S}
        time.sleep(max(at - time.monotonic(), 0))
"""
DRAWN = "n => document.querySelector('.js-plotly-plot')?.data?.every(trace => trace.x.length === n)"


def updates(open_notebook: Opened) -> list[Row]:
    """Bytes and main-thread time of one update."""
    from .chromium import MainThread, Received

    def cost(
        notebook: Any, grow: Callable[[int], str], times: int, settled: Callable[[], object]
    ) -> tuple[float, float]:
        page, thread = notebook.page, MainThread(notebook.page)
        nothing, asleep_s = _busy(thread, lambda: notebook.run(notebook.add(f"time.sleep({SLEEP_S})"), 300))
        worked, took_s = _busy(thread, lambda: (notebook.run(notebook.add(grow(times)), 300), settled()))
        with Received.by(page) as received:
            notebook.run(notebook.add(grow(times)), 300)
            settled()
        return received.n / times, (worked - nothing * took_s / asleep_s) / times

    lab = open_notebook([GROWING, "sw.dashboard(growing.sweep_id)"])
    lab.run(1)
    lab.run(2)
    shown(lab.page, RUNS, RUNS)
    lab.page.wait_for_timeout(3000)
    ours = cost(
        lab,
        lambda times: f"growing.grow_steadily({NEW}, {times}, {EVERY_S})",
        20,
        lambda: lab.page.wait_for_timeout(1500),
    )
    lab.shut_down()

    if importlib.util.find_spec("plotly") is None or importlib.util.find_spec("anywidget") is None:
        peer = None
    else:
        lab = open_notebook(["from benchmarks.sweeps import curve", FIGURE, GROW_FIGURE])
        steps = [POINTS]

        def drawn(times: int) -> Callable[[], object]:
            def wait() -> None:
                steps[0] += NEW * times
                lab.page.wait_for_function(DRAWN, arg=steps[0], timeout=300_000)
                lab.page.wait_for_timeout(1500)

            return wait

        for cell in (1, 2, 3):
            lab.run(cell, 120)
        lab.page.wait_for_function(DRAWN, arg=POINTS, timeout=120_000)
        peer = cost(lab, lambda times: f"grow_figure({times})", 5, drawn(5))
        lab.shut_down()
    sent, computed = ((ours[i], peer and peer[i]) for i in (0, 1))
    note = "" if peer else missing("plotly")
    curves = f"{RUNS} runs of {POINTS:,} points, {NEW} more each"
    return [
        Row("bytes of an update", sent[0], "bytes", "plotly FigureWidget", sent[1], "≤ 1/20", note=note or curves),
        Row("main-thread time of an update at 2 Hz", computed[0], "ms", "plotly FigureWidget", computed[1], "≤ 100 ms", note=note or curves),
    ]  # fmt: skip


def _busy(thread: MainThread, work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds that the main thread computed meanwhile, and the seconds that it took."""
    busy, began = thread.busy_ms(), time.monotonic()
    work()
    return thread.busy_ms() - busy, time.monotonic() - began


# -- a large sweep ----------------------------------------------------------------------------------------------------

SHOWN = """([runs, curves]) => {
    const caption = document.querySelector(".sw-curves .sw-caption")?.textContent ?? "";
    const rows = document.querySelectorAll("[data-testid=sw-run-row]").length;
    return caption.startsWith(`${curves} curves`) && rows >= Math.min(runs, 8);
}"""
RUN_UNTIL_SHOWN = f"""async ([cell, runs, curves]) => {{
    const shown = {SHOWN}, frame = () => new Promise(requestAnimationFrame);
    const {{content}} = jupyterapp.shell.currentWidget;
    content.activeCellIndex = cell;
    const began = performance.now();
    void jupyterapp.commands.execute("notebook:run-cell");
    while (!shown([runs, curves])) await frame();
    return performance.now() - began;
}}"""
TYPED = """() => {
    const frame = () => new Promise(requestAnimationFrame);
    const painted = async () => { await frame(); await new Promise(done => setTimeout(done)); };
    const title = document.querySelector("[data-testid=sw-runs] h3");
    window.typed = [];
    let pressed = 0;
    document.addEventListener("keydown", event => { pressed = event.timeStamp; }, true);
    new MutationObserver(async () => {
        const since = pressed;
        pressed = 0;
        await painted();
        if (since) window.typed.push(performance.now() - since);
    }).observe(title, {subtree: true, childList: true, characterData: true});
}"""


def shown(page: Any, runs: int, curves: int) -> None:
    """Wait until the dashboard shows so many curves and its table."""
    page.wait_for_function(SHOWN, arg=[runs, curves], timeout=60_000)


def opening(open_notebook: Opened, sweep_id: str) -> float:
    """Seconds from running the cell until curves and table are there, in a fresh kernel and page."""
    lab = open_notebook([f"sw.dashboard({sweep_id!r})"])
    seconds = lab.page.evaluate(RUN_UNTIL_SHOWN, [1, LARGE_RUNS, 300]) / 1e3
    lab.shut_down()
    return float(seconds)


def typing(open_notebook: Opened, sweep_id: str) -> list[float]:
    """Milliseconds from a keystroke in the filter to the frame with the rows that pass; keys that change nothing are left out."""
    lab = open_notebook([f"sw.dashboard({sweep_id!r})"])
    lab.run(1)
    shown(lab.page, LARGE_RUNS, 300)
    lab.page.wait_for_timeout(1000)
    lab.page.evaluate(TYPED)
    lab.page.locator(".sw-filter input").click()
    for text in FILTERS:
        for key in text:
            lab.page.keyboard.press(key)
            lab.page.wait_for_timeout(150)
        for _ in text:
            lab.page.keyboard.press("Backspace")
            lab.page.wait_for_timeout(150)
    times = list(lab.page.evaluate("window.typed"))
    lab.shut_down()
    return times


# -- a saved notebook -------------------------------------------------------------------------------------------------


def saved(open_notebook: Opened, sweep_id: str) -> dict[bool, float]:
    """Kilobytes of a notebook with four dashboards, without and with the widgets' state in it."""
    lab = open_notebook([f"sw.dashboard({sweep_id!r})"] * 4, height=5000)
    for cell in range(1, 5):
        lab.run(cell)
    lab.page.wait_for_function("document.querySelectorAll('[data-testid=sw-root]').length === 4", timeout=60_000)
    shown(lab.page, LARGE_RUNS, 300)
    lab.page.wait_for_timeout(3000)
    sizes = {}
    for with_state in (False, True):
        lab.page.evaluate(KEEP_STATE, with_state)
        kept = lab.save()["metadata"].get("widgets")
        assert bool(kept) == with_state, kept
        sizes[with_state] = lab.path.stat().st_size / 1e3
    lab.shut_down()
    return sizes


KEEP_STATE = """async on => {
    const command = "@jupyter-widgets/jupyterlab-manager:saveWidgetState";
    if (jupyterapp.commands.isToggled(command) !== on) await jupyterapp.commands.execute(command);
    jupyterapp.shell.currentWidget.context.model.dirty = true;
}"""


# -- Stop -------------------------------------------------------------------------------------------------------------

STOPPED = """
def train():
    run = sw.init()
    time.sleep(0.02)
    run.log({"loss": run.config.lr})
"""
AGENT = """
sweep_id = sw.sweep({"method": "random", "metric": {"name": "loss"}, "parameters": {"lr": {"min": 0.0, "max": 1.0}}})
display(sw.dashboard(sweep_id))
sw.agent(sweep_id, function=train, agents=2)
"""
LAST_START = "max(run.started_at for run in store.runs(sweep_id) if run.started_at)"


def stopping(open_notebook: Opened, clicks: int) -> list[float]:
    """Seconds from a click on Stop, while `agent()` blocks the cell, to the start of the last run."""
    lab, late = open_notebook([STOPPED, AGENT, LAST_START]), []
    lab.run(1)
    page = lab.page
    for _ in range(clicks):
        lab.start(2)
        page.wait_for_function("document.querySelector('[data-testid=sw-run-row][data-state=finished]')")
        page.wait_for_timeout(1000)
        assert lab.is_running(2)
        clicked = page.evaluate(
            "() => { document.querySelector('[data-testid=sw-stop]').click(); return Date.now() / 1e3; }"
        )
        lab.wait(2)
        late.append(max(float(lab.run(3).removeprefix("np.float64(").rstrip(")")) - clicked, 0.0))
    lab.shut_down()
    return late


# -- all --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def laboratory() -> Iterator[tuple[Path, Opened]]:
    """A Jupyter server and a browser; what opens notebooks in them."""
    from playwright.sync_api import sync_playwright

    from tests.browser.jupyter import CHROMIUM, QUIET, Notebook, jupyter

    with fresh_folder() as root, jupyter(root) as address, sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=QUIET)

        def open_notebook(cells: Sequence[str], height: int = 1500) -> Notebook:
            page = browser.new_page(viewport={"width": 1200, "height": height})
            page.set_default_timeout(60_000)
            opened.append(page)
            notebook = Notebook(page, address, root, f"n{len(opened)}.ipynb", [SETUP, *cells])
            notebook.run(0)
            return notebook

        opened: list[Any] = []
        yield root, open_notebook
        browser.close()


def main() -> list[Row]:
    given = sizes(openings=3, stops=12)
    for package in ("playwright", "jupyterlab"):
        if importlib.util.find_spec(package) is None:
            return [Row("the dashboard in a browser", math.nan, note=missing(package))]
    from sweepwidget.store import open_store

    from .sweeps import finish, made

    with laboratory() as (root, open_notebook):
        rows = updates(open_notebook)
        print("updates:", rows, flush=True)  # each part takes a while
        store = open_store(root / "sweeps.db")
        large = made(store)
        finish(store, large, LARGE_RUNS, LARGE_POINTS)
        store.close()
        opened = [opening(open_notebook, large) for _ in range(given.openings)]
        print("opened:", opened, flush=True)
        typed = typing(open_notebook, large)
        print("p95 typed:", float(np.percentile(typed, 95)), flush=True)
        sizes_kb = saved(open_notebook, large)
        print("saved:", sizes_kb, flush=True)
        late = stopping(open_notebook, given.stops)
    size = f"{LARGE_RUNS:,} runs, {LARGE_RUNS * LARGE_POINTS:,} points"
    p95 = float(np.percentile(typed, 95))
    return [
        *rows,
        Row("from running the cell to curves and table", statistics.median(opened), "s", aim="≤ 2 s", note=f"{size}; worst of {len(opened)}: {max(opened):.2f} s"),
        Row("from a key in the filter to the rows, p95", p95, "ms", aim="< 200 ms", note=f"{size}; worst of {len(typed)}: {max(typed):.0f} ms"),
        Row("a notebook saved with four dashboards", sizes_kb[False], "KB", aim="≤ 300 KB"),
        Row("a notebook saved with four dashboards and the widgets' state", sizes_kb[True], "KB", aim="≤ 300 KB"),
        Row("from Stop to the last start of a run, worst", max(late), "s", aim="≤ 1 s", note=f"median of {len(late)}: {statistics.median(late):.3f} s"),
    ]  # fmt: skip
