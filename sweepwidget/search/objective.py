"""From what runs returned to what a Gaussian process can model: standardised costs, smaller is better.

Costs of real sweeps have a long bad tail (diverged runs, losses of 1e30) that would flatten the part that matters. So
the tail is compressed, then everything is brought to mean 0 and standard deviation 1. The way back is kept, because
people read predictions in the metric's own unit.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen

from .linalg import Floats

TAIL = 3.0
"""Costs worse than the median by more than this many times the spread of the good half are compressed."""
_LARGEST = float(np.finfo(float).max)


@frozen
class Scale:
    """The map between costs and standardised costs, for costs of any finite magnitude.

        v = (cost - median) / bend              bend: the spread of the good half, median - 5 % quantile
        w = v up to TAIL, then TAIL + log(1 + v - TAIL)
        y = (w - mean) / std

    >>> scale = Scale.of(np.array([0.3, 0.1, 0.2, 1e30]))
    >>> round(scale.cost(scale.standardise(np.array([0.25]))[0]), 12)
    0.25
    """

    median: float
    bend: float
    mean: float
    std: float

    @classmethod
    def of(cls, costs: Floats) -> Scale:
        """The scale of finite costs, shape (n,), n ≥ 1. If all are equal they are all standardised to 0."""
        ordered = np.sort(costs)
        median = float(ordered[(len(ordered) - 1) // 2])
        bend = _bend(ordered, median)
        w = _compress(costs, median, bend)
        std = float(w.std())
        return cls(median, bend, float(w.mean()), std if std > 1e-3 else 1.0)

    def standardise(self, costs: Floats) -> Floats:
        return (_compress(costs, self.median, self.bend) - self.mean) / self.std

    def cost(self, y: float) -> float:
        """The cost that a standardised cost stands for."""
        w = self.mean + self.std * y
        with np.errstate(over="ignore"):
            v = w if w <= TAIL else TAIL + np.expm1(w - TAIL)
            return float(np.clip(self.median + self.bend * v, -_LARGEST, _LARGEST))

    def cost_std(self, y: float, std: float) -> float:
        """A standard deviation at y in the unit of the cost (to first order)."""
        w = self.mean + self.std * y
        with np.errstate(over="ignore"):
            slope = 1.0 if w <= TAIL else np.exp(w - TAIL)
            return float(np.clip(std * self.std * slope * self.bend, 0.0, _LARGEST))


def _compress(costs: Floats, median: float, bend: float) -> Floats:
    with np.errstate(over="ignore"):
        v = np.clip((costs - median) / bend, -1e100, 1e300)
    compressed: Floats = np.minimum(v, TAIL) + np.log1p(np.maximum(v - TAIL, 0.0))
    return compressed


def _bend(ordered: Floats, median: float) -> float:
    """How much the good half of the costs differs; if it does not, how much the best of the others differ from it."""
    low, lowest = float(ordered[int(0.05 * len(ordered))]), float(ordered[0])
    bend = min(median - low or median - lowest, _LARGEST)
    worse = ordered[ordered > median]
    if bend == 0.0 and len(worse):
        bend = min(float(worse[len(worse) // 4]) - median, _LARGEST)
    return max(bend, 1e-12 * abs(median)) or 1.0
