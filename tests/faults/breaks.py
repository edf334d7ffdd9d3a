"""The product without one of its guards, to see that the suite notices: FAULTS_BREAK names which. See test_broken_builds.py."""

from __future__ import annotations

import os
import secrets
import time
from types import SimpleNamespace
from typing import Any

from attrs import evolve

from sweepwidget.store import spool, sql, sqlite, statements
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


def the_dead_are_not_seen() -> None:
    """An agent whose process is gone keeps its run until its lease has lapsed."""
    sql.is_alive = lambda process: None


def what_the_dead_logged_is_left() -> None:
    """Nobody looks into the spool of an attempt that is given back."""
    sql.spool = SimpleNamespace(**{**vars(sql.spool), "leftovers": lambda *of: []})


def every_attempt_is_the_first() -> None:
    """A run that waits again is not counted on."""
    statements.WAIT_AGAIN = statements.WAIT_AGAIN.replace("attempt = attempt + 1, ", "")


def no_self_freeze_rule() -> None:
    """Whoever was frozen itself takes everybody's run away when it wakes."""
    sql.abs = lambda number: 0.0


def leases_by_the_wall_clock() -> None:
    """Leases are timed by a clock that can be set, and whoever finds that they all have lapsed does not wonder why."""
    no_self_freeze_rule()
    sqlite.SqliteStore._clock = lambda self, tx: time.time()


def the_disk_refuses_and_rows_are_dropped() -> None:
    """Nothing waits in memory."""
    spool.Spool._wait = lambda self, data, error: True


def late_orders_count() -> None:
    """A hub does not heed what was given up."""
    from sweepwidget.hub.answers import Answers

    async def heedless(self: Any, key: Any) -> None:
        pass

    Answers.give_up = heedless


BREAKS = {
    made.__name__: made
    for made in (
        no_request_id,
        no_fence,
        lease_after_the_claim,
        the_dead_are_not_seen,
        what_the_dead_logged_is_left,
        every_attempt_is_the_first,
        no_self_freeze_rule,
        leases_by_the_wall_clock,
        the_disk_refuses_and_rows_are_dropped,
        late_orders_count,
    )
}

if _wanted := os.environ.get("FAULTS_BREAK"):
    BREAKS[_wanted]()
