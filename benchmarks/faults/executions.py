"""Sixteen agents share what was enqueued, or a number of runs: is each executed once, and neither more nor fewer of them?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from ..measure import Row
from .crowd import Crowd, until
from .ledger import BEGAN, ERROR
from .sides import opened, unavailable
from .verdict import DONE

AGENTS = 16
TRIAL_S = 0.02
OURS, PEER = "sweepwidget SQLite", "Optuna SQLite"


@frozen
class Count:
    executions: int
    runs: int
    """That were executed at all."""
    wanted: int
    errors: int
    out_of_time: bool
    """Not all was done when patience ended: what is missing might have come."""

    @property
    def wrong(self) -> int:
        missing = 0 if self.out_of_time else max(0, self.wanted - self.runs)
        return self.executions - self.runs + max(0, self.runs - self.wanted) + missing

    def __str__(self) -> str:
        words = f"{self.executions} executions of {self.runs} runs"
        words += f", {self.errors} workers ended by an exception" * bool(self.errors)
        return words + ", out of time" * self.out_of_time


def rows(runs: int, patience_s: float) -> list[Row]:
    with_peer = [
        (f"{runs} enqueued runs not executed exactly once, {AGENTS} agents", runs, {}, {}),
        (f"runs beyond or short of a cap of {runs}, {AGENTS} agents", 0, {"run_cap": runs}, {"cap": runs}),
    ]
    found = []
    for what, enqueued, config, cap in with_peer:
        mine = _executed(OURS, runs, enqueued, patience_s, {}, config)
        why = unavailable(PEER)
        theirs = None if why else _executed(PEER, runs, enqueued, patience_s, cap, {})
        print(f"{what}: {mine.wrong} ({mine}); {PEER} {why or f'{theirs and theirs.wrong} ({theirs})'}", flush=True)
        note = f"{mine}; peer: {theirs or why}"
        found.append(_row(what, mine, PEER, theirs and theirs.wrong, note))
    what = f"runs beyond or short of count={runs}, {AGENTS} agents of one call"
    mine = _executed(OURS, runs, 0, patience_s, {"agents": AGENTS, "count": runs}, {})
    print(f"{what}: {mine.wrong} ({mine})")
    return [*found, _row(what, mine, "", None, str(mine))]


def _row(what: str, mine: Count, peer: str, theirs: int | None, note: str) -> Row:
    wrong = max(mine.wrong, mine.wanted - mine.runs)  # of ours, what is missing is wrong in any case
    return Row(what, wrong, "runs", peer, theirs, "0", not wrong, note)


def _executed(
    name: str, runs: int, enqueued: int, patience_s: float, options: Mapping[str, Any], config: Mapping[str, Any]
) -> Count:
    with opened(name, **config) as side:
        side.enqueue(enqueued)
        part = evolve(side.part, trial_s=TRIAL_S, options=options)
        with Crowd(side.role, part, 1 if "agents" in options else AGENTS) as crowd:
            in_time = True
            if enqueued:
                in_time = until(lambda: _over(side, crowd, enqueued), patience_s, every_s=0.1)
                side.stop()
            late = crowd.end(patience_s)
        lines = [line for book in crowd.books.values() for line in book]
        states = side.states()
        begun = [line.unit for line in lines if line.what == BEGAN]
        if enqueued:  # they have the first numbers; what the search chose afterwards is not asked about
            first = set(list(states)[:enqueued])
            begun = [unit for unit in begun if unit in first]
        errors = sum(line.what == ERROR for line in lines)
        return Count(len(begun), len(set(begun)), runs, errors, bool(late) or not in_time)


def _over(side: Any, crowd: Crowd, enqueued: int) -> bool:
    return _all_done(side.states(), enqueued) or not any(worker.process.is_alive() for worker in crowd.living)


def _all_done(states: Mapping[str, str], enqueued: int) -> bool:
    return all(state == DONE for state in list(states.values())[:enqueued])
