"""What every store promises, sentence by sentence of `sweepwidget.store.Store`."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import threading
import time
from collections import Counter

import numpy as np
import pytest
from attrs import evolve, fields
from hypothesis import HealthCheck, given, settings, strategies as st

from sweepwidget import errors
from sweepwidget.columns import column
from sweepwidget.model import (
    Agent,
    AgentId,
    Cursor,
    Outcome,
    Points,
    Run,
    RunId,
    RunState,
    Scope,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
    Token,
)
from sweepwidget.process import this_process
from sweepwidget.store import spool as spool_module
from sweepwidget.store.spool import Spool

from .conftest import ELSEWHERE, SWEEP, TTL, World, logged, not_at_a_hub, points

R, S = RunState, SweepState

numbers = itertools.count(1)
AT_ONE_PLACE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
"""Each example has sweeps of its own; to make it a place of its own would take most of the time."""

# -- sweeps ---------------------------------------------------------------------------------------------------------


def test_a_new_sweep_is_kept_as_given(store):
    """Every field comes back, whatever characters and numbers are in it."""
    config = {"méthode": "gr'id\"; DROP TABLE sweep;--", "lr": {"max": math.inf, "values": [1, 1.5, None, True]}}
    made = store.create_sweep(Sweep(SWEEP, config, S.PENDING, "why \0 not", 2**62, "pro\ud800ject", "entity", 12.5, 3))
    assert made.created_at == 12.5
    kept = store.sweep(SWEEP)
    assert evolve(kept, reason="", project="") == evolve(made, reason="", project="")
    assert (kept.reason, kept.project) == ("why \\x00 not", "pro\\ud800ject")


def test_a_new_sweep_is_given_a_time(store):
    """`created_at` is filled in when it is left out."""
    assert store.create_sweep(Sweep(SWEEP, {})).created_at > 1.6e9


def test_a_sweep_id_is_given_once(world):
    """The id of a sweep that exists is refused, and the old one stays."""
    with pytest.raises(errors.UsageError, match=SWEEP):
        world.store.create_sweep(Sweep(SWEEP, {"other": 1}))
    assert world.store.sweep(SWEEP).config == {"method": "random"}


def test_an_unknown_sweep_is_explained(world, place):
    """The error names the store, the nearest id and how to look elsewhere; it is a ValueError too."""
    with pytest.raises(errors.SweepNotFound, match="sweep002") as caught:
        world.store.sweep(SweepId("sweep002"))
    assert isinstance(caught.value, ValueError)
    assert place.url in str(caught.value)
    assert "did you mean 'sweep001'" in str(caught.value)
    assert "use_store" in str(caught.value)


def test_an_unknown_sweep_has_no_changes(store):
    """Every verb that takes a sweep says so when there is none."""
    with pytest.raises(errors.SweepNotFound):
        store.changes(SWEEP, Cursor())
    with pytest.raises(errors.SweepNotFound):
        store.set_state(SWEEP, S.RUNNING)
    with pytest.raises(errors.SweepNotFound):
        store.join(Agent(AgentId("a"), SWEEP, this_process()), TTL)


def test_sweeps_come_newest_first(store):
    """`sweeps` lists all of them."""
    for name in ("one", "two", "three"):
        store.create_sweep(Sweep(SweepId(name), {}))
    assert [sweep.id for sweep in store.sweeps()] == ["three", "two", "one"]


def test_a_sweep_moves_along_its_table(store):
    """Unknown moves raise; the same state again is no change."""
    store.create_sweep(Sweep(SWEEP, {}))
    with pytest.raises(errors.TransitionError, match="PENDING sweep cannot become PAUSED"):
        store.set_state(SWEEP, S.PAUSED)
    assert store.set_state(SWEEP, S.RUNNING, "go").reason == "go"
    cursor = store.changes(SWEEP, Cursor()).cursor
    assert store.set_state(SWEEP, S.RUNNING, "again").reason == "go"
    assert not store.changes(SWEEP, cursor)
    store.set_state(SWEEP, S.CANCELED)
    with pytest.raises(errors.TransitionError):
        store.set_state(SWEEP, S.RUNNING)


def test_a_finished_sweep_lets_running_runs_end(world):
    """FINISHED closes waiting runs as killed and leaves running ones alone."""
    running = world.begin()
    world.add(2)
    world.store.set_state(SWEEP, S.FINISHED, "enough")
    first, *others = world.store.runs(SWEEP)
    assert (first.state, first.stop_state) == (R.running, None)
    assert {(run.state, run.stop_reason) for run in others} == {(R.killed, "enough")}
    assert all(run.ended_at for run in others)
    assert world.finish(running).state is R.finished


def test_a_canceled_sweep_stops_running_runs(world):
    """CANCELED also tells running runs to stop; they then become killed."""
    run = world.begin()
    world.store.set_state(SWEEP, S.CANCELED, "no more")
    told = world.store.heartbeat(["agent"], TTL)[run.id]
    assert (told.state, told.stop_state, told.stop_reason) == (R.running, R.killed, "no more")


def test_a_late_controller_cannot_move_the_sweep(world):
    """With a lease that has been taken over, `set_state` is Fenced."""
    world.store.acquire(SWEEP, "another", this_process(), TTL, force=True)
    with pytest.raises(errors.Fenced, match=SWEEP):
        world.store.set_state(SWEEP, S.FINISHED, lease=world.lease)
    assert world.store.sweep(SWEEP).state is S.RUNNING


def test_a_configuration_is_replaced(world):
    """`config_version` counts up, waiting runs stay, and the same configuration again changes nothing."""
    (run,) = world.add()
    assert world.store.update_config(SWEEP, {"method": "grid"}).config_version == 2
    assert world.store.update_config(SWEEP, {"method": "grid"}).config_version == 2
    assert world.store.sweep(SWEEP).config == {"method": "grid"}
    assert world.store.run(run.id) == run
    assert world.add()[0].config_version == 2


def test_former_configurations_are_kept(world):
    """`configs` has every version in order; the last one is in force, and repeats make none."""
    assert world.store.configs(SWEEP) == [(1, {"method": "random"})]
    for method in ("grid", "grid", "random"):
        world.store.update_config(SWEEP, {"method": method, "x": math.inf})
    kept = [(1, {"method": "random"}), (2, {"method": "grid", "x": math.inf}), (3, {"method": "random", "x": math.inf})]
    assert world.store.configs(SWEEP) == kept


# -- runs by hand -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [R.pending, R.running])
def test_a_run_does_not_end_as_one_that_is_at_work(world, state):
    """Its attempt would be given to two agents: a run waits again by leave() and expire() only."""
    run = world.begin()
    with pytest.raises(errors.UsageError, match=state.value):
        world.finish(run, state)
    assert world.store.run(run.id) == run


def test_a_run_by_hand_comes_first(world):
    """It is numbered on, and claimed before what the search chose and what was preempted; those by hand keep their order."""
    preempted = world.begin()
    world.finish(preempted, R.preempted)
    (chosen,) = world.add()
    first, second = (world.store.enqueue(SWEEP, Suggestion({"x": x}, {"why": "by hand"}), 7) for x in (0.5, 0.7))
    assert (first.number, first.config, first.info, first.seed) == (3, {"x": 0.5}, {"why": "by hand"}, 7)
    agent = world.join("another")
    claimed = [world.claim(agent) for _ in range(4)]
    assert [run.id for run in claimed] == [first.id, second.id, preempted.id, chosen.id]


def test_a_run_by_hand_wakes_a_finished_sweep(world):
    """It goes on without its old reason; a canceled one does not."""
    world.store.set_state(SWEEP, S.FINISHED, "spent")
    run = world.store.enqueue(SWEEP, Suggestion({"x": 1}), 0)
    sweep = world.store.sweep(SWEEP)
    assert (sweep.state, sweep.reason) == (S.RUNNING, "")
    assert world.claim(world.join()).id == run.id
    world.store.set_state(SWEEP, S.CANCELED)
    with pytest.raises(errors.TransitionError):
        world.store.enqueue(SWEEP, Suggestion({"x": 1}), 0)
    assert len(world.store.runs(SWEEP)) == 1


def test_a_run_by_hand_is_a_change(world):
    """Readers hear of it; it carries the version of the configuration in force, and needs no lease."""
    world.store.update_config(SWEEP, {"method": "grid"})
    cursor = world.store.changes(SWEEP, Cursor()).cursor
    run = world.store.enqueue(SWEEP, Suggestion({"x": 1}), 0)
    assert world.store.changes(SWEEP, cursor).runs == (run,)
    assert run.config_version == 2


# -- changes --------------------------------------------------------------------------------------------------------


def test_changes_from_the_beginning_are_everything(world):
    """`Cursor()` gives the sweep, its runs, its agents and its points."""
    run = world.begin()
    world.store.log(points(run, 0, 3))
    changes = world.store.changes(SWEEP, Cursor())
    assert changes.sweep == world.store.sweep(SWEEP)
    assert list(changes.runs) == [run]
    assert [agent.id for agent in changes.agents] == ["agent"]
    assert [(chunk.run_id, chunk.attempt, chunk.key) for chunk in changes.chunks] == [(run.id, 1, "loss")]
    assert changes.chunks[0].column.values.tolist() == [0.0, 0.5, 1.0]


def test_changes_are_empty_when_nothing_happened(world):
    """Reading twice gives the same cursor and nothing that is true."""
    world.begin()
    cursor = world.store.changes(SWEEP, Cursor()).cursor
    again = world.store.changes(SWEEP, cursor)
    assert not again
    assert again.cursor == cursor


def test_changes_tell_only_what_changed(world):
    """A finished run is told alone; the sweep is told when its own facts have changed."""
    run = world.begin()
    world.add(5)
    cursor = world.store.changes(SWEEP, Cursor()).cursor
    ended = world.finish(run)
    changes = world.store.changes(SWEEP, cursor)
    assert (changes.sweep, changes.runs, changes.agents, changes.chunks) == (None, (ended,), (), ())
    world.store.update_config(SWEEP, {})
    assert world.store.changes(SWEEP, changes.cursor).sweep == world.store.sweep(SWEEP)


def test_changes_are_limited_to_keys(world):
    """`keys` chooses metrics; none of them means no points at all."""
    run = world.begin()
    both = {"loss": column([1], [0.5]), "accuracy": column([1], [0.25])}
    world.store.log(Points(run.id, 1, "", 0, 10, both))
    assert [c.key for c in world.store.changes(SWEEP, Cursor(), ["accuracy", "other"]).chunks] == ["accuracy"]
    assert world.store.changes(SWEEP, Cursor(), []).chunks == ()
    assert len(world.store.changes(SWEEP, Cursor(), None).chunks) == 2


def test_sweeps_do_not_see_each_other(world):
    """Runs, agents and points of one sweep are no change of another."""
    other = World(world.store, SweepId("other"))
    cursor = world.store.changes(SWEEP, Cursor()).cursor
    run = other.begin("other agent")
    world.store.log(points(run, 0, 3))
    assert not world.store.changes(SWEEP, cursor)
    mine = world.begin()
    world.store.log(points(mine, 0, 2))
    assert [chunk.run_id for chunk in world.store.changes(SWEEP, Cursor()).chunks] == [mine.id]
    assert [chunk.run_id for chunk in world.store.changes(other.sweep_id, Cursor()).chunks] == [run.id]


def test_changes_tell_of_a_deleted_run(world):
    """A mirror learns that a run is gone, and points of the deleted run do not come back under its old cursor."""
    run = world.begin()
    world.store.log(points(run, 0, 3))
    cursor = world.store.changes(SWEEP, Cursor()).cursor
    world.store.delete_run(run.id)
    other = world.begin("second")
    world.store.log(points(other, 0, 2))
    changes = world.store.changes(SWEEP, cursor)
    assert {found.id: found.deleted for found in changes.runs} == {run.id: True, other.id: False}
    assert [(chunk.run_id, len(chunk.column)) for chunk in changes.chunks] == [(other.id, 2)]


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["add", "claim", "log", "finish", "stop", "look", "delete", "other"]), st.integers(0, 3)),
    max_size=40,
)


@pytest.fixture
def stores(place):
    """The same store, as five who opened it."""
    return [place.open() for _ in range(5)]


@given(operations=OPERATIONS)
@settings(max_examples=40, suppress_health_check=AT_ONE_PLACE)
def test_cursors_neither_skip_nor_repeat(stores, operations):
    """Whenever several readers look, each gets every chunk once, in order, and in the end the rows as they are."""
    world, other = (World(store, SweepId(f"law-{next(numbers)}")) for store in stores[:2])
    readers = [_Reader(store, world.sweep_id) for store in stores[2:]]
    agents = [world.join(f"agent {i} of {world.sweep_id}") for i in range(4)]
    running: dict[int, Run] = {}
    written: dict[RunId, int] = Counter()
    for what, who in operations:
        if what == "add":
            world.add(who)
        elif what == "claim" and who not in running:
            run = world.claim(agents[who], wanted=who or None)
            running |= {} if run is None else {who: run}
        elif what == "log" and who in running:
            run = running[who]
            world.store.log(points(run, written[run.id], written[run.id] + who + 1, summary={"n": who}))
            written[run.id] += who + 1
        elif what == "finish" and who in running:
            world.finish(running.pop(who))
        elif what == "stop":
            world.store.stop([run.id for run in world.store.runs(world.sweep_id)[who : who + 1]], "law")
        elif what == "delete" and who in running:
            world.store.delete_run(running.pop(who).id)
        elif what == "other":
            other.store.log(points(other.begin(f"agent {other.requests} of {other.sweep_id}"), 0, 2))
        elif what == "look":
            readers[who % 3].look()
    for reader in readers:
        reader.look()
        assert {run_id: run for run_id, run in reader.runs.items() if not run.deleted} == {
            run.id: run for run in world.store.runs(world.sweep_id)
        }
        assert reader.agents == {agent.id: agent for agent in world.store.agents(world.sweep_id)}
        for run in world.store.runs(world.sweep_id):
            assert reader.steps.get(run.id, []) == list(range(written[run.id]))
        assert not reader.store.changes(world.sweep_id, reader.cursor)


class _Reader:
    """A mirror that does not know more than it was told."""

    def __init__(self, store, sweep_id=SWEEP):
        self.store, self.sweep_id, self.cursor = store, sweep_id, Cursor()
        self.runs, self.agents, self.steps = {}, {}, {}

    def look(self):
        changes = self.store.changes(self.sweep_id, self.cursor)
        self.cursor = changes.cursor
        self.runs |= {run.id: run for run in changes.runs}
        self.agents |= {agent.id: agent for agent in changes.agents}
        for chunk in changes.chunks:
            self.steps.setdefault(chunk.run_id, []).extend(chunk.column.steps.tolist())


# -- stopping -------------------------------------------------------------------------------------------------------


def test_stopping_a_waiting_run_closes_it(world):
    """It becomes killed at once, and nobody claims it."""
    run, other = world.add(2)
    world.store.stop([run.id], "not needed")
    stopped = world.store.run(run.id)
    assert (stopped.state, stopped.stop_reason) == (R.killed, "not needed")
    assert stopped.ended_at is not None
    assert world.claim(world.join()).id == other.id


def test_stopping_a_running_run_tells_it(world):
    """It runs on until it obeys; the first order stands."""
    run = world.begin()
    world.store.stop([run.id], "hyperband")
    world.store.stop([run.id], "the user", R.killed)
    told = world.store.run(run.id)
    assert (told.state, told.stop_state, told.stop_reason) == (R.running, R.stopped, "hyperband")
    assert world.finish(run, R.stopped).state is R.stopped


def test_stopping_an_ended_run_changes_nothing(world):
    """Runs that have ended are left alone, and no reader is woken."""
    ended = world.finish(world.begin())
    cursor = world.store.changes(SWEEP, Cursor()).cursor
    world.store.stop([ended.id], "late")
    assert world.store.run(ended.id) == ended
    assert not world.store.changes(SWEEP, cursor)


def test_stopping_what_does_not_exist(world):
    """An unknown run raises, and so does a state that no stopped run may have."""
    with pytest.raises(errors.SweepNotFound, match="nosuchid"):
        world.store.stop(["nosuchid"], "why")
    with pytest.raises(errors.UsageError, match="finished"):
        world.store.stop([], "why", R.finished)


# -- the controller's lease -----------------------------------------------------------------------------------------


def test_one_controller_at_a_time(world, place):
    """While the holder's lease lasts, others get None; renewing keeps the epoch."""
    assert world.lease.epoch == 1
    assert world.store.acquire(SWEEP, "another", this_process(), TTL) is None
    for _ in range(4):
        place.pass_time(TTL * 0.9)
        assert world.store.acquire(SWEEP, "controller", this_process(), TTL) == world.lease
    assert world.store.acquire(SWEEP, "another", this_process(), TTL) is None


