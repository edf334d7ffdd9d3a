"""Programs, run for real: how they end, how they are stopped, and that nothing of them is lost or left behind."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import yaml
from hypothesis import given, strategies as st

from sweepwidget.backends import child as child_module, program as program_module
from sweepwidget.backends.program import ProgramEnd, child_env, forwarding, run_program, write_params
from sweepwidget.model import Run, RunId, RunState, SweepId

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and process groups of POSIX")


class Output:
    """Keeps what a program prints, and tells when a text has come."""

    def __init__(self):
        self.pieces = []
        self._changed = threading.Condition()

    def write(self, stream, text):
        with self._changed:
            self.pieces.append((stream, text))
            self._changed.notify_all()

    def of(self, stream):
        return "".join(text for name, text in self.pieces if name == stream)

    @property
    def stdout(self):
        return self.of("stdout")

    def wait_for(self, text):
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.stdout, 20), self.pieces


def run(argv, output=None, *, cwd="/", should_stop=lambda: None, **options):
    env = options.pop("env", os.environ)
    return run_program(argv, env=env, cwd=cwd, output=output or Output(), should_stop=should_stop, **options)


def shell(script, output=None, **options):
    return run(["sh", "-c", script], output, **options)


def python(code, output=None, **options):
    return run([sys.executable, "-c", code], output, **options)


def stop_at(output, text, state=RunState.stopped):
    """A `should_stop` that gives its order once the program has printed a text."""
    return lambda: state if text in output.stdout else None


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pid, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while not is_gone(pid):
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.01)


# -- how it ends ------------------------------------------------------------------------------------------------------


def test_finished():
    """Exit code 0 is finished, with both streams complete and in order."""
    output = Output()
    assert shell("echo one; echo two; echo oops >&2; printf three", output) == ProgramEnd(RunState.finished, 0)
    assert output.stdout == "one\ntwo\nthree"
    assert output.of("stderr") == "oops\n"


def test_failed():
    """Another exit code is failed, and the error ends with the last lines of both streams."""
    end = shell("i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo line $i; done; echo why >&2; sleep 0.1; exit 3")
    assert (end.state, end.exit_code, end.signal) == (RunState.failed, 3, None)
    assert end.error.startswith("exit code 3\n")
    lines = end.error.splitlines()
    assert "why" in lines
    assert "line 50" in lines
    assert "line 30" not in lines


def test_traceback_is_in_the_error():
    """A Python program that raises shows its traceback."""
    end = python("def train():\n    raise RuntimeError('no data')\ntrain()")
    assert (end.state, end.exit_code) == (RunState.failed, 1)
    assert end.error.endswith("RuntimeError: no data")


@pytest.mark.parametrize(
    ("name", "state", "hint"),
    [
        ("INT", RunState.killed, "killed by SIGINT\n"),
        ("TERM", RunState.killed, "killed by SIGTERM\n"),
        ("KILL", RunState.crashed, "killed by SIGKILL; maybe out of memory\n"),
        ("SEGV", RunState.crashed, "killed by SIGSEGV; a fault in native code"),
        ("ABRT", RunState.crashed, "killed by SIGABRT"),
        ("HUP", RunState.crashed, "killed by SIGHUP\n"),
        ("BUS", RunState.crashed, "killed by SIGBUS"),
    ],
)
def test_ended_by_a_signal(name, state, hint):
    """Who asks politely kills a run; any other signal from outside is a crash, named with what it may mean."""
    end = shell(f"ulimit -c 0; kill -s {name} $$")
    assert (end.state, end.exit_code, end.signal) == (state, None, signal.Signals[f"SIG{name}"])
    assert end.error.startswith(hint)


def test_real_segfault():
    """A fault in native code ends the program, not the agent."""
    end = python("import ctypes; ctypes.string_at(0)")
    assert (end.state, end.signal) == (RunState.crashed, signal.SIGSEGV)


def test_keyboard_interrupt_in_python():
    """A Python program that gets SIGINT ends by that signal, so it counts as killed."""
    sent = []
    output = Output()

    def interrupt_when_ready(send):
        sent.append(threading.Thread(target=lambda: (output.wait_for("ready"), send(signal.SIGINT))))
        sent[0].start()

    end = python("import time; print('ready', flush=True); time.sleep(60)", output, on_start=interrupt_when_ready)
    sent[0].join()
    assert (end.state, end.signal) == (RunState.killed, signal.SIGINT)
    assert "KeyboardInterrupt" in end.error


def test_killed_by_our_own_sigkill():
    """SIGKILL sent through `on_start` is somebody's wish, not a lack of memory."""
    end = shell("sleep 60", on_start=lambda send: send(signal.SIGKILL))
    assert (end.state, end.signal) == (RunState.killed, signal.SIGKILL)


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (137, "(128 + SIGKILL; maybe out of memory)"),
        (130, "(128 + SIGINT)"),
        (127, "is it installed"),
        (126, "chmod +x"),
        (255, "exit code 255\n"),
        (1, "exit code 1\nIt printed nothing."),
    ],
)
def test_exit_codes_with_a_meaning(code, hint):
    """The codes with which `env` and shells speak come with the next step."""
    end = shell(f"exit {code}")
    assert (end.state, end.exit_code) == (RunState.failed, code)
    assert hint in end.error


