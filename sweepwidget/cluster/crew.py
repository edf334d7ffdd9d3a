"""The agents of one `agent()` call that work elsewhere, as the store shows them: who is there, and what became of their runs.

A mirror fed by `Store.changes`. It decides nothing, and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from attrs import evolve

from ..model import SWEEP_ENDED, WAITING, Agent, AgentId, Changes, Cursor, Run, RunId, RunState, Sweep, SweepState


class Event(Enum):
    """What happened to a run of the crew."""

    started = "started"
    ended = "ended"
    """Its row is as it was closed, or `preempted`: it waits for another agent."""


class Crew:
    """Its agents have ids `<crew>-<slot>-<anything>`.

    >>> crew = Crew("c0ffee")
    >>> crew.slot_of(AgentId("c0ffee-3-a1b2c3"))
    3
    """

    def __init__(self, crew: str) -> None:
        self.id = crew
        self.sweep: Sweep | None = None
        self.cursor = Cursor()
        self.agents: dict[AgentId, Agent] = {}
        """Those that are there."""
        self.working: dict[RunId, Run] = {}
        """The runs they work on."""
        self.waiting: set[RunId] = set()
        """Runs of the whole sweep that an agent could begin."""
        self.begun = 0
        self.lost = 0
        """Begun runs that were given back: they do not count (see `Store.allow`)."""
        self._known: set[AgentId] = set()
        self._seen: set[tuple[RunId, int]] = set()

    def apply(self, changes: Changes, happened: Callable[[Event, Run], None]) -> set[int]:
        """Take in what happened since the last look. Returns the slots of agents that have joined since."""
        self.cursor = changes.cursor
        self.sweep = changes.sweep or self.sweep
        for run in changes.runs:
            self._follow(run, happened)
        ours = [agent for agent in changes.agents if agent.crew == self.id and self._has_slot(agent.id)]
        joined = {self.slot_of(agent.id) for agent in ours if agent.id not in self._known}
        self._known |= {agent.id for agent in ours}
        for agent in ours:
            if agent.gone:
                self.agents.pop(agent.id, None)
            else:
                self.agents[agent.id] = agent
        return joined

    @property
    def sweep_ended(self) -> bool:
        return self.sweep is not None and self.sweep.state in SWEEP_ENDED

    @property
    def sweep_runs(self) -> bool:
        return self.sweep is not None and self.sweep.state is SweepState.RUNNING

    def slot_of(self, agent_id: AgentId) -> int:
        return int(agent_id.split("-")[1])

    def at(self, slot: int) -> list[Agent]:
        """The agents of a slot: one, or an old one whose loss nobody has noticed beside it."""
        return [agent for agent in self.agents.values() if self.slot_of(agent.id) == slot]

    def works_on(self, run: Run) -> bool:
        return run.state is RunState.running and self._is_ours(run)

    def _follow(self, run: Run, happened: Callable[[Event, Run], None]) -> None:
        if run.state in WAITING and not run.deleted:
            self.waiting.add(run.id)
        else:
            self.waiting.discard(run.id)
        before = self.working.get(run.id)
        if before is not None and (run.attempt != before.attempt or run.state is not RunState.running or run.deleted):
            del self.working[run.id]
            given_back = run.attempt != before.attempt or run.state is RunState.pending
            self.lost += given_back
            happened(Event.ended, evolve(before, state=RunState.preempted) if given_back else run)
        if not self._is_ours(run) or run.state is RunState.pending or (run.id, run.attempt) in self._seen:
            return
        self._seen.add((run.id, run.attempt))
        self.begun += 1
        happened(Event.started, run)
        if run.state is RunState.running:
            self.working[run.id] = run
        else:  # it began and ended between two looks
            happened(Event.ended, run)

    def _has_slot(self, agent_id: AgentId) -> bool:
        """Whoever has a link may join under any name, and say that it is of this crew."""
        crew, _, rest = agent_id.partition("-")
        slot = rest.partition("-")[0]
        return crew == self.id and slot.isascii() and slot.isdigit()

    def _is_ours(self, run: Run) -> bool:
        return run.agent_id is not None and self._has_slot(run.agent_id)