def test_a_lapsed_lease_is_taken_over(world, place):
    """A new holder has a larger epoch, and fences the old one out of everything."""
    (run,) = world.add()
    place.pass_time(TTL)
    assert world.store.acquire(SWEEP, "another", this_process(), TTL).epoch == 2
    for late in (
        lambda: world.add(),
        lambda: world.store.expire(world.lease),
        lambda: world.store.set_state(SWEEP, S.PAUSED, lease=world.lease),
    ):
        with pytest.raises(errors.Fenced, match="epoch 2"):
            late()
    assert world.store.runs(SWEEP) == [run]


def test_a_dead_controller_does_not_hold(world, place):
    """A holder on this machine whose process has died does not count; one that cannot be looked at does."""
    dead = evolve(this_process(), started="before time")
    world.store.acquire(SWEEP, "dying", dead, TTL, force=True)
    assert world.store.acquire(SWEEP, "next", ELSEWHERE, TTL).epoch == 3
    assert world.store.acquire(SWEEP, "third", this_process(), TTL) is None


def test_a_lease_can_be_forced_and_given_back(world):
    """`force` takes it from a living holder; after `release` anybody may have it; a late release is harmless."""
    taken = world.store.acquire(SWEEP, "another", this_process(), TTL, force=True)
    assert taken.epoch == 2
    world.store.release(world.lease)
    assert world.store.acquire(SWEEP, "controller", this_process(), TTL) is None
    world.store.release(taken)
    assert world.store.acquire(SWEEP, "controller", this_process(), TTL).epoch == 3


