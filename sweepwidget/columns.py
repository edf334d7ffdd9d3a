"""Typed metric columns: steps as int64, values as float64, little-endian wherever they are bytes.

The same columns go from `log()` through the store to the pixel, so nothing here ever makes a Python list of points.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .model import Column

STEP = np.dtype("<i8")
VALUE = np.dtype("<f8")


def column(steps: Iterable[int], values: Iterable[float]) -> Column:
    """A column from anything iterable: `column([0, 1], [0.5, 0.25])`."""
    return Column(np.asarray(list(steps), STEP), np.asarray(list(values), VALUE))


EMPTY = column((), ())


def concat(columns: Iterable[Column]) -> Column:
    """One column of several pieces, in the order given."""
    pieces = [piece for piece in columns if len(piece)]
    if not pieces:
        return EMPTY
    if len(pieces) == 1:
        return pieces[0]
    return Column(np.concatenate([p.steps for p in pieces]), np.concatenate([p.values for p in pieces]))


def decimate(whole: Column, points: int) -> Column:
    """At most `points` of the column, with the extremes of every bucket and the very last point kept."""
    n = len(whole)
    if n <= points or points < 4:
        return whole
    buckets = (points - 1) // 2
    edges = np.linspace(0, n - 1, buckets + 1).astype(np.int64)
    values = np.where(np.isfinite(whole.values), whole.values, 0.0)
    starts, body = edges[:-1], values[:-1]
    low = where_extreme(body, starts, np.minimum)
    high = where_extreme(body, starts, np.maximum)
    keep = np.unique(np.concatenate([low, high, [n - 1]]))
    return Column(whole.steps[keep], whole.values[keep])


def where_extreme(values: NDArray[np.float64], starts: NDArray[np.int64], extreme: np.ufunc) -> NDArray[np.int64]:
    """The first index of each bucket's extreme."""
    extremes = extreme.reduceat(values, starts)
    sizes = np.diff(np.append(starts, len(values)))
    hits = np.flatnonzero(values == np.repeat(extremes, sizes))
    bucket = np.searchsorted(starts, hits, side="right") - 1
    _, first = np.unique(bucket, return_index=True)
    found: NDArray[np.int64] = hits[first]
    return found


class Growing:
    """Floats that arrive in pieces; `values` is one array, appending costs what is appended (amortised)."""

    __slots__ = ("_buffer", "_n")

    def __init__(self) -> None:
        self._buffer: NDArray[np.float64] = np.empty(8, VALUE)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def extend(self, values: NDArray[np.float64]) -> None:
        end = self._n + len(values)
        if end > len(self._buffer):
            buffer = np.empty(max(end, 2 * len(self._buffer)), VALUE)
            buffer[: self._n] = self._buffer[: self._n]
            self._buffer = buffer
        self._buffer[self._n : end] = values
        self._n = end

    @property
    def values(self) -> NDArray[np.float64]:
        view = self._buffer[: self._n]
        view.flags.writeable = False
        return view
