"""What a store promises, as simply as it can be said: one sweep in dicts, for one caller at a time.

Written from the docstrings of `sweepwidget.store.Store`; test_machine.py holds every real store against it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from attrs import define, field

from sweepwidget import errors
from sweepwidget.model import ENDED, SWEEP_ENDED, WAITING, Lease, RunState, SweepState, check_run_move, check_sweep_move

R, S = RunState, SweepState
GONE, LEFT = 1, 2


@define
class Row:
    """A run."""

    id: str
    number: int
    config: Mapping[str, Any]
    config_version: int
    ahead: bool = False
    state: RunState = R.pending
    attempt: int = 1
    agent: str | None = None
    request: str | None = None
    stop_state: RunState | None = None
    stop_reason: str = ""
    deleted: bool = False
    name: str | None = None
    summary: Mapping[str, Any] = field(factory=dict)
    offsets: dict[str, int] = field(factory=dict)
    points: dict[int, dict[str, list[int]]] = field(factory=dict)
    """Attempt → metric → the steps that are kept."""

    @property
    def waits(self) -> bool:
        return self.state in WAITING and not self.deleted


@define
class Worker:
    """An agent."""

    id: str
    crew: str
    dead: bool
    """Its process can be seen to have ended."""
    waiting: bool = False
    wanted: int | None = None
    gone: int = 0
    leaving: bool = False
    ttl: float = 0.0
    until: float = 0.0
    lost: tuple[str, ...] = ()


@define
class Piece:
    """What a writer of a run delivers: the steps from `start` to `end`, which are its offsets as well."""

    source: str
    start: int
    end: int
    summary: Mapping[str, Any] | None = None

    @property
    def key(self) -> str:
        return f"loss{self.source}"


@define
class LedgerModel:
    """One running sweep."""

    config: Mapping[str, Any]
    now: float
    state: SweepState = S.RUNNING
    reason: str = ""
    config_version: int = 1
    configs: list[tuple[int, Mapping[str, Any]]] = field(factory=list)
    numbers: int = 0
    epoch: int = 0
    owner: str = ""
    lease_until: float = -math.inf
    rows: dict[str, Row] = field(factory=dict)
    workers: dict[str, Worker] = field(factory=dict)
    allowances: dict[str, int] = field(factory=dict)
    looked: dict[object, float] = field(factory=dict)
    """When each caller of `expire` last looked."""

    # -- anyone -------------------------------------------------------------------------------------------------

    def stop(self, run_ids: Collection[str], reason: str, state: RunState) -> None:
        for row in (self.rows[run_id] for run_id in run_ids):
            self._stop(row, reason, state)

    def _stop(self, row: Row, reason: str, state: RunState) -> None:
        if row.state in WAITING:
            row.state, row.stop_reason = R.killed, reason
        elif row.state is R.running and row.stop_state is None:
            row.stop_state, row.stop_reason = state, reason

    def set_state(self, state: SweepState, reason: str, lease: Lease | None) -> None:
        self._check(lease)
        if state is self.state:
            return
        check_sweep_move(self.state, state)
        self.state, self.reason = state, reason
        why = reason or f"the sweep is {state.value}"
        for row in self.rows.values():
            if row.state in WAITING and state in SWEEP_ENDED:
                row.state, row.stop_reason = R.killed, why
            elif row.state is R.running and state is S.CANCELED:
                self._stop(row, why, R.killed)

    def update_config(self, config: Mapping[str, Any]) -> None:
        if config != self.config:
            self.configs.append((self.config_version, self.config))
            self.config, self.config_version = config, self.config_version + 1

    def enqueue(self, config: Mapping[str, Any], run_id: str) -> None:
        if self.state in SWEEP_ENDED:
            check_sweep_move(self.state, S.RUNNING)
            self.state, self.reason = S.RUNNING, ""
        self._add([run_id], [config])[0].ahead = True

    def delete_run(self, run_id: str) -> None:
        row = self.rows[run_id]
        if not row.deleted:
            self._stop(row, "deleted", R.killed)
            row.deleted, row.points = True, {}

    def update_run(self, run_id: str, name: str) -> None:
        self._known(run_id).name = name

    def _known(self, run_id: str) -> Row:
        row = self.rows[run_id]
        if row.deleted:
            raise errors.SweepNotFound(run_id)
        return row

    # -- the controller -----------------------------------------------------------------------------------------

    def acquire(self, owner: str, ttl: float, force: bool) -> int | None:
        if owner != self.owner:
            if self.now < self.lease_until and not force:
                return None
            self.epoch, self.owner = self.epoch + 1, owner
        elif self.now < self.lease_until - ttl / 2:
            return self.epoch  # renewed lately
        self.lease_until = self.now + ttl
        return self.epoch

    def release(self, lease: Lease) -> None:
        if (lease.epoch, lease.owner) == (self.epoch, self.owner):
            self.owner, self.lease_until = "", -math.inf

    def add_runs(self, lease: Lease, configs: Sequence[Mapping[str, Any]], ids: Iterable[str]) -> None:
        self._check(lease)
        if self.state not in SWEEP_ENDED:
            self._add(ids, configs)

    def _add(self, ids: Iterable[str], configs: Sequence[Mapping[str, Any]]) -> list[Row]:
        added = []
        for run_id, config in zip(ids, configs, strict=True):
            self.numbers += 1
            added.append(Row(run_id, self.numbers, config, self.config_version))
            self.rows[run_id] = added[-1]
        return added

    def withdraw(self, lease: Lease, run_ids: Collection[str]) -> None:
        self._check(lease)
        found = [self.rows[run_id] for run_id in run_ids]
        unbegun = [row for row in found if row.state is R.pending and row.attempt == 1 and not row.ahead]
        for row in unbegun:
            row.deleted, row.state = True, R.killed
        if unbegun:
            self.numbers = max((row.number for row in self.rows.values() if not row.deleted), default=0)

    def expire(self, caller: object, lease: Lease, max_attempts: int) -> set[str]:
        self._check(lease)
        looked, self.looked[caller] = self.looked.get(caller, -math.inf), self.now
        closed: set[str] = set()
        for worker in self.workers.values():
            if worker.gone or not (worker.dead or worker.until <= self.now):
                continue
            if not worker.dead and self.now - looked > worker.ttl / 2:
                worker.until = self.now + worker.ttl  # who looked may have been frozen, and the agent with it
            else:
                closed |= self._give_back(worker, GONE, max_attempts)
        return closed

    def _give_back(self, worker: Worker, gone: int, max_attempts: float = math.inf) -> set[str]:
        held = [row for row in self.rows.values() if row.state is R.running and row.agent == worker.id]
        for row in held:
            if row.stop_state is not None:
                row.state = row.stop_state
            elif row.deleted or self.state in SWEEP_ENDED:
                row.state = R.killed
            elif row.attempt >= max_attempts:
                row.state = R.crashed
            else:
                row.state, row.attempt, row.agent, row.summary, row.offsets = R.pending, row.attempt + 1, None, {}, {}
                if self.allowances.get(worker.crew, -1) >= 0:
                    self.allowances[worker.crew] += 1
        worker.gone, worker.waiting, worker.lost = gone, False, tuple(row.id for row in held)
        return set(worker.lost)

    def _check(self, lease: Lease | None) -> None:
        if lease is not None and lease.epoch != self.epoch:
            raise errors.Fenced(lease.owner)

    # -- agents -------------------------------------------------------------------------------------------------

    def join(self, worker: Worker, ttl: float) -> None:
        known = self.workers.setdefault(worker.id, worker)
        known.gone, known.waiting, known.wanted = 0, worker.waiting, worker.wanted
        known.ttl, known.until = ttl, self.now + ttl

    def leave(self, agent: str) -> set[str]:
        worker = self.workers.get(agent)
        return set() if worker is None or worker.gone == LEFT else self._give_back(worker, LEFT)

    def allow(self, crew: str, runs: int | None) -> None:
        if runs is None:
            self.allowances.pop(crew, None)
        else:
            self.allowances[crew] = runs or -1

    def dismiss(self, agents: Collection[str]) -> None:
        for worker in (self.workers[agent] for agent in agents if agent in self.workers):
            worker.leaving = worker.leaving or worker.gone < LEFT

    def claim(self, agent: str, request: str, wanted: int | None) -> Row | None:
        worker = self.workers.get(agent)
        if worker is None or worker.gone == LEFT:
            raise errors.UsageError(agent)
        for row in self.rows.values():
            if (row.request, row.agent) == (request, agent):
                return row
        allowance = self.allowances.get(worker.crew)
        if worker.leaving or (allowance is not None and allowance <= 0):
            raise errors.Dismissed(agent)
        if allowance is not None:
            wanted = allowance if wanted is None else min(wanted, allowance)
        waiting = [row for row in self.rows.values() if row.waits]
        if self.state is not S.RUNNING or not waiting:
            if not worker.waiting or worker.gone or worker.wanted != wanted:
                worker.waiting, worker.wanted, worker.gone, worker.until = True, wanted, 0, self.now + worker.ttl
            return None
        row = min(waiting, key=lambda row: (not row.ahead, not row.ahead and row.state is not R.preempted, row.number))
        row.attempt += row.state is R.preempted
        row.state, row.agent, row.request, row.offsets = R.running, agent, request, {}
        if allowance is not None:
            self.allowances[worker.crew] -= 1
        worker.waiting, worker.wanted = False, None if wanted is None else max(0, wanted - 1)
        worker.gone, worker.lost, worker.until = 0, (), self.now + worker.ttl
        return row

    def heartbeat(self, agents: Collection[str], ttl: float) -> set[str]:
        told = set()
        for worker in (self.workers[agent] for agent in agents if agent in self.workers):
            if worker.gone < LEFT:
                worker.ttl, worker.until, worker.gone = ttl, self.now + ttl, 0
                told |= set(worker.lost)
        beating = {agent for agent in agents if agent in self.workers and self.workers[agent].gone < LEFT}
        if beating:
            told |= {
                row.id
                for row in self.rows.values()
                if row.state is R.running and row.stop_state and row.agent in agents
            }
        return told

    def log(self, run_id: str, attempt: int, piece: Piece) -> None:
        row = self.rows[run_id]
        if row.state is not R.running or row.attempt != attempt or row.deleted:
            raise errors.Fenced(run_id)
        if self._is_new(row, piece):
            self._keep(row, piece)
            if piece.summary is not None:
                row.summary = {**(row.summary if piece.source else {}), **piece.summary}

    def finish(
        self, run_id: str, attempt: int, state: RunState, summary: Mapping[str, Any] | None, piece: Piece | None
    ) -> None:
        row = self.rows[run_id]
        if state not in {*ENDED, R.preempted}:
            raise errors.UsageError(state.value)
        if row.attempt != attempt:
            raise errors.Fenced(run_id)
        if row.state in ENDED or row.state is state:
            return
        new = piece is not None and self._is_new(row, piece)
        end = row.stop_state if state not in ENDED and row.stop_state is not None else state
        check_run_move(row.state, end)
        if piece is not None and new and not row.deleted:
            self._keep(row, piece)
            summary = piece.summary if summary is None else summary
        row.state, row.summary = end, row.summary if summary is None else summary

    def _is_new(self, row: Row, piece: Piece) -> bool:
        """Whether a piece is the next one; False for one that is known."""
        known = row.offsets.get(piece.source, 0)
        if piece.start != known and piece.end > known:
            raise errors.Fenced(row.id)
        return piece.start == known

    def _keep(self, row: Row, piece: Piece) -> None:
        row.offsets[piece.source] = piece.end
        kept = row.points.setdefault(row.attempt, {})
        kept.setdefault(piece.key, []).extend(range(piece.start, piece.end))
