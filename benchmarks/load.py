"""How much it holds: runs in a sweep, points and sweeps in a store, processes on one file, agents behind one hub.

`python -m benchmarks load` measures a tenth of each in two to three minutes; `python -m benchmarks load full` all of it, and
`python -m benchmarks load 0.02 processes` some parts at any size. Each part runs in a process of its own, so that the
memory it reports is its own.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import psutil

from . import hub, sweeps
from .measure import Row, fresh_folder, quiet, timed

RUNS, POINTS, SWEEPS = 100_000, 10_000_000, 1000
PROCESSES, RUNS_EACH, ROWS = 16, 300, 20
FLAT = 1.5
"""What costs at most so many times as much at the end as at the start is called flat."""
QUICK = 0.1
"""The share of all that a short measurement makes."""


# -- one sweep -------------------------------------------------------------------------------------------------------


def one_sweep(share: float) -> list[Row]:
    """An agent does one run after another; then the store is opened anew, and a dashboard on it."""
    import sweepwidget as wandb
    from sweepwidget import listing
    from sweepwidget.model import SweepId
    from sweepwidget.store import open_store

    n = int(RUNS * share)
    with fresh_folder(), quiet():
        path = os.path.abspath("sweeps.db")
        wandb.use_store(path)
        space = {"x": {"min": 0, "max": 10**9}}
        sweep_id = wandb.sweep({"method": "random", "metric": {"name": "loss"}, "parameters": space})
        began: list[float] = []

        def train() -> None:
            began.append(time.process_time())
            run = wandb.init()
            run.log({"loss": float(run.config.x)})

        wandb.agent(sweep_id, function=train, count=n // 10)
        early = _memory()
        wandb.agent(sweep_id, function=train, count=n - n // 10)
        grown = (_memory() - early) / (n - n // 10)
        each = np.diff(began)
        tenth = n // 10
        first, last = 1e6 * each[:tenth].mean(), 1e6 * each[-tenth:].mean()
        store = open_store(path)
        read = timed(lambda: store.runs(SweepId(sweep_id)))
        listed = timed(lambda: listing.lines(store))
        picture = _first_picture(store, SweepId(sweep_id))
    note = f"{n:,} runs"
    return [
        Row("µs computed per run, last tenth of one sweep", last, "µs", note=f"{note}; first tenth {first:.0f} µs"),
        _flat("the same, last tenth ÷ first tenth", last / first, note),
        Row("memory that a run leaves in the process of its agent", grown, "bytes", note=note),
        Row("opening the store and reading all its runs", read, "s", note=note),
        Row("`sweepwidget ls`", listed, "s", note=note),
        Row("the dashboard's first picture, computed", picture, "s", note=note),
    ]


def _memory() -> int:
    return int(psutil.Process().memory_info().rss)


def _first_picture(store: Any, sweep_id: Any) -> float:
    """Seconds that the kernel computes until a dashboard has been told everything."""
    from sweepwidget.widget.desk import Desk

    from .feed import Face

    desk = Desk(store, sweep_id, Face())
    begun = time.process_time()
    desk.open()
    try:
        desk.hear(
            {"type": "watch", "id": "w", "plot": "main", "metric": "loss", "x": "step", "width": 850, "show": "all"}
        )
        before = -1.0
        while time.process_time() - before > 0.05:  # until it only looks whether there is news
            before = time.process_time()
            time.sleep(1.0)
        return before - begun
    finally:
        desk.close()


# -- one store -------------------------------------------------------------------------------------------------------


def points(share: float) -> list[Row]:
    """Runs of 10,000 points, a thousand in each call of `Store.log`, as a busy spool delivers them."""
    from sweepwidget.columns import column
    from sweepwidget.model import Points
    from sweepwidget.store import open_store

    each, batch = 10_000, 1000
    n = int(POINTS * share) // each
    with fresh_folder() as folder:
        store = open_store(folder / "sweeps.db")
        growing = sweeps.Growing(store, sweeps.made(store), n)
        before, took = _memory(), []
        values = np.random.default_rng(0).random(batch)
        for run in growing.runs:
            begun = time.process_time()
            for start in range(0, each, batch):
                steps = np.arange(start, start + batch)
                store.log(Points(run.id, 1, "", start, start + batch, {"loss": column(steps, values)}))
            took.append((time.process_time() - begun) / each)
        grown = _memory() - before
        read = np.median([timed(lambda run=run: store.columns(run.id)) for run in growing.runs[:: max(1, n // 20)]])
        tenth = max(1, n // 10)
        picture = _first_picture(store, growing.sweep_id)
        store.close()  # moves the write-ahead log into the file
        size = (folder / "sweeps.db").stat().st_size
    note = f"{n * each:,} points, {n} runs"
    return [
        Row("points taken by one store", 1 / float(np.mean(took)), "/s computed", note=note),
        _flat(
            "the cost of a point, last tenth ÷ first tenth", float(np.mean(took[-tenth:]) / np.mean(took[:tenth])), note
        ),
        Row("bytes on the disk per point", size / (n * each), "bytes", note=note),
        Row("memory that writing them left", grown / 2**20, "MiB", note=note),
        Row("reading one run's 10,000 points", 1e3 * float(read), "ms", note=note),
        Row("the dashboard's first picture and curves, computed", picture, "s", note=note),
    ]


def many_sweeps(share: float) -> list[Row]:
    """Sweeps in one store: a controller's step and `ls` must not look at the others."""
    from sweepwidget import listing
    from sweepwidget.model import Cursor, Suggestion
    from sweepwidget.steering import Steering
    from sweepwidget.store import Store, open_store

    n = max(40, int(SWEEPS * share))

    def cost(store: Store) -> tuple[float, float, float]:
        """ms computed for a step of a new sweep, for `ls`, and for what a waiting agent asks."""
        newest = sweeps.made(store)
        steering = Steering(store, newest, "bench")
        steering.step()
        steps = []
        for i in range(50):
            store.enqueue(newest, Suggestion({"lr": 0.1}), i)
            steps.append(_computed(steering.step))
        asked = [_computed(lambda: store.changes(newest, Cursor(), ())) for _ in range(50)]
        listed = [_computed(lambda: listing.lines(store)) for _ in range(5)]
        return float(np.mean(steps)), float(np.median(listed)), float(np.mean(asked))

    with fresh_folder() as folder:
        store = open_store(folder / "sweeps.db")
        for _ in range(20):
            sweeps.finish(store, sweeps.made(store), 3, 10)
        few = cost(store)
        for _ in range(n - 20):
            sweeps.finish(store, sweeps.made(store), 3, 10)
        many = cost(store)
        everything = _computed(lambda: listing.lines(store, everything=True))
    note = f"{n} sweeps; with 20"
    return [
        _flat(f"a controller's step among {n} sweeps ÷ among 20", many[0] / few[0], f"{note} {few[0]:.2g} ms"),
        _flat(f"`ls` of the 20 newest of {n} ÷ of 20", many[1] / few[1], f"{note} {few[1]:.2g} ms"),
        _flat(f"what a waiting agent asks, of {n} ÷ of 20", many[2] / few[2], f"{note} {few[2]:.2g} ms"),
        Row("`ls --all`", everything / 1e3, "s", note=note.partition(";")[0]),
    ]


