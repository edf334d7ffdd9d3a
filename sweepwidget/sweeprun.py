"""Runs as W&B's own search and stopping functions are handed them: `SweepRun`, and the way to and from our rows.

The form is that of wandb/sweeps 0.3 (`config["lr"]["value"]`, `summary_metrics`, `history`) with the spellings of wandb 0.11
(`summaryMetrics`, `shouldStop`) beside it, so that plug-ins written for either run unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from . import model
from .columns import column
from .model import Changes, Chunk, Cursor, Run, RunId
from .parameters import Space
from .runs import Goal, Runs


class RunState(str, Enum):
    """The states of a run in wandb/sweeps. A run that was stopped early is `killed`, with `stopped=True`."""

    pending = "pending"
    running = "running"
    finished = "finished"
    killed = "killed"
    crashed = "crashed"
    failed = "failed"
    preempted = "preempted"
    preempting = "preempting"


_ALIASES = {
    "summaryMetrics": "summary_metrics",
    "sampledHistory": "history",
    "shouldStop": "should_stop",
    "heartbeatAt": "heartbeat_at",
}
History: TypeAlias = "list[dict[str, Any]]"


def _state(state: str) -> str:
    return RunState(state).value


def _called(history: History | Callable[[], History]) -> History:
    return history() if callable(history) else history


@define(kw_only=True)
class SweepRun:
    """A run of a sweep.

    >>> SweepRun(name="a", state="running", config={"lr": {"value": 0.1}}, history=[{"loss": 0.5}]).metric_history("loss")
    [0.5]
    """

    name: str | None = None
    """Identifies the run in its sweep (W&B's `name` is the run's id)."""
    state: str = field(default="pending", converter=_state)
    config: dict[str, Any] = field(factory=dict)
    summary_metrics: dict[str, Any] = field(factory=dict)
    _history: History | Callable[[], History] = field(factory=list, repr=False, eq=_called)
    search_info: dict[str, Any] | None = None
    early_terminate_info: dict[str, Any] | None = None
    stopped: bool = False
    should_stop: bool = False
    heartbeat_at: Any = None
    exitcode: int | None = None
    running: bool | None = None
    display_name: str = ""

    def __init__(self, **fields: Any) -> None:
        self.__attrs_init__(**{_ALIASES.get(name, name): value for name, value in fields.items()})  # type: ignore[attr-defined]

    @classmethod
    def of(cls, run: Run, runs: Runs) -> SweepRun:
        """A run of a mirror."""
        stopped = run.state is model.RunState.stopped
        return cls(
            name=run.id,
            display_name=run.name,
            state=RunState.killed if stopped else run.state.value,
            config=wrap(deepcopy(dict(run.config))),
            summary_metrics=deepcopy(dict(run.summary)),
            history=_history(runs, run.id),
            search_info=deepcopy(dict(run.info)) or None,
            stopped=stopped,
            should_stop=bool(run.stop_reason),
            exitcode=run.exit_code,
            running=run.state is model.RunState.running,
        )

    @property
    def id(self) -> str | None:
        return self.name

    @property
    def history(self) -> History:
        """One dict per logged value, oldest first."""
        self._history = _called(self._history)
        return self._history

    @property
    def summaryMetrics(self) -> dict[str, Any]:  # noqa: N802
        return self.summary_metrics

    @property
    def shouldStop(self) -> bool:  # noqa: N802
        return self.should_stop

    def metric_history(self, metric_name: str, filter_invalid: bool = False) -> list[Any]:
        """The metric's values in order; with `filter_invalid` only the finite numbers among them."""
        values = [row[metric_name] for row in self.history if metric_name in row]
        return [value for value in values if not filter_invalid or is_number(value)]

    def summary_metric(self, metric_name: str) -> Any:
        """The metric's value in the summary; KeyError if there is none."""
        if metric_name not in self.summary_metrics:
            raise KeyError(f"{metric_name} is not a summary metric of this run.")
        return self.summary_metrics[metric_name]

    def metric_extremum(self, metric_name: str, kind: str) -> Any:
        """The smallest ("minimum") or largest ("maximum") finite value over history and summary."""
        if kind not in _EXTREMA:
            raise ValueError(f'Invalid extremum type {kind}, must be one of ["maximum", "minimum"]')
        values = [*self.metric_history(metric_name), self.summary_metrics.get(metric_name)]
        numbers = [value for value in values if is_number(value)]
        if not numbers:
            raise ValueError(f"Cannot extract metric {metric_name} from run: it has no finite value of it")
        return _EXTREMA[kind](numbers)


