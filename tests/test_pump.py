"""Waiting without deafness: a cell that blocks still hears clicks, interrupts and the notebook's own tasks."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from kernel import Kernel

from sweepwidget import pump
from sweepwidget.pump import let_comms_through, pump_while

SETUP = """
import asyncio, threading, time
import ipykernel
from sweepwidget import pump
from sweepwidget.pump import let_comms_through, pump_while
try:
    from comm import create_comm
except ImportError:  # ipykernel 6.17
    from ipykernel.comm import Comm as create_comm

clicks, order = [], []
comm = create_comm(target_name="test", data={})

@comm.on_msg
def clicked(message):
    data = message["content"]["data"]
    clicks.append((data, threading.current_thread().name))
    print("click", data)
    if data == "wait":
        pump_while(lambda: ("end", "MainThread") not in clicks)
    if data == "fail":
        1 / 0

def said(text):
    return any(data == text for data, _ in clicks)
"""


@pytest.fixture(scope="module")
def comm(kernel: Kernel) -> str:
    """The id of a comm whose messages are printed and kept in `clicks`."""
    assert kernel.run(SETUP).error == ""
    return kernel.run("print(comm.comm_id)").stdout.strip()


@pytest.fixture
def click(kernel: Kernel, comm: str):
    """Send data on the comm, as a front end does; returns the message's id."""
    kernel.run("clicks.clear(), order.clear()")
    return lambda data, **header: kernel.send("comm_msg", {"comm_id": comm, "data": data}, **header)


def block(kernel: Kernel, code: str) -> str:
    """Start a cell and wait until it runs."""
    cell = kernel.start(f"print('BUSY', flush=True)\n{code}")
    kernel.wait_for(cell, "BUSY")
    return cell


@pytest.mark.slow
def test_click_is_handled_during_the_wait(kernel, click):
    """A widget message reaches its handler while the cell blocks; what it prints lands in that cell."""
    cell = block(kernel, "pump_while(lambda: not said('go'))")
    message = click("go")
    kernel.idle(message)
    states = [m["content"]["execution_state"] for m in kernel.messages(message) if m["msg_type"] == "status"]
    assert states == ["busy", "idle"]
    done = kernel.finish(cell)
    assert (done.status, done.stdout) == ("ok", "BUSY\nclick go\n")
    assert kernel.run("clicks").result == "[('go', 'MainThread')]"


@pytest.mark.slow
def test_queued_cells_wait_and_keep_their_order(kernel, click):
    """Cells queued during the wait run after it, in order, and none is lost between the clicks."""
    cell = block(kernel, "pump_while(lambda: not said('go')); order.append('first')")
    queued = []
    for i in range(6):
        click(f"move {i}")
        queued.append(kernel.start(f"order.append({i}); print({i})"))
    click("go")
    assert kernel.finish(cell).status == "ok"
    assert [kernel.finish(later).stdout for later in queued] == [f"{i}\n" for i in range(6)]
    assert kernel.run("order").result == "['first', 0, 1, 2, 3, 4, 5]"
    assert kernel.run("[data for data, _ in clicks]").result == str([*(f"move {i}" for i in range(6)), "go"])


@pytest.mark.slow
def test_help_waits_and_is_answered(kernel, click):
    """Help (or a completion) asked for during the wait is answered after it."""
    cell = block(kernel, "pump_while(lambda: not said('go'))")
    asked = kernel.send("inspect_request", {"code": "clicks", "cursor_pos": 6, "detail_level": 0})
    click("go")
    kernel.finish(cell)
    assert kernel.reply(asked)["content"]["found"]


@pytest.mark.slow
@pytest.mark.parametrize("question", ["comm_info_request", "kernel_info_request"])
def test_a_reloaded_page_is_answered_at_once(kernel, click, question):
    """What a reloaded page asks before it can rebuild its widgets is answered while the cell blocks."""
    cell = block(kernel, "pump_while(lambda: not said('go'))")
    reply = kernel.reply(kernel.send(question, {}))
    assert reply["content"]["status"] == "ok"
    click("go")
    assert kernel.finish(cell).status == "ok"


@pytest.mark.slow
def test_interrupt_is_a_keyboard_interrupt(kernel, click):
    """The interrupt button raises KeyboardInterrupt in the cell; queued cells are aborted and the kernel goes on."""
    cell = block(kernel, "pump_while(lambda: True)")
    queued = kernel.start("order.append('never')")
    kernel.idle(click("after it"))  # so that it is there: a signal is faster than a message
    kernel.interrupt()
    assert kernel.finish(cell).error.startswith("KeyboardInterrupt")
    assert kernel.finish(queued).status == "aborted"
    assert kernel.run("print('usable', order)").stdout == "usable []\n"
    cell = block(kernel, "pump_while(lambda: not said('again'))")
    click("again")
    assert kernel.finish(cell).status == "ok"