def test_a_lost_exit_status_is_no_success():
    """Where the system collects children by itself, a run is never taken for finished."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        end = shell("exit 3")
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert end.state is RunState.crashed
    assert "SIGCHLD" in end.error


# -- what cannot start ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "named", "step"),
    [
        (["/nowhere/python", "x.py"], "'/nowhere/python'", "check `command` and `program`"),
        (["no-such-command-at-all"], "'no-such-command-at-all'", "check `command` and `program`"),
        (["./plain.py"], "'./plain.py'", "no permission; `chmod +x` it, or put ${interpreter}"),
        (["./headless"], "'./headless'", "no `#!` line; put ${interpreter}"),
        (["./orphan"], "'./orphan'", "names an interpreter that is not there; put ${interpreter}"),
        (["plain.py"], "'plain.py'", "write './plain.py'"),
        (["."], "'.'", "no permission"),
        (["true", "--x=a\0b"], "'true'", "embedded null byte"),
        (["true", "x" * 3_000_000], "'true'", "use ${args_json_file}"),
    ],
)
def test_cannot_start(tmp_path, argv, named, step):
    """What cannot start has failed; the error names it and says what to do."""
    (tmp_path / "plain.py").write_text("pass")
    (tmp_path / "headless").write_text("pass")
    (tmp_path / "headless").chmod(0o755)
    (tmp_path / "orphan").write_text("#!/nowhere/python\n")
    (tmp_path / "orphan").chmod(0o755)
    end = run(argv, cwd=tmp_path)
    assert (end.state, end.exit_code, end.signal) == (RunState.failed, None, None)
    assert named in end.error
    assert step in end.error


def test_missing_folder(tmp_path):
    """An agent's folder that is gone is named, not the program."""
    assert f"its folder '{tmp_path}/gone' is not there" in run(["true"], cwd=tmp_path / "gone").error


def test_missing_program_of_an_interpreter(tmp_path):
    """Python's own message is shown, with the folder from which the program is looked for."""
    end = run([sys.executable, "train.py"], cwd=tmp_path)
    assert (end.state, end.exit_code) == (RunState.failed, 2)
    assert f"`program` is looked for from the agent's folder, {tmp_path}" in end.error
    assert "train.py" in end.error


def test_missing_interpreter_behind_env():
    """W&B's default command goes through `env`, whose code 127 is explained."""
    end = run(["/usr/bin/env", "no-such-python", "train.py"])
    assert (end.state, end.exit_code) == (RunState.failed, 127)
    assert "no-such-python" in end.error
    assert "on its PATH?" in end.error


