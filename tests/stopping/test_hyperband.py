"""Hyperband: W&B's bands, thresholds and ties."""

import re

import pytest

from sweepwidget.errors import ConfigError
from sweepwidget.model import Run, RunId, RunState
from sweepwidget.runs import Goal, Runs
from sweepwidget.stopping.hyperband import Hyperband

RUNNING, FINISHED = RunState.running, RunState.finished


def runs_of(curves, goal=Goal("loss"), states=None):
    """One run per curve, named a, b, c …, running unless `states` says otherwise."""
    names = "abcdefghijklmnop"[: len(curves)]
    states = states or [RUNNING] * len(curves)
    rows = [Run(RunId(name), None, i, {}, state) for i, (name, state) in enumerate(zip(names, states), 1)]
    sign = -1 if goal and goal.maximize else 1
    return Runs.of(rows, goal, {name: [sign * v for v in curve] for name, curve in zip(names, curves)})


@pytest.mark.parametrize(
    ("max_iter", "eta", "s", "bands"),
    [
        (81, 3, 3, (3, 9, 27)),
        (27, 3, 2, (3, 9)),
        (18, 3, 2, (2, 6)),
        (19, 3, 2, (2, 6)),
        (9, 3, 2, (1, 3)),
        (5, 2, 2, (1, 2)),
        (10, 2, 3, (1, 2, 5)),
        (150, 3, 4, (1, 5, 16, 50)),
        (9, 3, 5, (1, 3)),
    ],
)
def test_bands_below_max_iter_are_those_of_wandb(max_iter, eta, s, bands):
    """`max_iter` is divided by eta s times, as long as a band is at least 1."""
    assert bands == Hyperband.parse({"max_iter": max_iter, "eta": eta, "s": s}).bands


@pytest.mark.parametrize(
    ("min_iter", "eta", "first"),
    [(3, 3, (3, 9, 27, 81)), (5, 3, (5, 15, 45)), (30, 1.5, (30, 45, 67, 101, 151)), (1, 1.1, (1, 2, 3, 4, 5))],
)
def test_bands_above_min_iter_are_those_of_wandb(min_iter, eta, first):
    """`min_iter` is multiplied by eta, rounded down only for the band itself."""
    assert first == Hyperband.from_min_iter(min_iter, eta).bands[: len(first)]


def test_a_steep_eta_has_bands_too():
    """An eta so large that its powers overflow a float is no trouble: no run logs that many values."""
    assert (1, 10**12) == Hyperband.from_min_iter(1, 1e12).bands


def test_max_iter_wins_over_min_iter():
    """When both are given, `max_iter` counts, as in W&B."""
    assert (3, 9) == Hyperband.parse({"min_iter": 5, "max_iter": 27, "s": 2}).bands


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_iter": 2, "s": 2}, "Bands must be an array of length at least 1. Try increasing s, decreasing eta"),
        ({"max_iter": 9}, "max_iter needs s"),
        ({}, "hyperband needs min_iter, or max_iter with s"),
        ({"min_iter": 0}, "early_terminate.min_iter: must be at least 1, got 0"),
        ({"min_iter": 3, "eta": 1}, "early_terminate.eta: must be a number greater than 1, got 1"),
        ({"max_iter": 9, "s": 2, "eta": "3"}, "early_terminate.eta: must be a number greater than 1, got '3'"),
    ],
)
def test_settings_that_cannot_work_say_why(settings, message):
    """A ConfigError (a ValueError) names the setting and what would do."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        Hyperband.parse(settings)


def test_s_is_a_whole_number():
    """W&B's TypeError for a fractional s."""
    with pytest.raises(TypeError, match=r"early_terminate\.s: expected an integer, got 2\.0"):
        Hyperband.parse({"max_iter": 9, "s": 2.0})


@pytest.mark.parametrize(
    ("eta", "n", "stopped"),
    [
        (3, 1, ""), (3, 2, "b"), (3, 3, "c"), (3, 4, "cd"), (3, 5, "cde"), (3, 6, "def"), (3, 7, "defg"),
        (2, 1, ""), (2, 2, ""), (2, 3, "c"), (2, 4, "d"), (2, 5, "de"), (2, 6, "ef"), (2, 7, "efg"),
    ],
)  # fmt: skip
def test_how_many_of_n_runs_survive_the_first_band(eta, n, stopped):
    """With the values 1 … n at band 1, W&B's table of who is stopped."""
    runs = runs_of([[value] for value in range(1, n + 1)])
    assert set(stopped) == set(Hyperband([1], eta).stop(runs))


