"""A sweep as its dashboards see it: rows, agents and counts, fed by the store's changes. Pure; `now` comes in.

Taking changes in costs what changed, and so does telling them; only what has to look at every run (the best, the rest of
the time) is found when it is asked for.
"""

from __future__ import annotations

import contextlib
import heapq
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from attrs import define, field

from ..autocontroller import failure_of
from ..errors import Error
from ..metricspec import Metric
from ..model import BY_HAND, ENDED, Agent, AgentId, Changes, Chunk, Run, RunId, RunState, Sweep, SweepState
from ..process import is_alive, this_process
from ..progress import runs_in_all
from ..runs import Goal, summary_value
from ..stopping import stopper_for
from ..sweepconfig import SweepConfig
from .messages import Buffer, Message, clean, exact
from .parameters import parameter_infos
from .table import table

TIMESTAMP = "_timestamp"
"""The metric that every logged row has: when."""
MOST_GONE = 20
"""Agents that have left and are told of, the latest ones."""
_RUNGS = 10
_PACE_S = 10.0
_SLOW_S = 2.0
"""What has to look at all runs is found anew at most so often, where there are many."""
_MANY = 500
_SECURE = 1.64  # standard normal: nine times in ten the rest takes no longer, and no less


@define
class Dirty:
    """What changed since the page was last told."""

    runs: set[RunId] = field(factory=set)
    gone: set[RunId] = field(factory=set)
    agents: set[AgentId] = field(factory=set)
    sweep: bool = False
    functions: bool = False

    def __bool__(self) -> bool:
        return bool(self.runs or self.gone or self.agents or self.sweep or self.functions)


@define
class _Pace:
    """When the latest steps of one attempt were logged."""

    attempt: int
    logged: deque[tuple[float, int]] = field(factory=lambda: deque(maxlen=64))

    def per_s(self) -> float | None:
        """Steps per second of the latest seconds that it logged, by its own clock."""
        recent = [entry for entry in self.logged if self.logged[-1][0] - entry[0] <= _PACE_S]
        if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
            return None
        return (recent[-1][1] - recent[0][1]) / (recent[-1][0] - recent[0][0])


