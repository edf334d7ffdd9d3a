"""The local controller: W&B's forms, output lines and errors, and all three loops of its documentation (reference §4)."""

import asyncio
import itertools
import threading
import time

import pytest

from sweepwidget.loop import spawn
from sweepwidget.sweeps import EnvelopeEarlyTerminate, GridSearch, HyperbandEarlyTerminate, RandomSearch, SweepRun

GRID = {"name": "My Sweep", "method": "grid", "parameters": {"parameter1": {"values": [1, 2, 3]}}}
LOCAL = {**GRID, "controller": {"type": "local"}}


def train():
    import sweepwidget as wandb

    wandb.init()
    parameter1 = wandb.config.get("parameter1", 0)
    for x in range(5):
        wandb.log({"dog": parameter1, "cat": x})


def states(wandb, sweep_id):
    return [run.state for run in wandb.Api().sweep(sweep_id).runs]


# -- the loops ----------------------------------------------------------------------------------------------------------


def run_it(sweep):
    sweep.run()


def step_by_step(sweep):
    while not sweep.done():
        sweep.print_status()
        sweep.step()
        time.sleep(0.01)


def serve_parameters(sweep):
    while not sweep.done():
        params = sweep.search()
        sweep.schedule(params)
        sweep.print_status()


@pytest.mark.parametrize("config", [GRID, LOCAL], ids=["any controller", "local"])
@pytest.mark.parametrize("loop", [run_it, step_by_step, serve_parameters])
def test_every_loop_of_the_documentation_ends_the_sweep(wandb, capsys, loop, config):
    """Each cell once, the sweep finished, the status printed in W&B's form and only when it changed."""
    begun = threading.Event()
    sweep_id = wandb.sweep(config)
    agents = wandb.agent(sweep_id, function=lambda: begun.wait(20) and train(), block=False)
    sweep = wandb.controller(sweep_id)
    print_status = sweep.print_status
    sweep.print_status = lambda: (print_status(), begun.set())  # not over before the loop has begun
    loop(sweep)
    assert agents.wait(10)
    assert ["finished"] * 3 == states(wandb, sweep_id)
    assert [1, 2, 3] == [run.config["parameter1"] for run in wandb.Api().sweep(sweep_id).runs]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Sweep: ")]
    assert f"Sweep: {sweep_id} (grid) | Runs: 3 (Finished: 3)" == lines[-1]
    assert all(a != b for a, b in itertools.pairwise(lines))


def test_a_loop_that_prints_the_status_tells_the_last_one(wandb, capsys):
    """Also when the last run ends after it has printed and before it asks whether that was all; and once."""
    sweep_id = wandb.sweep(GRID)
    sweep = wandb.controller(sweep_id)
    sweep.print_status()
    wandb.agent(sweep_id, function=train)
    capsys.readouterr()
    assert [True] * 2 == [sweep.done() for _ in range(2)]
    assert f"Sweep: {sweep_id} (grid) | Runs: 3 (Finished: 3)\n" == capsys.readouterr().out


@pytest.mark.parametrize("loop", [run_it, step_by_step, serve_parameters])
def test_the_loops_after_an_agent_have_nothing_to_do(wandb, loop):
    """The documentation read from top to bottom: the agent has spent the sweep, the controller returns at once."""
    sweep_id = wandb.sweep(GRID)
    wandb.agent(sweep_id, function=train)
    loop(wandb.controller(sweep_id))
    assert ["finished"] * 3 == states(wandb, sweep_id)


def test_a_loop_without_agents_does_not_spin(wandb):
    """`search` and `schedule` keep one run waiting, and pace themselves while nobody takes it."""
    sweep = wandb.controller(wandb.sweep(LOCAL))
    turns, end = 0, time.monotonic() + 1.2
    while time.monotonic() < end or turns < 2:
        sweep.schedule(sweep.search())
        turns += 1
    assert ["pending"] == states(wandb, sweep.sweep_id)
    assert turns <= 6


# -- a sweep written in code --------------------------------------------------------------------------------------------