# -- its surroundings -------------------------------------------------------------------------------------------------


def test_no_shell_no_input_no_terminal(tmp_path):
    """Arguments arrive as they are; standard input is empty; the program has a session of its own and no terminal."""
    code = (
        "import os, sys; print(sys.argv[1:], repr(sys.stdin.read()), os.getsid(0) == os.getpid(), os.getcwd());"
        "os.open('/dev/tty', os.O_RDWR)"
    )
    output = Output()
    end = run([sys.executable, "-c", code, "$(id)", "a b", "*", "", "é\n"], output, cwd=tmp_path)
    assert output.stdout == f"{['$(id)', 'a b', '*', '', 'é' + chr(10)]!r} '' True {tmp_path}\n"
    assert end.error.endswith("'/dev/tty'")


def test_environment():
    """The program sees exactly the environment that was made for it."""
    output = Output()
    run(["/usr/bin/env"], output, env={"A": "1", "B": "x y"})
    assert sorted(output.stdout.splitlines()) == ["A=1", "B=x y"]


def test_child_env():
    """A program finds its store and run, under our names and W&B's; the base is not touched."""
    row = Run(RunId("r1"), SweepId("s1"), 1, {}, attempt=2)
    base = {"HOME": "/h", "PYTHONUNBUFFERED": "", "WANDB_RUN_ID": "outer"}
    assert child_env(base, "sqlite:///x.db", SweepId("s1"), row, Path("/runs/config.yaml")) == {
        "HOME": "/h",
        "PYTHONUNBUFFERED": "1",
        "SWEEPWIDGET_STORE": "sqlite:///x.db",
        "SWEEPWIDGET_SWEEP": "s1",
        "SWEEPWIDGET_RUN": "r1:2",
        "WANDB_SWEEP_ID": "s1",
        "WANDB_RUN_ID": "r1",
        "WANDB_SWEEP_PARAM_PATH": "/runs/config.yaml",
    }
    assert base == {"HOME": "/h", "PYTHONUNBUFFERED": "", "WANDB_RUN_ID": "outer"}


@pytest.mark.parametrize(("backend", "kept"), [("module://matplotlib_inline.backend_inline", False), ("Agg", True)])
def test_child_env_is_not_a_kernel(backend, kept):
    """The notebook's own plot back end does not follow a program; the user's choice does."""
    row = Run(RunId("r1"), SweepId("s1"), 1, {})
    assert ("MPLBACKEND" in child_env({"MPLBACKEND": backend}, "", SweepId("s1"), row, "")) is kept


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(config=st.dictionaries(st.text(min_size=1).filter(lambda name: name != "wandb_version"), JSON, max_size=4))
def test_params_file(tmp_path_factory, config):
    """The parameter file has W&B's shape, and every value is read as it was written."""
    path = tmp_path_factory.getbasetemp() / "config.yaml"
    write_params(path, config)
    read = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert read == {"wandb_version": 1, **{name: {"value": value} for name, value in config.items()}}
    assert next(iter(read)) == "wandb_version"


# -- stopping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [RunState.stopped, RunState.killed])
def test_stop(state):
    """A program told to stop ends by SIGTERM, and as what it was told."""
    output = Output()
    end = shell("echo ready; sleep 60", output, should_stop=stop_at(output, "ready", state))
    assert end == ProgramEnd(state, signal=signal.SIGTERM)


def test_stop_that_is_obeyed_with_an_exit_code():
    """A program that tidies up after SIGTERM has the time to, and is stopped whatever its exit code."""
    output = Output()
    script = "trap 'echo saved; exit 7' TERM; echo ready; while :; do sleep 0.02; done"
    end = shell(script, output, should_stop=stop_at(output, "ready"))
    assert end == ProgramEnd(RunState.stopped, exit_code=7)
    assert output.stdout == "ready\nsaved\n"


