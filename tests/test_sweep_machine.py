"""Controllers that come and go, agents that crash, people who stop, pause, edit, add and delete: the sweep is done in the end.

No thread and no real time: the machine says who does what next, and moves the store's clock and the controllers' together.
With `SWEEPWIDGET_TEST_PROFILE=long` it looks at fifty times as many sweeps.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from profiles import examples

from sweepwidget import steering
from sweepwidget.columns import column
from sweepwidget.model import (
    ENDED,
    Agent,
    AgentId,
    Outcome,
    Points,
    Process,
    Run,
    RunId,
    RunState,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from sweepwidget.steering import Steering
from sweepwidget.store.sqlite import SqliteStore

R, S = RunState, SweepState
TTL = 10.0
ELSEWHERE = Process("another-machine", 1, "0", "another boot")
LOCAL = {"metric": {"name": "loss"}, "controller": {"type": "local"}}


def grid(x: int, y: int) -> dict[str, Any]:
    axes = {"x": {"values": list(range(x))}, "y": {"values": list("abc")[:y]}}
    return {**LOCAL, "method": "grid", "parameters": axes}


def draws(**keys: Any) -> dict[str, Any]:
    return {
        **LOCAL,
        "method": "random",
        "parameters": {"x": {"values": [0, 1, 2, 3]}, "y": {"values": ["a", "b"]}},
        **keys,
    }


SWEEPS = {
    "grid": [grid(2, 2), grid(3, 2), grid(3, 3)],
    "capped grid": [{**grid(2, 3), "run_cap": 4}, {**grid(2, 3), "run_cap": 6}, {**grid(3, 3), "run_cap": 7}],
    "random": [draws(run_cap=3), draws(run_cap=5), draws(run_cap=8)],
    "random, nothing twice": [draws(without_replacement=True, run_cap=6), draws(without_replacement=True)],
}
"""Configurations, each an edit of the one before: more of the same."""
numbers = itertools.count(1)
which = st.integers(0, 20)
two = st.integers(0, 1)


@define
class Worker:
    """An agent: where it is with its work."""

    agent_id: AgentId
    run: Run | None = None
    steps: int = 0
    claims: int = 0


class Story(RuleBasedStateMachine):
    """One sweep with two controllers, each with a store of its own, and up to four agents."""

    def __init__(self, clock: dict[str, float], stores: list[SqliteStore]) -> None:
        super().__init__()
        self.clock, self.stores = clock, stores
        self.store = stores[0]
        self.sweep_id = SweepId(f"story{next(numbers)}")
        self.names = itertools.count(1)
        self.workers: list[Worker] = []
        self.by_hand: set[RunId] = set()
        self.deleted = 0

    @initialize(sweep=st.sampled_from(sorted(SWEEPS)), seed=st.integers(0, 99), agents=st.integers(1, 4))
    def begins(self, sweep, seed, agents):
        self.edits = list(SWEEPS[sweep])
        self.config = self.edits.pop(0)
        self.store.create_sweep(Sweep(self.sweep_id, self.config, seed=seed))
        self.controllers = [self.controller(store) for store in self.stores]
        for _ in range(agents):
            self.somebody_joins()
        self.look(self.controllers[0])
        for worker in self.workers:
            self.claim(worker)

    def controller(self, store: SqliteStore) -> Steering:
        return Steering(store, self.sweep_id, f"owner {next(self.names)}")

    @property
    def state(self) -> SweepState:
        return self.store.sweep(self.sweep_id).state

    def runs(self) -> list[Run]:
        return list(self.store.runs(self.sweep_id))

    # -- controllers --------------------------------------------------------------------------------------------

    @rule(who=two)
    def a_controller_looks(self, who):
        self.look(self.controllers[who])

    def look(self, controller: Steering, force: bool = False) -> None:
        """Whoever steers leaves nothing to be begun that was suggested for a configuration of before."""
        if controller.step(force) is not None:
            version = self.store.sweep(self.sweep_id).config_version
            assert {version} >= {run.config_version for run in self.unbegun()}, self.unbegun()

    @rule(who=two, force=st.booleans())
    def a_controller_is_replaced(self, who, force):
        """Its process dies without a word, and the next one may take over by force."""
        self.controllers[who] = self.controller(self.stores[who])
        self.look(self.controllers[who], force)

    @rule(who=two)
    def a_controller_lets_go(self, who):
        self.controllers[who].release()

    # -- agents -------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.workers) < 4)
    @rule()
    def somebody_joins(self):
        worker = Worker(AgentId(f"agent {next(self.names)} of {self.sweep_id}"))
        self.store.join(Agent(worker.agent_id, self.sweep_id, ELSEWHERE), TTL)
        self.workers.append(worker)

    @precondition(lambda self: self.workers)
    @rule(who=which, twice=st.booleans())
    def somebody_works(self, who, twice):
        """Claims (perhaps a second time, the answer having got lost), or logs another step."""
        worker = self.workers[who % len(self.workers)]
        if worker.run is None:
            self.claim(worker, twice)
        else:
            self.log(worker)

    def claim(self, worker: Worker, twice: bool = False) -> None:
        request = f"{worker.agent_id} {worker.claims}"
        run = self.store.claim(worker.agent_id, request)
        if run is not None:
            if twice:
                assert self.stores[1].claim(worker.agent_id, request) == run
            worker.claims, worker.run, worker.steps = worker.claims + 1, run, 0

    def log(self, worker: Worker) -> None:
        assert worker.run is not None
        step = worker.steps
        worker.steps += 1
        points = {"loss": column([step], [1.0 / (step + 1)])}
        self.store.log(Points(worker.run.id, worker.run.attempt, "", step, step + 1, points))

    @precondition(lambda self: any(worker.run for worker in self.workers))
    @rule(who=which, state=st.sampled_from([R.finished, R.finished, R.failed, R.preempted]))
    def a_run_ends(self, who, state):
        busy = [worker for worker in self.workers if worker.run]
        self.end(busy[who % len(busy)], state)

    def end(self, worker: Worker, state: RunState) -> None:
        run, worker.run = worker.run, None
        assert run is not None
        told = self.store.run(run.id).stop_state if not self.is_deleted(run) else None
        self.store.finish(run.id, run.attempt, Outcome(told or state, summary={"loss": 0.5}))

    def is_deleted(self, run: Run) -> bool:
        return run.id not in {known.id for known in self.runs()}

    @precondition(lambda self: self.workers)
    @rule(who=which)
    def somebody_crashes(self, who):
        self.workers.pop(who % len(self.workers))

    @rule()
    def everybody_goes_home(self):
        """In order, and the controllers take back what nobody has begun: what they have just suggested, too."""
        for controller in self.controllers:
            self.look(controller)
        for worker in self.workers:
            self.store.leave(worker.agent_id)
        self.workers.clear()
        for controller in self.controllers:
            controller.leave()
        if self.state is S.RUNNING and not self.somebody_counts_as_here():
            assert not self.unbegun()

    def somebody_counts_as_here(self) -> bool:
        """Agents and controllers that have died without a word do, until their leases lapse."""
        if not all(agent.gone for agent in self.store.agents(self.sweep_id)):
            return True
        lease = self.store.acquire(self.sweep_id, "whoever looks", ELSEWHERE, TTL)
        if lease is not None:
            self.store.release(lease)
        return lease is None

    @rule(seconds=st.sampled_from([0.6, 4.0, 4.0, 4.0, 11.0]))
    def time_passes(self, seconds):
        """Those who live say so; eleven seconds is a laptop that was asleep."""
        self.clock["now"] += seconds
        lost = self.store.heartbeat([worker.agent_id for worker in self.workers], TTL)
        for worker in self.workers:
            row = worker.run and lost.get(worker.run.id)
            if row is not None and (row.attempt, row.state, row.deleted) != (worker.run.attempt, R.running, False):
                worker.run = None

    # -- people -------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.runs())
    @rule(run=which, state=st.sampled_from([R.stopped, R.killed]))
    def a_run_is_stopped(self, run, state):
        runs = self.runs()
        self.store.stop([runs[run % len(runs)].id], "enough", state)

    @precondition(lambda self: self.state is S.RUNNING and self.runs())
    @rule(run=which)
    def a_run_is_deleted(self, run):
        runs = self.runs()
        run = runs[run % len(runs)]
        self.store.delete_run(run.id)
        self.deleted += 1
        for worker in self.workers:
            if worker.run is not None and worker.run.id == run.id:
                self.end(worker, R.finished)

    @rule()
    def the_sweep_is_paused_or_goes_on(self):
        if self.state in (S.RUNNING, S.PAUSED):
            self.store.set_state(self.sweep_id, S.PAUSED if self.state is S.RUNNING else S.RUNNING)

    @precondition(lambda self: self.edits and self.state in (S.RUNNING, S.PAUSED))
    @rule(who=two, seen=st.booleans())
    def the_configuration_is_edited(self, who, seen):
        """As soon as a controller has suggested something; it may see that before anybody else does anything."""
        self.look(self.controllers[who])
        if self.state not in (S.RUNNING, S.PAUSED):
            return
        self.config = self.edits.pop(0)
        self.store.update_config(self.sweep_id, self.config)
        if seen:
            self.look(self.controllers[who])

    @rule(x=st.integers(0, 5))
    def a_run_is_added_by_hand(self, x):
        if len(self.by_hand) < 2:
            self.by_hand.add(self.store.enqueue(self.sweep_id, Suggestion({"x": x, "y": "a"}), 0).id)

    # -- what always holds --------------------------------------------------------------------------------------

    def suggested(self) -> list[Run]:
        return [run for run in self.runs() if run.id not in self.by_hand]

    def unbegun(self) -> list[Run]:
        return [run for run in self.suggested() if run.state is R.pending and run.attempt == 1]

    @invariant()
    def nothing_is_suggested_twice(self):
        if "method" in getattr(self, "config", {}):
            cells = [(run.config["x"], run.config["y"]) for run in self.suggested()]
            once = self.config["method"] == "grid" or self.config.get("without_replacement")
            assert not once or len(set(cells)) == len(cells), cells
            assert len(cells) <= self.config.get("run_cap", len(cells)), cells

    def teardown(self):
        """Whatever has happened: with one agent that works, the sweep ends, and has done all that it should."""
        if not hasattr(self, "config"):
            return
        if self.state is S.PAUSED:
            self.store.set_state(self.sweep_id, S.RUNNING)
        if not self.workers:
            self.somebody_joins()
        for _ in range(400):
            if self.state is S.FINISHED and all(run.ended for run in self.runs()):
                break
            self.time_passes(1.0)
            for controller in self.controllers:
                self.look(controller)
            for worker in self.workers:
                self.claim(worker) if worker.run is None else self.end(worker, R.finished)
        else:
            raise AssertionError(f"the sweep does not end: {self.store.sweep(self.sweep_id)} {self.runs()}")
        self.nothing_is_suggested_twice()
        self.all_is_done()

    def all_is_done(self) -> None:
        runs = self.runs()
        assert all(run.state in ENDED and run.ended_at for run in runs)
        cells = {(x, y) for x in axis(self.config, "x") for y in axis(self.config, "y")}
        covered = {(run.config["x"], run.config["y"]) for run in runs} & cells
        cap = self.config.get("run_cap")
        if self.finished_early(runs, cap):
            return
        if self.config["method"] == "grid" or self.config.get("without_replacement"):
            assert covered == cells, cells - covered
        else:
            assert len(runs) >= cap

    def finished_early(self, runs: list[Run], cap: int | None) -> bool:
        """By its cap, all runs counted."""
        return cap is not None and len(runs) >= cap


def axis(config: dict[str, Any], name: str) -> list[Any]:
    return config["parameters"][name]["values"]


@pytest.mark.slow
@pytest.mark.timeout(600)  # a failure is made small first
def test_every_sweep_is_done_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No suggestion is lost or doubled, no cap exceeded, nothing runs for ever, whoever dies and whatever people do."""
    clock = {"now": 1000.0}
    monkeypatch.setattr(steering, "time", type("Clock", (), {"monotonic": staticmethod(lambda: clock["now"])}))
    stores = [SqliteStore(tmp_path / "sweeps.db", clock=lambda: clock["now"]) for _ in range(2)]
    try:
        run_state_machine_as_test(
            lambda: Story(clock, stores),
            settings=settings(
                max_examples=examples(40),
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        for store in stores:
            store.close()
