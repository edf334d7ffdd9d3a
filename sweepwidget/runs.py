"""The runs of a sweep as searchers and stoppers see them: a mirror of the store, fed by its changes.

`apply` costs what changed. Readers get frozen runs and read-only arrays; whoever keeps a cache beside the mirror can
follow `arrived` and `ended` by position, and starts anew when `generation` has moved (a run was deleted).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from .columns import Growing
from .model import WAITING, Changes, Chunk, Run, RunId, RunState

_NOTHING: NDArray[np.float64] = np.empty(0)


@frozen
class Goal:
    """Which metric is searched for, and in which direction."""

    metric: str
    maximize: bool = False

    def cost(self, value: float) -> float:
        """The value with its sign turned so that smaller is better."""
        return -value if self.maximize else value


class Runs:
    """All runs of one sweep, in the order of their numbers.

    >>> runs = Runs(Goal("loss"))
    >>> runs.apply(store.changes(sweep_id, Cursor()))      # doctest: +SKIP
    >>> [run.config for run in runs if run.state is RunState.finished]      # doctest: +SKIP
    """

    def __init__(self, goal: Goal | None = None, goals: Sequence[Goal] = ()) -> None:
        self.goal = goal
        """What is searched for, if it is one thing; of several, the one that early stopping goes by."""
        self.goals = tuple(goals) or (() if goal is None else (goal,))
        """All that is searched for."""
        self.generation = 0
        """Moves when an ended run is deleted or edited: caches start anew."""
        self.arrived: list[RunId] = []
        """Ids in order of arrival (append-only within a generation)."""
        self.ended: list[RunId] = []
        """Ids in order of ending (append-only within a generation)."""
        self.last_number = 0
        """The largest number of a run."""
        self._runs: dict[RunId, Run] = {}
        self._active: dict[RunId, Run] = {}
        self._waiting: dict[RunId, Run] = {}
        self._followed = {each.metric: each for each in self.goals}
        self._curves: dict[tuple[RunId, int, str], Growing] = {}

    @classmethod
    def of(
        cls,
        runs: Iterable[Run],
        goal: Goal | None = None,
        curves: Mapping[str, Sequence[float]] | None = None,
        goals: Sequence[Goal] = (),
    ) -> Runs:
        """A mirror from plain values, for tests and notebooks: `curves` maps run ids to costs of `goal` (smaller is better)."""
        mirror = cls(goal, goals)
        mirror.apply_rows(runs)
        for run_id, values in (curves or {}).items():
            run = mirror._runs[RunId(run_id)]
            mirror._extend(run.id, run.attempt, goal.metric if goal else "", np.asarray(values, float))
        return mirror

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(sorted(self._runs.values(), key=lambda run: run.number))

    def __getitem__(self, run_id: RunId) -> Run:
        return self._runs[run_id]

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._runs

    @property
    def active(self) -> Mapping[RunId, Run]:
        """Runs that wait or run: every run that has not ended."""
        return self._active

    @property
    def waiting(self) -> Mapping[RunId, Run]:
        """Runs that no agent has begun, or that are to be begun again."""
        return self._waiting

    @property
    def running(self) -> list[Run]:
        """Runs that an agent works on."""
        return [run for run in self._active.values() if run.state is RunState.running]

    def costs(self, run_id: RunId, goal: Goal | None = None) -> NDArray[np.float64]:
        """Finite values that the run's current attempt logged of the goal's metric, smaller is better. Shape (n,)."""
        goal = goal or self.goal
        curve = self._curves.get((run_id, self._runs[run_id].attempt, goal.metric if goal else ""))
        return _NOTHING if curve is None else curve.values

    def best_cost(self, run_id: RunId, goal: Goal | None = None) -> float | None:
        """The smallest finite cost over the curve and the summary; None if there is none."""
        goal = goal or self.goal
        assert goal is not None
        curve = self.costs(run_id, goal)
        best = float(curve.min()) if len(curve) else math.inf
        value = summary_value(self._runs[run_id].summary, goal.metric)
        if value is not None:
            best = min(best, goal.cost(value))
        return best if math.isfinite(best) else None

    def apply(self, changes: Changes) -> None:
        """Take in what happened. Chunks of attempts that were given up are kept apart and not counted."""
        self.apply_rows(changes.runs)
        for chunk in changes.chunks:
            self._apply_chunk(chunk)

    def apply_rows(self, rows: Iterable[Run]) -> None:
        for run in rows:
            old = self._runs.get(run.id)
            if run.deleted:
                if old is not None:
                    self._remove(run.id)
                continue
            self._runs[run.id] = run
            self.last_number = max(self.last_number, run.number)
            if old is None:
                self.arrived.append(run.id)
            elif old.ended and (old.config != run.config or old.summary != run.summary):
                self.generation += 1  # edited by hand: what was concluded from it is no longer true
            if run.ended:
                self._active.pop(run.id, None)
                if old is None or not old.ended:
                    self.ended.append(run.id)
            else:
                self._active[run.id] = run
            if run.state in WAITING:
                self._waiting[run.id] = run
            else:
                self._waiting.pop(run.id, None)

    def _apply_chunk(self, chunk: Chunk) -> None:
        goal = self._followed.get(chunk.key)
        if goal is not None:
            values = chunk.column.values
            finite = values[np.isfinite(values)]
            self._extend(chunk.run_id, chunk.attempt, chunk.key, -finite if goal.maximize else finite)

    def _extend(self, run_id: RunId, attempt: int, metric: str, costs: NDArray[np.float64]) -> None:
        self._curves.setdefault((run_id, attempt, metric), Growing()).extend(costs)

    def _remove(self, run_id: RunId) -> None:
        self._runs.pop(run_id)
        self._active.pop(run_id, None)
        self._waiting.pop(run_id, None)
        self.arrived = [known for known in self.arrived if known != run_id]
        self.ended = [known for known in self.ended if known != run_id]
        self.last_number = max((run.number for run in self._runs.values()), default=0)
        self.generation += 1


def summary_costs(run: Run, goals: Sequence[Goal]) -> tuple[float, ...]:
    """What a run reached of several goals, all at once: the costs of the values in its summary, NaN where there is none.

    (The best of each curve would be a point that no model ever had: its best loss, and the time it took before it began.)
    """
    values = ((goal, summary_value(run.summary, goal.metric)) for goal in goals)
    return tuple(math.nan if value is None else goal.cost(value) for goal, value in values)


def headline(run: Run) -> str:
    """The line that says most about what ended a run: the exception at the end of a traceback, else how its process died."""
    lines = [line.strip() for line in run.error.splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[-1] if run.state is RunState.failed else lines[0]


def summary_value(summary: Mapping[str, object], metric: str) -> float | None:
    """The metric's value in a summary, if it is a finite number (a flat key first, then `a.b` as a path)."""
    value = summary.get(metric)
    if value is None and "." in metric:
        node: object = summary
        for part in metric.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        value = node
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None