def test_the_last_example_runs_to_its_end_as_it_stands(wandb, tmp_path, capsys):
    """Classes as markers, a program, a stopping class without a metric: run() starts an agent itself and says so."""
    (tmp_path / "train-dummy.py").write_text(
        "import sweepwidget as wandb\nrun = wandb.init()\nwandb.log({'metric': run.config.param1})\nprint('trained')\n"
    )
    sweep = wandb.controller()
    sweep.configure_search(GridSearch)
    sweep.configure_program("train-dummy.py")
    sweep.configure_stopping(EnvelopeEarlyTerminate)
    sweep.configure_controller(type="local")
    sweep.configure_parameter("param1", value=3)
    sweep.create()
    sweep.run()
    (run,) = wandb.Api().sweep(sweep.sweep_id).runs
    assert ("finished", 3, "trained\n") == (run.state, run.summary["metric"], run.output)
    said = capsys.readouterr()
    assert f"Create sweep with ID: {sweep.sweep_id}" in said.out
    assert f"Sweep: {sweep.sweep_id} (grid,envelope) | Runs: 1 (Finished: 1)" in said.out
    assert f"Nobody works on sweep {sweep.sweep_id}: starting one agent for train-dummy.py." in said.err


@pytest.mark.parametrize("agents", [None, 1, 2])
def test_a_function_works_as_the_program(wandb, agents):
    """What W&B never supported; agents=n starts n."""
    together = threading.Barrier(agents or 1)

    def function():
        run = wandb.init()
        together.wait(10)
        run.log({"loss": run.config.x})

    sweep = wandb.controller()
    sweep.configure_search("grid")
    sweep.configure_parameter("x", values=[1, 2, 3, 4])
    sweep.configure_program(function)
    sweep.create()
    sweep.run(print_status=False, agents=agents)
    assert ["finished"] * 4 == states(wandb, sweep.sweep_id)


def test_a_search_of_ones_own(wandb):
    """A function (config, runs) decides, until it returns None; other agents of this kernel use it too."""
    asked = []

    def search(config, runs):
        asked.append(len(runs))
        return None if len(runs) >= 4 else SweepRun(config={"lr": {"value": 1.0 / (1 + len(runs))}})

    def function():
        run = wandb.init()
        run.log({"loss": run.config.lr})

    sweep = wandb.controller()
    sweep.configure_search(search)
    sweep.configure_metric("loss")
    sweep.configure_parameter("lr", min=0.0, max=1.0)
    sweep.create()
    wandb.agent(sweep.sweep_id, function=function)
    runs = wandb.Api().sweep(sweep.sweep_id).runs
    assert [1.0, 0.5, 1 / 3, 0.25] == [run.config["lr"] for run in runs]
    assert "FINISHED" == wandb.Api().sweep(sweep.sweep_id).state


def test_a_search_that_raises_is_shown_and_pauses_the_sweep(wandb):
    """The error reaches whoever runs an agent here, names the function, and the sweep can be resumed."""

    def broken(config, runs):
        raise KeyError("oops")

    sweep = wandb.controller()
    sweep.configure_search(broken)
    sweep.configure_parameter("lr", min=0.0, max=1.0)
    sweep.create()
    with pytest.raises(wandb.UsageError, match=r"broken raised KeyError"):
        wandb.agent(sweep.sweep_id, function=wandb.init)
    assert "PAUSED" == wandb.Api().sweep(sweep.sweep_id).state
    assert "oops" in wandb.Api().sweep(sweep.sweep_id).reason


