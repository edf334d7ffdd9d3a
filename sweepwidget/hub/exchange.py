"""One request and its answer, in HTTP. Who calls is settled from the headers, before a byte of the body is kept.

Tokens travel in one header and are never logged. Whatever is malformed is answered with a 4xx; what fails here is answered
with a number under which the log has it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from http.client import responses
from importlib.metadata import version

from attrs import define, field, frozen
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine

from ..errors import Error, StoreError, StoreUnavailable, StoreVersion
from ..model import Token
from ..wire import (
    CONTENT_TYPE,
    GIVEN_UP,
    GIVEN_UP_HEADER,
    MAX_BODY,
    PROTOCOL,
    REQUEST_HEADER,
    TOKEN_HEADER,
    VERBS,
    encode_error,
)
from . import limits
from .calls import Calls
from .hosts import may_call
from .limits import Refused

_log = logging.getLogger(__name__)

_CALL = re.compile(r"(?:/[^?]*)?/v(\d{1,9})/([a-z_]+)").fullmatch
NUMBER = 200
"""Characters of what tells a call from others."""
_NUMBER = re.compile(r"[0-9]{1,18}").fullmatch
_WARN_S = 10.0
"""While a store is away every call of every agent fails: the log says it this often."""
_SECURITY = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
_PAGE = """\
A sweepwidget hub, version {version}, protocol {protocol}.

To work on a sweep of it, paste the whole link, with what stands behind the '#', into Python:

    import sweepwidget as wandb
    wandb.agent("<link>", function=train)
"""


@define
class Traffic:
    """What all exchanges of a server share."""

    calls: Calls
    names: frozenset[str]
    """What the hub may be called in a Host header."""
    any_address: bool
    hidden: tuple[str, ...]
    """Names of the store that are nobody's business elsewhere."""
    bodies: int = 0
    """Bytes that are kept now."""
    open: set[asyncio.Task[None]] = field(factory=set)
    """Answers that are being made."""
    warn_at: float = 0.0
    """When the log may say again that the store is away."""

    def warn(self, verb: str, error: StoreUnavailable) -> None:
        now = time.monotonic()
        if now >= self.warn_at:
            self.warn_at = now + _WARN_S
            _log.warning("%s: %s", verb, error)


@frozen
class Answer:
    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(factory=dict)


class Exchange(HTTPMessageDelegate):
    """What tornado tells of one request."""

    def __init__(self, traffic: Traffic, connection: HTTP1Connection, address: str) -> None:
        self._traffic, self._connection, self._address = traffic, connection, address
        self._body = bytearray()
        self._verb = self._request = ""
        self._given_up: Sequence[str] = ()
        self._bare = False
        """The answer is to have no body."""
        self._token: Token | None = None
        self._hurry: asyncio.TimerHandle | None = None
        self._answer: Answer | None = None
        """Settled before all of the body has come."""

    async def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        assert isinstance(start_line, RequestStartLine)
        self._hurry = asyncio.get_running_loop().call_later(limits.READ_S, self._connection.stream.close)
        self._bare = start_line.method == "HEAD"
        try:
            check_caller(headers, self._traffic)
            self._verb = verb_of(start_line)
            if not self._verb:
                self._answer = _page()
                return
            check_call(headers)
            self._request = headers.get(REQUEST_HEADER, "")
            self._given_up = headers.get(GIVEN_UP_HEADER, "").split()
            secret = headers.get(TOKEN_HEADER, "")
            self._token = await self._traffic.calls.authorise(secret, self._verb, self._address)
        except Exception as error:  # noqa: BLE001  whatever it is, it is answered
            self._answer = self._told(error)
            if _length(headers) > limits.DRAIN:  # tornado will read none of it, and close
                self._send(self._answer)

    def data_received(self, chunk: bytes) -> None:
        if self._answer is not None:
            return
        if len(self._body) + len(chunk) > MAX_BODY:
            self._answer = self._told(_too_large())
        elif self._traffic.bodies + len(chunk) > limits.BODIES:
            self._answer = self._told(StoreUnavailable("this hub has too much to do: try again soon"))
        else:
            self._body += chunk
            self._traffic.bodies += len(chunk)
            return
        self._drop_body()

    def finish(self) -> None:
        self._take_time()
        self._task = asyncio.get_running_loop().create_task(self._make_answer())
        self._traffic.open.add(self._task)
        self._task.add_done_callback(self._traffic.open.discard)
        self._connection.set_close_callback(self._nobody_waits)

    def on_connection_close(self) -> None:
        self._take_time()
        self._drop_body()

    def _take_time(self) -> None:
        """The body has come, or will not. (tornado's own timeout for it costs five times as much.)"""
        if self._hurry is not None:
            self._hurry.cancel()

    def _nobody_waits(self) -> None:
        self._task.cancel()

    async def _make_answer(self) -> None:
        try:
            self._send(self._answer or await self._reply())
        finally:
            self._drop_body()

    async def _reply(self) -> Answer:
        assert self._token is not None
        try:
            reply = await self._traffic.calls.answer(
                self._token, self._verb, self._request, bytes(self._body), self._given_up
            )
        except Exception as error:  # noqa: BLE001  whatever it is, it is answered
            return self._told(error)
        return Answer(200, reply, CONTENT_TYPE)

    def _told(self, error: Exception) -> Answer:
        if isinstance(error, StoreUnavailable):
            self._traffic.warn(self._verb, error)
        told = _public(error, self._verb)
        status, body = encode_error(told, self._traffic.hidden)
        headers = {"Retry-After": "1"} if status == 503 else {}
        if isinstance(told, Refused):
            headers |= told.headers
        return Answer(status, body, "application/json", headers)

    def _send(self, answer: Answer) -> None:
        headers = HTTPHeaders({**_SECURITY, **answer.headers})
        headers["Content-Type"] = answer.content_type
        headers["Content-Length"] = str(len(answer.body))
        line = ResponseStartLine("HTTP/1.1", answer.status, responses.get(answer.status, ""))
        sent = self._connection.write_headers(line, headers, None if self._bare else answer.body)
        if not sent.done():
            allowed_s = limits.WRITE_S + len(answer.body) / limits.WRITE_BYTES_S
            hurry = asyncio.get_running_loop().call_later(allowed_s, self._connection.close)
            sent.add_done_callback(lambda _: hurry.cancel())
        self._connection.finish()

    def _drop_body(self) -> None:
        self._traffic.bodies -= len(self._body)
        self._body = bytearray()


