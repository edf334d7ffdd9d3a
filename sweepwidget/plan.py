"""The controller's mind: what to add, what to stop, and whether the sweep is over. A pure function of the rows.

Whoever holds the lease calls it at every step and writes down what it says; it never looks at a store or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from .model import WAITING, RunId, Suggestion, Sweep, SweepState
from .runs import Runs
from .search import Searcher
from .stopping import Stopper
from .sweepconfig import SweepConfig
from .targets import Targets


@frozen
class Plan:
    """What a controller should do now."""

    add: tuple[Suggestion, ...] = ()
    stop: Mapping[RunId, str] = field(factory=dict)
    """Runs to tell to stop, and why. Waiting ones are closed by it."""
    finish: str = ""
    """Why the sweep is over; empty: it is not."""


def plan(
    sweep: Sweep,
    config: SweepConfig,
    runs: Runs,
    demand: int,
    searcher: Searcher,
    stopper: Stopper | None,
    *,
    targets: Targets | None = None,
) -> Plan:
    """Decide. `demand` is how many more runs the agents want beyond those that wait for one already.

    New runs only while the sweep is RUNNING, up to `run_cap`, and until a run has reached the metric's target: then waiting
    runs are closed and running ones left to finish. `finish` is set when no run may be added any more and none is
    active. The searcher is asked only when runs are wanted, so a spent one is noticed when somebody asks. What it raises
    passes through. Keep one `targets` beside the searcher: without it every run is looked at for the target.
    """
    stop = dict(stopper.stop(runs)) if stopper else {}
    if sweep.state is not SweepState.RUNNING:
        return Plan(stop=_untold(runs, stop))
    end = (targets or Targets(config.objectives)).reached(runs)
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


def _over(runs: Runs, end: str) -> str:
    """The end is the end once nothing is active."""
    return "" if runs.active else end


def _untold(runs: Runs, stop: Mapping[RunId, str]) -> Mapping[RunId, str]:
    """Without the runs that have been told to stop already."""
    return {run_id: reason for run_id, reason in stop.items() if not runs[run_id].stop_reason}


def _count(runs: Runs) -> str:
    return "1 run" if len(runs) == 1 else f"{len(runs)} runs"
