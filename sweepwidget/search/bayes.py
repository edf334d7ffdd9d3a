"""`method: bayes`: Bayesian optimisation with a Gaussian process.

    1. start with a few points that fill the space evenly      (Sobol, `_design`)
    2. model the costs seen so far                             (gp.py, `_belief`)
    3. try the point of largest expected improvement           (acquisition.py, `_improve`)
    4. when nothing improves any more, begin anew beside it    (`_turn`)

Read cube.py, evidence.py, objective.py, gp.py and acquisition.py in this order to follow one suggestion. The answer is a
function of the runs in order of their numbers, the seed and n, and of nothing else: no clock, no global randomness, no
order of arrival. What is cached is looked up by content.

Constants were chosen by comparison on test problems (benchmarks/search_quality.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set as AbstractSet
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray
from scipy.stats import qmc

from ..errors import ConfigError
from ..model import Suggestion
from ..runs import Goal, Runs
from ..sweepconfig import SweepConfig
from . import gp
from .acquisition import Score, free, maximise, nearby
from .chebyshev import weighed, weights
from .cube import Cube, identity
from .evidence import Evidence, Trial, costs_of, filled
from .linalg import Floats
from .objective import Scale

FIT_BEST, FIT_OTHERS = 70, 150
"""Hyper-parameters are fitted to the best trials and some of the others: the cost of a fit grows with n³."""
REFITS = (60, 1), (100, 2), (200, 4), (math.inf, 8)
"""Below 60 settled trials they are fitted after each one, below 100 after every second, and so on."""
KNOWN_BEST, KNOWN_NEWEST, KNOWN_OTHERS = 200, 50, 150
"""The posterior knows the best trials, the newest, and some of the others."""
PENDING = 100
"""So many pending runs are taken into account, the newest."""
ENUMERATED = 4000
"""Finite spaces up to this size are searched completely …"""
ENUMERATED_WORK = 600_000
"""… as long as untried points × known trials is not more than this."""
IMPROVEMENT = 1e-3
"""In standard deviations of the costs: less is not an improvement."""

_DESIGN, _FIT, _KNOWN, _CANDIDATES = range(4)  # streams of random numbers that must not meet


@frozen(eq=False)
class Belief:
    """A posterior, the trials it knows (believed ones last), and how to read its costs."""

    posterior: gp.Posterior
    trials: Sequence[Trial]
    scale: Scale


class BayesianSearch:
    """Suggests the configuration that is expected to improve most on the best run so far.

    >>> search = BayesianSearch(SweepConfig.parse({"method": "bayes", "metric": {"name": "loss"}, "parameters":
    ...     {"x": {"min": 0.0, "max": 1.0}}}), seed=7)      # doctest: +SKIP
    >>> search.suggest(Runs(Goal("loss")), 2)      # doctest: +SKIP

    ConfigError without a metric, or when there is nothing to choose. Runs still at work count with the result that is
    expected of them, and so do the earlier suggestions of the same call. `info` says why (see reasons.py). With several
    metrics each suggestion weighs them anew (see chebyshev.py).
    """

    open_loop = False

    def __init__(self, config: SweepConfig, seed: int) -> None:
        if not config.objectives:
            raise ConfigError("metric: bayes needs to know what to improve; add metric: {name: …, goal: minimize}")
        self._goals = config.goals
        self._cube = Cube(config.space)
        if not len(self._cube):
            raise ConfigError("parameters: Need at least one searchable parameter for bayes search.")
        self._seed = seed % 2**64
        self._evidence = Evidence(self._cube, config.objectives)
        self._thetas: dict[bytes, gp.Theta] = {}
        self._sobol: dict[tuple[int, int], Floats] = {}

    def suggest(self, runs: Runs, n: int) -> Sequence[Suggestion]:
        """The next n configurations; fewer than n when a finite space is spent."""
        trials = self._evidence.trials(runs)
        number = max((run.number for run in runs), default=0)
        found: list[Suggestion] = []
        while len(found) < n:
            suggestion = self._next(trials, number + len(found) + 1)
            if suggestion is None:
                break
            found.append(suggestion)
            point = self._cube.encode(suggestion.config)
            assert point is not None
            restart = suggestion.info.get("restart", 0)
            trials.append(Trial(number + len(found), point, identity(point), pending=True, restart=restart))
        return found

    def _next(self, trials: list[Trial], number: int) -> Suggestion | None:
        taken = {trial.identity for trial in trials}
        if self._cube.size is not None and len(taken) >= self._cube.size:
            return None
        if len(self._goals) > 1:
            return self._among_several(trials, number, taken)
        restart, own = self._turn(trials)
        return self._one(restart, own, taken)

    def _one(self, restart: int, own: list[Trial], taken: AbstractSet[bytes]) -> Suggestion:
        if len(own) < self._design_size or sum(trial.measured for trial in own) < 2:
            return self._design(restart, own, taken)
        return self._improve(restart, own, taken)

    def _among_several(self, trials: list[Trial], number: int, taken: AbstractSet[bytes]) -> Suggestion:
        """The next configuration where several goals are weighed. (Without restarts: other weights lead elsewhere.)"""
        by = weights(len(self._goals), self._seed, number)
        found = self._one(0, weighed(trials, by), taken)
        named = {goal.metric: round(weight, 6) for goal, weight in zip(self._goals, by.tolist(), strict=True)}
        return evolve(found, info={**found.info, "weights": named}) if "mean" in found.info else found

    # -- 1. the initial design ----------------------------------------------------------------------------------------

    @property
    def _design_size(self) -> int:
        return min(max(4, len(self._cube) + 2), 10)

    def _design(self, restart: int, own: list[Trial], taken: AbstractSet[bytes]) -> Suggestion:
        """The next point of a scrambled Sobol sequence (Owen 1998) that nobody has tried."""
        size, position = self._design_size, len(own) + 1
        place = f"initial design {position} of {size}"
        info = _info(place if position <= size else "fewer than two results: filling the space", restart)
        rows = self._sequence(restart, len(own) + 64)[len(own) :]
        return Suggestion(self._untried(rows, taken) or self._anything(taken), info)

    def _untried(self, quantiles: Floats, taken: AbstractSet[bytes]) -> dict[str, Any] | None:
        """The first of the configurations at rows of quantiles that nobody has tried; drawn one by one."""
        for config in map(self._cube.draw, quantiles):
            point = self._cube.encode(config)
            if point is not None and identity(point) not in taken:
                return config
        return None

    def _sequence(self, restart: int, at_least: int) -> Floats:
        """The first points of a restart's Sobol sequence, shape (2^m, D). A longer one begins like a shorter one."""
        m = (at_least - 1).bit_length()
        if (restart, m) not in self._sobol:
            rng = self._rng(_DESIGN, restart)
            self._sobol[restart, m] = qmc.Sobol(len(self._cube), seed=rng).random_base2(m)
        return self._sobol[restart, m]

    def _anything(self, taken: AbstractSet[bytes]) -> dict[str, Any]:
        """An untried configuration of a finite space, found within len(taken) + 1 looks; of an infinite one most likely.

        (An interval may be so narrow that it has only a few floats, and all of them have been tried.)
        """
        rng, size = self._rng(_DESIGN, len(taken)), self._cube.size
        if size is None:
            rows = rng.random((256, len(self._cube)))
            return self._untried(rows, taken) or self._cube.draw(rows[0])
        start = int(rng.integers(min(size, 2**62)))
        cells = (self._cube.cell((start + i) % size) for i in range(len(taken) + 1))
        return self._cube.decode(next(point for point in cells if identity(point) not in taken))

    # -- 2. the belief ------------------------------------------------------------------------------------------------

    def _belief(self, own: list[Trial]) -> Belief:
        """The posterior given the trials with a cost, then given that the pending ones return what is expected."""
        seen = [trial for trial in own if trial.cost is not None]
        costs = costs_of(seen)
        scale = Scale.of(costs)
        rows = _known(costs, self._rng(_KNOWN, len(seen)))
        known = [seen[i] for i in rows]
        posterior = gp.condition(self._inputs(known), scale.standardise(costs[rows]), self._theta(own))
        pending = [trial for trial in own if trial.pending and trial.cost is None][-PENDING:]
        if pending:
            posterior = posterior.believe(self._inputs(pending).columns / posterior.scale)
        return Belief(posterior, known + pending, scale)

    def _theta(self, own: list[Trial]) -> gp.Theta:
        """Hyper-parameters, from the first so many settled trials: the more there are, the rarer they are fitted anew.

        Which trials depends on the trials alone, and a fit begins nowhere but at fixed points, so that a searcher that
        has just been made fits the same θ that an older one remembers.
        """
        settled = [trial for trial in own if trial.settled]
        n = len(settled)
        every = next(step for most, step in REFITS if n < most)
        first = settled[: n - n % every]
        if sum(trial.measured for trial in first) < 2:
            return gp.Theta.default(len(self._cube))
        costs = costs_of(first)
        rows = _fitted(costs, self._rng(_FIT, len(first)))
        inputs, y = self._inputs([first[i] for i in rows]), Scale.of(costs).standardise(costs[rows])
        content = inputs.columns.tobytes() + y.tobytes()
        if content not in self._thetas:
            while len(self._thetas) >= 8:
                self._thetas.pop(next(iter(self._thetas)))
            self._thetas[content] = gp.fit(inputs, y)
        return self._thetas[content]

    def _inputs(self, trials: Sequence[Trial]) -> gp.Inputs:
        return gp.Inputs(self._cube.columns(np.stack([trial.point for trial in trials])), self._cube.groups)

    # -- 3. the most promising point ----------------------------------------------------------------------------------

    def _improve(self, restart: int, own: list[Trial], taken: AbstractSet[bytes]) -> Suggestion:
        belief = self._belief(own)
        at_known = belief.posterior.predict_mean(belief.posterior.Z)
        score = Score(self._cube, belief.posterior, float(at_known.min()))
        for point, value in zip(*self._ranked(score, belief, at_known, taken), strict=True):
            config = self._cube.decode(point)
            exact = self._cube.encode(config)
            if exact is not None and identity(exact) not in taken:
                return Suggestion(config, _info("expected improvement", restart) | self._expected(belief, exact, value))
        return Suggestion(self._anything(taken), _info("nothing better is left untried", restart))

    def _ranked(
        self, score: Score, belief: Belief, at_known: Floats, taken: AbstractSet[bytes]
    ) -> tuple[Floats, Floats]:
        """Points by falling score, and their scores."""
        cube, n = self._cube, len(belief.trials)
        if cube.size is not None and cube.size <= ENUMERATED and (cube.size - len(taken)) * n <= ENUMERATED_WORK:
            points = free(cube.every(), taken)
            scores = score(points)
            order = np.argsort(-scores, kind="stable")
            return points[order], scores[order]
        rng = self._rng(_CANDIDATES, len(taken))
        spread = (self._sequence(0, 1024)[: 768 if n < 250 else 384] + rng.random(len(cube))) % 1.0
        centres = np.stack([belief.trials[i].point for i in np.argsort(at_known, kind="stable")[:5]])
        local = nearby(cube, centres, belief.posterior.theta.lengthscales, rng)
        return maximise(score, cube.spread(spread), local, taken, rng)

    def _expected(self, belief: Belief, point: Floats, score: float) -> dict[str, Any]:
        z = self._cube.columns(point[None]) / belief.posterior.scale
        distances = gp.squared_distances(z, belief.posterior.Z)[0]
        distances[[trial.pending for trial in belief.trials]] = np.inf
        nearest = int(distances.argmin())
        return {
            **self._predicted(belief, z),
            "acquisition": float(score),
            **({} if belief.trials[nearest].pending else {"nearest_run": belief.trials[nearest].number}),
        }

    def _predicted(self, belief: Belief, z: Floats) -> dict[str, Any]:
        """Mean and standard deviation of what the run will log; of several metrics by name."""
        if len(self._goals) == 1:
            return _moments(self._goals[0], belief.scale, belief.posterior, z)
        known = [trial.costs for trial in belief.trials if trial.costs is not None]
        each = {}
        for goal, column in zip(self._goals, np.array(known).T, strict=True):
            costs = filled(column)
            scale = Scale.of(costs)
            each[goal.metric] = _moments(goal, scale, belief.posterior.given(scale.standardise(costs)), z)
        return {key: {name: moments[key] for name, moments in each.items()} for key in ("mean", "std")}

    # -- 4. whose turn it is ------------------------------------------------------------------------------------------

    def _turn(self, trials: list[Trial]) -> tuple[int, list[Trial]]:
        """Who suggests next: the search that knows all trials (0), or a restart that knows only its own.

        Once the search has gone on for long without an improvement, every second suggestion comes from a search that
        knows nothing, until something better is found; a restart that stalls gives way to the next.
        """
        best = self._stalled(trials)
        if best is None:
            return 0, trials
        since = [trial for trial in trials if trial.number > best.number]
        latest = max((trial.restart for trial in trials), default=0)
        own = [trial for trial in since if trial.restart == latest > 0]
        if since[-1].restart:
            return 0, trials
        if not own or self._stalled(own) is not None:
            return latest + 1, []
        return latest, own

    def _stalled(self, trials: list[Trial]) -> Trial | None:
        """The best trial, if 2D + 6 results have come after it without an improvement."""
        seen = [trial for trial in trials if trial.cost is not None]
        patience = 2 * len(self._cube) + 6
        if len(seen) <= patience:
            return None
        costs = costs_of(seen)
        y = Scale.of(costs).standardise(costs)
        best = 0
        for i in range(1, len(y)):
            if y[i] < y[best] - IMPROVEMENT:
                best = i
        return seen[best] if len(y) - 1 - best >= patience else None

    def _rng(self, stream: int, position: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, stream, position])


def _moments(goal: Goal, scale: Scale, posterior: gp.Posterior, z: Floats) -> dict[str, float]:
    mean, std = (float(moment[0]) for moment in posterior.predict(z))
    return {"mean": goal.cost(scale.cost(mean)), "std": scale.cost_std(mean, std)}


def _info(why: str, restart: int) -> dict[str, Any]:
    return {"why": f"restart {restart}: {why}", "restart": restart} if restart else {"why": why}


def _fitted(costs: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    order = np.argsort(costs, kind="stable")
    return np.sort(np.append(order[:FIT_BEST], _some(order[FIT_BEST:], FIT_OTHERS, rng)))


def _known(costs: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    order = np.argsort(costs, kind="stable")
    newest = np.arange(max(0, len(costs) - KNOWN_NEWEST), len(costs))
    kept = np.union1d(order[:KNOWN_BEST], newest)
    return np.union1d(kept, _some(np.setdiff1d(order, kept), KNOWN_OTHERS, rng))


def _some(rows: NDArray[np.intp], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return rows if len(rows) <= n else rng.choice(rows, n, replace=False)
