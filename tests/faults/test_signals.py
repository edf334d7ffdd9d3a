"""SIGKILL, SIGTERM and SIGINT of whoever works on a sweep: a notebook, its kernel agents, a program's agent, the hub.

Programs themselves: tests/test_program_agents.py; workers of clusters: tests/backends/test_engines.py; PostgreSQL:
tests/store/test_postgres.py; a kernel restarted from the browser: tests/widget/test_widget.py, tests/browser.
"""

import signal
import sys
import time

import psutil
import pytest
from waiting import until

from .scene import kill, left

pytestmark = pytest.mark.slow

KILL, HUP, TERM, INT = signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT
AGENT = "sweepwidget.agent({!r}, function=train, backend={!r})"


def notebook(scene, backend="thread"):
    """The kernel of a notebook whose cell works on the sweep."""
    kernel = scene.notebook(AGENT.format(scene.sweep, backend))
    until(scene.at_work)
    return kernel.manager.provisioner.process.pid


def program_agent(scene):
    """`sweepwidget agent ID`."""
    (scene.folder / "train.py").write_text(f"{scene.ledger.source()}\ntrain()\n")
    agent = scene.process(sys.executable, "-m", "sweepwidget", "agent", scene.sweep)
    until(scene.at_work)
    return agent.pid


@pytest.mark.parametrize("signum", [KILL, TERM])
@pytest.mark.parametrize("backend", ["thread", "kernel"])
def test_a_notebook_that_is_killed(scene, backend, signum):
    """Its kernel agents go with it, whoever comes next does the rest: its run a second time, the finished ones no more."""
    scene.last(rows=12, hold=1)
    pid = notebook(scene, backend)
    kill(pid, signum)
    until(lambda: not left(), 10)
    scene.ledger.go()
    scene.finish()
    assert [1, 2, 1, 1] == [run.attempt for run in scene.store.runs(scene.sweep)]
    scene.check()


@pytest.mark.parametrize("backend", ["thread", "kernel"])
def test_a_notebook_that_is_interrupted(scene, backend):
    """Its cell ends, its run is killed with all its points, and the kernel is as before."""
    scene.last(rows=4000, pause_s=0.01)
    pid = notebook(scene, backend)
    kill(pid, INT)
    until(lambda: [run for run in scene.store.runs(scene.sweep) if run.state.value == "killed"], 15)
    until(lambda: left().keys() == {pid}, 10)
    scene.last(rows=12)
    scene.finish()
    scene.check({"finished", "killed"})


@pytest.mark.parametrize(("signum", "state"), [(KILL, "crashed"), (TERM, "killed"), (INT, "killed")])
def test_a_kernel_agent_that_is_signalled(scene, signum, state):
    """Its run has ended, and says so; the notebook's agent goes on in another kernel."""
    scene.last(rows=12, hold=0)
    parent = notebook(scene, "kernel")
    (worker,) = {pid for rows in scene.ledger.told().values() for pid, _ in rows}
    assert parent != worker
    kill(worker, signum)
    until(lambda: scene.store.sweep(scene.sweep).state.value == "FINISHED", 60)
    states = [run.state.value for run in scene.store.runs(scene.sweep)]
    assert (state, "finished") == (states[0], states[-1])
    scene.check({"finished", state})


@pytest.mark.parametrize("signum", [KILL, HUP, TERM, INT])
def test_a_programs_agent_that_is_signalled(scene, signum):
    """Its program ends with it; a run whose agent was killed outright, or with its terminal, is done again, one that was
    interrupted is killed.
    """
    scene.create(program="train.py")
    scene.last(rows=12, hold=0)
    pid = program_agent(scene)
    kill(pid, signum)
    until(lambda: not left(), 15)
    scene.ledger.go()
    scene.finish()
    scene.check({"finished"} if signum in (KILL, HUP) else {"finished", "killed"})


@pytest.mark.parametrize("signum", [TERM, INT])
def test_a_hub_that_is_told_to_end(scene, signum):
    """It goes within seconds, and agents wait for the next one (SIGKILL: test_kills.py)."""
    scene.last(rows=12, hold=0)
    hub = scene.process(sys.executable, "-m", "sweepwidget", "hub", "--port", str(scene.port))
    link = scene.link()
    until(lambda: psutil.Process(hub.pid).net_connections(), 30)
    agents = scene.wandb.agent(link, function=scene.ledger.training(), block=False)
    until(scene.at_work)
    kill(hub.pid, signum)
    began = time.monotonic()
    assert 0 == hub.wait(30)
    assert time.monotonic() - began < 15
    scene.ledger.go()
    scene.hub()
    assert agents.wait(30)
    assert {1} == {run.attempt for run in scene.store.runs(scene.sweep)}
    scene.check()
