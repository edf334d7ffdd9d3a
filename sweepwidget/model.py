"""The facts: what a sweep, a run and an agent are, and which changes of state exist.

Frozen data only. Nothing here reads a clock, a file or a random number; times are unix seconds (`*_at`) unless the
name says otherwise (`*_s` is a duration).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NewType

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from .errors import TransitionError

SweepId = NewType("SweepId", str)
RunId = NewType("RunId", str)
AgentId = NewType("AgentId", str)
Config = Mapping[str, Any]
"""What a run is given: `{"lr": 0.1, "opt": {"name": "sgd"}}`, JSON values only."""


class SweepState(str, Enum):
    """States of a sweep, in W&B's spelling."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"


class RunState(str, Enum):
    """States of a run. `stopped` is early stopping; `preempted` runs are claimed again."""

    pending = "pending"
    running = "running"
    finished = "finished"
    failed = "failed"
    crashed = "crashed"
    killed = "killed"
    stopped = "stopped"
    preempted = "preempted"


_S, _R = SweepState, RunState

SWEEP_MOVES: Mapping[SweepState, frozenset[SweepState]] = {
    _S.PENDING: frozenset({_S.RUNNING, _S.FINISHED, _S.CANCELED}),
    _S.RUNNING: frozenset({_S.PAUSED, _S.FINISHED, _S.CANCELED}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.FINISHED, _S.CANCELED}),
    _S.FINISHED: frozenset({_S.RUNNING}),  # extended: a larger run_cap, an edited space
    _S.CANCELED: frozenset(),
}

RUN_MOVES: Mapping[RunState, frozenset[RunState]] = {
    _R.pending: frozenset({_R.running, _R.killed}),
    _R.running: frozenset(
        {_R.finished, _R.failed, _R.crashed, _R.killed, _R.stopped, _R.preempted, _R.pending}
    ),  # running → pending: the agent died, the next attempt waits
    _R.preempted: frozenset({_R.running, _R.killed}),
    _R.finished: frozenset(),
    _R.failed: frozenset(),
    _R.crashed: frozenset(),
    _R.killed: frozenset(),
    _R.stopped: frozenset(),
}

WAITING = frozenset({_R.pending, _R.preempted})
"""Run states that an agent may claim."""
ENDED = frozenset(state for state, moves in RUN_MOVES.items() if not moves)
"""Run states that are final."""
SWEEP_ENDED = frozenset({_S.FINISHED, _S.CANCELED})


def check_sweep_move(old: SweepState, new: SweepState) -> None:
    """Raise TransitionError unless the table knows `old → new`."""
    if new not in SWEEP_MOVES[old]:
        raise TransitionError(f"a {old.value} sweep cannot become {new.value}")


def check_run_move(old: RunState, new: RunState) -> None:
    """Raise TransitionError unless the table knows `old → new`."""
    if new not in RUN_MOVES[old]:
        raise TransitionError(f"a {old.value} run cannot become {new.value}")


@frozen
class Process:
    """Who is working: enough to ask later, from the same machine, whether it still lives."""

    host: str
    pid: int
    started: str
    """An opaque mark of when the process began; with the pid it names one process for ever."""
    space: str = ""
    """Boot and pid namespace. Another `space` than ours: we cannot look, only its lease can lapse."""


@frozen
class Sweep:
    """One search: its configuration as the user gave it, and where it stands."""

    id: SweepId
    config: Mapping[str, Any]
    """W&B's dict; `SweepConfig.parse` understands it."""
    state: SweepState = SweepState.PENDING
    reason: str = ""
    """Why it is in this state: "grid spent (48 runs)", "run_cap of 60 reached"."""
    seed: int = 0
    project: str = ""
    entity: str = ""
    created_at: float = 0.0
    config_version: int = 1