def test_added_runs_are_numbered_on(world):
    """Ids, names, seeds, what the searcher said, and the sweep's place in the house come with the run."""
    first = world.store.add_runs(world.lease, [Suggestion({"lr": 0.1}, {"why": "prior"})], [2**62])
    second = world.add(2)
    assert [run.number for run in (*first, *second)] == [1, 2, 3]
    assert (first[0].config, first[0].info, first[0].seed) == ({"lr": 0.1}, {"why": "prior"}, 2**62)
    assert all(re.fullmatch("[0-9a-z]{8}", run.id) for run in second)
    assert all(re.fullmatch(rf"[a-z]+-sweep-{run.number}", run.name) for run in second)
    assert {run.state for run in second} == {R.pending}
    assert world.store.runs(SWEEP) == [*first, *second]
    assert world.store.add_runs(world.lease, [], []) == []


def test_added_runs_belong_where_the_sweep_does(store):
    """Project and entity are the sweep's."""
    store.create_sweep(Sweep(SWEEP, {}, S.RUNNING, project="p", entity="e"))
    lease = store.acquire(SWEEP, "c", this_process(), TTL)
    (run,) = store.add_runs(lease, [Suggestion({})], [0])
    assert (store.run(run.id).project, store.run(run.id).entity) == ("p", "e")


# -- claiming -------------------------------------------------------------------------------------------------------


def test_runs_are_claimed_in_order(world):
    """By number, once each; the claim says who, when and under which provenance."""
    added = world.add(3)
    world.store.join(Agent(AgentId("agent"), SWEEP, this_process(), provenance="commit"), TTL)
    claimed = [world.claim(AgentId("agent")) for _ in range(3)]
    assert [run.id for run in claimed] == [run.id for run in added]
    assert {(run.state, run.agent_id, run.attempt, run.provenance) for run in claimed} == {
        (R.running, "agent", 1, "commit")
    }
    assert all(run.started_at for run in claimed)
    assert claimed == world.store.runs(SWEEP)


def test_preempted_runs_are_claimed_first(world):
    """They come before pending ones, as a new attempt that the old writer cannot disturb."""
    world.add(2)
    world.claim(world.join("first"))
    run = world.claim(world.join("second"))
    world.store.log(points(run, 0, 3))
    world.store.leave("first")
    preempted = world.finish(run, R.preempted, exit_code=1)
    assert (preempted.state, preempted.attempt, preempted.ended_at) == (R.preempted, 1, None)
    assert world.finish(run, R.preempted) == preempted
    assert [run.state for run in world.store.runs(SWEEP)] == [R.pending, R.preempted]
    again = world.claim(world.join("third"))
    assert (again.id, again.attempt, again.state) == (run.id, 2, R.running)
    with pytest.raises(errors.Fenced, match="attempt 1"):
        world.store.log(points(run, 3, 4))
    world.store.log(points(again, 0, 1))
    assert logged(world.store, run.id) == [0]


def test_an_agent_without_work_waits(world):
    """None marks it waiting, once; a run ends the waiting."""
    agent = world.join()
    assert world.claim(agent, wanted=3) is None
    (waiting,) = world.store.agents(SWEEP)
    assert (waiting.waiting, waiting.wanted) == (True, 3)
    cursor = world.store.changes(SWEEP, Cursor()).cursor
    assert world.claim(agent, wanted=3) is None
    assert not world.store.changes(SWEEP, cursor)
    world.add()
    assert world.claim(agent, wanted=3) is not None
    (working,) = world.store.agents(SWEEP)
    assert (working.waiting, working.wanted) == (False, 2)
    assert world.store.changes(SWEEP, cursor).agents == (working,)


