"""A hub under load: many agents that log little, runs that end at once, rows by the thousand, 64 agents of our own.

`python -m benchmarks hub`. Clients, hub and clock share this machine's cores, so agents elsewhere have it easier: where the
figure is about the hub, the clients are those of rawclients.py, which cost little.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
from attrs import frozen
from numpy.typing import NDArray

from .measure import Row, fresh_folder, quiet

if TYPE_CHECKING:
    from sweepwidget.model import SweepId
    from sweepwidget.store import Store

PROCESSES, AGENTS = 8, 8
"""64 agents."""
POINTS, RATE_HZ, RUNS = 200, 100, 8
"""Each agent makes so many runs, of so many points on average."""
LOGGED = 100_000

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


@contextlib.contextmanager
def shared() -> Iterator[tuple[psutil.Process, Store, SweepId, str]]:
    """A hub with one sweep, and a link to that."""
    import sweepwidget as wandb
    from sweepwidget.hub.tokens import issue
    from sweepwidget.links import make_link, parse_link
    from sweepwidget.model import SweepId

    with fresh_folder(), quiet():
        store = wandb.use_store(os.path.abspath("sweeps.db"))
        sweep_id = SweepId(wandb.sweep({"method": "random", "parameters": {"x": {"min": 0.0, "max": 1.0}}}))
        with hub() as (process, whole):
            yield process, store, sweep_id, str(make_link(parse_link(whole).base, sweep_id, issue(store, sweep_id)))


# -- our own agents --------------------------------------------------------------------------------------------------


def crowd(runs_each: int = RUNS) -> list[Row]:
    """64 agents of ours in 8 processes, that log 100 points per second each."""
    with shared() as (process, store, sweep_id, link):
        argv = [sys.executable, "-c", AGENT, link, *map(str, (AGENTS, runs_each, POINTS, RATE_HZ))]
        begun, before = time.perf_counter(), sum(process.cpu_times()[:2])
        agents = [subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE) for _ in range(PROCESSES)]
        took = [second for agent in agents for second in json.loads(agent.communicate()[0])]
        seconds, cpu_s = time.perf_counter() - begun, sum(process.cpu_times()[:2]) - before
        runs = [run for run in store.runs(sweep_id) if run.ended]  # some more were suggested ahead
        kept = sum(len(store.columns(run.id)["loss"]) for run in runs)
        expected = sum(int(POINTS * (0.5 + run.config["x"])) for run in runs)
        assert len({run.id for run in runs}) == PROCESSES * AGENTS * runs_each
    p50, p95 = map(float, 1e3 * np.percentile(took, [50, 95]))
    note = f"64 agents of ours, 100 points/s each, on the hub's cores; load {os.getloadavg()[0]:.0f}"
    return [
        Row("claim, p95, 64 agents of ours beside the hub", p95, "ms", aim="≤ 50 ms", reached=p95 <= 50, note=f"{note}; median {p50:.3g}"),
        Row("points lost of 64 agents behind a hub", expected - kept, f"of {expected:,}", "", None, "0", expected == kept, note),
        Row("points per second of 64 agents through a hub", expected / seconds, "/s", note=note),
        Row("what they cost the hub", cpu_s / seconds, "cores", note=note),
    ]  # fmt: skip


# -- cheap ones ------------------------------------------------------------------------------------------------------


@frozen
class Seen:
    """What raw clients saw of a hub."""

    did: Sequence[int]
    """Of each agent."""
    seconds: float
    took_ms: Mapping[str, NDArray[np.float64]]
    """Call → all that were made."""
    cores: float
    """Of the hub."""
    memory_mb: float

    @property
    def per_second(self) -> float:
        return sum(self.did) / self.seconds

    def percentiles(self, call: str, *wanted: int) -> list[float]:
        """ms"""
        return [float(ms) for ms in np.percentile(self.took_ms[call], wanted)]

    @property
    def note(self) -> str:
        return f"raw clients; hub at {self.cores:.2f} cores, {self.memory_mb:.0f} MB; load {os.getloadavg()[0]:.0f}"


def raw(work: str, agents: int, seconds: float, processes: int = 2, **task: int) -> Seen:
    """So many agents of rawclients.py do this work."""
    with shared() as (process, _, _, link):
        begin = time.time() + 2.0 + 0.004 * agents
        told = json.dumps({"work": work, "agents": agents // processes, "seconds": seconds, "begin": begin, **task})
        argv = [sys.executable, "-m", f"{__package__}.rawclients", link, told]
        there = environment() | {"PYTHONPATH": str(Path(__file__).parents[1])}
        clients = [subprocess.Popen(argv, env=there, stdout=subprocess.PIPE) for _ in range(processes)]
        time.sleep(max(0.0, begin - time.time()))
        begun, before = time.perf_counter(), sum(process.cpu_times()[:2])
        said = [json.loads(client.communicate()[0]) for client in clients]
        cores = (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - begun)
        memory = process.memory_info().rss / 1e6
    took = {
        call: 1e3 * np.array([second for one in said for second in one[call]]) for call in ("claim", "log", "finish")
    }
    return Seen([n for one in said for n in one["did"]], max(one["seconds"] for one in said), took, cores, memory)


def steady(agents: int = 500, seconds: float = 10.0) -> list[Row]:
    """Agents that log a row per second each."""
    seen = raw("steady_rows", agents, seconds)
    p50, p99 = seen.percentiles("log", 50, 99)
    what = f"`log` of one row, p99 of {agents} agents × 1 row/s"
    return [Row(what, p99, "ms", aim="< 50 ms", reached=p99 < 50, note=f"median {p50:.3g} ms; {seen.note}")]


def short_runs(agents: int = 16, seconds: float = 10.0) -> list[Row]:
    """Agents whose runs end at once."""
    seen = raw("short_runs", agents, seconds)
    rate, fair, busy = seen.per_second, min(seen.did) / max(seen.did), os.getloadavg()[0] > 4
    (p95,) = seen.percentiles("claim", 95)
    aim = 500 if busy else 1500
    note = f"{agents} agents, claim p95 {p95:.3g} ms; {seen.note}"
    return [
        Row("short runs per second through a hub", rate, "/s", aim=f"≥ {aim}", reached=rate >= aim, note=note),
        Row("slowest agent ÷ fastest, short runs", fair, aim="≥ 0.8", reached=fair >= 0.8, note=note),
    ]


def batches(agents: int = 8, seconds: float = 5.0) -> list[Row]:
    """Agents that log as fast as the hub takes it: a thousand rows of four metrics in each call."""
    seen = raw("batches", agents, seconds, batch=1000)
    rate = seen.per_second
    return [Row("rows per second through a hub", rate, "/s", aim="≥ 50,000", reached=rate >= 50_000, note=seen.note)]


def claims(agents: int = 64, seconds: float = 10.0) -> list[Row]:
    """What `crowd` does, without the cost of our agents themselves, which are elsewhere in life."""
    seen = raw("working", agents, seconds)
    p50, p95 = seen.percentiles("claim", 50, 95)
    note = f"{agents} agents, 100 rows/s each; median {p50:.3g} ms; {seen.note}"
    return [Row("claim, p95, 64 agents elsewhere", p95, "ms", aim="≤ 50 ms", reached=p95 <= 50, note=note)]


# -- what a point costs ----------------------------------------------------------------------------------------------


def logged(link: str) -> float:
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
    argv = [sys.executable, "-c", "\n".join(line[4:] for line in code.splitlines()), link, str(LOGGED)]
    return float(subprocess.run(argv, env=environment(), stdout=subprocess.PIPE, check=True).stdout.split()[-1])


def points() -> list[Row]:
    """µs per point of one run through a hub, beside the store without one."""
    with fresh_folder():
        direct = [logged(os.path.abspath("sweeps.db")) for _ in range(3)]
        with hub() as (_, link):
            through = [logged(link) for _ in range(3)]
    mine, theirs = float(np.median(through)), float(np.median(direct))
    return [Row("µs per logged point through a hub", mine, "µs", "the store itself", theirs, "≤ 3×")]


def main() -> list[Row]:
    return [row for part in (steady, short_runs, batches, claims, crowd, points) for row in part()]
