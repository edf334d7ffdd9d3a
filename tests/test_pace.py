"""How far a controller looks ahead, and whether somebody waits for it: the pace of sweeps of short runs."""

from itertools import pairwise

import pytest

from sweepwidget import autocontroller
from sweepwidget.model import Agent, AgentId, Outcome, RunState, SweepId
from sweepwidget.process import this_process
from sweepwidget.steering import LOOK_AHEAD, Steering
from sweepwidget.stores import current_store

SPACE = {"x": {"min": 0.0, "max": 1.0}}


@pytest.fixture
def steered(wandb):
    """A way to begin a sweep of some method with one agent: the controller, and a call that has the agent try n runs."""
    store = current_store()

    def begin(method):
        sweep_id = SweepId(wandb.sweep({"method": method, "metric": {"name": "loss"}, "parameters": SPACE}))
        agent = Agent(AgentId(method), sweep_id, this_process())
        store.join(agent, 30.0)
        requests = iter(range(1000))

        def work(n):
            for _ in range(n):
                run = store.claim(agent.id, f"request {next(requests)}")
                if run is None:
                    return
                store.finish(run.id, run.attempt, Outcome(RunState.finished, summary={"loss": 1.0}))

        return Steering(store, sweep_id, "owner"), work

    return begin


def waiting(steering):
    return sum(run.state is RunState.pending for run in steering.runs.active.values())


def test_twice_as_many_runs_wait_as_ended_since_the_last_look(steered):
    """So that runs which become twice as short, or a look that comes late, let no agent wait; but never too many."""
    steering, work = steered("random")
    steering.step()
    work(1)
    ahead = []
    for _ in range(9):
        steering.step()
        ahead.append(waiting(steering))
        work(ahead[-1] // 2 or 1)
    assert 2 == ahead[0]
    assert all(later >= earlier for earlier, later in pairwise(ahead))
    while len(steering.runs) < 4 * LOOK_AHEAD:
        work(1000)
        steering.step()
    assert LOOK_AHEAD == waiting(steering)


def test_nobody_waits_for_the_next_step_while_there_are_runs_ahead(steered):
    """Then it may come later; not where every suggestion needs the results so far, nor when an agent found nothing."""
    steering, work = steered("random")
    steering.step()
    work(1)
    steering.step()
    assert not steering.urgent
    work(1000)
    steering.refresh()
    assert steering.urgent
    assert steered("bayes")[0].urgent


def test_who_takes_over_does_not_take_the_past_for_haste(steered):
    """All that ended before its first look is not what ended a moment ago: it suggests no more than one run ahead."""
    former, work = steered("random")
    for _ in range(6):
        former.step()
        work(1000)
    former.leave()
    steering = Steering(former.store, former.sweep.id, "another")
    steering.step()
    assert len(steering.runs.ended) > 10
    assert 1 == waiting(steering)


@pytest.mark.timeout(30)
def test_an_agent_that_found_nothing_to_do_ends_the_long_rest(wandb, monkeypatch):
    """And so does the last one that goes home: neither waits for the clock."""
    monkeypatch.setattr(autocontroller, "LONG_REST_S", 120.0)
    sweep_id = wandb.sweep({"method": "random", "parameters": SPACE})
    wandb.agent(sweep_id, function=lambda: None, count=20)
    assert ["finished"] * 20 == [run.state for run in wandb.Api().sweep(sweep_id).runs]
