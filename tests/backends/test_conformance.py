"""What every backend promises. A new backend is one line in `BACKENDS`."""

import contextvars
import gc
import threading
import weakref
from concurrent.futures import Future, wait

import pytest

from sweepwidget.backends import AgentBackend, backend_for
from sweepwidget.errors import RunStopped, UsageError

BACKENDS = {"thread": lambda: backend_for("thread"), "inline": lambda: backend_for("inline")}
where = contextvars.ContextVar("where", default="nowhere")


@pytest.fixture(params=BACKENDS)
def backend(request):
    made = BACKENDS[request.param]()
    yield made
    made.shutdown()


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("sweepwidget-agent-")]


def wait_until_ended(threads):
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def raise_(error):
    raise error


# -- all of them ------------------------------------------------------------------------------------------------------


def test_is_a_backend(backend):
    """It has the verbs, and at least one slot."""
    assert isinstance(backend, AgentBackend)
    assert backend.slots >= 1


def test_runs(backend):
    """A function runs with its arguments, and its result is the future's."""
    future = backend.submit(divmod, 17, 5)
    assert isinstance(future, Future)
    assert future.result(10) == (3, 2)


def test_runs_one_after_another(backend):
    """One slot runs what it is given in the order it was given."""
    seen = []
    futures = [backend.submit(seen.append, i) for i in range(20)]
    wait(futures, 10)
    assert seen == list(range(20))


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), RunStopped("early"), StopIteration(), GeneratorExit()]
)
def test_exceptions_travel(backend, error):
    """Whatever a function raises is its future's, and the next function runs as if nothing had been."""
    assert backend.submit(raise_, error).exception(10) is error
    assert backend.submit(lambda: "next").result(10) == "next"


def test_context_is_isolated(backend):
    """What a function sets in a context variable is seen neither by the next one nor by the caller."""
    assert [backend.submit(lambda: (where.get(), where.set("inside"))[0]).result(10) for _ in range(2)] == [
        "nowhere"
    ] * 2
    assert where.get() == "nowhere"


@pytest.mark.parametrize("fails", [True, False])
def test_nothing_is_kept(backend, fails):
    """What a function held is free once its future is, without waiting for the garbage collector or the next function."""

    class Model:
        pass

    def train(model):
        weakref.finalize(model, freed.set)
        if fails:
            raise ValueError(model)

    freed = threading.Event()
    gc.collect()
    gc.disable()
    try:
        future = backend.submit(train, Model())
        assert isinstance(future.exception(10), ValueError) is fails
        del future
        assert freed.wait(10)
    finally:
        gc.enable()


def test_interrupt_of_what_has_ended(backend):
    """There is nothing to interrupt in what has ended."""
    future = backend.submit(int)
    future.result(10)
    assert backend.interrupt(future) is False
    assert future.result() == 0


def test_shutdown_leaves_no_thread(backend):
    """After `shutdown` nothing of the backend is left, and it takes nothing more."""
    before = ours()
    backend.submit(int).result(10)
    mine = [thread for thread in ours() if thread not in before] or ours()
    backend.shutdown()
    backend.shutdown()
    wait_until_ended(mine)
    with pytest.raises(UsageError, match="shut down"):
        backend.submit(int)


# -- thread -----------------------------------------------------------------------------------------------------------


def test_slots_run_at_the_same_time():
    """As many functions as there are slots run at once, on daemon threads with our name."""
    backend = backend_for("thread", 3)
    gate = threading.Barrier(3)

    def meet():
        gate.wait(10)
        return threading.current_thread().name, threading.current_thread().daemon

    futures = [backend.submit(meet) for _ in range(3)]
    assert sorted(future.result(10) for future in futures) == [(f"sweepwidget-agent-{n}", True) for n in (1, 2, 3)]
    backend.shutdown()


