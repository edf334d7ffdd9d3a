"""ASHA as a stopping rule."""

import pytest
from attrs import evolve

from sweepwidget.errors import ConfigError
from sweepwidget.model import Run, RunId, RunState
from sweepwidget.runs import Runs
from sweepwidget.stopping.asha import Asha

from .rows import ACCURACY, LOSS, runs_of


@pytest.mark.parametrize(
    ("settings", "rungs"),
    [
        ({"min_iter": 1, "eta": 4, "max_iter": 256}, (1, 4, 16, 64)),
        ({"min_iter": 1, "eta": 4, "max_iter": 257}, (1, 4, 16, 64, 256)),
        ({"min_iter": 3, "max_iter": 28}, (3, 9, 27)),
        ({"min_iter": 1, "eta": 1.5, "max_iter": 6}, (1, 2, 3, 5)),
        ({"min_iter": 5, "max_iter": 6}, (5,)),
    ],
)
def test_rungs_grow_by_eta_below_max_iter(settings, rungs):
    """A run that has come to max_iter is done: no verdict helps there."""
    assert rungs == Asha.parse({"type": "asha", **settings}).rungs


def test_a_run_below_the_top_of_its_rung_is_stopped():
    """Of six runs at the first rung two go on with eta 3."""
    runs = runs_of([], [[1], [2], [3], [4], [5], [2.5]])
    reason = "asha: 2.5 is worse than 2, the best third of 6 runs at 1 value"
    assert reason == Asha(1).stop(runs)["r6"]


def test_the_first_runs_of_a_rung_go_on():
    """Algorithm 2 promotes nobody before eta runs are there; a run that cannot pause goes on."""
    assert {} == Asha(1).stop(runs_of([], [[1], [2]]))
    assert ["r3"] == list(Asha(1).stop(runs_of([], [[1], [2], [3]])))


def test_who_has_passed_is_not_called_back():
    """Better runs that begin later stop nobody who began before them (hyperband's bands do)."""
    assert {} == Asha(1).stop(runs_of([], [[9], [8], [7], [3], [2], [1]]))


def test_a_run_that_is_started_again_is_compared_with_all_that_began_meanwhile():
    """The order is that in which the attempts began, not the numbers'."""
    started = {"a": 5.0, "b": 1.0, "c": 2.0, "d": 3.0}
    rows = [
        Run(RunId(name), None, number, {}, RunState.running, started_at=at)
        for number, (name, at) in enumerate(started.items(), 1)
    ]
    runs = Runs.of(rows, LOSS, {"a": [5], "b": [4], "c": [3], "d": [2]})
    assert ["a"] == list(Asha(1).stop(runs))
    runs.apply_rows([evolve(rows[0], attempt=2, started_at=9.0)])
    assert {} == Asha(1).stop(runs)


def test_only_the_highest_rung_counts():
    """The value at the rung, not what came before or after."""
    rule = Asha(1, eta=2)
    assert {} == rule.stop(runs_of([], [[1, 5], [2, 4]]))
    assert ["r2"] == list(rule.stop(runs_of([], [[1, 5], [2, 6, 0]])))


def test_ties_go_on():
    """Nobody is worse than who is as good."""
    assert {} == Asha(1).stop(runs_of([], [[1]] * 9))


def test_ended_runs_stay_on_their_rungs():
    """Whatever became of them."""
    for state in (RunState.finished, RunState.stopped, RunState.failed):
        runs = runs_of([[1], [2], [3]], [[4]], ended_as=state)
        assert ["r1"] == list(Asha(1).stop(runs))


def test_maximize_shows_values_as_logged():
    """With goal maximize large values are the best."""
    runs = runs_of([[-0.9], [-0.8]], [[-0.5]], ACCURACY)
    assert {"r1": "asha: 0.5 is worse than 0.9, the best third of 3 runs at 1 value"} == Asha(1).stop(runs)


def test_without_a_metric_nothing_is_stopped():
    """No goal, no opinion."""
    assert {} == Asha(1).stop(runs_of([[1], [2]], [[99]], goal=None))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"min_iter": 0}, "early_terminate.min_iter: must be at least 1, got 0"),
        ({"min_iter": 1, "eta": 1}, "early_terminate.eta: must be a number greater than 1, got 1"),
        ({"min_iter": 9, "max_iter": 9}, r"early_terminate.max_iter: must be greater than min_iter \(9\), got 9"),
    ],
)
def test_arguments_are_checked(settings, text):
    """The same words as for hyperband."""
    with pytest.raises(ConfigError, match=text):
        Asha.parse({"type": "asha", **settings})
