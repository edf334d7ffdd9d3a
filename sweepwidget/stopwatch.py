"""How long the search takes: part of the reason that is stored with every suggestion, and a limit on one step's work."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from attrs import evolve

from .model import Suggestion
from .runs import Runs
from .search import Searcher


class Stopwatch:
    """A searcher whose suggestions say in `info["took_s"]` how many seconds each of them took."""

    def __init__(self, searcher: Searcher) -> None:
        self.open_loop = searcher.open_loop
        self._searcher = searcher
        self._each_s = 0.0

    def suggest(self, runs: Runs, n: int) -> Sequence[Suggestion]:
        begin = time.perf_counter()
        found = self._searcher.suggest(runs, n)
        if not found:
            return ()
        self._each_s = (time.perf_counter() - begin) / len(found)
        took = {"took_s": round(self._each_s, 6)}
        return [evolve(suggestion, info={**suggestion.info, **took}) for suggestion in found]

    def within(self, seconds: float) -> float:
        """How many suggestions that time is enough for, going by the latest; at least one."""
        if math.isinf(seconds):
            return math.inf
        return max(1.0, seconds / self._each_s) if self._each_s else 1.0