def _computed(work: Callable[[], object]) -> float:
    """ms of one call that this process computes."""
    begun = time.process_time()
    work()
    return 1e3 * (time.process_time() - begun)


# -- many at once ----------------------------------------------------------------------------------------------------

WORKER = """
import json, sys, time
import sweepwidget as wandb

store, sweep_id, rows, name = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
wandb.use_store(store)
done = []

def train():
    run = wandb.init()
    for i in range(rows):
        run.log({"loss": 1.0 / (i + 1), "i": i})
    done.append([run.id, time.time()])

print("ready", flush=True)
input()
wandb.agent(sweep_id, function=train)
print(json.dumps(done))
"""


def processes(share: float) -> list[Row]:
    """Sixteen processes claim, log and finish on one SQLite file, as fast as they can."""
    import sweepwidget as wandb
    from sweepwidget.model import SweepId

    cap = int(PROCESSES * RUNS_EACH * max(share, 0.2))
    with fresh_folder(), quiet():
        store = wandb.use_store(os.path.abspath("sweeps.db"))
        config = {"method": "random", "run_cap": cap, "parameters": {"x": {"min": 0.0, "max": 1.0}}}
        sweep_id = SweepId(wandb.sweep(config))
        argv = [sys.executable, "-c", WORKER, store.url, sweep_id, str(ROWS)]
        pipes: Mapping[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        workers = [
            subprocess.Popen([*argv, str(i)], env=hub.environment(), text=True, **pipes) for i in range(PROCESSES)
        ]
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            worker.stdin.write("\n")
            worker.stdin.flush()
        said = [worker.communicate() for worker in workers]
        runs = store.runs(sweep_id)
        kept = sum(len(store.columns(run.id)["i"]) for run in runs)
    done = [json.loads(out.splitlines()[-1]) for out, _ in said]
    told = [run_id for one in done for run_id, _ in one]
    ended = sorted(at for one in done for _, at in one)
    # While all are at work: those that come last find little left.
    since, until = max(min((at for _, at in one), default=ended[-1]) for one in done), ended[-cap // 10]
    shares = [sum(since <= at <= until for _, at in one) for one in done]
    fair = min(shares) / max(1, *shares)
    locked = sum("locked" in err for _, err in said)
    lost = cap * ROWS - kept
    note = f"{PROCESSES} processes, {cap:,} runs of {ROWS} rows"
    return [
        Row("runs per second on one SQLite file", len(ended) / (ended[-1] - ended[0]), "/s", note=note),
        Row("processes that met `database is locked`", locked, aim="0", reached=not locked, note=note),
        Row("rows lost or doubled", lost, aim="0", reached=not lost, note=note),
        Row("runs not done exactly once", *_not_once(told, [run.id for run in runs], cap), note=note),
        Row("slowest process ÷ fastest", fair, aim="≥ 0.5", reached=fair >= 0.5, note=note),
    ]  # fmt: skip


def _not_once(told: Sequence[str], known: Sequence[str], wanted: int) -> tuple[float, str, str, None, str, bool]:
    wrong = (len(told) - len(set(told))) + len(set(known) ^ set(told)) + abs(len(known) - wanted)
    return wrong, "", "", None, "0", not wrong


def agents(share: float) -> list[Row]:
    """64 agents behind one hub."""
    return [row for row in hub.crowd(max(2, int(8 * share))) if "lost" in row.what or "claim" in row.what]


def _flat(what: str, ratio: float, note: str) -> Row:
    return Row(what, ratio, "×", aim=f"≤ {FLAT}", reached=ratio <= FLAT, note=note)


PARTS: Mapping[str, Callable[[float], list[Row]]] = {
    part.__name__: part for part in (one_sweep, points, many_sweeps, processes, agents)
}


def main() -> list[Row]:
    given = sys.argv[1:]
    sized = [float(one.replace("full", "1")) for one in given if one not in PARTS]
    share, parts = sized[0] if sized else QUICK, [one for one in given if one in PARTS] or PARTS
    rows = []
    for name in parts:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as own:
            rows += own.submit(PARTS[name], share).result()
    return rows
