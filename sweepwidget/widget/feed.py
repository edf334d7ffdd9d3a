"""One task per sweep on the loop thread: reads what changed and tells every dashboard of this process that shows it.

It ticks while a cell is busy, waits for a store that is away, and rests while nobody looks. All reading and telling is
done by one worker thread at a time, at most four times a second; curves at most twice a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol

from ..errors import Error, StoreError
from ..loop import after_fork, event_loop, spawn
from ..model import Column, Cursor, Run, RunId, SweepId
from ..participant import participant
from ..provenance import code_name
from ..store import Store
from ..tending import tend
from .functions import functions
from .load import Loads
from .messages import Message, clean
from .mirror import TIMESTAMP, Dirty, Mirror
from .plots import Plot, Points

_log = logging.getLogger(__name__)

STATE_S = 0.25
"""Between two looks at the store, at least."""
CURVES_S = 0.5
"""Between two messages of one plot's new points, at least."""
ALIVE_S = 5.0
"""The page calls the kernel stale after three of these."""
_READING_S = 0.3
"""So long points are read in one go; then the state has its turn."""
_TRIES = 4


class Viewer(Protocol):
    """One dashboard. Called by the feed's worker threads, one at a time."""

    plots: dict[str, Plot]
    resting: bool
    """No page shows it."""
    behind: bool
    """It has to be told everything."""

    def say(self, message: Message) -> None: ...

    def say_all(self, message: Message) -> None:
        """Here is everything that all dashboards of the sweep share."""

    def follow(self, mirror: Mirror) -> None:
        """Rows, agents or the sweep have changed."""