@pytest.mark.parametrize("state", [S.PENDING, S.PAUSED])
def test_only_a_running_sweep_gives_runs(store, state):
    """A pending or paused sweep keeps its runs."""
    world = World(store)
    world.add()
    if state is S.PAUSED:
        store.set_state(SWEEP, S.PAUSED)
    else:
        store.create_sweep(Sweep(SweepId("pending"), {}))
        world.sweep_id = SweepId("pending")
        world.lease = store.acquire(world.sweep_id, "c", this_process(), TTL)
        world.add()
    assert world.claim(world.join()) is None


def test_a_repeated_claim_gets_the_same_run(world):
    """However often and late a request arrives, it is one claim."""
    world.add(3)
    agent = world.join()
    first = world.store.claim(agent, "request a")
    second = world.store.claim(agent, "request b")
    assert first.id != second.id
    assert world.store.claim(agent, "request a") == first
    world.finish(first)
    assert world.store.claim(agent, "request a").id == first.id
    assert [run.state for run in world.store.runs(SWEEP)] == [R.finished, R.running, R.pending]


def test_only_agents_that_joined_may_claim(world):
    """Strangers, and agents that have left, are sent to `join`."""
    world.add()
    with pytest.raises(errors.UsageError, match="join"):
        world.claim(AgentId("stranger"))
    agent = world.join()
    world.store.leave(agent)
    with pytest.raises(errors.UsageError, match="join"):
        world.claim(agent)
    world.join()
    assert world.claim(agent) is not None


def test_a_run_is_claimed_by_one_of_many_threads(world):
    """Eight threads empty the queue: every run is claimed exactly once."""
    world.add(200)
    claimed: list[list[str]] = [[] for _ in range(8)]

    def work(i):
        agent = AgentId(f"agent {i}")
        world.store.join(Agent(agent, SWEEP, this_process()), TTL)
        while (run := world.store.claim(agent, f"{i}:{len(claimed[i])}")) is not None:
            claimed[i].append(run.id)
            world.store.finish(run.id, run.attempt, Outcome(R.finished), points(run, 0, 3))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run_id for part in claimed for run_id in part) == sorted(run.id for run in world.store.runs(SWEEP))
    assert {run.state for run in world.store.runs(SWEEP)} == {R.finished}
    chunks = world.store.changes(SWEEP, Cursor()).chunks
    assert Counter(chunk.run_id for chunk in chunks) == dict.fromkeys((run.id for run in world.store.runs(SWEEP)), 1)


@pytest.mark.slow
def test_a_run_is_claimed_by_one_of_many_processes(world, place, child):
    """Four processes empty the queue: every run is claimed exactly once, and a reader misses no change."""
    world.add(400)
    claimers = [
        child(
            """
            import sys
            from sweepwidget.model import Agent, AgentId, Outcome, RunState, SweepId
            from sweepwidget.process import this_process
            from sweepwidget.store import open_store
            url, name = sys.argv[1:]
            store, n = open_store(url), 0
            store.join(Agent(AgentId(name), SweepId("sweep001"), this_process()), 30.0)
            print("ready", flush=True)
            input()
            while run := store.claim(AgentId(name), f"{name}:{n}"):
                print(run.id)
                store.finish(run.id, run.attempt, Outcome(RunState.finished))
                n += 1
            """,
            place.link,
            f"claimer {i}",
        )
        for i in range(4)
    ]
    for claimer in claimers:
        assert claimer.line() == "ready"
    for claimer in claimers:
        claimer.process.stdin.write("\n")
        claimer.process.stdin.flush()
    reader = _Reader(place.open())
    while sum(run.ended for run in reader.runs.values()) < 400:
        reader.look()
    claimed = [run_id for claimer in claimers for run_id in claimer.result()]
    assert sorted(claimed) == sorted(run.id for run in world.store.runs(SWEEP))
    assert all(run == reader.runs[run.id] for run in world.store.runs(SWEEP))


# -- heartbeats and the dead ----------------------------------------------------------------------------------------


def test_the_lease_begins_with_the_claim(world, place):
    """An agent that dies right after its claim lapses; no first heartbeat is needed, and no other lease counts."""
    agent = world.join(process=ELSEWHERE)
    _watch(world, place, TTL * 0.9)
    world.add()
    world.claim(agent)
    _watch(world, place, TTL * 0.9)
    assert [run.state for run in world.store.runs(SWEEP)] == [R.running]
    _watch(world, place, TTL * 0.2)
    (run,) = world.store.runs(SWEEP)
    assert (run.state, run.attempt, run.agent_id) == (R.pending, 2, None)


def _watch(world, place, seconds):
    """Time passes while the controller looks regularly."""
    for _ in range(20):
        place.pass_time(seconds / 20)
        world.store.expire(world.lease)


def test_a_heartbeat_keeps_the_lease(world, place):
    """As long as it beats, an agent is left alone."""
    world.begin(process=ELSEWHERE)
    for _ in range(5):
        _watch(world, place, TTL * 0.8)
        assert world.store.heartbeat(["agent"], TTL) == {}
    assert [run.state for run in world.store.runs(SWEEP)] == [R.running]


def test_a_dead_process_is_noticed_at_once(world):
    """On this machine no lease has to lapse."""
    run = world.begin(process=evolve(this_process(), started="before time"))
    (given_back,) = world.store.expire(world.lease)
    assert (given_back.id, given_back.state, given_back.attempt) == (run.id, R.pending, 2)
    assert world.store.run(run.id) == given_back
    assert [(agent.gone, agent.lost) for agent in world.store.agents(SWEEP)] == [(True, (run.id,))]
    assert world.store.expire(world.lease) == []


def test_who_leaves_has_lost_nothing(world):
    """Only the dead have."""
    agent_id = world.join()
    world.store.leave(agent_id)
    assert [(agent.gone, agent.lost) for agent in world.store.agents(SWEEP)] == [(True, None)]


def test_attempts_are_limited(world):
    """After `max_attempts` the run has crashed, and the error says what is known of the death."""
    dead = evolve(this_process(), started="before time")
    world.add()
    for attempt in (1, 2):
        run = world.claim(world.join(f"agent {attempt}", dead))
        assert run.attempt == attempt
        (closed,) = world.store.expire(world.lease, max_attempts=2)
    assert (closed.state, closed.attempt, closed.agent_id) == (R.crashed, 2, "agent 2")
    assert str(dead.pid) in closed.error
    assert dead.host in closed.error
    assert "attempt 2 of 2" in closed.error
    assert closed.ended_at is not None


def test_a_dead_run_that_was_told_to_stop_has_stopped(world):
    """It becomes what it was told, not a new attempt."""
    run = world.begin(process=evolve(this_process(), started="before time"))
    world.store.stop([run.id], "hyperband")
    (closed,) = world.store.expire(world.lease)
    assert (closed.state, closed.stop_reason) == (R.stopped, "hyperband")


