"""The command line (reference §5): W&B's commands, texts and exit statuses; real processes where signals and pipes matter."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sweepwidget import cli
from sweepwidget.cli import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="programs here are shell scripts")

FILE = """\
method: grid
metric: {name: loss}
program: ./train.sh
command: ["${program}", "${args}"]
parameters:
  a: {values: [1, 2, 3]}
"""


@pytest.fixture
def file(wandb):
    """A sweep file and its program, in the test's own folder, with the test's own store."""
    write_program("echo hi")
    Path("sweep.yaml").write_text(FILE)
    return "sweep.yaml"


def write_program(text):
    Path("train.sh").write_text(f"#!/bin/sh\n{text}\n")
    Path("train.sh").chmod(0o755)


def created(capsys, *options, file="sweep.yaml"):
    """The id of a new sweep: as scripts find it, the last word of what is printed."""
    assert 0 == main(["sweep", file, *options])
    return capsys.readouterr().out.split()[-1]


def failed(capsys, *argv):
    """What is said on stderr by a command that fails."""
    assert 1 == main(list(argv))
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def sweeps(wandb):
    return [sweep.id for sweep in wandb.Api().sweeps()]


def states(wandb, sweep_id):
    return [run.state for run in wandb.Api().sweep(sweep_id).runs if run.state != "pending"]


def process(*argv, **options):
    """The command as a process, on the store of the test."""
    env = {**os.environ, "SWEEPWIDGET_STORE": f"{os.getcwd()}/sweeps.db", **options.pop("env", {})}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "sweepwidget", *argv], env=env, **{**streams, **options})


def done(*argv, **options):
    """(exit status, stdout, stderr) of a process that comes to its end."""
    running = process(*argv, **options)
    out, err = running.communicate(timeout=60)
    return running.returncode, out, err


# -- sweep FILE ---------------------------------------------------------------------------------------------------------


def test_sweep_says_what_w_and_b_says(wandb, file, capsys):
    """The id is the last word of the last line, where scripts look for it; the sweep waits for an agent."""
    assert 0 == main(["sweep", file])
    (sweep_id,) = sweeps(wandb)
    assert (
        "Creating sweep from: sweep.yaml\n"
        f"Creating sweep with ID: {sweep_id}\n"
        f"Run sweep agent with: sweepwidget agent {sweep_id}\n"
    ) == capsys.readouterr().out
    assert "PENDING" == wandb.Api().sweep(sweep_id).state


def test_options_go_over_the_file(wandb, file, capsys):
    """Name, program, project and entity."""
    options = ["--name", "mine", "--program", "other.py", "-p", "proj", "-e", "me"]
    sweep = wandb.Api().sweep(created(capsys, *options))
    assert ("mine", "other.py", "proj", "me") == (sweep.name, sweep.config["program"], sweep.project, sweep.entity)


def test_json_files(wandb, file, capsys):
    """A configuration may be JSON, whatever its name."""
    Path("sweep.conf").write_text(json.dumps({"method": "grid", "parameters": {"a": {"values": [1]}}}))
    assert "grid" == wandb.Api().sweep(created(capsys, file="sweep.conf")).config["method"]


def test_prior_runs(wandb, file, capsys):
    """`-R` runs are known to the new sweep; one that is not there leaves no sweep behind."""
    first = created(capsys)
    main(["agent", first, "--count", "2"])
    one, two = (run.id for run in wandb.Api().sweep(first).runs[:2])
    capsys.readouterr()
    second = created(capsys, "-R", one, "--prior_run", two)
    assert [{"a": 1}, {"a": 2}] == [run.config for run in wandb.Api().sweep(second).runs]
    assert "nosuchrun" in failed(capsys, "sweep", file, "-R", "nosuchrun")
    assert [second, first] == sweeps(wandb)


def test_violations_warn(wandb, file, capsys):
    """W&B's words on stderr; the sweep is kept."""
    Path(file).write_text(FILE + "foo: 1\n")
    assert 0 == main(["sweep", file])
    assert "Malformed sweep config detected!" in capsys.readouterr().err
    assert 1 == len(sweeps(wandb))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "Couldn't open sweep file: bad.yaml (No such file or directory)"),
        (b"\xff\xfe\xff", "Couldn't open sweep file: bad.yaml ("),
        (b" \n", "Configuration file is empty: bad.yaml"),
        (b"a: [", "Error in sweep file: bad.yaml: not YAML"),
        (b"- 1\n", "Error in sweep file: bad.yaml: Sweep config must be parsable as a JSON object."),
        (b"method: gird\nparameters: {a: {value: 1}}", "Error in sweep file: bad.yaml: method: 'gird' is not one of"),
        (b"method: bayes", "Error in sweep file: bad.yaml: 2 problems in this sweep:\n"),
        (b"controller: {type: local}\nmethod: grid", "Error in sweep file: bad.yaml: parameters: "),
    ],
)
def test_files_that_cannot_be_used(wandb, capsys, text, says):
    """W&B's words, the file, and what is wrong; nothing is kept."""
    if text is not None:
        Path("bad.yaml").write_bytes(text)
    assert f"sweepwidget: ERROR {says}" in failed(capsys, "sweep", "bad.yaml")
    assert [] == sweeps(wandb)


