"""Random search: every run is drawn for itself, from the sweep's seed and its own number.

So a sweep can be repeated draw by draw, and neither results nor the order in which runs end change what comes next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..bookmark import Bookmark
from ..errors import ConfigError
from ..model import Suggestion
from ..parameters import Space
from ..runs import Runs
from ..sweepconfig import SweepConfig
from .cells import Cells, Walk
from .permutation import Permutation


class RandomSearch:
    """Independent draws from the space, for ever; with `without_replacement` in the configuration, each configuration of
    a finite space once, in random order.

    Without replacement probabilities only choose what can occur at all; ConfigError for a parameter whose values cannot be
    listed.

    >>> RandomSearch(config, seed=42).suggest(runs, 1)      # doctest: +SKIP
    [Suggestion(config={'lr': 0.0131}, info={'why': 'random draw 1 of seed 42'})]
    """

    open_loop = True

    def __init__(self, config: SweepConfig, seed: int = 0) -> None:
        self._draws = _Shuffled(config.space, seed) if config.without_replacement else _Draws(config.space, seed)

    def suggest(self, runs: Runs, n: int) -> Sequence[Suggestion]:
        """The next n draws; fewer when there are no configurations left (only without replacement)."""
        return self._draws.suggest(runs, n)


class _Draws:
    """With replacement: run number k gets the k-th draw."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._bookmark = Bookmark()
        self._last = 0

    def suggest(self, runs: Runs, n: int) -> Sequence[Suggestion]:
        if not self._bookmark.fits(runs):
            self._last = 0
        # The largest number, not how many: after a run was deleted the count would draw a later run's config again.
        self._last = max([self._last, *(runs[run_id].number for run_id in self._bookmark.arrived(runs))])
        return [self._draw(self._last + i) for i in range(1, n + 1)]

    def _draw(self, k: int) -> Suggestion:
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(k,)))
        config = self._space.nest(self._space.sample(rng))
        return Suggestion(config, {"why": f"random draw {k} of seed {self._seed}"})


class _Shuffled:
    """Without replacement: all cells in random order, but for those that runs already cover."""

    def __init__(self, space: Space, seed: int) -> None:
        choices = {path: space.parameters[path].choices() for path in space.searchable}
        endless = [".".join(path) for path, values in choices.items() if values is None]
        if endless:
            raise ConfigError(
                [f"without_replacement: parameters.{name} has values that cannot be listed" for name in endless]
            )
        self._cells = Cells(space, {path: values for path, values in choices.items() if values is not None})
        self._walk = Walk(self._cells, Permutation(self._cells.size, seed))

    def suggest(self, runs: Runs, n: int) -> Sequence[Suggestion]:
        size = self._cells.size
        return [
            Suggestion(self._cells.config(cell), {"why": f"random cell {cell + 1} of {size}, each once"})
            for cell in self._walk.free(runs, n)
        ]
