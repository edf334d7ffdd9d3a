"""Kernel agents on real kernels: what a run is given, how it ends, how it is stopped, and that nothing is left behind.

One function, `play`, does what the run's config tells it, so that most tests share a warm kernel.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest
from kernel import Kernel
from waiting import until

from sweepwidget import trials
from sweepwidget.backends import kernelprocess, resources
from sweepwidget.errors import Error, UsageError
from sweepwidget.model import Agent, AgentId, Cursor, RunState, Suggestion, Sweep, SweepId, SweepState
from sweepwidget.participant import participant
from sweepwidget.process import this_process
from sweepwidget.store.sqlite import SqliteStore
from sweepwidget.trials.kernel import KernelTrial

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and process groups of POSIX")

_numbers = itertools.count()


def by_value(function):
    """As if it had been defined in a notebook."""
    function.__module__ = "__main__"
    return function


@by_value
def play():
    import textwrap

    import sweepwidget

    run = sweepwidget.init()
    exec(textwrap.dedent(run.config["code"]), {"run": run, "wandb": sweepwidget})


class Lab:
    """A store with one sweep, and one agent that claims what it is told to."""

    def __init__(self, folder):
        self.folder = folder
        self.store = SqliteStore(folder / "sweeps.db")
        self.sweep = SweepId("lab")
        self.store.create_sweep(Sweep(self.sweep, {"parameters": {"code": {"value": ""}}}))
        self.lease = self.store.acquire(self.sweep, "test", this_process(), 3600)
        self.store.set_state(self.sweep, SweepState.RUNNING, lease=self.lease)
        self.agent = Agent(AgentId("a"), self.sweep, this_process())
        self.store.join(self.agent, 3600)
        participant(self.store).keep(self.agent.id, self.sweep)

    def close(self):
        here = participant(self.store)
        here.forget(self.agent.id)
        while here._ticking:
            time.sleep(0.01)
        self.store.close()

    def trial(self, function=play, **options):
        made = KernelTrial(self.store, self.sweep, function, frozenset(["code"]), cwd=self.folder, **options)
        made.check()
        return made

    def claim(self, code="", **config):
        """A run of a new configuration, unless one waits."""
        row = self.store.claim(self.agent.id, f"again{next(_numbers)}")
        if row is None:
            self.store.add_runs(self.lease, [Suggestion({"code": code, **config})], [0])
            row = self.store.claim(self.agent.id, f"new{next(_numbers)}")
        return row

    def closed(self, row, ended):
        return trials.close(self.store, row, ended)

    def tried(self, trial, code="", **config):
        """The run as it was closed."""
        row = self.claim(code, **config)
        return self.closed(row, trial(row))

    def printed(self, run):
        path = self.store.folder / "runs" / run.id / "output.log"
        return path.read_text() if path.exists() else ""


class AtWork:
    """A run that is being tried on a thread. Its code says `ready()` when it is where the test wants it."""

    def __init__(self, lab, trial, code):
        self._lab = lab
        self._pipe = lab.folder / f"ready{next(_numbers)}"
        os.mkfifo(self._pipe)
        self.row = lab.claim(
            f"ready = lambda text='x': open({str(self._pipe)!r}, 'w').write(text)\n" + textwrap.dedent(code)
        )
        self._ended = []
        self._thread = threading.Thread(target=lambda: self._ended.append(trial(self.row)))
        self._thread.start()

    def ready(self):
        """What it said."""
        return self._pipe.read_text()

    def stop(self, state=RunState.stopped):
        self._lab.store.stop([self.row.id], "not worth it", state)

    def closed(self):
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self._lab.closed(self.row, self._ended[0])


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("lab"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(lab):
    made = lab.trial()
    yield made
    made.close()


@pytest.fixture
def tried(lab, shared):
    """The run that executed this code in the shared kernel."""
    return lambda code, **config: lab.tried(shared, code, **config)


@pytest.fixture
def at_work(lab, shared):
    return lambda code: AtWork(lab, shared, code)


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(*pids, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while not all(map(is_gone, pids)):
        assert time.monotonic() < deadline, [pid for pid in pids if not is_gone(pid)]
        time.sleep(0.01)


def column(lab, run, name):
    return list(lab.store.columns(run.id, run.attempt)[name].values)


PID = "import os; run.summary['pid'] = os.getpid()"

# -- what a run is, and what it has ------------------------------------------------------------------------------------


def test_a_run_is_what_it_is_elsewhere(lab, tried):
    """Config, points, steps, summary and the final state arrive as from a thread."""
    run = tried("for i in range(3): run.log({'loss': run.config.x / (i + 1)})\nrun.summary['best'] = 7", x=6.0)
    assert (RunState.finished, 0, "") == (run.state, run.exit_code, run.error)
    assert [6.0, 3.0, 2.0] == column(lab, run, "loss")
    assert (2.0, 7, 2) == (run.summary["loss"], run.summary["best"], run.summary["_step"])


def test_all_output_goes_to_the_log(lab, tried, capfd):
    """What Python prints, what C code and commands write, and what is displayed, in order; none of it comes out here."""
    run = tried("""
        import logging, os, sys
        from IPython.display import display
        print("one")
        os.system("echo two")
        os.write(1, b"three\\n")
        display("four")
        logging.warning("five")
        print("\u00fcmlaut", end="")
    """)
    lines = lab.printed(run).splitlines()
    assert ["one", "two", "three", "'four'", "ümlaut"] == [line for line in lines if "five" not in line]
    assert "WARNING:root:five" in lines
    assert ("", "") == capfd.readouterr()


def test_runs_on_the_main_thread_of_its_own_process(lab, tried):
    """Frameworks that install signal handlers or call `asyncio.run` find what a script would give them."""
    run = tried("""
        import asyncio, os, signal, threading, IPython
        signal.signal(signal.SIGUSR1, lambda *_: None)
        async def answer():
            await asyncio.sleep(0)
            return 42
        run.summary.update({
            "main": threading.current_thread() is threading.main_thread(), "pid": os.getpid(), "cwd": os.getcwd(),
            "answer": asyncio.run(answer()), "kernel": type(IPython.get_ipython()).__name__,
        })
    """)
    assert "" == run.error
    assert (True, str(lab.folder), 42) == (run.summary["main"], run.summary["cwd"], run.summary["answer"])
    assert "ZMQInteractiveShell" == run.summary["kernel"]
    assert os.getpid() != run.summary["pid"]


def test_failure(lab, tried):
    """The traceback is that of the function, stored and printed, and the kernel goes on with the next run."""
    before = tried(PID)
    run = tried("print('before')\n1 / 0")
    assert (RunState.failed, 1) == (run.state, run.exit_code)
    assert run.error.startswith("Traceback (most recent call last):\n")
    assert run.error.endswith("ZeroDivisionError: division by zero\n")
    assert "kernelchild" not in run.error
    assert "before\n" + run.error == lab.printed(run)
    assert before.summary["pid"] == tried(PID).summary["pid"]


@pytest.mark.parametrize(
    ("code", "state", "exit_code", "counted"),
    [
        ("import sys; sys.exit(3)", RunState.failed, 3, False),
        ("import sys; sys.exit()", RunState.finished, 0, False),
        ("run.finish(exit_code=2)", RunState.failed, 2, True),
        ("raise KeyboardInterrupt", RunState.killed, None, False),
        ("run.mark_preempting(); 1 / 0", RunState.preempted, None, True),
        ("import os; pid = os.fork(); pid and os.waitpid(pid, 0)", RunState.finished, 0, True),
    ],
)
def test_other_ends(lab, shared, code, state, exit_code, counted):
    """Exit codes, interrupts and preemption mean what they mean in threads; a forked child that comes back is no second end."""
    row = lab.claim(code)
    ended = shared(row)
    assert (state, exit_code, counted) == (ended.outcome.state, ended.outcome.exit_code, ended.counted)
    lab.closed(row, ended)
    if state is RunState.preempted:
        lab.store.stop([row.id], "enough", RunState.killed)


def test_nothing_reaches_the_next_run(lab, tried):
    """Not its globals, environment, folder, context, signal handlers, streams or figures; imported modules stay."""
    tried("""
        import contextvars, os, signal, sys, colorsys
        import matplotlib.pyplot as plt
        os.environ["LEAK"] = "1"
        os.environ.pop("HOME", None)
        os.chdir("/")
        colorsys.variable = contextvars.ContextVar("leak", default="none")
        colorsys.variable.set("leak")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        plt.figure()
        sys.stderr.close()
        sys.stdout = None
        os.close(1)
    """)
    run = tried("""
        import os, signal, sys
        print("still heard")
        os.system("echo by all")
        run.summary.update({
            "environ": [os.environ.get("LEAK", ""), "HOME" in os.environ], "cwd": os.getcwd(),
            "context": sys.modules["colorsys"].variable.get(),
            "handler": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
            "figures": sys.modules["matplotlib.pyplot"].get_fignums(),
        })
    """)
    expected = {
        "environ": ["", "HOME" in os.environ],
        "cwd": str(lab.folder),
        "context": "none",
        "handler": True,
        "figures": [],
    }
    assert expected == {name: run.summary[name] for name in expected}
    assert "still heard\nby all\n" == lab.printed(run)


def test_what_it_closes_over_is_new_for_every_run(lab):
    """A run that changes what the function closes over changes its own copy."""
    seen = []

    @by_value
    def train():
        import sweepwidget

        seen.append(sweepwidget.init().id)
        sweepwidget.run.summary["seen"] = len(seen)

    trial = lab.trial(train)
    try:
        assert [1, 1] == [lab.tried(trial).summary["seen"] for _ in range(2)]
        assert [] == seen
    finally:
        trial.close()


def test_async_function(lab):
    """A coroutine function runs on the kernel's main thread, and an order to stop reaches its `await`."""

    @by_value
    async def train():
        import asyncio
        import sys
        import threading

        import sweepwidget

        run = sweepwidget.init()
        run.summary["main"] = threading.current_thread() is threading.main_thread()
        if "pipe" in run.config:
            await asyncio.to_thread(lambda: open(run.config["pipe"], "w").write("ready"))
            try:
                await asyncio.sleep(60)
            finally:
                run.summary["tidied"] = "asyncio" in sys.modules

    trial = lab.trial(train)
    trial.kill_delay_s = 60.0
    pipe = lab.folder / "awaiting"
    os.mkfifo(pipe)
    try:
        run = lab.tried(trial)
        assert (RunState.finished, True) == (run.state, run.summary["main"])
        row = lab.claim(pipe=str(pipe))
        ended = []
        thread = threading.Thread(target=lambda: ended.append(trial(row)))
        thread.start()
        pipe.read_text()
        lab.store.stop([row.id], "not worth it", RunState.stopped)
        thread.join(30)
        run = lab.closed(row, ended[0])
        assert (RunState.stopped, True) == (run.state, run.summary["tidied"])
    finally:
        trial.close()


