"""Agents: loops that claim a run, try it and close it, one after another, until there is nothing left to do.

A backend only decides where the loops run. All agents of one `agent()` call share its count and its failure rules.
"""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import Future

from attrs import define, field, frozen

from . import autocontroller, trials
from .agentloop import AgentLoop
from .announcer import Announcer, Listener
from .backends import AgentBackend
from .backends.child import KILL
from .errors import StoreUnavailable, UsageError
from .failures import FailureRules
from .handle import Handle, check_number, raise_bare
from .model import Agent, AgentId, Run, RunState, Sweep, SweepId
from .patience import Patience
from .process import this_process
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


class Agents(Handle):
    """Agents whose loops run in this process, wherever the backend puts them."""

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
        super().__init__(store, sweep.id)
        self._failure, self._begun = "", 0
        self._trial, self._backend = trial, backend
        self._backend_name = backend_name
        self._budget, self._rules = Budget(count or None), rules
        self._announcer = Announcer(listener, metric)
        self._provenance = provenance
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._stopping_now = False
        self._loops: dict[int, bool] = {}
        """Slot → whether its loop was told that it is not wanted any more."""
        self._working: dict[int, Run] = {}
        self._target = 0
        self._errors: list[BaseException] = []
        self._over = False
        self._patience = Patience()
        self._controller = autocontroller.steer(store, sweep.id) if steer else None

    # -- for the user -------------------------------------------------------------------------------------------

    @property
    def begun(self) -> int:
        return self._begun

    @property
    def failure(self) -> str:
        return self._failure

    @property
    def running(self) -> list[str]:
        with self._lock:
            return [run.id for run in self._working.values()]

    def stop(self, now: bool = False) -> None:
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
        check_number(n)
        with self._lock:
            self._target = n
            self._backend.slots = max(self._backend.slots, n)
            if self._over and n:
                raise UsageError(f"these agents have ended; start others with agent({self.sweep_id!r}, …)")
            missing = [slot for slot in range(n) if slot not in self._loops]
            self._loops |= dict.fromkeys(missing, False)  # all are known before the first can end
        for i, slot in enumerate(missing):
            try:
                self._begin(slot)
            except BaseException:
                for never in missing[i + 1 :]:
                    self._ended(never, None)
                raise
        self._here.bell.ring()

    def __repr__(self) -> str:
        state = "done" if self.done else f"{len(self._loops)} at work, {self._begun} runs begun"
        return f"<agents of sweep {self.sweep_id}: {state}>"

    # -- for whoever started them -------------------------------------------------------------------------------

    def close(self) -> None:
        self._announcer.close()

    def raise_error(self) -> None:
        if self._errors:
            raise_bare(self._errors[0])

    def send(self, signum: int) -> bool:
        return isinstance(self._trial, ProcessTrial) and self._trial.send(signum)

    def abandon(self) -> list[Run]:
        """Programs and kernels have their kill delay before the grace; another interrupt kills them."""
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
            dismissed = self._loops.pop(slot, False)
            # One that was on its way out when it was wanted again: `scale` has still seen it here.
            again = dismissed and not self._leaves(slot)
            if again:
                self._loops[slot] = False
            elif self._loops or self._over:
                return
            else:
                self._over = True
        if again:
            self._begin(slot)
            return
        try:
            with contextlib.ExitStack() as ends:  # from the last to the first, each whatever became of the others
                ends.callback(self.close)
                ends.callback(self._trial.close)
                ends.callback(self._backend.shutdown)
                if self._controller is not None:
                    ends.callback(autocontroller.let_go, self._controller)
        except Exception as error:  # noqa: BLE001  whoever waits must be told, whatever it is
            self._errors.append(error)
        finally:
            self._say_finished()

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
        with self._lock:
            self._loops[slot] = self._leaves(slot)
            return self._loops[slot]

    def _leaves(self, slot: int) -> bool:
        return self._stopping.is_set() or slot >= self._target

    def _began(self, slot: int, run: Run) -> None:
        with self._lock:
            self._working[slot] = run
            self._begun += 1
            late = self._stopping_now  # it was claimed while the others were told to stop
        self._announcer.started(run)
        if late:
            self._store.stop([run.id], "the agent was stopped", RunState.killed)

    def _came_of(self, slot: int, ended: trials.Ended, closed: Run | None) -> None:
        with self._lock:
            self._working.pop(slot, None)
        if closed is not None:
            self._announcer.ended(closed)
            if closed.state is RunState.preempted:
                self._budget.give_back()  # it is to be run again, and does not count twice
        if ended.counted and (why := self._rules.after(ended.outcome.state, time.monotonic())):
            self._failure = why
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
        if (controller := self.agents._controller) is not None:
            controller.hurry()
        return True

    def began(self, run: Run) -> None:
        self.agents._began(self.number, run)

    def ended(self, run: Run, ended: trials.Ended, closed: Run | None) -> None:
        self.agents._came_of(self.number, ended, closed)
