"""What a run prints goes to the run: stand-ins for sys.stdout and sys.stderr that look who is speaking.

`capture(sink)` tells runs apart by ContextVar, so runs side by side, their asyncio tasks and the threads they start each
speak to their own sink, and everybody else's printing passes untouched. Nothing is installed before the first capture, and
nothing of it is left after the last. Not caught: what C code and child processes write to the file descriptors, and
loggers that were given the stream before.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextvars import ContextVar, copy_context
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from attrs import define

FLUSH_S = 0.2
"""How long a print may stay in memory. If the process is killed, the last 0.2 s of output are lost."""


class Sink(Protocol):
    """Takes what a run prints. Thread-safe, and never raises."""

    def write(self, stream: str, text: str, /) -> object:
        """`stream` is "stdout" or "stderr"; `text` is any piece of it, in order."""


@contextlib.contextmanager
def capture(sink: Sink) -> Iterator[None]:
    """Send what is printed and displayed inside the block to `sink.write(stream, text)`.

    >>> with RunOutput(folder) as output, capture(output):      # doctest: +SKIP
    ...     train()

    Threads started inside belong to it too; what they print after its end goes where it would have gone without it.
    """
    speaker = _Speaker(sink)
    with _installed():
        token = _speaking.set(speaker)
        try:
            yield
        finally:
            speaker.over = True
            _speaking.reset(token)


# -- who is speaking --------------------------------------------------------------------------------------------------


@define(eq=False)
class _Speaker:
    sink: Sink
    over: bool = False


_speaking: ContextVar[_Speaker | None] = ContextVar("sweepwidget_speaking", default=None)


class _StandIn:
    """sys.stdout or sys.stderr as long as there are captures."""

    def __init__(self, name: str, original: Any) -> None:
        self._name, self._original = name, original
        self._elsewhere = _Nowhere() if original is None else original  # a process without a console has None

    def write(self, text: str) -> int:
        speaker = _speaking.get()
        if speaker is None or speaker.over:
            written: int = self._elsewhere.write(text)
            return written
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        speaker.sink.write(self._name, text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if not _is_captured():
            self._elsewhere.flush()

    def close(self) -> None:
        """A run that closes its streams closes nobody else's."""
        if not _is_captured():
            self._elsewhere.close()

    def isatty(self) -> bool:
        return not _is_captured() and bool(self._elsewhere.isatty())

    def __getattr__(self, name: str) -> Any:  # encoding, fileno, buffer, ipykernel's set_parent …
        return getattr(self._elsewhere, name)


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


def _is_captured() -> bool:
    speaker = _speaking.get()
    return speaker is not None and not speaker.over


# -- installing and leaving no trace ----------------------------------------------------------------------------------

_lock = threading.Lock()
_captures = 0
_stand_ins: list[_StandIn] = []
_displays: _Displays | None = None
_threads_patched = False
_start_thread: Any = None
"""`threading.Thread.start` as we found it. Kept when we leave: some thread may be on its way through ours."""


@contextlib.contextmanager
def _installed() -> Iterator[None]:
    global _captures
    with _lock:
        _captures += 1
        _install()
    try:
        yield
    finally:
        with _lock:
            _captures -= 1
            if not _captures:
                _uninstall()


def _install() -> None:
    """Take the place of whatever is in it now: others (pytest, a `redirect_stdout`) may have come since the last time."""
    global _start_thread, _threads_patched, _displays
    for name in ("stdout", "stderr"):
        current = getattr(sys, name)
        if not isinstance(current, _StandIn):
            current = _StandIn(name, current)
            setattr(sys, name, current)
        if current not in _stand_ins:  # new, or one of ours that somebody put back after we had left
            _stand_ins.append(current)
    if not _threads_patched:
        _start_thread = threading.Thread.start
        threading.Thread.start = _start_speaking  # type: ignore[assignment,method-assign]
        _threads_patched = True
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if _displays is None and shell is not None:
        _displays = _Displays(shell.display_pub)


def _uninstall() -> None:
    """Put back what was there, where we are still in its place. Under somebody else we stay, and pass everything on."""
    global _threads_patched, _displays
    if _displays is not None:
        _displays.leave()
        _displays = None
    for stand_in in reversed(_stand_ins):
        if getattr(sys, stand_in._name) is stand_in:
            setattr(sys, stand_in._name, stand_in._original)
    _stand_ins.clear()
    if threading.Thread.start is _start_speaking:
        threading.Thread.start = _start_thread  # type: ignore[method-assign]
        _threads_patched = False


