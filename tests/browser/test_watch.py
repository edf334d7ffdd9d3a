"""Whoever watches a sweep sees what its runs do: curves, the best, agents, the table, a run with all about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from waiting import until

from browser.board import Board, runs_of
from browser.cells import AGENT, DASHBOARD, FAULTY, QUICK, TRAIN, sweep
from browser.jupyter import WIDGET, Notebook

GRID = sweep(method="grid", parameters={"lr": {"values": [0.3, 0.01, 0.1, 0.03]}, "opt": {"values": ["adam", "sgd"]}})


@pytest.fixture(scope="module")
def finished(lasting_notebook) -> tuple[Notebook, Board]:
    """A sweep of eight runs, two of which failed."""
    lab = lasting_notebook([FAULTY, GRID, DASHBOARD, AGENT])
    lab.start_all()
    board = Board(lab)
    lab.wait(4)
    board.said("Finished")
    board.rows("finished").nth(3).wait_for()
    return lab, board


def test_curves_are_drawn_while_runs_log(notebook):
    """Curves grow, on linear and log axes, over steps and time, smoothed, all of them or some; agents and ETA move."""
    lab = notebook(
        [TRAIN, sweep(parameters={"lr": {"value": 0.1}, "steps": {"value": 100}}, run_cap=100), DASHBOARD, AGENT]
    )
    lab.start_all()
    board = Board(lab)
    curves = board.part("curves")
    board.caption(re.compile(r"\b[2-9] curves · 2 running"))
    board.redrawn(board.redrawn(""))

    curves.get_by_label("log y").check()
    linear = board.redrawn("")
    curves.get_by_label("log x").check()
    board.caption(re.compile(r"\b([2-9]) curves · .* · \1 points ≤ 0 hidden on the log axis"))
    board.redrawn(linear)
    curves.get_by_label("log x").uncheck()
    curves.get_by_label("metric").select_option("minus")
    curves.get_by_label("log y").check()
    board.caption("≤ 0 hidden on the log axis")
    curves.get_by_label("metric").select_option("loss")

    curves.get_by_label("smooth").fill("0.9")
    board.rows("running").first.hover()
    assert "(raw " in curves.locator(".sw-plot-tip").inner_text()
    curves.get_by_label("x", exact=True).select_option("time")
    board.page.get_by_role("img", name="Curves of loss over time").wait_for()
    curves.get_by_role("button", name="Table").click()
    curves.get_by_role("columnheader", name="at time").wait_for()
    curves.get_by_role("button", name="Table").click()

    curves.get_by_text("selected", exact=True).click()
    curves.get_by_text("No run is selected").wait_for()
    board.rows().first.get_by_role("checkbox").check()
    board.caption("1 curve")
    curves.get_by_text("running", exact=True).click()
    board.caption("2 running")
    board.rows("finished").nth(1).wait_for()
    curves.get_by_text("top 5").click()
    curves.get_by_label("top", exact=True).select_option("3")

    agent = board.agents(2).first
    until(lambda: re.search(r"A1 thread\s+run \d", agent.inner_text()))
    agent.get_by_text("st/s").wait_for()
    agent.get_by_text("%").wait_for()
    agent.locator(".sw-heard").wait_for()
    board.part("progress").get_by_text(re.compile(r"\d+ done · 2 running")).wait_for()
    board.part("progress").get_by_text(re.compile(r"\d s.* left|min.* left")).wait_for()
    board.part("stop").click()
    lab.wait(4)


PIXELS = """async bytes => {
    const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)], {type: "image/png"}));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const ctx = canvas.getContext("2d");
    ctx.drawImage(bitmap, 0, 0);
    const {data} = ctx.getImageData(0, 0, bitmap.width, bitmap.height);
    const pixels = new Uint32Array(data.buffer);
    const inked = part => pixels.subarray(...part).some(pixel => pixel !== pixels[0]);
    const line = 34 * devicePixelRatio * bitmap.width;
    return {width: bitmap.width / devicePixelRatio, solid: pixels.every(pixel => pixel >>> 24 === 255),
            title: inked([0, line]), curves: inked([line, pixels.length - line]), legend: inked([pixels.length - line])};
}"""


def test_curves_are_kept_as_a_picture(finished):
    """On a ground of its own, with what it shows and whose curves these are."""
    _, board = finished
    curves = board.part("curves")
    board.caption("curves")
    with board.page.expect_download() as download:
        curves.get_by_role("button", name="Save as PNG").click()
    assert download.value.suggested_filename.endswith("-loss.png")
    drawn = board.page.evaluate(PIXELS, list(Path(download.value.path()).read_bytes()))
    wide = curves.locator(".sw-plot-host").bounding_box()["width"]
    assert drawn == {"width": wide, "solid": True, "title": True, "curves": True, "legend": True}


def test_early_stopping_shows_its_rungs_and_what_it_saved(notebook):
    """Under hyperband the plot has rungs and ✕ where runs were cut, the rows say so, and progress says what was saved."""
    train = QUICK.replace("math.exp(-step * run.config.lr) + abs(run.config.lr - 0.1)", "run.config.lr")
    lr = {"values": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]}
    hyperband = sweep(
        method="grid", parameters={"lr": lr}, early_terminate={"type": "hyperband", "min_iter": 2, "eta": 2}
    )
    lab = notebook([train.replace("0.002", "0.02"), hyperband, DASHBOARD, AGENT.replace("2", "1")])
    lab.start_all()
    board = Board(lab)
    lab.wait(4)
    board.said("Finished")
    board.rows("stopped").first.wait_for()
    cut = [run for run in runs_of(lab) if run.state == "stopped"]
    assert len(cut) == board.rows("stopped").count() > 0
    assert f"{len(cut)} cut" in board.part("progress").inner_text()
    board.part("progress").get_by_text("saved").wait_for()
    board.caption("✕ stopped early")
    board.caption("▾ early stopping looks here")
    assert board.rows("stopped").first.get_by_text("cut", exact=True).count() == 1


def test_the_best_run_stands_on_its_card(finished):
    """The best finished run, its value and its configuration; against a run that is pinned."""
    lab, board = finished
    best = min((run for run in runs_of(lab) if run.state == "finished"), key=lambda run: run.summary["loss"])
    card = board.part("best")
    card.get_by_role("button", name=f"run {best.number}", exact=True).wait_for()
    assert card.locator("dt, dd").all_inner_texts() == ["lr", "0.01", "opt", "adam"]
    assert card.locator("b").inner_text() == "0.21"
    worst = max((run for run in runs_of(lab) if run.state == "finished"), key=lambda run: run.summary["loss"])
    menu = board.row(worst.id).get_by_role("button", name="What to do with run")
    board.choose(menu, "Pin as baseline")
    card.get_by_text(f"against pinned run {worst.number}").wait_for()
    assert board.row(best.id).locator(".sw-change").inner_text().strip() != ""
    board.choose(menu, "Unpin")


def test_a_row_and_its_curve_are_found_from_each_other(finished):
    """The pointer on a row shows its curve's last point; on a curve, its row."""
    _, board = finished
    board.rows("finished").first.hover()
    number = board.rows("finished").first.get_by_role("rowheader").inner_text().strip()
    tip = board.part("curves").locator(".sw-plot-tip")
    assert f"run {number}" in tip.inner_text()
    over = board.part("curves").locator(".u-over").bounding_box()
    assert over is not None
    for height in range(4, int(over["height"]), 12):
        board.page.mouse.move(over["x"] + over["width"] / 2, over["y"] + height)
        if tip.count():
            break
    told = re.search(r"run (\d+)", tip.inner_text())
    assert told is not None
    hovered = board.root.locator(".sw-row.sw-hovered")
    assert hovered.get_by_role("rowheader").inner_text().strip() == told[1]


