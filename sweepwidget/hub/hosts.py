"""Names: what a hub may be called, against DNS rebinding, and what it calls itself in links."""

from __future__ import annotations

import functools
import ipaddress
import socket
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from ..errors import UsageError

PORT, PORTS = 8477, 100
"""Where a hub listens unless told otherwise, and how many ports from there on are tried before any is taken: the same port
after a restart keeps links good.
"""
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_WILDCARDS = frozenset({"", "0.0.0.0", "::", "*"})  # noqa: S104  (recognised here, bound to only where a user says so)


def is_local(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    return host in LOCAL


def is_wildcard(host: str) -> bool:
    """Whether it means every address of this machine."""
    return host in _WILDCARDS


def allowed(host: str, base_url: str | None, extra: Iterable[str]) -> frozenset[str]:
    """The names that requests may call the hub by."""
    names = {host_of(name) for name in extra} | LOCAL | {host.lower()}
    if is_wildcard(host):
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    if base_url:
        names.add(host_of(urlsplit(base_url).netloc))
    return frozenset(names - _WILDCARDS)


def may_call(header: str | None, names: Collection[str], any_address: bool) -> bool:
    """Whether a Host header names this hub. A rebinding attack needs a DNS name, so where the hub listens on every address
    (`any_address`) a literal one is as good as a known name.
    """
    host = host_of(header or "")
    return host in names or (any_address and _is_address(host))


@functools.lru_cache(256)
def host_of(netloc: str) -> str:
    """`hub.example:8443` → `hub.example`, `[::1]:80` → `::1`; '' for what is no host."""
    try:
        parts = urlsplit(f"//{netloc.strip()}")
        if parts.username is not None or parts.path or parts.query or parts.fragment:
            return ""
        _ = parts.port  # a number, or ValueError
        return (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def base_of(host: str, port: int, tls: object) -> str:
    """How links begin without a base_url: `https://10.0.0.7:8477`."""
    name = _reachable(host)
    return f"http{'s' if tls else ''}://{f'[{name}]' if ':' in name else name}:{port}"


def _reachable(host: str) -> str:
    """Of a wildcard, the address by which this machine reaches others."""
    if not is_wildcard(host):
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only asks which way it would go
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


def check_base_url(url: str) -> str:
    """`https://hub.example/prefix/` → `https://hub.example/prefix`; UsageError for what cannot begin a link."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not host_of(parts.netloc) or parts.query or parts.fragment:
        raise UsageError(f"base_url is where others reach the hub, such as https://hub.example.org/sweeps, not {url!r}")
    return url.rstrip("/")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
