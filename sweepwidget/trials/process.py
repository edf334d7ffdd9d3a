"""What trials in processes of their own have in common: a program (programtrial.py), a kernel (kerneltrial.py)."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from ..model import Run, RunState
from ..participant import participant
from ..store import Store
from . import Ended


class ProcessTrial(ABC):
    """Tries a row in a process of its own, which ships what it logs; here it is told to stop, signalled and closed."""

    kill_delay_s: float
    """Between the order to stop and SIGKILL."""
    stopping: str
    """How its processes are told to stop, for people: "its programs were told to end (SIGTERM)"."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._workers: set[Worker] = set()

    def send(self, signum: int) -> bool:
        """Signal the processes that work now, their own workers included. False if there are none."""
        workers = list(self._workers)
        for worker in workers:
            worker.send(signum)
        return bool(workers)

    def __call__(self, row: Run) -> Ended:
        folder = self.store.folder / "runs" / row.id
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        worker = Worker(row)
        self._workers.add(worker)
        here = participant(self.store)
        here.add(worker)
        try:
            return self._try(row, folder, worker)
        finally:
            here.remove(worker)
            self._workers.remove(worker)

    @abstractmethod
    def _try(self, row: Run, folder: Path, worker: Worker) -> Ended:
        """Have it done, heeding `worker.told`. `folder` is the run's."""


class Worker:
    """The process at work on a run, for those who must reach it: the participant tells it to stop, `send` signals it."""

    def __init__(self, row: Run) -> None:
        self.id: str = row.id
        self.attempt = row.attempt
        self.told: RunState | None = None
        self._lock = threading.Lock()
        self._early: list[int] = []
        self._send: Callable[[int], None] = self._early.append

    def started(self, send: Callable[[int], None]) -> None:
        """It runs: what was sent before reaches it now."""
        with self._lock:
            self._send = send
            for signum in self._early:
                send(signum)

    def send(self, signum: int) -> None:
        with self._lock:
            self._send(signum)

    def order_stop(self, reason: str, state: RunState | None = None) -> None:
        self.told = self.told or state or RunState.killed

    def flush(self) -> bool:
        """It ships its own points."""
        return False

    def remind(self) -> None:
        """A process that does not obey is ended."""