def test_the_table_is_sorted_filtered_and_has_the_columns_one_wants(finished):
    """Sorting, a filter expression, and the choice of columns."""
    _, board = finished
    table = board.part("runs")
    table.get_by_role("button", name="lr", exact=True).click()

    def column(n: int) -> list[str]:
        return [row.locator("td, th").nth(n).inner_text() for row in board.rows().all()]

    heads = [head.inner_text().strip() for head in table.get_by_role("columnheader").all()]
    lr = heads.index("lr")
    assert column(lr) == ["0.01", "0.01", "0.03", "0.03", "0.1", "0.1", "0.3", "0.3"]
    table.get_by_role("button", name="lr", exact=True).click()
    assert column(lr)[0] == "0.3"

    table.get_by_label("Filter", exact=True).fill("lr > 0.05 and state = failed")
    table.get_by_text("2 of 8").wait_for()
    assert board.rows().count() == board.rows("failed").count() == 2
    table.get_by_label("Filter", exact=True).fill("lr <")
    table.locator("[aria-invalid=true]").wait_for()
    table.get_by_role("button", name="Clear the filter").click()
    board.rows().nth(7).wait_for()

    table.get_by_role("button", name="Columns").click()
    board.root.get_by_label("opt", exact=True).uncheck()
    board.root.get_by_label("error", exact=True).check()
    board.page.keyboard.press("Escape")
    heads = [head.inner_text().strip() for head in table.get_by_role("columnheader").all()]
    assert "opt" not in heads
    assert "error" in heads
    table.get_by_role("button", name="Columns").click()
    board.root.get_by_role("button", name="As it was").click()
    board.page.keyboard.press("Escape")


