"""Calls: from a token, a verb and a body to an answer. Lives on the loop; what blocks goes to a few threads of its own."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ..errors import StoreUnavailable
from ..model import SweepId, Token
from ..wire import VERBS, WAIT_S, Denied, WireError, decode_call, encode_reply
from . import limits
from .answers import Answers
from .app import App, SharedStore
from .helm import Helm
from .limits import Buckets, too_many
from .tokens import check_scope, check_term, digest_of, find
from .watch import Watch
from .workers import Outcome, Workers

COMPANY_S = 15.0
FRESH_S = 1.0
"""So long a token counts as good without another look into the store."""
TOGETHER = frozenset({"claim", "log", "finish"})
"""Verbs that agents call all the time, and of which a store makes several at once."""


class Calls:
    """What the holders of tokens ask of one store, and what they get."""

    def __init__(self, store: SharedStore) -> None:
        self.app, self.helm = App(store), Helm(store)
        self._store = store
        self._workers = Workers()
        self._tokens: OrderedDict[str, tuple[Token, float]] = OrderedDict()
        self._rates = Buckets(limits.REQUESTS_S, limits.BURST)
        self._strikes = Buckets(limits.BAD_TOKENS / limits.BAD_TOKENS_S, limits.BAD_TOKENS)
        self._answers = Answers()
        self._watches: dict[SweepId, Watch] = {}
        self._heard_at = float("-inf")
        self._waits_ended = False

    async def authorise(self, secret: str, verb: str, address: str) -> Token:
        """The token, if it is good for this verb and not used too much. Raises Denied and Refused."""
        now = time.monotonic()
        token = await self._token(secret, now)
        if token is None:
            # A good token is never kept waiting for a bad neighbour: behind a proxy all come from one address.
            if wait_s := self._strikes.take(address, now):
                raise too_many("too many wrong tokens from this address", wait_s)
            raise _unknown()
        self._heard_at = now
        check_term(token, time.time())
        if wait_s := self._rates.take(token.digest, now):
            raise too_many(f"more than {limits.REQUESTS_S:.0f} calls per second with one link", wait_s)
        check_scope(token, VERBS[verb].scope)
        return token

    async def answer(self, token: Token, verb: str, request: str, body: bytes, given_up: Collection[str] = ()) -> bytes:
        """The reply to a call. Raises what it should be told, and whatever fails."""
        for number in given_up:
            await self._answers.give_up((token.digest, number))
        if verb == "wait":
            return await self._wait(token, body)
        if verb in TOGETHER:
            reply: bytes = await self._workers.do_together(self._replies, (token, verb, body))
            return reply
        if not (VERBS[verb].once and request):
            return await self._workers.do(lambda: self._reply(token, verb, body))
        return await self._answers.first(
            (token.digest, request), lambda: self._workers.do(lambda: self._reply(token, verb, body))
        )

    async def rest(self) -> None:
        """Let go of what nobody needs any more."""
        self._watches = {sweep_id: watch for sweep_id, watch in self._watches.items() if not watch.idle}
        await self._workers.do(self.helm.rest)

    def forget_tokens(self) -> None:
        """Some may have been revoked: look each up again. From any thread."""
        self._tokens.clear()

    @property
    def has_company(self) -> bool:
        """Whether somebody is at work: agents are heard of at least so often."""
        return time.monotonic() - self._heard_at < COMPANY_S

    def end_waits(self) -> None:
        """Answer all long-polls, and those to come at once."""
        self._waits_ended = True
        for watch in self._watches.values():
            watch.end()

    def close(self) -> None:
        """Blocks until the calls in progress are done."""
        self._workers.close()
        self.helm.close()

    async def _token(self, secret: str, now: float) -> Token | None:
        digest = digest_of(secret)
        token, at = self._tokens.get(digest, (None, 0.0))
        if token is not None and now - at < FRESH_S:
            return token
        token = await self._workers.do(lambda: find(self._store, secret))
        self._tokens.pop(digest, None)
        if token is not None:
            self._tokens[digest] = token, now
            if len(self._tokens) > limits.IDS:
                self._tokens.popitem(last=False)
        return token

    async def _wait(self, token: Token, body: bytes) -> bytes:
        args = await self._workers.do(lambda: self._admitted(token, "wait", body))
        sweep_id = args["sweep_id"]
        watch = self._watches.get(sweep_id)
        if watch is None:
            watch = self._watches[sweep_id] = Watch(self._store, sweep_id, self._workers)
        timeout_s = min(max(args["timeout_s"], 0.0), WAIT_S)
        try:
            if self._waits_ended:  # a watch that nobody waited at would begin anew
                raise StoreUnavailable("this hub is shutting down")
            version = await watch.wait(args["version"], timeout_s, args.get("progress", False))
        except StoreUnavailable:
            # With unshare() the hub ends, too: nobody shall wait for it whose link is good no more.
            if await self._workers.do(lambda: self._store.token(token.digest)) is None:
                raise _unknown() from None
            raise
        return encode_reply("wait", version)

    def _replies(self, asked: Sequence[tuple[Token, str, bytes]]) -> Sequence[Outcome]:
        """To calls of TOGETHER: each has an outcome of its own, and all that they write is one transaction."""
        if len(asked) == 1:
            return [_outcome(self._reply, *asked[0])]
        verbs = [verb for _, verb, _ in asked]
        admitted = [_outcome(self._admitted, *one) for one in asked]
        with self._store.together():
            done = [
                one if one.error else _outcome(self.app.perform, verb, one.result)
                for verb, one in zip(verbs, admitted, strict=True)
            ]
        return [
            one if one.error else _outcome(self._encoded, verb, args.result, one.result)
            for verb, args, one in zip(verbs, admitted, done, strict=True)
        ]

    def _reply(self, token: Token, verb: str, body: bytes) -> bytes:
        args = self._admitted(token, verb, body)
        return self._encoded(verb, args, self.app.perform(verb, args))

    def _encoded(self, verb: str, args: Mapping[str, Any], result: Any) -> bytes:
        """The reply to a call that was made; sees to the steering of what it is about."""
        for sweep_id in self.app.sweeps_at_work(verb, args):
            self.helm.steer(sweep_id)
        return encode_reply(verb, result)

    def _admitted(self, token: Token, verb: str, body: bytes) -> Mapping[str, Any]:
        name, args = decode_call(body)
        if name != verb:
            raise WireError(f"the path says {verb}, and the body {name}")
        return self.app.admit(token, verb, args)


def _outcome(work: Callable[..., Any], *args: Any) -> Outcome:
    try:
        return Outcome(work(*args))
    except Exception as error:  # noqa: BLE001  who asked is told
        return Outcome(None, error)


def _unknown() -> Denied:
    return Denied(
        "this hub does not know the token (any more): copy the whole link, or ask whoever shared it for a new one", 401
    )
