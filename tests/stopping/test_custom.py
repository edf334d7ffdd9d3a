"""The user's own stopping rule, in every form that W&B ever took."""

import time

import pytest

from sweepwidget.errors import UsageError
from sweepwidget.model import Run, RunId, RunState
from sweepwidget.runs import Goal, Runs
from sweepwidget.stopping.custom import CustomStopping
from sweepwidget.sweepconfig import SweepConfig

CONFIG = SweepConfig.parse({
    "method": "random",
    "metric": {"name": "acc", "goal": "maximize"},
    "parameters": {"lr": {"min": 0.0, "max": 1.0}},
})  # fmt: skip
STATES = {"a": RunState.running, "b": RunState.running, "c": RunState.finished, "d": RunState.pending}
RUNS = Runs.of(
    [
        Run(RunId(id_), None, i, {"lr": 0.5}, state, name="twin" if id_ in "ab" else f"nice-sweep-{i}")
        for i, (id_, state) in enumerate(STATES.items(), 1)
    ],
    Goal("acc", maximize=True),
    {"a": [-0.1, -0.2], "b": [-0.3]},
)


def test_a_function_sees_the_config_and_the_runs():
    """The sweep's dict, and SweepRuns with histories as they were logged."""
    seen = []
    CustomStopping(lambda config, runs: seen.extend([config, runs]), CONFIG).stop(RUNS)
    config, runs = seen
    assert CONFIG.to_dict() == config
    assert [("a", "running", [{"acc": 0.1}, {"acc": 0.2}]), ("b", "running", [{"acc": 0.3}])] == [
        (run.name, run.state, run.history) for run in runs[:2]
    ]


@pytest.mark.parametrize(
    "answer",
    [
        lambda runs: [runs[0]],
        lambda runs: ["a"],
        lambda runs: (["a"], {"lines": []}),
        lambda runs: (run for run in runs if run.name == "a"),
        lambda runs: {"a", "c", "d"},  # only running runs can be stopped
    ],
)
def test_runs_are_named_by_object_or_id(answer):
    """SweepRuns, ids, the old `(names, info)`, any iterable; what does not run is left alone."""
    stopper = CustomStopping(lambda config, runs: answer(runs), CONFIG)
    assert ["a"] == list(stopper.stop(RUNS))


def test_a_mapping_gives_the_reasons():
    """Otherwise the rule's own name is the reason."""

    def too_slow(config, runs):
        return {"a": "took too long", "b": None}

    reasons = CustomStopping(too_slow, CONFIG).stop(RUNS)
    assert "took too long" == reasons["a"]
    assert reasons["b"].startswith("custom stopping ") and reasons["b"].endswith("too_slow")


@pytest.mark.parametrize("nothing", [None, [], (), ([], {})])
def test_nothing_to_stop(nothing):
    """None and empty answers stop nothing."""
    assert {} == CustomStopping(lambda config, runs: nothing, CONFIG).stop(RUNS)


class Plugin:
    def __init__(self, victim="a"):
        self.victim = victim

    def stop_runs(self, sweep_config, runs):
        return [run.name for run in runs if run.name == self.victim], {"lines": []}


def test_plugins_of_old():
    """A class or an object with `stop_runs`."""
    assert ["a"] == list(CustomStopping(Plugin, CONFIG).stop(RUNS))
    assert ["b"] == list(CustomStopping(Plugin("b"), CONFIG).stop(RUNS))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("a", "returned 'a'; return a list of runs"),
        (7, "returned 7; return a list of runs"),
        (["zzz"], "'zzz' is the name of no running runs"),
        (["twin"], "'twin' is the name of 2 running runs"),
        ([None], "None is the name of no running runs"),
    ],
)
def test_nonsense_is_shown(answer, message):
    """The error names the code, and what it returned."""
    stopper = CustomStopping(lambda config, runs: answer, CONFIG)
    with pytest.raises(UsageError, match=message):
        stopper.stop(RUNS)


def test_an_exception_names_the_code_and_keeps_the_cause():
    """The user's own traceback is the cause."""

    def broken(config, runs):
        return 1 / 0

    with pytest.raises(
        UsageError, match=r"custom stopping .*broken raised ZeroDivisionError: division by zero"
    ) as caught:
        CustomStopping(broken, CONFIG).stop(RUNS)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_what_the_code_does_to_its_arguments_reaches_nobody():
    """It gets copies."""

    def vandal(config, runs):
        config.clear()
        for run in runs:
            run.config.clear()
            run.history.clear()
            run.summary_metrics["acc"] = 1
        runs.clear()

    stopper = CustomStopping(vandal, CONFIG)
    stopper.stop(RUNS)
    assert ({"lr": 0.5}, 2, {}) == (RUNS[RunId("a")].config, len(RUNS.costs(RunId("a"))), RUNS[RunId("a")].summary)
    assert "bayes" != CONFIG.method and CONFIG.to_dict()


def test_it_is_not_asked_while_nothing_runs():
    """There is nothing to stop, so the user's code need not cope with that."""
    assert {} == CustomStopping(lambda config, runs: 1 / 0, CONFIG).stop(Runs(Goal("acc")))


def test_a_sweep_that_exists_may_be_given_a_rule(wandb):
    """As after a restart: the rule is code, and no part of the sweep."""
    sweep_id = wandb.sweep(
        {"method": "random", "metric": {"name": "loss"}, "parameters": {"a": {"min": 0.0, "max": 1.0}}}
    )
    wandb.controller(sweep_id).configure_stopping(lambda config, runs: {run.id: "enough" for run in runs})

    def train():
        run = wandb.init()
        for _ in range(1000):
            run.log({"loss": 1.0})
            time.sleep(0.01)

    wandb.agent(sweep_id, function=train, count=1)
    assert ["stopped"] == [run.state for run in wandb.Api().sweep(sweep_id).runs]