@frozen
class Run:
    """One trial (or one plain `init()` without a sweep, `sweep_id=None`)."""

    id: RunId
    sweep_id: SweepId | None
    number: int
    """1, 2, 3 … within the sweep, in the order of suggestion."""
    config: Mapping[str, Any]
    state: RunState = RunState.pending
    attempt: int = 1
    """Counts up when the run is given to another agent; every write carries it."""
    name: str = ""
    agent_id: AgentId | None = None
    summary: Mapping[str, Any] = field(factory=dict)
    info: Mapping[str, Any] = field(factory=dict)
    """Why this configuration: what the searcher said of it (`Suggestion.info`)."""
    seed: int = 0
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    error: str = ""
    """The full traceback (failed) or what is known of the death (crashed)."""
    stop_reason: str = ""
    """Set when the run was told to stop; its next `log()` raises RunStopped."""
    stop_state: RunState | None = None
    """What a run that obeys becomes: stopped (early stopping) or killed (the user)."""
    provenance: str = ""
    """Key of the stored text that says from which code, packages and commit it came."""
    project: str = ""
    entity: str = ""
    group: str = ""
    job_type: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    deleted: bool = False
    config_version: int = 1

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@frozen
class Agent:
    """One worker loop: claims runs one after another."""

    id: AgentId
    sweep_id: SweepId
    process: Process
    backend: str = "thread"
    waiting: bool = False
    """It asked for a run and got none."""
    wanted: int | None = None
    """How many more runs it would take besides the one it works on (None: no limit)."""
    gone: bool = False
    provenance: str = ""
    """Its runs carry it (see Run.provenance)."""
    started_at: float = 0.0
    crew: str = ""
    """Agents of one crew share a count (see `Store.allow`)."""
    leaving: bool = False
    """It was told to leave after its current run."""
    lost: tuple[RunId, ...] | None = None
    """What it was at when it was found dead, or silent for too long; None: it is there, or has left by itself."""


@frozen(eq=False)
class Column:
    """One metric of one run: `values[i]` (float64) was logged at `steps[i]` (int64)."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.steps)


@frozen(eq=False)
class Points:
    """What one writer logged between two byte offsets of its spool; written once, whoever delivers it."""

    run_id: RunId
    attempt: int
    source: str
    """The writer (a run may have several: child processes of a program)."""
    start: int
    end: int
    columns: Mapping[str, Column]
    records: Sequence[tuple[int, str]] = ()
    """(step, JSON object) for the values that are not numbers."""
    summary: Mapping[str, Any] | None = None
    """The writer's summary as of `end`; None leaves it. Named sources add to what is there, the nameless one replaces it."""


@frozen
class Outcome:
    """How a run ended."""

    state: RunState
    exit_code: int | None = None
    error: str = ""
    summary: Mapping[str, Any] | None = None


BY_HAND = "by_hand"
"""In the `info` of runs that somebody added: no search suggested them, and no controller takes them back."""


@frozen
class Suggestion:
    """A configuration worth trying, and why."""

    config: Config
    info: Mapping[str, Any] = field(factory=dict)
    """`{"why": "grid cell 17 of 48"}`; the keys are those of `search.reasons.REASONS`."""


class Scope(str, Enum):
    """What the holder of a token may do; each includes the ones before it."""

    observe = "observe"
    run = "run"
    control = "control"

    def includes(self, other: Scope) -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(other)


@frozen
class Token:
    """The right to use a store from elsewhere. The token itself is known to its holder alone."""

    digest: str
    """SHA-256 of the token, in hexadecimal."""
    sweep_id: SweepId | None
    """The one sweep it is for; None: the whole store."""
    scope: Scope
    created_at: float
    expires_at: float | None = None
    label: str = ""


@frozen
class Lease:
    """The right to steer a sweep. `epoch` grows with every new holder and fences out the old one."""

    sweep_id: SweepId
    owner: str
    epoch: int


@frozen
class Cursor:
    """How far a reader has read: `version` of rows, `chunk` of points."""

    version: int = 0
    chunk: int = 0


@frozen(eq=False)
class Chunk:
    """A stored piece of a column."""

    run_id: RunId
    attempt: int
    key: str
    column: Column


@frozen(eq=False)
class Changes:
    """What happened to a sweep after a cursor."""

    cursor: Cursor
    sweep: Sweep | None = None
    runs: tuple[Run, ...] = ()
    agents: tuple[Agent, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    more: bool = False
    """It is a page, and there is more after its cursor."""

    def __bool__(self) -> bool:
        return bool(self.sweep or self.runs or self.agents or self.chunks)
