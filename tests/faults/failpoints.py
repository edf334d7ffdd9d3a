"""Fail points: a signal that a process sends itself at one moment of one statement of its store.

Set in the process that is to be hit, by replacing methods of the transactions there; the product knows nothing of it.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from attrs import frozen

from sweepwidget.store import sqlite, statements

MOMENTS = ("before the commit", "after the commit")


@frozen
class FailPoint:
    """`FailPoint("CLOSE", "after the commit")`: killed when the transaction that closes a run (for the `nth` time) is through."""

    statement: str
    moment: str
    signum: int = signal.SIGKILL
    nth: int = 1
    until: str = ""
    """A file: until it is there, whoever was frozen and woken again goes no further here; its other threads do."""


def arm(point: FailPoint) -> None:
    """From now on, in this process."""
    _arm_sqlite(_Fuse(point))
    try:
        from sweepwidget.store.postgres_transaction import PipelinedTransaction
    except ImportError:
        return
    _arm_postgres(PipelinedTransaction, _Fuse(point))


class _Fuse:
    """Counts the statement, and says when its moment has come."""

    def __init__(self, point: FailPoint) -> None:
        self.text = getattr(statements, point.statement)
        self.point = point
        self.left = point.nth
        self.lit: Any = None
        """The transaction in which it comes (the transactions of a store are used again and again, by one thread at a time)."""

    def executed(self, transaction: Any, statement: str) -> None:
        if statement != self.text or self.left <= 0:
            return
        self.left -= 1
        if self.left == 0:
            self.lit = transaction

    def reached(self, moment: str) -> None:
        if moment == "after the commit":
            self.lit = None
        if moment == self.point.moment:
            os.kill(os.getpid(), self.point.signum)
            while self.point.until and not os.path.exists(self.point.until):  # noqa: PTH110
                time.sleep(0.005)


def _arm_sqlite(fuse: _Fuse) -> None:
    kind = sqlite._Transaction
    enter, leave = kind.__enter__, kind.__exit__

    def __enter__(self: Any) -> Any:
        enter(self)
        execute = self.execute

        def watched(statement: str, *parameters: Any) -> Any:
            result = execute(statement, *parameters)
            fuse.executed(self, statement)
            return result

        self.execute = watched
        return self

    kind.__enter__, kind.__exit__ = __enter__, _watched_exit(fuse, leave)


def _arm_postgres(kind: Any, fuse: _Fuse) -> None:
    execute = kind.execute

    def watched(self: Any, statement: str, *parameters: Any) -> Any:
        result = execute(self, statement, *parameters)
        fuse.executed(self, statement)
        return result

    kind.execute, kind.__exit__ = watched, _watched_exit(fuse, kind.__exit__)


def _watched_exit(fuse: _Fuse, leave: Any) -> Any:
    def __exit__(self: Any, *error: Any) -> None:
        if fuse.lit is not self or error[0] is not None:
            leave(self, *error)
            return
        fuse.reached("before the commit")
        # Held on to, so that no other thread is amid a transaction of its own when this process is frozen.
        with self._line.mutex if hasattr(self, "_line") else self._store._mutex:
            leave(self, *error)
            fuse.reached("after the commit")

    return __exit__
