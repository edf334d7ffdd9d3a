"""SIGKILL at every point of a run's life: whoever goes on does what is left, and nothing is lost or done twice.

Between two commits: see tests/store/test_sqlite.py and test_postgres.py, which kill agents at any moment. Kernels, programs
and workers of clusters: test_signals.py, tests/backends. Everybody at once: tests/test_together.py.
"""

import contextlib
import sqlite3
import time

import pytest

from sweepwidget.model import RunState, SweepId
from sweepwidget.participant import LEASE_S
from sweepwidget.store import statements

from . import victims
from .failpoints import MOMENTS, FailPoint

pytestmark = pytest.mark.slow

LIFE = ["JOIN", "TAKE_LEASE", "ADD_RUN", "CLAIMED", "LOGGED_SUMMARY", "CLOSE", "LEAVE", "STATE"]
"""An agent joins, takes the lead, suggests, claims, ships points, closes a run, leaves; the sweep begins (and ends)."""


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("statement", LIFE)
def test_an_agent_dies_at_any_point(any_scene, statement, moment):
    """The next who comes does what is left, and does not wait for a lease to lapse: each run once, with every point."""
    any_scene.last(rows=12, pause_s=0.03 if statement == "LOGGED_SUMMARY" else 0.002)  # shipped every 0.2 s
    any_scene.struck(victims.agent, FailPoint(statement, moment))
    any_scene.last(rows=12)
    began = time.monotonic()
    any_scene.finish()
    assert time.monotonic() - began < LEASE_S / 2
    any_scene.check()


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_agent_dies_as_it_ends_the_sweep(any_scene, moment):
    """Whoever looks next finds it ended, or ends it."""
    any_scene.struck(victims.agent, FailPoint("STATE", moment, nth=2))
    any_scene.finish()
    any_scene.check()


@pytest.mark.parametrize("moment", MOMENTS)
def test_whoever_tidies_up_dies_over_it(any_scene, moment):
    """A second one is killed while it gives back the run of the first: the third one does."""
    any_scene.struck(victims.agent, FailPoint("CLAIMED", "after the commit"))
    any_scene.struck(victims.agent, FailPoint("WAIT_AGAIN", moment))
    any_scene.finish()
    any_scene.check()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_sweep_is_made_whole_or_not_at_all(any_scene, moment):
    """The process that makes it is killed."""
    store = any_scene.store
    any_scene.struck(victims.creator, FailPoint("ADD_LEDGER", moment))
    made = [sweep for sweep in store.sweeps() if sweep.id != any_scene.sweep]
    assert (1 if moment == "after the commit" else 0) == len(made)
    with store._read as tx:  # what is half there, no verb would show
        assert {any_scene.sweep, *(sweep.id for sweep in made)} == {
            n for (n,) in tx.execute(statements.SWEEP_IDS).fetchall()
        }
    for sweep in made:
        assert [] == list(store.runs(sweep.id))
    any_scene.finish()
    any_scene.check()


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_edit_happens_or_does_not(any_scene, moment):
    """Killed while it changes the configuration: the former or the new one is in force, and the sweep goes on by it."""
    any_scene.struck(victims.editor, FailPoint("CONFIG", moment))
    edited = moment == "after the commit"
    found = any_scene.store.sweep(SweepId(any_scene.sweep))
    assert (edited, 2 if edited else 1) == ("name" in found.config, found.config_version)
    any_scene.finish()
    any_scene.check()


@pytest.mark.parametrize("nth", range(1, sum(map(len, statements.MIGRATIONS[1:])) + 1, 2))
def test_a_migration_happens_or_does_not(scene, nth):
    """Killed in the middle of bringing an older store up to date: the next who opens it does it, and nothing is missing."""
    scene.finish()
    old = scene.folder / "old.db"
    victims.make_old_store(old)
    scene.struck(victims.migrator, FailPoint("", "", nth=nth), old)
    with contextlib.closing(sqlite3.connect(old)) as left:
        assert (1,) == left.execute("PRAGMA user_version").fetchone()
    scene.store = scene.wandb.use_store(old)
    scene.ledger.folder.rename(scene.folder / "before")
    scene.ledger.folder.mkdir()
    scene.create()
    scene.finish()
    scene.check()


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("statement", ["JOIN", "ADD_RUN", "CLAIMED", "LOGGED_SUMMARY", "CLOSE", "LEAVE"])
def test_a_hub_dies_at_any_point(scene, statement, moment):
    """The agent behind it asks again, and gets the answer it would have got: no run is begun twice or tried again."""
    scene.last(rows=12, pause_s=0.03 if statement == "LOGGED_SUMMARY" else 0.002)
    link = scene.hub(FailPoint(statement, moment))
    agents = scene.wandb.agent(link, function=scene.ledger.training(), block=False)
    scene.hub_dies()
    scene.hub()
    while not agents.wait(0.05):
        at_work = [run for run in scene.store.runs(scene.sweep) if run.state is RunState.running]
        assert len(at_work) <= 1, "one agent has two runs"
    assert {1} == {run.attempt for run in scene.store.runs(scene.sweep)}
    scene.check()
