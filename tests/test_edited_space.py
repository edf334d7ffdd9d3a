"""A sweep that is edited while a search of the user's own decides it: that search goes on in the new space, or says why not."""

import threading

import pytest
from search.optimisers import Spiral

from sweepwidget.errors import ConfigError
from sweepwidget.model import Agent, AgentId, Outcome, RunState, Suggestion
from sweepwidget.process import this_process
from sweepwidget.steering import Steering
from sweepwidget.stores import current_store

SWEEP = {
    "method": "custom",
    "metric": {"name": "loss"},
    "parameters": {"x": {"min": 0.0, "max": 1.0}, "k": {"values": [1, 2]}},
}
ELSEWHERE = {**SWEEP, "parameters": {"x": {"min": 5.0, "max": 6.0}}}


def made(wandb, search):
    sweep = wandb.controller()
    sweep.configure(SWEEP)
    sweep.configure_search(search)
    return sweep.create()


def train(wandb):
    def function():
        with wandb.init() as run:
            run.log({"loss": run.config.x})

    return function


def middle(config, runs):
    x = config["parameters"]["x"]
    return {"x": (x["min"] + x["max"]) / 2}


class Object:
    """Remembers across edits."""

    def __init__(self):
        self.asked = 0

    def next_run(self, sweep):
        self.asked += 1
        return {**middle(sweep["config"], ()), "asked": self.asked}, None


@pytest.mark.parametrize("search", [middle, Object(), Spiral], ids=["function", "object", "optimiser"])
def test_the_search_goes_on_in_the_edited_space(wandb, search):
    """Agents that come after the edit, and those at work, get runs of the new space only."""
    sweep_id = made(wandb, search)
    wandb.agent(sweep_id, function=train(wandb), count=2)
    current_store().update_config(sweep_id, ELSEWHERE)
    wandb.agent(sweep_id, function=train(wandb), count=2)
    configs = [run.config for run in wandb.Api().sweep(sweep_id).runs]
    assert [False, False, True, True] == [5 <= config["x"] <= 6 for config in configs]
    assert [None, None] == [config.get("k") for config in configs[2:]]
    if isinstance(search, Object):
        assert [1, 2, 3, 4] == [config["asked"] for config in configs]


def test_the_edit_reaches_an_agent_at_work(wandb):
    """Its controller learns of it like of everything else."""
    sweep_id, edited = made(wandb, middle), threading.Event()

    def function():
        with wandb.init() as run:
            run.log({"loss": run.config.x})
            if not edited.is_set():
                edited.set()
                current_store().update_config(sweep_id, ELSEWHERE)

    wandb.agent(sweep_id, function=function, count=3)
    assert [0.5, 5.5, 5.5] == [run.config["x"] for run in wandb.Api().sweep(sweep_id).runs]


def test_an_edit_that_the_search_cannot_follow_is_refused_in_words(wandb):
    """The controller says what is missing, each time it is asked, until the sweep is mended."""
    sweep_id = made(wandb, Spiral)
    sweep = wandb.controller(sweep_id)
    sweep.step()
    current_store().update_config(sweep_id, {key: SWEEP[key] for key in ("method", "parameters")})
    for _ in range(2):
        with pytest.raises(ConfigError, match="an optimiser needs to know what to improve"):
            sweep.step()
    current_store().update_config(sweep_id, ELSEWHERE)
    assert 5 <= sweep.search().config["x"]["value"] <= 6


def test_an_edit_that_the_search_cannot_follow_pauses_the_sweep(wandb):
    """The agent raises the reason, and the sweep keeps it; nothing is lost."""
    sweep_id = made(wandb, Spiral)

    def function():
        with wandb.init() as run:
            run.log({"loss": run.config.x})
            current_store().update_config(sweep_id, {key: SWEEP[key] for key in ("method", "parameters")})

    with pytest.raises(ConfigError, match="an optimiser needs to know what to improve"):
        wandb.agent(sweep_id, function=function, count=3)
    sweep = wandb.Api().sweep(sweep_id)
    assert ("PAUSED", 1) == (sweep.state, len(sweep.runs))
    assert "an optimiser needs to know what to improve" in sweep.reason


@pytest.mark.parametrize("method", ["random", "grid"])
def test_what_was_suggested_ahead_and_not_begun_is_suggested_anew(wandb, method):
    """An edit counts from the next run that begins, whatever waits in the queue; runs added by hand stay."""
    space = {"x": {"values": list(range(50))}}
    store = current_store()
    sweep_id = wandb.sweep({"method": method, "metric": {"name": "loss"}, "parameters": space})
    agent = Agent(AgentId("a"), sweep_id, this_process())
    store.join(agent, 30.0)
    steering = Steering(store, sweep_id, "owner")
    steering.step()
    for n in range(3):
        begun = store.claim(agent.id, f"request {n}")
        store.finish(begun.id, begun.attempt, Outcome(RunState.finished, summary={"loss": 1.0}))
        steering.step()
    assert 1 <= sum(run.state is RunState.pending for run in store.runs(sweep_id))
    by_hand = store.enqueue(sweep_id, Suggestion({"x": 7}), seed=0)
    store.update_config(
        sweep_id, {**store.sweep(sweep_id).config, "parameters": {"x": {"values": list(range(100, 150))}}}
    )
    steering.step()
    waiting = [run for run in store.runs(sweep_id) if run.state is RunState.pending]
    assert [by_hand.id] == [run.id for run in waiting if run.config["x"] < 100]
    assert by_hand.id == store.claim(agent.id, "the one by hand").id
    steering.step()
    after = [run.config["x"] for run in store.runs(sweep_id) if run.state is RunState.pending]
    assert after and min(after) >= 100
    numbers = [run.number for run in store.runs(sweep_id)]
    assert sorted(set(numbers)) == sorted(numbers)
