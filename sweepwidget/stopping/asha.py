"""ASHA as a stopping rule: whoever reaches a rung goes on only among the best 1/eta of those that were there before.

Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, Algorithm 2. There a run pauses at a rung
until it is promoted; a training function cannot pause, so here it goes on or is stopped (as in Ray Tune and Optuna).
Unlike hyperband's, a verdict stands: runs that begin later do not call back one that has passed.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping
from itertools import islice
from typing import Any

from attrs import define, field

from ..bookmark import Bookmark
from ..errors import ConfigError
from ..model import Run, RunId
from ..runs import Goal, Runs
from .hyperband import Hyperband
from .reason import distinct, share, values

_Turn = tuple[float, int]
"""The order in which runs began: (start of this attempt, number)."""


@define
class _Rung:
    """The runs that logged so many values."""

    iteration: int
    turns: list[_Turn] = field(factory=list)
    costs: list[tuple[float, _Turn]] = field(factory=list)
    """Both sorted."""

    def add(self, cost: float, turn: _Turn) -> None:
        insort(self.turns, turn)
        insort(self.costs, (cost, turn))

    def remove(self, cost: float, turn: _Turn) -> None:
        self.turns.remove(turn)
        self.costs.remove((cost, turn))

    def field_of(self, turn: _Turn) -> int:
        """How many of its runs began no later than this one, itself included."""
        return bisect_right(self.turns, turn)

    def top(self, k: int, turn: _Turn) -> float:
        """The cost of the k-th best of them, k >= 1."""
        return next(islice((cost for cost, other in self.costs if other <= turn), k - 1, None))


@define
class _Climb:
    """The rungs that one attempt of a run has reached."""

    attempt: int
    turn: _Turn
    costs: list[float] = field(factory=list)


class Asha:
    """Stops a running run that is not among the best ⌊n/eta⌋ of the n runs of its rung (`top_k(rung k, |rung k|/η)`).

    Rungs are at `min_iter, min_iter·eta, min_iter·eta², …` finite values of the metric, below `max_iter`. A run is compared,
    by its value at the highest rung it reached, with the runs that began before it and reached that rung. So the answer
    depends on the rows alone; with agents of equal speed it is that of a judge who sits at the rung. Ties go on, and so do
    the first runs of a rung, while ⌊n/eta⌋ is 0.

    >>> Asha(min_iter=3, max_iter=81).rungs
    (3, 9, 27)
    """

    def __init__(self, min_iter: int, eta: float = 3, max_iter: int | None = None) -> None:
        bands = Hyperband.from_min_iter(min_iter, eta).bands
        self.rungs = bands if max_iter is None else tuple(band for band in bands if band < max_iter)
        if not self.rungs:
            raise ConfigError(f"early_terminate.max_iter: must be greater than min_iter ({min_iter}), got {max_iter!r}")
        self.eta = eta
        self._bookmark = Bookmark()
        self._clear()

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Asha:
        """From the `early_terminate` section of a sweep."""
        return cls(settings["min_iter"], settings.get("eta", 3), settings.get("max_iter"))

    def stop(self, runs: Runs) -> Mapping[RunId, str]:
        """Run id → reason, for running runs that are not among the best of the highest rung they reached."""
        if runs.goal is None:
            return {}
        self._follow(runs)
        verdicts = ((run.id, self._verdict(self._climbs[run.id], runs.goal)) for run in runs.running)
        return {run_id: reason for run_id, reason in verdicts if reason}

    def _clear(self) -> None:
        self._climbs: dict[RunId, _Climb] = {}
        """Of active runs only: an ended run's values stay on the rungs for good."""
        self._rungs = [_Rung(iteration) for iteration in self.rungs]

    def _follow(self, runs: Runs) -> None:
        if not self._bookmark.fits(runs):
            self._clear()
        for run_id in self._bookmark.ended(runs):
            self._look(runs, runs[run_id])
            self._climbs.pop(run_id)
        for run in runs.active.values():
            self._look(runs, run)

    def _look(self, runs: Runs, run: Run) -> None:
        """Put the run on the rungs it reached since the last look."""
        climb = self._climbs.get(run.id)
        turn = (run.started_at or 0.0, run.number)
        if climb is None or (climb.attempt, climb.turn) != (run.attempt, turn):
            self._forget(climb)  # a new attempt begins at the first value again, the old one no longer counts
            climb = self._climbs[run.id] = _Climb(run.attempt, turn)
        costs = runs.costs(run.id)
        while (i := len(climb.costs)) < len(self.rungs) and self.rungs[i] <= len(costs):
            climb.costs.append(float(costs[self.rungs[i] - 1]))
            self._rungs[i].add(climb.costs[i], turn)

    def _forget(self, climb: _Climb | None) -> None:
        if climb is not None:
            for rung, cost in zip(self._rungs, climb.costs, strict=False):
                rung.remove(cost, climb.turn)

    def _verdict(self, climb: _Climb, goal: Goal) -> str:
        if not climb.costs:
            return ""
        rung, cost = self._rungs[len(climb.costs) - 1], climb.costs[-1]
        n = rung.field_of(climb.turn)
        k = int(n / self.eta)
        if k == 0 or cost <= (limit := rung.top(k, climb.turn)):
            return ""
        # Goal.cost is its own inverse: it gives back the value as it was logged.
        value, edge = distinct(goal.cost(cost), goal.cost(limit))
        return f"asha: {value} is worse than {edge}, the best {share(self.eta)} of {n} runs at {values(rung.iteration)}"
