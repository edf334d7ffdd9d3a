"""Time goes wrong: processes that are frozen for longer than their lease, a machine that sleeps, a clock that is set.

A frozen hub: tests/store/test_remote.py. A controller that was itself frozen, and leases from before a restart:
tests/store/test_conformance.py. The clock of a database server: tests/store/test_postgres.py.
"""

import signal
import time

import psutil
import pytest
from waiting import until

from sweepwidget import agentloop, participant, steering
from sweepwidget.store import statements

from . import victims
from .failpoints import FailPoint
from .scene import kill

pytestmark = pytest.mark.slow

LEASE_S = 3.0
"""Sent every second, so that a machine which stalls for two takes no run away from those who work."""
HELD_UP_S = 2.0


def stopped(pid):
    until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)


@pytest.fixture
def short_leases(monkeypatch):
    """Leases of seconds, here as in the victims."""
    for module in (agentloop, participant, steering):
        monkeypatch.setattr(module, "LEASE_S", LEASE_S)


@pytest.mark.parametrize("statement", ["CLAIMED", "LOGGED_SUMMARY", "CLOSE"])
def test_a_zombie_is_fenced_out(any_scene, short_leases, statement):
    """Frozen for longer than its lease, just after it has claimed, shipped or closed a run; meanwhile somebody else does the
    run. When it wakes, nothing that it does counts, and it finds that the sweep has ended.
    """
    any_scene.last(rows=12, pause_s=0.03)
    part = any_scene.part(FailPoint(statement, "after the commit", signal.SIGSTOP), lease_s=LEASE_S)
    zombie = any_scene.victim(victims.agent, part)
    stopped(zombie.pid)
    until_then = any_scene.ledger.told()
    any_scene.finish()
    runs = {run.id: run for run in any_scene.store.runs(any_scene.sweep)}
    kill(zombie.pid, signal.SIGCONT)
    zombie.join(60)
    assert 0 == zombie.exitcode
    assert runs == {run.id: run for run in any_scene.store.runs(any_scene.sweep)}
    assert statement == "CLOSE" or 2 in {run.attempt for run in runs.values()}
    # What it logs once it has woken, until it is told, belongs to a run that is no longer its own.
    told = any_scene.ledger.told()
    lost = {key: until_then.get(key, []) for key in told if key[1] < runs[key[0]].attempt}
    any_scene.check(told={**told, **lost})


def test_a_zombie_that_wakes_amid_the_next_attempt(any_scene, short_leases):
    """Somebody else is at its run when it wakes: neither its points nor its end become theirs."""
    any_scene.last(rows=40, pause_s=0.03, hold=0)
    logs_on = any_scene.folder / "it logs on"  # before it can hear whose the run is
    point = FailPoint("LOGGED_SUMMARY", "after the commit", signal.SIGSTOP, until=str(logs_on))
    part = any_scene.part(point, lease_s=LEASE_S)
    zombie = any_scene.victim(victims.agent, part)
    stopped(zombie.pid)
    until_then = any_scene.ledger.told()
    other = any_scene.victim(victims.agent, any_scene.part(lease_s=LEASE_S))
    until(lambda: any(attempt == 2 and len(rows) > 20 for (_, attempt), rows in any_scene.ledger.told().items()))
    kill(zombie.pid, signal.SIGCONT)
    until(lambda: _rows_of(zombie.pid, any_scene.ledger.told()) > _rows_of(zombie.pid, until_then))
    logs_on.touch()
    any_scene.ledger.go()
    for process in (zombie, other):
        process.join(60)
        assert 0 == process.exitcode
    any_scene.check(told={**any_scene.ledger.told(), **until_then})


def _rows_of(pid, told):
    return sum(who == pid for lines in told.values() for who, _ in lines)


def test_one_that_is_frozen_amid_a_transaction_holds_up_and_loses_nothing(scene):
    """It holds the file's lock while it sleeps: the others wait for it, and say so where that takes long."""
    scene.last(rows=12, pause_s=0.03)
    part = scene.part(FailPoint("LOGGED_SUMMARY", "before the commit", signal.SIGSTOP))
    frozen = scene.victim(victims.agent, part)
    stopped(frozen.pid)
    other = scene.victim(victims.agent, scene.part())
    time.sleep(HELD_UP_S)  # the fault itself: nobody can write for so long
    assert other.is_alive()
    kill(frozen.pid, signal.SIGCONT)
    for process in (frozen, other):
        process.join(60)
        assert 0 == process.exitcode
    assert {1} == {run.attempt for run in scene.store.runs(scene.sweep)}
    scene.check()


def test_a_machine_that_sleeps(scene, short_leases):
    """Everybody is frozen together for longer than a lease, twice: nobody's run is taken away, although somebody is the first
    to wake and to look.
    """
    scene.last(rows=60, pause_s=0.02, hold=0)
    everybody = [scene.victim(victims.agent, scene.part(lease_s=LEASE_S)) for _ in range(3)]
    until(lambda: scene.at_work() and len(left_of_leases(scene)) == 3)
    (held,) = {pid for pid, _ in scene.ledger.told()[scene.store.runs(scene.sweep)[0].id, 1]}
    everybody.sort(key=lambda process: process.pid == held)  # who has a run for certain wakes last
    for _ in range(2):
        for process in everybody:
            kill(process.pid, signal.SIGSTOP)
        time.sleep(LEASE_S + 0.5)  # the fault itself
        kill(everybody[0].pid, signal.SIGCONT)
        bound = time.monotonic() + 2  # it cannot look if another was frozen amid a transaction
        while min(left_of_leases(scene), default=1.0) <= 0 and time.monotonic() < bound:
            time.sleep(0.01)
        for process in everybody:
            kill(process.pid, signal.SIGCONT)
    scene.ledger.go()
    for process in everybody:
        process.join(60)
        assert 0 == process.exitcode
    assert {1} == {run.attempt for run in scene.store.runs(scene.sweep)}
    scene.check()


def left_of_leases(scene):
    """Seconds, of all agents that are not gone."""
    store = scene.store
    with store._read as tx:
        agents = tx.execute(statements.LIVING, (store._number(tx, scene.sweep),)).fetchall()
        return [ends_at - store._clock(tx) for *_, ends_at in agents]


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_is_set(scene, short_leases, days):
    """A day back or forward in the middle of a run: no lease lapses, and nobody else gets the run."""
    scene.last(rows=30, pause_s=0.08)  # long enough for everybody to look at everybody several times
    moved = scene.victim(victims.agent_whose_clock_is_set, scene.part(lease_s=LEASE_S), days * 86400.0)
    other = scene.victim(victims.agent, scene.part(lease_s=LEASE_S))
    for process in (moved, other):
        process.join(60)
        assert 0 == process.exitcode
    runs = scene.store.runs(scene.sweep)
    assert {1} == {run.attempt for run in runs}
    assert any(abs(run.ended_at - time.time()) > 80000 for run in runs)
    scene.check()
