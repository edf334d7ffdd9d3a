"""Training functions that misbehave: the run says so, and the sweep goes on.

In kernels (segfaults, memory limits, `os._exit`, forks, closed streams, what ignores an order to stop):
tests/backends/test_kernel_agents.py. Programs: tests/backends/test_program.py, tests/test_program_agents.py.
"""

import os
import signal
import time

import pytest
from waiting import until

from sweepwidget.participant import LEASE_S

from .scene import kill, left

pytestmark = pytest.mark.slow

DEEDS = {
    "goes elsewhere": "os.chdir('/')",
    "closes its streams": "sys.stdout.close(); sys.stderr.close()",
    "raises what is no Exception": "raise type('Odd', (BaseException,), {})('odd')",
    "forks, and both return": "os.fork() and os.wait()",
    "leaves a thread behind": "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
    "exits": "sys.exit(3)",
    "interrupts itself": "raise KeyboardInterrupt",
    "swallows the order to stop": "swallow()",
}
SCRIPT = """
import os, sys, threading, time

def swallow():
    import time
    run = sweepwidget.run
    sweepwidget.Api().run(run.id).stop()
    for i in range({{"thread": 100, "kernel": 1000}}[{backend!r}]):  # a kernel is interrupted before long
        try:
            run.log({{"i": ROWS + i}})
        except BaseException:
            pass
        time.sleep(0.02)

def misbehave():
    train()
    import os, sys, threading, time
    exec(list({deeds!r})[sweepwidget.run.config["cell"]], {{**globals(), **locals(), "swallow": swallow}})

if __name__ == "__main__":
    sweepwidget.agent({sweep!r}, function=misbehave, backend={backend!r})
    print("and the script goes on")
"""


@pytest.mark.parametrize("backend", ["thread", "kernel"])
def test_whatever_a_function_does_the_sweep_goes_on(scene, backend):
    """One deed after another in the same process; each ends its own run, as what it is."""
    scene.cells = len(DEEDS)
    scene.create()
    script = scene.script(SCRIPT.format(sweep=scene.sweep, deeds=list(DEEDS.values()), backend=backend))
    status = script.wait(120)
    said = (scene.folder / "output").read_text()
    print(said)
    ended = {list(DEEDS)[run.config["cell"]]: run for run in scene.store.runs(scene.sweep)}
    states = {deed: run.state.value for deed, run in ended.items()}
    assert states == {
        **dict.fromkeys(DEEDS, "finished"),
        "raises what is no Exception": "failed",
        "exits": "failed",
        "interrupts itself": "killed",
        "swallows the order to stop": {"thread": "finished", "kernel": "killed"}[backend],  # a kernel is interrupted
    }
    assert (3, 0) == (ended["exits"].exit_code, status)
    assert 1 == said.count("and the script goes on")


def test_a_function_that_ends_its_process_costs_its_run_alone(scene):
    """os._exit in a thread takes everything of that process along: the next one does the run again, at once."""
    code = SCRIPT.format(sweep=scene.sweep, deeds=["os._exit(3)"] * scene.cells, backend="thread")
    assert 3 == scene.script(code).wait(60)
    began = time.monotonic()
    scene.finish()
    assert time.monotonic() - began < LEASE_S / 2, "it was waited for until its lease lapsed"
    assert [2, 1, 1, 1] == [run.attempt for run in scene.store.runs(scene.sweep)]
    scene.check()


def test_a_function_that_never_returns_can_be_interrupted(scene):
    """Its run is closed as killed with what it logged, and the script ends."""
    code = SCRIPT.format(sweep=scene.sweep, deeds=["[time.sleep(0.01) for _ in iter(int, 1)]"], backend="thread")
    script = scene.script(code)
    until(lambda: [rows for rows in scene.ledger.told().values() if len(rows) == scene.ledger.rows])
    kill(script.pid, signal.SIGINT)
    script.wait(60)
    until(lambda: not left())
    scene.finish()
    scene.check({"finished", "killed"})


@pytest.mark.parametrize("screen", ["pipe", "terminal"])
def test_a_screen_that_goes_away_ends_no_agent(scene, screen):
    """The terminal is closed, under `nohup`, or what its output was piped to has ended: what is said is lost, and nothing else."""
    scene.last(rows=12, hold=0)
    reader, writer = os.pipe() if screen == "pipe" else os.openpty()
    deeds = ["", "1 / 0", "", ""]
    code = "import fcntl, os, signal, termios\n"
    if screen == "terminal":
        code += f"signal.signal(signal.SIGHUP, signal.SIG_IGN); fcntl.ioctl({writer}, termios.TIOCSCTTY, 0)\n"
    code += f"os.dup2({writer}, 1); os.dup2({writer}, 2); os.close({writer})\n"
    code += SCRIPT.format(sweep=scene.sweep, deeds=deeds, backend="thread")
    script = scene.script(code, pass_fds=[writer], start_new_session=True)
    os.close(writer)
    until(scene.at_work)
    os.close(reader)
    scene.ledger.go()
    script.wait(60)
    states = [run.state.value for run in scene.store.runs(scene.sweep)]
    assert ["finished", "failed", "finished", "finished"] == states
    scene.check({"finished", "failed"})