DOC_CURVES = [[10, 9], [10, 10], [10, 8, 8], [10, 7, 7], [10, 6, 6]]
DOC_STATES = [FINISHED, RUNNING, RUNNING, RUNNING, FINISHED]


def test_the_example_of_wandb():
    """The documentation example of wandb/sweeps stops run b only: c has the threshold's own value at band 2."""
    stopper = Hyperband.parse({"type": "hyperband", "max_iter": 5, "eta": 2, "s": 2})
    assert {"b"} == set(stopper.stop(runs_of(DOC_CURVES, states=DOC_STATES)))


def test_debug_lines_are_those_of_wandb():
    """The bands reached with their thresholds, then every running run."""
    stopper = Hyperband.from_max_iter(5, s=2, eta=2)
    assert [
        "Bands: 1 = 10, 2 = 8",
        "Run: b Step: 2  (Band: 2 Metric: 10 Threshold: 8)  STOP",
        "Run: c Step: 3  (Band: 2 Metric: 8 Threshold: 8)",
        "Run: d Step: 3  (Band: 2 Metric: 7 Threshold: 8)",
    ] == list(stopper.lines(runs_of(DOC_CURVES, states=DOC_STATES)))


def test_ties_survive():
    """A value equal to the threshold is not worse."""
    assert {} == Hyperband([1]).stop(runs_of([[0.5]] * 7))


def test_before_the_first_band_nothing_is_stopped():
    """A run is judged at bands only."""
    assert {} == Hyperband([3]).stop(runs_of([[1, 1, 1], [9, 9]]))


def test_strict_judges_the_value_at_the_band_and_otherwise_the_best_so_far():
    """A run that has recovered since its band is stopped only when strict."""
    runs = runs_of([[1, 1], [2, 2], [5, 0.5], [6, 6]])
    assert {"c", "d"} == set(Hyperband([1], 3, strict=True).stop(runs))
    assert {"d"} == set(Hyperband([1], 3, strict=False).stop(runs))


def test_maximize_turns_everything_round():
    """With goal maximize the small values are stopped, and the reason shows values as logged."""
    runs = runs_of([[0.9], [0.5], [0.1]], Goal("accuracy", maximize=True))
    assert {"c": "hyperband: 0.1 is worse than 0.5, the best third at 1 value"} == Hyperband([1]).stop(runs)


@pytest.mark.parametrize(
    ("eta", "strict", "reason"),
    [
        (3, True, "hyperband: 3.5 is worse than 2, the best third at 2 values"),
        (2, True, "hyperband: 3.5 is worse than 2, the best half at 2 values"),
        (5, True, "hyperband: 3.5 is worse than 1, the best 1/5 at 2 values"),
        (3, False, "hyperband: its best, 3, is worse than 2, the best third at 2 values"),
    ],
)
def test_the_reason_has_the_numbers(eta, strict, reason):
    """What was judged, the threshold, and where."""
    runs = runs_of([[1, 1], [2, 2], [3, 3.5]])
    assert reason == Hyperband([2], eta, strict).stop(runs)["c"]


def test_close_numbers_stay_different_in_the_reason():
    """As many digits as it takes to see that one is worse."""
    reason = Hyperband([1]).stop(runs_of([[0.123451], [0.123452], [0.123453]]))["c"]
    assert "hyperband: 0.123453 is worse than 0.123452, the best third at 1 value" == reason


def test_a_requeued_run_begins_again():
    """The values of an attempt that was given up neither judge the next one nor count in thresholds."""
    from stories import Story

    story, stopper = Story(Goal("loss")), Hyperband([1])
    for value in (1.0, 2.0, 9.0):
        story.add({}, RUNNING)
        story.log(story.numbers - 1, [value])
    assert {"r3"} == set(stopper.stop(story.runs))
    story.requeue(2)
    story.start(2)
    assert {"r2"} == set(stopper.stop(story.runs))  # two values are left: one may go on
    story.log(2, [1.5])
    assert {"r2"} == set(stopper.stop(story.runs))


def test_without_a_metric_nothing_is_stopped():
    """No goal, no opinion."""
    runs = runs_of([[1], [2], [3]], goal=None)
    assert ({}, []) == (Hyperband([1]).stop(runs), list(Hyperband([1]).lines(runs)))
