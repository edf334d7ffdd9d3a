"""One step of the controller in a long `bayes` sweep: 1000 runs, eight thread agents. How long one look and one decision take
by the clock on the wall, and how much of that is computed (the rest is waiting for the interpreter lock and for the disk).
"""

from __future__ import annotations

import os
import time
from unittest.mock import patch

import numpy as np

from .measure import Row, fresh_folder, quiet, sizes

SPACE = {f"x{i}": {"min": 0.0, "max": 1.0} for i in range(6)}
ONE = {"metric": {"name": "loss"}}
TWO = {"metrics": [{"name": "loss"}, {"name": "time"}]}


def steps(config: dict, n: int, think_s: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Milliseconds of every step that added a run: by the wall, computed; and how many runs were done per second."""
    import sweepwidget as wandb
    from sweepwidget.steering import Steering

    wandb.use_store(os.path.abspath("sweeps.db"))
    sweep_id = wandb.sweep({"method": "bayes", "parameters": SPACE, "seed": 1, **config})
    wall, computed, step = [], [], Steering.step

    def timed_step(self: Steering, *args: object, **options: object) -> object:
        began, cpu = time.perf_counter(), time.thread_time()
        plan = step(self, *args, **options)
        if plan is not None and plan.add:
            wall.append(1e3 * (time.perf_counter() - began))
            computed.append(1e3 * (time.thread_time() - cpu))
        return plan

    def train() -> None:
        run = wandb.init()
        x = np.array([run.config[name] for name in SPACE])
        for _ in range(5):
            time.sleep(think_s / 5)
            run.log({"loss": float(((x - 0.3) ** 2).sum()), "time": float(x.sum())})

    with patch.object(Steering, "step", timed_step):
        began = time.perf_counter()
        wandb.agent(sweep_id, function=train, count=n, agents=8)
        return np.array(wall), np.array(computed), n / (time.perf_counter() - began)


def main() -> list[Row]:
    n, rows = sizes(runs=1000).runs, []
    for name, config, think_s in (
        ("one goal, runs of 0.3 s", ONE, 0.3),
        ("one goal, agents always waiting", ONE, 0.0),
        ("two goals, runs of 0.3 s", TWO, 0.3),
    ):
        with fresh_folder(), quiet():
            wall, computed, per_s = steps(config, n, think_s)
        last = float(np.percentile(wall[-len(wall) // 10 :], 95))
        median, p95 = np.percentile(wall, [50, 95])
        cpu = np.percentile(computed, 95)
        note = f"{n} runs by 8 thread agents, {per_s:.0f} runs/s; median {median:.0f} ms, p95 of the last tenth {last:.0f} ms, p95 computed {cpu:.0f} ms"
        rows.append(
            Row(f"a step of the controller that adds a run, p95, {name}", float(p95), "ms", aim="< 100 ms", note=note)
        )
    return rows
