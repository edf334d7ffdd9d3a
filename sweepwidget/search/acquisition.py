"""Where to look next: the logarithm of the expected improvement, and how to find its maximum over the cube.

The expected improvement of a point is how much it is expected to fall below the best cost so far. Its logarithm has the
same maximum, and a useful gradient even where the improvement itself underflows.

[JSW]  Jones, Schonlau & Welch, Efficient Global Optimization of Expensive Black-Box Functions, J. Global Optim. 1998
[AEI]  Ament, Daulton, Eriksson, Balandat & Bakshy, Unexpected Improvements to Expected Improvement for Bayesian
       Optimization, NeurIPS 2023, https://arxiv.org/abs/2310.20708
"""

from __future__ import annotations

import math
from collections.abc import Set as AbstractSet

import numpy as np
from attrs import frozen
from scipy.optimize import minimize
from scipy.special import erfcx, log_ndtr

from .cube import Cube, identity
from .gp import Posterior
from .linalg import Floats

STARTS = 6
"""Points from which the maximum is sought: the best candidate, four drawn by lot, the best near a good run."""
LOCAL = 192
"""Candidates near good runs, beside those spread over the whole cube."""
KEPT = 64
"""Candidates that stay in the ranking as they are, for when every optimised point turns out to have been tried."""
_C1 = 0.5 * math.log(2 * math.pi)
_C2 = 0.5 * math.log(0.5 * math.pi)


# -- the criterion --------------------------------------------------------------------------------------------------


def log_h(z: Floats) -> Floats:
    """log(φ(z) + z Φ(z)), exact for very negative z as well.  [AEI] eq. 9

    The last case begins where its error, 3/z², is that of rounding in the case before.
    """
    near, far = z > -1.0, z < -1e4
    out = np.empty_like(z)
    a = z[near]
    out[near] = np.log(np.exp(-0.5 * a * a - _C1) + a * np.exp(log_ndtr(a)))
    b = z[~near & ~far]
    out[~near & ~far] = -0.5 * b * b - _C1 + np.log(-np.expm1(np.log(erfcx(-b / math.sqrt(2)) * -b) + _C2))
    c = z[far]
    out[far] = -0.5 * c * c - _C1 - 2 * np.log(-c)
    return out


def log_expected_improvement(mean: Floats, std: Floats, best: float) -> Floats:
    """The logarithm of E[max(best - f, 0)] for f ~ N(mean, std²).  [JSW] eq. 15, [AEI] eq. 8"""
    return log_h((best - mean) / std) + np.log(std)


@frozen(eq=False)
class Score:
    """log EI at points of the cube. `best` is the smallest posterior mean at a run (a noisy minimum would mislead)."""

    cube: Cube
    posterior: Posterior
    best: float

    def __call__(self, points: Floats) -> Floats:
        """Shape (m, D) to shape (m,)."""
        mean, std = self.posterior.predict(self._scaled(points))
        return log_expected_improvement(mean, std, self.best)

    def with_gradient(self, points: Floats) -> tuple[Floats, Floats]:
        """Values of log EI, shape (m,), and its gradient along the smooth axes in units of their lengthscales, shape (m, S).

        ∇EI = φ(z) ∇σ - Φ(z) ∇μ, z = (best - μ)/σ, divided by EI = σ h(z).
        """
        mean, std, d_mean, d_std = self.posterior.predict_with_gradient(self._scaled(points))
        z = (self.best - mean) / std
        log_h_z = log_h(z)
        by_mean = np.exp(log_ndtr(z) - log_h_z) / std
        by_std = np.exp(-0.5 * z * z - _C1 - log_h_z) / std
        columns = self.cube.smooth_columns
        return log_h_z + np.log(std), by_std[:, None] * d_std[:, columns] - by_mean[:, None] * d_mean[:, columns]

    def _scaled(self, points: Floats) -> Floats:
        scaled: Floats = self.cube.columns(points) / self.posterior.scale
        return scaled


# -- candidates -----------------------------------------------------------------------------------------------------


def nearby(cube: Cube, centres: Floats, lengthscales: Floats, rng: np.random.Generator) -> Floats:
    """Points around good ones (best first): some of the axes moved by something between 1 % and 50 % of a lengthscale.

    Shape (LOCAL, D). With many parameters about twenty of them move at a time, as in TuRBO (Eriksson et al. 2019).
    """
    D = len(cube)
    chosen = np.minimum(rng.geometric(0.4, LOCAL) - 1, len(centres) - 1)
    points: Floats = centres[chosen]
    moved = rng.random((LOCAL, D)) < min(1.0, 20 / D)
    moved[np.arange(LOCAL), rng.integers(D, size=LOCAL)] = True
    step = 0.01 * 50 ** rng.random((LOCAL, 1)) * np.minimum(lengthscales, 1.0)
    points = np.where(moved, np.clip(points + step * rng.standard_normal((LOCAL, D)), 0.0, 1.0), points)
    for d in cube.stepped:
        points[:, d] = centres[chosen, d]
        changed = np.flatnonzero(rng.random(LOCAL) < max(0.15, 1 / D))
        points[changed, d] = cube.axes[d].spread(rng.random(len(changed)))
    return _woken(cube, centres[chosen], cube.snap(points), rng) if cube.conditions else cube.snap(points)


