"""Agents of a `program`, on real processes: what it is given, what becomes of it, how it is stopped, and what it logs.

Most programs here are shell scripts, which start in a millisecond; those that call `init()` take the time of an import.
"""

import json
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import yaml

from sweepwidget.model import Outcome, Run, RunId, RunState
from sweepwidget.stores import current_store
from sweepwidget.trials import Ended
from sweepwidget.trials.process import ProcessTrial

pytestmark = pytest.mark.skipif(os.name == "nt", reason="shell scripts, signals and process groups of POSIX")

SCRIPT = ["${program}", "${args}"]
TRAP = "trap 'echo got TERM; exit 0' TERM; echo > ready; while :; do sleep 0.01; done"
"""Says that it runs, tidies up after SIGTERM and ends well."""
STUBBORN = "trap '' TERM; echo > ready; while :; do sleep 0.01; done"


@pytest.fixture
def ready(tmp_path):
    """A named pipe beside the program: returns once the program has written to it."""
    os.mkfifo(tmp_path / "ready")
    return (tmp_path / "ready").read_text


def script(text, name="train.sh"):
    path = Path(name)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return f"./{name}"


def python(text, name="train.py"):
    Path(name).write_text(text)
    return name


def sweep_of(wandb, program, values=(1,), **config):
    """A grid over `a` for a shell script (or, if it is called *.py, for Python)."""
    return wandb.sweep(
        {
            "method": "grid",
            "metric": {"name": "loss"},
            "program": program,
            **({} if program.endswith(".py") else {"command": SCRIPT}),
            "parameters": {"a": {"values": list(values)}},
            **config,
        }
    )


def runs_of(wandb, sweep_id):
    return [run for run in wandb.Api().sweep(sweep_id).runs if run.state != "pending"]


def states(wandb, sweep_id):
    return [run.state for run in runs_of(wandb, sweep_id)]


def tried(wandb, program, **config):
    """The one run of a sweep of one configuration."""
    sweep_id = sweep_of(wandb, program, **config)
    wandb.agent(sweep_id)
    (run,) = runs_of(wandb, sweep_id)
    return run


def signal_when(ready, *signals, again=None):
    """Send this process a signal once the program is ready, and further ones whenever `again` returns."""

    def send():
        ready()
        for number, signum in enumerate(signals):
            if number:
                again()
            os.kill(os.getpid(), signum)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


# -- what the program is given ------------------------------------------------------------------------------------------


def test_it_gets_its_arguments(wandb):
    """W&B's default command: the Python of the agent, the program, `--name=value`, in the agent's folder."""
    run = tried(wandb, python("import os, sys; print(sys.executable, sys.argv, os.getcwd())"))
    assert "finished" == run.state
    assert f"{sys.executable} ['train.py', '--a=1'] {os.getcwd()}\n" == run.output


@pytest.mark.parametrize(
    ("macro", "words"),
    [
        ("${args}", ["--no=False", "--x=a b", "--yes=True"]),
        ("${args_no_equals}", ["--no", "False", "--x", "a b", "--yes", "True"]),
        ("${args_no_hyphens}", ["no=False", "x=a b", "yes=True"]),
        ("${args_no_boolean_flags}", ["--x=a b", "--yes"]),
        ("${args_append_hydra}", ["+no=False", "+x=a b", "+yes=True"]),
        ("${args_override_hydra}", ["++no=False", "++x=a b", "++yes=True"]),
        ("${args_json}", ['{"no": false, "x": "a b", "yes": true}']),
        ("in ${envvar:PLACE}", ["in Paris"]),
        ("plain $(id) ${x}", ["plain $(id) ${x}"]),
        ("${unknown}", []),
    ],
)
def test_every_macro_reaches_the_program(wandb, monkeypatch, macro, words):
    """One element, one word (no shell); what is unknown is left out."""
    monkeypatch.setenv("PLACE", "Paris")
    run = tried(
        wandb,
        script('for word in "$@"; do echo "[$word]"; done'),
        command=["${env}", "${program}", macro],
        parameters={"no": {"value": False}, "x": {"value": "a b"}, "yes": {"value": True}},
    )
    assert [f"[{word}]" for word in words] == run.output.splitlines()


