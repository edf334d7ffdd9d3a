"""One call to a hub: the POST, what its answer means, and trying again where that helps.

Every call may be sent again (see wire.py: it is idempotent, or the hub knows its number), so a lost answer is no error yet.
Whatever is not a hub (a proxy, a login page, nobody) becomes StoreUnavailable: agents go on, and their points wait.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import StoreError, StoreUnavailable, StoreVersion, UsageError
from ..links import Place, is_local
from ..wire import (
    CONTENT_TYPE,
    GIVEN_UP,
    GIVEN_UP_HEADER,
    PROTOCOL,
    REQUEST_HEADER,
    TOKEN_HEADER,
    VERBS,
    WAIT_S,
    Denied,
    WireError,
    decode_error,
    decode_reply,
)

if TYPE_CHECKING:
    import httpx

CONNECT_S = 5.0
ANSWER_S = 15.0
"""A hub that is silent for so long is away."""
PATIENCE_S = 30.0
"""How long a call that nobody repeats waits for the hub, as it would for a locked SQLite file."""
IDLE_S = 15.0
"""A connection is not used again after this; hubs and proxies close theirs later."""
_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0
_BUSY_S = 10.0
"""The longest that `Retry-After` is obeyed at once."""
_BUSY_TRIES = 3
_chance = secrets.SystemRandom()
"""Not Python's own: whoever seeds that for a training wants the numbers that follow."""

PATIENT = frozenset(
    {
        "add_runs",
        "columns",
        "create_sweep",
        "delete_run",
        "recall",
        "records",
        "remember",
        "run",
        "runs",
        "start_run",
        "sweeps",
        "update_config",
        "update_run",
    }
)
"""Verbs that are called for once. Those of loops, which come again by themselves, are told at once that the hub is away."""


class TooLarge(StoreError):  # noqa: N818
    """The hub, or a proxy before it, takes no body of this size."""


class _Lost(Exception):  # noqa: N818
    """The call or its answer got lost on the way: it may be sent again. Says why."""

    def __init__(self, why: str, *, at_once: bool = False, after_s: float = 0.0, hub_is_gone: bool = False) -> None:
        super().__init__(why)
        self.at_once, self.after_s, self.hub_is_gone = at_once, after_s, hub_is_gone


