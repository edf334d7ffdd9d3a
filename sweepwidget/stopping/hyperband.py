"""Hyperband as W&B applies it: at certain numbers of logged values (bands) only the best 1/eta of the runs continue.

The rules are those of wandb/sweeps 0.3 `hyperband_stopping.py`, after Li et al., "Hyperband", JMLR 18 (2018), section 3.
It decides from the values alone; the value of a run at a band never changes once it is logged, so each is looked at once.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field

from ..bookmark import Bookmark
from ..errors import ConfigError
from ..model import Run, RunId
from ..runs import Goal, Runs
from .reason import distinct, share, values

_STEPS = 100
_LONGEST = 2**53  # nobody logs more values than that, and larger floats no longer count in ones


@define
class _Passed:
    """The costs at the bands one attempt of a run has reached."""

    attempt: int
    costs: list[float] = field(factory=list)


class Hyperband:
    """Stops a running run whose cost at its last band is above the best 1/eta of all runs that reached that band.

    A run's iteration is the number of finite values it has logged of the metric. `strict=False` judges a run by the best
    value so far instead of the one at the band. Ties survive; a lone run is never stopped.

    >>> Hyperband.from_min_iter(3).bands[:4]
    (3, 9, 27, 81)
    """

    def __init__(self, bands: Iterable[int], eta: float = 3, strict: bool = True) -> None:
        self.bands: tuple[int, ...] = tuple(sorted(set(bands)))
        if not self.bands:
            raise ConfigError(
                "Bands must be an array of length at least 1. Try increasing s, decreasing eta, or increasing min_iter."
            )
        if self.bands[0] < 1:
            raise ConfigError(f"early_terminate: bands begin at 1 logged value, got {self.bands[0]}")
        _check_eta(eta)
        self.eta = eta
        self.strict = strict
        self._clear()
        self._bookmark = Bookmark()

    @classmethod
    def from_max_iter(cls, max_iter: int, s: int, eta: float = 3, strict: bool = True) -> Hyperband:
        """Bands `max_iter/eta, max_iter/eta², …`, s of them as long as they are at least 1.

        >>> Hyperband.from_max_iter(81, s=3).bands
        (3, 9, 27)
        """
        _check_eta(eta)
        if isinstance(s, bool) or not isinstance(s, int):
            raise TypeError(f"early_terminate.s: expected an integer, got {s!r}")
        return cls(_shrinking(max_iter, eta, s), eta, strict)

    @classmethod
    def from_min_iter(cls, min_iter: int, eta: float = 3, strict: bool = True) -> Hyperband:
        """Bands `min_iter, min_iter·eta, min_iter·eta², …`."""
        _check_eta(eta)
        if min_iter < 1:
            raise ConfigError(f"early_terminate.min_iter: must be at least 1, got {min_iter!r}")
        return cls(_growing(min_iter, eta), eta, strict)

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Hyperband:
        """From the `early_terminate` section of a sweep; `max_iter` wins when both are given, as in W&B."""
        eta, strict = settings.get("eta", 3), settings.get("strict", True)
        if "max_iter" in settings:
            if "s" not in settings:
                raise ConfigError("early_terminate: max_iter needs s, the number of bands below it, e.g. s: 2")
            return cls.from_max_iter(settings["max_iter"], settings["s"], eta, strict)
        if "min_iter" in settings:
            return cls.from_min_iter(settings["min_iter"], eta, strict)
        raise ConfigError("early_terminate: hyperband needs min_iter, or max_iter with s")

    def stop(self, runs: Runs) -> Mapping[RunId, str]:
        """Run id → reason, for running runs above the threshold of the last band they reached."""
        if runs.goal is None:
            return {}
        self._follow(runs)
        verdicts = ((run.id, self._verdict(runs, run, runs.goal)) for run in runs.running)
        return {run_id: reason for run_id, reason in verdicts if reason}

    def lines(self, runs: Runs) -> Sequence[str]:
        """W&B's debug lines: the thresholds of the bands that were reached, then where each running run stands."""
        if runs.goal is None:
            return ()
        doomed, logged = self.stop(runs), runs.goal.cost
        reached = [f"{band} = {logged(self._threshold(i)):g}" for i, band in enumerate(self.bands) if self._pools[i]]
        lines = (self._line(runs, run, runs.goal) + "  STOP" * (run.id in doomed) for run in runs.running)
        return [f"Bands: {', '.join(reached)}", *lines]

    # -- what is known ------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        self._passed: dict[RunId, _Passed] = {}
        """Of active runs only: an ended run's values stay in the pools for good."""
        self._pools: list[list[float]] = [[] for _ in self.bands]
        """Per band the costs of all runs that reached it, sorted."""

    def _follow(self, runs: Runs) -> None:
        if not self._bookmark.fits(runs):
            self._clear()
        for run_id in self._bookmark.ended(runs):
            self._look(runs, runs[run_id])
            self._passed.pop(run_id)
        for run in runs.active.values():
            self._look(runs, run)

    def _look(self, runs: Runs, run: Run) -> None:
        """Pool the costs of the bands the run reached since the last look."""
        passed = self._passed.get(run.id)
        if passed is None or passed.attempt != run.attempt:
            self._forget(passed)  # a new attempt begins at the first value again, the old one no longer counts
            passed = self._passed[run.id] = _Passed(run.attempt)
        costs = runs.costs(run.id)
        while (i := len(passed.costs)) < len(self.bands) and self.bands[i] <= len(costs):
            cost = float(costs[self.bands[i] - 1])
            passed.costs.append(cost)
            insort(self._pools[i], cost)

    def _forget(self, passed: _Passed | None) -> None:
        for pool, cost in zip(self._pools, passed.costs if passed else (), strict=False):
            del pool[bisect_left(pool, cost)]

    def _threshold(self, i: int) -> float:
        """The cost at band i that only the best 1/eta of the runs reach: `sorted(costs)[int(n/eta)]`."""
        pool = self._pools[i]
        return pool[int(len(pool) / self.eta)]

    def _standing(self, runs: Runs, run: Run) -> tuple[int, float] | None:
        """(index of the last band reached, the cost that is judged); None before the first band."""
        costs = self._passed[run.id].costs
        if not costs:
            return None
        return len(costs) - 1, costs[-1] if self.strict else float(runs.costs(run.id).min())

    def _verdict(self, runs: Runs, run: Run, goal: Goal) -> str:
        standing = self._standing(runs, run)
        if standing is None:
            return ""
        i, cost = standing
        threshold = self._threshold(i)
        if cost <= threshold:
            return ""
        # Goal.cost is its own inverse: it gives back the value as it was logged.
        value, limit = distinct(goal.cost(cost), goal.cost(threshold))
        judged = value if self.strict else f"its best, {value},"
        return f"hyperband: {judged} is worse than {limit}, the best {share(self.eta)} at {values(self.bands[i])}"

    def _line(self, runs: Runs, run: Run, goal: Goal) -> str:
        line = f"Run: {run.name or run.id} Step: {len(runs.costs(run.id))}"
        if (standing := self._standing(runs, run)) is None:
            return line
        i, cost = standing
        value, threshold = goal.cost(cost), goal.cost(self._threshold(i))
        return f"{line}  (Band: {self.bands[i]} Metric: {value:g} Threshold: {threshold:g})"


def _check_eta(eta: float) -> None:
    if isinstance(eta, bool) or not isinstance(eta, (int, float)) or not eta > 1:
        raise ConfigError(f"early_terminate.eta: must be a number greater than 1, got {eta!r}")


def _shrinking(max_iter: float, eta: float, s: int) -> Iterator[int]:
    band = float(max_iter)
    for _ in range(s):
        band /= eta
        if band < 1:
            return
        yield int(band)


def _growing(min_iter: float, eta: float) -> Iterator[int]:
    band = min_iter
    for _ in range(_STEPS):
        if band > _LONGEST:
            return
        yield int(band)
        band *= eta