def test_further_functions_wait_for_a_slot():
    """With every slot taken a function waits; it can be taken back, the running one cannot."""
    backend = backend_for("thread")
    started, go_on = threading.Event(), threading.Event()
    running = backend.submit(lambda: (started.set(), go_on.wait(10)))
    waiting, taken_back = backend.submit(lambda: "ran"), backend.submit(int)
    started.wait(10)
    assert backend.interrupt(running) is False
    assert not waiting.running()
    assert backend.interrupt(taken_back) is True
    go_on.set()
    assert waiting.result(10) == "ran"
    assert taken_back.cancelled()
    backend.shutdown()


def test_shutdown_does_not_wait_for_what_runs():
    """`shutdown` returns at once: what waits is cancelled (and those who wait for it learn so), what runs goes on."""
    backend = backend_for("thread", 2)
    started, go_on = threading.Barrier(3), threading.Event()
    running = [backend.submit(lambda: (started.wait(10), go_on.wait(10))) for _ in range(2)]
    waiting = [backend.submit(int) for _ in range(3)]
    started.wait(10)
    threads = ours()
    backend.shutdown()
    assert wait(waiting, 10).not_done == set()
    assert all(future.cancelled() for future in waiting)
    assert not any(future.done() for future in running)
    go_on.set()
    wait_until_ended(threads)
    assert all(future.done() for future in running)


def test_shutdown_from_inside():
    """A function may shut its own backend down."""
    backend = backend_for("thread")
    assert backend.submit(backend.shutdown).result(10) is None


def test_keyboard_interrupt_raised_in_a_thread():
    """A KeyboardInterrupt that training itself raises on a thread ends that training alone."""
    backend = backend_for("thread")
    assert isinstance(backend.submit(raise_, KeyboardInterrupt()).exception(10), KeyboardInterrupt)
    assert backend.submit(lambda: "next").result(10) == "next"
    backend.shutdown()


def test_caller_context_does_not_reach_threads():
    """A thread's function starts from an empty context, as a thread of its own would."""
    token = where.set("caller")
    backend = backend_for("thread")
    try:
        assert backend.submit(where.get).result(10) == "nowhere"
    finally:
        where.reset(token)
        backend.shutdown()


# -- inline -----------------------------------------------------------------------------------------------------------


def test_inline_runs_here_and_now():
    """Inline, the function has ended when `submit` returns, on the calling thread and in a copy of its context."""
    token = where.set("caller")
    try:
        future = backend_for("inline").submit(lambda: (threading.current_thread(), where.get()))
    finally:
        where.reset(token)
    assert future.done()
    assert future.result() == (threading.current_thread(), "caller")


def test_inline_interrupt_passes_through():
    """Inline, an interrupt of the cell reaches the caller."""
    backend = backend_for("inline")
    with pytest.raises(KeyboardInterrupt):
        backend.submit(raise_, KeyboardInterrupt())
    assert backend.submit(lambda: "next").result() == "next"


def test_inline_has_one_slot():
    """Inline, two at once are impossible, and the error says what to use."""
    with pytest.raises(UsageError, match="use backend='thread'"):
        backend_for("inline", 2)


# -- backend_for ------------------------------------------------------------------------------------------------------


def test_backend_objects_pass():
    """A backend of the user's own is used as it is."""
    mine = backend_for("inline")
    assert backend_for(mine, 7) is mine


def test_unknown_backend():
    """An unknown name lists the known ones."""
    with pytest.raises(UsageError, match=r"unknown backend 'dask': expected 'inline', 'thread'"):
        backend_for("dask")


@pytest.mark.parametrize("thing", [None, 3, object, Future()])
def test_not_a_backend(thing):
    """Something that is no backend is refused with what there is."""
    with pytest.raises(UsageError, match="agents cannot run on .*: expected .thread., .kernel."):
        backend_for(thing)


@pytest.mark.parametrize("slots", [0, -1, 1.5, True, "2", None])
def test_slots(slots):
    """Slots are whole numbers from 1 on."""
    with pytest.raises(UsageError, match="whole number of slots"):
        backend_for("thread", slots)
