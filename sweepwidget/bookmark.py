"""How far a cache has read a mirror of runs.

Searchers and stoppers keep caches beside `Runs` so that a step costs what changed. A bookmark says what is new since the
last look, and when the cache no longer fits (another mirror, or a run has been deleted) and must be built anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from .model import RunId
from .runs import Runs


class Bookmark:
    """A place in the `arrived` and `ended` lists of one mirror.

    >>> if not bookmark.fits(runs):                      # doctest: +SKIP
    ...     cache.clear()
    >>> for run_id in bookmark.arrived(runs):            # doctest: +SKIP
    ...     cache.add(runs[run_id])
    """

    __slots__ = ("_arrived", "_ended", "_generation", "_runs")

    def __init__(self) -> None:
        self._runs: Runs | None = None
        self._generation = 0
        self._arrived = 0
        self._ended = 0

    def fits(self, runs: Runs) -> bool:
        """Whether a cache built up to here is good for this mirror. If not, the bookmark is back at the beginning."""
        if runs is self._runs and runs.generation == self._generation:
            return True
        self._runs, self._generation = runs, runs.generation
        self._arrived = self._ended = 0
        return False

    def arrived(self, runs: Runs) -> Sequence[RunId]:
        """The runs that arrived since the last call."""
        new = runs.arrived[self._arrived :]
        self._arrived += len(new)
        return new

    def ended(self, runs: Runs) -> Sequence[RunId]:
        """The runs that ended since the last call."""
        new = runs.ended[self._ended :]
        self._ended += len(new)
        return new
