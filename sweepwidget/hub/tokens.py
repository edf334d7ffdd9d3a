"""Tokens: who may do what from elsewhere. The store keeps digests only, so a copy of it opens no door."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from ..errors import UsageError
from ..model import Scope, SweepId, Token
from ..store import TokenStore
from ..wire import Denied

WEEK_S = 7 * 86400.0
_LONGEST = 256
"""Longer ones are no tokens of ours, and not worth hashing."""


def issue(
    store: TokenStore,
    sweep_id: SweepId | None,
    scope: Scope = Scope.run,
    expires_s: float | None = WEEK_S,
    label: str = "",
) -> str:
    """A new token for one sweep, or for the whole store (None). This is the only time that it can be seen.

    It is good for `expires_s` seconds (None: until it is revoked).
    """
    if expires_s is not None and not expires_s > 0:
        raise UsageError(f"expires_s: for how many seconds the link is good (None: until revoked), not {expires_s!r}")
    secret, now = secrets.token_urlsafe(32), time.time()
    expires_at = None if expires_s is None else now + expires_s
    store.keep_token(Token(digest_of(secret), sweep_id, scope, now, expires_at, label))
    return secret


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


def check_scope(token: Token, scope: Scope, verb: str) -> None:
    """Refuse a token that allows less than this."""
    if not token.scope.includes(scope):
        raise Denied(
            f"this link allows to {token.scope.value}, and {verb}() needs {scope.value}: "
            f'ask for a link with scope="{scope.value}"',
            403,
        )
