"""Searchers choose configurations. New searcher: a new file, and one line in `_SEARCHERS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ..errors import UsageError
from ..model import Suggestion
from ..runs import Runs
from ..sweepconfig import SweepConfig
from .grid import GridSearch
from .random import RandomSearch


class Searcher(Protocol):
    """Chooses configurations. Same runs, same n, same seed: same answer. `suggest` changes nothing that can be seen;
    a cache may make it faster, and a fresh instance gives the same answer.
    """

    open_loop: bool
    """Whether suggestions ignore results; the controller may then suggest ahead of demand."""

    def suggest(self, runs: Runs, n: int) -> Sequence[Suggestion]:
        """The next n configurations. Fewer than n: the space is spent."""


class OwnSearcher(Searcher, Protocol):
    """One that the user gave, and no configuration names."""

    def edited(self, config: SweepConfig) -> OwnSearcher:
        """The same one for the sweep as it is now configured. Raises if it cannot search that."""


def _bayes(config: SweepConfig, seed: int) -> Searcher:
    from .bayes import BayesianSearch  # scipy: only who asks for it waits for it

    return BayesianSearch(config, seed)


_SEARCHERS: Mapping[str, Callable[[SweepConfig, int], Searcher]] = {
    "grid": GridSearch,
    "random": RandomSearch,
    "bayes": _bayes,
}


def searcher_for(config: SweepConfig, seed: int) -> Searcher:
    """The searcher that the sweep's `method` names.

    >>> searcher_for(SweepConfig.parse({"method": "grid", "parameters": {"a": {"values": [1, 2]}}}), seed=0)  # doctest: +SKIP
    """
    make = _SEARCHERS.get(config.method)
    if make is None:
        raise UsageError(
            f"method: {config.method!r} is the user's own search, and this process does not know its code; steer the sweep "
            "with controller(sweep_id) and configure_search(your_function)"
        )
    return make(config, seed)
