"""Sweeps for a dashboard to show, written into a store as agents would write them, without training anything."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np

from sweepwidget.columns import column
from sweepwidget.model import Agent, AgentId, Outcome, Points, Run, RunState, Suggestion, Sweep, SweepId, SweepState
from sweepwidget.process import this_process
from sweepwidget.store import Store

LEASE_S = 3600.0
CONFIG = {
    "method": "random",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {
        "lr": {"min": 1e-5, "max": 0.1},
        "layers": {"values": [1, 2, 3]},
        "dropout": {"min": 0.0, "max": 0.5},
        "optimizer": {"values": ["sgd", "adam", "lion"]},
    },
}


class Growing:
    """A sweep at work: so many runs, each by an agent of its own, whose curves grow when they are told to.

    >>> growing = Growing(store, made(store), 50)      # doctest: +SKIP
    >>> growing.grow(10_000)                           # doctest: +SKIP
    """

    def __init__(self, store: Store, sweep_id: SweepId, runs: int) -> None:
        self.store, self.sweep_id, self.steps = store, sweep_id, 0
        _add(store, sweep_id, runs)
        self.runs = [next(_claimed(store, sweep_id, 1)) for _ in range(runs)]

    def grow(self, points: int) -> None:
        """Each run logs so many points."""
        for run in self.runs:
            loss, logged = _logged(run, self.steps, self.steps + points)
            self.store.log(Points(run.id, run.attempt, "", self.steps, self.steps + points, logged, (), loss))
        self.steps += points

    def grow_steadily(self, points: int, times: int, every_s: float) -> None:
        """So many points again and again, by the clock; late when logging takes longer than that."""
        at = time.monotonic()
        for _ in range(times):
            self.grow(points)
            at += every_s
            time.sleep(max(at - time.monotonic(), 0.0))


def made(store: Store) -> SweepId:
    """A sweep without runs."""
    sweep_id = SweepId(uuid.uuid4().hex[:8])
    store.create_sweep(Sweep(sweep_id, CONFIG, SweepState.RUNNING))
    return sweep_id


def finish(store: Store, sweep_id: SweepId, runs: int, points: int) -> None:
    """So many runs more, which have ended, each after so many points."""
    _add(store, sweep_id, runs)
    for run in _claimed(store, sweep_id, runs):
        loss, logged = _logged(run, 0, points)
        outcome = Outcome(RunState.finished, 0, "", loss)
        store.finish(run.id, run.attempt, outcome, Points(run.id, run.attempt, "", 0, points, logged))


def curve(number: int, start: int, end: int) -> np.ndarray:
    """What the run of that number logs at these steps: a noisy decline."""
    steps = np.arange(start, end, dtype=float)
    noise = np.random.default_rng([number, start]).normal(0, 0.02, len(steps))
    return 1 / (1 + steps * (1 + number % 17) / 500) + 0.1 * (number % 31) / 31 + noise


def _add(store: Store, sweep_id: SweepId, runs: int) -> None:
    lease = store.acquire(sweep_id, "bench", this_process(), LEASE_S)
    assert lease is not None
    rng = np.random.default_rng(1)
    store.add_runs(lease, [Suggestion(_config(rng)) for _ in range(runs)], range(runs))
    store.release(lease)


def _config(rng: np.random.Generator) -> dict[str, Any]:
    optimizer = ("sgd", "adam", "lion")[rng.integers(3)]
    lr, dropout = rng.uniform(1e-5, 0.1), rng.uniform(0, 0.5)
    return {"lr": float(lr), "layers": int(rng.integers(1, 4)), "dropout": float(dropout), "optimizer": optimizer}


def _claimed(store: Store, sweep_id: SweepId, runs: int) -> Iterator[Run]:
    """An agent's runs."""
    agent = AgentId(uuid.uuid4().hex[:8])
    store.join(Agent(agent, sweep_id, this_process(), crew="bench"), LEASE_S)
    for i in range(runs):
        run = store.claim(agent, f"{agent}-{i}")
        assert run is not None
        yield run


def _logged(run: Run, start: int, end: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The summary afterwards, and the columns."""
    steps, values = np.arange(start, end), curve(run.number, start, end)
    times = run.created_at + 0.05 * steps
    summary = {"loss": float(values[-1]), "_step": end - 1, "_timestamp": float(times[-1])}
    return summary, {"loss": column(steps, values), "_timestamp": column(steps, times)}
