"""Long-polls: whoever waits for news of a sweep costs no thread, and one look at the store serves all who wait.

What agents must hear of (the sweep itself, runs that wait, orders) is told from what merely goes on: waking every agent for
every point of every other would keep the hub busy with nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools

from ..errors import StoreUnavailable
from ..model import WAITING, Changes, Cursor, SweepId
from ..participant import participant
from ..store import Store
from .workers import Workers

NEWEST = Cursor(1 << 62, 1 << 62)
"""`changes` after it are none, whatever there is; the cursor that comes back says how far things are."""
REST_S = 0.01
"""At least this between two looks."""
LOOK_S = 1.0
"""At most this between two looks; a watch that nobody waits at ends then."""
ANSWERS_S, BURST_S = 200.0, 1.0
"""Long-polls of a sweep that are answered per second, after a quiet time those of `BURST_S` at once."""


class Watch:
    """One sweep, for those who wait for news of it. Lives on the loop, and looks while anybody waits."""

    def __init__(self, store: Store, sweep_id: SweepId, workers: Workers) -> None:
        self._store, self._sweep_id, self._workers = store, sweep_id, workers
        self._waiting = 0
        self._version = self._urgent = 0
        """Of the sweep, and of the last change that agents must hear of."""
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self._begun, self._moved, self._alarm = asyncio.Event(), _Pulse(), _Pulse()
        self._answer_at = 0.0

    @property
    def idle(self) -> bool:
        return self._task is None or self._task.done()

    async def wait(self, version: int, timeout_s: float, progress: bool = False) -> int:
        """Until the sweep is at another version than `version`, or the time is over; the version it is at then.

        Without `progress`, changes that agents need not hear of do not count. Raises what the store raises.
        """
        now = asyncio.get_running_loop().time
        until = now() + timeout_s
        self._waiting += 1
        try:
            await self._look_on(timeout_s)
            while not (self._version != version if progress else self._urgent > version):
                if now() >= until:
                    return self._version
                await (self._moved if progress else self._alarm).wait(until - now())
                await self._look_on(timeout_s)
            self._answer_at = max(self._answer_at, now() - BURST_S) + 1 / ANSWERS_S
            await asyncio.sleep(min(self._answer_at, until) - now())
            return self._version
        finally:
            self._waiting -= 1

    def end(self) -> None:
        """Answer all who wait."""
        self._error = StoreUnavailable("this hub is shutting down")
        self._begun.set()
        self._moved.ring()
        self._alarm.ring()

    async def _look_on(self, timeout_s: float) -> None:
        """Have somebody look, and the first look behind us."""
        if self.idle:
            self._error = None
            self._begun.clear()
            self._task = asyncio.get_running_loop().create_task(self._watch())
        await _set(self._begun, timeout_s)
        if self._error is not None:
            raise self._error

    async def _watch(self) -> None:
        loop, rung, here = asyncio.get_running_loop(), asyncio.Event(), participant(self._store)

        def ring() -> None:
            if not rung.is_set():
                loop.call_soon_threadsafe(rung.set)

        cursor = NEWEST
        try:
            with here.bell.waking(ring):
                here.watch()
                while self._waiting:
                    rung.clear()
                    changes = await self._workers.do(functools.partial(self._store.changes, self._sweep_id, cursor, ()))
                    self._tell(changes, first=cursor is NEWEST)
                    cursor = changes.cursor
                    await asyncio.sleep(REST_S)
                    await _set(rung, LOOK_S)
        except Exception as error:  # noqa: BLE001  whoever waits is told
            self._error = error
        finally:
            self._begun.set()
            self._moved.ring()
            self._alarm.ring()

    def _tell(self, changes: Changes, first: bool) -> None:
        moved = changes.cursor.version != self._version
        self._version = changes.cursor.version
        if first or _urgent(changes):
            self._urgent = self._version
            self._alarm.ring()
        if moved:
            self._moved.ring()
        self._begun.set()


def _urgent(changes: Changes) -> bool:
    return (
        changes.sweep is not None
        or any(run.state in WAITING or run.stop_reason or run.deleted for run in changes.runs)
        or any(agent.leaving for agent in changes.agents)
    )


class _Pulse:
    """Wakes those who wait now; later ones wait for the next time."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """With a new event for the next time: one that were cleared would be missed by whoever is about to wait, as up to
        Python 3.11 `wait_for` begins in the next round of the loop.
        """
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, timeout_s: float) -> None:
        await _set(self._event, timeout_s)


async def _set(event: asyncio.Event, timeout_s: float) -> None:
    """Until the event is set, or the time is over."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), timeout_s)
