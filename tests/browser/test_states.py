"""Every state of the dashboard (design: dashboard.md §4.2): what one sees in it, what one may do, and that it looks well.

Most are brought about for real, in JupyterLab; two that pass too quickly, or need a page without a kernel, on the harness's page.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT
from .jupyter import WIDGET, Notebook
from .look import Look

TALL = 1500
"""So that a whole dashboard is in the window, and in the picture."""
SWEEP = """
import itertools, math, subprocess, sys, threading, time
hold, go = False, threading.Event()
def train():
    with sw.init() as run:
        for step in range(40):
            run.log({"loss": math.exp(-step * run.config.lr) + abs(run.config.lr - 0.1) + 0.01, "epoch": step})
            if hold and step == 25:
                go.wait(600)
def new(**more):
    return sw.sweep({
        "name": "digits", "method": "random", "seed": 1, "run_cap": 60, "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"lr": {"distribution": "log_uniform_values", "min": 1e-3, "max": 1.0},
                       "optimizer": {"values": ["sgd", "adam"]}, "batch_size": {"values": [16, 32, 64]}}, **more})
"""


def look_in_lab(lab: Notebook) -> Look:
    def set_theme(theme: str) -> None:
        lab.page.evaluate(
            "theme => void jupyterapp.commands.execute('apputils:change-theme', {theme})", f"JupyterLab {theme.title()}"
        )
        lab.page.wait_for_function(
            "light => document.body.dataset.jpThemeLight === light", arg=str(theme == "light").lower()
        )

    lab.page.add_style_tag(content=".Toastify { display: none }")
    return Look(lab.page, set_theme)


def dashboard_of(lab: Notebook, cell: int) -> Any:
    root = lab.page.locator(".jp-Notebook .jp-Cell").nth(cell).get_by_test_id("sw-root")
    root.wait_for()
    return root


def allowed(root: Any, *testids: str) -> dict[str, bool]:
    """Which of these buttons may be pressed."""
    buttons = {name: root.get_by_test_id(name) for name in testids}
    return {name: button.get_attribute("aria-disabled") != "true" for name, button in buttons.items()}


# -- before anything runs --------------------------------------------------------------------------------------------


def test_before_it_runs(notebook):
    """Empty: a working example, and Start says what it lacks. A draft with an error says so under its field, and cannot be
    put into force.
    """
    lab = notebook(["sw.dashboard()"], height=TALL)
    lab.run(1)
    root, look = dashboard_of(lab, 1), look_in_lab(lab)
    root.get_by_test_id("sw-param-row").nth(2).wait_for()
    assert "Draft" == root.get_by_test_id("sw-status").inner_text()
    assert 3 == root.get_by_test_id("sw-param-row").count()
    assert {"sw-start": False, "sw-apply": True} == allowed(root, "sw-start", "sw-apply")
    root.get_by_text("def train():").wait_for()
    look.at(root, "empty")

    lowest = root.get_by_label("min of", exact=False).first
    lowest.fill("5")
    lowest.blur()
    error = root.locator("[aria-invalid=true]").first
    error.wait_for()
    assert error.get_attribute("aria-describedby")
    assert {"sw-apply": False, "sw-start": False} == allowed(root, "sw-apply", "sw-start")
    look.at(root, "draft")
    look.done()


# -- while it runs ----------------------------------------------------------------------------------------------------


def test_while_it_runs(notebook, browser):
    """From nobody at work to a kernel that is gone: what is said, and what may be pressed."""
    lab = notebook(
        [SWEEP + "sweep_id = new()", "sw.agent(sweep_id, function=train, count=6)", "sw.dashboard(sweep_id)"],
        height=TALL,
    )
    for cell in (1, 2, 3):
        lab.run(cell)
    root, look = dashboard_of(lab, 3), look_in_lab(lab)

    root.get_by_text("Running, but nobody is working: start an agent.").wait_for()
    root.locator("[data-testid=sw-run-row][data-state=finished]").nth(5).wait_for()
    root.get_by_label("Agents", exact=True).locator("visible=true").first.wait_for()
    assert {"sw-start": True, "sw-pause": True, "sw-stop": True} == allowed(root, "sw-start", "sw-pause", "sw-stop")
    look.at(root, "no agents")

    lab.ask("hold = True")
    root.locator("input[type=number]").fill("2")
    root.get_by_test_id("sw-start").click()
    root.locator("[data-testid=sw-run-row][data-state=running]").nth(1).wait_for()
    root.get_by_text("2 of 2 busy").wait_for()
    assert ("Running", 0) == (root.get_by_test_id("sw-status").inner_text(), root.get_by_text("nobody is").count())
    assert "6" == root.get_by_role("progressbar").get_attribute("aria-valuenow")
    assert {"sw-pause": True, "sw-stop": True, "sw-add-run": True, "sw-agent-add": True} == allowed(
        root, "sw-pause", "sw-stop", "sw-add-run", "sw-agent-add"
    )
    look.at(root, "running")

    _queue_waits(root, look)
    root.get_by_test_id("sw-pause").click()
    root.get_by_text("Paused: 3 runs are still finishing.").wait_for()
    assert {"sw-resume": True, "sw-stop": True} == allowed(root, "sw-resume", "sw-stop")
    look.at(root, "paused")
    root.get_by_test_id("sw-resume").click()
    root.get_by_test_id("sw-pause").wait_for()

    _kernel_is_busy(lab, root, look)
    lab.page.wait_for_function(
        f"() => JSON.stringify({WIDGET}.content.widgets[3].model.outputs.toJSON()).includes('PAUSED')"
    )
    _connection_is_lost(lab, root, look)
    saved = lab.save()
    _kernel_is_gone(lab, root, look)
    _nobody_was_ever_there(browser, saved)
    look.done()


def _queue_waits(root: Any, look: Look) -> None:
    """A run by hand finds no free agent: that is said once it has really waited, and another agent is one click away."""
    root.get_by_test_id("sw-add-run").click()
    root.get_by_role("button", name="Add to the queue").click()
    root.get_by_text("1 queued · no free agent").wait_for()
    close = root.get_by_role("button", name="Close", exact=True)
    if close.count():
        close.first.click()
    look.at(root, "queue waiting")
    root.locator(".sw-notice").get_by_role("button", name="Agent").click()
    root.get_by_text("3 of 3 busy").wait_for()
    assert 0 == root.get_by_text("no free agent").count()


def _kernel_is_busy(lab: Notebook, root: Any, look: Look) -> None:
    """A cell that lets nothing else run: the order keeps its mark, and is obeyed when the kernel yields."""
    asleep = lab.path.parent / "asleep"
    source = f"import ctypes, pathlib; pathlib.Path({str(asleep)!r}).touch(); ctypes.PyDLL(None).sleep(300)"
    lab.start(lab.add(source))
    while not asleep.exists():
        lab.page.wait_for_timeout(20)
    root.get_by_test_id("sw-pause").click()
    root.get_by_test_id("sw-kernel-busy").wait_for()
    assert "your pause was sent and acts when it yields" in root.get_by_test_id("sw-kernel-busy").inner_text()
    pause = root.get_by_test_id("sw-pause")
    assert ("sent", "true") == (pause.get_attribute("data-status"), pause.get_attribute("aria-disabled"))
    look.at(root, "kernel busy")
    lab.interrupt_kernel()
    root.get_by_test_id("sw-resume").wait_for()
    assert 0 == root.get_by_test_id("sw-kernel-busy").count()


def _connection_is_lost(lab: Notebook, root: Any, look: Look) -> None:
    """Two seconds without the server are said in a quiet line, and forgotten when it is back."""
    page = lab.page
    page.evaluate(
        f"() => {{ const {{kernel}} = {WIDGET}.sessionContext.session; globalThis.Socket = kernel.serverSettings.WebSocket;"
        " kernel.serverSettings.WebSocket = class { close() {} send() {} };"  # never opens
        " kernel._ws.close(4000); }"
    )
    said = root.get_by_text("Reconnecting…")
    said.wait_for()
    look.at(root, "reconnecting")
    page.evaluate(
        f"async () => {{ const {{kernel}} = {WIDGET}.sessionContext.session;"
        " kernel.serverSettings.WebSocket = globalThis.Socket; await kernel.reconnect(); }"
    )
    said.wait_for(state="hidden")
    assert "Paused" == root.get_by_test_id("sw-status").inner_text()


def _kernel_is_gone(lab: Notebook, root: Any, look: Look) -> None:
    """Detached: since when, how to attach, what the page can still give; and no button pretends."""
    lab.restart_kernel()
    bar = root.get_by_test_id("sw-detached")
    bar.wait_for()
    assert "Not connected: this is how things stood at" in bar.inner_text()
    assert "Was paused" == root.get_by_test_id("sw-status").inner_text()
    assert {"sw-resume": False, "sw-stop": False, "sw-add-run": False} == allowed(
        root, "sw-resume", "sw-stop", "sw-add-run"
    )
    assert "Not connected" in root.get_by_test_id("sw-stop").get_attribute("title")
    with lab.page.expect_download() as download:
        bar.get_by_role("button", name="Runs as CSV").click()
    lines = Path(download.value.path()).read_text("utf-8").splitlines()
    assert 1 + root.get_by_test_id("sw-run-row").count() == len(lines)
    assert lines[0].startswith("id,number,name,state")
    look.at(root, "detached")


def _nobody_was_ever_there(browser: Any, saved: dict[str, Any]) -> None:
    """Static: the file by itself shows where things stood."""
    outputs = [output for cell in saved["cells"] for output in cell.get("outputs", ())]
    html = next(
        text for output in outputs if "sw-snapshot" in (text := "".join(output.get("data", {}).get("text/html", "")))
    )
    page = browser.new_page(viewport={"width": 900, "height": 700})
    page.set_content(f"<body style='font-family: sans-serif'>{html}</body>")
    shown = page.inner_text("body")
    assert "digits" in shown
    assert "PAUSED · 6 of 60 runs · 3 at work · best loss" in shown
    assert page.locator("img").evaluate("image => image.complete && image.naturalWidth > 0")
    assert 10 == page.locator("tr").count()  # its head, and nine runs that have a value
    assert 0 == page.locator("button, script").count()
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "static-file.png")
    page.close()


# -- when something fails ------------------------------------------------------------------------------------------------

BROKEN = """
def broken():
    with sw.init() as run:
        run.log({"loss": 1.0})
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 15.78 GiB total capacity)")
mended = False
def propose(sweep, runs):
    if not mended:
        raise KeyError("best")
    return {"lr": 0.1, "optimizer": "sgd", "batch_size": 16}