# -- death ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os.kill(os.getpid(), 9)", "its kernel was killed by SIGKILL; maybe out of memory\n"),
        ("import ctypes; ctypes.string_at(0)", "its kernel was killed by SIGSEGV; a fault in native code"),
        ("os._exit(0)", "its kernel ended with exit code 0 before the function did"),
    ],
)
def test_death(lab, tried, code, said):
    """A kernel that dies is noticed at once; its run is crashed, with the cause, its points and its last words."""
    run = tried(f"import os, time; run.log({{'loss': 1, 'at': time.time()}}); print('last words'); {code}")
    assert RunState.crashed is run.state
    assert run.error.startswith(said)
    assert "last words" in run.error
    assert [1.0] == column(lab, run, "loss")
    assert 1 == run.summary["loss"]
    assert run.ended_at - run.summary["at"] < 10
    assert RunState.finished is tried("").state, "a new kernel takes its place"


def test_python_stack_of_a_segfault_is_in_the_error(tried):
    """Where the fault was is what the user needs most."""
    assert "Fatal Python error: Segmentation fault" in tried("import ctypes; ctypes.string_at(0)").error


@pytest.mark.parametrize(
    "broken", ["import sweepwidget.trials.kernelchild as k; k._load = None", ""], ids=["broken", "dead"]
)
def test_death_between_runs(tried, broken):
    """A kernel that cannot go on, because a run broke it or it was killed meanwhile, is replaced without a word."""
    pid = tried(f"{PID}\n{broken}").summary["pid"]
    if not broken:
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # somebody looked before us
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # a signal that is sent has not killed yet
    run = tried(PID)
    assert RunState.finished is run.state
    assert pid != run.summary["pid"]


