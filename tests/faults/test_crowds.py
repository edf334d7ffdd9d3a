"""Many at once: controllers, agents and counts, each in several processes.

Twelve processes that make one store: tests/store/test_sqlite.py and test_postgres.py; agents of every kind on one sweep:
tests/test_together.py.
"""

import pytest
from waiting import until

from sweepwidget.model import Suggestion, SweepId

from . import victims
from .failpoints import FailPoint

pytestmark = pytest.mark.slow

PROCESSES, THREADS = 4, 4
RANDOM = {"method": "random", "parameters": {"x": {"min": 0.0, "max": 1.0}}}


def crowd(scene, processes=PROCESSES, **options):
    """Agents in several processes, until all have gone home."""
    started = [scene.victim(victims.agent, scene.part(), **options) for _ in range(processes)]
    for process in started:
        process.join(60)
        assert 0 == process.exitcode


def test_five_controllers_suggest_each_cell_once(any_scene):
    """Any of five processes may steer, and two of them are killed while they do."""
    any_scene.cells = 40
    any_scene.create()
    for moment in ("before the commit", "after the commit"):
        any_scene.struck(victims.agent, FailPoint("ADD_RUN", moment, nth=3))
    crowd(any_scene, 5, agents=2)
    any_scene.check()


def test_run_cap_is_met_exactly(any_scene):
    """By sixteen agents of four processes: neither a run more nor a run less."""
    any_scene.sweep = any_scene.wandb.sweep({**RANDOM, "run_cap": 50})
    crowd(any_scene, agents=THREADS)
    runs = any_scene.store.runs(SweepId(any_scene.sweep))
    assert (["finished"] * 50, list(range(1, 51))) == ([run.state.value for run in runs], [run.number for run in runs])
    assert {(run.id, 1) for run in runs} == any_scene.ledger.told().keys()


def test_count_is_met_exactly(any_scene):
    """By the sixteen agents of each of two calls."""
    any_scene.sweep = any_scene.wandb.sweep(RANDOM)
    crowd(any_scene, 2, agents=16, count=25)
    begun = [run for run in any_scene.store.runs(SweepId(any_scene.sweep)) if run.started_at is not None]
    assert {(run.id, 1) for run in begun} == any_scene.ledger.told().keys()
    assert ["finished"] * 50 == [run.state.value for run in begun]


def test_runs_added_by_hand_are_done_once(any_scene):
    """Sixty that wait already when sixteen agents come, and one process of theirs is killed meanwhile."""
    any_scene.cells = 60
    any_scene.create()
    added = [
        any_scene.store.enqueue(SweepId(any_scene.sweep), Suggestion({"cell": i}), i).id for i in range(any_scene.cells)
    ]
    killed = any_scene.victim(victims.agent, any_scene.part(), agents=THREADS)
    until(lambda: len(any_scene.ledger.told()) > THREADS)
    killed.kill()
    crowd(any_scene, agents=THREADS)
    assert added == [run.id for run in any_scene.store.runs(SweepId(any_scene.sweep))]
    any_scene.check()
