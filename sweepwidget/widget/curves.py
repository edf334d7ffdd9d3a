"""Curves as the page draws them: joined with their x axis, cut to the range, decimated to what a plot has room for. Pure."""

from __future__ import annotations

from typing import Any

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
    smooth: Floats | None = None
    """The values smoothed, where somebody wants that."""

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
        return self.at(shown)

    def at(self, chosen: NDArray[Any]) -> Curve:
        """Some of its points, by position or by mask."""
        return Curve(self.x[chosen], self.values[chosen], None if self.smooth is None else self.smooth[chosen])


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


def smoothed(curve: Curve, weight: float) -> Curve:
    """With an exponential moving average beside its values, in which the past has this weight in [0, 1), without the bias of
    its start: s_i = w s_(i-1) + (1 - w) y_i with s_0 = 0, divided by 1 - w^i (Kingma & Ba 2015, section 3). Values that are
    not finite stay, and leave no trace.

    >>> smoothed(Curve(np.arange(3.0), np.array([1.0, np.nan, 3.0])), 0.5).smooth
    array([1.        ,        nan, 2.33333333])
    """
    from scipy.signal import lfilter

    finite = np.isfinite(curve.values)
    average = lfilter([1 - weight], [1, -weight], curve.values[finite])
    smooth = curve.values.copy()
    smooth[finite] = average / (1 - weight ** np.arange(1, len(average) + 1))
    return Curve(curve.x, curve.values, smooth)


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
    return curve.at(keep)
