"""How much time early stopping has saved."""

from attrs import evolve

from sweepwidget.model import RunId, RunState
from sweepwidget.runs import Runs
from sweepwidget.stopping.saved import saved_s

from .rows import LOSS, runs_of


def ended(finished, stopped):
    """Runs of so many (steps, seconds)."""
    curves = [[1.0] * steps for steps, _ in (*finished, *stopped)]
    runs = runs_of(curves)
    for i, (run, (_, seconds)) in enumerate(zip(list(runs), (*finished, *stopped), strict=True)):
        state = RunState.finished if i < len(finished) else RunState.stopped
        runs.apply_rows([evolve(run, state=state, started_at=100.0, ended_at=100.0 + seconds)])
    return runs


def test_the_steps_not_made_at_the_pace_of_the_finished_runs():
    """Median steps 10 at a median of 2 s: seven steps less are 14 s."""
    runs = ended([(10, 20.0), (10, 20.0), (12, 48.0)], [(3, 900.0), (10, 1.0), (99, 1.0)])
    assert {"f4": 14.0, "f5": 0.0, "f6": 0.0} == saved_s(runs)


def test_a_run_that_logged_nothing_saved_all():
    """It was stopped before its first step."""
    assert {"f2": 20.0} == saved_s(ended([(10, 20.0)], [(0, 5.0)]))


def test_nothing_is_claimed_without_a_finished_run():
    """There is nothing to compare with."""
    assert {} == saved_s(ended([], [(3, 9.0)]))
    assert {} == saved_s(Runs(LOSS))


def test_rows_without_times_are_left_out():
    """As those made of SweepRuns."""
    runs = ended([(10, 20.0)], [(3, 9.0)])
    runs.apply_rows([evolve(runs[RunId("f1")], started_at=None)])
    assert {} == saved_s(runs)
