"""Connections to PostgreSQL, and transactions that are sent as pipelines: a round trip per answer that is needed, not per
statement.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq

from ..errors import UsageError
from .postgres_errors import BUSY_S, is_loss, meaning_of
from .postgres_schema import Connection, translated
from .transaction import Transaction

if TYPE_CHECKING:
    from .postgres import PostgresStore

IDLE_S = 15
"""A transaction whose client says nothing for so long (a laptop that sleeps) is rolled back by the server. Others wait
that long for its sweep at most, well within an agent's lease; not shorter, since a healthy client may be silent for
seconds: whoever closes a dead run reads what it left amid the transaction (a million mixed rows: 2 to 9 s), code that
holds the interpreter stops everything, and a bad line sends five times in 6 s.
"""

_READ = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = b"BEGIN ISOLATION LEVEL READ COMMITTED"
_PATIENCE = (
    f"SELECT set_config('lock_timeout', '{BUSY_S}s', true), set_config('statement_timeout', '{2 * BUSY_S}s', true), "
    f"set_config('idle_in_transaction_session_timeout', '{IDLE_S}s', true)"
).encode()
_CLOCK = b"SELECT extract(epoch FROM clock_timestamp())::float8"


class Line:
    """A connection that is opened when first needed and anew when it was lost; for one thread at a time."""

    def __init__(self) -> None:
        self.mutex = threading.RLock()
        self.connection: Connection | None = None
        self.busy = False
        """Amid a transaction."""
        self.heard = 0
        """Notifications of others so far."""
        self.name = secrets.token_hex(8)
        """Signs the notifications of this store object, which are no news to it."""
        self._used = False

    def use(self, connection: Connection) -> None:
        self.connection = connection
        self.heard += self._used  # who knows what happened while there was none
        self._used = True

    def drop(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def listen(self) -> None:
        """Take in what has arrived, without asking the server."""
        if self.connection is None:
            return
        try:
            self.connection.pgconn.consume_input()
            while (heard := self.connection.pgconn.notifies()) is not None:
                self.heard += heard.extra.decode() != self.name
        except psycopg.Error:
            self.drop()

    def hear(self, heard: psycopg.Notify) -> None:
        """What arrives during a query."""
        self.heard += heard.payload != self.name

    def inherit(self) -> None:
        """In a forked child: the connection is the parent's."""
        connection, self.connection = self.connection, None
        at_rest = self.mutex.acquire(blocking=False)  # nobody was inside libpq
        self.mutex = threading.RLock()
        self.busy = False
        self.name = secrets.token_hex(8)
        if connection is None:
            return
        with contextlib.suppress(psycopg.Error, OSError):
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, connection.fileno())  # whatever is said from here on must not reach the parent's server
            os.close(nowhere)
        if at_rest:
            connection.close()
        else:
            _inherited.append(connection)