class Mirror:
    """One sweep. `sweep` and `config` are None until the store has been read (or where there is only a draft)."""

    def __init__(self) -> None:
        self.sweep: Sweep | None = None
        self.config: SweepConfig | None = None
        self.total: int | None = None
        """How many runs there will be; None: nobody knows."""
        self.runs: dict[RunId, Run] = {}
        self.running: dict[RunId, Run] = {}
        self.agents: dict[AgentId, Agent] = {}
        self.dirty = Dirty()
        self.codes: dict[str, str] = {}
        """Provenance → the name of its code: `train@a1f3`."""
        self.unnamed: set[str] = set()
        """Provenances whose code has no name yet: who reads the store finds it."""
        self.generation = 0
        """Counts up whenever a row changes."""
        self.turns = 0
        """Counts up when a run comes, goes, or has another state, and when an ended one changes: not with what a run logs."""
        self._counts: Counter[RunState] = Counter()
        self._numbers: dict[AgentId, int] = {}
        """A1, A2, …: in the order they came, for good."""
        self._by_hand: dict[RunId, float] = {}
        """Runs by hand that wait, and since when."""
        self._ended_by: Counter[AgentId] = Counter()
        self._heard_at: dict[AgentId, float] = {}
        self._work: dict[AgentId, RunId] = {}
        self._told_at: dict[RunId, float] = {}
        """When a running run was seen to be told to stop."""
        self._paces: dict[RunId, _Pace] = {}
        self._best: tuple[float, int, RunId] | None = None
        self._best_known = True
        self._began_at: float | None = None
        self._slow: tuple[float, dict[str, Any]] = (float("-inf"), {})

    # -- reading ------------------------------------------------------------------------------------------------

    def apply(self, changes: Changes, now: float) -> None:
        """Take in what happened."""
        if changes.sweep is not None:
            self.sweep = changes.sweep
            self.config = SweepConfig.parse(changes.sweep.config)
            self.total = runs_in_all(self.config)
            self.dirty.sweep = True
            self._best_known = False
            self.turns += 1
        if changes.runs:
            self.generation += 1
        for run in changes.runs:
            self._take(run, now)
        for agent in sorted(changes.agents, key=lambda agent: agent.started_at):
            self.agents[agent.id] = agent
            self._numbers.setdefault(agent.id, len(self._numbers) + 1)
            self.dirty.agents.add(agent.id)
        for chunk in changes.chunks:
            self._hear(chunk, now)

    def _take(self, run: Run, now: float) -> None:
        old = self.runs.pop(run.id, None) if run.deleted else self.runs.get(run.id)
        if old is None or run.deleted or run.ended or old.state is not run.state:
            self.turns += 1
        if old is not None:
            self._counts[old.state] -= 1
        self._compare(run)
        if run.deleted:
            self.running.pop(run.id, None)
            self._told_at.pop(run.id, None)
            self._by_hand.pop(run.id, None)
            self.dirty.runs.discard(run.id)
            if old is not None:
                self.dirty.gone.add(run.id)
            return
        self.runs[run.id] = run
        if run.provenance and run.provenance not in self.codes:
            self.unnamed.add(run.provenance)
        self._counts[run.state] += 1
        self.dirty.runs.add(run.id)
        if run.started_at is not None:
            self._began_at = min(self._began_at or run.started_at, run.started_at)
        if run.state is RunState.pending and run.info.get(BY_HAND):
            self._by_hand[run.id] = run.created_at
        else:
            self._by_hand.pop(run.id, None)
        if run.state is RunState.running:
            self.running[run.id] = run
        else:
            self.running.pop(run.id, None)
            self._paces.pop(run.id, None)
        if run.id not in self.running or run.stop_state is None:
            self._told_at.pop(run.id, None)
        elif run.id not in self._told_at and run.agent_id is not None:
            self._told_at[run.id] = now
            self.dirty.agents.add(run.agent_id)
        if old is None or old.state is not run.state:
            self._change_hands(old, run, now)

    def _change_hands(self, old: Run | None, run: Run, now: float) -> None:
        """A run began or ended: that is news of its agents."""
        if old is not None and old.agent_id is not None and self._work.get(old.agent_id) == run.id:
            del self._work[old.agent_id]
            self.dirty.agents.add(old.agent_id)
        if run.agent_id is None:
            return
        if run.state is RunState.running:
            self._work[run.agent_id] = run.id
        elif run.ended:
            self._ended_by[run.agent_id] += 1
        if old is not None:  # else it is history that is read at the beginning
            self._heard_at[run.agent_id] = now
        self.dirty.agents.add(run.agent_id)

    def _hear(self, chunk: Chunk, now: float) -> None:
        run = self.running.get(chunk.run_id)
        if run is None or run.attempt != chunk.attempt or not len(chunk.column):
            return
        if run.agent_id is not None:
            self._heard_at[run.agent_id] = now
            self.dirty.agents.add(run.agent_id)
        if chunk.key == TIMESTAMP:
            pace = self._paces.get(run.id)
            if pace is None or pace.attempt != run.attempt:
                pace = self._paces[run.id] = _Pace(run.attempt)
            pace.logged.append((float(chunk.column.values[-1]), int(chunk.column.steps[-1])))

    # -- what is known ------------------------------------------------------------------------------------------

    @property
    def goal(self) -> Goal | None:
        return self.config.goal if self.config is not None else None

    @property
    def living(self) -> list[Agent]:
        """Agents that have not left."""
        return [agent for agent in self.agents.values() if not agent.gone]

    def ended(self) -> int:
        return sum(self._counts[state] for state in ENDED)

    def best(self) -> Run | None:
        """The run with the best value in its summary, of equal ones the first (W&B's `best_run`)."""
        if not self._best_known:
            self._best, self._best_known = None, True
            for run in self.ranked(1):
                self._compare(run)
        return None if self._best is None else self.runs[self._best[2]]

    def _compare(self, run: Run) -> None:
        """Whether a run that is new, or has changed, is the best."""
        cost = None if run.deleted else self._cost(run)
        if self._best is not None and self._best[2] == run.id and (cost is None or cost > self._best[0]):
            self._best_known = False
        elif cost is not None and (self._best is None or (cost, run.number) <= self._best[:2]):
            self._best = cost, run.number, run.id

    def _cost(self, run: Run) -> float | None:
        goal = self.goal
        value = summary_value(run.summary, goal.metric) if goal is not None else None
        return None if goal is None or value is None else goal.cost(value)

    def ranked(self, k: int) -> list[Run]:
        """The k best runs, best first; those without a value are not among them."""
        costs = ((cost, run.number, run) for run in self.runs.values() if (cost := self._cost(run)) is not None)
        return [run for *_, run in heapq.nsmallest(k, costs, key=lambda entry: entry[:2])]

    def durations(self, *states: RunState) -> list[float]:
        """Seconds of the ended runs in these states whose times are known."""
        return [
            max(run.ended_at - run.started_at, 0.0)
            for run in list(self.runs.values())
            if run.state in states and run.ended_at is not None and run.started_at is not None
        ]

    # -- facts for the page -------------------------------------------------------------------------------------

    def sweep_info(self, store_url: str) -> dict[str, Any] | None:
        """`SweepInfo` of protocol.ts."""
        sweep, config = self.sweep, self.config
        if sweep is None or config is None:
            return None
        goal = None if config.metric is None else _goal(config.metric)
        return {
            "id": sweep.id,
            "name": clean(config.name or sweep.id),
            "project": clean(sweep.project),
            "state": sweep.state.value,
            "reason": clean(sweep.reason),
            "failure": clean(failure_of(sweep)),
            "method": config.method,
            "goal": goal,
            "goals": [_goal(each) for each in config.objectives],
            "created_at": sweep.created_at,
            "config_version": sweep.config_version,
            "run_cap": config.run_cap,
            "parameters": parameter_infos(config.space),
            "rungs": _rungs(config),
            "violations": [clean(violation) for violation in config.violations],
            "store": clean(_place(store_url)),
            "join": f"wandb.agent({sweep.id!r}, function=train)",
        }

    def progress(self, now: float) -> dict[str, Any]:
        """`Progress` of protocol.ts."""
        fast = {
            "ended": self.ended(),
            "total": self.total,
            "counts": {state.value: n for state, n in self._counts.items() if n},
            "by_hand": len(self._by_hand),
            "by_hand_since": min(self._by_hand.values(), default=None),
        }
        if len(self.runs) < _MANY or now - self._slow[0] >= _SLOW_S:
            self._slow = now, self._over_time(now)
        return fast | self._slow[1]

    def _over_time(self, now: float) -> dict[str, Any]:
        going_on = self.sweep is not None and self.sweep.state is SweepState.RUNNING
        until = (
            now if going_on or self.running else max((run.ended_at or 0.0 for run in self.runs.values()), default=0.0)
        )
        return {
            "run_s": self.run_s(),
            "left_s": self._left_s(self.total - self.ended(), now) if going_on and self.total is not None else None,
            "elapsed_s": None if self._began_at is None else max(until - self._began_at, 0.0),
            "saved_s": self._saved_s(),
        }

    def run_s(self) -> float | None:
        """How long a run takes: the median of the finished ones."""
        finished = self.durations(RunState.finished)
        return median(finished) if finished else None

    def _left_s(self, runs: int, now: float) -> tuple[float, float] | None:
        """How long the runs that are still to end will take, from … to: as long as those that ended, more or less."""
        seen = self.durations(RunState.finished, RunState.stopped, RunState.failed)
        if len(seen) < 2 or runs <= 0:
            return (0.0, 0.0) if runs <= 0 else None
        mean, sd = float(np.mean(seen)), float(np.std(seen, ddof=1))
        hands = max(len(self.living), 1)
        begun = sum(min(now - (run.started_at or now), mean) for run in self.running.values())
        expected = max(runs * mean - begun, 0.0) / hands
        # What single runs scatter, and what so few of them leave unknown of the mean.
        scatter = _SECURE * sd * float(np.sqrt(runs + runs**2 / len(seen))) / hands
        return max(expected - scatter, 0.0), expected + scatter

    def _saved_s(self) -> float | None:
        """The steps that stopped runs did not make, at the pace of the finished ones (as `stopping.saved`, but by the last
        step in the summary, since curves are not read here).
        """
        stopped = [run for run in self.runs.values() if run.state is RunState.stopped]
        if not stopped:
            return None
        finished = [(_steps(run), run) for run in self.runs.values() if run.state is RunState.finished]
        paces = [
            (run.ended_at - run.started_at) / steps
            for steps, run in finished
            if steps and run.ended_at is not None and run.started_at is not None
        ]
        if not paces:
            return None
        whole, pace = median(steps for steps, _ in finished if steps), median(paces)
        return sum(pace * max(whole - _steps(run), 0.0) for run in stopped)

    def agent_rows(self, ids: Iterable[AgentId], now: float) -> list[dict[str, Any]]:
        """`AgentRow`s of protocol.ts, oldest first."""
        known = sorted((self.agents[each] for each in ids if each in self.agents), key=lambda agent: agent.started_at)
        return [self._agent_row(agent, now) for agent in known]

    def shown_agents(self) -> set[AgentId]:
        """Those that work, and the latest of those that have left."""
        gone = [agent for agent in self.agents.values() if agent.gone]
        latest = heapq.nlargest(MOST_GONE, gone, key=lambda agent: agent.started_at)
        return {agent.id for agent in [*self.living, *latest]}

    def _agent_row(self, agent: Agent, now: float) -> dict[str, Any]:
        run_id = self._work.get(agent.id)
        state = "gone" if agent.gone else "leaving" if agent.leaving else "working" if run_id else "waiting"
        pace, heard_at = self._paces.get(run_id) if run_id is not None else None, self._heard_at.get(agent.id)
        at_it = pace is not None and heard_at is not None and now - heard_at <= _PACE_S
        return {
            "id": agent.id,
            "number": self._numbers[agent.id],
            "crew": agent.crew,
            "backend": clean(agent.backend),
            "host": clean(agent.process.host),
            "pid": agent.process.pid,
            "here": agent.process == this_process(),
            "state": state,
            "run": run_id,
            "told_at": None if run_id is None else self._told_at.get(run_id),
            "ended": self._ended_by[agent.id],
            "started_at": agent.started_at,
            "heard_at": heard_at,
            "pace": pace.per_s() if pace is not None and at_it else None,
            "lost": None if agent.lost is None else _loss(agent, agent.lost),
        }

    # -- messages -----------------------------------------------------------------------------------------------

    def full(self, store_url: str, now: float) -> Message:
        """The part of `full` that all dashboards of the sweep share."""
        buffer = Buffer()
        head: dict[str, Any] = {
            "type": "full",
            "now": now,
            "sweep": self.sweep_info(store_url),
            "progress": self.progress(now),
            "agents": self.agent_rows(self.shown_agents(), now),
            "runs": table(sorted(self.runs.values(), key=lambda run: run.number), buffer, self.codes),
        }
        if self.sweep is not None:
            head["config"] = exact(self.sweep.config)
        return Message(head, buffer.joined())

    def delta(self, store_url: str, now: float) -> Message:
        """What changed since the last `delta`; from here on nothing has."""
        dirty, self.dirty = self.dirty, Dirty()
        buffer = Buffer()
        head: dict[str, Any] = {"type": "delta", "now": now}
        if dirty.sweep and self.sweep is not None:
            head["sweep"] = self.sweep_info(store_url)
            head["config"] = exact(self.sweep.config)
        if dirty.sweep or dirty.runs or dirty.gone or dirty.agents:
            head["progress"] = self.progress(now)
        if dirty.agents:
            head["agents"] = self.agent_rows(dirty.agents, now)
        if dirty.runs:
            rows = sorted((self.runs[each] for each in dirty.runs), key=lambda run: run.number)
            head["runs"] = table(rows, buffer, self.codes)
        if dirty.gone:
            head["gone"] = sorted(dirty.gone)
        return Message(head, buffer.joined())

    def best_fact(self) -> dict[str, Any] | None:
        """`Best` of protocol.ts, its values as they are."""
        run, goal = self.best(), self.goal
        if run is None or goal is None:
            return None
        return {
            "run": run.id,
            "number": run.number,
            "name": run.name or run.id,
            "metric": goal.metric,
            "value": summary_value(run.summary, goal.metric),
            "config": dict(run.config),
        }


