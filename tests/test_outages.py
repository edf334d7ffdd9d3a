"""The store goes away for a while, processes fork, sweeps end under dead agents: agents go on, nothing is lost or doubled."""

import multiprocessing
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from waiting import until

from sweepwidget import autocontroller
from sweepwidget.backends.inline import InlineBackend
from sweepwidget.errors import StoreError, StoreUnavailable
from sweepwidget.hiring import Terms, hire
from sweepwidget.model import RunState
from sweepwidget.participant import participant
from sweepwidget.store import sqlite
from sweepwidget.stores import current_store
from sweepwidget.trials import FunctionTrial

RANDOM = {"method": "random", "metric": {"name": "loss"}, "parameters": {"x": {"min": 0.0, "max": 1.0}}}
fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_a_run_that_cannot_be_shipped_holds_up_no_other(wandb, monkeypatch):
    """What the store refuses of one run (a row too large for a hub) is said, and the points of the others go on."""
    store = current_store()
    spoilt, other = (wandb.init(reinit="create_new") for _ in range(2))
    log = store.log

    def refuse(points):
        if points.run_id == spoilt.id:
            raise StoreError("a row too large")
        log(points)

    with monkeypatch.context() as patch:
        patch.setattr(store, "log", refuse)
        for run in (spoilt, other):
            run.log({"loss": 1.0})
        with pytest.raises(StoreError, match="too large"):
            participant(store).flush()
        assert [1.0] == store.columns(other.id)["loss"].values.tolist()
    for run in (spoilt, other):
        run.finish()
    assert [1.0] == store.columns(spoilt.id)["loss"].values.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["while it trains", "as it ends"])
def test_agents_outlast_a_locked_store(wandb, tmp_path, monkeypatch, capsys, moment):
    """Another program keeps the file locked for longer than we wait: it is said once, and all goes on afterwards."""
    monkeypatch.setattr(sqlite, "BUSY_S", 0.2)
    wandb.use_store(tmp_path / "outage.db")
    locked, free = threading.Event(), threading.Event()

    def train():
        run = wandb.init()
        run.log({"loss": 1.0})
        if moment == "as it ends":
            other.execute("BEGIN EXCLUSIVE")
            locked.set()
            free.set()
        else:
            other.execute("BEGIN EXCLUSIVE")
            locked.set()
            for i in range(30):
                run.log({"loss": float(i)})
                threading.Event().wait(0.05)
            other.execute("ROLLBACK")
            free.set()

    other = sqlite3.connect(tmp_path / "outage.db", isolation_level=None, check_same_thread=False)
    sweep_id = wandb.sweep(RANDOM)
    handle = wandb.agent(sweep_id, function=train, count=1, block=False)
    assert locked.wait(30)
    assert free.wait(30)
    said = []
    if moment == "as it ends":
        until(lambda: "Trying again" in (said.append(capsys.readouterr().err) or "".join(said)))
        assert not handle.done
        other.execute("ROLLBACK")
    other.close()
    assert handle.wait(30)
    (run,) = wandb.Api().sweep(sweep_id).runs
    assert "finished" == run.state
    assert len(run.scan_history(["loss"])) == (1 if moment == "as it ends" else 31)
    if moment == "as it ends":
        assert 1 == "".join([*said, capsys.readouterr().err]).count("Trying again until it works")


RESTARTING = """
import sweepwidget as wandb
from sweepwidget.errors import StoreUnavailable
from sweepwidget.store.sqlite import SqliteStore

away = dict.fromkeys(("run", "update_run"), 2)

def after_a_while(name, verb):
    def call(*args, **options):
        if away.get(name, 0):
            away[name] -= 1
            raise StoreUnavailable("restarting")
        return verb(*args, **options)
    return call

for name in away:
    setattr(SqliteStore, name, after_a_while(name, getattr(SqliteStore, name)))
wandb.init(config={"own": 1}).log({"loss": 1.0})
"""


def test_a_program_waits_to_begin_while_the_store_is_away(wandb, tmp_path):
    """What init() asks and says there waits, as its agent does."""
    (tmp_path / "train.py").write_text(RESTARTING)
    sweep_id = wandb.sweep({**RANDOM, "program": "train.py"})
    wandb.agent(sweep_id, count=1)
    (run,) = wandb.Api().sweep(sweep_id).runs
    assert ("finished", 1) == (run.state, run.config["own"])


@fork
def test_forked_processes_are_participants_of_their_own(wandb):
    """Each child works on the sweep as another process would: every cell exactly once."""
    sweep_id = wandb.sweep({"method": "grid", "parameters": {"a": {"values": list(range(24))}}})
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=wandb.agent, args=(sweep_id, wandb.init)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [0] * 4 == [child.exitcode for child in children]
    assert list(range(24)) == sorted(run.config["a"] for run in wandb.Api().sweep(sweep_id).runs)


@fork
def test_a_forked_child_that_exits_leaves_its_parents_run_alone(wandb):
    """sys.exit in a child runs the exit handlers it inherited; the run is not its own."""
    run = wandb.init()
    child = multiprocessing.get_context("fork").Process(target=lambda: None)
    child.start()
    child.join(30)
    pid = os.fork()
    if pid == 0:
        import atexit

        atexit._run_exitfuncs()
        os._exit(0)
    os.waitpid(pid, 0)
    run.log({"x": 1})
    assert "running" == wandb.Api().run(run.id).state
    run.finish()


