"""Envelope stopping: a run must keep up with the worst of the best finished runs.

The rules are those of wandb 0.11 `wandb/sweeps/envelope_stopping.py`, where no sweep configuration could reach them; here
`early_terminate: {type: envelope}` does.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from math import ceil
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from ..bookmark import Bookmark
from ..errors import ConfigError
from ..model import RunId, RunState
from ..runs import Goal, Runs
from .reason import distinct, values


@frozen(order=True)
class _Finished:
    """A finished run, ordered by its best cost (runs of equal cost by number)."""

    best: float
    number: int
    lowest: NDArray[np.float64] = field(eq=False, order=False)
    """Cumulative minimum of the costs. Shape (n,)."""


class Envelope:
    """Stops a running run whose best cost is not below the envelope at its number of logged values.

    The envelope is, value by value, the largest cumulative minimum of the best `fraction` of the finished runs (at least
    `min_runs` of them; with fewer finished runs nothing is stopped). A run of at most `start_iter` values is kept.

    A step costs what is running, and after a run has finished one pass over the curves that make the envelope.

    >>> Envelope(fraction=0.3, min_runs=3, start_iter=3).stop(runs)      # doctest: +SKIP
    {'q3z8m1xa': 'envelope: 0.53, its best of 12 values, is no better than 0.41, the worst of the best 3 runs then'}
    """

    def __init__(self, fraction: float = 0.3, min_runs: int = 3, start_iter: int = 3) -> None:
        problems = [
            f"early_terminate.{name}: {want}, got {got!r}"
            for name, want, got, good in (
                (
                    "fraction",
                    "must be a number above 0 and at most 1",
                    fraction,
                    _is_number(fraction) and 0 < fraction <= 1,
                ),
                ("min_runs", "must be an integer of at least 1", min_runs, _is_int(min_runs) and min_runs >= 1),
                ("start_iter", "must be an integer of at least 0", start_iter, _is_int(start_iter) and start_iter >= 0),
            )
            if not good
        ]
        if problems:
            raise ConfigError(problems)
        self.fraction = fraction
        self.min_runs = min_runs
        self.start_iter = start_iter
        self._bookmark = Bookmark()
        self._finished: list[_Finished] = []
        self._envelope: NDArray[np.float64] = np.empty(0)

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Envelope:
        """From the `early_terminate` section of a sweep."""
        return cls(**{key: value for key, value in settings.items() if key != "type"})

    def stop(self, runs: Runs) -> Mapping[RunId, str]:
        """Run id → reason, for running runs outside the envelope."""
        if runs.goal is None:
            return {}
        self._follow(runs)
        if not len(self._envelope):
            return {}
        verdicts = ((run.id, self._verdict(runs.costs(run.id), runs.goal)) for run in runs.running)
        return {run_id: reason for run_id, reason in verdicts if reason}

    def _follow(self, runs: Runs) -> None:
        """Take in the runs that finished since the last look; only they can move the envelope."""
        if not self._bookmark.fits(runs):
            self._finished, self._envelope = [], np.empty(0)
        known = len(self._finished)
        for run_id in self._bookmark.ended(runs):
            run, costs = runs[run_id], runs.costs(run_id)
            if run.state is RunState.finished and len(costs):
                lowest = np.minimum.accumulate(costs)
                insort(self._finished, _Finished(float(lowest[-1]), run.number, lowest))
        if len(self._finished) > known and len(self._finished) >= self.min_runs:
            self._envelope = _envelope([run.lowest for run in self._finished[: self._top]])

    @property
    def _top(self) -> int:
        """How many of the finished runs make the envelope."""
        return max(ceil(len(self._finished) * self.fraction), self.min_runs)

    def _verdict(self, costs: NDArray[np.float64], goal: Goal) -> str:
        n = len(costs)
        if n <= self.start_iter:
            return ""
        best, limit = float(costs.min()), float(self._envelope[min(n, len(self._envelope)) - 1])
        if best < limit:
            return ""
        value, edge = distinct(goal.cost(best), goal.cost(limit))
        return f"envelope: {value}, its best of {values(n)}, is no better than {edge}, the worst of the best {self._top} runs then"


def _envelope(curves: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The largest value at each position; a shorter curve keeps its last one. Shape (longest,)."""
    edge = np.full(max(len(curve) for curve in curves), -np.inf)
    for curve in curves:
        np.maximum(edge[: len(curve)], curve, out=edge[: len(curve)])
        np.maximum(edge[len(curve) :], curve[-1], out=edge[len(curve) :])
    return edge


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
