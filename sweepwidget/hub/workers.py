"""Threads for what blocks: one takes call after call, and others join it while it is stuck at one.

A thread of its own for every call would not be faster, as stores do one thing at a time, and waking it costs more than most
calls. Answers go back to the loop several at once, for the same reason; and what waits at the same moment may be made
together, where that is cheaper.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures.thread import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

A = TypeVar("A")
T = TypeVar("T")

THREADS = 4
STUCK_S = 0.01
"""If no call was begun for so long while some wait, another thread is woken."""
TOGETHER_S = 0.002
"""Answers are collected for so long; if the next call is stuck then, until somebody looks."""
MOST = 16
"""So many calls are made together at most."""


class Outcome(NamedTuple):
    """What a call returned, or why it failed."""

    result: Any = None
    error: BaseException | None = None


class _Call(NamedTuple):
    answer: asyncio.Future[Any]
    work: Callable[..., Any]
    part: tuple[Any, ...] = ()
    """(its part of the work,) if calls of this kind are made together."""


class Workers:
    """Lives on the loop, as who calls `do` does; the threads touch only `_waiting`, `_answers` and `_begun`."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "sweepwidget-hub")
        self._waiting: deque[_Call] = deque()
        self._answers: deque[tuple[asyncio.Future[Any], Outcome]] = deque()
        """On their way back."""
        self._begun = 0
        """Calls that threads have taken up so far."""
        self._awake = 0
        self._looking = False
        """Whether somebody will look whether the threads get on."""

    async def do(self, work: Callable[[], T]) -> T:
        """What `work` returns, or raises, in a thread. RuntimeError after `close`."""
        answer: T = await self._put(_Call(asyncio.get_running_loop().create_future(), work))
        return answer

    async def do_together(self, work: Callable[[Sequence[A]], Sequence[Outcome]], part: A) -> Any:
        """The outcome of this part of a work, which is done with those parts of it that wait at the same moment."""
        return await self._put(_Call(asyncio.get_running_loop().create_future(), work, (part,)))

    def close(self) -> None:
        """Blocks until the calls in progress are done. Not on the loop."""
        self._pool.shutdown()

    # -- on the loop --------------------------------------------------------------------------------------------

    def _put(self, call: _Call) -> asyncio.Future[Any]:
        loop = call.answer.get_loop()
        self._waiting.append(call)
        if not self._awake:
            self._wake(loop)
        elif not self._looking:
            self._look_later(loop)
        return call.answer

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._pool.submit(self._work, loop)
        except RuntimeError as error:  # it was shut down
            while self._waiting:
                _tell(self._waiting.popleft().answer, Outcome(None, error))
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
        while calls := self._take():
            self._begun += 1
            if calls := [call for call in calls if not call.answer.cancelled()]:
                self._answers.extend(zip([call.answer for call in calls], _outcomes(calls), strict=True))
            if time.monotonic() - since > TOGETHER_S:
                loop.call_soon_threadsafe(self._answer)
                since = time.monotonic()
        loop.call_soon_threadsafe(self._rest, loop)

    def _take(self) -> list[_Call]:
        """The next call, and those behind it that can be made together with it."""
        taken: list[_Call] = []
        with contextlib.suppress(IndexError):
            while len(taken) < MOST:
                call = self._waiting.popleft()
                if taken and not (call.part and call.work == taken[0].work):
                    self._waiting.appendleft(call)
                    break
                taken.append(call)
                if not call.part:
                    break
        return taken


def _outcomes(calls: Sequence[_Call]) -> Sequence[Outcome]:
    work = calls[0].work
    try:
        return work([call.part[0] for call in calls]) if calls[0].part else [Outcome(work())]
    except BaseException as error:  # noqa: BLE001  who asked is told
        return [Outcome(None, error)] * len(calls)


def _tell(answer: asyncio.Future[Any], outcome: Outcome) -> None:
    if answer.done():
        return
    if outcome.error is None:
        answer.set_result(outcome.result)
    else:
        answer.set_exception(outcome.error)
