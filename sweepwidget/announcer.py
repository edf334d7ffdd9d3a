"""Tells the user how the runs of agents are getting on, whichever process they run in."""

from __future__ import annotations

from typing import Protocol

from .model import Run, RunState
from .runs import headline, summary_value
from .term import termerror, termlog, termwarn

SHOWN_ERRORS = 3
"""So many different tracebacks are shown; every run keeps its own."""


class Listener(Protocol):
    """Whoever shows the progress of agents. Called from their threads; must be quick and never raise."""

    def started(self, run: Run) -> None: ...
    def ended(self, run: Run) -> None: ...
    def close(self) -> None: ...


class Announcer:
    """Passes the beginnings and ends of runs on to a listener, and says what the user should know of them.

    Without a listener it is silent: whoever hired the agents shows what becomes of their runs.
    """

    def __init__(self, listener: Listener | None = None, metric: str | None = None) -> None:
        self._listener, self._metric = listener, metric
        self._shown_errors: set[str] = set()

    def started(self, run: Run) -> None:
        if self._listener is not None:
            self._listener.started(run)

    def ended(self, run: Run) -> None:
        if self._listener is None:
            return
        if run.state in _ENDED_BY and run.error:
            self._show_failure(run)
        if run.state is RunState.preempted and run.error:
            termlog(f"Run {run.id} is to be run again: {headline(run)}")
        if run.state is RunState.finished:
            self._check_metric(run)
        self._listener.ended(run)

    def close(self) -> None:
        """The last look at the progress."""
        if self._listener is not None:
            self._listener.close()

    def _show_failure(self, run: Run) -> None:
        """A traceback as a script would show it: the first one, and later ones that end differently."""
        what = headline(run)
        if what in self._shown_errors or len(self._shown_errors) >= SHOWN_ERRORS:
            return
        self._shown_errors.add(what)
        termerror(f"Run {run.id} {_ENDED_BY[run.state]}: {what}", details=run.error)

    def _check_metric(self, run: Run) -> None:
        """Say once when the sweep's metric is not among what runs log: a misspelt name searches in the dark."""
        metric, self._metric = self._metric, None
        logged = [key for key in run.summary if not key.startswith("_")]
        if metric is not None and logged and metric not in logged and summary_value(run.summary, metric) is None:
            termwarn(
                f"The sweep's metric is {metric!r}, but run {run.name} logged only {', '.join(logged[:10])}: nothing can be "
                "optimised or stopped early by it."
            )


_ENDED_BY = {RunState.failed: "errored", RunState.crashed: "crashed"}
