"""Loops on any `concurrent.futures.Executor`: threads, processes, loky, or what a library derives from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

from ...errors import UsageError
from ...model import Process
from .futures import interrupt_here


class PoolEngine:
    """A pool of processes breaks as a whole when one of them dies: a new one like it takes its place, which is ours."""

    tied = True
    closed = False
    """One that is shut down still tells of what it runs."""
    preemption: tuple[str, ...] = ("SIGTERM",)

    def __init__(self, pool: Executor) -> None:
        is_loky = _is(pool, ("loky", "ProcessPoolExecutor")) or _is(pool, ("joblib", "ProcessPoolExecutor"))
        self.name = "loky" if is_loky else type(pool).__name__
        self._pool, self._mine = pool, False

    def submit(self, loop: Callable[[bytes], Any], payload: bytes) -> Future[Any]:
        try:
            return self._pool.submit(loop, payload)
        except BrokenExecutor:
            self._renew()
            return self._pool.submit(loop, payload)
        except RuntimeError as error:
            raise UsageError(f"this {self.name} takes no agents ({error}): call agent() with a new one") from error

    def withdraw(self, future: Future[Any]) -> None:
        future.cancel()

    def interrupt(self, future: Future[Any], process: Process) -> bool:
        return interrupt_here(process)

    def shutdown(self) -> None:
        if self._mine:
            self._pool.shutdown(wait=False)

    def _renew(self) -> None:
        broken = self._pool
        arguments = next((names for kind, names in _ARGUMENTS.items() if _is(broken, kind)), None)
        if arguments is None:
            raise UsageError(f"this {self.name} is broken, one of its workers died: call agent() with a new one")
        self.shutdown()
        # Its kind, not its class: loky's reusable executor is a singleton that belongs to the user.
        kind = next(base for base in type(broken).__mro__ if base.__name__ == "ProcessPoolExecutor")
        kept = {name: getattr(broken, f"_{name}") for name in arguments if hasattr(broken, f"_{name}")}
        self._pool, self._mine = kind(**kept), True


_LOKY = ("max_workers", "context", "timeout", "initializer", "initargs", "env")
_ARGUMENTS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("concurrent", "ProcessPoolExecutor"): (
        "max_workers",
        "mp_context",
        "initializer",
        "initargs",
        "max_tasks_per_child",  # since Python 3.11
    ),
    ("loky", "ProcessPoolExecutor"): _LOKY,
    ("joblib", "ProcessPoolExecutor"): _LOKY,  # it brings a loky of its own
}
"""(package, class) → the arguments it was made with; it keeps each as an attribute with an underscore before it."""


def _is(pool: Executor, kind: tuple[str, str]) -> bool:
    return any((base.__module__.partition(".")[0], base.__name__) == kind for base in type(pool).__mro__)
