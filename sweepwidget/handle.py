"""The handle of agents at work, wherever they work: wait for them, stop them, have more or fewer."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import Any, NoReturn

from . import trials
from .errors import Error, StoreError
from .model import Outcome, Run, RunState, SweepId
from .participant import participant
from .pump import pump_while
from .store import Store


class Handle(ABC):
    """What `agent(..., block=False)` returns.

    >>> agents = wandb.agent(sweep_id, function=train, count=20, block=False)      # doctest: +SKIP
    >>> agents.scale(4); agents.wait()      # doctest: +SKIP
    """

    def __init__(self, store: Store, sweep_id: SweepId) -> None:
        self.id = secrets.token_hex(4)
        """Of these agents together: the crew that they are in the store."""
        self.sweep_id: str = sweep_id
        self._store, self._here = store, participant(store)
        self._finished = threading.Event()
        self._callbacks: list[Callable[[], object]] = []
        self._callbacks_lock = threading.Lock()

    # -- for the user -------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether all agents have ended."""
        return self._finished.is_set()

    @property
    @abstractmethod
    def running(self) -> list[str]:
        """Ids of the runs being worked on."""

    @property
    @abstractmethod
    def begun(self) -> int:
        """Runs begun so far."""

    @property
    @abstractmethod
    def failure(self) -> str:
        """Why the failure rules ended them, or ''."""

    def wait(self, timeout: float | None = None) -> bool:
        """Block until all agents have ended (True) or `timeout` seconds are over (False). Raises what ended them: a
        StoreError, the error of the user's own search function, or an Error that tells why a cluster lost them.
        """
        if not self._finished.wait(timeout):
            return False
        self.raise_error()
        return True

    def __await__(self) -> Generator[Any, None, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed: this wait was given up, others may go on
                loop.call_soon_threadsafe(ended.set)

        self.when_done(wake)
        await ended.wait()
        self.raise_error()

    @abstractmethod
    def stop(self, now: bool = False) -> None:
        """End the agents: after their current runs, or `now` (runs are killed at their next `log()`)."""

    @abstractmethod
    def scale(self, n: int) -> None:
        """Have n agents work: more are started at once, surplus ones end after their current run."""

    # -- for whoever started them -------------------------------------------------------------------------------

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call once all agents have ended (at once if they have); from any thread."""
        with self._callbacks_lock:
            if not self._finished.is_set():
                self._callbacks.append(callback)
                return
        callback()

    @abstractmethod
    def raise_error(self) -> None:
        """Raise what ended the agents, if it was an error."""

    @abstractmethod
    def send(self, signum: int) -> bool:
        """Signal the processes that runs have of their own. False if there are none."""

    @abstractmethod
    def abandon(self) -> list[Run]:
        """Stop now, and close as killed what does not react within its grace; another interrupt ends the waiting.
        Returns the runs that are still in their code.
        """

    @abstractmethod
    def close(self) -> None:
        """The last look at the progress."""

    # -- for the agents' own side -------------------------------------------------------------------------------

    def _wait_at_most(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        pump_while(lambda: not self._finished.is_set() and time.monotonic() < until, wake=self._finished)

    def _give_up(self, run: Run) -> None:
        """Close a run that does not come back from its code, with all that its spool holds."""
        with contextlib.suppress(StoreError):  # if it is away, the spool keeps the points for whoever closes the run
            ended = trials.Ended(Outcome(RunState.killed, error="interrupted"), elsewhere=True)
            trials.close(self._store, run, ended)

    def _say_finished(self) -> None:
        with self._callbacks_lock:
            callbacks, self._callbacks = self._callbacks, []
            self._finished.set()
        for callback in callbacks:
            callback()


def check_number(n: Any) -> None:
    """ValueError for what is no number of agents."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise ValueError(f"scale(n) takes a number of agents, 0 or more, not {n!r}")


def raise_bare(error: BaseException) -> NoReturn:
    """Raise what ended agents. An Error of ours says all in its message; the user's own is shown where it was raised."""
    if isinstance(error, Error):
        raise error.with_traceback(None) from None
    raise error
