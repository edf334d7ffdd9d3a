"""The user's own stopping rule: W&B's custom stopping functions, and the `EarlyTerminate.stop_runs` plug-ins of wandb 0.11."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from ..model import RunId, RunState
from ..plugin import Plugin
from ..runs import Runs
from ..sweepconfig import SweepConfig
from ..sweeprun import sweep_runs

_EXPECTED = "a list of runs (SweepRun objects, ids or names), or {run id: reason}"


class CustomStopping:
    """Asks the user's code which runs to stop.

    `stopping` is a function `(config, runs) -> answer`, or a class or object with `stop_runs(config, runs)`; `config` is the
    sweep's dict and `runs` a list of `SweepRun`. The answer is a list of SweepRuns, ids or names, or `{id: reason}`;
    `(answer, info)` is taken too. Runs it names that are not running are left alone. UsageError names the code when it
    raises, answers anything else, or names a run that does not exist.

    >>> CustomStopping(lambda config, runs: [run for run in runs if len(run.history) > 99], config)      # doctest: +SKIP
    """

    def __init__(self, stopping: Any, config: SweepConfig) -> None:
        self._plugin = Plugin("custom stopping", stopping, "stop_runs")
        self._config = config

    def edited(self, config: SweepConfig) -> CustomStopping:
        """The same code (if it is an object, the same one), told of another configuration from now on."""
        other = copy.copy(self)
        other._config = config
        return other

    def stop(self, runs: Runs) -> Mapping[RunId, str]:
        """Run id → reason, for the running runs that the code named."""
        if not runs.running:
            return {}
        answer = self._plugin(self._config.to_dict(), sweep_runs(runs))
        found = {self._find(runs, named, answer): reason for named, reason in self._read(answer)}
        return {
            run_id: str(reason or self._plugin.name)
            for run_id, reason in found.items()
            if runs[run_id].state is RunState.running
        }

    def _read(self, answer: Any) -> Iterable[tuple[Any, Any]]:
        """(what it calls a run, its reason if it gave one)."""
        named = (
            answer[0] if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Mapping) else answer
        )
        if named is None:
            return ()
        if isinstance(named, Mapping):
            return named.items()
        if isinstance(named, str) or not isinstance(named, Iterable):
            raise self._plugin.nonsense(answer, _EXPECTED)
        return [(each, None) for each in named]

    def _find(self, runs: Runs, named: Any, answer: Any) -> RunId:
        """The run that is meant: by id, else by a name that only one running run has."""
        wanted = named if isinstance(named, str) else getattr(named, "name", None)
        if isinstance(wanted, str) and wanted in runs:
            return RunId(wanted)
        namesakes = [run.id for run in runs.running if wanted and run.name == wanted]
        if len(namesakes) != 1:
            trouble = f"{wanted!r} is the name of {len(namesakes) or 'no'} running runs"
            raise self._plugin.nonsense(answer, f"{_EXPECTED} ({trouble})")
        return namesakes[0]
