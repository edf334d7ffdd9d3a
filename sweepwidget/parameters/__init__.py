"""What a sweep searches: the table of W&B's distributions, and the space that parameters span.

Every parameter maps the unit interval to its values (`ppf`) and back (`unit`), so that searchers work in a unit cube and
never see a distribution. `Space` puts nested parameters flat and back. Only `Space.sample` draws random numbers, from
the generator it is given.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

from ..fields import Field
from .distributions import (
    Beta,
    Categorical,
    Constant,
    Continuous,
    IntUniform,
    LogNormal,
    LogUniform,
    Normal,
    Uniform,
    key,
)
from .quantized import Lazy, Quantized

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "DISTRIBUTIONS",
    "Beta",
    "Categorical",
    "Constant",
    "Continuous",
    "Distribution",
    "IntUniform",
    "Lazy",
    "LogNormal",
    "LogUniform",
    "Normal",
    "Parameter",
    "Path",
    "Quantized",
    "Space",
    "Uniform",
    "key",
    "parameter",
]

Path = tuple[str, ...]
"""Where a parameter stands: `("opt", "lr")`. A name with a dot in it, `("opt.lr",)`, is another parameter."""


class Parameter(Protocol):
    """One thing to choose. Frozen; `Parameter.ppf(rng.random())` samples it."""

    @property
    def distribution(self) -> str:
        """W&B's name."""

    @property
    def constant(self) -> bool:
        """It always gives the same value."""

    @property
    def ordinal(self) -> bool:
        """Its values are numbers, so near ones are alike. Otherwise two values are equal or they are not."""

    def ppf(self, u: float) -> Any:
        """The value at quantile u; u is clipped into [0, 1], and the value is finite and in range."""

    def cdf(self, value: Any) -> float:
        """P(X <= value). For choices without an order: up to and including that choice."""

    def unit(self, value: Any) -> float:
        """The coordinate in [0, 1] with `ppf(unit(value)) == value`: the cdf of a continuous parameter, the middle of
        the value's share of [0, 1] for a discrete one (far out in a tail a share may be too small for a float).

        Numbers out of range are clipped; ValueError for an unknown choice.
        """

    def contains(self, value: Any) -> bool:
        """Whether this parameter can have that value."""

    def grid(self) -> Sequence[Any] | None:
        """The values that W&B's grid search tries, in its order, computed when asked for; None: it cannot."""

    def choices(self) -> Sequence[Any] | None:
        """All distinct values in order of `unit`, computed when asked for; None if there are too many to list."""

    def to_dict(self) -> dict[str, Any]:
        """W&B's form: `{"distribution": "uniform", "min": 0, "max": 1}`."""


# -- the table ----------------------------------------------------------------------------------------------------


@frozen
class Distribution:
    """What a configuration may say of one distribution, and how to make it."""

    doc: str
    make: Callable[..., Parameter]
    fields: Mapping[str, Field]


_MIN = Field("number", "Smallest value.")
_MAX = Field("number", "Largest value.")
_LIMITS = {"min": _MIN, "max": _MAX}
_POSITIVE = {"min": Field("number", "Smallest value, greater than 0.", above=0), "max": _MAX}
_POWERS = {
    "min": Field("number", "Base-e exponent of one limit: the value is exp(min)."),
    "max": Field("number", "Base-e exponent of the other limit."),
}
_SHAPE = {
    "mu": Field("number", "Mean (of the logarithm, for log_normal).", 0.0),
    "sigma": Field("number", "Standard deviation (of the logarithm, for log_normal).", 1.0, least=0),
}
_A_B = {
    "a": Field("number", "First shape parameter, greater than 0.", 1.0, above=0, most=1e6),
    "b": Field("number", "Second shape parameter, greater than 0.", 1.0, above=0, most=1e6),
}
_Q = {"q": Field("number", "Values are multiples of q; whole numbers if q is one.", 1.0, above=0)}
_VALUES = {"values": Field("array", "The values to choose from.", filled=True)}
_PROBABILITIES = {
    "probabilities": Field(
        "array", "The probability of each value; they sum to 1.", filled=True, items=Field("number", "", least=0)
    )
}