@pytest.mark.slow
def test_an_error_in_the_predicate_passes_through(kernel, click):
    """What the predicate raises ends the wait; messages and cells that came meanwhile are not lost."""
    cell = block(kernel, "pump_while(lambda: 1 / (not said('zero')))")
    queued = kernel.send("inspect_request", {"code": "order", "cursor_pos": 5, "detail_level": 0})
    click("zero")
    assert kernel.finish(cell).error == "ZeroDivisionError: division by zero"
    assert kernel.reply(queued)["content"]["found"]
    assert kernel.run("print(1)").stdout == "1\n"


@pytest.mark.slow
def test_a_failing_handler_does_not_end_the_wait(kernel, click):
    """An error in somebody's click handler leaves the cell waiting, and hearing."""
    cell = block(kernel, "pump_while(lambda: not said('go'))")
    kernel.idle(click("fail"))
    click("go")
    assert kernel.finish(cell).status == "ok"


@pytest.mark.slow
def test_waits_nest(kernel, click):
    """A click's handler may wait in its turn; clicks reach it, and cells queued on either level keep their order."""
    cell = block(kernel, "pump_while(lambda: not said('end')); order.append('outer')")
    queued = [kernel.start("order.append('before')")]
    click("wait")
    kernel.wait_for(cell, "click wait")
    queued.append(kernel.start("order.append('during')"))
    click("end")
    assert kernel.finish(cell).status == "ok"
    assert [kernel.finish(later).status for later in queued] == ["ok", "ok"]
    assert kernel.run("order").result == "['outer', 'before', 'during']"


@pytest.mark.slow
def test_the_wake_is_heard_at_once(kernel, click):
    """From the moment a worker sets the wake to the return: a moment, where the next look would come after ten seconds."""
    code = """
late_ms = []
for _ in range(100):
    done, at = threading.Event(), []
    threading.Timer(0.005, lambda: (at.append(time.perf_counter()), done.set())).start()
    pump_while(lambda: not done.is_set(), wake=done, interval_s=10)
    late_ms.append(1000 * (time.perf_counter() - at[0]))
print(sorted(late_ms)[50])
"""
    assert float(kernel.run(code).stdout) < 100  # seen on a quiet machine: less than 5 in 95 of 100 cases


@pytest.mark.slow
def test_a_wait_leaves_nothing_behind(kernel, click):
    """No threads, no descriptors, no pump: a thousand short waits cost nothing that lasts."""
    code = """
import psutil
me = psutil.Process()
def waits(n):
    for _ in range(n):
        done = threading.Event()
        threading.Thread(target=done.set).start()
        pump_while(lambda: not done.is_set(), wake=done)
waits(10); before = me.num_fds() if hasattr(me, "num_fds") else 0
waits(300); after = me.num_fds() if hasattr(me, "num_fds") else 0
ringers = [t for t in threading.enumerate() if t.name == "sweepwidget-wake"]
for t in ringers:
    t.join(5)
print(after - before < 10, pump._pump, any(t.is_alive() for t in ringers))
"""
    assert kernel.run(code).stdout == "True None False\n"


@pytest.mark.slow
def test_tasks_of_the_notebook_go_on(click):
    """An asyncio task of the notebook ticks while the cell blocks, clicks are heard, and no queued cell is lost.

    The kernel's loop had callbacks ready when the cell began: its iteration still finds as many.
    """
    with Kernel() as kernel:
        kernel.run(SETUP)
        assert kernel.run("import sys; print('nest_asyncio2' in sys.modules)").stdout == "False\n"
        comm = kernel.run("print(comm.comm_id)").stdout.strip()
        code = """
ticks = []
async def tick():
    while True:
        await asyncio.sleep(0.01)
        ticks.append(1)
loop = asyncio.get_running_loop()
for _ in range(5):
    loop.call_soon(order.append, "callback")
task = loop.create_task(tick())
pump_while(lambda: not (said("go") and len(ticks) >= 20))
"""
        cell = block(kernel, code)
        queued = []
        for i in range(40):
            kernel.idle(kernel.send("comm_msg", {"comm_id": comm, "data": f"{i}"}))
            queued.append(kernel.start(f"order.append({i})"))
        kernel.send("comm_msg", {"comm_id": comm, "data": "go"})
        done = kernel.finish(cell)
        assert (done.status, done.stderr) == ("ok", "")
        assert [kernel.finish(later).status for later in queued] == ["ok"] * 40
        assert kernel.run("print(order)").stdout == f"{['callback'] * 5 + list(range(40))}\n"
        cell = block(kernel, "pump_while(lambda: True)")
        kernel.interrupt()
        assert kernel.finish(cell).error.startswith("KeyboardInterrupt")
        assert kernel.run("await asyncio.sleep(0.05); print(task.done(), task.cancel())").stdout == "False True\n"


