"""Calls that wait at a hub at the same moment: one transaction of its store, and an outcome for each."""

import pytest
from attrs import evolve

from sweepwidget.columns import column
from sweepwidget.errors import Fenced, StoreUnavailable, SweepNotFound
from sweepwidget.hub import tokens
from sweepwidget.hub.calls import Calls
from sweepwidget.model import Outcome, Points, RunState, Scope
from sweepwidget.store.sqlite import SqliteStore
from sweepwidget.wire import Denied, WireError, decode_reply, encode_call

from .conftest import fill


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "sweeps.db")
    yield made
    made.close()


@pytest.fixture
def calls(store):
    made = Calls(store)
    yield made
    made.close()


def token(store, sweep_id, scope=Scope.run):
    return tokens.find(store, tokens.issue(store, sweep_id, scope))


def rows(run, start, end):
    return Points(run.id, run.attempt, "", start, end, {"loss": column([start], [0.5])})


def finish(run):
    return encode_call(
        "finish",
        {"run_id": run.id, "attempt": run.attempt, "outcome": Outcome(RunState.finished, 0, "", {"loss": 0.1})},
    )


def test_calls_that_come_together_have_outcomes_of_their_own(store, calls):
    """What is malformed, fenced out, another sweep's or not allowed fails by itself; the bell rings once for the others."""
    mine, theirs = fill(store, "mine"), fill(store, "theirs")
    ours, looks_on = token(store, mine.sweep_id), token(store, mine.sweep_id, Scope.observe)
    rung = []
    store.subscribe(lambda: rung.append(1))
    asked = [
        (ours, "log", encode_call("log", {"points": rows(mine.run, 3, 4)})),
        (ours, "log", encode_call("log", {"points": rows(evolve(mine.run, attempt=7), 4, 5)})),
        (ours, "finish", b"nonsense"),
        (ours, "finish", finish(theirs.run)),
        (looks_on, "claim", encode_call("claim", {"agent_id": mine.agent.id, "request_id": "another"})),
        (ours, "finish", finish(mine.run)),
    ]
    outcomes = calls._replies(asked)
    assert [None, Fenced, WireError, SweepNotFound, Denied, None] == [
        outcome.error and type(outcome.error) for outcome in outcomes
    ]
    assert store.run(mine.run.id) == decode_reply("finish", outcomes[-1].result)
    assert (RunState.finished, RunState.running) == (store.run(mine.run.id).state, store.run(theirs.run.id).state)
    assert [0, 1, 2, 3] == store.columns(mine.run.id)["loss"].steps.tolist()
    assert [1] == rung


def test_calls_whose_transaction_is_lost_are_not_answered_as_if_they_were_done(store, calls, monkeypatch):
    """Whoever made them is told that the store is away, and makes them again."""
    content = fill(store, "mine")
    ours, perform = token(store, content.sweep_id), calls.app.perform
    asked = [(ours, "log", encode_call("log", {"points": rows(content.run, step, step + 1)})) for step in (3, 4)]

    def perform_and_lose(verb, args):
        result = perform(verb, args)
        store._connection.execute("ROLLBACK")  # as SQLite itself does when the disk is full
        return result

    with monkeypatch.context() as broken:
        broken.setattr(calls.app, "perform", perform_and_lose)
        with pytest.raises(StoreUnavailable):
            calls._replies(asked)
    assert [None, None] == [outcome.error for outcome in calls._replies(asked)]
    assert [0, 1, 2, 3, 4] == store.columns(content.run.id)["loss"].steps.tolist()
