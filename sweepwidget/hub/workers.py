"""Threads for what blocks: one takes call after call, and others join it while it is stuck at one.

A thread of its own for every call would not be faster, as stores do one thing at a time, and waking it costs more than most
calls. Answers go back to the loop several at once, for the same reason.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures.thread import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

THREADS = 4
STUCK_S = 0.01
"""If no call was begun for so long while some wait, another thread is woken."""
TOGETHER_S = 0.002
"""Answers are collected for so long; if the next call is stuck then, until somebody looks."""


class Workers:
    """Lives on the loop, as who calls `do` does; the threads touch only `_waiting`, `_answers` and `_begun`."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "sweepwidget-hub")
        self._waiting: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._answers: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        """On their way back."""
        self._begun = 0
        """Calls that threads have taken up so far."""
        self._awake = 0
        self._looking = False
        """Whether somebody will look whether the threads get on."""

    async def do(self, work: Callable[[], T]) -> T:
        """What `work` returns, or raises, in a thread. RuntimeError after `close`."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._waiting.append((work, answer))
        if not self._awake:
            self._wake(loop)
        elif not self._looking:
            self._look_later(loop)
        return await answer

    def close(self) -> None:
        """Blocks until the calls in progress are done. Not on the loop."""
        self._pool.shutdown()

    # -- on the loop --------------------------------------------------------------------------------------------

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._pool.submit(self._work, loop)
        except RuntimeError as error:  # it was shut down
            while self._waiting:
                _tell(self._waiting.popleft()[1], None, error)
        else:
            self._awake += 1

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = True
        loop.call_later(STUCK_S, self._look, loop, self._begun)

    def _look(self, loop: asyncio.AbstractEventLoop, begun: int) -> None:
        self._looking = False
        self._answer()
        if not self._waiting:
            return
        if self._begun == begun and self._awake < THREADS:
            self._wake(loop)
        if self._waiting:
            self._look_later(loop)

    def _answer(self) -> None:
        while self._answers:
            _tell(*self._answers.popleft())

    def _rest(self, loop: asyncio.AbstractEventLoop) -> None:
        """A thread found nothing more to do."""
        self._awake -= 1
        self._answer()
        if self._waiting and not self._awake:
            self._wake(loop)

    # -- in a thread --------------------------------------------------------------------------------------------

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        since = time.monotonic()
        while True:
            try:
                work, answer = self._waiting.popleft()
            except IndexError:
                break
            self._begun += 1
            if not answer.cancelled():
                self._answers.append((answer, *_outcome(work)))
            if time.monotonic() - since > TOGETHER_S:
                loop.call_soon_threadsafe(self._answer)
                since = time.monotonic()
        loop.call_soon_threadsafe(self._rest, loop)


def _outcome(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001  who asked is told
        return None, error


def _tell(answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
