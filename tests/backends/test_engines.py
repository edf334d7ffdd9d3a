"""Agents on the engines that people have: one suite for all of them, on the real thing. A new engine is one line in `ENGINES`."""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from textwrap import dedent

import psutil
import pytest

import sweepwidget
from sweepwidget import stores
from sweepwidget.backends import shipping
from sweepwidget.backends.engines import engine_for
from sweepwidget.backends.engines.ray import _daemons, _end_daemons
from sweepwidget.cluster import ClusterAgents, agents as clusteragents, overseer, slot, worker
from sweepwidget.failures import failure_rules
from sweepwidget.model import Agent, AgentId, Process, RunState
from sweepwidget.process import this_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("engines"),  # two cores do not carry two clusters
    pytest.mark.filterwarnings("ignore"),  # the engines' own
]


@contextlib.contextmanager
def thread_pool(tmp):
    with ThreadPoolExecutor(2) as pool:
        yield pool


@contextlib.contextmanager
def process_pool(tmp):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@contextlib.contextmanager
def forked_pool(tmp):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        yield pool


@contextlib.contextmanager
def loky(tmp):
    pool = pytest.importorskip("loky").get_reusable_executor(2)
    yield pool
    pool.shutdown(kill_workers=True)


@contextlib.contextmanager
def dask(tmp):
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(local_directory=str(tmp), **settings) as cluster:
        with distributed.Client(cluster) as client:
            yield client


@contextlib.contextmanager
def ipyparallel(tmp):
    with pytest.importorskip("ipyparallel").Cluster(n=2, log_level=40, profile_dir=str(tmp)) as client:
        yield client


@contextlib.contextmanager
def ray(tmp):
    ray = pytest.importorskip("ray")
    begin(ray)
    yield ray
    ray.shutdown()


