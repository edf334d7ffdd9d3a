"""First answers: a call that must not be made twice is answered as it was the first time, when it comes again.

A client that lost an answer sends the call again under the same number (`X-Sweep-Request`). When it stops trying it says so
with its next call (`X-Sweep-Given-Up`): what the network still holds back would undo what came after it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

from ..errors import Error
from ..wire import ANSWERS_S, encode_error
from .limits import Refused

KEPT, KEPT_BYTES = 10_000, 32 << 20


class Answers:
    """The answers of the last minutes, those that are still being found included. Lives on the loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[asyncio.Future[bytes], float]] = OrderedDict()
        self._bytes = 0

    async def first(self, key: Hashable, find: Callable[[], Awaitable[bytes]]) -> bytes:
        """The answer that this key got before; else what `find` finds, which goes on if nobody waits for it any more.

        An error is an answer, too, unless it says that the call may work later.
        """
        known = self._known.get(key)
        if known is None:
            self._forget_old()
            known = asyncio.ensure_future(find()), asyncio.get_running_loop().time()
            self._known[key] = known
            known[0].add_done_callback(lambda answer: self._found(key, answer))
        return await asyncio.shield(known[0])

    async def give_up(self, key: Hashable) -> None:
        """Let nothing of this key happen from now on: wait for a call that is being made, refuse one that comes too late."""
        if known := self._known.get(key):
            await asyncio.wait([known[0]])
        if key not in self._known:
            self._forget_old()
            refusal = asyncio.get_running_loop().create_future()
            refusal.set_exception(Refused(409, "whoever sent this call has given it up"))
            refusal.exception()  # nobody need ask for it
            self._known[key] = refusal, asyncio.get_running_loop().time()

    def _found(self, key: Hashable, answer: asyncio.Future[bytes]) -> None:
        error = None if answer.cancelled() else answer.exception()
        if self._known.get(key, (None, 0.0))[0] is not answer:  # forgotten before it was found
            return
        if error is None and not answer.cancelled():
            self._bytes += len(answer.result())
        elif not isinstance(error, Error) or encode_error(error)[0] >= 429:
            self._known.pop(key, None)

    def _forget_old(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._known:
            key, (answer, at) = next(iter(self._known.items()))
            if now - at < ANSWERS_S and len(self._known) < KEPT and self._bytes < KEPT_BYTES:
                return
            del self._known[key]
            if answer.done() and answer.exception() is None:
                self._bytes -= len(answer.result())