def _start_speaking(thread: threading.Thread) -> None:
    """Thread.start, for threads that belong to the run they are started in: they inherit its context (as in Python 3.14)."""
    speaker = _speaking.get()
    if speaker is not None and not speaker.over:
        context, run = copy_context(), thread.run

        def speak() -> None:
            vars(thread).pop("run", None)  # a thread that holds its own method would wait for the garbage collector
            context.run(run)

        thread.run = speak  # type: ignore[method-assign]
    _start_thread(thread)


class _Displays:
    """IPython's display publisher as long as there are captures: what a run displays is its sink's, as plain text.

    (ipykernel's own hooks are per thread; in 6.17 they miss clear_output, and 7.0 cannot display from a thread at all.)
    """

    def __init__(self, publisher: Any) -> None:
        self._publisher = publisher
        self._ours = {"publish": self._publish, "clear_output": self._clear_output}
        self._theirs = {name: getattr(publisher, name) for name in self._ours}
        self._before = {name: vars(publisher)[name] for name in self._ours if name in vars(publisher)}
        for name, method in self._ours.items():
            setattr(publisher, name, method)

    def leave(self) -> None:
        for name, method in self._ours.items():
            if vars(self._publisher).get(name) is method:
                delattr(self._publisher, name)
                if name in self._before:
                    setattr(self._publisher, name, self._before[name])

    def _publish(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        speaker = _speaking.get()
        if speaker is None or speaker.over:
            return self._theirs["publish"](data, *args, **kwargs)
        if not kwargs.get("update") and "text/plain" in data:  # a bar's updates would fill the log
            speaker.sink.write("stdout", f"{data['text/plain']}\n")
        return None

    def _clear_output(self, *args: Any, **kwargs: Any) -> Any:
        return None if _is_captured() else self._theirs["clear_output"](*args, **kwargs)


# -- the log of a run -------------------------------------------------------------------------------------------------

_CHUNK = 64 * 1024  # characters held before they are written
_END = 64 * 1024  # bytes of the end that are kept of a log that is too long
_LINES = 50
_WIDTH = 500
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class RunOutput:
    """A run's output: `output.log` in its folder, made with the first print, and the last lines in memory.

    >>> with RunOutput(folder) as output, capture(output):      # doctest: +SKIP
    ...     print("epoch 3: loss 0.21")
    >>> output.last_line      # doctest: +SKIP
    'epoch 3: loss 0.21'

    The file holds `limit` bytes of the beginning, and the last 64 KB. Writing never raises, and waits for the disk only
    when 64 KB are held; what the disk does not take is counted in `lost` and dropped.
    """

    def __init__(self, folder: Path, limit: int = 100 * 2**20) -> None:
        self.folder = folder
        self.lost = 0
        """Bytes that could not be written (disk full, folder gone)."""
        self._limit = limit
        self._held: deque[str] = deque()  # appended to without a lock: printing must stay cheap
        self._size = 0  # of what is held, roughly
        self._due = False  # a flush will come by itself; a closed log and that of a forked child are never due
        self._closed = False
        self._forked = False
        self._lock = threading.RLock()  # guards all below; re-entrant, since a signal's handler may print
        self._file: io.FileIO | None = None
        self._written = 0
        self._end: bytearray | None = None
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._line = ""
        _flusher.know(self)

    @property
    def path(self) -> Path:
        return self.folder / "output.log"

    def write(self, stream: str, text: str) -> None:
        """Keep a piece of output. One file for both streams, in the order of printing."""
        self._held.append(text)
        self._size += len(text)
        if not self._due:
            self._see_to_it(text)
        elif self._size > _CHUNK:
            self.flush()

    def _see_to_it(self, text: str) -> None:
        if self._closed:
            self._held.clear()
            self.lost += len(text)
        elif self._forked:
            self.flush()
        else:
            self._due = True
            _flusher.soon(self)

    def flush(self) -> None:
        """Write what is held to the file."""
        with self._lock:
            self._due = False  # first: what comes from here on calls for a flush of its own
            self._size = 0
            pieces = []
            with contextlib.suppress(IndexError):
                while True:
                    pieces.append(self._held.popleft())
            text = "".join(pieces)
            if self._closed:
                self.lost += len(text)
            elif text:
                self._remember(text)
                self._keep(text.encode("utf-8", "backslashreplace"))  # file names may hold surrogates

    def close(self) -> None:
        """Write the rest. What is printed from now on is dropped."""
        with self._lock:
            self.flush()
            self._closed = True
            if self._end:
                self._append(bytes(self._end).decode("utf-8", "ignore").encode())
                self._end = None
            if self._file is not None:
                self._file.close()

    def tail(self, n: int = 10) -> list[str]:
        """The last lines as a terminal would show them (a progress bar is one line); at most 0.2 s old, at most 50."""
        with self._lock:
            last = _shown(self._line)
            lines = [*self._lines, last] if last else list(self._lines)
        return lines[max(len(lines) - n, 0) :]

    @property
    def last_line(self) -> str:
        """The last line that is not blank, or ''."""
        return next((line for line in reversed(self.tail(_LINES)) if line.strip()), "")

    def __enter__(self) -> RunOutput:  # noqa: PYI034
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, data: bytes) -> None:
        if self._end is None and self._written + len(data) > self._limit:
            self._end = bytearray()
            size = f"{self._limit / 2**20:.4g} MB"
            self._append(f"\n[output.log is full ({size}): of what follows only the end is kept]\n".encode())
        if self._end is None:
            self._append(data)
        else:
            self._end += data
            del self._end[:-_END]

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file = io.FileIO(self.path, "a", opener=lambda path, flags: os.open(path, flags, 0o600))
            while rest:
                taken = self._file.write(rest)
                rest = rest[taken:]
                self._written += taken
        except OSError:
            self.lost += len(rest)

    def _remember(self, text: str) -> None:
        *lines, line = (self._line + text[-_LINES * _WIDTH :]).split("\n")
        self._lines.extend(_shown(line) for line in lines[-_LINES:])
        # A progress bar goes on for hours without a newline; what it wrote last is enough to show it.
        self._line = line[line.rstrip("\r").rfind("\r") + 1 :][-_WIDTH * 4 :]

    def _after_fork(self) -> None:
        """In a child process: the parent writes what was held, and here no thread will."""
        self._lock = threading.RLock()
        self._held.clear()
        self._due, self._forked = False, True


