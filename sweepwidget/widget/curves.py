"""Curves as the page draws them: joined with their x axis, cut to the range, decimated to what a plot has room for. Pure."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..columns import EMPTY, where_extreme
from ..model import Column

Floats = NDArray[np.float64]


@frozen(eq=False)
class Curve:
    """`values[i]` at `x[i]`, both float64; values may be NaN or infinite, x is finite."""

    x: Floats
    values: Floats

    def __len__(self) -> int:
        return len(self.x)

    def after(self, n: int) -> Curve:
        """Without its first n points."""
        return Curve(self.x[n:], self.values[n:])

    def within(self, limits: tuple[float, float] | None) -> Curve:
        """The points from … to, and one more on each side, so that lines lead out of the picture."""
        if limits is None or not len(self):
            return self
        inside = (self.x >= limits[0]) & (self.x <= limits[1])
        shown = inside.copy()
        shown[:-1] |= inside[1:]
        shown[1:] |= inside[:-1]
        if not inside.any():  # a line may still cross the range
            crossing = (self.x[:-1] < limits[0]) & (self.x[1:] > limits[1])
            shown[:-1] |= crossing
            shown[1:] |= crossing
        return Curve(self.x[shown], self.values[shown])


def by_step(column: Column) -> Curve:
    """Against the step."""
    return Curve(column.steps.astype(float), column.values)


def by_time(column: Column, times: Column, began_at: float) -> Curve:
    """Against the seconds since the run began; `times` are unix seconds by step."""
    joined = by_metric(column, times)
    return Curve(joined.x - began_at, joined.values)


def by_metric(column: Column, other: Column) -> Curve:
    """Against another metric of the run; points at whose step the other one was not logged, or is not finite, are left out."""
    if not len(other) or not len(column):
        return by_step(EMPTY)
    steps, values = other.steps, other.values
    if (steps[1:] < steps[:-1]).any():  # several processes of a run log on their own
        order = np.argsort(steps, kind="stable")
        steps, values = steps[order], values[order]
    at = np.searchsorted(steps, column.steps, side="right") - 1
    at = np.maximum(at, 0)
    there = (steps[at] == column.steps) & np.isfinite(values[at])
    return Curve(values[at[there]], column.values[there])


def decimated(curve: Curve, points: int) -> Curve:
    """About `points` of the curve at most: of each bucket the smallest and the largest value and the first that is not
    finite, and the very last point.

    >>> len(decimated(Curve(np.arange(1000.0), np.sin(np.arange(1000.0))), 100)) <= 100
    True
    """
    n = len(curve)
    if n <= max(points, 4):
        return curve
    buckets = max((points - 1) // 2, 1)
    starts = np.unique(np.linspace(0, n - 1, buckets + 1).astype(np.int64)[:-1])
    body = curve.values[:-1]
    finite = np.isfinite(body)
    low = where_extreme(np.where(finite, body, np.inf), starts, np.minimum)
    high = where_extreme(np.where(finite, body, -np.inf), starts, np.maximum)
    odd = np.flatnonzero(~finite)
    if len(odd):  # one of each bucket
        _, first = np.unique(np.searchsorted(starts, odd, side="right"), return_index=True)
        odd = odd[first]
    keep = np.unique(np.concatenate([low, high, odd, [n - 1]]))
    return Curve(curve.x[keep], curve.values[keep])
