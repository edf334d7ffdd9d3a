"""CPU time of one `bayes` suggestion, by the number of finished runs: of a searcher that knows the sweep, and of a new one.

    python -m benchmarks suggest

"warm" suggests after one more run has finished, as a controller does, median and worst over a few such steps (the worst
contains a fit of the hyper-parameters). "fresh" is a new searcher, as after a restart of the kernel. "wall" is the median
of the warm steps by the clock on the wall. BLAS is held to one thread for comparison.
"""

from __future__ import annotations

import os
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from sweepwidget.model import Run, RunId, RunState
from sweepwidget.runs import Runs
from sweepwidget.search.bayes import BayesianSearch

from .measure import Row, sizes
from .problems import PROBLEMS

SIZES = (10, 50, 100, 200, 500, 1000, 2000, 5000)
STEPS = 9
WARM = {200: "≤ 25 ms", 1000: "≤ 40 ms"}
FRESH = {1000: "≤ 70 ms"}


def history(problem, config, n):
    """n finished runs drawn from the space, the best of them last: a sweep that still gets better."""
    space, rng = config.space, np.random.default_rng(n)
    drawn = [space.nest(space.sample(rng)) for _ in range(n)]
    drawn.sort(key=problem.cost, reverse=True)
    drawn[-STEPS:] = drawn[: -STEPS - 1 : -1]
    return [
        Run(RunId(f"r{i}"), None, i, given, RunState.finished, summary={"loss": problem.cost(given)}, started_at=0.0)
        for i, given in enumerate(drawn, 1)
    ]


def timed(searcher, runs):
    cpu, wall = time.thread_time(), time.perf_counter()
    searcher.suggest(runs, 1)
    return 1e3 * (time.thread_time() - cpu), 1e3 * (time.perf_counter() - wall)


def measure(problem, n):
    config = problem.sweep()
    rows, runs, searcher = history(problem, config, n), Runs(config.goal), BayesianSearch(config, 0)
    runs.apply_rows(rows[:-STEPS])
    searcher.suggest(runs, 1)
    steps = []
    for run in rows[-STEPS:]:
        runs.apply_rows([run])
        steps.append(timed(searcher, runs))
    fresh = [timed(BayesianSearch(config, 0), runs)[0] for _ in range(3)]
    cpu, wall = np.array(steps).T
    return tuple(map(float, (np.median(cpu), cpu.max(), np.median(fresh), np.median(wall))))


def main() -> list[Row]:
    largest = sizes(largest=2000).largest
    measure(PROBLEMS["hartmann6"], 20)  # imports and first touches
    rows = []
    for name in ("hartmann6", "mixed6", "discrete4"):
        for n in (size for size in SIZES if size <= largest):
            warm, worst, fresh, wall = measure(PROBLEMS[name], n)
            about = f"worst {worst:.0f} ms; by the clock {wall:.0f} ms"
            rows += [
                Row(f"a suggestion after {n} runs of {name}, warm", warm, "ms", aim=WARM.get(n, ""), note=about),
                Row(f"a suggestion after {n} runs of {name}, fresh", fresh, "ms", aim=FRESH.get(n, "")),
            ]
    return rows
