"""What "best" means when several things count at once: the Pareto front."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def front(costs: ArrayLike) -> NDArray[np.bool_]:
    """Which rows of costs, shape (n, m), smaller is better, no other row dominates. Shape (n,).

    A row dominates another if it is nowhere larger and somewhere smaller; rows that are equal do not dominate each other.
    NaN counts as infinitely large, and a row of nothing else is never on the front.

    >>> front([[1, 4], [2, 2], [3, 3], [2, 2]]).tolist()
    [True, True, False, True]
    """
    rows = np.asarray(costs, float)
    rows = np.where(np.isnan(rows), np.inf, rows)
    best = ~np.isinf(rows).all(axis=-1)
    for i in np.lexsort(rows.T):  # whoever dominates a row comes before it
        if best[i]:
            best &= ~((rows >= rows[i]).all(axis=1) & (rows > rows[i]).any(axis=1))
    return best
