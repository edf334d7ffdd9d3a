"""10 000 runs in one sweep: the time per run at the start and at the end, and opening the store to read all summaries."""

from __future__ import annotations

import os
import time

import numpy as np

from .measure import Row, fresh_folder, quiet, sizes, timed


def main() -> list[Row]:
    import sweepwidget as wandb
    from sweepwidget.model import SweepId
    from sweepwidget.store import open_store

    n, rows = sizes(runs=10_000).runs, []
    for method in ("random", "grid"):
        with fresh_folder(), quiet():
            path = os.path.abspath("sweeps.db")
            wandb.use_store(path)
            space = {"x": {"min": 0, "max": 10**9}} if method == "random" else {"x": {"values": list(range(n))}}
            config = {
                "method": method,
                "metric": {"name": "loss"},
                "early_terminate": {"type": "hyperband", "min_iter": 3},
            }
            sweep_id = wandb.sweep({**config, "parameters": space})
            began = []

            def train(began=began) -> None:
                began.append(time.perf_counter())
                run = wandb.init()
                run.log({"loss": float(run.config.x)})

            wandb.agent(sweep_id, function=train, count=n)
            each = np.diff(began)
            tenth = n // 10
            first, last = 1e6 * float(each[:tenth].mean()), 1e6 * float(each[-tenth:].mean())
            read = timed(lambda: [run.summary for run in open_store(path).runs(SweepId(sweep_id))])
        rows += [
            Row(f"time per run, last tenth ÷ first tenth, {method}", last / first, "×", aim="≤ 1.5×", note=f"{n:,} runs; first tenth {first:.0f} µs, last {last:.0f} µs"),
            Row(f"opening the store and reading all summaries, {method}", read, "s", aim="≤ 1 s", note=f"{n:,} runs"),
        ]  # fmt: skip
    return rows
