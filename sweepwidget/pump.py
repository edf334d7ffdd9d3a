"""Keeps the notebook alive while one of its cells blocks: clicks, reloaded pages, the notebook's own asyncio tasks.

Works on ipykernel 6.17 to 7.4. The main shell's messages are read in place of the kernel's event loop, which stands
still for the length of a cell: widget messages are handled at once, all others (queued cells, completions) are put back
in order when the wait ends. Private names are looked for first; where one is missing this is a plain wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

_log = logging.getLogger(__name__)

# comm_info and kernel_info are what a reloaded page asks for before it can show its widgets again.
_AT_ONCE = frozenset({"comm_open", "comm_msg", "comm_close", "comm_info_request", "kernel_info_request"})
_BATCH = 64  # messages between two looks at the predicate: a flood of slider moves must not starve it
_TICK_S = 0.01  # how often the notebook's own asyncio tasks get a turn
_TURN_S = 0.005  # and how long they may have work to do before the predicate is looked at again


def pump_while(predicate: Callable[[], bool], wake: threading.Event | None = None, interval_s: float = 0.05) -> None:
    """Block while `predicate()` is true, and keep the notebook's widgets alive meanwhile.

    >>> done = threading.Event()
    >>> future.add_done_callback(lambda _: done.set())      # doctest: +SKIP
    >>> pump_while(lambda: not done.is_set(), wake=done)    # doctest: +SKIP

    The predicate is called every `interval_s` seconds, and as soon as some thread sets `wake` (which is not cleared).
    What the predicate raises passes through, and so does KeyboardInterrupt; the kernel is left as it was found.
    """
    pump = _find_pump()
    if pump is None:
        while True:
            # A wake that is set before the look says no more: an event that nobody sets keeps the pace then.
            pace = threading.Event() if wake is None or wake.is_set() else wake
            if not predicate():
                return
            pace.wait(interval_s)
    with pump.attached(), pump.hearing(wake):
        while predicate():
            pump.once(interval_s)


def let_comms_through(comm: object) -> None:
    """Let clicks on this comm's widget arrive while the user's own cell blocks.

    ipykernel 7.4 sends a comm's messages to the shell that last spoke on it, which is the busy one; 7.0 to 7.3 send them
    where the front end asked, a subshell of the widgets. Does nothing where the kernel has no such rule.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, asked_for: asked_for


class _Pump:
    """Reads the main shell's messages while somebody is attached. Lives on the kernel's main thread."""

    def __init__(self, kernel: Any, loop: asyncio.AbstractEventLoop) -> None:
        zmq: Any = sys.modules["zmq"]  # a kernel has it
        channel = getattr(kernel, "shell_channel_thread", None)
        if channel is None:  # ipykernel 6: the ROUTER itself
            self._stream = self._replies = kernel.shell_stream
        else:  # ipykernel 7: the inproc PAIR that the shell channel's thread fills
            self._stream = channel.manager._shell_channel_to_main.to_stream
            self._replies = channel.manager.get_subshell_to_shell_channel_socket(None)
        self._callback, self._copy = self._stream._recv_callback, self._stream._recv_copy
        if self._callback is None or not callable(self._stream._run_callback):
            raise AttributeError("nobody reads the shell")
        self._kernel, self._zmq = kernel, zmq
        self._socket = self._stream.socket
        self._deferred: list[list[Any]] = []
        self._turns = _Turns(loop)

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """Read in place of the kernel. Waits may nest: the outermost puts everybody's messages back, in order."""
        global _pump
        if _pump is self:
            yield
            return
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._poller = self._zmq.Poller()
        self._poller.register(self._socket, self._zmq.POLLIN)
        self._poller.register(self._ear, self._zmq.POLLIN)
        try:
            _pump = self
            self._stream.on_recv(None)
            self._handle_queued()
            yield
        finally:
            with _interrupts_held():
                _pump = None
                self._bell.close()
                self._ear.close()
                for raw in self._deferred:  # the way of a normal receive, which keeps the order
                    self._stream._run_callback(self._callback, raw)
                # This also looks for messages that are there already: zmq's descriptor rings once, and we heard it.
                self._stream.on_recv(self._callback, copy=self._copy)
                self._turns.close()

    @contextlib.contextmanager
    def hearing(self, wake: threading.Event | None) -> Iterator[None]:
        """Let `wake.set()` end a poll: a thread waits for it and rings, since zmq cannot wait for an event."""
        if wake is None or wake.is_set():
            yield
            return
        bell, over, lock = self._bell, threading.Event(), threading.Lock()

        def ring() -> None:
            while not wake.wait(0.5) and not over.is_set():
                pass
            with lock:  # the bell is closed after the wait; its descriptor may be somebody else's by then
                if not over.is_set():
                    bell.send(b"!")

        try:
            threading.Thread(target=ring, name="sweepwidget-wake", daemon=True).start()
            yield
        finally:
            with lock:
                over.set()

    def once(self, timeout_s: float) -> None:
        """Wait for a message, the wake or the timeout; handle what came; give the notebook's own tasks their turn."""
        tasks = self._turns.wanted()
        wait_s = min(timeout_s, _TICK_S) if tasks else timeout_s
        rung = dict(self._poller.poll(1000 * wait_s))  # lets go of the GIL; an interrupt ends it
        if self._ear.fileno() in rung:
            self._ear.recv(4096)
        if self._socket in rung:
            self._read()
        if tasks:
            self._turns.give()

    def _read(self) -> None:
        with contextlib.suppress(self._zmq.Again):
            for _ in range(_BATCH):
                # Kept before it is looked at, so that an interrupt at any moment loses no queued cell.
                self._deferred.append(self._socket.recv_multipart(self._zmq.NOBLOCK, copy=False))
                if comm := self._comm_message(self._deferred[-1]):
                    self._deferred.pop()
                    self._handle(*comm)

    def _handle_queued(self) -> None:
        """Handle the comm messages that ipykernel 6 had read before the cell began to wait."""
        queue: Any = getattr(self._kernel, "msg_queue", None)
        for _ in range(0 if queue is None else queue.qsize()):
            item = queue.get_nowait()
            arguments = item[-1]
            if arguments and (comm := self._comm_message(arguments[-1])):
                self._handle(*comm)
            else:
                queue.put_nowait(item)

    def _comm_message(self, raw: Any) -> tuple[Any, dict[str, Any]] | None:
        """(identities, message) if it cannot wait; None leaves it to the kernel, what is malformed included."""
        session = self._kernel.session
        try:
            identities, frames = session.feed_identities(raw, copy=False)
            if session.unpack(frames[1].bytes)["msg_type"] not in _AT_ONCE:
                return None
            return identities, session.deserialize(frames, content=True, copy=False)
        except Exception:  # noqa: BLE001  (anything may stand in a message)
            return None

    def _handle(self, identities: Any, message: dict[str, Any]) -> None:
        kernel = self._kernel
        kernel._publish_status("busy", "shell", parent=message)  # front ends send the next message after *its* idle
        try:
            coroutine = kernel.shell_handlers[message["msg_type"]](self._replies, identities, message)
            if hasattr(coroutine, "send"):  # the *_info handlers are coroutines that never suspend
                with contextlib.suppress(StopIteration):
                    coroutine.send(None)
        except Exception:  # noqa: BLE001  (the user's own handler; the cell goes on)
            _log.exception("A %s handler failed while a cell was waiting", message["msg_type"])
        finally:
            kernel._publish_status("idle", "shell", parent=message)
            kernel._publish_status("busy", "shell")  # the cell is
            if self._replies is self._stream:  # ipykernel 6 sends replies from the loop, which stands still
                self._stream.flush(self._zmq.POLLOUT)


