"""One PostgreSQL server, many agents: trials and logged points per second beside Optuna's RDB storage on the same server.

A server of its own is started (with fsync), or SWEEPWIDGET_POSTGRES=postgresql://… names one. Agents are threads of at most
four processes. A trial is chosen, claimed and closed; with points, 20 values are logged in it one by one.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import multiprocessing
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator

from .measure import Row, missing, of_peer, sizes

AGENTS = 1, 8, 32
POINTS = 20


def main() -> list[Row]:
    """So many trials of ours per measurement; a tenth of them for the peer, and never less than two per agent."""
    given = sizes(trials=400)
    if importlib.util.find_spec("psycopg") is None:
        return [Row("agents on PostgreSQL", math.nan, note=missing("psycopg"))]
    rows = []
    with _server() as url:
        if not url:
            why = "not run: no PostgreSQL server (apt install postgresql, or SWEEPWIDGET_POSTGRES=postgresql://…)"
            return [Row("agents on PostgreSQL", math.nan, note=why)]
        for what, points in (("trials", 0), (f"points, {POINTS} a trial", POINTS)):
            for n in AGENTS:
                mine = measured(ours, url, n, max(given.trials, 4 * n), points)
                fewer = max(given.trials // 10, 2 * n)
                theirs, note = of_peer(
                    "optuna", lambda n=n, fewer=fewer, points=points: measured(optuna, url, n, fewer, points)
                )
                noun = "agent" if n == 1 else "agents"
                rows.append(Row(f"{what}, {n} {noun} on PostgreSQL", mine, "/s", "Optuna RDB", theirs, note=note))
    return rows


def measured(side: Callable[..., None], url: str, agents: int, trials: int, points: int) -> float:
    """Trials (or points) per second, from the moment when all agents are ready to the end of the last one."""
    processes = min(agents, 4)
    context = multiprocessing.get_context("spawn")
    ready, done = context.Barrier(processes + 1), context.Barrier(processes + 1)
    name = f"b{secrets.token_hex(3)}"
    side(url, name)
    shares = [(agents // processes, trials // processes) for _ in range(processes)]
    workers = [context.Process(target=_work, args=(side, url, name, *share, points, ready, done)) for share in shares]
    for worker in workers:
        worker.start()
    ready.wait(120)
    began = time.perf_counter()
    done.wait(600)
    spent = time.perf_counter() - began
    for worker in workers:
        worker.join()
    return processes * (trials // processes) * (points or 1) / spent


def _work(side, url, name, agents, trials, points, ready, done) -> None:
    run = side(url, name, points)
    shares = [trials // agents + (i < trials % agents) for i in range(agents)]
    threads = [threading.Thread(target=run, args=(share,)) for share in shares]
    ready.wait(120)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.wait(600)


def ours(url: str, name: str, points: int | None = None):
    """Make the sweep (without `points`); else what an agent does for a number of trials."""
    from sweepwidget.model import Agent, AgentId, Outcome, RunState, Suggestion, Sweep, SweepId, SweepState
    from sweepwidget.process import this_process
    from sweepwidget.store import open_store
    from sweepwidget.store.spool import Spool

    store, sweep_id = open_store(url), SweepId(name)
    if points is None:
        store.create_sweep(Sweep(sweep_id, {"method": "custom"}, SweepState.RUNNING))
        store.close()
        return None
    lease = None
    while lease is None:  # one process steers, and hands the right on
        lease = store.acquire(sweep_id, "all of us", this_process(), 600.0)

    def agent(trials: int) -> None:
        me = AgentId(secrets.token_hex(8))
        store.join(Agent(me, sweep_id, this_process()), 600.0)
        for n in range(trials):
            store.add_runs(lease, [Suggestion({"x": n / trials})], [n])
            run = store.claim(me, f"{me}:{n}")
            spool = Spool(store.folder, run.id, run.attempt)
            for step in range(points):
                spool.append(step, time.time(), {"loss": step / 2})
            store.finish(run.id, run.attempt, Outcome(RunState.finished, 0, "", {"loss": 0.5}), spool.take())
            spool.close(remove=True)

    return agent


def optuna(url: str, name: str, points: int | None = None):
    """The same with Optuna."""
    import optuna
    from optuna.storages import RDBStorage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = RDBStorage(
        url.replace("postgresql://", "postgresql+psycopg://", 1),
        engine_kwargs={"pool_size": 40},
        skip_table_creation=False,
    )
    if points is None:
        optuna.create_study(storage=storage, study_name=name)
        storage.engine.dispose()
        return None
    study = optuna.load_study(storage=storage, study_name=name, sampler=optuna.samplers.RandomSampler())

    def agent(trials: int) -> None:
        for _ in range(trials):
            trial = study.ask()
            x = trial.suggest_float("x", 0, 1)
            for step in range(points):
                trial.report(step / 2, step)
            study.tell(trial, x)

    return agent


@contextlib.contextmanager
def _server() -> Iterator[str]:
    if url := os.environ.get("SWEEPWIDGET_POSTGRES"):
        yield url
        return
    from tests.postgres import Server, binaries

    found = binaries()
    if found is None:
        yield ""
        return
    server = Server(found, durable=True, settings={"max_connections": 200})
    try:
        yield server.url()
    finally:
        server.close()
