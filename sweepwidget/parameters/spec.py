"""From the `parameters` section of a sweep configuration to the space it describes.

The distribution is inferred as W&B does when it is not named. What W&B's engine could not draw from is a failure; an odd
name, or a key that changes nothing, is a violation.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from ..fields import Problems, closest, did_you_mean, missing, short, unexpected
from . import (
    DISTRIBUTIONS,
    Beta,
    Continuous,
    IntUniform,
    LogNormal,
    LogUniform,
    Parameter,
    Path,
    Quantized,
    Space,
    Uniform,
)
from .conditionspec import Written, read_conditions

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

NAME_PATTERN = "^[A-Za-z_][A-Za-z0-9_.-]*$"
DEPRECATED = ("log_uniform", "inv_log_uniform", "q_log_uniform")
"""Their limits are base-e exponents, which nobody expects."""

_KEYS = frozenset(
    {"distribution", "parameters", "condition"}.union(*(known.fields for known in DISTRIBUTIONS.values()))
)
_Complaint = tuple[str, str]
"""Where below the parameter, and what."""


def read_space(section: Any, problems: Problems) -> Space:
    """The space of a `parameters` section; what is wrong with it goes to `problems` and is left out."""
    reader = _Reader(problems)
    reader.read_section(section, "parameters", ())
    return Space(reader.found, read_conditions(reader.found, reader.broken, reader.conditions(), problems))


def place(path: Path) -> str:
    """Where a parameter stands in the configuration: `parameters.opt.parameters.lr`."""
    return "parameters." + ".parameters.".join(path)


class _Reader:
    def __init__(self, problems: Problems) -> None:
        self.found: dict[Path, Parameter] = {}
        self.broken: set[Path] = set()
        self.problems = problems
        self._written: list[tuple[str, Any, Path]] = []

    def conditions(self) -> list[Written]:
        """Every condition, that of a group once for all parameters in it."""
        return [
            Written(where, condition, tuple(path for path in self.found if path[: len(above)] == above))
            for where, condition, above in self._written
        ]

    def read_section(self, section: Any, where: str, above: Path) -> None:
        if not isinstance(section, dict):
            mend = "write {'lr': {'min': 0.0, 'max': 0.1}}"
            self.problems.fail(where, f"{short(section)} is not of type 'object'; {mend}")
        elif not section:
            self.problems.fail(where, "{} should be non-empty; name at least one parameter")
        else:
            for name, spec in section.items():
                self._read(spec, f"{where}.{name}", (*above, name))

    def _read(self, spec: Any, here: str, path: Path) -> None:
        name = path[-1]
        if not re.fullmatch(NAME_PATTERN, name):
            self.problems.warn(here, f"{name!r} does not match '^{NAME_PATTERN}'")  # W&B's pattern has the ^ twice
        if not isinstance(spec, dict):
            mend = f"write {short({name: {'values' if isinstance(spec, list) else 'value': spec}})}"
            self.problems.fail(here, f"Invalid configuration for hyperparameter '{name}'; {mend}")
            self.broken.add(path)
            return
        if "condition" in spec:
            self._written.append((f"{here}.condition", spec["condition"], path))
            spec = {key: said for key, said in spec.items() if key != "condition"}
        if "parameters" in spec:
            self._read_group(spec, here, path)
        else:
            self._read_parameter(spec, here, path)
            if path not in self.found:
                self.broken.add(path)

    def _read_group(self, spec: Mapping[str, Any], here: str, path: Path) -> None:
        for beside in [key for key in spec if key != "parameters"]:
            if beside in _KEYS:
                self.problems.fail(f"{here}.{beside}", f"cannot stand beside parameters; {_invalid(path[-1], spec)}")
            else:
                self.problems.warn(f"{here}.{beside}", unexpected(beside, ()))
        self.read_section(spec["parameters"], f"{here}.parameters", path)

    def _read_parameter(self, spec: Mapping[str, Any], here: str, path: Path) -> None:
        name = path[-1]
        distribution = str(spec["distribution"] if "distribution" in spec else _infer(spec))
        complaints = list(_complaints(spec, distribution))
        if complaints:
            for below, text in complaints:
                self.problems.fail(here + below, text)
            self.problems.failures[-1] += f"; {_invalid(name, spec)}"
            return
        fields = DISTRIBUTIONS[distribution].fields
        given = {
            key: _whole(spec[key]) if fields[key].kind == "integer" else spec[key] for key in fields if key in spec
        }
        parameter, complaint = None, _ambiguity(name, spec) or _contradiction(name, given)
        if complaint is None:
            parameter, complaint = _make(distribution, given)
        if complaint is not None:
            self.problems.fail(here + complaint[0], complaint[1])
        if parameter is None:
            return
        for below, violation in _violations(name, spec, distribution):
            self.problems.warn(here + below, violation)
        self.found[path] = parameter


# -- what W&B's schema says ---------------------------------------------------------------------------------------


def _infer(spec: Mapping[str, Any]) -> str | None:
    """W&B's distribution for a parameter that names none; None if the keys do not say."""
    if "values" in spec:
        return "categorical_w_probabilities" if "probabilities" in spec else "categorical"
    if "value" in spec:
        return "constant"
    if "min" in spec or "max" in spec:
        limits = [spec[key] for key in ("min", "max") if key in spec]
        return "int_uniform" if all(type(limit) is int for limit in limits) else "uniform"
    return None


