"""From the end of one run to the start of the next, trivial function, one agent, beside what W&B documents."""

from __future__ import annotations

import os
import time

import numpy as np

from .measure import Row, fresh_folder, quiet, sizes


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


def main() -> list[Row]:
    n = sizes(runs=500).runs
    rows = []
    for method, runs, think_s in (
        ("grid", n, 0.0),
        ("random", n, 0.0),
        ("grid", n // 2, 0.02),
        ("random", n // 2, 0.02),
    ):
        with fresh_folder(), quiet():
            median, p95, p99 = np.percentile(gaps(method, runs, think_s), [50, 95, 99])
        what = f"next run after the last ends, p95, {method}, runs of {think_s * 1000:.0f} ms"
        note = f"median {median:.2g} ms, p99 {p99:.2g} ms; W&B's 5–10 s are documented, not measured"
        rows.append(Row(what, float(p95), "ms", "W&B, 5–10 s", aim="≤ 5 ms", note=note))
    return rows
