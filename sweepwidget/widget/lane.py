"""Work that is done in the order it was given, on worker threads; whoever gives it does not wait."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from ..loop import spawn


class Lane:
    """>>> Lane().put(work)      # doctest: +SKIP"""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._at_work = False

    def put(self, work: Callable[[], None]) -> None:
        """Have it done after what was given before. It must not raise."""
        with self._lock:
            self._waiting.append(work)
            if self._at_work:
                return
            self._at_work = True
        spawn(self._work())

    async def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._at_work = False
                    return
                work = self._waiting.popleft()
            await asyncio.to_thread(work)