def test_death_before_it_begins(lab, shared, at_work, tried):
    """A kernel that dies with a run in its hands, whose function it has not called yet: another has the same attempt."""
    pid = tried(f"run.log({{'loss': 1}})\n{PID}").summary["pid"]
    idle = shared._pool._idle[-1]
    until(lambda: idle.process._receive() or idle.preparing in idle.process._replies)
    os.kill(pid, signal.SIGSTOP)
    run = at_work(f"run.log({{'loss': 1}})\n{PID}")
    mark = lab.store.folder / "runs" / run.row.id / "handed-1"
    until(mark.exists)
    os.kill(pid, signal.SIGKILL)
    closed = run.closed()
    assert (RunState.finished, 1, [1.0]) == (closed.state, closed.attempt, column(lab, closed, "loss"))
    assert pid != closed.summary["pid"]
    assert not mark.exists()


def test_killed_from_outside(at_work):
    """SIGTERM is somebody's wish: the run is killed, not crashed."""
    run = at_work("import os, time; ready(str(os.getpid())); time.sleep(60)")
    os.kill(int(run.ready()), signal.SIGTERM)
    closed = run.closed()
    assert (RunState.killed, "its kernel was killed by SIGTERM") == (closed.state, closed.error.splitlines()[0])


def test_retries(lab):
    """A run whose kernel dies waits again as often as it may; each try keeps its number, and only the last one counts."""
    trial = lab.trial(retries=1)
    try:
        rows = [lab.claim("import os; os.abort()")]
        ended = [trial(rows[0])]
        assert RunState.preempted is lab.closed(rows[0], ended[0]).state
        rows.append(lab.claim())
        ended.append(trial(rows[1]))
        closed = lab.closed(rows[1], ended[1])
        assert [rows[0].id, 2] == [rows[1].id, rows[1].attempt]
        assert [False, True] == [end.counted for end in ended]
        assert RunState.crashed is closed.state
        assert "SIGABRT" in closed.error
    finally:
        trial.close()


