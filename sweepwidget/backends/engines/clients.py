"""Loops on a cluster that one talks to through a client: Dask, ipyparallel.

Both go on with loops when this process has gone, and give them to whoever asks next.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ...errors import UsageError
from ...model import Process
from .futures import cancel, chained, interrupt_here


class DaskEngine:
    """A Dask client, or a cluster (dask-jobqueue, dask-kubernetes, LocalCluster) of which we make one.

    Dask runs a loop again by itself when it loses the worker (`allowed-failures` times), as another agent of ours.
    """

    name = "Dask"
    tied = False
    preemption: tuple[str, ...] = ()
    """Loops run beside the worker's main thread, which gets its signals."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._client: Any = None
        self._mine: list[Any] = []
        self._theirs: dict[Future[Any], Any] = {}
        if getattr(backend, "asynchronous", False):
            raise UsageError(f"this Dask {type(backend).__name__} is asynchronous: give agent() one that is not")

    def _connect(self) -> Any:
        from distributed import Client

        if hasattr(self._backend, "get_executor"):
            return self._backend
        if hasattr(self._backend, "_client"):  # an executor of Dask's, which would run identical loops only once
            return self._backend._client
        self._mine.append(Client(self._backend, set_as_default=False))
        return self._mine[0]

    @property
    def closed(self) -> bool:
        return self._client is not None and self._client.status not in ("running", "connecting")

    def submit(self, loop: Callable[[bytes], Any], payload: bytes) -> Future[Any]:
        from distributed import fire_and_forget

        self._client = self._client or self._connect()
        if self.closed:
            raise UsageError(
                "the Dask client of these agents was closed: those at work go on without it; call agent() with a new client"
            )
        # A name of its own, so that no earlier loop says how long it will take: behind one that it believes to end soon Dask
        # leaves another waiting while a worker is idle.
        theirs = self._client.submit(loop, payload, key=f"sweepwidget_{secrets.token_hex(8)}")
        fire_and_forget(theirs)  # goes on when this client has gone
        future = chained(theirs)
        self._theirs[future] = theirs
        future.add_done_callback(lambda ended: self._theirs.pop(ended, None))
        return future

    def withdraw(self, future: Future[Any]) -> None:
        theirs = self._theirs.get(future)
        if theirs is not None and not self.closed:
            theirs.cancel(force=True)

    def interrupt(self, future: Future[Any], process: Process) -> bool:
        return False  # a thread cannot be ended

    def shutdown(self) -> None:
        while self._mine:
            self._mine.pop().close()


class IPyParallelEngine:
    """An ipyparallel client, one of its views, or a cluster that has been started."""

    name = "ipyparallel"
    tied = False
    preemption: tuple[str, ...] = ("SIGTERM",)

    def __init__(self, backend: Any) -> None:
        self._backend = getattr(backend, "view", backend)  # `view.executor` has one
        self._view: Any = None
        self._mine: list[Any] = []
        self._theirs: dict[Future[Any], Any] = {}
        if hasattr(self._backend, "connect_client_sync") and self._backend.controller is None:
            raise UsageError("this ipyparallel cluster has not been started: cluster.start_cluster_sync() first")

    def _connect(self) -> Any:
        view = self._backend
        if hasattr(view, "connect_client_sync"):
            view = view.connect_client_sync()
            self._mine.append(view)
        if hasattr(view, "load_balanced_view"):
            return view.load_balanced_view()
        balanced = type(view).__name__ == "LoadBalancedView"
        return view if balanced else view.client.load_balanced_view(targets=view.targets)

    @property
    def closed(self) -> bool:
        return self._view is not None and bool(self._view.client._closed)

    def submit(self, loop: Callable[[bytes], Any], payload: bytes) -> Future[Any]:
        self._view = self._view or self._connect()
        if self.closed:
            raise UsageError(
                "the ipyparallel client of these agents was closed: those at work go on without it; call agent() with a "
                "new client"
            )
        theirs = self._view.apply_async(loop, payload)
        future = chained(theirs)
        self._theirs[future] = theirs
        future.add_done_callback(lambda ended: self._theirs.pop(ended, None))
        return future

    def withdraw(self, future: Future[Any]) -> None:
        theirs = self._theirs.get(future)
        if theirs is not None and not self.closed:
            self._view.client.abort(theirs, block=False)
            cancel(future)

    def interrupt(self, future: Future[Any], process: Process) -> bool:
        return interrupt_here(process)

    def shutdown(self) -> None:
        while self._mine:
            self._mine.pop().close()
