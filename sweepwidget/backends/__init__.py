"""Backends run functions somewhere. New backend: a new file, and one line in `_BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar, runtime_checkable

from ..errors import UsageError
from .inline import InlineBackend
from .thread import ThreadBackend

T = TypeVar("T")


@runtime_checkable
class AgentBackend(Protocol):
    """Runs functions: a `concurrent.futures.Executor`, plus how many at once and how to interrupt one."""

    slots: int
    """How many functions run at the same time; further ones wait."""

    def submit(self, fn: Callable[..., T], /, *args: Any) -> Future[T]:
        """Run `fn(*args)`; what it sets in context variables ends with it. Whatever it raises is the future's."""

    def interrupt(self, future: Future[Any]) -> bool:
        """End a function early. False: cannot; it ends at its run's next `log()`."""

    def shutdown(self) -> None:
        """Take nothing more: what waits is cancelled, what runs is left to its end. Harmless when repeated."""


_BACKENDS: Mapping[str, Callable[[int], AgentBackend]] = {
    "thread": ThreadBackend,
    "inline": InlineBackend,
}


def backend_for(backend: str | AgentBackend, slots: int = 1) -> AgentBackend:
    """The backend of a name with so many slots, or the backend object that was given, as it is.

    >>> backend_for("thread", 2).slots
    2
    """
    if not isinstance(backend, str):
        return _checked(backend)
    if backend not in _BACKENDS:
        known = ", ".join(map(repr, sorted(_BACKENDS)))
        raise UsageError(
            f"unknown backend {backend!r}: expected {known}, or an object with slots, submit, interrupt and shutdown"
        )
    if isinstance(slots, bool) or not isinstance(slots, int) or slots < 1:
        raise UsageError(f"backend {backend!r}: expected a whole number of slots from 1 on, got {slots!r}")
    return _BACKENDS[backend](slots)


def _checked(backend: AgentBackend) -> AgentBackend:
    if not isinstance(backend, AgentBackend):
        raise UsageError(
            f"agents cannot run on {backend!r}: expected 'thread', 'kernel', 'inline', 'ray', or a cluster itself: a Dask or "
            "ipyparallel client, a submitit executor, any concurrent.futures.Executor (ProcessPoolExecutor for processes)"
        )
    return backend
