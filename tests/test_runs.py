"""The mirror of a sweep's runs."""

import numpy as np
import pytest
from attrs import evolve

from sweepwidget.columns import column
from sweepwidget.model import Changes, Chunk, Cursor, Run, RunId, RunState
from sweepwidget.runs import Goal, Runs, summary_value


def run(number, state=RunState.running, **fields):
    return Run(RunId(f"r{number}"), None, number, {"a": number}, state, **fields)


def chunk(run_id, *values, attempt=1, key="loss", first=0):
    return Chunk(RunId(run_id), attempt, key, column(range(first, first + len(values)), values))


def test_costs_turn_the_sign_for_maximize_and_leave_out_what_is_not_finite():
    """Searchers and stoppers minimise, whatever the user's goal is."""
    runs = Runs(Goal("loss", maximize=True))
    runs.apply(Changes(Cursor(), runs=(run(1),), chunks=(chunk("r1", 1.0, np.nan, 3.0), chunk("r1", np.inf, 2.0))))
    assert [-1.0, -3.0, -2.0] == runs.costs(RunId("r1")).tolist()
    assert -3.0 == runs.best_cost(RunId("r1"))


def test_another_attempt_begins_a_new_curve():
    """What a dead attempt logged does not count; late points of it do not either."""
    runs = Runs(Goal("loss"))
    runs.apply(Changes(Cursor(), runs=(run(1),), chunks=(chunk("r1", 5.0),)))
    runs.apply(Changes(Cursor(), runs=(run(1, attempt=2),), chunks=(chunk("r1", 7.0, attempt=2), chunk("r1", 1.0))))
    assert [7.0] == runs.costs(RunId("r1")).tolist()


def test_arrived_and_ended_are_in_order_and_only_grow():
    """Caches beside the mirror may follow both lists by position."""
    runs = Runs()
    runs.apply_rows([run(2), run(1)])
    runs.apply_rows([run(1, RunState.finished)])
    runs.apply_rows([run(2, RunState.failed), run(1, RunState.finished)])
    assert ["r2", "r1"] == runs.arrived
    assert ["r1", "r2"] == runs.ended
    assert [1, 2] == [row.number for row in runs]
    assert {} == runs.active


def test_what_waits_is_what_nobody_works_on():
    """A run that is to be begun again waits once more; one that is deleted does no longer."""
    runs = Runs.of([run(number, RunState.pending) for number in range(1, 5)])
    runs.apply_rows([run(1, RunState.running), run(2, RunState.running), run(4, RunState.finished)])
    runs.apply_rows([run(2, RunState.preempted), evolve(run(3, RunState.pending), deleted=True)])
    assert ["r2"] == list(runs.waiting)
    assert {"r1", "r2"} == runs.active.keys()


def test_a_deleted_run_moves_the_generation():
    """Caches start anew, and the run is nowhere any more."""
    runs = Runs.of([run(1), run(2)])
    runs.apply_rows([evolve(run(1), deleted=True)])
    assert (1, ["r2"], False) == (runs.generation, runs.arrived, RunId("r1") in runs)
    runs.apply_rows([evolve(run(9), deleted=True)])
    assert 1 == runs.generation


def test_curves_cannot_be_changed_by_their_readers():
    """A searcher that writes into what it was given gets an error, not a wrong sweep."""
    runs = Runs.of([run(1)], Goal("loss"), {"r1": [1.0, 2.0]})
    with pytest.raises(ValueError, match="read-only"):
        runs.costs(RunId("r1"))[0] = 9.0


@pytest.mark.parametrize(
    ("summary", "value"),
    [
        ({"a.b": 2}, 2.0),
        ({"a": {"b": 3}}, 3.0),
        ({"a.b": True}, None),
        ({"a.b": "x"}, None),
        ({"a.b": float("nan")}, None),
        ({"a": {"b": {"c": 1}}}, None),
        ({}, None),
    ],
)
def test_summary_values(summary, value):
    """A flat key first, then a path; only finite numbers count."""
    assert value == summary_value(summary, "a.b")
