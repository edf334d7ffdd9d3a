"""An agent is killed in the middle of a run: how soon does the run wait for somebody else?"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from attrs import evolve

from ..measure import Row
from .crowd import Crowd, until
from .sides import Ours, opened

LONG_S = 600.0
"""The run that is hit would take so long."""


def rows(kills: int, lease_s: float) -> list[Row]:
    """`kills` of each kind; those from afar all at once, as they wait for a lease of `lease_s` seconds to end."""
    with opened("sweepwidget SQLite") as side:
        here = [requeued for _ in range(kills) for requeued in _requeued(side, "", None, 1)]
    with opened("sweepwidget hub") as side:
        side.hub_dies()
        side.hub_starts(lease_s)
        away = _requeued(side, "elsewhere", lease_s, kills)
    print(
        f"requeued: here {[f'{s:.2f}' for s in here]} s, from afar {[f'{s:.2f}' for s in away]} s (lease {lease_s} s)"
    )
    what = "a killed agent's run waits again, worst: "
    late = max(away) - lease_s
    return [
        Row(f"{what}this machine", max(here), "s", aim="≤ 1 s", reached=max(here) <= 1, note=f"{kills} kills"),
        Row(
            f"{what}another machine, after its lease's term",
            late,
            "s",
            aim="≤ 1 s",
            reached=late <= 1,
            note=f"{kills} kills, leases of {lease_s:g} s, agents that the hub cannot look at",
        ),
    ]


def _requeued(side: Ours, host: str, lease_s: float | None, victims: int) -> list[float]:
    """Seconds from the kill until the run is at its next attempt, for each of so many victims hit at once."""
    part = evolve(side.part, host=host, lease_s=lease_s)
    by = Path(part.folder) / "bystander"
    by.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        # One who steers, and has nothing to do with it.
        bystander = stack.enter_context(Crowd(side.role, evolve(part, folder=by), 1))
        until(lambda: bystander.living[0].at_work_on)
        struck = stack.enter_context(Crowd(side.role, evolve(part, trial_s=LONG_S), victims))
        until(lambda: all(worker.at_work_on for worker in struck.living))
        hit = [worker.at_work_on.unit for worker in struck.living if worker.at_work_on]
        killed_at = [struck.kill(worker) for worker in list(struck.living)]
        found: dict[str, float] = {}

        def look() -> bool:
            found.update({run: time.monotonic() for run in hit if run not in found and side.store.run(run).attempt > 1})
            return len(found) == len(hit)

        assert until(look, (lease_s or 0) + 60), "a killed agent's run never waited again"
        return [found[run] - at for run, at in zip(hit, killed_at, strict=True)]
