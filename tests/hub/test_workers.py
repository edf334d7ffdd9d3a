"""The threads of a hub: calls get their own answers, and none waits for one that is stuck."""

import asyncio
import threading

import pytest

from sweepwidget.hub import workers as module
from sweepwidget.hub.workers import MOST, THREADS, Outcome, Workers
from sweepwidget.loop import spawn


@pytest.fixture
def workers():
    made = Workers()
    yield made
    made.close()


@pytest.fixture
def gate():
    """What stuck calls wait for; it is open when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def on_loop(coroutine):
    return spawn(coroutine).result(10)


def test_each_call_gets_its_own_answer(workers):
    """Or its own error, whatever becomes of its neighbours; a few threads serve them all."""
    threads = set()

    def work(i):
        threads.add(threading.current_thread())
        if i % 3 == 0:
            raise KeyError(i)
        return i

    async def ask():
        return await asyncio.gather(*[workers.do(lambda i=i: work(i)) for i in range(300)], return_exceptions=True)

    answers = on_loop(ask())
    assert [repr(KeyError(i)) if i % 3 == 0 else repr(i) for i in range(300)] == [repr(answer) for answer in answers]
    assert len(threads) <= THREADS


def test_a_call_that_is_stuck_keeps_nobody_waiting(workers, gate):
    """Others are answered meanwhile, until all threads are stuck; then they wait, and are answered all the same."""

    async def ask():
        stuck = [asyncio.ensure_future(workers.do(gate.wait)) for _ in range(THREADS - 1)]
        await asyncio.sleep(0)  # they come first
        assert "done" == await workers.do(lambda: "done")
        stuck.append(asyncio.ensure_future(workers.do(gate.wait)))
        late = asyncio.ensure_future(workers.do(lambda: "late"))
        assert not any(call.done() for call in stuck)
        gate.set()
        return [*await asyncio.gather(*stuck), await late]

    assert [*[True] * THREADS, "late"] == on_loop(ask())


def test_an_answer_does_not_wait_for_the_next_call(workers, gate):
    """If that is stuck, what came before it is told all the same."""

    async def ask():
        go = threading.Event()
        calls = (go.wait, lambda: "before", gate.wait)
        _, before, stuck = [asyncio.ensure_future(workers.do(call)) for call in calls]
        await asyncio.sleep(0)
        go.set()  # one thread finds them all
        assert "before" == await before
        assert not stuck.done()
        gate.set()
        return await stuck

    assert on_loop(ask())


def test_a_call_that_nobody_waits_for_is_not_made(workers, gate):
    """If it was given up before a thread had time for it."""
    made = []

    async def ask():
        stuck = [asyncio.ensure_future(workers.do(gate.wait)) for _ in range(THREADS)]
        given_up = asyncio.ensure_future(workers.do(lambda: made.append("given up")))
        await asyncio.sleep(0)
        given_up.cancel()
        gate.set()
        await asyncio.gather(*stuck)
        await workers.do(lambda: made.append("asked"))

    on_loop(ask())
    assert ["asked"] == made


def test_what_waits_at_the_same_moment_is_made_together(monkeypatch, gate):
    """Parts of one kind of work, in the order in which they came, each with an outcome of its own; others by themselves."""
    monkeypatch.setattr(module, "THREADS", 1)
    workers, made = Workers(), []

    def work(parts):
        made.append(list(parts))
        return [Outcome(part) if part % 2 else Outcome(None, KeyError(part)) for part in parts]

    def fail(parts):
        raise OSError(len(parts))

    async def ask():
        calls = [
            workers.do(gate.wait),
            *[workers.do_together(work, i) for i in range(3)],
            *[workers.do_together(fail, i) for i in range(2)],
            workers.do(lambda: "alone"),
            *[workers.do_together(work, i) for i in range(3, 5 + MOST)],
        ]
        waiting = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0)  # they come in this order
        gate.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    try:
        answers = [repr(answer) for answer in on_loop(ask())]
    finally:
        workers.close()
    wanted = [repr(i) if i % 2 else repr(KeyError(i)) for i in range(5 + MOST)]
    assert ["True", *wanted[:3], *["OSError(2)"] * 2, "'alone'", *wanted[3:]] == answers
    assert [[0, 1, 2], [*range(3, 3 + MOST)], [3 + MOST, 4 + MOST]] == made


def test_after_the_end_calls_are_refused(workers):
    """At once, also those that come later."""
    assert 1 == on_loop(workers.do(lambda: 1))
    workers.close()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="shutdown"):
            on_loop(workers.do(lambda: 1))
