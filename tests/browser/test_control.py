"""Whoever runs a sweep steers it from the dashboard: agents, runs, the sweep itself, also while a cell blocks."""

from __future__ import annotations

from waiting import until

from browser.board import Board, runs_of, sweep_of
from browser.cells import AGENT, DASHBOARD, QUICK, TRAIN, sweep
from sweepwidget.model import SweepState

SAID_AFTER = """() => {
    addEventListener("click", () => {
        const clicked = performance.now();
        new MutationObserver(() => {
            if (document.querySelector("[data-testid=sw-kernel-busy]")) {
                globalThis.saidAfter ??= (performance.now() - clicked) / 1000;
            }
        }).observe(document.body, {subtree: true, childList: true});
    }, {capture: true, once: true});
}"""


def test_agents_work_without_a_cell_that_runs(notebook):
    """Function, backend and number are chosen in the dashboard; agents leave after their run or at once; cells stay free."""
    other = TRAIN.replace("def train", "def other").replace('{"loss"', '{"other": 1, "loss"')
    lab = notebook([other, TRAIN, sweep(), DASHBOARD])
    for cell in range(1, 5):
        lab.run(cell)
    board = Board(lab)
    functions = board.root.get_by_label("Function").locator("option")
    functions.nth(1).wait_for(state="attached")
    assert [text.split(" ·")[0] for text in functions.all_inner_texts()] == ["train", "other"]
    board.root.get_by_label("Function").select_option("other")
    board.root.get_by_label("Agents", exact=True).and_(board.root.locator("input")).fill("2")
    board.part("start").click()
    board.agents(2)
    board.rows("running").nth(1).wait_for()
    board.said("Running")
    board.part("agent-add").click()
    board.agents(3)
    board.rows("running").nth(2).wait_for()
    assert lab.ask("6 * 7") == "42"

    first = board.agents(3).nth(0)
    its = first.locator(".sw-agent-run button").inner_text()
    board.choose(first.get_by_role("button", name="What to do with A1"), "Leave after this run")
    board.agents(2)
    second = board.agents(2).nth(0)
    stopped = second.get_attribute("data-agent-id")
    board.choose(second.get_by_role("button", name="What to do with A2"), "Stop its run", "Really stop")
    board.agents(1)
    board.root.get_by_role("button", name="One agent fewer").click()
    board.agents(0)
    board.answered()
    runs = {f"run {run.number}": run for run in runs_of(lab)}
    assert runs[its].state == "finished"
    assert [stopped] == [run.agent_id for run in runs.values() if run.state == "killed"]
    assert runs[its].summary["other"] == 1
    assert sweep_of(lab).state is SweepState.RUNNING
    board.root.locator(".sw-notice", has_text="nobody is working").wait_for()


def test_kernels_work_for_the_dashboard(notebook):
    """An agent of the backend kernel has a process of its own, and a run can be stopped there and tried again."""
    lab = notebook([TRAIN, sweep(parameters={"lr": {"value": 0.5}, "steps": {"value": 600}}), DASHBOARD])
    for cell in range(1, 4):
        lab.run(cell)
    board = Board(lab)
    board.root.get_by_label("as", exact=True).select_option("kernel")
    board.part("start").click()
    board.rows("running").first.wait_for(timeout=30_000)
    agent = board.agents(1).first
    assert "kernel" in agent.inner_text()
    run = board.rows("running").first.get_attribute("data-run-id") or ""
    board.choose(board.row(run).get_by_role("button", name="What to do with run"), "Stop")
    board.rows("killed").first.wait_for()
    board.choose(board.row(run).get_by_role("button", name="What to do with run"), "Retry")
    again = until(lambda: next((each for each in runs_of(lab) if each.info.get("again") == run), None))
    assert again.config == runs_of(lab)[0].config
    board.choose(board.root.get_by_role("button", name="More ways to stop"), "Cancel the sweep", "Really cancel")
    board.said("Canceled")
    board.agents(0)