def test_runs_are_compared(finished):
    """Two selected runs stand beside each other with what differs."""
    _, board = finished
    for row in board.rows("finished").all()[:2]:
        row.get_by_role("checkbox").check()
    board.part("runs").get_by_role("button", name="Compare (2)").click()
    compare = board.part("compare")
    compare.get_by_role("rowheader", name="lr").wait_for()
    assert compare.get_by_role("rowheader", name="opt", exact=True).count() == 0
    compare.get_by_label("Only what differs").uncheck()
    compare.get_by_role("rowheader", name="opt", exact=True).wait_for()
    compare.get_by_role("button", name="Close").click()
    for row in board.rows("finished").all()[:2]:
        row.get_by_role("checkbox").uncheck()


def test_a_failed_run_tells_all_about_itself(finished):
    """Its drawer has configuration, metrics, output, and the traceback with the cell it came from: as text, with colours."""
    _, board = finished
    board.rows("failed").first.click()
    drawer = board.part("drawer")
    drawer.get_by_test_id("sw-tab-config").click()
    assert drawer.get_by_role("row", name="opt").get_by_role("cell").first.inner_text() == "sgd"
    drawer.get_by_test_id("sw-tab-metrics").click()
    drawer.get_by_role("row", name="loss").wait_for()
    drawer.get_by_test_id("sw-tab-output").click()
    drawer.get_by_text("lr is").wait_for()
    drawer.get_by_test_id("sw-tab-error").click()
    traceback = drawer.get_by_label("Traceback").last
    traceback.get_by_text("raise ValueError").wait_for()
    assert "no luck with <b>sgd</b>" in traceback.inner_text()
    assert traceback.locator("b", has_text="sgd").count() == 0
    cell = re.search(r"Cell (In\[\d+\]), line 7, in train", traceback.inner_text())
    assert cell is not None
    assert drawer.locator(".sw-tag").inner_text() == cell[1]
    drawer.get_by_test_id("sw-tab-about").click()
    drawer.get_by_label("Source").get_by_text("def train():").wait_for()
    drawer.get_by_role("button", name="Close").click()
    board.part("tab-log").click()
    board.part("error").or_(board.root.locator(".sw-failure")).first.wait_for()
    board.part("tab-curves").click()


def test_keys_in_the_dashboard_delete_no_cell(finished):
    """`d d` with the focus on a button, a field, a choice, a box or the table is not the notebook's."""
    _, board = finished
    cells = f"{WIDGET}.content.widgets.length"
    before = board.page.evaluate(cells)
    kinds = [
        board.part("tab-curves"),
        board.part("curves").get_by_label("log x"),
        board.part("curves").get_by_label("metric"),
        board.part("curves").get_by_label("smooth"),
        board.part("runs").get_by_label("Filter", exact=True),
        board.part("runs").get_by_role("grid"),
    ]
    for control in kinds:
        control.focus()
        for key in ("Escape", "d", "d") if control is kinds[-1] else ("d", "d"):
            board.page.keyboard.press(key)
    assert board.page.evaluate(cells) == before
