"""What a figure is drawn of: a sweep and its runs, read once, and what is asked of them. Nothing here draws."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..columns import concat
from ..errors import UsageError
from ..fields import did_you_mean
from ..model import Agent, Chunk, Column, Cursor, Run, RunId, Sweep, SweepId
from ..parameters import Parameter, Path
from ..runs import Goal, summary_value
from ..store import Store
from ..stores import locate
from ..sweepconfig import SweepConfig

Floats = NDArray[np.float64]

_NAMED = 12
"""So many known names are listed in an error."""


@frozen(slots=False, eq=False)
class Subject:
    """One sweep as its figures see it."""

    store: Store
    sweep: Sweep
    config: SweepConfig
    runs: Sequence[Run]
    """Those that were begun, in order of their numbers."""
    agents: Sequence[Agent] = ()

    @classmethod
    def read(cls, sweep: Any) -> Subject:
        """By id, link or `Api().sweep(…)`. SweepNotFound, UsageError."""
        if isinstance(sweep, Subject):
            return sweep
        store = getattr(sweep, "_store", None)
        if store is None or not isinstance(getattr(sweep, "id", None), str):
            store, row = locate(sweep)
            return cls.of(store, row.id)
        return cls.of(store, SweepId(sweep.id))

    @classmethod
    def of(cls, store: Store, sweep_id: SweepId) -> Subject:
        changes = store.changes(sweep_id, Cursor(), ())
        row = changes.sweep or store.sweep(sweep_id)
        runs = sorted(
            (run for run in changes.runs if run.started_at is not None and not run.deleted), key=lambda run: run.number
        )
        return cls(store, row, SweepConfig.parse(row.config), runs, changes.agents)

    # -- metrics ------------------------------------------------------------------------------------------------

    @property
    def goal(self) -> Goal | None:
        """What the best run is best in: the sweep's metric; of several the first, as for `best_run()`."""
        return next(iter(self.config.goals), None)

    @cached_property
    def metrics(self) -> Sequence[str]:
        """Everything numeric that some run has in its summary, the sweep's own metric first."""
        own = [goal.metric for goal in self.config.goals]
        found = dict.fromkeys(name for run in self.runs for name in _numbers(run.summary))
        return list(dict.fromkeys([*(name for name in own if name in found), *sorted(found)]))

    def metric(self, name: str | None) -> str:
        """The metric to draw. UsageError for one that nobody has logged, naming those there are."""
        if name is None and self.goal is None:
            raise UsageError(f"sweep {self.sweep.id} has no metric: name the one to draw, metric=…{self._known}")
        if name is None or (self.goal is not None and name == self.goal.metric):
            assert self.goal is not None
            return self.goal.metric
        if not isinstance(name, str):
            raise UsageError(f"metric: expected the name of a metric, got {name!r:.80}")
        if self.runs and name not in self.metrics and not name.startswith("_"):
            hint = did_you_mean(name, self.metrics)
            raise UsageError(f"no run of sweep {self.sweep.id} has logged {name!r}{hint}{self._known}")
        return name

    @property
    def _known(self) -> str:
        if not self.metrics:
            return "; nothing has been logged yet"
        more = ", …" if len(self.metrics) > _NAMED else ""
        return f"; there are {', '.join(self.metrics[:_NAMED])}{more}"

    def cost(self, run: Run) -> float | None:
        """How bad a run is by the sweep's own metric; None if it has no value."""
        value = None if self.goal is None else summary_value(run.summary, self.goal.metric)
        return None if value is None or self.goal is None else self.goal.cost(value)

    def maximizes(self, metric: str) -> bool | None:
        """Whether larger is better; None where nobody has said."""
        return next((goal.maximize for goal in self.config.goals if goal.metric == metric), None)

    # -- runs ---------------------------------------------------------------------------------------------------

    @cached_property
    def best(self) -> Run | None:
        """As `best_run()` of the sweep."""
        return next(iter(self.ranked(1)), None)

    def ranked(self, k: int) -> list[Run]:
        """The k best runs, best first."""
        costs = ((cost, run.number, run) for run in self.runs if (cost := self.cost(run)) is not None)
        return [run for *_, run in heapq.nsmallest(k, costs, key=lambda entry: entry[:2])]

    def top(self, k: int | None) -> list[Run]:
        """The k best runs that somebody asked for."""
        if k is None:
            return []
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise UsageError(f"top: expected how many of the best runs, at least 1, got {k!r:.80}")
        if self.goal is None:
            raise UsageError(f"top: sweep {self.sweep.id} has no metric to rank its runs by")
        return self.ranked(k)

    def named(self, runs: Any) -> list[Run]:
        """Runs by id, name, number or as objects of `Api()`. UsageError for one that is not of this sweep."""
        if runs is None:
            return []
        if isinstance(runs, (str, int)) or not isinstance(runs, Iterable):
            runs = [runs]
        known: dict[Any, Run] = {}
        for run in self.runs:
            known |= {run.number: run, run.id: run}
            if run.name:
                known.setdefault(run.name, run)
        found = []
        for given in runs:
            name = given if isinstance(given, (str, int)) else getattr(given, "id", None)
            if name not in known or isinstance(given, bool):
                raise UsageError(
                    f"runs: sweep {self.sweep.id} has begun no run {given if name is None else name!r:.80}"
                )
            found.append(known[name])
        return list({run.id: run for run in found}.values())

    def some(self, runs: Sequence[Run], most: int) -> Sequence[Run]:
        """At most so many of the runs, in order: the better half of the number from the best, the rest evenly from all."""
        if len(runs) <= most:
            return runs
        costs = np.array([math.inf if (cost := self.cost(run)) is None else cost for run in runs])
        kept = set(np.argsort(costs, kind="stable")[: most // 2].tolist())
        others = [i for i in range(len(runs)) if i not in kept]
        kept |= {others[i] for i in np.linspace(0, len(others) - 1, most - len(kept)).astype(int).tolist()}
        return [runs[i] for i in sorted(kept)]

    def columns(self, runs: Collection[Run], keys: Collection[str]) -> Mapping[RunId, Mapping[str, Column]]:
        """What runs logged of some metrics, by run and metric."""
        if 2 * len(runs) < len(self.runs):
            return {run.id: self.store.columns(run.id) for run in runs}
        wanted = {run.id: run.attempt for run in runs}
        pieces: dict[RunId, dict[str, list[Column]]] = {run.id: {} for run in runs}
        for chunk in self._chunks(keys):
            if wanted.get(chunk.run_id) == chunk.attempt:
                pieces[chunk.run_id].setdefault(chunk.key, []).append(chunk.column)
        return {run_id: {key: concat(some) for key, some in found.items()} for run_id, found in pieces.items()}

    def _chunks(self, keys: Collection[str]) -> Sequence[Chunk]:
        return self.store.changes(self.sweep.id, Cursor(), keys).chunks

    # -- parameters ---------------------------------------------------------------------------------------------

    @cached_property
    def parameters(self) -> Mapping[str, tuple[Path, Parameter]]:
        """Every parameter by its name, `opt.lr` for a nested one; those with a choice come first."""
        space = self.config.space
        paths = [*space.searchable, *(path for path in space.parameters if path not in set(space.searchable))]
        names = [".".join(path) for path in paths]  # `opt: lr` and a name with a dot in it would be the same
        unique = [name if names.count(name) == 1 else "/".join(path) for name, path in zip(names, paths, strict=True)]
        return {name: (path, space.parameters[path]) for name, path in zip(unique, paths, strict=True)}

    def chosen(self, params: Any) -> list[str]:
        """The parameters to draw; by default all that have a choice. UsageError for one that there is not."""
        if params is None:
            return [name for name, (_, parameter) in self.parameters.items() if not parameter.constant]
        names = [params] if isinstance(params, str) else list(params)
        for name in names:
            if name not in self.parameters:
                known = ", ".join(self.parameters)
                hint = did_you_mean(name, self.parameters)
                raise UsageError(
                    f"params: sweep {self.sweep.id} has no parameter {name!r:.80}{hint}; there are {known}"
                )
        return list(dict.fromkeys(names))

    @cached_property
    def flat(self) -> Mapping[RunId, Mapping[Path, Any]]:
        """The configuration of every run by path, without what is not active."""
        return {run.id: self.config.space.flatten(run.config) for run in self.runs}

    @cached_property
    def constants(self) -> frozenset[str]:
        """Names of parameters without a choice: what all runs have in common."""
        return frozenset(name for name, (_, parameter) in self.parameters.items() if parameter.constant)


def values(runs: Iterable[Run], metric: str) -> Floats:
    """The metric of each run by its summary; NaN where it has no finite one. Shape (n,)."""
    found = [summary_value(run.summary, metric) for run in runs]
    return np.array([math.nan if value is None else value for value in found], dtype=float)


def _numbers(summary: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    for key, value in summary.items():
        if type(value) in (int, float):
            if prefix or not key.startswith("_"):
                yield f"{prefix}{key}"
        elif isinstance(value, Mapping) and "_type" not in value:
            yield from _numbers(value, f"{prefix}{key}.")