class Feed:
    """Follows one sweep (None: there is only a draft) for the dashboards that show it."""

    def __init__(self, store: Store, sweep_id: SweepId | None) -> None:
        self.store, self.sweep_id = store, sweep_id
        self.mirror = Mirror()
        self.functions: list[dict[str, str]] = []
        self.trouble = ""
        """Why the store cannot be read."""
        self.looking = threading.RLock()
        """Hold it to look at the mirror from another thread than the feed's, or to take a viewer away for good."""
        self.looked = threading.Event()
        """Set once it has looked for the first time."""
        self._viewers: list[Viewer] = []
        self._lock = threading.Lock()
        self._at_work = self._called = False
        self._awake = asyncio.Event()
        self._cursor = Cursor()
        self._points = Points()
        self._touched: set[RunId] = set()
        """Runs that have logged since the plots were told."""
        self._untold = False
        """Something has happened since then."""
        self._loads = Loads()
        self._curves_at = self._alive_at = float("-inf")

    # -- any thread ---------------------------------------------------------------------------------------------

    def add(self, viewer: Viewer) -> None:
        """Tell this one, too."""
        with self._lock:
            self._viewers.append(viewer)
        self.wake()

    def remove(self, viewer: Viewer) -> None:
        with self._lock:
            if viewer in self._viewers:
                self._viewers.remove(viewer)
            left = bool(self._viewers)
        with _feeds_lock:
            key = self.store.link, self.sweep_id
            if not left and _feeds.get(key) is self:
                del _feeds[key]

    def wake(self) -> None:
        """Look soon; many calls, one look."""
        with self._lock:
            if not self._at_work and self._watched:
                self._at_work = True
                spawn(self._work())
            if self._called:
                return
            self._called = True
        event_loop().call_soon_threadsafe(self._awake.set)

    @property
    def _watched(self) -> list[Viewer]:
        return [viewer for viewer in self._viewers if not viewer.resting]

    # -- the loop thread ----------------------------------------------------------------------------------------

    async def _work(self) -> None:
        with contextlib.ExitStack() as stack:
            if self.sweep_id is not None:
                here = participant(self.store)
                stack.enter_context(here.bell.waking(self.wake))
                here.watch()
            while True:
                self._awake.clear()
                self._called = False
                more = await asyncio.to_thread(self._look)
                await asyncio.sleep(STATE_S)
                with self._lock:
                    if not self._watched:
                        self._at_work = False
                        return
                if not more:
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._awake.wait(), self._alive_at + ALIVE_S - time.monotonic())

    # -- one worker thread at a time ----------------------------------------------------------------------------

    def _look(self) -> bool:
        """Read, and tell. Whether there is more to be told soon."""
        more = False
        try:
            with self.looking:
                with self._lock:
                    viewers = self._watched
                more = self._follow(viewers)
            if time.monotonic() - self._alive_at >= ALIVE_S:
                self._alive_at = time.monotonic()
                self._say_alive(viewers)
        except Exception:  # noqa: BLE001  (a fault of ours must not end the feed)
            self._alive_at = time.monotonic()
            _log.exception("the dashboards of sweep %s missed something", self.sweep_id)
        self.looked.set()
        return more

    def _follow(self, viewers: list[Viewer]) -> bool:
        try:
            self._read(viewers)
            self._tell(viewers)
            return self._tell_curves(viewers)
        except Error as error:
            self.trouble = clean(str(error))
            return False

    def _read(self, viewers: list[Viewer]) -> set[RunId]:
        """Take in what is new; the runs that have logged."""
        if self.sweep_id is None:
            return set()
        keys = self._keys(viewers)
        changes = self.store.changes(self.sweep_id, self._cursor, keys if self._cursor.version else ())
        self.trouble = ""
        touched = set[RunId]()
        if changes:
            self.mirror.apply(changes, time.time())
            touched = self._points.extend(changes.chunks, keys)
            self._touched |= touched
            self._untold = True
            self._cursor = changes.cursor  # from here on they do not come again
        self._name_codes()  # last, and in each look: it reads the store, too
        return touched

    def _name_codes(self) -> None:
        """From which code runs come: read once for each."""
        for key in list(self.mirror.unnamed):
            text = self.store.recall(key)
            self.mirror.unnamed.discard(key)  # also where the text is none of ours: it would fail in each look
            self.mirror.codes[key] = clean(code_name(text or ""))

    def _tell(self, viewers: list[Viewer]) -> None:
        now, dirty = time.time(), bool(self.mirror.dirty)
        if dirty and all(viewer.behind for viewer in viewers):
            self.mirror.dirty, dirty = Dirty(), False
        delta = self.mirror.delta(self.store.url, now) if dirty else None
        full = None
        for viewer in viewers:
            if viewer.behind:
                viewer.behind = False
                full = full or self.mirror.full(self.store.url, now)
                self.functions = self.functions or functions(self._preferred())
                viewer.say_all(full)
                viewer.follow(self.mirror)
            elif delta is not None:
                viewer.say(delta)
                viewer.follow(self.mirror)

    def _tell_curves(self, viewers: list[Viewer]) -> bool:
        plots = [(viewer, plot) for viewer in viewers for plot in _plots(viewer)]
        fresh = any(plot.new for _, plot in plots)
        if not fresh and time.monotonic() - self._curves_at < CURVES_S:
            return bool(self._untold and plots)
        self._curves_at, self._untold = time.monotonic(), False
        missing = {
            run.id: run
            for _, plot in plots
            for run in plot.missing(plot.choose(self.mirror), self._points, self._touched)
        }
        more = self._fetch(list(missing.values()), viewers)
        touched, self._touched = self._touched, set()
        for viewer, plot in plots:
            for message in plot.messages(plot.choose(self.mirror), self._points, touched):
                viewer.say(message)
        return more

    def _fetch(self, missing: list[Run], viewers: list[Viewer]) -> bool:
        """Read the points of these runs, for a while; whether some are left.

        A run may log between the look at the store and the reading of its points: those points would come again with the
        next look. So each reading is followed by a look, is kept only then, and repeated for the runs that logged meanwhile.
        """
        until, left = time.monotonic() + _READING_S, missing
        for _ in range(_TRIES):
            keys, read = self._keys(viewers), list[tuple[Run, Mapping[str, Column]]]()
            while left and (time.monotonic() < until or not read):
                run = left.pop(0)
                read.append((run, self.store.columns(run.id, run.attempt)))
            logged = self._read(viewers) if read else set()
            for run, columns in read:
                if run.id not in logged:
                    self._points.put(run, columns, keys)
            again = [run for run, _ in read if run.id in logged]
            if not again:
                break
            left = again + left
        return bool(left)

    def _keys(self, viewers: list[Viewer]) -> frozenset[str]:
        """The metrics that somebody watches, and when rows were logged."""
        return frozenset({TIMESTAMP}).union(*(plot.watch.keys for viewer in viewers for plot in _plots(viewer)))

    # -- besides ------------------------------------------------------------------------------------------------

    def _say_alive(self, viewers: list[Viewer]) -> None:
        now = time.time()
        load = {} if self.sweep_id is None else self._loads.of(self.mirror.living)
        if self.sweep_id is not None and not all(each["alive"] for each in load.values()):
            tend(self.store, self.sweep_id)
        alive = Message({"type": "alive", "now": now, "trouble": self.trouble, "load": load})
        found = functions(self._preferred())
        changed, self.functions = found != self.functions, found
        for viewer in viewers:
            if changed and not viewer.behind:
                viewer.say(Message({"type": "delta", "now": now, "functions": found}))
            viewer.say(alive)

    def _preferred(self) -> str:
        """The function that the sweep's latest agent called: its text in the store says so."""
        import json

        agents = [agent for agent in self.mirror.agents.values() if agent.provenance]
        if not agents:
            return ""
        with contextlib.suppress(StoreError, ValueError):
            text = self.store.recall(max(agents, key=lambda agent: agent.started_at).provenance)
            facts: dict[str, Any] = json.loads(text or "{}")
            return str((facts.get("function") or {}).get("name", "")).removeprefix("__main__.")
        return ""


def _plots(viewer: Viewer) -> list[Plot]:
    return list(viewer.plots.values())


_feeds: dict[tuple[str, SweepId | None], Feed] = {}
_feeds_lock = threading.Lock()


def feed_of(store: Store, sweep_id: SweepId | None) -> Feed:
    """The one feed of this process for a sweep; for a draft, a feed of its own."""
    if sweep_id is None:
        return Feed(store, None)
    with _feeds_lock:
        known = _feeds.get((store.link, sweep_id))
        if known is None or known.store is not store:
            known = _feeds[store.link, sweep_id] = Feed(store, sweep_id)
        return known


def _in_child() -> None:
    """After a fork: the loop that drives these is the parent's, and so are the comms."""
    global _feeds_lock
    _feeds_lock = threading.Lock()
    _feeds.clear()


after_fork(_in_child)
