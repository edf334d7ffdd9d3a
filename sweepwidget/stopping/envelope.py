"""Envelope stopping: a run must keep up with the worst of the best finished runs.

The rules are those of wandb 0.11 `wandb/sweeps/envelope_stopping.py`, where no sweep configuration could reach them; here
`early_terminate: {type: envelope}` does.
"""

from __future__ import annotations

from bisect import bisect
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

    A step costs what is running, and after a run has finished one maximum over the curves that make the envelope.

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
        self._start_over()

    def _start_over(self) -> None:
        self._finished: list[_Finished] = []
        self._curves = _Curves()
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
            self._start_over()
        known = len(self._finished)
        for run_id in self._bookmark.ended(runs):
            run, costs = runs[run_id], runs.costs(run_id)
            if run.state is RunState.finished and len(costs):
                lowest = np.minimum.accumulate(costs)
                self._add(_Finished(float(lowest[-1]), run.number, lowest))
        if len(self._finished) > known and len(self._finished) >= self.min_runs:
            self._envelope = self._curves.highest()

    def _add(self, run: _Finished) -> None:
        """Put the run in its place, and keep the curves of the best as they now are: one comes, one may go."""
        place = bisect(self._finished, run)
        self._finished.insert(place, run)
        top, curves = min(self._top, len(self._finished)), self._curves
        if place < top and place <= len(curves):
            if len(curves) == top:
                curves.drop_last()
            curves.insert(place, run.lowest)
        while len(curves) < top:
            curves.insert(len(curves), self._finished[len(curves)].lowest)

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


class _Curves:
    """Curves in order, as rows of one matrix, each going on with its last value: their maximum is one call of numpy."""

    def __init__(self) -> None:
        self._matrix: NDArray[np.float64] = np.empty((8, 8))
        self._longest = 0
        self._order: list[int] = []
        """Row of the first curve, of the second, …"""
        self._unused: list[int] = []
        """Rows that are to be filled again before any other."""

    def __len__(self) -> int:
        return len(self._order)

    def insert(self, place: int, curve: NDArray[np.float64]) -> None:
        row = self._unused.pop() if self._unused else len(self._order)
        height, width = self._matrix.shape
        if row == height:
            self._matrix = np.concatenate([self._matrix, np.empty((height, width))])
        if len(curve) > width:
            last = np.repeat(self._matrix[:, -1:], len(curve), axis=1)
            self._matrix = np.hstack([self._matrix, last])
        self._matrix[row, : len(curve)] = curve
        self._matrix[row, len(curve) :] = curve[-1]
        self._longest = max(self._longest, len(curve))
        self._order.insert(place, row)

    def drop_last(self) -> None:
        self._unused.append(self._order.pop())

    def highest(self) -> NDArray[np.float64]:
        """The largest value at each position. Shape (longest,)."""
        assert not self._unused
        highest: NDArray[np.float64] = self._matrix[: len(self._order), : self._longest].max(axis=0)
        return highest


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
