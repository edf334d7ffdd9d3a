"""Ports for servers that tests start later, or stop and start anew on the same address."""

from __future__ import annotations

import random
import socket

_PORTS = range(12_000, 32_000)
"""Below those that systems give away by themselves: no connection and no other server comes to have one in the meantime."""
_chance = random.SystemRandom()  # hypothesis seeds the other one: every process would begin with the same port


def free_port() -> int:
    """One of this machine that nobody uses."""
    while True:
        port = _chance.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