def _continuous() -> Mapping[str, Distribution]:
    def log(name: str) -> Callable[..., Continuous]:
        return partial(LogUniform, distribution=name)

    plain: dict[str, tuple[str, Callable[..., Continuous], Mapping[str, Field]]] = {
        "uniform": ("Real numbers, equally likely.", Uniform, _LIMITS),
        "log_uniform": ("exp(uniform(min, max)); log_uniform_values takes the limits.", log("log_uniform"), _POWERS),
        "log_uniform_values": ("Every order of magnitude equally likely.", log("log_uniform_values"), _POSITIVE),
        "normal": ("Normal.", Normal, _SHAPE),
        "log_normal": ("The logarithm is normal.", LogNormal, _SHAPE),
        "beta": ("Beta, on [0, 1].", Beta, _A_B),
    }
    inverse: dict[str, tuple[str, Callable[..., Continuous], Mapping[str, Field]]] = {
        "inv_log_uniform": ("log(1/x) is uniform between min and max.", log("inv_log_uniform"), _POWERS),
        "inv_log_uniform_values": ("As log_uniform_values.", log("inv_log_uniform_values"), _POSITIVE),
    }
    return {
        **{name: Distribution(*row) for name, row in (plain | inverse).items()},
        **{
            f"q_{name}": Distribution(f"{doc} Rounded to multiples of q.", _quantized(make), {**fields, **_Q})
            for name, (doc, make, fields) in plain.items()
        },
    }


def _quantized(make: Callable[..., Continuous]) -> Callable[..., Quantized]:
    return lambda q=1.0, **fields: Quantized(make(**fields), q)


DISTRIBUTIONS: Mapping[str, Distribution] = {
    "constant": Distribution("Always the same value.", Constant, {"value": Field("any", "The value.")}),
    "categorical": Distribution("One of the values, equally likely.", Categorical, _VALUES),
    "categorical_w_probabilities": Distribution(
        "One of the values, each with its probability.", Categorical, {**_VALUES, **_PROBABILITIES}
    ),
    "int_uniform": Distribution(
        "Whole numbers, min and max included, equally likely.",
        IntUniform,
        {"min": Field("integer", "Smallest value."), "max": Field("integer", "Largest value.")},
    ),
    **_continuous(),
}
"""Every distribution by W&B's name. A new one is a class above and a line here."""


def parameter(spec: Mapping[str, Any]) -> Parameter:
    """The parameter of a checked `{"distribution": …, …}`.

    >>> parameter({"distribution": "uniform", "min": 0, "max": 1})
    Uniform(min=0, max=1)
    """
    return DISTRIBUTIONS[spec["distribution"]].make(**{k: v for k, v in spec.items() if k != "distribution"})


# -- the space ----------------------------------------------------------------------------------------------------


@frozen
class Space:
    """The parameters of a sweep, nested ones flattened: `Space({("opt", "lr"): Uniform(0, 1)})`."""

    parameters: Mapping[Path, Parameter]
    searchable: tuple[Path, ...] = field(init=False, eq=False, repr=False)
    """Where there is something to choose."""

    @searchable.default
    def _without_constants(self) -> tuple[Path, ...]:
        return tuple(path for path, parameter in self.parameters.items() if not parameter.constant)

    def flatten(self, config: Mapping[str, Any]) -> dict[Path, Any]:
        """What a run was given, by path. Parameters that the run lacks are left out, and so is all that is no
        parameter, or that a training run added to the keys of a dict value.
        """
        found = ((path, _look_up(config, path)) for path in self.parameters)
        return {path: self._known(path, value) for path, value in found if value is not _ABSENT}

    def _known(self, path: Path, value: Any) -> Any:
        parameter = self.parameters[path]
        return parameter.known(value) if isinstance(parameter, Categorical) else value

    def nest(self, flat: Mapping[Path, Any]) -> dict[str, Any]:
        """What a run is given for these values: nested dicts of its own, constants filled in.

        >>> Space({("opt", "lr"): Uniform(0, 1), ("n",): Constant(3)}).nest({("opt", "lr"): 0.1})
        {'opt': {'lr': 0.1}, 'n': 3}
        """
        nested: dict[str, Any] = {}
        for path, parameter in self.parameters.items():
            if path not in flat and not parameter.constant:
                continue
            group = nested
            for name in path[:-1]:
                group = group.setdefault(name, {})
            group[path[-1]] = copy.deepcopy(flat[path] if path in flat else parameter.ppf(0.5))
        return nested

    def sample(self, rng: np.random.Generator) -> dict[Path, Any]:
        """One value for every parameter, drawn from its distribution, independently of the others."""
        return {path: parameter.ppf(rng.random()) for path, parameter in self.parameters.items()}

    def size(self) -> int | None:
        """The number of distinct configurations; None if a parameter has too many values to list."""
        choices = [parameter.choices() for parameter in self.parameters.values()]
        return None if None in choices else math.prod(len(some) for some in choices if some is not None)


_ABSENT: Any = object()


def _look_up(config: Mapping[str, Any], path: Path) -> Any:
    node: Any = config
    for name in path:
        if not isinstance(node, Mapping) or name not in node:
            return _ABSENT
        node = node[name]
    return node
