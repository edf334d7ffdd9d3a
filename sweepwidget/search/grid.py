"""Grid search: every combination once, in W&B's order.

The order, the equality of values and what blocks a cell are those of wandb/sweeps 0.3 `grid_search.py`. Unlike there,
the grid is never listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ConfigError
from ..model import Suggestion
from ..parameters import Path, Space
from ..runs import Runs
from ..sweepconfig import SweepConfig
from .cells import Cells, Walk
from .permutation import Permutation


class GridSearch:
    """The cells of the grid that no run covers, in order; with `shuffled`, in a random order fixed by the seed.

    Parameters are sorted by name (level by level where they are nested) and the last varies fastest; values come as
    listed. Where parameters have conditions, those that others depend on vary slower than these, and what differs only in
    a parameter that is not active comes once. A run covers its cell in whatever state it is: failed cells are tried again only after their run is deleted.
    ConfigError for a parameter that has no grid.

    >>> GridSearch(config).suggest(runs, 2)      # doctest: +SKIP
    [Suggestion(config={'a': 1, 'b': 'x'}, info={'why': 'grid cell 1 of 6'}), …]
    """

    open_loop = True

    def __init__(self, config: SweepConfig, seed: int = 0, shuffled: bool = False) -> None:
        space = Space(dict(sorted(config.space.parameters.items())), config.space.conditions)
        self._cells = Cells(space, _grid(space))
        self._walk = Walk(self._cells, Permutation(self._cells.size, seed) if shuffled else None)

    def suggest(self, runs: Runs, n: int) -> Sequence[Suggestion]:
        """The next n cells; fewer when the grid is spent."""
        size = self._cells.size
        return [
            Suggestion(self._cells.config(cell), {"why": f"grid cell {cell + 1} of {size}"})
            for cell in self._walk.free(runs, n)
        ]


def _grid(space: Space) -> dict[Path, Sequence[Any]]:
    """The values of every parameter but the constants."""
    grid = {
        path: parameter.grid() for path, parameter in space.parameters.items() if parameter.distribution != "constant"
    }
    problems = [
        f"Parameter {'.'.join(path)} is a disallowed type with grid search. Grid search requires all parameters to be "
        "categorical, constant, int_uniform, or q_uniform. Specification of probabilities for categorical parameters is "
        "disallowed in grid search"
        for path, values in grid.items()
        if values is None
    ]
    if problems:
        raise ConfigError(problems)
    return {path: values for path, values in grid.items() if values is not None}
