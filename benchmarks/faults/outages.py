"""The hub is away for a while and its agents go on training: are rows lost or runs repeated, and how soon is all well again?"""

from __future__ import annotations

import math
import time
from collections import Counter

from attrs import evolve

from ..measure import Row
from .crowd import Crowd, until
from .ledger import BEGAN, ENDED, ROW
from .sides import Ours, opened
from .verdict import DONE

WORKERS = 4
ROWS_PER_S = 10


def rows(away_s: float, patience_s: float) -> list[Row]:
    trial_s = max(1.0, 0.4 * away_s)  # some end while the hub is away, others go on across its return
    with opened("sweepwidget hub") as side:
        part = evolve(side.part, trial_s=trial_s, rows=int(ROWS_PER_S * trial_s))
        with Crowd(side.role, part, WORKERS) as crowd:
            until(lambda: all(worker.at_work_on for worker in crowd.living))
            time.sleep(0.5 * trial_s)  # the schedule
            side.hub_dies()
            time.sleep(away_s)
            side.hub_starts()
            back_s = _back_after(side, crowd, patience_s)
            side.stop()
            late = crowd.end(patience_s + trial_s)
            lost, logged = _lost(side, crowd)
            begun = Counter(line.unit for book in crowd.books.values() for line in book if line.what == BEGAN)
            undone = sum(state != DONE for unit, state in side.states().items() if unit in begun)
    repeated = sum(times > 1 for times in begun.values())
    print(
        f"hub away for {away_s:g} s: {lost} of {logged} rows lost, {repeated} of {len(begun)} runs repeated, {undone} not done"
    )
    print(f"all that ended meanwhile is taken in {back_s:.2f} s after the hub's return; {late} agents never went home")
    what, note = f"hub away for {away_s:g} s: ", f"{WORKERS} agents, {logged} rows, {len(begun)} runs"
    return [
        Row(f"{what}rows lost", lost, "rows", aim="0", reached=not lost, note=note),
        Row(f"{what}runs repeated or not done", repeated + undone, "runs", aim="0", reached=not repeated + undone),
        Row(f"{what}until all that ended meanwhile is taken in", back_s, "s", aim="≤ 5 s", reached=back_s <= 5),
    ]


def _back_after(side: Ours, crowd: Crowd, patience_s: float) -> float:
    """Seconds from now until all that ended while the hub was away has been taken in."""
    since = time.monotonic()
    ended = {line.unit for book in crowd.books.values() for line in book if line.what == ENDED}

    def taken_in() -> bool:
        states = side.states()
        return all(states[unit] == DONE for unit in ended)

    return time.monotonic() - since if until(taken_in, patience_s, every_s=0.02) else math.inf


def _lost(side: Ours, crowd: Crowd) -> tuple[int, int]:
    """(rows that the store has not, rows whose `log()` returned)."""
    logged = Counter((line.unit, line.attempt) for book in crowd.books.values() for line in book if line.what == ROW)
    kept = {key: len(side.store.columns(*key).get("row", ())) for key in logged}
    return sum(max(0, n - kept[key]) for key, n in logged.items()), logged.total()