def test_memory(lab):
    """A kernel whose processes together use more than they may is killed, and the run says by how much."""
    trial = lab.trial(memory="300MB")
    hungry = "x = b'x' * 400_000_000; input()"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {hungry!r}], stdin=subprocess.PIPE).wait()"
    try:
        run = lab.tried(trial, code)
        assert RunState.crashed is run.state
        used, _, rest = run.error.partition(" MB of the 300 MB it may")
        assert 300 < float(used.removeprefix("its kernel used ")) < 700
        assert rest.startswith(", and was killed")
        assert RunState.finished is lab.tried(trial).state
    finally:
        trial.close()


# -- stopping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "import time; ready(); time.sleep(60)",
        "import numpy as np; ready()\nwhile True: np.dot(np.ones((300, 300)), np.ones((300, 300)))",
        "ready()\nwhile True:\n try:\n  while True: pass\n except Exception: pass",
        "import subprocess; ready(); subprocess.run(['sleep', '60'])",
        "import threading; ready(); threading.Event().wait(60)",
    ],
    ids=["sleep", "numpy", "except Exception", "child process", "lock"],
)
def test_stopped_at_once(shared, at_work, tried, monkeypatch, code):
    """The order to stop interrupts whatever the function does, and the kernel is used again."""
    monkeypatch.setattr(shared, "kill_delay_s", 60.0)
    before = tried(PID).summary["pid"]
    run = at_work(f"run.log({{'loss': 1}})\n{code}")
    run.ready()
    run.stop()
    closed = run.closed()
    assert (RunState.stopped, "") == (closed.state, closed.error)
    assert (1, before) == (closed.summary["loss"], tried(PID).summary["pid"])