def _complaints(spec: Mapping[str, Any], distribution: str) -> Iterator[_Complaint]:
    """Why W&B's engine could not draw from the parameter."""
    if "distribution" not in spec and distribution not in DISTRIBUTIONS:
        yield "", _shapeless(spec)
        return
    if distribution not in DISTRIBUTIONS:
        hint = did_you_mean(distribution, DISTRIBUTIONS) or f"; it is one of {', '.join(DISTRIBUTIONS)}"
        yield ".distribution", f"{short(spec['distribution'])} is not a distribution{hint}"
        return
    fields = DISTRIBUTIONS[distribution].fields
    for key, field in fields.items():
        complaint = field.complaint(spec[key]) if key in spec else None
        if complaint:
            yield f".{key}", complaint
        elif key not in spec and field.required:
            yield "", f"{missing(key)} of {distribution}"
    for key in _extras(spec, fields):
        if key in _KEYS:
            yield f".{key}", f"{distribution} does not take it{_taker(key, distribution)}"
        elif closest(key, _KEYS - spec.keys()):
            yield f".{key}", unexpected(key, _KEYS - spec.keys())


def _shapeless(spec: Mapping[str, Any]) -> str:
    if spec and all(isinstance(inner, dict) for inner in spec.values()):
        return f"says nothing to choose from; to nest parameters, write {short({'parameters': dict(spec)})}"
    takers = [name for name, known in DISTRIBUTIONS.items() if spec and spec.keys() <= known.fields.keys()]
    if takers:
        return f"names no distribution; add one that takes {', '.join(spec)}: {', '.join(takers)}"
    near = next((f"; did you mean '{word}'?" for key in spec if (word := closest(key, _KEYS))), "")
    return f"needs value, values, min and max, or parameters{near}"


def _taker(key: str, distribution: str) -> str:
    """`; distribution 'q_uniform' does`, or what this one takes."""
    fields = {*DISTRIBUTIONS[distribution].fields, key}
    takers = [name for name, known in DISTRIBUTIONS.items() if fields == set(known.fields)]
    close = [name for name in takers if name == f"q_{distribution}"] or takers
    return f"; distribution '{close[0]}' does" if close else f"; it takes {', '.join(sorted(fields - {key}))}"


def _invalid(name: str, spec: Mapping[str, Any]) -> str:
    """All that W&B says of a parameter that fits none of its schemas."""
    return f"{short(spec)} is not valid under any of the given schemas; invalid hyperparameter configuration: {name}"


