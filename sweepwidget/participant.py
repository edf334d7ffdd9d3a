"""This process's part in a store: it wakes who waits, sends heartbeats, ships logged points and passes stop orders on.

One per store and process. While something here works, `tick` runs every 50 ms on the loop; it costs what changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from . import outages
from .errors import Error, Fenced, StoreUnavailable
from .loop import after_fork, event_loop, spawn
from .model import AgentId, Cursor, Run, RunState, SweepId
from .store import Store
from .wire import Denied

_log = logging.getLogger(__name__)

TICK_S = 0.05
FLUSH_S = 0.2
BEAT_AGAIN_S = 1.0
"""After a heartbeat that failed: a store that is back hears the next one long before the lease is over."""
LEASE_S = 30.0
"""An agent that has not been heard of for so long has lost its run (agents on this machine are watched by process)."""


class Bell:
    """Rings whenever the store was written to, by this process or another. Waiters pass the count they have seen."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._wakers: set[Callable[[], None]] = set()
        self.count = 0

    def ring(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()
            wakers = tuple(self._wakers)
        for wake in wakers:
            wake()

    def wait(self, seen: int, timeout_s: float) -> int:
        """Block until the count differs from `seen` (or the time is over); returns the count."""
        with self._changed:
            self._changed.wait_for(lambda: self.count != seen, timeout_s)
            return self.count

    @contextlib.contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake()` at every ring, from any thread."""
        with self._changed:
            self._wakers.add(wake)
        try:
            yield
        finally:
            with self._changed:
                self._wakers.discard(wake)


class Work(Protocol):
    """A run that this process works on."""

    id: str
    attempt: int

    def flush(self) -> bool:
        """Ship what was logged; whether there was anything."""

    def order_stop(self, reason: str, state: RunState | None = None) -> None:
        """The run should end, as `state`."""

    def remind(self) -> None:
        """Called again and again: should it have ended, it may say so."""


class Participant:
    """What this process does for its agents and runs in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.bell = Bell()
        self.pid = os.getpid()
        self.runs: dict[tuple[str, int], Work] = {}
        """Runs that this process logs to, by (id, attempt)."""
        self.trouble = ""
        """Why the last tick failed; '' when all is well."""
        self._agents: dict[AgentId, SweepId | None] = {}
        self._cursors: dict[SweepId, Cursor] = {}
        self._told: dict[tuple[str, int], Run] = {}
        """Running runs that were told to stop: an order may come between a run's claim and its `add`."""
        self._lock = threading.Lock()
        self._ticking = False
        self._blind = False
        """Whether the last look failed: then the next that does not has seen the store back."""
        self._seen = -1
        self._flushed_at = self._beat_at = 0.0
        store.subscribe(self.bell.ring)

    # -- who works here -----------------------------------------------------------------------------------------

    def keep(self, agent_id: AgentId, sweep_id: SweepId | None) -> None:
        """Send heartbeats for an agent from now on."""
        with self._lock:
            self._agents[agent_id] = sweep_id
        self._start()

    def forget(self, agent_id: AgentId) -> None:
        with self._lock:
            self._agents.pop(agent_id, None)

    def add(self, run: Work) -> None:
        """Ship the run's points and pass stop orders on to it from now on."""
        with self._lock:
            self.runs[run.id, run.attempt] = run
        if (row := self._told.get((run.id, run.attempt))) is not None:
            self._order(row)
        self._start()

    def remove(self, run: Work) -> None:
        with self._lock:
            self.runs.pop((run.id, run.attempt), None)

    def watch(self) -> None:
        """Tick while somebody waits for news of other processes (see `bell`)."""
        self._start()

    # -- ticking ------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        return not (self._agents or self.runs or self.bell._wakers)

    def _start(self) -> None:
        with self._lock:
            if not self._ticking:
                spawn(self._tick_until_idle())
                self._ticking = True  # not before: an interrupt may come while the loop's thread starts

    async def _tick_until_idle(self) -> None:
        now = event_loop().time
        while True:
            try:
                await asyncio.to_thread(self.tick, now())
            except Exception as error:  # noqa: BLE001  the store may be away for a while: keep trying, say it once
                if isinstance(error, RuntimeError) and "after" in str(error) and "shutdown" in str(error):
                    return  # the interpreter is on its way out, and takes no new work
                self._note(error)
            await asyncio.sleep(TICK_S)
            with self._lock:
                if self.idle:
                    self._ticking = False
                    outages.given_up(self.store.url, self)
                    return

    def _note(self, error: Exception) -> None:
        """Say what is wrong, once."""
        if isinstance(error, StoreUnavailable):
            outages.missed(self.store.url, self, error)
        elif isinstance(error, Denied):
            for run in list(self.runs.values()):
                run.order_stop(str(error))  # its agent says it, when it cannot close the run
        elif not self.trouble:
            _log.warning("%s", error)
        self.trouble = str(error) or type(error).__name__

    def tick(self, now: float) -> None:
        """One look around. `now` is any monotonic clock, in seconds."""
        try:
            if self.store.changed_elsewhere():
                self.bell.ring()
        except Error:
            self._blind = True
            raise
        if self.bell.count != self._seen:
            self._seen = self.bell.count
            self._pass_orders_on()
        if now - self._flushed_at >= FLUSH_S:
            self._flushed_at = now
            # A store that can be read again may be one that cannot be written yet: whoever writes next sees it back.
            back = self.flush() or self._blind
            (outages.seen if back else outages.given_up)(self.store.url, self)
            self.trouble, self._blind = "", False
            for run in list(self.runs.values()):
                run.remind()
        if now - self._beat_at >= LEASE_S / 3:
            self._beat_at = now - LEASE_S / 3 + BEAT_AGAIN_S  # until it has succeeded
            self._beat()
            self._beat_at = now

    def flush(self) -> bool:
        """Ship what has been logged since the last time; whether there was anything."""
        with self._lock:
            runs = list(self.runs.values())
        shipped = False
        trouble: Error | None = None
        for run in runs:
            try:
                shipped |= run.flush()
            except Fenced as error:
                run.order_stop(f"it was given to another agent ({error})")
            except StoreUnavailable:
                raise  # the others would only wait as long
            except Error as error:  # of this run alone: the others' points go on
                trouble = error
        if trouble is not None:
            raise trouble
        return shipped

    def _beat(self) -> None:
        with self._lock:
            agents = list(self._agents)
        if agents:
            told = self.store.heartbeat(agents, LEASE_S)
            outages.seen(self.store.url, self)
            for row in told.values():
                self._order(row)

    def _pass_orders_on(self) -> None:
        with self._lock:
            sweeps = {sweep_id for sweep_id in self._agents.values() if sweep_id is not None}
        for sweep_id in sweeps:
            cursor = self._cursors.get(sweep_id, Cursor())
            with contextlib.suppress(Error):
                changes = self.store.changes(sweep_id, cursor, keys=())
                self._cursors[sweep_id] = changes.cursor
                for row in changes.runs:
                    self._order(row)

    def _order(self, row: Run) -> None:
        """Tell runs here what the store says of them."""
        if row.state is RunState.running and row.stop_state is not None:
            self._told[row.id, row.attempt] = row
        else:
            self._told.pop((row.id, row.attempt), None)
        for (run_id, attempt), run in list(self.runs.items()):
            if run_id != row.id or row.attempt < attempt:  # this attempt may have been claimed after the row was read
                continue
            if row.attempt > attempt or row.ended or row.deleted:
                run.order_stop("it was given to another agent" if row.attempt > attempt else f"it is {row.state.value}")
            elif row.stop_state is not None:
                run.order_stop(row.stop_reason, row.stop_state)


_participants: dict[str, Participant] = {}
_participants_lock = threading.Lock()


def participant(store: Store) -> Participant:
    """The one Participant of this process for a store."""
    with _participants_lock:
        known = _participants.get(store.link)
        if known is None or known.pid != os.getpid() or known.store is not store:
            known = _participants[store.link] = Participant(store)
        return known


def _in_child() -> None:
    global _participants_lock
    _participants_lock = threading.Lock()
    _participants.clear()
    outages.reset()


after_fork(_in_child)
