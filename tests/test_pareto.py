"""The Pareto front, of numbers and of runs."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sweepwidget.errors import UsageError
from sweepwidget.model import Run, RunId, RunState
from sweepwidget.pareto import best_runs, front
from sweepwidget.runs import Goal

rows = st.integers(1, 3).flatmap(
    lambda m: st.lists(st.lists(st.integers(0, 4), min_size=m, max_size=m), min_size=1, max_size=25)
)


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


@given(rows)
def test_the_front_is_what_nobody_dominates(costs):
    """As the definition says, looked at pair by pair."""
    assert [not any(dominates(other, row) for other in costs) for row in costs] == front(costs).tolist()


@given(rows)
def test_every_other_row_is_dominated_by_one_of_the_front(costs):
    """Nothing is lost by looking at the front only."""
    best = front(costs)
    kept = [row for row, is_best in zip(costs, best, strict=True) if is_best]
    assert kept
    assert all(is_best or any(dominates(k, row) for k in kept) for row, is_best in zip(costs, best, strict=True))


def test_extreme_costs():
    """The largest floats are costs like others."""
    assert [True, False, True] == front([[1e308, -1e308], [1e308, 1e308], [0.0, 0.0]]).tolist()


def test_two_thousand_rows():
    """On a straight front everyone is on it."""
    x = np.linspace(0, 1, 2000)
    assert front(np.column_stack([x, 1 - x])).all()


GOALS = [Goal("loss"), Goal("acc", maximize=True)]


def run(number, **summary):
    return Run(RunId(f"r{number}"), None, number, {}, RunState.finished, summary=summary)


def test_the_best_runs_are_ordered_by_the_first_goal():
    """Equal ones by number; whoever lacks a finite value of one goal is not among them."""
    runs = [
        run(1, loss=0.5, acc=0.9),
        run(2, loss=0.1, acc=0.2),
        run(3, loss=0.5, acc=0.8),
        run(4, loss=0.0, acc=math.nan),
        run(5, acc=1.0),
        run(6, loss=0.1, acc=0.2),
        run(7, loss=True, acc=1.0),
    ]
    assert [2, 6, 1] == [best.number for best in best_runs(runs, GOALS)]
    assert [] == best_runs(runs[3:4], GOALS)


# -- of a sweep ---------------------------------------------------------------------------------------------------

TRADE = {
    "method": "grid",
    "parameters": {"x": {"values": [0, 1, 2, 3, 4]}},
    "metrics": [{"name": "loss"}, {"name": "speed", "goal": "maximize"}],
}


def trade(wandb):
    """x = 3 is worse than 2 in both, 4 diverges."""

    def train():
        with wandb.init() as run:
            x = run.config.x
            run.log({"loss": {3: 2.5, 4: math.nan}.get(x, float(x)), "speed": 1.5 if x == 3 else float(x)})

    return train


def test_a_sweep_gives_its_pareto_front(wandb, capsys):
    """`best_runs()`; `best_run()` goes by the first metric and says so."""
    sweep_id = wandb.sweep(TRADE)
    wandb.agent(sweep_id, function=trade(wandb))
    sweep = wandb.Api().sweep(sweep_id)
    assert [0, 1, 2] == [run.config["x"] for run in sweep.best_runs()]
    capsys.readouterr()
    assert 0 == sweep.best_run().config["x"]
    assert "has several metrics (loss, speed): best_run() goes by the first; see best_runs()" in capsys.readouterr().err
    assert 4 == sweep.best_run("-summary_metrics.speed").config["x"]
    assert "several metrics" not in capsys.readouterr().err
    assert ("+summary_metrics.loss", 0.0) == (sweep.order, sweep.best_loss)


def test_a_summary_names_the_front(wandb, capsys):
    """One line for each of its runs, with the values of all metrics."""
    sweep_id = wandb.sweep(TRADE)
    wandb.agent(sweep_id, function=trade(wandb))
    capsys.readouterr()
    wandb.controller(sweep_id).print_summary()
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("On the Pareto front: ")]
    assert 3 == len(said)
    assert said[2].endswith("loss=2 speed=2 {'x': 2}")


def test_a_metric_that_no_run_logs_is_named(wandb, capsys):
    """Its name may be a slip."""
    sweep_id = wandb.sweep({**TRADE, "metrics": [{"name": "loss"}, {"name": "sped"}]})
    capsys.readouterr()
    assert ([], "") == (wandb.Api().sweep(sweep_id).best_runs(), capsys.readouterr().err)  # nothing has run yet
    wandb.agent(sweep_id, function=trade(wandb))
    capsys.readouterr()
    assert [] == wandb.Api().sweep(sweep_id).best_runs()
    assert "has a finite value of sped: none is among the best" in capsys.readouterr().err


def test_with_one_metric_the_front_is_its_best_value(wandb):
    """All runs that have it; a sweep without a metric has no best."""
    single = {key: value for key, value in TRADE.items() if key != "metrics"}
    sweep_id = wandb.sweep({**single, "metric": {"name": "speed", "goal": "maximize"}})
    wandb.agent(sweep_id, function=trade(wandb))
    assert [4] == [run.config["x"] for run in wandb.Api().sweep(sweep_id).best_runs()]
    bare = wandb.sweep({"method": "grid", "parameters": {"x": {"values": [1]}}})
    with pytest.raises(UsageError, match="has no metric"):
        wandb.Api().sweep(bare).best_runs()


def test_a_sweep_ends_when_one_run_has_reached_all_targets(wandb):
    """As with one metric: nothing new begins."""
    metrics = [{"name": "loss", "target": 2}, {"name": "speed", "goal": "maximize", "target": 2}]
    sweep_id = wandb.sweep({**TRADE, "metrics": metrics})
    wandb.agent(sweep_id, function=trade(wandb))
    sweep = wandb.Api().sweep(sweep_id)
    assert ("FINISHED", 3) == (sweep.state, len(sweep.runs))
    assert "target loss 2, speed 2 reached by run 3 (2, 2)" == sweep.reason


def test_early_stopping_follows_the_metric_it_names(wandb):
    """The other one does not matter."""
    rule = {"type": "target", "value": 2.0, "metric": "speed"}
    sweep_id = wandb.sweep({**TRADE, "early_terminate": rule})

    def train():
        with wandb.init() as run:
            for step in range(20_000):
                run.log({"loss": 1.0, "speed": float(min(step, run.config.x))})
                if run.config.x < 2 and step > 3:
                    return
                time.sleep(0.001)

    wandb.agent(sweep_id, function=train)
    states = [(run.config["x"], run.state) for run in wandb.Api().sweep(sweep_id).runs]
    assert [(0, "finished"), (1, "finished"), (2, "stopped"), (3, "stopped"), (4, "stopped")] == states
