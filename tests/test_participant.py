"""What a process hears of its runs between two looks at the store."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from sweepwidget import participant, session
from sweepwidget.errors import RunStopped, StoreUnavailable
from sweepwidget.model import Agent, AgentId, Outcome, RunState, Suggestion, Sweep, SweepId, SweepState
from sweepwidget.participant import Participant
from sweepwidget.process import this_process
from sweepwidget.store.spool import is_written
from sweepwidget.store.sqlite import SqliteStore

SWEEP, AGENT = SweepId("sweep"), AgentId("agent")


@pytest.fixture
def store(tmp_path):
    """With a sweep, an agent and two runs that wait."""
    store = SqliteStore(tmp_path / "sweeps.db")
    store.create_sweep(Sweep(SWEEP, {"method": "random"}, SweepState.RUNNING))
    lease = store.acquire(SWEEP, "controller", this_process(), 30.0)
    store.add_runs(lease, [Suggestion({"x": i}) for i in range(2)], range(2))
    store.join(Agent(AGENT, SWEEP, this_process()), 30.0)
    yield store
    store.close()


@pytest.fixture
def here(store):
    here = Participant(store)
    here._ticking = True  # the test ticks
    here.keep(AGENT, SWEEP)
    return here


def work(row, told):
    def order_stop(reason, state=None):
        told.append((row.attempt, reason, state))

    return SimpleNamespace(
        id=row.id, attempt=row.attempt, flush=lambda: False, remind=lambda: None, order_stop=order_stop
    )


def test_what_was_read_before_a_run_was_claimed_again_does_not_stop_it(store, here, monkeypatch):
    """Its row of then is about the attempt before, even if it comes to be looked at only when the next has begun."""
    first, told = store.claim(AGENT, "first"), []
    read = store.changes

    def read_and_claimed_meanwhile(*args, **options):
        changes = read(*args, **options)
        if not here.runs:
            store.finish(first.id, first.attempt, Outcome(RunState.preempted))
            here.add(work(store.claim(AGENT, "again"), told))
        return changes

    monkeypatch.setattr(store, "changes", read_and_claimed_meanwhile)
    here.tick(1.0)
    assert [(first.id, 2)] == list(here.runs)
    here.bell.ring()
    here.tick(2.0)
    assert told == []


def test_a_run_that_somebody_else_has_is_told_to_stop(store, here):
    """One whose attempt is over, too."""
    first, second, told = store.claim(AGENT, "first"), store.claim(AGENT, "second"), []
    here.add(work(first, told))
    here.add(work(second, told))
    here.tick(1.0)
    store.finish(first.id, first.attempt, Outcome(RunState.preempted))
    store.claim(AGENT, "again")
    store.finish(second.id, second.attempt, Outcome(RunState.crashed))
    here.tick(2.0)
    assert [(1, "it is crashed", None), (1, "it was given to another agent", None)] == sorted(told)


def test_a_heartbeat_that_fails_is_sent_again_in_a_second(store, here, monkeypatch):
    """The others are ten seconds apart, so a lease that misses one outlasts a store that is away for less than the rest."""
    beats, heartbeat = [], store.heartbeat

    def away_at_first(*args):
        beats.append(now)
        if len(beats) == 1:
            raise StoreUnavailable("away")
        return heartbeat(*args)

    monkeypatch.setattr(store, "heartbeat", away_at_first)
    for now in (10.0, 10.5, 11.0, 11.5, 20.5, 21.0):
        with pytest.raises(StoreUnavailable) if now == 10.0 else nullcontext():
            here.tick(now)
    assert [10.0, 11.0, 21.0] == beats


def test_an_interrupt_as_ticking_begins_keeps_no_later_work_from_it(store, monkeypatch):
    """It passes on, and whoever comes next has the ticks begin, once."""
    here, begun = Participant(store), []

    def spawn(ticking):
        ticking.close()
        begun.append(ticking)
        if len(begun) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(participant, "spawn", spawn)
    with pytest.raises(KeyboardInterrupt):
        here.watch()
    here.watch()
    here.watch()
    assert 2 == len(begun)


def test_a_program_that_begins_when_its_run_is_somebody_elses_logs_nothing(store):
    """Its agent died as it started, and the run has been claimed again: the first `log()` says so and keeps no row."""
    first = store.claim(AGENT, "first")
    store.finish(first.id, first.attempt, Outcome(RunState.preempted))
    store.claim(AGENT, "again")
    with session.trial(store, first, frozenset(), "program"):
        run = session.init()
        with pytest.raises(RunStopped, match="another agent"):
            run.log({"loss": 1.0})
        run._spool.close(remove=True)


def test_who_will_log_is_known_before_its_first_row(store):
    """So whoever would give the run to another waits for a program that has begun, and has not logged yet."""
    first = store.claim(AGENT, "first")
    with session.trial(store, first, frozenset(), "program"):
        assert not is_written(store.folder, first.id, first.attempt)
        run = session.init()
        assert is_written(store.folder, first.id, first.attempt)
        run._spool.close(remove=True)