def test_stop_that_is_ignored():
    """A program that ignores SIGTERM is killed after the kill delay, and the error says so."""
    output = Output()
    began = time.monotonic()
    script = "trap '' TERM; echo ready; while :; do sleep 0.02; done"
    end = shell(script, output, should_stop=stop_at(output, "ready"), kill_delay_s=0.3)
    assert (end.state, end.signal) == (RunState.stopped, signal.SIGKILL)
    assert "did not end after SIGTERM" in end.error
    assert time.monotonic() - began > 0.3


def test_stop_reaches_the_whole_group():
    """Workers of the program are stopped with it, also those that ignore SIGTERM."""
    output = Output()
    script = "(trap '' TERM; echo worker $(exec sh -c 'echo $PPID'); while :; do sleep 0.02; done) & wait"
    end = shell(script, output, should_stop=stop_at(output, "worker"))
    assert end.state is RunState.stopped
    wait_until_gone(int(output.stdout.split()[1]))


def test_stop_is_asked_often_enough(monkeypatch):
    """`should_stop` is asked at least every 0.2 s, and not much more often while output pours."""
    looked, asked = [], []  # at the clock that it is asked by: between that and the question the machine may stall
    monkeypatch.setattr(
        program_module, "time", SimpleNamespace(monotonic=lambda: looked.append(time.monotonic()) or looked[-1])
    )
    end = shell(
        "while :; do echo some output; done",
        should_stop=lambda: asked.append(looked[-1]) or (RunState.killed if len(asked) > 5 else None),
    )
    assert end.state is RunState.killed
    steps = [after - before for before, after in itertools.pairwise(asked)]
    assert min(steps) >= 0.099
    assert sorted(steps)[len(steps) // 2] <= 0.2


def test_stop_before_it_can_do_anything():
    """An order that is there from the beginning is obeyed at once."""
    assert shell("sleep 60", should_stop=lambda: RunState.killed).state is RunState.killed


def test_a_stopped_process_can_be_killed():
    """A program frozen by SIGSTOP cannot obey, and is killed after the delay."""
    output = Output()

    def stop_once_it_is_frozen():
        pid = output.stdout.strip()
        frozen = pid and psutil.Process(int(pid)).status() == psutil.STATUS_STOPPED
        return RunState.stopped if frozen else None

    end = shell("echo $$; kill -s STOP $$; sleep 60", output, should_stop=stop_once_it_is_frozen, kill_delay_s=0.1)
    assert (end.state, end.signal) == (RunState.stopped, signal.SIGKILL)


@pytest.mark.parametrize("where", ["should_stop", "on_start"])
def test_an_error_of_the_caller_leaves_nothing_behind(where):
    """An exception of the caller (an interrupt of the cell) kills the program and passes on."""
    output = Output()

    def interrupt(*_):
        if where == "on_start" or "\n" in output.stdout:
            raise KeyboardInterrupt

    pids = {process.pid for process in psutil.Process().children()}
    with pytest.raises(KeyboardInterrupt):
        shell("echo $$; sleep 60", output, **{"should_stop": lambda: None, where: interrupt})
    assert {process.pid for process in psutil.Process().children()} == pids


def test_sending_to_a_program_that_is_gone():
    """The sender given to `on_start` does nothing once the program has ended."""
    senders = []
    assert shell("exit 0", on_start=senders.append).state is RunState.finished
    senders[0](signal.SIGKILL)


def test_forwarding():
    """Signals to this process go to the program while the block runs, and no longer."""
    output = Output()
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    got = []
    with forwarding(got.append):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert got == [signal.SIGTERM, signal.SIGINT]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before

    def terminate_once_ready():
        if "ready" in output.stdout and not got:
            os.kill(os.getpid(), signal.SIGTERM)

    got.clear()
    with contextlib.ExitStack() as stack:
        relayed = stack.enter_context
        end = shell(
            "trap 'echo got it; exit 0' TERM; echo ready; while :; do sleep 0.02; done",
            output,
            on_start=lambda send: relayed(forwarding(lambda number: (got.append(number), send(number)))),
            should_stop=terminate_once_ready,
        )
    assert end.state is RunState.finished
    assert output.stdout == "ready\ngot it\n"


# -- output -----------------------------------------------------------------------------------------------------------


def test_much_output_on_both_streams():
    """10 MB on each of two streams arrive complete, and nobody waits for the other."""
    code = (
        "import os, threading\n"
        "def write(fd):\n"
        "    for i in range(160): os.write(fd, b'%05d' % i + b'x' * 65530 + b'\\n')\n"
        "other = threading.Thread(target=write, args=(2,)); other.start(); write(1); other.join()"
    )
    output = Output()
    assert python(code, output).state is RunState.finished
    expected = "".join(f"{i:05d}{'x' * 65530}\n" for i in range(160))
    assert output.stdout == expected
    assert output.of("stderr") == expected


def test_characters_split_between_reads():
    """A character whose bytes come one at a time arrives whole, and always as text."""
    code = (
        "import os, time\n"
        "for byte in 'é✓🎉\\n'.encode():\n"
        "    os.write(1, bytes([byte])); time.sleep(0.01)\n"
        "os.write(1, b'\\xff|\\xe2\\x9c')"
    )
    output = Output()
    python(code, output)
    assert output.stdout == "é✓🎉\n\ufffd|\ufffd"
    assert all(text for _, text in output.pieces)


def test_output_comes_as_it_is_written():
    """A line is seen while the program still runs."""
    output = Output()
    end = python("import time; print('now', flush=True); time.sleep(60)", output, should_stop=stop_at(output, "now"))
    assert end.state is RunState.stopped


def test_closed_outputs():
    """A program that closes its outputs early is still waited for."""
    end = shell("exec >&- 2>&-; sleep 0.3; exit 5")
    assert (end.state, end.exit_code) == (RunState.failed, 5)
    assert end.error == "exit code 5\nIt printed nothing."


def test_daemon_that_keeps_the_pipe(tmp_path):
    """A daemon that the program leaves behind with its pipes delays the end by 2 s at most, and lives on."""
    output = Output()
    os.mkfifo(tmp_path / "begun")
    script = "setsid sh -c 'echo daemon $$; echo > begun; sleep 30' & cat begun; echo done"
    began = time.monotonic()
    end = shell(script, output, cwd=tmp_path)
    took = time.monotonic() - began
    pid = int(output.stdout.split()[1])
    alive = not is_gone(pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    assert end == ProgramEnd(RunState.finished, 0)
    assert output.stdout.endswith("done\n")
    assert took < 20
    assert alive


def test_what_a_finished_program_leaves_running():
    """A finished program's background process is left alone; a failed program's is ended with it."""
    for code, alive in ((0, True), (1, False)):
        output = Output()
        shell(f"sleep 30 >/dev/null 2>&1 & echo $!; exit {code}", output)
        pid = int(output.stdout)
        if alive:
            assert not is_gone(pid)
            os.kill(pid, signal.SIGKILL)
        wait_until_gone(pid)


def test_last_words_of_a_helper():
    """What a pipeline's last process prints after the program's end is still read."""
    output = Output()
    shell("(sleep 0.3; echo late) & echo early", output)
    assert output.stdout == "early\nlate\n"


def test_output_that_cannot_be_kept(caplog):
    """An error in the output's keeper is logged once and does not touch the program."""

    class Full:
        def write(self, stream, text):
            raise OSError("No space left on device")

    end = shell("echo a; sleep 0.1; echo b; exit 4", Full())
    assert (end.state, end.exit_code) == (RunState.failed, 4)
    assert end.error.endswith("a\nb")
    assert [record.message for record in caplog.records] == ["the output of a program is not kept any more"]


def test_error_of_a_progress_bar():
    """Of a line that is rewritten with carriage returns, the error shows what stood there last."""
    end = shell(r"""printf '\r 10%%\r 20%%\r 30%%' >&2; printf '\nboom\n' >&2; exit 1""")
    assert end.error.endswith(":\n 30%\nboom")


def test_error_of_an_endless_line():
    """A line without an end is cut in the error, however long it was."""
    end = python("import sys; sys.stderr.write('x' * 5_000_000 + 'the end'); sys.exit(1)")
    assert end.error.endswith("xthe end")
    assert len(end.error) < 2000


def test_thread_pipes(monkeypatch):
    """Where pipes cannot be waited for, threads read them just as well."""
    monkeypatch.setattr(child_module, "_Pipes", child_module._ThreadPipes)
    output = Output()
    end = shell("echo out; echo err >&2; printf tail; exit 2", output)
    assert (end.state, end.exit_code) == (RunState.failed, 2)
    assert (output.stdout, output.of("stderr")) == ("out\ntail", "err\n")


def test_nothing_is_left_open():
    """Runs leave no file descriptors, threads or processes behind."""
    shell("true")
    me = psutil.Process()
    before = me.num_fds(), threading.active_count(), len(me.children())
    for script in ("echo x", "exit 1", "kill -s KILL $$", "sleep 60"):
        shell(script, should_stop=lambda: RunState.killed if script == "sleep 60" else None)
    run(["/nowhere"])
    assert (me.num_fds(), threading.active_count(), len(me.children())) == before


def test_many_at_once(tmp_path):
    """Programs of several agent threads do not wait for one another, nor mix their output: each ends when all have begun."""
    outputs = [Output() for _ in range(8)]
    ends = [None] * 8

    def one(i):
        all_here = f"while [ $(ls {tmp_path} | wc -l) -lt 8 ]; do sleep 0.05; done"
        ends[i] = shell(f"touch {tmp_path}/{i}; {all_here}; echo {i}; exit {i}", outputs[i])

    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [end.exit_code for end in ends] == list(range(8))
    assert [output.stdout for output in outputs] == [f"{i}\n" for i in range(8)]


# -- orphans ----------------------------------------------------------------------------------------------------------

AGENT = """
import os, sys, threading
from sweepwidget.backends.program import run_program

class Output:
    def write(self, stream, text):
        sys.stdout.write(text); sys.stdout.flush()

def agent():
    env = {{**os.environ, "SWEEPWIDGET_RUN": {run!r}}}
    run_program(["sh", "-c", {script!r}], env=env, cwd="/", output=Output(), should_stop=lambda: None)

{rest}
"""
WORKERS = "trap '' TERM HUP INT; sh -c 'echo $$; sleep 60' & sh -c 'echo $$; sleep 60' & echo $$; wait"


def start_agent(script=WORKERS, rest="agent()", run="", stdin=None):
    """An agent in a process of its own, and the pids that its program printed (three lines)."""
    code = AGENT.format(script=script, rest=rest, run=run)
    process = subprocess.Popen([sys.executable, "-c", code], stdin=stdin, stdout=subprocess.PIPE, text=True)
    return process, [int(process.stdout.readline()) for _ in range(3)]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGHUP])
