"""How fast the store is: our own numbers only, one process, one thread, SQLite on the local disk.

python -m benchmarks store
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sweepwidget.model import (
    Agent,
    AgentId,
    Cursor,
    Lease,
    Outcome,
    RunState,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from sweepwidget.process import this_process
from sweepwidget.store import Store, open_store
from sweepwidget.store.spool import Spool

from .measure import Row, fresh_folder, sizes, timed

CONFIG = {
    "method": "random",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {
        "lr": {"min": 1e-5, "max": 0.1},
        "layers": {"values": [1, 2, 3]},
        "dropout": {"min": 0.0, "max": 0.5},
    },
}


METRICS = {"loss": 0.5, "accuracy": 0.75}


class Laps:
    """Seconds spent per name."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._at = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.spent[name] = self.spent.get(name, 0.0) + now - self._at
        self._at = now


def trials(folder: Path, total: int) -> list[Row]:
    """One trial: add_runs, claim, log two metrics, finish with the points, read the changes."""
    store = open_store(folder / "trials.db")
    sweep_id, lease = _sweep(store)
    agent = AgentId("agent-1")
    store.join(Agent(agent, sweep_id, this_process()), 30.0)
    cursor, fifth, parts = Cursor(), total // 5, []
    for done in range(0, total, fifth):
        laps = Laps()
        for i in range(done, done + fifth):
            store.add_runs(lease, [Suggestion({"lr": 0.01, "layers": 2, "dropout": 0.25 + i})], [i])
            laps.lap("add_runs")
            run = store.claim(agent, f"request-{i}")
            assert run is not None
            laps.lap("claim")
            spool = Spool(store.folder, run.id, run.attempt)
            spool.append(0, time.time(), METRICS)
            laps.lap("append")
            points = spool.take()
            laps.lap("take")
            store.finish(run.id, run.attempt, Outcome(RunState.finished, 0, "", METRICS), points)
            laps.lap("finish")
            spool.close(remove=True)
            laps.lap("close")
            changes = store.changes(sweep_id, cursor)
            cursor = changes.cursor
            laps.lap("changes")
        parts.append({name: 1e6 * spent / fifth for name, spent in laps.spent.items()})
    store.close()
    first, *_, last = parts
    each = ", ".join(f"{name} {us:.0f}" for name, us in last.items())
    whole = Row("all verbs of a trial, last fifth", sum(last.values()), "µs", note=f"{total:,} trials; µs: {each}")
    flat = Row("all verbs of a trial, last fifth ÷ first fifth", sum(last.values()) / sum(first.values()), "×")
    return [whole, flat, *looks(folder / "trials.db", sweep_id)]


def looks(path: Path, sweep_id: SweepId) -> list[Row]:
    """What it costs to look at a long sweep."""
    begin = time.perf_counter()
    store = open_store(path)
    everything = store.changes(sweep_id, Cursor())
    spent = time.perf_counter() - begin
    lease = store.acquire(sweep_id, "bench", this_process(), 30.0)
    assert lease is not None
    rows = [
        Row("open and read all runs and chunks", spent, "s", note=f"{len(everything.runs):,} runs"),
        Row("changes() with nothing new", 1e6 * _each(lambda: store.changes(sweep_id, everything.cursor)), "µs"),
        Row("changed_elsewhere()", 1e6 * _each(store.changed_elsewhere), "µs"),
        Row("expire() with nothing wrong", 1e6 * _each(lambda: store.expire(lease)), "µs"),
    ]
    store.close()
    return rows


def logging(folder: Path, total: int) -> list[Row]:
    """log() calls of two floats, alone and with a flush to the store every 0.2 s."""
    store = open_store(folder / "logging.db")
    sweep_id, lease = _sweep(store)
    store.join(Agent(AgentId("a"), sweep_id, this_process()), 30.0)
    store.add_runs(lease, [Suggestion({}), Suggestion({})], [0, 1])
    rows = []
    for flush in (False, True):
        run = store.claim(AgentId("a"), f"{flush}")
        spool = Spool(store.folder, run.id, run.attempt)
        begin, due = time.perf_counter(), time.perf_counter() + 0.2
        for step in range(total):
            spool.append(step, time.time(), METRICS)
            if flush and step % 100 == 0 and time.perf_counter() > due:
                due += 0.2
                deliver(store, spool, step)
        if flush:
            deliver(store, spool, total)
        each = 1e6 * (time.perf_counter() - begin) / total
        rows.append(Row(f"a row in the spool, {'stored every 0.2 s' if flush else 'spool only'}", each, "µs"))
        spool.close(remove=True)
    assert len(store.columns(run.id)["loss"]) == total
    store.close()
    return rows


def deliver(store, spool, step) -> None:
    while points := spool.take({**METRICS, "_step": step}):
        store.log(points)
        spool.delivered(points)


def _sweep(store: Store) -> tuple[SweepId, Lease]:
    sweep_id = SweepId("abcd1234")
    store.create_sweep(Sweep(sweep_id, CONFIG, SweepState.RUNNING))
    lease = store.acquire(sweep_id, "bench", this_process(), 30.0)
    assert lease is not None
    return sweep_id, lease


def _each(work: Callable[[], object], times: int = 1000) -> float:
    """Seconds of one call."""
    return timed(lambda: [work() for _ in range(times)]) / times


def main() -> list[Row]:
    given = sizes(trials=10_000, rows=500_000)
    with fresh_folder() as place:
        return trials(place, given.trials) + logging(place, given.rows)