def test_a_stopped_run_may_end_well(lab, shared, at_work, tried, monkeypatch):
    """`finally` runs undisturbed, however often the agent is told; the kernel survives."""
    monkeypatch.setattr(shared, "kill_delay_s", 60.0)
    before = tried(PID).summary["pid"]
    run = at_work("""
        import time
        try:
            ready()
            time.sleep(60)
        finally:
            time.sleep(1.2)
            run.summary["saved"] = True
            print("saved")
    """)
    run.ready()
    run.stop(RunState.killed)
    closed = run.closed()
    assert (RunState.killed, True, "saved\n") == (closed.state, closed.summary["saved"], lab.printed(closed))
    assert before == tried(PID).summary["pid"]


@pytest.mark.parametrize(
    ("code", "computes"),
    [
        (
            "while True:\n try:\n  ready(str(os.getpid())); time.sleep(60)\n except BaseException: ready = lambda text: None",
            False,
        ),
        ("ready(str(os.getpid())); sum(__import__('itertools').repeat(0))", True),
    ],
    ids=["except BaseException", "C code that holds the interpreter"],
)
def test_killed_if_it_does_not_stop(monkeypatch, at_work, shared, tried, code, computes):
    """After the grace the kernel is killed with all its processes; the state is the one ordered."""
    monkeypatch.setattr(shared, "kill_delay_s", 0.3)
    run = at_work(f"import os, time, subprocess; subprocess.Popen(['sleep', '60'])\n{code}")
    pid = int(run.ready())
    (sleeper,) = [child.pid for child in psutil.Process(pid).children() if "sleep" in child.name()]
    if computes:  # not before it is in there
        before = psutil.Process(pid).cpu_times().user
        until(lambda: psutil.Process(pid).cpu_times().user > before + 0.2)
    run.stop()
    closed = run.closed()
    assert (RunState.stopped, "it did not end after SIGINT and was killed") == (closed.state, closed.error)
    wait_until_gone(pid, sleeper)
    assert pid != tried(PID).summary["pid"]


def test_stopped_before_it_began(lab, monkeypatch):
    """A run that is told to stop while its kernel starts never begins, and the kernel is there for the next."""
    trial = lab.trial()
    row = lab.claim("print('began')")
    take = trial._pool.take

    def take_and_stop():
        monkeypatch.undo()
        lab.store.stop([row.id], "not worth it", RunState.stopped)
        return take()

    monkeypatch.setattr(trial._pool, "take", take_and_stop)
    try:
        run = lab.closed(row, trial(row))
        assert (RunState.stopped, "") == (run.state, lab.printed(run))
        assert RunState.finished is lab.tried(trial).state
        assert 1 == len(trial._pool._alive)
    finally:
        trial.close()


def test_signals_reach_the_processes_at_work(at_work, shared):
    """`send` signals the kernels that have a run, and says whether there are any."""
    assert not shared.send(signal.SIGKILL)
    run = at_work("import time; ready(); time.sleep(60)")
    run.ready()
    assert shared.send(signal.SIGKILL)
    assert RunState.killed is run.closed().state


# -- processes --------------------------------------------------------------------------------------------------------


def test_fresh(lab):
    """Every run has a new process, the next one starting while a run goes, and old ones end by themselves."""
    trial = lab.trial(fresh=True)
    try:
        runs = [
            lab.tried(
                trial,
                PID + "\nimport atexit; atexit.register(lambda: open(run.config['mark'], 'w').close())",
                mark=mark,
            )
            for mark in (str(lab.folder / name) for name in ("first", "second"))
        ]
        pids = {run.summary["pid"] for run in runs}
        assert 2 == len(pids)
    finally:
        trial.close()
    wait_until_gone(*pids)
    assert all((lab.folder / name).exists() for name in ("first", "second"))


