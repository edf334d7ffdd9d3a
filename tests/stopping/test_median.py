"""The median stopping rule: Vizier's, with the parameters that Optuna and Ray gave it."""

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, strategies as st

from sweepwidget.errors import ConfigError
from sweepwidget.model import RunId, RunState
from sweepwidget.runs import Runs
from sweepwidget.stopping.median import Median, running_average

from .rows import ACCURACY, LOSS, runs_of

FIVE = [[5, 1, 1], [5, 2, 2], [5, 3, 3], [5, 4, 4], [5, 5, 5]]
"""Their averages up to step 2: 3, 3.5, 4, 4.5, 5."""


def test_a_run_worse_than_the_median_average_is_stopped():
    """Its best value counts, against the finished runs' running averages."""
    runs = runs_of(FIVE, [[9, 4.5], [4.5, 9]])
    reason = "median: 4.5, its best of 2 values, is worse than 4, the median of 5 finished runs then"
    assert {"r1": reason, "r2": reason} == Median(min_iter=2).stop(runs)
    assert {} == Median(min_iter=2).stop(runs_of(FIVE, [[9, 4], [4, 9], [1, 9]]))


def test_young_runs_are_kept():
    """A run is judged from `min_iter` values on (default 5)."""
    assert ["r2"] == list(Median().stop(runs_of(FIVE, [[9] * 4, [9] * 5])))


def test_nothing_is_stopped_before_min_runs_have_finished():
    """Default 5; runs that failed, were stopped, or logged nothing do not count."""
    bad = [[99] * 9]
    assert {} == Median().stop(runs_of(FIVE[:4], bad))
    assert {} == Median().stop(runs_of([*FIVE[:4], []], bad))
    assert {} == Median().stop(runs_of(FIVE, bad, ended_as=RunState.stopped))
    assert ["r1"] == list(Median(min_runs=4).stop(runs_of(FIVE[:4], bad)))


def test_between_two_checks_nothing_changes():
    """With min_iter 2 and interval 3 the values at 2, 5, 8 … decide, until the next check."""
    rule = lambda: Median(min_iter=2, interval=3)
    assert ["r1"] == list(rule().stop(runs_of(FIVE, [[9, 9, 1, 1]])))
    assert [] == list(rule().stop(runs_of(FIVE, [[9, 9, 1, 1, 1]])))
    assert [] == list(rule().stop(runs_of([[1] * 5] * 5, [[1, 1, 1, 1, 1, 9, 9]])))


@pytest.mark.parametrize(
    ("percentile", "stopped"), [(100, []), (80, []), (50, ["r1"]), (25, ["r1", "r2"]), (1, ["r1", "r2", "r3"])]
)
def test_a_smaller_percentile_asks_for_more(percentile, stopped):
    """25: keep up with the best quarter."""
    runs = runs_of([[1], [2], [3], [4], [5]], [[3.5], [2.5], [1.5]])
    assert stopped == list(Median(min_iter=1, percentile=percentile).stop(runs))
    if percentile == 25:
        reason = "median: 3.5, its best of 1 value, is worse than 2, the best 25 % of 5 finished runs then"
        assert reason == Median(1, percentile=25).stop(runs)["r1"]


def test_of_an_even_number_the_lower_one_in_the_middle_is_the_median():
    """In doubt a run goes on."""
    runs = runs_of([[1], [2], [3], [4]], [[3], [3.5]])
    assert ["r2"] == list(Median(min_iter=1, min_runs=4).stop(runs))


def test_shorter_runs_count_with_all_they_have():
    """A run that went three steps has the average of three steps ever after."""
    assert ["r1"] == list(Median(min_runs=1).stop(runs_of([[1, 1, 1]], [[9] * 8, [1] * 8])))


def test_maximize_shows_values_as_logged():
    """With goal maximize a run must be above."""
    runs = runs_of([[-0.9]] * 5, [[-0.5], [-0.95]], ACCURACY)
    reason = "median: 0.5, its best of 1 value, is worse than 0.9, the median of 5 finished runs then"
    assert {"r1": reason} == Median(min_iter=1).stop(runs)


def test_a_resumed_run_starts_from_nothing():
    """What an attempt that was given up has logged does not count."""
    runs = runs_of(FIVE, [[99] * 9])
    assert ["r1"] == list(Median().stop(runs))
    runs.apply_rows([evolve(runs[RunId("r1")], attempt=2)])
    assert {} == Median().stop(runs)


@given(st.floats(-1e308, 1e308), st.integers(1, 40))
def test_runs_that_are_all_alike_all_go_on(value, n):
    """Rounding in the averages makes nobody worse than itself."""
    runs = runs_of([[value] * n] * 3, [[value] * n])
    assert {} == Median(min_iter=1, min_runs=1).stop(runs)


@given(st.lists(st.floats(-1e308, 1e308), min_size=1, max_size=30))
def test_a_running_average_lies_among_its_values(costs):
    """However large they are, and without a warning."""
    averages = running_average(np.array(costs))
    assert len(costs) == len(averages)
    for k, average in enumerate(averages, 1):
        assert min(costs[:k]) <= average <= max(costs[:k])


def test_without_a_metric_nothing_is_stopped():
    """No goal, no opinion."""
    assert {} == Median().stop(runs_of(FIVE, [[99] * 9], goal=None))
    assert {} == Median().stop(Runs(LOSS))


def test_arguments_are_checked_together():
    """Every bad argument is named at once."""
    with pytest.raises(ConfigError) as caught:
        Median.parse({"type": "median", "min_iter": 0, "min_runs": 0, "percentile": 101, "interval": 0})
    assert (
        "early_terminate.min_iter: must be at least 1, got 0",
        "early_terminate.min_runs: must be at least 1, got 0",
        "early_terminate.percentile: must be above 0 and at most 100, got 101",
        "early_terminate.interval: must be at least 1, got 0",
    ) == caught.value.problems