def test_a_folder_is_no_file(wandb, capsys):
    """Nor is anything else that cannot be read."""
    assert "Couldn't open sweep file: . (Is a directory)" in failed(capsys, "sweep", ".")


def test_update_before_the_start(wandb, file, capsys):
    """A pending sweep takes the file's configuration; one that has started does not."""
    sweep_id = created(capsys)
    Path(file).write_text(FILE.replace("[1, 2, 3]", "[7]"))
    assert 0 == main(["sweep", "--update", sweep_id, file])
    assert f"Updating sweep from: sweep.yaml\nUpdating sweep with ID: {sweep_id}\n" == capsys.readouterr().out
    assert [sweep_id] == sweeps(wandb)
    main(["agent", f"e/p/{sweep_id}"])
    assert [{"a": 7}] == [run.config for run in wandb.Api().sweep(sweep_id).runs]
    assert "cannot reconfigure sweep which has already started" in failed(capsys, "sweep", file, "--update", sweep_id)
    assert "no sweep 'nosuchid'" in failed(capsys, "sweep", file, "--update", "nosuchid")


# -- sweep --stop and its like ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [["sweep"], []])
def test_orders(wandb, file, capsys, form):
    """W&B's form, and the short one; the answer says where the sweep stands."""
    sweep_id = created(capsys)
    assert "Cannot pause pending sweep." in failed(capsys, *form, "--pause", sweep_id)
    main(["agent", sweep_id, "--count", "1"])
    capsys.readouterr()
    for order, state in [("pause", "PAUSED"), ("pause", "PAUSED"), ("resume", "RUNNING"), ("stop", "FINISHED")]:
        assert 0 == main([*form, f"--{order}", sweep_id])
        assert f"Sweep {sweep_id} is {state}: " in capsys.readouterr().out
        assert state == wandb.Api().sweep(sweep_id).state
    for order in ("stop", "cancel", "pause", "resume"):
        assert "Sweep already finished." in failed(capsys, *form, f"--{order}", sweep_id)
    other = created(capsys)
    assert 0 == main([*form, "--cancel", f"project/{other}"])
    assert "CANCELED" == wandb.Api().sweep(other).state
    assert "no sweep 'nosuchid'" in failed(capsys, *form, "--stop", "nosuchid")


# -- agent --------------------------------------------------------------------------------------------------------------


def test_agent_runs_the_program_to_the_end(wandb, file, capsys):
    """Exit status 0; a further one has nothing to do, and says so."""
    sweep_id = created(capsys)
    assert 0 == main(["agent", sweep_id])
    assert "sweepwidget: Starting sweepwidget agent" in capsys.readouterr().err
    assert ["finished"] * 3 == states(wandb, sweep_id)
    assert 0 == main(["agent", sweep_id])
    assert "is not running (it is FINISHED: grid spent (3 runs))" in capsys.readouterr().err


def test_agent_count_and_agents(wandb, file, capsys):
    """As many runs as asked for, several at a time."""
    sweep_id = created(capsys)
    assert 0 == main(["agent", "--count", "2", "--agents", "2", sweep_id, "-p", "x", "-e", "y"])
    assert ["finished"] * 2 == states(wandb, sweep_id)