def test_nothing_is_left(lab):
    """After `close` no process, thread or file of the kernels is there; again is harmless."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    trial = lab.trial()
    code = PID + "\nimport subprocess; run.summary['worker'] = subprocess.Popen(['sleep', '60']).pid"
    run = lab.tried(trial, code)
    folder = trial._function_file.parent
    trial.close()
    trial.close()
    wait_until_gone(run.summary["pid"], run.summary["worker"])
    assert before == {child.pid for child in psutil.Process().children(recursive=True)}
    assert not folder.exists()
    assert not [thread for thread in threading.enumerate() if "kernel" in thread.name]


def test_leaving_agents_take_their_kernels_along(lab):
    """An agent that goes home needs its kernel no more."""
    trial = lab.trial()
    pid = lab.tried(trial, PID).summary["pid"]
    trial.leave()
    wait_until_gone(pid)
    trial.close()


PARENT = """
import itertools, os, sys, threading
sys.path[:0] = [{root!r}, {tests!r}]
import test_kernel_agents as t
from pathlib import Path
lab = t.Lab(Path({folder!r}))
trial = lab.trial()
row = lab.claim('''
import os, subprocess, time
open({pipe!r}, "w").write(f"{{os.getpid()}} {{subprocess.Popen(['sleep', '60']).pid}}")
sum(__import__("itertools").repeat(0))  # holds the interpreter
''')
trial(row)
"""


def test_killed_parent_leaves_no_orphan(tmp_path):
    """If the agent's process is killed, its kernels and what they started are gone soon, whatever C code they are in."""
    pipe = tmp_path / "pids"
    os.mkfifo(pipe)
    here = Path(__file__)
    text = PARENT.format(root=str(here.parents[2]), tests=str(here.parent), folder=str(tmp_path), pipe=str(pipe))
    path = os.pathsep.join([str(here.parents[2]), str(here.parents[1])])
    parent = subprocess.Popen(
        [sys.executable, "-c", text], env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)}
    )
    try:
        pids = [int(pid) for pid in pipe.read_text().split()]
        assert not any(map(is_gone, pids))
    finally:
        parent.kill()
        parent.wait()
    wait_until_gone(*pids)


# -- bad input --------------------------------------------------------------------------------------------------------


def test_function_that_cannot_travel(lab):
    """It is refused before the first run, and the object to blame is named."""
    lock = threading.Lock()

    @by_value
    def train():
        with lock:
            pass

    with pytest.raises(
        UsageError, match=r"train\(\) cannot be sent to another process:\n  lock \(_thread.lock\), used in"
    ):
        lab.trial(train)


def test_function_that_cannot_be_loaded(lab):
    """What is only in this process's memory is missed in the kernel: a clear error, and the run waits again."""
    import types

    module = types.ModuleType("only_here")
    exec("def helper(): pass", vars(module))
    sys.modules["only_here"] = module

    @by_value
    def train():
        module_helper()  # noqa: F821

    train.__globals__["module_helper"] = module.helper
    try:
        trial = lab.trial(train)
        row = lab.claim()
        with pytest.raises(UsageError, match="cannot be loaded in its kernel: .*No module named 'only_here'"):
            trial(row)
    finally:
        del sys.modules["only_here"], train.__globals__["module_helper"]
        trial.close()
    lab.store.stop([row.id], "not worth it", RunState.killed)
    lab.closed(row, trials.Ended(trials.Outcome(RunState.killed)))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo 'No module named ipykernel_launcher' >&2; exit 1",
            r"ended with exit code 1. It said:\n.*pip install ipykernel",
        ),
        ("kill -9 $$", r"ended by SIGKILL; maybe out of memory. It said nothing"),
    ],
)
def test_kernel_that_cannot_start(lab, monkeypatch, tmp_path, script, said):
    """A clear error with what it said and the next step, after one try."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho >> {tmp_path}/tries\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    trial = lab.trial()
    row = lab.claim()
    with pytest.raises(Error, match="(?s)a kernel agent could not start: its process " + said):
        trial(row)
    assert "\n" == (tmp_path / "tries").read_text()
    trial.close()
    lab.closed(row, trials.Ended(trials.Outcome(RunState.killed)))


def test_no_python_at_all(lab, monkeypatch):
    """An interpreter that is gone is named."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    trial = lab.trial()
    row = lab.claim()
    with pytest.raises(Error, match="no kernel could be started .*'/nowhere/python'"):
        trial(row)
    trial.close()
    lab.closed(row, trials.Ended(trials.Outcome(RunState.killed)))


