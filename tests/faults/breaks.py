"""The product without one of its guards, to see that the suite notices: FAULTS_BREAK names which. See test_broken_builds.py."""

from __future__ import annotations

import os
import secrets
from typing import Any

from attrs import evolve

from sweepwidget.store import statements
from sweepwidget.store.sql import SqlStore


def no_request_id() -> None:
    """A claim that is asked for again is another claim."""
    claim = SqlStore.claim

    def forgetful(self: Any, agent_id: Any, request_id: str, wanted: int | None = None) -> Any:
        return claim(self, agent_id, secrets.token_hex(8), wanted)

    SqlStore.claim = forgetful


def no_fence() -> None:
    """Whoever writes of a run is believed to have it."""
    log, finish = SqlStore.log, SqlStore.finish
    SqlStore.log = lambda self, points: log(self, evolve(points, attempt=self.run(points.run_id).attempt))
    SqlStore.finish = lambda self, run_id, attempt, outcome, points=None: finish(
        self, run_id, self.run(run_id).attempt, outcome, points if self.run(run_id).attempt == attempt else None
    )


def lease_after_the_claim() -> None:
    """An agent that has claimed a run holds it without a term, until its next heartbeat."""
    statements.CLAIMED = statements.CLAIMED.replace("until = ttl + ?", "until = 9e15 + ?")


BREAKS = {made.__name__: made for made in (no_request_id, no_fence, lease_after_the_claim)}

if _wanted := os.environ.get("FAULTS_BREAK"):
    BREAKS[_wanted]()
