"""How long the search takes: said with every suggestion, and a limit to what one step does."""

import math
import time

from sweepwidget.model import Suggestion
from sweepwidget.runs import Runs
from sweepwidget.stopwatch import Stopwatch


class Slow:
    """Needs 20 ms for each suggestion."""

    open_loop = False

    def suggest(self, runs, n):
        time.sleep(0.02 * n)
        return [Suggestion({"x": i}, {"why": "so"}) for i in range(n)]


def test_every_suggestion_says_how_long_it_took():
    """In seconds, each its share; what the search itself said is kept."""
    found = Stopwatch(Slow()).suggest(Runs(), 3)
    assert [({"x": i}, "so") for i in range(3)] == [(it.config, it.info["why"]) for it in found]
    assert all(0.02 <= it.info["took_s"] < 30 for it in found)


def test_a_step_is_given_as_many_as_fit():
    """By the latest; before the first nobody knows, so one. At least one always."""
    watch = Stopwatch(Slow())
    assert (1, math.inf) == (watch.within(0.1), watch.within(math.inf))
    watch.suggest(Runs(), 2)
    assert 1 == watch.within(0.001)
    assert 1 < watch.within(60.0) <= 3000
    assert math.inf == watch.within(math.inf)


def test_nothing_suggested_changes_nothing():
    """A search that is spent is still one."""
    watch = Stopwatch(Slow())
    assert [] == list(watch.suggest(Runs(), 0))
    assert 1 == watch.within(0.1)


def test_a_run_keeps_it(wandb):
    """`run.search_info["took_s"]`, whichever search it was."""
    sweep_id = wandb.sweep({"method": "random", "parameters": {"x": {"min": 0.0, "max": 1.0}}})
    wandb.agent(sweep_id, function=lambda: wandb.init().finish(), count=2)
    infos = [run.search_info for run in wandb.Api().sweep(sweep_id).runs]
    assert [{"why", "took_s"}] * 2 == [set(info) for info in infos]


def test_slow_suggestions_are_made_one_by_one(wandb):
    """With agents that wait together, the first begins before the last is decided."""
    began = []

    def slowly(config, runs):
        time.sleep(0.1)
        return {"x": 1}

    def train():
        began.append(time.perf_counter())
        wandb.init().finish()

    sweep = wandb.controller()
    sweep.configure({"method": "custom", "parameters": {"x": {"values": [1, 2]}}, "run_cap": 4})
    sweep.configure_search(slowly)
    wandb.agent(sweep.create(), function=train, agents=4)
    assert 4 == len(began)
    assert max(began) - min(began) > 0.25