def _loss(agent: Agent, runs: tuple[RunId, ...]) -> dict[str, Any]:
    """How an agent went that did not leave by itself, and what it was at."""
    return {"how": "dead" if is_alive(agent.process) is False else "silent", "runs": list(runs)}


def _place(url: str) -> str:
    """Where a store is, as its user would say it: a file as seen from here, or from home."""
    if not url.startswith("sqlite:///"):
        return url
    path = Path(url.removeprefix("sqlite:///"))
    with contextlib.suppress(OSError, RuntimeError):  # the working directory is gone, or there is no home
        for root, name in ((Path.cwd(), ""), (Path.home(), "~/")):
            if path.is_relative_to(root):
                return f"{name}{path.relative_to(root)}"
    return str(path)


def _goal(metric: Metric) -> dict[str, Any]:
    return {"metric": clean(metric.name), "maximize": metric.goal == "maximize", "target": metric.target}


def _rungs(config: SweepConfig) -> list[int]:
    """The first numbers of logged values at which hyperband, or ASHA, looks."""
    with contextlib.suppress(Error):  # a rule of the user's own, that this process does not know
        stopper = stopper_for(config)
        rungs: tuple[int, ...] = getattr(stopper, "bands", getattr(stopper, "rungs", ()))
        return list(rungs[:_RUNGS])
    return []


def _steps(run: Run) -> float:
    """How many rows it has logged, by its summary; 0 if that does not say."""
    last = run.summary.get("_step")
    return float(last) + 1 if isinstance(last, (int, float)) and not isinstance(last, bool) and last >= 0 else 0.0
