"""Stopping at a value: the run, or the sweep."""

import threading

import pytest

from sweepwidget.errors import ConfigError
from sweepwidget.stopping.target import Target
from sweepwidget.sweepconfig import SweepConfig

from .rows import ACCURACY, runs_of

METRIC = {"name": "loss", "goal": "minimize"}


def config(**metric):
    early_terminate = {"type": "target", "value": 0.1, "scope": "sweep"}
    return SweepConfig.parse({
        "method": "random",
        "parameters": {"a": {"min": 0.0, "max": 1.0}},
        "metric": {**METRIC, **metric},
        "early_terminate": early_terminate,
    })  # fmt: skip


def test_a_run_that_reached_the_value_is_stopped():
    """On it is reached; what comes afterwards does not matter."""
    runs = runs_of([], [[3, 0.1, 9], [3, 0.11]])
    assert {"r1": "target: 0.1 at 2 values reaches 0.1"} == Target(0.1).stop(runs)


def test_the_others_go_on():
    """With scope run, one that ended there concerns nobody else."""
    assert {} == Target(0.1).stop(runs_of([[0.05]], [[1]]))


def test_the_whole_sweep_stops_with_the_first_one():
    """Running or ended; each is told by whom."""
    assert {"r1": "target: run 1 reached 0.1"} == Target(0.1, "sweep").stop(runs_of([[0.05]], [[1]]))
    expected = {"r1": "target: run 2 reached 0.1", "r2": "target: 0.1 at 1 value reaches 0.1"}
    assert expected == Target(0.1, "sweep").stop(runs_of([], [[1], [0.1]]))
    assert {} == Target(0.1, "sweep").stop(runs_of([[1]], [[1]]))


def test_maximize_reaches_from_below():
    """At least the value."""
    runs = runs_of([], [[-0.5, -0.9], [-0.89]], ACCURACY)
    assert {"r1": "target: 0.9 at 2 values reaches 0.9"} == Target(0.9).stop(runs)


def test_without_a_metric_nothing_is_stopped():
    """No goal, no opinion."""
    assert {} == Target(0).stop(runs_of([[-1]], [[-1]], goal=None))


@pytest.mark.parametrize(("metric", "target"), [({}, 0.1), ({"target": 0.5}, 0.5), ({"target": 0.01}, 0.1)])
def test_the_scope_sweep_sets_the_metrics_target(metric, target):
    """So that the sweep ends; with a target of its own too, whichever is reached first."""
    assert target == config(**metric).metric.target
    assert 0.1 == config(**metric).early_terminate["value"]


def test_maximize_takes_the_lower_of_two_targets():
    """It is reached first."""
    assert 0.05 == config(goal="maximize", target=0.05).metric.target


def test_arguments_are_checked():
    """A value that can be reached, a scope that exists."""
    with pytest.raises(ConfigError, match="early_terminate.value: must be a finite number, got nan"):
        Target(float("nan"))
    with pytest.raises(ConfigError, match="early_terminate.scope: must be one of"):
        Target(0.1, "agent")


def test_a_sweep_ends_when_one_run_is_good_enough(wandb):
    """The others are stopped in the middle, and no new one begins."""
    sweep_id = wandb.sweep({**config().to_dict(), "name": "good enough"})
    together = threading.Barrier(2)

    def train():
        run = wandb.init()
        first = together.wait(10) == 0
        for step in range(10_000):
            run.log({"loss": 0.05 if first and step == 3 else 1.0})
            threading.Event().wait(0.005)

    wandb.agent(sweep_id, function=train, agents=2)
    sweep = wandb.Api().sweep(sweep_id)
    assert ("FINISHED", ["stopped", "stopped"]) == (sweep.state, [run.state for run in sweep.runs])