def _woken(cube: Cube, before: Floats, points: Floats, rng: np.random.Generator) -> Floats:
    """The points with what was not active before spread over its axis: nothing near it is known."""
    woken = cube.active(points) & ~cube.active(before)
    return cube.settle(np.where(woken, cube.spread(rng.random(points.shape)), points))


def free(points: Floats, taken: AbstractSet[bytes]) -> Floats:
    """The points that are nobody's configuration yet."""
    return points[[identity(point) not in taken for point in points]]


# -- maximisation ---------------------------------------------------------------------------------------------------


def maximise(
    score: Score, spread: Floats, local: Floats, taken: AbstractSet[bytes], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Points of high score, best first, and their scores: optimised from several starts.

    `spread` and `local` are candidates, shapes (m, D) and (l, D). None are returned if all of these are taken.
    Points optimised along smooth axes may turn out to be taken; the caller looks.
    """
    spread, local = free(spread, taken), free(local, taken)
    candidates = np.vstack([spread, local])
    if not len(candidates):
        return candidates, np.empty(0)
    scores = score(candidates)
    starts = candidates[_starts(scores, len(local), rng)]
    found = _optimise(score, starts, taken)
    top = np.argsort(-scores, kind="stable")[:KEPT]
    points = np.vstack([found, candidates[top]])
    scores = np.append(score(found), scores[top])
    order = np.argsort(-scores, kind="stable")
    return points[order], scores[order]


def _starts(scores: Floats, n_local: int, rng: np.random.Generator) -> list[int]:
    """The best candidate, the best of the last n_local, and others by roulette on the expected improvement."""
    best = int(np.argmax(scores))
    best_local = len(scores) - n_local + int(np.argmax(scores[len(scores) - n_local :])) if n_local else best
    weights = np.exp(scores - scores[best])
    others = min(STARTS - 2, int(np.count_nonzero(weights)))
    drawn = rng.choice(len(scores), others, replace=False, p=weights / weights.sum())
    return list(dict.fromkeys([best, best_local, *map(int, drawn)]))


def _optimise(score: Score, points: Floats, taken: AbstractSet[bytes]) -> Floats:
    """Climb along the smooth axes, step along the others, until stepping finds nothing better."""
    cube = score.cube
    for _ in range(3):
        if len(cube.smooth):
            points = _round(score, _climb(score, points))
        stepped = _step(score, points, taken)
        if np.array_equal(stepped, points):
            break
        points = stepped
    return points


def _climb(score: Score, points: Floats) -> Floats:
    """All points at once by L-BFGS-B on the sum of their scores, in units of the lengthscales."""
    smooth = score.cube.smooth
    scale = score.posterior.theta.lengthscales[smooth]
    fixed = ~score.cube.active(points)[:, smooth] if score.cube.conditions else None

    def place(x: Floats) -> Floats:
        placed: Floats = points.copy()
        placed[:, smooth] = np.clip(x.reshape(len(points), -1) * scale, 0.0, 1.0)
        return placed

    def loss(x: Floats) -> tuple[float, Floats]:
        values, gradient = score.with_gradient(place(x))
        if fixed is not None:
            gradient[fixed] = 0.0
        return -float(values.sum()), -gradient.ravel()

    bounds = [(0.0, 1.0 / s) for s in scale] * len(points)
    x0 = (points[:, smooth] / scale).ravel()
    result = minimize(loss, x0, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40, "ftol": 1e-5})
    return place(result.x)


def _round(score: Score, points: Floats) -> Floats:
    """Axes with many values, optimised as if continuous: to the better of the two values beside, one axis at a time."""
    fine = [d for d in score.cube.smooth if score.cube.axes[d].levels is not None]
    for d in fine if len(fine) <= 16 else []:
        levels = score.cube.axes[d].levels
        assert levels is not None
        above = np.clip(np.searchsorted(levels, points[:, d]), 1, len(levels) - 1)
        points = _best_values(score, points, d, np.column_stack([levels[above - 1], levels[above]]))
    return score.cube.snap(points)


def _step(score: Score, points: Floats, taken: AbstractSet[bytes]) -> Floats:
    """The best value of each unsmooth axis in turn, the others held fixed (coordinate search)."""
    for d in score.cube.stepped:
        levels = score.cube.axes[d].levels
        assert levels is not None
        points = _best_values(score, points, d, np.tile(levels, (len(points), 1)), taken)
    return points


def _best_values(
    score: Score, points: Floats, d: int, values: Floats, taken: AbstractSet[bytes] = frozenset()
) -> Floats:
    """Each point with coordinate d set to the best of its row of `values`, shape (m, k); not to a taken point."""
    m, k = values.shape
    trials: Floats = np.repeat(points, k, axis=0)
    trials[:, d] = values.ravel()
    trials = score.cube.settle(trials)
    scores = score(trials)
    scores[[identity(trial) in taken for trial in trials]] = -np.inf
    best: Floats = trials[np.arange(m) * k + scores.reshape(m, k).argmax(axis=1)]
    return best
