"""Runs functions on daemon threads of this process, one per slot.

Unlike with `ThreadPoolExecutor`, nothing waits for them at interpreter exit: training that hangs must not keep a kernel
alive.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context
from typing import Any, TypeVar

from attrs import frozen

from ..errors import UsageError

T = TypeVar("T")


class ThreadBackend:
    """Threads named `sweepwidget-agent-<n>`, started when first needed. What runs cannot be interrupted.

    >>> backend = ThreadBackend(slots=2)
    >>> backend.submit(pow, 2, 10).result()
    1024
    >>> backend.shutdown()
    """

    def __init__(self, slots: int = 1) -> None:
        self.slots = slots
        self._changed = threading.Condition()  # guards all below
        self._calls: deque[_Call] = deque()
        self._threads: list[threading.Thread] = []
        self._busy: set[threading.Thread] = set()
        self._closed = False

    def submit(self, fn: Callable[..., T], /, *args: Any) -> Future[T]:
        """Run `fn(*args)` in an empty context, as a thread of its own would have. UsageError after `shutdown`."""
        future: Future[T] = Future()
        with self._changed:
            if self._closed:
                raise UsageError("this backend was shut down; take a new one: backend_for('thread')")
            self._calls.append(_Call(future, fn, args))
            self._changed.notify()
            if len(self._threads) < self.slots:
                name = f"sweepwidget-agent-{len(self._threads) + 1}"
                self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
                self._threads[-1].start()
        return future

    def interrupt(self, future: Future[Any]) -> bool:
        """Only what still waits for a slot can be taken back."""
        return future.cancel()

    def shutdown(self) -> None:
        """Cancel what waits, end the idle threads; a busy one ends with its function."""
        with self._changed:
            self._closed = True
            waiting, self._calls = self._calls, deque()
            idle = [thread for thread in self._threads if thread not in self._busy]
            self._changed.notify_all()
        for call in waiting:
            call.future.cancel()
            call.future.set_running_or_notify_cancel()  # wakes those in concurrent.futures.wait()
        for thread in idle:
            thread.join()

    def _work(self) -> None:
        while True:
            call = self._next()
            if call is None:
                return
            call.run()
            del call  # an idle thread must not keep the last model alive

    def _next(self) -> _Call | None:
        thread = threading.current_thread()
        with self._changed:
            self._busy.discard(thread)
            self._changed.wait_for(lambda: self._calls or self._closed)
            if not self._calls:
                return None
            self._busy.add(thread)
            return self._calls.popleft()


@frozen(eq=False)
class _Call:
    future: Future[Any]
    fn: Callable[..., Any]
    args: tuple[Any, ...]

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = Context().run(self.fn, *self.args)
        except BaseException as error:  # noqa: BLE001  (whatever it raises is the caller's to judge)
            self.future.set_exception(error)
            del self  # the traceback keeps this frame: the function's data would live until the next collection
        else:
            self.future.set_result(result)