@pytest.mark.parametrize("where", ["thread", "cluster"])
def test_agents_that_could_not_be_hired_leave_nobody_steering(wandb, monkeypatch, where):
    """The store goes away while `agent()` makes them: its error is all that comes of the call."""

    def remember(key, text):
        raise StoreUnavailable("away")

    store, sweep_id = current_store(), wandb.sweep(RANDOM)
    monkeypatch.setattr(store, "remember", remember)
    with ThreadPoolExecutor(1) as pool, pytest.raises(StoreUnavailable, match="away"):
        wandb.agent(sweep_id, function=wandb.init, backend=pool if where == "cluster" else where)
    controller = autocontroller.steer(store, sweep_id)
    users = controller.users
    autocontroller.let_go(controller)
    assert 1 == users


def test_a_backend_that_cannot_start_all_loops_leaves_nobody_waiting(wandb):
    """The error reaches the caller; the loops that began are ended by it, and the handle is done."""
    from concurrent.futures import Future

    class Stubborn:
        slots = 3

        def submit(self, fn, /, *args):
            raise OSError("no more workers")

        def interrupt(self, future: Future):
            return False

        def shutdown(self):
            pass

    sweep_id = wandb.sweep(RANDOM)
    with pytest.raises(OSError, match="no more workers"):
        wandb.agent(sweep_id, function=wandb.init, agents=3, backend=Stubborn())
    wandb.agent(sweep_id, function=wandb.init, count=1)
    assert ["finished"] == [run.state for run in wandb.Api().sweep(sweep_id).runs]


@pytest.mark.parametrize("error", [OSError("no threads"), KeyboardInterrupt()])
def test_agents_clear_up_after_themselves_whatever_goes_wrong(wandb, monkeypatch, error):
    """A controller that cannot be let go, or a Ctrl-C in that wait, keeps neither processes alive nor anybody waiting."""
    closed, let_go = [], autocontroller.let_go

    def let_go_and_fail(controller):
        let_go(controller)
        raise error

    monkeypatch.setattr(autocontroller, "let_go", let_go_and_fail)
    monkeypatch.setattr(FunctionTrial, "close", lambda trial: closed.append("trial"))
    monkeypatch.setattr(InlineBackend, "shutdown", lambda backend: closed.append("backend"))
    store, sweep_id = current_store(), wandb.sweep(RANDOM)
    handle = hire(store, store.sweep(sweep_id), Terms(wandb.init, count=1, backend="inline"))
    with pytest.raises(type(error)):
        handle.scale(1)
        handle.wait(0)
    assert handle.done
    assert ["backend", "trial"] == closed


@pytest.mark.slow
def test_an_interrupt_ends_agents_whose_store_is_away(wandb, tmp_path, monkeypatch):
    """They stop insisting, the error says so, and the points wait in the spool for whoever closes the run."""
    monkeypatch.setattr(sqlite, "BUSY_S", 0.2)
    wandb.use_store(tmp_path / "outage.db")
    other = sqlite3.connect(tmp_path / "outage.db", isolation_level=None, check_same_thread=False)
    locked = threading.Event()

    def train():
        run = wandb.init()
        run.log({"loss": 1.0})
        other.execute("BEGIN EXCLUSIVE")
        locked.set()

    sweep_id = wandb.sweep(RANDOM)
    handle = wandb.agent(sweep_id, function=train, count=1, block=False)
    assert locked.wait(10)
    handle.abandon()
    with pytest.raises(wandb.StoreError, match="locked"):
        handle.wait(20)
    assert handle.done
    other.execute("ROLLBACK")
    other.close()


def test_agents_that_have_ended_stay_so(wandb):
    """Scaling them says what to do instead, and does not disturb others on the same sweep."""
    sweep_id = wandb.sweep(RANDOM)
    done = wandb.agent(sweep_id, function=wandb.init, count=1, block=False)
    assert done.wait(10)
    gate = threading.Event()
    others = wandb.agent(sweep_id, function=lambda: gate.wait(10), count=3, block=False)
    with pytest.raises(wandb.UsageError, match="these agents have ended"):
        done.scale(2)
    gate.set()
    assert others.wait(10)
    assert 4 == len(wandb.Api().sweep(sweep_id).runs)


@fork
def test_the_runs_of_the_dead_are_closed_after_the_sweeps_end(wandb):
    """A process dies with a run of a sweep that was stopped meanwhile: the next who looks closes it."""
    sweep_id = wandb.sweep(RANDOM)
    reader, writer = os.pipe()

    def die():
        wandb.init()
        os.write(writer, b"!")
        threading.Event().wait(60)

    child = multiprocessing.get_context("fork").Process(target=wandb.agent, args=(sweep_id, die))
    child.start()
    assert b"!" == os.read(reader, 1)
    wandb.stop(sweep_id)
    child.kill()
    child.join()
    wandb.agent(sweep_id, function=wandb.init)
    assert wandb.Api().sweep(sweep_id).runs[0].state in {RunState.killed.value, RunState.crashed.value}
