"""One step of the controller in a long `bayes` sweep: 1000 runs, eight thread agents. How long one look and one decision take
by the clock on the wall, and how much of that is computed (the rest is waiting for the interpreter lock and for the disk).
"""

from __future__ import annotations

import os
import time
from unittest.mock import patch

import numpy as np

from .measure import fresh_folder, quiet, table

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


def main(n: int = 1000) -> None:
    rows = []
    for name, config, think_s in (
        ("one goal, runs of 0.3 s", ONE, 0.3),
        ("one goal, agents always waiting", ONE, 0.0),
        ("two goals, runs of 0.3 s", TWO, 0.3),
    ):
        with fresh_folder(), quiet():
            wall, computed, per_s = steps(config, n, think_s)
        last = slice(-len(wall) // 10, None)
        rows.append([
            name,
            *np.percentile(wall, [50, 95]),
            *np.percentile(wall[last], [50, 95]),
            *np.percentile(computed, [50, 95]),
            per_s,
        ])  # fmt: skip
    header = ["ms per step", "median", "p95", "last tenth: median", "p95", "computed: median", "p95", "runs per s"]
    table([f"{header[0]}, {n} runs by 8 agents", *header[1:]], rows)


if __name__ == "__main__":
    main()
