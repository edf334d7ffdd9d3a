"""`sweepwidget ls`: the sweeps of a store as a table, for a person and for `awk`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .model import Run, RunState, Sweep
from .progresstext import number
from .runs import Goal, summary_value
from .store import Store
from .sweepconfig import SweepConfig
from .tending import tend

NEWEST = 20
"""How many sweeps are listed unless all are asked for: each costs in proportion to its runs."""

_R = RunState
_ORDER = (_R.running, _R.pending, _R.preempted, _R.finished, _R.stopped, _R.failed, _R.crashed, _R.killed)
_HEADING = ("ID", "STATE", "METHOD", "RUNS", "BEST", "NAME")


def lines(store: Store, everything: bool = False) -> list[str]:
    """The newest sweeps, one line each; columns are two blanks apart, and empty ones say `-`."""
    sweeps = store.sweeps()
    if not sweeps:
        return [f"No sweeps in {store.url}. Create one with: sweepwidget sweep FILE"]
    shown = sweeps if everything else sweeps[:NEWEST]
    for sweep in shown:
        tend(store, sweep.id)
    table = [_HEADING, *(_row(sweep, store.runs(sweep.id)) for sweep in shown)]
    widths = [max(len(row[i]) for row in table) for i in range(len(_HEADING))]
    listed = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    left = len(sweeps) - len(shown)
    return [*listed, f"... and {left} older: sweepwidget ls --all"] if left else listed


def _row(sweep: Sweep, runs: Sequence[Run]) -> tuple[str, ...]:
    config = SweepConfig.parse(sweep.config)
    counts = Counter(run.state for run in runs)
    states = ", ".join(f"{counts[state]} {state.value}" for state in _ORDER if counts[state])
    name = " ".join((config.name or "").split())
    return sweep.id, sweep.state.value, config.method, states or "-", _best(config.goal, runs) or "-", name or "-"


def _best(goal: Goal | None, runs: Sequence[Run]) -> str:
    """`val_loss 0.1234`: the best value that a run has come to so far."""
    if goal is None:
        return ""
    values = (summary_value(run.summary, goal.metric) for run in runs)
    costs = [goal.cost(value) for value in values if value is not None]
    return f"{goal.metric} {number(goal.cost(min(costs)))}" if costs else ""
