"""Drafts of a configuration: what is wrong with one, what it would draw, and how it comes into force."""

from __future__ import annotations

import os
import pprint
import re
import secrets
from collections.abc import Mapping
from typing import Any

from ..api import new_sweep_id
from ..errors import ConfigError
from ..export import as_yaml
from ..model import RunState, Sweep, SweepId, SweepState
from ..parameters import Parameter, Space
from ..parameters.distributions import key
from ..parameters.spec import place
from ..progress import runs_in_all
from ..sources import read
from ..store import Store
from ..sweepconfig import SweepConfig
from .messages import Buffer, clean, plain
from .mirror import Mirror
from .parameters import previews

_PATH = re.compile(r"([^\s:]+): (.*)", re.DOTALL)


def problem(text: str) -> dict[str, str]:
    """`Problem` of protocol.ts, from a line of ConfigError: `parameters.lr.max: expected …`."""
    found = _PATH.fullmatch(text)
    path, message = found.groups() if found else ("", text)
    return {"path": clean(path), "message": clean(message)}


def validated(draft: Any) -> dict[str, Any]:
    """`Validated` of protocol.ts: every problem, in Python's words."""
    try:
        given = read(draft)
    except ConfigError as error:
        return _verdict(None, failures=error.problems)
    try:
        config = SweepConfig.parse(given)
    except ConfigError as error:
        return _verdict(given, failures=error.problems)
    return _verdict(config.to_dict(), violations=config.violations, grid_size=config.space.grid_size())


def _verdict(
    config: Mapping[str, Any] | None,
    failures: tuple[str, ...] = (),
    violations: tuple[str, ...] = (),
    grid_size: int | None = None,
) -> dict[str, Any]:
    return {
        "failures": [problem(text) for text in failures],
        "violations": [problem(text) for text in violations],
        "config": None if config is None else plain(config),
        "yaml": "" if config is None else clean(as_yaml(config)),
        "python": "" if config is None else clean(as_python(config)),
        "grid_size": grid_size,
    }


def as_python(config: Mapping[str, Any]) -> str:
    """The configuration as a dict to paste."""
    return pprint.pformat(dict(config), sort_dicts=False, width=100)


def as_call(config: Mapping[str, Any], prior_runs: list[str]) -> str:
    """The cell that makes a sweep of it, and shows it."""
    dict_ = as_python(config).replace("\n", "\n    ")
    return f"sweep_id = sw.sweep(\n    {dict_},\n    prior_runs={prior_runs!r},\n)\nsw.dashboard(sweep_id)"


def preview(config: SweepConfig, mirror: Mirror) -> tuple[dict[str, Any], bytes]:
    """`Preview` of protocol.ts and its buffer: what the draft would draw, beside what the sweep has seen."""
    buffer, best = Buffer(), mirror.best()
    finished = [run for run in list(mirror.runs.values()) if run.state is RunState.finished]
    runs = runs_in_all(config)
    hands = max(len(mirror.living), 1)
    pace = mirror.run_s()
    head = {
        "parameters": previews(config.space, finished, best.config if best is not None else None, buffer),
        "grid_size": config.space.grid_size(),
        "runs": runs,
        "duration_s": None if runs is None or pace is None else runs * pace / hands,
    }
    return head, buffer.joined()


def applied(store: Store, sweep_id: SweepId | None, config: SweepConfig) -> Sweep:
    """The configuration is in force: of this sweep from its next run on, or of a new one. A finished sweep that may have
    more runs by it goes on.
    """
    if sweep_id is None:
        return store.create_sweep(
            Sweep(
                id=SweepId(new_sweep_id()),
                config=config.to_dict(),
                seed=config.seed if config.seed is not None else secrets.randbits(31),
                project=config.project or os.environ.get("WANDB_PROJECT") or "uncategorized",
                entity=config.entity or os.environ.get("WANDB_ENTITY", ""),
            )
        )
    sweep = store.update_config(sweep_id, config.to_dict())
    runs = runs_in_all(config)
    if sweep.state is SweepState.FINISHED and (runs is None or runs > len(store.runs(sweep_id))):
        return store.set_state(sweep_id, SweepState.RUNNING, "")
    return sweep


# -- a run by hand ----------------------------------------------------------------------------------------------------


def run_config(space: Space, given: Any) -> dict[str, Any]:
    """The config of a run by hand: a value for every parameter that is there, constants filled in. ConfigError with all
    that is wrong; values outside of the range are the user's own decision.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"a run's config is an object, not {given!r:.80}")
    flat = space.flatten(given)
    problems = [
        f"{place(path)}: {wrong}"
        for path in sorted(space.active(flat), key=list(space.parameters).index)
        if (wrong := _wrong(space.parameters[path], flat.get(path, _ABSENT)))
    ]
    if problems:
        raise ConfigError(problems)
    return space.nest({path: _as_drawn(space.parameters.get(path), value) for path, value in flat.items()})


_ABSENT: Any = object()


def _as_drawn(parameter: Parameter | None, value: Any) -> Any:
    """With the type that a draw has: JavaScript cannot say 1.0."""
    if parameter is None:
        return value
    for choice in parameter.choices() or ():
        if key(choice) == key(value):
            return choice
    is_float = type(value) is int and parameter.ordinal and type(parameter.ppf(0.5)) is float
    return float(value) if is_float else value


def _wrong(parameter: Parameter, value: Any) -> str:
    if value is _ABSENT:
        return "" if parameter.constant else "needs a value"
    if parameter.contains(value):
        return ""
    if parameter.ordinal:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return "" if is_number else f"{value!r:.80} is not a number"
    return f"{value!r:.80} is not one of {list(parameter.choices() or ())!r:.200}"