_pump: _Pump | None = None


def _find_pump() -> _Pump | None:
    """A pump for this thread's kernel, or None: no kernel, not its main thread, not running, or not as we know it."""
    ipython = sys.modules.get("IPython")
    if ipython is None or threading.current_thread() is not threading.main_thread():
        return None
    if _pump is not None:  # a click's handler, or the predicate, waits in its turn
        return _pump
    shell = ipython.get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    try:
        return _Pump(kernel, asyncio.get_running_loop())
    except Exception:  # noqa: BLE001  (a kernel that we do not know can still wait)
        _log.debug("no widget messages while a cell blocks in this kernel", exc_info=True)
        return None


class _Turns:
    """Turns for the notebook's own asyncio tasks, by nest_asyncio2, which is applied when there is such a task."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._can_nest: bool | None = None
        self._ready_before: int | None = None

    def wanted(self) -> bool:
        """Whether the notebook has tasks of its own on the kernel's loop, and they can be run from inside a cell."""
        current = asyncio.current_task(self._loop)
        if all(task is current or _is_kernels(task) for task in asyncio.all_tasks(self._loop)):
            return False
        if self._can_nest is None:
            self._can_nest = _make_reentrant(self._loop)
        return self._can_nest

    def give(self) -> None:
        """Run the loop for as long as it has work, but not much longer than `_TURN_S`."""
        ready: Any = self._loop._ready  # type: ignore[attr-defined]
        if self._ready_before is None:
            self._ready_before = len(ready)

        async def turn() -> None:
            end = time.monotonic() + _TURN_S
            await asyncio.sleep(0)
            while ready and time.monotonic() < end:  # noqa: ASYNC110  (one iteration of the loop at a time)
                await asyncio.sleep(0)

        with _interrupts_held():  # it is the cell that is interrupted, not a bystander
            self._loop.run_until_complete(turn())

    def close(self) -> None:
        """Fill up the ready queue: the iteration that runs our cell will pop as many handles as it once counted."""
        if self._ready_before is None:
            return
        ready: Any = self._loop._ready  # type: ignore[attr-defined]
        while len(ready) < self._ready_before:
            self._loop.call_soon(lambda: None)


def _is_kernels(task: asyncio.Task[Any]) -> bool:
    frame = getattr(task.get_coro(), "cr_frame", None)
    module = "" if frame is None else str(frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in {"ipykernel", "IPython"}


def _make_reentrant(loop: asyncio.AbstractEventLoop) -> bool:
    """Let the loop be run from inside one of its own callbacks. False where that cannot be, or would lose messages."""
    import nest_asyncio2

    patched_by_another = hasattr(loop, "_nest_patched") and not hasattr(loop, "_nest_asyncio2")
    # Cells of ipykernel 7 share one context. Releases without this rule, and the old nest_asyncio, lose queued cells.
    if patched_by_another or not hasattr(nest_asyncio2, "_context_entered"):
        return False
    try:
        nest_asyncio2.apply(loop)
    except ValueError:  # uvloop
        return False
    return True


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Raise a KeyboardInterrupt only at the end of the block, unless it is pressed twice. Main thread only."""
    pressed = False

    def press(*_: object) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    before = signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