def test_a_sweep_is_paused_resumed_and_stopped_while_its_cell_runs(notebook):
    """Every order is acknowledged though `agent()` blocks the cell; after Stop no run begins, and the cell ends by itself."""
    lab = notebook([QUICK.replace("0.002", "0.02"), sweep(run_cap=100_000), DASHBOARD, AGENT])
    lab.start_all()
    board = Board(lab)
    board.rows("finished").first.wait_for()
    assert lab.is_running(4)

    board.part("pause").click()
    board.said("Paused")
    board.answered()
    board.rows("running").first.wait_for(state="detached")
    paused = len(runs_of(lab))
    board.part("resume").click()
    board.said("Running")
    board.answered()
    board.page.wait_for_function(
        "n => document.querySelectorAll('[data-testid=sw-run-row]').length > n", arg=min(paused, 8)
    )

    board.page.evaluate("addEventListener('click', () => { globalThis.clickedAt ??= Date.now() / 1000; }, true)")
    board.part("stop").click()
    clicked = board.page.evaluate("clickedAt")
    lab.wait(4)
    board.said("Finished")
    board.answered()
    latest = max(run.started_at or 0.0 for run in runs_of(lab))
    assert latest - clicked < 5.0  # unheard, it would begin runs for as long as the cell blocks
    print(f"the latest run began {latest - clicked:+.2f} s after the click on Stop")
    assert "'finished'" == lab.ask("dash.status").lower()

    board.part("resume").click()
    board.said("Running")
    board.choose(board.root.get_by_role("button", name="More ways to stop"), "Cancel the sweep", "Really cancel")
    board.said("Canceled")
    assert sweep_of(lab).state is SweepState.CANCELED


def test_stop_now_ends_what_is_running(notebook):
    """ "Stop running runs, too" ends a long run while its cell blocks, and the cell ends."""
    lab = notebook([TRAIN, sweep(parameters={"lr": {"value": 0.5}, "steps": {"value": 2000}}), DASHBOARD, AGENT])
    lab.start_all()
    board = Board(lab)
    board.rows("running").nth(1).wait_for()
    board.choose(board.root.get_by_role("button", name="More ways to stop"), "Stop running runs", "Really stop 2")
    board.rows("killed").nth(1).wait_for()
    board.said("Finished")
    lab.wait(4)


def test_a_busy_kernel_is_said_and_the_order_acts_afterwards(notebook):
    """Where the kernel has no subshells, a cell that sleeps holds an order up: the page says so within two seconds, and the
    order is done when the cell ends.
    """
    lab = notebook(
        [TRAIN, sweep(), DASHBOARD, "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)"]
    )
    lab.without_subshells()
    lab.run(1)
    lab.run(2)
    lab.run(3)
    board = Board(lab)
    board.part("stop").wait_for()
    lab.start(4)
    board.page.evaluate(SAID_AFTER)
    board.part("stop").click()
    board.part("kernel-busy").wait_for()
    assert board.page.evaluate("saidAfter") < 4.0
    assert "your stop was sent" in board.part("kernel-busy").inner_text()
    assert board.part("stop").get_attribute("data-status") == "sent"
    assert lab.is_running(4)
    (lab.path.parent / "go").touch()
    lab.wait(4)
    board.said("Finished")
    board.part("kernel-busy").wait_for(state="detached")
    assert sweep_of(lab).state is SweepState.FINISHED


def test_an_order_acts_while_a_cell_sleeps(notebook):
    """Where the kernel has subshells, an order is done while a cell sleeps."""
    lab = notebook([TRAIN, sweep(), DASHBOARD, "import time; time.sleep(30)"])
    for cell in range(1, 4):
        lab.run(cell)
    board = Board(lab)
    board.part("stop").wait_for()
    lab.start(4)
    board.part("stop").click()
    board.said("Finished")
    board.answered()
    assert lab.is_running(4)
    assert sweep_of(lab).state is SweepState.FINISHED
