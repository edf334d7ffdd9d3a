"""The lid is closed: everybody is frozen for longer than a lease lasts, again and again. Does a healthy run fail for it, or is
it done twice?
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import Any

from attrs import evolve

from ..measure import Row
from .crowd import Crowd, freeze, until
from .ledger import BEGAN, ERROR
from .sides import opened, unavailable
from .verdict import DONE

WORKERS = 4
TRIAL_S, AWAKE_S = 1.0, 2.0
LEASE_S = 3.0
"""Ours are as short as Optuna's grace period."""
OURS = "sweepwidget SQLite", "sweepwidget hub"
PEER = "Optuna SQLite, heartbeat + retry"


def rows(suspends: int, frozen_s: float, patience_s: float) -> list[Row]:
    """All sides side by side, as most of the time is spent asleep."""
    why = unavailable(PEER)
    with contextlib.ExitStack() as stack:
        sides = {name: stack.enter_context(opened(name)) for name in (*OURS, *([] if why else [PEER]))}
        crowds = {name: stack.enter_context(_crowd(side)) for name, side in sides.items()}
        everybody = [worker.process for crowd in crowds.values() for worker in crowd.living]
        everybody.append(sides["sweepwidget hub"].hub)
        until(lambda: all(worker.at_work_on for crowd in crowds.values() for worker in crowd.living))
        for _ in range(suspends):
            time.sleep(AWAKE_S)  # the schedule
            freeze(everybody, frozen_s)
        time.sleep(AWAKE_S + LEASE_S)  # whoever is taken for dead is found out
        for side in sides.values():
            side.stop()
        found = {name: _harmed(side, crowds[name], patience_s) for name, side in sides.items()}
    for name, (harmed, words) in found.items():
        print(f"{name}: {suspends} suspends of {frozen_s:g} s, {harmed} healthy runs harmed: {words}")
    theirs = found.get(PEER)
    what = f"healthy runs failed, stuck or begun twice by {suspends} suspends of {frozen_s:g} s"
    beside = f"; peer: {theirs[1]}" if theirs else f"; {why}"
    return [
        Row(
            f"{what}, {name.removeprefix('sweepwidget ')}",
            found[name][0],
            "runs",
            PEER,
            theirs and theirs[0],
            "0",
            not found[name][0],
            f"leases of {LEASE_S:g} s; {found[name][1]}{beside}",
        )
        for name in OURS
    ]


def _crowd(side: Any) -> Crowd:
    part = evolve(side.part, trial_s=TRIAL_S, lease_s=LEASE_S)
    if "hub" in side.name:
        side.hub_dies()
        side.hub_starts(LEASE_S)
    return Crowd(side.role, part, WORKERS)


def _harmed(side: Any, crowd: Crowd, patience_s: float) -> tuple[int, str]:
    late = crowd.end(patience_s)
    states, lines = side.states(), [line for book in crowd.books.values() for line in book]
    begun = Counter(line.unit for line in lines if line.what == BEGAN)
    twice = {unit for unit, times in begun.items() if times > 1}
    undone = {unit for unit in begun if states.get(unit) != DONE}
    errors = sum(line.what == ERROR for line in lines)
    words = f"{len(twice)} begun twice, {len(undone)} not done of {len(begun)}"
    words += f", {errors} workers ended by an exception" * bool(errors) + f", {late} never went home" * bool(late)
    return len(twice | undone), words