@pytest.mark.slow
def test_nothing_is_patched_without_tasks(kernel, click):
    """nest_asyncio2 is applied only when the notebook has a task of its own."""
    cell = block(kernel, "pump_while(lambda: not said('go'))")
    click("go")
    kernel.finish(cell)
    assert kernel.run("print(hasattr(asyncio, '_nest_patched'))").stdout == "False\n"


@pytest.mark.slow
def test_clicks_come_through_a_busy_cell_of_the_user(kernel, click):
    """With subshells, a click reaches its handler while the user's own cell blocks, once the comm lets it through."""
    if kernel.run("print(int(ipykernel.__version__.split('.')[0]) >= 7)").stdout != "True\n":
        pytest.skip("this ipykernel has no subshells")
    asked = kernel.client.session.msg("create_subshell_request")
    kernel.client.control_channel.send(asked)
    subshell = kernel.client.get_control_msg(timeout=10)["content"]["subshell_id"]
    kernel.run("let_comms_through(comm)")
    cell = block(kernel, "while not said('go'): time.sleep(0.01)\nprint('through')")
    click("go", subshell_id=subshell)
    assert kernel.finish(cell).stdout.endswith("through\n")
    assert kernel.run("clicks[0][1] != 'MainThread'").result == "True"


def test_comms_without_the_rule_are_left_alone():
    """Other kernels' comms get no new attribute."""
    plain = SimpleNamespace()
    let_comms_through(plain)
    assert vars(plain) == {}


@pytest.mark.parametrize("on_main_thread", [True, False])
def test_without_a_kernel_the_wake_is_heard(on_main_thread):
    """In a script, and on any thread, the wait ends when the wake is set, not at the next look."""
    done, looks, woken = threading.Event(), [], threading.Event()

    def look() -> bool:
        looks.append(1)
        if len(looks) == 1:
            threading.Timer(0.05, done.set).start()
            return True
        return not done.is_set()

    def wait() -> None:
        pump_while(look, wake=done, interval_s=60)
        woken.set()

    if on_main_thread:
        wait()
    else:
        threading.Thread(target=wait).start()
    assert woken.wait(10)
    assert len(looks) == 2


def test_a_wake_during_the_look_is_heard():
    """What the predicate had looked past when it was said is looked at again at once, not after the interval."""
    done, looks = threading.Event(), []
    begin = time.monotonic()
    pump_while(lambda: not looks.append(1) and not (done.is_set() or done.set()), wake=done, interval_s=60)
    assert (len(looks), time.monotonic() - begin < 30) == (2, True)


def test_a_spent_wake_does_not_spin():
    """A wake that is set already says nothing new: the predicate is asked at the interval."""
    done, looks = threading.Event(), []
    done.set()
    begin = time.monotonic()
    pump_while(lambda: not looks.append(1) and len(looks) < 5, wake=done, interval_s=0.02)
    assert time.monotonic() - begin >= 0.08


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_script_can_be_interrupted():
    """Ctrl-C ends a wait on the main thread at once."""
    sender = threading.Timer(0.1, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT))
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        sender.start()
        pump_while(lambda: True, wake=threading.Event(), interval_s=60)
    assert time.monotonic() - begin < 30


def test_an_unknown_kernel_can_still_wait(monkeypatch):
    """A kernel without the insides that we know gets a plain wait."""
    shell = SimpleNamespace(kernel=SimpleNamespace(shell_stream=None))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    looks = []
    pump_while(lambda: not looks.append(1) and len(looks) < 3, interval_s=0.001)
    assert (len(looks), pump._pump) == (3, None)


@pytest.mark.skipif(os.name != "posix", reason="raises a signal")
def test_held_interrupts():
    """An interrupt waits for the end of what must not be torn apart; the second one does not."""
    steps = []
    with pytest.raises(KeyboardInterrupt):
        with pump._interrupts_held():
            signal.raise_signal(signal.SIGINT)
            steps.append("whole")
    with pytest.raises(KeyboardInterrupt):
        with pump._interrupts_held():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            steps.append("never")
    assert steps == ["whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
