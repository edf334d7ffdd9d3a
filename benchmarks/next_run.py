"""From the end of one run to the start of the next (trivial function, one agent): median and p95 in milliseconds."""

from __future__ import annotations

import os
import time

import numpy as np

from .measure import fresh_folder, quiet, table


def gaps(method: str, n: int, think_s: float) -> np.ndarray:
    """Milliseconds between a function's return and the next call of it."""
    import sweepwidget as wandb

    wandb.use_store(os.path.abspath(f"{method}.db"))
    space = {"x": {"values": list(range(n))}} if method == "grid" else {"x": {"min": 0.0, "max": 1.0}}
    sweep_id = wandb.sweep({"method": method, "metric": {"name": "loss"}, "parameters": space})
    began, ended = [], []

    def train() -> None:
        began.append(time.perf_counter())
        run = wandb.init()
        run.log({"loss": float(run.config.x)})
        time.sleep(think_s)
        ended.append(time.perf_counter())

    wandb.agent(sweep_id, function=train, count=n)
    return 1000 * (np.array(began[1:]) - np.array(ended[:-1]))


def main() -> None:
    rows = []
    for method, n, think_s in (("grid", 500, 0.0), ("random", 500, 0.0), ("grid", 200, 0.02), ("random", 200, 0.02)):
        with fresh_folder(), quiet():
            found = gaps(method, n, think_s)
        rows.append(
            [f"{method}, runs of {think_s * 1000:.0f} ms", *np.percentile(found, [50, 95, 99]).round(2), "5 000–10 000"]
        )
    table(["next run after the last ends (ms)", "median", "p95", "p99", "W&B"], rows)


if __name__ == "__main__":
    main()