def test_a_dead_run_of_an_ended_sweep_does_not_wait(world):
    """An ended sweep has no waiting runs, so it is killed."""
    world.begin(process=evolve(this_process(), started="before time"))
    world.store.set_state(SWEEP, S.FINISHED)
    (closed,) = world.store.expire(world.lease)
    assert closed.state is R.killed


def test_a_new_attempt_starts_clean(world):
    """What the dead attempt logged and summed up is kept apart."""
    run = world.begin(process=evolve(this_process(), started="before time"))
    world.store.log(points(run, 0, 5, summary={"loss": 2.0}))
    world.store.expire(world.lease)
    again = world.claim(world.join("second"))
    assert (again.attempt, again.summary) == (2, {})
    world.store.log(points(again, 0, 2))
    assert logged(world.store, run.id) == [0, 1]
    assert len(world.store.columns(run.id, attempt=1)["loss"]) == 5


@pytest.fixture
def as_the_dead(monkeypatch):
    """What is logged here is logged by a process that is dead."""
    dead = evolve(this_process(), started="before time")
    monkeypatch.setattr(spool_module, "this_process", lambda: dead)
    return dead


def test_what_the_dead_left_is_taken_in(world, place, as_the_dead):
    """Points in the spool that never reached the store are counted with the attempt that logged them."""
    not_at_a_hub(place, "spools of agents are on other machines")
    run = world.begin(process=as_the_dead)
    spool = Spool(world.store.folder, run.id, run.attempt)
    for step in range(3):
        spool.append(step, 0.0, {"loss": 0.5})
    first = spool.take()
    world.store.log(first)
    spool.delivered(first)
    for step in range(3, 5):
        spool.append(step, 0.0, {"loss": 0.5, "note": "late"})
    world.store.expire(world.lease)
    assert world.store.columns(run.id, attempt=1)["loss"].steps.tolist() == [0, 1, 2, 3, 4]
    assert world.store.records(run.id, attempt=1) == [(3, {"note": "late"}), (4, {"note": "late"})]
    assert list((world.store.folder / "spool").iterdir()) == []
    spool.close()


def test_a_program_that_outlives_its_agent_for_a_moment_is_waited_for(world, place):
    """What it logs until it is ended counts as well, so its run is taken away when it has ended; or with its agent's lease."""
    not_at_a_hub(place, "spools of agents are on other machines")
    run = world.begin(process=evolve(this_process(), started="before time"))
    program = Spool(world.store.folder, run.id, run.attempt, "program")
    program.begin()
    assert world.store.expire(world.lease) == []
    for step in range(2):
        program.append(step, 0.0, {"loss": 0.5})
    _watch(world, place, TTL * 0.9)
    assert [(run.state, run.attempt) for run in world.store.runs(SWEEP)] == [(R.running, 1)]
    _watch(world, place, TTL * 0.2)
    assert [(run.state, run.attempt) for run in world.store.runs(SWEEP)] == [(R.pending, 2)]
    assert world.store.columns(run.id, attempt=1)["loss"].steps.tolist() == [0, 1]
    program.close()


def test_a_program_that_has_ended_after_its_agent_is_waited_for_no_longer(world, place, as_the_dead):
    """Its run is given back at the next look."""
    not_at_a_hub(place, "spools of agents are on other machines")
    run = world.begin(process=evolve(as_the_dead, pid=as_the_dead.pid + 1))
    program = Spool(world.store.folder, run.id, run.attempt, "program")
    program.append(0, 0.0, {"loss": 0.5})
    assert [given_back.attempt for given_back in world.store.expire(world.lease)] == [2]
    program.close()


def test_a_keeper_that_was_frozen_first_waits(world, place):
    """When the machine slept, leases lapse for everybody: agents get another, and only then are given up."""
    world.begin(process=ELSEWHERE)
    world.store.expire(world.lease)
    place.pass_time(TTL * 100)
    assert world.store.expire(world.lease) == []
    _watch(world, place, TTL * 0.9)
    assert [run.state for run in world.store.runs(SWEEP)] == [R.running]
    _watch(world, place, TTL * 0.2)
    assert [run.state for run in world.store.runs(SWEEP)] == [R.pending]


def test_leases_from_before_a_restart_have_lapsed(world, place):
    """The clock of leases begins anew with the machine; a lease from its future holds nobody up."""
    world.begin(process=ELSEWHERE)
    place.now = 5.0
    assert world.store.acquire(SWEEP, "another", this_process(), TTL).epoch == 2
    world.lease = world.store.acquire(SWEEP, "another", this_process(), TTL)
    world.store.expire(world.lease)
    _watch(world, place, TTL * 1.1)
    assert [run.state for run in world.store.runs(SWEEP)] == [R.pending]


def test_an_agent_that_was_given_up_may_come_back(world, place):
    """Its heartbeat tells it what it lost, it is no longer gone, and its late writes are fenced out."""
    run = world.begin(process=ELSEWHERE)
    _watch(world, place, TTL * 3)
    assert world.store.agents(SWEEP)[0].gone
    other = world.claim(world.join("second"))
    lost = world.store.heartbeat(["agent"], TTL)
    assert lost == {run.id: other}
    assert not world.store.agents(SWEEP)[0].gone
    for late in (
        lambda: world.store.log(points(run, 0, 1)),
        lambda: world.finish(run),
        lambda: world.store.known_offsets(run.id, run.attempt),
    ):
        with pytest.raises(errors.Fenced, match="attempt 1"):
            late()
    assert world.finish(other).state is R.finished


def test_a_heartbeat_tells_who_has_to_stop(world):
    """Each agent hears of its own runs only, again and again until they end."""
    first, second = world.begin("first"), world.begin("second")
    world.store.stop([first.id, second.id], "why", R.killed)
    for _ in range(2):
        told = world.store.heartbeat(["first"], TTL)
        assert {run_id: run.stop_state for run_id, run in told.items()} == {first.id: R.killed}
    world.finish(first, R.killed)
    assert world.store.heartbeat(["first"], TTL) == {}
    assert world.store.heartbeat(["stranger"], TTL) == {}


def test_leaving_gives_the_run_back(world):
    """The run waits again as a new attempt, however many there were; a straggling heartbeat changes nothing."""
    world.add()
    for attempt in range(1, 6):
        agent = world.join(f"agent {attempt}")
        assert world.claim(agent).attempt == attempt
        world.store.leave(agent)
        cursor = world.store.changes(SWEEP, Cursor()).cursor
        world.store.leave(agent)
        assert world.store.heartbeat([agent], TTL) == {}
        assert not world.store.changes(SWEEP, cursor)
    assert all(agent.gone and not agent.waiting for agent in world.store.agents(SWEEP))
    assert [run.attempt for run in world.store.runs(SWEEP)] == [6]


# -- crews ----------------------------------------------------------------------------------------------------------


