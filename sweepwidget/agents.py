"""Agents: loops that claim a run, try it and close it, one after another, until there is nothing left to do.

A backend only decides where the loops run. All agents of one `agent()` call share its count and its failure rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

from attrs import define, field, frozen

from . import autocontroller, trials
from .agentloop import AgentLoop
from .announcer import Announcer, Listener
from .backends import AgentBackend
from .backends.child import KILL
from .errors import StoreError, StoreUnavailable, UsageError
from .failures import FailureRules
from .model import Agent, AgentId, Outcome, Run, RunState, Sweep, SweepId
from .participant import participant
from .patience import Patience
from .process import this_process
from .pump import pump_while
from .store import Store
from .term import termlog
from .trials.process import ProcessTrial

INTERRUPT_GRACE_S = 5.0
"""How long an interrupted run may take to reach its next `log()` before it is given up."""


@define
class Budget:
    """How many runs may still be begun; None: no limit."""

    left: int | None
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def take(self) -> tuple[bool, int | None]:
        """(whether one may begin, how many could, this one included)."""
        with self._lock:
            if self.left is None:
                return True, None
            if self.left <= 0:
                return False, 0
            self.left -= 1
            return True, self.left + 1

    def give_back(self) -> None:
        with self._lock:
            if self.left is not None:
                self.left += 1


class Agents:
    """Agents at work: what `agent(..., block=False)` returns.

    >>> agents = wandb.agent(sweep_id, function=train, count=20, block=False)      # doctest: +SKIP
    >>> agents.scale(4); agents.wait()      # doctest: +SKIP
    """

    def __init__(
        self,
        store: Store,
        sweep: Sweep,
        trial: trials.Trial,
        backend: AgentBackend,
        *,
        backend_name: str,
        count: int | None,
        rules: FailureRules,
        provenance: str = "",
        listener: Listener | None = None,
        steer: bool = True,
        metric: str | None = None,
    ) -> None:
        self.id = secrets.token_hex(4)
        self.sweep_id: str = sweep.id
        self.failure: str = ""
        """Why the failure rules ended it, or ''."""
        self.begun = 0
        """Runs begun so far."""
        self._store, self._sweep, self._trial, self._backend = store, sweep, trial, backend
        self._backend_name = backend_name
        self._budget, self._rules = Budget(count or None), rules
        self._announcer = Announcer(listener, metric)
        self._provenance = provenance
        self._here = participant(store)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._stopping_now = False
        self._finished = threading.Event()
        self._loops: dict[int, Future[None]] = {}
        self._working: dict[int, Run] = {}
        self._target = 0
        self._callbacks: list[Callable[[], object]] = []
        self._errors: list[BaseException] = []
        self._over = False
        self._patience = Patience()
        self._controller = autocontroller.steer(store, sweep.id) if steer else None

    # -- for the user -------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether all loops have ended."""
        return self._finished.is_set()

    @property
    def running(self) -> list[str]:
        """Ids of the runs being worked on."""
        with self._lock:
            return [run.id for run in self._working.values()]

    def wait(self, timeout: float | None = None) -> bool:
        """Block until all agents have ended (True) or `timeout` seconds are over (False). Raises what ended them:
        a StoreError, or the error of the user's own search function.
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
        self._stopping.set()
        if now:
            with self._lock:
                self._stopping_now = True
                runs = list(self._working.values())
            if runs:
                with contextlib.suppress(StoreUnavailable):  # the runs of this process are told all the same
                    self._store.stop([run.id for run in runs], "the agent was stopped", RunState.killed)
                for run in runs:
                    active = self._here.runs.get((run.id, run.attempt))
                    if active is not None:
                        active.order_stop("the agent was stopped", RunState.killed)
        self._here.bell.ring()

    def scale(self, n: int) -> None:
        """Have n agents work: more are started at once, surplus ones end after their current run."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise ValueError(f"scale(n) takes a number of agents, 0 or more, not {n!r}")
        with self._lock:
            self._target = n
            self._backend.slots = max(self._backend.slots, n)
            if self._over and n:
                raise UsageError(f"these agents have ended; start others with agent({self.sweep_id!r}, …)")
            missing = [slot for slot in range(n) if slot not in self._loops]
            self._loops |= {slot: Future() for slot in missing}  # all are known before the first can end
        for i, slot in enumerate(missing):
            try:
                self._begin(slot)
            except BaseException:
                for never in missing[i + 1 :]:
                    self._ended(never, None)
                raise
        self._here.bell.ring()

    def __repr__(self) -> str:
        state = "done" if self.done else f"{len(self._loops)} at work, {self.begun} runs begun"
        return f"<agents of sweep {self.sweep_id}: {state}>"

    # -- for whoever started them -------------------------------------------------------------------------------

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call once all loops have ended (at once if they have); from any thread."""
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
        if self._errors:
            raise self._errors[0]

    def send(self, signum: int) -> bool:
        """Signal the programs that run now. False if there are none (a function has no process of its own)."""
        return isinstance(self._trial, ProcessTrial) and self._trial.send(signum)

    def abandon(self) -> list[Run]:
        """Stop now. Runs that do not react within the grace (programs have their kill delay before) are closed as killed;
        another interrupt ends the waiting, and kills programs. Returns the runs that are still in their code.
        """
        try:
            return self._abandon()
        finally:
            self._patience.over.set()

    def _abandon(self) -> list[Run]:
        self.stop(now=True)
        grace_s = INTERRUPT_GRACE_S
        if isinstance(self._trial, ProcessTrial) and self.running:
            termlog(f"Waiting: {self._trial.stopping}. Press Ctrl + C again to kill them.")
            grace_s += self._trial.kill_delay_s
        try:
            self._wait_at_most(grace_s)
        except KeyboardInterrupt:
            if self.send(KILL):
                self._wait_at_most(INTERRUPT_GRACE_S)
        with self._lock:
            stuck = list(self._working.values())
        for run in stuck:
            self._give_up(run)
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

    # -- one loop -----------------------------------------------------------------------------------------------

    def _begin(self, slot: int) -> None:
        try:
            future = self._backend.submit(self._work, slot)
        except BaseException as error:  # an interrupt on the calling thread (inline), a backend that cannot start
            failed: Future[None] = Future()
            failed.set_exception(error)
            self._ended(slot, failed)
            raise
        future.add_done_callback(lambda ended: self._ended(slot, ended))

    def _ended(self, slot: int, loop: Future[None] | None) -> None:
        """A loop has ended; None if it never began."""
        error = loop.exception() if loop is not None and not loop.cancelled() else None
        if error is not None:
            self._errors.append(error)
            self._stopping.set()
        with self._lock:
            self._loops.pop(slot, None)
            if self._loops or self._over:
                return
            self._over = True
        try:
            if self._controller is not None:
                autocontroller.let_go(self._controller)
            self._backend.shutdown()
            self._trial.close()
            self.close()
        except Exception as error:  # noqa: BLE001  whoever waits must be told, whatever it is
            self._errors.append(error)
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
            self._finished.set()
        for callback in callbacks:
            callback()

    def _work(self, slot: int) -> None:
        agent = Agent(
            AgentId(f"{self.id}-{slot}"),
            SweepId(self.sweep_id),
            this_process(),
            self._backend_name,
            provenance=self._provenance,
            crew=self.id,
        )
        AgentLoop(self._store, agent, self._trial, _Slot(self, slot)).work()

    def _leaving(self, slot: int) -> bool:
        return self._stopping.is_set() or slot >= self._target

    def _began(self, slot: int, run: Run) -> None:
        with self._lock:
            self._working[slot] = run
            self.begun += 1
            late = self._stopping_now  # it was claimed while the others were told to stop
        self._announcer.started(run)
        if late:
            self._store.stop([run.id], "the agent was stopped", RunState.killed)

    def _came_of(self, slot: int, ended: trials.Ended, closed: Run | None) -> None:
        with self._lock:
            self._working.pop(slot, None)
        if closed is not None:
            self._announcer.ended(closed)
        if ended.counted and (why := self._rules.after(ended.outcome.state, time.monotonic())):
            self.failure = why
            self._stopping.set()
            self._here.bell.ring()
        if ended.interrupted is not None:
            self._stopping.set()


@frozen
class _Slot:
    """One of the agents, as its loop sees whom it works for."""

    agents: Agents
    number: int

    @property
    def patience(self) -> Patience:
        return self.agents._patience

    def leaving(self) -> bool:
        return self.agents._leaving(self.number)

    def take(self) -> tuple[bool, int | None]:
        return self.agents._budget.take()

    def give_back(self) -> None:
        self.agents._budget.give_back()

    def trouble(self) -> BaseException | None:
        controller = self.agents._controller
        return None if controller is None else controller.error

    def waits_on(self, idle_s: float) -> bool:
        return True

    def began(self, run: Run) -> None:
        self.agents._began(self.number, run)

    def ended(self, run: Run, ended: trials.Ended, closed: Run | None) -> None:
        self.agents._came_of(self.number, ended, closed)
