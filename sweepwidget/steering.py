"""Steering a sweep: read what changed, decide, write the decision down. Blocking; whoever holds the lease calls `step`.

A step costs what changed since the last one. The decision itself is `plan`, a pure function; this file only moves data.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from .errors import Fenced
from .model import (
    BY_HAND,
    SWEEP_ENDED,
    Agent,
    AgentId,
    Changes,
    Cursor,
    Lease,
    Run,
    RunState,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from .plan import Plan, plan
from .process import this_process
from .runs import Runs
from .search import OwnSearcher, searcher_for
from .stopping import OwnStopper, Stopper, stopper_for
from .stopwatch import Stopwatch
from .store import Store
from .sweepconfig import SweepConfig
from .targets import Targets

LEASE_S = 10.0
"""How long the right to steer lasts without a renewal (a dead holder on this machine is noticed at once)."""
EXPIRE_EVERY_S = 0.5
LOOK_AHEAD = 64
"""At most so many runs are suggested ahead for each agent, where runs are short."""


class Steering:
    """One sweep as its controller sees it. Thread-safe: steps exclude each other.

    `searcher` and `stopper` are the user's own, if any; else those that the configuration names. `curves` has the mirror
    follow the metrics' values even where no decision needs them. A step decides what it can in `step_s` seconds (at least
    one run), and the next goes on: who waits first then begins first.
    """

    def __init__(
        self,
        store: Store,
        sweep_id: SweepId,
        owner: str,
        searcher: OwnSearcher | None = None,
        stopper: OwnStopper | None = None,
        curves: bool = False,
        step_s: float = math.inf,
    ) -> None:
        self.store = store
        self.owner = owner
        self.lease: Lease | None = None
        self._own_searcher, self._own_stopper = searcher, stopper
        self._wants_curves, self._step_s = curves, step_s
        self._step_lock = threading.RLock()
        self._renewed_at = self._expired_at = self._tried_at = float("-inf")
        self._edited = self._outdated = False
        """Whether all that waits, or some of it, may be of a configuration that has been edited since."""
        self._settled = False
        """Whether nothing was left to decide."""
        self._start_over(store.sweep(sweep_id))

    def _start_over(self, sweep: Sweep) -> None:
        """Begin the mirror anew: at first, and when the configuration was edited. Raises if it cannot be searched."""
        config = SweepConfig.parse(sweep.config)
        own = self._own_searcher.edited(config) if self._own_searcher else None
        self.searcher = Stopwatch(own or searcher_for(config, sweep.seed))
        self.stopper: Stopper | None = self._own_stopper.edited(config) if self._own_stopper else stopper_for(config)
        self.sweep, self.config = sweep, config
        self._reads_curves = bool(self._wants_curves or self.stopper or not self._looks_ahead)
        self.runs = Runs(config.watched, config.goals)
        self.agents: dict[AgentId, Agent] = {}
        self._pace = 1
        self._targets = Targets(config.objectives)
        self._cursor = Cursor()

    # -- reading ------------------------------------------------------------------------------------------------

    def refresh(self) -> Changes:
        """Take in what happened since the last look."""
        with self._step_lock:
            keys = {goal.metric for goal in self.config.goals} if self._reads_curves else set()
            changes = self.store.changes(self.sweep.id, self._cursor, keys)
            if changes.sweep is not None:
                if changes.sweep.config_version != self.sweep.config_version:
                    self._start_over(changes.sweep)
                    self._edited = True
                    return self.refresh()
                self.sweep = changes.sweep
            first, self._cursor = self._cursor == Cursor(), changes.cursor
            version, ended = self.sweep.config_version, len(self.runs.ended)
            self._outdated |= any(run.config_version != version for run in changes.runs)
            self._settled &= not (changes.sweep or changes.runs or changes.agents or self._reads_curves)
            self.runs.apply(changes)
            for agent in changes.agents:
                if agent.gone:
                    self.agents.pop(agent.id, None)
                else:
                    self.agents[agent.id] = agent
            self._set_pace(0 if first else len(self.runs.ended) - ended)  # what ended before the first look is no haste
            return changes

    def _set_pace(self, ended: int) -> None:
        """Twice as many runs ahead for each agent as ended since the last look: the next look may come late."""
        slower = self._pace - self._pace // 4
        self._pace = min(max(2 * ended, slower if ended else 1), LOOK_AHEAD)

    @property
    def _has_target(self) -> bool:
        return any(metric.target is not None for metric in self.config.objectives)

    @property
    def _looks_ahead(self) -> bool:
        return self.searcher.open_loop and not self._has_target

    @property
    def urgent(self) -> bool:
        """Whether an agent waits for the next step, or will when its run ends."""
        return not self._looks_ahead or any(agent.waiting for agent in self.agents.values())

    @property
    def ended(self) -> bool:
        return self.sweep.state in SWEEP_ENDED

    @property
    def over(self) -> bool:
        """Whether nothing is left to do: the sweep has ended, and so have its runs (those of the dead are closed first)."""
        return self.ended and not self.runs.active

    def demand(self) -> int:
        """How many more runs the agents want now: one for each that waits and, where suggestions do not depend on
        results, some ahead for each that works (never more than they said they would still take).
        """
        waiting = len(self.runs.waiting)
        if not self._looks_ahead:
            return sum(agent.waiting for agent in self.agents.values()) - waiting
        groups: dict[str, list[Agent]] = defaultdict(list)
        for agent in self.agents.values():
            groups[agent.crew or agent.id].append(agent)
        return sum(_wanted_by(group, self._pace) for group in groups.values()) - waiting

    # -- the lease ----------------------------------------------------------------------------------------------

    def hold(self, force: bool = False) -> bool:
        """Take or renew the lease; False while somebody else steers."""
        now = time.monotonic()
        if self.lease is not None and now - self._renewed_at < LEASE_S / 3:
            return True
        if self.lease is None and now - self._tried_at < EXPIRE_EVERY_S and not force:
            return False
        return self._acquire(force)

    def _acquire(self, force: bool = False) -> bool:
        now = self._tried_at = time.monotonic()
        self.lease = self.store.acquire(self.sweep.id, self.owner, this_process(), LEASE_S, force)
        self._renewed_at = now
        return self.lease is not None

    def leave(self) -> None:
        """Let somebody else steer. The last one here takes back what nobody has begun, and looks once more when the lease is
        free: whoever left while it was held could not do it.
        """
        with self._step_lock, contextlib.suppress(Fenced):
            for _ in range(2):
                self.withdraw()
                self.release()

    def release(self) -> None:
        """Let somebody else steer."""
        if self.lease is not None:
            self.store.release(self.lease)
            self.lease = None

    # -- deciding -----------------------------------------------------------------------------------------------

    def step(self, force: bool = False) -> Plan | None:
        """One look and one decision. None while somebody else steers."""
        with self._step_lock:
            try:
                if not self.hold(force):
                    return None
                self._expire()
                self.refresh()
                self._take_back_outdated()
                if self.sweep.state is SweepState.PENDING and self.agents:
                    self.begin()
                if self._settled:
                    return Plan()
                demand = int(min(max(self.demand(), 0), self.searcher.within(self._step_s)))
                decided = plan(
                    self.sweep, self.config, self.runs, demand, self.searcher, self.stopper, targets=self._targets
                )
                self._write(decided)
                self._settled = not (demand or decided.add or decided.stop or decided.finish)
            except Fenced:
                self.lease = None
                return None
            return decided

    def begin(self) -> None:
        """PENDING → RUNNING."""
        if self.sweep.state is SweepState.PENDING:
            self.sweep = self.store.set_state(self.sweep.id, SweepState.RUNNING, lease=self.lease)

    def add(self, suggestions: Sequence[Suggestion]) -> Sequence[Run]:
        """Write suggestions down as waiting runs, each with a seed of its own."""
        assert self.lease is not None
        first = self.runs.last_number + 1
        seeds = [run_seed(self.sweep.seed, first + i) for i in range(len(suggestions))]
        added = self.store.add_runs(self.lease, suggestions, seeds)
        self.runs.apply_rows(added)
        return added

    def _write(self, decided: Plan) -> None:
        if decided.add:
            self.add(decided.add)
        for run_id, reason in decided.stop.items():
            self.store.stop([run_id], reason)
        if decided.finish:
            self.sweep = self.store.set_state(self.sweep.id, SweepState.FINISHED, decided.finish, self.lease)

    def withdraw(self) -> None:
        """Where nobody works any more, take suggestions back that were made ahead and never begun, whoever made them.
        Harmless while somebody else steers: then they are that one's.
        """
        self.refresh()
        if self.agents or self.sweep.state is not SweepState.RUNNING:
            return
        self._take_back(self._unbegun())

    def _take_back_outdated(self) -> None:
        """An edit counts from the next run that begins, so what nobody has begun is suggested anew."""
        if not (self._edited or self._outdated):
            return
        version = self.sweep.config_version
        self._take_back([run for run in self._unbegun() if self._edited or run.config_version != version])
        self._edited = self._outdated = False

    def _unbegun(self) -> list[Run]:
        """Suggestions that nobody has begun: not what somebody added by hand, nor what is to be begun again."""
        return [
            run
            for run in self.runs.waiting.values()
            if run.state is RunState.pending and run.attempt == 1 and not run.info.get(BY_HAND)
        ]

    def _take_back(self, runs: Sequence[Run]) -> None:
        if runs and (self.lease is not None or self._acquire()):
            assert self.lease is not None
            self.store.withdraw(self.lease, [run.id for run in runs])
            self.refresh()

    def _expire(self) -> None:
        now = time.monotonic()
        if now - self._expired_at >= EXPIRE_EVERY_S:
            self._expired_at = now
            assert self.lease is not None
            self.store.expire(self.lease)


def _wanted_by(group: Sequence[Agent], pace: int) -> int:
    """Runs that the agents of one `agent()` call want, who share one count: those waiting, and `pace` ahead for each
    as far as the count reaches (the latest claim knows it best, so the smallest number is the true one).
    """
    waiting = sum(agent.waiting for agent in group)
    left = [agent.wanted - agent.waiting for agent in group if agent.wanted is not None]
    ahead = pace * len(group) - waiting
    return waiting + (min(ahead, max(min(left), 0)) if left else ahead)


def run_seed(sweep_seed: int, number: int) -> int:
    """The seed of run `number`: the same whenever the sweep is repeated with its seed. In [0, 2**31)."""
    return int(np.random.SeedSequence([sweep_seed, number]).generate_state(1)[0]) >> 1
