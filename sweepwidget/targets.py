"""When a sweep has what it was for: the targets of its metrics, and the run that comes nearest to them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .bookmark import Bookmark
from .metricspec import Metric
from .model import Run
from .runs import Runs, summary_costs


class Targets:
    """The targets of a sweep's metrics. Follows a mirror, so that a look costs what changed.

    A sweep's only metric has reached its target with the best value that a run ever logged; several must have reached
    theirs in the summary of one run, together. Metrics without a target do not matter.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = [metric for metric in metrics if metric.target is not None]
        self._aims = [metric.aim.cost(metric.target) for metric in metrics if metric.target is not None]
        self._together = len(metrics) > 1
        self._bookmark = Bookmark()
        self._nearest_ended: tuple[float, Run] | None = None

    def reached(self, runs: Runs) -> str:
        """Which run did it: "target 0.1 reached by run 7 (0.0931)"; empty while there is none."""
        found = self.nearest(runs) if self._metrics else None
        if found is None or found[0] > 0:
            return ""
        run, names = found[1], [f"{metric.name} " if self._together else "" for metric in self._metrics]
        costs = self._costs(runs, run)
        wanted = [f"{name}{metric.target:g}" for name, metric in zip(names, self._metrics, strict=True)]
        values = [f"{metric.aim.cost(cost):.4g}" for metric, cost in zip(self._metrics, costs, strict=True)]
        return f"target {', '.join(wanted)} reached by run {run.number} ({', '.join(values)})"

    def nearest(self, runs: Runs) -> tuple[float, Run] | None:
        """(excess, run) of the run with the smallest excess, of equal ones the first: by how much its metric that is
        furthest off is worse than the target. None while no run has all values.
        """
        if not self._bookmark.fits(runs):
            self._nearest_ended = None
        for run_id in self._bookmark.ended(runs):
            self._nearest_ended = self._nearer(runs, self._nearest_ended, runs[run_id])
        nearest = self._nearest_ended
        for run in runs.active.values():
            nearest = self._nearer(runs, nearest, run)
        return nearest

    def _nearer(self, runs: Runs, nearest: tuple[float, Run] | None, run: Run) -> tuple[float, Run] | None:
        costs = self._costs(runs, run)
        if any(map(math.isnan, costs)):
            return nearest
        excess = max(cost - aim for cost, aim in zip(costs, self._aims, strict=True))
        if nearest is not None and (nearest[0], nearest[1].number) <= (excess, run.number):
            return nearest
        return excess, run

    def _costs(self, runs: Runs, run: Run) -> tuple[float, ...]:
        """What the run has reached of each metric with a target, NaN where there is no value."""
        if self._together:
            return summary_costs(run, [metric.aim for metric in self._metrics])
        best = runs.best_cost(run.id, self._metrics[0].aim)
        return (math.nan if best is None else best,)
