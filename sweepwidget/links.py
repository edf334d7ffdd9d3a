"""Links: how a hub, a sweep and the right to use it travel in one line that people paste.

`https://host[:port]/prefix/<sweep_id>#<token>`; with a slash at the end of the path instead of a sweep, the whole store.
What stands behind `#` is never sent to a server by a browser that opens the link.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from attrs import field, frozen

from .errors import UsageError

MASK = "****"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,256}").fullmatch
_WHOLE = "print(link) shows it whole, and so does str(link)"


class Link(str):
    """A link, for pasting elsewhere. Notebooks keep what they display, so that masks the token; `print(link)` does not.

    >>> make_link("https://hub.example.org", "3k9x0q2a", "0123456789abcdef")
    Link('https://hub.example.org/3k9x0q2a#****')
    """

    __slots__ = ()

    @property
    def masked(self) -> str:
        """Without the token."""
        return f"{self.partition('#')[0]}#{MASK}"

    def __repr__(self) -> str:
        return f"Link({self.masked!r})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": f"{self.masked}   ({_WHOLE})"}


@frozen
class Place:
    """What a link says."""

    base: str
    """Of the hub, without a slash at the end: `https://hub.example.org/prefix`."""
    sweep_id: str | None
    """None: the whole store."""
    token: str = field(repr=False)


def make_link(base: str, sweep_id: str | None, token: str) -> Link:
    """The link to a sweep (None: to the whole store) of the hub at `base`."""
    return Link(f"{base.rstrip('/')}/{quote(sweep_id or '', safe='')}#{token}")


def is_link(text: str) -> bool:
    """Whether this is a link to a hub rather than a path or a store's URL; it may still be malformed."""
    return text.strip().strip("'\"").lower().startswith(("http://", "https://"))


def parse_link(text: str) -> Place:
    """What a link says; UsageError (which never shows a token) for what is none.

    >>> parse_link("https://hub.example.org/3k9x0q2a#0123456789abcdef")
    Place(base='https://hub.example.org', sweep_id='3k9x0q2a')
    """
    address, _, token = str.__str__(text).strip().strip("'\"").partition("#")
    shown = address.partition("%23")[0]  # a '#' that some program has escaped: what follows is the token
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"this is no link to a hub: {error}. {_EXPECTED}") from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"a link has no user and password before the host; the token behind '#' is all. {_EXPECTED}")
    if parts.scheme not in ("http", "https"):
        raise UsageError(f"a hub is reached by http:// or https://, not by {parts.scheme or 'nothing'}://. {_EXPECTED}")
    if not host or re.search(r"[\s\\]", address):
        raise UsageError(f"the link {shown!r} has no proper host. {_EXPECTED}")
    if parts.query:
        raise UsageError(f"the link {shown.partition('?')[0]!r} has a '?', and no link to a hub has. {_EXPECTED}")
    if token.startswith(MASK[:2]):
        raise UsageError(f"the token of {shown}#{MASK} is masked: {_WHOLE}, in the notebook that shared it")
    if not token:
        raise UsageError(f"the link {shown} has no token: copy all of it, with what stands behind the '#'. {_EXPECTED}")
    if not _TOKEN(token):
        raise UsageError(f"the token of {shown}#{MASK} is not whole, or has something else behind it. {_EXPECTED}")
    path, _, sweep_id = parts.path.rpartition("/")
    return Place(f"{parts.scheme}://{parts.netloc.lower()}{path.rstrip('/')}", unquote(sweep_id) or None, token)


_EXPECTED = "Expected https://host/sweep_id#token, the line that share() has printed"


def is_local(base: str) -> bool:
    """Whether the hub is on this machine."""
    host = urlsplit(base).hostname or ""
    return host == "localhost" or host.endswith(".localhost") or _address(host, "is_loopback")


def is_exposed(base: str) -> bool:
    """Whether the token would go through the open internet unencrypted. Private networks and names without a dot do not count."""
    parts = urlsplit(base)
    host = parts.hostname or ""
    if parts.scheme == "https" or is_local(base) or host.endswith((".local", ".internal", ".lan", ".home.arpa")):
        return False
    return "." in host or ":" in host if not _is_address(host) else not _address(host, "is_private")


def _is_address(host: str) -> bool:
    return _address(host, "version")


def _address(host: str, question: str) -> bool:
    import ipaddress

    try:
        return bool(getattr(ipaddress.ip_address(host), question))
    except ValueError:
        return False
