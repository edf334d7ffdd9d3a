"""The store in one SQLite file (WAL): connecting, transactions, migrations, and what its errors mean.

One connection per process, used by one thread at a time. The database file is never opened by other means than SQLite:
closing any other descriptor of it would drop the locks that this process holds.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote

from ..errors import NotAStore, StoreError, StoreReadOnly, StoreUnavailable, StoreVersion, UsageError
from . import statements as sql
from .sql import SqlStore
from .transaction import Transaction

APPLICATION_ID = 0x53574550  # "SWEP", in the header of the file

BUSY_S = 30.0
"""How long to wait for another program that writes."""
_TRY_MS = 3
"""How long one try to begin writing waits. SQLite sleeps the longer the more often it has found the file locked, up to 100 ms,
so that those who waited long would wait on while others come and go."""
_PAGE = 2048
"""Bytes per page. Every small transaction writes some seven pages, so half the usual size is half the traffic."""
_CHECKPOINT_PAGES = 16_000
"""Whoever steers a sweep moves the write-ahead log into the file after this many pages (32 MB), others only when it is
twice as long: few processes doing this keeps clear of a rare race in SQLite 3.7 to 3.51.2."""
_FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What sqlite3 raises; the second for texts of a damaged file."""
_UNSEEN = -1
"""The version that is no version: whatever a new connection finds is news, also what others wrote before it was made."""
_NETWORK = re.compile(r"nfs4?|cifs|smb.*|9p|afs|ceph|glusterfs|lustre|gpfs|beegfs|fuse\.(?!.*overlay).*").fullmatch

_ELSEWHERE = "or keep the store elsewhere: SWEEPWIDGET_STORE=/path/to/sweeps.db"
_MEANINGS: tuple[tuple[str, type[StoreError], str], ...] = (
    ("locked", StoreUnavailable, "another program (a database browser?) keeps it locked; close that program and go on"),
    ("readonly", StoreUnavailable, f"make the file and its folder writable, {_ELSEWHERE}"),
    ("unable to open", StoreUnavailable, f"check that its folder exists and may be written to, {_ELSEWHERE}"),
    ("is full", StoreUnavailable, "free some space and go on; nothing that was stored is lost"),
    ("disk I/O", StoreUnavailable, "check the disk (full? failing?) and go on; nothing that was stored is lost"),
    ("not a database", NotAStore, "move the file away or choose another path; nothing was overwritten"),
    ("malformed", NotAStore, "the file is damaged: move it away, and try `sqlite3 FILE .recover` on it"),
    (
        "no transaction",
        StoreUnavailable,
        "what came together with it was undone; go on, nothing that was stored is lost",
    ),
    ("no such table", NotAStore, "its tables are missing: move it away, or choose another path"),
    ("decode", NotAStore, "the file is damaged: move it away, and try `sqlite3 FILE .recover` on it"),
)
"""Part of SQLite's message → which error, and what to do."""


