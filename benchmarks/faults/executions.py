"""Sixteen agents share what was enqueued, or a number of runs: is each executed once, and neither more nor fewer of them?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from ..measure import Row
from .crowd import Crowd, until
from .ledger import BEGAN
from .sides import opened, unavailable
from .verdict import DONE

AGENTS = 16
TRIAL_S = 0.02
PEER = "Optuna SQLite"


def rows(runs: int, patience_s: float) -> list[Row]:
    found = []
    for what, config, options, cap in (
        (f"executions beyond one of each of {runs} enqueued runs, {AGENTS} agents", {}, {}, {}),
        (f"runs begun beyond a cap of {runs}, {AGENTS} agents", {"run_cap": runs}, {}, {"cap": runs}),
        (f"runs begun beyond count={runs}, {AGENTS} agents of one call", {}, {"agents": AGENTS, "count": runs}, None),
    ):
        enqueued = runs if "enqueued" in what else 0
        mine = _executed("sweepwidget SQLite", runs, enqueued, patience_s, options, config)
        why = "" if cap is None else unavailable(PEER)
        theirs = None if cap is None or why else _executed(PEER, runs, enqueued, patience_s, cap, {})
        print(
            f"{what}: sweepwidget {mine[0]:+d} ({mine[1]})"
            + (f", {PEER} {theirs[0]:+d} ({theirs[1]})" if theirs else "")
        )
        note = "; ".join(filter(None, (mine[1], theirs and f"peer: {theirs[1]}", why)))
        peer = "" if cap is None else PEER
        exact = mine[0] == 0
        found.append(Row(what, abs(mine[0]), "runs", peer, theirs and abs(theirs[0]), "0", exact, note))
    return found


def _executed(
    name: str, runs: int, enqueued: int, patience_s: float, options: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[int, str]:
    """(executions too many, or if negative too few, in words)."""
    with opened(name, **config) as side:
        side.enqueue(enqueued)
        crowd = Crowd(
            side.role, evolve(side.part, trial_s=TRIAL_S, options=options), 1 if "agents" in options else AGENTS
        )
        with crowd:
            if enqueued:
                until(
                    lambda: _done(side, enqueued) or not any(one.process.is_alive() for one in crowd.living), patience_s
                )
                side.stop()
            late = crowd.end(patience_s)
        begun = [line for book in crowd.books.values() for line in book if line.what == BEGAN]
        if enqueued:  # in order: what was enqueued has the first numbers
            first = set(list(side.states())[:enqueued])
            begun = [line for line in begun if line.unit in first]
        units = {line.unit for line in begun}
        errors = sum(line.what == "error" for book in crowd.books.values() for line in book)
        words = f"{len(begun)} executions of {len(units)} runs" + f", {errors} workers ended by an exception" * bool(
            errors
        )
        return len(begun) - runs, words + f", {late} never went home" * bool(late)


def _done(side: Any, enqueued: int) -> bool:
    states = list(side.states().values())[:enqueued]
    time.sleep(0.1)  # reading them all costs the workers time
    return all(state == DONE for state in states)
