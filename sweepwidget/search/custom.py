"""The user's own search: W&B's custom search functions, and the `Search.next_run` plug-ins of wandb 0.11.

Whatever the function does with what it is handed reaches nobody; whatever it returns is checked before it becomes a run.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ConfigError
from ..model import Suggestion
from ..plugin import Plugin
from ..runs import Runs
from ..sources import read
from ..sweepconfig import SweepConfig
from ..sweeprun import SweepRun, sweep_runs, unwrap, wrap

_EXPECTED = "a config such as {'lr': 0.1}, a SweepRun, (config, info), or None when nothing is left"


class CustomSearch:
    """Asks the user's code for one configuration after another.

    `search` is a function `(config, runs) -> answer`, or a class or object with `next_run({"config": …, "runs": …})`;
    `config` is the sweep's dict, `runs` a list of `SweepRun`, and the answer a config, a SweepRun, `(config, info)` or
    None when nothing is left. UsageError names the code when it raises or answers anything else.

    >>> CustomSearch(lambda config, runs: {"lr": 0.1 / (1 + len(runs))}, config).suggest(runs, 1)      # doctest: +SKIP
    """

    open_loop = False

    def __init__(self, search: Any, config: SweepConfig) -> None:
        self._plugin = Plugin("custom search", search, "next_run")
        self._config = config

    def edited(self, config: SweepConfig) -> CustomSearch:
        """The same code (if it is an object, the same one), told of another configuration from now on."""
        other = copy.copy(self)
        other._config = config
        return other

    def suggest(self, runs: Runs, n: int) -> Sequence[Suggestion]:
        """The next n configurations. The code is asked n times, each time with its earlier answers as pending runs."""
        found: list[Suggestion] = []
        while len(found) < n:
            suggestion = self._read(self._ask(runs, found))
            if suggestion is None:
                break
            found.append(suggestion)
        return found

    def _ask(self, runs: Runs, pending: Sequence[Suggestion]) -> Any:
        config = self._config.to_dict()
        rows = [*sweep_runs(runs), *(SweepRun(config=wrap(suggestion.config)) for suggestion in pending)]
        if self._plugin.has_method:
            return self._plugin({"config": config, "runs": rows})
        return self._plugin(config, rows)

    def _read(self, answer: Any) -> Suggestion | None:
        if answer is None:
            return None
        config, info = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)
        if not isinstance(config, Mapping):  # a SweepRun, ours or that of the package `sweeps`
            info = info or getattr(config, "search_info", None)
            config = getattr(config, "config", None)
        if not isinstance(config, Mapping) or not isinstance(info or {}, Mapping):
            raise self._plugin.nonsense(answer, _EXPECTED)
        try:
            return Suggestion(unwrap(read(config), self._config.space), {"why": self._plugin.name, **read(info or {})})
        except ConfigError as error:
            raise self._plugin.nonsense(answer, f"plain values: {error}") from error