class PipelinedTransaction:
    """One kind of transaction of a store, used again and again by whoever holds the line's mutex.

    Statements are queued and sent when an answer is wanted; errors of those before it come with that answer.
    """

    def __init__(self, store: PostgresStore, line: Line, *, writes: bool = False, rings: bool = False) -> None:
        self._store = store
        self._line = line
        self._writes = writes
        self._rings = rings
        self._undone = False
        self._queued = False
        self._time: Any = None
        self._connection: Connection | None = None
        self._mode: AbstractContextManager[psycopg.Pipeline] | None = None
        self._pipeline: psycopg.Pipeline | None = None

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Answer:
        query = translated(statement, self._store._address.schema)
        return self._begin(query, parameters) if self._pipeline is None else self._queue(query, parameters)

    def undo(self) -> None:
        self._undone = True

    def clock(self) -> float:
        """Seconds on the server's clock, early in this transaction."""
        if self._time is None:
            self._time = self._begin(_CLOCK) if self._pipeline is None else self._queue(_CLOCK)
        (seconds,) = self._time.fetchone()
        self._time = None
        return float(seconds)

    def sync(self) -> None:
        """Have the answers to all that is queued."""
        if self._queued and self._pipeline is not None:
            self._queued = False
            self._pipeline.sync()

    def _queue(self, query: bytes, parameters: Sequence[Any] = ()) -> Answer:
        assert self._connection is not None
        self._queued = True
        return Answer(self, self._connection.execute(query, parameters, binary=True))

    def _begin(self, query: bytes, parameters: Sequence[Any] = ()) -> Answer:
        """The first statement. A connection that was lost while nobody used it shows here, before anything was done."""
        kept = self._line.connection
        try:
            return self._send_first(query, parameters)
        except psycopg.OperationalError as error:
            if kept is None or not is_loss(error):
                raise
        self._line.drop()
        self._leave()
        return self._send_first(query, parameters)

    def _send_first(self, query: bytes, parameters: Sequence[Any]) -> Answer:
        self._connection = self._store._connected(self._line)
        mode = self._connection.pipeline()
        self._pipeline = mode.__enter__()
        self._mode = mode
        self._queue(_WRITE if self._writes else _READ)
        if self._writes:
            self._queue(_PATIENCE)
        answer = self._queue(query, parameters)
        if self._writes:  # its first statement takes the lock: what time it is then is asked in the same breath
            self._time = self._queue(_CLOCK)
        self.sync()
        return answer

    def __enter__(self) -> Transaction:
        self._line.mutex.acquire()
        if self._line.busy:
            self._line.mutex.release()
            raise UsageError(f"{self._store.url} is in use further up this very thread (is this a signal handler?)")
        self._line.busy = True
        self._undone = self._queued = False
        self._time = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = error
        rings = self._rings and not self._undone
        try:
            if failure is None:
                failure = self._end(rings)
            if failure is not None:
                self._abandon(failure)
        finally:
            self._line.busy = False
            self._line.mutex.release()
        if isinstance(failure, psycopg.Error):
            raise meaning_of(failure, self._store._address) from failure
        if failure is not None and failure is not error:
            raise failure
        if rings and failure is None:
            self._store._ring()

    def _end(self, rings: bool) -> BaseException | None:
        """Commit, or roll back what was undone. What went wrong, if anything."""
        try:
            if self._pipeline is not None and not self._undone:
                self._queue(b"COMMIT")
                if rings:  # apart, as the notifications of a server's transactions wait for one another
                    self._queue(b"SELECT pg_notify($1, $2)", (self._store._channel, self._store._reader.name))
                self.sync()
            self._leave()
            if self._undone:
                self._roll_back()
        except BaseException as failure:  # noqa: BLE001  (the caller raises it)
            return failure
        return None

    def _abandon(self, failure: BaseException) -> None:
        if self._writes:
            self._store._points.forget()
        if not isinstance(failure, Exception):  # interrupted amid anything
            self._line.drop()
        try:
            self._leave()
            self._roll_back()
        except BaseException:  # interrupted here: no later transaction may go on with this one
            self._line.drop()
            raise

    def _leave(self) -> None:
        """The end of the pipeline. Errors of what is queued have been raised by `sync`, or are of no interest any more."""
        mode, self._mode, self._pipeline = self._mode, None, None
        if mode is not None:
            with contextlib.suppress(psycopg.Error):
                mode.__exit__(None, None, None)

    def _roll_back(self) -> None:
        connection = self._line.connection
        if connection is None:
            return
        # Not by way of psycopg, which forgets every prepared statement whenever it sees a ROLLBACK.
        with contextlib.suppress(psycopg.Error):
            if connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
                connection.pgconn.exec_(b"ROLLBACK")
        if connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            self._line.drop()


class Answer:
    """What a statement of a pipeline will have answered."""

    __slots__ = ("_cursor", "_transaction")

    def __init__(self, transaction: PipelinedTransaction, cursor: psycopg.Cursor[tuple[Any, ...]]) -> None:
        self._transaction = transaction
        self._cursor = cursor

    @property
    def rowcount(self) -> int:
        self._transaction.sync()
        return self._cursor.rowcount

    def fetchone(self) -> tuple[Any, ...] | None:
        self._transaction.sync()
        return self._cursor.fetchone()

    def fetchall(self) -> list[tuple[Any, ...]]:
        self._transaction.sync()
        return self._cursor.fetchall()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.fetchall())


_inherited: list[Connection] = []
"""Connections of the parent that another of its threads was using: never touched, not even to free them."""
