"""A hub under 64 agents that log 100 points per second each, and what the hub costs per logged point beside the store itself.

`python -m benchmarks hub`. Agents, hub and clock share this machine's cores, so real agents elsewhere have it easier.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from .measure import Row, fresh_folder, quiet, sizes

PROCESSES, AGENTS = 8, 8
"""64 agents."""
POINTS, RATE_HZ = 200, 100
"""Each run logs so many points on average, so many a second."""

AGENT = """
import json, sys, time
import sweepwidget as wandb
from sweepwidget.stores import store_at

link, agents, runs, points, rate = sys.argv[1], *map(int, sys.argv[2:])
store, took, known = store_at(link), [], set()
claim = type(store).claim

def timed(self, agent_id, *args):
    begun = time.perf_counter()
    run = claim(self, agent_id, *args)
    if run is not None and agent_id in known:  # the first is claimed while processes still start
        took.append(time.perf_counter() - begun)
    known.add(agent_id)
    return run

type(store).claim = timed

def train():
    run, due = wandb.init(), time.perf_counter()
    for i in range(int(points * (0.5 + run.config.x))):  # not all of them end at once
        run.log({"loss": 1.0 / (i + 1)})
        due += 1 / rate
        time.sleep(max(0.0, due - time.perf_counter()))

wandb.agent(link, function=train, agents=agents, count=agents * runs)
print(json.dumps(took))
"""


@contextlib.contextmanager
def hub() -> Iterator[tuple[psutil.Process, str]]:
    """A hub in a process of its own on the store here: (the process, a link to the whole store)."""
    argv = [sys.executable, "-m", "sweepwidget", "hub", "--token-file", "link"]
    process = subprocess.Popen(argv, env=environment() | {"SWEEPWIDGET_SILENT": ""}, stderr=subprocess.PIPE)
    try:
        while b"whole store" not in process.stderr.readline():
            assert process.poll() is None, "the hub did not start"
        yield psutil.Process(process.pid), Path("link").read_text().strip()
    finally:
        process.terminate()
        process.communicate()


def environment() -> dict[str, str]:
    here = {"SWEEPWIDGET_STORE": os.path.abspath("sweeps.db"), "XDG_DATA_HOME": os.path.abspath("home")}
    return os.environ | here | {"SWEEPWIDGET_SILENT": "1"}


def load(runs_each: int) -> list[Row]:
    """64 agents of so many runs each."""
    import sweepwidget as wandb
    from sweepwidget.hub.tokens import issue
    from sweepwidget.links import make_link, parse_link
    from sweepwidget.model import SweepId

    with fresh_folder(), quiet():
        store = wandb.use_store(os.path.abspath("sweeps.db"))
        sweep_id = SweepId(wandb.sweep({"method": "random", "parameters": {"x": {"min": 0.0, "max": 1.0}}}))
        with hub() as (process, whole):
            link = make_link(parse_link(whole).base, sweep_id, issue(store, sweep_id))
            argv = [sys.executable, "-c", AGENT, str(link), *map(str, (AGENTS, runs_each, POINTS, RATE_HZ))]
            begun, before = time.perf_counter(), sum(process.cpu_times()[:2])
            agents = [subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE) for _ in range(PROCESSES)]
            took = [second for agent in agents for second in json.loads(agent.communicate()[0])]
            seconds, cpu_s = time.perf_counter() - begun, sum(process.cpu_times()[:2]) - before
        runs = store.runs(sweep_id)
        kept = sum(len(store.columns(run.id)["loss"]) for run in runs)
        expected = sum(int(POINTS * (0.5 + run.config["x"])) for run in runs)
        assert len({run.id for run in runs}) == PROCESSES * AGENTS * runs_each
    p50, p95 = (1e3 * np.percentile(took, [50, 95])).tolist()
    busy = f"{expected / seconds:,.0f} points/s, the hub {100 * cpu_s / seconds:.0f} % of a core; clients and hub share this machine"
    return [
        Row("a claim of 64 agents that log 100 points/s each, p95", p95, "ms", aim="≤ 50 ms", note=f"median {p50:.0f} ms of {len(took)}; {busy}"),
        Row("points lost meanwhile", expected - kept, "", aim="0", note=f"of {expected:,}"),
    ]  # fmt: skip


def logged(link: str, points: int) -> float:
    """µs per point of one run that logs as fast as it can, until all of it is in the store."""
    code = """
    import sys, time
    import sweepwidget as wandb
    wandb.use_store(sys.argv[1])
    for n in (1000, int(sys.argv[2])):
        run = wandb.init()
        begun = time.perf_counter()
        for i in range(n):
            run.log({"loss": 1.0 / (i + 1), "accuracy": i * 1e-6})
        run.finish()
        took = time.perf_counter() - begun
    print(1e6 * took / n)
    """
    argv = [sys.executable, "-c", "\n".join(line[4:] for line in code.splitlines()), link, str(points)]
    return float(subprocess.run(argv, env=environment(), stdout=subprocess.PIPE, check=True).stdout.split()[-1])


def main() -> list[Row]:
    given = sizes(runs=8, points=100_000)
    rows = load(given.runs)
    with fresh_folder():
        direct = [logged(os.path.abspath("sweeps.db"), given.points) for _ in range(3)]
        with hub() as (_, link):
            through = [logged(link, given.points) for _ in range(3)]
    mine, theirs = statistics.median(through), statistics.median(direct)
    return [*rows, Row("a logged point through a hub", mine, "µs", "the store without a hub", theirs, "≤ 3×")]
