"""One agent: claim a run, try it, close it, until there is nothing left to do.

The loop blocks, and works wherever it is called: on a thread of the notebook, or in a worker of a cluster. Whoever it works
for (`Employer`) says when to go home and hears what came of each run.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import time
from typing import Protocol

from attrs import evolve

from .errors import Dismissed
from .model import SWEEP_ENDED, Agent, Run
from .participant import LEASE_S, participant
from .patience import Patience
from .store import Store
from .trials import Ended, Trial, close
from .wire import Denied


class Employer(Protocol):
    """Whom an agent works for. Called on the agent's thread."""

    @property
    def patience(self) -> Patience: ...

    def leaving(self) -> bool:
        """Whether the agent should begin nothing more."""

    def take(self) -> tuple[bool, int | None]:
        """(whether a run may begin, how many could, this one included; None: no limit)."""

    def give_back(self) -> None:
        """The run that was taken did not come."""

    def trouble(self) -> BaseException | None:
        """Why no run will ever come."""

    def waits_on(self, idle_s: float) -> bool:
        """Whether an agent that has found nothing to do for so long should wait on: whoever steers is told that it does."""

    def began(self, run: Run) -> None: ...

    def ended(self, run: Run, ended: Ended, closed: Run | None) -> None:
        """`closed` is the row as it is now; None if somebody else has the run."""


class AgentLoop:
    """>>> AgentLoop(store, agent, trial, employer).work()      # doctest: +SKIP"""

    def __init__(self, store: Store, agent: Agent, trial: Trial, employer: Employer) -> None:
        self.store, self.agent, self.trial, self.employer = store, agent, trial, employer
        self._here = participant(store)
        self._insist = functools.partial(employer.patience.insist, url=store.url)

    def work(self) -> None:
        """Join, work until sent home, leave. Raises what the store or the user's search raised, and KeyboardInterrupt."""
        agent = self.agent
        self._insist(lambda: self.store.join(agent, LEASE_S))
        self._here.keep(agent.id, agent.sweep_id)
        try:
            while not self.employer.leaving():
                may, wanted = self.employer.take()
                if not may:
                    return
                run = self._claim(wanted)
                if run is None:
                    self.employer.give_back()
                    return
                self._try(run)
        finally:
            self._here.forget(agent.id)
            self.trial.leave()
            with contextlib.suppress(Denied):  # a link that is good no more cannot say good-bye
                self._insist(lambda: self.store.leave(agent.id))

    def _claim(self, wanted: int | None) -> Run | None:
        """The next run, waiting for one as long as the sweep may give one."""
        request, bell = secrets.token_hex(8), self._here.bell
        marked, since = False, time.monotonic()
        while not self.employer.leaving():
            seen = bell.count
            try:
                run = self._insist(lambda: self.store.claim(self.agent.id, request, wanted))
            except Dismissed:
                return None
            if run is not None:
                return run
            if (trouble := self.employer.trouble()) is not None:
                raise trouble
            if self._insist(lambda: self.store.sweep(self.agent.sweep_id)).state in SWEEP_ENDED:
                return None
            if marked:
                if not self.employer.waits_on(time.monotonic() - since):
                    return None
                bell.wait(seen, 1.0)
            marked = True  # the first claim rang the bell itself, to say that this agent waits: look once more
        return None

    def _try(self, run: Run) -> None:
        self.employer.began(run)
        ended = self.trial(run)
        if os.getpid() != self._here.pid:
            os._exit(0)  # the function forked, and this is the child that came back from it too
        try:
            closed = self._insist(lambda: close(self.store, run, ended))
        except Denied:  # nobody will hear of it, but it has been at work
            self.employer.ended(run, ended, evolve(run, state=ended.outcome.state, ended_at=time.time()))
            raise
        self.employer.ended(run, ended, closed)
        if ended.interrupted is not None:
            raise ended.interrupted