failing = new(name="failing")
custom = new(name="custom", method="custom", run_cap=3)
sw.controller(custom).configure_search(propose)
"""
DOOMED = """
elsewhere = subprocess.Popen([sys.executable, "-c", f'''
import sweepwidget as sw, time
sw.use_store({str(sw.Api()._store.url)!r})
def train():
    with sw.init() as run:
        run.log({{"loss": 1.0}})
        time.sleep(120)
sw.agent({lost!r}, function=train)
'''], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""


def test_when_something_fails(notebook):
    """Failed runs, a failed controller, an agent that died: each says what it was, and what to do about it."""
    lab = notebook(
        [SWEEP, BROKEN, "sw.dashboard(failing)", "sw.dashboard(custom)", "lost = new(name='lost')\nsw.dashboard(lost)"],
        height=TALL,
    )
    for cell in range(1, 6):
        lab.run(cell)
    look = look_in_lab(lab)
    _labels_name_what_is_in_their_own_dashboard(lab, [dashboard_of(lab, cell) for cell in (3, 4, 5)])
    _runs_fail(dashboard_of(lab, 3), look)
    _controller_fails(lab, dashboard_of(lab, 4), look)
    _agent_dies(lab, dashboard_of(lab, 5), look)
    look.done()


def _labels_name_what_is_in_their_own_dashboard(lab: Notebook, roots: list[Any]) -> None:
    for root in roots:
        root.locator("label[for]").first.wait_for()
    strays = """() => [...document.querySelectorAll("[data-testid=sw-root] label[for]")].filter(
        label => label.control?.closest("[data-testid=sw-root]") !== label.closest("[data-testid=sw-root]")).length"""
    assert 0 == lab.page.evaluate(strays)


def _runs_fail(root: Any, look: Look) -> None:
    root.get_by_label("Function").select_option("broken")
    root.get_by_test_id("sw-start").click()
    bar = root.get_by_test_id("sw-error")
    bar.get_by_text("The last 3 runs failed with the same error: RuntimeError: CUDA out of memory.").wait_for()
    bar.get_by_text("The agents gave up: detected 3 failed runs in the first 60 seconds.").wait_for()
    assert 3 == root.locator("[data-testid=sw-run-row][data-state=failed]").count()
    assert "RuntimeError: CUDA" in root.get_by_test_id("sw-run-row").first.inner_text()
    assert "3" in root.get_by_test_id("sw-tab-log").inner_text()
    assert {"sw-pause": True, "sw-start": True} == allowed(root, "sw-pause", "sw-start")
    bar.get_by_role("button", name="Show").click()
    root.get_by_role("button", name="Retry all 3").wait_for()
    look.at(root, "run failed")


def _controller_fails(lab: Notebook, root: Any, look: Look) -> None:
    root.get_by_label("Function").select_option("train")
    root.get_by_test_id("sw-start").click()
    bar = root.get_by_test_id("sw-error")
    bar.get_by_text("The controller failed, and the sweep is paused").wait_for()
    assert "raised KeyError: 'best'" in bar.inner_text()
    assert {"sw-restart": True, "sw-export": True} == allowed(root, "sw-restart", "sw-export")
    look.at(root, "controller error")
    bar.get_by_role("button", name="Where the controller failed").click()
    root.get_by_text("in propose", exact=False).wait_for()
    lab.page.keyboard.press("Escape")
    lab.ask("mended = True")
    bar.get_by_test_id("sw-restart").click()
    root.get_by_test_id("sw-status").get_by_text("Finished").wait_for()


def _agent_dies(lab: Notebook, root: Any, look: Look) -> None:
    lab.ask(DOOMED)
    root.locator("[data-testid=sw-run-row][data-state=running]").wait_for(timeout=60_000)
    lab.ask("elsewhere.kill(); elsewhere.wait()")
    row = root.locator("[data-testid=sw-agent-row][data-state=lost]")
    row.wait_for()
    row.get_by_text("waits again").wait_for()
    assert ["A1", "its process died", "run 1"] == [
        row.locator(where).inner_text() for where in ("b", ".sw-lost-how", ".sw-link")
    ]
    look.at(root, "agent lost")
    row.get_by_role("button", name="Forget A1").click()
    row.wait_for(state="hidden")


# -- when all is done -----------------------------------------------------------------------------------------------------


def test_when_all_is_done(notebook):
    """Finished: the best run has the room, and what follows is at hand: report, next sweep, more runs."""
    lab = notebook(
        [SWEEP + "sweep_id = new(run_cap=8)", "sw.dashboard(sweep_id)", "sw.agent(sweep_id, function=train, agents=2)"],
        height=TALL,
    )
    for cell in (1, 2, 3):
        lab.run(cell)
    root, look = dashboard_of(lab, 2), look_in_lab(lab)
    root.get_by_test_id("sw-status").get_by_text("Finished").wait_for()
    finish = root.get_by_test_id("sw-finish")
    finish.get_by_role("button", name="Report").wait_for()
    assert 0 == root.get_by_test_id("sw-agents").count()
    assert {"sw-stop": False, "sw-add-run": True, "sw-resume": False} == allowed(
        root, "sw-stop", "sw-add-run", "sw-resume"
    )
    look.at(root, "finished")
    finish.get_by_role("button", name="New sweep from the best").click()
    root.get_by_text("sw.sweep(").wait_for()
    lab.page.keyboard.press("Escape")
    finish.get_by_label("By how many runs").fill("2")
    finish.get_by_test_id("sw-extend").click()
    root.get_by_text("nobody is working").wait_for()
    look.done()
    assert "8 done · 2 left" in root.get_by_test_id("sw-progress").inner_text()


# -- on the harness's page ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def harness() -> Iterator[str]:
    if shutil.which("node") is None:
        pytest.skip("the harness needs Node")
    server = subprocess.Popen(["node", "harness/serve.mjs"], cwd=ROOT / "js", stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    yield server.stdout.readline().strip()
    server.terminate()
    server.wait(10)
    server.stdout.close()


@pytest.fixture
def harness_page(harness: str, browser: Any) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 940, "height": 1000})
    page.set_default_timeout(15_000)
    page.address = harness
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def look_at_harness(page: Any) -> Look:
    def set_theme(theme: str) -> None:
        page.evaluate("light => { document.body.dataset.jpThemeLight = light }", json.dumps(theme == "light"))

    return Look(page, set_theme)


