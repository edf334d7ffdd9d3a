"""Sweeps that are written down at once: rows of a store as they would be after some days of work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sweepwidget.model import (
    Agent,
    AgentId,
    Column,
    Outcome,
    Points,
    Run,
    RunState,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from sweepwidget.process import this_process


def sweep(store: Any, config: Mapping[str, Any], runs: Iterable[Mapping[str, Any]] = (), sweep_id: str = "s1") -> str:
    """A sweep with these runs. Each is `config`, and where wanted `summary`, `columns` (values, or (steps, values)), `state`
    (running: left at work), `error`, `stop_reason`, `name`.
    """
    store.create_sweep(Sweep(SweepId(sweep_id), dict(config)))
    store.set_state(sweep_id, SweepState.RUNNING)
    agent = Agent(AgentId(f"agent-{sweep_id}"), SweepId(sweep_id), this_process(), "thread")
    store.join(agent, 600)
    lease = store.acquire(sweep_id, "test", this_process(), 600)
    runs = list(runs)
    store.add_runs(lease, [Suggestion(given["config"]) for given in runs], [0] * len(runs))
    for i, given in enumerate(runs):
        _live(store, store.claim(agent.id, f"{sweep_id}-{i}"), given)
    store.release(lease)
    return sweep_id


def _live(store: Any, run: Run, given: Mapping[str, Any]) -> None:
    columns = {key: _column(values) for key, values in given.get("columns", {}).items()}
    last = {key: float(column.values[-1]) for key, column in columns.items()}
    summary, state = given.get("summary", last), given.get("state", RunState.finished)
    points = Points(run.id, run.attempt, "", 0, 1, columns, summary=summary) if columns or summary else None
    if "name" in given:
        store.update_run(run.id, name=given["name"])
    if state is RunState.running:
        if points is not None:
            store.log(points)
        return
    if "stop_reason" in given:
        store.stop([run.id], given["stop_reason"], state)
    error = given.get("error", "")
    store.finish(run.id, run.attempt, Outcome(state, int(bool(error)), error, summary), points)


def _column(values: Any) -> Column:
    steps, values = values if isinstance(values, tuple) else (np.arange(len(values)), values)
    return Column(np.asarray(steps, np.int64), np.asarray(values, float))
