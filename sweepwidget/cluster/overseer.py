"""Sees to it that as many loops as wanted are in the hands of an engine. One `step` at a time: look, then act.

What is at work, and what became of it, is read from the store alone; the engine is only believed when it says that a worker
was lost. Blocking: steps belong on a thread.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from attrs import evolve

from .. import errors
from ..backends.engines import Engine
from ..errors import Error, StoreError, StoreUnavailable, UsageError
from ..model import AgentId, Run, RunState
from ..participant import LEASE_S, participant
from ..store import Store
from ..term import termwarn
from .crew import Crew, Event
from .slot import LOSSES_WITHIN_S, Slot
from .worker import Job, Report, work

LOOK_EVERY_S = 5.0
LOOK_AT_END_S = 0.5
AWAY_S = 1.0
"""Between two looks while the store is away."""
LOST_LEASE_S = 2.0
"""What is left of the lease of an agent whose worker the engine has lost."""


class Overseer:
    """Keeps `want(n)` loops of one crew at work until there is nothing left to do.

    `happened` hears of the beginnings and ends of runs. `step` is called by one thread at a time, everything else by any.
    """

    def __init__(
        self, store: Store, engine: Engine, job: Job, count: int | None, happened: Callable[[Event, Run], None]
    ) -> None:
        self.crew = Crew(job.crew)
        self.failure = ""
        """Why the failure rules of an agent ended it, or ''."""
        self.errors: list[BaseException] = []
        self._store, self._engine, self._job, self._count, self._happened = store, engine, job, count, happened
        self._here = participant(store)
        self._lock = threading.RLock()
        self._slots: dict[int, Slot] = {}
        self._target = 0
        self._allowed = self._stopping = self._stopping_now = self._abandoned = self._over = False
        self._sent_home = ""
        self._dismissed: set[AgentId] = set()
        self._alone_since: float | None = None
        self._given_up: list[Error] = []
        self._said: set[str] = set()

    # -- orders: any thread -------------------------------------------------------------------------------------

    def want(self, n: int) -> None:
        """Have n loops at work; UsageError once all is over."""
        with self._lock:
            if self._over and n:
                raise UsageError(f"these agents have ended; start others with agent({self._job.sweep_id!r}, …)")
            self._target = n
            self._slots |= {number: Slot(number) for number in range(n) if number not in self._slots}

    def stop(self, now: bool) -> None:
        """Nothing is begun any more; with `now`, runs are killed at their next `log()`."""
        self._stopping = True
        self._stopping_now = self._stopping_now or now
        with contextlib.suppress(StoreUnavailable):  # the next step tries again
            self._send_home()

    def interrupt(self) -> bool:
        """End the code of the runs at work, where the engine can; whether it could for one."""
        at_work = {run.agent_id for run in list(self.crew.working.values())}
        could = False
        for slot in self._all_slots():
            for agent in self.crew.at(slot.number):
                if agent.id in at_work and slot.future is not None:
                    could |= self._engine.interrupt(slot.future, agent.process)
        return could

    def abandon(self) -> None:
        """Let go of all loops as they are."""
        self._abandoned = True

    # -- a step -------------------------------------------------------------------------------------------------

    def step(self) -> float | None:
        """Returns the seconds until the next step, unless something happens before; None: all is over."""
        if self._abandoned:
            return None
        try:
            self.look()
            self._send_home()
            self._dismiss_surplus()
        except StoreUnavailable as error:
            self._say_once("away", f"{error}\nTrying again until it works; nothing is lost meanwhile.")
            return AWAY_S
        self._said.discard("away")
        now = time.monotonic()
        for slot in self._all_slots():
            self._settle(slot, now)
        if self._begin_one(now):
            return 0.0
        with self._lock:
            self._over = self._is_over(now)
        if self._over:
            return None
        look_s = LOOK_AT_END_S if self._ending or self._count_reached else LOOK_EVERY_S
        return min([look_s, *(max(slot.due_at - now, 0.0) for slot in self._due())])

    def look(self) -> None:
        """Take in what the store says of the crew."""
        if not self._allowed:
            if self._count is not None:
                self._store.allow(self.crew.id, self._job.sweep_id, self._count)
            self._allowed = True
        changes = self._store.changes(self._job.sweep_id, self.crew.cursor, keys=())
        joined = self.crew.apply(changes, self._happened)
        for slot in self._all_slots():
            slot.joined = slot.joined or slot.number in joined

    def end(self) -> None:
        """The last look. A loop that the engine begins after this goes home at once."""
        with self._lock:
            self._over = True
        if self._given_up and not (self._ending or self._abandoned or self._count_reached):
            self.errors.append(self._given_up[0])
        if not self._abandoned:
            self.look()
        if not self.crew.sweep_ended:
            self._store.allow(self.crew.id, self._job.sweep_id, 0)

    def _all_slots(self) -> list[Slot]:
        with self._lock:
            return list(self._slots.values())

    @property
    def _ending(self) -> bool:
        """Whether nothing will be begun any more."""
        return self._stopping or self.crew.sweep_ended

    @property
    def _count_reached(self) -> bool:
        return self._count is not None and self.crew.begun - self.crew.lost >= self._count

    def _is_over(self, now: float) -> bool:
        slots = self._all_slots()
        if any(slot.future is not None or not slot.asleep for slot in slots):
            return False
        if any(slot.asleep == "idle" for slot in slots) and not self._count_reached:
            return False  # the sweep is paused, or may still get runs
        if not self.crew.working:
            return True
        # The run of a lost worker is still to be taken from it. If nobody steers the sweep, nobody will.
        self._alone_since = now if self._alone_since is None else self._alone_since
        return now - self._alone_since > LEASE_S + LOOK_EVERY_S

    # -- agents -------------------------------------------------------------------------------------------------

    def _send_home(self) -> None:
        """Have the store tell all agents to leave, and their runs to stop if that was the order."""
        order = "now" if self._stopping_now else "home" if self._stopping else ""
        if not order or self._sent_home == order:
            return
        self._allowed = True
        self._store.allow(self.crew.id, self._job.sweep_id, 0)
        if order == "now":  # nothing is begun from here on, so these are all
            runs = [run for run in self._store.runs(self._job.sweep_id) if self.crew.works_on(run)]
            if runs:
                self._store.stop([run.id for run in runs], "the agent was stopped", RunState.killed)
            for run in runs:
                active = self._here.runs.get((run.id, run.attempt))
                if active is not None:
                    active.order_stop("the agent was stopped", RunState.killed)
        self._sent_home = order

    def _dismiss_surplus(self) -> None:
        """Agents that nobody wants leave after their current run."""
        with self._lock:
            wanted = {number for number in self._slots if number < self._target}
        surplus = {agent_id for agent_id in self.crew.agents if self.crew.slot_of(agent_id) not in wanted}
        surplus -= self._dismissed
        if not surplus or self._stopping:
            return
        self._store.dismiss(sorted(surplus))
        self._dismissed |= surplus
        numbers = {self.crew.slot_of(agent_id) for agent_id in surplus}
        for slot in self._all_slots():
            slot.dismissed = slot.dismissed or slot.number in numbers

    # -- slots --------------------------------------------------------------------------------------------------

    def _settle(self, slot: Slot, now: float) -> None:
        """See what became of a loop, and whether it is wanted still."""
        if slot.future is not None and (slot.future.done() or self._engine.closed):
            self._ended(slot, slot.future, now)
        with self._lock:  # it may be wanted again at any moment
            unwanted = self._ending or slot.number >= self._target
            if slot.future is None and unwanted:
                self._slots.pop(slot.number, None)
                return
        if slot.wakes(self.crew):
            slot.asleep, slot.due_at = "", now
        elif slot.future is not None and (unwanted or self._count_reached):
            self._take_back(slot, slot.future, now)

    def _take_back(self, slot: Slot, future: Future[Any], now: float) -> None:
        """Nobody wants this loop: one that has not begun is withdrawn, one that has will go home."""
        silent = slot.is_silent(self.crew, now)
        if (silent or not slot.joined) and not slot.withdrawn:
            slot.withdrawn = True
            self._engine.withdraw(future)
        if silent:
            slot.sleep("home", self.crew)

    def _ended(self, slot: Slot, future: Future[Any], now: float) -> None:
        unknown = not future.done() or future.cancelled()
        error = None if unknown else future.exception()
        if slot.withdrawn and (unknown or error is not None):
            slot.sleep("home", self.crew)
        elif unknown:
            # Its client was closed: the loop goes on, and the store tells of it.
            if not self.crew.at(slot.number):
                self._lost(slot, now, "its client was closed, or the loop was cancelled")
        elif error is not None:
            self._lost(slot, now, f"{type(error).__name__}: {error}")
        else:
            self._came_home(slot, Report(**future.result()), now)

    def _came_home(self, slot: Slot, report: Report, now: float) -> None:
        slot.future = None
        if report.end == "home" and slot.dismissed:
            slot.due_at = now  # it was surplus; if it is wanted again by now, it comes back
        elif report.end in ("home", "idle"):
            slot.sleep(report.end, self.crew, report.text)
        elif report.end == "rules":
            self.failure = report.text
            self._drop(slot)
        elif report.end == "preempted" or report.kind == StoreUnavailable.__name__:
            self._lost(slot, now, report.text)
        else:
            self.errors.append(_error_of(report))
            self._stopping = True

    def _lost(self, slot: Slot, now: float, why: str) -> None:
        """A worker is gone, and with it the loop: its run is given to others, and a new loop begins after a while."""
        agents = [agent.id for agent in self.crew.at(slot.number)]
        if agents:
            with contextlib.suppress(StoreError):  # the store would find out by itself, later
                self._store.heartbeat(agents, LOST_LEASE_S)
        pause_s = slot.lost(now)
        if pause_s is None or _hopeless(why):
            self._give_up(slot, why)
            return
        slot.due_at = now + pause_s
        if not self._ending:
            self._say_once(
                "lost",
                f"{self._engine.name} lost the worker of agent {slot.number} ({_short(why)}). Its run waits for another "
                f"agent, and a new loop begins in {pause_s:g} s.",
            )

    def _give_up(self, slot: Slot, why: str) -> None:
        self._drop(slot)
        times = f", {len(slot.losses)} times within {LOSSES_WITHIN_S / 60:.0f} minutes" if len(slot.losses) > 1 else ""
        what = f"{self._engine.name} cannot keep agent {slot.number} of sweep {self._job.sweep_id} at work{times}"
        advice = _advice(why, slot.joined)
        self._given_up.append(Error(f"{what}: {why.strip()}\n{advice}"))
        if not self._ending:
            self._say_once("given up", f"{what}: {_short(why)}\n{advice}")

    def _begin_one(self, now: float) -> bool:
        """Hand one loop to the engine; whether there was one. One at a time: it may take the engine a while."""
        slot = next((slot for slot in self._due() if slot.due_at <= now), None)
        if slot is None:
            return False
        try:
            future = self._engine.submit(work, evolve(self._job, slot=slot.number).packed())
        except UsageError as error:
            self._given_up.append(error)
            self._drop(slot)
        except Exception as error:  # noqa: BLE001  an engine may be away for a while
            self._lost(slot, time.monotonic(), f"{type(error).__name__}: {error}")
        else:
            slot.begin(future)
            future.add_done_callback(lambda _: self._here.bell.ring())
        return True

    def _due(self) -> list[Slot]:
        """Slots that want a loop, now or later."""
        if self._ending:
            return []
        slots = self._all_slots()
        return [slot for slot in slots if slot.future is None and not slot.asleep and slot.number < self._target]

    def _drop(self, slot: Slot) -> None:
        with self._lock:
            self._slots.pop(slot.number, None)

    def _say_once(self, about: str, text: str) -> None:
        if about not in self._said:
            self._said.add(about)
            termwarn(text)


def _error_of(report: Report) -> Error:
    """The error a worker reported, as one of ours where it was."""
    kind = getattr(errors, report.kind, None)
    if isinstance(kind, type) and issubclass(kind, Error):
        return kind(report.text)
    return Error(f"an agent's loop ended with an error:\n{report.text}")


def _hopeless(why: str) -> bool:
    return "No module named 'sweepwidget" in why


def _advice(why: str, joined: bool) -> str:
    if _hopeless(why):
        return "Install sweepwidget on the workers, in the version that runs here."
    if "BrokenProcessPool" in why and not joined:
        return "A script that uses a process pool must make it, and call agent(), below `if __name__ == '__main__':`."
    return "Look at the workers' own logs (out of memory? a time limit?), then call agent() again."


def _short(why: str) -> str:
    line = why.strip().splitlines()[0] if why.strip() else "no reason given"
    return line if len(line) <= 200 else line[:200] + "…"
