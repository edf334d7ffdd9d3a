"""The median stopping rule of Google Vizier: a run must be better, at its best, than finished runs were on average.

Golovin et al., "Google Vizier: A Service for Black-Box Optimization", KDD 2017, section 3.2.2. It assumes no shape of the
curve; what it compares with lags behind, so it stops late and seldom wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bookmark import Bookmark
from ..columns import Growing
from ..errors import ConfigError
from ..model import RunId, RunState
from ..runs import Goal, Runs
from .reason import distinct, values


class Median:
    """Stops a running run whose best value up to step s is worse than the median of the finished runs' averages up to s.

    Steps are finite values of the metric. A run is judged at `min_iter` values and then at every `interval`-th, once
    `min_runs` runs have finished; one that was shorter than s counts with the average of all its values. `percentile=25`
    asks a run to keep up with the best quarter instead of the better half. Ties survive, and of an even number of runs
    the lower one of the two in the middle is the median.

    A step costs what is running, times one look at each finished run (5000 of them: 0.1 ms for each that runs).

    >>> Median(min_iter=10).stop(runs)      # doctest: +SKIP
    {'q3z8m1xa': 'median: 0.53, its best of 12 values, is worse than 0.41, the median of 8 finished runs then'}
    """

    def __init__(self, min_iter: int = 5, min_runs: int = 5, percentile: float = 50, interval: int = 1) -> None:
        problems = [
            f"early_terminate.{name}: {want}, got {got!r}"
            for name, want, got, good in (
                ("min_iter", "must be at least 1", min_iter, min_iter >= 1),
                ("min_runs", "must be at least 1", min_runs, min_runs >= 1),
                ("percentile", "must be above 0 and at most 100", percentile, 0 < percentile <= 100),
                ("interval", "must be at least 1", interval, interval >= 1),
            )
            if not good
        ]
        if problems:
            raise ConfigError(problems)
        self.min_iter = min_iter
        self.min_runs = min_runs
        self.percentile = percentile
        self.interval = interval
        self._bookmark = Bookmark()
        self._clear()

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Median:
        """From the `early_terminate` section of a sweep."""
        return cls(**{key: value for key, value in settings.items() if key != "type"})

    def stop(self, runs: Runs) -> Mapping[RunId, str]:
        """Run id → reason, for running runs that do not keep up."""
        if runs.goal is None:
            return {}
        self._follow(runs)
        if len(self._ends) < self.min_runs:
            return {}
        verdicts = ((run.id, self._verdict(runs.costs(run.id), runs.goal)) for run in runs.running)
        return {run_id: reason for run_id, reason in verdicts if reason}

    def _clear(self) -> None:
        self._averages = Growing()
        """The running averages of the finished runs, one run after another."""
        self._ends: list[int] = []
        """Where each of them ends."""
        self._bounds: tuple[NDArray[np.intp], NDArray[np.intp]] = (np.empty(0, np.intp), np.empty(0, np.intp))
        """(start, last) of each."""

    def _follow(self, runs: Runs) -> None:
        """Take in the runs that finished since the last look."""
        if not self._bookmark.fits(runs):
            self._clear()
        known = len(self._ends)
        for run_id in self._bookmark.ended(runs):
            costs = runs.costs(run_id)
            if runs[run_id].state is RunState.finished and len(costs):
                self._averages.extend(running_average(costs))
                self._ends.append(len(self._averages))
        if len(self._ends) > known:
            ends = np.array(self._ends, np.intp)
            self._bounds = np.concatenate([[0], ends[:-1]]), ends - 1

    def _verdict(self, costs: NDArray[np.float64], goal: Goal) -> str:
        if len(costs) < self.min_iter:
            return ""
        s = len(costs) - (len(costs) - self.min_iter) % self.interval
        best, limit = float(costs[:s].min()), self._limit(s)
        if best <= limit:
            return ""
        value, edge = distinct(goal.cost(best), goal.cost(limit))
        whom = "the median" if self.percentile == 50 else f"the best {self.percentile:g} %"
        return f"median: {value}, its best of {values(s)}, is worse than {edge}, {whom} of {len(self._ends)} finished runs then"

    def _limit(self, s: int) -> float:
        """The percentile, over the finished runs, of their averages up to step s (an element of them: no interpolation)."""
        starts, lasts = self._bounds
        averages = self._averages.values[np.minimum(starts + (s - 1), lasts)]
        k = min(int(len(averages) * self.percentile / 100), len(averages) - 1)
        return float(np.partition(averages, k)[k])


def running_average(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the first 1, 2, … costs. Shape (n,), as the costs.

    >>> running_average(np.array([3.0, 1.0])).tolist()
    [3.0, 2.0]
    """
    shift = max(0, math.frexp(float(np.abs(costs).max()))[1] - 960)  # sums of costs near 1e308 would overflow
    means = np.ldexp(np.cumsum(np.ldexp(costs, -shift)) / np.arange(1, len(costs) + 1), shift)
    # Rounding may leave the range of the values by a hair, and equal runs would no longer be equal.
    bounded: NDArray[np.float64] = np.clip(means, np.minimum.accumulate(costs), np.maximum.accumulate(costs))
    return bounded
