"""What early stopping has saved: an estimate from the rows, for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from ..model import Run, RunId, RunState
from ..runs import Runs


def saved_s(runs: Runs) -> Mapping[RunId, float]:
    """Run id → seconds that stopping it has saved, estimated, for each early-stopped run.

    The steps it did not make, `median(steps of finished runs) - its own`, at the pace of the sweep, the median of the
    finished runs' seconds per step. Steps are finite values of the metric, as the stoppers count them. Nothing is claimed
    for a run that had already gone as far as they, and nothing at all (an empty mapping) before a run has finished.

    >>> sum(saved_s(runs).values())      # doctest: +SKIP
    1284.0
    """
    finished = [run for run in runs if run.state is RunState.finished and len(runs.costs(run.id))]
    paces = [pace for run in finished if (pace := _pace(run, len(runs.costs(run.id)))) is not None]
    if not paces:
        return {}
    whole, pace = median(len(runs.costs(run.id)) for run in finished), median(paces)
    return {run.id: pace * max(whole - len(runs.costs(run.id)), 0.0) for run in runs if run.state is RunState.stopped}


def _pace(run: Run, steps: int) -> float | None:
    """Seconds per step; None for a run whose times are not known."""
    if run.started_at is None or run.ended_at is None:
        return None
    return max(run.ended_at - run.started_at, 0.0) / steps
