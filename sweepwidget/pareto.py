"""What "best" means when several things count at once: the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .model import Run
from .runs import Goal, summary_costs


def front(costs: ArrayLike) -> NDArray[np.bool_]:
    """Which rows of finite costs, shape (n, m), smaller is better, no other row dominates. Shape (n,).

    A row dominates another if it is nowhere larger and somewhere smaller; rows that are equal do not dominate each other.

    >>> front([[1, 4], [2, 2], [3, 3], [2, 2]]).tolist()
    [True, True, False, True]
    """
    rows = np.asarray(costs, float)
    best = np.ones(len(rows), bool)
    order = np.lexsort(rows.T[::-1])  # whoever dominates a row comes before it
    if rows.shape[1:] == (2,):
        best[order] = _stairs(*rows[order].T)
        return best
    for i in order:
        if best[i]:
            best &= ~((rows >= rows[i]).all(axis=1) & (rows > rows[i]).any(axis=1))
    return best


def _stairs(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The front of two costs, the rows sorted by a and then by b: b falls from each of its rows to the next."""
    first = np.searchsorted(a, a)  # of those with the same a; its b is their smallest
    before = np.append(np.inf, np.minimum.accumulate(b))[first]
    falls: NDArray[np.bool_] = (b == b[first]) & (b < before)
    return falls


def best_runs(runs: Sequence[Run], goals: Sequence[Goal]) -> list[Run]:
    """The runs on the front by the values in their summaries, the best of the first goal first. A run without a finite
    value of every metric is not among them.
    """
    scored = [(costs, run.number, run) for run in runs if np.isfinite(costs := summary_costs(run, goals)).all()]
    if not scored:
        return []
    best = front([costs for costs, *_ in scored])
    kept = sorted((entry for entry, is_best in zip(scored, best, strict=True) if is_best), key=lambda entry: entry[:2])
    return [run for *_, run in kept]
