"""What the runs of a sweep say about the objective: one `Trial` per run, read once and remembered while it stays the same.

W&B's rules: a run counts with the best finite value of its metric; failed, crashed and killed ones as `metric.impute`
says; those still at work not at all, unless `metric.impute_while_running` says so. Where several metrics are optimised it
counts with the values in its summary, which are those of one and the same model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from attrs import frozen

from ..metricspec import Metric
from ..model import Run, RunId, RunState
from ..runs import Runs, summary_costs
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
    costs: tuple[float, ...] | None = None
    """With several goals: its cost of each, as above; `cost` is what is made of them (see chebyshev.py)."""

    @property
    def measured(self) -> bool:
        """Its cost is its own, not imputed."""
        return self.cost is not None and not any(map(math.isnan, self.costs or (self.cost,)))

    @property
    def settled(self) -> bool:
        """Its cost is known and will not change any more."""
        return not self.pending and (self.cost is not None or self.costs is not None)


def costs_of(trials: list[Trial]) -> Floats:
    """The costs of trials that have one, the worst of them filled in where it must be imputed. All worst: all 0."""
    return filled(np.array([trial.cost for trial in trials], dtype=float))


def filled(costs: Floats) -> Floats:
    """The costs with the worst of them wherever one is WORST. All worst: all 0."""
    costs = costs.copy()
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

    def __init__(self, cube: Cube, metrics: Sequence[Metric]) -> None:
        self._cube = cube
        self._metrics = metrics
        self._runs: Runs | None = None
        self._known: dict[RunId, _Known] = {}

    def trials(self, runs: Runs) -> list[Trial]:
        """In order of number; without the runs whose configuration lies outside the space (it has been edited)."""
        if runs is not self._runs:
            self._runs, self._known = runs, {}
        self._known = {run.id: self._look(runs, run) for run in runs}
        return [known.trial for known in self._known.values() if known.trial is not None]

    def _look(self, runs: Runs, run: Run) -> _Known:
        known = self._known.get(run.id)
        logged = sum(len(runs.costs(run.id, metric.aim)) for metric in self._metrics)
        if known is not None and known.run is run and known.logged == logged:
            return known
        return _Known(run, logged, self._trial(runs, run))

    def _trial(self, runs: Runs, run: Run) -> Trial | None:
        point = self._cube.encode(run.config)
        if point is None:
            return None
        restart, costs = run.info.get("restart", 0), self._costs(runs, run)
        return Trial(
            number=run.number,
            point=point,
            identity=identity(point),
            cost=costs[0] if costs and len(costs) == 1 else None,
            pending=not run.ended,
            restart=restart if isinstance(restart, int) else 0,
            costs=costs if costs and len(costs) > 1 else None,
        )

    def _costs(self, runs: Runs, run: Run) -> tuple[float, ...] | None:
        """The cost of each metric; None while one of them is not known."""
        costs = [self._cost(runs, run, metric) for metric in self._metrics]
        return None if None in costs else tuple(cost for cost in costs if cost is not None)

    def _cost(self, runs: Runs, run: Run, metric: Metric) -> float | None:
        best = runs.best_cost(run.id, metric.aim)
        if run.state in _FAILED:
            never_ran = run.started_at is None and run.state is RunState.killed and best is None
            return None if never_ran else _imputed(runs, run, metric, metric.impute)
        if run.ended:
            reached = best if len(self._metrics) == 1 else summary_costs(run, [metric.aim])[0]
            return WORST if reached is None else reached
        rule = metric.impute_while_running
        if run.state is RunState.running and rule in _RULES and best is not None:
            return _imputed(runs, run, metric, rule)
        return None


def _imputed(runs: Runs, run: Run, metric: Metric, rule: str) -> float:
    best, curve = runs.best_cost(run.id, metric.aim), runs.costs(run.id, metric.aim)
    if rule == "worst" or best is None:
        return WORST
    return float(curve[-1]) if rule == "latest" and len(curve) else best
