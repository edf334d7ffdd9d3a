"""The store in SQL: what every verb does, in one transaction each. Dialect-neutral; the statements are in statements.py.

A dialect says how to connect, begin, read its clock and name its errors (see sqlite.py). Every transaction that changes
facts first counts up the version of the sweep's ledger: that is the lock of the sweep, and the number that the rows it
writes carry. Rows and points therefore become visible in the order of their numbers, and a cursor never skips any.
"""

from __future__ import annotations

import difflib
import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from attrs import evolve

from ..errors import Dismissed, Fenced, SweepNotFound, UsageError
from ..model import (
    ENDED,
    SWEEP_ENDED,
    Agent,
    AgentId,
    Changes,
    Chunk,
    Column,
    Cursor,
    Lease,
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
    Token,
    check_run_move,
    check_sweep_move,
)
from ..process import is_alive
from . import spool, statements as sql
from .points import PointsTable, blocks_of
from .rows import (
    GONE,
    LEFT,
    agent_of,
    clean,
    dumps,
    loads,
    new_run_id,
    process_of,
    row_of_run,
    run_name,
    run_of,
    sweep_of,
    text_of,
    token_of,
)
from .transaction import Transaction

log = logging.getLogger(__name__)

PENDING, RUNNING, CRASHED, KILLED = RunState.pending, RunState.running, RunState.crashed, RunState.killed
NO_MORE = -1
"""The allowance of a crew that was sent home: a run that is given back does not bring it back."""
PAGE_RUNS, PAGE_BYTES = 2000, 4 << 20
"""Runs and bytes of values of a page of changes, about."""
PLAIN = 0
"""The number of the ledger for runs without a sweep."""


class Ledger(NamedTuple):
    """The ledger of a sweep, counted up and locked until the transaction ends."""

    n: int
    version: int
    chunks: int
    numbers: int
    state: str
    epoch: int
    config_version: int

    @property
    def last_chunk(self) -> int:
        """The id of the last chunk that this transaction may write."""
        return (self.n << sql.SPAN) + self.chunks


