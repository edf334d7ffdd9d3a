"""Whatever several participants do to one sweep in whatever order, every store does what the simple model does.

The participants are three stores opened at one place; time is the place's clock, moved by the machine. `make test` looks at
a few sequences; `SWEEPWIDGET_TEST_PROFILE=long pytest --timeout=0 tests/store/test_machine.py` at fifty times as many.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from attrs import define, evolve, field
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from profiles import examples

from sweepwidget.columns import column
from sweepwidget.errors import Error
from sweepwidget.model import (
    ENDED,
    Agent,
    AgentId,
    Cursor,
    Lease,
    Outcome,
    Points,
    Run,
    RunId,
    RunState,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from sweepwidget.process import this_process

from .conftest import ELSEWHERE, TTL, HubPlace
from .ledgermodel import LedgerModel, Piece, Row, Worker

R, S = RunState, SweepState

CONFIGS = [{"method": "random", "controller": {"type": "local"}, "version": n} for n in range(3)]
"""Steered from elsewhere: no hub may meddle."""
CREWS = ("", "red", "blue")
AGENTS = [(f"agent {n}", CREWS[n % 3], n == 4) for n in range(5)]
"""(name, crew, whether its process is seen to be dead)"""
FEW = {"SqlitePlace": 100, "PostgresPlace": 30, "HubPlace": 16}
"""Sequences that the suite looks at: as many as ten seconds are good for."""
numbers = itertools.count(1)

which = st.integers(0, 30)
"""One of several, whatever there are."""
somebody = st.integers(0, 2)
agent = st.sampled_from(AGENTS)
some = st.sets(which, max_size=3)
endings = st.sampled_from(
    [R.finished, R.finished, R.failed, R.crashed, R.killed, R.stopped, R.preempted, R.preempted, R.pending]
)
limits = st.none() | st.integers(0, 3)
pieces = st.tuples(
    st.sampled_from(["next", "next", "again", "skip", "half"]), st.sampled_from(["", ".child"]), st.integers(1, 3)
)


@define
class Mirror:
    """A reader that knows nothing but what it was told."""

    cursor: Cursor = field(factory=Cursor)
    sweep: Sweep | None = None
    runs: dict[RunId, Run] = field(factory=dict)
    agents: dict[AgentId, Agent] = field(factory=dict)
    steps: dict[tuple[RunId, int, str], list[int]] = field(factory=dict)

    def look(self, store: Any, sweep_id: SweepId) -> Mirror:
        """What it knows after another look."""
        changes = store.changes(sweep_id, self.cursor)
        steps = {key: list(known) for key, known in self.steps.items()}
        for chunk in changes.chunks:
            steps.setdefault((chunk.run_id, chunk.attempt, chunk.key), []).extend(chunk.column.steps.tolist())
        return Mirror(
            changes.cursor,
            changes.sweep or self.sweep,
            self.runs | {run.id: run for run in changes.runs},
            self.agents | {one.id: one for one in changes.agents},
            steps,
        )


class Participants(RuleBasedStateMachine):
    """One sweep, three stores at its place, five agents, and the model."""

    def __init__(self, place: Any, stores: list[Any]) -> None:
        super().__init__()
        self.place, self.stores = place, stores
        self.sweep_id = SweepId(f"machine{next(numbers)}")
        stores[0].create_sweep(Sweep(self.sweep_id, CONFIGS[0], S.RUNNING))
        self.model = LedgerModel(CONFIGS[0], place.now)
        self.leases: list[Lease] = []
        self.tickets: list[tuple[RunId, int]] = []
        self.holder: dict[tuple[RunId, int], str] = {}
        """Who was given an attempt of a run: nobody else ever is."""
        self.requests: dict[str, list[str]] = {}
        self.begun: dict[str, tuple[int, float]] = {}
        """(runs that a crew has begun since it was told how many it may, less those that wait again; how many it may)"""
        self.mirrors = [Mirror() for _ in stores]
        self.former: list[Mirror] = []
        self.serial = itertools.count()
        self.acquire(0, 0, False)
        self.add_runs(0, 0, 4)
        for one in AGENTS:
            self.join(0, one, False, None)
        self.allow(0, "red", 3)
        for one in AGENTS[:3]:
            self.begin(0, one)

    # -- both at once -------------------------------------------------------------------------------------------

    def both(self, really: Callable[[], Any], simply: Callable[[Any], Any]) -> tuple[Any, Any]:
        """What the store and the model make of it: results, or errors of one kind."""
        self.model.now = self.place.now
        try:
            result, failed = really(), None
        except Error as error:
            result, failed = None, error
        try:
            expected = simply(result)
        except Error as error:
            assert type(failed) is type(error), f"expected {error!r}, got {failed!r} and {result!r}"
            return None, None
        if failed is not None:
            raise AssertionError(f"expected {expected!r}") from failed
        return result, expected

    def agent_id(self, name: str) -> AgentId:
        return AgentId(f"{name} of {self.sweep_id}")

    def crew(self, name: str) -> str:
        return name and f"{name} of {self.sweep_id}"

    def rows(self) -> list[Row]:
        return list(self.model.rows.values())

    def picked(self, indices: set[int]) -> list[RunId]:
        rows = self.rows()
        return sorted({RunId(rows[index % len(rows)].id) for index in indices}) if rows else []

    # -- the controller -----------------------------------------------------------------------------------------

    @rule(who=somebody, owner=somebody, force=st.booleans())
    def acquire(self, who, owner, force):
        lease, epoch = self.both(
            lambda: self.stores[who].acquire(self.sweep_id, f"owner {owner}", ELSEWHERE, TTL, force),
            lambda _: self.model.acquire(f"owner {owner}", TTL, force),
        )
        assert epoch == (lease and lease.epoch)
        if lease is not None and lease not in self.leases:
            self.leases.append(lease)

    def lease(self, age: int) -> Lease:
        """Mostly the latest."""
        return self.leases[-1 - (age if age < len(self.leases) else 0)]

    @rule(who=somebody, age=somebody)
    def release(self, who, age):
        lease = self.lease(age)
        self.both(lambda: self.stores[who].release(lease), lambda _: self.model.release(lease))

    @rule(who=somebody, age=somebody, n=st.integers(1, 3))
    def add_runs(self, who, age, n):
        lease, configs = self.lease(age), [{"x": next(self.serial)} for _ in range(n)]
        self.both(
            lambda: self.stores[who].add_runs(lease, [Suggestion(config) for config in configs], range(n)),
            lambda added: self.model.add_runs(lease, configs, [run.id for run in added or ()]),
        )

    @rule(who=somebody, age=somebody, runs=some)
    def withdraw(self, who, age, runs):
        lease, run_ids = self.lease(age), self.picked(runs)
        self.both(lambda: self.stores[who].withdraw(lease, run_ids), lambda _: self.model.withdraw(lease, run_ids))

    @rule(who=somebody, age=somebody, most=st.integers(1, 3))
    def expire(self, who, age, most):
        lease = self.lease(age)
        caller = "the hub" if isinstance(self.place, HubPlace) else who
        before = self.attempts()
        closed, expected = self.both(
            lambda: self.stores[who].expire(lease, most), lambda _: self.model.expire(caller, lease, most)
        )
        assert (expected or set()) == {run.id for run in closed or ()}
        self.count_refunds(before)

    @rule(who=somebody, state=st.sampled_from([*S, S.RUNNING, S.PAUSED]), leased=st.booleans(), age=somebody)
    def set_state(self, who, state, leased, age):
        lease = self.lease(age) if leased else None
        self.both(
            lambda: self.stores[who].set_state(self.sweep_id, state, "why not", lease),
            lambda _: self.model.set_state(state, "why not", lease),
        )

    # -- anyone -------------------------------------------------------------------------------------------------

    @rule(who=somebody)
    def enqueue(self, who):
        config = {"x": next(self.serial)}
        self.both(
            lambda: self.stores[who].enqueue(self.sweep_id, Suggestion(config), 0),
            lambda run: self.model.enqueue(config, run.id if run else ""),
        )

    @rule(who=somebody, config=st.sampled_from(CONFIGS))
    def update_config(self, who, config):
        self.both(
            lambda: self.stores[who].update_config(self.sweep_id, config), lambda _: self.model.update_config(config)
        )

    @rule(who=somebody, runs=some, state=st.sampled_from([R.stopped, R.killed]))
    def stop(self, who, runs, state):
        run_ids = self.picked(runs)
        self.both(
            lambda: self.stores[who].stop(run_ids, "enough", state), lambda _: self.model.stop(run_ids, "enough", state)
        )

    @precondition(lambda self: self.model.rows)
    @rule(who=somebody, run=which)
    def delete_run(self, who, run):
        (run_id,) = self.picked({run})
        self.both(lambda: self.stores[who].delete_run(run_id), lambda _: self.model.delete_run(run_id))

    @precondition(lambda self: self.model.rows)
    @rule(who=somebody, run=which, name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
    def rename(self, who, run, name):
        (run_id,) = self.picked({run})
        self.both(lambda: self.stores[who].update_run(run_id, name=name), lambda _: self.model.update_run(run_id, name))

    @rule(seconds=st.sampled_from([0.5, 2.0, 4.0, 9.9, 10.0, 30.0]))
    def time_passes(self, seconds):
        self.place.pass_time(seconds)

    # -- agents -------------------------------------------------------------------------------------------------

    @rule(who=somebody, one=agent, waiting=st.booleans(), wanted=limits)
    def join(self, who, one, waiting, wanted):
        name, crew, dead = one
        process = evolve(this_process(), started="long ago") if dead else ELSEWHERE
        joining = Agent(
            self.agent_id(name), self.sweep_id, process, waiting=waiting, wanted=wanted, crew=self.crew(crew)
        )
        worker = Worker(joining.id, joining.crew, dead, waiting, wanted)
        self.both(lambda: self.stores[who].join(joining, TTL), lambda _: self.model.join(worker, TTL))

    @rule(who=somebody, one=agent)
    def leave(self, who, one):
        before, agent_id = self.attempts(), self.agent_id(one[0])
        self.both(lambda: self.stores[who].leave(agent_id), lambda _: self.model.leave(agent_id))
        self.count_refunds(before)

    @rule(who=somebody, crew=st.sampled_from(CREWS[1:]), runs=limits)
    def allow(self, who, crew, runs):
        name = self.crew(crew)
        self.both(lambda: self.stores[who].allow(name, self.sweep_id, runs), lambda _: self.model.allow(name, runs))
        self.begun[name] = (0, math.inf if runs is None else runs)

    @rule(who=somebody, agents=st.sets(agent, max_size=2))
    def dismiss(self, who, agents):
        agent_ids = sorted(self.agent_id(name) for name, _, _ in agents)
        self.both(lambda: self.stores[who].dismiss(agent_ids), lambda _: self.model.dismiss(agent_ids))

    @rule(who=somebody, agents=st.sets(agent, max_size=4))
    def heartbeat(self, who, agents):
        agent_ids = sorted(self.agent_id(name) for name, _, _ in agents)
        told, expected = self.both(
            lambda: self.stores[who].heartbeat(agent_ids, TTL), lambda _: self.model.heartbeat(agent_ids, TTL)
        )
        assert expected == set(told)
        assert [facts_of(self.model.rows[run_id]) for run_id in told] == [facts_of(run) for run in told.values()]

    @rule(who=somebody, one=agent, wanted=limits, again=st.integers(0, 3))
    def claim(self, who, one, wanted, again):
        agent_id = self.agent_id(one[0])
        sent = self.requests.setdefault(agent_id, [])
        if again >= len(sent):  # mostly a request that was not made before
            sent.append(f"request {len(sent)} of {agent_id}")
        request = sent[-1 - again if again < len(sent) else -1]
        before = {run_id: (row.state, row.attempt) for run_id, row in self.model.rows.items()}
        run, row = self.both(
            lambda: self.stores[who].claim(agent_id, request, wanted), lambda _: self.claimed(agent_id, request, wanted)
        )
        assert (row and facts_of(row)) == (run and facts_of(run))
        if run is None or before[run.id] == (run.state, run.attempt):
            return
        self.tickets.append((run.id, run.attempt))
        assert self.holder.setdefault((run.id, run.attempt), agent_id) == agent_id
        self.count(agent_id, 1)

    @rule(who=somebody, one=agent)
    def begin(self, who, one):
        """A run that is new to this agent, if there is one."""
        self.claim(who, one, None, 99)

    @rule(who=somebody, one=agent)
    def hear_again(self, who, one):
        """The answer to the last claim got lost."""
        self.claim(who, one, None, 0)

    @rule(who=somebody, one=agent, other=agent, away=st.booleans())
    def is_replaced(self, who, one, other, away):
        """An agent is given up, or says good-bye, and another takes over what it had."""
        if away:
            self.expire(who, 0, 3)
            self.place.pass_time(TTL)
            self.heartbeat(who, {someone for someone in AGENTS if someone != one})
            self.expire(who, 0, 3)
            self.place.pass_time(TTL / 2)
            self.expire(who, 0, 3)
        else:
            self.leave(who, one)
        self.begin(who, other)

    @precondition(lambda self: self.tickets)
    @rule(who=somebody, ticket=which, n=st.integers(1, 3))
    def comes_late(self, who, ticket, n):
        """Who was given up goes on as if nothing had happened."""
        late = [one for one in self.tickets if self.model.rows[one[0]].attempt > one[1]]
        if late:
            self.deliver(who, *late[ticket % len(late)], ("next", "", n), None)

    @precondition(lambda self: self.tickets)
    @rule(who=somebody, ticket=which, n=st.integers(1, 3))
    def progress(self, who, ticket, n):
        self.log(who, ticket, ("next", "", n), None)

    def claimed(self, agent_id: str, request: str, wanted: int | None) -> Row | None:
        row = self.model.claim(agent_id, request, wanted)
        while row is not None and row.attempt > 1 and row.state in ENDED and isinstance(self.place, HubPlace):
            request += "+"  # a run that was closed in the meantime is no answer to a client of a hub
            row = self.model.claim(agent_id, request, wanted)
        return row

    @precondition(lambda self: self.tickets)
    @rule(who=somebody, ticket=which, piece=pieces, summary=st.none() | st.integers(0, 9))
    def log(self, who, ticket, piece, summary):
        self.deliver(who, *self.ticket(ticket), piece, summary)

    def deliver(self, who: int, run_id: RunId, attempt: int, piece: tuple[str, str, int], summary: int | None) -> None:
        sent = self.piece(run_id, *piece, None if summary is None else {"best": summary})
        self.both(
            lambda: self.stores[who].log(points_of(run_id, attempt, sent)),
            lambda _: self.model.log(run_id, attempt, sent),
        )

    @precondition(lambda self: self.tickets)
    @rule(who=somebody, ticket=which, state=endings, piece=st.none() | pieces, summary=st.none() | st.integers(0, 9))
    def finish(self, who, ticket, state, piece, summary):
        run_id, attempt = self.ticket(ticket)
        told = None if summary is None else {"last": summary}
        sent = None if piece is None else self.piece(run_id, *piece, {"best": -1})
        run, _ = self.both(
            lambda: self.stores[who].finish(
                run_id, attempt, Outcome(state, summary=told), sent and points_of(run_id, attempt, sent)
            ),
            lambda _: self.model.finish(run_id, attempt, state, told, sent),
        )
        assert run is None or facts_of(run) == facts_of(self.model.rows[run_id])

    def ticket(self, index: int) -> tuple[RunId, int]:
        """Mostly one of a run that is being worked on."""
        rows = self.model.rows
        live = [one for one in self.tickets if (rows[one[0]].state, rows[one[0]].attempt) == (R.running, one[1])]
        among = live if live and index < 20 else self.tickets
        return among[index % len(among)]

    def piece(self, run_id: RunId, how: str, source: str, n: int, summary: Any) -> Piece:
        """The next one (whoever is late does not know of others' pieces either), one that was sent before, one after a
        gap, or one that overlaps what was sent.
        """
        known = self.model.rows[run_id].offsets.get(source, 0)
        if how == "again" and known:
            return Piece(source, max(0, known - n), known, summary)
        if how == "half" and known:
            return Piece(source, known - 1, known + n, summary)
        start = known + 1 if how == "skip" else known
        return Piece(source, start, start + n, summary)

    def attempts(self) -> dict[str, tuple[str | None, int]]:
        return {run_id: (row.agent, row.attempt) for run_id, row in self.model.rows.items()}

    def count_refunds(self, before: Mapping[str, tuple[str | None, int]]) -> None:
        for run_id, (agent_id, attempt) in before.items():
            if agent_id is not None and self.model.rows[run_id].attempt > attempt:
                self.count(agent_id, -1)

    def count(self, agent_id: str, runs: int) -> None:
        crew = self.model.workers[agent_id].crew
        if crew in self.begun:
            begun, most = self.begun[crew]
            self.begun[crew] = begun + runs, most

    # -- what always holds --------------------------------------------------------------------------------------

    @rule(who=st.integers(1, 2))
    def look(self, who):
        self.former.append(self.mirrors[who])
        self.mirrors[who] = self.mirrors[who].look(self.stores[who], self.sweep_id)

    @invariant()
    def the_store_is_as_the_model(self):
        store, model = self.stores[len(self.tickets) % 3], self.model
        sweep, runs, agents = store.sweep(self.sweep_id), store.runs(self.sweep_id), store.agents(self.sweep_id)
        assert (sweep.state, sweep.reason, sweep.config, sweep.config_version) == (
            model.state, model.reason, model.config, model.config_version,
        )  # fmt: skip
        expected = sorted((row for row in self.rows() if not row.deleted), key=lambda row: row.number)
        assert [facts_of(row) for row in expected] == [facts_of(run) for run in runs]
        assert {one.id: (one.crew, one.waiting, one.wanted, one.gone, one.leaving) for one in agents} == {
            one.id: (one.crew, one.waiting, one.wanted, bool(one.gone), one.leaving) for one in model.workers.values()
        }
        self.mirrors[0] = self.mirrors[0].look(store, self.sweep_id)
        self.agrees(self.mirrors[0], sweep, runs, agents)
        self.laws_hold(runs)

    def laws_hold(self, runs: Sequence[Run]) -> None:
        """What needs no model to be said."""
        assert len({run.number for run in runs}) == len(runs)
        for run in runs:
            assert (run.ended_at is not None) == (run.state in ENDED), run
            assert run.state is not R.running or self.holder[run.id, run.attempt] == run.agent_id, run
        for crew, (begun, most) in self.begun.items():
            assert begun <= most, crew

    def agrees(self, mirror: Mirror, sweep: Sweep, runs: Sequence[Run], agents: Sequence[Agent]) -> None:
        """Whoever followed the changes knows what one knows who reads everything."""
        assert mirror.sweep == sweep
        assert {one.id: one for one in mirror.runs.values() if not one.deleted} == {run.id: run for run in runs}
        assert mirror.agents == {one.id: one for one in agents}
        for row in self.rows():
            for attempt, kept in row.points.items():
                for key, steps in kept.items():
                    assert steps == mirror.steps.get((RunId(row.id), attempt, key), []), (row.id, attempt, key)

    def teardown(self):
        """From every cursor that anybody ever had, the changes lead to the same; and every point is there once."""
        store = self.stores[0]
        now = store.sweep(self.sweep_id), store.runs(self.sweep_id), store.agents(self.sweep_id)
        for mirror in [*self.mirrors, *self.former[-5:], Mirror()]:
            latest = mirror.look(store, self.sweep_id)
            self.agrees(latest, *now)
            assert not store.changes(self.sweep_id, latest.cursor)
        assert store.configs(self.sweep_id) == [*self.model.configs, (self.model.config_version, self.model.config)]
        for row in self.rows():
            for attempt in range(1, row.attempt + 1):
                kept = store.columns(RunId(row.id), attempt)
                assert {key: np.asarray(one.steps).tolist() for key, one in kept.items()} == row.points.get(attempt, {})
                assert all((one.values == np.asarray(one.steps) / 2).all() for one in kept.values())
            if row.state is R.running and not row.deleted:
                assert store.known_offsets(RunId(row.id), row.attempt) == row.offsets


def facts_of(run: Run | Row) -> tuple[Any, ...]:
    """What a run and the model's row of it have in common."""
    agent_id, name = (run.agent, run.name) if isinstance(run, Row) else (run.agent_id, run.name)
    given = name if name is not None and "-sweep-" not in name else None
    return (
        run.id, run.number, run.config, run.config_version, run.state, run.attempt, agent_id, run.stop_state,
        run.stop_reason, run.deleted, run.summary, given,
    )  # fmt: skip


def points_of(run_id: RunId, attempt: int, piece: Piece) -> Points:
    steps = range(piece.start, piece.end)
    values = column(steps, [step / 2 for step in steps])
    return Points(run_id, attempt, piece.source, piece.start, piece.end, {piece.key: values}, summary=piece.summary)


@pytest.mark.slow
@pytest.mark.timeout(600)  # a failure is made small first
def test_a_store_does_what_the_model_does(place):
    """Each run in one state and with one holder, each point once, each count kept, each cursor good for ever."""
    stores = [place.open() for _ in range(3)]
    run_state_machine_as_test(
        lambda: Participants(place, stores),
        settings=settings(
            max_examples=examples(FEW[type(place).__name__]),
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