def test_agent_that_gives_up(wandb, file, capsys):
    """The failure rules end it with exit status 1, W&B's words, and where to look."""
    write_program("echo no data >&2; exit 1")
    sweep_id = created(capsys)
    assert 1 == main(["agent", sweep_id, "--max-consecutive-failed-runs", "2"])
    said = capsys.readouterr().err
    assert "Detected 2 consecutive failed runs, killing sweep." in said
    folder = Path(re.search("What its runs printed is in (.*)", said)[1])
    assert ["no data\n"] * 2 == [log.read_text() for log in folder.glob("*/output.log")]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["agent", "nosuchid"], "no sweep 'nosuchid' in "),
        (["agent", "a/b/c/d"], "Expected sweep_id in form of sweep, project/sweep, or entity/project/sweep"),
        (["controller", "nosuchid"], "no sweep 'nosuchid' in "),
    ],
)
def test_unknown_sweeps(wandb, capsys, argv, says):
    """Exit status 1, and where it was looked for."""
    assert says in failed(capsys, *argv)


def test_agent_without_a_program(wandb, file, capsys):
    """Nothing to run, or nothing where it is looked for: told before anything runs."""
    missing = created(capsys, "--program", "./nowhere.sh")
    assert "there is no program './nowhere.sh' in " in failed(capsys, "agent", missing)
    Path("none.yaml").write_text("method: grid\nparameters: {a: {value: 1}}")
    sweep_id = created(capsys, file="none.yaml")
    assert "names no program" in failed(capsys, "agent", sweep_id)
    assert [] == wandb.Api().sweep(sweep_id).runs


def test_agent_says_what_it_waits_for(wandb, file, capsys):
    """A paused sweep, or one with a local controller, and the command that helps."""
    from sweepwidget import cli

    args = argparse.Namespace(store=None)
    paused = created(capsys)
    main(["agent", paused, "--count", "1"])
    wandb.pause(paused)
    cli._say_what_it_waits_for(cli.locate(paused)[1], args)
    assert f"is paused (paused by the user). Go on with: sweepwidget sweep --resume {paused}" in capsys.readouterr().err
    Path("local.yaml").write_text(FILE + "controller: {type: local}\n")
    local = created(capsys, file="local.yaml")
    cli._say_what_it_waits_for(cli.locate(local)[1], args)
    assert f"sweepwidget controller {local}" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_ends_an_agent(wandb, file, capsys):
    """SIGINT: the program gets SIGTERM and may tidy up, its run is killed, exit status 130."""
    os.mkfifo("ready")
    write_program("trap 'echo tidy; exit 0' TERM; echo > ready; while :; do sleep 0.01; done")
    sweep_id = created(capsys)
    agent = process("agent", sweep_id)
    Path("ready").read_text()
    agent.send_signal(signal.SIGINT)
    _, err = agent.communicate(timeout=30)
    assert 130 == agent.returncode
    assert "Ctrl + C detected. Stopping sweep." in err
    assert "Traceback" not in err
    assert ["killed"] == states(wandb, sweep_id)
    assert "tidy" in wandb.Api().sweep(sweep_id).runs[0].output


@pytest.mark.slow
def test_a_forwarded_signal_ends_an_agent(wandb, file, capsys):
    """`-f`: the program decides how its run ends, then the agent ends by the same signal."""
    os.mkfifo("ready")
    write_program("trap 'exit 0' TERM; echo > ready; while :; do sleep 0.01; done")
    sweep_id = created(capsys)
    agent = process("agent", "-f", sweep_id)
    Path("ready").read_text()
    agent.terminate()
    _, err = agent.communicate(timeout=30)
    assert -signal.SIGTERM == agent.returncode
    assert "1 run in" in err  # the last look at the progress was not lost
    assert ["finished"] == states(wandb, sweep_id)


@pytest.mark.slow
def test_a_killed_agent_leaves_no_process_behind(wandb, file, capsys):
    """SIGKILL of the agent ends the program and its workers; the run is tried again by the next agent."""
    os.mkfifo("ready")
    write_program("[ -p ready ] || exit 0; sleep 600 & echo $$ $! > ready; wait")
    sweep_id = created(capsys)
    agent = process("agent", sweep_id, "--count", "1")
    pids = [int(pid) for pid in Path("ready").read_text().split()]
    processes = [psutil.Process(pid) for pid in pids]
    agent.kill()
    agent.communicate(timeout=30)
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert [] == [left for left in alive if left.status() != psutil.STATUS_ZOMBIE]
    Path("ready").unlink()
    assert 0 == main(["agent", sweep_id, "--count", "1"])
    first = wandb.Api().sweep(sweep_id).runs[0]
    assert ("finished", 2) == (first.state, first.attempt)


# -- controller ---------------------------------------------------------------------------------------------------------