class SqlStore(ABC):
    """The verbs of `Store`. A dialect gives the transactions, the clock of leases and the places."""

    url: str
    link: str
    folder: Path
    _read: AbstractContextManager[Transaction]
    _write: AbstractContextManager[Transaction]
    """Rings the bells after its commit."""
    _renew: AbstractContextManager[Transaction]
    """Writes what nobody needs to be woken for: leases."""
    refusal: str = ""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._bells: list[Callable[[], None]] = []
        self._numbers: dict[str, int] = {}
        self._identities: dict[int, tuple[SweepId | None, str, str]] = {PLAIN: (None, "", "")}
        self._points = PointsTable()
        self._looked: dict[int, float] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    @abstractmethod
    def _clock(self, tx: Transaction) -> float:
        """Seconds on the clock that times leases: one for all who use this store, never set back or forward."""

    def together(self) -> AbstractContextManager[object]:
        """Calls of the block may become one transaction, where that is cheaper. If its end raises, none of them counts; one
        that fails by itself takes no other with it. Only for `claim`, `log` and `finish`, which do nothing but write here.
        """
        return nullcontext()

    def _steers_now(self) -> None:  # noqa: B027  (nothing, unless a dialect has something to do)
        """This process steers a sweep: a dialect may give it the housekeeping."""

    # -- anyone -------------------------------------------------------------------------------------------------

    def create_sweep(self, sweep: Sweep) -> Sweep:
        sweep = evolve(sweep, created_at=sweep.created_at or self._now())
        with self._write as tx:
            self._lock_sweep(tx, PLAIN)  # sweeps are numbered one after another
            if tx.execute(sql.SWEEP_NUMBER, (sweep.id,)).fetchone():
                raise UsageError(f"sweep {sweep.id} is in {self.url} already: choose another id")
            (n,) = tx.execute(
                sql.ADD_SWEEP,
                (
                    sweep.id,
                    dumps(sweep.config),
                    clean(sweep.reason),
                    sweep.seed,
                    clean(sweep.project),
                    clean(sweep.entity),
                    sweep.created_at,
                ),
            ).fetchone()
            tx.execute(sql.ADD_LEDGER, (n, sweep.state.value, sweep.config_version))
        return sweep

    def sweep(self, sweep_id: SweepId) -> Sweep:
        with self._read as tx:
            return self._sweep(tx, self._number(tx, sweep_id))

    def sweeps(self) -> Sequence[Sweep]:
        with self._read as tx:
            rows = tx.execute(sql.ALL_SWEEPS).fetchall()
        return [sweep_of(row) for row in rows]

    def changes(
        self, sweep_id: SweepId, cursor: Cursor, keys: Collection[str] | None = None, in_pages: bool = False
    ) -> Changes:
        """`in_pages`: no more at once than is good for a message; all runs come before the points."""
        chunks: Iterable[Chunk] = ()
        with self._read as tx:
            n = self._number(tx, sweep_id)
            newest, changed, chunk = tx.execute(sql.VERSION, (n,)).fetchone()
            if newest == cursor.version and chunk <= cursor.chunk:
                return Changes(cursor)
            version = self._page_of_runs(tx, n, cursor, newest) if in_pages else newest
            runs = tx.execute(sql.RUNS_BETWEEN, (n, cursor.version, version)).fetchall()
            agents = tx.execute(sql.AGENTS_BETWEEN, (n, cursor.version, version)).fetchall()
            until = chunk
            if version < newest:
                until = cursor.chunk
            elif chunk > cursor.chunk and (keys is None or keys):
                base = n << sql.SPAN
                if in_pages:
                    until = self._points.page(tx, base + cursor.chunk, base + chunk, PAGE_BYTES) - base
                chunks = self._points.between(tx, base + cursor.chunk, base + until, keys)
            sweep = self._sweep(tx, n) if cursor.version < changed <= version else None
        return Changes(
            Cursor(version, until),
            sweep,
            tuple([run_of(row, sweep_id) for row in runs]),
            tuple([agent_of(row, sweep_id) for row in agents]),
            tuple(chunks),
            more=version < newest or until < chunk,
        )

    def _page_of_runs(self, tx: Transaction, n: int, cursor: Cursor, newest: int) -> int:
        """The version up to which a page of runs goes: what was written together is read together."""
        row = tx.execute(sql.NEXT_PAGE, (n, cursor.version, PAGE_RUNS - 1)).fetchone()
        return newest if row is None else int(row[0])

    def stop(self, run_ids: Collection[RunId], reason: str, state: RunState = RunState.stopped) -> None:
        if state not in (RunState.stopped, KILLED):
            raise UsageError(f"a run can be told to become stopped or killed, not {state.value}")
        reason = clean(reason)
        with self._write as tx:
            found: dict[int, list[RunId]] = {}
            for run_id in run_ids:
                found.setdefault(self._sweep_of_run(tx, run_id), []).append(run_id)
            touched = 0
            for n in sorted(found):
                version = self._lock_sweep(tx, n).version
                for run_id in found[n]:
                    touched += tx.execute(sql.STOP_WAITING, (self._now(), reason, version, run_id)).rowcount
                    touched += tx.execute(sql.STOP_RUNNING, (state.value, reason, version, run_id)).rowcount
            if not touched:
                tx.undo()

    def set_state(self, sweep_id: SweepId, state: SweepState, reason: str = "", lease: Lease | None = None) -> Sweep:
        reason = clean(reason)
        with self._write as tx:
            n = self._number(tx, sweep_id)
            ledger = self._lock_sweep(tx, n, lease=lease)
            old = SweepState(ledger.state)
            if state is old:
                tx.undo()
                return self._sweep(tx, n)
            check_sweep_move(old, state)
            tx.execute(sql.STATE, (state.value, ledger.version, n))
            tx.execute(sql.SET_REASON, (reason, n))
            why = reason or f"the sweep is {state.value}"
            if state in SWEEP_ENDED:
                tx.execute(sql.KILL_WAITING, (self._now(), why, ledger.version, n))
            if state is SweepState.CANCELED:
                tx.execute(sql.KILL_RUNNING, (why, ledger.version, n))
            return self._sweep(tx, n)

    def update_config(self, sweep_id: SweepId, config: Mapping[str, Any]) -> Sweep:
        text = dumps(config)
        with self._write as tx:
            n = self._number(tx, sweep_id)
            ledger = self._lock_sweep(tx, n)
            if tx.execute(sql.KEEP_CONFIG, (ledger.config_version, n, text)).rowcount:
                tx.execute(sql.SET_CONFIG, (text, n))
                tx.execute(sql.CONFIG, (ledger.version, n))
            else:
                tx.undo()
            return self._sweep(tx, n)

    def configs(self, sweep_id: SweepId) -> Sequence[tuple[int, Mapping[str, Any]]]:
        with self._read as tx:
            n = self._number(tx, sweep_id)
            former = [(version, json.loads(text)) for version, text in tx.execute(sql.FORMER_CONFIGS, (n,)).fetchall()]
            sweep = self._sweep(tx, n)
        return [*former, (sweep.config_version, sweep.config)]

    def enqueue(self, sweep_id: SweepId, suggestion: Suggestion, seed: int) -> Run:
        with self._write as tx:
            n = self._number(tx, sweep_id)
            ledger = self._lock_sweep(tx, n, numbers=1)
            if SweepState(ledger.state) in SWEEP_ENDED:
                check_sweep_move(SweepState(ledger.state), SweepState.RUNNING)
                tx.execute(sql.STATE, (SweepState.RUNNING.value, ledger.version, n))
                tx.execute(sql.SET_REASON, ("", n))
            run = self._add_run(tx, ledger, ledger.numbers, suggestion, seed)
            tx.execute(sql.GO_AHEAD, (run.id,))
        return run

    # -- the controller -----------------------------------------------------------------------------------------

    def acquire(
        self, sweep_id: SweepId, owner: str, process: Process, ttl_s: float, force: bool = False
    ) -> Lease | None:
        with self._read as tx:
            n = self._number(tx, sweep_id)
            epoch, holder, _, since, until = tx.execute(sql.LEASE, (n,)).fetchone()
            now = self._clock(tx)
        if holder == owner and _lasts(since, until - ttl_s / 2, now):
            return Lease(sweep_id, owner, epoch)  # renewed lately: nothing to write
        with self._renew as tx:
            epoch, holder, held_by, since, until = tx.execute(sql.LOCK_LEASE, (n,)).fetchone()
            now = self._clock(tx)
            if holder != owner:
                held = held_by is not None and _lasts(since, until, now) and is_alive(process_of(held_by)) is not False
                if held and not force:
                    tx.undo()
                    return None
                epoch += 1
            tx.execute(sql.TAKE_LEASE, (epoch, owner, text_of(process), now, now + ttl_s, n))
        self._steers_now()
        return Lease(sweep_id, owner, epoch)

    def release(self, lease: Lease) -> None:
        with self._write as tx:
            tx.execute(sql.DROP_LEASE, (self._number(tx, lease.sweep_id), lease.epoch, lease.owner))

    def add_runs(self, lease: Lease, suggestions: Sequence[Suggestion], seeds: Sequence[int]) -> Sequence[Run]:
        if not suggestions:
            return []
        with self._write as tx:
            n = self._number(tx, lease.sweep_id)
            ledger = self._lock_sweep(tx, n, lease=lease, numbers=len(suggestions))
            if SweepState(ledger.state) in SWEEP_ENDED:  # ended since the controller decided: nobody would claim them
                tx.undo()
                return []
            first = ledger.numbers - len(suggestions) + 1
            return [
                self._add_run(tx, ledger, number, suggestion, seed)
                for number, (suggestion, seed) in enumerate(zip(suggestions, seeds, strict=True), first)
            ]

    def withdraw(self, lease: Lease, run_ids: Collection[RunId]) -> None:
        with self._write as tx:
            n = self._number(tx, lease.sweep_id)
            ledger = self._lock_sweep(tx, n, lease=lease)
            withdrawn = [tx.execute(sql.WITHDRAW, (ledger.version, run_id, n)).rowcount for run_id in run_ids]
            if not any(withdrawn):
                tx.undo()
                return
            tx.execute(sql.GIVE_NUMBERS_BACK, (n, n))

    def expire(self, lease: Lease | None, max_attempts: int = 3) -> Sequence[Run]:
        with self._read as tx:
            n = PLAIN if lease is None else self._number(tx, lease.sweep_id)
            self._check(lease, tx.execute(sql.LEASE, (n,)).fetchone()[0])
            now = self._clock(tx)
            agents = tx.execute(sql.LIVING, (n,)).fetchall()
        looked = self._looked.get(n, -math.inf)
        self._looked[n] = now
        if not any(_fate(process, since, until, now) for _, process, _, since, until in agents):
            return []
        closed: list[Run] = []
        with self._write as tx:
            ledger = self._lock_sweep(tx, n, lease=lease)
            now = self._looked[n] = self._clock(tx)
            agents = sorted(tx.execute(sql.LIVING, (n,)).fetchall())  # everybody locks agents in this order
            fates = []
            for agent, process, ttl, since, until in agents:
                fate = _fate(process, since, until, now)
                if fate == DEAD and _lasts(since, until, now) and self._logs_still(tx, n, agent):
                    fate = ""  # what its program or its kernel logs until it is ended, too, is taken in next time
                fates.append((fate, agent, process, ttl))
            for fate, agent, process, ttl in fates:
                if fate == LAPSED and abs(now - looked) > ttl / 2:
                    # Whoever did not look for so long was itself frozen (or the clock was set), and so perhaps was the
                    # agent: a new lease.
                    tx.execute(sql.EXTEND, (now, now, agent))
                elif fate:
                    closed += self._give_back(
                        tx, ledger, agent, GONE, why=fate.format(process_of(process)), max_attempts=max_attempts
                    )
            if not any(fate for fate, *_ in fates):
                tx.undo()
        self._discard(closed)
        self._tidy()
        return closed

    # -- agents -------------------------------------------------------------------------------------------------

    def join(self, agent: Agent, ttl_s: float) -> None:
        with self._write as tx:
            n = self._number(tx, agent.sweep_id)
            self._join(tx, self._lock_sweep(tx, n), agent, ttl_s)

    def leave(self, agent_id: AgentId) -> None:
        with self._write as tx:
            row = tx.execute(sql.LOCK_OF_AGENT, (0, 0, agent_id)).fetchone()
            if row is None:  # never joined, or left already
                tx.undo()
                return
            closed = self._give_back(tx, Ledger._make(row), agent_id, LEFT, why="Its agent left without closing it.")
        self._discard(closed)

    def allow(self, crew: str, sweep_id: SweepId, runs: int | None) -> None:
        with self._write as tx:
            n = self._number(tx, sweep_id)
            self._lock_sweep(tx, n)
            if runs is None:
                tx.execute(sql.ALLOW_ALL, (crew, n))
            else:
                tx.execute(sql.ALLOW, (crew, n, runs or NO_MORE))

    def dismiss(self, agent_ids: Collection[AgentId]) -> None:
        with self._write as tx:
            found: dict[int, list[AgentId]] = {}
            for agent_id in agent_ids:
                row = tx.execute(sql.SWEEP_OF_AGENT, (agent_id,)).fetchone()
                if row is not None:
                    found.setdefault(row[0], []).append(agent_id)
            touched = 0
            for n in sorted(found):
                version = self._lock_sweep(tx, n).version
                for agent_id in sorted(found[n]):
                    touched += tx.execute(sql.DISMISS, (version, agent_id)).rowcount
            if not touched:
                tx.undo()

    def claim(self, agent_id: AgentId, request_id: str, wanted: int | None = None) -> Run | None:
        with self._write as tx:
            row = tx.execute(sql.LOCK_OF_AGENT, (0, 0, agent_id)).fetchone()
            if row is None:
                raise UsageError(f"agent {agent_id} has not joined a sweep of {self.url}, or has left it: join() first")
            ledger = Ledger._make(row)
            sweep_id = self._identity(tx, ledger.n)[0]
            again = tx.execute(sql.RUN_OF_REQUEST, (request_id, agent_id)).fetchone()
            if again is not None:
                tx.undo()
                return run_of(again, sweep_id)
            crew, allowance = self._allowance(tx, agent_id)
            if allowance is not None:
                wanted = allowance if wanted is None else min(wanted, allowance)
            now, version = self._clock(tx), ledger.version
            taken = None
            if ledger.state == SweepState.RUNNING.value:
                taken = tx.execute(
                    sql.CLAIM, (agent_id, self._now(), request_id, version, agent_id, ledger.n, ledger.n)
                ).fetchone()
            if taken is None:
                mark = -1 if wanted is None else wanted
                if not tx.execute(sql.WAITS, (wanted, now, now, version, agent_id, mark)).rowcount:
                    tx.undo()
                return None
            if allowance is not None:
                tx.execute(sql.SPEND, (crew,))
            left = None if wanted is None else max(0, wanted - 1)
            mark = -1 if left is None else left
            tx.execute(sql.CLAIMED, (left, now, now, mark, version, agent_id))
        return run_of(taken, sweep_id)

    def _allowance(self, tx: Transaction, agent_id: AgentId) -> tuple[str, int | None]:
        """(its crew, how many runs the crew may begin: None is no limit). Dismissed if this agent may begin none."""
        leaving, crew, allowance = tx.execute(sql.ALLOWANCE, (agent_id,)).fetchone()
        if leaving:
            raise Dismissed(f"agent {agent_id} was told to leave")
        if allowance is not None and allowance <= 0:
            raise Dismissed(f"the agents of crew {crew} have begun as many runs as they may")
        return crew, allowance

    def start_run(self, run: Run, agent: Agent, ttl_s: float) -> Run:
        self.expire(None)
        now = self._now()
        with self._write as tx:
            ledger = self._lock_sweep(tx, PLAIN, numbers=1)
            begun = evolve(
                run,
                id=run.id or new_run_id(),
                sweep_id=None,
                number=ledger.numbers,
                state=RUNNING,
                agent_id=agent.id,
                created_at=run.created_at or now,
                started_at=run.started_at or now,
            )
            self._join(tx, ledger, agent, ttl_s)
            if tx.execute(sql.ADD_RUN, (*row_of_run(begun, PLAIN), ledger.version)).rowcount:
                return begun
            tx.undo()
            known = run_of(tx.execute(sql.RUN, (begun.id,)).fetchone(), None)
            if known.agent_id != agent.id:
                raise UsageError(f"run {run.id} is in {self.url} already: choose another id")
            return known

    def heartbeat(self, agent_ids: Collection[AgentId], ttl_s: float) -> Mapping[RunId, Run]:
        found: list[tuple[Any, ...]] = []
        back: dict[int, list[AgentId]] = {}
        with self._renew as tx:
            now = self._clock(tx)
            sweeps = set()
            for agent_id in sorted(agent_ids):
                row = tx.execute(sql.BEAT, (ttl_s, now, now + ttl_s, agent_id)).fetchone()
                if row is None:
                    continue
                n, gone, lost = row
                sweeps.add(n)
                if gone:
                    back.setdefault(n, []).append(agent_id)
                found += [tx.execute(sql.RUN, (run_id,)).fetchone() for run_id in json.loads(lost)]
            for n in sweeps:
                found += [row for row in tx.execute(sql.TOLD, (n,)).fetchall() if row[7] in agent_ids]
            runs = {row[0]: run_of(row, self._identity(tx, row[1])[0]) for row in found}
        for n, agents in back.items():
            with self._write as tx:
                version = self._lock_sweep(tx, n).version
                for agent_id in agents:
                    tx.execute(sql.REVIVE, (version, agent_id))
        return runs

    def log(self, points: Points) -> None:
        blocks = blocks_of(points)
        with self._write as tx:
            ledger = self._lock_run(tx, points.run_id, chunks=len(blocks))
            run = OpenRun._make(tx.execute(sql.OPEN_RUN, (points.run_id,)).fetchone())
            if run.state != RUNNING.value or run.attempt != points.attempt or run.deleted:
                raise Fenced(_fenced(points.run_id, points.attempt, run))
            offsets = _advance(run.offsets, points)
            if offsets is None:
                tx.undo()
                return
            self._points.add(tx, ledger.last_chunk, points, blocks)
            if points.summary is None:
                tx.execute(sql.LOGGED, (offsets, points.run_id))
            else:
                # One of several processes of a run knows its own part of the summary.
                before = json.loads(run.summary) if points.source else {}
                text = dumps({**before, **points.summary})
                tx.execute(sql.LOGGED_SUMMARY, (offsets, text, ledger.version, points.run_id))

    def finish(self, run_id: RunId, attempt: int, outcome: Outcome, points: Points | None = None) -> Run:
        if outcome.state in (PENDING, RUNNING):  # a run waits again by expire() and leave(), as another attempt
            raise UsageError(f"run {run_id} cannot end as {outcome.state.value}")
        blocks = () if points is None else blocks_of(points)
        with self._write as tx:
            ledger = self._lock_run(tx, run_id, chunks=len(blocks))
            run = OpenRun._make(tx.execute(sql.OPEN_RUN, (run_id,)).fetchone())
            sweep_id = self._identity(tx, ledger.n)[0]
            if run.attempt != attempt:
                raise Fenced(_fenced(run_id, attempt, run))
            state = RunState(run.state)
            if state in ENDED or state is outcome.state:
                tx.undo()
                return run_of(tx.execute(sql.RUN, (run_id,)).fetchone(), sweep_id)
            offsets, summary = run.offsets, outcome.summary
            if points is not None:
                advanced = _advance(offsets, points)
                if advanced is not None and not run.deleted:
                    self._points.add(tx, ledger.last_chunk, points, blocks)
                    offsets = advanced
                    summary = points.summary if summary is None else summary
            text = run.summary if summary is None else dumps(summary)
            end = outcome.state
            if end not in ENDED and run.stop_state is not None:
                end = RunState(run.stop_state)  # a preempted run that had been told to stop does not come back
            check_run_move(state, end)
            return run_of(
                tx.execute(
                    sql.CLOSE,
                    (
                        end.value,
                        outcome.exit_code,
                        clean(outcome.error),
                        text,
                        self._now() if end in ENDED else None,
                        offsets,
                        ledger.version,
                        run_id,
                    ),
                ).fetchone(),
                sweep_id,
            )

    # -- one run ------------------------------------------------------------------------------------------------

    def run(self, run_id: RunId) -> Run:
        with self._read as tx:
            return self._run(tx, run_id)

    def runs(self, sweep_id: SweepId | None = None, project: str | None = None) -> Sequence[Run]:
        with self._read as tx:
            if sweep_id is None:
                rows = tx.execute(sql.PLAIN_RUNS).fetchall()
            else:
                rows = tx.execute(sql.RUNS_OF_SWEEP, (self._number(tx, sweep_id),)).fetchall()
        runs = [run_of(row, sweep_id) for row in rows]
        return runs if project is None else [run for run in runs if run.project == project]

    def agents(self, sweep_id: SweepId) -> Sequence[Agent]:
        with self._read as tx:
            rows = tx.execute(sql.AGENTS_OF_SWEEP, (self._number(tx, sweep_id),)).fetchall()
        return [agent_of(row, sweep_id) for row in rows]

    def columns(self, run_id: RunId, attempt: int | None = None) -> Mapping[str, Column]:
        with self._read as tx:
            return self._points.columns(tx, run_id, self._run(tx, run_id).attempt if attempt is None else attempt)

    def records(self, run_id: RunId, attempt: int | None = None) -> Sequence[tuple[int, Mapping[str, Any]]]:
        with self._read as tx:
            return self._points.records(tx, run_id, self._run(tx, run_id).attempt if attempt is None else attempt)

    def known_offsets(self, run_id: RunId, attempt: int) -> Mapping[str, int]:
        with self._read as tx:
            row = tx.execute(sql.OPEN_RUN, (run_id,)).fetchone()
            if row is None:
                raise SweepNotFound(self._no("run", run_id))
        run = OpenRun._make(row)
        if run.attempt != attempt:
            raise Fenced(_fenced(run_id, attempt, run))
        offsets: Mapping[str, int] = json.loads(run.offsets)
        return offsets

    def update_run(self, run_id: RunId, **fields: Any) -> Run:
        unknown = fields.keys() - _EDITABLE.keys()
        if unknown:
            raise UsageError(
                f"update_run() cannot change {', '.join(sorted(unknown))} of a run; it can change {', '.join(_EDITABLE)}"
            )
        columns = "".join(f"{_EDITABLE[name][0]} = ?, " for name in fields)
        values = [_EDITABLE[name][1](value) for name, value in fields.items()]
        with self._write as tx:
            self._run(tx, run_id)
            version = self._lock_run(tx, run_id).version
            tx.execute(sql.UPDATE_RUN.format(columns), (*values, version, run_id))
            return self._run(tx, run_id)

    def delete_run(self, run_id: RunId) -> None:
        with self._write as tx:
            version = self._lock_run(tx, run_id).version
            if not tx.execute(sql.DELETE_RUN, (version, run_id)).rowcount:
                tx.undo()
                return
            tx.execute(sql.STOP_WAITING, (self._now(), "deleted", version, run_id))
            tx.execute(sql.STOP_RUNNING, (KILLED.value, "deleted", version, run_id))
            tx.execute(sql.DROP_CHUNKS, (run_id,))

    def remember(self, key: str, text: str) -> None:
        with self._renew as tx:
            tx.execute(sql.REMEMBER, (key, clean(text)))

    def recall(self, key: str) -> str:
        with self._read as tx:
            row = tx.execute(sql.RECALL, (key,)).fetchone()
        return "" if row is None else str(row[0])

    # -- who may use it from elsewhere -----------------------------------------------------------------------------

    def keep_token(self, token: Token) -> None:
        row = (token.digest, token.sweep_id, token.scope.value, token.created_at, token.expires_at, clean(token.label))
        with self._renew as tx:
            tx.execute(sql.KEEP_TOKEN, row)

    def token(self, digest: str) -> Token | None:
        with self._read as tx:
            row = tx.execute(sql.TOKEN, (digest,)).fetchone()
        return None if row is None else token_of(row)

    def tokens(self) -> Sequence[Token]:
        with self._read as tx:
            return [token_of(row) for row in tx.execute(sql.ALL_TOKENS).fetchall()]

    def revoke(self, digest: str) -> bool:
        with self._renew as tx:
            return bool(tx.execute(sql.REVOKE, (digest,)).rowcount)

    def sweep_of_run(self, run_id: RunId) -> SweepId | None:
        with self._read as tx:
            return self._identity(tx, self._sweep_of_run(tx, run_id))[0]

    def sweep_of_agent(self, agent_id: AgentId) -> SweepId | None:
        with self._read as tx:
            row = tx.execute(sql.SWEEP_OF_AGENT, (agent_id,)).fetchone()
            return None if row is None else self._identity(tx, row[0])[0]

    # -- waking -------------------------------------------------------------------------------------------------

    def subscribe(self, bell: Callable[[], None]) -> Callable[[], None]:
        self._bells.append(bell)

        def end() -> None:
            if bell in self._bells:
                self._bells.remove(bell)

        return end

    def _ring(self) -> None:
        for bell in tuple(self._bells):
            try:
                bell()
            except Exception:
                log.exception("a bell of %s failed", self.url)

    # -- inside a transaction -----------------------------------------------------------------------------------

    def _number(self, tx: Transaction, sweep_id: SweepId) -> int:
        n = self._numbers.get(sweep_id)
        if n is None:
            row = tx.execute(sql.SWEEP_NUMBER, (sweep_id,)).fetchone()
            if row is None:
                raise SweepNotFound(self._no("sweep", sweep_id, [known for (known,) in tx.execute(sql.SWEEP_IDS)]))
            n = self._numbers[sweep_id] = row[0]
        return n

    def _identity(self, tx: Transaction, n: int) -> tuple[SweepId | None, str, str]:
        """Id, project and entity of a sweep; these never change."""
        if n not in self._identities:
            self._identities[n] = tuple(tx.execute(sql.SWEEP_IDENTITY, (n,)).fetchone())
        return self._identities[n]

    def _sweep(self, tx: Transaction, n: int) -> Sweep:
        return sweep_of(tx.execute(sql.SWEEP, (n,)).fetchone())

    def _run(self, tx: Transaction, run_id: RunId) -> Run:
        row = tx.execute(sql.RUN, (run_id,)).fetchone()
        if row is None:
            raise SweepNotFound(self._no("run", run_id))
        run = run_of(row, self._identity(tx, row[1])[0])
        if run.deleted:
            raise SweepNotFound(f"run {run_id} of {self.url} has been deleted")
        return run

    def _sweep_of_run(self, tx: Transaction, run_id: RunId) -> int:
        row = tx.execute(sql.SWEEP_OF_RUN, (run_id,)).fetchone()
        if row is None:
            raise SweepNotFound(self._no("run", run_id))
        n: int = row[0]
        return n

    def _no(self, what: str, name: str, known: Sequence[str] = ()) -> str:
        near = difflib.get_close_matches(name, known, 1)
        return (
            f"no {what} {name!r} in {self.url}"
            + (f"; did you mean {near[0]!r}?" if near else ".")
            + " To look in another store, call use_store(path or URL) or set SWEEPWIDGET_STORE."
        )

    def _lock_sweep(
        self, tx: Transaction, n: int, *, chunks: int = 0, numbers: int = 0, lease: Lease | None = None
    ) -> Ledger:
        """Take the sweep's lock and the next version. Always the first write of a transaction."""
        ledger = Ledger._make(tx.execute(sql.LOCK_SWEEP, (chunks, numbers, n)).fetchone())
        self._check(lease, ledger.epoch)
        return ledger

    def _lock_run(self, tx: Transaction, run_id: RunId, *, chunks: int = 0) -> Ledger:
        row = tx.execute(sql.LOCK_OF_RUN, (chunks, 0, run_id)).fetchone()
        if row is None:
            raise SweepNotFound(self._no("run", run_id))
        return Ledger._make(row)

    def _check(self, lease: Lease | None, epoch: int) -> None:
        if lease is not None and lease.epoch != epoch:
            raise Fenced(
                f"sweep {lease.sweep_id} is steered by somebody else now (epoch {epoch}, ours was {lease.epoch}): "
                "this controller has to acquire() it again"
            )

    def _join(self, tx: Transaction, ledger: Ledger, agent: Agent, ttl_s: float) -> None:
        now = self._clock(tx)
        joined = tx.execute(
            sql.JOIN,
            (
                agent.id,
                ledger.n,
                text_of(agent.process),
                clean(agent.backend),
                int(agent.waiting),
                agent.wanted,
                clean(agent.provenance),
                agent.started_at or self._now(),
                clean(agent.crew),
                int(agent.leaving),
                ttl_s,
                now,
                now + ttl_s,
                ledger.version,
            ),
        )
        if not joined.rowcount:
            raise UsageError(f"agent {agent.id} has joined another sweep of {self.url} already: choose another id")

    def _add_run(self, tx: Transaction, ledger: Ledger, number: int, suggestion: Suggestion, seed: int) -> Run:
        sweep_id, project, entity = self._identity(tx, ledger.n)
        while True:  # the id may be taken, once in a lifetime
            run_id = new_run_id()
            run = Run(
                run_id,
                sweep_id,
                number,
                suggestion.config,
                name=run_name(run_id, number),
                info=suggestion.info,
                seed=seed,
                created_at=self._now(),
                project=project,
                entity=entity,
                config_version=ledger.config_version,
            )
            if tx.execute(sql.ADD_RUN, (*row_of_run(run, ledger.n), ledger.version)).rowcount:
                return run

    def _give_back(
        self, tx: Transaction, ledger: Ledger, agent_id: AgentId, gone: int, *, why: str, max_attempts: float = math.inf
    ) -> list[Run]:
        """The agent is gone: its runs wait again, or are closed."""
        closed = []
        for row in tx.execute(sql.HELD, (ledger.n, agent_id)).fetchall():
            held = HeldRun._make(row)
            known = json.loads(held.offsets)
            for points in spool.leftovers(self.folder, held.id, held.attempt, known):
                blocks = blocks_of(points)
                ledger = self._lock_sweep(tx, ledger.n, chunks=len(blocks))
                self._points.add(tx, ledger.last_chunk, points, blocks)
                known[points.source] = points.end
            state, error = self._fate_of_run(held, ledger, why, max_attempts)
            check_run_move(RUNNING, state)
            if state is PENDING:
                tx.execute(sql.REFUND, (agent_id,))
                closing = tx.execute(sql.WAIT_AGAIN, (ledger.version, held.id)).fetchone()
            else:
                closing = tx.execute(
                    sql.CLOSE,
                    (
                        state.value,
                        None,
                        error,
                        held.summary,
                        self._now(),
                        json.dumps(known),
                        ledger.version,
                        held.id,
                    ),
                ).fetchone()
            closed.append(run_of(closing, self._identity(tx, ledger.n)[0]))
        lost = json.dumps([run.id for run in closed])
        tx.execute(sql.LEAVE, (gone, lost, ledger.version, agent_id))
        return closed

    def _logs_still(self, tx: Transaction, n: int, agent_id: AgentId) -> bool:
        """Whether a process that works on a run of this agent has outlived it (for a moment: a sentinel ends it)."""
        held = map(HeldRun._make, tx.execute(sql.HELD, (n, agent_id)).fetchall())
        return any(spool.is_written(self.folder, run.id, run.attempt) for run in held)

    def _fate_of_run(self, held: HeldRun, ledger: Ledger, why: str, max_attempts: float) -> tuple[RunState, str]:
        if held.stop_state is not None:
            return RunState(held.stop_state), ""
        if held.deleted or SweepState(ledger.state) in SWEEP_ENDED:
            return KILLED, why
        if ledger.n == PLAIN:
            return CRASHED, why
        if held.attempt >= max_attempts:
            return CRASHED, f"{why} That was attempt {held.attempt} of {max_attempts}."
        return PENDING, ""

    def _tidy(self) -> None:
        """Remove spools whose run ended without them: its agent died after closing it, before it could do that."""
        for run_id, attempt in spool.owners(self.folder):
            with self._read as tx:
                row = tx.execute(sql.OPEN_RUN, (run_id,)).fetchone()
            run = OpenRun._make(row) if row else None
            if run is not None and (RunState(run.state) in ENDED or run.attempt != attempt):
                spool.discard(self.folder, run_id, attempt)

    def _discard(self, closed: Sequence[Run]) -> None:
        for run in closed:
            spool.discard(self.folder, run.id, run.attempt - (run.state is PENDING))


