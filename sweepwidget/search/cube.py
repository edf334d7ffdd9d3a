"""The unit cube that `method: bayes` searches in: configurations as rows of numbers, and back.

Each searchable parameter is one axis. Numbers go through the distribution's CDF, so that a uniform point of the cube is a
draw from the space ("probability integral transform"); discrete numbers stand in the middle of their share. Choices
without an order are numbered 0, 1, 2 …, and only ever compared for equality.

A parameter that is not active has a coordinate all the same, always the same one, so that two points are one configuration
if and only if they are equal: a value in the middle of the axis, as SMAC imputes a default (Hutter, Hoos & Leyton-Brown
2011, "Sequential Model-Based Optimization for General Algorithm Configuration"), or for choices without an order a number
of no choice, equally far from each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from ..errors import ConfigError
from ..parameters import Allowed, Categorical, Combinations, Parameter, Path, Quantized, Space
from .linalg import Floats

NO_CHOICE = -1.0
"""The coordinate of a choice that is not active."""
LISTED = 4096
"""Axes with more values than this are not listed; they are treated as continuous and rounded at the end."""
FINE = 24
"""Ordered axes with more values than this are optimised as if continuous, then rounded to the better neighbour."""


@frozen(eq=False)
class Axis:
    """One parameter. `levels` are the coordinates of its values, increasing; None if they are too many to list."""

    path: Path
    parameter: Parameter
    levels: Floats | None = None
    values: Sequence[Any] = ()
    count: int | None = None
    """How many values it has; None: infinitely many, for all purposes."""
    middles: Floats = field(init=False)
    """Between the levels: where the nearest one changes."""

    @middles.default
    def _middles(self) -> Floats:
        return np.empty(0) if self.levels is None else (self.levels[1:] + self.levels[:-1]) / 2

    lossy: bool = field(init=False)
    """Many coordinates share a value although levels are not listed: 100 000 whole numbers, or a beta distribution whose
    weight lies at its ends."""

    @lossy.default
    def _lossy(self) -> bool:
        if self.levels is not None:
            return False
        return any(abs(self._settle(u) - u) > 1e-6 for u in np.linspace(0.01, 0.99, 33).tolist())

    @classmethod
    def of(cls, path: Path, parameter: Parameter) -> Axis:
        values = _values(parameter)
        if values is None:
            return cls(path, parameter)
        if isinstance(parameter, Categorical):
            ranks = np.arange(len(values), dtype=float)
            return cls(
                path, parameter, (ranks + 0.5) / len(values) if parameter.ordinal else ranks, values, len(values)
            )
        if len(values) > LISTED:
            return cls(path, parameter, None, values, len(values))
        units, first = np.unique([parameter.unit(value) for value in values], return_index=True)
        return cls(path, parameter, units, [values[i] for i in first], len(units))

    @property
    def nominal(self) -> bool:
        return not self.parameter.ordinal

    @property
    def smooth(self) -> bool:
        """Whether moving a little along this axis makes sense."""
        return not self.nominal and (self.levels is None or len(self.levels) > FINE)

    @property
    def width(self) -> int:
        """Columns of the Gaussian process: one per value if the values have no order."""
        return len(self.values) if self.nominal else 1

    @property
    def inactive(self) -> float:
        """The coordinate that stands for having no value."""
        return NO_CHOICE if self.nominal else float(self.nearest(np.array([0.5]))[0])

    def encode(self, value: Any) -> float:
        """The coordinate of a value that the parameter contains."""
        if self.levels is None:
            return self.parameter.unit(value)
        if isinstance(self.parameter, Categorical):
            return float(self.levels[self.parameter.index(value)])
        return float(self.levels[np.searchsorted(self.middles, self.parameter.unit(value))])

    def decode(self, u: float) -> Any:
        return self.parameter.ppf(u) if self.levels is None else self.values[int(np.searchsorted(self.middles, u))]

    def coordinate(self, i: int) -> float:
        """The coordinate of the i-th value of a finite axis."""
        return self.parameter.unit(self.values[i]) if self.levels is None else float(self.levels[i])

    def nearest(self, u: Floats) -> Floats:
        """The coordinate of the value that each coordinate stands for."""
        if self.levels is not None:
            return self.levels[np.searchsorted(self.middles, u)]
        return np.array([self._settle(x) for x in u.tolist()]) if self.lossy else u

    def _settle(self, u: float) -> float:
        return self.parameter.unit(self.parameter.ppf(u))

    def spread(self, q: Floats) -> Floats:
        """Coordinates for quantiles q in [0, 1), each level getting its share of the axis."""
        if self.nominal:
            return np.floor(q * len(self.values))
        return self.nearest(q)


class Cube:
    """All axes of a space. A point is a row of D coordinates; points are an array of shape (m, D)."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.axes = tuple(Axis.of(path, space.parameters[path]) for path in space.searchable)
        widths = [axis.width for axis in self.axes]
        self.groups = np.repeat(np.arange(len(self.axes)), widths)
        """Which axis each column of the Gaussian process belongs to, shape (F,)."""
        self.smooth = np.array([d for d, axis in enumerate(self.axes) if axis.smooth], dtype=np.intp)
        self.smooth_columns = np.cumsum([0, *widths])[self.smooth]
        self.stepped = tuple(d for d, axis in enumerate(self.axes) if not axis.smooth)
        self.conditions = tuple(self._conditions())
        """For each axis that is not always active: its number, and which coordinates each of some other axes must have."""
        self._inactive = np.array([axis.inactive for axis in self.axes])
        self._combinations = self._count()
        self.size = None if self._combinations is None else self._combinations.size
        """How many different configurations there are; None: infinitely many, for all purposes."""

    def __len__(self) -> int:
        return len(self.axes)

    def encode(self, config: Mapping[str, Any]) -> Floats | None:
        """The point of a run's configuration; None if it lies outside (the space has been edited since)."""
        flat = self.space.flatten(config)
        point = np.empty(len(self.axes))
        for d, axis in enumerate(self.axes):
            if axis.path not in flat and not self.space.is_active(axis.path, flat):
                point[d] = axis.inactive
            elif axis.path not in flat or not axis.parameter.contains(flat[axis.path]):
                return None
            else:
                point[d] = axis.encode(flat[axis.path])
        return point

    def decode(self, point: Floats) -> dict[str, Any]:
        """The configuration nearest to a point, as a run is given it."""
        return self.space.nest({axis.path: axis.decode(float(u)) for axis, u in zip(self.axes, point, strict=True)})

    def draw(self, quantiles: Floats) -> dict[str, Any]:
        """The configuration at a quantile per axis: a uniform row gives a draw from the space, weights included."""
        pairs = zip(self.axes, quantiles, strict=True)
        return self.space.nest({axis.path: axis.parameter.ppf(float(q)) for axis, q in pairs})

    def spread(self, quantiles: Floats) -> Floats:
        """Points for rows of quantiles, shape (m, D): on levels where there are levels."""
        return self.settle(np.column_stack([axis.spread(q) for axis, q in zip(self.axes, quantiles.T, strict=True)]))

    def snap(self, points: Floats) -> Floats:
        """Points moved to the coordinates of the values they stand for."""
        return self.settle(np.column_stack([axis.nearest(u) for axis, u in zip(self.axes, points.T, strict=True)]))

    def columns(self, points: Floats) -> Floats:
        """The Gaussian process's columns of points, shape (m, F); see `gp.Inputs`."""
        if not any(axis.nominal for axis in self.axes):
            return points
        pairs = zip(self.axes, points.T, strict=True)
        return np.hstack([_one_hot(u, axis.width) if axis.nominal else u[:, None] for axis, u in pairs])

    # -- what is not active ---------------------------------------------------------------------------------------

    def active(self, points: Floats) -> NDArray[np.bool_]:
        """Which axes are active at points, shape (m, D)."""
        active = np.ones(points.shape, dtype=bool)
        for d, needs in self.conditions:
            for parent, coordinates in needs:
                active[:, d] &= np.isin(points[:, parent], coordinates)
        return active

    def settle(self, points: Floats) -> Floats:
        """The points with the coordinates of what is not active where they belong; choices that have just become active
        begin with their first.
        """
        if not self.conditions:
            return points
        awake = np.where(points == NO_CHOICE, 0.0, points)
        return np.where(self.active(awake), awake, self._inactive)

    def _conditions(self) -> Iterator[tuple[int, tuple[tuple[int, Floats], ...]]]:
        number = {axis.path: d for d, axis in enumerate(self.axes)}
        for d, axis in enumerate(self.axes):
            needs = self.space.requirements.get(axis.path)
            if needs:
                yield d, tuple((number[parent], self._coordinates(parent, some)) for parent, some in needs.items())

    def _coordinates(self, path: Path, allowed: Allowed) -> Floats:
        axis = next(axis for axis in self.axes if axis.path == path)
        return np.array([axis.encode(value) for value in allowed.values() if axis.parameter.contains(value)])

    # -- finite spaces --------------------------------------------------------------------------------------------

    def _count(self) -> Combinations | None:
        values = {axis.path: axis.values for axis in self.axes if axis.count is not None}
        if len(values) < len(self.axes):
            return None
        try:
            return self.space.combinations(values)
        except ConfigError:  # conditions that cannot be followed: found out by trying
            return None

    def cell(self, number: int) -> Floats:
        """The configuration of that number, 0 ≤ number < size, as a point: the last axis changes fastest."""
        assert self._combinations is not None
        positions = self._combinations.positions(number)
        return np.array(
            [axis.coordinate(positions[axis.path]) if axis.path in positions else axis.inactive for axis in self.axes]
        )

    def every(self) -> Floats:
        """All points of a finite cube whose axes are listed, shape (size, D)."""
        if self.conditions:
            return self._cells
        grids = np.meshgrid(*(axis.levels for axis in self.axes if axis.levels is not None), indexing="ij")
        return np.column_stack([grid.ravel() for grid in grids])

    @cached_property
    def _cells(self) -> Floats:
        assert self.size is not None
        return np.stack([self.cell(number) for number in range(self.size)])


def identity(point: Floats) -> bytes:
    """What two points share if and only if they are the same configuration (for points made by `Cube.encode`)."""
    return point.tobytes()


def _one_hot(levels: Floats, width: int) -> Floats:
    columns: Floats = (levels[:, None] == np.arange(width)) * np.sqrt(0.5)
    return columns


def _values(parameter: Parameter) -> Sequence[Any] | None:
    """Every value in order, or None for a continuum. Infinite tails end where `ppf` ends."""
    values = parameter.choices()
    if values is not None or not isinstance(parameter, Quantized):
        return values
    low, high = parameter.ppf(0.0), parameter.ppf(1.0)
    count = round((high - low) / parameter.q) + 1
    return [low + i * parameter.q for i in range(count)] if count <= LISTED else None
