"""One run in the foreground: what `run_one` promises to somebody who looks for a fault."""

import threading

import pytest


def test_the_function_runs_here_with_this_config(wandb):
    """On this thread, with the config locked as in a sweep and the seed given; its result is returned."""
    seen = {}

    def train():
        run = wandb.init(config={"lr": 0.5, "momentum": 0.9})
        run.log({"loss": 1.0})
        seen.update(thread=threading.current_thread(), config=dict(run.config), seed=run.seed, same=wandb.run is run)
        return "done"

    assert "done" == wandb.run_one(train, {"lr": 0.1, "opt": {"name": "sgd"}}, seed=7)
    config = {"lr": 0.1, "opt": {"name": "sgd"}, "momentum": 0.9}
    assert {"thread": threading.current_thread(), "config": config, "seed": 7, "same": True} == seen
    assert wandb.run is None


def test_the_run_is_kept_and_belongs_to_no_sweep(wandb):
    """It stands in the store like one that `init()` began by itself."""
    ids = []

    def train():
        with wandb.init() as run:
            ids.append(run.id)
            run.log({"loss": 0.25})

    wandb.run_one(train, {"lr": 0.1})
    kept = wandb.Api().run(ids[0])
    assert ("finished", {"lr": 0.1}, 0.25, None) == (kept.state, kept.config, kept.summary["loss"], kept.sweep)


def test_what_it_raises_is_raised(wandb):
    """The traceback ends in the user's own frame, and the run has failed with it."""
    ids = []

    def train():
        ids.append(wandb.init().id)
        here_it_broke = wandb.config.lr
        raise ZeroDivisionError(here_it_broke)

    with pytest.raises(ZeroDivisionError) as caught:
        wandb.run_one(train, {"lr": 0.1})
    assert 0.1 == caught.traceback[-1].frame.f_locals["here_it_broke"]
    failed = wandb.Api().run(ids[0])
    assert "failed" == failed.state
    assert "ZeroDivisionError: 0.1" in failed.error
    assert wandb.run is None


def test_a_function_that_never_calls_init(wandb):
    """Its run is finished all the same."""
    assert 3 == wandb.run_one(lambda: 1 + 2)
    assert ["finished"] == [run.state for run in wandb.Api().runs("uncategorized")]


def test_a_coroutine_is_awaited(wandb):
    """`async def train()` runs to its end, in the context of its run."""

    async def train():
        wandb.init()
        return wandb.config["lr"]

    assert 0.1 == wandb.run_one(train, {"lr": 0.1})


def test_within_a_run_it_is_another_one(wandb):
    """Somebody's run goes on afterwards as it was."""
    outer = wandb.init(config={"lr": 1})
    assert 2 == wandb.run_one(lambda: wandb.init().config.lr, {"lr": 2})
    assert wandb.run is outer
    outer.finish()


def test_what_an_agent_could_not_call_is_refused(wandb):
    """Before a run begins."""
    with pytest.raises(wandb.UsageError, match="needs arguments"):
        wandb.run_one(lambda lr: lr, {"lr": 1})
    assert 0 == len(wandb.Api().runs("uncategorized"))
