"""What runs came to while their hub was away: it waits on this machine's disk for whoever joins next."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from attrs import evolve
from ports import free_port

from sweepwidget import errors, process, trials
from sweepwidget.active_run import Run as ActiveRun
from sweepwidget.hub.tokens import issue
from sweepwidget.links import make_link
from sweepwidget.model import Outcome, RunState, Scope, Sweep, SweepId, SweepState
from sweepwidget.process import this_process
from sweepwidget.store import open_store, outcomes
from sweepwidget.store.remote import RemoteStore

from .conftest import SWEEP, World, logged
from .test_remote import HUB

R = RunState
LOST = ["bad gateway"] * 99


@pytest.fixture
def far(hub, relay, tmp_path) -> Iterator[RemoteStore]:
    """A store behind the relay, which is in good order."""
    relay.plan([])
    store = RemoteStore(make_link(f"http://127.0.0.1:{relay.port}", None, hub.link.partition("#")[2]), tmp_path)
    yield store
    store.close()


_names = iter(range(10**6))


@pytest.fixture
def world(far) -> World:
    return World(far, SweepId(f"sweep-{next(_names)}"))


def _begin(world, name="first"):
    return world.begin(f"{name} of {world.sweep_id}")


def _join(world, name):
    return world.join(f"{name} of {world.sweep_id}")


def _left(store) -> list[str]:
    return sorted(str(path.relative_to(store.folder)) for path in store.folder.rglob("*") if path.is_file())


def _trained(far, run, rows=5) -> ActiveRun:
    """A run that has logged `rows` rows, of which none was shipped."""
    active = ActiveRun(far, run)
    for i in range(rows):
        active.log({"loss": float(i)})
    return active


def _end_while_away(far, relay, active, outcome) -> None:
    """As its agent does, again and again, until its process is killed."""
    relay.plan(LOST)
    for _ in range(2):
        with pytest.raises(errors.StoreUnavailable):
            trials.close(far, active._row, trials.Ended(outcome, active))
    relay.plan([])


def _finished(active) -> Outcome:
    return Outcome(R.finished, 0, summary=active.final_summary())


def test_the_next_who_joins_delivers_it(far, relay, hub, world):
    """A run that was trained to its end is finished as it was, with all it logged, though its process has died."""
    run = _begin(world)
    active = _trained(far, run)
    outcome = _finished(active)
    _end_while_away(far, relay, active, outcome)
    assert R.running is far.run(run.id).state
    _join(world, "another")
    closed = far.run(run.id)
    assert (R.finished, 0, 1, outcome.summary) == (closed.state, closed.exit_code, closed.attempt, closed.summary)
    assert list(range(5)) == logged(hub.behind.open(), run.id)
    assert [] == _left(far)


def test_what_was_given_back_is_not_tried_again_here(far, relay, hub, world):
    """Its lease has lapsed, and it waits: who claims it where it was tried to its end closes it so, and gets the next."""
    world.add(2)
    dead = _join(world, "dead")
    run = world.claim(dead)
    active = _trained(far, run)
    far.log(active._spool.take())
    outcome = _finished(active)
    _end_while_away(far, relay, active, outcome)
    far.leave(dead)
    assert (R.pending, 2) == (far.run(run.id).state, far.run(run.id).attempt)
    living = _join(world, "living")
    second = far.claim(living, "a request")
    assert (2, 1) == (second.number, second.attempt)
    assert second == far.claim(living, "a request")
    closed = far.run(run.id)
    assert (R.finished, 0, 2, outcome.summary) == (closed.state, closed.exit_code, closed.attempt, closed.summary)
    assert list(range(5)) == logged(hub.behind.open(), run.id)
    assert [] == _left(far)


def test_what_is_not_whole_any_more_is_tried_again(far, relay, world, monkeypatch):
    """A long run's file begins anew once in a while: what the hub knows of that attempt is no part of the next one."""
    monkeypatch.setattr("sweepwidget.store.spool._FILE", 0)
    dead = _join(world, "dead")
    world.add()
    run = world.claim(dead)
    active = _trained(far, run)
    active.flush()
    active.log({"loss": 5.0})
    _end_while_away(far, relay, active, _finished(active))
    far.leave(dead)
    again = world.claim(_join(world, "living"))
    assert (run.id, 2, R.running) == (again.id, again.attempt, again.state)
    world.finish(again)
    far.leave(f"living of {world.sweep_id}")
    assert [] == _left(far)


def test_what_somebody_else_has_is_dropped(far, relay, world):
    """The run was given to an agent elsewhere: what that one makes of it stands."""
    run = _begin(world, "dead")
    active = _trained(far, run)
    _end_while_away(far, relay, active, _finished(active))
    far.leave(f"dead of {world.sweep_id}")
    elsewhere = RemoteStore(far.link, far.folder / "elsewhere")
    again = World.claim(evolve_store(world, elsewhere), _join(world, "living"))
    assert (run.id, 2) == (again.id, again.attempt)
    _join(world, "late")
    assert (R.running, [], []) == (far.run(run.id).state, logged(far, run.id), _left(far))
    elsewhere.close()


def evolve_store(world, store):
    """The same world, seen from another store object."""
    seen = World.__new__(World)
    vars(seen).update(vars(world), store=store)
    return seen


