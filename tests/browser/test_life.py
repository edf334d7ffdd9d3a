"""A dashboard lives as other widgets do: in boxes, in several views, through reloads; and it outlives its kernel."""

from __future__ import annotations

import json
import os
import signal
import warnings

from browser.board import Board, sweep_of
from browser.cells import AGENT, DASHBOARD, FAULTY, TRAIN, sweep

SMALL = sweep(method="grid", parameters={"lr": {"values": [0.01, 0.02]}, "opt": {"value": "adam"}})


def test_panels_stand_in_boxes_and_are_observed_and_linked(notebook):
    """Panels in HBox, VBox and Tab, a dashboard in two views, and its traits in Python: config, status, best, selected."""
    panels = """
import ipywidgets as w
box = w.VBox([w.HBox([sw.AgentsPanel(sweep_id)]), w.Tab([sw.Curves(sweep_id), sw.RunsTable(sweep_id)], titles=["C", "R"])])
heard = {}
dash.observe(lambda change: heard.update({change.name: change.new}), ["config", "status", "best", "selected"])
label = w.Label()
w.dlink((dash, "status"), (label, "value"))
display(box, label)
"""
    lab = notebook([FAULTY, SMALL, DASHBOARD, "dash", panels, AGENT])
    for cell in range(1, 7):
        lab.run(cell)
    page = lab.page
    page.locator(".widget-label", has_text="FINISHED").wait_for()
    boards = [Board(lab), Board(lab, 1)]
    for board in boards:
        board.said("Finished")
    boards[0].rows("finished").first.click()
    boards[1].part("drawer").wait_for()
    boards[1].rows().first.get_by_role("checkbox").check()
    selected = boards[0].root.locator("[data-testid=sw-run-row][aria-selected=true]")
    selected.wait_for()
    page.locator("[data-sw-panel=agents]").wait_for()
    page.locator("[data-sw-panel=curves]").scroll_into_view_if_needed()
    page.locator("[data-sw-panel=curves] .sw-caption", has_text="2 curves").wait_for()
    page.get_by_role("tab", name="R", exact=True).click()
    assert page.locator("[data-sw-panel=runs] [data-testid=sw-run-row]").count() == 2
    chosen = selected.get_attribute("data-run-id")
    assert lab.ask("heard['status'], heard['best']['config']['lr'], heard['selected'], len(dash.selected_df)") == str(
        ("FINISHED", 0.01, [chosen], 1)
    )
    lab.ask("dash.selected = []; dash.config = dash.config | {'run_cap': 7}")
    selected.wait_for(state="detached")
    assert lab.ask("heard['config']['run_cap']") == "7"


def test_a_dashboard_outlives_reloads_restarts_and_its_kernel(notebook):
    """Reloaded while its cell runs it is as it was; restarted or killed, it says so; run again, it attaches and goes on."""
    lab = notebook([TRAIN, sweep()])
    lab.run(1)
    lab.run(2)
    sweep_id = sweep_of(lab).id
    attach = lab.add(f"dash = sw.dashboard({sweep_id!r})\ndash")
    lab.run(attach)
    lab.start(lab.add(f"sw.agent({sweep_id!r}, function=train, agents=2)"))
    board = Board(lab)
    board.rows("running").first.wait_for()
    board.part("curves").get_by_label("log y").check()
    lab.page.wait_for_function("() => document.querySelector('[data-testid=sw-root]').dataset.link === 'live'")
    lab.page.wait_for_timeout(2500)  # what a page remembers is written every two seconds
    lab.save()

    lab.open()
    board.rows("running").first.wait_for()
    board.caption("running")
    assert board.part("curves").get_by_label("log y").is_checked()
    board.redrawn(board.redrawn(""))

    lab.restart_kernel()
    board.part("detached").wait_for()
    assert "Run the cell again to attach" in board.part("detached").inner_text()
    assert board.part("stop").get_attribute("aria-disabled") == "true"
    assert board.rows().count() > 0
    for cell in (0, 1, attach):
        lab.run(cell)
    board.part("detached").wait_for(state="detached")
    board.root.locator(".sw-notice", has_text="nobody is working").wait_for()
    board.part("start").click()
    board.rows("running").first.wait_for()

    os.kill(int(lab.ask("import os; os.getpid()")), signal.SIGKILL)
    board.part("detached").wait_for()