def test_controller_with_agents_of_its_own(wandb, file, capsys):
    """W&B's status lines on stdout until the sweep has ended; with --verbose what is scheduled."""
    Path(file).write_text(FILE + "controller: {type: local}\n")
    sweep_id = created(capsys)
    assert 0 == main(["controller", sweep_id, "--agents", "2", "--verbose"])
    said = capsys.readouterr()
    assert f"Sweep: {sweep_id} (grid) | Runs: 3 (Finished: 3)\n" in said.out
    assert "INFO: Schedule (a=1)" in said.out
    assert "sweepwidget: Starting sweepwidget controller" in said.err
    assert ["finished"] * 3 == states(wandb, sweep_id)


@pytest.mark.slow
def test_sweep_with_a_local_controller(wandb, file):
    """`--controller` keeps the sweep as one with a local controller and steers it, for agents elsewhere."""
    steering = process("sweep", "--controller", file)
    lines = [steering.stdout.readline() for _ in range(3)]
    sweep_id = lines[2].split()[-1]
    assert {"type": "local"} == wandb.Api().sweep(sweep_id).config["controller"]
    assert 0 == main(["agent", sweep_id])
    out, err = steering.communicate(timeout=30)
    assert 0 == steering.returncode, err
    assert "Runs: 3 (Finished: 3)" in out
    assert ["finished"] * 3 == states(wandb, sweep_id)


# -- ls -----------------------------------------------------------------------------------------------------------------


def test_ls(wandb, file, capsys):
    """One line each, newest first: id, state, method, runs by state, best value, name."""
    assert 0 == main(["ls"])
    assert f"No sweeps in sqlite:///{os.getcwd()}/sweeps.db. Create one with: sweepwidget sweep FILE\n" == (
        capsys.readouterr().out
    )
    plain = created(capsys, "--name", "two\nlines")
    losses = {1: 0.5, 2: float("nan"), 3: 0.123456}
    maximize = wandb.sweep(
        {
            "method": "grid",
            "metric": {"name": "acc", "goal": "maximize"},
            "parameters": {"a": {"values": list(losses)}},
        }
    )

    def train():
        wandb.init()
        wandb.log({"acc": losses[wandb.config.a]})
        if wandb.config.a == 3:
            raise ValueError

    wandb.agent(maximize, function=train)
    capsys.readouterr()
    assert 0 == main(["ls"])
    assert [
        ["ID", "STATE", "METHOD", "RUNS", "BEST", "NAME"],
        [maximize, "FINISHED", "grid", "2 finished, 1 failed", "acc 0.5", "-"],
        [plain, "PENDING", "grid", "-", "-", "two lines"],
    ] == [re.split("  +", line) for line in capsys.readouterr().out.splitlines()]


def test_ls_shows_the_newest(wandb, capsys):
    """Twenty, and how many more there are; `--all` shows them all."""
    ids = [wandb.sweep({"method": "grid", "parameters": {"a": {"value": i}}}) for i in range(23)][::-1]
    capsys.readouterr()
    main(["ls"])
    *lines, last = capsys.readouterr().out.splitlines()
    assert ids[:20] == [line.split()[0] for line in lines[1:]]
    assert "... and 3 older: sweepwidget ls --all" == last
    main(["ls", "--all"])
    assert ids == [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]


# -- everything else ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["bogus"], "invalid choice: 'bogus'"),
        (["agent"], "required: ID"),
        (["sweep"], "required: FILE | ID"),
        (["agent", "x", "--count", "-1"], "argument --count: expected a whole number from 0 on, not '-1'"),
        (["agent", "x", "--agents", "0"], "argument --agents: expected a whole number from 1 on, not '0'"),
        (["agent", "x", "-t", "soon"], "argument -t/--term-timeout: expected seconds, not 'soon'"),
        (["agent", "x", "-t", "nan"], "expected seconds, not 'nan'"),
        (["agent", "x", "--max-consecutive-failed-runs", "0"], "expected a whole number from 1 on"),
        (["sweep", "--stop", "--pause", "x"], "not allowed with argument --stop"),
        (["--stop", "x", "--pause", "y"], "not allowed with argument --stop"),
    ],
)
def test_wrong_calls(capsys, argv, says):
    """Exit status 2, the usage and what is wrong."""
    with pytest.raises(SystemExit) as left:
        main(argv)
    said = capsys.readouterr().err
    assert 2 == left.value.code
    assert "usage: sweepwidget" in said and says in said


