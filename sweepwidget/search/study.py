"""A sweep as a study of Optuna: its parameters as Optuna's distributions, its runs as trials, a sampler asked for more."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import optuna
from attrs import frozen
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from ..errors import UsageError
from ..model import Config
from ..parameters import Categorical, IntUniform, LogUniform, Parameter, Quantized, Space, Uniform
from ..parameters.distributions import clip
from .generators import reseed

if TYPE_CHECKING:
    from .replay import Past

_BY_RESULTS = ("RandomSampler", "TPESampler", "GPSampler", "BruteForceSampler")
"""Samplers that look at nothing but parameters and results. The others leave notes in a trial when it is asked for, and
need them later."""


@frozen
class Axis:
    """A parameter as Optuna sees it."""

    distribution: BaseDistribution
    encode: Callable[[Any], Any]
    """The sweep's value → Optuna's."""
    decode: Callable[[Any], Any]


def axis(parameter: Parameter) -> Axis:
    """Numbers that Optuna knows are themselves, multiples of q are counted from the first, choices numbered as in
    `choices()` (their weights are not told); all other distributions go through their quantile in [0, 1].

    >>> axis(Uniform(0, 1)).distribution
    FloatDistribution(high=1.0, log=False, low=0.0, step=None)
    """
    if isinstance(parameter, Categorical):
        choices = parameter.choices()
        return Axis(CategoricalDistribution(range(len(choices))), parameter.index, lambda i: choices[i])
    if isinstance(parameter, IntUniform) and max(abs(parameter.min), abs(parameter.max)) <= 2**53:
        return Axis(IntDistribution(parameter.min, parameter.max), int, int)
    if isinstance(parameter, (Uniform, LogUniform)):
        low, high = parameter.support

        def inside(value: float) -> float:
            return clip(float(value), low, high)

        return Axis(FloatDistribution(low, high, log=isinstance(parameter, LogUniform)), inside, inside)
    steps = parameter.choices() if isinstance(parameter, Quantized) and isinstance(parameter.law, Uniform) else None
    if steps is not None:
        first, q, last = steps[0], parameter.q, len(steps) - 1  # type: ignore[attr-defined]
        return Axis(
            IntDistribution(0, last), lambda value: int(clip(round((value - first) / q), 0, last)), lambda i: steps[i]
        )
    return Axis(FloatDistribution(0.0, 1.0), parameter.unit, parameter.ppf)


class StudyPlayer:
    """Plays a sweep again for a sampler."""

    def __init__(self, sampler: Any, space: Space, seed: int, goals: int = 1) -> None:
        if isinstance(sampler, optuna.samplers.GridSampler):
            raise UsageError("GridSampler: a sweep does that by itself, with method: grid")
        self._seed = seed
        self._space = space
        self._axes = {path: axis(space.parameters[path]) for path in space.searchable}
        dotted = Counter(".".join(path) for path in space.searchable)
        self._names = {
            path: name if dotted[name := ".".join(path)] == 1 else "/".join(path) for path in space.searchable
        }
        self._by_results = type(sampler).__name__ in _BY_RESULTS
        if isinstance(sampler, optuna.samplers.QMCSampler):
            sampler._seed = seed % 2**32  # of its sequence; the other generators are seeded for each trial
        self._study = _quietly_created(sampler, goals)

    def copy(self) -> StudyPlayer:
        other = copy.copy(self)
        ended = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        other._study = copy.deepcopy(self._study, {id(trial): trial for trial in ended})  # those never change again
        return other

    def tell(self, past: Past) -> None:
        if self._by_results:
            self._add(past, TrialState.COMPLETE)
        else:
            self._study.tell(self._lead(past), past.costs)

    def pend(self, past: Past) -> None:
        if self._by_results:
            self._add(past, TrialState.RUNNING)
        else:
            self._lead(past)

    def ask(self, number: int) -> Config:
        reseed(self._study.sampler, [self._seed, number])
        every: dict[str, BaseDistribution] = {self._names[path]: axis.distribution for path, axis in self._axes.items()}
        given = self._study.ask(every).params
        return self._space.nest({path: axis.decode(given[self._names[path]]) for path, axis in self._axes.items()})

    def _add(self, past: Past, state: TrialState) -> None:
        params, distributions = self._params(past.config)
        self._study.add_trial(create_trial(params=params, distributions=distributions, values=past.costs, state=state))

    def _lead(self, past: Past) -> optuna.Trial:
        """Have the sampler asked for the run, as it was then, and see its parameters in the answer."""
        params, distributions = self._params(past.config)
        self._study.enqueue_trial(params)
        reseed(self._study.sampler, [self._seed, past.number])
        trial = self._study.ask(distributions)
        _ = trial.relative_params  # only now is the sampler asked
        return trial

    def _params(self, config: Config) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        """The run's parameters by name, without those it did not have, and their distributions."""
        flat = {path: value for path, value in self._space.flatten(config).items() if path in self._axes}
        params = {self._names[path]: self._axes[path].encode(value) for path, value in flat.items()}
        return params, {self._names[path]: self._axes[path].distribution for path in flat}


def _quietly_created(sampler: Any, goals: int) -> optuna.Study:
    """A study in memory, without Optuna's line about it."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(sampler=sampler, directions=["minimize"] * goals)
    finally:
        optuna.logging.set_verbosity(verbosity)