@pytest.mark.parametrize("leave", [SystemExit(2), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
def test_a_search_cannot_end_the_thread_that_everything_lives_on(wandb, leave):
    """A search that calls `sys.exit()`, or raises what else is no Exception, has failed like any other."""

    def leaver(config, runs):
        raise leave

    sweep = wandb.controller()
    sweep.configure_search(leaver)
    sweep.configure_parameter("lr", min=0.0, max=1.0)
    sweep.create()
    handle = wandb.agent(sweep.sweep_id, function=wandb.init, block=False)
    with pytest.raises(wandb.UsageError, match=f"raised {type(leave).__name__}"):
        assert handle.wait(10)
    assert "PAUSED" == wandb.Api().sweep(sweep.sweep_id).state
    assert "here" == spawn(asyncio.sleep(0, "here")).result(10)


@pytest.mark.parametrize("given", ["factory", "rule", "class"])
def test_a_stopping_rule_of_ones_own(wandb, given):
    """A function of the settings that returns the rule (W&B), the rule itself, or a class with stop_runs."""

    def rule(config, runs):
        return [run for run in runs if run.state == "running" and len(run.history) >= 5]

    class Rule:
        def stop_runs(self, config, runs):
            return rule(config, runs), {}

    def function():
        run = wandb.init()
        while True:
            run.log({"loss": 1.0})
            time.sleep(0.001)

    sweep = wandb.controller()
    sweep.configure_search("grid")
    sweep.configure_metric("loss")
    sweep.configure_parameter("x", values=[1, 2])
    sweep.configure_stopping({"factory": lambda settings: rule, "rule": rule, "class": Rule}[given])
    sweep.configure_program(function)
    sweep.create()
    sweep.run(print_status=False)
    assert ["stopped"] * 2 == states(wandb, sweep.sweep_id)


def test_stopping_and_stop_runs_by_hand(wandb):
    """`stopping()` names the runs, `stop_runs` tells them to stop; `print_actions` says so."""
    config = {
        **LOCAL,
        "metric": {"name": "loss", "goal": "minimize"},
        "early_terminate": {"type": "hyperband", "min_iter": 1},
    }
    going, together = threading.Semaphore(0), threading.Event()

    def function():
        run = wandb.init()
        run.log({"loss": float(run.config.parameter1)})
        going.release()
        while run.config.parameter1 == 3 or not together.is_set():
            run.log({})
            time.sleep(0.002)

    sweep = wandb.controller(wandb.sweep(config))
    agents = wandb.agent(sweep.sweep_id, function=function, agents=3, block=False)
    for _ in range(3):
        sweep.schedule(sweep.search())
        assert going.acquire(timeout=10)
    deadline = time.monotonic() + 10
    # As the first values arrive 2 is the worst of two; of all three it is 3.
    while [3] != [run.config["parameter1"]["value"] for run in sweep.stopping()]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    sweep.stop_runs(sweep.stopping())
    together.set()
    serve_parameters(sweep)
    assert agents.wait(10)
    assert ["finished", "finished", "stopped"] == states(wandb, sweep.sweep_id)


# -- forms and errors ---------------------------------------------------------------------------------------------------


def test_controller_of_a_dict_creates_at_once(wandb):
    """And attributes say which sweep it is."""
    sweep = wandb.controller(GRID)
    assert sweep.sweep_config["parameters"] == GRID["parameters"]
    assert sweep.sweep_id == wandb.Api().sweep(sweep.sweep_id).id
    assert wandb.controller().sweep_id is None and wandb.controller().sweep_config is None


def test_configure_takes_yaml_once(wandb):
    """A whole configuration as dict or text; `Already configured.` afterwards."""
    sweep = wandb.controller()
    sweep.configure("method: grid\nparameters: {a: {values: [1]}}\n")
    with pytest.raises(wandb.ControllerError, match="Already configured"):
        sweep.configure(GRID)
    sweep.create()


def test_everything_that_can_be_configured(wandb):
    """Name, description, metric, parameters, program, stopping and controller end up in the configuration."""
    sweep = wandb.controller()
    sweep.configure_search(RandomSearch)
    sweep.configure_name("n")
    sweep.configure_description("d")
    sweep.configure_metric("loss", goal="maximize")
    sweep.configure_stopping(HyperbandEarlyTerminate, min_iter=3)
    sweep.configure_parameter("a", values=[1, 2])
    sweep.configure_parameter("b", distribution="normal", mu=1.0, sigma=2.0)
    sweep.configure_parameter("c")
    sweep.configure_program("t.py")
    sweep.configure_controller("local")
    sweep.configure_controller("cloud")
    sweep.create()
    config = sweep.sweep_config
    assert ("random", "n", "d", "t.py", "local") == (
        config["method"],
        config["name"],
        config["description"],
        config["program"],
        config["controller"]["type"],
    )
    assert {"name": "loss", "goal": "maximize"} == config["metric"]
    assert 3 == config["early_terminate"]["min_iter"]
    assert {
        "a": {"values": [1, 2]},
        "b": {"distribution": "normal", "mu": 1.0, "sigma": 2.0},
        "c": {"value": None},
    } == config["parameters"]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda sweep: sweep.configure_search(3), "Unhandled search type."),
        (lambda sweep: sweep.configure_stopping(3), "Unhandled stopping type."),
        (lambda sweep: sweep.configure_program(3), "Unhandled sweep program type"),
        (lambda sweep: sweep.configure_controller("moon"), "Unhandled sweep controller type"),
        (lambda sweep: sweep.create(), "Must configure sweep before create."),
        (lambda sweep: sweep.run(), "Must specify or create a sweep before running controller."),
        (lambda sweep: sweep.done(), "Must specify or create a sweep before running controller."),
        (lambda sweep: sweep.step(), "Must specify or create a sweep before running controller."),
        (lambda sweep: sweep.search(), "Must specify or create a sweep before running controller."),
    ],
)
def test_errors_before_create(wandb, call, text):
    """W&B's ControllerErrors, word for word."""
    with pytest.raises(wandb.ControllerError, match=text):
        call(wandb.controller())


