"""Several goals at once: before each suggestion they are weighed into one cost, every time with other weights.

The minimum of the weighed cost is a point of the Pareto front, and nearly every point of the front is the minimum for some
weights, even where it is concave (for a weighted sum it would not be). So with the weights the search wanders along the
front, and everything that is done for one goal (noise, pending and failed runs, discrete and conditional parameters) holds
for any number of them. Expected hypervolume improvement, the other common way, needs a model per goal and, beyond two
goals, integrals that cost far more.

[K]  Knowles, ParEGO: A Hybrid Algorithm with On-Line Landscape Approximation for Expensive Multiobjective Optimization
     Problems, IEEE Trans. Evolutionary Computation 10(1), 2006
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import evolve

from ..pareto import front
from .evidence import Trial, filled
from .linalg import Floats
from .objective import Scale

AUGMENTATION = 0.05
"""ρ in [K] eq. 2: so much of a weighted sum is added that points only as good as others in the worst goal lose to them."""
_GOLDEN = (5**0.5 - 1) / 2


def weights(goals: int, seed: int, number: int) -> Floats:
    """The weights for run `number` of a sweep, shape (goals,), at least 0, sum 1: uniform on the simplex.

    The spacings of goals - 1 uniform numbers, where [K] draws from a lattice. The first is a golden-ratio sequence over the
    run numbers with an offset drawn from the seed, so that a few runs cover the front evenly.

    >>> weights(2, 7, 1).sum()
    1.0
    """
    offset = np.random.default_rng([seed, goals]).random()
    others = np.random.default_rng([seed, goals, number]).random(goals - 2)
    cuts = np.sort(np.append(others, (offset + number * _GOLDEN) % 1.0))
    return np.diff(cuts, prepend=0.0, append=1.0)


def weighed(trials: Sequence[Trial], by: Floats) -> list[Trial]:
    """The trials, each with one cost: the augmented Chebyshev distance from the best of each goal.  [K] eq. 2

        cost = max_j(λ_j f_j) + ρ Σ_j λ_j f_j

    where f_j goes from 0 to 1 over the front.
    """
    seen = [trial.costs for trial in trials if trial.costs is not None]
    if not seen:
        return list(trials)
    weighted = by * _normalised(np.array(seen))
    costs = iter((weighted.max(axis=1) + AUGMENTATION * weighted.sum(axis=1)).tolist())
    return [trial if trial.costs is None else evolve(trial, cost=next(costs)) for trial in trials]


def _normalised(costs: Floats) -> Floats:
    """Costs of several goals, shape (n, m), as multiples of what each of them varies by on the front; its best is 0."""
    columns = [filled(column) for column in costs.T]
    y = np.column_stack([Scale.of(column).standardise(column) for column in columns])
    best = y[front(y)]
    low = best.min(axis=0)
    span = best.max(axis=0) - low
    normalised: Floats = (y - low) / np.where(span > 1e-3, span, 1.0)
    return normalised
