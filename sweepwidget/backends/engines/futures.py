"""Futures of other libraries as those of `concurrent.futures`, and what else the engines share."""

from __future__ import annotations

import contextlib
import os
import signal
from concurrent.futures import Future, InvalidStateError
from typing import Any

from ...model import Process
from ...process import is_alive, this_process


def chained(theirs: Any) -> Future[Any]:
    """A future that ends as `theirs` does. `theirs` has add_done_callback, cancelled, exception and result."""
    future: Future[Any] = Future()
    theirs.add_done_callback(lambda ended: settle(future, ended))
    return future


def settle(future: Future[Any], theirs: Any) -> None:
    """End a future as `theirs` has ended; harmless when it has ended before."""
    if theirs.cancelled():
        cancel(future)
        return
    error = theirs.exception()
    with contextlib.suppress(InvalidStateError):
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(theirs.result())


def cancel(future: Future[Any]) -> None:
    """Cancel a future that nobody has begun, and wake those that wait for it."""
    if future.cancel():
        future.set_running_or_notify_cancel()


def interrupt_here(process: Process) -> bool:
    """Send SIGINT to a worker of this machine that is not this very process: Python code there gets KeyboardInterrupt."""
    here = this_process()
    if process == here or (process.host, process.space) != (here.host, here.space) or not is_alive(process):
        return False
    try:
        os.kill(process.pid, signal.SIGINT)
    except OSError:
        return False
    return True
