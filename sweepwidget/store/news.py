"""News from a hub: one thread per sweep waits for it (a long-poll), so that asking whether something changed is free.

A thread lives as long as somebody asks and uses the sweep, and half a minute longer; nothing outlives the interest in it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

from ..errors import Error
from ..model import SweepId
from ..wire import WAIT_S

INTEREST_S = 10.0
"""So long after the last question somebody still wants to know."""
USE_S = 60.0
"""So long after its last use a sweep is still of interest."""
REST_S = 0.05
"""At least this between two waits: what happens meanwhile is told together."""
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
_chance = secrets.SystemRandom()


class News:
    """Whether others have changed a sweep that is used here. `wait(sweep_id, version, timeout_s, progress)` asks the hub."""

    def __init__(self, wait: Callable[[SweepId, int, float, bool], int]) -> None:
        self._wait = wait
        self._lock = threading.Lock()
        self._used: dict[SweepId, float] = {}
        self._followed: dict[SweepId, float] = {}
        self._waiting: set[SweepId] = set()
        self._changed = self._closed = False
        self._asked_at = float("-inf")

    def use(self, sweep_id: SweepId, progress: bool = False) -> None:
        """The sweep is of interest for a while; with `progress` also what its runs log, not only what agents must hear."""
        now = time.monotonic()
        with self._lock:
            self._used[sweep_id] = now
            if progress:
                self._followed[sweep_id] = now

    def changed(self) -> bool:
        """Whether there is news since the last question. Microseconds."""
        self._asked_at = time.monotonic()
        with self._lock:
            begun = self._used.keys() - self._waiting
            changed, self._changed = self._changed, False
        if begun:
            self._begin()
        return changed

    def close(self) -> None:
        """Threads end with what they wait for."""
        self._closed = True

    def _begin(self) -> None:
        with self._lock:
            self._used = {sweep_id: at for sweep_id, at in self._used.items() if at > time.monotonic() - USE_S}
            begun = self._used.keys() - self._waiting
            self._waiting |= begun
        for sweep_id in begun:
            threading.Thread(target=self._listen, args=(sweep_id,), name="sweepwidget-news", daemon=True).start()

    def _listen(self, sweep_id: SweepId) -> None:
        version, failures = 0, 0
        while self._wanted(sweep_id):
            try:
                now = self._wait(sweep_id, version, WAIT_S, self._is_followed(sweep_id))
                failures = 0
            except Error:
                time.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)] * _chance.uniform(0.5, 1.0))
                failures += 1
                self._changed = True  # nobody knows: whoever asks shall look
                continue
            if now != version:
                version = now
                self._changed = True
            time.sleep(REST_S)

    def _is_followed(self, sweep_id: SweepId) -> bool:
        return time.monotonic() - self._followed.get(sweep_id, float("-inf")) < USE_S

    def _wanted(self, sweep_id: SweepId) -> bool:
        """Whether to wait on; if not, the next question begins anew."""
        now = time.monotonic()
        with self._lock:
            used = now - self._used.get(sweep_id, float("-inf")) < USE_S
            if used and now - self._asked_at < INTEREST_S and not self._closed:
                return True
            self._waiting.discard(sweep_id)
            return False
