"""One ipykernel in a process of its own, which executes the code it is asked to.

Start, signals, output and end are those of any child (child.py), so the kernel dies with this process, grandchildren
included. It listens on sockets in a folder that only this user can enter, and that is gone once it has answered.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import frozen

from ..errors import Error
from .child import Child, Status

SHUTDOWN_S = 2.0
"""How long a kernel may take to end by itself (its atexit hooks run) before it is killed."""

# What it writes reaches our pipes as it is, and it takes no part in the user's IPython history.
_OPTIONS = ("--IPKernelApp.capture_fd_output=False", "--HistoryManager.enabled=False")
_SOCKET_PATH = 80  # bytes that the folder's path may have: a socket's path holds about 100
# What ties this process to whoever started it. (On macOS PYTHONEXECUTABLE would make another Python of it.)
_NOT_INHERITED = frozenset(
    [
        "JPY_INTERRUPT_EVENT",
        "PYTHONEXECUTABLE",
        "SWEEPWIDGET_RUN",
        "SWEEPWIDGET_SWEEP",
        "WANDB_RUN_ID",
        "WANDB_SWEEP_ID",
        "WANDB_SWEEP_PARAM_PATH",
    ]
)


@frozen
class Reply:
    """What came of a request."""

    error: str = ""
    """`ZeroDivisionError: division by zero`, or ''."""


class KernelProcess:
    """A kernel that is being started; requests wait until it listens. One thread at a time, except `send`.

    >>> kernel = KernelProcess(os.environ, cwd=".")      # doctest: +SKIP
    >>> request = kernel.ask("print(6 * 7)")      # doctest: +SKIP
    >>> while kernel.reply(request) is None and kernel.status() is None:      # doctest: +SKIP
    ...     for stream, data in kernel.read(0.1):
    ...         print(data)
    >>> kernel.close()      # doctest: +SKIP
    """

    def __init__(self, env: Mapping[str, str], cwd: str | Path, litter: Sequence[Path] = ()) -> None:
        """Starts at once, and does not wait. Raises Error if the process cannot be started. See `Child` for `litter`."""
        from jupyter_client.session import Session

        zmq: Any = import_module("zmq")  # mypy cannot follow its stubs

        self._folder = Path(tempfile.mkdtemp(prefix="sw-", dir=_short_folder()))
        self._shell = zmq.Context.instance().socket(zmq.DEALER)
        self._shell.linger, self._shell.reconnect_ivl = 0, 10  # ms
        self._replies: dict[str, Reply] = {}
        key = secrets.token_hex(16).encode()
        self._session = Session(key=key)
        try:
            file, url = _connection(self._folder, key)
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", file, *_OPTIONS]
            self._child = Child(argv, _environment(env), cwd, [self._folder, *litter])
        except (OSError, ValueError) as error:
            self._shell.close()
            self._forget_folder()
            raise Error(f"no kernel could be started in {os.fspath(cwd)!r}: {error}") from error
        self._shell.connect(url)
        self._child.pipes.wake_on(self._shell.getsockopt(zmq.FD))

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def sent(self) -> set[int]:
        """Signals that `send` was asked for."""
        return self._child.sent

    def ask(self, code: str) -> str:
        """Have it execute code behind what it executes now; the id goes to `reply`."""
        return self._ask("execute_request", code=code, silent=True, stop_on_error=False, allow_stdin=False)

    def reply(self, request: str) -> Reply | None:
        """What came of a request, once; None if nothing has yet."""
        self._receive()
        return self._replies.pop(request, None)

    def read(self, timeout_s: float) -> Iterator[tuple[str, bytes]]:
        """(stream, bytes) that its process wrote, or else the first of that, or a reply, to come within `timeout_s`."""
        return self._child.pipes.read(0.0 if self._receive() else timeout_s)

    def written(self) -> Iterator[tuple[str, bytes]]:
        """What is in the pipes: all that it wrote before the last reply, or before its end."""
        for _ in range(2):  # a pipe holds no more than two pieces
            yield from self._child.pipes.read(0.0)

    def interrupt(self) -> None:
        """SIGINT to its main thread."""
        self._child.interrupt()

    def send(self, signum: int) -> None:
        """Signal it and all that it started, from any thread."""
        self._child.send(signum)

    def kill(self) -> None:
        """End it and all that it started; `status` tells when."""
        self._child.end_group()

    def status(self) -> Status | None:
        """How it ended; None while it lives."""
        return self._child.status()

    def close(self) -> None:
        """Kill what still lives of it, and let go of it."""
        self.kill()
        self._shell.close()
        self._child.close()
        self._forget_folder()

    def shut_down(self) -> None:
        """Have it end by itself, then close it. Blocks for some 0.2 s."""
        self._ask("shutdown_request", restart=False)
        until = time.monotonic() + SHUTDOWN_S
        while self.status() is None and time.monotonic() < until:
            for _ in self.read(0.02):
                """Nobody listens any more."""
        self.close()

    def _ask(self, kind: str, **content: Any) -> str:
        request = self._session.msg(kind, content)
        self._session.send(self._shell, request)
        return str(request["header"]["msg_id"])

    def _receive(self) -> bool:
        """Take replies in. Whether there were any."""
        before = len(self._replies)
        while (message := self._session.recv(self._shell)[1]) is not None:  # does not wait
            self._forget_folder()  # it has answered: the connection stands, and nobody else needs to find it
            content = message["content"]
            error = "" if content.get("status") == "ok" else f"{content.get('ename')}: {content.get('evalue')}"
            self._replies[message["parent_header"].get("msg_id", "")] = Reply(error)
        return len(self._replies) > before

    def _forget_folder(self) -> None:
        if self._folder.name:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = Path()


def _connection(folder: Path, key: bytes) -> tuple[str, str]:
    """(connection file, address of the shell channel). On POSIX no port is opened, but for the one on which ipykernel hears
    its forks (which needs its key).
    """
    from jupyter_client.connect import write_connection_file

    transport, ip = ("ipc", f"{folder}/k") if os.name == "posix" else ("tcp", "")
    file, at = write_connection_file(f"{folder}/kernel.json", key=key, transport=transport, ip=ip)
    joint = "-" if at["transport"] == "ipc" else ":"
    return file, f"{at['transport']}://{at['ip']}{joint}{at['shell_port']}"


def _short_folder() -> str | None:
    """Where sockets may be made; None: the usual place for temporary files."""
    too_long = os.name == "posix" and len(os.fsencode(tempfile.gettempdir())) > _SOCKET_PATH
    return "/tmp" if too_long else None  # noqa: S108  (mkdtemp makes a folder there that only we can enter)


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    return {
        **{name: value for name, value in env.items() if name not in _NOT_INHERITED},
        "JPY_PARENT_PID": str(os.getpid()),
        "PYTHONUNBUFFERED": "1",
        "SWEEPWIDGET_KERNEL": secrets.token_hex(8),
    }
