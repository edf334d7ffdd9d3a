"""Which process is this, and does that one still live? A pid alone does not say: pids are used again.

A process is named by its pid and the moment it began, as the kernel counts it (never by the wall clock, which jumps).
"""

from __future__ import annotations

import functools
import os
import socket
import sys
from pathlib import Path

from .model import Process

_LINUX = sys.platform.startswith("linux")
_DEAD = frozenset("ZXx")
"""States of /proc/<pid>/stat in which a process will never run again (a zombie waits only to be counted)."""


def this_process() -> Process:
    """The calling process. Cheap after the first call; right again after a fork."""
    return _this(os.getpid())


def is_alive(process: Process) -> bool | None:
    """Whether that process still lives; None where it cannot be looked at (another machine, another container)."""
    here = this_process()
    if process == here:
        return True
    if (process.host, process.space) != (here.host, here.space):
        return None
    return _alive_linux(process) if _LINUX else _alive_psutil(process)


@functools.lru_cache(maxsize=1)
def _this(pid: int) -> Process:
    if _LINUX:
        return Process(socket.gethostname(), pid, _stat(pid)[19], _space())
    import psutil

    return Process(socket.gethostname(), pid, repr(psutil.Process(pid).create_time()))


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on (state); the second may hold blanks and parentheses."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()


def _space() -> str:
    """Boot of the kernel and pid namespace (a container has its own pid 1)."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}/{Path('/proc/self/ns/pid').readlink()}"


def _alive_linux(process: Process) -> bool | None:
    try:
        fields = _stat(process.pid)
    except (FileNotFoundError, ProcessLookupError):
        return _hidden(process.pid)
    except OSError:
        return None
    return fields[19] == process.started and fields[0] not in _DEAD


def _hidden(pid: int) -> bool | None:
    """No entry in /proc: dead, unless /proc merely hides other users' processes (hidepid)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return None


def _alive_psutil(process: Process) -> bool | None:
    import psutil

    try:
        other = psutil.Process(process.pid)
        return repr(other.create_time()) == process.started and other.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return None