def test_starting(harness_page):
    """The button says that it is starting, and cannot be pressed twice; then the agents are there."""
    page = harness_page
    page.goto(f"{page.address}?state=pending&speed=0")
    root = page.get_by_test_id("sw-root")
    root.get_by_test_id("sw-start").wait_for()
    page.evaluate("harness.kernel.behaviour.busy = true")
    start = root.get_by_test_id("sw-start")
    start.click()
    root.get_by_text("Starting…").locator("visible=true").wait_for()
    assert ("true", "true") == (start.get_attribute("aria-busy"), start.get_attribute("aria-disabled"))
    look_at_harness(page).at(root, "starting")
    page.evaluate("harness.kernel.unblock()")
    root.get_by_test_id("sw-agent-row").wait_for()


def test_static(harness_page):
    """A saved notebook without a kernel: the traits in the file show the best run, and nothing can be pressed."""
    page = harness_page
    page.goto(f"{page.address}?state=running")
    page.get_by_test_id("sw-run-row").first.wait_for()
    page.goto(f"{page.address}?state=running&kernel=static")
    root = page.get_by_test_id("sw-root")
    bar = root.get_by_test_id("sw-detached")
    bar.get_by_role("button", name="Copy the line that attaches").wait_for()
    assert "Not connected to a kernel." in bar.inner_text()
    assert (1, 0) == (root.get_by_test_id("sw-best").count(), root.get_by_test_id("sw-stop").count())
    look_at_harness(page).at(root, "static")