class SqliteStore(SqlStore):
    """Sweeps in one SQLite file.

    `clock` times leases: seconds since this machine started, the same in all its processes and never set by anybody.
    StoreUnavailable, NotAStore or StoreVersion when the file cannot be used; nothing is ever overwritten. A file that cannot
    be written is opened to be looked at: every write is StoreReadOnly then.

    >>> store = SqliteStore(Path("sweeps.db"))      # doctest: +SKIP
    """

    def __init__(
        self,
        path: Path,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(now)
        self.path = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100  (a link to the file stays a link)
        self.folder = self.path.with_name(f"{self.path.stem}-files")
        self._name = str(self.path)
        self._log = self.path.with_name(f"{self.path.name}-wal")
        self.url = f"sqlite:///{self.path}" + ("?synchronous=FULL" if synchronous == "FULL" else "")
        self.link = self.url
        self._synchronous = synchronous
        self._monotonic = clock
        self._bells = _bells.setdefault(self.path, self._bells)
        self._mutex = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._close_connection: Callable[[], object] = _nothing
        self._closed = False
        self._inode = (0, 0)
        self._steers = False
        self._wait_ms = 0
        """How long SQLite waits for a lock by now."""
        self._still: tuple[int, ...] = ()
        """What the file was like when it was opened to be looked at: SQLite itself does not see it change then."""
        self._seen = _UNSEEN
        self._read = _Transaction(self, writes=False)
        self._write = _Transaction(self, rings=True)
        self._renew = _Transaction(self)
        self._group = _Group(self, rings=True)
        self.changed_elsewhere()  # opens it; what it holds so far is no news
        _stores.add(self)

    def changed_elsewhere(self) -> bool:
        with self._mutex:
            if self._still and self._still != _stamps(self.path, self._log):
                self._disconnect()
            connection, before = self._connected(), self._seen
            try:
                self._wait_at_most(connection, 1000 * BUSY_S)
                self._seen = self._data_version(connection)
            except _FAILURES as error:
                raise self._meaning(error) from error
            return self._seen != before

    def together(self) -> AbstractContextManager[object]:
        return self._group

    def close(self) -> None:
        with self._mutex:
            self._closed = True
            self._disconnect()

    def _clock(self, tx: Transaction) -> float:
        return self._monotonic()

    def _steers_now(self) -> None:
        with self._mutex:
            if not self._steers:
                self._steers = True
                self._connected().execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")

    # -- the connection; the caller holds the mutex ---------------------------------------------------------------

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._closed:
                raise UsageError(f"the store {self.url} has been closed; open_store() gives a new one")
            try:
                self._connection = self._open()
            except (*_FAILURES, OSError) as error:
                raise self._meaning(error) from error
        return self._connection

    def _disconnect(self) -> None:
        self._connection = None
        self._close_connection()
        self._close_connection = _nothing

    def _open(self) -> sqlite3.Connection:
        if sqlite3.sqlite_version_info < (3, 35):
            raise StoreError(
                f"Python's SQLite is {sqlite3.sqlite_version}, and 3.35 is needed: use a newer Python to open {self.path}"
            )
        if self._inode != (0, 0) and not self._still:  # opened anew, after a fork
            self._check_file()
        self._make_file()
        _warn_of_network(self.path)
        try:
            # SQLite would open a file for reading alone without a word.
            connection = self._open_to_write() if os.access(self.path, os.W_OK) else self._open_to_look()
        except sqlite3.OperationalError as error:
            if not any(part in str(error) for part in ("readonly", "unable to open")):
                raise
            connection = self._open_to_look()
        self._inode, self._seen = self._file_id(), _UNSEEN
        self._close_connection = weakref.finalize(self, connection.close)
        # Not at exit: agents in the background may be inside SQLite then. The process's end closes it as well.
        self._close_connection.atexit = False
        return connection

    def _open_to_write(self) -> sqlite3.Connection:
        connection = self._connect(str(self.path))
        try:
            self._recognise(connection)
            connection.execute(f"PRAGMA page_size = {_PAGE}")  # only matters to an empty file
            self._use_wal(connection)
            connection.execute("PRAGMA cache_size = -16384")  # kB
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES * (1 if self._steers else 2)}")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        self.refusal, self._still = "", ()
        return connection

    def _open_to_look(self) -> sqlite3.Connection:
        """With the log and its index where others write them; without a log the file is all there is, as it stands."""
        stamps = _stamps(self.path, self._log)
        whole = not stamps[-1]
        self._still = stamps if whole else ()
        connection = self._connect(
            f"file:{quote(os.fsencode(self.path))}?{'immutable=1' if whole else 'mode=ro'}", uri=True
        )
        try:
            version = self._recognise(connection)
            if version != len(sql.MIGRATIONS):
                raise StoreVersion(
                    f"{self.path} is empty or was written by an older sweepwidget, and it cannot be written: make the file and "
                    f"its folder writable, copy it into a folder of yours, {_ELSEWHERE}"
                )
        except sqlite3.OperationalError as error:
            connection.close()
            raise StoreUnavailable(
                f"{self.path} cannot be written, and its latest changes are in {self._log.name}, which can only be read where it "
                f"can: copy both into a folder of yours, {_ELSEWHERE}"
            ) from error
        except BaseException:
            connection.close()
            raise
        self.refusal = (
            f"{self.path} is read-only: you can look, not change. To work on it make the file and its folder writable, "
            f"{_ELSEWHERE}"
        )
        return connection

    def _connect(self, place: str, uri: bool = False) -> sqlite3.Connection:
        self._wait_ms = int(1000 * BUSY_S)
        return sqlite3.connect(
            place, uri=uri, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )

    def _wait_at_most(self, connection: sqlite3.Connection, ms: float) -> None:
        if self._wait_ms != ms:
            self._wait_ms = int(ms)
            connection.execute(f"PRAGMA busy_timeout = {self._wait_ms}")

    def _begin_to_read(self, connection: sqlite3.Connection) -> None:
        # It rarely waits: while somebody looks through the log of those who were killed.
        self._wait_at_most(connection, 1000 * BUSY_S)
        connection.execute("BEGIN")

    def _begin_to_write(self, connection: sqlite3.Connection) -> None:
        """Everybody who waits asks equally often, so that each gets its turn."""
        self._wait_at_most(connection, _TRY_MS)
        deadline = 0.0
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                now = time.monotonic()
                deadline = deadline or now + BUSY_S
                if "locked" not in str(error) or now > deadline:
                    raise

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _make_file(self) -> None:
        """An empty file that only its owner may read, unless there is one."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        if 0 < self.path.stat().st_size < 512:  # SQLite would take it for an empty database
            raise sqlite3.DatabaseError("file is not a database")

    def _recognise(self, connection: sqlite3.Connection) -> int:
        """The schema version of the file, 0 for an empty one; an error for any other program's."""
        connection.execute("BEGIN")  # one look at all three
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("COMMIT")
        if application != APPLICATION_ID and (application or version or tables):
            raise NotAStore(f"{self.path} is a database of another program: choose another path for the store")
        if version > len(sql.MIGRATIONS):
            raise StoreVersion(
                f"{self.path} was written by a newer sweepwidget (its schema is {version}, this one knows "
                f"{len(sql.MIGRATIONS)}): upgrade with `pip install -U sweepwidget`, or use another store"
            )
        return int(version)

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                # SQLite does not wait by itself while several processes make one store.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
                continue
            if mode != "wal":
                raise StoreUnavailable(
                    f"{self.path} cannot be shared between processes on this file system (no write-ahead log): put the "
                    "store on a local disk, for instance by setting SWEEPWIDGET_STORE"
                )
            return

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA user_version").fetchone()[0] == len(sql.MIGRATIONS):
            return
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()  # another process may have done it by now
        for step in sql.MIGRATIONS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(sql.MIGRATIONS)}")
        connection.execute("COMMIT")

    def _data_version(self, connection: sqlite3.Connection) -> int:
        """Moves when another connection has written."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def _file_id(self) -> tuple[int, int]:
        try:
            found = os.stat(self._name)  # noqa: PTH116  (pathlib is slow, and this is once per write)
        except OSError:
            return (0, 0)
        return (found.st_dev, found.st_ino)

    def _check_file(self) -> None:
        """SQLite would go on writing into a file that has been deleted, and nobody would ever see it. Asked last in every
        transaction that writes, so that nothing is taken for stored that is not.
        """
        if self._file_id() != self._inode:
            raise StoreUnavailable(
                f"{self.path} was deleted or replaced while in use: put it back, or restart with a new store"
            )

    def _meaning(self, error: Exception) -> StoreError:
        text = str(error)
        for part, kind, advice in _MEANINGS:
            if part in text:
                return kind(f"{self.path}: {text}: {advice}")
        kind = StoreUnavailable if isinstance(error, OSError) else StoreError
        return kind(
            f"{self.path}: {text}: use another store by setting SWEEPWIDGET_STORE to a path that can be written"
        )


def _nothing(*_: object) -> None:
    pass


def _stamps(*paths: Path) -> tuple[int, ...]:
    """When each was written last, and its size; zeros for what is not there."""
    found: list[int] = []
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            found += (0, 0)
        else:
            found += (status.st_mtime_ns, status.st_size)
    return tuple(found)


class _Transaction:
    """One kind of transaction of a store, used again and again by whoever holds the store's mutex.

    Within a group of writes it is a part of it, that can be undone by itself.
    """

    def __init__(self, store: SqliteStore, *, writes: bool = True, rings: bool = False) -> None:
        self._store = store
        self._rings = rings
        self._writes = writes
        self._part = False
        self._undone = False
        self.execute: Callable[..., Any] = _nothing

    def undo(self) -> None:
        self._undone = True

    def __enter__(self) -> Transaction:
        store = self._store
        store._mutex.acquire()
        part = True  # nothing of our own to roll back so far
        try:
            connection = store._connected()
            if self._writes and store.refusal:
                raise StoreReadOnly(store.refusal)
            part = connection.in_transaction  # whose mutex it is has begun it: a group
            if part:
                connection.execute("SAVEPOINT part")
            elif self._writes:
                store._begin_to_write(connection)
            else:
                store._begin_to_read(connection)
        except BaseException as error:
            if not part:  # interrupted when it had begun: all that follows would be taken for parts of it
                store._roll_back()
            store._mutex.release()
            if isinstance(error, _FAILURES):
                raise store._meaning(error) from error
            raise
        self.execute = connection.execute
        self._part, self._undone = part, False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        store = self._store
        done, failure = error is None and not self._undone, error
        try:
            if self._part:
                self._end_part(done)
            elif error is None:
                if self._writes:
                    store._check_file()
                self.execute("COMMIT" if done else "ROLLBACK")
        except BaseException as failed:  # noqa: BLE001  (raised below)
            failure = error or failed
        finally:
            if failure is not None:
                store._points.forget()
                if not self._part:
                    store._roll_back()
            store._mutex.release()
        if isinstance(failure, _FAILURES):
            raise store._meaning(failure) from failure
        if failure is not None and failure is not error:
            raise failure
        if done and failure is None and self._rings and not self._part:
            store._ring()

    def _end_part(self, done: bool) -> None:
        if done:
            self._store._group.keep()
        else:
            self.execute("ROLLBACK TO part")
        self.execute("RELEASE part")


class _Group(_Transaction):
    """A transaction of which those of the block are parts. Undone unless one of them has changed something."""

    def __enter__(self) -> Transaction:
        super().__enter__()
        self._undone = True
        return self

    def keep(self) -> None:
        self._undone = False


# -- network file systems ---------------------------------------------------------------------------------------------


def _warn_of_network(path: Path) -> None:
    kind = _file_system(path)
    if _NETWORK(kind):
        warnings.warn(
            f"{path} is on a network file system ({kind}), where SQLite cannot be shared between machines and may be "
            "damaged: set SWEEPWIDGET_STORE to a path on a local disk",
            stacklevel=2,
        )


def _file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The type of the file system that holds `path` ("ext4", "nfs4"); "" where nobody says."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    places = [line.split()[1:3] for line in lines]
    holding = [(place, kind) for place, kind in places if path.is_relative_to(place.replace("\\040", " "))]
    return max(holding, key=lambda found: len(found[0]))[1] if holding else ""


# -- forks ------------------------------------------------------------------------------------------------------------

_stores: weakref.WeakSet[SqliteStore] = weakref.WeakSet()
_bells: dict[Path, list[Callable[[], None]]] = {}
"""By file: several store objects of one process ring the same bells."""


class _Forking(threading.local):
    """Of one thread: another may be at its own fork, and has the stores as soon as this one has let go of them."""

    def __init__(self) -> None:
        self.held: list[SqliteStore] = []


_forking = _Forking()


def _before_fork() -> None:
    """SQLite's idea of which locks a process holds must not be inherited: let go of every file first."""
    for store in tuple(_stores):
        store._mutex.acquire()
        _forking.held.append(store)
        store._disconnect()


def _in_parent() -> None:
    while _forking.held:
        _forking.held.pop()._mutex.release()


def _in_child() -> None:
    while _forking.held:
        store = _forking.held.pop()
        store._mutex = threading.RLock()
        store._bells.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
