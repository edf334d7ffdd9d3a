"""Several processes on one store: joining by the bare id, and what is left when one of them is killed."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from waiting import until

pytestmark = pytest.mark.slow

PARTICIPANT = """
import json, os, sys, time
import sweepwidget as wandb
import sweepwidget.search.bayes
wandb.use_store({store!r})
runs = 0

def train():
    global runs
    runs += 1
    run = wandb.init()
    for i in range({rows} if runs != {endless} else 10**9):
        run.log({{"i": i, "loss": float(i)}})
        with open(os.path.join({ledger!r}, f"{{run.id}}.{{run.attempt}}"), "a") as told:
            told.write(f"{{i}}\\n")
        time.sleep({pause})

print("ready", flush=True)
input()
{work}
"""


class Group:
    """Processes that work on one store, and the ledger of what they were told was kept."""

    def __init__(self, folder):
        self.store, self.ledger = str(folder / "sweeps.db"), folder / "ledger"
        self.ledger.mkdir()
        self.processes = []

    def start(self, work, rows=20, pause=0.005, endless=0):
        process = self.prepare(work, rows, pause, endless)
        self.begin(process)
        return process

    def prepare(self, work, rows=20, pause=0.005, endless=0):
        """A process that has imported all it needs, and waits for the word: on a slow machine that takes longer than a run.
        The so-manieth of its runs is endless: it is in the middle of that whenever it is killed.
        """
        code = PARTICIPANT.format(
            store=self.store,
            ledger=str(self.ledger),
            rows=rows,
            pause=pause,
            endless=endless,
            work=textwrap.dedent(work),
        )
        env = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "SWEEPWIDGET_"))}
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        self.processes.append(process)
        assert "ready\n" == process.stdout.readline()
        return process

    def begin(self, process):
        process.stdin.write("\n")
        process.stdin.flush()

    def told(self):
        """(run id, attempt) → the rows that `log` returned from."""
        return {
            tuple(path.name.split(".")): [int(line) for line in path.read_text().split()]
            for path in self.ledger.iterdir()
        }

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stdin.close()


@pytest.fixture
def group(tmp_path):
    made = Group(tmp_path)
    yield made
    made.end()


def check_ledger(wandb, group, sweep_id):
    """Nothing that `log` returned from is lost, nothing is there twice, and nothing runs for ever."""
    from sweepwidget.model import RunId

    sweep = wandb.Api().sweep(sweep_id)
    told = group.told()
    for run in sweep.runs:
        assert run.state in ("finished", "crashed", "killed")
        for attempt in range(1, run.attempt + 1):
            stored = sweep._store.columns(RunId(run.id), attempt)
            kept = stored["i"].values.tolist() if "i" in stored else []
            known = told.get((run.id, str(attempt)), [])
            assert known == kept[: len(known)]
            assert len(kept) <= len(known) + 1  # a row may be on disk before `log` could return


GRID = {"method": "grid", "metric": {"name": "loss"}, "parameters": {"a": {"values": list(range(12))}}}


def test_a_second_process_joins_by_the_bare_id_and_takes_its_share(wandb, group, tmp_path):
    """Every cell once, both have worked, both see the same end."""
    sweep_id, stage = wandb.sweep(GRID), tmp_path / "stage"
    stage.mkdir()
    work = f"""
        def train_when_both_are_here():
            open(f"{stage}/{{os.getpid()}}", "w").close()
            while len(os.listdir({str(stage)!r})) < 2:
                time.sleep(0.005)
            train()

        wandb.agent({sweep_id!r}, function=train_when_both_are_here)
        print(wandb.Api().sweep({sweep_id!r}).state)
    """
    first, second = group.prepare(work), group.prepare(work)
    group.begin(first)
    group.begin(second)
    assert ["FINISHED", "FINISHED"] == [p.communicate(timeout=60)[0].split()[-1] for p in (first, second)]
    runs = wandb.Api().sweep(sweep_id).runs
    assert list(range(12)) == sorted(run.config["a"] for run in runs)
    agents = {run._row.agent_id.split("-")[0] for run in runs}
    assert 2 == len(agents)
    check_ledger(wandb, group, sweep_id)


def test_two_counts_add_up(wandb, group):
    """Whoever steered leaves while the other works on: exactly as many runs as the two wanted, and none is left waiting."""
    sweep_id = wandb.sweep({"method": "random", "parameters": {"a": {"min": 0.0, "max": 1.0}}})
    both = [
        group.start(f"wandb.agent({sweep_id!r}, function=train, count={count})", rows=1, pause=0) for count in (25, 40)
    ]
    assert [0, 0] == [process.wait(60) for process in both]
    assert ["finished"] * 65 == [run.state for run in wandb.Api().sweep(sweep_id).runs]


@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_killing_the_controlling_kernel_loses_nothing(wandb, group, method):
    """SIGKILL in mid-sweep: no finished run and no logged point is lost, the other goes on within seconds, the dead one's
    run is made again, and the sweep ends correctly."""
    space = {"a": {"values": list(range(12))}} if method == "grid" else {"a": {"min": 0.0, "max": 1.0}}
    sweep_id = wandb.sweep({**GRID, "method": method, "parameters": space, "run_cap": 12})
    work = f"wandb.agent({sweep_id!r}, function=train)\nprint(wandb.Api().sweep({sweep_id!r}).state)"
    first, second = group.prepare(work, rows=60, endless=2), group.prepare(work, rows=60)
    group.begin(first)
    until(lambda: len(group.told()) >= 2)
    group.begin(second)
    until(lambda: len({run._row.agent_id for run in wandb.Api().sweep(sweep_id).runs if run._row.agent_id}) == 2)
    finished = {run.id for run in wandb.Api().sweep(sweep_id).runs if run.state == "finished"}
    first.send_signal(signal.SIGKILL)
    killed_at = time.monotonic()
    first.wait()
    until(lambda: any(run.attempt > 1 for run in wandb.Api().sweep(sweep_id).runs), timeout_s=25)
    assert time.monotonic() - killed_at < 25
    assert "FINISHED" in second.communicate(timeout=60)[0]
    runs = wandb.Api().sweep(sweep_id).runs
    assert ["finished"] * 12 == [run.state for run in runs]
    assert all(run.attempt == 1 for run in runs if run.id in finished)
    assert 12 == len({json.dumps(run.config) for run in runs})
    check_ledger(wandb, group, sweep_id)


def test_any_participant_that_goes_on_ends_the_sweep(wandb, group):
    """The only process is killed; whoever comes later takes over, this very process here."""
    sweep_id = wandb.sweep(GRID)
    only = group.start(f"wandb.agent({sweep_id!r}, function=train)", endless=3)
    until(lambda: len(group.told()) >= 3)
    only.kill()
    only.wait()
    wandb.agent(sweep_id, function=wandb.init)
    runs = wandb.Api().sweep(sweep_id).runs
    assert ("FINISHED", ["finished"] * 12) == (wandb.Api().sweep(sweep_id).state, [run.state for run in runs])
    assert 1 == sum(run.attempt == 2 for run in runs)
    check_ledger(wandb, group, sweep_id)


def test_a_run_that_kills_its_process_every_time_is_given_up(wandb, group):
    """Three attempts, then crashed with what is known of the death; the sweep goes on."""
    sweep_id = wandb.sweep({"method": "grid", "parameters": {"a": {"values": [0, 1]}}})
    work = f"""
        def deadly():
            run = wandb.init()
            if run.config.a == 0:
                os.kill(os.getpid(), 9)

        wandb.agent({sweep_id!r}, function=deadly)
    """
    for _ in range(4):
        group.start(work).wait(30)
    first, second = wandb.Api().sweep(sweep_id).runs
    assert ("crashed", 3, "finished") == (first.state, first.attempt, second.state)
    assert "attempt 3 of 3" in first.error


def test_an_interrupted_process_marks_its_runs_killed(wandb, group):
    """SIGINT as from the interrupt button: KeyboardInterrupt is raised, the run is killed, nothing is left running."""
    sweep_id = wandb.sweep(GRID)
    work = f"""
        try:
            wandb.agent({sweep_id!r}, function=train)
        except KeyboardInterrupt:
            print("interrupted")
    """
    process = group.start(work, rows=10_000)
    until(lambda: group.told())
    process.send_signal(signal.SIGINT)
    assert "interrupted\n" == process.communicate(timeout=30)[0].splitlines(keepends=True)[-1]
    assert "killed" == wandb.Api().sweep(sweep_id).runs[0].state
    assert all(run.state in ("killed", "pending") for run in wandb.Api().sweep(sweep_id).runs)
    check_done = wandb.Api().sweep(sweep_id).runs[0]
    assert check_done.summary["i"] == group.told()[check_done.id, "1"][-1]


def test_orders_reach_another_process(wandb, group):
    """Cancelled here, killed there, within seconds."""
    sweep_id = wandb.sweep(GRID)
    process = group.start(f"wandb.agent({sweep_id!r}, function=train)", rows=100_000)
    until(lambda: group.told())
    wandb.cancel(sweep_id)
    process.communicate(timeout=10)
    assert 0 == process.returncode
    assert {"killed"} == {run.state for run in wandb.Api().sweep(sweep_id).runs}
