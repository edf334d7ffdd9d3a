"""Agents are killed again and again while they work: what of their runs is lost, stuck or done twice, and for how long does
nobody get anything done?
"""

from __future__ import annotations

import random
import time
from typing import Any

from ..measure import Row
from .crowd import Crowd, Worker, until
from .ledger import ENDED
from .sides import ATTEMPTS, OPTUNA, OURS, opened, unavailable
from .verdict import DONE, Verdict, judge, unfinished

WORKERS = 4
PAUSE_S = 0.1, 0.4
WORKING_S = 5.0
"""The longest time that the next kill waits for somebody to have got something done."""
PEERS = {
    "Optuna SQLite": "sweepwidget SQLite",
    "Optuna SQLite, heartbeat + retry": "sweepwidget SQLite",
    "Optuna Journal file": "sweepwidget SQLite",
    "Optuna PostgreSQL, heartbeat + retry": "sweepwidget PostgreSQL",
}


def rows(kills: int, peer_kills: int, patience_s: float) -> list[Row]:
    """`patience_s` is for what is left after the last kill, and once more for everybody to go home."""
    found = {}
    for name in (*OURS, *OPTUNA):
        n = kills if name in OURS else peer_kills
        if verdict := measured(name, n, patience_s):
            found[name] = verdict, n
            print(f"{name}: {n} kills, {verdict}; longest silence {verdict.silence_s:.1f} s", flush=True)
    return [row for name in OURS if name in found for row in _rows_of(name, found)]


def _rows_of(name: str, found: dict[str, tuple[Verdict, int]]) -> list[Row]:
    mine, kills = found[name]
    peers = [peer for peer, ours in PEERS.items() if ours == name and peer in found]
    result = []
    for peer in peers or [""]:
        theirs, their_kills = found[peer] if peer else (None, 0)
        beside = f"; peer: {theirs} by {their_kills} kills" if theirs else ""
        what = f"kill -9 of agents, {name.removeprefix('sweepwidget ')}: "
        note = f"{mine} by {kills} kills{beside}"
        counted = theirs.wrong if theirs else None
        result.append(
            Row(f"{what}runs lost, stuck or done twice", mine.wrong, "runs", peer, counted, "0", not mine.wrong, note)
        )
        quiet_s = theirs.silence_s if theirs else None
        result.append(Row(f"{what}longest silence", mine.silence_s, "s", peer, quiet_s))
    return result


def measured(name: str, kills: int, patience_s: float, seed: int = 1) -> Verdict | None:
    """None where this side cannot be measured."""
    if reason := unavailable(name):
        print(f"{name}: {reason}")
        return None
    chance = random.Random(seed)
    with opened(name) as side:
        if side is None:
            print(f"{name}: not run (no PostgreSQL server)")
            return None
        with Crowd(side.role, side.part, WORKERS) as crowd:
            until(lambda: all(worker.at_work_on for worker in crowd.living))
            for _ in range(kills):
                since = time.monotonic()
                time.sleep(chance.uniform(*PAUSE_S))  # the schedule
                until(lambda since=since: _works(crowd, since), WORKING_S)
                crowd.kill(_victim(crowd, chance))
                crowd.add()
            if side.retries:
                until(lambda: _all_done(side, crowd), patience_s, every_s=0.25)
            side.stop()
            crowd.end(patience_s)
            return judge(crowd.books, crowd.killed, side.states(), time.monotonic())


def _victim(crowd: Crowd, chance: random.Random) -> Worker:
    """Anybody who has begun to work, and whose run may still be begun again: one that is lost for the last time is given up,
    as documented.
    """
    return chance.choice(until(lambda: [one for one in crowd.living if _may_be_hit(one)], 10.0) or crowd.living)


def _may_be_hit(worker: Worker) -> bool:
    line = worker.at_work_on
    return line is not None and line.attempt < ATTEMPTS


def _works(crowd: Crowd, since: float) -> bool:
    """Whether somebody who lives has got something done since then."""
    return any(line.what == ENDED and line.at > since for worker in crowd.living for line in worker.book)


def _all_done(side: Any, crowd: Crowd) -> bool:
    """What those who were killed had begun has been done by others."""
    states = side.states()
    return all(states.get(unit) == DONE for unit in unfinished(crowd.books, crowd.killed))
