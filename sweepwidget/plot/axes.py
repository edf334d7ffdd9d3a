"""Parameters as axes: numbers where they are, on a logarithmic scale if they are drawn on one, and choices in a row."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from ..model import Run
from ..parameters import Categorical, Parameter, Path, key
from ..progresstext import number
from .look import label, plain
from .subject import Floats, Subject

_LABELS = 24
"""So many choices of an axis are named."""


@frozen(eq=False)
class ParameterAxis:
    """One parameter. A run's place is its value, or the number of its choice; NaN where it has none."""

    name: str
    path: Path
    parameter: Parameter
    log: bool
    choices: Mapping[Hashable, str] | None
    """What identifies a choice → its label, in order; None for numbers."""
    places: Floats
    """Of the runs, shape (n,)."""

    @classmethod
    def of(cls, subject: Subject, name: str, runs: Sequence[Run]) -> ParameterAxis:
        path, parameter = subject.parameters[name]
        given = [subject.flat[run.id].get(path, _ABSENT) for run in runs]
        if parameter.constant or isinstance(parameter, Categorical):
            listed = [] if parameter.constant else list(parameter.choices() or ())
            choices = {key(value): label(value) for value in [*listed, *(v for v in given if v is not _ABSENT)]}
            position = {choice: i for i, choice in enumerate(choices)}
            places = [math.nan if value is _ABSENT else float(position[key(value)]) for value in given]
            return cls(name, path, parameter, False, choices, np.array(places))
        log = "log" in parameter.distribution
        numbers = np.array([_number(value) for value in given])
        return cls(name, path, parameter, log, None, np.where(numbers > 0, numbers, np.nan) if log else numbers)

    def layout(self, ticks: int = 6) -> dict[str, Any]:
        """As plotly's axis, with about so many ticks."""
        title = {"title": plain(self.name, 40)}
        if self.choices is None:
            return title | ({"type": "log", "dtick": self._decades(ticks)} if self.log else {"nticks": ticks + 1})
        at, told = self.ticks()
        return {**title, "tickvals": at, "ticktext": told, "range": [-0.6, len(self.choices) - 0.4], "showgrid": False}

    def _decades(self, ticks: int) -> int:
        """So many decades between two ticks."""
        known = np.log10(self.places[np.isfinite(self.places)])
        return max(1, math.ceil(float(np.ptp(known)) / ticks)) if len(known) else 1

    def ticks(self) -> tuple[list[float], list[str]]:
        """Places and what is written there."""
        if self.choices is not None:
            stride = max(1, math.ceil(len(self.choices) / _LABELS))
            told = list(self.choices.values())
            return [float(i) for i in range(0, len(told), stride)], told[::stride]
        at = ticks_of(self.places, self.log)
        return at, [number(place) for place in at]

    def jittered(self, runs: Sequence[Run]) -> Floats:
        """Places moved a little beside their choice, so that runs do not hide each other; the same in every figure."""
        if self.choices is None:
            return self.places
        golden = np.array([run.number * 0.6180339887 % 1.0 for run in runs])
        return self.places + (golden - 0.5) * 0.44

    def told(self, place: float) -> str:
        """A place in words."""
        if math.isnan(place):
            return "–"
        return number(place) if self.choices is None else list(self.choices.values())[int(place)]

    def values(self, n: int) -> tuple[Floats, list[Any]]:
        """About n places from the smallest to the largest that runs have, and the parameter's values there."""
        if self.choices is not None:
            seen = set(self.places[np.isfinite(self.places)].tolist())
            had = [(float(i), value) for i, value in enumerate(self.parameter.choices() or ()) if i in seen]
            return np.array([i for i, _ in had]), [value for _, value in had]
        known = self.places[np.isfinite(self.places)]
        low, high = float(known.min()), float(known.max())
        listed = self.parameter.choices()
        if listed is not None and len(listed) <= n:
            there = [value for value in listed if low <= value <= high]
            return np.array(there, dtype=float), there
        at = np.geomspace(low, high, n) if self.log else np.linspace(low, high, n)
        return at, at.tolist()


_ABSENT: Any = object()


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def ticks_of(places: Floats, log: bool, most: int = 6) -> list[float]:
    """Round numbers within the range of the places, whose ends are among them.

    >>> ticks_of(np.array([0.0, 10.0]), log=False)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    known = places[np.isfinite(places)]
    if not len(known):
        return []
    low, high = float(known.min()), float(known.max())
    if log and high >= 10 * low:
        first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
        stride = max(1, math.ceil((last - first) / most))
        return [10.0**exponent for exponent in range(first, last + 1, stride)]
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    rough = span / (most - 1)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]
