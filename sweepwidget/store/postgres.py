"""The store in a schema of a PostgreSQL database: its connections, its bells, and what a fork does to both.

A process has one connection that reads and listens, and, once it writes, one that writes: whoever waits for a lock keeps
no reader waiting. Nothing depends on the state of a session except `LISTEN`, so that all works behind a pooler in
transaction mode (pgbouncer; before its version 1.21 with ?prepare=no); only, there nobody is woken, and agents that wait
look once a second. A standby can be read, but wakes nobody either.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
from psycopg import errors as pg
from psycopg.adapt import Dumper
from psycopg.types.numeric import Int8BinaryDumper

from ..errors import StoreError, StoreUnavailable, UsageError
from . import default_path
from .postgres_address import Address
from .postgres_errors import meaning_of
from .postgres_schema import Connection, recognise
from .postgres_transaction import Line, PipelinedTransaction
from .rows import clean
from .sql import SqlStore
from .transaction import Transaction

RETRY_S = 0.5
"""Nobody tries to connect again so soon after it failed."""


class PostgresStore(SqlStore):
    """Sweeps in a schema of a PostgreSQL database (12 or newer).

    Leases are timed by the server's clock, one for all. It is a wall clock (clock_timestamp()), but setting it takes no
    run away from an agent that goes on beating. `clock` replaces it in tests. `url` shows no password; `link` has it, also when it came from
    ~/.pgpass or PGPASSWORD. StoreUnavailable and other StoreErrors when the database cannot be used.

    >>> store = PostgresStore("postgresql://ann:secret@db.example.org/lab")      # doctest: +SKIP
    """

    def __init__(
        self, url: str, clock: Callable[[], float] | None = None, now: Callable[[], float] = time.time
    ) -> None:
        super().__init__(now)
        self._address = Address.parse(url)
        self.url = self._address.url
        self._timer = clock
        self._known = ""
        """The identity of the store that was opened first, and is expected ever after."""
        self._seen = 0
        self._refusal: StoreError | None = None
        self._again_at = 0.0
        self._closed = False
        self._reader, self._writer = Line(), Line()
        self._read: AbstractContextManager[Transaction] = PipelinedTransaction(self, self._reader)
        self._write: AbstractContextManager[Transaction] = PipelinedTransaction(
            self, self._writer, writes=True, rings=True
        )
        self._renew: AbstractContextManager[Transaction] = PipelinedTransaction(self, self._writer, writes=True)
        weakref.finalize(self, _let_go, (self._reader, self._writer))
        with self._reader.mutex:
            self._address = self._address.resolved(self._connected(self._reader))
        self.url, self.link = self._address.url, self._address.link
        self.folder = _folder(self._known)
        self._bells = _bells.setdefault(self._known, self._bells)
        _stores.add(self)

    def changed_elsewhere(self) -> bool:
        line = self._reader
        if line.mutex.acquire(blocking=False):  # whoever reads just now hears as well
            try:
                self._connected(line)
                line.listen()
                self._connected(line)
            finally:
                line.mutex.release()
        before, self._seen = self._seen, line.heard
        return self._seen != before

    def close(self) -> None:
        self._closed = True
        for line in (self._reader, self._writer):
            with line.mutex:
                line.drop()

    def _clock(self, tx: Transaction) -> float:
        if self._timer is not None:
            return self._timer()
        assert isinstance(tx, PipelinedTransaction)
        return tx.clock()

    # -- connections; the caller holds the line's mutex -----------------------------------------------------------

    def _connected(self, line: Line) -> Connection:
        if line.connection is not None:
            return line.connection
        if self._closed:
            raise UsageError(f"the store {self.url} has been closed; open_store() gives a new one")
        if self._refusal is not None and time.monotonic() < self._again_at:
            raise type(self._refusal)(str(self._refusal))
        try:
            connection = self._open(line)
        except psycopg.Error as error:
            self._refusal, self._again_at = meaning_of(error, self._address), time.monotonic() + RETRY_S
            raise self._refusal from error
        line.use(connection)
        return connection

    def _open(self, line: Line) -> Connection:
        connection = psycopg.connect(
            self._address.conninfo,
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            prepare_threshold=5 if self._address.prepare else None,
        )
        try:
            connection.adapters.register_dumper(int, Int8BinaryDumper)
            connection.adapters.register_dumper(str, _Text)
            identity = recognise(connection, self._address, self._known)
            if self._known not in ("", identity):
                raise StoreUnavailable(f"{self.url} was replaced while in use: restart to use what is there now")
            self._known = identity
            if line is self._reader:
                connection.add_notify_handler(line.hear)
                with contextlib.suppress(pg.ReadOnlySqlTransaction):  # a standby
                    connection.execute(f'LISTEN "{self._channel}"'.encode())
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def _channel(self) -> str:
        """Where those who use the store tell each other that they wrote."""
        return f"sweepwidget {self._known}"


class _Text(Dumper):
    """Any text at all: what PostgreSQL refuses (NUL, lone surrogates) becomes a visible escape."""

    def dump(self, obj: str) -> bytes:
        return clean(obj).encode()


def _folder(identity: str) -> Path:
    """This user's, on this machine; the same whatever name the server is reached by."""
    try:
        place = default_path().parent
    except StoreUnavailable:  # no home: a worker in a container
        place = Path(tempfile.gettempdir()) / f"sweepwidget-{os.getuid()}"
    return place / f"postgresql-{identity}"


def _let_go(lines: Iterable[Line]) -> None:
    """The store is gone, or the process ends, when others may still be amid a transaction."""
    for line in lines:
        if line.mutex.acquire(blocking=False):
            line.drop()
            line.mutex.release()


# -- forks ------------------------------------------------------------------------------------------------------------

_stores: weakref.WeakSet[PostgresStore] = weakref.WeakSet()
_bells: dict[str, list[Callable[[], None]]] = {}
"""By store: several store objects of one process ring the same bells."""


def _in_child() -> None:
    for store in tuple(_stores):
        store._reader.inherit()
        store._writer.inherit()
        store._bells.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
