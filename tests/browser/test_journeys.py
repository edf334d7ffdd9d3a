"""What people do with the dashboard, in a real JupyterLab."""

from __future__ import annotations

SWEEP = """
import math, time
def train():
    run = sw.init()
    for step in range(40):
        time.sleep(0.05)
        run.log({"loss": math.exp(-step * run.config.lr) + abs(run.config.lr - 0.1), "step_of": step})
sweep_id = sw.sweep({
    "name": "journey", "method": "random", "seed": 1, "run_cap": 200, "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"lr": {"distribution": "log_uniform_values", "min": 1e-3, "max": 1.0}, "opt": {"values": ["sgd", "adam"]}},
})
"""


def test_stop_acts_while_the_cell_runs(notebook):
    """A click on Stop ends the sweep though `agent()` blocks the cell, and the cell ends by itself."""
    lab = notebook([SWEEP, "dash = sw.dashboard(sweep_id)\ndash", "sw.agent(sweep_id, function=train, agents=2)"])
    lab.start_all()
    page = lab.page
    page.get_by_test_id("sw-status").get_by_text("Running").wait_for()
    page.locator("[data-testid=sw-run-row][data-state=running]").first.wait_for()
    assert lab.is_running(3)
    page.get_by_test_id("sw-stop").click()
    lab.wait(3)
    page.get_by_test_id("sw-status").get_by_text("Finished").wait_for()
    assert "'finished'" == lab.ask("dash.status").lower()
