"""When a parameter is active: what its conditions ask of other parameters, and what follows from them.

A parameter is active where each of its conditions holds and the parameters they ask about are active themselves. So it
comes down to which values each of its ancestors must have; `requirements` works that out once, and then activity can be
read off in any order.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeAlias

from ..errors import ConfigError
from .distributions import Categorical, is_number, key
from .quantized import Quantized

Path: TypeAlias = tuple[str, ...]
Conditions: TypeAlias = Mapping[Path, Mapping[Path, Sequence[Any]]]
"""Parameter → parent → the values of the parent where the parameter is active."""
Allowed: TypeAlias = Mapping[Hashable, Any]
"""Values by what identifies them, see `same`."""
Requirements: TypeAlias = Mapping[Path, Mapping[Path, Allowed]]
"""Parameter → ancestor → the values that the ancestor must have. Parameters that are always active are left out."""


def same(parameter: Any, value: Any) -> Hashable:
    """What two values of a discrete parameter share if they are the same choice: 0.3 is three times 0.1.

    >>> from sweepwidget.parameters import Quantized, Uniform
    >>> tenths = Quantized(Uniform(0, 1), q=0.1)
    >>> same(tenths, 0.3) == same(tenths, 3 * 0.1) != same(tenths, 0.4)
    True
    """
    if isinstance(parameter, Quantized) and is_number(value):
        steps: float = round(value / parameter.q, 6)
        return steps
    return key(parameter.known(value) if isinstance(parameter, Categorical) else value)


def in_order(conditions: Conditions) -> tuple[list[Path], list[Path]]:
    """The conditional parameters, each after those it asks about (Kahn's algorithm); and those that never have their
    turn, because they ask about each other in a circle.
    """
    waiting = {path: {parent for parent in parents if parent in conditions} for path, parents in conditions.items()}
    order: list[Path] = []
    while ready := [path for path, parents in waiting.items() if not parents]:
        order += ready
        waiting = {path: parents.difference(ready) for path, parents in waiting.items() if parents}
    return order, list(waiting)


def requirements(parameters: Mapping[Path, Any], conditions: Conditions) -> Requirements:
    """What must hold for each conditional parameter to be active: its own conditions and those of its ancestors.

    Constants that have the value asked for are left out. ConfigError if parameters wait for each other.
    """
    order, circular = in_order(conditions)
    if circular:
        raise ConfigError(f"conditions: {'.'.join(circular[0])} depends on itself")
    found: dict[Path, dict[Path, Allowed]] = {}
    for path in order:
        needs: dict[Path, Allowed] = {}
        for parent, values in conditions[path].items():
            own = {same(parameters[parent], value): value for value in values}
            for ancestor, allowed in {parent: own, **found.get(parent, {})}.items():
                known = needs.get(ancestor, allowed)
                needs[ancestor] = {which: value for which, value in allowed.items() if which in known}
        found[path] = {ancestor: some for ancestor, some in needs.items() if not _given(parameters[ancestor], some)}
    return {path: needs for path, needs in found.items() if needs}


def _given(parameter: Any, allowed: Allowed) -> bool:
    return parameter.constant and same(parameter, parameter.ppf(0.5)) in allowed
