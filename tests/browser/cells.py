"""Cells of the journeys' notebooks: training functions, and sweeps for them."""

from __future__ import annotations

TRAIN = """
import math, time
def train():
    with sw.init() as run:
        for step in range(run.config.get("steps", 40)):
            time.sleep(0.05)
            run.log({"loss": math.exp(-step * run.config.lr) + abs(run.config.lr - 0.1), "minus": -1.0 - step})
"""
"""Two seconds of it, in forty steps."""

QUICK = TRAIN.replace("0.05", "0.002").replace('"steps", 40', '"steps", 12')

FAULTY = """
def train():
    with sw.init() as run:
        print("lr is", run.config.lr)
        for step in range(5):
            run.log({"loss": run.config.lr + 1 / (1 + step)})
        if run.config.opt == "sgd" and run.config.lr > 0.05:
            raise ValueError("\\x1b[31mno luck\\x1b[0m with <b>sgd</b>")
"""
"""Some runs fail; not so many at first that the agents give up."""


def sweep(**settings: object) -> str:
    """A cell that makes a sweep, `sweep_id`."""
    config: dict[str, object] = {
        "name": "journey",
        "method": "random",
        "seed": 1,
        "run_cap": 200,
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {
            "lr": {"distribution": "log_uniform_values", "min": 1e-3, "max": 1.0},
            "opt": {"values": ["sgd", "adam"]},
        },
    }
    return f"sweep_id = sw.sweep({config | settings!r})"


DASHBOARD = "dash = sw.dashboard(sweep_id)\ndash"
AGENT = "sw.agent(sweep_id, function=train, agents=2)"
