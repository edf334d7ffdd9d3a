"""Distributions that are rounded to multiples of q, and the lists of their values, which are never written out.

W&B rounds and lets the value leave [min, max]; here it stays inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast, overload

from attrs import field, frozen

from .distributions import Continuous, Uniform, clip, is_number, key

_SLACK = 1e-9
"""How far, in steps of q, a float may lie beside a multiple of q and still be it."""


@frozen
class Quantized:
    """A continuous distribution rounded to multiples of q (half to even). Whole numbers if q is an int.

    W&B lets the rounded value leave [min, max]; here it stays on the multiples inside, unless there are none.

    >>> Quantized(Uniform(0, 10), q=5).choices()[:]
    [0, 5, 10]
    >>> Quantized(LogUniform(1, 100), q=5).ppf(0.0)      # W&B: 0
    5
    """

    ordinal: ClassVar[bool] = True

    law: Continuous
    q: float = field(default=1.0, eq=lambda q: (q, isinstance(q, int)))
    _ends: tuple[float, float] = field(init=False, eq=False, repr=False)
    """The first and the last multiple, counted in steps of q; infinite where the support is."""

    @_ends.default
    def _multiples(self) -> tuple[float, float]:
        low, high = self.law.support
        first = low if math.isinf(low) else -_floor(-low / self.q)
        last = high if math.isinf(high) else _floor(high / self.q)
        if first <= last:
            return first, last
        return round(low / self.q), round(high / self.q)  # no multiple inside: the nearest, as W&B

    @property
    def distribution(self) -> str:
        return f"q_{self.law.distribution}"

    @property
    def constant(self) -> bool:
        first, last = self._ends
        if self.law.constant or first != last:
            return self.law.constant
        grid = self.grid()
        return grid is None or [self.ppf(0.5)] == grid[:2]

    def _step(self, value: float) -> int:
        return cast("int", clip(round(value / self.q), *self._ends))

    def _value(self, step: int) -> float:
        value = step * self.q
        low, high = self.law.support
        # 3 * 0.1 is 0.30000000000000004; a limit of 0.3 means 0.3
        near = isinstance(self.q, float) and _beside(value, low, high) <= _SLACK * self.q
        return clip(value, low, high) if near else value

    def ppf(self, u: float) -> float:
        return self._value(self._step(self.law.ppf(u)))

    def cdf(self, value: float) -> float:
        first, last = self._ends
        step = _floor(value / self.q) if math.isfinite(value) else value
        if step < first:
            return 0.0
        return 1.0 if step >= last else self.law.cdf((step + 0.5) * self.q)

    def unit(self, value: float) -> float:
        if self.constant:
            return 0.5
        first, last = self._ends
        step = self._step(value)
        below = 0.0 if step == first else self.law.cdf((step - 0.5) * self.q)
        return (below + (1.0 if step == last else self.law.cdf((step + 0.5) * self.q))) / 2

    def contains(self, value: Any) -> bool:
        """A multiple of q in range, or a point of the grid (which starts at min, as in W&B)."""
        if not is_number(value) or not math.isfinite(value):
            return False
        if self.constant:
            return key(value) == key(self.ppf(0.5))
        first, last = self._ends
        steps = value / self.q
        return (first <= round(steps) <= last and _on_step(steps)) or self._on_grid(value)

    def _on_grid(self, value: float) -> bool:
        grid = self.grid()
        if grid is None:
            return False
        nearest = grid[int(clip(round((value - grid[0]) / self.q), 0, len(grid) - 1))]
        return math.isclose(value, nearest, abs_tol=_SLACK * self.q)

    def grid(self) -> Sequence[float] | None:
        """`np.arange(min, max, q)`, max excluded; None unless uniform."""
        return _arange(self.law.min, self.law.max, self.q) if isinstance(self.law, Uniform) else None

    def choices(self) -> Sequence[float] | None:
        if self.constant:
            return (self.ppf(0.5),)
        first, last = self._ends
        if math.isinf(first) or math.isinf(last):
            return None
        return Lazy(int(last - first) + 1, lambda i: self._value(int(first) + i))

    def to_dict(self) -> dict[str, Any]:
        return {**self.law.to_dict(), "distribution": self.distribution, "q": self.q}


def _floor(steps: float) -> int:
    """The floor, where a whole number that floating point missed by a hair counts as that number."""
    return math.floor(steps + _slack(steps))


def _slack(steps: float) -> float:
    return _SLACK + 1e-15 * abs(steps)  # a few last bits of the quotient


def _on_step(steps: float) -> bool:
    return abs(steps - round(steps)) <= _slack(steps)


def _beside(value: float, low: float, high: float) -> float:
    """How far the value lies outside of [low, high]."""
    return max(low - value, value - high, 0.0)


def _arange(start: float, stop: float, step: float) -> Lazy:
    """The values of np.arange, to the last bit, without the array."""
    n = math.ceil((stop - start) / step)
    if all(isinstance(end, int) for end in (start, stop, step)):
        return Lazy(n, lambda i: start + i * step)
    first, stride = float(start), (start + step) - start
    return Lazy(n, lambda i: first + i * stride)


@frozen
class Lazy(Sequence[Any]):
    """A sequence of n values, each computed when it is looked at."""

    n: int
    at: Callable[[int], Any]

    def __len__(self) -> int:
        return self.n

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self.at(i) for i in range(self.n)[index]]
        return self.at(range(self.n)[index])
