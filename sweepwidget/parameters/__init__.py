"""What a sweep searches: the table of W&B's distributions, and the space that parameters span.

Every parameter maps the unit interval to its values (`ppf`) and back (`unit`), so that searchers work in a unit cube and
never see a distribution. `Space` puts nested parameters flat and back, and knows which of them are active. Only
`Space.sample` draws random numbers, from the generator it is given.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence, Set as AbstractSet
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

from ..errors import ConfigError
from ..fields import Field
from .combinations import TOO_ENTANGLED, Combinations
from .conditions import Allowed, Conditions, Path, Requirements, requirements, same
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
    "CONDITION",
    "DISTRIBUTIONS",
    "TOO_ENTANGLED",
    "Allowed",
    "Beta",
    "Categorical",
    "Combinations",
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
    "same",
]


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
CONDITION = Field("object", "The parameter is there only where others have these values.", None, filled=True)
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
    """The parameters of a sweep, nested ones flattened: `Space({("opt", "lr"): Uniform(0, 1)})`.

    A path says where a parameter stands: `("opt", "lr")`. A name with a dot in it, `("opt.lr",)`, is another parameter.
    """

    parameters: Mapping[Path, Parameter]
    conditions: Conditions = field(factory=dict, eq=False)
    """`{("momentum",): {("optimizer",): ("sgd",)}}`: momentum is there only where optimizer is sgd."""
    requirements: Requirements = field(init=False, repr=False)
    """What the conditions come down to."""
    searchable: tuple[Path, ...] = field(init=False, eq=False, repr=False)
    """Where there is something to choose."""

    @requirements.default
    def _what_must_hold(self) -> Requirements:
        return requirements(self.parameters, self.conditions) if self.conditions else {}

    @searchable.default
    def _without_constants(self) -> tuple[Path, ...]:
        return tuple(path for path, parameter in self.parameters.items() if not parameter.constant)

    def is_active(self, path: Path, flat: Mapping[Path, Any]) -> bool:
        """Whether the parameter is there, given the values of the others; an unknown value meets no condition."""
        needs = self.requirements.get(path)
        return not needs or all(
            parent in flat and same(self.parameters[parent], flat[parent]) in allowed
            for parent, allowed in needs.items()
        )

    def active(self, flat: Mapping[Path, Any]) -> AbstractSet[Path]:
        """The parameters that are there, constants included, given the values of the others."""
        return {path for path in self.parameters if self.is_active(path, flat)}

    def flatten(self, config: Mapping[str, Any]) -> dict[Path, Any]:
        """What a run was given, by path. Parameters that the run lacks are left out, and so is all that is no
        parameter, that is not active, or that a training run added to the keys of a dict value.
        """
        looked_up = ((path, _look_up(config, path)) for path in self.parameters)
        found = {path: self._known(path, value) for path, value in looked_up if value is not _ABSENT}
        if not self.requirements:
            return found
        return {path: value for path, value in found.items() if self.is_active(path, found)}

    def _known(self, path: Path, value: Any) -> Any:
        parameter = self.parameters[path]
        return parameter.known(value) if isinstance(parameter, Categorical) else value

    def nest(self, flat: Mapping[Path, Any]) -> dict[str, Any]:
        """What a run is given for these values: nested dicts of its own, constants filled in, without what is not active.

        >>> Space({("opt", "lr"): Uniform(0, 1), ("n",): Constant(3)}).nest({("opt", "lr"): 0.1})
        {'opt': {'lr': 0.1}, 'n': 3}
        """
        nested: dict[str, Any] = {}
        for path, parameter in self.parameters.items():
            if path not in flat and not parameter.constant:
                continue
            if self.requirements and not self.is_active(path, flat):
                continue
            group = nested
            for name in path[:-1]:
                group = group.setdefault(name, {})
            group[path[-1]] = copy.deepcopy(flat[path] if path in flat else parameter.ppf(0.5))
        return nested

    def sample(self, rng: np.random.Generator) -> dict[Path, Any]:
        """One value for every active parameter, drawn from its distribution, independently of the others."""
        drawn = {path: parameter.ppf(rng.random()) for path, parameter in self.parameters.items()}
        if not self.requirements:
            return drawn
        return {path: value for path, value in drawn.items() if self.is_active(path, drawn)}

    def size(self) -> int | None:
        """The number of distinct configurations; None if a parameter has too many values to list, or if the conditions
        are too many to follow.
        """
        return self._count({path: parameter.choices() for path, parameter in self.parameters.items()})

    def grid_size(self) -> int | None:
        """The number of cells that grid search visits; None if a parameter has no grid, or as in `size`."""
        return self._count({path: parameter.grid() for path, parameter in self.parameters.items()})

    def _count(self, values: Mapping[Path, Sequence[Any] | None]) -> int | None:
        listed = {path: some for path, some in values.items() if some is not None}
        if len(listed) < len(values):
            return None
        try:
            return self.combinations(listed).size
        except ConfigError:
            return None

    def combinations(self, values: Mapping[Path, Sequence[Any]]) -> Combinations:
        """The numbering of all configurations with these values of each parameter. Constants may be left out.

        ConfigError if there are too many conditions to follow.
        """
        where = {
            path: {
                parent: _positions(self.parameters[parent], values.get(parent, ()), allowed.values())
                for parent, allowed in needs.items()
            }
            for path, needs in self.requirements.items()
        }
        return Combinations({path: len(some) for path, some in values.items()}, where)


def _positions(parameter: Parameter, values: Sequence[Any], some: Iterable[Any]) -> frozenset[int]:
    """Where some of the values of a parameter stand. Numbers that are not listed rise."""
    if isinstance(values, (list, tuple)):
        sought = {same(parameter, value) for value in some}
        return frozenset(i for i, value in enumerate(values) if same(parameter, value) in sought)
    near = ((i, value) for value in some for i in _beside(values, value))
    return frozenset(i for i, value in near if same(parameter, values[i]) == same(parameter, value))


def _beside(values: Sequence[Any], value: Any) -> range:
    i = bisect_left(values, value)
    return range(max(0, i - 1), min(i + 1, len(values)))


_ABSENT: Any = object()


def _look_up(config: Mapping[str, Any], path: Path) -> Any:
    node: Any = config
    for name in path:
        if not isinstance(node, Mapping) or name not in node:
            return _ABSENT
        node = node[name]
    return node
