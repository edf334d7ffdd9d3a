"""The controller's mind: what to add, what to stop, and whether the sweep is over. A pure function of the rows.

Whoever holds the lease calls it at every step and writes down what it says; it never looks at a store or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from .bookmark import Bookmark
from .model import WAITING, Run, RunId, Suggestion, Sweep, SweepState
from .runs import Runs
from .search import Searcher
from .stopping import Stopper
from .sweepconfig import SweepConfig


@frozen
class Plan:
    """What a controller should do now."""

    add: tuple[Suggestion, ...] = ()
    stop: Mapping[RunId, str] = field(factory=dict)
    """Runs to tell to stop, and why. Waiting ones are closed by it."""
    finish: str = ""
    """Why the sweep is over; empty: it is not."""


class Best:
    """The best run so far, followed along a mirror: a cache that makes `plan` cost what changed."""

    def __init__(self) -> None:
        self._bookmark = Bookmark()
        self._ended: tuple[float, Run] | None = None

    def of(self, runs: Runs) -> tuple[float, Run] | None:
        """(cost, run) of the run with the smallest cost, of equal ones the first; None while there is no value."""
        if not self._bookmark.fits(runs):
            self._ended = None
        for run_id in self._bookmark.ended(runs):
            self._ended = _better(runs, self._ended, runs[run_id])
        best = self._ended
        for run in runs.active.values():
            best = _better(runs, best, run)
        return best


def _better(runs: Runs, best: tuple[float, Run] | None, run: Run) -> tuple[float, Run] | None:
    cost = runs.best_cost(run.id)
    if cost is None or (best is not None and (best[0], best[1].number) <= (cost, run.number)):
        return best
    return cost, run


def plan(
    sweep: Sweep,
    config: SweepConfig,
    runs: Runs,
    demand: int,
    searcher: Searcher,
    stopper: Stopper | None,
    *,
    best: Best | None = None,
) -> Plan:
    """Decide. `demand` is how many more runs the agents want beyond those that wait for one already.

    New runs only while the sweep is RUNNING, up to `run_cap`, and until a run has reached `metric.target`: then waiting
    runs are closed and running ones left to finish. `finish` is set when no run may be added any more and none is
    active. The searcher is asked only when runs are wanted, so a spent one is noticed when somebody asks. What it raises
    passes through. Keep one `best` beside the searcher: without it every run is looked at for the target.
    """
    stop = dict(stopper.stop(runs)) if stopper else {}
    if sweep.state is not SweepState.RUNNING:
        return Plan(stop=_untold(runs, stop))
    end = _target_reached(config, runs, best or Best())
    if end:
        stop |= {run.id: end for run in runs.active.values() if run.state in WAITING}
        return Plan(stop=_untold(runs, stop), finish=_over(runs, end))
    room = demand if config.run_cap is None else config.run_cap - len(runs)
    wanted = min(demand, room)
    add = tuple(searcher.suggest(runs, wanted))[:wanted] if wanted > 0 else ()
    if config.run_cap is not None and room <= 0:
        end = f"run_cap of {config.run_cap} reached"
    elif not add and wanted > 0:
        end = f"{config.method} spent ({_count(runs)})"
    return Plan(add, _untold(runs, stop), _over(runs, end))


def _target_reached(config: SweepConfig, runs: Runs, best: Best) -> str:
    metric, goal = config.metric, config.goal
    if metric is None or goal is None or metric.target is None:
        return ""
    found = best.of(runs)
    if found is None or found[0] > goal.cost(metric.target):
        return ""
    cost, run = found
    return f"target {metric.target:g} reached by run {run.number} ({goal.cost(cost):.4g})"


def _over(runs: Runs, end: str) -> str:
    """The end is the end once nothing is active."""
    return "" if runs.active else end


def _untold(runs: Runs, stop: Mapping[RunId, str]) -> Mapping[RunId, str]:
    """Without the runs that have been told to stop already."""
    return {run_id: reason for run_id, reason in stop.items() if not runs[run_id].stop_reason}


def _count(runs: Runs) -> str:
    return "1 run" if len(runs) == 1 else f"{len(runs)} runs"
