"""Processes that play one role, some of whom are killed and replaced, or all frozen together."""

from __future__ import annotations

import contextlib
import functools
import itertools
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, evolve, field, frozen

from . import roles
from .ledger import BEGAN, Line, read
from .roles import Part
from .verdict import Books

T = TypeVar("T")
ROOT = Path(__file__).parents[2]


@frozen(eq=False)
class Worker:
    part: Part
    process: BaseProcess

    @property
    def book(self) -> Sequence[Line]:
        return read(self.part.ledger)

    @property
    def at_work_on(self) -> Line | None:
        """The last trial that it began, if it has begun any."""
        return next((line for line in reversed(self.book) if line.what == BEGAN), None)


@define
class Crowd:
    """>>> Crowd(roles.agent, part, 4).kill(worker)      # doctest: +SKIP"""

    role: Callable[..., None]
    part: Part
    size: int
    living: list[Worker] = field(factory=list, init=False)
    killed: set[str] = field(factory=set, init=False)
    _closed: dict[str, Sequence[Line]] = field(factory=dict, init=False)
    """The books of those who are gone."""
    _names: Any = field(factory=itertools.count, init=False)

    def __enter__(self) -> Crowd:  # noqa: PYI034  (Self is Python 3.11's)
        for _ in range(self.size):
            self.add()
        return self

    def __exit__(self, *_: object) -> None:
        self.end(0.0)

    def add(self, *args: object) -> Worker:
        """One more of them."""
        part = evolve(self.part, name=f"{self.role.__name__}{next(self._names)}")
        worker = Worker(part, start(self.role, part, *args))
        self.living.append(worker)
        return worker

    def kill(self, worker: Worker) -> float:
        """SIGKILL; when that was."""
        self.living.remove(worker)
        self.killed.add(worker.part.name)
        worker.process.kill()
        at = time.monotonic()
        worker.process.join()
        self._closed[worker.part.name] = worker.book
        return at

    @property
    def books(self) -> Books:
        return {**self._closed, **{worker.part.name: worker.book for worker in self.living}}

    def end(self, patience_s: float) -> int:
        """Wait for all to go home; kill who has not after so long, and return how many that were."""
        deadline = time.monotonic() + patience_s
        for worker in self.living:
            worker.process.join(max(0.0, deadline - time.monotonic()))
        late = [worker for worker in self.living if worker.process.is_alive()]
        for worker in late:
            self.kill(worker)
        self._closed = dict(self.books)
        self.living.clear()
        return len(late)


def start(role: Callable[..., None], part: Part, *args: object) -> BaseProcess:
    """A process that plays `role`."""
    process: BaseProcess = _forks().Process(target=role, args=(part, *args), daemon=True)
    process.start()
    return process


def freeze(processes: Sequence[BaseProcess], seconds: float) -> None:
    """SIGSTOP to all, and after a while SIGCONT."""
    for signum, then_s in ((signal.SIGSTOP, seconds), (signal.SIGCONT, 0.0)):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.kill(process.pid, signum)  # type: ignore[arg-type]
        time.sleep(then_s)


@functools.cache
def _forks() -> Any:
    """Where processes are forked off: one that has found and imported what they need, wherever we are now."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([roles.__name__])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), before)))
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return context


def until(condition: Callable[[], T], timeout_s: float = 30.0, every_s: float = 0.005) -> T:
    """Wait for it and return what it came to, true or not when the time is over."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(every_s)
    return found