def test_an_early_call_does_not_spoil_the_controller(wandb):
    """It can be configured and created afterwards."""
    sweep = wandb.controller()
    for call in (sweep.step, sweep.search, sweep.stopping):
        with pytest.raises(wandb.ControllerError):
            call()
    sweep.configure(GRID)
    sweep.create()


def test_errors_after_create(wandb):
    """Creating twice, creating or configuring after the start."""
    sweep = wandb.controller(GRID)
    with pytest.raises(wandb.ControllerError, match="Can not use create on already created sweep."):
        sweep.create()
    sweep.step()
    with pytest.raises(wandb.ControllerError, match="Can not create after sweep has been started."):
        sweep.create()
    with pytest.raises(wandb.ControllerError, match="Can not configure after sweep has been started."):
        sweep.configure_name("late")


def test_an_unknown_sweep(wandb):
    """A ValueError that names it, as in W&B."""
    with pytest.raises(ValueError, match="nosuchid"):
        wandb.controller("nosuchid")


def test_agents_for_a_sweep_that_names_no_program(wandb):
    """An error that shows the ways out, and nothing has run."""
    sweep = wandb.controller(GRID)
    with pytest.raises(wandb.ControllerError, match="names no program to start agents for"):
        sweep.run(agents=2)
    assert [] == states(wandb, sweep.sweep_id)


def test_without_program_and_agents_run_says_how_and_waits(wandb, capsys):
    """It goes on as soon as somebody starts an agent elsewhere."""
    sweep = wandb.controller(GRID)
    steering = threading.Thread(target=sweep.run, daemon=True)
    steering.start()
    deadline = time.monotonic() + 10
    while "Start an agent" not in (err := capsys.readouterr().err) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert f"sweepwidget.agent('{sweep.sweep_id}', function=train, block=False)" in err
    wandb.agent(sweep.sweep_id, function=train)
    steering.join(10)
    assert not steering.is_alive()
    assert ["finished"] * 3 == states(wandb, sweep.sweep_id)


# -- printing -----------------------------------------------------------------------------------------------------------


def test_print_actions_space_and_summary(wandb, capsys):
    """`INFO: Schedule (…)`, the space with its size, the best run."""
    config = {
        "method": "grid",
        "metric": {"name": "loss"},
        "controller": {"type": "local"},
        "parameters": {"p1": {"values": [2, 1]}, "p2": {"value": None}},
    }

    def function():
        run = wandb.init()
        run.log({"loss": run.config.p1})

    sweep = wandb.controller(config)
    agents = wandb.agent(sweep.sweep_id, function=function, block=False)
    sweep.run(print_status=False, print_actions=True)
    assert agents.wait(10)
    assert "INFO: Schedule (p1=2,p2=None)\n" in capsys.readouterr().out
    sweep.print_space()
    out = capsys.readouterr().out
    assert "p1: distribution=categorical, values=[2, 1]" in out and "2 configurations" in out
    sweep.print_summary()
    out = capsys.readouterr().out
    assert "FINISHED: grid spent (2 runs)" in out and "loss=1" in out
    sweep.print_debug()


def test_the_controllers_orders(wandb):
    """pause, resume, stop and cancel from Python."""
    sweep = wandb.controller(GRID)
    wandb.agent(sweep.sweep_id, function=train, count=1)
    sweep.pause()
    assert not sweep.done()
    sweep.resume()
    sweep.cancel()
    assert sweep.done()
    assert "CANCELED" == wandb.Api().sweep(sweep.sweep_id).state
