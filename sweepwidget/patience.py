"""What must not be lost is tried again for as long as the store is away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from .errors import StoreUnavailable
from .term import termwarn

T = TypeVar("T")

RETRY_S = 2.0
"""The longest pause between two tries while the store is away."""


class Patience:
    """Shared by all agents of one `agent()` call, so that one warning does for all.

    >>> Patience().insist(lambda: 42)
    42
    """

    def __init__(self) -> None:
        self.over = threading.Event()
        """Set it to end all waiting: from then on the store's error is raised."""
        self._store_away = False

    def insist(self, action: Callable[[], T]) -> T:
        """Do it, however long the store is away (a full disk, another program's lock, a network)."""
        pause_s = 0.1
        while True:
            try:
                result = action()
            except StoreUnavailable as error:
                if self.over.is_set():
                    raise
                if not self._store_away:
                    self._store_away = True
                    termwarn(f"{error}\nTrying again until it works; nothing is lost meanwhile.")
                self.over.wait(pause_s)
                pause_s = min(2 * pause_s, RETRY_S)
            else:
                self._store_away = False
                return result
