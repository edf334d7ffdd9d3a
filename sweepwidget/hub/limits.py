"""How much of everything: the bounds that keep a hub well, whoever calls it."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping

from ..errors import Error
from ..wire import MAX_BODY

BODIES = 16 * MAX_BODY
"""Bytes of all bodies that are being read or answered."""
DRAIN = 8 * MAX_BODY
"""What is too large is read on and thrown away up to here, so that its sender gets to read why it was refused."""
HEADERS = 16 << 10
READ_S = 30.0
"""For the headers of a request, and for its body; also how long an idle connection is kept."""
WRITE_S, WRITE_BYTES_S = 30.0, 100_000
"""An answer may take so long, and one second more for each so many bytes."""
CONNECTIONS = 4096
"""At most, and never more than half of the files that this process may open."""
REQUESTS_S, BURST = 10_000.0, 20_000.0
"""Requests of one token per second, on average and at once. All agents of a sweep may share a token, and a run that ends at
once takes two: this is more than a hub can answer, and still a bound for who does nothing but ask."""
BAD_TOKENS, BAD_TOKENS_S = 10, 60.0
"""So many wrong tokens of one address in so many seconds are answered 401, further ones 429."""
AGENTS = 1000
"""Living agents of one sweep."""
NAME = 1000
"""Characters of a metric's name."""
IDS = 10_000
"""Runs, agents or suggestions of one call."""
TTL_S = 3600.0
"""The longest lease that can be had from elsewhere."""
_REMEMBERED = 10_000


class Refused(Error):  # noqa: N818  (reads as what happened)
    """A request that is not served. The message goes to whoever asked, so it holds nothing of the hub's own."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


def too_many(message: str, wait_s: float) -> Refused:
    """429: the same again may work in `wait_s` seconds."""
    return Refused(429, message, {"Retry-After": str(max(1, math.ceil(wait_s)))})


class Buckets:
    """A token bucket for each key: `rate` takes per second on average, `burst` at once. `now`: any monotonic seconds."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float) -> float:
        """Take one; 0.0 if there was one, else the seconds until there is."""
        level, at = self._levels.pop(key, (self.burst, now))
        level = min(self.burst, level + (now - at) * self.rate)
        taken = level >= 1
        self._levels[key] = (level - taken, now)
        if len(self._levels) > _REMEMBERED:
            self._levels.popitem(last=False)
        return 0.0 if taken else (1 - level) / self.rate


def connections() -> int:
    """How many connections this process can afford."""
    try:
        import resource
    except ImportError:  # Windows
        return CONNECTIONS
    return min(CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
