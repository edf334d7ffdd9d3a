"""Several controllers of one sweep, one after another: what one suggested ahead is the next one's."""

import pytest

from sweepwidget import steering as module
from sweepwidget.columns import column
from sweepwidget.model import Agent, AgentId, Outcome, Points, RunState, Suggestion, SweepState
from sweepwidget.plan import Plan
from sweepwidget.process import this_process
from sweepwidget.steering import Steering
from sweepwidget.stores import current_store

RANDOM = {"method": "random", "metric": {"name": "loss"}, "parameters": {"x": {"min": 0.0, "max": 1.0}}}


@pytest.fixture
def sweep_id(wandb):
    return wandb.sweep(RANDOM)


def pending(sweep_id):
    return [run.id for run in current_store().runs(sweep_id) if run.state is RunState.pending]


def at_work(sweep_id, name, wanted=None):
    store = current_store()
    store.join(Agent(AgentId(name), sweep_id, this_process(), waiting=True, wanted=wanted), 30.0)
    return name


def do_one(name, number, wanted=None):
    store = current_store()
    run = store.claim(AgentId(name), f"{name} {number}", wanted)
    store.finish(run.id, run.attempt, Outcome(RunState.finished, summary={"loss": 1.0}))


def suggested_ahead(sweep_id, first):
    """The first of two controllers has suggested more than the agents will begin."""
    at_work(sweep_id, "a")
    at_work(sweep_id, "b")
    for number in range(3):
        first.step()
        do_one("a", number)
    first.step()
    assert pending(sweep_id)


def test_the_last_to_leave_takes_back_what_another_controller_suggested(sweep_id):
    """The one that steered has left while others worked on."""
    store = current_store()
    first, second = (Steering(store, sweep_id, owner) for owner in ("first", "second"))
    suggested_ahead(sweep_id, first)
    store.leave(AgentId("a"))
    first.leave()
    assert pending(sweep_id)
    store.leave(AgentId("b"))
    second.leave()
    assert [] == pending(sweep_id)
    assert [1, 2, 3] == [run.number for run in store.runs(sweep_id)]


def test_who_leaves_while_another_one_still_steers_leaves_it_to_that_one(sweep_id, monkeypatch):
    """The last agents go just between that one's look and its giving up the lease."""
    store = current_store()
    first, second = (Steering(store, sweep_id, owner) for owner in ("first", "second"))
    suggested_ahead(sweep_id, first)
    store.leave(AgentId("a"))
    release = first.release

    def too_late():
        monkeypatch.setattr(first, "release", release)
        store.leave(AgentId("b"))
        second.leave()
        assert pending(sweep_id)
        release()

    monkeypatch.setattr(first, "release", too_late)
    first.leave()
    assert [] == pending(sweep_id)


def test_what_people_added_stays(wandb, sweep_id):
    """Nobody's leaving takes back a run that was added or scheduled by hand."""
    store = current_store()
    by_hand = store.enqueue(sweep_id, Suggestion({"x": 0.5}), seed=0).id
    wandb.controller(sweep_id).stop_runs([])
    store.set_state(sweep_id, SweepState.RUNNING)
    only = Steering(store, sweep_id, "only")
    only.step(force=True)
    only.leave()
    assert [by_hand] == pending(sweep_id)
    store.delete_run(by_hand)
    controller = wandb.controller(sweep_id)
    controller.schedule(controller.search())
    (scheduled,) = pending(sweep_id)
    only.step(force=True)
    only.leave()
    assert [scheduled] == pending(sweep_id)


def test_a_new_controller_takes_back_what_is_outdated(sweep_id):
    """The one that suggested it was gone before the edit."""
    store = current_store()
    first = Steering(store, sweep_id, "first")
    suggested_ahead(sweep_id, first)
    old = set(pending(sweep_id))
    first.release()
    store.update_config(sweep_id, {**RANDOM, "parameters": {"x": {"min": 5.0, "max": 6.0}}})
    Steering(store, sweep_id, "second").step()
    assert not old & set(pending(sweep_id))


def test_what_changes_no_decision_asks_for_none(sweep_id, monkeypatch):
    """A row that a run logs is none of the search's business; the next run that begins is."""
    store, decisions = current_store(), []
    steering_plan = module.plan
    monkeypatch.setattr(module, "plan", lambda *args, **more: decisions.append(1) or steering_plan(*args, **more))
    controller = Steering(store, sweep_id, "controller")
    at_work(sweep_id, "a")
    for number in range(2):
        controller.step()
        do_one("a", number)
    run = store.claim(AgentId("a"), "the last")
    while controller.step() != Plan():
        pass
    controller.step()
    decided = len(decisions)
    store.log(Points(run.id, run.attempt, "", 0, 1, {"loss": column([0], [0.5])}))
    assert Plan() == controller.step()
    assert decided == len(decisions)
    store.finish(run.id, run.attempt, Outcome(RunState.finished, summary={"loss": 1.0}))
    for number in range(3, 9):
        assert store.claim(AgentId("a"), f"a {number}")
        controller.step()
    assert decided < len(decisions)
