"""The one daemon thread with the one event loop on which everything that waits lives.

A task on the kernel's own loop stalls while a cell blocks; one here ticks on. User code never runs here, and nothing here
blocks: store, search and stop calls go through `asyncio.to_thread`.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures.thread import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_pid = 0


def after_fork(reset: Callable[[], None]) -> None:
    """Have `reset` called in forked children, where no thread but the forking one exists and locks may be held for ever."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)


def event_loop() -> asyncio.AbstractEventLoop:
    """The loop, started when first needed (and anew in a forked child, which has no thread of its parent's)."""
    global _loop, _pid
    if _loop is not None and _pid == os.getpid():
        return _loop
    with _lock:
        if _loop is None or _pid != os.getpid():
            loop = asyncio.new_event_loop()
            # Ours, not asyncio's at its first use: that import registers fork hooks, and may do so amid another thread's fork.
            loop.set_default_executor(ThreadPoolExecutor(8, "sweepwidget-store"))
            threading.Thread(target=loop.run_forever, name="sweepwidget-loop", daemon=True).start()
            _loop, _pid = loop, os.getpid()
        return _loop


def spawn(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Start a coroutine on the loop, from any thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, event_loop())


def _in_child() -> None:
    global _lock, _loop
    _lock, _loop = threading.Lock(), None


after_fork(_in_child)