def test_no_command_shows_the_help(capsys):
    """Also a wrong call, so exit status 2."""
    assert 2 == main([])
    assert "sweepwidget agent 3k9x0q2a" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], ["sweep", "agent", "controller", "ls", "schema", "demo", "--stop ID", "examples:"]),
        (["sweep"], ["--stop | --cancel | --pause | --resume ID", "--update ID", "--controller", "--program"]),
        (["agent"], ["--count N", "--agents N", "-f, --forward-signals", "-t S", "--max-consecutive-failed-runs N"]),
        (["controller"], ["--verbose", "--agents N"]),
        (["ls"], ["--all"]),
        (["demo"], ["--runs N", "--agents N"]),
    ],
)
def test_help(capsys, command, words):
    """Every command says what it takes, in plain ASCII."""
    with pytest.raises(SystemExit) as left:
        main([*command, "--help"])
    said = capsys.readouterr().out
    assert 0 == left.value.code
    assert [] == [word for word in [*words, "--store PATH"] if word not in said]
    assert said.isascii()


def test_the_schema_is_published(capsys):
    """What an editor needs to complete and check sweep files."""
    import json

    import jsonschema

    assert 0 == main(["schema"])
    check = jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out))
    assert check.is_valid({"method": "grid", "parameters": {"a": {"values": [1, 2]}}})
    assert not check.is_valid({"method": "gird", "parameters": {"a": {"values": [1, 2]}}})


def test_the_store_is_chosen_by_option(wandb, file, capsys):
    """`--store`, before or after the command, goes over the environment; what to type next names it."""
    assert 0 == main(["--store", "other place.db", "sweep", file])
    *_, sweep_id = told = capsys.readouterr().out.split()
    assert ["sweepwidget", "--store", "'other", "place.db'", "agent", sweep_id] == told[-6:]
    assert 0 == main(["ls", "--store", "other place.db"])
    assert sweep_id in capsys.readouterr().out
    wandb.use_store("sweeps.db")
    assert [] == sweeps(wandb)


@pytest.mark.parametrize(
    "store", ["postgresql://me:hunter2hunter2hunter2@localhost/lab", "http://localhost:1/s1#hunter2hunter2hunter2"]
)
def test_what_to_type_next_holds_no_secret(store, monkeypatch):
    """It is printed, and kept by notebooks and logs."""
    monkeypatch.setattr(cli, "current_store", lambda: argparse.Namespace(url="postgresql://me@localhost/lab"))
    shown = cli._command("agent s1", argparse.Namespace(store=store))
    assert "hunter2" not in shown
    assert "localhost" in shown


def test_a_store_that_cannot_be_opened(wandb, capsys):
    """An error that says which, and what to do."""
    Path("notes.txt").write_text("not a store at all\n" * 50)
    assert "notes.txt" in failed(capsys, "ls", "--store", "notes.txt")
    assert "sweepwidget: ERROR" in failed(capsys, "ls", "--store", "/dev/null/x.db")


def test_errors_are_told_even_in_silence(wandb, capsys, monkeypatch):
    """WANDB_SILENT hides what is going on, not why a command failed."""
    monkeypatch.setenv("WANDB_SILENT", "true")
    assert "sweepwidget: ERROR no sweep 'nosuchid'" in failed(capsys, "agent", "nosuchid")


@pytest.mark.slow
def test_as_a_module_with_the_store_of_the_environment(wandb, file):
    """`python -m sweepwidget`, and SWEEPWIDGET_STORE; the whole way from file to best value."""
    status, out, _ = done("sweep", file, "--name", "名")
    assert 0 == status
    sweep_id = out.split()[-1]
    assert [sweep_id] == sweeps(wandb)
    assert 0 == done("agent", sweep_id)[0]
    status, out, err = done("ls", env={"PYTHONIOENCODING": "ascii"})
    assert (0, "") == (status, err)
    assert f"{sweep_id}  FINISHED  grid    3 finished  -     \\u540d" == out.splitlines()[1]
    assert (1, "") == done("agent", "nosuchid")[:2]


def test_a_reader_that_goes_away(wandb, file, capsys):
    """`sweepwidget ls | head -0` ends quietly."""
    created(capsys)
    reader, writer = os.pipe()
    os.close(reader)
    status, _, err = done("ls", stdout=writer)
    os.close(writer)
    assert (0, "") == (status, err)


def test_version(capsys):
    """`--version` says ours."""
    from importlib.metadata import version

    with pytest.raises(SystemExit):
        main(["--version"])
    assert f"sweepwidget {version('sweepwidget')}\n" == capsys.readouterr().out