def test_program_dies_with_its_agent(how):
    """However an agent dies, its program and the program's workers are gone within 2 s."""
    process, pids = start_agent()
    assert not any(map(is_gone, pids))
    process.send_signal(how)
    process.wait()
    for pid in pids:
        wait_until_gone(pid)
    process.stdout.close()


@pytest.mark.slow
def test_program_dies_with_a_daemon_thread():
    """An interpreter that leaves its agent thread behind takes the program with it."""
    rest = "threading.Thread(target=agent, daemon=True).start(); sys.stdin.readline()"
    process, pids = start_agent(rest=rest, stdin=subprocess.PIPE)
    process.communicate("\n")
    assert process.returncode == 0
    for pid in pids:
        wait_until_gone(pid)


@pytest.mark.slow
def test_program_dies_although_a_fork_of_the_agent_lives():
    """A forked worker (multiprocessing) that outlives the agent does not keep the program alive."""
    rest = (
        "import time, warnings; warnings.simplefilter('ignore')\n"
        "threading.Thread(target=agent, daemon=True).start()\n"
        "sys.stdin.readline()\n"
        "if (pid := os.fork()) == 0: time.sleep(60)\n"
        "print('fork', pid, flush=True); time.sleep(60)"
    )
    process, pids = start_agent(rest=rest, stdin=subprocess.PIPE)
    process.stdin.write("\n")
    process.stdin.flush()
    fork = int(process.stdout.readline().split()[1])
    try:
        process.kill()
        process.wait()
        for pid in pids:
            wait_until_gone(pid)
        assert not is_gone(fork)
    finally:
        os.kill(fork, signal.SIGKILL)
        process.stdin.close()
        process.stdout.close()