@pytest.mark.parametrize(
    "options", [{"retries": -1}, {"retries": True}, {"memory": "4 apples"}, {"memory": 0}, {"gpus": 2}, {"gpus": []}]
)
def test_arguments_that_cannot_be(lab, options):
    """They are refused when the agents are made."""
    (name,) = options
    with pytest.raises(UsageError, match=name):
        lab.trial(**options)


# -- GPUs -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A machine whose nvidia-smi says this."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def install(text, exit_code=0):
        (tmp_path / "text").write_text(text)
        script = tmp_path / "nvidia-smi"
        script.write_text(f'#!/bin/sh\n[ "$1" = -L ] && cat {tmp_path}/text\nexit {exit_code}\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return install


TWO = "GPU 0: NVIDIA A100 (UUID: GPU-aa)\nGPU 1: NVIDIA A100 (UUID: GPU-bb)\n"
DIVIDED = "GPU 0: A (UUID: GPU-aa)\n  MIG 1g.5gb Device 0: (UUID: MIG-11)\n  MIG 1g.5gb Device 1: (UUID: MIG-22)\nGPU 1: B (UUID: GPU-bb)\n"


@pytest.mark.parametrize(("text", "names"), [(TWO, ("0", "1")), (DIVIDED, ("MIG-11", "MIG-22", "1"))])
def test_gpus_of_the_machine(nvidia_smi, text, names):
    """All that nvidia-smi lists, as it counts them; of a divided one its parts."""
    nvidia_smi(text)
    assert resources.Gpus(names, "PCI_BUS_ID") == resources.find_gpus("auto", os.environ)


@pytest.mark.parametrize(("visible", "names"), [("2,3", ("2", "3")), (" GPU-x ", ("GPU-x",)), ("1,-1,0", ("1",))])
def test_gpus_that_are_visible(visible, names):
    """CUDA_VISIBLE_DEVICES goes first."""
    assert resources.Gpus(names) == resources.find_gpus("auto", {"CUDA_VISIBLE_DEVICES": visible})


def test_no_gpus(nvidia_smi, monkeypatch):
    """Where there are none, "auto" is an error that says why."""
    for visible in ("", "-1"):
        with pytest.raises(UsageError, match="hides all GPUs"):
            resources.find_gpus("auto", {"CUDA_VISIBLE_DEVICES": visible})
    nvidia_smi("No devices were found\n", exit_code=6)
    with pytest.raises(UsageError, match="no GPU was found .No devices were found"):
        resources.find_gpus("auto", {})
    nvidia_smi("")
    with pytest.raises(UsageError, match="lists no GPU"):
        resources.find_gpus("auto", {})
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="nvidia-smi is not on PATH"):
        resources.find_gpus("auto", {})


def test_one_gpu_each(lab, nvidia_smi, capsys):
    """Kernels at work at the same time have GPUs of their own; surplus ones share, and that is said once."""
    nvidia_smi(TWO)
    trial = lab.trial(gpus="auto")
    code = """
        import os
        ready(os.environ["CUDA_VISIBLE_DEVICES"] + " " + os.environ["CUDA_DEVICE_ORDER"])
        import time; time.sleep(60)
    """
    try:
        at_work = [AtWork(lab, trial, code) for _ in range(4)]
        assert ["0 PCI_BUS_ID"] * 2 + ["1 PCI_BUS_ID"] * 2 == sorted(run.ready() for run in at_work)
        for run in at_work:
            run.stop()
        for run in at_work:
            run.closed()
    finally:
        trial.close()
    assert 1 == capsys.readouterr().err.count("more kernels than GPUs (0, 1)")


