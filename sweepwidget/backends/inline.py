"""Runs functions at once on the calling thread: for debuggers, and for training that needs the main thread (signals)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, TypeVar

from ..errors import UsageError

T = TypeVar("T")


class InlineBackend:
    """One slot: `submit` returns when the function has ended.

    >>> InlineBackend().submit(pow, 2, 10).result()
    1024
    """

    def __init__(self, slots: int = 1) -> None:
        if slots != 1:
            raise UsageError(f"backend 'inline' runs one function at a time, not {slots}; use backend='thread'")
        self.slots = slots
        self._closed = False

    def submit(self, fn: Callable[..., T], /, *args: Any) -> Future[T]:
        """Run `fn(*args)` in a copy of the caller's context. An interrupt (KeyboardInterrupt) passes through: it is
        meant for the caller as much as for the function. UsageError after `shutdown`.
        """
        if self._closed:
            raise UsageError("this backend was shut down; take a new one: backend_for('inline')")
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(copy_context().run(fn, *args))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  (whatever it raises is the caller's to judge)
            future.set_exception(error)
        try:
            return future
        finally:
            del future  # the traceback keeps this frame: the function's data would live until the next collection

    def interrupt(self, future: Future[Any]) -> bool:
        """It has ended, or runs on this very thread."""
        return False

    def shutdown(self) -> None:
        self._closed = True
