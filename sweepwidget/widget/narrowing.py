"""The configuration of a next sweep, around the best runs of this one. Pure.

What a range becomes is found in the parameter's own quantiles, so that a logarithmic one is narrowed on its logarithmic axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..model import Run
from ..parameters import Parameter, Path
from ..parameters.distributions import key
from ..sweepconfig import SweepConfig

_MARGIN, _LEAST = 0.1, 0.02
"""What is left beside the best values: a share of their spread, and at least so much of the old range."""
_EXPONENTS = frozenset({"log_uniform", "q_log_uniform", "inv_log_uniform"})
"""Their limits are exponents of e."""


def narrowed(config: SweepConfig, best: Sequence[Run]) -> dict[str, Any]:
    """Ranges and choices as these runs had them, with a margin; what they do not say stays as it is."""
    given = config.to_dict()
    had = [config.space.flatten(run.config) for run in best]
    for path, parameter in config.space.parameters.items():
        values = [flat[path] for flat in had if path in flat]
        if values and not parameter.constant:
            _narrow(_spec(given, path), parameter, values)
    if isinstance(given.get("name"), str):
        given["name"] = f"{given['name']}, narrowed"
    return given


def _spec(given: Mapping[str, Any], path: Path) -> dict[str, Any]:
    found: Any = given
    for name in path:
        found = found["parameters"][name]
    return found if isinstance(found, dict) else {}


def _narrow(spec: dict[str, Any], parameter: Parameter, values: Sequence[Any]) -> None:
    if isinstance(spec.get("values"), list):
        _choose(spec, parameter, values)
    elif {"min", "max"} <= spec.keys():
        _limit(spec, parameter, values)


def _choose(spec: dict[str, Any], parameter: Parameter, values: Sequence[Any]) -> None:
    """The choices that are among the best; of ordered ones also those between."""
    chances = spec.pop("probabilities", None)
    if parameter.ordinal:
        low, high = min(values), max(values)
        keep = [low <= value <= high for value in spec["values"]]
    else:
        known = {key(value) for value in values}
        keep = [key(value) in known for value in spec["values"]]
    if not any(keep):  # a run by hand, outside of them
        keep = [True] * len(keep)
    spec["values"] = [value for value, kept in zip(spec["values"], keep, strict=True) if kept]
    if chances is not None:
        left = [chance for chance, kept in zip(chances, keep, strict=True) if kept]
        if sum(left) > 0:
            spec["probabilities"] = [chance / sum(left) for chance in left]


def _limit(spec: dict[str, Any], parameter: Parameter, values: Sequence[Any]) -> None:
    places = [float(parameter.cdf(value)) for value in values]
    low, high = min(places), max(places)
    margin = max(_MARGIN * (high - low), _LEAST)
    for name, place in (("min", max(low - margin, 0.0)), ("max", min(high + margin, 1.0))):
        spec[name] = _written(float(parameter.ppf(place)), spec, name)


def _written(value: float, spec: Mapping[str, Any], name: str) -> Any:
    """As somebody would write it, and never beyond the old limit."""
    old = spec[name]
    said = math.log(value) if spec.get("distribution") in _EXPONENTS else value
    # Outwards, so that the value itself stays inside.
    unit = 10.0 ** (math.floor(math.log10(abs(said))) - 2) if said else 1.0
    outwards = (math.floor if name == "min" else math.ceil)(said / unit) * unit
    rounded = float(f"{outwards:.6g}")
    inside = max(rounded, old) if name == "min" else min(rounded, old)
    return round(inside) if isinstance(old, int) and inside == round(inside) else inside
