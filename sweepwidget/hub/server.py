"""The hub's server: where it listens and by which names, on the loop thread.

There is no access log. Nothing outlives the process, and a fork of it holds none of its sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import weakref
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerConnectionDelegate
from tornado.iostream import IOStream

from ..errors import UsageError
from ..loop import after_fork, spawn
from . import limits
from .app import SharedStore
from .calls import Calls
from .exchange import Exchange, Traffic
from .hosts import PORT, PORTS, allowed, base_of, check_base_url, is_local, is_wildcard

REST_S = 30.0
STOP_S = 5.0
"""How long calls that are being answered may take when the hub stops."""


class HubServer:
    """A store on the network: `server = HubServer(store); server.start()`, and `server.stop()` when all is done.

    `port=0` takes the first free one from 8477 on. Hosts other than this machine's own need TLS (`tls`, see `tls_context`)
    or `insecure=True`, which says that something else (a tunnel, a private network) keeps strangers from listening.
    `base_url` is how others reach it, if not by host and port; `allow_hosts` are more names it may be called by.
    """

    def __init__(
        self,
        store: SharedStore,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        base_url: str | None = None,
        tls: ssl.SSLContext | None = None,
        insecure: bool = False,
        allow_hosts: Collection[str] = (),
    ) -> None:
        if not is_local(host) and tls is None and not insecure:
            raise UsageError(
                f"a hub on {host or 'every address'} would send tokens unencrypted: give certfile= and keyfile= (TLS), or "
                "insecure=True where a tunnel or a private network protects them. A proxy with TLS on this machine, or "
                "`ssh -L`, needs no host at all"
            )
        self.store = store
        self.host, self.port = host, port
        self.base = ""
        """How others reach it: `https://hub.example:8477/prefix`. Known once it has started."""
        self._base_url = check_base_url(base_url) if base_url else None
        self._tls = tls
        self._traffic = Traffic(
            Calls(store), allowed(host, base_url, allow_hosts), is_wildcard(host), tuple(_names_of(store))
        )
        self._socket: socket.socket | None = None
        self._http: _Http | None = None
        self._resting: asyncio.Task[None] | None = None

    def start(self) -> str:
        """Listen; returns `base`. Not on the loop thread. UsageError if the port cannot be had."""
        self._socket = _bind(self.host, self.port)
        self.port = self._socket.getsockname()[1]
        self.base = self._base_url or base_of(self.host, self.port, self._tls)
        spawn(self._serve()).result()
        _servers.add(self)
        return self.base

    def stop(self, linger_s: float = 0.0) -> None:
        """Listen no more, answer what is being answered, let go of the sweeps. Not on the loop thread.

        With `linger_s` those who are at work hear before why they are refused: they cannot tell a hub that has ended from
        one that will be back.
        """
        _servers.discard(self)
        try:
            spawn(self._end(linger_s)).result()
        finally:  # interrupted here, the end goes on by itself
            self._traffic.calls.close()

    def call_it(self, base_url: str) -> str:
        """Let the hub be called by another name, too; returns the base of links by that name."""
        base = check_base_url(base_url)
        self._traffic.names |= allowed(self.host, base, ())
        return base

    def forget_tokens(self) -> None:
        """Tokens were revoked: look each up again."""
        self._traffic.calls.forget_tokens()

    async def _serve(self) -> None:
        self._http = _Http(
            _Front(self._traffic),
            ssl_options=self._tls,
            max_header_size=limits.HEADERS,
            max_body_size=limits.DRAIN,
            idle_connection_timeout=limits.READ_S,
        )
        assert self._socket is not None
        self._http.add_socket(self._socket)
        self._resting = asyncio.get_running_loop().create_task(self._rest())

    async def _rest(self) -> None:
        while True:
            await asyncio.sleep(REST_S)
            with contextlib.suppress(Exception):  # the store may be away; the next time looks again
                await self._traffic.calls.rest()

    async def _end(self, linger_s: float) -> None:
        if self._http is None:
            return
        assert self._resting is not None
        self._resting.cancel()
        if linger_s and self._traffic.calls.has_company:
            self._traffic.calls.end_waits()
            await asyncio.sleep(linger_s)
        self._http.stop()
        self._traffic.calls.end_waits()
        if self._traffic.open:
            await asyncio.wait(self._traffic.open, timeout=STOP_S)
        await self._http.close_all_connections()


class _Front(HTTPServerConnectionDelegate):
    """One Exchange per request."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def start_request(self, server_conn: object, request_conn: Any) -> Exchange:
        connection: HTTP1Connection = request_conn
        return Exchange(self._traffic, connection, str(connection.context))


class _Http(HTTPServer):
    """tornado's server, with as many connections as this process can afford: the user's kernel needs files, too."""

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if len(self._connections) >= limits.connections():
            stream.close()
            return
        super().handle_stream(stream, address)


def tls_context(certfile: str | os.PathLike[str], keyfile: str | os.PathLike[str] | None = None) -> ssl.SSLContext:
    """TLS with this certificate (PEM, with its chain); the key may be in the same file. UsageError if they cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certfile, keyfile, password=_no_password)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        names = " and ".join(str(Path(name)) for name in (certfile, keyfile) if name is not None)
        raise UsageError(f"cannot use {names} for TLS: {error}") from error
    return context


def _no_password() -> str:
    raise UsageError("the key is encrypted: give one without a passphrase, readable by you only (chmod 600)")


def _bind(host: str, port: int) -> socket.socket:
    for candidate in [port] if port else [*range(PORT, PORT + PORTS), 0]:
        try:
            return _listen(host, candidate)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and not port:
                continue
            raise UsageError(
                f"a hub cannot listen on {host or '*'} port {candidate}: {error.strerror or error}. "
                + ("Leave the port out to take a free one" if port else "Is that an address of this machine?")
            ) from error
    raise AssertionError("port 0 is never in use")


def _listen(host: str, port: int) -> socket.socket:
    if host in ("", "*") and socket.has_dualstack_ipv6():
        listening = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
    else:
        host = "" if host == "*" else host
        families = [found[0] for found in socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)]  # noqa: S104
        listening = socket.create_server((host, port), family=min(families), backlog=512)  # of two, IPv4
    listening.setblocking(False)
    return listening


def _names_of(store: SharedStore) -> list[str]:
    """By what the store is called here, longest first: a path or a URL is nobody's business elsewhere."""
    names = {store.link, store.url, str(getattr(store, "path", "")), str(store.folder)}
    return sorted(filter(None, names), key=len, reverse=True)


_servers: weakref.WeakSet[HubServer] = weakref.WeakSet()


def _in_child() -> None:
    """After a fork: what the parent serves is the parent's, and its port free when the parent has ended."""
    for server in list(_servers):
        if server._socket is not None:
            server._socket.close()
        for connection in server._http._connections if server._http else ():
            with contextlib.suppress(Exception):
                connection.stream.socket.close()
    _servers.clear()


after_fork(_in_child)
