"""Envelope stopping: the rules of wandb 0.11."""

import pytest

from sweepwidget.errors import ConfigError
from sweepwidget.model import Run, RunId, RunState
from sweepwidget.runs import Goal, Runs
from sweepwidget.stopping.envelope import Envelope

RUNNING, FINISHED = RunState.running, RunState.finished
LOSS = Goal("loss")


def runs_of(finished, running, goal=LOSS, ended_as=FINISHED):
    """Finished runs f1, f2, … and running runs r1, r2, … with these curves of costs."""
    curves = {f"f{i}": curve for i, curve in enumerate(finished, 1)} | {
        f"r{i}": curve for i, curve in enumerate(running, 1)
    }
    rows = [
        Run(RunId(name), None, i, {}, ended_as if name.startswith("f") else RUNNING) for i, name in enumerate(curves, 1)
    ]
    return Runs.of(rows, goal, curves)


THREE = [[10, 5, 1], [9, 6, 2], [8, 7, 3]]


def test_a_run_above_the_envelope_is_stopped():
    """It must be below the worst of the best runs at its number of values."""
    runs = runs_of(THREE, [[9, 9, 4], [9, 9, 2.9]])
    reason = "envelope: 4, its best of 3 values, is no better than 3, the worst of the best 3 runs then"
    assert {"r1": reason} == Envelope(start_iter=2).stop(runs)


def test_a_run_on_the_envelope_is_stopped():
    """Only below counts as inside."""
    assert ["r1"] == list(Envelope(start_iter=2).stop(runs_of(THREE, [[3, 3, 3]])))


def test_young_runs_are_kept():
    """A run of at most `start_iter` values (default 3) has nothing to fear."""
    runs = runs_of(THREE, [[9, 9, 9], [9, 9, 9, 9]])
    assert ["r2"] == list(Envelope().stop(runs))


def test_runs_longer_than_the_envelope_are_measured_at_its_end():
    """Past the longest finished run its last value counts."""
    assert ["r1"] == list(Envelope().stop(runs_of(THREE, [[9] * 10, [9] * 9 + [2]])))


def test_short_finished_runs_keep_their_best():
    """A finished run that is shorter than the others goes on with its cumulative minimum, not its last value."""
    runs = runs_of([[1, 5], [4, 3, 2, 1], [9, 9, 2, 2]], [[2, 2, 2, 2.5], [3, 3, 3, 1.5]])
    assert ["r1"] == list(Envelope().stop(runs))


def test_nothing_is_stopped_before_min_runs_have_finished():
    """Runs that failed, crashed or were stopped do not count, nor do finished runs without values."""
    bad = [[99] * 9]
    assert {} == Envelope().stop(runs_of(THREE[:2], bad))
    assert {} == Envelope().stop(runs_of([*THREE[:2], []], bad))
    assert {} == Envelope().stop(runs_of(THREE, bad, ended_as=RunState.failed))
    assert ["r1"] == list(Envelope(min_runs=2).stop(runs_of(THREE[:2], bad)))


def test_the_best_fraction_makes_the_envelope():
    """`ceil(finished · fraction)` runs, at least `min_runs`, ranked by their best value."""
    finished = [[value] for value in (5, 1, 4, 2, 3, 6, 7, 8, 9, 10)]
    at = lambda fraction, min_runs: Envelope(fraction, min_runs, 0)
    judged = [[4.5], [3.5], [2.5]]
    assert ["r1", "r2"] == list(at(0.3, 3).stop(runs_of(finished, judged)))  # 1, 2, 3: below 3
    assert ["r1"] == list(at(0.31, 3).stop(runs_of(finished, judged)))  # 1 … 4
    assert ["r1", "r2", "r3"] == list(at(0.2, 1).stop(runs_of(finished, judged)))  # 1, 2


def test_maximize_shows_values_as_logged():
    """With goal maximize a run must be above."""
    runs = runs_of([[-0.9], [-0.8], [-0.7]], [[-0.5], [-0.75]], Goal("accuracy", maximize=True))
    reason = "envelope: 0.5, its best of 1 value, is no better than 0.7, the worst of the best 3 runs then"
    assert {"r1": reason} == Envelope(start_iter=0).stop(runs)


def test_without_a_metric_nothing_is_stopped():
    """No goal, no opinion."""
    assert {} == Envelope().stop(runs_of(THREE, [[99] * 9], goal=None))


def test_arguments_are_checked_together():
    """Every bad argument is named at once."""
    with pytest.raises(ConfigError) as caught:
        Envelope.parse({"type": "envelope", "fraction": 1.5, "min_runs": 0, "start_iter": 1.0})
    assert (
        "early_terminate.fraction: must be a number above 0 and at most 1, got 1.5",
        "early_terminate.min_runs: must be an integer of at least 1, got 0",
        "early_terminate.start_iter: must be an integer of at least 0, got 1.0",
    ) == caught.value.problems
