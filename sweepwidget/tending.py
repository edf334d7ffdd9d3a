"""Runs whose process has died are given back by whoever steers; where nobody does, by whoever looks."""

from __future__ import annotations

import secrets

from .errors import Error
from .model import SweepId
from .process import is_alive, this_process
from .store import Store

TTL_S = 5.0


def tend(store: Store, sweep_id: SweepId) -> None:
    """Close, or give back, what dead agents of this machine left running. Costs a look at the agents if there are none."""
    if not any(not agent.gone and is_alive(agent.process) is False for agent in store.agents(sweep_id)):
        return
    try:
        lease = store.acquire(sweep_id, f"tidy-{secrets.token_hex(4)}", this_process(), TTL_S)
        if lease is None:  # somebody steers, and does it
            return
        store.expire(lease)
        store.release(lease)
    except Error:  # a read-only disk, a link that may only look on: then what is there is shown
        return
