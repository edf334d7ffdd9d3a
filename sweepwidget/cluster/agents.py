"""The handle of agents on somebody else's cluster: what `agent(..., backend=<engine>, block=False)` returns.

Their loops run in the engine's workers (`worker.work`) and do as the store says; this process oversees them, shows what the
store tells of them, and steers the sweep beside them. When it dies, they go on (unless the engine ends with it).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from .. import autocontroller
from ..announcer import Announcer, Listener
from ..backends.engines import Engine
from ..backends.shipping import pack
from ..failures import FailureRules
from ..handle import Handle, check_number, raise_bare
from ..loop import event_loop, spawn
from ..model import Run, Sweep, SweepId
from ..process import this_process
from ..store import Store
from .crew import Event
from .overseer import Overseer
from .worker import DEFAULT_IDLE_S, Job

REST_S = 0.02
"""At least this between two steps."""
GRACE_S = 5.0
"""How long an interrupted run may take to reach its next `log()` before its worker is interrupted, too."""


class ClusterAgents(Handle):
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
        super().__init__(store, sweep.id)
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
            steer=steer and autocontroller.own(store, SweepId(sweep.id)) == (None, None),
            idle_s=idle_s,
            cwd=str(Path.cwd()),
            kill_delay_s=kill_delay_s,
            tied=engine.tied,
            preemption=engine.preemption,
        )
        self._engine = engine
        self._announcer = Announcer(listener, metric)
        self._overseer = Overseer(store, engine, job, count or None, self._tell)
        self._crew = self._overseer.crew
        self._controller = autocontroller.steer(store, sweep.id) if steer else None
        self._lock = threading.Lock()
        self._wake, self._woken = asyncio.Event(), False
        self._task: Future[None] | None = None
        if engine.tied:
            _end_at_exit()
            _tied.add(self)

    # -- for the user -------------------------------------------------------------------------------------------

    @property
    def running(self) -> list[str]:
        return list(self._crew.working)

    @property
    def begun(self) -> int:
        return self._crew.begun

    @property
    def failure(self) -> str:
        """Why the failure rules of an agent ended it, or ''. Each agent has its own, as W&B's have."""
        return self._overseer.failure

    def stop(self, now: bool = False) -> None:
        self._overseer.stop(now)
        self._step_soon()

    def scale(self, n: int) -> None:
        check_number(n)
        self._overseer.want(n)
        with self._lock:
            if self._task is None and n:
                self._task = spawn(self._oversee())
        self._step_soon()

    def __repr__(self) -> str:
        state = "done" if self.done else f"{len(self._crew.agents)} at work on {self._engine.name}"
        return f"<agents of sweep {self.sweep_id}: {state}, {self.begun} runs begun>"

    # -- for whoever started them -------------------------------------------------------------------------------

    def close(self) -> None:
        self._announcer.close()

    def raise_error(self) -> None:
        if self._overseer.errors:
            raise_bare(self._overseer.errors[0])

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
                while (pause_s := await asyncio.to_thread(self._step)) is not None:
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), pause_s)
                    await asyncio.sleep(REST_S)
                    self._wake.clear()
                    self._woken = False
        except Exception as error:  # noqa: BLE001  whoever waits must be told, whatever it is
            self._overseer.errors.append(error)
        finally:
            # Not on a thread of the loop's: letting go waits for the controller, which needs one of those itself.
            threading.Thread(target=self._end, name="sweepwidget-agents-end", daemon=True).start()

    def _step(self) -> float | None:
        error = None if self._controller is None else self._controller.error
        if error is not None and not self._overseer.errors:  # workers wait for runs that nobody will suggest
            self._overseer.errors.append(error)
            self._overseer.stop(now=False)
        return self._overseer.step()

    def _end(self) -> None:
        let_go = functools.partial(autocontroller.let_go, self._controller) if self._controller is not None else None
        for action in (self._overseer.end, let_go, self._engine.shutdown, self.close):
            try:
                if action is not None:
                    action()
            except Exception as error:  # noqa: BLE001  as above
                self._overseer.errors.append(error)
        self._say_finished()


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
