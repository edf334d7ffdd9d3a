"""Optimisers from elsewhere that can drive a sweep: Optuna's samplers, cmaes, and some of our own."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

from sweepwidget.search.replay import ReplaySearch


class Spiral:
    """Asks for points of the unit cube around the best one it was told of; counts its questions."""

    def __init__(self, dimension: int) -> None:
        self.dimension, self.asked = dimension, 0
        self.best = (float("inf"), [0.5] * dimension)
        self.rng = random.Random()

    def ask(self):
        self.asked += 1
        return [x + self.rng.gauss(0, 1 / self.asked) for x in self.best[1]]

    def tell(self, point, cost):
        self.best = min(self.best, (cost, list(point)))


class Shuffle:
    """Asks for configs by name, each once; notes what it is told."""

    def __init__(self) -> None:
        self.rng, self.told = np.random.default_rng(), []

    def ask(self):
        number = int(self.rng.integers(1, 10))
        return {"lr": 1.0 / number, "n": 2 * number, "opt": {"name": "sgd" if number % 2 else "adam"}}

    def tell(self, config, cost):
        self.told.append((config, cost))


def sampler(name: str, **settings: Any) -> Callable[[], Any]:
    """Makes a sampler of Optuna without its word about being experimental."""

    def make():
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return getattr(optuna.samplers, name)(**settings)

    return make


def replayed(mixed: Mapping[str, Any], conditional: Mapping[str, Any]) -> dict[str, tuple[Callable, Mapping[str, Any]]]:
    """Name → (config, seed → searcher; the space it searches), for what is installed."""
    given = {
        "ask-tell": (Spiral, mixed),
        "ask-tell-conditional": (Spiral, conditional),
        "ask-tell-configs": (Shuffle, mixed),
    }
    if find_spec("cmaes"):
        import cmaes

        given |= {"cmaes": (cmaes.CMA, mixed), "cmaes-conditional": (cmaes.SepCMA, conditional)}
    if find_spec("optuna"):
        given |= {
            "optuna-tpe": (sampler("TPESampler", n_startup_trials=2), mixed),
            "optuna-tpe-conditional": (sampler("TPESampler", n_startup_trials=2, multivariate=True), conditional),
            "optuna-nsga": (sampler("NSGAIISampler", population_size=4), mixed),
            "optuna-qmc": (sampler("QMCSampler", warn_asynchronous_seeding=False), mixed),
        }
        if find_spec("cmaes"):
            settings = {"n_startup_trials": 2, "popsize": 4, "warn_independent_sampling": False}
            given["optuna-cmaes"] = (sampler("CmaEsSampler", **settings), mixed)
        if find_spec("torch"):
            given["optuna-gp"] = (sampler("GPSampler", n_startup_trials=3), mixed)
    return {name: (_searcher(optimiser), space) for name, (optimiser, space) in given.items()}


def _searcher(optimiser: Any) -> Callable:
    return lambda config, seed: ReplaySearch(optimiser, config, seed)