def begin(ray):
    """Ray gives up after 30 s, on a machine that is busy with other things too soon, and leaves what it has started."""
    before = set(_daemons())
    for is_last in (False, False, False, True):
        try:
            ray.init(num_cpus=2, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
            return
        except Exception:
            if is_last:
                raise
            _end_daemons(before)
            ray.shutdown()


@contextlib.contextmanager
def submitit(tmp):
    executor = pytest.importorskip("submitit").AutoExecutor(tmp / "logs", cluster="local")
    executor.update_parameters(timeout_min=10)
    yield executor


ENGINES = {
    engine.__name__: engine
    for engine in (thread_pool, process_pool, forked_pool, loky, dask, ipyparallel, ray, submitit)
}
CAN_INTERRUPT = {"process_pool", "forked_pool", "loky", "ipyparallel", "ray", "submitit"}


@pytest.fixture(scope="module", autouse=True)
def nothing_is_said_later():
    """What the engines forgot to close is found by the garbage collector here, not amid another file's tests."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture(scope="module", params=ENGINES)
def engine(request, tmp_path_factory):
    """(name, what the user gives as backend=); when it is closed, nothing of it is left."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with ENGINES[request.param](tmp_path_factory.mktemp("engine")) as backend:
        yield request.param, backend
    wait_for(lambda: not left_over(before), 20, lambda: left_over(before))


def left_over(before):
    children = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    return [line for child in children if "resource_tracker" not in (line := command_line(child))]


def command_line(process):
    with contextlib.suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            return " ".join(process.cmdline())
    return "resource_tracker"  # gone, as good as


@pytest.fixture
def backend(engine):
    return engine[1]


def crew(sweep_id, function, engine, agents, **options):
    """The same with what `agent()` does not offer."""
    store = stores.current_store()
    rules = failure_rules(time.monotonic(), None, inclusive=False)
    handle = ClusterAgents(store, store.sweep(sweep_id), function, engine, count=None, rules=rules, **options)
    handle.scale(agents)
    return handle


@pytest.fixture
def hire(wandb):
    """Agents at work, that are at home again after the test."""
    hired = []

    def hire(sweep_id, function, backend, agents=2, count=None):
        handle = wandb.agent(sweep_id, function, agents=agents, backend=backend, count=count, block=False)
        hired.append(handle)
        return handle

    yield hire
    for handle in hired:
        if not handle.done:
            handle.stop(now=True)
            assert handle.wait(30)


def grid(n):
    parameters = {"a": {"values": list(range(n))}}
    return sweepwidget.sweep({"method": "grid", "metric": {"name": "loss"}, "parameters": parameters})


def rows(sweep_id):
    return stores.current_store().runs(sweep_id)


def states(sweep_id):
    return Counter(run.state.value for run in rows(sweep_id))


def agent_of(run):
    (agent,) = [agent for agent in stores.current_store().agents(run.sweep_id) if agent.id == run.agent_id]
    return agent


def wait_for(condition, seconds=30, what=lambda: ""):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, what()
        time.sleep(0.01)


def trainer(**gates):
    """A function as a notebook has it: pickled by value, since its module cannot be imported by workers."""
    gates = {name: str(path) for name, path in gates.items()}

    def train():
        import os
        import time

        import sweepwidget as wandb

        with wandb.init() as run:
            print(f"this is run {run.config['a']}")
            run.log({"loss": float(run.config["a"]), "pid": os.getpid(), "attempt": run.attempt})
            while gates and not os.path.exists(gates["open"]) and run.attempt == 1:
                if not gates.get("silent"):
                    run.log({"loss": float(run.config["a"])})
                time.sleep(0.01)

    return train


# -- all of them ------------------------------------------------------------------------------------------------------


def test_runs_all_of_a_grid_once_and_apart(engine, hire):
    """Every cell is run once, with its own points and its own output, by both agents, where the engine's workers are."""
    sweep_id = grid(12)
    handle = hire(sweep_id, trainer(), engine[1])
    assert handle.wait(60)
    store = stores.current_store()
    runs = rows(sweep_id)
    assert list(range(12)) == sorted(run.config["a"] for run in runs)
    assert {"finished": 12} == states(sweep_id)
    assert 12 == handle.begun
    for run in runs:
        assert [float(run.config["a"])] == store.columns(run.id)["loss"].values.tolist()
        output = (store.folder / "runs" / run.id / "output.log").read_text()
        assert [f"this is run {run.config['a']}"] == [line for line in output.splitlines() if "this is" in line]
    pids = {int(run.summary["pid"]) for run in runs}
    assert (pids == {os.getpid()}) is (engine[0] == "thread_pool")
    assert "FINISHED" == store.sweep(sweep_id).state
    assert all(agent.gone for agent in store.agents(sweep_id))


def test_counts_exactly(backend, hire):
    """Three agents on two workers begin as many runs as they may together."""
    sweep_id = grid(30)
    handle = hire(sweep_id, trainer(), backend, agents=3, count=7)
    assert handle.wait(60)
    assert 7 == handle.begun == states(sweep_id)["finished"]


def test_stops_early_and_goes_on(backend, hire, tmp_path):
    """A run told to stop ends at its next log(), and its agent takes the next one."""
    sweep_id = grid(3)
    handle = hire(sweep_id, trainer(open=tmp_path / "open"), backend)
    wait_for(lambda: len(handle.running) == 2)
    first = handle.running[0]
    sweepwidget.stop_run(first)
    wait_for(lambda: handle.begun == 3)
    assert RunState.killed == stores.current_store().run(first).state
    (tmp_path / "open").touch()
    assert handle.wait(60)
    assert {"killed": 1, "finished": 2} == states(sweep_id)


def test_an_interrupt_ends_it(backend, hire, tmp_path):
    """Runs that log are killed at once, nothing is begun any more, and nobody is stuck."""
    sweep_id = grid(20)
    handle = hire(sweep_id, trainer(open=tmp_path / "open"), backend)
    wait_for(lambda: len(handle.running) == 2)
    assert [] == handle.abandon()
    assert handle.wait(30)
    assert {"killed": 2} == +Counter({state: n for state, n in states(sweep_id).items() if state != "pending"})
    assert 2 == handle.begun


def test_an_interrupt_ends_code_that_never_logs(engine, hire, tmp_path, monkeypatch):
    """Where the engine can end a loop, it does; elsewhere the run is given up, and said to be stuck. It is killed anyway."""
    comes_back = engine[0] in CAN_INTERRUPT - {"ray", "submitit"}  # those end the whole process
    interrupt = overseer.Overseer.interrupt

    def interrupt_and_wait(self):
        if comes_back:  # however slow the machine is
            monkeypatch.setattr(clusteragents, "GRACE_S", 30.0)
        return interrupt(self)

    monkeypatch.setattr(overseer.Overseer, "interrupt", interrupt_and_wait)
    monkeypatch.setattr(clusteragents, "GRACE_S", 1.0)
    sweep_id = grid(20)
    handle = hire(sweep_id, trainer(open=tmp_path / "open", silent=True), engine[1])
    wait_for(lambda: len(handle.running) == 2)
    processes = [agent_of(run).process for run in rows(sweep_id) if run.state is RunState.running]
    stuck = handle.abandon()
    assert handle.wait(30)
    (tmp_path / "open").touch()
    assert {"killed"} == set(states(sweep_id)) - {"pending"}
    if comes_back:
        assert [] == stuck
        assert all(psutil.pid_exists(process.pid) for process in processes)


def test_a_killed_worker_costs_one_run(engine, hire, tmp_path):
    """Its run is done elsewhere as the next attempt, all others once; the count stays exact."""
    if engine[0] == "thread_pool":
        pytest.skip("its worker is this process")
    sweep_id = grid(20)
    handle = hire(sweep_id, trainer(open=tmp_path / "open"), engine[1], count=4)
    wait_for(lambda: len(handle.running) == 2)
    victim = next(run for run in rows(sweep_id) if run.state is RunState.running)
    os.kill(agent_of(victim).process.pid, signal.SIGKILL)
    wait_for(lambda: stores.current_store().run(victim.id).attempt == 2)
    (tmp_path / "open").touch()
    assert handle.wait(90)
    assert 4 == states(sweep_id)["finished"]
    attempts = {run.id: run.attempt for run in rows(sweep_id) if run.state is RunState.finished}
    assert 2 == attempts[victim.id]
    if engine[0] not in ("process_pool", "forked_pool", "loky"):  # there, siblings die with it
        assert 5 == sum(attempts.values())


# -- the handle -------------------------------------------------------------------------------------------------------


@pytest.fixture
def threads():
    pool = ThreadPoolExecutor(4)
    yield pool
    pool.shutdown(wait=False)


def test_scales(hire, threads, tmp_path):
    """More agents begin at once; surplus ones leave after their current run, and come back when they are wanted again."""
    sweep_id = grid(8)
    handle = hire(sweep_id, trainer(open=tmp_path / "open"), threads, agents=1)
    wait_for(lambda: len(handle.running) == 1)
    handle.scale(3)
    wait_for(lambda: len(handle.running) == 3)
    handle.scale(1)
    wait_for(lambda: sum(agent.leaving for agent in stores.current_store().agents(sweep_id)) == 2)
    for run_id in handle.running:
        sweepwidget.stop_run(run_id)
    wait_for(lambda: handle.begun == 4 and len(handle.running) == 1)
    handle.scale(2)
    wait_for(lambda: len(handle.running) == 2)
    (tmp_path / "open").touch()
    assert handle.wait(30)
    assert {"killed": 3, "finished": 5} == states(sweep_id)
    with pytest.raises(sweepwidget.UsageError, match="have ended"):
        handle.scale(1)


def test_loops_without_a_worker_are_taken_back(hire, tmp_path):
    """With the sweep at its end nobody waits for a place in the queue."""
    busy = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(busy.wait)
        handle = hire(grid(2), trainer(), pool, agents=3)
        time.sleep(0.1)
        handle.stop()
        assert handle.wait(10)
        busy.set()


def test_stop_lets_runs_end(hire, threads, tmp_path):
    """stop() begins nothing more; stop(now=True) kills at the next log()."""
    sweep_id = grid(9)
    handle = hire(sweep_id, trainer(open=tmp_path / "open"), threads)
    wait_for(lambda: len(handle.running) == 2)
    handle.stop()
    assert not handle.wait(0.2)
    handle.stop(now=True)
    assert handle.wait(10)
    assert {"killed": 2} == {state: n for state, n in states(sweep_id).items() if state != "pending"}


def test_many_that_end_at_once_do_not_wait_for_each_other(hire, tmp_path):
    """Ending takes a while each; the threads that the store is used on are not kept busy with it."""
    with ThreadPoolExecutor(12) as pool:
        handles = [hire(grid(1), trainer(open=tmp_path / "open"), pool, agents=1) for _ in range(12)]
        wait_for(lambda: all(handle.running for handle in handles))
        (tmp_path / "open").touch()
        wait_for(lambda: all(handle.done for handle in handles), 20)


def test_can_be_awaited(hire, threads):
    """`await agents`, from any event loop."""
    handle = hire(grid(3), trainer(), threads)
    asyncio.run(asyncio.wait_for(handle._wait(), 30))
    assert handle.done


def test_idle_loops_free_their_workers(wandb, threads):
    """A paused sweep lets loops go home, so that an adaptive cluster can shrink; resumed, it gets them back."""
    sweep_id = grid(4)

    def train():
        import sweepwidget as wandb

        with wandb.init() as run:
            run.log({"loss": 1.0})
            if run.config["a"] == 1:
                wandb.pause(run.sweep_id)

    handle = crew(sweep_id, train, engine_for(threads), 1, idle_s=0.05)
    wait_for(lambda: handle.begun == 2 and all(agent.gone for agent in stores.current_store().agents(sweep_id)))
    assert not handle.done
    sweepwidget.resume(sweep_id)
    assert handle.wait(20)
    assert {"finished": 4} == states(sweep_id)


def test_failure_rules_end_each_agent_by_itself(hire, threads, monkeypatch):
    """As with W&B's agents on several machines; the reason is the handle's."""

    def fail():
        raise ValueError("bad")

    handle = hire(grid(50), fail, threads, agents=2)
    assert handle.wait(30)
    assert "Detected 3 failed runs in the first 60 seconds" in handle.failure
    assert 6 == handle.begun


def test_a_user_program_runs_there(hire, threads, tmp_path):
    """Without a function the sweep's program is started, in the folder of the call."""
    (tmp_path / "train.py").write_text("import sweepwidget as wandb\nwandb.init().log({'loss': wandb.config.a})\n")
    sweep_id = sweepwidget.sweep({"method": "grid", "program": "train.py", "parameters": {"a": {"values": [1, 2]}}})
    handle = hire(sweep_id, None, threads)
    assert handle.wait(60)
    assert [1.0, 2.0] == sorted(run.summary["loss"] for run in rows(sweep_id))


def test_own_search_stays_here(hire, wandb, tmp_path):
    """A sweep searched by a function of this process is never steered by workers, who do not have it."""
    asked = []

    def search(config, runs):
        asked.append(os.getpid())
        return {"a": len(asked)}

    sweep_id = sweepwidget.sweep(
        {"method": "custom", "metric": {"name": "loss"}, "parameters": {"a": {"min": 0, "max": 10_000}}}
    )
    controller = sweepwidget.controller(sweep_id)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        controller.configure_search(search)
        handle = hire(sweep_id, trainer(), pool, agents=1, count=2)
        assert handle.wait(60)
    assert {os.getpid()} == set(asked)


def test_an_own_search_that_raises_ends_them(hire, wandb, threads):
    """Its error reaches whoever waits for agents on a cluster: nobody else could steer the sweep."""

    def search(config, runs):
        return {"a": 1} if not runs else {}["a"]

    sweep_id = sweepwidget.sweep({"method": "custom", "parameters": {"a": {"min": 0, "max": 9}}})
    sweepwidget.controller(sweep_id).configure_search(search)
    handle = hire(sweep_id, sweepwidget.init, threads, agents=1)
    with pytest.raises(sweepwidget.UsageError, match="search raised KeyError"):
        assert handle.wait(10)
    assert handle.done
    assert {"finished": 1} == states(sweep_id)


# -- lost workers -----------------------------------------------------------------------------------------------------


class Unreliable:
    """An engine that loses every loop it is given."""

    name, tied, closed, preemption = "Unreliable", False, False, ()

    def __init__(self, error):
        self.error, self.begun, self.over = error, 0, False

    def submit(self, loop, payload):
        self.begun += 1
        future = Future()
        future.set_exception(self.error)
        return future

    def withdraw(self, future):
        pass

    def interrupt(self, future, process):
        return False

    def shutdown(self):
        self.over = True


@pytest.mark.parametrize(
    ("error", "times", "message"),
    [
        (OSError("the node went away"), 6, "lost|cannot keep agent 0.*6 times within 10 minutes.*went away"),
        (ImportError("No module named 'sweepwidget'"), 1, "Install sweepwidget on the workers"),
    ],
)
def test_an_engine_that_loses_every_worker_is_given_up(wandb, monkeypatch, capsys, error, times, message):
    """After five new tries within ten minutes, with one message that names the last error."""
    monkeypatch.setattr(slot, "BACK_OFF_S", (0.01,) * 5)
    engine = Unreliable(error)
    handle = crew(grid(2), int, engine, 1)
    with pytest.raises(sweepwidget.Error, match=f"(?s){message}"):
        handle.wait(30)
    assert (times, True) == (engine.begun, engine.over)
    assert 1 == capsys.readouterr().err.count("cannot keep agent 0")


class Node(Unreliable):
    """Its first loop claims a run on another machine and is lost; the next one works here."""

    def submit(self, loop, payload):
        if self.begun:
            return self.pool.submit(loop, payload)
        job, store = shipping.unpack(payload), stores.current_store()
        process = Process("node7", 1, "0", "another-boot/pid:[1]")
        agent = Agent(AgentId(f"{job.crew}-{job.slot}-lost"), job.sweep_id, process, crew=job.crew)
        store.join(agent, 30.0)
        wait_for(lambda: store.claim(agent.id, "once"))
        return super().submit(loop, payload)


def test_a_worker_lost_elsewhere_is_replaced_before_its_lease_ends(wandb, threads):
    """The engine's word that it is gone shortens the 30 s for which nobody else could know."""
    engine = Node(ConnectionError("node7 is gone"))
    engine.pool = threads
    sweep_id = grid(1)
    handle = crew(sweep_id, trainer(), engine, 1)
    assert handle.wait(15)
    assert [("finished", 2)] == [(run.state.value, run.attempt) for run in rows(sweep_id)]


def test_a_pool_that_was_shut_down_is_refused(hire):
    """The error says what to do, and nobody waits."""
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    handle = hire(grid(2), trainer(), pool, agents=1)
    with pytest.raises(sweepwidget.UsageError, match="call agent\\(\\) with a new one"):
        handle.wait(10)


@pytest.mark.parametrize("signum", [signal.SIGTERM])
def test_a_preempted_worker_gives_its_run_back(hire, tmp_path, signum):
    """SIGTERM: the run waits for the next agent at once, with its points so far kept apart, and the process ends."""
    sweep_id = grid(1)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        handle = hire(sweep_id, trainer(open=tmp_path / "open"), pool, agents=1)
        wait_for(lambda: len(handle.running) == 1)
        (run,) = rows(sweep_id)
        process = agent_of(run).process
        os.kill(process.pid, signum)
        wait_for(lambda: rows(sweep_id)[0].attempt == 2, 5)
        assert handle.wait(60)
    (run,) = rows(sweep_id)
    assert (RunState.finished, 2) == (run.state, run.attempt)
    assert not psutil.pid_exists(process.pid) or psutil.Process(process.pid).create_time() > time.time() - 60


def test_a_preempted_submitit_job_is_requeued(hire, tmp_path):
    """submitit's warning (USR2) gives the run back, and the same job begins again as another agent."""
    sweep_id = grid(1)
    with submitit(tmp_path) as executor:
        handle = hire(sweep_id, trainer(open=tmp_path / "open"), executor, agents=1)
        wait_for(lambda: len(handle.running) == 1)
        (run,) = rows(sweep_id)
        os.kill(agent_of(run).process.pid, signal.SIGUSR2)
        wait_for(lambda: rows(sweep_id)[0].attempt == 2)
        assert handle.wait(60)
    (run,) = rows(sweep_id)
    assert (RunState.finished, 2) == (run.state, run.attempt)
    assert 1 == len({path.name.split("_")[0] for path in (tmp_path / "logs").glob("*_log.out")})
    # They hold the link to the store, and submitit never removes them.
    assert [0o600] == [path.stat().st_mode & 0o777 for path in (tmp_path / "logs").glob("*_submitted.pkl")]


SCRIPT = """
    import multiprocessing, sys, time
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
    import sweepwidget as wandb
    from sweepwidget.store.sqlite import SqliteStore

    def train():
        with wandb.init() as run:
            while True:
                run.log({"loss": 1.0})
                time.sleep(0.01)

    def leave_late(store, agent_id, leave=SqliteStore.leave):
        time.sleep(0.5)
        leave(store, agent_id)

    if __name__ == "__mp_main__":  # in the workers; the run's code reaches its end meanwhile
        SqliteStore.leave = leave_late
    if __name__ == "__main__":
        store = wandb.use_store("sweeps.db")
        pool = ThreadPoolExecutor(2) if sys.argv[1] == "threads" else ProcessPoolExecutor(
            2, mp_context=multiprocessing.get_context("spawn"))
        sweep_id = wandb.sweep({"method": "grid", "parameters": {"a": {"values": [1, 2, 3]}}})
        agents = wandb.agent(sweep_id, train, agents=2, backend=pool, block=False)
        while len(agents.running) < 2:
            time.sleep(0.01)
        print("working", *{agent.process.pid for agent in store.agents(sweep_id)}, flush=True)
        if sys.argv[2] == "wait":
            agents.wait()
"""


def script(tmp_path, *args):
    (tmp_path / "script.py").write_text(dedent(SCRIPT))
    process = subprocess.Popen(
        [sys.executable, "script.py", *args],
        cwd=tmp_path,
        env=os.environ | {"SWEEPWIDGET_SILENT": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while (line := process.stdout.readline()) and not line.startswith("working"):
        pass
    return process, [int(pid) for pid in line.split()[1:]]


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_a_script_that_ends_takes_its_pool_along(tmp_path, pool):
    """Python waits at its exit for what pools run: the agents are stopped before."""
    process, _ = script(tmp_path, pool, "leave")
    _, errors = process.communicate(timeout=30)
    assert (0, "") == (process.returncode, errors)


def test_workers_of_a_killed_notebook_end(tmp_path):
    """The workers of a pool would train on for ever, as orphans; their runs wait again."""
    process, pids = script(tmp_path, "processes", "wait")
    process.kill()
    process.communicate()
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids), 15)
    with contextlib.closing(sweepwidget.use_store(tmp_path / "sweeps.db")) as store:
        (sweep,) = store.sweeps()
        assert [2, 2] == [run.attempt for run in store.runs(sweep.id)][:2]


NOTEBOOK = """
    import multiprocessing, os, time
    from concurrent.futures import ProcessPoolExecutor
    import sweepwidget as wandb
    wandb.use_store({path!r})
    factor = 10
    def train():
        with wandb.init() as run:
            run.log({{"loss": factor * run.config["a"], "pid": os.getpid()}})
            while run.config["a"] > 1:
                run.log({{"loss": 1}})
                time.sleep(0.01)
    pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    sweep_id = wandb.sweep({{"method": "grid", "parameters": {{"a": {{"values": [1, 2, 3]}}}}}})
"""


def test_a_notebooks_own_function_travels_and_the_cell_can_be_interrupted(kernel, tmp_path):
    """With the globals it uses; interrupting the cell kills the runs at work, and leaves the pool usable."""
    assert "ok" == kernel.run(dedent(NOTEBOOK).format(path=str(tmp_path / "sweeps.db"))).status
    cell = kernel.start("wandb.agent(sweep_id, train, agents=2, backend=pool)")
    with contextlib.closing(sweepwidget.use_store(tmp_path / "sweeps.db")) as store:
        sweep_id = store.sweeps()[0].id
        at_work = lambda: [(run.config["a"], run.state.value) for run in store.runs(sweep_id)]
        wait_for(lambda: [(1, "finished"), (2, "running"), (3, "running")] == at_work(), what=at_work)
        assert 10.0 == store.runs(sweep_id)[0].summary["loss"]
        kernel.interrupt()  # Jupyter sends it to the pool's workers, too
        assert "KeyboardInterrupt" in kernel.finish(cell).error
        assert [(1, "finished"), (2, "killed"), (3, "killed")] == at_work()
    assert "49" == kernel.run("pool.submit(pow, 7, 2).result()").result
    assert "ok" == kernel.run("pool.shutdown()").status


# -- engines, one by one ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["dask"], indirect=True)
def test_dask_goes_on_without_its_client(engine, hire, tmp_path):
    """`client.close()` cancels the futures and not the loops: the store tells how they go on, and the handle ends with them."""
    distributed = pytest.importorskip("distributed")
    sweep_id = grid(4)
    mine = distributed.Client(engine[1].scheduler.address, set_as_default=False)
    handle = hire(sweep_id, trainer(open=tmp_path / "open"), mine)
    wait_for(lambda: len(handle.running) == 2)
    mine.close()
    assert not handle.wait(0.5)
    (tmp_path / "open").touch()
    assert handle.wait(30)
    assert {"finished": 4} == states(sweep_id)


@pytest.mark.parametrize("engine", ["dask"], indirect=True)
def test_dask_leaves_no_loop_behind_another_while_a_worker_is_free(engine, tmp_path):
    """However short earlier ones were: it must not expect that the one at work ends soon."""
    _, client = engine
    loops = engine_for(client)

    def loop(payload):
        import os
        import time

        gate = payload.decode()
        open(f"{gate}.{os.getpid()}", "w").close()
        while not os.path.exists(gate):
            time.sleep(0.01)

    def at(gate):
        return len(list(tmp_path.glob(f"{gate}.*")))

    (tmp_path / "open").touch()
    for _ in range(20):
        loops.submit(loop, bytes(tmp_path / "open")).result(30)
    busy, _ = client.scheduler_info()["workers"]
    held = client.submit(lambda gate: loop(gate), bytes(tmp_path / "held"), workers=[busy], pure=False)
    wait_for(lambda: at("held") == 1)
    futures = [loops.submit(loop, bytes(tmp_path / "long")) for _ in range(2)]
    try:
        wait_for(lambda: sum(map(len, client.processing().values())) == 3)
        (tmp_path / "held").touch()
        wait_for(lambda: at("long") == 2)
    finally:
        (tmp_path / "held").touch()
        (tmp_path / "long").touch()
        for future in [held, *futures]:
            future.result(30)


def test_dask_clusters_grow_and_shrink_with_the_sweep(hire, tmp_path):
    """An adaptive cluster gets workers for waiting loops, and gives them back when the loops have gone home."""
    distributed = pytest.importorskip("distributed")
    sweep_id = grid(6)
    settings = {"n_workers": 0, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(local_directory=str(tmp_path), **settings) as cluster:
        cluster.adapt(minimum=0, maximum=2, interval="100ms", wait_count=2, target_duration="100ms")
        handle = hire(sweep_id, trainer(), cluster)
        assert handle.wait(60)
        wait_for(lambda: not cluster.scheduler.workers)
    assert {"finished": 6} == states(sweep_id)


@pytest.mark.parametrize("engine", ["ipyparallel"], indirect=True)
def test_an_ipyparallel_view_is_used_as_it_is(engine, hire):
    """A view of one engine has its loops on that engine."""
    view = engine[1][-1:]
    sweep_id = grid(4)
    (pid,) = view.apply_sync(os.getpid)
    handle = hire(sweep_id, trainer(), view)
    assert handle.wait(60)
    assert {pid} == {int(run.summary["pid"]) for run in rows(sweep_id)}


def test_ray_begins_quietly_and_ends_with_its_agents(hire, capfd):
    """Where the user has not started it: no log lines, no handler of ours replaced, no process left."""
    real = pytest.importorskip("ray")
    if real.is_initialized():
        pytest.skip("another test's Ray is at work")
    before = signal.getsignal(signal.SIGTERM), psutil.Process().children(recursive=True)
    sweep_id = grid(2)
    capfd.readouterr()
    handle = hire(sweep_id, trainer(), "ray", agents=1)
    assert handle.wait(200)  # on a machine that is too busy Ray needs several tries of 30 s
    assert {"finished": 2} == states(sweep_id)
    assert not real.is_initialized()
    said = capfd.readouterr()
    ours, lines = "sweepwidget: ", (said.out + said.err).splitlines()  # where Ray could not start in time we say so
    assert [] == [line for line in lines if "ray" in line.lower() and not line.startswith(ours)]
    assert before[0] is signal.getsignal(signal.SIGTERM)
    wait_for(lambda: not left_over({child.pid for child in before[1]}))


def test_a_ray_that_cannot_start_in_time_leaves_nothing(monkeypatch):
    """Ray itself would leave its servers behind; the next try starts others."""
    real = pytest.importorskip("ray")
    if real.is_initialized():
        pytest.skip("another test's Ray is at work")
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    monkeypatch.setenv("RAY_gcs_server_port_wait_time_s", "0")
    with pytest.raises(RuntimeError, match="Timed out"):
        engine_for("ray").submit(print, b"")
    wait_for(lambda: not left_over(before))


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["thread", "inline", "kernel", None, 3, int, object()])
def test_other_backends_are_no_engines(backend):
    """They are somebody else's to judge."""
    assert engine_for(backend) is None


@pytest.mark.parametrize(
    ("backend", "hint"),
    [
        ("dask", "backend=dask.distributed.Client"),
        ("ipyparallel", "backend=ipyparallel.Client"),
        ("submitit", "submitit.AutoExecutor"),
        ("slurm", "SLURMCluster"),
        ("loky", "get_reusable_executor"),
        ("process", "ProcessPoolExecutor"),
        ("mpi", "mpirun -n 40 sweepwidget agent LINK"),
    ],
)
def test_engines_by_name_say_what_to_give(backend, hint):
    """A name is not a cluster; the error can be pasted."""
    with pytest.raises(sweepwidget.UsageError, match=hint):
        engine_for(backend)


def test_an_engine_that_is_not_installed_names_its_extra(monkeypatch):
    """pip install sweepwidget[ray]."""
    monkeypatch.setattr("sweepwidget.backends.engines.find_spec", lambda name: None)
    for name in ("ray", "dask", "ipyparallel", "submitit"):
        with pytest.raises(sweepwidget.UsageError, match=rf'pip install "sweepwidget\[{name}\]"'):
            engine_for(name)


def test_mpi_is_refused():
    """One lost rank would take the notebook along."""
    pool = type("MPIPoolExecutor", (), {"__module__": "mpi4py.futures.pool"})()
    with pytest.raises(sweepwidget.UsageError, match="in each rank"):
        engine_for(pool)


def test_an_executor_of_dasks_does_not_share_loops():
    """It runs identical calls only once, so its client is asked instead."""
    distributed = pytest.importorskip("distributed")
    with distributed.Client(processes=False, n_workers=1, dashboard_address=None) as client:
        assert "Dask" == engine_for(client.get_executor()).name


def test_a_function_that_cannot_travel_is_refused_at_once(wandb, hire, threads):
    """Before anything was begun, naming what cannot be pickled."""
    lock = threading.Lock()
    with pytest.raises(sweepwidget.UsageError, match="lock"):
        hire(grid(1), lambda: lock, threads)


# -- in the worker ----------------------------------------------------------------------------------------------------


def job(wandb, **changes):
    store = stores.current_store()
    rules = failure_rules(time.monotonic(), None, inclusive=False)
    facts = {"crew": "c", "slot": 0, "link": store.link, "sweep_id": grid(1), "rules": rules}
    return worker.Job(**{**facts, "function": shipping.pack(int), "notebook": this_process(), **changes})


def test_a_worker_on_another_machine_refuses_a_file(wandb):
    """It would make an empty store there, or damage a shared one."""
    elsewhere = Process("login-node", 1, "0", "another-boot/pid:[1]")
    report = worker.work(job(wandb, notebook=elsewhere).packed())
    assert ("error", "UsageError") == (report["end"], report["kind"])
    assert "a file on login-node. Agents on other machines need a PostgreSQL store" in report["text"]


def test_a_worker_that_does_not_see_the_file_makes_none(wandb, tmp_path):
    """A container of the same machine, for instance."""
    here = this_process()
    notebook = Process(here.host, 1, "0", here.space)
    path = tmp_path / "elsewhere" / "sweeps.db"
    report = worker.work(job(wandb, notebook=notebook, link=f"sqlite:///{path}").packed())
    assert "does not see the store" in report["text"]
    assert not path.parent.exists()


def test_a_payload_of_another_version_is_refused(wandb, monkeypatch):
    """The worker says so in words; the handle raises it."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(shipping, "_here", lambda: {"Python": "2.7", "sweepwidget": "0.0.1"})
        packed = job(wandb).packed()
    report = worker.work(packed)
    assert ("error", "UsageError") == (report["end"], report["kind"])
    assert "2.7" in report["text"]


def test_what_engines_show_holds_no_secret(wandb):
    """Dask logs the arguments of a call that fails."""
    secret = job(wandb, link="postgresql://me:hunter2@db/sweeps")
    assert "hunter2" not in repr(secret)
    assert "hunter2" not in repr(secret.packed())
    assert secret == shipping.unpack(pickle.loads(pickle.dumps(secret.packed())))


def test_a_report_of_a_worker_becomes_an_error_here():
    """One of ours, where it was one."""
    usage = overseer._error_of(worker.Report("error", "no", "UsageError"))
    assert (sweepwidget.UsageError, "no") == (type(usage), str(usage))
    other = overseer._error_of(worker.Report("error", "Traceback …\nKeyError: 3", "KeyError"))
    assert (sweepwidget.Error, True) == (type(other), "KeyError: 3" in str(other))
