"""A child process: its group, its pipes, and its end as long as nobody has collected it.

Never a shell, never a `preexec_fn` (the kernel has threads). The group dies with this process (see sentinel.py).
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from attrs import frozen

from .sentinel import Sentinel

KILL = 9  # signal.SIGKILL, which Windows does not have


@frozen
class Status:
    """How a process ended: an exit code or a signal; neither if that was lost."""

    code: int | None = None
    signal: int | None = None


class Child:
    """A started program in a session and process group of its own; raises OSError or ValueError if it cannot start.
    The folders of `litter` are removed if this process dies before it is closed.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: str | Path, litter: Sequence[Path] = ()
    ) -> None:
        self.sent: set[int] = set()
        """Signals that `send` was asked for."""
        self._lock = threading.RLock()  # a signal handler may send while its own thread does
        self._gone = False
        self._sentinel = Sentinel(_mark(env), litter)
        try:
            self._process = _popen(argv, env, cwd)
        except (OSError, ValueError):  # it never began
            self._sentinel.retire()
            raise
        self._sentinel.guard(self._process.pid)
        try:
            self.pipes = _ThreadPipes(self._process) if os.name == "nt" else _Pipes(self._process)
        except OSError:  # too many open files
            self.end_group()
            self._sentinel.retire()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, signum: int) -> None:
        """Signal the whole group; nothing happens once it is closed."""
        self.sent.add(signum)
        self._signal(signum)

    def interrupt(self) -> None:
        """SIGINT to the child alone: it is to end its workers itself. Not on Windows, where that reaches no child."""
        with self._lock:
            if not self._gone and os.name != "nt":
                os.kill(self._process.pid, signal.SIGINT)  # Popen.send_signal would collect one that has ended

    def end_group(self) -> None:
        """Kill whatever of the group still runs."""
        self._signal(KILL)

    def status(self) -> Status | None:
        """None while it runs. It is not collected yet: until `close` its group's number cannot become another's."""
        if sys.platform == "win32" or not hasattr(os, "waitid"):  # macOS before Python 3.13
            return _status_of(self._process.poll())
        try:
            info = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return Status()
        if info is None:
            return None
        return Status(code=info.si_status) if info.si_code == os.CLD_EXITED else Status(signal=info.si_status)

    def close(self) -> None:
        """Collect the child, which has ended or was killed."""
        self._sentinel.retire()
        with self._lock:
            self._gone = True
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the system, on a dead network disk perhaps
            self._process.wait(2)
        self.pipes.close()

    def _signal(self, signum: int) -> None:
        with self._lock:
            if not self._gone:
                _signal_group(self._process, signum)


def _mark(env: Mapping[str, str]) -> str:
    """What the child's environment has and this process's has not."""
    marks = ((name, env.get(name, "")) for name in ("SWEEPWIDGET_RUN", "SWEEPWIDGET_KERNEL"))
    return next((f"{name}={value}" for name, value in marks if value and value != os.environ.get(name)), "")


def _popen(argv: Sequence[str], env: Mapping[str, str], cwd: str | Path) -> subprocess.Popen[bytes]:
    settings: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        settings = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(
        list(argv),
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=dict(env),
        **settings,
    )


def _signal_group(process: subprocess.Popen[bytes], signum: int) -> None:
    """POSIX: every process of the group. Windows, best effort: Ctrl-Break to the group, or the end of the tree."""
    if sys.platform == "win32":
        if signum == KILL:
            subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
        else:
            process.send_signal(signal.CTRL_BREAK_EVENT)
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # all of it gone, or another user's by now
        os.killpg(process.pid, signum)


def _status_of(returncode: int | None) -> Status | None:
    if returncode is None:
        return None
    return Status(code=returncode) if returncode >= 0 else Status(signal=-returncode)


def _streams(process: subprocess.Popen[bytes]) -> Mapping[str, IO[bytes]]:
    assert process.stdout is not None
    assert process.stderr is not None
    return {"stdout": process.stdout, "stderr": process.stderr}


class _Pipes:
    """Reads both pipes as they fill, without threads."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._selector = selectors.DefaultSelector()
        self._streams = _streams(process)
        for name, pipe in self._streams.items():
            self._selector.register(pipe, selectors.EVENT_READ, name)

    @property
    def closed(self) -> bool:
        """Whether both have come to their end."""
        return not any(key.data for key in self._selector.get_map().values())

    def wake_on(self, fd: int) -> None:
        """Have `read` return, too, when there is something to read here."""
        self._selector.register(fd, selectors.EVENT_READ, "")

    def read(self, timeout_s: float) -> Iterator[tuple[str, bytes]]:
        """(stream, bytes) that are there, or else the first to come within `timeout_s`."""
        # With nothing left to read, the child is about to end: look again soon.
        for key, _ in self._selector.select(min(timeout_s, 0.01) if self.closed else timeout_s):
            if not key.data:
                continue
            data = os.read(key.fd, 1 << 16)
            if data:
                yield key.data, data
            else:
                self._selector.unregister(key.fileobj)

    def close(self) -> None:
        self._selector.close()
        for pipe in self._streams.values():
            pipe.close()


class _ThreadPipes:
    """The same for Windows, which cannot wait for pipes: a thread each, left behind if a pipe never ends."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        streams = _streams(process)
        self._open = len(streams)
        self._pieces: queue.Queue[tuple[str, bytes]] = queue.Queue(maxsize=64)
        for name, pipe in streams.items():
            threading.Thread(target=self._pump, args=(name, pipe), daemon=True).start()
        self._longest_wait_s = math.inf

    @property
    def closed(self) -> bool:
        return self._open == 0

    def wake_on(self, fd: int) -> None:
        self._longest_wait_s = 0.01

    def read(self, timeout_s: float) -> Iterator[tuple[str, bytes]]:
        with contextlib.suppress(queue.Empty):
            name, data = self._pieces.get(timeout=min(timeout_s, 0.01 if self.closed else self._longest_wait_s))
            if data:
                yield name, data
            else:
                self._open -= 1

    def close(self) -> None:
        """The threads close their pipes."""

    def _pump(self, name: str, pipe: IO[bytes]) -> None:
        with pipe:
            while data := pipe.read(1 << 16):
                self._pieces.put((name, data))
        self._pieces.put((name, b""))