def test_arguments_in_a_file(wandb):
    """`${args_json_file}` is the path of a JSON file with the configuration."""
    parameters = {"x": {"value": [1, {"y": None}]}}
    run = tried(wandb, script('cat "$1"'), command=["${program}", "${args_json_file}"], parameters=parameters)
    assert {"x": [1, {"y": None}]} == json.loads(run.output)


def test_its_environment(wandb):
    """It finds its run, its sweep and its parameters under W&B's names; ours is as it was."""
    before = dict(os.environ)
    run = tried(wandb, script('echo "$WANDB_SWEEP_ID $WANDB_RUN_ID"; cat "$WANDB_SWEEP_PARAM_PATH"'))
    first, rest = run.output.split("\n", 1)
    assert f"{run.sweep.id} {run.id}" == first
    assert {"wandb_version": 1, "a": {"value": 1}} == yaml.safe_load(rest)
    assert before == dict(os.environ)


def test_programs_are_looked_for_where_the_agent_began(wandb, tmp_path, monkeypatch, ready):
    """A later `chdir` of the notebook changes nothing."""
    (tmp_path / "elsewhere").mkdir()
    sweep_id = sweep_of(wandb, script("pwd; echo > ready"), values=[1, 2])
    at_work = wandb.agent(sweep_id, block=False)
    ready()
    monkeypatch.chdir(tmp_path / "elsewhere")
    ready()
    assert at_work.wait(20)
    assert [f"{tmp_path}\n"] * 2 == [run.output for run in runs_of(wandb, sweep_id)]


def test_both_streams_are_kept(wandb):
    """What it prints is the run's output."""
    assert {"out", "err"} == set(tried(wandb, script("echo out; echo err >&2")).output.split())


# -- what becomes of it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "state", "code", "error"),
    [
        ("exit 0", "finished", 0, ""),
        ("echo no data >&2; exit 3", "failed", 3, "exit code 3\nThe last lines of its output:\nno data"),
        ("echo oops; kill -KILL $$", "crashed", None, "killed by SIGKILL; maybe out of memory\nThe last lines"),
        ("ulimit -c 0; kill -SEGV $$", "crashed", None, "killed by SIGSEGV; a fault in native code"),
        ("kill -INT $$", "killed", None, "killed by SIGINT"),
    ],
)
def test_exit_codes_and_signals_become_states(wandb, ends, state, code, error):
    """W&B's states, and an error that says what happened."""
    run = tried(wandb, script(ends))
    assert (state, code) == (run.state, run.exit_code)
    assert run.error.startswith(error) and bool(run.error) == bool(error)


def test_a_failed_program_does_not_end_the_sweep(wandb):
    """The next configuration is tried."""
    sweep_id = sweep_of(wandb, script('[ "$1" != --a=2 ]'), values=[1, 2, 3])
    wandb.agent(sweep_id)
    assert ["finished", "failed", "finished"] == states(wandb, sweep_id)
    assert "FINISHED" == wandb.Api().sweep(sweep_id).state


@pytest.mark.parametrize(
    ("command", "program", "says"),
    [
        (None, "nowhere.py", "there is no program 'nowhere.py' in "),
        (None, "/nowhere/train.py", "there is no program '/nowhere/train.py'"),
        (["${interpreter}", "-u", "${program}"], "nowhere.py", "write its path in `program`"),
        (["${program}", "${args}"], "./nowhere.sh", "start the agent in the folder of the program"),
        (["${env}", "${program}"], "no-such-command-at-all", "not on PATH; write './no-such-command-at-all'"),
        (["${program}"], "./plain.txt", "may not be executed; `chmod +x` it, or put ${interpreter} before it"),
        (["python", "${program}"], None, "needs one (${program})"),
        (
            ["${env}", "no-such-python", "${program}"],
            "train.py",
            "its command begins with 'no-such-python', which is neither",
        ),
        (
            ["/nowhere/python", "${program}"],
            "train.py",
            "begins with '/nowhere/python', which is neither on PATH nor a program in",
        ),
    ],
)
def test_a_missing_program_is_told_before_anything_runs(wandb, tmp_path, command, program, says):
    """Its name, the folder and the next step; the sweep has not begun, no agent has joined it."""
    Path("plain.txt").write_text("echo hi")
    sweep_id = wandb.sweep(
        {
            "method": "grid",
            "parameters": {"a": {"values": [1]}},
            **({"program": program} if program else {}),
            **({"command": command} if command else {}),
        }
    )
    with pytest.raises(wandb.UsageError) as told:
        wandb.agent(sweep_id)
    assert says in str(told.value)
    assert program is None or "command begins" in str(told.value) or program in str(told.value)
    assert program is None or "not on PATH" in says or str(tmp_path) in str(told.value)
    assert ("PENDING", []) == (wandb.Api().sweep(sweep_id).state, wandb.Api().sweep(sweep_id).runs)
    from sweepwidget.stores import current_store

    assert [] == list(current_store().agents(sweep_id))


