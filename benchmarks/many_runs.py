"""10 000 runs in one sweep: the time per run at the start and at the end, and opening the store to read all summaries."""

from __future__ import annotations

import os
import time

import numpy as np

from .measure import fresh_folder, quiet, table, timed


def main(n: int = 10_000) -> None:
    import sweepwidget as wandb
    from sweepwidget.model import SweepId
    from sweepwidget.store import open_store

    rows = []
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
            first, last = 1e6 * each[:tenth].mean(), 1e6 * each[-tenth:].mean()
            read = timed(lambda: [run.summary for run in open_store(path).runs(SweepId(sweep_id))])
        rows.append([f"{method}, {n} runs", first, last, last / first, read])
    table(["", "µs per run, first tenth", "µs per run, last tenth", "ratio", "s to open and read all summaries"], rows)


if __name__ == "__main__":
    main()
