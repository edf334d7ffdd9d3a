"""Where `async def train()` runs: an event loop of the agent's own, which its runs share one after another.

Where the calling thread has a loop at work already (the main thread of a notebook), the agent's loop gets a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any

Cancel = Callable[[], None]
"""Ends a coroutine at the `await` where it stands; from any thread, harmless when it has ended."""


class AgentEventLoop:
    """>>> loop = AgentEventLoop()
    >>> loop.run(asyncio.sleep(0, "done"))
    'done'
    >>> loop.close()
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def run(self, coroutine: Coroutine[Any, Any, Any], cancellable: Callable[[Cancel], None] | None = None) -> Any:
        """Run it to its end in a copy of the caller's context, and cancel the tasks it leaves; returns or raises what it does.

        `cancellable` is given the means to cancel it. An exception that reaches the waiting thread (an interrupt)
        cancels it, awaits its end and passes on.
        """
        # A task made by `context.run` has this very context: Python 3.10 cannot be told otherwise.
        task: asyncio.Task[Any] = copy_context().run(self._loop.create_task, coroutine)
        if cancellable is not None:
            cancellable(lambda: self._cancel(task))
        if _loop_at_work():
            return self._run_on_thread(task)
        return self._run_here(task)

    def close(self) -> None:
        """Not usable again. Harmless when repeated."""
        if not self._loop.is_closed():
            self._loop.close()

    def _cancel(self, task: asyncio.Task[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(task.cancel)

    def _run_here(self, task: asyncio.Task[Any]) -> Any:
        try:
            return self._loop.run_until_complete(task)
        finally:
            self._tidy()

    def _run_on_thread(self, task: asyncio.Task[Any]) -> Any:
        came_of: Future[Any] = Future()

        def work() -> None:
            try:
                came_of.set_result(self._run_here(task))
            except BaseException as error:  # noqa: BLE001  (whatever it raises is the caller's to judge)
                came_of.set_exception(error)

        thread = threading.Thread(target=copy_context().run, args=(work,), daemon=True)
        thread.start()
        try:
            return came_of.result()
        finally:
            self._cancel(task)  # no more than a formality, unless it was the waiting that was interrupted
            thread.join()

    def _tidy(self) -> None:
        """One run's tasks and generators must not live on into the next."""
        loop = self._loop
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())


def _loop_at_work() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
