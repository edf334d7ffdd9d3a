"""Kills a process group when this process dies, however it dies, and removes the temporary files it had of this process.

A tiny shell waits on a pipe that only this process holds open: SIGKILL, a crash or a kernel restart closes it, and the
shell ends the group, grandchildren included (`PR_SET_PDEATHSIG` would reach the child alone). On Windows it does nothing.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import weakref
from collections.abc import Sequence
from pathlib import Path

# Two lines come through the pipe: what marks the program before it starts, and its group as soon as it has one. If this
# process dies between the two (measured: 1 of 15 kills aimed at the start), the program is found by its mark, on Linux.
_SHELL = r"""
read -r mark || exit
if read -r group; then
    read -r _
    kill -s KILL -- "-$group"
elif [ "$mark" ]; then
    sleep 0.5
    grep -lsxzF -e "$mark" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do kill -s KILL "$pid"; done
fi
rm -rf -- "$@"
"""


class Sentinel:
    """Start it before the group, name the group as soon as it exists, retire it before the group's leader is reaped
    (from then on its number may belong to somebody else). One that is lost kills. `mark` is a variable, `NAME=value`,
    that nobody but this program and its workers has in the environment; `litter` are folders that go with the group.

    >>> sentinel = Sentinel("SWEEPWIDGET_RUN=r1:1")
    >>> child = subprocess.Popen(["true"], env={"SWEEPWIDGET_RUN": "r1:1"}, start_new_session=True)
    >>> sentinel.guard(child.pid)
    >>> sentinel.retire()
    >>> child.wait()
    0
    """

    def __init__(self, mark: str = "", litter: Sequence[Path] = ()) -> None:
        self._shell: subprocess.Popen[bytes] | None = None
        if os.name == "nt":
            return
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _SHELL, "sentinel", *map(os.path.abspath, litter)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": os.defpath},
            start_new_session=True,  # signals to our own group must not take the sentinel with us
        )
        _close_in_forks()
        _sentinels.add(self)
        self._tell(mark)

    def guard(self, group: int) -> None:
        """From now on the group dies with this process."""
        self._tell(str(group))

    def retire(self) -> None:
        """Leave the group alone. Harmless when repeated."""
        if self._shell is None:
            return
        self._shell.kill()  # before the pipe closes: its closing is the signal
        self._shell.wait()
        self._let_go()

    def _tell(self, line: str) -> None:
        if self._shell is not None and self._shell.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # somebody killed the shell: the program runs on unguarded
                self._shell.stdin.write(f"{line}\n".encode())

    def _let_go(self) -> None:
        if self._shell is not None and self._shell.stdin is not None:
            self._shell.stdin.close()


_sentinels: weakref.WeakSet[Sentinel] = weakref.WeakSet()


@functools.cache
def _close_in_forks() -> None:
    """A forked worker (multiprocessing) must not hold the pipes open: it may outlive this process."""
    os.register_at_fork(after_in_child=_let_go_of_all)


def _let_go_of_all() -> None:
    for sentinel in list(_sentinels):
        sentinel._let_go()
