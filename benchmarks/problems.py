"""Test problems for search: formulas from the literature, spaces as sweeps have them, and tables of real training runs.

Formulas: https://www.sfu.ca/~ssurjano/optimization.html. Costs are minimised; `best` is the smallest there is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from sweepwidget.sweepconfig import SweepConfig


@frozen
class Problem:
    parameters: Mapping[str, Any]
    cost: Callable[[Mapping[str, Any]], float]
    best: float
    noise: float = 0.0
    """Standard deviation of what a run adds to its cost."""

    def sweep(self, method="bayes"):
        metric = {"name": "loss", "goal": "minimize"}
        return SweepConfig.parse({"method": method, "metric": metric, "parameters": dict(self.parameters)})


def box(D, low, high):
    return {f"x{i}": {"min": float(low), "max": float(high)} for i in range(D)}


def vector(given):
    return np.array([given[f"x{i}"] for i in range(len(given))])


def branin(given):
    x, y = given["x0"], given["x1"]
    a = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return a * a + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


_HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_HARTMANN_P = 1e-4 * np.array(
    [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
     [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]
)  # fmt: skip


def hartmann6(given):
    return -float(np.array([1, 1.2, 3, 3.2]) @ np.exp(-(_HARTMANN_A * (vector(given) - _HARTMANN_P) ** 2).sum(axis=1)))


def ackley(given):
    x = vector(given)
    return float(
        20 + math.e - 20 * math.exp(-0.2 * math.sqrt((x**2).mean())) - math.exp(np.cos(2 * math.pi * x).mean())
    )


def levy(given):
    w = 1 + (vector(given) - 1) / 4
    middle = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)).sum()
    return float(math.sin(math.pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2))


def rosenbrock(given):
    x = vector(given)
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def styblinski_tang(given):
    x = vector(given)
    return float((x**4 - 16 * x**2 + 5 * x).mean() / 2)


def michalewicz(given):
    x = vector(given)
    return -float((np.sin(x) * np.sin(np.arange(1, len(x) + 1) * x**2 / math.pi) ** 20).sum())


def mixed(given):
    """A learning rate, a width, a kind, a flag and two numbers that matter for some kinds only."""
    offset = {"sgd": 0.3, "momentum": 0.1, "adam": 0.0, "lion": 0.5}[given["kind"]]
    best_rate = -3.0 if given["kind"] in ("adam", "lion") else -1.5
    rate = 0.3 * (math.log10(given["lr"]) - best_rate) ** 2
    width = (given["width"] - 37) ** 2 / 900
    dropout = (given["dropout"] - (0.2 if given["flag"] else 0.5)) ** 2
    return offset + rate + width + dropout + (0.0 if given["flag"] else 0.2) + 0.1 * abs(given["depth"] - 3)


def discrete(given):
    parts = (given["a"] - 4) ** 2 / 10, 0.5 * (given["b"] != "y"), abs(given["c"] - 3) / 5
    return float(sum(parts) + {0: 0.3, None: 0.0, "": 0.2, True: 0.5}[given["d"]] * (1 + given["a"] / 8))


def rate(given):
    """A loss that is flat where the rate is too small, and diverges where it is too large."""
    lr, wd = math.log10(given["lr"]), math.log10(given["wd"])
    if lr > -0.7:
        return 1e3 * 10**lr
    return 0.2 * (lr + 2.5) ** 2 + 0.05 * (wd + 4) ** 2 + 2 * (given["m"] - 0.9) ** 2 + (given["drop"] - 0.2) ** 2


_SHEKEL_A = np.array(
    [[4, 1, 8, 6, 3, 2, 5, 8, 6, 7], [4, 1, 8, 6, 7, 9, 3, 1, 2, 3.6]] * 2
)  # fmt: skip
_SHEKEL_B = np.array([1, 2, 2, 4, 4, 6, 3, 7, 5, 5]) / 10


def shekel(given):
    return -float((1 / (((vector(given)[:, None] - _SHEKEL_A) ** 2).sum(axis=0) + _SHEKEL_B)).sum())


def griewank(given):
    x = vector(given)
    return float((x**2).sum() / 4000 - np.cos(x / np.sqrt(np.arange(1, len(x) + 1))).prod() + 1)


def dixon_price(given):
    x = vector(given)
    return float((x[0] - 1) ** 2 + (np.arange(2, len(x) + 1) * (2 * x[1:] ** 2 - x[:-1]) ** 2).sum())


def goldstein_price(given):
    """Its logarithm, as it is usually searched."""
    x, y = given["x0"], given["x1"]
    a = 1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x * x - 14 * y + 6 * x * y + 3 * y * y)
    b = 30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x * x + 48 * y - 36 * x * y + 27 * y * y)
    return math.log(a * b)


def network(given):
    """Eight parameters of every kind, of which some matter little and two act together."""
    rate, decay = math.log10(given["lr"]), math.log10(given["decay"])
    batch = math.log2(given["batch"]) - 6
    cost = 0.4 * (rate + 2.5 - 0.25 * batch) ** 2 + 0.05 * (decay + 4) ** 2
    cost += {"cosine": 0.0, "step": 0.15, "none": 0.35}[given["schedule"]]
    cost += {"relu": 0.1, "gelu": 0.0, "tanh": 0.3, "silu": 0.02}[given["activation"]]
    cost += 0.02 * abs(given["layers"] - 5) + (given["dropout"] - 0.15) ** 2 + 0.01 * (given["warmup"] / 100 - 3) ** 2
    return cost + 0.05 * math.sin(5 * rate) ** 2


PROBLEMS: dict[str, Problem] = {
    "branin": Problem({"x0": {"min": -5.0, "max": 10.0}, "x1": {"min": 0.0, "max": 15.0}}, branin, 0.397887),
    "hartmann6": Problem(box(6, 0, 1), hartmann6, -3.32237),
    "ackley5": Problem(box(5, -20, 30), ackley, 0.0),
    "levy4": Problem(box(4, -10, 10), levy, 0.0),
    "rosenbrock4": Problem(box(4, -2, 2), rosenbrock, 0.0),
    "styblinski5": Problem(box(5, -5, 5), styblinski_tang, -39.16617),
    "michalewicz5": Problem(box(5, 0, math.pi), michalewicz, -4.687658),
    "hartmann6-noisy": Problem(box(6, 0, 1), hartmann6, -3.32237, noise=0.1),
    "mixed6": Problem(
        {
            "lr": {"distribution": "log_uniform_values", "min": 1e-6, "max": 1.0},
            "width": {"min": 1, "max": 64},
            "depth": {"min": 1, "max": 8},
            "kind": {"values": ["sgd", "momentum", "adam", "lion"]},
            "flag": {"values": [False, True]},
            "dropout": {"distribution": "q_uniform", "min": 0.0, "max": 0.8, "q": 0.05},
        },
        mixed,
        0.0,
    ),
    "rate4-noisy": Problem(
        {
            "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0},
            "wd": {"distribution": "log_uniform_values", "min": 1e-7, "max": 0.1},
            "m": {"min": 0.5, "max": 0.99},
            "drop": {"min": 0.0, "max": 0.8},
        },
        rate,
        0.0,
        noise=0.02,
    ),
    "discrete4": Problem(
        {
            "a": {"min": 0, "max": 8},
            "b": {"values": ["x", "y", "z"]},
            "c": {"values": [1, 2, 3, 5]},
            "d": {"values": [0, None, "", True]},
        },
        discrete,
        0.0,
    ),
    "shekel4": Problem(box(4, 0, 10), shekel, -10.5364),
    "griewank4": Problem(box(4, -20, 25), griewank, 0.0),
    "dixon-price6": Problem(box(6, -5, 5), dixon_price, 0.0),
    "goldstein-price": Problem(box(2, -2, 2), goldstein_price, math.log(3)),
    "network8": Problem(
        {
            "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0},
            "decay": {"distribution": "log_uniform_values", "min": 1e-6, "max": 0.1},
            "batch": {"values": [16, 32, 64, 128, 256, 512]},
            "schedule": {"values": ["none", "step", "cosine"]},
            "activation": {"values": ["relu", "tanh", "gelu", "silu"]},
            "layers": {"min": 1, "max": 12},
            "dropout": {"min": 0.0, "max": 0.6},
            "warmup": {"min": 0, "max": 1000},
        },
        network,
        0.0,
    ),
}
