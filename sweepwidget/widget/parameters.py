"""What the page is told of a sweep's parameters, and of what a draft of them would draw. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..export import column_name
from ..model import Run
from ..parameters import Parameter, Path, Space
from .messages import Buffer, clean, plain

DRAWS = 200
MOST_VALUES = 50
"""A parameter with more choices than that is shown by its draws alone, if it is ordinal."""


def parameter_infos(space: Space) -> list[dict[str, Any]]:
    """`ParameterInfo`s of protocol.ts, constants last."""
    infos = [_info(path, parameter) for path, parameter in space.parameters.items()]
    return sorted(infos, key=lambda info: info["constant"])


def _info(path: Path, parameter: Parameter) -> dict[str, Any]:
    bounded = parameter.ordinal and "normal" not in parameter.distribution
    return {
        "path": [clean(name) for name in path],
        "column": clean(column_name("config", path)),
        "distribution": parameter.distribution,
        "constant": parameter.constant,
        "ordinal": parameter.ordinal,
        "log": "log" in parameter.distribution,
        "min": _limit(parameter, 0.0) if bounded else None,
        "max": _limit(parameter, 1.0) if bounded else None,
        "values": plain(list(_choices(parameter))) or None,
    }


def _limit(parameter: Parameter, quantile: float) -> float:
    """As it was written: exp(log(limit)) is a little off."""
    return float(f"{float(parameter.ppf(quantile)):.12g}")


def _choices(parameter: Parameter) -> Sequence[Any]:
    """Its values, if they can be told apart on the page: all of a parameter without an order, few of one with."""
    values = parameter.choices()
    if values is None or (parameter.ordinal and len(values) > MOST_VALUES):
        return ()
    return list(values)


def previews(space: Space, runs: Iterable[Run], best: Mapping[str, Any] | None, buffer: Buffer) -> list[dict[str, Any]]:
    """`PreviewedParameter`s of protocol.ts: 200 draws of each parameter, beside what `runs` had."""
    rng = np.random.default_rng(0)  # the same picture whenever the same draft is looked at
    drawn = [space.sample(rng) for _ in range(DRAWS)]
    seen = [space.flatten(run.config) for run in runs]
    incumbent = space.flatten(best) if best is not None else {}
    previewed = []
    for path, parameter in space.parameters.items():
        draws, had = ([config[path] for config in configs if path in config] for configs in (drawn, seen))
        fact: dict[str, Any] = {"info": _info(path, parameter), "best": plain(incumbent.get(path))}
        previewed.append(fact | _told(parameter, draws, had, buffer))
    return sorted(previewed, key=lambda fact: fact["info"]["constant"])


def _told(parameter: Parameter, draws: list[Any], had: list[Any], buffer: Buffer) -> dict[str, Any]:
    if parameter.ordinal:
        return {"draws": _numbers(draws, buffer), "seen": _numbers(had, buffer)}
    choices = list(_choices(parameter))
    return {"counts": _counts(choices, draws), "seen_counts": _counts(choices, had)}


def _numbers(values: list[Any], buffer: Buffer) -> dict[str, int]:
    numbers = [float(value) for value in values if isinstance(value, (int, float))]
    return {"at": buffer.add(np.array(numbers, float)), "n": len(numbers)}


def _counts(choices: Sequence[Any], values: list[Any]) -> list[int]:
    keys = [_key(choice) for choice in choices]
    found = [_key(value) for value in values]
    return [found.count(key) for key in keys]


def _key(value: Any) -> str:
    """True is not 1, and 1.0 is not 1."""
    return f"{type(value).__name__} {value!r}"
