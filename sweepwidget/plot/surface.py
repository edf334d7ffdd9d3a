"""What a metric is like along one or two parameters, with all others averaged: the mean of a Gaussian process that is shown
nothing but these parameters, so that what the others do is noise to it. The model is that of `method: bayes` (search/gp.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from ..importance import FENCE
from ..parameters import Parameter, Path, Space
from .subject import Floats

LEAST = 6
"""Fewer runs than this show no shape."""
KNOWN = 240
"""The model is fitted to so many of the runs, evenly: the best ones alone would say that everything is good."""


def mean(
    parameters: Mapping[Path, Parameter], rows: Sequence[Sequence[Any]], costs: Floats, at: Sequence[Sequence[Any]]
) -> Floats | None:
    """The expected cost at every combination of `at` (one list of values per parameter), in the shape of their lengths.

    `rows` are the values that runs had, `costs` (smaller is better, finite) what came of them. None if they are too few,
    or all of one value.
    """
    from ..search import gp
    from ..search.cube import Cube
    from ..search.objective import Scale

    inside = [
        all(parameter.contains(value) for parameter, value in zip(parameters.values(), row, strict=True))
        for row in rows
    ]
    points = np.flatnonzero(inside)
    if len(points) < LEAST or not np.ptp(costs[points] / 2) > 0:
        return None
    points = points[np.linspace(0, len(points) - 1, min(len(points), KNOWN)).astype(int)]
    cube = Cube(Space(dict(parameters)))
    if len(cube) < len(parameters):
        return None
    X = np.array([[axis.encode(value) for axis, value in zip(cube.axes, rows[i], strict=True)] for i in points])
    kept = _fenced(costs[points])
    scale = Scale.of(kept)
    inputs, y = gp.Inputs(cube.columns(X), cube.groups), scale.standardise(kept)
    posterior = gp.condition(inputs, y, gp.fit(inputs, y))
    sides = [[axis.encode(value) for value in values] for axis, values in zip(cube.axes, at, strict=True)]
    grid = np.array(list(product(*sides)))
    expected = posterior.predict_mean(cube.columns(grid) / posterior.scale)
    return np.array([scale.cost(value) for value in expected.tolist()]).reshape([len(side) for side in sides])


def _fenced(costs: Floats) -> Floats:
    """Values far out count as if they lay at the fence (as in importance.py), else a diverged run would bend all."""
    low, high = np.quantile(costs, [0.25, 0.75])
    fence = FENCE * (high / 2 - low / 2) * 2
    return np.clip(costs, low - fence, high + fence) if fence > 0 else costs