@pytest.mark.slow
def test_frozen_agent_keeps_its_program():
    """An agent that is frozen (a laptop asleep) is not dead: its program goes on."""
    process, pids = start_agent()
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)  # nothing is to happen: there is no event to wait for
    assert not any(map(is_gone, pids))
    process.kill()
    process.wait()
    for pid in pids:
        wait_until_gone(pid)
    process.stdout.close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a program without a known group is found through /proc")
def test_an_agent_killed_before_it_could_name_the_group(tmp_path):
    """Its program is at work already, with a worker: both are found by their mark."""
    pids = [tmp_path / "leader", tmp_path / "worker"]
    script = f"sh -c 'echo $$ > {pids[1]}.new; mv {pids[1]}.new {pids[1]}; sleep 60' & echo $$ > {pids[0]}.new; mv {pids[0]}.new {pids[0]}; wait"
    deadly = f"""
import time
from pathlib import Path
from sweepwidget.backends.sentinel import Sentinel

def guard(self, group):
    while not all(Path(name).exists() for name in {list(map(str, pids))!r}):
        time.sleep(0.005)
    os.kill(os.getpid(), 9)

Sentinel.guard = guard
agent()
"""
    code = AGENT.format(script=script, rest=deadly, run=f"{tmp_path.name}-{os.getpid()}:1")
    agent = subprocess.run([sys.executable, "-c", code], timeout=60)
    assert -signal.SIGKILL == agent.returncode
    for file in pids:
        wait_until_gone(int(file.read_text()))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a program without a known group is found through /proc")
def test_agents_killed_while_they_start_a_program():
    """Whenever that is, nothing is left behind."""
    mark = f"test-{os.getpid()}-{time.monotonic_ns()}"
    for kill_after_ms in range(0, 24, 3):
        rest = "print(1, 2, 3, sep='\\n', flush=True); agent()"
        process, _ = start_agent(f"sleep 60; : {mark}", rest, run=f"{mark}:{kill_after_ms}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(kill_after_ms / 2000)
        process.kill()
        process.wait()
        process.stdout.close()
    time.sleep(0.5)  # one that has just begun may not be seen yet
    for found in psutil.process_iter(["cmdline"]):
        if (found.info["cmdline"] or [""])[-1] == f"sleep 60; : {mark}":
            wait_until_gone(found.pid)


def test_a_mark_that_is_not_the_programs_own_is_not_used(monkeypatch):
    """A program in a run's environment that runs programs itself is never taken for one of them."""
    monkeypatch.setenv("SWEEPWIDGET_RUN", "outer:1")
    assert child_module._mark(os.environ) == ""
    assert child_module._mark({"SWEEPWIDGET_RUN": "inner:1"}) == "SWEEPWIDGET_RUN=inner:1"
    assert child_module._mark({}) == ""