def _extras(spec: Mapping[str, Any], known: Container[str]) -> list[str]:
    return [key for key in spec if key not in known and key != "distribution"]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) else value


def _violations(name: str, spec: Mapping[str, Any], distribution: str) -> Iterator[_Complaint]:
    """What W&B's schema has against a parameter that can be drawn from all the same."""
    fields = DISTRIBUTIONS[distribution].fields
    for key in _extras(spec, fields):
        yield f".{key}", unexpected(key, ())
    for key, field in fields.items():
        if field.kind == "integer" and isinstance(spec[key], float):
            yield f".{key}", f"{spec[key]} is not of type 'integer'; read as {_whole(spec[key])}"
    if distribution in DEPRECATED:
        mend = f"Use {distribution}_values to specify limit values."
        yield "", f"{name} uses {distribution}, where min/max specify base-e exponents. {mend}"


# -- what a schema cannot say -------------------------------------------------------------------------------------


def _ambiguity(name: str, spec: Mapping[str, Any]) -> _Complaint | None:
    if "distribution" in spec or {type(spec.get("min")), type(spec.get("max"))} != {int, float}:
        return None
    mend = "both floats (for a float_uniform distribution) or ints (for an int_uniform distribution)"
    return "", f"Parameter {name} is ambiguous, please specify bounds as {mend}."


def _contradiction(name: str, given: Mapping[str, Any]) -> _Complaint | None:
    if "min" in given and given["min"] >= given["max"]:
        low, high = given["min"], given["max"]
        return ".max", f"must be greater than min ({low}); {name}: min {low} is not less than max {high}"
    if "probabilities" in given:
        complaint = _unlikely(given["values"], given["probabilities"])
        return (".probabilities", f"Parameter {name}: {complaint}") if complaint else None
    return None


def _unlikely(values: list[Any], probabilities: list[float]) -> str | None:
    if len(values) != len(probabilities):
        lengths = f"{len(values)} values, {len(probabilities)} probabilities"
        return f"values {short(values)} and probabilities {short(probabilities)} are not the same length: {lengths}"
    total = sum(probabilities)
    if not math.isclose(total, 1, rel_tol=1e-5, abs_tol=1e-8):  # numpy.isclose's, as W&B
        return f"Probabilities {short(probabilities)} do not sum to 1; they sum to {total:g}"
    return None


def _make(distribution: str, given: Mapping[str, Any]) -> tuple[Parameter | None, _Complaint | None]:
    try:
        parameter = DISTRIBUTIONS[distribution].make(**given)
        complaint = _beyond_counting(parameter)
    except OverflowError:
        complaint = "", "its values are beyond what a float can hold"
    if complaint is None:
        return parameter, None
    if distribution in DEPRECATED:
        mend = f"{distribution} takes base-e exponents, {distribution}_values the limits themselves"
        return None, (complaint[0], f"{complaint[1]}; {mend}")
    return None, complaint


def _beyond_counting(parameter: Parameter) -> _Complaint | None:
    """Why a float (or, for int_uniform, 64 bits) cannot hold the parameter's values; OverflowError says the same."""
    if isinstance(parameter, IntUniform):
        too_wide = parameter.max - parameter.min >= 2**63 - 1
        return (".max", "too far from min: 64 bits cannot count that far") if too_wide else None
    law = parameter.law if isinstance(parameter, Quantized) else parameter
    if not isinstance(law, Continuous):
        return None
    low, high = law.support if isinstance(law, Beta) else (law.ppf(0.0), law.ppf(1.0))  # beta would load scipy
    if (
        not math.isfinite(high - low)
        or (isinstance(law, (Uniform, LogUniform)) and low == high)
        or (isinstance(law, (LogUniform, LogNormal)) and low <= 0)
    ):
        raise OverflowError
    largest = max(abs(low), abs(high))
    if isinstance(parameter, Quantized) and largest / parameter.q > 2**53:
        return ".q", f"{parameter.q} is finer than the floats up to {largest:g} are; take a larger q"
    return None
