"""What a run logs reaches the disk here first: one append-only file per (run, attempt, source), one `write` per row.

A killed process therefore loses nothing it has logged; whoever closes the run takes in what the store does not know yet.
Nothing here ever raises into training: when the disk is full, rows wait in memory and `trouble` says so.

The file is a sequence of records, each a multiple of eight bytes, little-endian:

    length u32 · kind u32 · step i64 · unix seconds f64 · payload

    kind HEADER   payload: JSON of whose rows these are, who writes them, and at which offset of the stream the file begins
         NAMES    payload: JSON list of metric names; `step` is the kind of the rows that follow this pattern
         OBJECT   payload: JSON object of those values of the row behind it that are not numbers
         ≥ FIRST  payload: one f64 per name

A torn tail (killed in mid-write, disk full) is shorter than its length says, so it ends the reading there.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import logging
import os
import re
import struct
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from ..columns import STEP, VALUE
from ..errors import UsageError
from ..model import Column, Points, RunId
from ..process import is_alive, this_process
from .rows import dumps, process_of, text_of

TIMESTAMP = "_timestamp"
"""The metric that every row has: unix seconds. Rows are rebuilt by joining the columns on step."""

HEADER, NAMES, OBJECT, FIRST = 0x31505753, 1, 2, 16  # HEADER reads "SWP1" in the file
_HEAD = struct.Struct("<IIqd")
_EXACT = 1 << 53  # integers up to here are floats without loss
_BATCH = 4 << 20  # bytes of one delivery; a hub refuses bodies that are much larger
_MEMORY = 64 << 20  # bytes that may wait in memory while the disk does not take them
_HEADER_SIZE = 4096  # bytes in which a header fits
_FILE = 64 << 20  # bytes of delivered rows after which the file starts anew

_SAFE = re.compile(r"[a-z0-9_-]{0,64}").fullmatch

log = logging.getLogger(__name__)


class Spool:
    """The rows of one writer of one run.

    `append` may be called from any thread; `take` and `delivered` by one thread at a time. Makes no file until the
    first row.

    >>> spool = Spool(store.folder, run.id, run.attempt)      # doctest: +SKIP
    >>> spool.append(0, time.time(), {"loss": 0.5})      # doctest: +SKIP
    >>> while points := spool.take():      # doctest: +SKIP
    ...     store.log(points)
    ...     spool.delivered(points)
    """

    trouble: str = ""
    """Why rows are not reaching the disk, if they are not."""
    lost: int = 0
    """Rows given up because neither disk nor memory took them."""

    def __init__(self, folder: Path, run_id: str, attempt: int, source: str = "") -> None:
        self.folder = folder
        self.run_id = run_id
        self.attempt = attempt
        self.source = source
        self.path: str | None = None
        self._start_over()
        _spools.add(self)

    def _start_over(self) -> None:
        self.lock = threading.RLock()  # a signal handler may log while we do
        self._file = -1
        self._out = -1  # the file, or -1 while rows have to wait in memory
        self._base = 0  # offset of the stream at which the file begins
        self._delivered = 0
        self._offered: Points | None = None
        self._waiting = bytearray()  # what follows the file's last byte and is not in it yet
        self._patterns: dict[tuple[str, ...], tuple[int, Callable[..., bytes]]] = {}  # names → head word, pack
        self._names: dict[int, tuple[str, ...]] = {}
        self._closed = False

    def begin(self) -> None:
        """Make the file before the first row: whoever would give the run to another sees that it is written (`is_written`)."""
        with self.lock:
            if self._file < 0:
                self._open()
            if self._end() == self._base:
                self._send(self._header())

    def append(self, step: int, at: float, row: Mapping[str, Any]) -> None:
        """Keep one row, logged at unix second `at`. When this returns, killing the process does not lose it.

        Numbers become float64; integers beyond 2**53, bools, None, strings, lists and dicts are kept as JSON.
        A row may bring its own `_timestamp`. UsageError for a step beyond 64 bits, or after `close`.
        """
        with self.lock:
            if not self.append_numbers(step, at, row):
                self._append_any(step, at, row)

    def append_numbers(self, step: int, at: float, row: Mapping[str, Any]) -> bool:
        """Keep one row the short way: only numbers, under names that `append` has seen together. False: it is not one.
        The caller holds the lock.
        """
        pattern = self._patterns.get(tuple(row))
        if pattern is None:
            return False
        values = row.values()
        for value in values:
            if type(value) is not float and not (type(value) is int and -_EXACT <= value <= _EXACT):
                return False
        head, pack = pattern
        try:
            data = pack(head, step, at, *values)
        except struct.error:
            raise UsageError(f"log(): step {step!r} is not a 64-bit integer") from None
        self._send(data)
        return True

    def take(self, summary: Mapping[str, Any] | None = None) -> Points | None:
        """The next rows to deliver (at most some 4 MiB), or None. `summary` is passed through.

        Until `delivered` is called the same piece is offered again, never a longer one: a delivery whose answer got
        lost is then recognised as a repeat.
        """
        with self.lock:
            self._retry()
        if self._offered is not None:
            self._offered = evolve(self._offered, summary=summary)
            return self._offered
        rows = self._next(_BATCH)
        if rows is None:
            return None
        start = self._delivered
        self._offered = Points(
            RunId(self.run_id),
            self.attempt,
            self.source,
            start,
            start + rows.end,
            rows.columns(),
            rows.objects,
            summary,
        )
        return self._offered

    def _next(self, size: int) -> _Rows | None:
        with self.lock:
            data = self._read(self._delivered, size)
        rows = _Rows(data, self._names)
        if rows.end:
            return rows
        return self._next(2 * size) if len(data) == size else None  # a row longer than a batch

    def delivered(self, points: Points) -> None:
        """The store has these points (or knew them already): go on behind them."""
        with self.lock:
            self._offered = None
            self._delivered = points.end
            grown = self._waiting or points.end - self._base > _FILE
            if grown and self._delivered == self._end():
                self._begin_anew()

    @property
    def undelivered(self) -> int:
        """Bytes of rows that `delivered` has not heard of."""
        with self.lock:
            return self._end() - self._delivered

    def close(self, *, remove: bool = False) -> None:
        """Let go of the file; `remove` it when its rows are delivered. Again is harmless."""
        with self.lock:
            self._closed = True
            self._patterns.clear()
            self._retry()
            if self._file >= 0:
                os.close(self._file)
            self._file = self._out = -1
            if remove and self.path is not None:
                with contextlib.suppress(OSError):
                    os.unlink(self.path)  # noqa: PTH108  (pathlib is slow, and this is once per run)

    # -- inside the lock ----------------------------------------------------------------------------------------

    def _append_any(self, step: int, at: float, row: Mapping[str, Any]) -> None:
        """The long way: a pattern not seen before, or values that are not numbers."""
        if self._closed:
            raise UsageError(f"run {self.run_id} has ended: nothing can be logged to it")
        numbers = {}
        objects = {}
        for name, value in row.items():
            if isinstance(value, np.generic):
                value = value.item()  # noqa: PLW2901
            if name == TIMESTAMP and _is_number(value):
                at = float(value)
            elif _is_number(value):
                numbers[str(name)] = float(value)
            else:
                objects[str(name)] = value
        if self._file < 0:
            self._open()
        names = tuple(numbers)
        known = self._patterns.get(names)
        kind = FIRST + len(self._names) if known is None else known[0] >> 32
        announcement, head, pack = _pattern(kind, names)
        try:
            data = pack(head, step, at, *numbers.values())
            if objects:  # first, so that a row is whole when its numbers are
                data = _record(OBJECT, step, at, objects) + data
        except struct.error:
            raise UsageError(f"log(): step {step!r} is not a 64-bit integer") from None
        if known is None:
            data = announcement + data
        if self._end() == self._base:
            data = self._header() + data
        # First the number is taken, then the row written: an interrupt in between wastes a number and no more.
        self._names[kind] = names
        if self._send(data):
            self._patterns[names] = head, pack

    def _open(self) -> None:
        """Make the file.

        One that is there belongs to somebody else (another process, an earlier one): take another name rather than mix
        two streams.
        """
        source = self.source
        for number in range(2, 1000):
            path = f"{self.folder}/spool/{_stem(self.run_id, self.attempt)}{_safe(source)}.spool"
            try:
                self._file = _new_file(path)
            except FileExistsError:
                source = f"{self.source}~{number}"
                continue
            except OSError as error:
                self._warn(error)
                return
            self.path = path
            if not self._waiting:  # the header will say so; rows that wait already have one
                self.source = source
            self._out = -1 if self._waiting else self._file
            return

    def _header(self) -> bytes:
        writer = text_of(this_process())
        whose = {
            "run": self.run_id,
            "attempt": self.attempt,
            "source": self.source,
            "base": self._base,
            "writer": writer,
        }
        return _record(HEADER, 0, 0.0, whose)

    def _send(self, data: bytes) -> bool:
        try:
            written = os.write(self._out, data)
        except OSError as error:
            return self._wait(data, error)
        return written == len(data) or self._wait(data[written:], None)

    def _wait(self, data: bytes, error: OSError | None) -> bool:
        """Rows that the disk does not take wait in memory, behind those that wait already. False: given up."""
        if self._out >= 0:
            self._warn(error or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            self._out = -1
        if len(self._waiting) + len(data) > _MEMORY and error is not None:
            self.lost += 1
            return False
        self._waiting += data
        return True

    def _warn(self, error: OSError) -> None:
        if not self.trouble:
            log.warning(
                "what run %s logs cannot be kept on disk (%s: %s). Training goes on; rows wait in memory.",
                self.run_id,
                self.folder,
                error.strerror or error,
            )
        self.trouble = f"{self.path or self.folder}: {error.strerror or error}"

    def _retry(self) -> None:
        """Move what waits in memory to the disk, if it takes it now."""
        if not self._waiting:
            return
        if self._file < 0:
            self._open()
        if self._file < 0:
            return
        try:
            while self._waiting:
                written = os.write(self._file, self._waiting[:_BATCH])
                del self._waiting[:written]
        except OSError as error:
            self._warn(error)
        else:
            self._out = self._file
            self.trouble = ""

    def _begin_anew(self) -> None:
        """Everything is delivered, so nothing in the file is needed: a long run does not fill the disk."""
        end = self._end()
        if self._file >= 0:
            try:
                os.ftruncate(self._file, 0)
            except OSError as error:
                self._warn(error)
                return
            self.trouble = ""
        self._base = end
        self._waiting.clear()
        self._patterns.clear()
        self._names.clear()
        self._out = self._file

    def _in_file(self) -> int:
        # Asked of the file, not counted: an interrupt between a write and its count would put them apart.
        return os.fstat(self._file).st_size if self._file >= 0 else 0

    def _end(self) -> int:
        return self._base + self._in_file() + len(self._waiting)

    def _read(self, start: int, size: int) -> bytes:
        spot, in_file = start - self._base, self._in_file()
        data = b""
        if spot < in_file:
            os.lseek(self._file, spot, os.SEEK_SET)  # O_APPEND: writing always goes to the end
            data = os.read(self._file, min(size, in_file - spot))
        if spot + size > in_file and self._waiting:
            data += self._waiting[max(0, spot - in_file) : spot + size - in_file]
        return data


def leftovers(folder: Path, run_id: str, attempt: int, known: Mapping[str, int]) -> list[Points]:
    """What writers of that attempt logged beyond the offsets `known` (source → offset), for whoever closes it."""
    pieces = []
    for path in _files(folder, run_id, attempt):
        with contextlib.suppress(OSError):
            pieces += _leftover(path.read_bytes(), run_id, attempt, known)
    return pieces


def is_written(folder: Path, run_id: str, attempt: int) -> bool:
    """Whether a process that logs to that attempt, or soon will, is known to live still."""
    writers = {_whose_file(path).get("writer") for path in _files(folder, run_id, attempt)}
    return any(is_alive(process_of(writer)) for writer in writers if writer)


def discard(folder: Path, run_id: str, attempt: int) -> None:
    """Remove the files of that attempt, its outcome included."""
    for path in (*_files(folder, run_id, attempt), outcome_path(folder, run_id, attempt)):
        with contextlib.suppress(OSError):
            path.unlink()


def outcome_path(folder: Path, run_id: str, attempt: int) -> Path:
    """Where the outcome of that attempt waits, if the store has not heard it yet (see outcomes.py)."""
    return folder / "spool" / f"{_stem(run_id, attempt)}outcome"


def others(spool: Spool) -> bool:
    """Whether forked children of this process have spools of the same attempt."""
    if not _forked:
        return False
    stem, own = _stem(spool.run_id, spool.attempt), spool.path
    try:
        with os.scandir(spool.folder / "spool") as entries:
            return any(entry.name.startswith(stem) and entry.path != own for entry in entries)
    except FileNotFoundError:
        return False


def owners(folder: Path) -> set[tuple[str, int]]:
    """The (run id, attempt) of every spool there is."""
    headers = map(_whose_file, (folder / "spool").glob("*.spool"))
    return {(whose["run"], whose["attempt"]) for whose in headers if whose}


class _Rows:
    """The whole rows of a piece of a stream, from byte `begin` on (what stands before is read for its names).
    `end` is the offset behind the last whole one.
    """

    def __init__(self, data: bytes, names: Mapping[int, tuple[str, ...]], begin: int = 0) -> None:
        self.objects: list[tuple[int, str]] = []
        self._words = np.frombuffer(data, "<u8", len(data) // 8)
        self._names = dict(names)
        self._blocks: dict[int, list[tuple[int, int]]] = {}  # kind → (first word, rows that follow each other)
        self.end = 8 * self._walk(data, begin // 8)

    def _walk(self, data: bytes, begin: int) -> int:
        words = self._words
        heads = memoryview(data)[: 8 * len(words)].cast("Q")
        spot = whole = 0
        end = len(heads)
        objects = []
        while spot + 3 <= end:
            head = heads[spot]
            size, kind = (head & 0xFFFFFFFF) // 8, head >> 32
            if size < 3 or spot + size > end:
                break
            if kind in (HEADER, NAMES, OBJECT):
                record = data[8 * spot : 8 * (spot + size)]
                spot += size
                if kind == OBJECT:
                    objects.append(record)
                elif kind == NAMES and not self._announced(record):
                    break
                continue
            names = self._names.get(kind)
            if names is None or len(names) != size - 3:
                break
            count = 1
            if spot + 2 * size <= end and heads[spot + size] == head:
                count = _same(words[spot : end - size + 1 : size], head)
            skipped = min(count, max(0, -(-(begin - spot) // size)))
            if skipped < count:
                self._blocks.setdefault(kind, []).append((spot + skipped * size, count - skipped))
            if not skipped:
                self.objects += map(_object, objects)
            objects.clear()
            spot += count * size
            whole = spot
        return whole

    def _announced(self, record: bytes) -> bool:
        """Learn the names of a kind of rows; False for what is none of ours (zeros or worse, after a power cut)."""
        kind = _HEAD.unpack_from(record)[2]
        if kind not in self._names:
            try:
                self._names[kind] = tuple(json.loads(record[_HEAD.size :]))
            except ValueError:
                return False
        return True

    def columns(self) -> dict[str, Column]:
        """Every metric in the order logged, and `_timestamp` for every row."""
        found: dict[str, list[tuple[NDArray[np.int64], Column]]] = {}
        for kind, blocks in self._blocks.items():
            spots, table = self._table(blocks, 3 + len(self._names[kind]))
            steps = table[1].view(STEP)
            for name, values in zip((TIMESTAMP, *self._names[kind]), table[2:], strict=True):
                found.setdefault(name, []).append((spots, Column(steps, values.view(VALUE))))
        return {name: _in_order(pieces) for name, pieces in found.items()}

    def _table(self, blocks: list[tuple[int, int]], size: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """The rows of one kind, one line per field, and where they stood."""
        if len(blocks) == 1:
            first, count = blocks[0]
            rows = self._words[first : first + count * size].reshape(count, size)
            return np.arange(first, first + count * size, size), np.ascontiguousarray(rows.T)
        firsts, counts = np.array(blocks, np.int64).T
        before = np.cumsum(counts) - counts
        spots = np.repeat(firsts - before * size, counts) + np.arange(counts.sum()) * size
        return spots, self._words[spots + np.arange(size)[:, None]]


def _object(record: bytes) -> tuple[int, str]:
    return _HEAD.unpack_from(record)[2], record[_HEAD.size :].decode().rstrip()


def _same(heads: NDArray[np.uint64], head: int) -> int:
    """How many of the first `heads` are `head`; looks no further than twice as far as needed."""
    look = 64
    while True:
        same = heads[:look] == head
        if not same.all():
            return int(same.argmin())
        if look >= len(heads):
            return len(heads)
        look *= 8


def _in_order(pieces: list[tuple[NDArray[np.int64], Column]]) -> Column:
    """One column of pieces whose rows lie between each other's."""
    if len(pieces) == 1:
        return pieces[0][1]
    order = np.argsort(np.concatenate([spots for spots, _ in pieces]), kind="stable")
    steps = np.concatenate([column.steps for _, column in pieces])
    values = np.concatenate([column.values for _, column in pieces])
    return Column(steps[order], values[order])


