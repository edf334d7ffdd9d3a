"""What must not be lost is tried again for as long as the store is away."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from . import outages
from .errors import StoreUnavailable

T = TypeVar("T")

RETRY_S = 2.0
"""The longest pause between two tries while the store is away."""
TRIAL_S = 600.0
"""How long the code of a trial waits to begin: in a container that never sees the store, it must not wait for ever."""


class Patience:
    """Shared by all agents of one `agent()` call, and ended for all at once.

    >>> Patience().insist(lambda: 42)
    42
    """

    def __init__(self, longest_s: float = math.inf) -> None:
        self.longest_s = longest_s
        self.over = threading.Event()
        """Set it to end all waiting: from then on the store's error is raised."""

    def insist(self, action: Callable[[], T], url: str = "the store") -> T:
        """Do it, however long the store is away (a full disk, another program's lock, a network), up to
        `longest_s`. `url` names the store to people.
        """
        pause_s, since, me = 0.1, time.monotonic(), object()
        while True:
            try:
                result = action()
            except StoreUnavailable as error:
                if self.over.is_set() or time.monotonic() - since > self.longest_s:
                    outages.given_up(url, me)
                    raise
                outages.missed(url, me, error)
                self.over.wait(pause_s)
                pause_s = min(2 * pause_s, RETRY_S)
            except BaseException:
                outages.given_up(url, me)
                raise
            else:
                outages.seen(url, me)
                return result
