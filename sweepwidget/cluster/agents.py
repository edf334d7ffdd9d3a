"""The handle of agents on somebody else's cluster: what `agent(..., backend=<engine>, block=False)` returns.

Their loops run in the engine's workers (`worker.work`) and do as the store says; this process oversees them, shows what the
store tells of them, and steers the sweep beside them. When it dies, they go on (unless the engine ends with it).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from .. import autocontroller, trials
from ..announcer import Announcer, Listener
from ..backends.engines import Engine
from ..backends.shipping import pack
from ..errors import StoreError
from ..failures import FailureRules
from ..loop import event_loop, spawn
from ..model import Outcome, Run, RunState, Sweep, SweepId
from ..participant import participant
from ..process import this_process
from ..pump import pump_while
from ..store import Store
from .crew import Event
from .overseer import Overseer
from .worker import DEFAULT_IDLE_S, Job

REST_S = 0.02
"""At least this between two steps."""
GRACE_S = 5.0
"""How long an interrupted run may take to reach its next `log()` before its worker is interrupted, too."""


class ClusterAgents:
    """Agents at work on a cluster.

    >>> agents = wandb.agent(sweep_id, function=train, agents=8, backend=Client(cluster), block=False)      # doctest: +SKIP
    >>> agents.scale(16); agents.wait()      # doctest: +SKIP

    Without a function the sweep's program is started, in this process's folder. `kill_delay_s` is between SIGTERM and
    SIGKILL for programs; `idle_s` is how long a loop waits for something to do before its worker is free again.
    """

    def __init__(
        self,
        store: Store,
        sweep: Sweep,
        function: Callable[[], Any] | None,
        engine: Engine,
        *,
        count: int | None,
        rules: FailureRules,
        provenance: str = "",
        listener: Listener | None = None,
        steer: bool = True,
        metric: str | None = None,
        kill_delay_s: float = 30.0,
        idle_s: float = DEFAULT_IDLE_S,
    ) -> None:
        self.id = secrets.token_hex(4)
        self.sweep_id: str = sweep.id
        job = Job(
            crew=self.id,
            slot=0,
            link=store.link,
            sweep_id=SweepId(sweep.id),
            function=None if function is None else pack(function),
            rules=rules,
            notebook=this_process(),
            backend=engine.name,
            provenance=provenance,
            # Whoever stands by elsewhere knows nothing of search and stopping functions that this process's user gave.
            steer=steer and (store.link, sweep.id) not in autocontroller._own,
            idle_s=idle_s,
            cwd=str(Path.cwd()),
            kill_delay_s=kill_delay_s,
            tied=engine.tied,
            preemption=engine.preemption,
        )
        self._store, self._engine = store, engine
        self._here = participant(store)
        self._announcer = Announcer(listener, metric)
        self._overseer = Overseer(store, engine, job, count or None, self._tell)
        self._crew = self._overseer.crew
        self._controller = autocontroller.steer(store, sweep.id) if steer else None
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self._finished = threading.Event()
        self._wake, self._woken = asyncio.Event(), False
        self._task: Future[None] | None = None
        if engine.tied:
            _end_at_exit()
            _tied.add(self)

    # -- for the user -------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether all agents have ended."""
        return self._finished.is_set()

    @property
    def running(self) -> list[str]:
        """Ids of the runs being worked on."""
        return list(self._crew.working)

    @property
    def begun(self) -> int:
        """Runs begun so far."""
        return self._crew.begun

    @property
    def failure(self) -> str:
        """Why the failure rules of an agent ended it, or ''. Each agent has its own, as W&B's have."""
        return self._overseer.failure

    def wait(self, timeout: float | None = None) -> bool:
        """Block until all agents have ended (True) or `timeout` seconds are over (False). Raises what ended them: a
        StoreError, the error of the user's own search function, or an Error that tells why the engine lost them.
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
        self.when_done(lambda: loop.call_soon_threadsafe(ended.set))
        await ended.wait()
        self.raise_error()

    def stop(self, now: bool = False) -> None:
        """End the agents: after their current runs, or `now` (runs are killed at their next `log()`)."""
        self._overseer.stop(now)
        self._step_soon()

    def scale(self, n: int) -> None:
        """Have n agents work: more are started at once, surplus ones end after their current run."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise ValueError(f"scale(n) takes a number of agents, 0 or more, not {n!r}")
        self._overseer.want(n)
        with self._lock:
            if self._task is None and n:
                self._task = spawn(self._oversee())
        self._step_soon()

    def __repr__(self) -> str:
        state = "done" if self.done else f"{len(self._crew.agents)} at work on {self._engine.name}"
        return f"<agents of sweep {self.sweep_id}: {state}, {self.begun} runs begun>"

    # -- for whoever started them -------------------------------------------------------------------------------

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call once all agents have ended (at once if they have); from any thread."""
        with self._lock:
            if not self._finished.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def close(self) -> None:
        """The last look at the progress."""
        self._announcer.close()

    def raise_error(self) -> None:
        """Raise what ended the agents, if it was an error."""
        if self._overseer.errors:
            raise self._overseer.errors[0]

    def send(self, signum: int) -> bool:
        """False: signals do not reach the cluster."""
        return False

    def abandon(self) -> list[Run]:
        """Stop now. Runs that do not react within the grace have their workers interrupted, where the engine can; what is
        still in its code then is closed as killed, and returned. Another interrupt ends the waiting.
        """
        self.stop(now=True)
        try:
            self._wait_at_most(GRACE_S)
            if self._overseer.interrupt():
                self._wait_at_most(GRACE_S)
        except KeyboardInterrupt:
            self._overseer.interrupt()
        stuck = list(self._crew.working.values())
        for run in stuck:
            self._give_up(run)
        self._overseer.abandon()
        self._step_soon()
        return stuck

    def _give_up(self, run: Run) -> None:
        active = self._here.runs.get((run.id, run.attempt))
        with contextlib.suppress(StoreError):  # if it is away, the spool keeps the points for whoever closes the run
            if active is not None:
                active.flush()
            trials.close(self._store, run, trials.Ended(Outcome(RunState.killed, error="interrupted")))

    def _wait_at_most(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        pump_while(lambda: not self._finished.is_set() and time.monotonic() < until, wake=self._finished)

    # -- overseeing ---------------------------------------------------------------------------------------------

    def _tell(self, event: Event, run: Run) -> None:
        (self._announcer.started if event is Event.started else self._announcer.ended)(run)

    def _step_soon(self) -> None:
        """Many calls, one step."""
        if not self._woken:
            self._woken = True
            event_loop().call_soon_threadsafe(self._wake.set)

    async def _oversee(self) -> None:
        try:
            with self._here.bell.waking(self._step_soon):
                self._here.watch()
                while (pause_s := await asyncio.to_thread(self._overseer.step)) is not None:
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), pause_s)
                    await asyncio.sleep(REST_S)
                    self._wake.clear()
                    self._woken = False
        except Exception as error:  # noqa: BLE001  whoever waits must be told, whatever it is
            self._overseer.errors.append(error)
        finally:
            await asyncio.to_thread(self._end)

    def _end(self) -> None:
        let_go = functools.partial(autocontroller.let_go, self._controller) if self._controller is not None else None
        for action in (self._overseer.end, let_go, self._engine.shutdown, self.close):
            try:
                if action is not None:
                    action()
            except Exception as error:  # noqa: BLE001  as above
                self._overseer.errors.append(error)
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
            self._finished.set()
        for callback in callbacks:
            callback()


# -- pools of this process must not keep it from ending --------------------------------------------------------------

_tied: weakref.WeakSet[ClusterAgents] = weakref.WeakSet()


@functools.cache
def _end_at_exit() -> None:
    """Python waits at its exit for what the pools of `concurrent.futures` run, and these loops may wait for ever.

    Not by atexit: that comes after the waiting. This is what the pools use themselves.
    """
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        register(_stop_all)


def _stop_all() -> None:
    for agents in list(_tied):
        if not agents.done:
            with contextlib.suppress(Exception):
                agents.stop(now=True)