def _shown(line: str) -> str:
    """A line as a terminal shows it: without escapes, and of a progress bar what it wrote last."""
    line = _ESCAPES.sub("", line)
    return line.rstrip("\r").rpartition("\r")[2][:_WIDTH]


class _Flusher:
    """Flushes outputs 0.2 s after they began to hold something. Its thread lives while somebody prints."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: set[RunOutput] = set()
        self._working = False
        self._known: weakref.WeakSet[RunOutput] = weakref.WeakSet()

    def know(self, output: RunOutput) -> None:
        """Remember it for the children that this process forks."""
        with self._lock:
            if not self._known and hasattr(os, "register_at_fork"):
                _watch_forks()
            self._known.add(output)

    def soon(self, output: RunOutput) -> None:
        with self._lock:
            self._due.add(output)
            if self._working:
                return
            self._working = True
        thread = threading.Thread(target=self._work, name="sweepwidget-output", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down
            self._working = False
            output.flush()

    def _work(self) -> None:
        while True:
            time.sleep(FLUSH_S)
            with self._lock:
                due, self._due = self._due, set()
                if not due:
                    self._working = False
                    return
            for output in due:
                output.flush()

    def last_line(self, run_id: str) -> str:
        with self._lock:
            known = list(self._known)
        return next((log.last_line for log in known if log.folder.name == run_id), "")

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._due, self._working = set(), False
        for output in self._known:
            output._after_fork()


_flusher = _Flusher()


def last_line(run_id: str) -> str:
    """What a run of this process printed last, by the name of its folder; '' if nothing is known."""
    return _flusher.last_line(run_id)


_forks_watched = False


def _watch_forks() -> None:
    global _forks_watched
    if not _forks_watched:
        _forks_watched = True
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """A forked child has one thread: locks that another one held would never be let go."""
    global _lock
    _lock = threading.Lock()
    _flusher._after_fork()