def test_a_crew_begins_as_many_runs_as_it_may(world):
    """However many agents share the count, from however many threads they claim; others are not limited."""
    world.add(10)
    world.store.allow("crew", SWEEP, 4)
    agents = [world.join(f"crew-{i}", crew="crew") for i in range(8)]
    other = world.join("other")
    taken = []

    def claim(agent):
        with contextlib.suppress(errors.Dismissed):
            for request in range(4):
                taken.append(world.store.claim(agent, f"{agent} {request}"))

    threads = [threading.Thread(target=claim, args=(agent,)) for agent in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({run.id for run in taken}) == len(taken) == 4
    assert world.claim(other) is not None
    with pytest.raises(errors.Dismissed, match="crew"):
        world.claim(agents[0])


def test_the_controller_knows_what_a_crew_may_begin(world):
    """What an agent says it wants is never more than its crew's allowance."""
    world.store.allow("crew", SWEEP, 3)
    agent = world.join("crew-1", crew="crew")
    assert world.claim(agent, wanted=10) is None
    assert [a.wanted for a in world.store.agents(SWEEP)] == [3]
    world.add()
    assert world.claim(agent) is not None
    assert [a.wanted for a in world.store.agents(SWEEP)] == [2]


def test_a_repeated_claim_counts_once(world):
    """An agent that did not hear the answer asks again, and its crew's count is none the worse."""
    world.add(2)
    world.store.allow("crew", SWEEP, 2)
    agent = world.join("crew-1", crew="crew")
    first = world.store.claim(agent, "request")
    assert world.store.claim(agent, "request") == first
    assert world.store.claim(agent, "another") is not None


def test_a_lost_run_does_not_count(world):
    """The run of an agent that was lost waits again, and its crew may begin it again; a crew sent home stays there."""
    world.add()
    world.store.allow("crew", SWEEP, 1)
    for name in ("crew-1", "crew-2"):
        agent = world.join(name, crew="crew")
        assert world.claim(agent) is not None
        world.store.leave(agent)
    world.store.allow("crew", SWEEP, 1)
    agent = world.join("crew-3", crew="crew")
    assert world.claim(agent).attempt == 3
    world.store.allow("crew", SWEEP, 0)
    world.store.leave(agent)
    with pytest.raises(errors.Dismissed):
        world.claim(world.join("crew-4", crew="crew"))
    world.store.allow("crew", SWEEP, None)
    assert world.claim(AgentId("crew-4")).attempt == 4


def test_a_dismissed_agent_gets_no_more_runs(world):
    """It keeps the run that it works on, others see that it is leaving, and telling it again changes nothing."""
    world.add(2)
    agent = world.join()
    run = world.claim(agent)
    world.store.dismiss([agent, AgentId("nobody")])
    assert [a.leaving for a in world.store.agents(SWEEP)] == [True]
    cursor = world.store.changes(SWEEP, Cursor()).cursor
    world.store.dismiss([agent])
    assert not world.store.changes(SWEEP, cursor)
    world.store.log(points(run, 0, 2))
    world.finish(run)
    with pytest.raises(errors.Dismissed, match=agent):
        world.claim(agent)


# -- tokens ---------------------------------------------------------------------------------------------------------


def test_tokens_are_kept_by_their_digest(store):
    """The newest comes first; a revoked one is forgotten, an unknown one is nobody."""
    if not hasattr(store, "keep_token"):
        pytest.skip("a store that is shared by others keeps no tokens")
    old = Token("d1", SWEEP, Scope.run, 1.5, 99.5, "colab \0")
    new = Token("d2", None, Scope.control, 2.5)
    for token in (old, new, new):
        store.keep_token(token)
    assert store.tokens() == [new, evolve(old, label="colab \\x00")]
    assert store.token("d2") == new
    assert store.token("d3") is None
    assert [store.revoke("d2"), store.revoke("d2")] == [True, False]
    assert store.token("d2") is None


# -- logging --------------------------------------------------------------------------------------------------------


def test_points_come_back_as_logged(world):
    """Every float and every step, bit for bit, in the order logged; steps may jump and repeat."""
    values = [0.1, math.nan, math.inf, -math.inf, -0.0, 5e-324, 1e308]
    steps = [0, 5, 3, 3, -7, 2**62, 2**63 - 1]
    run = world.begin()
    world.store.log(Points(run.id, 1, "", 0, 7, {"näme/ '\"\ud800": column(steps, values)}))
    (found,) = world.store.columns(run.id).values()
    assert found.steps.tolist() == steps
    assert found.values.tobytes() == np.array(values).tobytes()
    assert list(world.store.columns(run.id)) == ["näme/ '\"\ud800"]


def test_metrics_with_different_steps(world):
    """Columns of one piece need not be of the same length."""
    run = world.begin()
    columns = {"a": column([0, 1, 2], [1, 2, 3]), "b": column([1], [5]), "c": column([0, 1, 2], [7, 8, 9])}
    world.store.log(Points(run.id, 1, "", 0, 10, columns | {"empty": column([], [])}))
    world.store.log(Points(run.id, 1, "", 10, 20, {"b": column([4], [6])}))
    found = world.store.columns(run.id)
    assert {key: (c.steps.tolist(), c.values.tolist()) for key, c in found.items()} == {
        "a": ([0, 1, 2], [1, 2, 3]),
        "b": ([1, 4], [5, 6]),
        "c": ([0, 1, 2], [7, 8, 9]),
    }


def test_values_that_are_not_numbers(world):
    """They come back as JSON objects with their step, also when nothing else was logged."""
    run = world.begin()
    world.store.log(Points(run.id, 1, "", 0, 5, {}, [(0, '{"a": "x"}'), (1, '{"b": [1, null]}')]))
    world.store.log(Points(run.id, 1, "", 5, 9, {"loss": column([2], [1])}, [(2, '{"c": true}')]))
    assert world.store.records(run.id) == [(0, {"a": "x"}), (1, {"b": [1, None]}), (2, {"c": True})]
    assert logged(world.store, run.id) == [2]


def test_the_summary_travels_with_points(world):
    """A summary replaces the old one; None leaves it; the row then counts as changed."""
    run = world.begin()
    world.store.log(points(run, 0, 1, summary={"loss": 1.0, "best": {"min": math.nan}}))
    cursor = world.store.changes(SWEEP, Cursor()).cursor
    world.store.log(points(run, 1, 2))
    changes = world.store.changes(SWEEP, cursor)
    assert (changes.runs, len(changes.chunks)) == ((), 1)
    summary = world.store.run(run.id).summary
    assert summary["loss"] == 1.0
    assert math.isnan(summary["best"]["min"])


def test_nothing_new_can_still_carry_a_summary(world):
    """A piece of no length delivers what changed in the summary alone."""
    run = world.begin()
    world.store.log(points(run, 0, 2))
    world.store.log(Points(run.id, 1, "", 2, 2, {}, summary={"note": "x"}))
    assert world.store.run(run.id).summary == {"note": "x"}


CUTS = st.lists(st.integers(1, 5), min_size=1, max_size=6)


@given(cuts=CUTS, replays=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=12))
@settings(max_examples=60, suppress_health_check=AT_ONE_PLACE)
def test_each_point_is_kept_once(store, cuts, replays):
    """Pieces may be repeated in any cut: what is known is dropped, what overlaps is refused, nothing is kept twice."""
    world = World(store, SweepId(f"law-{next(numbers)}"))
    run = world.begin(f"agent of {world.sweep_id}")
    known = 0
    for size in cuts:
        store.log(points(run, known, known + size))
        known += size
        for start, length in replays:
            piece = points(run, start, start + length)
            if piece.end <= known or start == known:
                store.log(piece)
                known = max(known, piece.end)
            else:
                with pytest.raises(errors.Fenced, match=f"offset {known}"):
                    store.log(piece)
        assert store.known_offsets(run.id, run.attempt) == {"": known}
    assert logged(store, run.id) == list(range(known))


