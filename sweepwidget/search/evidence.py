"""What the runs of a sweep say about the objective: one `Trial` per run, read once and remembered while it stays the same.

W&B's rules: a run counts with the best finite value of its metric; failed, crashed and killed ones as `metric.impute`
says; those still at work not at all, unless `metric.impute_while_running` says so.
"""

from __future__ import annotations

import math

import numpy as np
from attrs import frozen

from ..model import Run, RunId, RunState
from ..runs import Runs
from ..sweepconfig import Metric
from .cube import Cube, identity
from .linalg import Floats

WORST = math.nan
"""The cost of a trial that shall count as the worst one seen."""
_FAILED = frozenset({RunState.failed, RunState.crashed, RunState.killed})
_RULES = frozenset({"best", "latest", "worst"})


@frozen(eq=False)
class Trial:
    """A run as the search sees it. `cost` is None while nothing is known, WORST if it must be imputed."""

    number: int
    point: Floats
    identity: bytes
    cost: float | None = None
    pending: bool = False
    """Its result is still to come."""
    restart: int = 0
    """Which independent restart of the search asked for it; 0: none."""

    @property
    def measured(self) -> bool:
        """Its cost is its own, not imputed."""
        return self.cost is not None and not math.isnan(self.cost)

    @property
    def settled(self) -> bool:
        """Its cost is known and will not change any more."""
        return self.cost is not None and not self.pending


def costs_of(trials: list[Trial]) -> Floats:
    """The costs of trials that have one, the worst of them filled in where it must be imputed. All worst: all 0."""
    costs = np.array([trial.cost for trial in trials], dtype=float)
    missing = np.isnan(costs)
    costs[missing] = costs[~missing].max() if not missing.all() else 0.0
    return costs


@frozen
class _Known:
    run: Run
    logged: int
    trial: Trial | None


class Evidence:
    """Reads runs. What was read of a run is kept until the run, or its curve, changes."""

    def __init__(self, cube: Cube, metric: Metric) -> None:
        self._cube = cube
        self._metric = metric
        self._runs: Runs | None = None
        self._known: dict[RunId, _Known] = {}

    def trials(self, runs: Runs) -> list[Trial]:
        """In order of number; without the runs whose configuration lies outside the space (it has been edited)."""
        if runs is not self._runs:
            self._runs, self._known = runs, {}
        self._known = {run.id: self._look(runs, run) for run in runs}
        return [known.trial for known in self._known.values() if known.trial is not None]

    def _look(self, runs: Runs, run: Run) -> _Known:
        known, logged = self._known.get(run.id), len(runs.costs(run.id))
        if known is not None and known.run is run and known.logged == logged:
            return known
        return _Known(run, logged, self._trial(runs, run))

    def _trial(self, runs: Runs, run: Run) -> Trial | None:
        point = self._cube.encode(run.config)
        if point is None:
            return None
        restart = run.info.get("restart", 0)
        return Trial(
            number=run.number,
            point=point,
            identity=identity(point),
            cost=self._cost(runs, run),
            pending=not run.ended,
            restart=restart if isinstance(restart, int) else 0,
        )

    def _cost(self, runs: Runs, run: Run) -> float | None:
        best = runs.best_cost(run.id)
        if run.state in _FAILED:
            never_ran = run.started_at is None and run.state is RunState.killed and best is None
            return None if never_ran else self._imputed(runs, run, self._metric.impute)
        if run.ended:
            return WORST if best is None else best
        rule = self._metric.impute_while_running
        if run.state is RunState.running and rule in _RULES and best is not None:
            return self._imputed(runs, run, rule)
        return None

    @staticmethod
    def _imputed(runs: Runs, run: Run, rule: str) -> float:
        best, curve = runs.best_cost(run.id), runs.costs(run.id)
        if rule == "worst" or best is None:
            return WORST
        return float(curve[-1]) if rule == "latest" and len(curve) else best
