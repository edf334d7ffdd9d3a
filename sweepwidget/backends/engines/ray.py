"""Loops as Ray tasks. Ray ends them when this process ends: it owns them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

import psutil

from ...errors import UsageError
from ...model import Process
from .futures import chained


class RayEngine:
    """The Ray this process is connected to; else a cluster that RAY_ADDRESS or this machine knows, else a local one.

    `decorator` says what each loop gets: `backend=ray.remote(num_gpus=1)`; without it, one CPU.
    """

    name = "Ray"
    tied = False
    preemption: tuple[str, ...] = ("SIGTERM",)

    def __init__(self, decorator: Callable[..., Any] | None = None) -> None:
        self._decorator = decorator
        self._began = self._used = False
        self._refs: dict[Future[Any], Any] = {}

    @property
    def closed(self) -> bool:
        import ray

        return self._used and not ray.is_initialized()

    def submit(self, loop: Callable[[bytes], Any], payload: bytes) -> Future[Any]:
        import ray

        if self.closed:
            raise UsageError("Ray was shut down while these agents were at work: call agent() again")
        if not ray.is_initialized():
            self._begin()
        self._used = True
        remote = self._decorator(loop) if self._decorator is not None else ray.remote(loop)
        ref = remote.options(max_retries=0).remote(payload)  # a lost loop is begun anew by us, as another agent
        future = chained(ref.future())
        self._refs[future] = ref
        future.add_done_callback(lambda ended: self._refs.pop(ended, None))
        return future

    def withdraw(self, future: Future[Any]) -> None:
        self._cancel(future, force=False)

    def interrupt(self, future: Future[Any], process: Process) -> bool:
        return self._cancel(future, force=True)

    def shutdown(self) -> None:
        if self._began:
            import ray

            self._began = False
            ray.shutdown()

    def _begin(self) -> None:
        """Quietly: a notebook's output and its log settings are the user's."""
        import ray

        log = logging.getLogger("ray")
        level = log.level
        log.setLevel(logging.ERROR)
        before = set(_daemons())
        try:
            ray.init(log_to_driver=False, configure_logging=False)
        except Exception:  # too slow a machine, say: Ray leaves what it has started, and the next try starts it again
            _end_daemons(before)
            raise
        finally:
            log.setLevel(level)
        self._began = True

    def _cancel(self, future: Future[Any], *, force: bool) -> bool:
        import ray

        ref = self._refs.get(future)
        if ref is None or self.closed:
            return False
        ray.cancel(ref, force=force)
        return True


def _end_daemons(but: Iterable[psutil.Process]) -> None:
    for daemon in set(_daemons()).difference(but):
        with contextlib.suppress(psutil.Error):
            daemon.kill()


def _daemons() -> Iterator[psutil.Process]:
    """Ray's own processes that this one has started."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any("/ray/" in argument for argument in child.cmdline()[:2]):
                yield child
