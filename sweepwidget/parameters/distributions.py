"""The distributions: one frozen class per family, from the unit interval to native Python values and back.

Values are equal by `key`, never by truthiness. Nothing here draws a random number.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import accumulate
from statistics import NormalDist
from typing import Any, ClassVar, cast

import attrs
import numpy as np
from attrs import field, frozen

EDGE = 1e-9
"""Infinite tails are cut here (6 sigma): values stay finite, and near 1 neighbouring quantiles stay apart as floats."""

# -- equality -----------------------------------------------------------------------------------------------------


def key(value: Any) -> Hashable:
    """What two values must share to be the same value in a grid: 1 is 1.0 but not True, NaN is NaN, the order of a
    dict does not matter. For use within a process only.

    >>> key([1, {"a": 2, "b": 3}]) == key([1.0, {"b": 3, "a": 2}])
    True
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, (int, float)):
        return value if value == value else ("nan",)  # noqa: PLR0124  (only NaN differs from itself)
    if isinstance(value, Mapping):
        return "dict", frozenset((name, key(item)) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return "list", tuple(key(item) for item in value)
    if isinstance(value, np.generic):
        return key(value.item())
    return cast("Hashable", value)


# -- one value, or a list of them -----------------------------------------------------------------------------------


def _keys(values: Iterable[Any] | None) -> Hashable:
    return None if values is None else tuple(key(value) for value in values)


@frozen
class Constant:
    """Always the same value.

    >>> Constant(None).ppf(0.3) is None
    True
    """

    distribution: ClassVar[str] = "constant"
    constant: ClassVar[bool] = True
    ordinal: ClassVar[bool] = False

    value: Any = field(eq=key)

    def ppf(self, u: float) -> Any:
        return self.value

    def cdf(self, value: Any) -> float:
        return 1.0

    def unit(self, value: Any) -> float:
        return 0.5

    def contains(self, value: Any) -> bool:
        return key(value) == key(self.value)

    def grid(self) -> Sequence[Any]:
        return (self.value,)

    def choices(self) -> Sequence[Any]:
        return (self.value,)

    def to_dict(self) -> dict[str, Any]:
        return to_dict(self)


@frozen
class _Options:
    """The distinct choices of a categorical parameter and their shares of the unit interval."""

    values: tuple[Any, ...]
    edges: tuple[float, ...]
    """`edges[i]` is where the share of `values[i]` ends."""
    position: Mapping[Hashable, int]
    ordinal: bool
    fields: frozenset[str]
    """Every key of the choices that are dicts."""

    @classmethod
    def of(cls, categorical: Categorical) -> _Options:
        values = categorical.values
        weights = (1.0,) * len(values) if categorical.probabilities is None else categorical.probabilities
        shares: dict[Hashable, tuple[Any, float]] = {}
        for value, weight in zip(values, weights, strict=True):
            same = key(value)
            shares[same] = (value, weight + shares.get(same, (None, 0.0))[1])
        options = [(value, weight) for value, weight in shares.values() if weight > 0]
        ordinal = all(is_number(value) for value, _ in options)
        if ordinal:
            options.sort(key=lambda option: cast("float", option[0]))
        ends = list(accumulate(weight for _, weight in options))
        return cls(
            values=tuple(value for value, _ in options),
            edges=tuple(end / ends[-1] for end in ends),
            position={key(value): i for i, (value, _) in enumerate(options)},
            ordinal=ordinal,
            fields=frozenset(name for value, _ in options if isinstance(value, Mapping) for name in value),
        )


@frozen
class Categorical:
    """One of a list of JSON values, each equally likely or with its probability.

    Values that are equal (see `key`) are one choice, the last of them represents it, and their shares add up. If all
    are numbers they are ordered; 0, False, "" and None are choices like any other.

    >>> Categorical([3, 1, 2]).ppf(0.0)
    1
    >>> Categorical([1, 1.0, True, "1"]).grid()
    (1.0, True, '1')
    """

    values: tuple[Any, ...] = field(converter=tuple, eq=_keys)
    probabilities: tuple[float, ...] | None = field(default=None, converter=attrs.converters.optional(tuple))
    _options: _Options = field(init=False, eq=False, repr=False)

    @_options.default
    def _distinct(self) -> _Options:
        return _Options.of(self)

    @property
    def distribution(self) -> str:
        return "categorical" if self.probabilities is None else "categorical_w_probabilities"

    @property
    def constant(self) -> bool:
        return len(self._options.values) == 1

    @property
    def ordinal(self) -> bool:
        return self._options.ordinal

    def ppf(self, u: float) -> Any:
        return self._options.values[bisect_left(self._options.edges, _quantile(u))]  # the first with cdf >= u

    def cdf(self, value: Any) -> float:
        if self.ordinal and is_number(value):
            below = bisect_right(self._options.values, value)
            return self._options.edges[below - 1] if below else 0.0
        return self._options.edges[self.index(value)]

    def unit(self, value: Any) -> float:
        i = self.index(value)
        return ((self._options.edges[i - 1] if i else 0.0) + self._options.edges[i]) / 2

    def contains(self, value: Any) -> bool:
        return key(self.known(value)) in self._options.position

    def index(self, value: Any) -> int:
        """Which of `choices()` it is. ValueError, in W&B's words, if it is none of them."""
        found = self._options.position.get(key(self.known(value)))
        if found is None:
            raise ValueError(
                f"{value} is not a permitted value of the categorical hyperparameter in the current sweep; "
                f"it takes {list(self._options.values)}"
            )
        return found

    def known(self, value: Any) -> Any:
        """The value without what a training run added to it: keys of a dict that no choice has (as in W&B's grid)."""
        if isinstance(value, Mapping) and not self._options.fields.issuperset(value):
            return {name: item for name, item in value.items() if name in self._options.fields}
        return value

    def grid(self) -> Sequence[Any] | None:
        """The distinct values as listed. None with probabilities: W&B's grid search does not take them."""
        return None if self.probabilities is not None else tuple({key(v): v for v in self.values}.values())

    def choices(self) -> Sequence[Any]:
        return self._options.values

    def to_dict(self) -> dict[str, Any]:
        return to_dict(self)


# -- whole numbers ------------------------------------------------------------------------------------------------


@frozen
class IntUniform:
    """The whole numbers from min to max, both included, each equally likely.

    >>> IntUniform(1, 3).ppf(0.0), IntUniform(1, 3).ppf(1.0)
    (1, 3)
    """

    distribution: ClassVar[str] = "int_uniform"
    ordinal: ClassVar[bool] = True

    min: int
    max: int

    @property
    def constant(self) -> bool:
        return self.min == self.max

    @property
    def _n(self) -> int:
        return self.max - self.min + 1

    def ppf(self, u: float) -> int:
        above, below = _quantile(u).as_integer_ratio()  # exact, however wide the range
        return max(self.min, self.min - 1 - (-above * self._n // below))  # the smallest with cdf >= u

    def cdf(self, value: float) -> float:
        if value < self.min:
            return 0.0
        return 1.0 if value >= self.max else (math.floor(value) - self.min + 1) / self._n

    def unit(self, value: float) -> float:
        return clip((2 * (clip(value, self.min, self.max) - self.min) + 1) / (2 * self._n), 0.0, 1.0)

    def contains(self, value: Any) -> bool:
        return is_number(value) and self.min <= value <= self.max and value == math.floor(value)

    def grid(self) -> Sequence[int]:
        return range(self.min, self.max + 1)

    def choices(self) -> Sequence[int]:
        return range(self.min, self.max + 1)

    def to_dict(self) -> dict[str, Any]:
        return to_dict(self)


# -- real numbers -------------------------------------------------------------------------------------------------


class Continuous(ABC):
    """What the continuous distributions share."""

    __slots__ = ()
    ordinal: ClassVar[bool] = True

    @property
    @abstractmethod
    def distribution(self) -> str: ...

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """No value lies outside. May be infinite."""

    @abstractmethod
    def ppf(self, u: float) -> float: ...

    @abstractmethod
    def cdf(self, value: float) -> float: ...

    @property
    def constant(self) -> bool:
        return False

    def unit(self, value: float) -> float:
        return 0.5 if self.constant else self.cdf(value)

    def contains(self, value: Any) -> bool:
        low, high = (self.ppf(0.5),) * 2 if self.constant else self.support
        return is_number(value) and low <= value <= high and math.isfinite(value)

    def grid(self) -> Sequence[float] | None:
        return None

    def choices(self) -> Sequence[float] | None:
        return (self.ppf(0.5),) if self.constant else None

    def to_dict(self) -> dict[str, Any]:
        return to_dict(self)


@frozen
class Uniform(Continuous):
    """Uniform between min and max.

    >>> Uniform(0, 2).ppf(0.25)
    0.5
    """

    distribution: ClassVar[str] = "uniform"

    min: float
    max: float

    @property
    def support(self) -> tuple[float, float]:
        return float(self.min), float(self.max)

    def ppf(self, u: float) -> float:
        low, high = self.support
        return clip(low + (high - low) * _quantile(u), low, high)

    def cdf(self, value: float) -> float:
        return _share(value, *self.support)


_EXPONENTS: Mapping[str, Callable[[float, float], tuple[float, float]]] = {
    "log_uniform": lambda low, high: (low, high),
    "log_uniform_values": lambda low, high: (math.log(low), math.log(high)),
    "inv_log_uniform": lambda low, high: (-high, -low),
    "inv_log_uniform_values": lambda low, high: (math.log(low), math.log(high)),
}


@frozen
class LogUniform(Continuous):
    """The logarithm is uniform: 0.001–0.01 is as likely as 0.01–0.1.

    min and max are the limits of the value in the `_values` forms and base-e exponents in the older ones.
    `inv_log_uniform` is uniform in log(1/x), hence lies in [exp(-max), exp(-min)]; with limits of the value the inverse
    is the same distribution (as in W&B's engine).

    >>> round(LogUniform(0.001, 0.1).ppf(0.5), 12)
    0.01
    """

    min: float
    max: float
    distribution: str = "log_uniform_values"
    _logs: tuple[float, float] = field(init=False, eq=False, repr=False)
    support: tuple[float, float] = field(init=False, eq=False, repr=False)

    @_logs.default
    def _exponents(self) -> tuple[float, float]:
        return _EXPONENTS[self.distribution](self.min, self.max)

    @support.default
    def _limits(self) -> tuple[float, float]:
        if self.distribution.endswith("_values"):
            return float(self.min), float(self.max)
        return math.exp(self._logs[0]), math.exp(self._logs[1])

    def ppf(self, u: float) -> float:
        low, high = self._logs
        return clip(math.exp(low + (high - low) * _quantile(u)), *self.support)

    def cdf(self, value: float) -> float:
        low, high = self.support
        if value <= low or value >= high:
            return float(value >= high)
        return _share(math.log(value), *self._logs)


_STANDARD = NormalDist()


@frozen
class Normal(Continuous):
    """Normal with mean mu and standard deviation sigma, within mu ± 6 sigma.

    >>> Normal(1.0, 2.0).ppf(0.5)
    1.0
    """

    distribution: ClassVar[str] = "normal"
    support: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    mu: float = 0.0
    sigma: float = 1.0

    @property
    def constant(self) -> bool:
        return self.sigma == 0

    def ppf(self, u: float) -> float:
        return self.mu + self.sigma * _STANDARD.inv_cdf(_quantile(u, EDGE))

    def cdf(self, value: float) -> float:
        if self.sigma == 0:
            return float(value >= self.mu)
        return math.erfc((self.mu - value) / (self.sigma * math.sqrt(2))) / 2


@frozen
class LogNormal(Continuous):
    """The logarithm is normal with mean mu and standard deviation sigma.

    >>> LogNormal(0.0, 0.5).ppf(0.5)
    1.0
    """

    distribution: ClassVar[str] = "log_normal"
    support: ClassVar[tuple[float, float]] = (0.0, math.inf)

    mu: float = 0.0
    sigma: float = 1.0

    @property
    def constant(self) -> bool:
        return self.sigma == 0

    def ppf(self, u: float) -> float:
        return math.exp(Normal(self.mu, self.sigma).ppf(u))

    def cdf(self, value: float) -> float:
        if self.sigma == 0:
            return float(value >= self.ppf(0.5))
        return Normal(self.mu, self.sigma).cdf(math.log(value)) if value > 0 else 0.0


@frozen
class Beta(Continuous):
    """Beta on [0, 1] with shapes a and b (both greater than 0).

    >>> round(Beta(2, 2).ppf(0.5), 12)
    0.5
    """

    distribution: ClassVar[str] = "beta"
    support: ClassVar[tuple[float, float]] = (0.0, 1.0)

    a: float = 1.0
    b: float = 1.0

    def ppf(self, u: float) -> float:
        from scipy.special import betaincinv

        return float(betaincinv(self.a, self.b, _quantile(u, EDGE)))

    def cdf(self, value: float) -> float:
        from scipy.special import betainc

        return float(betainc(self.a, self.b, clip(value, 0.0, 1.0)))


# -- shared arithmetic --------------------------------------------------------------------------------------------


def is_number(value: Any) -> bool:
    """Whether it has a place among the numbers: not True, not NaN."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return real and value == value  # noqa: PLR0124  (only NaN differs from itself)


def clip(value: float, low: float, high: float) -> float:
    """The nearest number within [low, high]."""
    return low if value < low else min(value, high)


def _quantile(u: float, edge: float = 0.0) -> float:
    return clip(float(u), edge, 1.0 - edge)


def _share(value: float, low: float, high: float) -> float:
    """How far along the way from low to high, in [0, 1]."""
    return float(clip((value - low) / (high - low), 0.0, 1.0)) if high > low else 0.5


def to_dict(parameter: Any) -> dict[str, Any]:
    """W&B's form of a parameter whose attributes are named as W&B does."""
    given = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in (
            (attribute.name, getattr(parameter, attribute.name))
            for attribute in attrs.fields(type(parameter))
            if attribute.init
        )
        if value is not None or name == "value"
    }
    return {"distribution": parameter.distribution, **copy.deepcopy(given)}
