"""One sweep, worked on from everywhere at once: two notebooks, a program, a Dask cluster and another machine behind a hub."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter

import pytest
from kernel import Kernel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("together")]

CELLS, STEPS = 90, 6

TRAIN = f"""
import os, time
import sweepwidget as wandb

def train():
    run = wandb.init()
    open(f"{{STAGE}}/{{WHO}}", "w").close()
    while len(os.listdir(STAGE)) < 5:  # however long it takes them to start, each gets its share
        time.sleep(0.02)
    for i in range({STEPS}):
        run.log({{"i": i, "who": WHO}})
        time.sleep(0.05)
"""
# What a participant does, and its number in the column `who`.
FIRST, SECOND, PROGRAM, DASK, REMOTE = range(5)
AGENT = "wandb.agent({sweep!r}, function=train{more})"
ON_DASK = """
if __name__ == "__main__":
    from dask.distributed import Client, LocalCluster
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        wandb.agent({sweep!r}, function=train, backend=client)
"""


class Scene:
    """Everybody on stage, by number: how to start them, and how to end them as the out-of-memory killer would."""

    def __init__(self, folder):
        self.folder, self.store = folder, str(folder / "sweeps.db")
        self.ends = {}
        (folder / "stage").mkdir()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "SWEEPWIDGET_"))}

    def training(self, number):
        return f"WHO, STAGE = {number}, {str(self.folder / 'stage')!r}\n{TRAIN}"

    def notebook(self, number, sweep, more=""):
        kernel = Kernel(SWEEPWIDGET_STORE=self.store)
        kernel.run(self.training(number))
        kernel.start(AGENT.format(sweep=sweep, more=more))

        def end():
            kernel.kill()
            kernel.__exit__()

        self.ends[number] = end

    def process(self, number, *command, store=None, group=False):
        environment = {**self.environment, "SWEEPWIDGET_STORE": store or self.store}
        process = subprocess.Popen(
            command, env=environment, cwd=self.folder, stdout=subprocess.PIPE, text=True, start_new_session=group
        )

        def end():
            (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
            process.communicate()

        self.ends[number] = end
        return process

    def script(self, number, code, **options):
        path = self.folder / f"script{number}.py"
        path.write_text(f"{self.training(number)}\n{textwrap.dedent(code)}")
        return self.process(number, sys.executable, str(path), **options)

    def kill(self, number):
        self.ends.pop(number)()

    def close(self):
        for number in list(self.ends):
            self.kill(number)


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    yield made
    made.close()


def until(condition, timeout_s=120.0):
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
    return result


def start_all(wandb, scene):
    """The sweep, with everybody at work on it."""
    (scene.folder / "train.py").write_text(f"{scene.training(PROGRAM)}\ntrain()\n")
    sweep = wandb.sweep(
        {"method": "grid", "program": "train.py", "parameters": {"cell": {"values": list(range(CELLS))}}}
    )
    hub = scene.process(-1, sys.executable, "-m", "sweepwidget", "hub", "--share", sweep, "--port", "0")
    link = next(word for line in hub.stdout for word in line.split() if word.startswith("http") and "#" in word)
    scene.script(REMOTE, AGENT.format(sweep=link, more=""), store=str(scene.folder / "elsewhere.db"))
    scene.script(DASK, ON_DASK.format(sweep=sweep), group=True)
    scene.process(PROGRAM, sys.executable, "-m", "sweepwidget", "agent", sweep)
    scene.notebook(FIRST, sweep)
    scene.notebook(SECOND, sweep, ", backend='kernel'")
    return sweep


def shares(wandb, sweep):
    """How many runs each participant has ended."""
    runs = wandb.Api().sweep(sweep).runs
    return Counter(int(run.summary["who"]) for run in runs if run.state == "finished")


def once_more(wandb, sweep):
    """The runs that lost an agent, and have not ended yet."""
    return [run for run in wandb.Api().sweep(sweep).runs if run.attempt > 1 and run.state != "finished"]


def check(wandb, sweep):
    """Every cell finished once, and every point of it is there once."""
    from sweepwidget.model import RunId

    found = wandb.Api().sweep(sweep)
    assert "FINISHED" == found.state
    assert ["finished"] * CELLS == [run.state for run in found.runs]
    assert list(range(CELLS)) == sorted(run.config["cell"] for run in found.runs)
    for run in found.runs:
        assert list(range(STEPS)) == found._store.columns(RunId(run.id))["i"].values.tolist()


def test_all_work_together(wandb, scene):
    """Each takes its share, and every run is done exactly once."""
    sweep = start_all(wandb, scene)
    until(lambda: wandb.Api().sweep(sweep).state == "FINISHED")
    check(wandb, sweep)
    assert {FIRST, SECOND, PROGRAM, DASK, REMOTE} == shares(wandb, sweep).keys()
    assert {1} == {run.attempt for run in wandb.Api().sweep(sweep).runs}


def test_any_of_them_may_be_killed(wandb, scene):
    """One after another, the notebook that began it first of all: those that are left finish the sweep."""
    sweep = start_all(wandb, scene)
    until(lambda: len(shares(wandb, sweep)) == 5)
    for victim in (FIRST, DASK, SECOND, PROGRAM):
        scene.kill(victim)
        done = shares(wandb, sweep)[REMOTE]
        until(lambda done=done: shares(wandb, sweep)[REMOTE] > done)
        until(lambda: not once_more(wandb, sweep))  # a run that loses three agents would be given up
    until(lambda: wandb.Api().sweep(sweep).state == "FINISHED")
    check(wandb, sweep)