@pytest.mark.parametrize(
    "command",
    [
        ["echo", "ssh", "elsewhere", "python", "${program}"],
        ["${interpreter}", "-m", "platform", "${program}"],
        ["${interpreter}", "-c", "pass", "${program}"],
        ["echo", "no program at all"],
    ],
)
def test_a_program_that_may_be_elsewhere_is_left_to_its_command(wandb, command):
    """Only what is certain is refused."""
    assert "finished" == tried(wandb, "there/train.py", command=command).state


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["/bin/sh", "-c", "no-such-python x"], "is it installed where this agent runs, and on its PATH?"),
        (["${args_no_boolean_flags}"], "is empty once its macros are filled in"),
    ],
)
def test_a_wrong_command_fails_the_run(wandb, command, says):
    """The run says what could not be started."""
    run = tried(wandb, python("pass"), command=command, parameters={"a": {"value": False}})
    assert "failed" == run.state
    assert says in run.error


def test_failure_rules_are_those_of_the_command_line(wandb, monkeypatch, capsys):
    """Initial failures: the n-th ends it (a function's agent goes one further); flapping: the third."""
    monkeypatch.setenv("WANDB_AGENT_DISABLE_FLAPPING", "true")
    monkeypatch.setenv("WANDB_AGENT_MAX_INITIAL_FAILURES", "4")
    failing = script("exit 1")
    sweep_id = sweep_of(wandb, failing, values=range(9))
    wandb.agent(sweep_id)
    assert ["failed"] * 4 == states(wandb, sweep_id)
    assert "Detected 4 failed runs in a row at start, killing sweep." in capsys.readouterr().err
    wandb.agent(sweep_id, max_consecutive_failed_runs=2)
    assert 6 == len(states(wandb, sweep_id))
    monkeypatch.delenv("WANDB_AGENT_DISABLE_FLAPPING")
    wandb.agent(sweep_id)
    assert 9 == len(states(wandb, sweep_id))


def test_one_success_is_outweighed_by_as_many_failures(wandb, monkeypatch):
    """The command line's rule compares failures with successes; a function's agent is safe after the first success."""
    monkeypatch.setenv("WANDB_AGENT_DISABLE_FLAPPING", "true")
    monkeypatch.setenv("WANDB_AGENT_MAX_INITIAL_FAILURES", "2")
    sweep_id = sweep_of(wandb, script('[ "$1" = --a=0 ]'), values=range(9))
    wandb.agent(sweep_id)
    assert ["finished", "failed", "failed"] == states(wandb, sweep_id)


def test_count_and_agents(wandb):
    """Several programs at a time, and as many runs as asked for."""
    sweep_id = sweep_of(wandb, script("echo $$"), values=range(20))
    wandb.agent(sweep_id, agents=3, count=7)
    runs = runs_of(wandb, sweep_id)
    assert ["finished"] * 7 == [run.state for run in runs]
    assert 7 == len({run.output for run in runs})


def test_a_local_controller_runs_programs(wandb, capsys):
    """`controller().run(agents=n)` starts what `configure_program` named."""
    steered = wandb.controller()
    steered.configure_search("grid")
    steered.configure_program(script("exit 0"))
    steered.configure_parameter("a", values=[1, 2, 3])
    steered.configure_controller("local")
    steered._configured["command"] = SCRIPT
    sweep_id = steered.create()
    steered.run(agents=2)
    assert ["finished"] * 3 == states(wandb, sweep_id)
    assert f"Sweep: {sweep_id} (grid) | Runs: 3 (Finished: 3)" in capsys.readouterr().out


# -- stopping it --------------------------------------------------------------------------------------------------------


