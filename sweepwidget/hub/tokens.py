"""Tokens: who may do what from elsewhere. The store keeps digests only, so a copy of it opens no door."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import secrets
import time
from typing import Any

from ..errors import UsageError
from ..model import Scope, SweepId, Token
from ..store import TokenStore
from ..wire import Denied

WEEK_S = 7 * 86400.0
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": WEEK_S}
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smhdw])").fullmatch
_LONGEST = 256
"""Longer ones are no tokens of ours, and not worth hashing."""


def issue(
    store: TokenStore,
    sweep_id: SweepId | None,
    scope: Scope = Scope.run,
    expires_s: float | str | None = WEEK_S,
    label: str = "",
) -> str:
    """A new token for one sweep, or for the whole store (None). This is the only time that it can be seen.

    It is good for `expires_s` seconds, or a term such as "12h" (see `seconds_of`; None: until it is revoked).
    """
    expires_s = seconds_of(expires_s)
    secret, now = secrets.token_urlsafe(32), time.time()
    expires_at = None if expires_s is None else now + expires_s
    store.keep_token(Token(digest_of(secret), sweep_id, scope, now, expires_at, label))
    return secret


def seconds_of(term: Any) -> float | None:
    """Of a term such as 3600, "12h", "7d", "4w" or "never" (None). UsageError for anything else.

    >>> seconds_of("1h")
    3600.0
    """
    if term is None or term == "never":
        return None
    if isinstance(term, str) and (match := _TIME(term)):
        term = float(match[1]) * _UNITS[match[2]]
    if isinstance(term, bool) or not isinstance(term, (int, float)) or not 0 < term < math.inf:
        raise UsageError(f"expires_s: expected seconds, a term such as '12h' or '7d', or None (never), not {term!r}")
    return float(term)


def digest_of(secret: str) -> str:
    """The SHA-256 of a token, in hexadecimal. With 256 random bits it needs neither salt nor stretching."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def find(store: TokenStore, secret: str) -> Token | None:
    """The token of a secret, expired or not; None for one that nobody issued, or that was revoked."""
    if not 0 < len(secret) <= _LONGEST:
        return None
    digest = digest_of(secret)
    token = store.token(digest)
    return token if token is not None and hmac.compare_digest(token.digest, digest) else None


def check_term(token: Token, now: float) -> None:
    """Refuse a token whose time is over (`now`: unix seconds)."""
    if token.expires_at is not None and now >= token.expires_at:
        raise Denied("this link has expired: ask whoever shared it for a new one", 401)


_MAY = {Scope.observe: "look on", Scope.run: "run agents", Scope.control: "pause, stop, edit or create sweeps"}


def check_scope(token: Token, scope: Scope) -> None:
    """Refuse a token that allows less than this."""
    if not token.scope.includes(scope):
        raise Denied(
            f"this link lets you {_MAY[token.scope]}; to {_MAY[scope]}, ask for a link with scope={scope.value!r}", 403
        )
