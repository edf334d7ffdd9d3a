"""Any ask/tell optimiser as the search of a sweep: `controller.configure_search(optuna.samplers.TPESampler())`.

An optimiser lives in one process and remembers what it was told; a sweep may be steered by another process after every
run. So for a suggestion a fresh optimiser is told, once more, what the runs returned, and is then asked ("replay"). That
makes the answer a function of the rows and the seed; a copy that is kept makes it fast.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from attrs import field, frozen

from ..errors import ConfigError, UsageError
from ..model import Config, Suggestion
from ..runs import Runs
from ..sources import read
from ..sweepconfig import SweepConfig
from ..sweeprun import unwrap
from .cube import Cube, identity
from .evidence import Evidence, Trial, filled
from .generators import reseed
from .gp import squared_distances
from .linalg import Floats
from .optimiser import asks_and_tells, called, is_sampler, made, takes

_EXPECTED = (
    "a config such as {'lr': 0.1}, a list of one number in [0, 1] per searched parameter, or None: nothing is left"
)
_EXTRAS = {"optuna": "sweepwidget[optuna]", "cmaes": "sweepwidget[optuna]"}


@frozen
class Past:
    """A run, as the optimiser is told of it."""

    number: int
    identity: bytes
    config: Config = field(eq=False)
    costs: tuple[float, ...] | None = None
    """One for each goal, smaller is better; None while it is at work."""


class Player(Protocol):
    """An optimiser that plays a sweep again."""

    def tell(self, past: Past) -> None:
        """A run was suggested, and returned its costs."""

    def pend(self, past: Past) -> None:
        """A run was suggested, and is at work."""

    def ask(self, number: int) -> Config | None:
        """The configuration for the run of that number; None: nothing is left."""

    def copy(self) -> Player:
        """Another one in the same state."""


class ReplaySearch:
    """Asks an optimiser of the user's choice. `optimiser` is one of

    * a sampler of Optuna, or its class: `optuna.samplers.GPSampler()`. Parameters have their names (`opt.lr` where
      nested), choices are numbered, costs are minimised. Samplers that keep notes in their study (`CmaEsSampler`,
      `NSGAIISampler` …) are led through all runs again, the others told of them;
    * a class of `cmaes`: `cmaes.CMA`, with mean 0.5 and sigma 0.3 in the unit cube;
    * an object with `ask() -> answer` and `tell(answer, cost)`, or where `tell` takes one argument
      `tell([(answer, cost), …])`, a generation of `population_size` at a time;
    * a function that makes one of these; if it takes an argument, that is the number of searched parameters:
      `lambda n: cmaes.CMA(mean=np.full(n, 0.5), sigma=0.2)`.

    An answer is a config, or a point of the unit cube (one coordinate per searched parameter, in order; `ppf` makes it a
    value). Runs are told in the order in which they ended; one that failed costs what `metric.impute` says; those at work
    are asked for and left open. Before each `ask` the generators in the optimiser are seeded with the sweep's seed and the
    run's number. UsageError names the optimiser when it raises or answers anything else.

    >>> ReplaySearch(optuna.samplers.TPESampler(), config, seed=7).suggest(runs, 1)      # doctest: +SKIP
    [Suggestion(config={'lr': 0.0131}, info={'why': 'TPESampler, told of 12 runs, 1 at work', 'nearest_run': 7})]
    """

    open_loop = False

    def __init__(self, optimiser: Any, config: SweepConfig, seed: int = 0) -> None:
        if not config.objectives:
            raise ConfigError(
                "metric: an optimiser needs to know what to improve; add metric: {name: …, goal: minimize}"
            )
        self._cube = Cube(config.space)
        self._evidence = Evidence(self._cube, config.objectives)
        self._given, self._config, self._seed = optimiser, config, seed
        self._name, self._make = _maker(optimiser, self._cube, seed % 2**64, len(config.goals))
        self._make()  # what is wrong with it is said now
        self._player: Player | None = None
        self._told: list[Past] = []

    def edited(self, config: SweepConfig) -> ReplaySearch:
        """A fresh optimiser for the sweep as it is now configured."""
        return self if config == self._config else ReplaySearch(self._given, config, self._seed)

    def suggest(self, runs: Runs, n: int) -> Sequence[Suggestion]:
        """The next n configurations; fewer when the optimiser says that nothing is left."""
        if n <= 0:
            return []
        settled, told, pending = self._past(runs)
        player = self._after(told)
        for past in pending:
            _guarded(self._name, player.pend, past)
        why = {"why": f"{self._name}, told of {_count(told)}, {len(pending)} at work"}
        found: list[Suggestion] = []
        while len(found) < n:
            config = _guarded(self._name, player.ask, runs.last_number + len(found) + 1)
            if config is None:
                break
            found.append(Suggestion(config, why | self._nearest(config, settled)))
        return found

    def _nearest(self, config: Config, settled: Sequence[Trial]) -> dict[str, Any]:
        point = self._cube.encode(config)
        if point is None or not settled:
            return {}
        others = self._cube.columns(np.stack([trial.point for trial in settled]))
        nearest = int(squared_distances(self._cube.columns(point[None]), others)[0].argmin())
        return {"nearest_run": settled[nearest].number}

    def _past(self, runs: Runs) -> tuple[list[Trial], list[Past], list[Past]]:
        """The trials with a result in the order in which they ended, what is told of them, and what of those at work in the
        order of their numbers.
        """
        rows = {run.number: run for run in runs}
        trials = self._evidence.trials(runs)
        settled = sorted(
            (trial for trial in trials if trial.settled), key=lambda it: (rows[it.number].ended_at or 0.0, it.number)
        )
        each = [trial.costs or (trial.cost,) for trial in settled]
        costs = zip(*(filled(np.array(column, float)).tolist() for column in zip(*each, strict=True)), strict=True)
        told = [
            Past(trial.number, trial.identity, rows[trial.number].config, its)
            for trial, its in zip(settled, costs, strict=True)
        ]
        return (
            settled,
            told,
            [Past(trial.number, trial.identity, rows[trial.number].config) for trial in trials if trial.pending],
        )

    def _after(self, told: list[Past]) -> Player:
        """An optimiser that was told all that, to be used up."""
        known, player = self._told, self._player
        self._player = None  # whatever happens on the way, half a state is not kept
        if player is None or told[: len(known)] != known:
            known, player = [], self._make()
        for past in told[len(known) :]:
            _guarded(self._name, player.tell, past)
        self._told, self._player = told, player
        copied: Player = _guarded(self._name, player.copy)
        return copied


# -- making one -----------------------------------------------------------------------------------------------------


def _maker(given: Any, cube: Cube, seed: int, goals: int) -> tuple[str, Callable[[], Player]]:
    """(what to call it, a function that makes a fresh one)."""
    it = _guarded(called(given), made, given, len(cube))
    name = type(it).__name__
    if not (is_sampler(it) or asks_and_tells(it)):
        raise UsageError(
            f"{called(given)} made {name}, which has no ask and tell. Give configure_search a function (config, runs) that "
            "returns the next config, or one that makes an optimiser"
        )
    if goals > 1 and not is_sampler(it):
        raise UsageError(
            f"{name} is told one cost, and this sweep has {goals} metrics; name one under `metric`, or take a sampler of Optuna "
            "that knows several, such as NSGAIISampler or TPESampler"
        )
    try:
        copy.deepcopy(it)
    except Exception as error:
        raise UsageError(
            f"{name} cannot be copied ({error}), and a sweep needs a fresh one for every suggestion"
        ) from error

    def make() -> Player:
        fresh = copy.deepcopy(it)
        if is_sampler(fresh):
            from .study import StudyPlayer  # Optuna: only who uses it needs it

            return StudyPlayer(fresh, cube.space, seed, goals)
        return AskTell(name, fresh, cube, seed)

    return name, lambda: _guarded(name, make)


# -- playing it -----------------------------------------------------------------------------------------------------


class AskTell:
    """An object with `ask` and `tell`. Each run is asked for before it is told, so that the optimiser counts right."""

    def __init__(self, name: str, optimiser: Any, cube: Cube, seed: int) -> None:
        self._name, self._optimiser, self._cube, self._seed = name, optimiser, cube, seed
        self._one_by_one = takes(optimiser.tell, None, 0.0)
        self._generation: list[tuple[Any, float]] = []

    def copy(self) -> AskTell:
        other = copy.copy(self)
        other._optimiser = copy.deepcopy(self._optimiser)
        other._generation = list(self._generation)
        return other

    def tell(self, past: Past) -> None:
        assert past.costs is not None
        (cost,), answer = past.costs, self._asked(past.number)
        if answer is None or self._identity(self._config(answer)) != past.identity:  # others were told before it, then
            answer = self._answer(past.config, isinstance(answer, Mapping))
        if self._one_by_one:
            self._optimiser.tell(answer, cost)
            return
        self._generation.append((answer, cost))
        if len(self._generation) == self._optimiser.population_size:
            self._optimiser.tell(self._generation)
            self._generation = []

    def pend(self, past: Past) -> None:
        self._asked(past.number)

    def ask(self, number: int) -> Config | None:
        answer = self._asked(number)
        return None if answer is None else self._config(answer)

    def _asked(self, number: int) -> Any:
        reseed(self._optimiser, [self._seed, number])
        return self._optimiser.ask()

    def _config(self, answer: Any) -> Config:
        """The answer as a run is given it."""
        try:
            if isinstance(answer, Mapping):
                space = self._cube.space
                config = space.nest(space.flatten(unwrap(read(answer), space)))
            else:
                config = self._cube.draw(self._quantiles(answer))
        except (TypeError, ValueError) as error:
            raise self._nonsense(answer) from error
        if self._identity(config) is None:
            raise self._nonsense(answer)
        return config

    def _identity(self, config: Config) -> bytes | None:
        point = self._cube.encode(config)
        return None if point is None else identity(point)

    def _quantiles(self, answer: Any) -> Floats:
        point = np.asarray(answer, float)
        if point.shape != (len(self._cube),) or not np.isfinite(point).all():
            raise ValueError(point.shape)
        inside: Floats = np.clip(point, 0.0, 1.0)
        return inside

    def _answer(self, config: Config, by_name: bool) -> Config | Floats:
        """The answer that a run's config comes from; as a point, what is not there stands in the middle. Shape (D,)."""
        space = self._cube.space
        flat = space.flatten(config)
        if by_name:
            return space.nest(flat)
        return np.array([space.parameters[p].unit(flat[p]) if p in flat else 0.5 for p in space.searchable])

    def _nonsense(self, answer: Any) -> UsageError:
        return UsageError(f"{self._name}.ask() returned {_short(answer)}; return {_EXPECTED}")


def _short(answer: Any) -> str:
    text = repr(answer)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _count(told: Sequence[Past]) -> str:
    return "1 run" if len(told) == 1 else f"{len(told)} runs"


def _guarded(name: str, code: Callable[..., Any], *args: Any) -> Any:
    try:
        return code(*args)
    except UsageError:
        raise
    except ImportError as error:
        package = (error.name or str(error)).partition(".")[0]
        mend = _EXTRAS.get(package, package)
        raise UsageError(f"{name} needs the package {package}: pip install '{mend}'") from error
    except Exception as error:
        raise UsageError(f"{name} raised {type(error).__name__}: {error}") from error