def test_a_single_run_is_stopped(wandb, ready):
    """SIGTERM; the run is killed whatever its exit code, and the agent goes on with the next."""
    sweep_id = sweep_of(wandb, script(f'[ "$1" = --a=2 ] && exit 0; {TRAP}'), values=[1, 2])
    at_work = wandb.agent(sweep_id, block=False)
    ready()
    runs_of(wandb, sweep_id)[0].stop()
    assert at_work.wait(20)
    runs = runs_of(wandb, sweep_id)
    assert [("killed", 0), ("finished", 0)] == [(run.state, run.exit_code) for run in runs]
    assert "got TERM" in runs[0].output


def test_a_run_claimed_while_the_agent_is_stopped_is_stopped_too(wandb, monkeypatch):
    """However late the claim comes back, `stop(now=True)` leaves nothing running."""
    from sweepwidget.stores import current_store

    sweep_id = sweep_of(wandb, script("sleep 60"))
    store, started = current_store(), threading.Event()
    claim = store.claim

    def late_claim(*args):
        run = claim(*args)
        if run is not None:
            started.wait(20)
            at_work.stop(now=True)
        return run

    monkeypatch.setattr(store, "claim", late_claim)
    at_work = wandb.agent(sweep_id, block=False)
    started.set()
    assert at_work.wait(20)
    assert ["killed"] == states(wandb, sweep_id)


@pytest.mark.parametrize(("order", "state"), [("cancel", "killed"), ("stop", "finished")])
def test_orders_for_the_sweep(wandb, ready, tmp_path, order, state):
    """cancel ends programs, stop lets them come to their end."""
    os.mkfifo(tmp_path / "go")
    sweep_id = sweep_of(wandb, script("echo > ready; cat go"), values=[1, 2])
    at_work = wandb.agent(sweep_id, block=False)
    ready()
    getattr(wandb, order)(sweep_id)
    if order == "stop":
        (tmp_path / "go").write_text("on\n")
    assert at_work.wait(20)
    assert [state] == states(wandb, sweep_id)[:1]


@pytest.mark.parametrize("how", ["term_timeout", "WANDB_AGENT_KILL_DELAY"])
def test_a_program_that_ignores_sigterm_is_killed_after_the_delay(wandb, ready, monkeypatch, how):
    """The delay is an argument, else W&B's variable."""
    timeout = {"term_timeout": 0.1} if how == "term_timeout" else {}
    if not timeout:
        monkeypatch.setenv(how, "0.1")
    sweep_id = sweep_of(wandb, script(STUBBORN))
    at_work = wandb.agent(sweep_id, block=False, **timeout)
    ready()
    at_work.stop(now=True)
    assert at_work.wait(10)
    (run,) = runs_of(wandb, sweep_id)
    assert ("killed", "it did not end after SIGTERM and was killed") == (run.state, run.error)


