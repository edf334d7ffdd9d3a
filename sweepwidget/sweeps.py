"""W&B's names for sweeps without a server: the classes of `wandb.sweeps` (wandb 0.11) and the functions of `sweeps` (0.3).

All of it is stateless and thin: the algorithms are those of `search` and `stopping`. The classes serve as markers
(`controller.configure_search(GridSearch)`), on their own (`GridSearch().next_run({"config": cfg, "runs": runs})`), and to be
subclassed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from attrs import define

from .errors import ConfigError
from .model import RunId
from .runs import Goal, Runs
from .search import Searcher, grid, searcher_for
from .stopping import Stopper, stopper_for
from .stopping.envelope import Envelope
from .stopping.hyperband import Hyperband
from .sweepconfig import SweepConfig
from .sweeprun import RunState, SweepRun, mirror, wrap

__all__ = [
    "BayesianSearch",
    "EarlyTerminate",
    "EnvelopeEarlyTerminate",
    "GridSearch",
    "HyperbandEarlyTerminate",
    "RandomSearch",
    "RunState",
    "Search",
    "SweepRun",
    "builtin_search",
    "builtin_stopping",
    "next_run",
    "next_runs",
    "stop_runs",
]

Next: TypeAlias = "tuple[dict[str, Any], dict[str, Any] | None] | None"
"""(config in W&B's form `{"lr": {"value": 0.1}}`, what the search says of it); None when nothing is left."""


# -- the functions of the package `sweeps` ------------------------------------------------------------------------


def next_run(
    sweep_config: Any, runs: Sequence[SweepRun], validate: bool = False, randomize_order: bool = False
) -> SweepRun | None:
    """The next run of a sweep; None when nothing is left.

    >>> next_run({"method": "grid", "parameters": {"a": {"values": [1, 2, 3]}}}, []).config
    {'a': {'value': 1}}
    """
    return next_runs(sweep_config, runs, validate, 1, randomize_order)[0]


def next_runs(
    sweep_config: Any,
    runs: Sequence[SweepRun],
    validate: bool = False,
    n: int = 1,
    randomize_order: bool = False,
) -> list[SweepRun | None]:
    """The next n runs of a sweep; when it has fewer left, those and then one None.

    Without a `seed` in the configuration every call draws anew, as W&B's does. `randomize_order` shuffles a grid.
    """
    config = SweepConfig.parse(sweep_config)
    found = _searcher(config, randomize_order).suggest(mirror(runs, config.goal, config.space, config.goals), n)
    answers = [SweepRun(config=wrap(each.config), search_info=dict(each.info)) for each in found]
    return [*answers, None] if len(answers) < n else [*answers]


def _searcher(config: SweepConfig, randomize_order: bool) -> Searcher:
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if config.seed is None else config.seed
    if config.method == "grid" and randomize_order:
        return grid.GridSearch(config, seed, shuffled=True)
    return searcher_for(config, seed)


def stop_runs(
    sweep_config: Any,
    runs: Sequence[SweepRun],
    validate: bool = False,
) -> list[SweepRun]:
    """Those of the running runs that the sweep's `early_terminate` would end now.

    ConfigError (a ValueError) without a "metric" or an "early_terminate" section.
    """
    config = SweepConfig.parse(sweep_config)
    if config.watched is None:
        raise ConfigError('early terminate requires "metric" section')
    stopper = stopper_for(config)
    if stopper is None:
        raise ConfigError('early terminate requires "early_terminate" section.')
    stopped = stopper.stop(mirror(runs, config.watched))
    return [run for number, run in enumerate(runs, 1) if RunId(str(number)) in stopped]


# -- the search classes of wandb 0.11 -----------------------------------------------------------------------------


class Search:
    """Base of search plug-ins: override `next_run`."""

    def next_run(self, sweep: Mapping[str, Any]) -> Next:
        """The next configuration for `sweep = {"config": the sweep's dict, "runs": a list of SweepRun}`."""
        raise NotImplementedError


def _next(method: str, sweep: Mapping[str, Any], randomize_order: bool = False) -> Next:
    run = next_run({**sweep["config"], "method": method}, sweep["runs"], randomize_order=randomize_order)
    return None if run is None else (run.config, run.search_info)


@define
class GridSearch(Search):
    """Every combination once (see `search.grid`); `randomize_order` takes them in random order.

    >>> GridSearch().next_run({"config": {"parameters": {"a": {"values": [1, 2]}}}, "runs": []})
    ({'a': {'value': 1}}, {'why': 'grid cell 1 of 2'})
    """

    randomize_order: bool = False

    def next_run(self, sweep: Mapping[str, Any]) -> Next:
        return _next("grid", sweep, self.randomize_order)


@define
class RandomSearch(Search):
    """Independent draws (see `search.random`)."""

    def next_run(self, sweep: Mapping[str, Any]) -> Next:
        return _next("random", sweep)


@define
class BayesianSearch(Search):
    """Where the model of the runs so far expects the most (see `search.bayes`).

    `minimum_improvement` is taken for the sake of old scripts; the search has no such setting.
    """

    minimum_improvement: float = 0.1

    def next_run(self, sweep: Mapping[str, Any]) -> Next:
        return _next("bayes", sweep)


# -- the stopping classes of wandb 0.11 ---------------------------------------------------------------------------


class EarlyTerminate:
    """Base of stopping plug-ins: override `stop_runs`."""

    def stop_runs(
        self,
        sweep_config: Mapping[str, Any],
        runs: Sequence[SweepRun],
    ) -> tuple[list[str | None], dict[str, Any]]:
        """The names of the running runs to stop, and `{"lines": [debug lines]}`."""
        return [], {}


@define
class HyperbandEarlyTerminate(EarlyTerminate):
    """Of the runs that reach one of the `bands` (numbers of logged values) only the best share r goes on.

    >>> HyperbandEarlyTerminate.init_from_min_iter(3, eta=3).bands[:3]
    [3, 9, 27]
    """

    bands: list[int]
    r: float
    strict: bool = True

    @classmethod
    def init_from_max_iter(cls, max_iter: int, eta: float = 3, s: int = 1) -> HyperbandEarlyTerminate:
        return cls(list(Hyperband.from_max_iter(max_iter, s, eta).bands), 1 / eta)

    @classmethod
    def init_from_min_iter(cls, min_iter: int, eta: float = 3) -> HyperbandEarlyTerminate:
        return cls(list(Hyperband.from_min_iter(min_iter, eta).bands), 1 / eta)

    @classmethod
    def init_from_config(cls, et_config: Mapping[str, Any]) -> HyperbandEarlyTerminate:
        parsed = Hyperband.parse(et_config)
        return cls(list(parsed.bands), 1 / parsed.eta, parsed.strict)

    def stop_runs(
        self, sweep_config: Mapping[str, Any], runs: Sequence[SweepRun]
    ) -> tuple[list[str | None], dict[str, Any]]:
        stopper = Hyperband(self.bands, 1 / self.r if self.r else float("inf"), self.strict)
        rows = mirror(runs, _goal(sweep_config))
        return _names(stopper, rows, runs), {"lines": list(stopper.lines(rows))}


@define
class EnvelopeEarlyTerminate(EarlyTerminate):
    """A run must keep up with the worst of the best `fraction` of the finished runs (see `stopping.envelope`)."""

    fraction: float = 0.3
    min_runs: int = 3
    start_iter: int = 3

    @classmethod
    def init_from_config(cls, config: Mapping[str, Any]) -> EnvelopeEarlyTerminate:
        return cls(**{key: value for key, value in config.items() if key != "type"})

    def stop_runs(
        self, sweep_config: Mapping[str, Any], runs: Sequence[SweepRun]
    ) -> tuple[list[str | None], dict[str, Any]]:
        stopper = Envelope(self.fraction, self.min_runs, self.start_iter)
        rows = mirror(runs, _goal(sweep_config))
        return _names(stopper, rows, runs), {"lines": list(stopper.stop(rows).values())}


def _names(stopper: Stopper, rows: Runs, runs: Sequence[SweepRun]) -> list[str | None]:
    stopped = stopper.stop(rows)
    return [run.name for number, run in enumerate(runs, 1) if RunId(str(number)) in stopped]


def _goal(sweep_config: Mapping[str, Any]) -> Goal:
    metric = sweep_config.get("metric")
    if not metric:
        raise ConfigError("Key 'metric' required for early termination")
    return Goal(metric["name"], metric.get("goal") == "maximize")


# -- which of ours a class of this module stands for ----------------------------------------------------------------

_SEARCHES: Mapping[type, str] = {GridSearch: "grid", RandomSearch: "random", BayesianSearch: "bayes"}
_STOPPINGS: Mapping[type, str] = {HyperbandEarlyTerminate: "hyperband", EnvelopeEarlyTerminate: "envelope"}


def builtin_search(search: object) -> str | None:
    """The `method` that one of the classes above stands for. None for anything else, instances and subclasses too: those
    are the user's own search.

    >>> builtin_search(GridSearch), builtin_search(GridSearch(randomize_order=True))
    ('grid', None)
    """
    return _SEARCHES.get(search) if isinstance(search, type) else None


def builtin_stopping(stopping: object) -> str | None:
    """The `early_terminate` type that one of the classes above stands for. None for anything else: the user's own rule."""
    return _STOPPINGS.get(stopping) if isinstance(stopping, type) else None