def test_writers_of_one_run_are_told_apart(world):
    """Each source has its own offsets."""
    run = world.begin()
    world.store.log(points(run, 0, 3))
    world.store.log(points(run, 0, 2, source="rank 1"))
    world.store.log(points(run, 2, 4, source="rank 1"))
    assert world.store.known_offsets(run.id, 1) == {"": 3, "rank 1": 4}
    assert logged(world.store, run.id) == [0, 1, 2, 0, 1, 2, 3]


def test_only_the_running_attempt_logs(world):
    """Points of a run that waits, has ended or is deleted are Fenced; an unknown run is not found."""
    (waiting,) = world.add()
    with pytest.raises(errors.Fenced, match="pending"):
        world.store.log(points(waiting, 0, 1))
    run = world.begin("a")
    ended = world.finish(run)
    with pytest.raises(errors.Fenced, match="finished"):
        world.store.log(points(ended, 0, 1))
    running = world.begin("b")
    world.store.delete_run(running.id)
    with pytest.raises(errors.Fenced, match="deleted"):
        world.store.log(points(running, 0, 1))
    with pytest.raises(errors.SweepNotFound):
        world.store.log(points(evolve(run, id="nosuchid"), 0, 1))


# -- finishing ------------------------------------------------------------------------------------------------------


def test_a_run_is_closed_with_its_last_points(world):
    """Outcome, summary and points are kept in one go."""
    run = world.begin()
    world.store.log(points(run, 0, 2, summary={"loss": 9}))
    outcome = Outcome(R.failed, 1, "Traceback …\ud800", {"loss": 1})
    ended = world.store.finish(run.id, 1, outcome, points(run, 2, 4, summary={"loss": 5}))
    assert (ended.state, ended.exit_code, ended.error, ended.summary) == (
        R.failed,
        1,
        "Traceback …\\ud800",
        {"loss": 1},
    )
    assert ended.ended_at >= ended.started_at
    assert world.store.run(run.id) == ended
    assert logged(world.store, run.id) == [0, 1, 2, 3]


def test_the_summary_of_the_last_points_is_kept(world):
    """When the outcome brings no summary, the one of the points counts, else the one that is known."""
    run = world.begin("a")
    assert world.store.finish(run.id, 1, Outcome(R.finished), points(run, 0, 2, summary={"a": 1})).summary == {"a": 1}
    run = world.begin("b")
    world.store.log(points(run, 0, 2, summary={"b": 1}))
    assert world.finish(run).summary == {"b": 1}


def test_a_summary_that_is_not_json_closes_the_run(world):
    """Arrays, sets, odd keys, cycles and objects are written as well as they can be."""
    odd = {"array": np.arange(3), "set": {1}, (1, 2): "tuple", "object": Counter, "scalar": np.float32(0.5)}
    odd["itself"] = odd
    ended = world.finish(world.begin(), summary=odd)
    assert ended.summary.pop("object").startswith("<class")
    assert ended.summary == {"array": [0, 1, 2], "set": [1], "(1, 2)": "tuple", "scalar": 0.5, "itself": "…"}


def test_finishing_again_gives_the_first_answer(world):
    """Also with other words, and points that were delivered with the first call are not kept twice."""
    run = world.begin()
    first = world.store.finish(run.id, 1, Outcome(R.finished, 0), points(run, 0, 2))
    assert world.store.finish(run.id, 1, Outcome(R.finished, 0), points(run, 0, 2)) == first
    assert world.store.finish(run.id, 1, Outcome(R.failed, 1, "late")) == first
    assert logged(world.store, run.id) == [0, 1]


def test_a_repeated_delivery_does_not_stop_the_finish(world):
    """Points that the store has already, because an answer got lost, are dropped, and the run is closed."""
    run = world.begin()
    world.store.log(points(run, 0, 2))
    assert world.store.finish(run.id, 1, Outcome(R.finished), points(run, 0, 2)).state is R.finished
    assert logged(world.store, run.id) == [0, 1]


def test_a_waiting_run_cannot_finish(world):
    """The transition table is the judge."""
    (run,) = world.add()
    with pytest.raises(errors.TransitionError, match="pending run cannot become finished"):
        world.finish(run)


def test_a_preempted_run_that_was_told_to_stop_ends(world):
    """It is closed as it was told instead of coming back."""
    run = world.begin()
    world.store.stop([run.id], "why", R.killed)
    assert world.finish(run, R.preempted).state is R.killed
    assert world.claim(AgentId("agent")) is None


# -- runs without a sweep -------------------------------------------------------------------------------------------


def _plain(store, name="plain", process=None, **fields):
    agent = Agent(AgentId(f"agent of {name}"), SweepId(""), process or this_process())
    return store.start_run(Run(RunId(name), None, 0, {"lr": 1}, **fields), agent, TTL)


def test_a_plain_run_begins_at_once(store, place):
    """It needs no sweep, is listed newest first, and logs and ends as any other."""
    not_at_a_hub(place, "ids and keys are what this package itself would make")
    run = _plain(store, name="Möwe 1", project="p", tags=("a", "b"))
    assert (run.state, run.sweep_id, run.config, run.tags) == (R.running, None, {"lr": 1}, ("a", "b"))
    other = _plain(store, name="other", project="q")
    assert [found.id for found in store.runs()] == [other.id, run.id]
    assert store.runs(project="p") == [run]
    store.log(points(run, 0, 3))
    assert store.finish(run.id, 1, Outcome(R.finished)).state is R.finished
    assert logged(store, run.id) == [0, 1, 2]


def test_starting_a_plain_run_again(store):
    """The same call gets the same run; somebody else's id is refused."""
    run = _plain(store)
    assert _plain(store) == run
    with pytest.raises(errors.UsageError, match="plain"):
        store.start_run(Run(RunId("plain"), None, 0, {}), Agent(AgentId("x"), SweepId(""), this_process()), TTL)


def test_a_plain_run_that_died_has_crashed(store, place, as_the_dead):
    """There is no second attempt without a sweep; the next plain run finds the dead one."""
    not_at_a_hub(place, "spools of agents are on other machines")
    dead = _plain(store, "dead", as_the_dead)
    spool = Spool(store.folder, dead.id, dead.attempt)
    spool.append(0, 1.0, {"loss": 2.0})
    spool.close()
    _plain(store, "next")
    found = store.run(dead.id)
    assert (found.state, found.attempt) == (R.crashed, 1)
    assert "process is gone" in found.error
    assert logged(store, dead.id) == [0]


# -- one run --------------------------------------------------------------------------------------------------------


def test_a_user_may_change_words_about_a_run(world):
    """Also after its end; readers are told; everything else is refused by name."""
    run = world.finish(world.begin())
    cursor = world.store.changes(SWEEP, Cursor()).cursor
    changed = world.store.update_run(
        run.id, name="n", notes="t", tags=["a"], group="g", job_type="j", config={"x": 1}, summary={"y": 2}
    )
    assert changed == evolve(
        run, name="n", notes="t", tags=("a",), group="g", job_type="j", config={"x": 1}, summary={"y": 2}
    )
    assert world.store.changes(SWEEP, cursor).runs == (changed,)
    with pytest.raises(errors.UsageError, match="state"):
        world.store.update_run(run.id, state="failed", name="x")
    with pytest.raises(errors.SweepNotFound):
        world.store.update_run("nosuchid", name="x")


