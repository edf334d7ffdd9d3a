"""Long-polls over a real socket: who waits costs no thread, hears soon what matters, and is left alone otherwise."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sweepwidget.columns import column
from sweepwidget.errors import StoreUnavailable
from sweepwidget.hub import watch
from sweepwidget.loop import spawn
from sweepwidget.model import Changes, Cursor, Points, Scope, SweepId, SweepState
from sweepwidget.store.sqlite import SqliteStore
from sweepwidget.wire import CONTENT_TYPE, encode_call

from .conftest import fill


@pytest.fixture
def busy(open_hub):
    """A hub with a sweep whose agent is at work."""
    hub = open_hub()
    hub.mine = fill(hub.store, "mine")
    return hub


def version(hub):
    return hub.caller("mine", Scope.observe).call("wait", sweep_id="mine", version=-1, timeout_s=20.0)


def log(hub, step):
    run = hub.mine.run
    hub.store.log(
        Points(run.id, run.attempt, "", step, step + 1, {"loss": column([step], [0.0])}, summary={"loss": step})
    )


def waiting(hub, seen, timeout_s=20.0, **options):
    """A long-poll on a thread; a future of (version, seconds)."""
    caller, pool = hub.caller("mine", Scope.observe), ThreadPoolExecutor(1)

    def wait():
        begun = time.monotonic()
        found = caller.call("wait", sweep_id="mine", version=seen, timeout_s=timeout_s, **options)
        return found, time.monotonic() - begun

    future = pool.submit(wait)
    pool.shutdown(wait=False)
    return future


def until_waiting(hub, n):
    """And the first look is behind them: what comes later is news."""
    until = time.monotonic() + 10
    watches = hub.server._traffic.calls._watches
    while not ((here := watches.get(SweepId("mine"))) and here._waiting == n and here._begun.is_set()):
        assert time.monotonic() < until
        time.sleep(0.002)


def test_who_is_behind_is_answered_at_once(busy):
    """A long-poll for a version that has passed does not wait."""
    begun = time.monotonic()
    now = version(busy)
    assert now > 0
    assert time.monotonic() - begun < 15
    assert now == waiting(busy, 0).result(10)[0]


def test_what_matters_wakes_those_who_wait(busy, monkeypatch):
    """A change that agents must hear of answers a long-poll at once, not when the hub looks by itself."""
    monkeypatch.setattr(watch, "LOOK_S", 60.0)
    seen = version(busy)
    future = waiting(busy, seen)
    until_waiting(busy, 1)
    changed = time.monotonic()
    busy.store.stop([busy.mine.run.id], "enough")
    assert future.result(10)[0] > seen
    assert time.monotonic() - changed < 10


@pytest.mark.parametrize("progress", [False, True])
def test_what_happens_as_somebody_begins_to_wait_is_heard(progress):
    """It has found nothing new and is about to wait: who is woken by what comes just then need not wait for what comes next."""

    async def look_on(timeout_s):
        """Somebody looks already."""

    async def wait():
        sweep_watch = watch.Watch(None, SweepId("mine"), None)
        sweep_watch._look_on = look_on
        waiting = asyncio.ensure_future(sweep_watch.wait(0, 10.0, progress))
        await asyncio.sleep(0)  # it waits, or will in the next round of the loop
        sweep_watch._tell(Changes(Cursor(1)), first=True)
        return await asyncio.wait_for(waiting, 5)

    assert 1 == asyncio.run(wait())


def test_another_process_is_heard_of(busy):
    """A change that somebody else wrote into the file wakes, too."""
    seen = version(busy)
    future = waiting(busy, seen)
    until_waiting(busy, 1)
    elsewhere = SqliteStore(busy.store.path)
    elsewhere._bells = []  # as in another process: it rings nobody here
    try:
        elsewhere.set_state(SweepId("mine"), SweepState.PAUSED)
    finally:
        elsewhere.close()
    assert future.result(10)[0] > seen


def test_progress_wakes_only_those_who_asked(busy):
    """Points and summaries answer whoever follows the progress, and nobody else."""
    seen = version(busy)
    follows, works = waiting(busy, seen, progress=True), waiting(busy, seen)
    until_waiting(busy, 2)
    log(busy, 3)
    logged, seconds = follows.result(10)
    assert logged > seen
    assert seconds < 15
    busy.store.stop([busy.mine.run.id], "enough")
    assert works.result(10)[0] > logged


def test_a_quiet_sweep_is_waited_for_as_long_as_asked(busy):
    """When nothing happens the answer comes after the time asked for, and says the version that is known."""
    seen = version(busy)
    found, seconds = waiting(busy, seen, timeout_s=0.3).result(10)
    assert seen == found
    assert 0.3 <= seconds < 10


def test_who_waits_costs_no_thread(busy):
    """Fifty long-polls are fifty connections and no thread; one change answers them all."""
    seen = version(busy)
    before = hub_threads()
    futures = [waiting(busy, seen) for _ in range(50)]
    until_waiting(busy, 50)
    assert hub_threads() <= before + 4  # the store's pool may not have been full yet
    changed = time.monotonic()
    busy.store.stop([busy.mine.run.id], "enough")
    assert {True} == {future.result(10)[0] > seen for future in futures}
    assert time.monotonic() - changed < 15


def hub_threads():
    return sum(thread.name.startswith("sweepwidget") for thread in threading.enumerate())


def test_answers_are_paced(busy, monkeypatch):
    """Where something happens all the time, those who wait are answered so often per second, and not more."""
    monkeypatch.setattr(watch, "ANSWERS_S", 10.0)
    monkeypatch.setattr(watch, "BURST_S", 0.2)
    caller = busy.caller("mine", Scope.observe)
    over = threading.Event()

    def rename():
        i = 0
        while not over.wait(0.002):
            busy.store.update_config(SweepId("mine"), {"method": "random", "n": (i := i + 1)})

    busy_thread = threading.Thread(target=rename)
    busy_thread.start()
    try:
        seen, begun = version(busy), time.monotonic()
        for _ in range(10):
            seen = caller.call("wait", sweep_id="mine", version=seen, timeout_s=5.0)
        assert 0.6 <= time.monotonic() - begun < 30
    finally:
        over.set()
        busy_thread.join()


def test_who_hangs_up_is_forgotten(busy):
    """A long-poll whose caller has gone is waited for no more."""
    seen = version(busy)
    caller = busy.caller("mine", Scope.observe)
    connection = busy.raw()
    body = encode_call("wait", {"sweep_id": "mine", "version": seen, "timeout_s": 20.0})
    head = (
        f"POST /v1/wait HTTP/1.1\r\nHost: localhost\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"X-Sweep-Token: {caller.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    until_waiting(busy, 1)
    connection.close()
    until_waiting(busy, 0)


def test_nobody_looks_when_nobody_waits(busy, monkeypatch):
    """After the last long-poll the hub soon looks at the sweep no more."""
    monkeypatch.setattr(watch, "LOOK_S", 0.05)
    version(busy)
    looking = busy.server._traffic.calls._watches[SweepId("mine")]
    until = time.monotonic() + 10
    while not looking.idle:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_who_comes_to_wait_while_the_hub_ends_is_answered(busy, monkeypatch):
    """Its call had been taken, and nobody else waited any more."""
    calls = busy.server._traffic.calls
    admit = calls._admitted

    def admit_and_end_meanwhile(*call):
        args = admit(*call)
        spawn(end()).result(10)
        return args

    async def end():
        calls.end_waits()

    seen = version(busy)
    calls._watches.clear()
    monkeypatch.setattr(calls, "_admitted", admit_and_end_meanwhile)
    with pytest.raises(StoreUnavailable, match="shutting down"):
        waiting(busy, seen, timeout_s=5.0).result(10)


def test_a_store_that_fails_is_told(busy, monkeypatch):
    """Who waits hears that the store is away, and may wait again when it is back."""
    seen, changes = version(busy), busy.store.changes
    future = waiting(busy, seen)
    until_waiting(busy, 1)

    def away(*args):
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(busy.store, "changes", away)
    with pytest.raises(StoreUnavailable):
        future.result(10)
    monkeypatch.setattr(busy.store, "changes", changes)
    assert seen == waiting(busy, seen, timeout_s=0.1).result(10)[0]
