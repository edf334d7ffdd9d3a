"""A store goes away and comes back: this is said once per process, whoever notices first.

Several may miss a store: the participant's ticks, and every agent that insists on something. It is back when none of them
misses it any more.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable

from .term import termlog, termwarn

_lock = threading.Lock()
_missing: dict[str, set[Hashable]] = {}
"""By the store's URL, who misses it. Empty: nobody does for now, and nobody has seen it either."""
_hushed = False


def missed(url: str, by: Hashable, error: Exception) -> None:
    """The store could not be reached; `error` names it, and says why."""
    with _lock:
        known = url in _missing
        _missing.setdefault(url, set()).add(by)
    if not known and not _hushed:
        termwarn(f"{error}\nTrying again until it works; nothing is lost meanwhile.")


def seen(url: str, by: Hashable) -> None:
    """The store did what it was asked for. Costs nothing while it is not missed."""
    if url not in _missing:
        return
    with _lock:
        missing = _missing.get(url)
        if missing is None or missing - {by}:
            (missing or set()).discard(by)
            return
        del _missing[url]
    if not _hushed:
        termlog(f"{url} is back.")


def given_up(url: str, by: Hashable) -> None:
    """Whoever missed it does not wait for it any more. Costs nothing while it is not missed."""
    if url not in _missing:
        return
    with _lock:
        _missing.get(url, set()).discard(by)


def hush() -> None:
    """This process works for an agent elsewhere, which says it: what is said here would stand in the run's output."""
    global _hushed
    _hushed = True


def reset() -> None:
    """In a forked child: a lock that another thread of the parent held would never be released."""
    global _lock
    _lock = threading.Lock()