def test_a_deleted_run_is_forgotten(world):
    """No list has it, it is not found, its points are gone; deleting it again is harmless."""
    run = world.begin()
    world.store.log(points(run, 0, 3))
    world.finish(run)
    world.store.delete_run(run.id)
    world.store.delete_run(run.id)
    assert world.store.runs(SWEEP) == []
    assert world.store.changes(SWEEP, Cursor()).chunks == ()
    for look in (world.store.run, world.store.columns, world.store.records):
        with pytest.raises(errors.SweepNotFound, match="deleted"):
            look(run.id)
    with pytest.raises(errors.SweepNotFound):
        world.store.delete_run("nosuchid")
    assert world.add()[0].number == 2


def test_deleting_a_run_that_waits_or_runs(world):
    """A waiting one is not claimed any more; a running one is told to stop, and may still be closed."""
    (waiting,) = world.add()
    world.store.delete_run(waiting.id)
    agent = world.join()
    assert world.claim(agent) is None
    running = world.begin()
    world.store.delete_run(running.id)
    assert world.store.heartbeat(["agent"], TTL)[running.id].stop_state is R.killed
    assert world.finish(running, R.killed).deleted


def test_texts_are_remembered(store, place):
    """The first text of a key stays; an unknown key is empty."""
    not_at_a_hub(place, "ids and keys are what this package itself would make")
    store.remember("sha256:1", "code ✓")
    store.remember("sha256:1", "another")
    assert store.recall("sha256:1") == "code ✓"
    assert store.recall("sha256:2") == ""


def test_every_field_of_a_run_is_stored(store):
    """No field of the model is forgotten on the way through the store."""
    given = Run(
        id=RunId("run"), sweep_id=None, number=1, config={"a": {"b": [1, 2.5, "x", None, True]}}, state=R.running,
        attempt=3, name="n", agent_id=AgentId("agent of run"), summary={"s": 1}, info={"i": 2}, seed=5, created_at=1.5,
        started_at=2.5, ended_at=3.5, exit_code=4, error="e", stop_reason="r", stop_state=R.stopped, provenance="p",
        project="q", entity="f", group="g", job_type="j", notes="m", tags=("t",), deleted=False, config_version=7,
    )  # fmt: skip
    assert len(fields(Run)) == 27, "a new field: add it to this test and to store/rows.py"
    agent = Agent(AgentId("agent of run"), SweepId(""), this_process())
    assert store.start_run(given, agent, TTL) == given
    assert store.run(RunId("run")) == given


def test_every_field_of_an_agent_is_stored(world):
    """No field of the model is forgotten on the way through the store; what it lost is what the store itself finds."""
    given = Agent(
        AgentId("a"), SWEEP, ELSEWHERE, "kernel", waiting=True, wanted=3, provenance="p", started_at=5.5, crew="c",
        leaving=True,
    )  # fmt: skip
    assert len(fields(Agent)) == 12, "a new field: add it to this test and to store/rows.py"
    world.store.join(given, TTL)
    assert world.store.agents(SWEEP) == [given]


# -- waking ---------------------------------------------------------------------------------------------------------


def test_a_bell_rings_after_a_write(world, place):
    """For writes of any store object of this process, after they can be seen; not for reads, nor after its end."""
    other = place.open()
    seen = []
    end = world.store.subscribe(lambda: seen.append(len(other.runs(SWEEP))))
    world.add(2)
    World(other, SweepId("second"))
    world.store.changes(SWEEP, Cursor())
    world.store.heartbeat([world.join()], TTL)
    assert seen == [2, 2, 2]
    end()
    end()
    world.add()
    assert seen == [2, 2, 2]


def test_a_broken_bell_harms_nobody(world, caplog):
    """Writers do not fail because somebody who listens does."""
    rung = []
    world.store.subscribe(lambda: 1 / 0)
    world.store.subscribe(lambda: rung.append(1))
    world.add()
    assert (rung, "ZeroDivisionError" in caplog.text) == ([1], True)


def test_writes_elsewhere_are_noticed(world, place):
    """Once per look; our own writes do not count."""
    not_at_a_hub(place, "news comes for sweeps that are in use, and of all writes")
    other = place.open()
    assert not other.changed_elsewhere()
    world.add()
    deadline = time.monotonic() + 10
    while not other.changed_elsewhere():  # word from a server takes a moment
        assert time.monotonic() < deadline
    assert not other.changed_elsewhere()
    world.add()
    assert not world.store.changed_elsewhere()


def test_a_closed_store_says_so(world):
    """Closing twice is harmless; using it is an error that says what to do."""
    world.store.close()
    world.store.close()
    with pytest.raises(errors.UsageError, match="open_store"):
        world.store.sweeps()


def test_withdrawn_runs_were_never_there(world):
    """Waiting runs that nobody began can be taken back: they are gone, and their numbers are given again."""
    store = world.store
    begun, *ahead = world.add(3)
    world.join("a")
    assert begun.id == world.claim(AgentId("a")).id
    store.withdraw(world.lease, [run.id for run in (begun, *ahead)])
    assert [begun.id] == [run.id for run in store.runs(world.sweep_id)]
    assert {run.id for run in ahead} <= {run.id for run in store.changes(world.sweep_id, Cursor()).runs if run.deleted}
    (again,) = world.add(1)
    assert 2 == again.number


def test_what_somebody_began_or_stopped_is_not_withdrawn(world):
    """A run that waits again has a first attempt, and one that the user killed as it waited is an answer to him."""
    store = world.store
    again, killed, ahead = world.add(3)
    agent = world.join()
    assert again.id == world.claim(agent).id
    store.leave(agent)
    store.stop([killed.id], "not this one", R.killed)
    store.withdraw(world.lease, [again.id, killed.id, ahead.id])
    assert [(again.id, R.pending), (killed.id, R.killed)] == [(run.id, run.state) for run in store.runs(world.sweep_id)]


def test_only_suggestions_of_the_sweep_are_withdrawn(world):
    """What somebody added by hand stays, and so does what waits in another sweep."""
    store = world.store
    other = World(store, SweepId("other"))
    (theirs,) = other.add(1)
    (suggested,) = world.add(1)
    by_hand = store.enqueue(world.sweep_id, Suggestion({}), seed=0)
    store.withdraw(world.lease, [theirs.id, suggested.id, by_hand.id])
    assert [by_hand.id] == [run.id for run in store.runs(world.sweep_id)]
    assert [theirs.id] == [run.id for run in store.runs(other.sweep_id)]
    assert R.pending is store.run(theirs.id).state


def test_the_processes_of_a_run_share_its_summary(world):
    """Each named source adds what it knows; the run's only writer, without a name, replaces it."""
    run = world.begin()
    for source, summary in (("p1", {"a": 1, "both": 1}), ("p2", {"b": 2, "both": 2})):
        world.store.log(points(run, 0, 1, source, summary=summary))
    assert {"a": 1, "b": 2, "both": 2} == world.store.run(run.id).summary
    world.store.log(points(run, 0, 1, summary={"c": 3}))
    assert {"c": 3} == world.store.run(run.id).summary