def test_a_saved_notebook_shows_the_last_state_without_a_kernel(notebook):
    """The file has a snapshot and no secret, is small with four dashboards, and shows it without a kernel and in nbconvert."""
    share = "from pathlib import Path\n_ = Path('link').write_text(str(sw.share(sweep_id)))"
    lab = notebook([FAULTY, SMALL, share, *[DASHBOARD] * 4, AGENT])
    for cell in range(1, 9):
        lab.run(cell)
    Board(lab).said("Finished")
    lab.page.wait_for_function(
        "() => [...document.querySelectorAll('.sw-snapshot')].filter(each => /FINISHED/.test(each.textContent)).length >= 4"
    )
    saved = lab.save()
    text = lab.path.read_text("utf-8")
    token = (lab.path.parent / "link").read_text("utf-8").partition("#")[2]
    assert len(token) > 16
    assert token not in text
    print(f"a notebook with four dashboards has {len(text) / 1000:.0f} kB")
    assert len(text) < 300_000

    saved["metadata"] = {"kernelspec": {"name": "elsewhere", "display_name": "Elsewhere", "language": "none"}}
    (lab.path.parent / "read.ipynb").write_text(json.dumps(saved), "utf-8")
    lab.read("read.ipynb")
    snapshot = lab.page.locator(".sw-snapshot").first
    snapshot.wait_for()
    snapshot.get_by_text("FINISHED · 2 of 2 runs").wait_for()
    assert lab.page.get_by_test_id("sw-root").count() == 0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nbconvert's own
        from nbconvert import HTMLExporter

        page, _ = HTMLExporter().from_filename(str(lab.path))
    assert page.count("FINISHED · 2 of 2 runs") >= 4
    assert token not in page


def test_two_notebooks_work_on_one_sweep(notebook):
    """What one of them pauses, resumes and edits is seen in the other, and both draw what the agents of one do."""
    one = notebook([TRAIN, sweep(), DASHBOARD], name="one")
    for cell in range(1, 4):
        one.run(cell)
    other = notebook([f"sweep_id = {sweep_of(one).id!r}", DASHBOARD], name="other")
    other.run(1)
    other.run(2)
    here, there = Board(one), Board(other)
    here.part("start").click()
    there.rows("running").first.wait_for()
    there.redrawn(there.redrawn(""))
    there.part("pause").click()
    here.said("Paused")
    here.part("resume").click()
    there.said("Running")
    other.ask("dash.config = dash.config | {'run_cap': 90}")
    here.root.locator("[role=progressbar][aria-valuemax='90']").wait_for()
    there.part("stop").click()
    here.said("Finished")


def test_two_versions_of_the_package_stand_in_one_page(notebook):
    """Widgets whose code differs each load their own, and both work."""
    other_version = """
import gzip, hashlib, json, re, shutil
from pathlib import Path
from sweepwidget.widget import assets
folder = Path("static").resolve()
shutil.copytree(assets._FOLDER, folder)
loader = (folder / "dashboard.js").read_text()
for name, old in assets.hashes().items():
    packed = gzip.compress(gzip.decompress((folder / f"{name}.js.gz").read_bytes()) + b"\\n// another version")
    (folder / f"{name}.js.gz").write_bytes(packed)
    loader = loader.replace(old, hashlib.sha256(packed).hexdigest()[:16])
assert loader != assets.module()
(folder / "dashboard.js").write_text(loader)
assets._FOLDER = folder
for each in (assets.module, assets.style, assets.hashes, assets._names):
    each.cache_clear()
"""
    lab = notebook([TRAIN, sweep(), DASHBOARD, other_version, DASHBOARD])
    for cell in range(1, 6):
        lab.run(cell)
    old, new = Board(lab), Board(lab, 1)
    new.part("start").click()
    old.rows("running").first.wait_for()
    new.rows("running").first.wait_for()
    modules = "() => [...globalThis[Symbol.for('sweepwidget.assets.1')].modules.keys()].filter(key => /^dashboard /.test(key)).length"
    assert lab.page.evaluate(modules) == 2
    old.part("pause").click()
    new.said("Paused")
    new.part("resume").click()
    old.said("Running")


def test_notebook_7_shows_and_steers_a_sweep(notebook):
    """The same in Notebook 7: curves are drawn, and Stop ends the sweep and the cell."""
    book = notebook([TRAIN, sweep(), DASHBOARD, AGENT], app="notebook")
    book.start_all()
    board = Board(book)
    board.rows("running").first.wait_for()
    board.redrawn(board.redrawn(""))
    board.part("stop").click()
    book.wait(4)
    board.said("Finished")
