"""Kernel agents: how soon a cold and a warm one begins its run, and what two of them gain over one and over threads."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from .measure import Row, fresh_folder, quiet, sizes

LIBRARIES = "numpy", "scipy.stats"
"""What the user's function imports."""


def cold_bare() -> float:
    """Seconds from nothing until a bare ipykernel has imported the libraries."""
    from jupyter_client.manager import KernelManager

    manager = KernelManager(transport="ipc" if os.name == "posix" else "tcp")
    manager.connection_file = os.path.abspath("bare.json")
    manager.ip = os.path.abspath("bare") if os.name == "posix" else ""
    begin = time.perf_counter()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    request = client.execute(f"import {', '.join(LIBRARIES)}")
    while client.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != request:
        pass
    seconds = time.perf_counter() - begin
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    return seconds


def starts(runs: int) -> list[float]:
    """Seconds from the claim of a run to the first line of its function, of one agent's runs in order."""
    import sweepwidget as wandb

    def train() -> None:
        import time

        begun = time.time()
        for name in LIBRARIES:
            __import__(name)
        wandb.init().summary["begun"] = [begun, time.time()]

    train.__module__ = "__main__"
    store, sweep_id = wandb.use_store(os.path.abspath("starts.db")), sweep_of(runs)
    work(sweep_id, train, 1, "kernel")
    found = [(run.started_at, *run.summary["begun"]) for run in store.runs(sweep_id)]
    cold = found[0][2] - found[0][0]  # with the imports
    return [cold, *(begun - claimed for claimed, begun, _ in found[1:])]


def training(agents: int, backend: str, runs: int) -> float:
    """Seconds for a sweep of pure-Python trainings, without the start of the kernels."""
    import sweepwidget as wandb

    def train() -> None:
        import sweepwidget

        run = sweepwidget.init()
        begun = time.time()
        total = sum(i * i % 7 for i in range(12_000_000))
        run.summary.update({"total": total, "begun": begun, "ended": time.time()})

    train.__module__ = "__main__"
    train.__globals__.setdefault("time", time)
    store, sweep_id = wandb.use_store(os.path.abspath(f"{backend}{agents}.db")), sweep_of(runs)
    work(sweep_id, train, agents, backend)
    summaries = [run.summary for run in store.runs(sweep_id)]
    return max(summary["ended"] for summary in summaries) - min(summary["begun"] for summary in summaries)


def sweep_of(runs: int) -> str:
    import sweepwidget as wandb

    return wandb.sweep({"method": "grid", "parameters": {"x": {"values": list(range(runs))}}})


def work(sweep_id: str, train: Callable[[], None], agents: int, backend: str) -> None:
    import sweepwidget as wandb

    wandb.agent(sweep_id, function=train, agents=agents, backend=backend)


def main() -> list[Row]:
    given = sizes(kernels=5, runs=8)
    with fresh_folder(), quiet():
        bare, cold, warm = [], [], []
        for i in range(given.kernels):
            Path(f"{i}").mkdir()
            os.chdir(f"{i}")
            bare.append(cold_bare())
            first, *later = starts(20)
            cold.append(first)
            warm += later
            os.chdir("..")
    base, first, next_ = (1000 * statistics.median(times) for times in (bare, cold, warm))
    libraries = " and ".join(LIBRARIES)
    with fresh_folder(), quiet():
        one, two = (training(agents, "kernel", given.runs) for agents in (1, 2))
        thread, threads = (training(agents, "thread", given.runs) for agents in (1, 2))
    note = f"{given.runs} runs: {one:.1f} s by one, {two:.1f} s by two"
    beside = f"{thread:.1f} s by one, {threads:.1f} s by two"
    return [
        Row("from a claim to the function in a cold kernel agent", first, "ms", "a bare ipykernel", base, "≤ 1.3×", note=f"both with the import of {libraries}"),
        Row("from a claim to the function in a warm kernel agent", next_, "ms", aim="≤ 50 ms", note=f"worst of {len(warm)}: {1000 * max(warm):.0f} ms"),
        Row("pure-Python training, two kernel agents, as fast as one", one / two, "×", aim="≥ 1.9×", note=note),
        Row("pure-Python training, two threads, as fast as one", thread / threads, "×", note=beside),
    ]  # fmt: skip