# -- in a notebook ----------------------------------------------------------------------------------------------------

CELLS = [
    """
import os, time
from pathlib import Path
import sweepwidget as wandb
store = wandb.use_store(Path("sweeps.db").absolute())
sweep_id = wandb.sweep({"method": "grid", "metric": {"name": "loss"}, "parameters": {"x": {"values": [1, 2, 3]}}})
class Model:
    scale = 10
def loss_of(x):
    if x == 3: raise ValueError("three")
    return Model.scale * x
""",
    """
def train():
    import pickle
    run = wandb.init()
    print("in", type(get_ipython()).__name__)
    os.system("echo unheard_of")
    assert type(pickle.loads(pickle.dumps(Model()))) is Model
    run.summary["pid"] = os.getpid()
    run.log({"loss": loss_of(run.config.x)})
    while run.config.x == 4: time.sleep(0.1)
wandb.agent(sweep_id, function=train, backend="kernel")
""",
]


@pytest.fixture(scope="module")
def notebook():
    with Kernel(SWEEPWIDGET_SILENT="1") as running:
        yield running


def test_function_of_a_notebook(notebook):
    """A notebook's own function, with the classes and functions it uses, runs as it stands; the cell shows none of its output."""
    for code in CELLS:
        cell = notebook.run(code, timeout=60)
        assert "" == cell.error
    assert not [word for word in ("ZMQInteractiveShell", "unheard_of\\n") if word in str(cell.messages[1:])]
    told = notebook.run("[(r.state.value, r.summary.get('loss'), r.error) for r in store.runs(sweep_id)]").result
    (first, second, third) = eval(told)
    assert (("finished", 10, ""), ("finished", 20, "")) == (first, second)
    assert "failed" == third[0]
    assert "if x == 3: raise ValueError" in third[2], "tracebacks show the text of cells"
    log = "print((store.folder / 'runs' / store.runs(sweep_id)[0].id / 'output.log').read_text())"
    assert "in ZMQInteractiveShell\nunheard_of\n\n" == notebook.run(log).stdout


def test_killed_notebook_leaves_no_orphan(tmp_path):
    """When the notebook's kernel is killed, its agents' kernels go with it, and the files that they had of it."""

    def left():
        return [*tmp_path.glob("sweepwidget-*"), *tmp_path.glob("sw-*")]

    with Kernel(SWEEPWIDGET_SILENT="1", TMPDIR=str(tmp_path)) as notebook:
        notebook.run(CELLS[0].replace("[1, 2, 3]", "[4]"))
        notebook.start(CELLS[1])
        pids = []
        deadline = time.monotonic() + 30
        store = SqliteStore(Path(notebook.folder.name) / "sweeps.db")
        while not pids:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            with contextlib.suppress(Error):
                runs = [run for sweep in store.sweeps() for run in store.changes(sweep.id, Cursor()).runs]
                pids = [run.summary["pid"] for run in runs if "pid" in run.summary]
        store.close()
        assert left()
        notebook.kill()
        wait_until_gone(*pids)
        until(lambda: not left())


# -- KernelProcess ------------------------------------------------------------------------------------------------------


def test_long_folder_for_temporary_files(tmp_path, monkeypatch):
    """Sockets have short paths wherever temporary files go."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    kernel = kernelprocess.KernelProcess(os.environ, tmp_path)
    request = kernel.ask("1 / 0")
    deadline = time.monotonic() + 20
    while (reply := kernel.reply(request)) is None:
        assert kernel.status() is None
        assert time.monotonic() < deadline
        list(kernel.read(0.1))
    assert kernelprocess.Reply("ZeroDivisionError: division by zero") == reply
    assert not kernel._folder.name, "nobody can connect any more"
    kernel.shut_down()
    wait_until_gone(kernel.pid)