def _leftover(data: bytes, run_id: str, attempt: int, known: Mapping[str, int]) -> list[Points]:
    whose = _whose(data)
    if (whose.get("run"), whose.get("attempt")) != (run_id, attempt):
        return []
    source, base = whose["source"], whose["base"]
    start = max(base, known.get(source, 0))
    rows = _Rows(data, {}, begin=start - base)
    end = base + rows.end
    return [Points(RunId(run_id), attempt, source, start, end, rows.columns(), rows.objects)] if end > start else []


def _whose_file(path: Path) -> Mapping[str, Any]:
    """What the header of a file says; {} for one that is gone by now, too."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return _whose(file.read(_HEADER_SIZE))
    return {}


def _whose(data: bytes) -> Mapping[str, Any]:
    """What the header says; {} for a file that is none of ours, or not begun."""
    if len(data) < _HEAD.size:
        return {}
    length, kind, _, _ = _HEAD.unpack_from(data)
    if kind != HEADER or length > len(data):
        return {}
    try:
        whose: Mapping[str, Any] = json.loads(data[_HEAD.size : length])
    except ValueError:
        return {}
    return whose


@functools.lru_cache(maxsize=256)
def _pattern(kind: int, names: tuple[str, ...]) -> tuple[bytes, int, Callable[..., bytes]]:
    """How rows of these metrics are announced and written. Most runs of a process log the same ones."""
    announcement = _record(NAMES, kind, 0.0, names)
    return announcement, _HEAD.size + 8 * len(names) | kind << 32, struct.Struct(f"<Qqd{len(names)}d").pack


def _record(kind: int, step: int, at: float, payload: object) -> bytes:
    text = dumps(payload).encode()
    text += b" " * (-len(text) % 8)
    return _HEAD.pack(_HEAD.size + len(text), kind, step, at) + text


def _is_number(value: object) -> bool:
    """Whether float64 holds it without loss."""
    if isinstance(value, float):
        return True
    return isinstance(value, int) and not isinstance(value, bool) and -_EXACT <= value <= _EXACT


def _new_file(path: str) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        return _above_streams(os.open(path, flags, 0o600))
    except FileNotFoundError:
        spool = Path(path).parent
        spool.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        spool.mkdir(mode=0o700, exist_ok=True)
        return _above_streams(os.open(path, flags, 0o600))


def _above_streams(fd: int) -> int:
    """Not 0, 1 or 2, which are free when training closed its streams: what is printed to them must not land in here."""
    if fd > 2:
        return fd
    import fcntl

    above = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return above


def _stem(run_id: str, attempt: int) -> str:
    return f"{_safe(run_id)}.{attempt}."


def _safe(text: str) -> str:
    """A part of a file name, the same for the same text, on every file system."""
    if _SAFE(text):
        return text
    return "=" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _files(folder: Path, run_id: str, attempt: int) -> Iterable[Path]:
    return sorted((folder / "spool").glob(f"{_stem(run_id, attempt)}*spool"))


_spools: weakref.WeakSet[Spool] = weakref.WeakSet()


def _in_child() -> None:
    """After a fork the file is the parent's: the child begins a stream of its own."""
    for spool in _spools:
        spool.source = f"{spool.source}~{os.getpid()}"
        spool._start_over()


_forked = False
"""Whether this process has children that could log too (most never have, and are spared a look at the folder)."""


def _in_parent() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child, after_in_parent=_in_parent)