class HubClient:
    """Calls to one hub with one token. Thread-safe.

    `name` is what errors call the hub's store, `folder` where what it has not taken yet is kept.
    """

    def __init__(self, place: Place, name: str, folder: Path) -> None:
        self.base = place.base
        self._name, self._folder = name, folder
        self._met = False
        """The hub has done something for this link."""
        self._denied: Denied | None = None
        """The link was good, and is no more."""
        self._token = place.token
        self._closed = False
        self._given_up: deque[str] = deque(maxlen=GIVEN_UP)
        """Numbers of calls that nobody waits for any more, and of which no hub has heard so."""
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None

    def call(self, verb: str, body: bytes, done: Callable[[], Any] = lambda: None) -> Any:
        """What the verb returned. Raises what it raised there, and StoreUnavailable while no hub can be reached.

        `done` looks whether an earlier try has worked (its result, or None): asked when the hub was gone for a moment, and
        may have forgotten the numbers of calls.
        """
        number = secrets.token_hex(12)
        try:
            return self._insist(verb, body, number, done)
        except BaseException:
            self._give_up(verb, number)
            raise

    def _insist(self, verb: str, body: bytes, number: str, done: Callable[[], Any]) -> Any:
        since = time.monotonic()
        # Who has never met it has probably mistyped it, and hears so at once.
        patience_s = PATIENCE_S if verb in PATIENT and self._met else 0.0
        pause_s, busy, hasty = _PAUSE_S, 0, False
        while True:
            try:
                return self._once(verb, body, number)
            except _Lost as lost:
                if lost.at_once and not hasty:
                    hasty = True
                    continue
                busy += lost.after_s > 0
                patient = busy <= _BUSY_TRIES if lost.after_s else time.monotonic() - since < patience_s
                if not patient:
                    raise self._away(lost) from lost.__cause__
                time.sleep(lost.after_s or pause_s * _chance.uniform(0.5, 1.0))
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                if lost.hub_is_gone and (result := done()) is not None:
                    self._give_up(verb, number)
                    return result

    def _give_up(self, verb: str, number: str) -> None:
        """It may still arrive: the next call tells the hub that it must not count any more."""
        if VERBS[verb].once:
            self._given_up.append(number)

    def _away(self, lost: _Lost) -> StoreError | Denied:
        """What to say when nobody answers."""
        if self._denied is not None and lost.hub_is_gone:
            return Denied(str(self._denied))
        if self._met:
            return StoreUnavailable(f"the hub at {self.base} cannot be reached: {lost}")
        tls = ", and without TLS its link begins with http://" if self.base.startswith("https:") else ""
        return StoreUnavailable(
            f"no hub answers at {self.base}: {lost}. Nothing was begun. Is the link right (host, port{tls}), and does the hub "
            "run?"
        )

    def close(self) -> None:
        """Let go of the connections. Calls are errors from now on."""
        self._closed = True
        with self._lock:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def leave_to_parent(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._lock, self._http = threading.Lock(), None

    # -- one POST -----------------------------------------------------------------------------------------------

    def _once(self, verb: str, body: bytes, number: str) -> Any:
        import httpx

        headers = {"Content-Type": CONTENT_TYPE, "Accept": CONTENT_TYPE}
        if VERBS[verb].once:
            headers[REQUEST_HEADER] = number
        given_up = tuple(self._given_up)
        if given_up:
            headers[GIVEN_UP_HEADER] = " ".join(given_up)
        silence_s = ANSWER_S + (WAIT_S if verb == "wait" else 0.0)
        timeout = httpx.Timeout(silence_s, connect=CONNECT_S)
        try:
            answer = self._connected().post(f"/v{PROTOCOL}/{verb}", content=body, headers=headers, timeout=timeout)
        except httpx.ConnectError as error:
            if "CERTIFICATE" in str(error).upper():
                raise StoreError(
                    f"the hub at {self.base} shows a certificate that is not trusted here ({error}): where it is your own, "
                    "set SSL_CERT_FILE=/path/to/its/certificate.pem"
                ) from error
            raise _Lost(str(error) or "no connection", hub_is_gone=True) from error
        except httpx.ConnectTimeout as error:
            raise _Lost(f"no connection within {CONNECT_S:.0f} s", hub_is_gone=True) from error
        except httpx.TimeoutException as error:
            raise _Lost(f"no answer within {silence_s:.0f} s ({type(error).__name__})") from error
        except (httpx.TransportError, httpx.DecodingError) as error:  # an idle connection was closed, an answer torn
            raise _Lost(str(error) or type(error).__name__, at_once=True) from error
        except RuntimeError as error:  # httpx's word for a client that another thread has closed
            if self._closed:
                raise UsageError(_closed(self.base)) from error
            raise
        reply = self._meaning(verb, answer)
        for heard in given_up:
            with contextlib.suppress(ValueError):  # another thread's call has said it, too
                self._given_up.remove(heard)
        return reply

    def _connected(self) -> httpx.Client:
        with self._lock:
            if self._closed:
                raise UsageError(_closed(self.base))
            if self._http is None:
                import httpx

                no_proxy = {"http://": None, "https://": None}
                self._http = httpx.Client(
                    base_url=self.base,
                    headers={"User-Agent": "sweepwidget"} | _of_proxy(),
                    event_hooks={"request": [_shows(self._token)]},
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=IDLE_S),
                    mounts=no_proxy if is_local(self.base) else None,  # none leads back to this machine
                    verify=self.base.startswith("https:"),  # plain HTTP need not load certificates
                )
                weakref.finalize(self, self._http.close).atexit = False
            return self._http

    # -- what an answer means -----------------------------------------------------------------------------------

    def _meaning(self, verb: str, answer: httpx.Response) -> Any:
        status, kind = answer.status_code, answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if status == 200 and kind == CONTENT_TYPE:
            try:
                reply = decode_reply(verb, answer.content)
            except WireError as error:
                raise _Lost(f"its answer is torn ({error})", at_once=True) from error
            self._met, self._denied = True, None
            return reply
        told = decode_error(status, answer.content, self._name) if kind == "application/json" else None
        if status == 413:
            raise TooLarge(f"the hub at {self.base} takes no {len(answer.request.content)} bytes at once")
        if status == 429:
            raise _Lost(str(told or "it is busy"), after_s=_retry_after(answer.headers))
        if status == 426 or isinstance(told, StoreVersion):
            raise StoreVersion(_other_version(self.base, answer.content))
        if isinstance(told, Denied) and told.status == 401 and self._met:
            self._denied = told = Denied(
                f"the link to {self._name} was revoked or has expired: ask for a new one. What the hub has not taken yet waits "
                f"in {self._folder}, for whoever joins from here with the new link"
            )
        if told is not None:
            raise told
        raise self._stranger(status, kind, answer.headers)

    def _stranger(self, status: int, kind: str, headers: Mapping[str, str]) -> Exception:
        """What answered is no hub, or is in its way."""
        if status in (502, 503, 504):
            return _Lost(f"what stands before it says {status}", hub_is_gone=True)
        target = urlsplit(headers.get("location", ""))
        here = urlsplit(self.base)
        if target.scheme == "https" and here.scheme == "http" and target.hostname == here.hostname:
            return UsageError(f"the hub at {self.base} is reached by https only: use the link with https:// before it")
        if status in (401, 403, 407) or 300 <= status < 400 or "html" in kind:
            what = f"{self.base} answered with a web page (status {status}), not as a hub"
            if not self._met:
                return StoreUnavailable(
                    f"{what}. Nothing was begun. Is the link right, and does a login there stand before it?"
                )
            return StoreUnavailable(f"{what}: a login there has probably run out. Log in again")
        return StoreUnavailable(f"{self.base} answered with status {status}, not as a hub: is the address right?")


def _of_proxy() -> dict[str, str]:
    """What a proxy before the hub wants to see (JupyterHub: `token …`); the hub itself has a header of its own."""
    wanted = os.environ.get("SWEEPWIDGET_HUB_AUTHORIZATION")
    return {"Authorization": wanted} if wanted else {}


def _closed(base: str) -> str:
    return f"the store at {base} has been closed; open_store() gives a new one"


def _other_version(base: str, body: bytes) -> str:
    try:
        theirs = int(json.loads(body)["protocol"])
    except (ValueError, KeyError, TypeError):
        theirs = 0
    who = "an older" if theirs < PROTOCOL else "a newer"
    mend = "there" if theirs < PROTOCOL else "here"
    return (
        f"the hub at {base} speaks {who} version (protocol {theirs or '?'}, this is {PROTOCOL}): "
        f"`pip install -U sweepwidget` {mend}"
    )


def _shows(token: str) -> Callable[[httpx.Request], None]:
    """Puts the token into a request that is about to leave: where it stands in no variable, no traceback shows it."""

    def show(request: httpx.Request) -> None:
        request.headers[TOKEN_HEADER] = token

    return show


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait, some more than told so that not everybody comes back at once."""
    try:
        told_s = float(headers.get("retry-after", "1"))
    except ValueError:
        told_s = 1.0
    return min(max(told_s, _PAUSE_S), _BUSY_S) * _chance.uniform(1.0, 1.25)