# -- what may be asked --------------------------------------------------------------------------------------------------


def check_caller(headers: HTTPHeaders, traffic: Traffic) -> None:
    """Refuse what a page in a browser has sent: it names the hub by a name of its own (DNS rebinding), or an origin."""
    if not may_call(headers.get("Host"), traffic.names, traffic.any_address):
        raise Refused(
            403,
            "this hub does not know the name that it was called by: share it with base_url= (--base-url) or "
            "allow_hosts= (--allow-host) set to the name by which others reach it",
        )
    if "Origin" in headers or headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Refused(403, "no page may call a hub")


def verb_of(start_line: RequestStartLine) -> str:
    """The call that is made; '' where the page is asked for. Whatever a proxy has put before the path is left out."""
    method, path = start_line.method, start_line.path.partition("?")[0]
    called = _CALL(path)
    if called is None and method == "GET":
        return ""
    if called is None:
        raise Refused(404, "there is no such call: it is POST …/v1/<verb>")
    if method != "POST":
        raise Refused(405, "a call is a POST", {"Allow": "POST"})
    if int(called[1]) != PROTOCOL:
        whose = "the caller's" if int(called[1]) < PROTOCOL else "the hub's"
        raise StoreVersion(f"this hub speaks protocol {PROTOCOL}, not {called[1]}: upgrade {whose} sweepwidget")
    if called[2] not in VERBS:
        raise Refused(404, f"this hub has no call {called[2][:40]!r}")
    return called[2]


def check_call(headers: HTTPHeaders) -> None:
    """Refuse a body that would not be read."""
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise Refused(415, f"a call has the content type {CONTENT_TYPE}")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "the body of a call is not compressed")
    if len(headers.get(REQUEST_HEADER, "")) > NUMBER:
        raise Refused(400, f"{REQUEST_HEADER} has at most {NUMBER} characters")
    given_up = headers.get(GIVEN_UP_HEADER, "").split()
    if len(given_up) > GIVEN_UP or any(len(number) > NUMBER for number in given_up):
        raise Refused(400, f"{GIVEN_UP_HEADER} has at most {GIVEN_UP} numbers of at most {NUMBER} characters")
    if _length(headers) > MAX_BODY:
        raise _too_large()


def _length(headers: HTTPHeaders) -> float:
    """Bytes of the body that is announced; what is no number is left to tornado."""
    length = headers.get("Content-Length", "0")
    return int(length) if _NUMBER(length) else float("inf") if length.isdecimal() else 0


# -- what is answered ---------------------------------------------------------------------------------------------------


def _public(error: Exception, verb: str) -> Error:
    """What may be told of an error; the rest is for the log."""
    if isinstance(error, Error):
        return error
    if isinstance(error, RuntimeError) and "shutdown" in str(error):  # this process is on its way out
        return StoreUnavailable("this hub is shutting down")
    number = secrets.token_hex(4)
    _log.error("call %s (%s) failed", number, verb, exc_info=error)
    return StoreError(f"the hub failed at this call; its log says why, under {number}")


def _too_large() -> Refused:
    return Refused(413, f"a call has at most {MAX_BODY >> 20} MiB: send it in pieces")


def _page() -> Answer:
    page = _PAGE.format(version=version("sweepwidget"), protocol=PROTOCOL)
    return Answer(200, page.encode(), "text/plain; charset=utf-8")