def test_an_interrupt_stops_programs_with_sigterm(wandb, ready, capsys):
    """Ctrl-C: W&B's words, the program tidies up, its run is killed, KeyboardInterrupt is raised; nothing new begins."""
    sweep_id = sweep_of(wandb, script(TRAP), values=[1, 2])
    sender = signal_when(ready, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        wandb.agent(sweep_id)
    sender.join()
    (run,) = runs_of(wandb, sweep_id)
    assert "killed" == run.state
    assert "got TERM" in run.output
    said = capsys.readouterr().err
    assert "Ctrl + C detected. Stopping sweep." in said
    assert "told to end (SIGTERM). Press Ctrl + C again to kill them." in said


def test_a_second_interrupt_kills(wandb, ready, tmp_path):
    """A program that does not obey is not waited for (the kill delay is 30 s)."""
    os.mkfifo(tmp_path / "again")
    sweep_id = sweep_of(wandb, script("trap 'echo > again' TERM; echo $$; echo > ready; while :; do sleep 0.01; done"))
    sender = signal_when(ready, signal.SIGINT, signal.SIGINT, again=(tmp_path / "again").read_text)
    with pytest.raises(KeyboardInterrupt):
        wandb.agent(sweep_id)
    sender.join()
    (run,) = runs_of(wandb, sweep_id)
    assert "killed" == run.state
    assert not psutil.pid_exists(int(run.output.split()[0]))


def test_an_interrupt_of_an_inline_agent(wandb, ready):
    """backend="inline" is about functions: a program is stopped as always."""
    sweep_id = sweep_of(wandb, script(TRAP), values=[1, 2])
    sender = signal_when(ready, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        wandb.agent(sweep_id, backend="inline")
    sender.join()
    (run,) = runs_of(wandb, sweep_id)
    assert "killed" == run.state
    assert "got TERM" in run.output


def test_two_attempts_of_a_run_in_one_process_end_apart(wandb):
    """One that lost its run may still be at work when another agent here has it: each is signalled until its own end."""
    begun, may_end, heard = [{attempt: threading.Event() for attempt in (1, 2)} for _ in range(2)] + [[]]

    class Attempt(ProcessTrial):
        def _try(self, row, folder, worker):
            worker.started(lambda signum: heard.append((row.attempt, signum)))
            begun[row.attempt].set()
            assert may_end[row.attempt].wait(20)
            return Ended(Outcome(RunState.finished))

    attempts = Attempt(current_store())
    with ThreadPoolExecutor(2) as pool:
        ends = []
        for attempt in (1, 2):
            ends.append(pool.submit(attempts, Run(RunId("one"), None, 1, {}, attempt=attempt)))
            assert begun[attempt].wait(20)
        for end, attempt in zip(ends, (1, 2), strict=True):
            assert attempts.send(attempt)
            may_end[attempt].set()
            assert end.result(20).outcome.state is RunState.finished
    assert not attempts.send(3)
    assert [(1, 1), (2, 1), (2, 2)] == sorted(heard)


# -- forward_signals ----------------------------------------------------------------------------------------------------


@pytest.fixture
def got_term():
    """SIGTERM to this process is only noted."""
    got = []
    before = signal.signal(signal.SIGTERM, lambda signum, _: got.append(signum))
    yield got
    signal.signal(signal.SIGTERM, before)


def test_a_signal_is_passed_on_first(wandb, ready, got_term, capsys):
    """The program gets it as it is, and decides how its run ends; no further run begins; then it is this process's turn."""
    sweep_id = sweep_of(wandb, script(TRAP), values=[1, 2])
    sender = signal_when(ready, signal.SIGTERM)
    wandb.agent(sweep_id, forward_signals=True)
    sender.join()
    (run,) = runs_of(wandb, sweep_id)
    assert "finished" == run.state
    assert "got TERM" in run.output
    assert [signal.SIGTERM] == got_term
    assert "SIGTERM was passed on to the programs at work." in capsys.readouterr().err


def test_an_interrupt_is_passed_on_first(wandb, ready):
    """SIGINT reaches the program as SIGINT; then KeyboardInterrupt is raised."""
    before = signal.getsignal(signal.SIGINT)
    sweep_id = sweep_of(wandb, script("trap 'echo got INT; exit 0' INT; echo > ready; while :; do sleep 0.01; done"))
    sender = signal_when(ready, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        wandb.agent(sweep_id, forward_signals=True)
    sender.join()
    (run,) = runs_of(wandb, sweep_id)
    assert "finished" == run.state
    assert "got INT" in run.output
    assert before == signal.getsignal(signal.SIGINT)


def test_further_signals_end_what_does_not_obey(wandb, ready, tmp_path, got_term):
    """The second one stops the programs (SIGTERM), the third kills them."""
    os.mkfifo(tmp_path / "again")
    text = "trap 'echo got USR1' USR1; trap 'echo > again' TERM; echo > ready; while :; do sleep 0.01; done"
    sweep_id = sweep_of(wandb, script(text))
    again = (tmp_path / "again").read_text
    sender = signal_when(ready, signal.SIGTERM, signal.SIGTERM, signal.SIGTERM, again=again)
    wandb.agent(sweep_id, forward_signals=True)
    sender.join()
    assert ["killed"] == states(wandb, sweep_id)
    assert [signal.SIGTERM] == got_term


def test_a_function_has_no_process_to_pass_signals_on_to(wandb):
    """Its run comes to its end, no further one begins, then the interrupt takes effect."""
    sweep_id = wandb.sweep({"method": "grid", "parameters": {"a": {"values": [1, 2]}}})
    with pytest.raises(KeyboardInterrupt):
        wandb.agent(sweep_id, function=lambda: os.kill(os.getpid(), signal.SIGINT), forward_signals=True)
    assert ["finished"] == states(wandb, sweep_id)


def test_forwarding_needs_the_main_thread(wandb):
    """Signals go to the main thread only; asking for what cannot be is an error before anything runs."""
    sweep_id = sweep_of(wandb, script("exit 0"))
    with pytest.raises(wandb.UsageError, match="needs block=True and the main thread"):
        wandb.agent(sweep_id, forward_signals=True, block=False)
    errors = []

    def elsewhere():
        with pytest.raises(wandb.UsageError) as error:
            wandb.agent(sweep_id, forward_signals=True)
        errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert 1 == len(errors)
    assert [] == wandb.Api().sweep(sweep_id).runs


def test_ignored_signals_stay_ignored(wandb, ready):
    """Under `nohup` and the like."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sweep_id = sweep_of(wandb, script("trap 'exit 3' INT; echo > ready; sleep 0.2"))
        sender = signal_when(ready, signal.SIGINT)
        wandb.agent(sweep_id, forward_signals=True)
        sender.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert ["finished"] == states(wandb, sweep_id)


# -- programs that log --------------------------------------------------------------------------------------------------


def test_init_attaches_to_the_run(wandb):
    """Same run, the sweep's values over init's, locked; what it logs, and its summary, are the run's."""
    program = python("""
import sweepwidget as wandb
with wandb.init(project="x", name="mine", tags=["t"], config={"a": 7, "b": {"c": 1}, "own": 2}) as run:
    assert wandb.run is run and run.sweep_id, run
    run.config.a = 9
    run.config.more = 5
    print("config", dict(run.config))
    wandb.define_metric("acc", summary="max")
    for step in range(3):
        wandb.log({"loss": 1.0 / (step + 1), "acc": [0.5, 0.9, 0.8][step]})
    wandb.summary["best"] = 0.25
assert wandb.run is None
try:
    run.log({"loss": 1})
except wandb.UsageError as error:
    print("after finish:", error)
""")
    run = tried(wandb, program, parameters={"a": {"value": 1}, "b": {"parameters": {"d": {"value": 2}}}})
    assert ("finished", "") == (run.state, run.error)
    assert {"a": 1, "b": {"c": 1, "d": 2}, "own": 2, "more": 5} == run.config
    assert ("mine", ["t"]) == (run.name, run.tags)
    assert [(0, 1.0), (1, 0.5), (2, 1 / 3)] == [(row["_step"], row["loss"]) for row in run.scan_history()]
    assert {"loss": 1 / 3, "acc": {"max": 0.9}, "best": 0.25, "_step": 2}.items() <= run.summary.items()
    assert 0 < run.summary["_runtime"] < 60
    assert "Ignoring project 'x' when running a sweep." in run.output
    assert "Config item 'a' was locked by 'sweep' (ignored update)." in run.output
    assert "after finish: Run" in run.output


@pytest.mark.slow
def test_its_child_processes_log_to_the_same_run(wandb):
    """Forked, spawned and started ones, with and without an `init()` of their own."""
    program = python("""
import multiprocessing, os, subprocess, sys
import sweepwidget as wandb

def work(name, init):
    if init:
        assert wandb.init().id == os.environ["WANDB_RUN_ID"]
    wandb.log({name: 1.0})
    wandb.log({name: 2.0})

if __name__ == "__main__":
    if "child" in sys.argv:
        sys.exit(work("started", True))
    wandb.init()
    wandb.log({"first": 1.0})
    for name, init in (("forked", False), ("forked_init", True)):
        pid = os.fork()
        if not pid:
            work(name, init)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    for method in ("fork", "spawn"):
        process = multiprocessing.get_context(method).Process(target=work, args=(method, method == "spawn"))
        process.start()
        process.join()
        assert process.exitcode == 0
    subprocess.run([sys.executable, __file__, "child"], check=True)
    wandb.log({"last": 1.0})
""")
    run = tried(wandb, program)
    assert ("finished", "") == (run.state, run.error)
    logged = {key for row in run.scan_history() for key in row if not key.startswith("_")}
    children = {"forked", "forked_init", "fork", "spawn", "started"}
    assert {"first", "last", *children} == logged
    assert {"first", "last", *children} <= run.summary.keys()
    assert [1.0, 2.0] == [row["started"] for row in run.scan_history(["started"])]


@pytest.mark.slow
def test_hyperband_stops_a_program(wandb):
    """Its points reach the store while it runs; the weak one gets SIGTERM and ends as stopped, with the reason."""
    program = python("""
import sys, time
import sweepwidget as wandb
run = wandb.init()
for step in range(5000):
    run.log({"loss": float(run.config.a)})
    time.sleep(0 if run.config.a == 1 else 0.005)
""")
    sweep_id = sweep_of(wandb, program, values=[1, 2], early_terminate={"type": "hyperband", "min_iter": 3})
    wandb.agent(sweep_id)
    strong, weak = runs_of(wandb, sweep_id)
    assert ["finished", "stopped"] == [strong.state, weak.state]
    assert "hyperband" in weak.stop_reason
    assert 2 <= weak.summary["_step"] == len(weak.scan_history()) - 1 < 4999


def test_a_stopped_program_may_tidy_up(wandb, ready):
    """What its SIGTERM handler logs is kept, also in the summary."""
    program = python("""
import signal, sys, threading
import sweepwidget as wandb
run = wandb.init()
def leave(*_):
    run.log({"loss": 0.5})
    run.summary["saved"] = "model.pt"
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
run.log({"loss": 1.0})
open("ready", "w").close()
threading.Event().wait()
""")
    sweep_id = sweep_of(wandb, program)
    at_work = wandb.agent(sweep_id, block=False)
    ready()
    at_work.stop(now=True)
    assert at_work.wait(20)
    (run,) = runs_of(wandb, sweep_id)
    assert "killed" == run.state
    assert [1.0, 0.5] == [row["loss"] for row in run.scan_history()]
    assert {"loss": 0.5, "saved": "model.pt", "_step": 1}.items() <= run.summary.items()


def test_a_killed_program_loses_no_point(wandb):
    """Everything that `log()` had returned from is in the store, and the summary is up to date."""
    program = python("""
import os, signal
import sweepwidget as wandb
run = wandb.init()
for step in range(5000):
    run.log({"loss": float(step), "note": "x" if step % 1000 == 0 else None})
os.kill(os.getpid(), signal.SIGKILL)
""")
    run = tried(wandb, program)
    assert "crashed" == run.state
    assert "SIGKILL" in run.error
    history = run.scan_history()
    assert [float(step) for step in range(5000)] == [row["loss"] for row in history]
    assert 5 == sum(row["note"] == "x" for row in history)
    assert {"loss": 4999.0, "_step": 4999}.items() <= run.summary.items()


def test_an_exit_code_given_to_finish(wandb):
    """W&B's rule: the run has failed, though its process ends well."""
    run = tried(wandb, python("import sweepwidget as wandb; wandb.init().finish(exit_code=3)"))
    assert ("failed", 3) == (run.state, run.exit_code)
    assert "run.finish(exit_code=3)" in run.error


@pytest.mark.parametrize("ends", ["sys.exit(1)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_preempted_program_is_run_again(wandb, ends):
    """After `mark_preempting()`, any bad end sends the run back to wait; its next attempt goes on, and can tell."""
    program = python(f"""
import os, signal, sys
import sweepwidget as wandb
run = wandb.init()
run.log({{"loss": 1.0}})
if not run.resumed:
    run.mark_preempting()
    {ends}
run.log({{"loss": 0.5}})
""")
    run = tried(wandb, program)
    assert ("finished", 2) == (run.state, run.attempt)
    assert [1.0, 0.5] == [row["loss"] for row in run.scan_history()]


@pytest.mark.slow
def test_a_program_that_only_ever_is_preempted_ends_the_agent(wandb, capsys):
    """W&B counts bad exit codes; otherwise the same run would come back for ever."""
    program = python("import sys, sweepwidget as wandb; wandb.init().mark_preempting(); sys.exit(1)")
    sweep_id = sweep_of(wandb, program)
    wandb.agent(sweep_id)
    assert "Detected 3 failed runs in the first 60 seconds, killing sweep." in capsys.readouterr().err
    (run,) = wandb.Api().sweep(sweep_id).runs
    assert ("preempted", 3) == (run.state, run.attempt)


def test_a_program_whose_run_is_over_is_told_so(wandb, monkeypatch):
    """`init()` in a program that outlived its run does not write into it."""
    run = tried(wandb, script("exit 0"))
    monkeypatch.setenv("SWEEPWIDGET_RUN", f"{run.id}:1")
    with pytest.raises(wandb.Error, match=f"started for run {run.id}.*finished.*unset SWEEPWIDGET_RUN"):
        wandb.init()
