"""Runs written down as curves of costs."""

from __future__ import annotations

from sweepwidget.model import Run, RunId, RunState
from sweepwidget.runs import Goal, Runs

LOSS = Goal("loss")
ACCURACY = Goal("accuracy", maximize=True)


def runs_of(finished, running=(), goal=LOSS, ended_as=RunState.finished):
    """Ended runs f1, f2, … and running runs r1, r2, … with these curves of costs (accuracies have a minus)."""
    curves = {f"f{i}": curve for i, curve in enumerate(finished, 1)} | {
        f"r{i}": curve for i, curve in enumerate(running, 1)
    }
    rows = [
        Run(RunId(name), None, i, {}, ended_as if name.startswith("f") else RunState.running)
        for i, name in enumerate(curves, 1)
    ]
    return Runs.of(rows, goal, curves)
