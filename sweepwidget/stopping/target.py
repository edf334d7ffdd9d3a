"""Good enough is good enough: a run that has reached the target is stopped, or with it the whole sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..bookmark import Bookmark
from ..errors import ConfigError
from ..model import RunId
from ..runs import Goal, Runs
from .reason import values

SCOPES = ("run", "sweep")


class Target:
    """Stops a running run whose metric has reached `value` (at most it, or with goal maximize at least), once and for all.

    With `scope="sweep"` every running run is stopped as soon as one, running or ended, has reached it; the configuration
    then ends the sweep too (`metric.target` alone ends it and lets the running ones finish).

    >>> Target(0.1).stop(runs)      # doctest: +SKIP
    {'q3z8m1xa': 'target: 0.098 at 12 values reaches 0.1'}
    """

    def __init__(self, value: float, scope: str = "run") -> None:
        if not math.isfinite(value):
            raise ConfigError(f"early_terminate.value: must be a finite number, got {value!r}")
        if scope not in SCOPES:
            raise ConfigError(f"early_terminate.scope: must be one of {list(SCOPES)}, got {scope!r}")
        self.value = value
        self.scope = scope
        self._bookmark = Bookmark()
        self._winner: int | None = None
        """The smallest number of an ended run that reached it."""

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Target:
        """From the `early_terminate` section of a sweep."""
        return cls(settings["value"], settings.get("scope", "run"))

    def stop(self, runs: Runs) -> Mapping[RunId, str]:
        """Run id → reason, for running runs that reached the value; for all of them if that ends the sweep."""
        goal = runs.goal
        if goal is None:
            return {}
        reached = {run.id: reason for run in runs.running if (reason := self._reached(runs, run.id, goal))}
        if self.scope == "run":
            return reached
        self._follow(runs, goal)
        winners = [runs[run_id].number for run_id in reached] + ([] if self._winner is None else [self._winner])
        if not winners:
            return {}
        number = min(winners)
        return {run.id: reached.get(run.id, f"target: run {number} reached {self.value:g}") for run in runs.running}

    def _follow(self, runs: Runs, goal: Goal) -> None:
        if not self._bookmark.fits(runs):
            self._winner = None
        for run_id in self._bookmark.ended(runs):
            best = runs.best_cost(run_id)
            if best is not None and best <= goal.cost(self.value):
                number = runs[run_id].number
                self._winner = number if self._winner is None else min(number, self._winner)

    def _reached(self, runs: Runs, run_id: RunId, goal: Goal) -> str:
        """When the run reached the value, in words; empty: not yet."""
        costs = runs.costs(run_id)
        hits = costs <= goal.cost(self.value)
        if not hits.any():
            return ""
        at = int(hits.argmax())
        return f"target: {goal.cost(float(costs[at])):.4g} at {values(at + 1)} reaches {self.value:g}"