@pytest.mark.parametrize("dead", [True, False])
def test_the_next_who_joins_delivers_what_the_dead_logged(far, hub, world, dead):
    """A process was killed in mid-run: what the hub had not heard of it comes while the run is still its own. One that
    lives ships by itself."""
    whose = evolve(this_process(), started="0") if dead else this_process()
    run = world.begin(f"first of {world.sweep_id}", whose)
    active = _trained(far, run)
    _join(world, "another")
    kept = hub.behind.open().columns(run.id, 1).get("loss")
    assert (list(range(5)) if dead else []) == ([] if kept is None else kept.steps.tolist())
    active._spool.close(remove=True)


def test_a_process_that_lives_delivers_its_own(far, relay, world, monkeypatch):
    """Whoever joins meanwhile leaves it to that process."""
    run = _begin(world)
    active = _trained(far, run)
    monkeypatch.setattr(
        outcomes,
        "this_process",
        lambda: evolve(this_process(), pid=os.getppid(), started=process._stat(os.getppid())[19]),
    )
    _end_while_away(far, relay, active, _finished(active))
    monkeypatch.undo()
    _join(world, "another")
    assert R.running is far.run(run.id).state
    trials.close(far, run, trials.Ended(_finished(active), active))
    assert (R.finished, list(range(5)), []) == (far.run(run.id).state, logged(far, run.id), _left(far))


def test_the_first_outcome_stands(far, relay, world):
    """Who gives a run up that only waits for the hub closes it as it ended, with all points."""
    run = _begin(world)
    active = _trained(far, run)
    _end_while_away(far, relay, active, _finished(active))
    closed = trials.close(far, run, trials.Ended(Outcome(R.killed, error="interrupted"), elsewhere=True))
    assert (R.finished, 0, "", 4.0) == (closed.state, closed.exit_code, closed.error, closed.summary["loss"])
    assert (list(range(5)), []) == (logged(far, run.id), _left(far))


def test_a_run_that_was_deleted_leaves_nothing(far, relay, world):
    """There is nobody to tell."""
    run = _begin(world)
    active = _trained(far, run)
    _end_while_away(far, relay, active, _finished(active))
    far.delete_run(run.id)
    _join(world, "another")
    assert [] == _left(far)


def test_what_is_no_outcome_is_passed_over(far, world):
    """A torn file, or another program's."""
    (far.folder / "spool").mkdir(parents=True)
    for name, text in (("a.1.outcome", ""), ("b.1.outcome", "[1]"), ("c.1.outcome", '{"run_id": "c"}')):
        (far.folder / "spool" / name).write_text(text)
    _join(world, "another")
    assert [] == outcomes.all_kept(far.folder)


def test_configurations_of_ended_runs_are_removed(far, world):
    """What a program was started with need not stay on the machine that helped."""
    run = _begin(world)
    folder = far.folder / "runs" / run.id
    folder.mkdir(parents=True)
    (folder / f"config-{run.id}.yaml").write_text("lr: 0.1")
    trials.close(far, run, trials.Ended(Outcome(R.finished), elsewhere=True))
    assert [] == _left(far)


AGENT = """
import sys
import sweepwidget as wandb

def train():
    run = wandb.init()
    for i in range(10):
        run.log({"i": i})
        if i == 4:
            print("half", file=sys.__stdout__, flush=True)
            sys.stdin.readline()

print("ready", flush=True)
wandb.agent(sys.argv[1], function=train)
"""
AGAIN = """
import sys
import sweepwidget as wandb

def train():
    print("trained again", file=sys.__stdout__, flush=True)

wandb.agent(sys.argv[1], function=train)
"""


@pytest.mark.slow
@pytest.mark.parametrize("interrupted", [False, True], ids=["ended", "interrupted"])
def test_a_joiner_that_dies_before_the_hub_is_back(tmp_path, child, monkeypatch, interrupted):
    """The hub is killed, the training ends (or is interrupted), its process is killed too; the hub comes back, and who joins
    from the same machine delivers the run as it ended.
    """
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    behind = open_store(url)
    behind.create_sweep(Sweep(SWEEP, {"method": "grid", "parameters": {"a": {"values": [1]}}}, SweepState.RUNNING))
    port = free_port()
    link = make_link(f"http://127.0.0.1:{port}", SWEEP, issue(behind, SWEEP, Scope.run))
    hub = child(HUB, url, port)
    hub.line()
    joiner = child(AGENT, link)
    assert ["ready", "half"] == [joiner.line(), joiner.line()]
    hub.kill()
    if interrupted:
        joiner.process.send_signal(signal.SIGINT)
    else:
        joiner.process.stdin.write("\n")
        joiner.process.stdin.flush()
    _until(lambda: list((tmp_path / "data").rglob("*.outcome")))
    joiner.kill()
    (run,) = behind.runs(SWEEP)
    assert R.running is run.state
    child(HUB, url, port).line()
    assert [] == child(AGAIN, link).result()
    (run,) = behind.runs(SWEEP)
    expected = (R.killed, 1, 5) if interrupted else (R.finished, 1, 10)
    assert expected == (run.state, run.attempt, len(logged(behind, run.id, "i")))
    assert not [path for kind in ("*.spool", "*.outcome") for path in (tmp_path / "data").rglob(kind)]
    behind.close()


def _until(true, seconds=30.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        threading.Event().wait(0.01)
