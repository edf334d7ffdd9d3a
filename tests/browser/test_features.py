"""A failed run and its mended function, a dragged range, and several goals at once: in a real JupyterLab."""

from __future__ import annotations

BROKEN = """
def train():
    run = sw.init()
    run.log({"loss": run.config.lr})
    if run.config.lr > 0.2:
        raise ValueError(f"lr {run.config.lr} is too large")
sweep_id = sw.sweep({
    "method": "grid", "metric": {"name": "loss"}, "parameters": {"lr": {"values": [0.1, 0.3, 0.4]}, "epochs": {"value": 1.0}},
})
sw.agent(sweep_id, function=train)
dash = sw.dashboard(sweep_id)
dash
"""
MENDED = "def train():\n    run = sw.init()\n    run.log({'loss': run.config.lr})"


def test_a_failed_run_is_reproduced_mended_and_tried_again(notebook):
    """The cell that the drawer puts below fails in the foreground as the run did; once the function is mended the drawer says
    so, and what had failed is tried again with it.
    """
    lab = notebook([BROKEN, MENDED])
    lab.run(1)
    page = lab.page
    page.locator("[data-testid=sw-run-row][data-state=failed]").first.click()
    drawer = page.get_by_test_id("sw-drawer")
    drawer.get_by_test_id("sw-tab-error").click()
    drawer.get_by_role("button", name="Insert it below").click()
    drawer.get_by_text("Inserted below").wait_for()
    lab.start(2)
    page.wait_for_function("/^.[0-9]/.test(jupyterapp.shell.currentWidget.content.widgets[2].promptNode.textContent)")
    said = lab.outputs(2)[0]
    assert ("error", "ValueError") == (said["output_type"], said["ename"])
    assert "lr 0.3 is too large" in said["evalue"] or "lr 0.4 is too large" in said["evalue"]
    lab.run(3)
    drawer.get_by_test_id("sw-tab-config").click()
    drawer.get_by_role("button", name="Close").click()
    page.locator("[data-testid=sw-run-row][data-state=failed]").first.click()
    drawer.get_by_test_id("sw-tab-error").click()
    drawer.get_by_test_id("sw-code").get_by_role("button", name="Retry 2 failed").click()
    page.wait_for_function("document.querySelectorAll('[data-testid=sw-run-row][data-state=pending]').length === 2")
    lab.ask("sw.agent(sweep_id, function=train)")
    page.wait_for_function("document.querySelectorAll('[data-testid=sw-run-row][data-state=finished]').length === 3")
    assert page.get_by_role("columnheader", name="code").count() <= 1


DRAFT = """
sweep_id = sw.sweep({
    "method": "random", "run_cap": 9, "metrics": [{"name": "loss"}, {"name": "acc", "goal": "maximize"}],
    "parameters": {"lr": {"min": 0.0, "max": 1.0}},
})
def train():
    run = sw.init()
    run.log({"loss": run.config.lr, "acc": run.config.lr})
sw.agent(sweep_id, function=train, count=5)
dash = sw.dashboard(sweep_id)
dash
"""


def test_a_range_is_dragged_and_a_front_is_shown(notebook):
    """The end of the preview moves `max`, which stays a float; the best card and the figure show the front of both goals."""
    lab = notebook([DRAFT])
    lab.run(1)
    page = lab.page
    card = page.get_by_test_id("sw-best")
    card.get_by_text("5 runs on the front").click()
    assert 5 == page.locator("[data-testid=sw-run-row][aria-selected=true]").count()
    page.get_by_test_id("sw-tab-figures").click()
    page.get_by_test_id("sw-figures").locator(".scatterlayer .point").first.wait_for()
    page.get_by_test_id("sw-tab-config").click()
    grip = page.locator("[data-testid=sw-param-row][data-name=lr] .sw-end[data-end=max] .sw-end-grip")
    box = grip.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] - 60, box["y"] + 10, steps=5)
    page.mouse.up()
    page.get_by_test_id("sw-apply").click()
    lab.ask("import time\nwhile dash.config['parameters']['lr']['max'] == 1.0: time.sleep(0.05)")
    assert "[float, float, True]" == lab.ask(
        "lr = dash.config['parameters']['lr']; [type(lr['min']), type(lr['max']), 0.5 < lr['max'] < 0.8]"
    ).replace("<class '", "").replace("'>", "")
