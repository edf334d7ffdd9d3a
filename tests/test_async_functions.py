"""`async def train()`: an event loop for each agent, and orders to stop that reach an `await`."""

import asyncio
import os
import signal
import threading

import pytest

SWEEP = {"method": "random", "parameters": {"x": {"min": 0.0, "max": 1.0}}}


def states(wandb, sweep_id):
    return [run.state for run in wandb.Api().sweep(sweep_id).runs]


def test_a_coroutine_function_is_awaited(wandb):
    """Its tasks belong to the run, and what they log is kept."""
    sweep_id = wandb.sweep(SWEEP)

    async def train():
        run = wandb.init()

        async def part(i):
            await asyncio.sleep(0)
            wandb.log({"part": i})

        await asyncio.gather(*(part(i) for i in range(3)))
        wandb.log({"loss": run.config.x})

    wandb.agent(sweep_id, function=train, count=4, agents=2)
    assert ["finished"] * 4 == states(wandb, sweep_id)
    for run in wandb.Api().sweep(sweep_id).runs:
        assert run.summary["loss"] == run.config["x"]
        assert 4 == run.summary["_step"] + 1


def test_an_agent_has_one_event_loop(wandb):
    """The runs of an agent share it (clients may be kept), two agents have two, and it is closed with the agent."""
    loops, both = {}, threading.Barrier(2, timeout=20)

    async def train():
        loop = asyncio.get_running_loop()
        first = threading.get_ident() not in loops
        assert loops.setdefault(threading.get_ident(), loop) is loop
        if first:
            both.wait()

    wandb.agent(sweep_id := wandb.sweep(SWEEP), function=train, count=6, agents=2)
    assert ["finished"] * 6 == states(wandb, sweep_id)
    assert 2 == len({id(loop) for loop in loops.values()})
    assert all(loop.is_closed() for loop in loops.values())


def test_what_a_run_leaves_behind_is_cancelled(wandb):
    """A task that is still pending when the run's coroutine returns does not live on into the next run."""
    ended = []

    async def straggler():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def train():
        straggling = asyncio.ensure_future(straggler())
        await asyncio.sleep(0)
        assert not straggling.done()

    wandb.agent(wandb.sweep(SWEEP), function=train, count=2)
    assert [True, True] == ended


@pytest.mark.parametrize("backend", ["thread", "inline"])
def test_an_order_to_stop_reaches_an_await(wandb, backend):
    """The coroutine is cancelled where it waits, cleans up after itself, and the run is as was ordered."""
    sweep_id, cleaned = wandb.sweep(SWEEP), threading.Event()

    async def train():
        run = wandb.init()
        wandb.stop_run(run.id)
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    wandb.agent(sweep_id, function=train, count=1, backend=backend)
    assert cleaned.is_set()
    assert ["killed"] == states(wandb, sweep_id)


def test_a_coroutine_that_cancels_itself_has_failed(wandb):
    """Nobody ordered it to stop."""

    async def train():
        wandb.init()
        raise asyncio.CancelledError

    wandb.agent(sweep_id := wandb.sweep(SWEEP), function=train, count=1)
    assert ["failed"] == states(wandb, sweep_id)


@pytest.mark.parametrize("own_loop", [False, True])
def test_an_interrupt_ends_a_coroutine_on_the_main_thread(wandb, own_loop):
    """With and without a loop at work on that thread (as a notebook has one), and `finally` is run."""
    sweep_id, cleaned = wandb.sweep(SWEEP), threading.Event()

    async def train():
        wandb.init()
        try:
            threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    def work():
        with pytest.raises(KeyboardInterrupt):
            wandb.agent(sweep_id, function=train, count=1, backend="inline")

    async def cell():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        work()

    asyncio.run(cell()) if own_loop else work()
    assert cleaned.is_set()
    assert ["killed"] == states(wandb, sweep_id)


def test_a_coroutine_works_inside_a_running_loop(wandb):
    """A notebook's main thread has a loop at work; the agent's own gets a thread."""

    async def train():
        await asyncio.sleep(0)
        wandb.init().log({"loss": 1.0})

    async def cell():
        wandb.agent(sweep_id, function=train, count=2, backend="inline")

    sweep_id = wandb.sweep(SWEEP)
    asyncio.run(cell())
    assert ["finished"] * 2 == states(wandb, sweep_id)


def test_a_wait_that_was_given_up_with_its_loop_keeps_no_other_asleep(wandb):
    """`asyncio.run` closes its loop, and whoever awaits the agents on another, or gives a callback, hears of their end."""
    may_end, heard = threading.Event(), threading.Event()

    def train():
        assert may_end.wait(60)

    agents = wandb.agent(wandb.sweep(SWEEP), function=train, count=1, block=False)

    async def give_up():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(agents, 0.01)

    async def wait():
        waiting = asyncio.ensure_future(agents)
        await asyncio.sleep(0)  # it waits by now
        may_end.set()
        await asyncio.wait_for(waiting, 20)

    asyncio.run(give_up())
    agents.when_done(heard.set)
    asyncio.run(wait())
    assert heard.wait(20)