class OpenRun(NamedTuple):
    """What decides whether a writer may still write. In the order of `statements.OPEN_RUN`."""

    state: str
    attempt: int
    offsets: str
    summary: str
    stop_state: str | None
    deleted: int


class HeldRun(NamedTuple):
    """A running run of an agent that is gone. In the order of `statements.HELD`."""

    id: RunId
    attempt: int
    offsets: str
    summary: str
    stop_state: str | None
    deleted: int


DEAD = (
    "Its process is gone (pid {0.pid} on {0.host}): killed from outside, out of memory, or a crash of the interpreter."
)
LAPSED = "Its agent (pid {0.pid} on {0.host}) fell silent and its lease has lapsed."

_EDITABLE: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("name", clean),
    "notes": ("notes", clean),
    "tags": ("tags", lambda tags: dumps(tuple(tags))),
    "group": ("run_group", clean),
    "job_type": ("job_type", clean),
    "config": ("config", dumps),
    "summary": ("summary", dumps),
}
"""What `update_run` may change: field → column, and how it is written."""


def _fate(process: str, since: float, until: float, now: float) -> str:
    """What became of an agent: DEAD, LAPSED, or "" while all is well."""
    alive = is_alive(process_of(process))
    if alive is False:
        return DEAD
    return "" if _lasts(since, until, now) else LAPSED


def _lasts(since: float, until: float, now: float) -> bool:
    """Whether a lease has not lapsed. One that begins in the future by more than its own length was given before the
    machine started anew, when the clock began again; by less, just now in another transaction.
    """
    return since - (until - since) <= now < until


def _advance(text: str, points: Points) -> str | None:
    """The offsets after these points; None if they are known already. Fenced if they begin elsewhere."""
    offsets = loads(text)
    known = offsets.get(points.source, 0)
    if points.start == known:
        offsets[points.source] = points.end
        return json.dumps(offsets)
    if points.end <= known:
        return None
    raise Fenced(
        f"run {points.run_id} is known up to offset {known} of writer {points.source!r}, and these points cover "
        f"{points.start} to {points.end}: deliver again from the known offset"
    )


def _fenced(run_id: RunId, attempt: int, run: OpenRun) -> str:
    if run.deleted:
        return f"run {run_id} has been deleted"
    if run.attempt != attempt:
        return (
            f"run {run_id} was given to somebody else: this is attempt {attempt}, attempt {run.attempt} is {run.state}"
        )
    return f"run {run_id} has ended already: it is {run.state}"