_EXTREMA = {"minimum": min, "min": min, "minimize": min, "maximum": max, "max": max, "maximize": max}


def is_number(value: object) -> bool:
    """Whether it is a finite number, and not a bool."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return False
    return math.isfinite(value)


def sweep_runs(runs: Runs) -> list[SweepRun]:
    """Fresh SweepRuns of a mirror, by number. What is done to them reaches nobody."""
    return [SweepRun.of(run, runs) for run in runs]


def _history(runs: Runs, run_id: RunId) -> History | Callable[[], History]:
    """Built when it is asked for: most searchers look at the summary only. With several metrics a row holds the values of
    each that were logged as the first, as the second, and so on.
    """
    curves = [(goal, runs.costs(run_id, goal)) for goal in runs.goals]
    return lambda: _rows(curves)


def _rows(curves: Sequence[tuple[Goal, NDArray[np.float64]]]) -> History:
    # Goal.cost is its own inverse: it gives back the value as it was logged.
    values = {goal.metric: [goal.cost(cost) for cost in costs.tolist()] for goal, costs in curves}
    longest = max(map(len, values.values()), default=0)
    return [{name: column[i] for name, column in values.items() if i < len(column)} for i in range(longest)]


def mirror(given: Iterable[Any], goal: Goal | None, space: Space | None = None, goals: Sequence[Goal] = ()) -> Runs:
    """Runs from SweepRuns (or any objects with their attributes), numbered 1, 2, … in the order given.

    The id of run number k is `str(k)`.
    """
    runs = Runs(goal, goals)
    given = list(given)
    rows = tuple(_row(number, run, space) for number, run in enumerate(given, 1))
    chunks = (_chunk(row, run, each.metric) for each in runs.goals for row, run in zip(rows, given, strict=True))
    runs.apply(Changes(Cursor(), runs=rows, chunks=tuple(chunks)))
    return runs


def _row(number: int, run: Any, space: Space | None) -> Run:
    return Run(
        id=RunId(str(number)),
        sweep_id=None,
        number=number,
        config=unwrap(run.config, space),
        state=_state_of(run),
        name=run.name or "",
        summary=getattr(run, "summary_metrics", None) or getattr(run, "summaryMetrics", None) or {},
    )


def _state_of(run: Any) -> model.RunState:
    if run.state == RunState.killed and getattr(run, "stopped", False):
        return model.RunState.stopped
    return model.RunState.preempted if run.state == RunState.preempting else model.RunState(run.state)


def _chunk(row: Run, run: Any, metric: str) -> Chunk:
    logged = [line[metric] for line in getattr(run, "history", None) or () if metric in line]
    values = [float(value) for value in logged if is_number(value)]
    return Chunk(row.id, row.attempt, metric, column(range(len(values)), values))


def wrap(config: Mapping[str, Any]) -> dict[str, Any]:
    """W&B's form of a run's config: `{"lr": 0.1}` → `{"lr": {"value": 0.1}}`."""
    return {key: {"value": value} for key, value in config.items()}


def unwrap(config: Mapping[str, Any], space: Space | None = None) -> dict[str, Any]:
    """The plain form: `{"lr": {"value": 0.1}}` → `{"lr": 0.1}`.

    With the space, a nested parameter called "value" and dicts among a parameter's values are not mistaken for the wrapping.
    """
    return {key: value["value"] if _is_wrapped(key, value, space) else value for key, value in config.items()}


def _is_wrapped(key: str, value: object, space: Space | None) -> bool:
    if not isinstance(value, Mapping) or "value" not in value or not {"value", "desc"}.issuperset(value):
        return False
    if space is None:
        return True
    own = space.parameters.get((key,))
    if own is not None:
        return not own.contains(value)
    return _fit({key: value["value"]}, space) >= _fit({key: value}, space)


def _fit(config: Mapping[str, Any], space: Space) -> int:
    """How many parameters have one of their values in this reading of a config."""
    return sum(space.parameters[path].contains(value) for path, value in space.flatten(config).items())
