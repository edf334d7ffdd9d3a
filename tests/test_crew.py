"""The mirror of a crew: whatever happens, and however seldom one looks, each run is told of once."""

import contextlib
import secrets

from hypothesis import given, settings, strategies as st

from sweepwidget.cluster.crew import Crew, Event
from sweepwidget.cluster.slot import Slot
from sweepwidget.model import ENDED, Agent, AgentId, Outcome, RunState, Suggestion, Sweep, SweepId, SweepState
from sweepwidget.process import this_process
from sweepwidget.store import open_store

CREW, OTHERS = "aaaa", "bbbb"


def test_strangers_in_the_crew_are_left_alone(tmp_path):
    """Whoever has a link to the sweep may join under any name, and say that it is of this crew."""
    scene = Scene(tmp_path)
    for name in ("x", CREW, f"{CREW}-", f"{CREW}-x-1", f"{OTHERS}-1-x"):
        scene.store.join(Agent(AgentId(name), scene.sweep.id, this_process(), crew=CREW), 1000.0)
        assert set() == scene.crew.apply(scene.store.changes(scene.sweep.id, scene.crew.cursor), lambda *_: None)
    assert {} == scene.crew.agents


class Scene:
    """A real store, a crew's agents and others', and what the mirror was told."""

    def __init__(self, folder):
        self.store = open_store(folder / f"{secrets.token_hex(4)}.db")
        self.sweep = self.store.create_sweep(Sweep(SweepId("s1"), {"method": "random"}))
        self.lease = self.store.acquire(self.sweep.id, "me", this_process(), 1000.0)
        self.store.set_state(self.sweep.id, SweepState.RUNNING)
        self.crew, self.told = Crew(CREW), []
        self.agents, self.runs = {}, {}

    def add(self, _):
        self.store.add_runs(self.lease, [Suggestion({"x": 1})], [0])

    def claim(self, who):
        crew, slot = (CREW, OTHERS)[who % 2], who // 2
        if (crew, slot) in self.runs:
            return
        agent_id = AgentId(f"{crew}-{slot}-{secrets.token_hex(2)}")
        self.store.join(Agent(agent_id, self.sweep.id, this_process(), crew=crew), 1000.0)
        run = self.store.claim(agent_id, secrets.token_hex(4))
        if run is None:
            self.store.leave(agent_id)
            return
        self.agents[crew, slot], self.runs[crew, slot] = agent_id, run

    def end(self, who, state=RunState.finished):
        run = self.runs.pop(((CREW, OTHERS)[who % 2], who // 2), None)
        if run is not None:
            self.store.finish(run.id, run.attempt, Outcome(state))
            self.store.leave(run.agent_id)

    def preempt(self, who):
        self.end(who, RunState.preempted)

    def lose(self, who):
        run = self.runs.pop(((CREW, OTHERS)[who % 2], who // 2), None)
        if run is not None:
            self.store.leave(run.agent_id)

    def look(self, _):
        changes = self.store.changes(self.sweep.id, self.crew.cursor, keys=())
        return self.crew.apply(changes, lambda event, run: self.told.append((event, run.id, run.attempt, run.state)))


steps = st.tuples(st.sampled_from(["add", "claim", "claim", "end", "lose", "preempt", "look"]), st.integers(0, 5))


@settings(max_examples=60)
@given(st.lists(steps, max_size=40))
def test_each_run_of_the_crew_is_told_of_once(tmp_path_factory, story):
    """Started once, ended once unless it is at work; and the count is what the crew has in hand or has ended."""
    scene = Scene(tmp_path_factory.getbasetemp())
    with contextlib.closing(scene.store):
        for verb, who in story:
            getattr(scene, verb)(who)
        scene.look(0)
        rows = scene.store.runs(scene.sweep.id)
    ours = [run for run in rows if scene.crew.works_on(run)]
    assert {run.id for run in ours} == set(scene.crew.working)
    assert {agent.crew for agent in scene.crew.agents.values()} <= {CREW}
    started = [(run_id, attempt) for event, run_id, attempt, _ in scene.told if event is Event.started]
    ended = [(run_id, attempt) for event, run_id, attempt, _ in scene.told if event is Event.ended]
    assert len(set(started)) == len(started) == scene.crew.begun
    assert sorted(started) == sorted(ended + [(run.id, run.attempt) for run in ours])
    closed = {(run.id, run.attempt) for run in rows if run.state in ENDED and (run.agent_id or "").startswith(CREW)}
    assert closed == {
        (run_id, attempt) for event, run_id, attempt, state in scene.told if state in ENDED and event is Event.ended
    }


def test_a_lost_run_does_not_count(tmp_path):
    """The store lets the crew begin another for it, so the mirror must count the same."""
    scene = Scene(tmp_path)
    with contextlib.closing(scene.store):
        for verb in ("add", "claim", "look", "lose", "look"):
            getattr(scene, verb)(0)
    assert (1, 1) == (scene.crew.begun, scene.crew.lost)
    assert [Event.started, Event.ended] == [event for event, *_ in scene.told]
    assert RunState.preempted is scene.told[-1][-1]
    assert 1 == len(scene.crew.waiting)


def test_slots_that_have_joined_are_named_once(tmp_path):
    """That is how one knows that a loop has begun."""
    scene = Scene(tmp_path)
    with contextlib.closing(scene.store):
        scene.add(0)
        scene.claim(4)
        assert {2} == scene.look(0)
        assert set() == scene.look(0)


@given(st.lists(st.floats(0, 10_000), min_size=1, max_size=30).map(sorted))
def test_losses_are_forgiven_with_time(moments):
    """Never more than five new tries within ten minutes, and never a pause above 16 s."""
    slot = Slot(0)
    pauses = [(now, slot.lost(now)) for now in moments]
    for now, pause in pauses:
        recent = sum(1 for then, _ in pauses if then <= now and now - then < 600)
        assert (pause is None) is (recent > 5) or moments.count(now) > 1
        assert pause is None or 1.0 <= pause <= 16.0
