"""`share(sweep_id)`: let another notebook, machine or tab work on a sweep of this one. See hub/.

The hub lives on this process's loop thread, and ends with it. Links stay good over a restart: the store keeps their digests,
and the hub takes the same port again if it can.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, cast

from attrs import define, field, frozen

from .errors import UsageError
from .links import Link, make_link, parse_link
from .loop import after_fork
from .model import Scope, SweepId
from .store import Store
from .stores import current_store, locate
from .term import termlog

if TYPE_CHECKING:
    from .hub.app import SharedStore
    from .hub.server import HubServer

WEEK_S = 7 * 86400.0
LINGER_S = 1.0
"""So long a hub whose links are good no more tells so whoever is at work."""


@frozen
class Listening:
    """Where and how a hub is asked to listen."""

    host: str = "127.0.0.1"
    port: int = 0
    certfile: str | None = None
    keyfile: str | None = None
    insecure: bool = False
    allow_hosts: tuple[str, ...] = ()


@define
class _Sharing:
    """The hub of one store in this process."""

    server: HubServer
    listening: Listening
    links: dict[tuple[SweepId, Scope, float | None, str | None], Link] = field(factory=dict)


_sharing: dict[str, _Sharing] = {}
"""By `Store.link`."""
_lock = threading.Lock()


def share(
    sweep_id: str,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    scope: str = "run",
    expires_s: float | str | None = WEEK_S,
    base_url: str | None = None,
    certfile: str | os.PathLike[str] | None = None,
    keyfile: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    allow_hosts: Collection[str] = (),
) -> Link:
    """Serve a sweep to others and return the link that lets them in: `print(wandb.share(sweep_id))`.

    Elsewhere the link stands for the sweep: `wandb.agent("http://…#token", function=train)`. It hides its token wherever a
    notebook would keep it; `print(link)` shows it whole. Whoever has it may, by `scope`, "observe" the sweep, "run" trials of
    it, or "control" it (pause, stop, steer), for `expires_s` seconds, or "12h", "7d" (None: until `unshare()`).

    The hub listens on this machine alone, on port 8477 or the next free one, which is right behind a proxy or `ssh -L`:
    then `base_url` is how others reach it (`https://hub.example.org/prefix`). With `host="0.0.0.0"` it is open to the
    network, by TLS (`certfile`, `keyfile`), or unencrypted if `insecure=True` says that this is fine.
    Raises UsageError, and SweepNotFound.
    """
    from .hub.tokens import seconds_of

    store, sweep = locate(sweep_id)
    shared, wanted_scope, expires_s = shareable(store), parse_scope(scope), seconds_of(expires_s)
    listening = Listening(host, port, _path(certfile), _path(keyfile), insecure, tuple(allow_hosts))
    with _lock:
        here = _hub_of(shared, listening, base_url)
        key = (sweep.id, wanted_scope, expires_s, base_url)
        link = here.links.get(key)
        if link is None or not _lasts(shared, link):
            link = here.links[key] = new_link(shared, here.server, sweep.id, wanted_scope, expires_s, base_url=base_url)
    termlog(
        f"Sweep {sweep.id} is shared. Elsewhere: wandb.agent({link.masked!r}, function=train)\n"
        "print(link) shows the link whole: whoever has it may "
        f"{wanted_scope.value}{' this sweep' if wanted_scope is not Scope.run else ' its trials'}."
    )
    return link


def unshare(sweep_id: str | None = None) -> None:
    """Make every link to a sweep worthless; without an id those to all sweeps of the store, and end the hub of this process.

    Runs that others have begun are given to somebody else when their lease has lapsed.
    """
    store, only = current_store(), None
    if sweep_id is not None:
        store, sweep = locate(sweep_id)
        only = sweep.id
    shared = shareable(store)
    for token in shared.tokens():
        if token.sweep_id is not None and only in (None, token.sweep_id):
            shared.revoke(token.digest)
    with _lock:
        here = _sharing.get(store.link)
        if here is None:
            return
        here.links = {key: link for key, link in here.links.items() if only is not None and key[0] != only}
        here.server.forget_tokens()
        if only is None:
            del _sharing[store.link]  # first: it ends also if this is interrupted, and share() must not find it then
            here.server.stop(LINGER_S)


def shareable(store: Store) -> SharedStore:
    """The store, if a hub can serve it. UsageError for one that is behind a hub itself."""
    if not hasattr(store, "keep_token"):
        raise UsageError(f"{store.url} is a hub's store already: pass on the link to it, or share() where the hub runs")
    return cast("SharedStore", store)


def parse_scope(text: str) -> Scope:
    """The scope of its name."""
    try:
        return Scope(text)
    except ValueError:
        raise UsageError(f"scope is one of {', '.join(scope.value for scope in Scope)}, not {text!r}") from None


def serve(store: SharedStore, listening: Listening, base_url: str | None = None) -> HubServer:
    """A hub that has started."""
    from .hub.server import HubServer, tls_context

    if listening.keyfile and not listening.certfile:
        raise UsageError("keyfile= is the key of a certificate: give certfile=, too")
    server = HubServer(
        store,
        listening.host,
        listening.port,
        base_url=base_url,
        tls=tls_context(listening.certfile, listening.keyfile) if listening.certfile else None,
        insecure=listening.insecure,
        allow_hosts=listening.allow_hosts,
    )
    server.start()
    return server


def new_link(
    store: SharedStore,
    server: HubServer,
    sweep_id: SweepId | None,
    scope: Scope,
    expires_s: float | None,
    *,
    base_url: str | None = None,
    label: str = "",
) -> Link:
    """A link with a token of its own; None for the whole store."""
    from .hub.tokens import issue

    base = server.call_it(base_url) if base_url else server.base
    return make_link(base, sweep_id, issue(store, sweep_id, scope, expires_s, label))


def _hub_of(store: SharedStore, listening: Listening, base_url: str | None) -> _Sharing:
    """The hub of a store in this process; started if there is none."""
    here = _sharing.get(store.link)
    if here is None:
        here = _sharing[store.link] = _Sharing(serve(store, listening, base_url), listening)
    elif listening not in (here.listening, Listening()):
        raise UsageError(
            f"this store is shared at {here.server.base} already: share the sweep there (without host, port and "
            "certificate), or call unshare() first"
        )
    return here


def _path(name: str | os.PathLike[str] | None) -> str | None:
    return None if name is None else os.path.abspath(name)  # noqa: PTH100  (a link to the file stays a link)


def _lasts(store: SharedStore, link: Link) -> bool:
    """Whether a link is good for at least half of the time that it was made for."""
    from .hub.tokens import find

    token = find(store, parse_link(link).token)
    if token is None or token.expires_at is None:
        return token is not None
    return time.time() < (token.created_at + token.expires_at) / 2


def _in_child() -> None:
    """After a fork: the hubs are the parent's."""
    global _lock
    _lock = threading.Lock()
    _sharing.clear()


after_fork(_in_child)
