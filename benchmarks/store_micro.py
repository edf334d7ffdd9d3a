"""How fast the store is: our own numbers only, one process, one thread, SQLite on the local disk.

python benchmarks/store_micro.py [folder]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from sweepwidget.model import (
    Agent,
    AgentId,
    Cursor,
    Outcome,
    RunState,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from sweepwidget.process import this_process
from sweepwidget.store import open_store
from sweepwidget.store.spool import Spool

CONFIG = {
    "method": "random",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {
        "lr": {"min": 1e-5, "max": 0.1},
        "layers": {"values": [1, 2, 3]},
        "dropout": {"min": 0.0, "max": 0.5},
    },
}


class Laps:
    """Seconds spent per name."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._at = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.spent[name] = self.spent.get(name, 0.0) + now - self._at
        self._at = now


def trials(folder: Path, total: int) -> None:
    """One trial: add_runs, claim, log two metrics, finish with the points, read the changes."""
    store = open_store(folder / "trials.db")
    sweep_id = SweepId("abcd1234")
    store.create_sweep(Sweep(sweep_id, CONFIG, SweepState.RUNNING))
    lease = store.acquire(sweep_id, "bench", this_process(), 30.0)
    assert lease is not None
    agent = AgentId("agent-1")
    store.join(Agent(agent, sweep_id, this_process()), 30.0)
    cursor = Cursor()
    part = total // 5
    for done in range(0, total, part):
        laps = Laps()
        for i in range(done, done + part):
            store.add_runs(lease, [Suggestion({"lr": 0.01, "layers": 2, "dropout": 0.25 + i})], [i])
            laps.lap("add_runs")
            run = store.claim(agent, f"request-{i}")
            assert run is not None
            laps.lap("claim")
            spool = Spool(store.folder, run.id, run.attempt)
            spool.append(0, time.time(), {"loss": 0.5, "accuracy": 0.75})
            laps.lap("append")
            points = spool.take()
            laps.lap("take")
            store.finish(
                run.id, run.attempt, Outcome(RunState.finished, 0, "", {"loss": 0.5, "accuracy": 0.75}), points
            )
            laps.lap("finish")
            spool.close(remove=True)
            laps.lap("close")
            changes = store.changes(sweep_id, cursor)
            cursor = changes.cursor
            laps.lap("changes")
        whole = sum(laps.spent.values())
        each = ", ".join(f"{name} {spent / part * 1e6:.0f}" for name, spent in laps.spent.items())
        print(f"trials {done:>6} to {done + part:>6}: {part / whole:6.0f}/s   µs: {each}")
    store.close()
    begin = time.perf_counter()
    store = open_store(folder / "trials.db")
    everything = store.changes(sweep_id, Cursor())
    spent = time.perf_counter() - begin
    print(f"open and read {len(everything.runs)} runs, {len(everything.chunks)} chunks: {spent:.2f} s")
    begin = time.perf_counter()
    for _ in range(1000):
        store.changes(sweep_id, everything.cursor)
    print(f"changes() with nothing new: {(time.perf_counter() - begin) * 1e3:.1f} µs")
    begin = time.perf_counter()
    for _ in range(1000):
        store.changed_elsewhere()
    print(f"changed_elsewhere(): {(time.perf_counter() - begin) * 1e3:.1f} µs")
    begin = time.perf_counter()
    for _ in range(1000):
        store.expire(lease)
    print(f"expire() with nothing wrong: {(time.perf_counter() - begin) * 1e3:.1f} µs")
    store.close()


def logging(folder: Path, total: int) -> None:
    """log() calls of two floats, alone and with a flush to the store every 0.2 s."""
    store = open_store(folder / "logging.db")
    sweep_id = SweepId("abcd1234")
    store.create_sweep(Sweep(sweep_id, CONFIG, SweepState.RUNNING))
    lease = store.acquire(sweep_id, "bench", this_process(), 30.0)
    store.join(Agent(AgentId("a"), sweep_id, this_process()), 30.0)
    store.add_runs(lease, [Suggestion({}), Suggestion({})], [0, 1])
    for flush in (False, True):
        run = store.claim(AgentId("a"), f"{flush}")
        spool = Spool(store.folder, run.id, run.attempt)
        begin, due = time.perf_counter(), time.perf_counter() + 0.2
        for step in range(total):
            spool.append(step, time.time(), {"loss": 0.5, "accuracy": 0.75})
            if flush and step % 100 == 0 and time.perf_counter() > due:
                due += 0.2
                deliver(store, spool, step)
        if flush:
            deliver(store, spool, total)
        spent = time.perf_counter() - begin
        print(
            f"log(), {'stored every 0.2 s' if flush else 'spool only'}: {total / spent:.0f}/s, {spent / total * 1e6:.2f} µs"
        )
        spool.close(remove=True)
    assert len(store.columns(run.id)["loss"]) == total
    store.close()


def deliver(store, spool, step) -> None:
    while points := spool.take({"loss": 0.5, "accuracy": 0.75, "_step": step}):
        store.log(points)
        spool.delivered(points)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as place:
        trials(Path(place), 10_000)
        logging(Path(place), 500_000)
